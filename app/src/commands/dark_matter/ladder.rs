//! The width ladder: several dictionaries of one hook on the same tokens.

use std::sync::Arc;

use umbra_core::dark_matter::ladder::{Ladder, Settings};
use umbra_core::dark_matter::tokens_at_once;
use umbra_core::error::Result;
use umbra_core::progress::Ended;
use umbra_core::sae::Sae;
use umbra_core::workbench::ladder::{self, Texts};
use umbra_core::workbench::text::{Text, TextRequest};

use super::study::{self, Work};
use crate::commands::context::Context;
use crate::jobs::{Wanted, Worker};
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::ladder::{Event as Panel, candidates, chosen, job};
use crate::state::dark_matter::study::Change;
use crate::state::requests::dark_matter::ladder::Command;
use crate::state::{AppState, Event};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Look(id) => look(context, id),
            Self::Tick(id, on) => {
                context.apply(Event::DarkMatter(Lab::Ladder(Panel::Ticked(id, on))));
            }
            Self::Compute(id) => compute(context, id),
        }
    }
}

fn event(change: Change<Ladder>) -> Event {
    Event::DarkMatter(Lab::Ladder(Panel::Study(change)))
}

/// The weights of dictionaries.
fn weights(state: &AppState, of: &[&Dictionary]) -> Vec<Arc<Sae>> {
    let pairs = of.iter().filter_map(|dictionary| state.pair(dictionary.id));
    pairs.map(|pair| Arc::clone(&pair.sae)).collect()
}

fn look(context: &mut Context<'_>, id: DictionaryId) {
    let all = weights(context.state, &candidates(context.state, id));
    study::look(context, id, event, move |work| {
        let all: Vec<&Sae> = all.iter().map(|sae| &**sae).collect();
        ladder::kept(&work.project, &work.pair.model, (&work.pair.sae, &all))
    });
}

fn compute(context: &mut Context<'_>, id: DictionaryId) {
    let all = weights(context.state, &chosen(context.state, id));
    if all.len() < 2 {
        return context.fail("A ladder takes two dictionaries of this hook or more: tick another");
    }
    let Some(name) = context.state.catalogue.get(id).map(|of| job(&of.name)) else {
        return;
    };
    let wanted = Wanted::new(context.state, &name);
    study::compute(context, (id, job), event, move |worker, work| {
        measured(worker, work, (&all, &wanted))
    });
}

/// Measures the ladder and keeps it with the project; none if it was stopped.
fn measured(
    worker: &Worker,
    work: &Work,
    (all, wanted): (&[Arc<Sae>], &Wanted),
) -> Result<Option<Ladder>> {
    let (fit, held_out) = texts(work)?;
    let texts = Texts {
        measured: &held_out,
        fit: fit.as_ref(),
    };
    for text in fit.iter().chain([&held_out]) {
        worker.notes(&text.said());
    }
    let at_once = tokens_at_once(&held_out.rows);
    let placed = all
        .iter()
        .map(|sae| worker.place(wanted, &**sae, (at_once, true)));
    let _computing: Vec<_> = placed.collect::<Result<_>>()?;
    let settings = Settings {
        pursued: ladder::PURSUED,
        ..Settings::default()
    };
    let model = &work.pair.model;
    let pass = &mut |at| worker.progress(at);
    let Ended::Done((ladder, notes)) = ladder::measured(model, all, texts, &settings, pass)? else {
        return Ok(None);
    };
    worker.notes(&notes);
    ladder::keep(&work.project, (model, all), (texts, &settings), &ladder)?;
    Ok(Some(ladder))
}

/// Reads the project's training text to fit the linear parts on, if it has one, and its held-out text to measure on.
fn texts(work: &Work) -> Result<(Option<Text>, Text)> {
    let (model, sae) = (&work.pair.model, &work.pair.sae);
    let (fit, mut measured) = match TextRequest::training_of(&work.project) {
        Some(request) => {
            let [fit, measured] =
                request.read_split(&work.project.held_out_text, model, Some(sae))?;
            let fit = ladder::sampled_to_fit(fit, sae.width(), None);
            (Some(fit), measured)
        }
        None => (
            None,
            work.pair.read(&TextRequest::held_out_of(&work.project)?)?,
        ),
    };
    measured.rows = measured.rows.sample(ladder::MEASURED);
    Ok((fit, measured))
}
