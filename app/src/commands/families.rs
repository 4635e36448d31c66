//! Measures families and correlations of features, scores steering by them, and tests features against predicates.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use umbra_core::features::correlations;
use umbra_core::features::families::{self, Asked};
use umbra_core::features::predicate::{Predicate, lab};
use umbra_core::features::{self, Index};
use umbra_core::progress::Ended;
use umbra_core::project::Project;
use umbra_core::workbench::pair::Pair;
use umbra_core::workbench::passes::{self, Amount, Pass};
use umbra_core::workbench::score;

use super::context::Context;
use crate::jobs::{Wanted, Worker};
use crate::state::catalogue::{self, DictionaryId};
use crate::state::families::{Answer, Event as Families, Key};
use crate::state::log::Notice;
use crate::state::requests::families::Command;
use crate::state::{AppState, Event, Load, log};
use crate::widgets::number::count;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Measure(id) => measure(context, id),
            Self::Score(id) => score(context, id),
            Self::Correlate(id) => correlate(context, id),
            Self::Predicate(text) => context.apply(Event::Families(Families::Predicate(text))),
            Self::Test(key) => test(context, key),
        }
    }
}

/// Inputs of the jobs.
struct Work {
    project: Arc<Project>,
    pair: Pair,
    name: String,
}

/// Returns all inputs, or the sentence that says what is missing.
fn work(state: &AppState, id: DictionaryId) -> Result<Work, String> {
    let dictionary = state.catalogue.get(id);
    let dictionary = dictionary.ok_or("This dictionary is no longer part of the project")?;
    if let Some(why) = state.unfit(id) {
        return Err(why.to_owned());
    }
    let project = state.project.open();
    Ok(Work {
        project: Arc::clone(project.ok_or("Open or create a project first")?),
        pair: state.pair(id).ok_or("Open a model first")?.clone(),
        name: dictionary.name.clone(),
    })
}

fn measure(context: &mut Context<'_>, id: DictionaryId) {
    let state = &context.state;
    if state.families.measuring.contains(&id) {
        return;
    }
    let (path, work) = match indexed(state, id) {
        Ok(both) => both,
        Err(sentence) => return context.fail(sentence),
    };
    context.apply(Event::Families(Families::Measuring(id, true)));
    let name = format!("Measure the families of {}", work.name);
    let wanted = Wanted::new(context.state, &name);
    context.jobs.start(name, move |worker| {
        let ended = Families::Measuring(id, false);
        let _at_work = AtWork::new(worker, ended);
        if let Some(loaded) = measured(worker, &work, &wanted, &path)? {
            let loaded = catalogue::Event::Index(id, Load::Ready(loaded));
            worker.send(Event::Catalogue(loaded));
        }
        Ok(())
    });
}

/// Returns the path of a dictionary's index and all inputs, or the sentence that says what is missing.
fn indexed(state: &AppState, id: DictionaryId) -> Result<(PathBuf, Work), String> {
    let Some(path) = state.index_of(id).map(|index| index.path.clone()) else {
        let why = state.foreign_index(id).map(str::to_owned);
        let missing = || "Features are measured with an index: build one first".to_owned();
        return Err(why.unwrap_or_else(missing));
    };
    Ok((path, work(state, id)?))
}

/// Says that a measurement has ended once it is dropped, however the job ended.
struct AtWork<'a> {
    worker: &'a Worker,
    ended: Option<Families>,
}

impl<'a> AtWork<'a> {
    fn new(worker: &'a Worker, ended: Families) -> Self {
        let ended = Some(ended);
        Self { worker, ended }
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            self.worker.send(Event::Families(ended));
        }
    }
}

fn score(context: &mut Context<'_>, id: DictionaryId) {
    let state = &context.state;
    if state.families.scoring.contains(&id) {
        return;
    }
    let (path, work) = match indexed(state, id) {
        Ok(both) => both,
        Err(sentence) => return context.fail(sentence),
    };
    context.apply(Event::Families(Families::Scoring(id, true)));
    let name = format!("Score the steering of {}", work.name);
    let wanted = Wanted::new(context.state, &name);
    context.jobs.start(name, move |worker| {
        let _at_work = AtWork::new(worker, Families::Scoring(id, false));
        let amount = Amount::default_for(Pass::Evaluation);
        let text = worker.read(&passes::held_out(&work.project, amount)?, &work.pair)?;
        let settings = score::Settings::default();
        let _computing = worker.place(&wanted, &*work.pair.sae, (settings.contexts, false))?;
        let index = Index::open(&path)?;
        let folder = work.project.folder.join("indexes");
        let out = folder.join(format!("{}.sqlite", work.name));
        let subject = (&work.pair, &text);
        let pass = &mut |at| worker.progress(at);
        let ended = score::keep(subject, (&index, &out), settings, pass)?;
        let scores = ended.value();
        if scores.scores.is_empty() {
            return Ok(());
        }
        let words = format!("Steering by {}: {}", work.name, scores.conclusion());
        worker.send(Event::Log(log::Event::Show(Notice::success(words))));
        let loaded = super::library::read_index(out)?;
        let loaded = catalogue::Event::Index(id, Load::Ready(loaded));
        worker.send(Event::Catalogue(loaded));
        Ok(())
    });
}

