//! A panel's result: looked for among what is kept with the project, or computed by a job that can be stopped.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use umbra_core::error::Result;
use umbra_core::project::Project;
use umbra_core::workbench::pair::Pair;

use crate::commands::context::Context;
use crate::jobs::Worker;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::study::Change;
use crate::state::{AppState, Event, Load};

/// Inputs of the lab's jobs.
#[derive(Debug)]
pub(super) struct Work {
    /// The open project.
    pub(super) project: Arc<Project>,
    /// The model and the dictionary.
    pub(super) pair: Pair,
    /// The dictionary's name in the project.
    pub(super) name: String,
}

impl Work {
    /// Collects what a job on the dictionary `id` reads; none where no project is open or the dictionary does not fit the model.
    pub(super) fn new(state: &AppState, id: DictionaryId) -> Option<Self> {
        let dictionary = state.catalogue.get(id)?;
        Some(Self {
            project: Arc::clone(state.project.open()?),
            pair: state.pair(id)?.clone(),
            name: dictionary.name.clone(),
        })
    }
}

impl Work {
    /// Reads the result of a study that is kept with the project; an error if it was made with another model or dictionary.
    pub(super) fn kept<T: DeserializeOwned>(&self, study: &str) -> Result<Option<T>> {
        let kept = self.project.kept_study::<T>(study, &self.pair.sae.name)?;
        let checked = kept.map(|kept| kept.checked(&self.pair.model, &[&self.pair.sae]));
        Ok(checked.transpose()?.map(|kept| kept.result))
    }
}

/// Looks for the result of the dictionary `id` that is kept with the project.
pub(super) fn look<T: Send + Sync + 'static>(
    context: &mut Context<'_>,
    id: DictionaryId,
    event: fn(Change<T>) -> Event,
    read: impl FnOnce(&Work) -> Result<Option<T>> + Send + 'static,
) {
    let Some(work) = Work::new(context.state, id) else {
        return;
    };
    context.apply(event(Change::Kept(id, Load::Loading)));
    context.jobs.start_quiet(
        move |why| event(Change::Kept(id, Load::Failed(why))),
        move |worker| {
            let kept = read(&work)?;
            let load = kept.map_or(Load::Absent, |kept| Load::Ready(Arc::new(kept)));
            worker.send(event(Change::Kept(id, load)));
            Ok(())
        },
    );
}

/// Computes the result of the dictionary `id` by a job named by `job`; `compute` keeps it with the project, and returns none once it was stopped.
pub(super) fn compute<T: Send + Sync + 'static>(
    context: &mut Context<'_>,
    (id, job): (DictionaryId, fn(&str) -> String),
    event: fn(Change<T>) -> Event,
    compute: impl FnOnce(&Worker, &Work) -> Result<Option<T>> + Send + 'static,
) {
    let Some(work) = Work::new(context.state, id) else {
        return;
    };
    context.apply(event(Change::Began(id)));
    context.jobs.start_or(
        job(&work.name),
        move |why| event(Change::Failed(id, why)),
        move |worker| {
            let result = compute(worker, &work)?;
            worker.send(event(Change::Ended(id, result.map(Arc::new))));
            Ok(())
        },
    );
}
