//! The greatest entries of each column. A list takes all positive entries of a chunk of features; the best of each feature are kept, and sorted at the end.

use super::cut::Cut;
use super::{Candidates, Encoder, ListBar, features_at_once, filter_list};
use crate::device::{Buffer, Gpu, Table};
use crate::dims::Dims;
use crate::error::Result;
use crate::kernels::codes::Codes;
use crate::latents::Latents;

/// Most features of a chunk, each of which has counts of its digits.
const SEGMENTS: usize = 4_096;

/// Entries that a selection by feature kept of each: their number and the least.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// `[f]` u32: number of entries.
    pub(crate) counts: Buffer,
    /// `[f]` f32: the least of them; infinity where there is none.
    pub(crate) least: Buffer,
}

/// Keeps the `budgets[f]` greatest positive entries of each column, the lower token first among equals.
pub(crate) fn by_feature(
    gpu: &Gpu,
    centred: &Table,
    enc: Encoder<'_>,
    budgets: &[u32],
) -> Result<(Codes, Kept)> {
    let counts = (gpu.binding_limit() / 4) as usize / Cut::COUNTS;
    let chunk = features_at_once(gpu, centred.rows(), 0).min(counts.clamp(1, SEGMENTS));
    by_chunks(gpu, centred, enc, budgets, chunk)
}

/// Selects by chunks of `chunk` features.
pub(super) fn by_chunks(
    gpu: &Gpu,
    centred: &Table,
    enc: Encoder<'_>,
    budgets: &[u32],
    chunk: usize,
) -> Result<(Codes, Kept)> {
    let (n, f) = (centred.rows(), enc.features());
    enc.check("encode_by_feature", centred)?;
    Dims::new("encode_by_feature")
        .bind_len("b_enc", f, "f")?
        .bind_len("budgets", budgets.len(), "f")?;
    let wanted: Vec<u32> = budgets
        .iter()
        .map(|budget| (*budget).min(n as u32))
        .collect();
    let chunk = chunk.min(f).max(1);
    let cut = Cut::by_feature(gpu, (n, f), &wanted, chunk)?;
    if n == 0 || f == 0 || centred.columns() == 0 {
        gpu.write(&cut.least, 0, &vec![f32::INFINITY; f]);
        return Ok((Codes::upload(gpu, &Latents::empty(n))?, cut.into_kept()));
    }
    let list = Candidates::list(gpu, n, n * chunk)?;
    let bar = ListBar {
        values: &cut.bar,
        by_feature: false,
        reaches: true,
    };
    let mut recorder = gpu.record();
    for first in (0..f).step_by(chunk) {
        let features = first..(first + chunk).min(f);
        filter_list(&mut recorder, centred, enc, features.clone(), bar, &list)?;
        cut.add(&mut recorder, &list, features)?;
    }
    recorder.submit()?;
    list.found(gpu)?;
    let codes = cut.entries(gpu)?.into_codes(gpu, (n, f))?;
    Ok((codes, cut.into_kept()))
}

impl Cut {
    fn into_kept(self) -> Kept {
        Kept {
            counts: self.counts,
            least: self.least,
        }
    }
}
