//! The dialog that asks a language model about a feature: the endpoint, everything that will be sent, and the answer with its detection score.

use egui::{Align2, Id, Key, Label, Modifiers, Response, RichText, TextEdit, Ui};
use umbra_core::workbench::ask::{LEAST_TEXTS, Message, explain_prompt};

use crate::state::labels::{Question, Typed};
use crate::state::requests::Commands;
use crate::state::requests::labels::Command;
use crate::state::{AppState, Load};
use crate::theme::{self, Theme, caption, space};
use crate::widgets::form::{self, Part, Row};

/// Height of the title, the margins and the foot, and the distance from the top and the bottom of the window, which the window's place above the middle doubles.
const AROUND: f32 = 180.0;

const PURPOSE: &str = "Sends the texts below to an OpenAI-compatible endpoint of your choice: a service, or a program on this machine such as llama.cpp or Ollama. Nothing else is sent, and nothing before you press Ask.";

const DETECTION: &str = "After the label, the model gets the label and held-out texts in random order, in half of which the feature is silent, and says where the label fits. The score is the balanced accuracy: 0.5 by chance";

/// Draws the dialog, if a question is open.
pub(super) fn ask_ui(ui: &Ui, state: &AppState, commands: &mut Commands) {
    let Some(question) = &state.labels.question else {
        return;
    };
    let mut open = true;
    let title = format!("Ask a model about feature {}", question.feature);
    egui::Window::new(theme::panel_title(&title))
        .id(Id::unique("question to a model"))
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .order(egui::Order::Foreground)
        .anchor(Align2::CENTER_CENTER, (0.0, -40.0))
        .show(ui.ctx(), |ui| {
            let window = ui.ctx().content_rect();
            let width = form::WIDTH.min(window.width() - 4.0 * space::GROUP);
            let room = window.height() - AROUND;
            form::dialog(
                ui,
                ("question to a model", width, room),
                |ui, part| match part {
                    Part::Content => content_ui(ui, question, commands),
                    Part::Footer => buttons_ui(ui, question, commands),
                },
            );
        });
    let escaped = ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape));
    if !open || escaped {
        commands.send(Command::Close);
    }
}

fn content_ui(ui: &mut Ui, question: &Question, commands: &mut Commands) {
    ui.add(Label::new(PURPOSE).wrap());
    ui.add_space(space::CHIP);
    let mut typed = question.typed.clone();
    endpoint_ui(ui, &mut typed);
    if typed != question.typed {
        commands.send(Command::Type(typed));
    }
    match &question.material {
        Load::Ready(material) => {
            let held = material.active.len().min(material.silent.len());
            let words = if held < LEAST_TEXTS {
                "Too few held-out texts: the label will have no detection score".to_owned()
            } else {
                format!(
                    "{} texts shown; {} active and {} silent ones held out for the detection score",
                    material.shown.len(),
                    material.active.len(),
                    material.silent.len()
                )
            };
            Row {
                label: "Texts",
                wide: true,
                ..Row::default()
            }
            .ui(ui, |ui, _| {
                ui.add(Label::new(&words).wrap()).on_hover_text(DETECTION)
            });
            messages_ui(ui, "What is sent first", &explain_prompt(material));
        }
        Load::Failed(why) => {
            ui.add(Label::new(RichText::new(why).color(Theme::from_ui(ui).warning)).wrap());
        }
        Load::Absent | Load::Loading => {
            ui.label("Reading texts in which the feature is silent…");
        }
    }
    answer_ui(ui, question);
}

fn endpoint_ui(ui: &mut Ui, typed: &mut Typed) {
    let wrong = Typed {
        model: "any".to_owned(),
        ..typed.clone()
    };
    let wrong = wrong.endpoint().check().err();
    let wrong = wrong.map(|why| crate::words::error(&why));
    let field = |ui: &mut Ui, text: &mut String, hint: &str, hidden: bool| -> Response {
        let edit = TextEdit::singleline(text)
            .hint_text(hint)
            .password(hidden)
            .desired_width(ui.available_width() - 8.0);
        ui.add(edit)
    };
    Row {
        label: "Address",
        help: "Up to the version, as in https://api.openai.com/v1 or http://localhost:11434/v1",
        error: wrong.as_deref().filter(|_| !typed.url.trim().is_empty()),
        wide: true,
        ..Row::default()
    }
    .ui(ui, |ui, _| {
        field(ui, &mut typed.url, "https://api.openai.com/v1", false)
    });
    Row {
        label: "Model",
        help: "Name of the model at the endpoint",
        wide: true,
        ..Row::default()
    }
    .ui(ui, |ui, _| {
        field(ui, &mut typed.model, "gpt-4o-mini", false)
    });
    Row {
        label: "Key",
        help: "Leave it empty for a program that asks for none",
        wide: true,
        ..Row::default()
    }
    .ui(ui, |ui, _| field(ui, &mut typed.key, "", true));
    Row {
        label: "",
        help: "In endpoint.json of the program's data folder, which only you can read. Address and model are kept there in any case",
        wide: true,
        ..Row::default()
    }
    .ui(ui, |ui, _| ui.checkbox(&mut typed.keeps_key, "Keep the key on this machine"));
}

