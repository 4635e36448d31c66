//! The greatest entries of the whole table. A list holds the best so far and the entries of a chunk of features that reach a bar, which rises to the least of
//! the best: it has room for all entries of a chunk, so none is lost.

use super::cut::Cut;
use super::{Candidates, Encoder, ListBar, features_at_once, filter_list};
use crate::device::{Gpu, Table};
use crate::error::Result;
use crate::kernels::codes::{Codes, Entries};
use crate::latents::Latents;

/// Least entries of a selection over the whole batch.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Least {
    /// Least entry kept, if there were as many as the budget.
    pub(crate) cut: Option<f32>,
    /// Least entry kept.
    pub(crate) least: Option<f32>,
}

/// Keeps the `budget` greatest positive entries of the whole table, the lower token and then the lower feature first among equals. `guess` ≥ 0 is a value that
/// more than `budget` entries should exceed; it changes the time, never the result.
pub(crate) fn budget(
    gpu: &Gpu,
    centred: &Table,
    enc: Encoder<'_>,
    budget: (usize, f32),
) -> Result<(Codes, Least)> {
    let (n, f) = (centred.rows(), enc.features());
    let chunk = features_at_once(gpu, n, budget.0.min(n * f));
    by_chunks(gpu, centred, enc, budget, chunk)
}

/// Selects by chunks of `chunk` features.
pub(super) fn by_chunks(
    gpu: &Gpu,
    centred: &Table,
    enc: Encoder<'_>,
    (budget, guess): (usize, f32),
    chunk: usize,
) -> Result<(Codes, Least)> {
    let (n, f) = (centred.rows(), enc.features());
    enc.check("encode_budget", centred)?;
    if budget == 0 || n == 0 || f == 0 || centred.columns() == 0 {
        return Ok((Codes::upload(gpu, &Latents::empty(n))?, Least::default()));
    }
    let (wanted, chunk) = (budget.min(n * f), chunk.min(f));
    // Also turns −0 into 0, and NaN.
    let guess = if guess > 0.0 { guess } else { 0.0 };
    let list = Candidates::list(gpu, n, wanted + n * chunk)?;
    let cut = Cut::whole(gpu, (n, f), wanted, guess)?;
    let bar = ListBar {
        values: &cut.bar,
        by_feature: false,
        reaches: true,
    };
    let mut recorder = gpu.record();
    for first in (0..f).step_by(chunk) {
        let features = first..(first + chunk).min(f);
        filter_list(&mut recorder, centred, enc, features, bar, &list)?;
        cut.shrink(&mut recorder, &list)?;
    }
    recorder.submit()?;
    let len = list.found(gpu)?;
    if len < wanted && guess > 0.0 {
        drop((list, cut));
        return by_chunks(gpu, centred, enc, (budget, 0.0), chunk);
    }
    let least = gpu.read::<f32>(&cut.least, 0..1)?[0];
    let least = (len > 0).then_some(least);
    let entries = Entries {
        len,
        tokens: list.tokens,
        features: list.features,
        values: list.values,
    };
    let least = Least {
        cut: least.filter(|_| len == budget),
        least,
    };
    Ok((entries.into_codes(gpu, (n, f))?, least))
}
