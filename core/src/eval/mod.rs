//! Figures of a dictionary: L0, FVU, dead and rare share, CE clean, spliced, zero- and mean-ablated, each with its definition.
//!
//! Evaluation reads the rows twice: first for the mean activation, then for everything else. Spliced and ablated runs start at the dictionary's layer from
//! the residual stream of the clean run. Sums of fixed chunks of rows are added in order, so the number of threads does not change the result.

mod by_block;
mod cross_layer;
#[cfg(test)]
mod cross_layer_tests;
mod passes;
mod splicer;
mod sums;
mod verdict;

use std::borrow::Cow;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use self::by_block::{ByBlock, Scalars, run_by_block};
pub use self::cross_layer::{AcrossFigures, LayerFigures, run_across};
use self::passes::Passes;
pub(crate) use self::passes::{charge, keeping};
pub(crate) use self::splicer::{Clean, Splicer, logits as whole};
use self::sums::Sums;
pub use self::verdict::{Judged, Verdict, judge};
use crate::capture;
use crate::corpus::{Positions, Rows};
use crate::dims::Matrix;
use crate::error::{Error, Key, Result};
use crate::formats;
use crate::ids::HookPoint;
use crate::latents::Latents;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;

/// Maximum number of logits of one chunk of rows.
const CHUNK_LOGITS: usize = 1 << 24;
/// Maximum number of rows of one chunk.
const CHUNK_ROWS: usize = 8;

/// Figures of one dictionary on one text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Mean active features per token.
    pub l0: f64,
    /// Σ‖x − x̂‖² / Σ‖x − mean‖².
    pub fvu: f64,
    /// Share of features never active on this text.
    pub dead_fraction: f64,
    /// Share of features with density below 1e-5.
    pub rare_fraction: f64,
    /// Cross-entropy of the unmodified model, in nats per token.
    pub ce_clean: f64,
    /// Cross-entropy with the activation replaced by the reconstruction.
    pub ce_sae: f64,
    /// Cross-entropy with the activation replaced by zeros.
    pub ce_zero: f64,
    /// Cross-entropy with the activation replaced by its mean.
    pub ce_mean: f64,
    /// (zero − sae) / (zero − clean).
    pub ce_recovered_zero: f64,
    /// (mean − sae) / (mean − clean).
    pub ce_recovered_mean: f64,
    /// Number of activations measured.
    pub tokens: u64,
    /// Rule for the positions that count.
    #[serde(default = "Positions::unrecorded")]
    pub positions: Positions,
    /// Number of positions that do not count; none in older figures.
    #[serde(default)]
    pub left_out: Option<u64>,
    /// Further figures of the reconstruction; none in older figures.
    #[serde(flatten)]
    pub nearness: Option<Nearness>,
    /// Figures of a dictionary of an error together with its parents; none for others.
    #[serde(flatten)]
    pub pair: Option<PairFigures>,
}

/// Figures of a dictionary of an error and its parents as one dictionary, `x̂ = parent(x) + child(part of the error)`, beside those of the parents alone. `x` is
/// the activation that the first parent reads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairFigures {
    /// FVU of the parents' reconstruction.
    pub fvu_parent: f64,
    /// FVU of the reconstruction of parents and child together.
    pub fvu_pair: f64,
    /// Cross-entropy with the parents' reconstruction in place of the activation.
    pub ce_parent: f64,
    /// Cross-entropy with the reconstruction of parents and child in place of the activation.
    pub ce_pair: f64,
}

