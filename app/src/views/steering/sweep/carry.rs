//! The way of a strength into the stack of edits.

use umbra_core::ids::FeatureId;

use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::requests::{Commands, steering};
use crate::state::steering::tab::Tab;

/// Explanation of the buttons.
pub(super) const CARRY: &str = "Puts the feature into Steering's stack at this strength";

/// Puts strengths of a dictionary's features into the stack.
pub(super) struct Carrier<'a> {
    /// State of the window.
    pub(super) state: &'a AppState,
    /// The dictionary.
    pub(super) id: DictionaryId,
}

impl Carrier<'_> {
    /// Puts `feature` into the stack at `strength` decoder rows as stored, and shows it there. The stack counts rows as they are in memory.
    pub(super) fn carry(&self, feature: FeatureId, strength: f64, commands: &mut Commands) {
        let sae = self.state.sae_of(self.id);
        let factor = sae.and_then(|sae| sae.stored_factor(feature).ok());
        let strength = (strength * factor.unwrap_or(1.0)) as f32;
        commands.send(steering::Command::Carry(self.id, feature, strength));
        commands.send(steering::Command::Show(Tab::Steer));
    }
}
