//! The splice: cross-entropy with each part of the error put back.

use umbra_core::workbench::error_parts::{self, Study};

use super::study;
use crate::commands::context::Context;
use crate::state::Event;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::splice::{Event as Panel, job};
use crate::state::requests::dark_matter::splice::Command;

/// Seed of the swaps and draws.
const SEED: u64 = 0;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Look(id) => study::look(context, id, event, |work| {
                error_parts::kept_costs(&work.project, &work.pair.model, &work.pair.sae)
            }),
            Self::Compute(id) => study::compute(context, (id, job), event, |worker, work| {
                let (project, pair) = (&work.project, &work.pair);
                let texts = error_parts::texts(project, pair)?;
                for text in &texts {
                    worker.notes(&text.said());
                }
                let (saes, notes) = error_parts::dictionaries(project, pair);
                worker.notes(&notes);
                let of = (&*pair.model, saes.as_slice());
                let pass = &mut |at| worker.progress(at);
                let costs = error_parts::costs(of.0, of.1, &texts, SEED, pass)?.done();
                if let Some(costs) = &costs {
                    error_parts::keep(project, Study::Splice, of, (&texts, SEED), costs)?;
                }
                Ok(costs)
            }),
        }
    }
}

fn event(change: Panel) -> Event {
    Event::DarkMatter(Lab::Splice(change))
}
