//! The edits, what text is continued, how tokens are picked, and the button that runs them.

use std::time::{Duration, Instant};

use egui::{DragValue, Response, TextEdit, Ui, vec2};
use umbra_core::models::Sampling;
use umbra_core::steer::SAMPLES;

use super::prompt::prompt_ui;
use super::stack::stack_ui;
use crate::state::AppState;
use crate::state::requests::steering::Command;
use crate::state::requests::{Commands, shell};
use crate::state::steering::{Draft, Request, Run};
use crate::theme::{icons, space};
use crate::widgets::anchor::Anchor;
use crate::widgets::form::{self, Row, WIDTH};
use crate::widgets::number::{self, counting};

/// Least time between two runs while a control moves.
const GAP: Duration = Duration::from_millis(50);

/// Longest time for which a run may hold up the next one before it has written a token.
const PATIENCE: Duration = Duration::from_millis(500);

/// Most tokens of one text.
const TOKENS: usize = 1_000;

/// Name of the part with the settings of sampling.
const SAMPLING: &str = "sampling";

/// Draws the form; a person's changes go into `draft`.
pub(super) fn form_ui(ui: &mut Ui, draft: &mut Draft, state: &AppState, commands: &mut Commands) {
    let first = stack_ui(ui, &mut draft.edits, state, commands);
    ui.add_space(space::CONTROL);
    prompt_ui(ui, draft, state, &first);
    let open = state.settings.unfolded.contains(SAMPLING);
    let words = summary(draft);
    if form::fold(ui, open, "Sampling", &words) {
        commands.send(shell::Command::Unfold(SAMPLING, !open));
    }
    if open {
        sampling_ui(ui, draft);
    }
}

/// Sends the form on if a person changed it. From their first change on, edits keep what they edit by.
pub(super) fn keep(shown: &Draft, draft: Draft, state: &AppState, commands: &mut Commands) {
    if draft == *shown {
        return;
    }
    let draft = if draft.edits == shown.edits {
        draft
    } else {
        draft.pinned(state)
    };
    commands.send(Command::Draft(Box::new(draft)));
}

/// Lets the texts follow the form while *Live* is on, and notices that they do not.
#[derive(Debug, Default)]
pub(crate) struct Following {
    /// The request of the previous frame; none before the first.
    last: Option<Result<Request, String>>,
    /// Whether the form was changed since a run was asked for.
    changed: bool,
    /// Time of the last run that was asked for here.
    sent: Option<Instant>,
}

impl Following {
    /// Whether the texts on screen are of something else than `asked`, and stay so. While *Live* is on, a change of edits or sampling that is made here asks for
    /// a run at once; another text to continue or another dictionary waits for a click.
    pub(crate) fn is_stale(
        &mut self,
        ui: &Ui,
        (asked, run, live): (&Result<Request, String>, Option<&Run>, bool),
        ask: impl FnOnce(Request),
    ) -> bool {
        let before = self.last.replace(asked.clone());
        let Some(run) = run else {
            // A control of edits that are there begins the first texts, too.
            if let (true, Some(Ok(before)), Ok(asked)) = (live, before, asked)
                && asked.retunes(&before)
            {
                self.sent = Some(Instant::now());
                ask(asked.clone());
            }
            return false;
        };
        let Ok(asked) = asked else {
            return true;
        };
        if *asked == run.request {
            self.changed = false;
            return false;
        }
        self.changed |= before.is_some_and(|before| before.as_ref() != Ok(asked));
        let of = |request: &Request| (request.dictionaries.clone(), request.prompt.clone());
        let same_text = of(asked) == of(&run.request);
        if !(self.changed && same_text && live) {
            return !asked.writes_same(&run.request);
        }
        let since = self.sent.map_or(Duration::MAX, |sent| sent.elapsed());
        let is_shown = run.has_begun() || run.ended.is_some();
        let left = if is_shown { GAP } else { PATIENCE }.saturating_sub(since);
        if left.is_zero() {
            self.changed = false;
            self.sent = Some(Instant::now());
            ask(asked.clone());
        } else {
            ui.request_repaint_after(left.min(GAP));
        }
        false
    }
}

/// Returns the form; an untouched form begins with an edit that can run.
pub(super) fn shown(state: &AppState) -> Draft {
    let draft = &state.steering.draft;
    let untouched = *draft == Draft::default();
    if untouched && state.reader() == Some(None) {
        return Draft::without_dictionary();
    }
    draft.clone()
}

