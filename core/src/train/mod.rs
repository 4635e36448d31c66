//! Training: settings, the run, its events.

mod buffer;
mod dead;
mod event;
mod init;
mod metrics;
mod optim;
mod run;
mod schedule;
mod spec;
mod step;
mod stream;
#[cfg(test)]
mod tests;

pub use event::{Event, Outcome, Progress};
pub use run::{run, run_from_store};
pub use spec::{Range, SETTINGS, Setting, Spec};
pub use step::{Batch, Phases, Report, Trainer};
