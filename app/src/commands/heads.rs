//! Heads lab: figures of a layer's heads, attribution of a feature.

use std::sync::Arc;

use umbra_core::features::Index;
use umbra_core::heads;
use umbra_core::ids::{Head, Layer};
use umbra_core::prompt::{self, Input};
use umbra_core::workbench::pair::Pair;

use super::context::Context;
use crate::state::catalogue::DictionaryId;
use crate::state::heads::{Event as Heads, Key};
use crate::state::requests::heads::Command;
use crate::state::requests::{Commands, navigation};
use crate::state::{AppState, Event, Load};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Measure(id) => measure(context, id),
            Self::Choose(layer, head) => choose(context, layer, head),
            Self::Read(id, input) => read(context, id, input),
            Self::Attribute(key) => attribute(context, key),
        }
    }
}

/// Asks for nothing: the screen asks once it is shown.
pub(super) fn follow(_state: &AppState, _commands: &mut Commands) {}

fn choose(context: &mut Context<'_>, layer: Layer, head: Head) {
    let select = navigation::Command::SelectHead(layer, head);
    context.commands.send(select);
}

fn measure(context: &mut Context<'_>, id: DictionaryId) {
    let state = &context.state;
    let Some(Pair { model, sae, .. }) = state.pair(id).cloned() else {
        return;
    };
    let index = state.index_of(id).map(|index| index.path.clone());
    let indexed = index.is_some();
    let event = move |load| Event::Heads(Heads::Figures(id, indexed, load));
    context.apply(event(Load::Loading));
    context.jobs.start_quiet(
        move |why| event(Load::Failed(why)),
        move |worker| {
            let index = index.map(|path| Index::open(&path)).transpose()?;
            let figures = heads::figures(&model, sae.autoencoder()?, index.as_ref())?;
            worker.send(event(Load::Ready(Arc::new(figures))));
            Ok(())
        },
    );
}

fn read(context: &mut Context<'_>, id: DictionaryId, input: Input) {
    let Some(Pair { model, sae, .. }) = context.state.pair(id).cloned() else {
        return;
    };
    let event = |of, load| Event::Heads(Heads::Reading(of, load));
    let of = (id, input);
    context.apply(event(of.clone(), Load::Loading));
    let failed = of.clone();
    context.jobs.start_quiet(
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let reading = prompt::read_input(&model, sae.autoencoder()?, &of.1, 1)?;
            worker.send(event(of, Load::Ready(Arc::new(reading))));
            Ok(())
        },
    );
}

fn attribute(context: &mut Context<'_>, key: Key) {
    let state = &context.state;
    let Some(Pair { model, sae, .. }) = state.pair(key.dictionary).cloned() else {
        return;
    };
    let event = |key, load| Event::Heads(Heads::Attribution(key, load));
    context.apply(event(key.clone(), Load::Loading));
    let failed = key.clone();
    context.jobs.start_quiet(
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let found =
                heads::attribute(&model, sae.autoencoder()?, &key.input, key.feature, key.at)?;
            worker.send(event(key, Load::Ready(Arc::new(found))));
            Ok(())
        },
    );
}
