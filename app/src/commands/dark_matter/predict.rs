//! Predictions of the error from reconstructions of other hooks.

use umbra_core::workbench::error_parts::{self, Study};

use super::study;
use crate::commands::context::Context;
use crate::state::Event;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::predict::{Event as Panel, job};
use crate::state::requests::dark_matter::predict::Command;

/// Seed of the draws.
const SEED: u64 = 0;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Look(id) => study::look(context, id, event, |work| {
                error_parts::kept(&work.project, Study::Predict, &work.pair)
            }),
            Self::Compute(id) => study::compute(context, (id, job), event, |worker, work| {
                let (project, pair) = (&work.project, &work.pair);
                let texts = error_parts::texts(project, pair)?;
                let (saes, notes) = error_parts::dictionaries(project, pair);
                worker.notes(&notes);
                let of = (&*pair.model, saes.as_slice());
                let pass = &mut |at| worker.progress(at);
                let found = error_parts::predictions(of.0, of.1, &texts, SEED, pass)?.done();
                if let Some(found) = &found {
                    error_parts::keep(project, Study::Predict, of, (&texts, SEED), found)?;
                }
                Ok(found)
            }),
        }
    }
}

fn event(change: Panel) -> Event {
    Event::DarkMatter(Lab::Predict(change))
}
