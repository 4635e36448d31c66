//! A sentence as the model reads it: features that fire, each layer's predictions, attention of the heads.

mod attention;
mod beside;
pub(crate) mod editor;
pub(crate) mod error;
mod features;
mod layers;
mod lens;
mod model;
mod next;
mod rows;
mod sets;
mod several;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod texts_tests;
mod token;
mod ways;

use egui::{Ui, Vec2, vec2};

use self::attention::AttentionSide;
use self::beside::BesideSide;
use self::editor::{Editor, position};
use self::features::FeaturesSide;
use self::layers::LayersSide;
use self::lens::LensSide;
use self::next::next_ui;
use self::sets::SetsSide;
use super::view::View;
use crate::state::dark_matter::places::Part;
use crate::state::prompt::Side;
use crate::state::requests::{Commands, navigation, prompt};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{icons, space};
use crate::widgets::empty_state::{empty_state, failure_state};

/// The screen of one sentence as the model reads it.
#[derive(Debug, Default)]
pub(crate) struct PromptView {
    editor: Editor,
    features: FeaturesSide,
    layers: LayersSide,
    beside: BesideSide,
    sets: SetsSide,
    lens: LensSide,
    attention: AttentionSide,
}

impl View for PromptView {
    fn least(&self) -> Vec2 {
        vec2(400.0, 540.0) // the sentence, what belongs to it, and some rows of the grid
    }

    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        if state.model().is_none() {
            without_model_ui(ui, state, commands);
            return;
        }
        wake_up(ui, state);
        let (pointed, hovered) = (self.features.pointed, self.editor.hovered);
        self.editor.ui(ui, state, pointed, commands);
        let input = state.prompt.input();
        if let Some(reading) = state.reading().filter(|_| input.is_some()) {
            next_ui(ui, reading, position(state, reading), commands);
        }
        ways::ways_ui(ui, state, commands);
        let lit = state.prompt.side == Side::Features && input.is_some();
        ui.horizontal_wrapped(|ui| {
            sides_ui(ui, state, commands);
            if lit {
                self.editor.colours_ui(ui, state);
            }
        });
        ui.add_space(space::CHIP);
        if state.prompt.side == Side::Sets {
            self.sets.ui(ui, state, commands);
            return;
        }
        if input.is_none() {
            let sentence = match state.prompt.side {
                Side::Features => "Type a sentence above to see which features fire on its tokens.",
                Side::Layers => {
                    "Type a sentence above to see the features of every dictionary on its tokens, by layer."
                }
                Side::Beside => {
                    "Type a sentence above to see which features change in a second text."
                }
                Side::Lens => {
                    "Type a sentence above to see each layer's prediction after each token."
                }
                Side::Attention | Side::Sets => {
                    "Type a sentence above to see the attention pattern of each head."
                }
            };
            empty_state(ui, icons::CURSOR_TEXT, sentence, None);
            return;
        }
        match state.prompt.side {
            Side::Features => {
                self.editor.marks_ui(ui, state, commands);
                let hovered = self.editor.hovered;
                self.features.ui(ui, state, hovered, commands);
                if let Some(feature) = self.features.chosen.take() {
                    self.editor.colour_by(feature);
                }
                if std::mem::take(&mut self.features.chose_error) {
                    self.editor.colour_by_error(Part::Total);
                }
            }
            Side::Layers => self.layers.ui(ui, state, commands),
            Side::Beside => self.beside.ui(ui, state, commands),
            Side::Sets => {} // drawn above, with or without a sentence
            Side::Lens => self.lens.ui(ui, state, commands),
            Side::Attention => self.attention.ui(ui, state, commands),
        }
        if (pointed, hovered) != (self.features.pointed, self.editor.hovered) {
            ui.request_repaint(); // the sentence above follows what is pointed at below
        }
    }
}

/// Draws again when a pause in typing is over, or a reading that takes long is given up for the present sentence.
fn wake_up(ui: &Ui, state: &AppState) {
    if let Some(left) = state.prompt.pause_left() {
        ui.request_repaint_after(left);
    }
    if let Some(flight) = state.prompt.flight {
        ui.request_repaint_after(flight.patience().max(std::time::Duration::from_millis(50)));
    }
}

fn without_model_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    match &state.catalogue.model {
        Load::Loading => {
            let sentence = "Loading the model…";
            empty_state(ui, icons::CURSOR_TEXT, sentence, None);
        }
        Load::Failed(why) => {
            failure_state(ui, "The model did not load", why, None);
        }
        Load::Absent | Load::Ready(_) => {
            let sentence = "This screen shows how the model reads a sentence. It needs a model, and a dictionary for features.";
            if empty_state(ui, icons::CURSOR_TEXT, sentence, Some("Open a model")) {
                commands.send(navigation::Command::Go(ViewId::Library));
            }
        }
    }
}

/// The choice of the panel that is shown for the sentence.
fn sides_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    for side in Side::ALL {
        let chosen = state.prompt.side == side;
        if ui.selectable_label(chosen, side.title()).clicked() {
            commands.send(prompt::Command::Show(side));
        }
    }
}
