//! Ladder of widths: several dictionaries of one hook, measured on the same tokens in one pass of the model (Engels et al. 2024, scaling fit and per-token scaling).
//!
//! Figures of the dictionaries are sums over the tokens, kept by block of the text for the bootstrap: memory grows with the dictionaries and the width of the
//! activation, not with the tokens. Only passages of a few hundred tokens are kept token by token.

mod law;
mod run;
mod sums;
#[cfg(test)]
mod tests;
mod words;

use serde::{Deserialize, Serialize};

use super::linear::Fitted;
use crate::corpus::Rows;
use crate::error::{Error, Result};
use crate::fit::{Fit, Verdict, short};
use crate::models::{MODEL_FINGERPRINT, Model};
use crate::progress::{Ended, Flow, Progress};
use crate::sae::{Autoencoder, Sae};

pub use law::{LEAST_RUNGS, PowerLaw};

/// Ratio of the largest to the smallest L0 above which rungs are warned about.
pub const UNEQUAL_L0: f64 = 1.1;

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    ("l0", "mean number of active features per token"),
    (
        "fvu",
        "Σ‖e‖² / Σ‖x − mean x‖² with e = x − x̂, over the positions that count",
    ),
    ("norm_mean", "mean norm ‖e‖ of the error over the tokens"),
    (
        "fvu_nonlinear",
        "Σ‖e − ê‖² / Σ‖x − mean x‖²: left after reconstruction and linear part ê, which was fitted on another text",
    ),
    (
        "r2_weighted",
        "R² of the error vector predicted from the activation: 1 − Σ‖e − ê‖² / Σ‖e − mean e‖²",
    ),
    (
        "r2_mean",
        "R² of the error vector predicted from the activation, unweighted mean over dimensions",
    ),
    (
        "r2_norm",
        "R² of the squared norm ‖e‖² predicted from the activation",
    ),
    (
        "introduced",
        "FVU that the encoder adds: FVU times the share of its squared error that a code of equal L0 saves, found by gradient pursuit over the decoder; estimated on a sample of the tokens",
    ),
    (
        "token_r2",
        "row i, column j: R² of ‖e‖ of dictionary j from ‖e‖ of dictionary i by least squares with intercept over the tokens",
    ),
    (
        "nonlinear_gain",
        "row i, column j: share of the variance of ‖e‖ of dictionary j left by ‖e‖ of dictionary i that the nonlinear norm ‖e − ê‖ of dictionary i explains as a second regressor",
    ),
    (
        "fit",
        "fvu = c + a · features^(−b) with c ≥ 0 by least squares over the dictionaries; c is the FVU at infinite width",
    ),
];

/// Settings of the measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Draws of the bootstrap over blocks of the text.
    pub draws: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// Consecutive tokens of a passage.
    pub passage: usize,
    /// Passages kept, evenly spaced in the text, at most.
    pub passages: usize,
    /// Tokens, evenly spaced, on which pursuit tells what the encoder adds to the error; 0 leaves that out.
    pub pursued: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            draws: 1_000,
            seed: 0,
            passage: 100,
            passages: 12,
            pursued: 0,
        }
    }
}

/// Dictionaries of one hook on the same tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ladder {
    /// Name of the hook that all dictionaries read, or what [`place`] says where they read a part of it.
    pub hook: String,
    /// Dictionaries, in the order given.
    pub rungs: Vec<Rung>,
    /// R² of the error norm of dictionary `j` from that of dictionary `i`, `[i][j]`; none where a norm is constant. The diagonal is 1.
    pub token_r2: Vec<Vec<Option<f64>>>,
    /// Share of the rest that the nonlinear norm of `i` explains, `[i][j]`; empty without linear parts, none on the diagonal.
    pub nonlinear_gain: Vec<Vec<Option<f64>>>,
    /// Power law of FVU in the number of features.
    pub law: Option<Law>,
    /// Passages of consecutive tokens.
    pub passages: Vec<Passage>,
    /// Number of tokens measured.
    pub tokens: u64,
    /// Number of tokens that the linear parts were fitted on; none without them.
    pub fit_tokens: Option<u64>,
    /// Number of tokens that pursuit was run on; none if it was not.
    pub pursued: Option<u64>,
    /// Phrase for the blocks that the bootstrap draws.
    pub blocks: String,
    /// Draws of the bootstrap.
    pub draws: usize,
}