/// Measures correlations on held-out text and writes them into the project's copy of the index.
fn correlate(context: &mut Context<'_>, id: DictionaryId) {
    let (path, work) = match indexed(context.state, id) {
        Ok(both) => both,
        Err(sentence) => return context.fail(sentence),
    };
    let name = format!("Measure the correlations of {}", work.name);
    let wanted = Wanted::new(context.state, &name);
    context.jobs.start(name, move |worker| {
        let amount = Amount::default_for(Pass::Index);
        let text = worker.read(&passes::held_out(&work.project, amount)?, &work.pair)?;
        let at_once = features::tokens_at_once(&work.pair.sae, &text.rows);
        let _computing = worker.place(&wanted, &*work.pair.sae, (at_once, false))?;
        let folder = work.project.folder.join("indexes");
        let out = folder.join(format!("{}.sqlite", work.name));
        let index = Index::open(&path)?;
        let subject = (&*work.pair.model, work.pair.sae.by_token()?);
        let read = (&text.rows, text.phrase.as_str(), text.fingerprint.as_str());
        let pass = &mut |at| worker.progress(at);
        let kept = correlations::keep(subject, read, (&index, &out), pass)?;
        let Ended::Done(found) = kept else {
            return Ok(());
        };
        let words = format!(
            "Correlations of {} measured on {} tokens; exports for Neuronpedia hold them",
            work.name,
            count(found.tokens)
        );
        worker.send(Event::Log(log::Event::Show(Notice::success(words))));
        let loaded = super::library::read_index(out)?;
        let loaded = catalogue::Event::Index(id, Load::Ready(loaded));
        worker.send(Event::Catalogue(loaded));
        Ok(())
    });
}

/// Measures families and writes them into the project's copy of the index; none if the job was stopped.
fn measured(
    worker: &Worker,
    work: &Work,
    wanted: &Wanted,
    path: &Path,
) -> umbra_core::Result<Option<catalogue::LoadedIndex>> {
    let index = Index::open(path)?;
    let (model, sae) = (&*work.pair.model, &*work.pair.sae);
    let at_once = features::ROWS_AT_ONCE * index.about().context;
    let _computing = worker.place(wanted, sae, (at_once, false))?;
    let subject = (model, sae.by_token()?);
    let pass = &mut |at| worker.progress(at);
    let Ended::Done(found) = families::measure(subject, &index, Asked::default(), pass)? else {
        return Ok(None);
    };
    let folder = work.project.folder.join("indexes");
    let out = folder.join(format!("{}.sqlite", work.name));
    families::write(&index, &found, &out)?;
    let counts = found
        .counts()
        .map(|(family, features)| format!("{features} {family}"));
    let words = format!("Families of {}: {}", work.name, counts.join(", "));
    worker.send(Event::Log(log::Event::Show(Notice::success(words))));
    super::library::read_index(out).map(Some)
}

fn test(context: &mut Context<'_>, key: Key) {
    let predicate = match Predicate::parse(&key.predicate) {
        Ok(predicate) => predicate,
        Err(refused) => return context.fail(format!("The predicate is wrong: {}", refused.why)),
    };
    let work = match work(context.state, key.dictionary) {
        Ok(work) => work,
        Err(sentence) => return context.fail(sentence),
    };
    let event = |key, load| Event::Families(Families::Answer(key, load));
    context.apply(event(key.clone(), Load::Loading));
    let name = format!("Test feature {} of {}", key.feature, work.name);
    let wanted = Wanted::new(context.state, &name);
    let failed = key.clone();
    context.jobs.start_or(
        name,
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let amount = Amount::default_for(Pass::Evaluation);
            let text = worker.read(&passes::held_out(&work.project, amount)?, &work.pair)?;
            let (model, sae) = (&*work.pair.model, &*work.pair.sae);
            let at_once = features::tokens_at_once(sae, &text.rows);
            let _computing = worker.place(&wanted, sae, (at_once, false))?;
            let asked = lab::Asked {
                features: &[key.feature],
                predicate: &predicate,
                seed: 0,
            };
            let subject = (model, sae.by_token()?);
            let tested = lab::test(subject, &text.rows, asked, &mut |at| worker.progress(at))?;
            let tested = tested.done().and_then(|tested| tested.into_iter().next());
            let load = tested.map_or(Load::Absent, |tested| {
                let text = format!("{} tokens of {}", count(tested.tokens), text.phrase);
                Load::Ready(Arc::new(Answer { tested, text }))
            });
            worker.send(event(key, load));
            Ok(())
        },
    );
}
