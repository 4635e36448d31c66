//! The largest entries of the whole table. Threads share a histogram of the entries found and a bar that rises as it fills, so that few entries beyond the
//! budget are held. The exact cut is taken at the end from a set that contains every survivor, so the order of threads changes nothing.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use rayon::prelude::*;

use super::list::{Entry, by_row};
use super::{Features, Form, NotFinite, Sink, by_chunks, padded_bars};
use crate::dims::Matrix;
use crate::latents::Latents;

/// Positive floats are ordered as their bits; this many low bits share a bucket of the histogram (1/64 of an octave).
const SHIFT: u32 = 17;
const BUCKETS: usize = 1 << (31 - SHIFT);
/// Entries found between two looks at the histogram.
const NEW: usize = 8_192;

/// State shared by all chunks: the number of entries found in each bucket, and the bucket below which entries are no longer needed.
#[derive(Debug)]
struct Shared {
    budget: usize,
    counts: Vec<AtomicUsize>,
    least: AtomicU32,
}

impl Shared {
    fn new(budget: usize) -> Self {
        Self {
            budget,
            counts: (0..BUCKETS).map(|_| AtomicUsize::new(0)).collect(),
            least: AtomicU32::new(0),
        }
    }

    /// Counts `found` and raises the bar as far as it goes.
    fn count(&self, found: &[Entry]) {
        for (_, _, act) in found {
            let bucket = (act.to_bits() >> SHIFT) as usize;
            self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        }
        let mut above = 0;
        for (bucket, count) in self.counts.iter().enumerate().rev() {
            above += count.load(Ordering::Relaxed);
            if above >= self.budget {
                // Counts only grow, so at least as many entries stay at or above this bucket.
                self.least.fetch_max(bucket as u32, Ordering::Relaxed);
                return;
            }
        }
    }
}

/// The entries of one chunk.
#[derive(Debug)]
struct Found<'a> {
    shared: &'a Shared,
    bars: Vec<f32>,
    floor: f32,
    least: u32,
    entries: Vec<Entry>,
    /// Number of entries counted in the histogram.
    counted: usize,
    /// Number of entries left after the last clearing.
    cleared: usize,
}

impl<'a> Found<'a> {
    fn new(shared: &'a Shared, rows: usize, guess: f32) -> Self {
        Self {
            shared,
            bars: padded_bars(rows, 0.0),
            floor: guess,
            least: 0,
            entries: Vec::new(),
            counted: 0,
            cleared: 0,
        }
    }

    /// Updates the shared histogram and drops entries that are no longer needed.
    fn settle(&mut self) {
        self.shared.count(&self.entries[self.counted..]);
        let least = self.shared.least.load(Ordering::Relaxed);
        if least > self.least {
            self.least = least;
            let below = (least << SHIFT).saturating_sub(1);
            self.floor = self.floor.max(f32::from_bits(below));
        }
        if self.entries.len() > 2 * self.cleared + NEW {
            self.clear();
        }
        self.counted = self.entries.len();
    }

    fn clear(&mut self) {
        let least = self.least;
        self.entries
            .retain(|(_, _, act)| act.to_bits() >> SHIFT >= least);
        self.cleared = self.entries.len();
    }

    fn finish(mut self) -> Vec<Entry> {
        self.settle();
        self.clear();
        self.entries.shrink_to_fit();
        self.entries
    }
}

impl Sink for Found<'_> {
    const MAGNITUDE: bool = false;

    fn bars(&self) -> &[f32] {
        &self.bars
    }

    #[inline]
    fn floor(&self, _: usize) -> f32 {
        self.floor
    }

    #[inline]
    fn push(
        &mut self,
        row: usize,
        feature: usize,
        (key, value): (f32, f32),
    ) -> Result<(), NotFinite> {
        if !key.is_finite() {
            return Err((row, feature));
        }
        self.entries.push((row as u32, feature as u32, value));
        if self.entries.len() == self.counted + NEW {
            self.settle();
        }
        Ok(())
    }
}

