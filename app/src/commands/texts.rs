//! The sentence by every dictionary, beside a second text, and two sets of texts told apart.

use std::path::PathBuf;
use std::sync::Arc;

use umbra_core::progress::Ended;
use umbra_core::prompt::{Aligned, Input, Reading, read_by_all, read_while};
use umbra_core::separate::Spec;
use umbra_core::workbench::pair;
use umbra_core::workbench::separate::{Request, run, texts};

use super::context::Context;
use crate::dialogs::Ask;
use crate::jobs::Wanted;
use crate::state::requests::texts::Command;
use crate::state::texts::{Apart, Beside, Event as Area, LayerRow, SetsForm};
use crate::state::{Event, Load};

/// Files of texts.
const ENDINGS: &[&str] = &["txt", "jsonl", "ndjson"];

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::ReadLayers => layers(context),
            Self::Second(text) => context.apply(Event::Texts(Area::Second(text))),
            Self::Align => align(context),
            Self::Form(form) => context.apply(Event::Texts(Area::Form(form))),
            Self::ChooseSet(set) => {
                let ask = Ask::File("Choose a file of texts, one a line", ENDINGS);
                context.ask(ask, move |path| Self::TakeSet(set, path).into());
            }
            Self::TakeSet(set, path) => take(context, set, path),
            Self::Separate => separate(context),
        }
    }
}

fn layers(context: &mut Context<'_>) {
    let state = &*context.state;
    let Some(of) = state.layers_key() else { return };
    if let Some(job) = state.texts.layers.job {
        context.jobs.stop(job);
    }
    let mut parts = Vec::with_capacity(of.dictionaries.len());
    for id in &of.dictionaries {
        let (Some(pair), Some(dictionary)) = (state.pair(*id), state.catalogue.get(*id)) else {
            return;
        };
        parts.push((*id, dictionary.name.clone(), pair.clone()));
    }
    let wanted = Wanted::quiet(state, "Read the sentence by every dictionary");
    let input = of.sentence.input.clone();
    let event = |of, load| Event::Texts(Area::Layers(of, load));
    context.apply(event(of.clone(), Load::Loading));
    let failed = of.clone();
    let job = context.jobs.start_quiet(
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let pairs: Vec<_> = parts.iter().map(|(_, _, pair)| pair.clone()).collect();
            let (model, notes) = pair::together(&pairs)?;
            worker.notes(&notes);
            let at_once = input.tokens(&model)?.0.len();
            let mut placed = Vec::with_capacity(parts.len());
            for pair in &pairs {
                placed.push(worker.place(&wanted, &*pair.sae, (at_once, false))?);
            }
            let saes = pairs.iter().map(|pair| pair.sae.by_token());
            let saes = saes.collect::<umbra_core::Result<Vec<_>>>()?;
            let read = || read_by_all(&model, &saes, &input, 0, &mut || worker.flow());
            let load = match worker.at_once(read)? {
                Ended::Done(readings) => {
                    let rows = parts.into_iter().zip(readings);
                    let row = |((dictionary, name, pair), reading): ((_, _, pair::Pair), _)| {
                        Ok(LayerRow {
                            dictionary,
                            name,
                            hook: pair.sae.reads()?,
                            reading,
                        })
                    };
                    let rows = rows.map(row).collect::<umbra_core::Result<Vec<_>>>()?;
                    Load::Ready(Arc::new(rows))
                }
                Ended::Stopped(()) => Load::Absent,
            };
            worker.send(event(of, load));
            Ok(())
        },
    );
    context.apply(Event::Texts(Area::LayersJob(job)));
}

fn align(context: &mut Context<'_>) {
    let state = &*context.state;
    let Some(of) = state.pair_key() else { return };
    let Some(pair) = state.pair(of.dictionary).cloned() else {
        return;
    };
    if let Some(job) = state.texts.beside.job {
        context.jobs.stop(job);
    }
    let wanted = Wanted::quiet(state, "Align two texts");
    let inputs = [of.sentence.input.clone(), of.second.clone()];
    let event = |of, load| Event::Texts(Area::Beside(of, load));
    context.apply(event(of.clone(), Load::Loading));
    let failed = of.clone();
    let job = context.jobs.start_quiet(
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let mut readings: Vec<Reading> = Vec::with_capacity(2);
            for input in &inputs {
                let at_once = input.tokens(&pair.model)?.0.len();
                let _computing = worker.place(&wanted, &*pair.sae, (at_once, false))?;
                let sae = pair.sae.by_token()?;
                let mut on = || worker.flow();
                let read = || read_while(&pair.model, Some(sae), input, 0, &mut on);
                let Ended::Done(reading) = worker.at_once(read)? else {
                    worker.send(event(of, Load::Absent));
                    return Ok(());
                };
                readings.push(reading);
            }
            let (Some(second), Some(first)) = (readings.pop(), readings.pop()) else {
                return Ok(());
            };
            let aligned = Aligned::new(&first, &second)?;
            let beside = Beside {
                readings: [first, second],
                aligned,
            };
            worker.send(event(of, Load::Ready(Arc::new(beside))));
            Ok(())
        },
    );
    context.apply(Event::Texts(Area::BesideJob(job)));
}

/// Puts the texts of a file into the form, one a line; a line break within a text becomes a space.
fn take(context: &mut Context<'_>, set: usize, path: PathBuf) {
    let form = context.state.texts.sets.form.clone();
    context.jobs.start_dialog(move |worker| {
        let lines: Vec<String> = texts(&path)?
            .iter()
            .map(|text| text.lines().collect::<Vec<_>>().join(" "))
            .collect();
        let mut form: SetsForm = form;
        form.sets[set.min(1)] = lines.join("\n");
        worker.send(Event::Texts(Area::Form(form)));
        Ok(())
    });
}

fn separate(context: &mut Context<'_>) {
    let state = &*context.state;
    let reader = state.reader().flatten();
    let pair = reader.and_then(|id| Some((id, state.pair(id)?.clone())));
    let Some((dictionary, pair)) = pair else {
        context
            .fail("Two sets are told apart by the features of a dictionary: open one in Library");
        return;
    };
    let form = state.texts.sets.form.clone();
    let set = |set: usize| form.texts(set).map(Input::from).collect::<Vec<_>>();
    let request = Request {
        sets: [set(0), set(1)],
        pool: form.pool,
        spec: Spec::default(),
    };
    let wanted = Wanted::quiet(state, "Tell two sets of texts apart");
    let event = |load| Event::Texts(Area::Sets(load));
    context.apply(event(Load::Loading));
    context.jobs.start_or(
        "Tell two sets of texts apart",
        move |why| event(Load::Failed(why)),
        move |worker| {
            let at_once = pair.model.config().context;
            let _computing = worker.place(&wanted, &*pair.sae, (at_once, false))?;
            let ended = run(&pair, &request, &mut |at| worker.progress(at))?;
            let load = ended.done().map_or(Load::Absent, |found| {
                Load::Ready(Arc::new(Apart {
                    dictionary,
                    form,
                    found,
                }))
            });
            worker.send(event(load));
            Ok(())
        },
    );
}
