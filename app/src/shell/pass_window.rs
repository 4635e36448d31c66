//! The question before an evaluation or an index: how much held-out text it reads, and how long that is expected to take.

use egui::{Align2, Id, Key, Label, Modifiers, Role, TextEdit, Ui, WidgetInfo};
use umbra_core::ids::HookPoint;
use umbra_core::workbench::passes::{self, Amount, Pass};

use crate::state::catalogue::Dictionary;
use crate::state::passes::{Asked, TextOf, TextPart};
use crate::state::requests::passes::Command;
use crate::state::requests::{Commands, library};
use crate::state::{AppState, Load};
use crate::theme::{self, Theme, caption, icons, space};
use crate::widgets::form::{self, Part, Row};
use crate::widgets::number;

const WIDTH: f32 = form::WIDTH;

/// Height of the title, the margins and the foot, and the distance from the top and the bottom of the window, which the window's place above the middle doubles.
const AROUND: f32 = 180.0;

/// Draws the question, if there is one.
pub(super) fn pass_ui(ui: &Ui, state: &AppState, commands: &mut Commands) {
    let Some(asked) = &state.passes.asked else {
        return;
    };
    let Some(dictionary) = state.catalogue.get(asked.dictionary) else {
        return;
    };
    let name = &dictionary.name;
    let title = match asked.pass {
        Pass::Evaluation => format!("Evaluate {name}"),
        Pass::Index => format!("Build the index of {name}"),
    };
    let mut open = true;
    egui::Window::new(theme::panel_title(title))
        .id(Id::unique("pass"))
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .order(egui::Order::Foreground)
        .anchor(Align2::CENTER_CENTER, (0.0, -40.0))
        .show(ui.ctx(), |ui| {
            let window = ui.ctx().content_rect();
            let width = WIDTH.min(window.width() - 4.0 * space::GROUP);
            let room = window.height() - AROUND;
            let mut amount = None;
            form::dialog(ui, ("pass", width, room), |ui, part| match part {
                Part::Content => amount = content_ui(ui, state, (asked, dictionary), commands),
                Part::Footer => buttons_ui(ui, asked, amount, commands),
            });
        });
    if !open {
        commands.send(Command::Close);
    }
}

/// Draws the question; the amount that is chosen, if it is one.
fn content_ui(
    ui: &mut Ui,
    state: &AppState,
    (asked, dictionary): (&Asked, &Dictionary),
    commands: &mut Commands,
) -> Option<Amount> {
    ui.add(Label::new(purpose(asked.pass)).wrap());
    ui.add_space(space::CHIP);
    let project = state.project.open()?;
    let request = match passes::held_out(project, Amount::All) {
        Ok(request) => request,
        Err(why) => {
            no_text_ui(ui, &crate::words::error(&why), commands);
            return None;
        }
    };
    let source = passes::source(&request);
    let of = TextOf {
        request,
        dictionary: asked.dictionary,
    };
    let available = state.passes.tokens(&of).cloned().unwrap_or_default();
    text_ui(ui, &source, &available);
    let amount = amount_ui(ui, asked, &available, commands);
    others_ui(ui, state, asked, commands);
    measures_ui(ui, state, asked, commands);
    expected_ui(ui, state, asked, (&amount, &available));
    replaced_ui(ui, asked.pass, dictionary, &available);
    amount.ok()
}

/// Says what a pass is for.
fn purpose(pass: Pass) -> &'static str {
    match pass {
        Pass::Evaluation => {
            "Measures L0, FVU, dead features and cross-entropy on text that no dictionary was trained on."
        }
        Pass::Index => {
            "Records where each feature is active on text that no dictionary was trained on: examples, density, histogram, logit effects."
        }
    }
}

/// Says that the project names no text, and offers to add one.
fn no_text_ui(ui: &mut Ui, why: &str, commands: &mut Commands) {
    ui.horizontal_top(|ui| {
        ui.label(theme::icon(icons::WARNING).color(Theme::from_ui(ui).warning));
        ui.add(Label::new(why).wrap());
    });
    if ui.button("Add held-out text…").clicked() {
        let pick = library::Pick::Text { held_out: true };
        commands.send(library::Command::Pick(pick));
    }
}

