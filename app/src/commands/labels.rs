//! Measures facts, takes labels from facts, files and a language model, and writes them to files.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;

use umbra_core::error::Notes;
use umbra_core::features::{self, Index};
use umbra_core::ids::FeatureId;
use umbra_core::progress::Ended;
use umbra_core::project::{Given, NeuronpediaPlace, Project};
use umbra_core::workbench::ask::{self, Answer, KeptEndpoint, Settings};
use umbra_core::workbench::facts;
use umbra_core::workbench::labels::{self, Changed, Dictionary};
use umbra_core::workbench::pair::Pair;
use umbra_core::workbench::passes::{self, Amount, Pass};

use super::context::Context;
use crate::dialogs::Ask;
use crate::jobs::{Wanted, Worker};
use crate::state::catalogue::{self, DictionaryId};
use crate::state::labels::{Event as Labels, Question, Typed};
use crate::state::log::Notice;
use crate::state::project::LabelChange;
use crate::state::requests::labels::Command;
use crate::state::{AppState, Event, Load, history, log, project};
use crate::widgets::number::counted;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::MeasureFacts(id) => measure(context, id),
            Self::TakeFacts(id) => take_facts(context, id),
            Self::Accept { feature, given } => accept(context, feature, given),
            Self::PickImport(id) => {
                let ask = Ask::File("Choose a file of labels", &["csv", "json", "jsonl", "gz"]);
                context.ask(ask, move |path| Self::Import(id, path).into());
            }
            Self::Import(id, path) => import(context, id, path),
            Self::PickExport(id) => {
                let Some(name) = context.state.catalogue.get(id).map(|d| d.name.clone()) else {
                    return;
                };
                let title = "Save the labels as CSV, or for Neuronpedia as .json or .jsonl";
                let ask = Ask::Save(title, format!("{name}-labels.csv"));
                context.ask(ask, move |path| Self::Export(id, path).into());
            }
            Self::Export(id, path) => export(context, id, path),
            Self::Question(id, feature) => question(context, id, feature),
            Self::Type(typed) => context.apply(Event::Labels(Labels::Typed(typed))),
            Self::Send => send(context),
            Self::Close => context.apply(Event::Labels(Labels::Question(None))),
        }
    }
}

/// A dictionary of the project.
struct Named {
    project: Arc<Project>,
    name: String,
}

/// Returns the project and the name of a dictionary, or the sentence that says what is missing.
fn named(state: &AppState, id: DictionaryId) -> Result<Named, String> {
    let dictionary = state.catalogue.get(id);
    let dictionary = dictionary.ok_or("This dictionary is no longer part of the project")?;
    let project = state.project.open();
    Ok(Named {
        project: Arc::clone(project.ok_or("Open or create a project first")?),
        name: dictionary.name.clone(),
    })
}

/// Returns the path of a dictionary's index and the dictionary with its model, or the sentence that says what is missing.
fn indexed(state: &AppState, id: DictionaryId) -> Result<(PathBuf, Pair), String> {
    let Some(path) = state.index_of(id).map(|index| index.path.clone()) else {
        let why = state.foreign_index(id).map(str::to_owned);
        let missing = || "Features are described with an index: build one first".to_owned();
        return Err(why.unwrap_or_else(missing));
    };
    if let Some(why) = state.unfit(id) {
        return Err(why.to_owned());
    }
    Ok((path, state.pair(id).ok_or("Open a model first")?.clone()))
}

/// Says that a measurement has ended once it is dropped, however the job ended.
struct AtWork<'a>(&'a Worker, DictionaryId);

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.0.send(Event::Labels(Labels::Measuring(self.1, false)));
    }
}