/// The settings of sampling in a line: those that decide the texts most, and what else was changed.
fn summary(draft: &Draft) -> String {
    let (own, usual) = (&draft.sampling, Sampling::default());
    let mut words = vec![
        format!("temperature {}", own.temperature),
        format!("seed {}", number::count(own.seed)),
        format!("{} tokens", number::count(own.tokens as u64)),
    ];
    if draft.samples > 1 {
        words.push(number::counted(draft.samples as u64, "sample"));
    }
    if own.top_k != usual.top_k {
        let all = || "all".to_owned();
        let k = own.top_k.map_or_else(all, |k| number::count(k as u64));
        words.push(format!("top k {k}"));
    }
    if own.top_p != usual.top_p {
        words.push(format!("top p {}", own.top_p.unwrap_or(1.0)));
    }
    if own.repetition_penalty != usual.repetition_penalty {
        words.push(format!("repetition penalty {}", own.repetition_penalty));
    }
    if !draft.stop.is_empty() {
        words.push(format!("stops at {:?}", draft.stop));
    }
    if own.ignore_eos {
        words.push("EOS ignored".to_owned());
    }
    words.join(", ")
}

/// Draws the settings of sampling, in two columns where there is room.
fn sampling_ui(ui: &mut Ui, draft: &mut Draft) {
    ui.scope(|ui| {
        ui.spacing_mut().item_spacing.y = space::CHIP;
        let half = (ui.available_width() - space::GROUP) / 2.0;
        if half < WIDTH - 60.0 {
            picking_ui(ui, &mut draft.sampling);
            return length_ui(ui, draft);
        }
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = space::GROUP;
            let size = vec2(half, 0.0);
            let layout = egui::Layout::top_down(egui::Align::Min);
            ui.allocate_ui_with_layout(size, layout, |ui| {
                ui.set_width(half);
                picking_ui(ui, &mut draft.sampling);
            });
            ui.allocate_ui_with_layout(size, layout, |ui| {
                ui.set_width(half);
                length_ui(ui, draft);
            });
        });
    });
}

/// Draws a row with a number; whether it is reset.
fn number_ui(
    ui: &mut Ui,
    (label, unit, help): (&str, &str, &str),
    usual: Option<&str>,
    drag: DragValue<'_>,
) -> bool {
    let row = Row {
        label,
        help,
        unit,
        reset: usual,
        ..Row::default()
    };
    row.ui(ui, |ui, width| drag_ui(ui, width, drag))
}

fn drag_ui(ui: &mut Ui, width: f32, drag: DragValue<'_>) -> Response {
    ui.add_sized(vec2(width, space::CONTROL_ROW), drag)
}

/// How a token is picked.
fn picking_ui(ui: &mut Ui, sampling: &mut Sampling) {
    let usual = Sampling::default();
    let mut top_k = sampling.top_k.unwrap_or(0);
    let mut top_p = sampling.top_p.unwrap_or(1.0);
    let reset = |differs: bool, value: String| differs.then_some(value);

    let back = reset(
        sampling.temperature != usual.temperature,
        usual.temperature.to_string(),
    );
    let about = (
        "Temperature",
        "",
        "Divides the logits before sampling; 0 always takes the most likely token",
    );
    let drag = DragValue::new(&mut sampling.temperature);
    let drag = drag.speed(0.01).range(0.0..=5.0).max_decimals(2);
    if number_ui(ui, about, back.as_deref(), drag) {
        sampling.temperature = usual.temperature;
    }

    let most = usual.top_k.unwrap_or(0);
    let back = reset(top_k != most, number::count(most as u64));
    let about = (
        "Top k",
        "tokens",
        "Samples among this many most likely tokens; 0 for all",
    );
    let drag = counting(DragValue::new(&mut top_k).range(0..=1_000_000));
    if number_ui(ui, about, back.as_deref(), drag) {
        top_k = most;
    }

    let share = usual.top_p.unwrap_or(1.0);
    let back = reset(top_p != share, share.to_string());
    let help =
        "Samples among the most likely tokens that together hold this probability; 1 for all";
    let drag = DragValue::new(&mut top_p);
    let drag = drag.speed(0.005).range(0.01..=1.0).max_decimals(2);
    if number_ui(ui, ("Top p", "", help), back.as_deref(), drag) {
        top_p = share;
    }

    let penalty = usual.repetition_penalty;
    let back = reset(sampling.repetition_penalty != penalty, penalty.to_string());
    let help = "Divides positive logits of tokens already in the text by this, and multiplies negative ones; 1 changes nothing";
    let drag = DragValue::new(&mut sampling.repetition_penalty);
    let drag = drag.speed(0.01).range(0.1..=10.0).max_decimals(2);
    if number_ui(ui, ("Repetition penalty", "", help), back.as_deref(), drag) {
        sampling.repetition_penalty = penalty;
    }
    sampling.top_k = (top_k > 0).then_some(top_k);
    sampling.top_p = (top_p < 1.0).then_some(top_p);
}