/// Names the text and its size.
fn text_ui(ui: &mut Ui, source: &str, available: &Load<u64>) {
    let size = match available {
        Load::Ready(tokens) => format!("{} tokens", number::count(*tokens)),
        Load::Failed(why) => why.clone(),
        Load::Absent | Load::Loading => "counting its tokens…".to_owned(),
    };
    let words = format!("Reads {source}: {size}");
    row("Text").ui(ui, |ui, _| ui.add(Label::new(&words).wrap()));
}

fn row(label: &str) -> Row<'_> {
    Row {
        label,
        wide: true,
        ..Row::default()
    }
}

/// Draws the two answers; returns the chosen amount, or why what is typed is none.
fn amount_ui(
    ui: &mut Ui,
    asked: &Asked,
    available: &Load<u64>,
    commands: &mut Commands,
) -> Result<Amount, String> {
    let mut answer = asked.clone();
    let default = Asked::new(asked.pass, asked.dictionary).typed;
    let is_first = asked.part == TextPart::First;
    let typed = asked.amount().err().filter(|_| is_first);
    let amount = Row {
        label: "Amount",
        help: asked.pass.default_reason(),
        unit: "tokens",
        reset: (is_first && asked.typed != default).then_some(default.as_str()),
        error: typed.as_deref(),
        ..Row::default()
    };
    let reset = amount.ui(ui, |ui, _| {
        let choice = ui.radio(is_first, "First");
        choice.widget_info(|| {
            WidgetInfo::selected(
                Role::RadioButton,
                true,
                is_first,
                "First tokens of the text",
            )
        });
        let edit = TextEdit::singleline(&mut answer.typed)
            .font(egui::TextStyle::Monospace)
            .align(Align2::RIGHT_CENTER)
            .desired_width(ui.available_width() - 8.0);
        let edit = ui.add_enabled(is_first, edit);
        if choice.clicked() || edit.gained_focus() {
            answer.part = TextPart::First;
        }
        edit
    });
    if reset {
        answer.typed = default;
    }
    let all = match available {
        Load::Ready(tokens) => format!("All of it ({} tokens)", number::count(*tokens)),
        _ => "All of it".to_owned(),
    };
    row("").ui(ui, |ui, _| {
        let choice = ui.radio(asked.part == TextPart::All, all);
        if choice.clicked() {
            answer.part = TextPart::All;
        }
        choice
    });
    if asked.pass == Pass::Index {
        rows_ui(ui, asked, &mut answer);
    }
    if answer != *asked {
        commands.send(Command::Answer(answer.clone()));
    }
    answer.amount()
}

/// Draws the choice of some rows.
fn rows_ui(ui: &mut Ui, asked: &Asked, answer: &mut Asked) {
    let chosen = asked.part == TextPart::Rows;
    let wrong = asked.amount().err().filter(|_| chosen);
    let rows = Row {
        label: "",
        help: "Rows of tokens, counted from 0, the end not included. Indexes of different rows are joined by `umbra index merge`",
        unit: "A..B",
        error: wrong.as_deref(),
        ..Row::default()
    };
    rows.ui(ui, |ui, _| {
        let choice = ui.radio(chosen, "Rows");
        let edit = TextEdit::singleline(&mut answer.rows)
            .font(egui::TextStyle::Monospace)
            .hint_text("0..80")
            .desired_width(ui.available_width() - 8.0);
        let edit = ui.add_enabled(chosen, edit);
        if choice.clicked() || edit.gained_focus() {
            answer.part = TextPart::Rows;
        }
        edit
    });
}

