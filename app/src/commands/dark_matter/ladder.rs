//! The width ladder: several dictionaries of one hook on the same tokens.

use umbra_core::error::Error;

use super::study;
use crate::commands::context::Context;
use crate::state::Event;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::ladder::{Event as Panel, job};
use crate::state::requests::dark_matter::ladder::Command;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Look(id) => study::look(context, id, event, |_| Ok(None::<()>)),
            Self::Compute(id) => study::compute(context, (id, job), event, |_, _| {
                Err(Error::setting("study", "this build cannot compute it"))
            }),
        }
    }
}

fn event(change: Panel) -> Event {
    Event::DarkMatter(Lab::Ladder(change))
}
