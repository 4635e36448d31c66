//! Classical decompositions of activations as ordinary dictionaries: what a trained sparse autoencoder has to beat. And [`canonical`] correlation, which says how
//! far two sets of activations hold the same linear information.
//!
//! | kind | directions | codes | constant |
//! |---|---|---|---|
//! | PCA | eigenvectors of the covariance, orthonormal, by falling variance | products with them, the `k` largest in magnitude (signed TopK) | mean |
//! | ICA | columns of the mixing matrix, at length 1 (FastICA; Hyvärinen 1999, tanh, symmetric) | sources by the unmixing matrix, the `k` largest in magnitude | mean |
//! | NMF | parts of the positive and the negative half of each dimension, one less the other (Lee and Seung 2001; the halves as in Hoyer 2004) | matching pursuit, `k` rounds | mean |
//! | k-means | centroids (Lloyd, begun by k-means++) | the nearest one alone, at an activation of about 1 | mean |
//! | sparse coding | atoms of length 1 by the method of optimal directions (Engan et al. 1999) | matching pursuit, `k` rounds, as in the fit | mean |
//! | random | uniform directions of length 1, unfitted | products with them, the `k` largest, then ReLU (TopK) | mean |
//!
//! Nothing here is a new rule of [`crate::sae`]: each result encodes by a [`crate::sae::Selection`] that exists, so that every test, command and screen takes it and
//! every file holds it. Own code on faer: the kept crates that fit some of these can neither be stopped nor seeded alike on any number of threads.

pub mod canonical;
mod dense;
mod draws;
mod ica;
mod k_means;
mod nmf;
mod pca;
mod pursue;
mod sparse_coding;
mod stream;
mod sums;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::progress::{Ended, Flow, Progress};
use crate::sae::{Sae, Selection, TopK};

use self::sums::Sums;

pub use self::stream::{HeldOut, fit_at, held_out};

/// Number of active features per token, or rounds of pursuit, where none is set.
pub const K: usize = 32;
/// Largest number of values in the sample of activations that is held in memory: 128 MiB.
pub const SAMPLE_VALUES: usize = 1 << 25;
/// Largest number of features where the fit holds a square of them.
pub const MOST_FEATURES: usize = 8_192;

/// Decomposition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Principal components.
    Pca,
    /// Independent components.
    Ica,
    /// Non-negative matrix factorisation of both halves of each dimension.
    Nmf,
    /// Nearest of the centroids.
    KMeans,
    /// Dictionary learning with codes by matching pursuit.
    SparseCoding,
    /// Random directions.
    Random,
}

impl Kind {
    /// All of them, in the order of lists.
    pub const ALL: [Self; 6] = [
        Self::Pca,
        Self::Ica,
        Self::Nmf,
        Self::KMeans,
        Self::SparseCoding,
        Self::Random,
    ];

    /// Returns its name on the command line and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pca => "pca",
            Self::Ica => "ica",
            Self::Nmf => "nmf",
            Self::KMeans => "k-means",
            Self::SparseCoding => "sparse-coding",
            Self::Random => "random",
        }
    }

    /// Says in one sentence what its dictionary computes.
    pub const fn definition(self) -> &'static str {
        match self {
            Self::Pca => {
                "principal components of the activations less their mean; a token keeps the k components of largest magnitude, with sign"
            }
            Self::Ica => {
                "independent components by FastICA (tanh, symmetric) of whitened activations; a token keeps the k sources that write most, with sign; decoder rows are columns of the mixing matrix"
            }
            Self::Nmf => {
                "non-negative factorisation of max(c, 0) and max(−c, 0) side by side, c the activation less the mean; a decoder row is a part's positive half less its negative half; codes by k rounds of matching pursuit"
            }
            Self::KMeans => {
                "one active feature, that of the nearest centroid, at an activation of about 1; it is reconstructed by that centroid"
            }
            Self::SparseCoding => {
                "dictionary learnt by turns of matching pursuit and least squares; codes by k rounds of matching pursuit"
            }
            Self::Random => {
                "uniformly random directions that nothing was fitted to, about the mean; a token keeps the k largest positive products"
            }
        }
    }

    /// Whether a sum over all tokens decides it, so that no sample is held.
    const fn is_streamed(self) -> bool {
        matches!(self, Self::Pca | Self::Random)
    }

    /// Largest number of rounds where none is set; 0 where there are none.
    const fn rounds(self) -> usize {
        match self {
            Self::Pca | Self::Random => 0,
            Self::Ica | Self::Nmf => 200,
            Self::KMeans => 100,
            Self::SparseCoding => 60,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == text);
        found.ok_or_else(|| {
            let what = format!(
                "there is no baseline `{text}`, give {}",
                Self::ALL.map(Self::name).join(", ")
            );
            Error::setting("kind", what)
        })
    }
}

