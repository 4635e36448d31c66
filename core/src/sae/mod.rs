//! Dictionaries: `Latents`, encode, decode. One file per variant; shared mathematics in `parts.rs`.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::Value;

use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::{FeatureId, HookPoint};

/// Sparse activations of `n` tokens in compressed rows; what every selection rule leaves and everything downstream works on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Latents {
    /// `[n + 1]`: row `i` is `offsets[i]..offsets[i + 1]`.
    pub offsets: Vec<usize>,
    /// `[nnz]`, ascending within a row.
    pub features: Vec<u32>,
    /// `[nnz]`, > 0 but for signed rules.
    pub acts: Vec<f32>,
}

impl Latents {
    /// Tokens, `n`.
    pub fn rows(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Range of row `i` in `features` and `acts`.
    pub fn range(&self, i: usize) -> Range<usize> {
        self.offsets[i]..self.offsets[i + 1]
    }

    /// Pairs of row `i`, by feature.
    pub fn row(&self, i: usize) -> impl Iterator<Item = (FeatureId, f32)> {
        let range = self.range(i);
        self.features[range.clone()]
            .iter()
            .map(|f| FeatureId(*f))
            .zip(self.acts[range].iter().copied())
    }

    /// Activation of `feature` in row `i`, 0 where it is not active.
    pub fn get(&self, i: usize, feature: FeatureId) -> f32 {
        let range = self.range(i);
        self.features[range.clone()]
            .binary_search(&feature.0)
            .map_or(0.0, |at| self.acts[range.start + at])
    }
}

/// The rule that decides which (token, feature) pairs survive.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Selection {
    /// The `k` largest pre-activations of each token, then ReLU (TopK; Gao et al. 2024).
    TopK {
        /// Active per token at most.
        k: usize,
    },
}

/// What a dictionary knows about where it came from; saved as SAELens `metadata`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Provenance {
    /// Hook it reads and reconstructs; none in a file that does not say.
    pub hook: Option<HookPoint>,
    /// Name of the model.
    pub model: String,
    /// Whether rows began with BOS.
    pub prepend_bos: Option<bool>,
    /// Row length in training.
    pub context: Option<usize>,
    /// Everything else of `metadata`, kept as it was read, in order of keys.
    pub other: BTreeMap<String, Value>,
}

/// A sparse autoencoder, `x̂ = Σ acts · w_dec + b_dec`, `pre = (x − b_dec) · w_encᵀ + b_enc`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sae {
    /// Name shown: its folder's.
    pub name: String,
    /// `[f, d]`.
    pub w_enc: Matrix,
    /// `[f]`.
    pub b_enc: Vec<f32>,
    /// `[f, d]`.
    pub w_dec: Matrix,
    /// `[d]`.
    pub b_dec: Vec<f32>,
    /// Which entries survive.
    pub selection: Selection,
    /// Where it came from.
    pub provenance: Provenance,
}

impl Sae {
    /// Features, `f`.
    pub fn features(&self) -> usize {
        self.w_dec.rows()
    }

    /// Width of the activation, `d`.
    pub fn width(&self) -> usize {
        self.w_dec.columns()
    }

    /// The hook, or an error that tells to name one.
    pub fn hook(&self) -> Result<HookPoint> {
        unimplemented!()
    }

    /// Latents of activations `[n, d]`.
    pub fn encode(&self, x: &Matrix) -> Result<Latents> {
        unimplemented!("{x:?}")
    }

    /// Reconstruction `[n, d]`.
    pub fn decode(&self, latents: &Latents) -> Result<Matrix> {
        unimplemented!("{latents:?}")
    }

    /// Pre-activations of chosen features `[n, features.len()]` (before selection and ReLU).
    pub fn pre_activations(&self, x: &Matrix, features: &[FeatureId]) -> Result<Matrix> {
        unimplemented!("{x:?} {features:?}")
    }

    /// `w_enc[feature] · b_dec` and `b_enc[feature]`, in f64: the bias terms of the attribution identity.
    pub fn bias_terms(&self, feature: FeatureId) -> (f64, f64) {
        unimplemented!("{feature}")
    }
}
