//! Evaluation and index of a dictionary: asks how much text, and runs them.

use std::sync::Arc;

use umbra_core::fit::Prints;
use umbra_core::progress::Ended;
use umbra_core::project::Project;
use umbra_core::workbench::pair::Pair;
use umbra_core::workbench::passes::{self, Amount, Pass, Speeds};
use umbra_core::{eval, features, formats};

use super::context::Context;
use crate::jobs::{Computing, Wanted, Worker};
use crate::state::catalogue::{self, DictionaryId, Evaluation};
use crate::state::passes::{Asked, Event as Passes, TextOf};
use crate::state::requests::Commands;
use crate::state::requests::passes::Command;
use crate::state::{AppState, Event, Load};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Answer(asked) => context.apply(Event::Passes(Passes::Asked(Some(asked)))),
            Self::Close => context.apply(Event::Passes(Passes::Asked(None))),
            Self::Count(of) => count(context, of),
            Self::Run(id, pass, amount) => {
                let asked = context.state.passes.asked.as_ref();
                let no_attribution = asked.is_some_and(|asked| asked.no_attribution);
                context.apply(Event::Passes(Passes::Asked(None)));
                match pass {
                    Pass::Evaluation => evaluate(context, id, amount),
                    Pass::Index => build_index(context, id, (amount, no_attribution)),
                }
            }
        }
    }
}

/// Asks for the tokens of the text that the open question is about.
pub(super) fn follow(state: &AppState, commands: &mut Commands) {
    if let Some(of) = text_of(state)
        && state.passes.tokens(&of).is_none()
    {
        commands.send(Command::Count(of));
    }
}

/// The text that the open question is about, once its dictionary and the model are loaded.
fn text_of(state: &AppState) -> Option<TextOf> {
    let dictionary = state.passes.asked.as_ref()?.dictionary;
    state.pair(dictionary)?;
    let project = state.project.open()?;
    let request = passes::held_out(project, Amount::All).ok()?;
    Some(TextOf {
        request,
        dictionary,
    })
}

/// Opens the question how much text `pass` reads, or says what is missing.
pub(super) fn ask(context: &mut Context<'_>, id: DictionaryId, pass: Pass) {
    match work(context, id) {
        Ok(_) => {
            let asked = Asked::new(pass, id);
            context.apply(Event::Passes(Passes::Asked(Some(asked))));
        }
        Err(sentence) => context.fail(sentence),
    }
}

fn count(context: &mut Context<'_>, of: TextOf) {
    let Some(pair) = context.state.pair(of.dictionary).cloned() else {
        return;
    };
    let event = |of, load| Event::Passes(Passes::Counted(of, load));
    context.apply(event(of.clone(), Load::Loading));
    let failed = of.clone();
    context.jobs.start_quiet(
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let tokens = pair.read(&of.request)?.rows.counted() as u64;
            worker.send(event(of, Load::Ready(tokens)));
            Ok(())
        },
    );
}

/// Inputs of a pass over held-out text.
struct Work {
    project: Arc<Project>,
    pair: Pair,
    name: String,
    speeds: Speeds,
}

/// Returns all inputs, or the sentence that says what is missing.
fn work(context: &Context<'_>, id: DictionaryId) -> Result<Work, String> {
    let state = &context.state;
    let dictionary = state.catalogue.get(id);
    let dictionary = dictionary.ok_or("This dictionary is no longer part of the project")?;
    if let Some(why) = state.unfit(id) {
        return Err(why.to_owned());
    }
    let loaded = dictionary.load.ready();
    let loaded = loaded.ok_or("The dictionary is not loaded yet")?;
    if let Some(model) = state.model() {
        // also refuses what fits and yet cannot be read token by token
        formats::check_hooks(&loaded.sae, &model.model).map_err(|why| why.to_string())?;
    }
    Ok(Work {
        project: Arc::clone(
            (state.project.open())
                .ok_or("Open or create a project first: results are saved with it")?,
        ),
        pair: state.pair(id).ok_or("Open a model first")?.clone(),
        name: dictionary.name.clone(),
        speeds: state.passes.speeds.clone(),
    })
}

