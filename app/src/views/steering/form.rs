//! The edits, what text is continued, and how tokens are picked.

use std::time::{Duration, Instant};

use egui::{Button, DragValue, TextEdit, Ui, vec2};

use super::stack::{room, stack_ui};
use crate::state::AppState;
use crate::state::requests::Commands;
use crate::state::requests::steering::Command;
use crate::state::steering::{Draft, Request};
use crate::theme::{Theme, caption, icons, space};
use crate::widgets::anchor::Anchor;
use crate::widgets::focus;
use crate::widgets::number::counting;

/// Pause after a change of edits or sampling before both texts are written again.
const PAUSE: Duration = Duration::from_millis(150);

/// Most tokens of one text.
const TOKENS: usize = 1_000;

/// Draws the form; what a person changes goes to the state. Answers whether the texts below are of something else than it asks for.
pub(super) fn form_ui(
    ui: &mut Ui,
    state: &AppState,
    following: &mut Following,
    commands: &mut Commands,
) -> bool {
    let shown = shown(state);
    let mut draft = shown.clone();
    stack_ui(ui, &mut draft.edits, state, commands);
    ui.add_space(space::CONTROL);
    prompt_ui(ui, &mut draft, state);
    sampling_ui(ui, &mut draft);
    ui.add_space(space::CHIP);
    let request = draft.request(state);
    let is_stale = following.is_stale(ui, (&request, state), commands);
    run_ui(ui, (&request, is_stale), state, commands);
    if draft != shown {
        // From the first change on, an edit keeps what it edits by.
        let draft = if draft.edits == shown.edits {
            draft
        } else {
            draft.pinned(state)
        };
        commands.send(Command::Draft(Box::new(draft)));
    }
    is_stale
}

/// Notices that the form differs from the request of the texts on screen.
#[derive(Debug, Default)]
pub(super) struct Following {
    /// The request of the previous frame; none before the first.
    last: Option<Result<Request, String>>,
    /// Time since which the form differs.
    changed: Option<Instant>,
}

impl Following {
    /// Whether the texts on screen are of something else than `asked`. They are written anew once edits or sampling were changed here and then left alone; another text
    /// to continue or another dictionary waits for a click.
    fn is_stale(
        &mut self,
        ui: &Ui,
        (asked, state): (&Result<Request, String>, &AppState),
        commands: &mut Commands,
    ) -> bool {
        let before = self.last.replace(asked.clone());
        let Some(run) = &state.steering.run else {
            return false;
        };
        if asked.as_ref() == Ok(&run.request) {
            self.changed = None;
            return false;
        }
        if before.is_some_and(|before| before != *asked) {
            self.changed = Some(Instant::now());
        }
        let same_text = |asked: &&Request| {
            (asked.dictionary, &asked.prompt) == (run.request.dictionary, &run.request.prompt)
        };
        if let (Some(since), Some(asked)) = (self.changed, asked.as_ref().ok().filter(same_text)) {
            let left = PAUSE.saturating_sub(since.elapsed());
            if left.is_zero() {
                self.changed = None;
                commands.send(Command::Run(asked.clone()));
            } else {
                ui.request_repaint_after(left);
            }
        }
        true
    }
}

/// Returns the form; an untouched form begins with an edit that can run.
fn shown(state: &AppState) -> Draft {
    let draft = &state.steering.draft;
    let untouched = *draft == Draft::default();
    if untouched && state.reader() == Some(None) {
        return Draft::without_dictionary();
    }
    draft.clone()
}

fn prompt_ui(ui: &mut Ui, draft: &mut Draft, state: &AppState) {
    let label = ui.label("Text to continue");
    let mut text = draft.prompt.as_ref().unwrap_or(&state.prompt.text).clone();
    let edit = TextEdit::multiline(&mut text)
        .desired_rows(2)
        .desired_width(f32::INFINITY)
        .hint_text("Beginning of both texts");
    let field = ui.add(edit).labelled_by(label.id);
    focus::main(&field);
    if field.changed() {
        draft.prompt = Some(text);
    }
    let own = draft.prompt.as_ref();
    if own.is_some_and(|own| *own != state.prompt.text)
        && ui.button("Use the sentence in Prompt").clicked()
    {
        draft.prompt = None;
    }
}

