//! Records of training runs: `run.json` (settings and results of a run) and `events.jsonl` (its curves, line by line) in the folder that the run
//! writes; read back, listed and compared. Trains nothing itself.

mod compare;
mod curves;
mod record;
mod recorder;
#[cfg(test)]
mod tests;

pub use self::compare::{Comparison, Line, compare};
pub use self::curves::curves;
pub(crate) use self::record::saved_later;
pub use self::record::{DeviceChoice, Figure, RECORD, Record, Status, find, list};
pub(crate) use self::recorder::Locked;
pub use self::recorder::{EVENTS, Recorder};