fn measure(context: &mut Context<'_>, id: DictionaryId) {
    let state = &context.state;
    if state.labels.measuring.contains(&id) {
        return;
    }
    let (of, (path, pair)) = match named(state, id).and_then(|of| Ok((of, indexed(state, id)?))) {
        Ok(both) => both,
        Err(sentence) => return context.fail(sentence),
    };
    context.apply(Event::Labels(Labels::Measuring(id, true)));
    let name = format!("Measure facts about {}", of.name);
    let wanted = Wanted::new(context.state, &name);
    context.jobs.start(name, move |worker| {
        let _at_work = AtWork(worker, id);
        let amount = Amount::default_for(Pass::Index);
        let text = worker.read(&passes::held_out(&of.project, amount)?, &pair)?;
        let at_once = features::tokens_at_once(&pair.sae, &text.rows);
        let _computing = worker.place(&wanted, &*pair.sae, (at_once, false))?;
        let folder = of.project.folder.join("indexes");
        let out = folder.join(format!("{}.sqlite", of.name));
        let index = Index::open(&path)?;
        let pass = &mut |at| worker.progress(at);
        let ended = facts::keep((&pair, &text), (&index, &out), false, pass)?;
        let Ended::Done(found) = ended else {
            return Ok(());
        };
        let all = (0..found.features.len()).map(FeatureId::from);
        let clear = all.filter(|feature| found.name(*feature).is_some()).count();
        let words = format!(
            "A fact describes {} of {} clearly, measured on {}",
            counted(clear as u64, "feature"),
            of.name,
            counted(found.tokens, "token")
        );
        let notice = Notice::success(words).with("Take facts as labels", Command::TakeFacts(id));
        worker.send(Event::Log(log::Event::Show(notice)));
        let loaded = super::library::read_index(out)?;
        let loaded = catalogue::Event::Index(id, Load::Ready(loaded));
        worker.send(Event::Catalogue(loaded));
        Ok(())
    });
}

fn take_facts(context: &mut Context<'_>, id: DictionaryId) {
    let of = match named(context.state, id) {
        Ok(of) => of,
        Err(sentence) => return context.fail(sentence),
    };
    let Some(path) = context.state.index_of(id).map(|index| index.path.clone()) else {
        return context.fail("Facts are kept in an index: build one first");
    };
    let name = format!("Label {} by facts", of.name);
    context.jobs.start(name, move |worker| {
        let Some(found) = Index::open(&path)?.facts()? else {
            let measure = Notice::info(format!("No facts about {} are measured yet", of.name))
                .with("Measure facts", Command::MeasureFacts(id));
            worker.send(Event::Log(log::Event::Show(measure)));
            return Ok(());
        };
        let changed = labels::keep_facts(&of.project.labels()?, &of.name, &found, false)?;
        told(worker, &of.name, changed, "by facts");
        Ok(())
    });
}

/// Shows labels that a job has set as one change, which is undone as one.
fn told(worker: &Worker, name: &str, changed: Changed, how: &str) {
    worker.notes(&changed.notes);
    let left_out = match changed.left_out {
        0 => String::new(),
        left => format!(", {left} have labels already"),
    };
    let features = counted(changed.changes.len() as u64, "feature");
    let words = format!("Labelled {features} of {name} {how}{left_out}");
    worker.send(Event::Log(log::Event::Show(Notice::success(words))));
    let changes = changed
        .changes
        .into_iter()
        .map(|(former, label)| LabelChange {
            sae: label.sae.clone(),
            feature: label.feature,
            before: former.unwrap_or_default(),
            after: label.given(),
        });
    let changes: Vec<LabelChange> = changes.collect();
    if !changes.is_empty() {
        worker.send(Event::Project(project::Event::LabelsSet(changes.clone())));
        worker.send(Event::History(history::Event::Did {
            what: format!("labels of {features} in {name}"),
            change: history::Change::Labels(changes),
            continues: false,
        }));
    }
}

fn accept(context: &mut Context<'_>, feature: FeatureId, given: Given) {
    let Some(sae) = context.state.dictionary().map(|d| d.name.clone()) else {
        return;
    };
    label(context, sae, feature, given);
}

/// Gives a feature a label, which can be taken back.
fn label(context: &mut Context<'_>, sae: String, feature: FeatureId, after: Given) {
    let before = context.state.project.given(&sae, feature);
    let change = LabelChange {
        before: before.cloned().unwrap_or_default(),
        sae,
        feature,
        after,
    };
    if change.before != change.after && super::features::write_label(context, change.clone()) {
        context.apply(Event::History(history::Event::Did {
            what: format!("label of feature {feature} in {}", change.sae),
            change: history::Change::Label(Box::new(change)),
            continues: false,
        }));
    }
}

fn import(context: &mut Context<'_>, id: DictionaryId, path: PathBuf) {
    let of = match named(context.state, id) {
        Ok(of) => of,
        Err(sentence) => return context.fail(sentence),
    };
    let state = &context.state;
    let loaded = state.catalogue.get(id).and_then(|d| d.load.ready());
    let features = loaded.map(|loaded| loaded.sae.features());
    let name = format!("Import labels of {}", of.name);
    context.jobs.start(name, move |worker| {
        let dictionary = Dictionary {
            name: of.name.clone(),
            features,
        };
        let asked = (None, false);
        let changed = labels::import(&of.project.labels()?, (&dictionary, &path), asked)?;
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        told(worker, &of.name, changed, &format!("from {file}"));
        Ok(())
    });
}

