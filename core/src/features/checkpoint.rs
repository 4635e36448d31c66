//! Checkpoint of a build, beside the first file that it writes: everything that later work depends on, so that a build that was killed resumes to the same files.
//!
//! It is written whole now and then, when the build is stopped, and before the stages that follow the pass; it goes when the files are there. One of another
//! build (another dictionary, text or choice) is not used and is replaced.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest as _, Sha256};

use super::About;
use super::pack::{Reader, Writer};
use super::sources;
use super::tallies::Tallies;
use crate::corpus::Rows;
use crate::error::Result;
use crate::whole_file;

/// Ending of the name, behind that of the index.
const ENDING: &str = "checkpoint";
const MAGIC: &[u8; 8] = b"UmbIckp1";
/// Least time between two checkpoints.
const EVERY: Duration = Duration::from_secs(30);
/// Least time between two, as a multiple of the time that the last one took.
const SPARING: u32 = 50;

/// Stage of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// First pass over the text.
    First,
    /// Second pass, which counts candidates.
    Second,
    /// Measurements at the strongest examples, dictionary by dictionary.
    Measuring,
}

/// Measurements at the strongest examples of one dictionary, as far as they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Measured {
    /// Sources of examples.
    pub(super) sources: sources::Found,
    /// Effects on the loss.
    pub(super) losses: super::losses::Found,
}

/// Everything that later work depends on.
#[derive(Debug)]
pub(super) struct State {
    pub(super) stage: Stage,
    /// Row that the pass reads next.
    pub(super) next: usize,
    /// By dictionary.
    pub(super) tallies: Vec<Tallies>,
    /// By dictionary.
    pub(super) measured: Vec<Measured>,
}

/// Whether a build that writes `out` first was interrupted and left a checkpoint beside it.
pub fn is_interrupted(out: &Path) -> bool {
    path(out).is_file()
}

/// Keeps the checkpoint of one build.
#[derive(Debug)]
pub(super) struct Keeper {
    path: PathBuf,
    /// Everything that decides the result.
    identity: Vec<u8>,
    every: Duration,
    written: Instant,
    took: Duration,
}

impl Keeper {
    /// Prepares the checkpoint of a build that writes `out` first and whose result `identity` decides.
    pub(super) fn new(out: &Path, identity: Vec<u8>) -> Self {
        Self {
            path: path(out),
            identity,
            every: EVERY,
            written: Instant::now(),
            took: Duration::ZERO,
        }
    }

    /// Writes a checkpoint at every opportunity.
    #[cfg(test)]
    pub(super) fn always(mut self) -> Self {
        self.every = Duration::ZERO;
        self
    }

    /// Reads the checkpoint of this very build; none where there is none, and where it is another build's or damaged.
    pub(super) fn read(&self) -> Option<State> {
        let bytes = std::fs::read(&self.path).ok()?;
        let rest = bytes.strip_prefix(MAGIC)?;
        let mut from = Reader(rest);
        let identity = blob(&mut from)?;
        if identity != self.identity {
            return None;
        }
        let stage = match from.int()? {
            0 => Stage::First,
            1 => Stage::Second,
            2 => Stage::Measuring,
            _ => return None,
        };
        let next = usize::try_from(from.int()?).ok()?;
        let tallies = from.list(|from| {
            let parts = from.list(|from| Some(blob(from)?.to_vec()))?;
            Tallies::from_parts(&parts)
        })?;
        let measured = from.list(|from| {
            Some(Measured {
                sources: sources::Found::read(from)?,
                losses: super::losses::Found::read(from)?,
            })
        })?;
        (from.0.is_empty() && measured.len() == tallies.len()).then_some(State {
            stage,
            next,
            tallies,
            measured,
        })
    }

    /// Whether it is time for another checkpoint.
    pub(super) fn is_due(&self) -> bool {
        let pause = self
            .every
            .max(self.took * if self.every.is_zero() { 0 } else { SPARING });
        self.written.elapsed() >= pause
    }

    /// Writes a checkpoint, whole or not at all.
    pub(super) fn write(&mut self, state: &State) -> Result<()> {
        let begun = Instant::now();
        whole_file::write(&self.path, |out| {
            let mut head = Writer(MAGIC.to_vec());
            put(&mut head, &self.identity);
            head.int(state.stage as u64);
            head.int(state.next as u64);
            head.int(state.tallies.len() as u64);
            out.write_all(&head.0)?;
            for tallies in &state.tallies {
                let parts = tallies.parts()?;
                let mut count = Writer(Vec::new());
                count.int(parts.len() as u64);
                out.write_all(&count.0)?;
                for part in parts {
                    let mut length = Writer(Vec::new());
                    length.int(part.len() as u64);
                    out.write_all(&length.0)?;
                    out.write_all(&part)?;
                }
            }
            let mut tail = Writer(Vec::new());
            tail.list(&state.measured, |out, measured| {
                measured.sources.write(out);
                measured.losses.write(out);
            });
            out.write_all(&tail.0)
        })?;
        self.took = begun.elapsed();
        self.written = Instant::now();
        Ok(())
    }

    /// Removes the checkpoint, if there is one.
    pub(super) fn remove(&self) {
        std::fs::remove_file(&self.path).ok();
    }
}

/// Returns a checksum of everything that decides the indexes that `abouts` describe: what they say, and the tokens read.
pub(super) fn identity(abouts: &[About], (rows, range): (&Rows, &Range<usize>)) -> Vec<u8> {
    let mut hash = Sha256::new();
    hash.update(format!("{abouts:?}"));
    for row in range.clone() {
        let counts = rows.counts(row);
        for (token, counts) in rows.row(row).iter().zip(counts) {
            hash.update(token.0.to_le_bytes());
            hash.update([u8::from(*counts)]);
        }
    }
    hash.finalize().to_vec()
}

/// Returns the path of the checkpoint of a build that writes `out` first.
pub(super) fn path(out: &Path) -> PathBuf {
    let mut name = out.file_name().unwrap_or_default().to_os_string();
    name.push(".");
    name.push(ENDING);
    out.with_file_name(name)
}

fn put(out: &mut Writer, bytes: &[u8]) {
    out.int(bytes.len() as u64);
    out.0.extend_from_slice(bytes);
}

fn blob<'a>(from: &mut Reader<'a>) -> Option<&'a [u8]> {
    let len = from.len()?;
    let (bytes, rest) = from.0.split_at_checked(len)?;
    from.0 = rest;
    Some(bytes)
}