/// Draws messages as they are sent.
fn messages_ui(ui: &mut Ui, title: &str, messages: &[Message]) {
    egui::CollapsingHeader::new(title)
        .id_salt(title)
        .default_open(true)
        .show(ui, |ui| {
            let secondary = Theme::from_ui(ui).ink.secondary;
            for message in messages {
                ui.label(caption(message.role).color(secondary));
                let text = RichText::new(&message.content).text_style(egui::TextStyle::Small);
                ui.add(Label::new(text).wrap().selectable(true));
            }
        });
}

fn answer_ui(ui: &mut Ui, question: &Question) {
    match &question.answer {
        Load::Absent => {}
        Load::Loading => {
            ui.label("Waiting for the answer…");
        }
        Load::Failed(why) => {
            ui.add(Label::new(RichText::new(why).color(Theme::from_ui(ui).warning)).wrap());
        }
        Load::Ready(answer) => {
            let given = &answer.label;
            Row {
                label: "Label",
                wide: true,
                ..Row::default()
            }
            .ui(ui, |ui, _| {
                ui.add(Label::new(&given.text).wrap().selectable(true))
            });
            let said = match &given.origin.detection {
                Some(detection) => detection.said(),
                None => "no detection test: too few held-out texts".to_owned(),
            };
            Row {
                label: "Test",
                wide: true,
                ..Row::default()
            }
            .ui(ui, |ui, _| {
                ui.add(Label::new(&said).wrap()).on_hover_text(DETECTION)
            });
        }
    }
}

fn buttons_ui(ui: &mut Ui, question: &Question, commands: &mut Commands) {
    let waits = question.answer.is_loading();
    let is_right = question.typed.endpoint().check().is_ok();
    let ready = is_right && !waits && question.material.ready().is_some();
    let answer = question.answer.ready();
    if let Some(answer) = answer {
        let take = form::main_button(ui, true, "", "Use as label");
        if take.clicked() {
            commands.send(Command::Accept {
                feature: answer.feature,
                given: answer.label.clone(),
            });
            commands.send(Command::Close);
        }
    }
    let ask = if answer.is_some() {
        form::side_button(ui, ready, "Ask again")
    } else {
        form::main_button(ui, ready, "", "Ask")
    };
    if ask.clicked() {
        commands.send(Command::Send);
    }
    if form::side_button(ui, true, "Cancel").clicked() {
        commands.send(Command::Close);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use egui_kittest::Harness;
    use egui_kittest::kittest::{NodeT as _, Queryable as _};
    use umbra_core::ids::FeatureId;
    use umbra_core::project::{Detection, Given, Maker, Origin};
    use umbra_core::workbench::ask::Answer;

    use super::*;
    use crate::state::{Event, labels, requests};
    use crate::testing;

    fn asking(typed: Typed, answer: Load<Arc<Answer>>) -> AppState {
        let mut state = testing::typical();
        let question = Question {
            typed,
            ..testing::questions::question(answer)
        };
        let event = labels::Event::Question(Some(Box::new(question)));
        state.apply(Event::Labels(event));
        state
    }

    fn drawn(state: &AppState) -> (Harness<'_>, std::rc::Rc<std::cell::RefCell<Commands>>) {
        let commands = std::rc::Rc::default();
        let sent: std::rc::Rc<std::cell::RefCell<Commands>> = std::rc::Rc::clone(&commands);
        let mut harness = Harness::builder()
            .with_size((1000.0, 900.0))
            .with_context_setup(theme::install)
            .build_ui(move |ui| ask_ui(ui, state, &mut sent.borrow_mut()));
        harness.run();
        (harness, commands)
    }

    #[test]
    fn nothing_can_be_sent_without_a_right_address() {
        let state = asking(Typed::default(), Load::Absent);
        let (harness, commands) = drawn(&state);
        assert!(harness.get_by_label("Ask").accesskit_node().is_disabled());
        assert!(commands.borrow().is_empty());
        // Everything that is sent is shown.
        harness.get_by_label_contains("the model expects these tokens next");
    }

    #[test]
    fn an_answer_becomes_a_label_with_its_score() {
        let typed = Typed {
            url: "http://localhost:1/v1".to_owned(),
            model: "m".to_owned(),
            ..Typed::default()
        };
        let given = Given {
            text: "talk of kings".to_owned(),
            origin: Origin {
                detection: Some(Detection {
                    active: 4,
                    active_found: 3,
                    silent: 4,
                    silent_named: 0,
                }),
                ..Origin::new(Maker::Model, "m")
            },
        };
        let answer = Answer {
            feature: FeatureId(12),
            label: given.clone(),
            explain: vec![],
            detect: vec![],
        };
        let state = asking(typed, Load::Ready(Arc::new(answer)));
        let (mut harness, commands) = drawn(&state);
        harness.get_by_label_contains("detection 0.88");
        harness.get_by_label("Use as label").click_accesskit();
        harness.run();
        let sent = commands.borrow_mut().take();
        let accept = Command::Accept {
            feature: FeatureId(12),
            given,
        };
        assert_eq!(
            sent[..2],
            [requests::Command::from(accept), Command::Close.into()]
        );
    }
}
