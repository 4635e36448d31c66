//! The self-test: planted linear, absent-feature and nonlinear error, found again by the split.

use umbra_core::dark_matter::self_test::{self as core, Settings};
use umbra_core::workbench::error_parts::{self, Study};

use super::study;
use crate::commands::context::Context;
use crate::state::Event;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::self_test::{Event as Panel, job};
use crate::state::requests::dark_matter::self_test::Command;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Look(id) => study::look(context, id, event, |work| {
                error_parts::kept(&work.project, Study::SelfTest, &work.pair)
            }),
            Self::Compute(id) => study::compute(context, (id, job), event, |worker, work| {
                let (project, pair) = (&work.project, &work.pair);
                let [fit, held_out] = error_parts::texts(project, pair)?;
                let [most_fit, most_measured] = core::tokens(pair.sae.width());
                let texts = [
                    fit.sampled(Some(most_fit)),
                    held_out.sampled(Some(most_measured)),
                ];
                let settings = Settings::default();
                let pass = &mut |at| worker.progress(at);
                let found = error_parts::self_test(pair, &texts, &settings, pass)?.done();
                if let Some(found) = &found {
                    let of = (&*pair.model, std::slice::from_ref(&pair.sae));
                    let made = (&texts, settings.seed);
                    error_parts::keep(project, Study::SelfTest, of, made, found)?;
                }
                Ok(found)
            }),
        }
    }
}

fn event(change: Panel) -> Event {
    Event::DarkMatter(Lab::SelfTest(change))
}
