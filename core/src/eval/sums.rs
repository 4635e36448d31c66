//! Sums over the rows, in f64, and the figures computed from them.

use super::{Figures, Nearness, PairFigures, Scalars};
use crate::corpus::Rows;
use crate::error::{Error, Result};

/// Share of the tokens below which a feature is rare.
const RARE: f64 = 1e-5;
/// Length below which an activation counts as 1 long in the ratio of lengths, as in `sae_lens.evals`.
const SHORT: f64 = 1e-4;

/// Sums over rows.
#[derive(Debug, Clone)]
pub(super) struct Sums {
    tokens: u64,
    /// Number of tokens on which each feature is active, `[f]`.
    active: Vec<u64>,
    error: f64,
    variance: f64,
    /// Σ x `[d]`, and Σ‖x‖².
    sum: Vec<f64>,
    square: f64,
    cosine: f64,
    ratio: f64,
    legacy: f64,
    /// Σ‖x‖, Σ‖x̂‖, Σ‖x̂‖² and Σ⟨x, x̂⟩.
    lengths: [f64; 2],
    written: f64,
    products: f64,
    /// Σ of the activations of features.
    acts: f64,
    /// Σ KL(clean‖spliced) over the tokens.
    pub(super) kl_sae: f64,
    /// Σ KL(clean‖zero-ablated) over the tokens, where it is asked for.
    pub(super) kl_zero: f64,
    /// Number of positions in the sums `ce_*`.
    pub(super) charged: u64,
    pub(super) ce_clean: f64,
    pub(super) ce_sae: f64,
    pub(super) ce_zero: f64,
    pub(super) ce_mean: f64,
    /// Sums of a child's parents alone, and of the parents and the child together.
    pub(super) parents: Whole,
    pub(super) pair: Whole,
}

/// Sums of a reconstruction of the activation that the first parent of a dictionary of an error reads.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Whole {
    error: f64,
    variance: f64,
    pub(super) ce: f64,
}

impl Whole {
    /// Adds one token's activation and reconstruction, given the mean.
    pub(super) fn fit(&mut self, x: &[f32], recon: &[f32], mean: &[f32]) {
        self.error += squared_distance(x, recon);
        self.variance += squared_distance(x, mean);
    }

    fn add(&mut self, part: Self) {
        self.error += part.error;
        self.variance += part.variance;
        self.ce += part.ce;
    }
}

impl Sums {
    pub(super) fn new(features: usize) -> Self {
        Self {
            tokens: 0,
            active: vec![0; features],
            error: 0.0,
            variance: 0.0,
            sum: Vec::new(),
            square: 0.0,
            cosine: 0.0,
            ratio: 0.0,
            legacy: 0.0,
            lengths: [0.0; 2],
            written: 0.0,
            products: 0.0,
            acts: 0.0,
            kl_sae: 0.0,
            kl_zero: 0.0,
            charged: 0,
            ce_clean: 0.0,
            ce_sae: 0.0,
            ce_zero: 0.0,
            ce_mean: 0.0,
            parents: Whole::default(),
            pair: Whole::default(),
        }
    }

    /// Adds one token's activation and reconstruction, given the mean.
    pub(super) fn fit(&mut self, x: &[f32], recon: &[f32], mean: &[f32]) {
        self.tokens += 1;
        let error = squared_distance(x, recon);
        let variance = squared_distance(x, mean);
        self.error += error;
        self.variance += variance;
        self.sum.resize(x.len(), 0.0);
        for (sum, x) in self.sum.iter_mut().zip(x) {
            *sum += f64::from(*x);
        }
        let (own, written) = (product(x, x), product(recon, recon));
        self.square += own;
        let both = product(x, recon);
        let lengths = (own * written).sqrt();
        if lengths > 0.0 {
            self.cosine += both / lengths;
        }
        let length = own.sqrt();
        self.ratio += written.sqrt() / if length < SHORT { 1.0 } else { length };
        self.lengths[0] += length;
        self.lengths[1] += written.sqrt();
        self.written += written;
        self.products += both;
        self.legacy += match error {
            0.0 => 1.0,
            error => 1.0 - error / variance,
        };
    }

    /// Adds one token's active features.
    pub(super) fn active(&mut self, features: &[u32]) {
        for feature in features {
            self.active[*feature as usize] += 1;
        }
    }

    /// Adds the activations of one token's features.
    pub(super) fn acts(&mut self, acts: &[f32]) {
        self.acts += acts.iter().map(|act| f64::from(*act)).sum::<f64>();
    }

    /// Number of tokens on which each feature is active, `[f]`.
    pub(super) fn counts(&self) -> &[u64] {
        &self.active
    }

    /// Returns the sums without those of single features and dimensions.
    pub(super) fn scalars(&self) -> Scalars {
        Scalars {
            tokens: self.tokens as f64,
            active: self.active.iter().sum::<u64>() as f64,
            acts: self.acts,
            error: self.error,
            variance: self.variance,
            cosine: self.cosine,
            ratio: self.ratio,
            legacy: self.legacy,
            length: self.lengths[0],
            length_written: self.lengths[1],
            square_written: self.written,
            product: self.products,
            kl_sae: self.kl_sae,
            kl_zero: self.kl_zero,
            charged: self.charged as f64,
            ce_clean: self.ce_clean,
            ce_sae: self.ce_sae,
            ce_zero: self.ce_zero,
        }
    }

