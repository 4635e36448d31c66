//! The error along the depth of the model, for all of its dictionaries that are loaded.

use std::sync::Arc;

use umbra_core::dark_matter::depth::Depth;
use umbra_core::dark_matter::{FitSpec, ROWS_AT_ONCE};
use umbra_core::error::Result;
use umbra_core::progress::Ended;
use umbra_core::sae::Sae;
use umbra_core::workbench::dark_matter::{DEPTH, Sampled};
use umbra_core::workbench::error_parts::ALL;
use umbra_core::workbench::text::TextRequest;

use super::fit::Settings;
use super::study::Work;
use crate::commands::context::Context;
use crate::jobs::{Wanted, Worker};
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::depth::{Event as Panel, JOB};
use crate::state::dark_matter::study::Change;
use crate::state::requests::dark_matter::depth::Command;
use crate::state::{AppState, Event, Load};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Look => look(context),
            Self::Compute => compute(context),
        }
    }
}

fn event(change: Panel) -> Event {
    Event::DarkMatter(Lab::Depth(change))
}

/// The dictionaries whose error can be measured: loaded autoencoders that fit the model.
fn dictionaries(state: &AppState) -> Vec<Arc<Sae>> {
    let all = state.catalogue.dictionaries.iter();
    let loaded = all.filter_map(|dictionary| Some(&state.pair(dictionary.id)?.sae));
    let measured = loaded.filter(|sae| sae.hook().is_ok());
    measured.cloned().collect()
}

fn look(context: &mut Context<'_>) {
    let state = &context.state;
    let (Some(project), Some(loaded)) = (state.project.open(), state.model()) else {
        return;
    };
    let (project, model) = (Arc::clone(project), Arc::clone(&loaded.model));
    let of = model.fingerprint().to_owned();
    context.apply(event(Change::Kept(of.clone(), Load::Loading)));
    let failed = of.clone();
    context.jobs.start_quiet(
        move |why| event(Change::Kept(failed, Load::Failed(why))),
        move |worker| {
            let kept = project.kept_study::<Depth>(DEPTH, ALL)?;
            let kept = kept.map(|kept| kept.checked(&model, &[])).transpose()?;
            let load = kept.map_or(Load::Absent, |kept| Load::Ready(Arc::new(kept.result)));
            worker.send(event(Change::Kept(of, load)));
            Ok(())
        },
    );
}

fn compute(context: &mut Context<'_>) {
    let state = &context.state;
    let saes = dictionaries(state);
    let first = state.catalogue.dictionaries.iter().find_map(|dictionary| {
        let is_first = state.pair(dictionary.id)?.sae.hook().is_ok();
        is_first.then_some(dictionary.id)
    });
    let Some(work) = first.and_then(|id| Work::new(state, id)) else {
        return context.fail("Open a dictionary of this model first");
    };
    if TextRequest::training_of(&work.project).is_none() {
        return context.fail("The project has no training text to fit on: add one in Library");
    }
    let form = state.dark_matter.fit.form();
    // The predictor belongs to one dictionary; along depth each is predicted from its own activation.
    let spec = form.spec().map(|spec| FitSpec {
        tokens: spec.tokens,
        skip: spec.skip,
        ..FitSpec::default()
    });
    let spec = match spec {
        Ok(spec) => spec,
        Err(why) => return context.fail(why),
    };
    let settings = Settings { spec, other: None };
    let of = work.pair.model.fingerprint().to_owned();
    let wanted = Wanted::new(state, JOB);
    context.apply(event(Change::Began(of.clone())));
    let failed = of.clone();
    context.jobs.start_or(
        JOB,
        move |why| event(Change::Failed(failed, why)),
        move |worker| {
            let found = measured(worker, &work, (&saes, &settings), &wanted)?;
            worker.send(event(Change::Ended(of, found.map(Arc::new))));
            Ok(())
        },
    );
}

/// Measures all dictionaries and keeps the result with the project; none if it was stopped.
fn measured(
    worker: &Worker,
    work: &Work,
    (saes, settings): (&[Arc<Sae>], &Settings),
    wanted: &Wanted,
) -> Result<Option<Depth>> {
    let model = &work.pair.model;
    let both = TextRequest::training_of(&work.project).unwrap_or_default();
    let both = both.read_split(&work.project.held_out_text, model, Some(&work.pair.sae))?;
    for text in &both {
        worker.notes(&text.said());
    }
    let widest = saes.iter().map(|sae| sae.width()).max().unwrap_or(1);
    let sampled = Sampled::new(&settings.spec, both, widest);
    let at_once = (ROWS_AT_ONCE * model.config().context, true);
    let placed = saes.iter().map(|sae| worker.place(wanted, &**sae, at_once));
    let _computing: Vec<_> = placed.collect::<Result<_>>()?;
    let saes: Vec<&Sae> = saes.iter().map(|sae| &**sae).collect();
    let pass = &mut |at| worker.progress(at);
    let Ended::Done(depth) = sampled.depth(model, &saes, &settings.spec, pass)? else {
        return Ok(None);
    };
    sampled.keep_depth(&work.project, (model, &saes), &settings.spec, &depth)?;
    Ok(Some(depth))
}
