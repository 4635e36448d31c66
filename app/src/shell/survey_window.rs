//! The question before a survey of all heads: how much held-out text it reads, whether each head is also tested causally, and what that costs.

use egui::{Align2, Id, Key, Label, Modifiers, Response, Role, TextEdit, Ui, WidgetInfo};
use umbra_core::workbench::passes::{self, Amount};

use crate::state::heads::survey::{Asked, DEFAULT_TOKENS};
use crate::state::requests::heads::survey::Command;
use crate::state::requests::{Commands, library};
use crate::state::{AppState, Load};
use crate::theme::{self, Theme, caption, icons, space};
use crate::widgets::form::{self, Part, Row};
use crate::widgets::number;

/// Height of the title, the margins and the foot, and the distance from the top and the bottom of the window, which the window's place above the middle doubles.
const AROUND: f32 = 180.0;

/// Definition of the causal test.
const CAUSAL: &str = "Replaces the output of one head after the other by its mean and measures how much the cross-entropy rises, with an interval over rows: one pass over these rows for each head";

/// Survey to be run.
type Choice = (Amount, Option<usize>);

/// Draws the question, if there is one.
pub(super) fn survey_ui(ui: &Ui, state: &AppState, commands: &mut Commands) {
    let Some(asked) = &state.heads.survey.asked else {
        return;
    };
    let mut open = true;
    egui::Window::new(theme::panel_title("Survey the heads"))
        .id(Id::unique("survey of heads"))
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .order(egui::Order::Foreground)
        .anchor(Align2::CENTER_CENTER, (0.0, -40.0))
        .show(ui.ctx(), |ui| {
            let window = ui.ctx().content_rect();
            let width = form::WIDTH.min(window.width() - 4.0 * space::GROUP);
            let room = window.height() - AROUND;
            let mut choice = None;
            form::dialog(
                ui,
                ("survey of heads", width, room),
                |ui, part| match part {
                    Part::Content => choice = content_ui(ui, state, asked, commands),
                    Part::Footer => buttons_ui(ui, choice, commands),
                },
            );
        });
    if !open {
        commands.send(Command::Close);
    }
}

fn content_ui(
    ui: &mut Ui,
    state: &AppState,
    asked: &Asked,
    commands: &mut Commands,
) -> Option<Choice> {
    let purpose = "Measures what every head attends to, how far it looks and how much it writes, in one pass over text that no dictionary was trained on.";
    ui.add(Label::new(purpose).wrap());
    ui.add_space(space::CHIP);
    let project = state.project.open()?;
    let request = match passes::held_out(project, Amount::All) {
        Ok(request) => request,
        Err(why) => {
            no_text_ui(ui, &crate::words::error(&why), commands);
            return None;
        }
    };
    let available = &state.heads.survey.text;
    let size = match available {
        Load::Ready(tokens) => format!("{} tokens", number::count(*tokens)),
        Load::Failed(why) => why.clone(),
        Load::Absent | Load::Loading => "counting its tokens…".to_owned(),
    };
    let words = format!("Reads {}: {size}", passes::source(&request));
    row("Text").ui(ui, |ui, _| ui.add(Label::new(&words).wrap()));
    let mut answer = asked.clone();
    let amount = amount_ui(ui, &mut answer, available);
    let rows = causal_ui(ui, &mut answer);
    if answer != *asked {
        commands.send(Command::Answer(answer));
    }
    let (Ok(amount), Ok(rows)) = (amount, rows) else {
        return None;
    };
    expected_ui(ui, state, (amount, rows), available);
    replaced_ui(ui, state);
    Some((amount, rows))
}

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

fn row(label: &str) -> Row<'_> {
    Row {
        label,
        wide: true,
        ..Row::default()
    }
}

/// A field for a whole number.
fn field_ui(ui: &mut Ui, typed: &mut String, enabled: bool) -> Response {
    let edit = TextEdit::singleline(typed)
        .font(egui::TextStyle::Monospace)
        .align(Align2::RIGHT_CENTER)
        .desired_width(ui.available_width() - 8.0);
    ui.add_enabled(enabled, edit)
}

