//! Undo and redo: reverts or repeats the last change on any screen, names it, and shows the screen.

#[cfg(test)]
mod tests;

use super::context::Context;
use super::features;
use crate::state::history::{Change, Entry, Event as History, Pair};
use crate::state::log::Notice;
use crate::state::project::LabelChange;
use crate::state::requests::navigation;
use crate::state::view::ViewId;
use crate::state::{Event, features as table, log, prompt, steering};

/// Direction along the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Back,
    Forward,
}

impl Way {
    fn of<T>(self, pair: Pair<T>) -> T {
        match self {
            Self::Back => pair.before,
            Self::Forward => pair.after,
        }
    }
}

/// Undoes the last change, or redoes the one undone last.
pub(super) fn step(context: &mut Context<'_>, way: Way) {
    let history = &context.state.history;
    let entry = match way {
        Way::Back => history.done.last().cloned(),
        Way::Forward => history.undone.last().cloned(),
    };
    let Some(Entry { what, change, .. }) = entry else {
        let words = match way {
            Way::Back => "Nothing to undo",
            Way::Forward => "Nothing to redo",
        };
        return say(context, words.to_owned());
    };
    if !carry(context, change, way) {
        return; // said where it failed; it stays on the stack
    }
    let (event, verb) = match way {
        Way::Back => (History::Undone, "Undone"),
        Way::Forward => (History::Redone, "Redone"),
    };
    context.apply(Event::History(event));
    say(context, format!("{verb}: {what}"));
}

/// Shows the words in place of the previous step's notification.
fn say(context: &mut Context<'_>, words: String) {
    context.apply(Event::Log(log::Event::Step(Notice::info(words))));
}

/// Makes the state as it was before or after `change`; false if that failed.
fn carry(context: &mut Context<'_>, change: Change, way: Way) -> bool {
    match change {
        Change::Label(change) => return carry_label(context, *change, way),
        Change::Labels(changes) => return carry_labels(context, changes, way),
        Change::Sentence(pair) => {
            let written = way.of(*pair);
            context.apply(Event::Prompt(prompt::Event::Put(written)));
            bring(context, ViewId::Prompt);
        }
        Change::Filter(pair) => {
            context.apply(Event::Features(table::Event::Filter(way.of(pair))));
            bring(context, ViewId::Features);
        }
        Change::Edits(pair) => {
            let draft = Box::new(way.of(*pair));
            context.apply(Event::Steering(steering::Event::Draft(draft)));
            bring(context, ViewId::Steering);
        }
        Change::Tiles(pair) => context.layout.put(way.of(*pair)),
    }
    true
}

/// Returns the change to be made in this direction.
fn turned(change: LabelChange, way: Way) -> LabelChange {
    match way {
        Way::Forward => change,
        Way::Back => LabelChange {
            before: change.after,
            after: change.before,
            ..change
        },
    }
}

fn carry_labels(context: &mut Context<'_>, changes: Vec<LabelChange>, way: Way) -> bool {
    let turned = changes.into_iter().map(|change| turned(change, way));
    let written = features::write_labels(context, turned.collect());
    bring(context, ViewId::Features);
    written
}

fn carry_label(context: &mut Context<'_>, change: LabelChange, way: Way) -> bool {
    let change = turned(change, way);
    let (sae, feature) = (change.sae.clone(), change.feature);
    if !features::write_label(context, change) {
        return false;
    }
    let dictionaries = &context.state.catalogue.dictionaries;
    let dictionary = dictionaries.iter().find(|d| d.name == sae).map(|d| d.id);
    let chosen = context.state.selection.dictionary == dictionary;
    let page = context.state.selection.feature == Some(feature);
    let layout = &context.layout;
    let seen = layout.shows(ViewId::Features) || (page && layout.shows(ViewId::Feature));
    if let (Some(dictionary), false) = (dictionary, chosen && seen) {
        let select = navigation::Command::SelectDictionary(dictionary);
        context.commands.send(select);
        let show = navigation::Command::Feature {
            feature,
            beside: false,
        };
        context.commands.send(show);
    }
    true
}

/// Shows the screen, if no tile does.
fn bring(context: &mut Context<'_>, view: ViewId) {
    if !context.layout.shows(view) {
        context.commands.send(navigation::Command::Go(view));
    }
}
