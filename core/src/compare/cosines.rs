//! Computes cosines of all pairs block by block, and matches features greedily from each feature's best candidates.

use rayon::prelude::*;
use std::cmp::Ordering;
use std::collections::{BTreeSet, BinaryHeap};

use super::{Comparison, Pair};
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::FeatureId;
use crate::kernels::pre_activations::pre_activations;
use crate::progress::{Ended, Flow, Progress};

/// Number of rows of each dictionary in one product.
const BLOCK: usize = 1_024;
/// Approximate number of candidate pairs in memory.
const CANDIDATES: usize = 4 << 20;
/// Least number of candidates of a feature.
const FEWEST: usize = 16;

/// Decoder rows normalised to length 1.
pub(super) struct Directions {
    rows: Matrix,
    /// Zero bias for products.
    nothing: Vec<f32>,
}

impl Directions {
    /// Normalises the rows of `w_dec [f, d]`; zero rows stay zero.
    pub(super) fn new(w_dec: &Matrix) -> Self {
        let mut rows = w_dec.clone();
        for i in 0..rows.rows() {
            let row = rows.row_mut(i);
            let square: f64 = row.iter().map(|w| f64::from(*w) * f64::from(*w)).sum();
            if square > 0.0 {
                let length = square.sqrt();
                for w in row {
                    *w = (f64::from(*w) / length) as f32;
                }
            }
        }
        let nothing = vec![0.0; rows.rows()];
        Self { rows, nothing }
    }

    fn numbers(&self) -> Vec<u32> {
        (0..self.len() as u32).collect()
    }

    fn len(&self) -> usize {
        self.rows.rows()
    }
}

/// Candidates of one feature in the other dictionary, by falling cosine, up to a limit.
#[derive(Debug, Default)]
struct Candidates {
    /// Other feature and cosine.
    best: Vec<(u32, f32)>,
    /// Whether the limit cut candidates.
    cut: bool,
}

/// Orders by falling cosine, the lower number first among equals.
fn order(x: (u32, f32), y: (u32, f32)) -> Ordering {
    y.1.total_cmp(&x.1).then(x.0.cmp(&y.0))
}

impl Candidates {
    /// Adds the cosines of `others` and keeps the best `most`.
    fn take(&mut self, others: &[u32], cosines: &[f32], most: usize) {
        let least = if self.best.len() == most {
            self.best.last().map_or(f32::NEG_INFINITY, |last| last.1)
        } else {
            f32::NEG_INFINITY
        };
        let better = others.iter().copied().zip(cosines.iter().copied());
        let before = self.best.len();
        self.best
            .extend(better.filter(|(_, cosine)| *cosine > least));
        self.cut |= self.best.len() - before < others.len();
        self.best.sort_unstable_by(|x, y| order(*x, *y));
        self.cut |= self.best.len() > most;
        self.best.truncate(most);
    }

    /// Returns the best remaining candidate of feature `a`, once sorted so that the best is last; none below 0.
    fn next(&mut self, a: u32) -> Option<Next> {
        let (b, cosine) = self.best.pop()?;
        (cosine > 0.0).then_some(Next { a, b, cosine })
    }
}

