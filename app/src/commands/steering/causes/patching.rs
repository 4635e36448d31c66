//! Patching between two texts: computed by jobs, kept with the project, carried into the stack of edits.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use umbra_core::causes::patch::{self, Patching};
use umbra_core::causes::paths::{self, Paths};
use umbra_core::causes::{Target, check_texts};
use umbra_core::error::Result;
use umbra_core::ids::HookPoint;
use umbra_core::models::Model;
use umbra_core::progress::Ended;
use umbra_core::project::Project;
use umbra_core::workbench::patching::{self as core, Asked, Study, Texts};

use crate::commands::context::Context;
use crate::jobs::Worker;
use crate::state::dark_matter::study::Change;
use crate::state::requests::steering;
use crate::state::requests::steering::causes::patching::{Command, Pair};
use crate::state::steering::EditDraft;
use crate::state::steering::causes::Event as Causes;
use crate::state::steering::causes::patching::{Event as Panel, Form, PATHS_JOB, PLACES_JOB};
use crate::state::{Event, Load};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Form(form) => context.apply(event(Panel::Form(form))),
            Self::Place(layer, at) => context.apply(event(Panel::Place(layer, at))),
            Self::Sender(layer, head) => context.apply(event(Panel::Sender(layer, head))),
            Self::Look => {
                look(context, Study::Places, |change| {
                    event(Panel::Places(change))
                });
                look(context, Study::Paths, |change| event(Panel::Paths(change)));
            }
            Self::Places(pair) => compute(
                context,
                (PLACES_JOB, Study::Places, pair),
                |change| event(Panel::Places(change)),
                places,
            ),
            Self::Paths(pair) => compute(
                context,
                (PATHS_JOB, Study::Paths, pair),
                |change| event(Panel::Paths(change)),
                routes,
            ),
            Self::Steer(layer, at) => steer(context, (layer, at)),
        }
    }
}

fn event(of: Panel) -> Event {
    Event::Steering(crate::state::steering::Event::Causes(Causes::Patching(of)))
}

/// Looks for the result of the open model that is kept with the project.
fn look<T: DeserializeOwned + Send + Sync + 'static>(
    context: &mut Context<'_>,
    study: Study,
    event: fn(Change<Asked<T>, String>) -> Event,
) {
    let (Some(loaded), Some(project)) = (context.state.model(), context.state.project.open())
    else {
        return;
    };
    let (model, project) = (Arc::clone(&loaded.model), Arc::clone(project));
    let of = model.fingerprint().to_owned();
    context.apply(event(Change::Kept(of.clone(), Load::Loading)));
    let failed = of.clone();
    context.jobs.start_quiet(
        move |why| event(Change::Kept(failed, Load::Failed(why))),
        move |worker| {
            let kept = core::kept(&project, study, &model)?;
            let load = kept.map_or(Load::Absent, |kept| Load::Ready(Arc::new(kept)));
            worker.send(event(Change::Kept(of, load)));
            Ok(())
        },
    );
}

/// Inputs of a job.
struct Work {
    model: Arc<Model>,
    project: Option<Arc<Project>>,
    form: Form,
    pair: Pair,
}

/// Texts as tokens and the target.
type Read = (Texts, Target);

impl Work {
    fn read(&self, worker: &Worker) -> Result<Read> {
        let target = Target::parse(&self.pair.target, self.model.codec())?;
        let (texts, notes) = Texts::read(
            &self.model,
            &self.pair.clean.as_str().into(),
            &self.pair.corrupt.as_str().into(),
        )?;
        worker.notes(&notes);
        let tokens = (texts.clean.as_slice(), texts.corrupt.as_slice());
        check_texts(&self.model, tokens, Some(target))?;
        Ok((texts, target))
    }
}

/// Computes a result by a job, and keeps it with the project if one is open.
fn compute<T: Serialize + Send + Sync + 'static>(
    context: &mut Context<'_>,
    (job, study, pair): (&'static str, Study, Pair),
    event: fn(Change<Asked<T>, String>) -> Event,
    run: fn(&Worker, &Work, &Read) -> Result<Ended<T>>,
) {
    let state = &context.state;
    let Some(loaded) = state.model() else {
        return;
    };
    let work = Work {
        model: Arc::clone(&loaded.model),
        project: state.project.open().cloned(),
        form: state.steering.causes.patching.form.clone(),
        pair,
    };
    let of = work.model.fingerprint().to_owned();
    context.apply(event(Change::Began(of.clone())));
    let failed = of.clone();
    context.jobs.start_or(
        job,
        move |why| event(Change::Failed(failed, why)),
        move |worker| {
            let read = work.read(worker)?;
            let Some(result) = run(worker, &work, &read)?.done() else {
                worker.send(event(Change::Ended(of, None)));
                return Ok(());
            };
            let asked = Asked {
                clean: Some(work.pair.clean.clone()),
                corrupt: work.pair.corrupt.clone(),
                result,
            };
            if let Some(project) = &work.project {
                core::keep(project, study, (&work.model, &[]), &asked)?;
            }
            worker.send(event(Change::Ended(of, Some(Arc::new(asked)))));
            Ok(())
        },
    );
}

fn places(worker: &Worker, work: &Work, (texts, target): &Read) -> Result<Ended<Patching>> {
    let request = patch::Request {
        clean: &texts.clean,
        corrupt: &texts.corrupt,
        target: *target,
        site: work.form.site,
    };
    patch::run(&work.model, &request, &mut |at| worker.progress(at))
}

fn routes(worker: &Worker, work: &Work, (texts, target): &Read) -> Result<Ended<Paths>> {
    let request = paths::Request {
        clean: &texts.clean,
        corrupt: &texts.corrupt,
        target: *target,
        senders: vec![],
        receivers: vec![work.form.receiver],
        mlps: work.form.mlps,
    };
    paths::run(&work.model, &request, &mut |at| worker.progress(at))
}

/// Puts the place into the stack as a patch from the first text, with the second text as the text to continue.
fn steer(context: &mut Context<'_>, (layer, at): (usize, usize)) {
    let state = &context.state;
    let Some(loaded) = state.model() else {
        return;
    };
    let of = loaded.model.fingerprint().to_owned();
    let Some(found) = state.steering.causes.patching.places.result(&of) else {
        return;
    };
    let site = found.result.site;
    let hook: HookPoint = site.hook(layer);
    let mut edit = EditDraft {
        from: found.clean.clone().unwrap_or_default(),
        hook: Some(hook),
        ..EditDraft::new("patch")
    };
    if site.is_by_head() {
        edit.heads = at.to_string();
    } else {
        edit.positions = at.to_string();
    }
    let text = Some(found.corrupt.clone());
    context
        .commands
        .send(steering::Command::Put(vec![edit], text));
}