/// How long the texts are, and from which seed.
fn length_ui(ui: &mut Ui, draft: &mut Draft) {
    let usual = Sampling::default();
    let sampling = &mut draft.sampling;
    let back = (sampling.tokens != usual.tokens).then(|| number::count(usual.tokens as u64));
    let help = "Length of each continuation; an end-of-text token or the model's context may end it earlier";
    let drag = counting(DragValue::new(&mut sampling.tokens).range(1..=TOKENS));
    if number_ui(ui, ("Length", "tokens", help), back.as_deref(), drag) {
        sampling.tokens = usual.tokens;
    }

    let back = (sampling.seed != usual.seed).then(|| number::count(usual.seed));
    let about = ("Seed", "", "Random seed of both texts");
    let drag = counting(DragValue::new(&mut sampling.seed));
    if number_ui(ui, about, back.as_deref(), drag) {
        sampling.seed = usual.seed;
    }

    let back = (draft.samples != 1).then_some("1");
    let help = "Pairs of texts, from this seed and those after it";
    let drag = counting(DragValue::new(&mut draft.samples).range(1..=SAMPLES));
    if number_ui(ui, ("Samples", "", help), back, drag) {
        draft.samples = 1;
    }

    let row = Row {
        label: "Stop at",
        help: "A text ends where this appears; \\n stands for a newline",
        reset: (!draft.stop.is_empty()).then_some("nothing"),
        ..Row::default()
    };
    let stop = &mut draft.stop;
    let reset = row.ui(ui, |ui, width| {
        let text = TextEdit::singleline(&mut *stop)
            .desired_width(width - 8.0)
            .hint_text("nothing")
            .font(egui::TextStyle::Monospace);
        ui.add(text)
    });
    if reset {
        stop.clear();
    }

    let row = Row {
        label: "Ignore EOS",
        help: "Continues after end-of-text tokens and shows them",
        reset: sampling.ignore_eos.then_some("off"),
        ..Row::default()
    };
    if row.ui(ui, |ui, _| ui.checkbox(&mut sampling.ignore_eos, "")) {
        sampling.ignore_eos = false;
    }
}

/// Draws what the form is for: it writes both texts, or says why it cannot. Whether it was pressed.
pub(super) fn footer_ui(
    ui: &mut Ui,
    (request, is_stale): (&Result<Request, String>, bool),
    state: &AppState,
    commands: &mut Commands,
) -> bool {
    let mut pressed = false;
    let ready = request.as_ref().ok();
    let run = form::main_button(ui, ready.is_some(), icons::PLAY, "Run");
    Anchor::Steer.mark(&run);
    if run.clicked()
        && let Some(request) = ready
    {
        commands.send(Command::Run(request.clone()));
        pressed = true;
    }
    let live = ready.map(|request| state.steering.live(request));
    if let (Some(live), Some(request)) = (&live, ready) {
        live_ui(ui, (live.on, is_stale), request, commands);
    }
    if state.steering.running().is_some() && form::side_button(ui, true, "Stop").clicked() {
        commands.send(Command::Stop);
    }
    let copy = form::side_button(ui, ready.is_some(), "Copy for the command line");
    let help = "Copy an `umbra steer` command that writes the same two texts";
    if copy.on_hover_text(help).clicked()
        && let Some(request) = ready
    {
        match state.steering_line(request) {
            Ok(line) => ui.ctx().copy_text(line),
            Err(why) => commands.send(Command::NoLine(why)),
        }
    }
    match request {
        Err(why) if !form::is_typing(ui) => form::reason(ui, why),
        Ok(_) if is_stale => {
            form::reason(ui, "These texts were written with the previous settings");
        }
        Ok(_) => {
            if let Some(why) = live.and_then(|live| live.why_not) {
                form::reason(ui, &why);
            }
        }
        Err(_) => {}
    }
    pressed
}

/// Draws the switch that lets texts follow the form; switched on, it brings texts of other settings up to date.
fn live_ui(ui: &mut Ui, (on, is_stale): (bool, bool), request: &Request, commands: &mut Commands) {
    let switch = form::switch_button(ui, on, "Live");
    let help = "Write the steered texts anew while a control moves";
    if switch.on_hover_text(help).clicked() {
        commands.send(Command::Live(!on));
        if !on && is_stale {
            commands.send(Command::Run(request.clone()));
        }
    }
}
