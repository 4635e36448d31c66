//! Probes of labelled texts: sparse probing, removal of a spurious correlation (SCR) and targeted probe perturbation (TPP), by the definitions of SAEBench 0.6.0.
//!
//! A text is one row: its mean activation x̄ `[d]` and its mean features f̄ `[f]` over the tokens that are not special. A probe tells a class from as many other
//! texts, which come from the other classes in turn; so does the set that tests it, and chance is 0.5.
//!
//! - **Sparse probing** ([`sparse`]): logistic regressions with penalty ½‖w‖² on the loss summed over texts (scikit-learn's C = 1) on the k columns whose means over the
//!   class and over the others differ most, for the columns of x̄ and for features; and on all columns. The figure is the mean over classes of the share of test
//!   texts that are told right.
//! - **Effect** of a feature on a probe with weights w: (mean of f̄ over the class − mean over the others) · ⟨w, decoder row⟩, both over the probe's training texts. The
//!   probe minimises the mean logistic loss + 0.001 · ‖w‖₁ on x̄.
//! - **Ablation** of features S: x̄ − Σ_S f̄ · decoder row, the dictionary's error kept.
//! - **SCR** ([`scr`]): probes of the target, of the spurious attribute, and a biased one of texts in which both agree. The n features with the largest effect in size
//!   on the probe of one attribute are ablated; the score is how much of its accuracy on the other attribute the biased probe gains back, (ablated − biased) /
//!   (unbiased − biased), 0 where the unbiased probe is better by less than 0.001.
//! - **TPP** ([`tpp`]): the n features with the largest effect on the probe of a class are ablated, a negative difference of means counting as 0; the score is the loss
//!   of accuracy of its probe less the mean loss of the other probes, mean over classes.
//!
//! Differences from SAEBench: probes are minimised to their end, where SAEBench stops Adam at the epoch that is best on the test texts; one set of other texts serves
//! all comparisons of a probe, where SAEBench draws anew; padding is never read; features without an effect, and in TPP with a negative one, are never ablated.
//! Intervals are of a bootstrap over the test texts of every class (in SCR of every pair of attributes), with probes and features as they are; those of one class of
//! sparse probing, and of shares that no draw changes, are Wilson's. There are none with fewer than five test texts of a class.

mod ablation;
mod scr;
mod sets;
mod sparse;
#[cfg(test)]
mod tests;
mod tpp;

use super::estimate::{DRAWS, Estimate};
use super::labelled::CONTEXT;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::latents::Latents;

pub use self::scr::{Direction, Removed, Scr, scr};
pub use self::sparse::{ClassAccuracy, Probed, Sparse, sparse};
pub use self::tpp::{ClassChange, Perturbed, Tpp, tpp};

/// Numbers of columns of a sparse probe, by default.
pub const SIZES: [usize; 3] = [1, 2, 5];
/// Numbers of ablated features, by default.
pub const ABLATED: [usize; 7] = [2, 5, 10, 20, 50, 100, 500];
/// Test texts of a group below which figures of all groups have no interval: draws of so few say little.
pub const LEAST_DRAWN: usize = 5;
/// Factor of half the squared weights in the summed loss of a sparse probe.
pub const PENALTY: f64 = 1.0;
/// Factor of the sizes of weights in the mean loss of the probes of SCR and TPP.
pub const SPARSE_PENALTY: f64 = 1e-3;

/// Draws of the bootstrap behind intervals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    /// Number.
    pub draws: usize,
    /// Seed.
    pub seed: u64,
}

/// Settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Numbers of columns of a sparse probe, or of features that are ablated.
    pub sizes: Vec<usize>,
    /// Share of texts that test.
    pub test_share: f64,
    /// Tokens of a text that are read.
    pub context: usize,
    /// Seed of the split, the sets and the bootstrap.
    pub seed: u64,
    /// Draws of the bootstrap.
    pub draws: usize,
}

impl Default for Spec {
    fn default() -> Self {
        Self {
            sizes: SIZES.to_vec(),
            test_share: 0.2,
            context: CONTEXT,
            seed: 0,
            draws: DRAWS,
        }
    }
}

impl Spec {
    fn bootstrap(&self) -> Draws {
        Draws {
            draws: self.draws,
            seed: self.seed,
        }
    }

    /// Returns the sizes, ascending, without those above `most`; an error if none is left.
    fn sizes_up_to(&self, most: usize) -> Result<Vec<usize>> {
        let mut sizes = self.sizes.clone();
        sizes.sort_unstable();
        sizes.dedup();
        sizes.retain(|size| *size <= most);
        if sizes.is_empty() || sizes[0] == 0 {
            let what = format!(
                "{:?}: give numbers of features from 1 to {most}",
                self.sizes
            );
            return Err(Error::setting("k", what));
        }
        Ok(sizes)
    }
}

/// Rows of the texts for a dictionary.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Mean activation of each text, `[n, d]`.
    pub x: &'a Matrix,
    /// Mean activation of every feature on each text in units of the decoder's rows, `[n]` rows.
    pub written: &'a Latents,
    /// Decoder, `[f, d]`.
    pub w_dec: &'a Matrix,
}

impl Rows<'_> {
    /// Checks that the shapes fit together and to `texts` labels.
    fn check(&self, texts: usize) -> Result<()> {
        crate::dims::Dims::new("probes of labelled texts")
            .bind_len("labels", texts, "n")?
            .bind("x", self.x, "n d")?
            .bind("w_dec", self.w_dec, "f d")?
            .bind_len("features", self.written.rows(), "n")?;
        self.written.check(self.w_dec.rows())
    }
}

/// Figure of one number of features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OfSize {
    /// Number of features.
    pub size: usize,
    /// Figure.
    pub estimate: Estimate,
}