fn export(context: &mut Context<'_>, id: DictionaryId, path: PathBuf) {
    let of = match named(context.state, id) {
        Ok(of) => of,
        Err(sentence) => return context.fail(sentence),
    };
    let index = context.state.index_of(id).map(|index| index.path.clone());
    let name = format!("Export labels of {}", of.name);
    context.jobs.start(name, move |worker| {
        let mut place = NeuronpediaPlace {
            source: of.name.clone(),
            ..NeuronpediaPlace::default()
        };
        if let Some(index) = index {
            let index = Index::open(&index)?;
            let source = features::NeuronpediaSource::new(index.about(), None, None)?;
            place = NeuronpediaPlace {
                source: format!("{}-{}", source.layer, source.set),
                model: source.model,
            };
        }
        let there = of.project.labels_there()?;
        let written = labels::export(there.as_ref(), (&of.name, &path), &place)?;
        let words = format!(
            "{} of {} written to {}",
            counted(written as u64, "label"),
            of.name,
            path.display()
        );
        worker.send(Event::Log(log::Event::Show(Notice::success(words))));
        Ok(())
    });
}

/// Opens the dialog, and reads the texts for the question.
fn question(context: &mut Context<'_>, id: DictionaryId, feature: FeatureId) {
    let (path, pair) = match indexed(context.state, id) {
        Ok(both) => both,
        Err(sentence) => return context.fail(sentence),
    };
    let mut notes = Notes::default();
    let before = context.state.labels.question.as_ref();
    let typed = match (before, &context.state.places.data) {
        (Some(before), _) => before.typed.clone(),
        (None, Some(folder)) => match KeptEndpoint::read(folder) {
            Ok(kept) => Typed::new(kept.unwrap_or_default().endpoint),
            Err(why) => {
                notes.add(why.to_string());
                Typed::default()
            }
        },
        (None, None) => Typed::default(),
    };
    for note in notes.iter() {
        context.fail(note);
    }
    let question = Question {
        dictionary: id,
        feature,
        typed,
        material: Load::Loading,
        answer: Load::Absent,
    };
    context.apply(Event::Labels(Labels::Question(Some(Box::new(question)))));
    let event = move |load| Event::Labels(Labels::Material(id, feature, load));
    context.jobs.start_or(
        format!("Read texts on feature {feature}"),
        move |why| event(Load::Failed(why)),
        move |worker| {
            let index = Index::open(&path)?;
            let pass = &mut |at| worker.progress(at);
            let found = ask::materials(&pair, &index, &[feature], Settings::default(), pass)?;
            let found = found.done().and_then(|found| found.into_iter().next());
            let stopped = || Load::Failed("Reading the texts was stopped".to_owned());
            worker.send(event(
                found.map_or_else(stopped, |material| Load::Ready(Arc::new(material))),
            ));
            Ok(())
        },
    );
}

fn send(context: &mut Context<'_>) {
    let Some(question) = &context.state.labels.question else {
        return;
    };
    let Some(material) = question.material.ready().cloned() else {
        return;
    };
    if question.answer.is_loading() {
        return;
    }
    let (id, feature) = (question.dictionary, question.feature);
    let (endpoint, keeps) = (question.typed.endpoint(), question.typed.keeps_key);
    let data = context.state.places.data.clone();
    let event = move |load| Event::Labels(Labels::Answer(id, feature, load));
    context.apply(event(Load::Loading));
    context.jobs.start_or(
        format!("Ask {} about feature {feature}", endpoint.model),
        move |why| event(Load::Failed(why)),
        move |worker| {
            endpoint.check()?;
            if let Some(folder) = data {
                let mut kept = endpoint.clone();
                kept.key = kept.key.filter(|_| keeps);
                KeptEndpoint { endpoint: kept }.write(&folder)?;
            }
            let pass = &mut |at| worker.progress(at);
            let asked = std::slice::from_ref(&*material);
            // The answer stays in the dialog until a person takes it.
            let keep = &mut |_: &Answer| Ok(());
            let ended = ask::ask(&endpoint, asked, Settings::default(), keep, pass)?;
            let answer = ended.done().and_then(|answers| answers.into_iter().next());
            let stopped = || Load::Failed("The question was stopped".to_owned());
            worker.send(event(
                answer.map_or_else(stopped, |answer| Load::Ready(Arc::new(answer))),
            ));
            Ok(())
        },
    );
}
