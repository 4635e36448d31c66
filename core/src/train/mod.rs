//! Training: settings, the run, its events.

mod buffer;
mod checkpoint;
mod dead;
mod event;
mod init;
mod metrics;
mod optim;
mod rules;
mod run;
mod schedule;
mod settings;
mod spec;
mod step;
mod stream;
#[cfg(test)]
mod tests;

pub use checkpoint::Keeping;
pub use event::{Event, Firing, Outcome, Progress};
pub use run::{run, run_from_store};
pub use settings::{Range, SETTINGS, Setting};
pub use spec::{Adam, Decoder, GradientValues, Normalise, SparsityPenalty, Spec};
pub use step::{Batch, Phases, Report, Trainer};
