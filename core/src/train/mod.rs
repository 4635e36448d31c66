//! Training: settings, the run, its events.

mod average;
mod buffer;
mod checkpoint;
mod covers;
mod dead;
#[cfg(feature = "gpu")]
mod device;
#[cfg(not(feature = "gpu"))]
#[path = "no_device.rs"]
mod device;
mod event;
mod gather;
mod init;
mod metrics;
mod micro;
mod needs;
mod optim;
mod preflight;
mod prepared;
mod report;
mod resample;
mod rules;
mod run;
mod schedule;
mod settings;
mod spec;
mod start;
mod step;
mod stream;
#[cfg(test)]
pub(crate) mod tests;
mod transcode;

#[cfg(feature = "reproduce")]
pub(crate) use buffer::Source;
pub use checkpoint::{CHECKPOINT, Keeping};
pub use covers::uncovered;
pub use event::{Event, Firing, Outcome, Point};
pub use needs::{Disk, Needs, device_bytes, disk_together, together as bytes_together};
pub(crate) use needs::{parameters as parameter_bytes, step as step_bytes};
pub use preflight::{SHARED, check_several, check_several_from_store};
pub use report::{Phases, Report};
#[cfg(feature = "reproduce")]
pub(crate) use run::run_from;
pub use run::{run, run_from_store, run_several, run_several_from_store};
pub use settings::{Counts, Range, SETTINGS, Setting};
pub use spec::{Adam, Decoder, Normalise, Spec};
pub use step::{Batch, Trainer};
