//! The sentence and its reading.

use std::sync::Arc;

use umbra_core::ids::TokenId;

use super::{Commands, Context, library, navigation};
use crate::state::{AppState, Event, Load, prompt};
use crate::views::ViewId;

/// Probable next tokens kept per position.
const NEXT: usize = 10;

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Another sentence.
    Text(String),
    /// One more letter of a sentence: reading waits for a pause.
    Typed(String),
    /// Show this side of the sentence.
    Show(prompt::Side),
    /// Read the sentence by the selected dictionary.
    Read,
    /// Show an example of the index: its tokens, and which of them is selected.
    Example {
        /// The tokens.
        ids: Vec<TokenId>,
        /// The one to select.
        at: usize,
    },
    /// Keep the sentence with the project.
    Save,
}

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        let text = |text, typed| Event::Prompt(prompt::Event::Text { text, typed });
        match self {
            Self::Text(sentence) => context.apply(text(sentence, false)),
            Self::Typed(sentence) => context.apply(text(sentence, true)),
            Self::Show(side) => context.apply(Event::Prompt(prompt::Event::Side(side))),
            Self::Read => read(context),
            Self::Example { ids, at } => example(context, &ids, at),
            Self::Save => save(context),
        }
    }
}

/// The sentence is read whenever it, the dictionary or the model is another than at the last reading, once nobody types.
pub(crate) fn follow(state: &AppState, commands: &mut Commands) {
    let (Some(_), Some(_), Some(id)) = (state.model(), state.sae(), state.selection.dictionary)
    else {
        return;
    };
    let prompt = &state.prompt;
    if prompt.text.trim().is_empty() || prompt.pause_left().is_some() {
        return;
    }
    let read = prompt.reading_of.as_ref();
    if read.is_none_or(|(of, text)| *of != id || *text != prompt.text) {
        commands.send(Command::Read);
    }
}

fn read(context: &mut Context<'_>) {
    let state = &*context.state;
    let (Some(model), Some(sae), Some(id)) =
        (state.model(), state.sae(), state.selection.dictionary)
    else {
        return;
    };
    let (model, sae) = (Arc::clone(&model.model), Arc::clone(sae));
    let text = state.prompt.text.clone();
    let of = text.clone();
    let event = move |load| Event::Prompt(prompt::Event::Reading(id, of.clone(), load));
    context.apply(event(Load::Loading));
    let arrived = event.clone();
    context.jobs.start_quiet(
        move |why| event(Load::Failed(why)),
        move |worker| {
            let reading = umbra_core::prompt::read(&model, sae.autoencoder()?, &text, NEXT)?;
            worker.send(arrived(Load::Ready(Arc::new(reading))));
            Ok(())
        },
    );
}

fn example(context: &mut Context<'_>, ids: &[TokenId], at: usize) {
    let Some(model) = context.state.model() else {
        context.fail("The example needs the model's tokenizer: open the model in Library");
        return;
    };
    let codec = model.model.codec();
    let bos = codec.bos().id;
    let begun = bos.is_some() && ids.first().copied() == bos;
    let text = codec.decode(&ids[usize::from(begun)..]);
    let shift = usize::from(bos.is_some() && !begun);
    context.apply(Event::Prompt(prompt::Event::Text { text, typed: false }));
    let select = navigation::Command::SelectToken(Some(at + shift));
    context.commands.send(select);
    context
        .commands
        .send(navigation::Command::Go(ViewId::Prompt));
}

fn save(context: &mut Context<'_>) {
    let text = context.state.prompt.text.trim().to_owned();
    let Some(project) = context.state.project.open() else {
        return;
    };
    if text.is_empty() || project.prompts.contains(&text) {
        return;
    }
    let mut changed = (**project).clone();
    changed.prompts.push(text);
    library::write(context, changed);
}
