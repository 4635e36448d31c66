//! Evaluation and index of a dictionary: asks how much text, and runs them.

use std::path::PathBuf;
use std::sync::Arc;

use umbra_core::fit::Prints;
use umbra_core::progress::{Ended, Flow, Progress};
use umbra_core::project::Project;
use umbra_core::sae::Sae;
use umbra_core::workbench::indexes::{self, Choices};
use umbra_core::workbench::pair::Pair;
use umbra_core::workbench::passes::{self, Amount, Pass, Speeds};
use umbra_core::workbench::text::Text;
use umbra_core::{eval, features};

use super::context::Context;
use crate::jobs::{Computing, Wanted, Worker};
use crate::state::catalogue::{self, DictionaryId, Evaluation, LoadedIndex};
use crate::state::passes::{Asked, Event as Passes, TextOf};
use crate::state::requests::Commands;
use crate::state::requests::passes::Command;
use crate::state::{AppState, Event, Load};
use crate::words;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Answer(asked) => context.apply(Event::Passes(Passes::Asked(Some(asked)))),
            Self::Close => context.apply(Event::Passes(Passes::Asked(None))),
            Self::Count(of) => count(context, of),
            Self::Run(id, pass, amount) => {
                let asked = context.state.passes.asked.clone();
                let asked = asked.unwrap_or_else(|| Asked::new(pass, id));
                context.apply(Event::Passes(Passes::Asked(None)));
                match pass {
                    Pass::Evaluation => evaluate(context, &[id], amount),
                    Pass::Index => build_indexes(context, id, (amount, &asked)),
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
    // What fits may still read whole texts only.
    (loaded.sae.by_token()).map_err(|why| why.to_string())?;
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

/// A dictionary that is evaluated.
struct Evaluating {
    id: DictionaryId,
    work: Work,
    /// Its figures if the job is stopped.
    before: Load<Evaluation>,
}

/// Evaluates dictionaries, one after the other in one job. One that fails does not keep the others from being measured.
pub(super) fn evaluate(context: &mut Context<'_>, ids: &[DictionaryId], amount: Amount) {
    let mut all = Vec::new();
    for id in ids.iter().copied() {
        let work = match work(context, id) {
            Ok(work) => work,
            Err(sentence) => return context.fail(sentence),
        };
        let before = context.state.catalogue.get(id);
        let before = match before.map(|dictionary| dictionary.evaluation.clone()) {
            Some(Load::Loading) => continue,
            Some(Load::Ready(before)) => Load::Ready(before),
            _ => Load::Absent,
        };
        all.push(Evaluating { id, work, before });
    }
    let name = match all.as_slice() {
        [] => return,
        [one] => format!("Evaluate {}", one.work.name),
        several => format!("Evaluate {} dictionaries", several.len()),
    };
    for one in &all {
        context.apply(evaluated(one.id, Load::Loading));
    }
    let wanted = Wanted::new(context.state, &name);
    let ids: Vec<DictionaryId> = all.iter().map(|one| one.id).collect();
    context.jobs.start_or(
        name,
        move |why| Event::Catalogue(catalogue::Event::EvaluationsFailed(ids, why)),
        move |worker| evaluate_all(worker, all, &wanted, amount),
    );
}

fn evaluated(id: DictionaryId, load: Load<Evaluation>) -> Event {
    Event::Catalogue(catalogue::Event::Evaluation(id, load))
}

/// Measures each; the first failure is returned at the end.
fn evaluate_all(
    worker: &Worker,
    all: Vec<Evaluating>,
    wanted: &Wanted,
    amount: Amount,
) -> umbra_core::Result<()> {
    let mut first = Ok(());
    let many = all.len() as u64;
    for (at, one) in all.into_iter().enumerate() {
        if worker.stopped() {
            worker.send(evaluated(one.id, one.before));
            continue;
        }
        // Every dictionary reads about as much.
        let pass = &mut |progress: Progress| {
            worker.progress(Progress {
                done: progress.done + at as u64 * progress.total,
                total: progress.total * many,
                unit: progress.unit,
            })
        };
        let load = match measured(worker, (&one.work, wanted), amount, pass) {
            Ok(Some(figures)) => Load::Ready(figures),
            Ok(None) => one.before,
            Err(why) => {
                let load = Load::Failed(words::error(&why));
                first = first.and(Err(why));
                load
            }
        };
        worker.send(evaluated(one.id, load));
    }
    first
}

/// Measures the figures and keeps them with the project; none if the job was stopped.
fn measured(
    worker: &Worker,
    (work, wanted): (&Work, &Wanted),
    amount: Amount,
    pass: &mut dyn FnMut(Progress) -> Flow,
) -> umbra_core::Result<Option<Evaluation>> {
    let text = worker.read(&passes::held_out(&work.project, amount)?, &work.pair)?;
    let (model, sae) = (&work.pair.model, &work.pair.sae);
    let at_once = eval::tokens_at_once(model, &text.rows);
    let computing = worker.place(wanted, &**sae, (at_once, true))?;
    let choice = Computing::choice(computing.as_ref());
    let of = (&work.pair, &text.rows);
    let figures = (work.speeds).timed(Pass::Evaluation, of, &choice, || {
        eval::run(model, sae, &text.rows, pass)
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

/// A dictionary whose index is built.
struct Building {
    id: DictionaryId,
    sae: Arc<Sae>,
    file: PathBuf,
    /// Its index if the job is stopped.
    before: Load<LoadedIndex>,
}

/// Builds the indexes of a dictionary and of the others that were chosen with it, in one pass of the model.
fn build_indexes(context: &mut Context<'_>, id: DictionaryId, (amount, asked): (Amount, &Asked)) {
    let event = |id, load| Event::Catalogue(catalogue::Event::Index(id, load));
    let (mut all, mut first) = (Vec::new(), None);
    for id in [id].into_iter().chain(asked.others.iter().copied()) {
        let work = match work(context, id) {
            Ok(work) => work,
            Err(sentence) => return context.fail(sentence),
        };
        let before = match context.state.catalogue.get(id).map(|d| d.index.clone()) {
            Some(Load::Loading) => return,
            Some(Load::Ready(before)) => Load::Ready(before),
            _ => Load::Failed("Building the index was stopped".to_owned()),
        };
        let folder = work.project.folder.join("indexes");
        all.push(Building {
            id,
            sae: Arc::clone(&work.pair.sae),
            file: folder.join(indexes::file_name(&work.name)),
            before,
        });
        first.get_or_insert(work);
    }
    let Some(work) = first else { return };
    for building in &all {
        context.apply(event(building.id, Load::Loading));
    }
    let name = match all.len() {
        1 => format!("Build the index of {}", work.name),
        many => format!("Build the indexes of {} and {} more", work.name, many - 1),
    };
    let choices = Choices {
        seed: 0,
        rows: asked.rows(),
        attribution: asked.attribution,
        loss_effects: asked.loss_effects,
        without_counts: false,
    };
    let wanted = Wanted::new(context.state, &name);
    let ids: Vec<DictionaryId> = all.iter().map(|building| building.id).collect();
    context.jobs.start_or(
        name,
        move |why| Event::Catalogue(catalogue::Event::IndexesFailed(ids, why)),
        move |worker| {
            let text = worker.read(&passes::held_out(&work.project, amount)?, &work.pair)?;
            let is_built = built(worker, (&work, &wanted), &all, (&text, &choices))?;
            for building in all {
                let load = if is_built {
                    Load::Ready(super::library::read_index(building.file)?)
                } else {
                    building.before
                };
                worker.send(event(building.id, load));
            }
            Ok(())
        },
    );
}

/// Builds the indexes; whether the job came to its end.
fn built(
    worker: &Worker,
    (work, wanted): (&Work, &Wanted),
    all: &[Building],
    (text, choices): (&Text, &Choices),
) -> umbra_core::Result<bool> {
    let model = &work.pair.model;
    let saes: Vec<Arc<Sae>> = all.iter().map(|one| Arc::clone(&one.sae)).collect();
    let files: Vec<PathBuf> = all.iter().map(|one| one.file.clone()).collect();
    let build = || {
        let pass = &mut |at| worker.progress(at);
        indexes::build((model, &saes), &files, (text, choices), pass)
    };
    // Several dictionaries would wait for each other's turn on a GPU.
    let [sae] = &saes[..] else {
        return Ok(!build()?.is_stopped());
    };
    let at_once = features::tokens_at_once(sae, &text.rows);
    let computing = worker.place(wanted, &**sae, (at_once, false))?;
    let choice = Computing::choice(computing.as_ref());
    let of = (&work.pair, &text.rows);
    // Only a pass like those that are asked about says how long the next takes.
    let ended = if choices.rows.is_none() && !choices.loss_effects {
        (work.speeds).timed(Pass::Index, of, &choice, build)?
    } else {
        build()?
    };
    Ok(!ended.is_stopped())
}
