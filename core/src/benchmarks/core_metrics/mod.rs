//! Core metrics of SAEBench 0.6.0: loss and behaviour preserved, reconstruction, shrinkage, sparsity, and what single features are like. All of them come from the sums of
//! [`crate::eval`] under SAEBench's names; [`DEFINITIONS`] says where a definition differs from SAEBench's.

#[cfg(test)]
mod tests;

use std::ops::ControlFlow;

use crate::compare;
use crate::corpus::{Resampled, Rows};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::eval::{ByBlock, Figures, Scalars, run_by_block};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;

use super::estimate::Estimate;

/// Metric with its category in SAEBench's result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Category.
    pub category: &'static str,
    /// Name.
    pub name: &'static str,
    /// Value, with the interval of a bootstrap over blocks of the text where it is a mean over them.
    pub estimate: Estimate,
}

/// Figures of one feature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OfFeature {
    /// Share of tokens on which it is active.
    pub density: f64,
    /// Mean number of tokens on which it is active in a row where it is; none where it never is.
    pub tokens_of_active_row: Option<f64>,
    /// Bias of its encoder.
    pub encoder_bias: Option<f64>,
    /// Length of its encoder row.
    pub encoder_norm: Option<f64>,
    /// Cosine of its encoder and decoder rows.
    pub encoder_decoder_cosine: Option<f64>,
    /// Largest cosine of its decoder row with another one.
    pub max_decoder_cosine: f64,
    /// Largest cosine of its encoder row with another one.
    pub max_encoder_cosine: Option<f64>,
}

/// Core metrics of a dictionary.
#[derive(Debug, Clone, PartialEq)]
pub struct CoreMetrics {
    /// Name of the dictionary.
    pub dictionary: String,
    /// Metrics, by category.
    pub metrics: Vec<Metric>,
    /// Features, `[f]`.
    pub features: Vec<OfFeature>,
    /// Figures of [`crate::eval::run`].
    pub figures: Figures,
    /// Says what the bootstrap draws.
    pub blocks: String,
}

impl CoreMetrics {
    /// Returns the estimate of a metric.
    pub fn get(&self, name: &str) -> Option<Estimate> {
        let metric = self.metrics.iter().find(|metric| metric.name == name);
        metric.map(|metric| metric.estimate)
    }
}

/// Computes a metric from sums.
type Of = fn(&Scalars) -> f64;

const BEHAVIOR: &str = "model_behavior_preservation";
const PERFORMANCE: &str = "model_performance_preservation";
const QUALITY: &str = "reconstruction_quality";
const SHRINKAGE: &str = "shrinkage";
const SPARSITY: &str = "sparsity";
const MISC: &str = "misc_metrics";

/// Metrics of sums, by category and name.
const METRICS: &[(&str, &str, Of)] = &[
    (BEHAVIOR, "kl_div_score", |s| {
        (s.kl_zero - s.kl_sae) / s.kl_zero
    }),
    (BEHAVIOR, "kl_div_with_ablation", |s| s.kl_zero / s.tokens),
    (BEHAVIOR, "kl_div_with_sae", |s| s.kl_sae / s.tokens),
    (PERFORMANCE, "ce_loss_score", |s| {
        (s.ce_zero - s.ce_sae) / (s.ce_zero - s.ce_clean)
    }),
    (PERFORMANCE, "ce_loss_with_ablation", |s| {
        s.ce_zero / s.charged
    }),
    (PERFORMANCE, "ce_loss_with_sae", |s| s.ce_sae / s.charged),
    (PERFORMANCE, "ce_loss_without_sae", |s| {
        s.ce_clean / s.charged
    }),
    (QUALITY, "explained_variance", |s| {
        1.0 - s.error / s.variance
    }),
    (QUALITY, "explained_variance_legacy", |s| {
        s.legacy / s.tokens
    }),
    (QUALITY, "mse", |s| s.error / s.tokens),
    (QUALITY, "cossim", |s| s.cosine / s.tokens),
    (SHRINKAGE, "l2_norm_in", |s| s.length / s.tokens),
    (SHRINKAGE, "l2_norm_out", |s| s.length_written / s.tokens),
    (SHRINKAGE, "l2_ratio", |s| s.ratio / s.tokens),
    (SHRINKAGE, "relative_reconstruction_bias", |s| {
        s.square_written / s.product
    }),
    (SPARSITY, "l0", |s| s.active / s.tokens),
    (SPARSITY, "l1", |s| s.acts / s.tokens),
];

