//! A feature in a table of causes: a chip that opens the feature's page.

use egui::Ui;
use umbra_core::ids::FeatureId;

use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::requests::{Commands, navigation};
use crate::widgets::feature_chip::FeatureChip;

/// Draws the chip of a feature of dictionary `id`; `words` are shown on hover.
pub(super) fn chip_ui(
    ui: &mut Ui,
    (state, id): (&AppState, DictionaryId),
    (feature, words): (FeatureId, &str),
    commands: &mut Commands,
) {
    let name = state.name_of(id, feature);
    let chip = FeatureChip::new(feature, name).max_width(ui.available_width());
    let reply = chip.show(ui, |ui| {
        ui.label(words);
    });
    if reply.open || reply.beside {
        open(commands, (id, feature), reply.beside);
    }
}

/// Opens the page of a feature, beside this one or in its place.
pub(super) fn open(
    commands: &mut Commands,
    (id, feature): (DictionaryId, FeatureId),
    beside: bool,
) {
    commands.send(navigation::Command::FollowDictionary(id));
    commands.send(navigation::Command::Feature { feature, beside });
}