/// Figures of one dictionary of a ladder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rung {
    /// Name of the dictionary.
    pub name: String,
    /// [`Sae::fingerprint`] of the dictionary.
    pub fingerprint: String,
    /// Number of features.
    pub features: usize,
    /// Activations that it was trained on, where its files say so.
    #[serde(default)]
    pub tokens_seen: Option<u64>,
    /// Mean number of active features per token.
    pub l0: f64,
    /// FVU of the reconstruction.
    pub fvu: f64,
    /// Interval of 95 % of the FVU over draws of blocks of the text.
    pub fvu_interval: Option<[f64; 2]>,
    /// Mean norm of the error.
    pub norm_mean: f64,
    /// Figures of the linear part; none where none was fitted.
    pub linear: Option<LinearPart>,
    /// FVU that the encoder adds to a code of equal L0 found by pursuit; none where it was not estimated.
    pub introduced: Option<f64>,
}

/// Figures of the linear part of a dictionary's error, on text that it was not fitted on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LinearPart {
    /// FVU of reconstruction plus linear part.
    pub fvu_nonlinear: f64,
    /// R² of the error vector, weighted by variance.
    pub r2_weighted: f64,
    /// R² of the error vector, mean over dimensions.
    pub r2_mean: f64,
    /// R² of the squared norm of the error.
    pub r2_norm: f64,
}

/// Power law with intervals of 95 % of its parameters over draws of blocks of the text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Law {
    /// The law fitted to all tokens.
    #[serde(flatten)]
    pub law: PowerLaw,
    /// Intervals; none of no draws.
    pub intervals: Option<LawIntervals>,
    /// Draws that a law could be fitted to.
    pub fitted_draws: usize,
    /// Dictionaries less parameters.
    pub degrees_of_freedom: usize,
}

/// Intervals of 95 % of the parameters of a power law.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LawIntervals {
    /// Interval of the factor.
    pub a: [f64; 2],
    /// Interval of the exponent.
    pub b: [f64; 2],
    /// Interval of the constant.
    pub c: [f64; 2],
}

/// Consecutive tokens of the text with the error norms of every dictionary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Passage {
    /// Name of the document of the first token.
    pub document: String,
    /// Tokens as shown, `[n]`.
    pub tokens: Vec<String>,
    /// Norm of the error, `[dictionaries][n]`.
    pub norms: Vec<Vec<f32>>,
    /// Norm of the nonlinear part, `[dictionaries][n]`; empty without linear parts.
    pub nonlinear: Vec<Vec<f32>>,
}

/// Shares of the activation's variance that one dictionary leaves unexplained, by cause. They sum to its FVU.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Causes {
    /// Features not yet learnt: FVU − c.
    pub unlearnt: f64,
    /// Linear error: c less the nonlinear error. None without linear parts; the limit c is then whole in `rest`.
    pub linear: Option<f64>,
    /// Nonlinear error, the mean over the dictionaries; without linear parts all of c.
    pub rest: f64,
}

/// Linear parts of the errors of the dictionaries of a ladder, in its order.
#[derive(Debug, Clone)]
pub struct LinearParts {
    parts: Vec<Fitted>,
    notes: Vec<String>,
}