/// Settings of a fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Decomposition.
    pub kind: Kind,
    /// Number of features.
    pub features: usize,
    /// Active features per token, or rounds of matching pursuit; none for [`K`] or all features if there are fewer. Always 1 for k-means.
    pub k: Option<usize>,
    /// Largest number of rounds of an iterative fit; none for 200 (ICA, NMF), 100 (k-means) or 60 (sparse coding).
    pub rounds: Option<usize>,
    /// Largest number of activations that an iterative fit holds; [`SAMPLE_VALUES`] bounds it too. PCA and random directions read all of the text.
    pub sample: usize,
    /// Seed of what is drawn.
    pub seed: u64,
}

impl Spec {
    /// Creates the usual settings of a fit of `features` features.
    pub fn new(kind: Kind, features: usize) -> Self {
        Self {
            kind,
            features,
            k: None,
            rounds: None,
            sample: 16_384,
            seed: 0,
        }
    }

    /// Active features per token, or rounds of matching pursuit.
    pub fn active(&self) -> usize {
        match self.kind {
            Kind::KMeans => 1,
            _ => self.k.unwrap_or_else(|| K.min(self.features)),
        }
    }

    fn rounds(&self) -> usize {
        self.rounds.unwrap_or(self.kind.rounds())
    }

    /// Number of activations of width `width` that an iterative fit holds at most.
    pub fn held(&self, width: usize) -> usize {
        self.sample.min(SAMPLE_VALUES / width.max(1)).max(1)
    }

    /// Checks the settings against activations of width `width`, of which there are `tokens`.
    pub fn check(&self, width: usize, tokens: usize) -> Result<()> {
        let (kind, features) = (self.kind, self.features);
        if features == 0 {
            return Err(Error::setting("features", "0 features: give 1 or more"));
        }
        if matches!(kind, Kind::Pca | Kind::Ica) && features > width {
            let what = format!(
                "{features} features by {kind}, but activations of width {width} have only {width} components: give {width} or fewer"
            );
            return Err(Error::setting("features", what));
        }
        if matches!(kind, Kind::Nmf | Kind::SparseCoding) && features > MOST_FEATURES {
            let what = format!(
                "{features} features by {kind} need a square of them in memory: give {MOST_FEATURES} or fewer"
            );
            return Err(Error::setting("features", what));
        }
        let k = self.k.unwrap_or(1);
        if kind == Kind::KMeans && k != 1 {
            let what =
                format!("k is {k}, but k-means has one active feature per token: leave it out");
            return Err(Error::setting("k", what));
        }
        if k == 0 || k > features {
            let what = format!("k is {k}: give 1 to {features}, the number of features");
            return Err(Error::setting("k", what));
        }
        if self.rounds == Some(0) {
            return Err(Error::setting(
                "rounds",
                "0 rounds fit nothing: give 1 or more",
            ));
        }
        self.check_tokens(width, tokens)
    }

    fn check_tokens(&self, width: usize, tokens: usize) -> Result<()> {
        let held = if self.kind.is_streamed() {
            tokens
        } else {
            tokens.min(self.held(width))
        };
        let least = match self.kind {
            Kind::Pca | Kind::Ica => width + 1,
            Kind::Random => 2,
            Kind::Nmf | Kind::KMeans | Kind::SparseCoding => self.features.max(2),
        };
        if held < least {
            let what = format!(
                "{held} activations do not determine {} features by {} (width {width}): give {least} or more",
                self.features, self.kind
            );
            return Err(Error::setting("tokens", what));
        }
        Ok(())
    }
}

/// Fitted baseline.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The dictionary, without its origin.
    pub sae: Sae,
    /// Number of activations fitted on.
    pub tokens: u64,
    /// Number of rounds; 0 where there are none.
    pub rounds: usize,
    /// Whether the rounds came to rest before their largest number; true where there are none.
    pub converged: bool,
    /// Share of the variance of the activations fitted on that the method's own reconstruction leaves, with all components and its own codes; none for random
    /// directions. The dictionary, which keeps `k` features per token, leaves more.
    pub left: Option<f64>,
}

/// Result of a fit; its dictionary reads the activation less the mean.
#[derive(Debug, Clone)]
struct Made {
    w_enc: Matrix,
    b_enc: Vec<f32>,
    w_dec: Matrix,
    selection: Selection,
    rounds: usize,
    converged: bool,
    left: Option<f64>,
}

