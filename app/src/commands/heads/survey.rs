//! The survey of all heads: the one that is kept with the project, a new one, and the pattern of one of its contexts.

use std::sync::Arc;
use std::time::Instant;

use umbra_core::attention;
use umbra_core::heads::survey::{self, Causal, KeptSurvey, Survey};
use umbra_core::models::Model;
use umbra_core::progress::Ended;
use umbra_core::project::Project;
use umbra_core::workbench::passes::{self, Amount};
use umbra_core::workbench::text::Text;

use crate::commands::context::Context;
use crate::jobs::Worker;
use crate::state::heads::Event as Heads;
use crate::state::heads::survey::{Asked, Event as Panel, Of, PatternOf};
use crate::state::requests::Commands;
use crate::state::requests::heads::survey::Command;
use crate::state::{AppState, Event, Load};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Look => look(context),
            Self::Ask => ask(context),
            Self::Answer(asked) => context.apply(event(Panel::Asked(Some(asked)))),
            Self::Close => context.apply(event(Panel::Asked(None))),
            Self::Count => count(context),
            Self::Run(amount, causal) => {
                context.apply(event(Panel::Asked(None)));
                make(context, amount, causal);
            }
            Self::Pattern(of) => pattern(context, of),
        }
    }
}

fn event(event: Panel) -> Event {
    Event::Heads(Heads::Survey(event))
}

/// Asks for the tokens of the text that the open question is about.
pub(super) fn follow(state: &AppState, commands: &mut Commands) {
    let survey = &state.heads.survey;
    let folder = state.project.folder();
    if survey.asked.is_some() && folder.is_some() && survey.text_of.as_deref() != folder {
        commands.send(Command::Count);
    }
}

/// The project and the model that a survey is of, if both are there.
fn parts(state: &AppState) -> Option<(Arc<Project>, Arc<Model>, Of)> {
    let (project, model) = (state.project.open()?, &state.model()?.model);
    let of = (project.folder.clone(), model.fingerprint().to_owned());
    Some((Arc::clone(project), Arc::clone(model), of))
}

fn look(context: &mut Context<'_>) {
    let Some((project, model, of)) = parts(context.state) else {
        return;
    };
    context.apply(event(Panel::Kept(of.clone(), Load::Loading)));
    let failed = of.clone();
    context.jobs.start_quiet(
        move |why| event(Panel::Kept(failed, Load::Failed(why))),
        move |worker| {
            let kept = KeptSurvey::of_model(&project, &model)?;
            let load = kept.map_or(Load::Absent, |kept| Load::Ready(Arc::new(kept)));
            worker.send(event(Panel::Kept(of, load)));
            Ok(())
        },
    );
}

fn ask(context: &mut Context<'_>) {
    let state = &context.state;
    let missing = if state.model().is_none() {
        Some("Open a model first")
    } else if state.project.open().is_none() {
        Some("Open or create a project first: a survey is saved with it")
    } else {
        None
    };
    match missing {
        Some(sentence) => context.fail(sentence),
        None => context.apply(event(Panel::Asked(Some(Asked::default())))),
    }
}

fn count(context: &mut Context<'_>) {
    let Some((project, model, (folder, _))) = parts(context.state) else {
        return;
    };
    context.apply(event(Panel::Counted(folder.clone(), Load::Loading)));
    let failed = folder.clone();
    context.jobs.start_quiet(
        move |why| event(Panel::Counted(failed, Load::Failed(why))),
        move |worker| {
            let text = passes::held_out(&project, Amount::All)?.read(&model, None)?;
            let tokens = text.rows.counted() as u64;
            worker.send(event(Panel::Counted(folder, Load::Ready(tokens))));
            Ok(())
        },
    );
}

fn make(context: &mut Context<'_>, amount: Amount, causal: Option<usize>) {
    let Some((project, model, of)) = parts(context.state) else {
        return;
    };
    if context.state.heads.survey.making.is_loading() {
        return;
    }
    context.apply(event(Panel::Making(Load::Loading)));
    context.jobs.start_or(
        "Survey the heads",
        |why| event(Panel::Making(Load::Failed(why))),
        move |worker| {
            let text = passes::held_out(&project, amount)?.read(&model, None)?;
            worker.notes(&text.said());
            if let Some(survey) = surveyed(worker, &model, &text, causal)? {
                let source = (text.phrase.as_str(), text.fingerprint.as_str());
                let kept = KeptSurvey::new(&model, source, survey);
                kept.keep(&project)?;
                worker.send(event(Panel::Kept(of, Load::Ready(Arc::new(kept)))));
            }
            worker.send(event(Panel::Making(Load::Absent)));
            Ok(())
        },
    );
}

/// Makes the survey; none if it was stopped. Of one whose causal test was stopped, the rest stays.
fn surveyed(
    worker: &Worker,
    model: &Model,
    text: &Text,
    causal: Option<usize>,
) -> umbra_core::Result<Option<Survey>> {
    let begun = Instant::now();
    let Ended::Done(mut survey) = survey::run(model, &text.rows, &mut |at| worker.progress(at))?
    else {
        return Ok(None);
    };
    let speed = |tokens: f64, begun: Instant| tokens / begun.elapsed().as_secs_f64().max(1e-3);
    let ran = |which, speed| worker.send(event(Panel::Ran(which, speed)));
    ran(0, speed(survey.tokens as f64, begun));
    let Some(rows) = causal else {
        return Ok(Some(survey));
    };
    let settings = Causal {
        rows,
        ..Causal::default()
    };
    let begun = Instant::now();
    let observe = &mut |at| worker.progress(at);
    let ended = survey::ablate(model, &text.rows, settings, &mut survey, observe)?;
    if let (false, Some(about)) = (ended.is_stopped(), survey.causal) {
        let passes = about.rows as f64 * (survey.heads.len() + 1) as f64;
        ran(1, speed(passes * survey.context as f64, begun));
    }
    Ok(Some(survey))
}

fn pattern(context: &mut Context<'_>, of: PatternOf) {
    let Some(model) = context.state.model() else {
        return;
    };
    let model = Arc::clone(&model.model);
    context.apply(event(Panel::Pattern(of.clone(), Load::Loading)));
    let failed = of.clone();
    context.jobs.start_quiet(
        move |why| event(Panel::Pattern(failed, Load::Failed(why))),
        move |worker| {
            let found = attention::patterns(&model, &of.1, of.0)?;
            worker.send(event(Panel::Pattern(of, Load::Ready(Arc::new(found)))));
            Ok(())
        },
    );
}