/// Returns the latents and, if the budget was filled, the least activation kept.
pub(in crate::kernels::encode) fn budget(
    form: Form,
    centred: &Matrix,
    features: Features<'_>,
    (budget, guess): (usize, f32),
) -> Result<(Latents, Option<f32>), NotFinite> {
    if budget == 0 || features.empty() || centred.rows() == 0 {
        return Ok((Latents::empty(centred.rows()), None));
    }
    let shared = Shared::new(budget);
    let chunks = by_chunks(centred, |_, x| {
        let mut found = Found::new(&shared, x.len() / features.d, guess);
        form.offer(x, features, &mut found)?;
        Ok(found.finish())
    });
    let chunks: Vec<Vec<Entry>> = chunks.into_iter().collect::<Result<_, _>>()?;
    let held: usize = chunks.iter().map(Vec::len).sum();
    if held < budget && guess > 0.0 {
        drop(chunks);
        return self::budget(form, centred, features, (budget, 0.0));
    }
    let cut = (held >= budget).then(|| cut(&chunks, budget));
    let rows = |chunk: usize| {
        let first = chunk * super::ROWS;
        super::ROWS.min(centred.rows() - first)
    };
    let parts: Vec<Latents> = chunks
        .par_iter()
        .enumerate()
        .map(|(chunk, entries)| by_row(rows(chunk), entries))
        .collect();
    let Some(cut) = cut else {
        return Ok((Latents::joined(&parts), None));
    };
    let mut equal = cut.equal;
    let quotas: Vec<usize> = (chunks.iter())
        .map(|entries| {
            let ties = entries.iter().filter(|e| e.2.to_bits() == cut.bits).count();
            let quota = equal.min(ties);
            equal -= quota;
            quota
        })
        .collect();
    let kept: Vec<Latents> = parts
        .into_par_iter()
        .zip(quotas)
        .map(|(part, quota)| above(&part, cut.bits, quota))
        .collect();
    Ok((Latents::joined(&kept), Some(f32::from_bits(cut.bits))))
}

/// Cut: entries above `bits` stay, and the first `equal` that equal it.
struct Cut {
    bits: u32,
    equal: usize,
}

/// Returns the cut that leaves `budget` of at least as many entries.
fn cut(chunks: &[Vec<Entry>], budget: usize) -> Cut {
    let mut counts = vec![0_usize; BUCKETS];
    let bits = |entry: &Entry| entry.2.to_bits();
    for entry in chunks.iter().flatten() {
        counts[(bits(entry) >> SHIFT) as usize] += 1;
    }
    let (mut bucket, mut above) = (BUCKETS - 1, 0);
    while above + counts[bucket] < budget {
        above += counts[bucket];
        bucket -= 1;
    }
    let mut within: Vec<u32> = (chunks.iter().flatten().map(bits))
        .filter(|bits| (bits >> SHIFT) as usize == bucket)
        .collect();
    let last = budget - above - 1;
    let (larger, least, _) = within.select_nth_unstable_by(last, |a, b| b.cmp(a));
    let least = *least;
    let ties = larger.iter().filter(|bits| **bits == least).count() + 1;
    Cut {
        bits: least,
        equal: ties,
    }
}

/// Returns the entries of `part` above `bits`, and the first `equal` that equal it.
fn above(part: &Latents, bits: u32, mut equal: usize) -> Latents {
    let mut kept = Latents::with_capacity(part.rows(), 0);
    for row in 0..part.rows() {
        for entry in part.range(row) {
            let act = part.acts[entry];
            let tie = act.to_bits() == bits && equal > 0;
            equal -= usize::from(tie);
            if tie || act.to_bits() > bits {
                kept.features.push(part.features[entry]);
                kept.acts.push(act);
            }
        }
        kept.offsets.push(kept.features.len());
    }
    kept
}
