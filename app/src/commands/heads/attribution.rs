//! The attribution of one feature at one token.

use std::sync::Arc;

use umbra_core::heads;
use umbra_core::prompt::{self, Input};
use umbra_core::workbench::pair::Pair;

use crate::commands::context::Context;
use crate::state::catalogue::DictionaryId;
use crate::state::heads::Event as Heads;
use crate::state::heads::attribution::{Event as Attribution, Key, Read};
use crate::state::requests::heads::attribution::Command;
use crate::state::requests::navigation;
use crate::state::{Event, Load};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Read(id, input) => read(context, id, input),
            Self::Attribute(key) => attribute(context, key),
            Self::Choose(key) => choose(context, key),
            Self::All(all) => {
                context.apply(Event::Heads(Heads::Attribution(Attribution::All(all))));
            }
        }
    }
}

fn read(context: &mut Context<'_>, id: DictionaryId, input: Input) {
    let Some(Pair { model, sae, .. }) = context.state.pair(id).cloned() else {
        return;
    };
    let event = |of, load| Event::Heads(Heads::Attribution(Attribution::Reading(of, load)));
    let of = (id, input);
    context.apply(event(of.clone(), Load::Loading));
    let failed = of.clone();
    context.jobs.start_quiet(
        move |why| event(failed, Load::Failed(why)),
        move |worker| {
            let reading = prompt::read_input(&model, sae.autoencoder()?, &of.1, 1)?;
            let read = Arc::new(Read::new(reading));
            worker.send(event(of, Load::Ready(read)));
            Ok(())
        },
    );
}

fn choose(context: &mut Context<'_>, key: Key) {
    let (dictionary, feature, at) = (key.dictionary, key.feature, key.at);
    context.apply(Event::Heads(Heads::Attribution(Attribution::Chosen(key))));
    for select in [
        navigation::Command::FollowDictionary(dictionary),
        navigation::Command::SelectFeature(Some(feature)),
        navigation::Command::SelectToken(Some(at)),
    ] {
        context.commands.send(select);
    }
}

fn attribute(context: &mut Context<'_>, key: Key) {
    let state = &context.state;
    let Some(Pair { model, sae, .. }) = state.pair(key.dictionary).cloned() else {
        return;
    };
    let event = |key, load| Event::Heads(Heads::Attribution(Attribution::Attribution(key, load)));
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