/// Name and definition of each metric, and where SAEBench's differs.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "kl_div_score",
        "(kl_div_with_ablation − kl_div_with_sae) / kl_div_with_ablation",
    ),
    (
        "kl_div_with_ablation",
        "mean KL divergence in nats of the next-token distribution with zeros from that of the unmodified model, over the positions that count; zeros are put where positions count, by the rule sae-lens everywhere, as SAEBench always does",
    ),
    (
        "kl_div_with_sae",
        "mean KL divergence in nats with the reconstruction, at the positions that count",
    ),
    (
        "ce_loss_score",
        "(ce_loss_with_ablation − ce_loss_with_sae) / (ce_loss_with_ablation − ce_loss_without_sae): the loss recovered against zeros",
    ),
    (
        "ce_loss_with_ablation",
        "mean cross-entropy in nats with zeros in place of the activation",
    ),
    (
        "ce_loss_with_sae",
        "mean cross-entropy in nats with the reconstruction at the positions that count, as SAEBench with special tokens excluded from reconstruction",
    ),
    (
        "ce_loss_without_sae",
        "mean cross-entropy in nats of the unmodified model",
    ),
    (
        "explained_variance",
        "1 − Σ|x − x̂|² / Σ|x − mean|², which is 1 − FVU as in sae_lens.evals; SAEBench 0.6.0 subtracts the square of the mean square of a coordinate in place of |mean|², another number",
    ),
    (
        "explained_variance_legacy",
        "mean over tokens of 1 − |x − x̂|² / |x − mean|², the mean over the whole text; SAEBench takes that of a batch",
    ),
    (
        "mse",
        "mean |x − x̂|² of a token; SAEBench divides it once more by the number of tokens of a batch",
    ),
    (
        "cossim",
        "mean cosine of activation and reconstruction, 0 where one of them is 0, where SAEBench's is not a number",
    ),
    ("l2_norm_in", "mean length of the activation"),
    ("l2_norm_out", "mean length of the reconstruction"),
    (
        "l2_ratio",
        "mean length of the reconstruction over that of the activation; one shorter than 0.0001 counts as 1 long",
    ),
    (
        "relative_reconstruction_bias",
        "E|x̂|² / E⟨x, x̂⟩ over the whole text, below 1 where activations shrink; SAEBench averages it over batches",
    ),
    ("l0", "mean number of active features of a token"),
    (
        "l1",
        "mean sum of the activations of a token, signs kept, as SAEBench",
    ),
    (
        "frac_alive",
        "share of features that are active on some token that counts",
    ),
    (
        "freq_over_1_percent",
        "share of features that are active on more than 1 % of tokens",
    ),
    (
        "freq_over_10_percent",
        "share of features that are active on more than 10 % of tokens",
    ),
    (
        "normalized_freq_over_1_percent",
        "part of all activity that features above 1 % make: the sum of their densities over the sum of all",
    ),
    (
        "normalized_freq_over_10_percent",
        "part of all activity that features above 10 % make",
    ),
    (
        "average_max_decoder_cosine_sim",
        "mean over features of the largest cosine of a decoder row with another one",
    ),
    (
        "average_max_encoder_cosine_sim",
        "mean over features of the largest cosine of an encoder row with another one",
    ),
    (
        "interval",
        "95 % interval of a bootstrap: 2.5th and 97.5th percentile over draws with replacement of blocks of the text",
    ),
];

