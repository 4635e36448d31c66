//! Carries out the requests of the tab Causes.

mod attributed;
mod patching;
mod smallest;

use crate::commands::context::Context;
use crate::state::requests::steering as requests;
use crate::state::requests::steering::causes::Command;
use crate::state::steering::causes::Event as Causes;
use crate::state::steering::tab::Tab;
use crate::state::{Event, steering};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        let event = |of| Event::Steering(steering::Event::Causes(of));
        match self {
            Self::Form(form) => context.apply(event(Causes::Form(form))),
            Self::Ask(question) => {
                context.apply(event(Causes::Question(question)));
                context.commands.send(requests::Command::Show(Tab::Causes));
            }
            Self::Attributed(command) => command.run(context),
            Self::Patching(command) => command.run(context),
            Self::Smallest(command) => command.run(context),
        }
    }
}
