//! A bounded shuffle buffer: batches are drawn from random slots, and when half are used they are filled with new activations.

use std::borrow::Cow;
use std::cell::Cell;

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::progress::{Ended, Flow};
use crate::sae::state::Keep;
use crate::store::Dtype;

/// Activations in an order that does not end.
pub(crate) trait Source {
    /// Width of a row: of an activation and what follows it.
    fn width(&self) -> usize;

    /// Whether each activation is followed by the gradient of the model's loss.
    fn paired(&self) -> bool {
        false
    }

    /// Width of the activation of another hook that follows each, if one does.
    fn target(&self) -> Option<usize> {
        None
    }

    /// The next piece `[n, d]`; n is 0 where no position of it counts. `note` gets what a person should know.
    fn next(&mut self, note: &mut dyn FnMut(String)) -> Result<Matrix>;

    /// Passes the next piece over without reading it.
    fn skip(&mut self);
}

/// Rows of numbers in one of the store's types.
#[derive(Debug)]
enum Held {
    Whole(Matrix),
    /// `[capacity, columns]`, two bytes a number.
    Halves {
        bytes: Vec<u8>,
        columns: usize,
        dtype: Dtype,
    },
}

impl Held {
    fn new(capacity: usize, columns: usize, dtype: Dtype) -> Self {
        match dtype {
            Dtype::F32 => Self::Whole(Matrix::zeros(capacity, columns)),
            Dtype::F16 | Dtype::Bf16 => Self::Halves {
                bytes: vec![0; capacity * columns * dtype.bytes()],
                columns,
                dtype,
            },
        }
    }

    fn put(&mut self, slot: usize, row: &[f32]) -> Result<()> {
        match self {
            Self::Whole(held) => held.row_mut(slot).copy_from_slice(row),
            Self::Halves {
                bytes,
                columns,
                dtype,
            } => {
                let length = *columns * dtype.bytes();
                let into = &mut bytes[slot * length..(slot + 1) * length];
                dtype.narrow(row, into).map_err(|value| {
                    let what = format!(
                        "{dtype} cannot represent the activation {value}: give bf16 or f32"
                    );
                    Error::setting("buffer_dtype", what)
                })?;
            }
        }
        Ok(())
    }

    /// The rows in `slots` in f32, one after the other.
    fn rows_of(&self, slots: &[u32]) -> Matrix {
        match self {
            Self::Whole(held) => held.rows_of(slots),
            Self::Halves {
                bytes,
                columns,
                dtype,
            } => {
                let mut rows = Matrix::zeros(slots.len(), *columns);
                let length = *columns * dtype.bytes();
                for (i, slot) in slots.iter().enumerate() {
                    let from = &bytes[*slot as usize * length..][..length];
                    dtype.widen(from, rows.row_mut(i));
                }
                rows
            }
        }
    }

    /// See [`Keep`]: bytes eight at a time.
    fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        match self {
            Self::Whole(held) => keep.matrix("held", held),
            Self::Halves { bytes, .. } => {
                let whole = bytes.len();
                bytes.resize(whole.next_multiple_of(8), 0);
                let eights = bytes.as_chunks::<8>().0;
                let mut numbers = eights.iter().map(|b| u64::from_le_bytes(*b)).collect();
                keep.numbers("halves", &mut numbers)?;
                *bytes = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
                bytes.resize(whole, 0);
                Ok(())
            }
        }
    }
}

/// Bounded shuffle buffer.
#[derive(Debug)]
pub(super) struct Buffer {
    held: Held,
    capacity: usize,
    /// Last drawn activations, if the buffer does not hold f32.
    drawn: Matrix,
    /// Slots not drawn yet, in the order they will be; the last is next.
    order: Vec<u32>,
    /// Slots free for new activations.
    free: Vec<u32>,
    /// A piece of the source that is not all stored yet.
    piece: Matrix,
    stored: usize,
    /// Pieces taken from the source so far.
    pieces: u64,
    /// Whether filling was broken off and goes on next time.
    filling: bool,
    rng: ChaCha8Rng,
}

