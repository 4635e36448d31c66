//! Search by text: reads the sentence of Prompt once and encodes it with every dictionary that fits the model.

use std::ops::ControlFlow;
use std::sync::Arc;

use umbra_core::features::fires::{Searched, fires};
use umbra_core::features::{Index, Rarity};
use umbra_core::sae::Sae;
use umbra_core::workbench::pair::Pair;
use umbra_core::workbench::text_search::readable;

use super::context::Context;
use crate::jobs::{Wanted, Worker};
use crate::state::catalogue::{DictionaryId, LoadedIndex};
use crate::state::requests::search::Command;
use crate::state::requests::{navigation, prompt};
use crate::state::search::{Event as Area, Found, Known};
use crate::state::view::ViewId;
use crate::state::{Event, Load};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Read => read(context),
            Self::Sentence(text) => {
                context.commands.send(prompt::Command::Text(text));
                let go = navigation::Command::Go(ViewId::Search);
                context.commands.send(go);
            }
            Self::List(id, listed) => context.apply(Event::Search(Area::List(id, listed))),
        }
    }
}

/// A dictionary to search.
struct Subject {
    id: DictionaryId,
    name: String,
    pair: Pair,
    /// Its index, with the figures if they were read before.
    index: Option<(LoadedIndex, Option<Arc<Rarity>>)>,
}

fn read(context: &mut Context<'_>) {
    let state = &*context.state;
    let Some(asked) = state.search_asked() else {
        return;
    };
    let subject = |(id, pair): (DictionaryId, &Pair)| {
        let index = state.index_of(id).cloned();
        Subject {
            id,
            name: state
                .catalogue
                .get(id)
                .map_or_else(String::new, |of| of.name.clone()),
            pair: pair.clone(),
            index: index.map(|index| {
                let known = state.search.rarity(&index).cloned();
                (index, known)
            }),
        }
    };
    let subjects: Vec<Subject> = state.searchable().map(subject).collect();
    if subjects.is_empty() {
        return;
    }
    if let Some(job) = state.search.job {
        context.jobs.stop(job);
    }
    let wanted = Wanted::quiet(state, "Search by text");
    let event = |asked, load| Event::Search(Area::Search(Box::new(asked), load));
    context.apply(event(asked.clone(), Load::Loading));
    let failed = asked.clone();
    let job = context.jobs.start_quiet(
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let found = search(worker, (&asked.sentence.input, &wanted), subjects)?;
            let load = found.map_or(Load::Absent, |found| Load::Ready(Arc::new(found)));
            worker.send(event(asked, load));
            Ok(())
        },
    );
    context.apply(Event::Search(Area::Job(job)));
}

/// Searches, and sends the figures of indexes that it read on the way; none if it was stopped.
fn search(
    worker: &Worker,
    (input, wanted): (&umbra_core::prompt::Input, &Wanted),
    mut subjects: Vec<Subject>,
) -> umbra_core::Result<Option<Found>> {
    let pairs: Vec<Pair> = subjects.iter().map(|one| one.pair.clone()).collect();
    let chosen = readable(&pairs)?;
    let left_out = chosen.left_out.iter();
    let left_out = left_out
        .map(|(at, why)| (subjects[*at].name.clone(), why.clone()))
        .collect();
    let mut at = 0..;
    subjects.retain(|_| at.next().is_some_and(|at| chosen.kept.contains(&at)));
    let mut known: Vec<Known> = Vec::new();
    for subject in &mut subjects {
        if let Some((index, rarity @ None)) = &mut subject.index {
            let read = Arc::new(Rarity::new(&Index::open(&index.path)?.summaries()?));
            known.push((subject.id, index.clone(), Arc::clone(&read)));
            *rarity = Some(read);
        }
        if worker.flow() == ControlFlow::Break(()) {
            return Ok(None);
        }
    }
    if !known.is_empty() {
        worker.send(Event::Search(Area::Known(known)));
    }
    let saes: Vec<&Sae> = subjects.iter().map(|one| &*one.pair.sae).collect();
    let at_once = input.tokens(&chosen.model)?.0.len();
    let _computing = worker.place(wanted, &*saes, (at_once, false))?;
    let searched: Vec<Searched<'_>> = subjects
        .iter()
        .map(|one| Searched {
            sae: &one.pair.sae,
            rarity: one.index.as_ref().and_then(|(_, known)| known.as_deref()),
        })
        .collect();
    let mut on = || worker.flow();
    let found = worker.at_once(|| fires(&chosen.model, input, &searched, &mut on))?;
    Ok(found.done().map(|fires| Found {
        dictionaries: subjects.iter().map(|one| one.id).collect(),
        fires,
        left_out,
    }))
}