/// Draws what an index measures at its strongest examples beside their activations: the sources of those of heads' mixed values, and effects on the loss.
fn measures_ui(ui: &mut Ui, state: &AppState, asked: &Asked, commands: &mut Commands) {
    if asked.pass != Pass::Index {
        return;
    }
    let mut answer = asked.clone();
    let all = asked.others.iter().chain([&asked.dictionary]);
    let mut hooks = all.filter_map(|id| state.catalogue.get(*id)?.hook());
    if hooks.any(HookPoint::is_z) {
        row("Sources").ui(ui, |ui, _| {
            ui.checkbox(&mut answer.attribution, "Attribute the strongest examples")
                .on_hover_text("Records which source tokens and heads they come from; takes a second pass over their rows, up to as long as the first")
        });
    }
    row("Loss").ui(ui, |ui, _| {
        ui.checkbox(&mut answer.loss_effects, "Ablate features at their strongest examples")
            .on_hover_text("Records how the loss of the next token changes without the feature; takes another pass over the rows of the strongest examples, and a token's pass for each example")
    });
    if answer != *asked {
        commands.send(Command::Answer(answer));
    }
}

/// Draws the other dictionaries of the project that the same pass of the model can index.
fn others_ui(ui: &mut Ui, state: &AppState, asked: &Asked, commands: &mut Commands) {
    if asked.pass != Pass::Index {
        return;
    }
    let others = state.catalogue.dictionaries.iter();
    let others = others.filter(|other| other.id != asked.dictionary);
    let others: Vec<&Dictionary> = others.filter(|o| state.pair(o.id).is_some()).collect();
    if others.is_empty() {
        return;
    }
    let mut answer = asked.clone();
    let also = Row {
        label: "Also index",
        help: "One pass of the model builds the indexes of all chosen dictionaries; each replaces the one that its dictionary has",
        wide: true,
        ..Row::default()
    };
    also.ui(ui, |ui, _| {
        ui.horizontal_wrapped(|ui| {
            for other in others {
                let mut chosen = asked.others.contains(&other.id);
                ui.checkbox(&mut chosen, &other.name);
                if chosen {
                    answer.others.insert(other.id);
                } else {
                    answer.others.remove(&other.id);
                }
            }
        })
        .response
    });
    if answer != *asked {
        commands.send(Command::Answer(answer));
    }
}

/// Says how long the pass is expected to take, or that this is not known.
fn expected_ui(
    ui: &mut Ui,
    state: &AppState,
    asked: &Asked,
    (amount, available): (&Result<Amount, String>, &Load<u64>),
) {
    let Ok(amount) = *amount else {
        return;
    };
    let Some(pair) = state.pair(asked.dictionary) else {
        return;
    };
    let tokens = match (amount, available) {
        (amount, Load::Ready(available)) => Some(amount.within(*available)),
        (Amount::Tokens(tokens), _) => Some(tokens),
        (Amount::All, _) => None,
    };
    let wish = state.settings.device;
    let expected = state.passes.speeds.expected(asked.pass, pair, wish);
    let words = match (expected, tokens) {
        (Some(ran), Some(tokens)) => ran.said(tokens),
        (Some(_), None) => "known once the tokens are counted".to_owned(),
        (None, _) => format!(
            "unknown until the first {} of a dictionary like this on this machine",
            asked.pass.name()
        ),
    };
    row("Expected time").ui(ui, |ui, _| ui.add(Label::new(&words).wrap()));
}

/// Says what the pass replaces.
fn replaced_ui(ui: &mut Ui, pass: Pass, dictionary: &Dictionary, available: &Load<u64>) {
    let kept = match pass {
        Pass::Evaluation => {
            (dictionary.evaluation.ready()).map(|kept| (kept.figures.tokens, kept.text.as_str()))
        }
        Pass::Index => {
            let index = dictionary.index.ready().map(|index| &index.about);
            index.map(|about| (about.tokens, about.corpus.as_str()))
        }
    };
    if let Some((tokens, text)) = kept {
        let what = match pass {
            Pass::Evaluation => "the figures measured",
            Pass::Index => "the index built",
        };
        let tokens_of = format!("{} tokens of {text}", number::count(tokens));
        // More tokens than the project's text has are of another text, whatever its name is.
        let words = match available.ready() {
            Some(here) if tokens > *here => format!(
                "Replaces {what} on {tokens_of}, a larger text than the project's held-out text."
            ),
            _ => format!("Replaces {what} on {tokens_of}."),
        };
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.add(Label::new(caption(words).color(secondary)).wrap());
    }
}

