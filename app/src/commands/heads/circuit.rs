//! The trace of one feature at one token.

use std::sync::Arc;

use umbra_core::progress::Ended;
use umbra_core::sae::Sae;
use umbra_core::workbench::circuit::Tracer;

use crate::commands::context::Context;
use crate::state::catalogue::DictionaryId;
use crate::state::heads::Event as Heads;
use crate::state::heads::circuit::{Event as Circuit, Key, TRACED, Traced};
use crate::state::requests::heads::circuit::Command;
use crate::state::{Event, Load};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        let event = |event| Event::Heads(Heads::Circuit(event));
        match self {
            Self::Trace(key) => trace(context, key),
            Self::Threshold(threshold) => context.apply(event(Circuit::Threshold(threshold))),
            Self::Own(own) => context.apply(event(Circuit::Own(own))),
            Self::Select(id) => context.apply(event(Circuit::Selected(id))),
        }
    }
}

fn trace(context: &mut Context<'_>, key: Key) {
    let state = &context.state;
    let Some(pair) = state.pair(key.target.dictionary).cloned() else {
        return;
    };
    let own = [(key.target.dictionary, Arc::clone(&pair.sae))];
    let others = key.others.iter();
    let others = others.filter_map(|id| Some((*id, Arc::clone(state.sae_of(*id)?))));
    let known: Vec<(DictionaryId, Arc<Sae>)> = own.into_iter().chain(others).collect();
    let event = |key, load| Event::Heads(Heads::Circuit(Circuit::Traced(key, load)));
    context.apply(event(key.clone(), Load::Loading));
    let failed = key.clone();
    context.jobs.start_or(
        format!("Trace feature {}", key.target.feature),
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let others: Vec<Arc<Sae>> = known[1..].iter().map(|(_, sae)| Arc::clone(sae)).collect();
            let (tracer, notes) = Tracer::from_fitting(&pair, &others)?;
            let target = (key.target.feature, key.target.at);
            let input = &key.target.input;
            let traced = tracer.trace(input, target, &TRACED, &mut |at| worker.progress(at))?;
            let load = match traced {
                Ended::Done(circuit) => Load::Ready(Arc::new(Traced {
                    circuit,
                    dictionaries: ids(&tracer, &known),
                    notes: notes.iter().map(str::to_owned).collect(),
                })),
                Ended::Stopped(()) => Load::Failed("it was stopped".to_owned()),
            };
            worker.send(event(key, load));
            Ok(())
        },
    );
}

/// Returns the project's dictionary of each that took part.
fn ids(tracer: &Tracer, known: &[(DictionaryId, Arc<Sae>)]) -> Vec<DictionaryId> {
    let id = |sae: &Arc<Sae>| {
        let found = known.iter().find(|(_, other)| Arc::ptr_eq(other, sae));
        found.map_or(known[0].0, |(id, _)| *id)
    };
    tracer.dictionaries().iter().map(id).collect()
}