fn sampling_ui(ui: &mut Ui, draft: &mut Draft) {
    let sampling = &mut draft.sampling;
    ui.horizontal_wrapped(|ui| {
        let mut field = |name: &str, help: &str, drag: DragValue<'_>| {
            room(ui, 130.0);
            let label = ui.label(name).on_hover_text(help);
            ui.add(drag).labelled_by(label.id).on_hover_text(help);
            ui.add_space(space::CONTROL);
        };
        let drag = DragValue::new(&mut sampling.temperature)
            .speed(0.01)
            .range(0.0..=5.0)
            .max_decimals(2);
        field("Temperature", "0 always takes the most likely token", drag);
        let mut top_k = sampling.top_k.unwrap_or(0);
        let drag = counting(DragValue::new(&mut top_k).range(0..=1_000_000));
        field("Top k", "Samples among this many most likely tokens; 0 for all", drag);
        sampling.top_k = (top_k > 0).then_some(top_k);
        let mut top_p = sampling.top_p.unwrap_or(1.0);
        let drag = DragValue::new(&mut top_p)
            .speed(0.005)
            .range(0.01..=1.0)
            .max_decimals(2);
        let help = "Samples among the most likely tokens that together hold this probability; 1 for all";
        field("Top p", help, drag);
        sampling.top_p = (top_p < 1.0).then_some(top_p);
        let drag = DragValue::new(&mut sampling.repetition_penalty)
            .speed(0.01)
            .range(0.1..=10.0)
            .max_decimals(2);
        let help = "Divides positive logits of tokens already in the text by this, and multiplies negative ones; 1 changes nothing";
        field("Repetition", help, drag);
        let drag = counting(DragValue::new(&mut sampling.seed));
        field("Seed", "Random seed of both texts", drag);
        let drag = counting(DragValue::new(&mut sampling.tokens).range(1..=TOKENS));
        let help = "Length of each continuation; an end-of-text token or the model's context may end it earlier";
        field("Tokens", help, drag);
        let help = "A text ends where this appears; \\n stands for a newline";
        room(ui, 140.0);
        let label = ui.label("Stop at").on_hover_text(help);
        let text = TextEdit::singleline(&mut draft.stop)
            .desired_width(72.0)
            .hint_text("nothing")
            .font(egui::TextStyle::Monospace);
        ui.add(text).labelled_by(label.id).on_hover_text(help);
        let help = "Continues after end-of-text tokens and shows them";
        room(ui, 120.0);
        ui.checkbox(&mut sampling.ignore_eos, "Ignore EOS")
            .on_hover_text(help);
    });
}

fn run_ui(
    ui: &mut Ui,
    (request, is_stale): (&Result<Request, String>, bool),
    state: &AppState,
    commands: &mut Commands,
) {
    ui.horizontal(|ui| {
        let words = format!("{}  Run", icons::PLAY);
        let button = Button::new(words).min_size(vec2(96.0, 32.0));
        let response = ui.add_enabled(request.is_ok(), button);
        Anchor::Steer.mark(&response);
        let ready = request.is_ok();
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, ready, "Run"));
        match request {
            Ok(request) => {
                if response.clicked() {
                    commands.send(Command::Run(request.clone()));
                }
                let button = Button::new("Copy for the command line").min_size(vec2(0.0, 32.0));
                let help = "Copy an `umbra steer` command that writes the same two texts";
                if ui.add(button).on_hover_text(help).clicked() {
                    match state.steering_line(request) {
                        Ok(line) => ui.ctx().copy_text(line),
                        Err(why) => commands.send(Command::NoLine(why)),
                    }
                }
            }
            Err(why) => {
                ui.label(caption(why).color(Theme::from_ui(ui).ink.secondary));
            }
        }
        if state.steering.running().is_some() {
            let button = Button::new("Stop").min_size(vec2(80.0, 32.0));
            if ui.add(button).clicked() {
                commands.send(Command::Stop);
            }
        }
        if is_stale {
            let words = "These texts were written with the previous settings";
            ui.label(caption(words).color(Theme::from_ui(ui).ink.secondary));
        }
    });
}