/// Measures `sae` on `rows`, with a bootstrap of `(draws, seed)`. Each row is read twice and counts twice as progress.
pub fn core_metrics(
    model: &Model,
    sae: &Sae,
    rows: &Rows,
    bootstrap: (usize, u64),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<CoreMetrics>> {
    let Ended::Done(found) = run_by_block(model, sae, rows, observe)? else {
        return Ok(Ended::STOPPED);
    };
    let mut metrics = of_sums(&found.blocks, bootstrap)?;
    let features = of_features(sae, &found)?;
    metrics.extend(misc(&features));
    Ok(Ended::Done(CoreMetrics {
        dictionary: sae.name.clone(),
        metrics,
        features,
        figures: found.figures,
        blocks: found.said,
    }))
}

/// Computes the metrics that are sums over the blocks of a text.
fn of_sums(blocks: &[Scalars], (draws, seed): (usize, u64)) -> Result<Vec<Metric>> {
    let mut whole = Scalars::default();
    for block in blocks {
        whole.add(block, 1.0);
    }
    let resampled = (blocks.len() > 1).then(|| Resampled::new(blocks.len(), draws, seed));
    let drawn: Vec<Scalars> = (0..resampled.as_ref().map_or(0, Resampled::len))
        .zip(std::iter::repeat(&resampled))
        .filter_map(|(draw, resampled)| {
            let weights = resampled.as_ref()?.weights(draw);
            let mut sums = Scalars::default();
            let each = blocks.iter().zip(weights);
            each.for_each(|(block, weight)| sums.add(block, f64::from(weight)));
            (sums.tokens > 0.0 && sums.charged > 0.0).then_some(sums)
        })
        .collect();
    let metric = |(category, name, of): &(&'static str, &'static str, Of)| {
        let value = of(&whole);
        if !value.is_finite() {
            let what = format!("{name} is {value}: choose another text or hook");
            return Err(Error::Numeric { what });
        }
        let drawn = drawn.iter().map(of).collect();
        Ok(Metric {
            category,
            name,
            estimate: Estimate {
                value,
                interval: crate::corpus::interval(drawn),
            },
        })
    };
    METRICS.iter().map(metric).collect()
}

/// Largest cosine of each row of `w` with another one; 0 for a row of length 0.
fn largest_cosines(w: &Matrix) -> Result<Vec<f64>> {
    w.check()?;
    let mut on = || ControlFlow::Continue(());
    let found = compare::nearest(w, 1, &mut on)?.done().unwrap_or_default();
    let largest = |others: &Vec<(crate::ids::FeatureId, f32)>| {
        others.first().map_or(0.0, |(_, cosine)| f64::from(*cosine))
    };
    Ok(found.iter().map(largest).collect())
}

fn of_features(sae: &Sae, found: &ByBlock) -> Result<Vec<OfFeature>> {
    let tokens = found.figures.tokens as f64;
    let decoder = largest_cosines(&sae.w_dec)?;
    // A dictionary whose codes come from a search has no encoder.
    let has_encoder = sae.w_enc.rows() == sae.features() && sae.b_enc.len() == sae.features();
    let encoder = has_encoder
        .then(|| largest_cosines(&sae.w_enc))
        .transpose()?;
    let one = |feature: usize| {
        let active = found.active[feature] as f64;
        let rows = found.active_rows[feature];
        let encoder_row = has_encoder.then(|| sae.w_enc.row(feature));
        OfFeature {
            density: active / tokens,
            tokens_of_active_row: (rows > 0).then(|| active / rows as f64),
            encoder_bias: has_encoder.then(|| f64::from(sae.b_enc[feature])),
            encoder_norm: encoder_row.map(|row| dot(row, row).sqrt()),
            encoder_decoder_cosine: encoder_row.and_then(|row| cosine(row, sae.w_dec.row(feature))),
            max_decoder_cosine: decoder[feature],
            max_encoder_cosine: encoder.as_ref().map(|encoder| encoder[feature]),
        }
    };
    Ok((0..sae.features()).map(one).collect())
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| f64::from(*a) * f64::from(*b))
        .sum()
}

/// Cosine of two rows of one length; none where they differ in it, as those of a transcoder may.
fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    (a.len() == b.len() && lengths > 0.0).then(|| dot(a, b) / lengths)
}

fn misc(features: &[OfFeature]) -> Vec<Metric> {
    let n = features.len().max(1) as f64;
    let share = |holds: &dyn Fn(f64) -> bool| {
        features.iter().filter(|one| holds(one.density)).count() as f64 / n
    };
    let all: f64 = features.iter().map(|one| one.density).sum();
    let part = |above: f64| {
        let each = features.iter().map(|one| one.density);
        let above: f64 = each.filter(|density| *density > above).sum();
        if all > 0.0 { above / all } else { 0.0 }
    };
    let encoder: Option<f64> = features.iter().map(|one| one.max_encoder_cosine).sum();
    let decoder: f64 = features.iter().map(|one| one.max_decoder_cosine).sum();
    let values = [
        (
            "freq_over_1_percent",
            Some(share(&|density| density > 0.01)),
        ),
        (
            "freq_over_10_percent",
            Some(share(&|density| density > 0.1)),
        ),
        ("normalized_freq_over_1_percent", Some(part(0.01))),
        ("normalized_freq_over_10_percent", Some(part(0.1))),
        ("average_max_encoder_cosine_sim", encoder.map(|sum| sum / n)),
        ("average_max_decoder_cosine_sim", Some(decoder / n)),
        ("frac_alive", Some(share(&|density| density > 0.0))),
    ];
    let metric = |(name, value): (&'static str, Option<f64>)| {
        Some(Metric {
            category: MISC,
            name,
            estimate: Estimate {
                value: value?,
                interval: None,
            },
        })
    };
    values.into_iter().filter_map(metric).collect()
}
