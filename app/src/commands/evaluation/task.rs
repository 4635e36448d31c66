//! The task with a known answer: a kept result is looked for, or a job runs it and keeps the result with the project.

use std::sync::Arc;

use umbra_core::error::Result;
use umbra_core::models::Model;
use umbra_core::progress::Ended;
use umbra_core::project::Project;
use umbra_core::sae::Sae;
use umbra_core::tasks::site::Site;
use umbra_core::tasks::test::Evaluation;
use umbra_core::workbench::answer_key::kept;
use umbra_core::workbench::evaluate::task::{Request, keep, made};

use crate::commands::context::Context;
use crate::jobs::Worker;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::study::Change;
use crate::state::evaluation::Event as Area;
use crate::state::evaluation::task::{Event as Panel, JOB, NAME, candidates, chosen, key};
use crate::state::requests::evaluation::task::Command;
use crate::state::requests::shell;
use crate::state::{AppState, Event, Load};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Form(form) => context.apply(event(Panel::Form(*form))),
            Self::Look => look(context),
            Self::Run => start(context),
            Self::Stop => {
                let mut running = context.state.jobs.running();
                if let Some(job) = running.find(|job| job.name == JOB) {
                    let stop = shell::Command::StopJob(job.id);
                    context.commands.send(stop);
                }
            }
        }
    }
}

fn event(panel: Panel) -> Event {
    Event::Evaluation(Area::Task(panel))
}

fn study(change: Change<Evaluation, String>) -> Event {
    event(Panel::Study(change))
}

/// Inputs of a job.
struct Work {
    project: Arc<Project>,
    model: Arc<Model>,
    saes: Vec<Arc<Sae>>,
}

impl Work {
    /// Collects what a job on these dictionaries reads; none where no project or no model is open.
    fn new(state: &AppState, ids: &[DictionaryId]) -> Option<Self> {
        let pairs = ids.iter().filter_map(|id| state.pair(*id));
        Some(Self {
            project: Arc::clone(state.project.open()?),
            model: Arc::clone(&state.model()?.model),
            saes: pairs.map(|pair| Arc::clone(&pair.sae)).collect(),
        })
    }

    fn saes(&self) -> Vec<&Sae> {
        self.saes.iter().map(|sae| &**sae).collect()
    }
}

/// Reads the kept result.
fn look(context: &mut Context<'_>) {
    let all: Vec<DictionaryId> = candidates(context.state).map(|one| one.id).collect();
    let (Some(work), Some(of)) = (Work::new(context.state, &all), key(context.state)) else {
        return;
    };
    context.apply(study(Change::Kept(of.clone(), Load::Loading)));
    let failed = of.clone();
    context.jobs.start_quiet(
        move |why| study(Change::Kept(failed, Load::Failed(why))),
        move |worker| {
            let kept = kept(&work.project, NAME, (&work.model, &work.saes()))?;
            let load = kept.map_or(Load::Absent, |kept| Load::Ready(Arc::new(kept)));
            worker.send(study(Change::Kept(of, load)));
            Ok(())
        },
    );
}

/// Runs the task with the dictionaries that are chosen.
fn start(context: &mut Context<'_>) {
    let ids = chosen(context.state);
    let (Some(work), Some(of)) = (Work::new(context.state, &ids), key(context.state)) else {
        return context
            .fail("Open a project and a model first: the result is kept with the project");
    };
    let request = match context.state.evaluation.task.form.request() {
        Ok(request) => request,
        Err(why) => return context.fail(why),
    };
    context.apply(study(Change::Began(of.clone())));
    let failed = of.clone();
    context.jobs.start_or(
        JOB,
        move |why| study(Change::Failed(failed, why)),
        move |worker| {
            let found = run(worker, &work, &request)?;
            worker.send(study(Change::Ended(of, found.map(Arc::new))));
            Ok(())
        },
    );
}

/// Runs the task and keeps the result; none if it was stopped. Without places, those of the heads whose mean ablation at the end changes the answer most are edited.
fn run(worker: &Worker, work: &Work, request: &Request) -> Result<Option<Evaluation>> {
    let (model, pass) = (&*work.model, &mut |at| worker.progress(at));
    let task = request.task(model)?;
    let Ended::Done((sites, found)) = request.sites((model, &task), &[], pass)? else {
        return Ok(None);
    };
    if !found.is_empty() {
        let named: Vec<String> = sites.iter().map(Site::to_string).collect();
        worker.line(format!(
            "Places of the heads whose mean ablation changes the answer most: {}",
            named.join(", ")
        ));
    }
    let all = work.saes();
    let (saes, left): (Vec<&Sae>, Vec<&Sae>) = all.into_iter().partition(|sae| {
        let hook = sae.hook().ok();
        hook.is_some_and(|hook| sites.iter().any(|site| site.hook == hook))
    });
    for sae in left {
        worker.line(format!("Left out: {} reads none of the places", sae.name));
    }
    let Ended::Done(found) = request.test((model, &task), (&saes, &sites), pass)? else {
        return Ok(None);
    };
    let made = made(model, &saes, (&task, &found))?;
    keep(&work.project, &made, &found)?;
    Ok(Some(found))
}