/// Draws the button that starts, which Enter presses too, and the one that closes.
fn buttons_ui(ui: &mut Ui, asked: &Asked, amount: Option<Amount>, commands: &mut Commands) {
    let words = match asked.pass {
        Pass::Evaluation => "Evaluate",
        Pass::Index => "Build index",
    };
    let start = form::main_button(ui, amount.is_some(), "", words);
    let layer = ui.layer_id();
    if !ui.memory(|memory| memory.areas().visible_last_frame(&layer)) {
        start.request_focus();
    }
    let start = start.on_hover_text("Enter");
    let entered = ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
    let cancel = form::side_button(ui, true, "Cancel");
    if cancel.clicked() || (entered && cancel.has_focus()) {
        commands.send(Command::Close);
    } else if (start.clicked() || entered)
        && let Some(amount) = amount
    {
        commands.send(Command::Run(asked.dictionary, asked.pass, amount));
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::state::catalogue::DictionaryId;
    use crate::state::requests::{Command as Any, dictionary};
    use crate::testing::{self, Desk, Window};

    /// The window over `desk`, in which a person asks for an evaluation of the first dictionary.
    fn asked(desk: Desk) -> (Harness<'static, Window>, DictionaryId) {
        let mut harness = Window::build(Harness::builder().with_size((1000.0, 700.0)), desk);
        Window::settle(&mut harness);
        let desk = &mut harness.state_mut().desk;
        let id = desk.state.catalogue.dictionaries[0].id;
        desk.run(dictionary::Command::Evaluate(id));
        Window::settle(&mut harness);
        (harness, id)
    }

    fn entered(harness: &mut Harness<'_, Window>) -> Vec<Any> {
        harness.key_press(Key::Enter);
        harness.step();
        let sent = harness.state_mut().take();
        let of_passes = |command: &Any| matches!(command, Any::Passes(_));
        sent.into_iter().filter(of_passes).collect()
    }

    #[test]
    fn enter_starts_with_the_default_and_the_time_is_unknown_at_first() {
        let folder = tempfile::tempdir().unwrap();
        let (mut harness, id) = asked(testing::demo(folder.path()));
        harness.get_by_label("Evaluate resid-2");
        harness.get_by_label_contains("Reads the project's held-out text (held-out): ");
        harness.get_by_label_contains("All of it (");
        harness.get_by_label_contains("unknown until the first evaluation");
        // The bundled figures are of more books than the demo ships, and say so.
        let larger = "511\u{202F}015 tokens of six held-out books, a larger text than the project's held-out text.";
        harness.get_by_label(&format!("Replaces the figures measured on {larger}"));
        let run = Command::Run(id, Pass::Evaluation, Amount::Tokens(200_000));
        assert_eq!(entered(&mut harness), [run.into()]);
    }

    #[test]
    fn an_amount_can_be_typed_and_a_wrong_one_starts_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (mut harness, id) = asked(testing::demo(folder.path()));
        let answer = |harness: &mut Harness<'_, Window>, typed: &str| {
            let mut answer = Asked::new(Pass::Evaluation, id);
            typed.clone_into(&mut answer.typed);
            harness.state_mut().desk.run(Command::Answer(answer));
            harness.run();
        };
        answer(&mut harness, "20k");
        let run = Command::Run(id, Pass::Evaluation, Amount::Tokens(20_000));
        assert_eq!(entered(&mut harness), [run.into()]);
        answer(&mut harness, "many");
        harness.get_by_label_contains("`many` is not a whole number");
        assert_eq!(entered(&mut harness), []);
        harness.get_by_label_contains("Reset Amount to ").click();
        harness.run();
        let default = Asked::new(Pass::Evaluation, id);
        assert_eq!(
            harness.state_mut().take(),
            [Command::Answer(default).into()]
        );
        harness.key_press(Key::Escape);
        harness.step();
        assert!(harness.state_mut().take().contains(&Command::Close.into()));
    }

    #[test]
    fn the_time_comes_from_the_last_pass_and_the_figures_name_the_device() {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = testing::demo(folder.path());
        let id = desk.state.catalogue.dictionaries[0].id;
        let amount = Amount::Tokens(2_000);
        desk.run(Command::Run(id, Pass::Evaluation, amount));
        let kept = desk.state.catalogue.dictionaries[0].evaluation.ready();
        let kept = kept.unwrap();
        assert!((1_000..=2_000).contains(&kept.figures.tokens), "{kept:?}");
        assert!(kept.device.starts_with("CPU"), "{kept:?}");
        let (harness, _) = asked(desk);
        harness.get_by_label_contains("tokens/s as in the last evaluation of resid-2");
    }

    #[test]
    fn an_index_of_heads_gets_sources_where_a_person_asks_for_them() {
        let folder = tempfile::tempdir().unwrap();
        let (mut harness, id) = asked(testing::demo(folder.path()));
        let label = "Attribute the strongest examples";
        assert!(harness.query_by_label(label).is_none(), "an evaluation");
        harness
            .state_mut()
            .desk
            .run(dictionary::Command::BuildIndex(id));
        Window::settle(&mut harness);
        assert!(harness.query_by_label(label).is_none(), "no heads there");
        let mut all = harness.state_mut().desk.state.catalogue.dictionaries.iter();
        let id = all.find(|d| d.name == "attn-0").unwrap().id;
        harness
            .state_mut()
            .desk
            .run(dictionary::Command::BuildIndex(id));
        Window::settle(&mut harness);
        // The dialog has grown by a row and may not stand at its place yet.
        harness.get_by_label(label).click_accesskit();
        Window::settle(&mut harness);
        let desk = &mut harness.state_mut().desk;
        let asked = desk.state.passes.asked.as_ref().unwrap();
        assert!(asked.attribution, "{asked:?}");
        desk.run(Command::Run(id, Pass::Index, Amount::Tokens(2_000)));
        let index = desk.state.catalogue.get(id).unwrap().index.ready().unwrap();
        assert!(index.about.attribution);
    }

    #[test]
    fn one_pass_indexes_several_dictionaries_over_some_rows_with_effects_on_the_loss() {
        let folder = tempfile::tempdir().unwrap();
        let (mut harness, _) = asked(testing::demo(folder.path()));
        let named = |harness: &Harness<'_, Window>, name: &str| {
            let mut all = harness.state().desk.state.catalogue.dictionaries.iter();
            all.find(|d| d.name == name).unwrap().id
        };
        let [first, second] = ["attn-0", "attn-3"].map(|name| named(&harness, name));
        let build = dictionary::Command::BuildIndex(first);
        harness.state_mut().desk.run(build);
        Window::settle(&mut harness);
        for label in ["attn-3", "Ablate features at their strongest examples"] {
            harness
                .get_by_role_and_label(Role::CheckBox, label)
                .click_accesskit();
            Window::settle(&mut harness);
        }
        let desk = &mut harness.state_mut().desk;
        let mut answer = desk.state.passes.asked.clone().unwrap();
        assert!(answer.others.contains(&second) && answer.loss_effects);
        answer.part = TextPart::Rows;
        answer.rows = "6..2".to_owned();
        desk.run(Command::Answer(answer.clone()));
        Window::settle(&mut harness);
        harness.get_by_label_contains("give rows as A..B");
        assert_eq!(entered(&mut harness), []);
        answer.rows = "2..6".to_owned();
        let desk = &mut harness.state_mut().desk;
        desk.run(Command::Answer(answer));
        desk.run(Command::Run(first, Pass::Index, Amount::All));
        for id in [first, second] {
            let index = desk.state.catalogue.get(id).unwrap().index.ready().unwrap();
            let span = &index.about.spans[0];
            assert_eq!((span.from, span.to), (2, 6));
            assert!(index.about.loss_effects && !index.about.attribution);
        }
    }

    #[test]
    fn without_a_text_it_offers_to_add_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = testing::demo(folder.path());
        let mut project = (**desk.state.project.open().unwrap()).clone();
        project.train_text.clear();
        project.held_out_text.clear();
        let changed = crate::state::project::Event::Changed(std::sync::Arc::new(project));
        desk.state.apply(crate::state::Event::Project(changed));
        let (harness, _) = asked(desk);
        harness.get_by_label_contains("names no text to measure on");
        harness.get_by_label("Add held-out text…");
    }
}