impl Made {
    fn fitted(self, spec: &Spec, mean: &[f64], tokens: u64) -> Result<Fitted> {
        let values = self.w_enc.values().iter().chain(self.w_dec.values());
        let all_finite = values.chain(&self.b_enc).all(|value| value.is_finite());
        if !all_finite || mean.iter().any(|value| !value.is_finite()) {
            return Err(not_finite(spec.kind));
        }
        let b_dec = mean.iter().map(|value| *value as f32).collect();
        let (encoder, decoder) = ((self.w_enc, self.b_enc), (self.w_dec, b_dec));
        Ok(Fitted {
            sae: Sae::new(spec.kind.name(), encoder, decoder, self.selection),
            tokens,
            rounds: self.rounds,
            converged: self.converged,
            left: self.left,
        })
    }
}

/// Fits a baseline on activations `x [n, d]`; iterative fits take evenly spaced rows where there are more than [`Spec::held`]. `observe` hears of each round. The
/// number of threads does not change the result.
pub fn fit(
    spec: &Spec,
    x: &Matrix,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Fitted>> {
    spec.check(x.columns(), x.rows())?;
    check_finite(spec.kind, x)?;
    if spec.kind.is_streamed() {
        let mut sums = stream::sums_for(spec.kind, x.columns());
        sums.add(&[x])?;
        return streamed(spec, &sums).map(Ended::Done);
    }
    let held = spec.held(x.columns());
    if x.rows() <= held {
        return iterated(spec, x, observe);
    }
    let evenly = (0..held).map(|i| (i * x.rows() / held) as u32);
    iterated(spec, &x.rows_of(&evenly.collect::<Vec<_>>()), observe)
}

/// Finishes a fit that needs only sums over the text.
fn streamed(spec: &Spec, sums: &Sums) -> Result<Fitted> {
    let mean = sums.mean();
    let made = match spec.kind {
        Kind::Pca => pca::fit(spec, sums)?,
        _ => random(spec, sums.width())?,
    };
    made.fitted(spec, &mean, sums.tokens())
}

/// Fits in rounds over `x [n, d]`.
fn iterated(
    spec: &Spec,
    x: &Matrix,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Fitted>> {
    let (mean, centred) = sums::centred(x);
    let variance = sums::total(&centred);
    if !(variance.is_finite() && variance > 0.0) {
        let what = format!("the activations have a variance of {variance}: give varied text");
        return Err(Error::Numeric { what });
    }
    let made = match spec.kind {
        Kind::Ica => ica::fit(spec, &centred, observe)?,
        Kind::Nmf => nmf::fit(spec, &centred, observe)?,
        Kind::KMeans => k_means::fit(spec, &centred, observe)?,
        _ => sparse_coding::fit(spec, &centred, observe)?,
    };
    let Ended::Done(made) = made else {
        return Ok(Ended::STOPPED);
    };
    made.fitted(spec, &mean, x.rows() as u64).map(Ended::Done)
}

/// Draws uniform directions of length 1; the encoder is the decoder.
fn random(spec: &Spec, width: usize) -> Result<Made> {
    let mut rows = draws::normal(spec.features, width, spec.seed)?;
    dense::to_unit_rows(&mut rows);
    Ok(Made {
        w_enc: rows.clone(),
        b_enc: vec![0.0; spec.features],
        w_dec: rows,
        selection: TopK { k: spec.active() }.into(),
        rounds: 0,
        converged: true,
        left: None,
    })
}

fn check_finite(kind: Kind, x: &Matrix) -> Result<()> {
    if x.values().iter().all(|value| value.is_finite()) {
        Ok(())
    } else {
        Err(not_finite(kind))
    }
}

fn not_finite(kind: Kind) -> Error {
    Error::Numeric {
        what: format!(
            "the fit of {kind} has no finite result: look for NaN or infinity in the activations"
        ),
    }
}

/// Definitions of the figures of a fit.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "left",
        "share of the variance of the activations fitted on that the method's own reconstruction leaves, with all its components and codes; the dictionary keeps k features per token and leaves more",
    ),
    (
        "fvu",
        "share of the variance that the dictionary leaves on held-out text, with k active features per token: Σ‖x − x̂‖² / Σ‖x − mean x‖²",
    ),
    (
        "l0",
        "mean number of active features per token on held-out text",
    ),
    (
        "converged",
        "whether the rounds came to rest: ICA by a change of direction below 1e-4; NMF by a relative gain below 1e-4 in 10 rounds; k-means where no token changes its centroid, or the centroids move by less than 1e-4 of the variance; sparse coding by a gain below 1e-4 of the variance",
    ),
];