impl PairFigures {
    /// Says in one sentence what the child adds to its parents, with the clean cross-entropy `ce_clean` as what can be won back.
    pub fn conclusion(&self, ce_clean: f64) -> String {
        let fvu = format!("FVU {:.4} → {:.4}", self.fvu_parent, self.fvu_pair);
        let ce = format!("CE {:.4} → {:.4}", self.ce_parent, self.ce_pair);
        let (lost, won) = (self.ce_parent - ce_clean, self.ce_parent - self.ce_pair);
        let better = (self.fvu_pair < self.fvu_parent, won > 0.0);
        match better {
            (true, true) if lost > 0.0 => format!(
                "With the child the pair explains more ({fvu}) and wins back {:.0} % of the cross-entropy that the parent costs ({ce})",
                100.0 * won / lost
            ),
            (true, true) => {
                format!("With the child the pair explains more ({fvu}) and predicts better ({ce})")
            }
            (true, false) => format!(
                "With the child the pair explains more ({fvu}), but the model predicts no better ({ce})"
            ),
            (false, true) => {
                format!("The child explains no more ({fvu}), but the model predicts better ({ce})")
            }
            (false, false) => {
                format!("The child adds nothing to its parent on this text ({fvu}, {ce})")
            }
        }
    }
}

/// Further figures of `sae_lens.evals` beyond FVU and cross-entropy, by its formulas.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Nearness {
    /// Mean KL(clean‖spliced) of the next-token distributions, in nats.
    pub kl_sae: f64,
    /// Mean cosine of x and x̂.
    pub cosine: f64,
    /// Mean ‖x̂‖ / ‖x‖.
    pub l2_ratio: f64,
    /// 1 − E‖x − x̂‖² / (E‖x‖² − ‖E x‖²).
    pub explained_variance: f64,
    /// Mean of 1 − ‖x − x̂‖² / ‖x − mean‖².
    pub explained_variance_legacy: f64,
}

/// Name and definition of each figure, shown on hover and in reports.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "l0",
        "mean number of active features per token, over the positions that count",
    ),
    (
        "fvu",
        "fraction of variance unexplained: sum of |x − x̂|² over sum of |x − mean|², the mean and both sums over the positions that count",
    ),
    (
        "dead_fraction",
        "share of features never active at the positions of the text that count",
    ),
    (
        "rare_fraction",
        "share of features active on fewer than 1 in 100,000 tokens of the text read, dead ones included",
    ),
    (
        "ce_clean",
        "mean cross-entropy in nats of the unmodified model, over the positions that count, each charged with the next token; by `text` that token must not be special either",
    ),
    (
        "ce_sae",
        "mean cross-entropy with the activation replaced by the reconstruction at every position that counts",
    ),
    (
        "ce_zero",
        "mean cross-entropy with the activation replaced by zeros at every position that counts, by `sae-lens` at every position",
    ),
    (
        "ce_mean",
        "mean cross-entropy with the activation replaced, at every position that counts, by its mean over these positions",
    ),
    (
        "ce_recovered_zero",
        "(ce_zero − ce_sae) / (ce_zero − ce_clean): 1 loses nothing, 0 is no better than zeros",
    ),
    (
        "ce_recovered_mean",
        "(ce_mean − ce_sae) / (ce_mean − ce_clean): 1 loses nothing, 0 is no better than the mean",
    ),
    (
        "tokens",
        "number of activations measured: the positions that count in all full rows",
    ),
    (
        "positions",
        "rule for the positions that count: text: all but row starts and special tokens (BOS, EOS, padding, separator); first: all but the first of each row; sae-lens: all but special tokens; all",
    ),
    ("left_out", "number of positions that do not count"),
    (
        "kl_sae",
        "mean KL divergence in nats of the next-token distribution with the reconstruction from that of the unmodified model, over the positions that count",
    ),
    (
        "cosine",
        "mean cosine of activation and reconstruction; 0 where one of them is 0",
    ),
    (
        "l2_ratio",
        "mean length of the reconstruction over that of the activation; an activation shorter than 0.0001 counts as 1 long",
    ),
    (
        "explained_variance",
        "1 − E|x − x̂|² / (E|x|² − |E x|²), as in sae_lens.evals: 1 − FVU up to rounding",
    ),
    (
        "explained_variance_legacy",
        "mean over tokens of 1 − |x − x̂|² / |x − mean|², the formula of older versions of sae_lens, its mean over all positions that count",
    ),
    (
        "fvu_parent",
        "of a dictionary of an error: FVU of its parent's reconstruction of the activation",
    ),
    (
        "fvu_pair",
        "of a dictionary of an error: FVU of the activation's reconstruction by both, that of the parent plus that of the child",
    ),
    (
        "ce_parent",
        "of a dictionary of an error: mean cross-entropy with the activation replaced, at every position that counts, by the parent's reconstruction",
    ),
    (
        "ce_pair",
        "of a dictionary of an error: mean cross-entropy with the activation replaced, at every position that counts, by the reconstruction of parent and child",
    ),
];

