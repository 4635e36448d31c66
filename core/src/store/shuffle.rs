//! In which order rows are read: as they stand, or shuffled anew for each reading. The same seed gives the same order, whatever the rows are read from.

use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

/// Rows of a source, again and again.
#[derive(Debug, Clone)]
pub struct Order {
    rows: Vec<usize>,
    next: usize,
    readings: u64,
    /// None where rows are read as they stand.
    chance: Option<ChaCha8Rng>,
}

impl Order {
    /// Rows 0 to `rows` − 1 as they stand.
    pub fn contiguous(rows: usize) -> Self {
        Self {
            rows: (0..rows).collect(),
            next: 0,
            readings: 1,
            chance: None,
        }
    }

    /// The same rows shuffled by `seed`, otherwise in each reading.
    pub fn shuffled(rows: usize, seed: u64) -> Self {
        let mut chance = ChaCha8Rng::seed_from_u64(seed);
        chance.set_stream(2);
        let mut order = Self::contiguous(rows);
        order.rows.shuffle(&mut chance);
        order.chance = Some(chance);
        order
    }

    /// Rows of one reading.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// How often the rows have been begun.
    pub fn readings(&self) -> u64 {
        self.readings
    }

    /// Whether the next rows begin another reading.
    pub fn is_used_up(&self) -> bool {
        self.next == self.rows.len()
    }

    /// The next rows, `most` of them or what is left of this reading; a used-up one is begun anew.
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

    /// What [`Order::next`] will give of this reading.
    pub fn coming(&self, most: usize) -> &[usize] {
        let end = (self.next + most).min(self.rows.len());
        &self.rows[self.next..end]
    }
}
