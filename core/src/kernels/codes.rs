//! Latents on a device, in compressed rows.

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
