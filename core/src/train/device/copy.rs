//! The host's copy of a run on a device: its state at some step, and the batches since.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::sae::state::Keep;
use crate::train::step::Trainer;

/// Steps between two copies at least.
const STEPS: usize = 16;
/// Time between two copies, in times of what the last one took.
const TIMES: u32 = 40;
/// Bytes of batches that are kept at most.
const BYTES: usize = 1 << 30;

/// Batch of a step.
#[derive(Debug)]
pub(super) struct Taken {
    /// `[n, columns]` as the source has them.
    pub(super) rows: Matrix,
    pub(super) rate: f64,
}

/// State of a run at some step, but for encoder and decoder, which lie in the trainer itself.
#[derive(Debug)]
pub(super) struct HostCopy {
    beside: Held,
    since: Vec<Taken>,
    /// Steps and tokens since whose batches are not kept.
    lost: (u64, u64),
    made: Instant,
    took: Duration,
}

impl HostCopy {
    /// Copies the state of `trainer`, whose encoder and decoder were brought to the host from `begun` on.
    pub(super) fn new(trainer: &mut Trainer, begun: Instant) -> Result<Self> {
        let mut beside = Held::default();
        trainer.state_beside(&mut beside)?;
        beside.whole = true;
        Ok(Self {
            beside,
            since: Vec::new(),
            lost: (0, 0),
            made: Instant::now(),
            took: begun.elapsed(),
        })
    }

    /// Keeps the batch of a step.
    pub(super) fn keep(&mut self, taken: Taken) {
        self.since.push(taken);
    }

    /// Whether it is time for another copy: copying takes a small share of the time whatever the size of the dictionary.
    pub(super) fn is_due(&self) -> bool {
        self.since.len() >= STEPS && self.made.elapsed() >= TIMES * self.took
    }

    /// Forgets the batches if they take too much memory.
    pub(super) fn forget_if_many(&mut self) {
        let sizes = self
            .since
            .iter()
            .map(|taken| size_of_val(taken.rows.values()));
        if sizes.sum::<usize>() <= BYTES {
            return;
        }
        for taken in self.since.drain(..) {
            self.lost.0 += 1;
            self.lost.1 += taken.rows.rows() as u64;
        }
    }

    /// Puts the state back into `trainer`; returns the batches since, and the number of steps that are lost before them, which count as taken.
    pub(super) fn restore(mut self, trainer: &mut Trainer) -> Result<(Vec<Taken>, u64)> {
        trainer.state_beside(&mut self.beside)?;
        let (steps, tokens) = self.lost;
        trainer.steps += steps;
        trainer.dead.skip(tokens);
        Ok((self.since, steps))
    }
}

/// Values of a state in memory: taken down once, then put back.
#[derive(Debug, Default)]
struct Held {
    matrices: BTreeMap<String, Matrix>,
    numbers: BTreeMap<String, Vec<u64>>,
    /// Whether all were taken down.
    whole: bool,
}

impl Keep for Held {
    fn matrix(&mut self, name: &str, matrix: &mut Matrix) -> Result<()> {
        if self.whole {
            *matrix = self.matrices.remove(name).ok_or_else(|| missing(name))?;
        } else {
            self.matrices.insert(name.to_owned(), matrix.clone());
        }
        Ok(())
    }

    fn numbers(&mut self, name: &str, numbers: &mut Vec<u64>) -> Result<()> {
        if self.whole {
            *numbers = self.numbers.remove(name).ok_or_else(|| missing(name))?;
        } else {
            self.numbers.insert(name.to_owned(), numbers.clone());
        }
        Ok(())
    }
}

fn missing(name: &str) -> Error {
    Error::Numeric {
        what: format!(
            "the copy of the run's state lacks `{name}`: resume the run from its checkpoint"
        ),
    }
}
