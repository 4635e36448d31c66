//! Cost of a measurement of the lab before it begins, what it reads and about how long it takes; how far it is; that it was stopped.

use egui::{Label, RichText, Ui};
use umbra_core::heads::induction::Options;
use umbra_core::heads::ioi::PROMPTS;
use umbra_core::workbench::two_names;

use crate::state::AppState;
use crate::state::catalogue::Dictionary;
use crate::state::heads::induction::TEXT_TOKENS;
use crate::state::jobs::Job;
use crate::theme::Theme;
use crate::widgets::number;

/// Says that a measurement was stopped, if it was.
pub(super) fn stopped(was: bool) -> &'static str {
    if was {
        "The measurement was stopped; nothing of it was kept. "
    } else {
        ""
    }
}

/// Says how long so many tokens take by the last pass of the model; nothing where no pass told a speed.
fn time(state: &AppState, tokens: u64) -> String {
    let ran = state.model().and_then(|model| {
        let speeds = &state.passes.speeds;
        speeds.of_model(&model.model)
    });
    ran.map_or_else(String::new, |ran| format!(": {}", ran.said(tokens)))
}

/// Says what the measurement on random sequences reads.
pub(super) fn synthetic(state: &AppState) -> String {
    let Some(model) = state.model() else {
        return String::new();
    };
    let cost = Options::default().cost(model.model.config().context);
    format!(
        "It reads {} sequences once each, up to {} tokens{}.",
        number::count(cost.sequences as u64),
        number::count(cost.tokens),
        time(state, cost.tokens)
    )
}

/// Says what the measurement on held-out text reads.
pub(super) fn on_text(state: &AppState) -> String {
    format!(
        "It reads {} tokens once, then some of their rows again, changed{}.",
        number::count(TEXT_TOKENS),
        time(state, TEXT_TOKENS)
    )
}

/// Says what sentences from templates with two names cost with a dictionary.
pub(super) fn names(state: &AppState, dictionary: &Dictionary) -> String {
    let l0 = dictionary.evaluation.ready().map(|kept| kept.figures.l0);
    let words = format!(
        "It reads {PROMPTS} sentences, each {} times and once more for each active feature",
        two_names::PASSES
    );
    match l0 {
        Some(l0) => format!("{words}{}.", time(state, two_names::tokens(PROMPTS, l0))),
        None => format!("{words}."),
    }
}

/// Draws how far the job of that name is.
pub(super) fn standing_ui(ui: &mut Ui, state: &AppState, doing: &str, job: &str) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let running = state.jobs.running().find(|running| running.name == job);
    let words = match running.and_then(Job::standing) {
        Some(standing) => format!("{doing}: {standing}"),
        None => format!("{doing}…"),
    };
    ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
}
