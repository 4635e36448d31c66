//! Dark matter lab: the question that is shown; the panels' requests have a file each. `study.rs` is how a panel's result is looked for and computed.

mod depth;
mod fit;
mod ladder;
mod places;
mod predict;
mod pursuit;
mod self_test;
mod splice;
mod study;
mod train;

use super::context::Context;
use crate::state::requests::Commands;
use crate::state::requests::dark_matter::Command;
use crate::state::view::ViewId;
use crate::state::{AppState, Event, selection};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Show(question) => {
                context.apply(Event::Selection(selection::Event::Question(question)));
                context
                    .layout
                    .go(ViewId::DarkMatter, &context.state.selection);
            }
            Self::Fit(command) => command.run(context),
            Self::Places(command) => command.run(context),
            Self::Depth(command) => command.run(context),
            Self::Ladder(command) => command.run(context),
            Self::Splice(command) => command.run(context),
            Self::Pursuit(command) => command.run(context),
            Self::Predict(command) => command.run(context),
            Self::SelfTest(command) => command.run(context),
            Self::Train(command) => command.run(context),
        }
    }
}

/// Asks for what Prompt shows of the error and follows what waits to be trained; the screen asks for the rest once it is shown.
pub(super) fn follow(state: &AppState, commands: &mut Commands) {
    places::follow(state, commands);
    train::follow(state, commands);
}
