//! Steering lab: start a run, stop it.

mod causes;
mod files;
mod run;
mod sweep;
#[cfg(test)]
mod tests;

use umbra_core::ids::FeatureId;

use super::context::Context;
use crate::state::catalogue::DictionaryId;
use crate::state::log::{self, Notice};
use crate::state::requests::steering::Command;
use crate::state::requests::{Commands, navigation, shell};
use crate::state::steering::tab::Tab;
use crate::state::steering::{Draft, EditDraft, Event as Lab, Place};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, history, selection};
use crate::widgets::number;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Show(tab) => {
                context.apply(Event::Selection(selection::Event::Tab(tab)));
                context
                    .layout
                    .go(ViewId::Steering, &context.state.selection);
            }
            Self::Sweep(command) => command.run(context),
            Self::Draft(draft) => edit(context, *draft),
            Self::Steer(dictionary, features) => take(context, dictionary, &features, None),
            Self::Silence(layer, head) => add(context, vec![EditDraft::of_head(layer, head)], None),
            Self::Put(edits, text) => add(context, edits, text),
            Self::Causes(command) => command.run(context),
            Self::Carry(dictionary, feature, strength) => {
                take(context, dictionary, &[feature], Some(strength));
            }
            Self::Run(request) => run::start(context, request, Place::Lab),
            Self::Try(request) => run::start(context, request, Place::Page),
            Self::Live(on) => context.apply(Event::Steering(Lab::Live(on))),
            Self::Files(command) => command.run(context),
            Self::NoLine(why) => context.fail(why),
            Self::Stop => {
                if let Some(run) = context.state.steering.running() {
                    let stop = shell::Command::StopJob(run.job);
                    context.commands.send(stop);
                }
            }
        }
    }
}

/// Asks for nothing: runs start on request.
pub(super) fn follow(_state: &AppState, _commands: &mut Commands) {}

/// Steers by `features` of a dictionary: an edit that turns one up already is shown again, in force and with this strength if one is given; others are added.
fn take(
    context: &mut Context<'_>,
    id: DictionaryId,
    features: &[FeatureId],
    strength: Option<f32>,
) {
    let state = &context.state;
    let Some(of) = state.catalogue.get(id).filter(|_| !features.is_empty()) else {
        return;
    };
    let mut draft = state.steering.draft.clone();
    if draft.edits == Draft::default().edits {
        draft.edits.clear(); // nobody touched it
    }
    draft = draft.pinned(state);
    let mut last = 0;
    for feature in features {
        let fresh = EditDraft::of_feature(&of.name, *feature);
        let same = |edit: &EditDraft| {
            if strength.is_some() {
                let (on, amount) = (edit.on, edit.amount);
                let fresh = fresh.clone();
                *edit
                    == EditDraft {
                        on,
                        amount,
                        ..fresh
                    }
            } else {
                (edit.action, edit.feature, &edit.dictionary)
                    == (fresh.action, fresh.feature, &fresh.dictionary)
            }
        };
        let in_force = draft.edits.iter().position(|edit| edit.on && same(edit));
        let there = in_force.or_else(|| draft.edits.iter().position(same));
        last = there.unwrap_or(draft.edits.len());
        if there.is_none() {
            draft.edits.push(fresh);
        }
        let edit = &mut draft.edits[last];
        edit.on = true;
        edit.amount = strength.unwrap_or(edit.amount);
    }
    let what = match features {
        [one] => format!("steering by #{one} of {}", of.name),
        several => format!("steering by {} features of {}", several.len(), of.name),
    };
    put(context, draft, (what, false));
    show(context, last);
}

/// Adds edits to the stack and shows it, with `text` to continue if there is one; they replace a stack that nobody touched. Edits that come with a text were
/// found on it without others: what was in force is switched off, and said so.
fn add(context: &mut Context<'_>, edits: Vec<EditDraft>, text: Option<String>) {
    let mut draft = context.state.steering.draft.clone();
    if draft.edits == Draft::default().edits && !edits.is_empty() {
        draft.edits.clear();
    }
    let mut off = 0_u64;
    for edit in draft
        .edits
        .iter_mut()
        .filter(|edit| text.is_some() && edit.on)
    {
        edit.on = false;
        off += 1;
    }
    if off > 0 {
        let before = number::counted(off, "edit");
        let words = format!(
            "Switched off {before} that would mix with the new ones; Undo brings back what was in force"
        );
        context.apply(Event::Log(log::Event::Show(Notice::info(words))));
    }
    draft.prompt = text.map(Into::into).or(draft.prompt);
    draft.edits.extend(edits);
    let last = draft.edits.len().saturating_sub(1);
    edit(context, draft);
    show(context, last);
}

/// Shows an edit of the stack.
fn show(context: &mut Context<'_>, at: usize) {
    context.apply(Event::Selection(selection::Event::Tab(Tab::Steer)));
    context.apply(Event::Selection(selection::Event::Edit(at)));
    let go = navigation::Command::Go(ViewId::Steering);
    context.commands.send(go);
}

fn edit(context: &mut Context<'_>, after: Draft) {
    let before = &context.state.steering.draft;
    let what = before.change_to(&after);
    // Adding, removing and ordering edits is one change each time.
    let continues = before.edits.len() == after.edits.len() && !what.starts_with("order");
    put(context, after, (what, continues));
}

/// Takes another form, as a change of this name that may be one with the change before.
fn put(context: &mut Context<'_>, after: Draft, (what, continues): (String, bool)) {
    let before = context.state.steering.draft.clone();
    let draft = Box::new(after.clone());
    context.apply(Event::Steering(Lab::Draft(draft)));
    let pair = history::Pair { before, after };
    context.apply(Event::History(history::Event::Did {
        what,
        change: history::Change::Edits(Box::new(pair)),
        continues,
    }));
}
