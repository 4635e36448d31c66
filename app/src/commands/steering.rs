//! Steering lab: start a run, stop it.

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};

use umbra_core::error::Result;
use umbra_core::ids::FeatureId;
use umbra_core::models::Model;
use umbra_core::progress::{self, Progress};
use umbra_core::sae::Sae;
use umbra_core::steer;
use umbra_core::workbench::materials::{Made, Sources, Stock};

use super::context::Context;
use crate::jobs::{Wanted, Worker};
use crate::state::catalogue::DictionaryId;
use crate::state::log::{self, Notice};
use crate::state::requests::steering::Command;
use crate::state::requests::{Commands, navigation, shell};
use crate::state::steering::{Draft, EditDraft, Ended, Event as Lab, Place, Request};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, history, selection};
use crate::words;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Draft(draft) => edit(context, *draft),
            Self::Steer(dictionary, features) => take(context, dictionary, &features, None),
            Self::Silence(layer, head) => add(context, vec![EditDraft::of_head(layer, head)]),
            Self::Carry(dictionary, feature, strength) => {
                take(context, dictionary, &[feature], Some(strength));
            }
            Self::Run(request) => start(context, request, Place::Lab),
            Self::Try(request) => start(context, request, Place::Page),
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

/// Steers by `features` of a dictionary: an edit that turns one up already is shown again, in force and with this strength if one is given; others are added. One run
/// takes the features of one dictionary, so that edits of others are switched off.
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
    let switched_off = draft.keep_only(id, state);
    let what = match features {
        [one] => format!("steering by #{one} of {}", of.name),
        several => format!("steering by {} features of {}", several.len(), of.name),
    };
    put(context, draft, (what, false));
    if !switched_off.is_empty() {
        let words = format!(
            "Switched off {}: a run takes features of one dictionary",
            words::list(&switched_off)
        );
        context.apply(Event::Log(log::Event::Show(Notice::info(words))));
    }
    show(context, last);
}

/// Adds edits to the stack and shows it; they replace a stack that nobody touched.
fn add(context: &mut Context<'_>, edits: Vec<EditDraft>) {
    let mut draft = context.state.steering.draft.clone();
    if draft.edits == Draft::default().edits && !edits.is_empty() {
        draft.edits.clear();
    }
    draft.edits.extend(edits);
    let last = draft.edits.len().saturating_sub(1);
    edit(context, draft);
    show(context, last);
}

/// Shows an edit of the stack.
fn show(context: &mut Context<'_>, at: usize) {
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

fn start(context: &mut Context<'_>, request: Request, place: Place) {
    let state = &context.state;
    let Some(model) = state.model() else {
        return context.fail("Open a model first");
    };
    let chosen = request.dictionary.and_then(|id| state.catalogue.get(id));
    let pair = chosen.and_then(|d| state.pair(d.id));
    let model = Arc::clone(pair.map_or(&model.model, |pair| &pair.model));
    let sae = pair.map(|pair| Arc::clone(&pair.sae));
    let sources = state.materials(request.dictionary);
    let kept = Arc::clone(&state.steering.stock);
    let earlier = state.steering.shown(place);
    if let Some(earlier) = earlier.filter(|run| run.ended.is_none()) {
        context.jobs.stop(earlier.job);
    }
    let asked = request.clone();
    let name = match asked.edits.as_slice() {
        [edit] => format!("Steer: {edit}"),
        edits => format!("Steer with {} edits", edits.len()),
    };
    let wanted = Wanted::new(state, &name);
    let job = context.jobs.start_or(
        name,
        move |why| Event::Steering(place.failed(why)),
        move |worker| {
            let job = worker.id();
            let made = made(worker, &kept, (&model, sae), sources, &asked)?;
            let Some(made) = made.done() else {
                let why = "Stopped while the mean activation was measured".to_owned();
                worker.send(Event::Steering(Lab::Ended(job, Ended::Failed(why))));
                return Ok(());
            };
            if let Some(note) = model.codec().bos_note(&asked.prompt)? {
                worker.line(note);
            }
            let _computing = match made.edits.dictionary() {
                Some(sae) => worker.place(&wanted, sae, (1, true))?,
                None => None,
            };
            let total = 2 * asked.sampling.tokens;
            let mut done = 0;
            let mut observe = |event| {
                match event {
                    steer::Event::Shift(shift) => {
                        worker.send(Event::Steering(Lab::Shift(job, shift)));
                    }
                    steer::Event::Token(stream, _, text) => {
                        done += 1;
                        worker.send(Event::Steering(Lab::Token(job, stream, text)));
                    }
                    _ => {}
                }
                worker.progress(Progress::new(done, total, "tokens"))
            };
            let ended = steer::run(
                &model,
                made.edits,
                &asked.prompt,
                &asked.sampling,
                &mut observe,
            )?;
            let stopped = ended.is_stopped();
            let outcome = ended.into_value();
            let ended = Ended::Done {
                kl: outcome.kl,
                generated: outcome.generated,
                texts: [outcome.baseline.text, outcome.steered.text],
                ends: [outcome.baseline.finish, outcome.steered.finish],
                stopped,
            };
            worker.send(Event::Steering(Lab::Ended(job, ended)));
            Ok(())
        },
    );
    context.apply(Event::Steering(place.started(job, request)));
}

/// Makes the edits of a run from the materials of the run before, where these are the same.
fn made(
    worker: &Worker,
    kept: &Mutex<Option<Stock>>,
    (model, sae): (&Arc<Model>, Option<Arc<Sae>>),
    sources: Sources,
    asked: &Request,
) -> Result<progress::Ended<Made>> {
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    let same = |stock: &Stock| stock.is_of(model, sae.as_ref(), &sources);
    let stock = match kept.take().filter(same) {
        Some(stock) => stock,
        None => Stock::new(Arc::clone(model), sae, sources),
    };
    let stock = kept.insert(stock);
    let made = stock.edits(&asked.edits, &mut |at| worker.progress(at))?;
    if let progress::Ended::Done(made) = &made {
        worker.notes(&made.notes);
        for over in &made.means {
            worker.send(Event::Log(log::Event::Show(Notice::info(over))));
        }
    }
    Ok(made)
}
