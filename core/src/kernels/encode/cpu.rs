//! Chunks of rows in parallel, by the widest form that this machine has, or screened. No form stores the table of pre-activations: each offers the entries that pass
//! a token's bar and a feature's floor to a [`Sink`]. Each rule has its own sink.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod batch;
mod candidates;
mod columns;
mod list;
#[cfg(target_arch = "x86_64")]
mod panels;
mod portable;
#[cfg(target_arch = "x86_64")]
mod screened;

pub(super) use batch::budget;
pub(super) use columns::by_feature;

use rayon::prelude::*;

use candidates::{Candidates, Payload};
use list::List;

use super::{Bar, Product, Ranking};
use crate::dims::Matrix;
#[cfg(target_arch = "x86_64")]
use crate::kernels::{avx2_present, avx512_present};
use crate::latents::Latents;

/// Rows of a chunk: one thread's unit of work. Weights are read once for so many rows, which stay in the second-level cache.
const ROWS: usize = 512;
/// Rows are padded to this, for forms that take several at once.
const PADDING: usize = 32;

/// An entry that is NaN or infinite: row and feature.
pub(super) type NotFinite = (usize, usize);

/// Encoder rows and biases of a range of features.
#[derive(Debug, Clone, Copy)]
pub(super) struct Features<'a> {
    /// `[f, d]`.
    pub(super) weights: &'a [f32],
    /// `[f]`.
    pub(super) bias: &'a [f32],
    pub(super) d: usize,
    /// Rounded rows that find candidates.
    #[cfg(target_arch = "x86_64")]
    narrow: Option<screened::Part<'a>>,
}

impl<'a> Features<'a> {
    pub(super) fn new(weights: &'a [f32], bias: &'a [f32], d: usize) -> Self {
        Self {
            weights,
            bias,
            d,
            #[cfg(target_arch = "x86_64")]
            narrow: None,
        }
    }

    fn count(self) -> usize {
        self.bias.len()
    }

    /// Features `first..first + count`.
    fn part(self, first: usize, count: usize) -> Self {
        Features {
            weights: &self.weights[first * self.d..(first + count) * self.d],
            bias: &self.bias[first..first + count],
            d: self.d,
            #[cfg(target_arch = "x86_64")]
            narrow: self.narrow.map(|narrow| narrow.part(first, count)),
        }
    }

    fn empty(self) -> bool {
        self.bias.is_empty() || self.d == 0
    }
}

/// The encoder's rows as integers, where they are asked for and this machine has what multiplies them.
#[derive(Debug, Default)]
pub(super) struct Screen {
    #[cfg(target_arch = "x86_64")]
    rounded: Option<screened::Rounded>,
}