impl LinearParts {
    /// Fits the linear part of every dictionary's error in one pass of the model over the positions of the first text that count. The second text, which is
    /// measured later, must be read by the same rules.
    pub fn fit(
        model: &Model,
        saes: &[Autoencoder<'_>],
        texts: (&Rows, &Rows),
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<Self>> {
        run::fit(model, saes, texts, observe)
    }

    /// Returns what a reader must know about the fits: few activations, or a ridge.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Number of tokens fitted on.
    fn tokens(&self) -> u64 {
        self.parts.first().map_or(0, |part| part.tokens)
    }
}

impl Ladder {
    /// Measures dictionaries of one hook on the positions of `rows` that count, all in one pass of the model. `linear`, fitted on another text, splits every
    /// error. An error if the dictionaries are of different hooks or models, or if fewer than two are given.
    pub fn measure(
        model: &Model,
        (saes, linear): (&[Autoencoder<'_>], Option<&LinearParts>),
        rows: &Rows,
        settings: &Settings,
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<Self>> {
        run::measure(model, (saes, linear), rows, settings, observe)
    }

    /// Returns what each dictionary leaves unexplained, by cause; none without a power law.
    pub fn causes(&self) -> Option<Vec<Causes>> {
        let limit = self.law?.law.c;
        let nonlinear = self.nonlinear();
        let of = |rung: &Rung| Causes {
            unlearnt: rung.fvu - limit,
            linear: nonlinear.map(|nonlinear| limit - nonlinear),
            rest: nonlinear.unwrap_or(limit),
        };
        Some(self.rungs.iter().map(of).collect())
    }

    /// Returns the mean nonlinear FVU over the dictionaries, which the paper draws as a constant; none without linear parts.
    pub fn nonlinear(&self) -> Option<f64> {
        let all = self.rungs.iter();
        let all: Option<Vec<f64>> = all.map(|rung| Some(rung.linear?.fvu_nonlinear)).collect();
        let all = all.filter(|all| !all.is_empty())?;
        Some(all.iter().sum::<f64>() / all.len() as f64)
    }

    /// Returns the ratio of the largest to the smallest L0.
    pub fn l0_ratio(&self) -> f64 {
        let l0 = self.rungs.iter().map(|rung| rung.l0);
        let (least, most) = l0.fold((f64::INFINITY, 0.0_f64), |(least, most), l0| {
            (least.min(l0), most.max(l0))
        });
        most / least
    }

    /// Whether the dictionaries have different L0s, so that their figures differ by more than the width.
    pub fn is_unequal(&self) -> bool {
        self.l0_ratio() > UNEQUAL_L0
    }
}

impl Fit {
    /// Judges whether dictionaries may stand on one ladder: two or more different ones that read one hook, one head and one width, of one model as far as their
    /// files record it.
    pub fn of_ladder(saes: &[&Sae]) -> Self {
        let Some((first, others)) = saes.split_first().filter(|(_, others)| !others.is_empty())
        else {
            let why = "A ladder compares two dictionaries or more: give another one of this hook";
            return Self::new(Verdict::Unfit, why);
        };
        let print = |sae: &Sae| {
            let recorded = sae.provenance.other.get(MODEL_FINGERPRINT)?;
            recorded.as_str().map(str::to_owned)
        };
        let mut prints = vec![first.fingerprint()];
        for other in others {
            let own = other.fingerprint();
            let differ = |what: &str, one: String, two: String| {
                let why = format!(
                    "{} {what} {one}, {} {two}: a ladder compares dictionaries of one hook of one model, leave one of them out",
                    first.name, other.name
                );
                Self::new(Verdict::Unfit, why)
            };
            let hooks = [first, other].map(|sae| place(sae));
            if hooks[0] != hooks[1] {
                let [one, two] = hooks;
                return differ("reads", one, two);
            }
            if first.width() != other.width() {
                let [one, two] = [first, other].map(|sae| sae.width().to_string());
                return differ("reads activations of width", one, two);
            }
            if let (Some(one), Some(two)) = (print(first), print(other))
                && one != two
            {
                let [one, two] = [&one, &two].map(|print| short(print).to_owned());
                return differ("was trained on a model of fingerprint", one, two);
            }
            if prints.contains(&own) {
                let why = format!(
                    "{} is on the ladder twice (fingerprint {}): leave one of them out",
                    other.name,
                    short(&own)
                );
                return Self::new(Verdict::Unfit, why);
            }
            prints.push(own);
        }
        Self::new(
            Verdict::Proven,
            format!("{} dictionaries read {}", saes.len(), place(first)),
        )
    }
}

/// Returns in words what a dictionary reads: its hook, its head, and the part of the error of its parent. Dictionaries of one ladder read the same.
pub fn place(sae: &Sae) -> String {
    let hook = match sae.provenance.hook {
        Some(hook) => hook.to_string(),
        None => "no hook by name".to_owned(),
    };
    let hook = match sae.provenance.head {
        Some(head) => format!("head {head} of {hook}"),
        None => hook,
    };
    match &sae.error_of {
        Some(of) => format!(
            "{} (fingerprint {}) at {hook}",
            of.said(),
            short(of.parent_fingerprint())
        ),
        None => hook,
    }
}

/// Refuses dictionaries that do not stand on one ladder, or not in `model`.
fn check(model: &Model, saes: &[Autoencoder<'_>]) -> Result<()> {
    let plain: Vec<&Sae> = saes.iter().map(|sae| &**sae).collect();
    let fit = Fit::of_ladder(&plain);
    fit.check(false)?;
    for sae in saes {
        let width = crate::formats::width_for(sae, model, sae.hook()?)?;
        if sae.width() != width {
            return Err(Error::Shape {
                op: "ladder",
                what: format!(
                    "dictionary {} has width {}, its hook in this model {width}: open the model it was trained on",
                    sae.name,
                    sae.width()
                ),
            });
        }
    }
    Ok(())
}