fn evaluate(context: &mut Context<'_>, id: DictionaryId, amount: Amount) {
    let work = match work(context, id) {
        Ok(work) => work,
        Err(sentence) => return context.fail(sentence),
    };
    let before = context
        .state
        .catalogue
        .get(id)
        .map(|d| d.evaluation.clone());
    let before = match before {
        Some(Load::Loading) => return,
        Some(Load::Ready(before)) => Load::Ready(before),
        _ => Load::Absent,
    };
    let event = move |load| Event::Catalogue(catalogue::Event::Evaluation(id, load));
    context.apply(event(Load::Loading));
    let name = format!("Evaluate {}", work.name);
    let wanted = Wanted::new(context.state, &name);
    context.jobs.start_or(
        name,
        move |why| event(Load::Failed(why)),
        move |worker| {
            let evaluated = measured(worker, &work, &wanted, amount)?;
            worker.send(event(evaluated.map_or(before, Load::Ready)));
            Ok(())
        },
    );
}

/// Measures the figures and keeps them with the project; none if the job was stopped.
fn measured(
    worker: &Worker,
    work: &Work,
    wanted: &Wanted,
    amount: Amount,
) -> umbra_core::Result<Option<Evaluation>> {
    let text = worker.read(&passes::held_out(&work.project, amount)?, &work.pair)?;
    let (model, sae) = (&work.pair.model, &work.pair.sae);
    let at_once = eval::tokens_at_once(model, &text.rows);
    let computing = worker.place(wanted, &**sae, (at_once, true))?;
    let choice = Computing::choice(computing.as_ref());
    let of = (&work.pair, &text.rows);
    let figures = (work.speeds).timed(Pass::Evaluation, of, &choice, || {
        eval::run(model, sae, &text.rows, &mut |at| worker.progress(at))
    })?;
    let Ended::Done(figures) = figures else {
        return Ok(None);
    };
    let (text, device) = (text.phrase, choice.compute.label());
    let of = Prints::new(model, sae);
    (work.project).keep_figures(&work.name, (&text, &device), &figures, of)?;
    Ok(Some(Evaluation {
        figures,
        text,
        device,
    }))
}

fn build_index(
    context: &mut Context<'_>,
    id: DictionaryId,
    (amount, no_attribution): (Amount, bool),
) {
    let work = match work(context, id) {
        Ok(work) => work,
        Err(sentence) => return context.fail(sentence),
    };
    let before = match context.state.catalogue.get(id).map(|d| d.index.clone()) {
        Some(Load::Loading) => return,
        Some(Load::Ready(before)) => Load::Ready(before),
        _ => Load::Failed("Building the index was stopped".to_owned()),
    };
    let event = move |load| Event::Catalogue(catalogue::Event::Index(id, load));
    context.apply(event(Load::Loading));
    let name = format!("Build the index of {}", work.name);
    let wanted = Wanted::new(context.state, &name);
    context.jobs.start_or(
        name,
        move |why| event(Load::Failed(why)),
        move |worker| {
            let text = worker.read(&passes::held_out(&work.project, amount)?, &work.pair)?;
            let folder = work.project.folder.join("indexes");
            let path = folder.join(format!("{}.sqlite", work.name));
            let source = features::Source {
                corpus: text.phrase,
                fingerprint: text.fingerprint,
                seed: 0,
                no_attribution,
            };
            let (model, sae) = (&work.pair.model, &work.pair.sae);
            let at_once = features::tokens_at_once(sae, &text.rows);
            let computing = worker.place(&wanted, &**sae, (at_once, false))?;
            let choice = Computing::choice(computing.as_ref());
            let sae = sae.autoencoder()?;
            let of = (&work.pair, &text.rows);
            let built = (work.speeds).timed(Pass::Index, of, &choice, || {
                let pass = &mut |at| worker.progress(at);
                features::build(model, sae, &text.rows, &source, &path, pass)
            })?;
            worker.send(event(if built.is_stopped() {
                before
            } else {
                Load::Ready(super::library::read_index(path)?)
            }));
            Ok(())
        },
    );
}
