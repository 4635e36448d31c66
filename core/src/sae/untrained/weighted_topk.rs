//! TopK by weighted rank (Llamascopium).

use super::super::decision::{Limit, ordinal};
use super::super::fold::SAME;
use super::super::selection::{Selection, Selects};
use super::super::topk::TopK;
use super::super::variant::Variant;
use super::in_chunks;
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::FeatureId;
use crate::kernels::encode::{Bar, encode_above};
use crate::latents::Latents;

/// Ranks the positive pre-activations of each token by their product with the feature's weight and keeps the `k` largest, unweighted; ties go to lower features.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightedTopK {
    /// Active per token at most.
    pub k: usize,
    /// Positive weight of each feature, `[f]`.
    pub weights: Vec<f32>,
}

impl Selects for WeightedTopK {
    fn encode(&self, centred: &Matrix, w_enc: &Matrix, b_enc: &[f32]) -> Result<Latents> {
        in_chunks(centred, |rows| {
            let all = encode_above(rows, w_enc, b_enc, Bar::All(0.0))?;
            let mut kept = Latents::with_capacity(all.rows(), self.k);
            for row in 0..all.rows() {
                let mut entries: Vec<(FeatureId, f32)> = all.row(row).collect();
                let rank = |(feature, act): (FeatureId, f32)| act * self.weights[feature.index()];
                // The sort is stable and entries ascend by feature.
                entries.sort_by(|a, b| rank(*b).total_cmp(&rank(*a)));
                entries.truncate(self.k);
                entries.sort_unstable_by_key(|(feature, _)| *feature);
                let (features, acts): (Vec<u32>, Vec<f32>) = entries
                    .into_iter()
                    .map(|(feature, act)| (feature.0, act))
                    .unzip();
                kept.push_row(&features, &acts);
            }
            Ok(kept)
        })
    }

    fn cut_off(&self, pre: &[f32], feature: usize) -> Option<Limit> {
        let weighted = pre.iter().zip(&self.weights);
        let ranks: Vec<f32> = weighted.map(|(pre, weight)| pre * weight).collect();
        let least = Limit::of_positive(&ranks, self.k).value;
        let named = format!(
            "the {} largest of this token's weighted pre-activations, or 0, over the feature's weight",
            ordinal(self.k)
        );
        let weight = self.weights[feature].max(f32::MIN_POSITIVE);
        Some(Limit::new(least as f32 / weight, named))
    }

    fn describe(&self) -> String {
        format!("TopK by weighted rank, k = {}", self.k)
    }

    fn definition(&self) -> &'static str {
        "Ranks pre-activations times their feature's weight, keeps the k largest of each token, then applies ReLU"
    }

    fn canonical(&self) -> String {
        format!("weighted topk {}", self.k)
    }

    fn trained_as(&self) -> Variant {
        Variant::TopK
    }

    fn k(&self) -> Option<usize> {
        Some(self.k)
    }

    fn held(&self) -> Vec<(&'static str, &[f32])> {
        vec![("weights", &self.weights)]
    }

    /// Divides the weights by the factors, so that ranks stay; equal weights become plain TopK.
    fn grow(&mut self, factors: &[f32]) -> Option<Selection> {
        let weights = &mut self.weights;
        weights.iter_mut().zip(factors).for_each(|(w, f)| *w /= f);
        let least = weights.iter().copied().fold(f32::INFINITY, f32::min);
        let alike = weights.iter().all(|weight| *weight <= least * (1.0 + SAME));
        alike.then(|| TopK { k: self.k }.into())
    }

    fn follows_growth(&self) -> bool {
        true
    }

    fn ranks(&self) -> bool {
        true
    }

    fn is_covered(&self) -> bool {
        false
    }
}
