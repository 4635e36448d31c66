//! Steering lab: start a run, stop it.

use std::sync::Arc;

use umbra_core::models::Sampling;
use umbra_core::steer::{self, Steering};

use super::{Commands, Context};
use crate::state::steering::{Ended, Event as Lab, Request};
use crate::state::{AppState, Event};

/// What can be asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Stream baseline and steered text.
    Run(Request),
    /// Stop the run; what was written stays.
    Stop,
}

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Run(request) => start(context, request),
            Self::Stop => {
                if let Some(run) = context.state.steering.running() {
                    let stop = super::shell::Command::StopJob(run.job);
                    context.commands.send(stop);
                }
            }
        }
    }
}

/// What the state calls for: nothing by itself.
pub(super) fn follow(_state: &AppState, _commands: &mut Commands) {}

fn start(context: &mut Context<'_>, request: Request) {
    let state = &context.state;
    let sae = (state.catalogue.get(request.dictionary)).and_then(|d| d.load.ready());
    let (Some(sae), Some(model)) = (sae, state.model()) else {
        return context.fail("Open a model and a dictionary first");
    };
    if let Some(earlier) = state.steering.running() {
        context.jobs.stop(earlier.job);
    }
    let (sae, model) = (Arc::clone(&sae.sae), Arc::clone(&model.model));
    let asked = request.clone();
    let job = context.jobs.start_or(
        format!("Steer with #{}", request.feature),
        |why| Event::Steering(Lab::Failed(why)),
        move |worker| {
            let job = worker.id();
            let steering = Steering {
                feature: asked.feature,
                strength: asked.strength,
            };
            let sampling = Sampling {
                temperature: asked.temperature,
                seed: asked.seed,
                tokens: asked.tokens,
                ..Sampling::default()
            };
            let total = 2 * asked.tokens as u64;
            let mut done = 0;
            let outcome = steer::run(
                &model,
                &sae,
                &asked.prompt,
                steering,
                &sampling,
                &mut |event| {
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
                    worker.progress(done, total, "tokens")
                },
            )?;
            let ended = Ended::Done {
                kl: outcome.kl,
                stopped: outcome.stopped,
            };
            worker.send(Event::Steering(Lab::Ended(job, ended)));
            Ok(())
        },
    );
    context.apply(Event::Steering(Lab::Started(job, request)));
}
