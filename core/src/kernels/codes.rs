//! Latents on a device: in compressed rows, by feature, and from a list in any order.

#[cfg(test)]
mod tests;

use super::sort::{bits_below, bounds, gather, sort};
use crate::device::{Buffer, Gpu};
use crate::error::Result;
use crate::latents::Latents;

/// Sparse activations of `rows` tokens on a device; the entries of a token ascend by feature.
#[derive(Debug, Clone)]
pub(crate) struct Codes {
    /// Tokens, `n`.
    pub(crate) rows: usize,
    /// Active pairs, `nnz`.
    pub(crate) entries: usize,
    /// `[n + 1]` u32.
    pub(crate) offsets: Buffer,
    /// `[nnz]` u32: row of each entry.
    pub(crate) tokens: Buffer,
    /// `[nnz]` u32.
    pub(crate) features: Buffer,
    /// `[nnz]` f32.
    pub(crate) acts: Buffer,
}

impl Codes {
    /// Copies `latents` to the device.
    pub(crate) fn upload(gpu: &Gpu, latents: &Latents) -> Result<Self> {
        let offsets: Vec<u32> = latents.offsets.iter().map(|at| *at as u32).collect();
        let tokens: Vec<u32> = (0..latents.rows())
            .flat_map(|row| latents.range(row).map(move |_| row as u32))
            .collect();
        Ok(Self {
            rows: latents.rows(),
            entries: latents.features.len(),
            offsets: gpu.upload("codes", &offsets)?,
            tokens: gpu.upload("codes", &tokens)?,
            features: gpu.upload("codes", &latents.features)?,
            acts: gpu.upload("codes", &latents.acts)?,
        })
    }

    /// Copies the latents from the device, after all submitted work.
    pub(crate) fn read(&self, gpu: &Gpu) -> Result<Latents> {
        let nnz = 0..self.entries;
        let whole = [
            (&self.offsets, 0..self.rows + 1),
            (&self.features, nnz.clone()),
        ];
        let mut parts: Vec<Vec<u32>> = gpu.read_all(&whole)?;
        let features = parts.pop().unwrap_or_default();
        let offsets = parts.pop().unwrap_or_default();
        Ok(Latents {
            offsets: offsets.into_iter().map(|at| at as usize).collect(),
            features,
            acts: gpu.read(&self.acts, nnz)?,
        })
    }
}

/// Order of the entries of [`Codes`] by feature, then by token.
#[derive(Debug, Clone)]
pub(crate) struct ByFeature {
    /// `[f + 1]` u32: the entries of feature `i` stand at `offsets[i]..offsets[i + 1]` of `entries`.
    pub(crate) offsets: Buffer,
    /// `[nnz]` u32: numbers of entries.
    pub(crate) entries: Buffer,
}

/// Orders the entries of `codes`, whose features are below `features`, by feature, then by token.
pub(crate) fn by_feature(gpu: &Gpu, codes: &Codes, features: usize) -> Result<ByFeature> {
    let mut recorder = gpu.record();
    let bits = bits_below(features);
    let (sorted, entries) = sort(&mut recorder, (&codes.features, None), codes.entries, bits)?;
    let offsets = bounds(&mut recorder, (&sorted, codes.entries), features)?;
    recorder.submit()?;
    Ok(ByFeature { offsets, entries })
}

/// Entries of a table in any order; no pair of token and feature occurs twice.
#[derive(Debug, Clone)]
pub(crate) struct Entries {
    /// Number of entries.
    pub(crate) len: usize,
    /// `[≥ len]` u32.
    pub(crate) tokens: Buffer,
    /// `[≥ len]` u32.
    pub(crate) features: Buffer,
    /// `[≥ len]` f32.
    pub(crate) values: Buffer,
}

impl Entries {
    /// Sorts the entries of a table `[n, f]` into rows, ascending by feature.
    pub(crate) fn into_codes(self, gpu: &Gpu, (n, f): (usize, usize)) -> Result<Codes> {
        let len = self.len;
        let mut recorder = gpu.record();
        let by_feature = (&self.features, None);
        let (_, order) = sort(&mut recorder, by_feature, len, bits_below(f))?;
        let tokens = gather(&mut recorder, (&order, len), &self.tokens)?;
        let by_token = (&tokens, Some(&order));
        let (tokens, order) = sort(&mut recorder, by_token, len, bits_below(n))?;
        let codes = Codes {
            rows: n,
            entries: len,
            offsets: bounds(&mut recorder, (&tokens, len), n)?,
            features: gather(&mut recorder, (&order, len), &self.features)?,
            acts: gather(&mut recorder, (&order, len), &self.values)?,
            tokens,
        };
        recorder.submit()?;
        Ok(codes)
    }
}
