//! The question before an evaluation or an index: how much held-out text it reads, and how long that is expected to take.

use egui::{Align2, Id, Key, Label, Modifiers, Role, TextEdit, Ui, WidgetInfo};
use umbra_core::ids::HookPoint;
use umbra_core::workbench::passes::{self, Amount, Pass};

use crate::state::catalogue::Dictionary;
use crate::state::passes::{Asked, TextOf};
use crate::state::requests::passes::Command;
use crate::state::requests::{Commands, library};
use crate::state::{AppState, Load};
use crate::theme::{self, Theme, caption, icons, space};
use crate::widgets::form::{self, Part, Row};
use crate::widgets::number;

const WIDTH: f32 = form::WIDTH;

/// Height of the title and the margins, and the distance from the top and the bottom of the window.
const AROUND: f32 = 140.0;

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
    sources_ui(ui, asked, dictionary, commands);
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
    let typed = asked.amount().err().filter(|_| !asked.all);
    let amount = Row {
        label: "Amount",
        help: asked.pass.default_reason(),
        unit: "tokens",
        reset: (!asked.all && asked.typed != default).then_some(default.as_str()),
        error: typed.as_deref(),
        ..Row::default()
    };
    let reset = amount.ui(ui, |ui, _| {
        let choice = ui.radio(!asked.all, "First");
        choice.widget_info(|| {
            WidgetInfo::selected(
                Role::RadioButton,
                true,
                !asked.all,
                "First tokens of the text",
            )
        });
        let edit = TextEdit::singleline(&mut answer.typed)
            .font(egui::TextStyle::Monospace)
            .align(Align2::RIGHT_CENTER)
            .desired_width(ui.available_width() - 8.0);
        let edit = ui.add_enabled(!asked.all, edit);
        if choice.clicked() || edit.gained_focus() {
            answer.all = false;
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
        let choice = ui.radio(asked.all, all);
        if choice.clicked() {
            answer.all = true;
        }
        choice
    });
    if answer != *asked {
        commands.send(Command::Answer(answer.clone()));
    }
    answer.amount()
}

/// Draws whether an index of heads' mixed values keeps where its strongest examples come from.
fn sources_ui(ui: &mut Ui, asked: &Asked, dictionary: &Dictionary, commands: &mut Commands) {
    let of_heads = dictionary.hook().is_some_and(HookPoint::is_z);
    if asked.pass != Pass::Index || !of_heads {
        return;
    }
    let mut kept = !asked.no_attribution;
    row("Sources").ui(ui, |ui, _| {
        ui.checkbox(
            &mut kept,
            "Attribute the strongest examples",
        )
        .on_hover_text("Records which source tokens and heads they come from; takes a second pass over their rows, up to as long as the first")
    });
    if kept == asked.no_attribution {
        let mut answer = asked.clone();
        answer.no_attribution = !kept;
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
    fn an_index_of_heads_keeps_sources_unless_a_person_leaves_them_out() {
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
        assert!(asked.no_attribution, "{asked:?}");
        desk.run(Command::Run(id, Pass::Index, Amount::Tokens(2_000)));
        let index = desk.state.catalogue.get(id).unwrap().index.ready().unwrap();
        assert!(!index.about.attribution);
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