/// Draws the two answers on the amount.
fn amount_ui(ui: &mut Ui, answer: &mut Asked, available: &Load<u64>) -> Result<Amount, String> {
    let default = number::count(DEFAULT_TOKENS);
    let (all, typed) = (answer.all, answer.typed.clone());
    let error = answer.amount().err().filter(|_| !all);
    let amount = Row {
        label: "Amount",
        help: "On 200 000 tokens, means over all queries have settled to about a hundredth",
        unit: "tokens",
        reset: (!all && typed != default).then_some(default.as_str()),
        error: error.as_deref(),
        ..Row::default()
    };
    let reset = amount.ui(ui, |ui, _| {
        let choice = ui.radio(!all, "First");
        choice.widget_info(|| {
            WidgetInfo::selected(Role::RadioButton, true, !all, "First tokens of the text")
        });
        let edit = field_ui(ui, &mut answer.typed, !all);
        if choice.clicked() || edit.gained_focus() {
            answer.all = false;
        }
        edit
    });
    if reset {
        answer.typed = default;
    }
    let words = match available {
        Load::Ready(tokens) => format!("All of it ({} tokens)", number::count(*tokens)),
        _ => "All of it".to_owned(),
    };
    row("").ui(ui, |ui, _| {
        let choice = ui.radio(all, words);
        if choice.clicked() {
            answer.all = true;
        }
        choice
    });
    answer.amount()
}

/// Draws the choice of the causal test; the rows of it, if there is to be one.
fn causal_ui(ui: &mut Ui, answer: &mut Asked) -> Result<Option<usize>, String> {
    row("Causal test").ui(ui, |ui, _| {
        let mut wanted = answer.causal.is_some();
        let check = ui.checkbox(&mut wanted, "Ablate each head in turn");
        if check.changed() {
            answer.causal = wanted.then(Asked::default_rows);
        }
        check.on_hover_text(CAUSAL)
    });
    let error = answer.rows().err();
    if let Some(typed) = &mut answer.causal {
        let default = Asked::default_rows();
        let rows = Row {
            label: "On",
            help: "Rows at even distances in the text; more rows give a narrower interval and take longer",
            unit: "rows",
            reset: (*typed != default).then_some(default.as_str()),
            error: error.as_deref(),
            ..Row::default()
        };
        if rows.ui(ui, |ui, _| field_ui(ui, typed, true)) {
            typed.clone_from(&default);
        }
    }
    answer.rows()
}

/// Says how long it is expected to take, and what the causal test costs.
fn expected_ui(ui: &mut Ui, state: &AppState, (amount, rows): Choice, available: &Load<u64>) {
    let [survey, ablation] = state.heads.survey.speeds;
    let tokens = match (amount, available) {
        (amount, Load::Ready(available)) => Some(amount.within(*available)),
        (Amount::Tokens(tokens), _) => Some(tokens),
        (Amount::All, _) => None,
    };
    let words = match (tokens, survey) {
        (Some(tokens), Some(speed)) => format!(
            "about {} at the speed of the last survey",
            number::span(tokens as f64 / speed)
        ),
        (None, Some(_)) => "known once the tokens are counted".to_owned(),
        (_, None) => "unknown until the first survey in this session".to_owned(),
    };
    row("Expected time").ui(ui, |ui, _| ui.add(Label::new(&words).wrap()));
    let (Some(rows), Some(loaded)) = (rows, state.model()) else {
        return;
    };
    let config = loaded.model.config();
    let passes = config.layers * config.heads + 1;
    let mut words = format!(
        "{} passes over {} rows",
        number::count(passes as u64),
        number::count(rows as u64)
    );
    let kept = state.heads.survey.load.ready();
    if let (Some(speed), Some(kept)) = (ablation, kept) {
        let tokens = passes as f64 * rows as f64 * kept.survey.context as f64;
        words = format!("{words}, about {} more", number::span(tokens / speed));
    }
    row("Cost of the test").ui(ui, |ui, _| ui.add(Label::new(&words).wrap()));
}

/// Says what the survey replaces.
fn replaced_ui(ui: &mut Ui, state: &AppState) {
    let Some(kept) = state.heads.survey.load.ready() else {
        return;
    };
    let tokens = number::count(kept.survey.tokens);
    let words = format!("Replaces the survey of {tokens} tokens of {}.", kept.text);
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.add(Label::new(caption(words).color(secondary)).wrap());
}

/// Draws the button that starts, which Enter presses too, and the one that closes.
fn buttons_ui(ui: &mut Ui, choice: Option<Choice>, commands: &mut Commands) {
    let start = form::main_button(ui, choice.is_some(), "", "Survey");
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
        && let Some((amount, rows)) = choice
    {
        commands.send(Command::Run(amount, rows));
    }
}