/// Encoder of rows, given by index, from their activations `[rows · t, d]`.
pub type Code<'a> = &'a (dyn Fn(&[usize], &Matrix) -> Result<Latents> + Sync);

/// Evaluates `sae` on `rows`; each row is read twice and counts twice as progress. For a transcoder, `x` of the definitions is the activation of the hook it
/// writes and `x̂` its output; for a dictionary of an error, `x` is the part of the error that it reads, which the spliced runs replace within the activation.
pub fn run(
    model: &Model,
    sae: &Sae,
    rows: &Rows,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Figures>> {
    run_coded(model, sae, rows, &|_, x| sae.encode(x), observe)
}

/// Evaluates `sae` with latents by `code` instead of the dictionary's own selection.
pub fn run_coded(
    model: &Model,
    sae: &Sae,
    rows: &Rows,
    code: Code<'_>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Figures>> {
    let mut sums = Sums::new(sae.features());
    let mut add = |_, part: Sums| sums.add(&part);
    if measured(
        model,
        (sae, code),
        rows,
        &|passes| passes,
        &mut add,
        observe,
    )?
    .is_stopped()
    {
        return Ok(Ended::STOPPED);
    }
    figures(&sums, sae, rows).map(Ended::Done)
}

/// Returns the figures of the sums of all rows.
fn figures(sums: &Sums, sae: &Sae, rows: &Rows) -> Result<Figures> {
    let mut figures = sums.figures(rows)?;
    if sae.error_of.is_some() {
        figures.pair = Some(sums.pair()?);
    }
    Ok(figures)
}

/// Measures row after row with the passes that `of` makes, and gives `add` each row with its sums, in their order.
fn measured(
    model: &Model,
    (sae, code): (&Sae, Code<'_>),
    rows: &Rows,
    of: &(dyn for<'p> Fn(Passes<'p>) -> Passes<'p> + Sync),
    add: &mut dyn FnMut(usize, Sums),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<()>> {
    formats::check_hooks(sae, model)?;
    let chunks = chunks(model, rows)?;
    let hook = sae.writes()?;
    let twice = 2 * rows.len();
    let own: Part<'_> = &|x| sae.own_part(x);
    let first: Part<'_> = &|x| sae.root().own_part(x);
    let parts = if sae.error_of.is_some() {
        vec![own, first]
    } else {
        vec![own]
    };
    let Ended::Done(means) = means(model, rows, (hook, &parts), &mut |pass| {
        observe(Progress::rows(pass.done as usize, twice))
    })?
    else {
        return Ok(Ended::STOPPED);
    };
    let model = capture::reader(model, rows)?;
    let passes = of(Passes::new(&model, (sae, code), rows, hook, means));
    let mut report = |done| observe(Progress::rows(rows.len() + done, twice));
    let measure = |rows: &[usize]| -> Result<Vec<(usize, Sums)>> {
        let sums = passes.measure(rows)?;
        Ok(rows.iter().copied().zip(sums).collect())
    };
    let mut add =
        |parts: Vec<(usize, Sums)>| parts.into_iter().for_each(|(row, part)| add(row, part));
    add_up(&chunks, &measure, &mut add, &mut report)
}

/// Part of a hook's values that a dictionary reads.
type Part<'a> = &'a dyn for<'m> Fn(&'m Matrix) -> Result<Cow<'m, Matrix>>;

/// Computes the mean activation `[d]` at `hook` over the positions that count in all rows.
pub fn mean(
    model: &Model,
    rows: &Rows,
    hook: HookPoint,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<f32>>> {
    let whole: Part<'_> = &|x| Ok(Cow::Borrowed(x));
    let means = means(model, rows, (hook, &[whole]), observe)?;
    Ok(match means {
        Ended::Done(means) => Ended::Done(means.into_iter().next().unwrap_or_default()),
        Ended::Stopped(()) => Ended::STOPPED,
    })
}

/// Computes the mean of each of `parts` of the activation at `hook` over the positions that count in all rows.
fn means(
    model: &Model,
    rows: &Rows,
    (hook, parts): (HookPoint, &[Part<'_>]),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<Vec<f32>>>> {
    let none = Matrix::zeros(0, model.width(hook)?);
    let mut sums: Vec<Vec<f64>> = Vec::new();
    for part in parts {
        sums.push(vec![0.0; part(&none)?.columns()]);
    }
    let all: Vec<usize> = (0..rows.len()).collect();
    let mut done = 0;
    for some in all.chunks(CHUNK_ROWS * wave()) {
        let x = capture::activations(model, rows, some, hook)?;
        let x = rows.kept(some, &x);
        for (part, sum) in parts.iter().zip(&mut sums) {
            for row in part(&x)?.iter_rows() {
                for (sum, x) in sum.iter_mut().zip(row) {
                    *sum += f64::from(*x);
                }
            }
        }
        done += some.len();
        if observe(Progress::rows(done, rows.len())).is_break() {
            return Ok(Ended::STOPPED);
        }
    }
    let tokens = rows.counted() as f64;
    let mean = |sum: Vec<f64>| sum.into_iter().map(|sum| (sum / tokens) as f32).collect();
    Ok(Ended::Done(sums.into_iter().map(mean).collect()))
}

/// Returns how many tokens of `rows` a dictionary gets at a time.
pub fn tokens_at_once(model: &Model, rows: &Rows) -> usize {
    rows.context() * chunk_rows(model, rows).min(rows.len())
}

/// Returns how many rows' logits fit into one chunk.
pub(crate) fn chunk_rows(model: &Model, rows: &Rows) -> usize {
    let logits = (rows.context() * model.config().vocab).max(1);
    (CHUNK_LOGITS / logits).clamp(1, CHUNK_ROWS)
}

/// Splits the rows into chunks whose logits fit; an error if there is nothing to measure.
pub(crate) fn chunks(model: &Model, rows: &Rows) -> Result<Vec<Vec<usize>>> {
    if rows.is_empty() || rows.context() < 3 {
        let what = "evaluation needs a row of 3 tokens or more, give more text or a longer context";
        return Err(Error::setting("corpus", what));
    }
    if !(0..rows.len()).any(|i| rows.charges(i).contains(&true)) {
        let what = format!(
            "no position of the text has a prediction to measure ({} {}), give more text",
            Key::Positions,
            rows.mask().rule
        );
        return Err(Error::setting("corpus", what));
    }
    let all: Vec<usize> = (0..rows.len()).collect();
    Ok(all
        .chunks(chunk_rows(model, rows))
        .map(<[usize]>::to_vec)
        .collect())
}

/// Measures chunk after chunk and adds the parts in order; `observe` gets the rows done.
pub(crate) fn add_up<T: Send>(
    chunks: &[Vec<usize>],
    measure: &(dyn Fn(&[usize]) -> Result<T> + Sync),
    add: &mut dyn FnMut(T),
    observe: &mut dyn FnMut(usize) -> Flow,
) -> Result<Ended<()>> {
    let rows: usize = chunks.iter().map(Vec::len).sum();
    let mut done = 0;
    for wave in chunks.chunks(wave()) {
        let parts: Vec<T> = wave
            .par_iter()
            .map(|rows| measure(rows))
            .collect::<Result<_>>()?;
        parts.into_iter().for_each(&mut *add);
        done += wave.iter().map(Vec::len).sum::<usize>();
        if observe(done).is_break() && done < rows {
            return Ok(Ended::STOPPED);
        }
    }
    Ok(Ended::Done(()))
}

/// Number of chunks computed in parallel between two reports. Results are added chunk by chunk, so it affects speed only.
pub(crate) fn wave() -> usize {
    2 * rayon::current_num_threads()
}

#[cfg(test)]
mod tests;
