//! Runs of the steering lab and of a feature's page: each begins with what the last one of its place left.

use std::sync::{Arc, PoisonError};
use std::time::Instant;

use umbra_core::error::Result;
use umbra_core::models::Model;
use umbra_core::progress::{self, Progress};
use umbra_core::prompt::Input;
use umbra_core::steer::{self, Session, Stream, Wanted as Steering};
use umbra_core::workbench::materials::{Made, Named, Sources, Stock};
use umbra_core::workbench::pair::{self, Pair};
use umbra_core::workbench::steering;

use crate::commands::context::Context;
use crate::jobs::{Wanted, Worker};
use crate::state::catalogue::DictionaryId;
use crate::state::log::{self, Notice};
use crate::state::steering::{Ended, Event as Lab, Kept, Pace, Place, Request};
use crate::state::{AppState, Event};
use crate::words;

/// Ingredients of a run.
struct Job {
    model: Arc<Model>,
    saes: Vec<Named>,
    sources: Sources,
    asked: Request,
    wanted: Wanted,
}

/// Starts a run in a place; one that is running there is stopped.
pub(super) fn start(context: &mut Context<'_>, request: Request, place: Place) {
    let state = &context.state;
    let Some(model) = state.model() else {
        return context.fail("Open a model first");
    };
    let (model, saes) = match opened(state, &request.dictionaries) {
        Ok(Some(opened)) => opened,
        Ok(None) => (Arc::clone(&model.model), vec![]),
        Err(why) => return context.fail(why),
    };
    let name = match request.edits.as_slice() {
        [edit] => format!("Steer: {edit}"),
        edits => format!("Steer with {} edits", edits.len()),
    };
    let job = Job {
        model,
        saes,
        sources: state.materials(&request.dictionaries),
        asked: request.clone(),
        wanted: Wanted::new(state, &name),
    };
    let kept = Arc::clone(&state.steering.kept[place as usize]);
    let earlier = state.steering.shown(place);
    if let Some(earlier) = earlier.filter(|run| run.ended.is_none()) {
        context.jobs.stop(earlier.job);
    }
    let failed = move |why| Event::Steering(place.failed(why));
    let work = move |worker: &Worker| {
        // The run before holds it until its next token.
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if worker.stopped() {
            return Ok(());
        }
        job.run(worker, &mut kept)
    };
    // One live run after another would move the footer each time, and fill the log.
    let id = if context.state.steering.live(&request).on {
        context.jobs.start_quiet(failed, work)
    } else {
        context.jobs.start_or(name, failed, work)
    };
    context.apply(Event::Steering(place.started(id, request)));
}

/// A model, and dictionaries for it by their names.
pub(super) type Opened = (Arc<Model>, Vec<Named>);

/// Returns the model as it reads for these dictionaries, and the dictionaries by their names; none where there is none. An error is one sentence.
pub(super) fn opened(
    state: &AppState,
    dictionaries: &[DictionaryId],
) -> std::result::Result<Option<Opened>, String> {
    let (mut pairs, mut saes): (Vec<Pair>, Vec<Named>) = (vec![], vec![]);
    for id in dictionaries {
        let gone = "A dictionary of these edits is no longer open";
        let of = state.catalogue.get(*id).ok_or(gone)?;
        let pair = state.pair(*id).ok_or(gone)?;
        saes.push(Named {
            name: of.name.clone(),
            sae: Arc::clone(&pair.sae),
        });
        pairs.push(pair.clone());
    }
    if pairs.is_empty() {
        return Ok(None);
    }
    let (model, _said) = pair::together(&pairs).map_err(|error| words::error(&error))?;
    Ok(Some((model, saes)))
}

impl Job {
    fn run(self, worker: &Worker, kept: &mut Kept) -> Result<()> {
        let began = Instant::now();
        let id = worker.id();
        let of = (&self.model, self.saes.as_slice());
        let made = made(worker, kept, of, &self.sources, &self.asked)?;
        let Some(made) = made.done() else {
            let why = "Stopped while the mean activation was measured".to_owned();
            worker.send(Event::Steering(Lab::Ended(id, Ended::Failed(why))));
            return Ok(());
        };
        let run = made.edits.dictionaries();
        let _computing = if run.is_empty() {
            None
        } else {
            worker.place(&self.wanted, &*run, (1, true))?
        };
        let asked = &self.asked;
        let same = |session: &Session| session.is_of(&self.model, &asked.prompt, &asked.sampling);
        let session = if let Some(session) = kept.session.take().filter(same) {
            session
        } else {
            for note in asked.prompt.whole(self.model.codec())?.notes {
                worker.line(note);
            }
            Session::from_input(&self.model, &asked.prompt, &asked.sampling)?
        };
        let session = kept.session.insert(session);
        let dial = asked.dial.and_then(|i| made.dials.get(i).cloned());
        let wanted = Steering {
            edits: made.edits.clone(),
            dial: dial.flatten(),
            samples: asked.samples,
        };
        let total = 2 * asked.sampling.tokens * asked.samples;
        let (mut done, mut steered, mut first) = (0, 0, None);
        let ended = session.run(&wanted, &mut |event| {
            if let steer::Event::Tokens { stream, tokens, .. } = &event {
                done += tokens.len();
                if *stream == Stream::Steered {
                    steered += 1;
                    first.get_or_insert_with(|| began.elapsed());
                }
            }
            worker.send(Event::Steering(Lab::Told(id, event)));
            worker.progress(Progress::new(done, total, "tokens"))
        })?;
        if let (Some(first), false) = (first, ended.is_stopped()) {
            let token = began.elapsed().saturating_sub(first) / steered.max(1);
            let pace = Pace { first, token };
            worker.send(Event::Steering(Lab::Paced(pace)));
        }
        let stopped = ended.is_stopped();
        let outcome = Arc::new(ended.into_value());
        if !stopped {
            let proof = steering::prove(&self.model, &made.edits, session.prompt(), &outcome)?;
            worker.send(Event::Steering(Lab::Proved(id, Arc::new(proof))));
        }
        let ended = Ended::Done { outcome, stopped };
        worker.send(Event::Steering(Lab::Ended(id, ended)));
        Ok(())
    }
}

/// Makes edits from the materials of the run before, where these are the same.
pub(super) fn made(
    worker: &Worker,
    kept: &mut Kept,
    (model, saes): (&Arc<Model>, &[Named]),
    sources: &Sources,
    asked: &Request,
) -> Result<progress::Ended<Made>> {
    let same = |stock: &Stock| stock.is_of(model, saes, sources);
    let stock = match kept.stock.take().filter(same) {
        Some(stock) => stock,
        None => Stock::new(Arc::clone(model), saes.to_vec(), sources.clone()),
    };
    let stock = kept.stock.insert(stock);
    let roles = match &asked.prompt {
        chat @ Input::Chat(_) => chat.whole(model.codec())?.roles,
        Input::Text(_) | Input::Tokens { .. } => None,
    };
    stock.prompted_by(roles.map(Arc::new));
    let made = stock.edits(&asked.edits, &mut |at| worker.progress(at))?;
    if let progress::Ended::Done(made) = &made {
        worker.notes(&made.notes);
        for over in &made.means {
            worker.send(Event::Log(log::Event::Show(Notice::info(over))));
        }
    }
    Ok(made)
}
