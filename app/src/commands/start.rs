//! The first minute: the tour begins where the demo opens for the first time.

use crate::state::AppState;
use crate::state::project::Kind;
use crate::state::requests::{Commands, shell};
use crate::state::tour::Tour;

/// Begins the tour once the demo's sentence is read.
pub(super) fn follow(state: &AppState, commands: &mut Commands) {
    let is_demo = state.project.kind == Kind::Demo && state.project.open().is_some();
    if is_demo && state.settings.tour == Tour::Unseen && state.prompt.reading.ready().is_some() {
        commands.send(shell::Command::Tour(Tour::FIRST));
    }
}
