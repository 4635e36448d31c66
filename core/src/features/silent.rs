//! Windows of an index's text in which features are silent, to test labels on.

use super::families::Held;
use super::tally::mix;
use super::{CONTEXT, Example, Index, Place, pass};
use crate::corpus::Rows;
use crate::error::{Error, Result};
use crate::fit::Fit;
use crate::ids::FeatureId;
use crate::latents::Latents;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::ByToken;

/// Rows that are read for silent windows, at most.
const ROWS: usize = 128;
/// Windows taken from each row.
const PER_ROW: usize = 2;

/// Windows that are wanted.
#[derive(Debug, Clone, Copy)]
pub struct SilentAsked<'a> {
    /// Features, which must exist.
    pub features: &'a [FeatureId],
    /// Number of windows for each.
    pub count: usize,
    /// Seed that places the windows.
    pub seed: u64,
    /// Whether an index of another dictionary or model is taken.
    pub allow_mismatch: bool,
}

/// Draws windows of up to 21 tokens from the rows of `index` in which a feature is silent at every position that counts, for each feature of `asked` in turn. A
/// feature that is active almost everywhere gets fewer. The rows are read through the model and the dictionary, since the index does not say where a feature is
/// silent.
pub fn silent(
    (model, sae): (&Model, ByToken<'_>),
    index: &Index,
    asked: SilentAsked<'_>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<Vec<Example>>>> {
    Fit::of_index(index.about(), Some(model), Some(&sae)).check(asked.allow_mismatch)?;
    index.check_features(&sae)?;
    if index.about().is_older() {
        let what = "the index is an older version and holds only excerpts of its text: build it again to ask about its features";
        return Err(Error::input(what, index.path()));
    }
    let rows = Held::read(index, model)?.rows.spread(ROWS);
    let mut windows: Vec<Vec<(u64, Window)>> = vec![Vec::new(); asked.features.len()];
    let mut visit = |places: &[(u32, u32)], latents: &Latents| {
        let mut first = 0;
        for of_row in places.chunk_by(|a, b| a.0 == b.0) {
            for number in 0..PER_ROW {
                let Some(window) = Window::new(&rows, of_row, (asked.seed, number as u64)) else {
                    continue;
                };
                let inside = (first..).zip(of_row).filter(|(_, (_, position))| {
                    (window.from..window.to).contains(&(*position as usize))
                });
                let inside: Vec<usize> = inside.map(|(token, _)| token).collect();
                for (feature, windows) in asked.features.iter().zip(&mut windows) {
                    let active = |token: &usize| latents.get(*token, *feature) != 0.0;
                    let is_silent = !inside.iter().any(active);
                    let key = mix(asked.seed ^ mix(u64::from(feature.0)));
                    let place = u64::from(window.row) << 32 | window.at as u64;
                    windows.extend(is_silent.then(|| (mix(key ^ place), window)));
                }
            }
            first += of_row.len();
        }
    };
    let ended = pass::each((model, sae), &rows, &mut visit, observe)?;
    let drawn = windows.into_iter().map(|mut windows| {
        windows.sort_by_key(|(priority, _)| *priority);
        let mut used: Vec<u32> = Vec::new();
        let mut drawn = Vec::new();
        for (_, window) in windows {
            if drawn.len() < asked.count && !used.contains(&window.row) {
                used.push(window.row);
                drawn.push(window.example(model, &rows));
            }
        }
        drawn
    });
    Ok(ended.map(|()| drawn.collect()))
}

/// Tokens around a position that counts, of one document.
#[derive(Debug, Clone, Copy)]
struct Window {
    row: u32,
    at: usize,
    from: usize,
    to: usize,
}

impl Window {
    /// Places window `number` of a row among `places`, those of its positions that count.
    fn new(rows: &Rows, places: &[(u32, u32)], (seed, number): (u64, u64)) -> Option<Self> {
        let row = places.first()?.0;
        let draw = mix(seed ^ mix(u64::from(row) << 8 | number));
        let at = places[(draw % places.len() as u64) as usize].1 as usize;
        let i = row as usize;
        let together = |t: &usize| {
            let special = rows.mask().special.contains(&rows.row(i)[*t]);
            !special && rows.document_number(i, *t) == rows.document_number(i, at)
        };
        let before = (at.saturating_sub(CONTEXT)..at).rev();
        let before = before.take_while(together).count();
        let behind = (at + 1..rows.context().min(at + CONTEXT + 1)).take_while(together);
        Some(Self {
            row,
            at,
            from: at - before,
            to: at + 1 + behind.count(),
        })
    }

    fn example(self, model: &Model, rows: &Rows) -> Example {
        let row = self.row as usize;
        let ids = rows.row(row)[self.from..self.to].to_vec();
        Example {
            document: rows.document(row, self.at).to_owned(),
            place: Some(Place {
                row: self.row,
                position: self.at,
            }),
            tokens: ids.iter().map(|id| model.codec().display(*id)).collect(),
            acts: vec![0.0; ids.len()],
            ids,
            at: self.at - self.from,
        }
    }
}
