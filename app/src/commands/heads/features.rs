//! The ten features of each head of a layer.

use std::sync::Arc;

use umbra_core::features::Index;
use umbra_core::heads;
use umbra_core::workbench::pair::Pair;

use crate::commands::context::Context;
use crate::state::catalogue::DictionaryId;
use crate::state::heads::{Event as Heads, features};
use crate::state::requests::heads::features::Command;
use crate::state::{Event, Load};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Measure(id) => measure(context, id),
        }
    }
}

fn measure(context: &mut Context<'_>, id: DictionaryId) {
    let state = &context.state;
    let Some(Pair { model, sae, .. }) = state.pair(id).cloned() else {
        return;
    };
    let index = state.index_of(id).map(|index| index.path.clone());
    let indexed = index.is_some();
    let event =
        move |load| Event::Heads(Heads::Features(features::Event::Figures(id, indexed, load)));
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