impl Buffer {
    /// An empty buffer of `capacity` activations of width `d`, held as `dtype`.
    pub(super) fn new(capacity: usize, d: usize, (seed, dtype): (u64, Dtype)) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(1);
        Self {
            held: Held::new(capacity, d, dtype),
            capacity,
            drawn: Matrix::default(),
            order: Vec::with_capacity(capacity),
            free: (0..capacity as u32).rev().collect(),
            piece: Matrix::default(),
            stored: 0,
            pieces: 0,
            filling: false,
            rng,
        }
    }

    /// Fills the free slots if half of all are free or a batch of `n` would not be had; never beyond `wanted` activations held. `between` is asked
    /// after each piece and may break the filling off; the next call then goes on with it.
    pub(super) fn refill(
        &mut self,
        n: usize,
        wanted: usize,
        source: &mut dyn Source,
        between: &mut dyn FnMut(Option<String>) -> Flow,
    ) -> Result<Ended<()>> {
        let held = self.order.len();
        let enough = held >= n && self.free.len() < self.capacity.div_ceil(2);
        if !self.filling && (enough || held >= wanted) {
            return Ok(Ended::Done(()));
        }
        let stop = Cell::new(false);
        let mut ask = |note: Option<String>| stop.set(stop.get() | between(note).is_break());
        while !self.free.is_empty() && self.order.len() < wanted {
            if self.stored == self.piece.rows() {
                self.piece = source.next(&mut |note| ask(Some(note)))?;
                self.pieces += 1;
                self.stored = 0;
            }
            self.store(wanted)?;
            ask(None);
            if stop.get() {
                self.filling = true;
                return Ok(Ended::STOPPED);
            }
        }
        self.filling = false;
        self.order.shuffle(&mut self.rng);
        Ok(Ended::Done(()))
    }

    /// See [`Keep`]. Whoever puts a state back passes [`Buffer::pieces`] of the source over.
    pub(super) fn state(&mut self, keep: &mut dyn Keep) -> Result<()> {
        self.held.state(keep)?;
        keep.small("order", &mut self.order)?;
        keep.small("free", &mut self.free)?;
        keep.matrix("piece", &mut self.piece)?;
        let mut places = vec![self.stored as u64, self.pieces, self.filling.into()];
        keep.numbers("places", &mut places)?;
        if let [stored, pieces, filling] = places.as_slice() {
            self.stored = *stored as usize;
            (self.pieces, self.filling) = (*pieces, *filling == 1);
        }
        keep.random("random", &mut self.rng)
    }

    /// Pieces taken from the source so far.
    pub(super) fn pieces(&self) -> u64 {
        self.pieces
    }

    /// Moves rows of the piece into free slots.
    fn store(&mut self, wanted: usize) -> Result<()> {
        while self.stored < self.piece.rows() && self.order.len() < wanted {
            let Some(slot) = self.free.pop() else { break };
            self.held.put(slot as usize, self.piece.row(self.stored))?;
            self.order.push(slot);
            self.stored += 1;
        }
        Ok(())
    }

    /// A table and, of its rows, the next `n` activations in random order (fewer if fewer are held); they count as used.
    pub(super) fn draw(&mut self, n: usize) -> (&Matrix, Vec<u32>) {
        let rows = self.order.split_off(self.order.len().saturating_sub(n));
        self.free.extend(&rows);
        match &self.held {
            Held::Whole(held) => (held, rows),
            halves @ Held::Halves { .. } => {
                self.drawn = halves.rows_of(&rows);
                (&self.drawn, (0..rows.len() as u32).collect())
            }
        }
    }

    /// A table and, of its rows, the activations not drawn yet; for as long as it is used, a table of f32.
    pub(super) fn waiting(&self) -> (Cow<'_, Matrix>, Cow<'_, [u32]>) {
        match &self.held {
            Held::Whole(held) => (Cow::Borrowed(held), Cow::Borrowed(&self.order)),
            halves @ Held::Halves { .. } => (
                Cow::Owned(halves.rows_of(&self.order)),
                Cow::Owned((0..self.order.len() as u32).collect()),
            ),
        }
    }

    /// The activations held, as a sample in random order.
    pub(super) fn sample(&self, most: usize) -> Matrix {
        let from = self.order.len().saturating_sub(most);
        self.held.rows_of(&self.order[from..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 0, 1, 2, … in pieces of seven.
    struct Count(u16);

    impl Source for Count {
        fn width(&self) -> usize {
            1
        }

        fn next(&mut self, _: &mut dyn FnMut(String)) -> Result<Matrix> {
            let values = (self.0..self.0 + 7).map(f32::from).collect();
            self.0 += 7;
            Matrix::new(7, 1, values)
        }

        fn skip(&mut self) {
            self.0 += 7;
        }
    }

    fn draws(total: usize, seed: u64) -> Vec<u32> {
        let (mut source, mut buffer) = (Count(0), Buffer::new(40, 1, (seed, Dtype::F32)));
        let mut drawn = vec![];
        while drawn.len() < total {
            let left = total - drawn.len();
            let flow = buffer.refill(6, left, &mut source, &mut |_| Flow::Continue(()));
            assert!(!flow.unwrap().is_stopped());
            let (held, rows) = buffer.draw(6.min(left));
            drawn.extend(rows.iter().map(|row| held.row(*row as usize)[0] as u32));
        }
        drawn
    }

    #[test]
    fn everything_is_drawn_once_and_shuffled() {
        let mut drawn = draws(500, 3);
        assert_eq!(drawn, draws(500, 3));
        assert_ne!(drawn, draws(500, 4));
        assert!(!drawn.is_sorted());
        drawn.sort_unstable();
        assert_eq!(drawn, (0..500).collect::<Vec<_>>());
    }

    #[test]
    fn filling_stops_when_told() {
        let (mut source, mut buffer) = (Count(0), Buffer::new(40, 1, (0, Dtype::F32)));
        let flow = buffer.refill(6, 100, &mut source, &mut |_| Flow::Break(()));
        assert!(flow.unwrap().is_stopped());
        assert_eq!(buffer.order.len(), 7);
        let flow = buffer.refill(6, 100, &mut source, &mut |_| Flow::Continue(()));
        assert!(!flow.unwrap().is_stopped());
        assert_eq!(buffer.order.len(), 40);
        // As if it had never been broken off.
        let mut drawn: Vec<u32> = Vec::new();
        let (held, rows) = buffer.draw(6);
        drawn.extend(rows.iter().map(|row| held.row(*row as usize)[0] as u32));
        assert_eq!(drawn, draws(500, 0)[..6]);
    }
}
