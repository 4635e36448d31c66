//! The fit that several panels rest on: its figures, or the offer to fit it.

use egui::{Button, Label, RichText, Ui};

use super::panel;
use super::panels;
use super::settings;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::fit::job;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::fit::Command;
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption};
use crate::widgets::empty_state::failure_line;

/// Asks for the kept probe.
pub(super) fn ask(state: &AppState, id: DictionaryId, commands: &mut Commands) {
    if state.dark_matter.fit.of != Some(id) {
        commands.send(Command::Look(id));
    }
}

/// Draws on what the fit rests with the way to a new one, or the offer to fit, and the settings of the next fit.
pub(super) fn fit_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    state_ui(ui, state, id, commands);
    settings::settings_ui(ui, state, id, commands);
}

/// Whether the job runs that fits the probe of the dictionary in use.
pub(super) fn is_fitting(state: &AppState) -> bool {
    let name = state.dictionary().map(|dictionary| job(&dictionary.name));
    let mut running = state.jobs.running();
    running.any(|running| Some(&running.name) == name.as_ref())
}

fn state_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let fit = |ui: &mut Ui, commands: &mut Commands, words: &str| {
        let help = "Predicts the error from the activation by least squares on the training text, measures on held-out text, and saves the result with the project";
        let wrong = state.dark_matter.fit.form().spec().err();
        let button = ui.add_enabled(wrong.is_none(), Button::new(words));
        let button = button.on_disabled_hover_text(wrong.unwrap_or_default());
        if button.on_hover_text(help).clicked() {
            commands.send(Command::Compute(id));
        }
    };
    let lab = &state.dark_matter.fit;
    let is_known = lab.of == Some(id);
    let is_sought = if is_known {
        lab.probe.is_loading() && !is_fitting(state)
    } else {
        panel::can_keep(state)
    };
    if is_sought {
        ui.label(RichText::new(panel::LOOKING).color(secondary));
        return;
    }
    let probe = if is_known { &lab.probe } else { &Load::Absent };
    match probe {
        Load::Ready(probe) => {
            let basis = caption(panels::basis(probe)).color(secondary);
            ui.add(Label::new(basis).wrap());
            fit(ui, commands, "Fit again");
        }
        Load::Loading => {
            let name = state.catalogue.get(id).map_or("", |d| d.name.as_str());
            panel::standing_ui(ui, state, &job(name));
        }
        Load::Absent => {
            let sentence = "No linear probe is fitted for this dictionary yet, so only the total error is known.";
            ui.label(RichText::new(sentence).color(secondary));
            fit(ui, commands, "Fit probe");
        }
        Load::Failed(why) => {
            failure_line(ui, "The probe cannot be used", why);
            fit(ui, commands, "Fit probe");
        }
    }
}
