//! A pass of a model and dictionaries over token rows, in chunks that fit memory: latents with the place of each token.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::capture::{self, CHUNK_ROWS};
use crate::corpus::Rows;
use crate::error::{Error, Key, Result};
use crate::formats;
use crate::ids::HookPoint;
use crate::latents::Latents;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::{ByToken, Sae};

/// Activation values held at once. Results do not depend on it.
const CHUNK_VALUES: usize = 1 << 23;
/// Rows read at once, at most: few, so that progress is seen early.
pub const ROWS_AT_ONCE: usize = 16;

/// Returns how many tokens of `rows` the dictionary gets at a time.
pub fn tokens_at_once(sae: &Sae, rows: &Rows) -> usize {
    rows.context() * rows_at_once(sae.width(), rows).min(rows.len())
}

/// Whole forward passes, so that the size of chunks does not change in which company a row is read.
fn rows_at_once(width: usize, rows: &Rows) -> usize {
    let fitting = CHUNK_VALUES / (rows.context() * width).max(1);
    (fitting / CHUNK_ROWS * CHUNK_ROWS).clamp(CHUNK_ROWS, ROWS_AT_ONCE)
}

/// Checks that the model has the hook that the dictionary reads, at its width; returns the hook.
pub(super) fn hook_of(model: &Model, sae: ByToken<'_>) -> Result<HookPoint> {
    let hook = sae.reads()?;
    model.check_hook(hook)?;
    let width = formats::width_for(&sae, model, hook)?;
    if width != sae.width() {
        let what = format!(
            "the model's activation is {width} wide and the dictionary `{}` reads {}: choose the model it was trained on",
            sae.name,
            sae.width()
        );
        return Err(Error::hook(hook, what));
    }
    Ok(hook)
}

/// Checks that some position of `rows` counts.
pub(super) fn check_text(rows: &Rows, range: &Range<usize>) -> Result<()> {
    if counted(rows, range) > 0 {
        return Ok(());
    }
    let what = format!(
        "no position of {} rows of {} tokens counts ({} {}): give more text",
        range.len(),
        rows.context(),
        Key::Positions,
        rows.mask().rule
    );
    Err(Error::setting("corpus", what))
}

/// Returns the number of positions that count in some of the rows.
pub(super) fn counted(rows: &Rows, range: &Range<usize>) -> usize {
    let each = range.clone().flat_map(|row| rows.counts(row));
    each.filter(|counts| **counts).count()
}

/// Visitor of a chunk: row and position of each token, and the latents of the tokens.
pub(super) type Visit<'v> = &'v mut dyn FnMut(&[(u32, u32)], &Latents);

/// Calls `visit` with the latents of each chunk of rows and the row and position of each of their tokens, which are those that count, in order.
pub(super) fn each(
    (model, sae): (&Model, ByToken<'_>),
    rows: &Rows,
    visit: Visit<'_>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<()>> {
    let mut pass = Pass::new(model, &[sae], (rows, 0..rows.len()))?;
    while !pass.is_done() {
        if observe(Progress::rows(pass.next, rows.len())).is_break() {
            return Ok(Ended::STOPPED);
        }
        let chunk = pass.read()?;
        for latents in &chunk.latents {
            visit(&chunk.places, latents);
        }
    }
    Ok(Ended::Done(()))
}

/// Time that a pass took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Took {
    /// Of the model.
    pub(super) model: Duration,
    /// Of the dictionaries' encoders.
    pub(super) dictionary: Duration,
}

/// Latents of some rows.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Row and position of each token: those that count, in order.
    pub(super) places: Vec<(u32, u32)>,
    /// Latents of these tokens, one for each dictionary.
    pub(super) latents: Vec<Latents>,
}

/// A pass of one model over some of the rows of a text, read by several dictionaries.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    model: &'a Model,
    saes: Vec<ByToken<'a>>,
    /// Hooks that they read, each once.
    hooks: Vec<HookPoint>,
    rows: &'a Rows,
    /// Row that is read next.
    next: usize,
    end: usize,
    at_once: usize,
    took: Took,
}

impl<'a> Pass<'a> {
    /// Begins a pass over the rows of a range; an error if a dictionary does not fit the model, and where no position counts.
    pub(super) fn new(
        model: &'a Model,
        saes: &[ByToken<'a>],
        (rows, range): (&'a Rows, Range<usize>),
    ) -> Result<Self> {
        let mut hooks = Vec::new();
        for sae in saes {
            let hook = hook_of(model, *sae)?;
            if !hooks.contains(&hook) {
                hooks.push(hook);
            }
        }
        check_text(rows, &range)?;
        let widths = hooks.iter().map(|hook| model.width(*hook));
        let width: usize = widths.sum::<Result<usize>>()?;
        Ok(Self {
            model,
            saes: saes.to_vec(),
            hooks,
            rows,
            next: range.start,
            end: range.end,
            at_once: rows_at_once(width, rows),
            took: Took::default(),
        })
    }

    /// Continues at row `next`, before which another pass has read.
    #[must_use]
    pub(super) fn resumed_at(mut self, next: usize) -> Self {
        self.next = next;
        self
    }

    /// Row that is read next.
    pub(super) fn next(&self) -> usize {
        self.next
    }

    /// Whether all rows were read.
    pub(super) fn is_done(&self) -> bool {
        self.next >= self.end
    }

    /// Time taken so far.
    pub(super) fn took(&self) -> Took {
        self.took
    }

    /// Reads the next rows, once by the model and once by each dictionary. The model reads rows in the same groups as in a pass over the whole text.
    pub(super) fn read(&mut self) -> Result<Chunk> {
        let first = self.next - self.next % CHUNK_ROWS;
        let last = (first + self.at_once).min(self.end);
        let wanted = self.next..last;
        self.next = last;
        let read = first..last.next_multiple_of(CHUNK_ROWS).min(self.rows.len());
        let chosen: Vec<usize> = read.collect();
        let counts = chosen.iter().flat_map(|row| {
            let is_wanted = wanted.contains(row);
            let counts = self.rows.counts(*row).iter();
            counts.map(move |counts| is_wanted && *counts)
        });
        let counts: Vec<bool> = counts.collect();
        let begun = Instant::now();
        let values = capture::activations_at(self.model, self.rows, &chosen, &self.hooks)?;
        self.took.model += begun.elapsed();
        let begun = Instant::now();
        let mut latents = Vec::with_capacity(self.saes.len());
        for sae in &self.saes {
            let hook = sae.reads()?;
            let at = self.hooks.iter().position(|one| *one == hook);
            let whole = &values[at.unwrap_or_default()];
            let x = sae.own_part(whole)?;
            latents.push(sae.encode(&x.rows_where(&counts))?);
        }
        self.took.dictionary += begun.elapsed();
        Ok(Chunk {
            places: places(self.rows, wanted),
            latents,
        })
    }
}

/// Returns row and position of each token that counts in the rows of a range.
fn places(rows: &Rows, range: Range<usize>) -> Vec<(u32, u32)> {
    let of_row = |row: usize| {
        let counted = (0..).zip(rows.counts(row)).filter(|(_, counts)| **counts);
        counted.map(move |(position, _)| (row as u32, position))
    };
    range.flat_map(of_row).collect()
}
