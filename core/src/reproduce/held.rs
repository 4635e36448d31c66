//! Activations read from a model once and held, so that every dictionary trains on the same ones.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::Watch;
use crate::capture;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::HookPoint;
use crate::models::Model;
use crate::progress::Ended;
use crate::train::Source;

/// Rows of text read at a time, and activations that a source gives at a time.
const ROWS: usize = 16;
const PIECE: usize = 1_024;

/// Activations of the positions of some rows that count.
#[derive(Debug)]
pub(super) struct Held {
    /// `[n, d]`.
    pub(super) activations: Matrix,
    /// Gradients of each row's summed next-token loss, `[n, d]`, if requested.
    pub(super) gradients: Option<Matrix>,
}

impl Held {
    /// Reads `hook` on all of `rows`.
    pub(super) fn read(
        model: &Model,
        rows: &Rows,
        hook: HookPoint,
        gradients: bool,
        watch: &mut Watch<'_>,
    ) -> Result<Ended<Self>> {
        let d = model.width(hook)?;
        let (mut activations, mut along) = (Vec::new(), Vec::new());
        let all: Vec<usize> = (0..rows.len()).collect();
        for (done, some) in all.chunks(ROWS).enumerate() {
            let all = capture::activations(model, rows, some, hook)?;
            activations.extend_from_slice(rows.kept(some, &all).values());
            if gradients {
                for all in capture::gradients_at(model, rows, some, &[hook])? {
                    along.extend_from_slice(rows.kept(some, &all).values());
                }
            }
            let read = done * ROWS + some.len();
            let what = format!("reading activations, row {read} of {}", rows.len());
            if watch.at(what).is_break() {
                return Ok(Ended::STOPPED);
            }
        }
        watch.next();
        let n = rows.counted();
        Ok(Ended::Done(Self {
            activations: Matrix::new(n, d, activations)?,
            gradients: gradients.then(|| Matrix::new(n, d, along)).transpose()?,
        }))
    }

    /// Returns a source of the activations, repeated in an order that `seed` decides.
    pub(super) fn source(&self, seed: u64) -> Shuffled<'_> {
        Shuffled {
            held: self,
            gradients: None,
            order: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Returns a source of the activations in that order, each followed by its gradient if gradients are held.
    pub(super) fn paired(&self, seed: u64) -> Shuffled<'_> {
        Shuffled {
            gradients: self.gradients.as_ref(),
            ..self.source(seed)
        }
    }
}

/// Source of held activations.
#[derive(Debug)]
pub(super) struct Shuffled<'a> {
    held: &'a Held,
    gradients: Option<&'a Matrix>,
    /// Remaining indices of this pass; the last is next.
    order: Vec<u32>,
    rng: ChaCha8Rng,
}

impl Shuffled<'_> {
    fn chosen(&mut self) -> Vec<u32> {
        if self.order.is_empty() {
            self.order = (0..self.held.activations.rows() as u32).collect();
            self.order.shuffle(&mut self.rng);
        }
        let left = self.order.len().saturating_sub(PIECE);
        self.order.split_off(left)
    }
}

impl Source for Shuffled<'_> {
    fn width(&self) -> usize {
        let d = self.held.activations.columns();
        if self.paired() { 2 * d } else { d }
    }

    fn paired(&self) -> bool {
        self.gradients.is_some()
    }

    fn next(&mut self, _: &mut dyn FnMut(String)) -> Result<Matrix> {
        let chosen = self.chosen();
        let Some(gradients) = self.gradients else {
            return Ok(self.held.activations.rows_of(&chosen));
        };
        let d = self.held.activations.columns();
        let mut piece = Matrix::zeros(chosen.len(), 2 * d);
        for (i, row) in chosen.iter().enumerate() {
            let (left, right) = piece.row_mut(i).split_at_mut(d);
            left.copy_from_slice(self.held.activations.row(*row as usize));
            right.copy_from_slice(gradients.row(*row as usize));
        }
        Ok(piece)
    }

    fn skip(&mut self) {
        self.chosen();
    }
}
