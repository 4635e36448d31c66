//! All entries above a bar, as they come, sorted by row at the end.

use super::{Bar, NotFinite, Sink, padded_bars};
use crate::latents::Latents;

/// An entry of a chunk: row, feature, pre-activation.
pub(super) type Entry = (u32, u32, f32);

/// Entries above a bar.
#[derive(Debug)]
pub(super) struct List<'a> {
    bars: Vec<f32>,
    bar: Bar<'a>,
    entries: Vec<Entry>,
}

impl<'a> List<'a> {
    /// Creates it without entries, for `rows` tokens.
    pub(super) fn new(rows: usize, bar: Bar<'a>) -> Self {
        Self {
            bars: padded_bars(rows, f32::NEG_INFINITY),
            bar,
            entries: Vec::new(),
        }
    }

    pub(super) fn finish(self, rows: usize) -> Latents {
        by_row(rows, &self.entries)
    }
}

impl Sink for List<'_> {
    const MAGNITUDE: bool = false;

    fn bars(&self) -> &[f32] {
        &self.bars
    }

    #[inline]
    fn floor(&self, feature: usize) -> f32 {
        self.bar.of(feature)
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
        Ok(())
    }
}

/// Sorts entries by row (a stable counting sort, so features ascend as they were offered).
pub(super) fn by_row(rows: usize, entries: &[Entry]) -> Latents {
    let mut offsets = vec![0; rows + 1];
    for (row, _, _) in entries {
        offsets[*row as usize + 1] += 1;
    }
    for row in 0..rows {
        offsets[row + 1] += offsets[row];
    }
    let mut next = offsets.clone();
    let mut latents = Latents {
        offsets,
        features: vec![0; entries.len()],
        acts: vec![0.0; entries.len()],
    };
    for (row, feature, act) in entries {
        let place = &mut next[*row as usize];
        latents.features[*place] = *feature;
        latents.acts[*place] = *act;
        *place += 1;
    }
    latents
}
