//! The largest entries of each column. A block of features over all rows is one thread's work; it holds little more than the budget of each feature.

use rayon::prelude::*;

use super::candidates::{cut, keep};
use super::{Features, Form, NotFinite, ROWS, Sink, padded_bars};
use crate::dims::Matrix;
use crate::latents::Latents;

/// Features of a block.
const BLOCK: usize = 240;
/// Entries of a feature held beyond its budget before the floor is raised, at least.
const SLACK: usize = 32;

/// Entries of one feature so far, by ascending token.
#[derive(Debug, Default)]
struct Column {
    budget: usize,
    room: usize,
    floor: f32,
    tokens: Vec<u32>,
    acts: Vec<f32>,
}

impl Column {
    fn new(budget: usize) -> Self {
        Self {
            budget,
            room: budget + SLACK.max(budget / 4),
            // With a budget of 0 nothing passes.
            floor: if budget == 0 { f32::INFINITY } else { 0.0 },
            ..Self::default()
        }
    }

    fn push(&mut self, token: u32, act: f32) {
        self.tokens.push(token);
        self.acts.push(act);
        if self.acts.len() == self.room {
            self.shrink();
        }
    }

    /// Keeps the largest entries, the first among equals.
    fn shrink(&mut self) {
        if self.acts.len() <= self.budget {
            return;
        }
        let floor = self.floor.to_bits().saturating_sub(1);
        let cut = cut(&self.acts, self.budget, 0, floor);
        let kept = keep(&mut self.acts, &mut self.tokens, cut);
        self.acts.truncate(kept);
        self.tokens.truncate(kept);
        self.floor = f32::from_bits(cut.above);
    }
}

/// Columns of a block; `first` is the first row of the current chunk.
#[derive(Debug)]
struct Columns {
    bars: Vec<f32>,
    first: usize,
    of: Vec<Column>,
}

impl Sink for Columns {
    const MAGNITUDE: bool = false;

    fn bars(&self) -> &[f32] {
        &self.bars
    }

    #[inline]
    fn floor(&self, feature: usize) -> f32 {
        self.of[feature].floor
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
        let column = &mut self.of[feature];
        // The floor may have risen since the entry was compared with it.
        if value > column.floor {
            column.push((self.first + row) as u32, value);
        }
        Ok(())
    }
}

/// Encodes all rows.
pub(in crate::kernels::encode) fn by_feature(
    form: Form,
    centred: &Matrix,
    features: Features<'_>,
    budgets: &[u32],
) -> Result<Latents, NotFinite> {
    let rows = centred.rows();
    if features.empty() || rows == 0 {
        return Ok(Latents::empty(rows));
    }
    let blocks = budgets
        .par_chunks(BLOCK)
        .enumerate()
        .map(|(block, budgets)| {
            let first = block * BLOCK;
            let features = features.part(first, budgets.len());
            one_block(form, centred, features, budgets)
                .map_err(|(row, feature)| (row, first + feature))
        })
        .collect::<Vec<_>>();
    // The error names the first entry by token, then by feature.
    let wrong = blocks
        .iter()
        .filter_map(|block| block.as_ref().err().copied())
        .min();
    if let Some(wrong) = wrong {
        return Err(wrong);
    }
    let columns: Vec<Column> = blocks.into_iter().flatten().flatten().collect();
    Ok(transposed(rows, &columns))
}

fn one_block(
    form: Form,
    centred: &Matrix,
    features: Features<'_>,
    budgets: &[u32],
) -> Result<Vec<Column>, NotFinite> {
    let d = features.d;
    let mut columns = Columns {
        bars: Vec::new(),
        first: 0,
        of: budgets.iter().map(|b| Column::new(*b as usize)).collect(),
    };
    for x in centred.values().chunks(ROWS * d) {
        let rows = x.len() / d;
        columns.bars = padded_bars(rows, 0.0);
        let first = columns.first;
        form.offer(x, features, &mut columns)
            .map_err(|(row, feature)| (first + row, feature))?;
        columns.first += rows;
    }
    for column in &mut columns.of {
        column.shrink();
    }
    Ok(columns.of)
}

/// Turns columns into rows; features of a token ascend, since columns are taken in order.
fn transposed(rows: usize, columns: &[Column]) -> Latents {
    let mut offsets = vec![0; rows + 1];
    for token in columns.iter().flat_map(|column| &column.tokens) {
        offsets[*token as usize + 1] += 1;
    }
    for row in 0..rows {
        offsets[row + 1] += offsets[row];
    }
    let mut next = offsets.clone();
    let entries = offsets[rows];
    let mut latents = Latents {
        offsets,
        features: vec![0; entries],
        acts: vec![0.0; entries],
    };
    for (feature, column) in (0..).zip(columns) {
        for (token, act) in column.tokens.iter().zip(&column.acts) {
            let place = &mut next[*token as usize];
            latents.features[*place] = feature;
            latents.acts[*place] = *act;
            *place += 1;
        }
    }
    latents
}