    pub(super) fn add(&mut self, part: &Self) {
        self.tokens += part.tokens;
        for (sum, part) in self.active.iter_mut().zip(&part.active) {
            *sum += part;
        }
        self.error += part.error;
        self.variance += part.variance;
        self.sum.resize(part.sum.len().max(self.sum.len()), 0.0);
        for (sum, part) in self.sum.iter_mut().zip(&part.sum) {
            *sum += part;
        }
        self.square += part.square;
        self.cosine += part.cosine;
        self.ratio += part.ratio;
        self.legacy += part.legacy;
        for (sum, part) in self.lengths.iter_mut().zip(part.lengths) {
            *sum += part;
        }
        self.written += part.written;
        self.products += part.products;
        self.acts += part.acts;
        self.kl_sae += part.kl_sae;
        self.kl_zero += part.kl_zero;
        self.charged += part.charged;
        self.ce_clean += part.ce_clean;
        self.ce_sae += part.ce_sae;
        self.ce_zero += part.ce_zero;
        self.ce_mean += part.ce_mean;
        self.parents.add(part.parents);
        self.pair.add(part.pair);
    }

    /// Number of activations added.
    pub(super) fn tokens(&self) -> u64 {
        self.tokens
    }

    pub(super) fn l0(&self) -> f64 {
        self.active.iter().sum::<u64>() as f64 / self.tokens as f64
    }

    pub(super) fn fvu(&self) -> f64 {
        self.error / self.variance
    }

    pub(super) fn dead_fraction(&self) -> f64 {
        self.share(|count| count == 0)
    }

    /// Share of features for whose number of tokens `counts` holds.
    fn share(&self, counts: impl Fn(u64) -> bool) -> f64 {
        let counted = self.active.iter().filter(|count| counts(**count)).count();
        counted as f64 / self.active.len() as f64
    }

    fn nearness(&self) -> Nearness {
        let tokens = self.tokens as f64;
        let mean = self.sum.iter().map(|sum| (sum / tokens).powi(2));
        let variance = self.square / tokens - mean.sum::<f64>();
        Nearness {
            kl_sae: self.kl_sae / tokens,
            cosine: self.cosine / tokens,
            l2_ratio: self.ratio / tokens,
            explained_variance: 1.0 - self.error / tokens / variance,
            explained_variance_legacy: self.legacy / tokens,
        }
    }

    pub(super) fn figures(&self, rows: &Rows) -> Result<Figures> {
        let tokens = self.tokens as f64;
        let charged = self.charged as f64;
        let [clean, sae, zero, mean] =
            [self.ce_clean, self.ce_sae, self.ce_zero, self.ce_mean].map(|sum| sum / charged);
        let figures = Figures {
            l0: self.l0(),
            fvu: self.fvu(),
            dead_fraction: self.dead_fraction(),
            rare_fraction: self.share(|count| count as f64 / tokens < RARE),
            ce_clean: clean,
            ce_sae: sae,
            ce_zero: zero,
            ce_mean: mean,
            ce_recovered_zero: (zero - sae) / (zero - clean),
            ce_recovered_mean: (mean - sae) / (mean - clean),
            tokens: self.tokens,
            positions: rows.mask().rule,
            left_out: Some(rows.left_out() as u64),
            nearness: Some(self.nearness()),
            pair: None,
        };
        check(&figures)?;
        Ok(figures)
    }

    /// Computes the figures of a dictionary of an error together with its parents.
    pub(super) fn pair(&self) -> Result<PairFigures> {
        let charged = self.charged as f64;
        let figures = PairFigures {
            fvu_parent: self.parents.error / self.parents.variance,
            fvu_pair: self.pair.error / self.pair.variance,
            ce_parent: self.parents.ce / charged,
            ce_pair: self.pair.ce / charged,
        };
        let PairFigures {
            fvu_parent,
            fvu_pair,
            ce_parent,
            ce_pair,
        } = figures;
        for (name, figure) in [
            ("fvu_parent", fvu_parent),
            ("fvu_pair", fvu_pair),
            ("ce_parent", ce_parent),
            ("ce_pair", ce_pair),
        ] {
            if !figure.is_finite() {
                let what = format!(
                    "{name} is not finite: the activation does not vary on this text, or the reconstruction breaks the model"
                );
                return Err(Error::Numeric { what });
            }
        }
        Ok(figures)
    }
}

/// Checks that every figure is finite; the error names the first that is not, with the cause.
fn check(figures: &Figures) -> Result<()> {
    let nearness = figures.nearness;
    for (name, figure, cause) in [
        (
            "fvu",
            figures.fvu,
            "the activation does not vary on this text",
        ),
        (
            "explained_variance_legacy",
            nearness.map_or(0.0, |near| near.explained_variance_legacy),
            "an activation is the mean of the text",
        ),
        (
            "kl_sae",
            nearness.map_or(0.0, |near| near.kl_sae),
            "the reconstruction breaks the model",
        ),
        (
            "ce_clean",
            figures.ce_clean,
            "the model's logits are not finite",
        ),
        (
            "ce_sae",
            figures.ce_sae,
            "the reconstruction breaks the model",
        ),
        (
            "ce_zero",
            figures.ce_zero,
            "zeros at this hook break the model",
        ),
        (
            "ce_mean",
            figures.ce_mean,
            "the mean at this hook breaks the model",
        ),
        (
            "ce_recovered_zero",
            figures.ce_recovered_zero,
            "zeros at this hook change nothing",
        ),
        (
            "ce_recovered_mean",
            figures.ce_recovered_mean,
            "the mean at this hook changes nothing",
        ),
    ] {
        if !figure.is_finite() {
            let what = format!("{name} is {figure}: {cause}, choose another text or hook");
            return Err(Error::Numeric { what });
        }
    }
    Ok(())
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
    products.sum()
}

fn squared_distance(a: &[f32], b: &[f32]) -> f64 {
    let differences = a.iter().zip(b).map(|(a, b)| f64::from(*a) - f64::from(*b));
    differences.map(|d| d * d).sum()
}