impl Screen {
    #[cfg(target_arch = "x86_64")]
    pub(super) fn new(features: Features<'_>, product: Product) -> Self {
        let d = features.d;
        let wanted = product == Product::Screened && avx2_present();
        let can = wanted && !features.empty() && d <= screened::WIDEST;
        Self {
            rounded: can.then(|| screened::Rounded::new(features.weights, d)),
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn new(_: Features<'_>, _: Product) -> Self {
        Self::default()
    }

    /// The features, screened.
    pub(super) fn on<'a>(&'a self, features: Features<'a>) -> Features<'a> {
        Features {
            #[cfg(target_arch = "x86_64")]
            narrow: self.rounded.as_ref().map(screened::Rounded::all),
            ..features
        }
    }
}

/// Takes the entries of a chunk of rows that pass. Features are offered in ascending order to each row, rows in ascending order to each feature.
pub(super) trait Sink {
    /// Whether entries are compared by magnitude.
    const MAGNITUDE: bool;

    /// Bar that a key must exceed in each row, for whole panels of rows; infinity for padding.
    fn bars(&self) -> &[f32];

    /// Floor that a key must exceed for this feature.
    fn floor(&self, feature: usize) -> f32;

    /// Takes an entry that exceeds both, with its key and its pre-activation.
    fn push(&mut self, row: usize, feature: usize, entry: (f32, f32)) -> Result<(), NotFinite>;
}

/// Returns the bars of `rows` rows; those of padding are infinite.
fn padded_bars(rows: usize, bar: f32) -> Vec<f32> {
    let mut bars = vec![bar; rows.next_multiple_of(PADDING)];
    bars[rows..].fill(f32::INFINITY);
    bars
}

/// Form of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `gemm`, tile by tile.
    Portable,
    /// AVX2 registers.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512 registers.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Form {
    /// Lists the forms that this machine has, the fastest last.
    #[cfg(test)]
    pub(super) fn present() -> Vec<Self> {
        vec![
            Self::Portable,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512,
        ]
        .into_iter()
        .filter(|form| form.is_present())
        .collect()
    }

    fn is_present(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2_present(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512_present(),
        }
    }

    pub(super) fn fastest() -> Self {
        #[cfg(target_arch = "x86_64")]
        for form in [Self::Avx512, Self::Avx2] {
            if form.is_present() {
                return form;
            }
        }
        Self::Portable
    }

    /// Offers every entry of the rows of `x` to `sink`.
    fn offer(
        self,
        x: &[f32],
        features: Features<'_>,
        sink: &mut impl Sink,
    ) -> Result<(), NotFinite> {
        #[cfg(target_arch = "x86_64")]
        if let Some(narrow) = features.narrow {
            return screened::offer(x, (features, narrow), sink);
        }
        match self {
            Self::Portable => portable::offer(x, features, sink),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => panels::offer::<avx2::Avx2, _, _, _>(x, features, sink),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => panels::offer::<avx512::Avx512, _, _, _>(x, features, sink),
        }
    }

    /// Offers every entry, ranked by gradient; `w_dec` accompanies the features and the rows' gradients accompany `x`.
    fn offer_scored(
        self,
        (x, gradients): (&[f32], &[f32]),
        (features, w_dec): (Features<'_>, &[f32]),
        beta: f32,
        sink: &mut impl Sink,
    ) -> Result<(), NotFinite> {
        let (rows, dictionary) = ((x, gradients), (features, w_dec));
        match self {
            Self::Portable => portable::offer_scored(rows, dictionary, beta, sink),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => panels::offer_scored::<avx2::Avx2, _, _, _>(rows, dictionary, beta, sink),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                panels::offer_scored::<avx512::Avx512, _, _, _>(rows, dictionary, beta, sink)
            }
        }
    }

    /// Encodes a chunk. Entries must exceed their row's guess; rows that then have fewer than `k` are encoded again without a guess.
    fn topk(
        self,
        x: &[f32],
        features: Features<'_>,
        (k, guesses): (usize, Option<&[f32]>),
    ) -> Result<Latents, NotFinite> {
        let d = features.d;
        let rows = x.len() / d;
        let mut candidates = Candidates::<u32, false>::new(rows, k);
        if let Some(guesses) = guesses {
            candidates.bars[..rows].copy_from_slice(guesses);
        }
        self.offer(x, features, &mut candidates)?;
        let guessed = |row: &usize| guesses.is_some_and(|g| g[*row] > 0.0);
        let missed: Vec<usize> = (0..rows)
            .filter(|row| guessed(row) && candidates.lacks(*row))
            .collect();
        if missed.is_empty() {
            return Ok(candidates.finish(rows, &[], &Latents::empty(0)).0);
        }
        let missed = self.among_their_like(missed, rows);
        let again: Vec<f32> = (missed.iter().flat_map(|row| &x[row * d..(row + 1) * d]))
            .copied()
            .collect();
        let again = self
            .topk(&again, features, (k, None))
            .map_err(|(row, feature)| (missed[row], feature))?;
        Ok(candidates.finish(rows, &missed, &again).0)
    }

    /// Returns the rows to encode again for those that were missed. `gemm` sums the products of few rows in another order than those of many, which changes the
    /// last bits, so whole tiles are multiplied again.
    fn among_their_like(self, missed: Vec<usize>, rows: usize) -> Vec<usize> {
        match self {
            Self::Portable => {
                let tile = |row: usize| row / portable::ROWS;
                let of_one = |row: &usize| missed.iter().any(|missed| tile(*missed) == tile(*row));
                (0..rows).filter(of_one).collect()
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::Avx512 => missed,
        }
    }

    fn best<T: Payload, const MAGNITUDE: bool>(
        self,
        x: &[f32],
        features: Features<'_>,
        k: usize,
    ) -> Result<Latents, NotFinite> {
        let rows = x.len() / features.d;
        let mut candidates = Candidates::<T, MAGNITUDE>::new(rows, k);
        self.offer(x, features, &mut candidates)?;
        Ok(candidates.finish(rows, &[], &Latents::empty(0)).0)
    }
}

/// Runs `work` on each chunk of rows with its first row; errors count rows from the first of all.
fn by_chunks<T: Send>(
    centred: &Matrix,
    work: impl Fn(usize, &[f32]) -> Result<T, NotFinite> + Sync,
) -> Vec<Result<T, NotFinite>> {
    centred
        .values()
        .par_chunks(ROWS * centred.columns())
        .enumerate()
        .map(|(chunk, x)| {
            let first = chunk * ROWS;
            work(first, x).map_err(|(row, feature)| (first + row, feature))
        })
        .collect()
}

/// Encodes each chunk of rows by the `k` largest, in order, with the `guesses` of the rows, if any.
pub(super) fn topk(
    form: Form,
    centred: &Matrix,
    features: Features<'_>,
    (k, guesses): (usize, Option<&[f32]>),
) -> Vec<Result<Latents, NotFinite>> {
    if k == 0 || features.empty() {
        return vec![Ok(Latents::empty(centred.rows()))];
    }
    let k = k.min(features.count());
    by_chunks(centred, |first, x| {
        let guesses = guesses.map(|all| &all[first..first + x.len() / features.d]);
        form.topk(x, features, (k, guesses))
    })
}

/// Encodes each chunk of rows by magnitude.
pub(super) fn abs_topk(
    form: Form,
    centred: &Matrix,
    features: Features<'_>,
    k: usize,
) -> Vec<Result<Latents, NotFinite>> {
    if k == 0 || features.empty() {
        return vec![Ok(Latents::empty(centred.rows()))];
    }
    let k = k.min(features.count());
    by_chunks(centred, |_, x| {
        form.best::<(u32, f32), true>(x, features, k)
    })
}

/// Encodes each chunk of rows by score and also returns the scores.
pub(super) fn scored(
    form: Form,
    centred: &Matrix,
    features: Features<'_>,
    (k, ranking): (usize, Ranking<'_>),
) -> Vec<Result<(Latents, Vec<f32>), NotFinite>> {
    if k == 0 || features.empty() {
        return vec![Ok((Latents::empty(centred.rows()), Vec::new()))];
    }
    let k = k.min(features.count());
    by_chunks(centred, |first, x| {
        let rows = x.len() / features.d;
        let gradients = &ranking.gradients.values()[first * features.d..][..x.len()];
        let mut candidates = Candidates::<(u32, f32), false>::new(rows, k);
        let dictionary = (features, ranking.w_dec.values());
        form.offer_scored((x, gradients), dictionary, ranking.beta, &mut candidates)?;
        Ok(candidates.finish(rows, &[], &Latents::empty(0)))
    })
}

/// Encodes all entries above the bar.
pub(super) fn above(
    form: Form,
    centred: &Matrix,
    features: Features<'_>,
    bar: Bar<'_>,
) -> Vec<Result<Latents, NotFinite>> {
    if features.empty() {
        return vec![Ok(Latents::empty(centred.rows()))];
    }
    by_chunks(centred, |_, x| {
        let rows = x.len() / features.d;
        let mut list = List::new(rows, bar);
        form.offer(x, features, &mut list)?;
        Ok(list.finish(rows))
    })
}
