//! The sentence and its reading.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use umbra_core::features::{Example, Index};
use umbra_core::ids::TokenId;
use umbra_core::models::Model;
use umbra_core::prompt::read_while;
use umbra_core::text::chat::Message;

use super::context::Context;
use super::library;
use crate::jobs::Wanted;
use crate::state::log::{self, Notice};
use crate::state::requests::Commands;
use crate::state::requests::prompt::Command;
use crate::state::view::ViewId;
use crate::state::{AppState, Event, Load, history, prompt, settings};

/// Probable next tokens kept per position.
const NEXT: usize = 10;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Text(sentence) => write(context, sentence, false),
            Self::Typed(sentence) => {
                write(context, sentence, true);
                if is_called_for(context.state) {
                    read(context); // at once: a frame later would be too late
                }
            }
            Self::Chat(messages) => converse(context, messages, false),
            Self::TypedChat(messages) => converse(context, messages, true),
            Self::Caret(at) => context.apply(Event::Prompt(prompt::Event::Caret(at))),
            Self::Rank(ranking) => {
                context.apply(Event::Settings(settings::Event::Ranking(ranking)));
            }
            Self::UnfoldDense(unfolded) => {
                context.apply(Event::Settings(settings::Event::DenseUnfolded(unfolded)));
            }
            Self::Show(side) => context.apply(Event::Prompt(prompt::Event::Side(side))),
            Self::Read => read(context),
            Self::Example { example, at } => open_example(context, *example, at),
            Self::Excerpt { ids, apart, of, at } => open_excerpt(context, (&ids, apart, of), at),
            Self::Save => save(context),
        }
    }
}

/// The sentence is read whenever it, the dictionary or the model is another than at the last reading.
pub(crate) fn follow(state: &AppState, commands: &mut Commands) {
    if is_called_for(state) {
        commands.send(Command::Read);
    }
}

/// Whether another reading is due. One at a time is on its way: it is soon there and shows colours between two letters, or it takes long and is given up.
fn is_called_for(state: &AppState) -> bool {
    let (Some(_), Some(reader)) = (state.model(), state.reader()) else {
        return false;
    };
    let prompt = &state.prompt;
    let Some(input) = prompt.input() else {
        return false;
    };
    let read = prompt.reading_of.as_ref();
    let other = read.is_none_or(|(of, read)| *of != reader || *read != input);
    other
        && prompt
            .flight
            .is_none_or(|flight| flight.patience().is_zero())
}

/// Replaces the sentence; undo restores the former one.
fn write(context: &mut Context<'_>, text: String, typed: bool) {
    let before = context.state.prompt.written();
    context.apply(Event::Prompt(prompt::Event::Text { text, typed }));
    let after = context.state.prompt.written();
    let pair = history::Pair { before, after };
    context.apply(Event::History(history::Event::Did {
        what: prompt::SENTENCE.to_owned(),
        change: history::Change::Sentence(Box::new(pair)),
        continues: typed,
    }));
}

/// Puts messages in the place of the sentence; undo restores what was there.
fn converse(context: &mut Context<'_>, messages: Vec<Message>, typed: bool) {
    let before = context.state.prompt.written();
    context.apply(Event::Prompt(prompt::Event::Chat { messages, typed }));
    let after = context.state.prompt.written();
    let pair = history::Pair { before, after };
    context.apply(Event::History(history::Event::Did {
        what: prompt::SENTENCE.to_owned(),
        change: history::Change::Sentence(Box::new(pair)),
        continues: typed,
    }));
}

fn read(context: &mut Context<'_>) {
    let state = &*context.state;
    let (Some(model), Some(reader)) = (state.model(), state.reader()) else {
        return;
    };
    let Some(input) = state.prompt.input() else {
        return;
    };
    let pair = reader.and_then(|id| state.pair(id)).cloned();
    let model = Arc::clone(pair.as_ref().map_or(&model.model, |pair| &pair.model));
    let number = state.prompt.flights;
    if let Some(flight) = state.prompt.flight {
        context.jobs.stop(flight.job);
    }
    let wanted = Wanted::quiet(context.state, "Read the prompt");
    let begins = prompt::Event::Reading(reader, input.clone(), Load::Loading);
    context.apply(Event::Prompt(begins));
    let landed = move |load| Event::Prompt(prompt::Event::Landed(number, load));
    let job = context.jobs.start_quiet(
        move |why| landed(Some(Load::Failed(why))),
        move |worker| {
            let (sae, _computing) = match &pair {
                Some(pair) => {
                    let at_once = input.tokens(&model)?.0.len();
                    let computing = worker.place(&wanted, &*pair.sae, (at_once, false))?;
                    (Some(pair.sae.by_token()?), computing)
                }
                None => (None, None),
            };
            let read = || read_while(&model, sae, &input, NEXT, &mut || worker.flow());
            let reading = worker.at_once(read)?.done();
            worker.send(landed(
                reading.map(|reading| Load::Ready(Arc::new(reading))),
            ));
            Ok(())
        },
    );
    context.apply(Event::Prompt(prompt::Event::Began(prompt::Flight {
        number,
        job,
        began: Instant::now(),
    })));
}

