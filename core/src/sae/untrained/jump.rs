//! Thresholds that may be negative (circuit-tracer).

use super::super::decision::Limit;
use super::super::selection::Selects;
use super::super::variant::Variant;
use crate::dims::Matrix;
use crate::error::Result;
use crate::kernels::encode::{Bar, encode_above};
use crate::latents::Latents;

/// Keeps every pre-activation above its feature's threshold; thresholds and activations may be negative.
#[derive(Debug, Clone, PartialEq)]
pub struct Jump {
    /// Threshold of each feature, `[f]`.
    pub thresholds: Vec<f32>,
}

impl Selects for Jump {
    fn encode(&self, centred: &Matrix, w_enc: &Matrix, b_enc: &[f32]) -> Result<Latents> {
        let bar = Bar::ByFeature(&self.thresholds);
        Ok(encode_above(centred, w_enc, b_enc, bar)?.without_zeros())
    }

    fn cut_off(&self, _: &[f32], feature: usize) -> Option<Limit> {
        let threshold = self.thresholds[feature];
        Some(Limit::new(threshold, "the feature's threshold"))
    }

    fn alone(&self, pre: f32, feature: usize) -> Option<f32> {
        Some(if pre > self.thresholds[feature] {
            pre
        } else {
            0.0
        })
    }

    fn describe(&self) -> String {
        "thresholds without ReLU".to_owned()
    }

    fn definition(&self) -> &'static str {
        "Keeps every pre-activation above its feature's threshold, including negative ones"
    }

    fn canonical(&self) -> String {
        "jump".to_owned()
    }

    fn trained_as(&self) -> Variant {
        Variant::JumpRelu
    }

    fn held(&self) -> Vec<(&'static str, &[f32])> {
        vec![("thresholds", &self.thresholds)]
    }

    fn learnt(&mut self) -> Vec<&mut Vec<f32>> {
        vec![&mut self.thresholds]
    }

    fn scale(&mut self, factor: f32) {
        self.thresholds
            .iter_mut()
            .for_each(|value| *value *= factor);
    }

    fn is_signed(&self) -> bool {
        self.thresholds.iter().any(|threshold| *threshold < 0.0)
    }

    fn ranks(&self) -> bool {
        false
    }
}
