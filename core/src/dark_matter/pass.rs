//! Reads rows through a model in fixed chunks, with overall progress.

use crate::capture;
use crate::corpus::{Blocks, Rows};
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::HookPoint;
use crate::models::Model;
use crate::{Ended, Flow, Progress};

use super::ROWS_AT_ONCE;

/// Receiver of the numbers of a few rows, and of their activations at some hooks, each `[rows·t, d]`.
pub(crate) type Take<'t> = dyn FnMut(&[usize], &[Matrix]) -> Result<()> + 't;

/// Passes of a model over rows of text.
pub(crate) struct Pass<'a> {
    model: &'a Model,
    done: usize,
    rows: usize,
    observe: &'a mut dyn FnMut(Progress) -> Flow,
}

impl<'a> Pass<'a> {
    /// Prepares passes over `rows` rows in all.
    pub(crate) fn new(
        model: &'a Model,
        rows: usize,
        observe: &'a mut dyn FnMut(Progress) -> Flow,
    ) -> Self {
        Self {
            model,
            done: 0,
            rows,
            observe,
        }
    }

    /// Gives `take` the numbers of a few rows at a time, and their activations at `hooks`, each `[rows·t, d]`.
    pub(crate) fn each(
        &mut self,
        rows: &Rows,
        hooks: &[HookPoint],
        take: &mut Take<'_>,
    ) -> Result<Ended<()>> {
        self.chunks(rows, &mut |model, chunk| {
            take(chunk, &capture::activations_at(model, rows, chunk, hooks)?)
        })
    }

    /// Gives `take` the model and the numbers of a few rows at a time.
    pub(crate) fn chunks(
        &mut self,
        rows: &Rows,
        take: &mut dyn FnMut(&Model, &[usize]) -> Result<()>,
    ) -> Result<Ended<()>> {
        for start in (0..rows.len()).step_by(ROWS_AT_ONCE) {
            let chunk: Vec<usize> = (start..rows.len().min(start + ROWS_AT_ONCE)).collect();
            take(self.model, &chunk)?;
            self.done += chunk.len();
            if (self.observe)(Progress::rows(self.done, self.rows)).is_break() {
                return Ok(Ended::STOPPED);
            }
        }
        Ok(Ended::Done(()))
    }
}

/// Returns, for each position of the rows `chosen` that counts, its token counted over all rows.
pub(crate) fn counted(rows: &Rows, chosen: &[usize]) -> Vec<usize> {
    let context = rows.context();
    let of_row = |row: &usize| {
        let first = row * context;
        let counts = rows.counts(*row).iter().enumerate();
        let counted = counts.filter(|(_, counts)| **counts);
        counted.map(move |(at, _)| first + at).collect::<Vec<_>>()
    };
    chosen.iter().flat_map(of_row).collect()
}

/// Returns, for each position of the rows `chosen` that counts, the part of the text that it lies in.
pub(crate) fn parts(blocks: &Blocks, rows: &Rows, chosen: &[usize]) -> Vec<usize> {
    let tokens = counted(rows, chosen).into_iter();
    tokens.map(|token| blocks.of_token(token)).collect()
}