/// Finds the bests in both directions and the greedy one-to-one pairs, as if all cosines were sorted at once: a feature whose candidates are all taken gets new
/// ones among the remaining features.
pub(super) fn one_to_one(
    a: &Directions,
    b: &Directions,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Comparison>> {
    let most = (CANDIDATES / a.len().max(1)).max(FEWEST);
    matched(a, b, most, observe)
}

/// Finds bests and pairs with `most` candidates per feature.
pub(super) fn matched(
    a: &Directions,
    b: &Directions,
    most: usize,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Comparison>> {
    let (all_a, all_b) = (a.numbers(), b.numbers());
    let mut best_of_b = vec![(0_u32, f32::NEG_INFINITY); b.len()];
    let mut candidates: Vec<Candidates> = vec![];
    for rows in all_a.chunks(BLOCK) {
        let of_rows = candidates_of(a, rows, (b, &all_b), most, &mut |columns, cosines| {
            note_best(&mut best_of_b, (rows, columns), cosines);
        })?;
        candidates.extend(of_rows);
        if observe(Progress::new(candidates.len(), a.len(), "features")).is_break() {
            return Ok(Ended::STOPPED);
        }
    }
    let best_of_a = candidates.iter().enumerate().filter_map(|(a, candidates)| {
        let (b, cosine) = candidates.best.first().copied()?;
        Some(pair(a as u32, b, cosine))
    });
    let of_b = best_of_b.into_iter().enumerate();
    Ok(Ended::Done(Comparison {
        best_of_a: best_of_a.collect(),
        best_of_b: of_b
            .map(|(b, (a, cosine))| pair(a, b as u32, cosine))
            .collect(),
        pairs: greedy((a, b), &mut candidates, most)?,
    }))
}

/// Finds the best of `columns` of `b` for each of `rows` of `a`; `seen` receives each block of cosines.
fn candidates_of(
    a: &Directions,
    rows: &[u32],
    (b, columns): (&Directions, &[u32]),
    most: usize,
    seen: &mut dyn FnMut(&[u32], &Matrix),
) -> Result<Vec<Candidates>> {
    let block = a.rows.rows_of(rows);
    let mut candidates: Vec<Candidates> = rows.iter().map(|_| Candidates::default()).collect();
    for columns in columns.chunks(BLOCK) {
        let cosines = pre_activations(&block, &b.rows, &b.nothing, columns)?;
        candidates
            .par_iter_mut()
            .enumerate()
            .for_each(|(i, candidates)| candidates.take(columns, cosines.row(i), most));
        seen(columns, &cosines);
    }
    Ok(candidates)
}

/// Other rows with their cosines, for every row.
pub(crate) type Nearest = Vec<Vec<(FeatureId, f32)>>;

/// Finds, for every row of `w_dec [f, d]`, the `most` other rows with the largest cosine, largest first, ties by number; a row of length 0 has none and is nobody's.
/// `step` is called for every block of rows.
pub(crate) fn nearest(
    w_dec: &Matrix,
    most: usize,
    step: &mut dyn FnMut() -> Flow,
) -> Result<Ended<Nearest>> {
    let directions = Directions::new(w_dec);
    let is_zero = |feature: &u32| {
        directions
            .rows
            .row(*feature as usize)
            .iter()
            .all(|w| *w == 0.0)
    };
    let all = directions.numbers().into_iter();
    let all: Vec<u32> = all.filter(|feature| !is_zero(feature)).collect();
    let mut nearest = vec![Vec::new(); directions.len()];
    for rows in all.chunks(BLOCK) {
        if step().is_break() {
            return Ok(Ended::STOPPED);
        }
        // Each row is its own best candidate, or nearly so.
        let of_rows = candidates_of(
            &directions,
            rows,
            (&directions, &all),
            most + 1,
            &mut |_, _| (),
        )?;
        for (row, candidates) in rows.iter().zip(of_rows) {
            let others = candidates
                .best
                .into_iter()
                .filter(|(other, _)| other != row);
            let others = others.map(|(other, cosine)| (FeatureId(other), cosine.clamp(-1.0, 1.0)));
            nearest[*row as usize] = others.take(most).collect();
        }
    }
    Ok(Ended::Done(nearest))
}

fn pair(a: u32, b: u32, cosine: f32) -> Pair {
    let (a, b) = (FeatureId(a), FeatureId(b));
    Pair { a, b, cosine }
}

/// Keeps the best row of each column.
fn note_best(best: &mut [(u32, f32)], (rows, columns): (&[u32], &[u32]), cosines: &Matrix) {
    for (row, cosines) in rows.iter().zip(cosines.iter_rows()) {
        for (column, cosine) in columns.iter().zip(cosines) {
            let best = &mut best[*column as usize];
            if *cosine > best.1 {
                *best = (*row, *cosine);
            }
        }
    }
}

/// Feature with its best remaining candidate, ordered by cosine; among equals the lower numbers come first.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Next {
    a: u32,
    b: u32,
    cosine: f32,
}

impl Eq for Next {}

impl Ord for Next {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_cosine = self.cosine.total_cmp(&other.cosine);
        by_cosine.then((other.a, other.b).cmp(&(self.a, self.b)))
    }
}

impl PartialOrd for Next {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Matches the largest cosine first and so on, down to 0.
fn greedy(
    (a, b): (&Directions, &Directions),
    candidates: &mut [Candidates],
    most: usize,
) -> Result<Vec<Pair>> {
    for candidates in &mut *candidates {
        candidates.best.reverse(); // the best is the last: the next is popped
    }
    let mut heap = BinaryHeap::new();
    for (i, candidates) in candidates.iter_mut().enumerate() {
        heap.extend(candidates.next(i as u32));
    }
    let mut left: BTreeSet<u32> = b.numbers().into_iter().collect();
    let mut pairs = vec![];
    while let Some(Next {
        a: row,
        b: column,
        cosine,
    }) = heap.pop()
    {
        if left.remove(&column) {
            pairs.push(pair(row, column, cosine));
            continue;
        }
        let of = &mut candidates[row as usize];
        if of.best.is_empty() && of.cut && !left.is_empty() {
            let columns: Vec<u32> = left.iter().copied().collect();
            let mut new = candidates_of(a, &[row], (b, &columns), most, &mut |_, _| ())?;
            *of = new.pop().unwrap_or_default();
            of.best.reverse();
        }
        heap.extend(of.next(row));
    }
    Ok(pairs)
}
