//! Pieces that the panels share: the offer to compute a result with what it costs, how far that is, why it failed, and the offer to compute it again.

use egui::{Button, Label, RichText, Ui, vec2};

use crate::state::dark_matter::study::Study;
use crate::state::jobs::Job;
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, space};
use crate::widgets::empty_state::failure_line;

/// Room for the bar that moves a wide table sideways.
const BAR: f32 = 16.0;

/// A computation that a panel offers.
#[derive(Debug)]
pub(crate) struct Offer<'a> {
    /// Sentence on what it computes.
    pub(crate) what: &'a str,
    /// Sentence on what it reads and about how long it takes.
    pub(crate) cost: &'a str,
    /// Words of the button.
    pub(crate) button: &'a str,
    /// Words of the button once there is a result.
    pub(crate) again: &'a str,
    /// Name of the job.
    pub(crate) job: &'a str,
}

/// Said while what is kept with the project is being read.
pub(crate) const LOOKING: &str = "Looking for kept results…";

/// Whether the kept result of `study` is not known yet.
pub(crate) fn is_sought<T, K: PartialEq>(state: &AppState, study: &Study<T, K>) -> bool {
    study.found.is_loading() || study.of.is_none() && can_keep(state)
}

/// Whether there is a project, open or on its way, that may hold results.
pub(crate) fn can_keep(state: &AppState) -> bool {
    matches!(state.project.load, Load::Loading | Load::Ready(_))
}

/// Gives a table of so many rows, at most `most` of them without scrolling, its room in a place that scrolls: by itself it takes only what is left above the fold.
pub(crate) fn table_room<R>(
    ui: &mut Ui,
    (rows, most): (usize, f32),
    table: impl FnOnce(&mut Ui) -> R,
) -> R {
    let rows = (rows as f32).min(most);
    let height = space::CONTROL_ROW + rows * space::TABLE_ROW + BAR;
    let size = vec2(ui.available_width(), height);
    ui.allocate_ui(size, table).inner
}

/// Draws the offer, or how far the computation is; nothing where `study` holds a result that needs no new one. True when it was asked for.
pub(crate) fn offer_ui<T, K: PartialEq>(
    ui: &mut Ui,
    state: &AppState,
    study: &Study<T, K>,
    offer: &Offer<'_>,
) -> bool {
    let secondary = Theme::from_ui(ui).ink.secondary;
    if study.making.is_loading() {
        standing_ui(ui, state, offer.job);
        return false;
    }
    if is_sought(state, study) {
        ui.label(RichText::new(LOOKING).color(secondary));
        return false;
    }
    match &study.found {
        Load::Ready(_) => {
            if let Some(why) = study.making.failure() {
                failure_line(ui, "The last computation failed", why);
            }
            return again_ui(ui, offer);
        }
        Load::Failed(why) => failure_line(ui, "The kept result cannot be used", why),
        Load::Absent | Load::Loading => {}
    }
    if let Some(why) = study.making.failure() {
        failure_line(ui, "The computation failed", why);
    }
    let stopped = if study.is_stopped {
        "The computation was stopped; nothing of it was kept. "
    } else {
        ""
    };
    let words = format!("{stopped}{}", offer.what);
    ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
    let clicked = ui.add(Button::new(offer.button)).clicked();
    ui.add(Label::new(caption(offer.cost).color(secondary)).wrap());
    ui.add_space(space::CONTROL);
    clicked
}

/// Draws the offer to compute a result again, in one line.
fn again_ui(ui: &mut Ui, offer: &Offer<'_>) -> bool {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal_wrapped(|ui| {
        let button = ui.button(offer.again).on_hover_text(offer.what);
        ui.label(caption(offer.cost).color(secondary));
        button.clicked()
    })
    .inner
}

/// Draws how far the job of that name is.
pub(crate) fn standing_ui(ui: &mut Ui, state: &AppState, job: &str) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let running = state.jobs.running().find(|running| running.name == job);
    let words = match running.and_then(Job::standing) {
        Some(standing) => format!("{job}: {standing}"),
        None => format!("{job}…"),
    };
    ui.add(Label::new(RichText::new(words).color(secondary)).wrap());
}
