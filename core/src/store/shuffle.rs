//! Order in which rows are read: as stored, or shuffled anew in each pass. The same seed gives the same order, whatever the rows come from.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

/// Endless order of the rows of a source.
#[derive(Debug, Clone)]
pub struct Order {
    rows: Vec<usize>,
    next: usize,
    readings: u64,
    /// Shuffler; none reads rows as stored.
    chance: Option<ChaCha8Rng>,
}

impl Order {
    /// Reads rows 0 to `rows` − 1 as stored.
    pub fn contiguous(rows: usize) -> Self {
        Self {
            rows: (0..rows).collect(),
            next: 0,
            readings: 1,
            chance: None,
        }
    }

    /// Reads the rows shuffled by `seed`, in another order in each pass.
    pub fn shuffled(rows: usize, seed: u64) -> Self {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        chance.set_stream(2);
        let mut order = Self::contiguous(rows);
        order.rows.shuffle(&mut chance);
        order.chance = Some(chance);
        order
    }

    /// Number of rows in one pass.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// Number of passes begun.
    pub fn readings(&self) -> u64 {
        self.readings
    }

    /// Returns whether the next rows begin another pass.
    pub fn is_used_up(&self) -> bool {
        self.next == self.rows.len()
    }

    /// Returns the next rows, at most `most` and no more than the pass has left; begins another pass when one is used up.
    pub fn next(&mut self, most: usize) -> &[usize] {
        if self.is_used_up() {
            self.readings += 1;
            self.next = 0;
            if let Some(chance) = &mut self.chance {
                self.rows.shuffle(chance);
            }
        }
        let begin = self.next;
        self.next = (begin + most).min(self.rows.len());
        &self.rows[begin..self.next]
    }

    /// Returns what [`Order::next`] will give in this pass.
    pub fn coming(&self, most: usize) -> &[usize] {
        let end = (self.next + most).min(self.rows.len());
        &self.rows[self.next..end]
    }
}
