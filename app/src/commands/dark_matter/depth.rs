//! The error along the depth of the model, for all of its dictionaries.

use umbra_core::error::Error;

use super::study;
use crate::commands::context::Context;
use crate::state::Event;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::depth::{Event as Panel, job};
use crate::state::requests::dark_matter::depth::Command;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Look(id) => study::look(context, id, event, |work| work.kept::<()>("depth")),
            Self::Compute(id) => study::compute(context, (id, job), event, |_, _| {
                Err(Error::setting("study", "this build cannot compute it"))
            }),
        }
    }
}

fn event(change: Panel) -> Event {
    Event::DarkMatter(Lab::Depth(change))
}