fn open_example(context: &mut Context<'_>, example: Example, at: usize) {
    let state = &context.state;
    let Some(model) = state.model().map(|loaded| Arc::clone(&loaded.model)) else {
        context.fail("The example needs the model's tokenizer: open the model in Library");
        return;
    };
    let index = state.dictionary().and_then(|d| d.index.ready());
    let Some(path) = index.map(|index| index.path.clone()) else {
        context.fail("The example's index is not open: choose its dictionary in Library");
        return;
    };
    let why_not = |why: String| {
        let notice = Notice::failure(format!("The example could not be opened: {why}"));
        Event::Log(log::Event::Show(notice))
    };
    context.jobs.start_quiet(why_not, move |worker| {
        let event = match example.place {
            Some(place) => {
                let passage = Index::open(&path)?.passage(&example)?;
                let at = place.position + at - example.at.min(place.position + at);
                let of = passage.describe();
                tokens(&model, (&passage.ids, passage.apart), of, at)
            }
            None => excerpt(&model, &example, at),
        };
        worker.send(event);
        Ok(())
    });
    set_aside(context);
}

fn open_excerpt(
    context: &mut Context<'_>,
    (ids, apart, of): (&[TokenId], bool, String),
    at: usize,
) {
    let Some(model) = context
        .state
        .model()
        .map(|loaded| Arc::clone(&loaded.model))
    else {
        return;
    };
    set_aside(context);
    context.apply(tokens(&model, (ids, apart), of, at));
}

/// Shows the excerpt of an example from an index of version 1: the tokens around it, behind a BOS, since the tokens before them are not stored.
fn excerpt(model: &Model, example: &Example, at: usize) -> Event {
    let bos = model.codec().bos().id;
    let bos = bos.filter(|bos| example.ids.first() != Some(bos));
    let ids: Vec<_> = bos.into_iter().chain(example.ids.iter().copied()).collect();
    let of = format!(
        "{} (excerpt: an older index does not store the text before it, so activations differ)",
        example.document
    );
    tokens(model, (&ids, false), of, at + usize::from(bos.is_some()))
}

fn tokens(model: &Model, (ids, apart): (&[TokenId], bool), of: String, at: usize) -> Event {
    let codec = model.codec();
    let begun = codec.bos().id.is_some() && ids.first().copied() == codec.bos().id;
    let text = codec.decode(&ids[usize::from(begun)..]);
    let tokens = prompt::Tokens {
        ids: ids.into(),
        apart,
        of,
    };
    Event::Prompt(prompt::Event::Tokens { tokens, text, at })
}

/// Shows Prompt for an example; Back restores the present sentence, which a notification says.
fn set_aside(context: &mut Context<'_>) {
    let own = context.state.prompt.written();
    let selection = &context.state.selection;
    if own.text.trim().is_empty() && own.chat.is_none() {
        return context.layout.go(ViewId::Prompt, selection);
    }
    let is_written = own.tokens.is_none();
    context.layout.go_with(ViewId::Prompt, selection, own);
    if is_written {
        let notice = Notice::info("Back (Alt+Left) restores your sentence");
        context.apply(Event::Log(log::Event::Show(notice)));
    }
}

fn save(context: &mut Context<'_>) {
    let text = context.state.prompt.text.trim().to_owned();
    let Some(project) = context.state.project.open() else {
        return;
    };
    if let Some(chat) = context.state.prompt.chat() {
        let chat = chat.to_vec();
        if !project.chats.contains(&chat) {
            let mut changed = (**project).clone();
            changed.chats.push(chat);
            library::write(context, changed);
        }
        return;
    }
    if text.is_empty() || project.prompts.contains(&text) {
        return;
    }
    let mut changed = (**project).clone();
    changed.prompts.push(text);
    library::write(context, changed);
}
