//! Carries out the requests of the tab Sweep: jobs that sweep features and search for limits, kept with the project.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use umbra_core::error::Result;
use umbra_core::ids::FeatureId;
use umbra_core::progress::Ended;
use umbra_core::project::Project;
use umbra_core::steer::limit;
use umbra_core::steer::sweep::{STUDY, Settings, Target as Followed, sweep};
use umbra_core::workbench::pair::Pair;
use umbra_core::workbench::sweep::{Prompts, Study, keep, read};

use crate::commands::context::Context;
use crate::dialogs::Ask;
use crate::jobs::Worker;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::study::Change;
use crate::state::requests::navigation;
use crate::state::requests::steering::{Command as Lab, sweep::Command};
use crate::state::steering::Event as Steering;
use crate::state::steering::sweep::{Event as Panel, Form, Target, job, limit_job};
use crate::state::steering::tab::Tab;
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Look(id) => look(context, id),
            Self::Form(form) => context.apply(event(Panel::Form(form))),
            Self::Take(id, features) => take(context, id, features),
            Self::ChoosePrompts => choose(context),
            Self::Sweep(id) => start(context, id, None),
            Self::Limit(id, feature) => start(context, id, Some(feature)),
            Self::Show(feature) => context.apply(event(Panel::Show(feature))),
            Self::Figure(figure) => context.apply(event(Panel::Figure(figure))),
        }
    }
}

fn event(panel: Panel) -> Event {
    Event::Steering(Steering::Sweep(panel))
}

fn study(change: Change<Study>) -> Event {
    event(Panel::Study(change))
}

/// Inputs of a job.
struct Work {
    project: Option<Arc<Project>>,
    pair: Pair,
    name: String,
}

fn work(state: &AppState, id: DictionaryId) -> Result<Work, String> {
    if let Some(why) = state.unfit(id) {
        return Err(why.to_owned());
    }
    let dictionary = state.catalogue.get(id);
    let dictionary = dictionary.ok_or("This dictionary is no longer part of the project")?;
    Ok(Work {
        project: state.project.open().map(Arc::clone),
        pair: state.pair(id).ok_or("Open a model first")?.clone(),
        name: dictionary.name.clone(),
    })
}

fn look(context: &mut Context<'_>, id: DictionaryId) {
    let Ok(work) = work(context.state, id) else {
        return;
    };
    let Some(project) = work.project else {
        return;
    };
    let pair = work.pair;
    context.apply(study(Change::Kept(id, Load::Loading)));
    context.jobs.start_quiet(
        move |why| study(Change::Kept(id, Load::Failed(why))),
        move |worker| {
            let kept = project.kept_study::<Study>(STUDY, &pair.sae.name)?;
            let kept = kept.map(|kept| kept.checked(&pair.model, &[&*pair.sae]));
            let load = match kept.transpose()? {
                Some(kept) => Load::Ready(Arc::new(kept.result)),
                None => Load::Absent,
            };
            worker.send(study(Change::Kept(id, load)));
            Ok(())
        },
    );
}

/// Fills in the form and shows the tab.
fn take(context: &mut Context<'_>, id: DictionaryId, features: Vec<FeatureId>) {
    if context.state.selection.dictionary != Some(id) {
        let select = navigation::Command::SelectDictionary(id);
        context.commands.send(select);
    }
    context.apply(event(Panel::Features(features)));
    context.commands.send(Lab::Show(Tab::Sweep));
    context
        .commands
        .send(navigation::Command::Go(ViewId::Steering));
}

/// Asks for a file of prompts and puts its lines into the form.
fn choose(context: &mut Context<'_>) {
    let dialogs = Arc::clone(context.dialogs);
    let form = context.state.steering.sweep.form.clone();
    context.jobs.start_dialog(move |worker| {
        let ask = Ask::File("Choose a file of prompts, one a line", &["txt"]);
        if let Some(path) = worker.path(&*dialogs, ask) {
            let form = Form {
                prompts: Some(read(&path)?),
                ..form
            };
            worker.send(event(Panel::Form(Box::new(form))));
        }
        Ok(())
    });
}

/// Starts a sweep, or the search for the limit of one feature.
fn start(context: &mut Context<'_>, id: DictionaryId, limit: Option<FeatureId>) {
    let state = &context.state;
    let work = match work(state, id) {
        Ok(work) => work,
        Err(why) => return context.fail(why),
    };
    let form = state.steering.sweep.form.clone();
    let features = form.read_features(state.selection.feature, work.pair.sae.features());
    let (features, strengths) = match (features, form.read_strengths()) {
        (Ok(features), Ok(strengths)) => (features, strengths),
        (Err(why), _) | (_, Err(why)) => return context.fail(why),
    };
    let of_project = state.project.open();
    let of_project = of_project.map_or(&[][..], |project| &project.prompts);
    let lines = form.lines(of_project);
    let before = state.steering.sweep.result(id).cloned();
    let name = match limit {
        Some(_) => limit_job(&work.name),
        None => job(&work.name),
    };
    context.apply(study(Change::Began(id)));
    context.jobs.start_or(
        name,
        move |why| study(Change::Failed(id, why)),
        move |worker| {
            let prompts = Prompts::from_lines(&work.pair.model, &lines)?;
            worker.notes(&prompts.notes);
            let found = match limit {
                Some(feature) => searched(worker, &work, (&form, feature), &prompts)?,
                None => swept(worker, &work, (&form, &features, strengths), &prompts)?,
            };
            let found = found.map(|found| found.joined(before.as_deref()));
            if let (Some(found), Some(project)) = (&found, &work.project) {
                keep(&work.pair, project, found)?;
            }
            worker.send(study(Change::Ended(id, found.map(Arc::new))));
            Ok(())
        },
    );
}

fn swept(
    worker: &Worker,
    work: &Work,
    (form, features, strengths): (&Form, &[FeatureId], Vec<f64>),
    prompts: &Prompts,
) -> Result<Option<Study>> {
    let (model, sae) = (&*work.pair.model, &*work.pair.sae);
    let target = match form.target {
        Target::Promoted => Followed::Promoted,
        Target::Token => Followed::Token(model.codec().one_token(&form.token, "token")?),
        Target::Nothing => Followed::None,
    };
    let settings = Settings {
        strengths,
        target,
        continuation: form.continuation,
    };
    let subject = (model, sae.by_token()?);
    let pass = &mut |at| worker.progress(at);
    let Ended::Done(sweep) = sweep(subject, features, &prompts.tokens, &settings, pass)? else {
        return Ok(None);
    };
    Ok(Some(Study {
        prompts: prompts.texts.clone(),
        sweep: Some(sweep),
        limits: Vec::new(),
    }))
}

fn searched(
    worker: &Worker,
    work: &Work,
    (form, feature): (&Form, FeatureId),
    prompts: &Prompts,
) -> Result<Option<Study>> {
    let subject = (&*work.pair.model, work.pair.sae.by_token()?);
    let pass = &mut |at| worker.progress(at);
    let found = limit::largest_strength(subject, feature, &prompts.tokens, &form.rule, pass)?;
    let Ended::Done(limit) = found else {
        return Ok(None);
    };
    Ok(Some(Study {
        prompts: prompts.texts.clone(),
        sweep: None,
        limits: vec![limit],
    }))
}
