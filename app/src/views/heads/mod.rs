//! The heads lab in three steps: a map of all heads, one head with its behaviour and features, and why a feature of it is active.

mod head;
mod map;
mod shown;
#[cfg(test)]
mod tests;
mod why;

use egui::{Button, RichText, ScrollArea, Ui};
use umbra_core::ids::Layer;

pub(crate) use self::map::{Figure, profile, row};
use self::shown::Shown;
use super::view::View;
use crate::state::heads::name;
use crate::state::heads::step::Step;
use crate::state::requests::{Commands, heads, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, icons, space};
use crate::views::missing::misfit_ui;
use crate::widgets::empty_state::{empty_state, failure_state};
use crate::widgets::focus;
use crate::widgets::scroll::scroll_ui;

/// The heads lab.
#[derive(Debug, Default)]
pub(crate) struct HeadsView {
    head: head::Panels,
}

impl View for HeadsView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        if state.model().is_none() {
            return without_model_ui(ui, state, commands);
        }
        ask(state, commands);
        map::ask(state, commands);
        let shown = Shown::new(state);
        if let (Some((layer, _)), Step::Head | Step::Why) = (shown.head, state.selection.shown.step)
        {
            ask_features(state, layer, commands);
        }
        steps_ui(ui, state, shown, commands);
        ui.add_space(space::CONTROL);
        if let Some(why) = state.misfit() {
            let still = "Without it, attention figures and other dictionaries' features are shown";
            misfit_ui(ui, state, &format!("{why}. {still}."), commands);
        }
        let step = state.selection.shown.step;
        let name = ["heads map", "heads head", "heads why"][step as usize];
        let area = ScrollArea::vertical().id_salt(name).auto_shrink(false);
        let room = ui.available_height();
        if step == Step::Map && map::is_table(state) {
            return map::map_ui(ui, state, room, commands); // it scrolls by itself
        }
        scroll_ui(ui, name, area, |ui| match step {
            Step::Map => map::map_ui(ui, state, room, commands),
            Step::Head => head::head_ui(ui, state, (shown, &mut self.head), commands),
            Step::Why => why::why_ui(ui, state, shown.head, commands),
        });
    }

    fn least(&self) -> egui::Vec2 {
        egui::vec2(400.0, 160.0) // it scrolls by itself
    }
}

/// Asks for the kept survey of the project and the model.
fn ask(state: &AppState, commands: &mut Commands) {
    let (Some(project), Some(loaded)) = (state.project.folder(), state.model()) else {
        return;
    };
    let of = state.heads.survey.of.as_ref();
    let is_asked =
        of.is_some_and(|(folder, print)| folder == project && print == loaded.model.fingerprint());
    if !is_asked {
        commands.send(heads::survey::Command::Look);
    }
}

/// Asks for the features of a layer's heads where they are missing, or a new index extends them.
fn ask_features(state: &AppState, layer: Layer, commands: &mut Commands) {
    let Some(dictionary) = state.z_dictionary(layer) else {
        return;
    };
    let kept = state.heads.features.figures.get(&dictionary.id);
    let indexed = state.index_of(dictionary.id).is_some();
    let wanted = match kept {
        None => !dictionary.awaits_index(),
        Some(kept) => indexed && !kept.indexed && !kept.load.is_loading(),
    };
    if wanted {
        commands.send(heads::features::Command::Measure(dictionary.id));
    }
}

/// Draws the three steps, as a row of tabs.
fn steps_ui(ui: &mut Ui, state: &AppState, shown: Shown, commands: &mut Commands) {
    ui.horizontal_wrapped(|ui| {
        for step in Step::ALL {
            let (title, help) = match (step, shown.head) {
                (Step::Map, _) => (
                    "1  Map".to_owned(),
                    "All heads by layer, coloured by one figure",
                ),
                (Step::Head, Some(head)) => (
                    format!("2  Head {}", name(head)),
                    "Behaviour and features of the chosen head",
                ),
                (Step::Head, None) => (
                    "2  Head".to_owned(),
                    "Behaviour and features of the chosen head",
                ),
                (Step::Why, _) => (
                    "3  Why".to_owned(),
                    "Sources of a feature's activation at one token",
                ),
            };
            let selected = state.selection.shown.step == step;
            let button = ui.add(Button::selectable(selected, title));
            // The map is a main thing of its own.
            if selected && step != Step::Map {
                focus::main(&button);
            }
            if button.on_hover_text(help).clicked() {
                commands.send(heads::Command::Step(step));
            }
        }
    });
}

fn without_model_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let sentence = "This screen shows what every attention head does: all heads on a map, then one head, then the sources of a feature.";
    match &state.catalogue.model {
        Load::Failed(why) => {
            failure_state(ui, "The model did not load", why, None);
        }
        Load::Loading => {
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.label(RichText::new("Loading the model…").color(secondary));
        }
        Load::Absent | Load::Ready(_) => {
            if empty_state(ui, icons::GRID_NINE, sentence, Some("Open a model")) {
                commands.send(navigation::Command::Go(ViewId::Library));
            }
        }
    }
}
