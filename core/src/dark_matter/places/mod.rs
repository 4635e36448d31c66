//! Where the error of a dictionary is: by class of token, by position, by token, and in which contexts; and what predicts its norm.
//!
//! The share of a group of tokens that is unexplained is Σ‖x − x̂‖² / Σ‖x − mean x‖² over the group, the mean over all tokens measured: FVU of the group.

mod examples;
mod groups;
mod norms;
mod run;

use serde::{Deserialize, Serialize};

use super::{ErrorNorms, FitTexts, Probe, percent};
use crate::error::Result;
use crate::ids::{HookPoint, TokenId};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::{Autoencoder, Sae};

pub use examples::KEPT;

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "fvu",
        "Σ‖x − x̂‖² / Σ‖x − mean x‖² over the tokens of the group; the mean is that of all tokens measured",
    ),
    (
        "fvu_linear",
        "fvu − fvu_nonlinear: what adding the linear part takes away",
    ),
    (
        "fvu_nonlinear",
        "Σ‖x − x̂ − linear part‖² / Σ‖x − mean x‖² over the tokens of the group",
    ),
    ("norm", "mean of ‖x − x̂‖ over the tokens of the group"),
    (
        "of_error",
        "share of the group in Σ‖x − x̂‖² over all tokens measured",
    ),
    (
        "share",
        "‖x − x̂‖² / ‖x − mean x‖² at one token: its unexplained share",
    ),
    (
        "r2",
        "R² on held-out text of a norm predicted by least squares with intercept, fitted on the other text",
    ),
];

/// Error of a group of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Share {
    /// Number of tokens.
    pub tokens: u64,
    /// Unexplained share: Σ‖e‖² / Σ‖x − mean‖².
    pub fvu: f64,
    /// Unexplained share once the linear part is added.
    pub fvu_nonlinear: f64,
    /// Mean of ‖e‖.
    pub norm: f64,
    /// Share of the group in Σ‖e‖² of all tokens.
    pub of_error: f64,
}

impl Share {
    /// Returns what adding the linear part takes away.
    pub fn fvu_linear(&self) -> f64 {
        self.fvu - self.fvu_nonlinear
    }
}

/// Error of a class of tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ByClass {
    /// Name, such as `word start`.
    pub name: String,
    /// Definition as a predicate of tokens ([`crate::features::predicate`]).
    pub predicate: String,
    /// Whether its tokens may belong to other classes too; the classes that do not overlap add up to all tokens.
    pub overlaps: bool,
    /// Error of its tokens.
    pub share: Share,
    /// Interval of `share.fvu`, 95 %, by bootstrap over documents; none without a token in most draws.
    pub interval: Option<[f64; 2]>,
}

/// Error of a range of positions in the row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ByPosition {
    /// First position.
    pub from: u32,
    /// Position behind the last one.
    pub to: u32,
    /// Error at these positions.
    pub share: Share,
    /// Interval of `share.fvu`, 95 %.
    pub interval: Option<[f64; 2]>,
}

/// Error of one token of the vocabulary.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ByToken {
    /// Token.
    pub id: TokenId,
    /// Token as shown.
    pub text: String,
    /// Error at its occurrences.
    pub share: Share,
}

/// Scalar or vector that may predict ‖e‖ of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// Linear probe of the activation.
    Activation,
    /// Mean of ‖e‖ over the occurrences of the token in the text fitted on; the mean over all tokens where there are none.
    TokenId,
    /// Cross-entropy of the model's prediction at this position.
    Loss,
    /// Number of active features.
    L0,
    /// Norm of the activation.
    ActivationNorm,
}

impl Baseline {
    /// All baselines, the probe first.
    pub const ALL: [Self; 5] = [
        Self::Activation,
        Self::TokenId,
        Self::Loss,
        Self::L0,
        Self::ActivationNorm,
    ];

    /// Returns what it predicts from, within a sentence.
    const fn said(self) -> &'static str {
        match self {
            Self::Activation => "the activation",
            Self::TokenId => "the token's mean error elsewhere",
            Self::Loss => "the model's loss",
            Self::L0 => "the number of active features",
            Self::ActivationNorm => "the norm of the activation",
        }
    }

    /// Returns what it reads, in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Activation => "activation (linear probe)",
            Self::TokenId => "token (mean of its occurrences)",
            Self::Loss => "loss of the model",
            Self::L0 => "number of active features",
            Self::ActivationNorm => "norm of the activation",
        }
    }
}

/// How well one baseline predicts ‖e‖ on held-out text.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BaselineR2 {
    /// Baseline that predicts.
    pub baseline: Baseline,
    /// R² of ‖e‖ (not squared) on held-out text.
    pub r2: f64,
    /// Interval, 95 %.
    pub interval: Option<[f64; 2]>,
    /// Number of tokens measured on: those with a next token for the loss, all for the others.
    pub tokens: u64,
}

/// Vector whose squared norm is predicted from the activation, in the order of the paper's figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Component {
    /// Activation x.
    Activation,
    /// Reconstruction x̂.
    Reconstruction,
    /// Reconstruction without the nonlinear error, x̂ + linear part.
    ReconstructionAndLinear,
    /// Error x − x̂.
    Error,
    /// Linear part of the error.
    Linear,
    /// Nonlinear part of the error.
    Nonlinear,
}

impl Component {
    /// All components, in display order.
    pub const ALL: [Self; 6] = [
        Self::Activation,
        Self::Reconstruction,
        Self::ReconstructionAndLinear,
        Self::Error,
        Self::Linear,
        Self::Nonlinear,
    ];

    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Activation => "activation",
            Self::Reconstruction => "reconstruction",
            Self::ReconstructionAndLinear => "reconstruction + linear",
            Self::Error => "error",
            Self::Linear => "linear error",
            Self::Nonlinear => "nonlinear error",
        }
    }
}

/// How well the squared norm of one component is predicted from the activation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NormR2 {
    /// Vector whose squared norm is predicted.
    pub component: Component,
    /// R² of its squared norm on held-out text.
    pub r2: f64,
    /// Interval, 95 %.
    pub interval: Option<[f64; 2]>,
}

/// Context in which the error is extreme.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// Name of the document.
    pub document: String,
    /// Row of the text.
    pub row: u32,
    /// Position of the token in the row.
    pub position: u32,
    /// Tokens of the row from its beginning to a few behind the token: a model that reads them has the same activation at `position`.
    pub ids: Vec<TokenId>,
    /// Whether documents packed in the row were kept apart.
    pub apart: bool,
    /// Index in `ids` of the first token of the excerpt that is shown.
    pub from: u32,
    /// Tokens of the excerpt as shown.
    pub texts: Vec<String>,
    /// Unexplained share at each token of the excerpt; 0 at positions that do not count.
    pub shares: Vec<f32>,
    /// Unexplained share ‖e‖² / ‖x − mean‖² at the token.
    pub share: f32,
    /// Norms at the token.
    pub norms: ErrorNorms,
}

impl Example {
    /// Index of the token within the excerpt.
    pub fn at(&self) -> usize {
        (self.position - self.from) as usize
    }

    /// Token of the example.
    pub fn token(&self) -> Option<TokenId> {
        self.ids.get(self.position as usize).copied()
    }
}

/// Where the error of one dictionary is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Places {
    /// Name of the dictionary.
    pub sae: String,
    /// Hook of the dictionary.
    pub hook: HookPoint,
    /// Error of all tokens.
    pub all: Share,
    /// Error by class; those that do not overlap first, each with at least one token.
    pub by_class: Vec<ByClass>,
    /// Error by position, in order.
    pub by_position: Vec<ByPosition>,
    /// Error by token, for tokens seen [`OFTEN`] times at least: those explained least, those explained best and those with the largest share of the error;
    /// explained least first.
    pub by_token: Vec<ByToken>,
    /// Baselines for ‖e‖, in the order of [`Baseline::ALL`].
    pub baselines: Vec<BaselineR2>,
    /// Predictability of squared norms, in the order of [`Component::ALL`].
    pub norms: Vec<NormR2>,
    /// Contexts explained least, least first; their tokens differ.
    pub worst: Vec<Example>,
    /// Contexts explained best, best first; their tokens differ.
    pub best: Vec<Example>,
    /// Number of tokens that norms and baselines were fitted on.
    pub fit_tokens: u64,
    /// Parts of the text that were drawn for the intervals, as a phrase.
    pub drawn: String,
}

/// Least number of occurrences of a token in [`Places::by_token`].
pub const OFTEN: u64 = 5;

/// Measures where the error of a dictionary is, split by `probe`, on the held-out text; norms are predicted from the text to fit on. Intervals come from `draws`
/// draws of the parts of the held-out text by `seed`. `other` is the dictionary that the probe's predictor names.
pub fn measure(
    model: &Model,
    (sae, other): (Autoencoder<'_>, Option<&Sae>),
    (probe, draws, seed): (&Probe, usize, u64),
    texts: &FitTexts<'_>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Places>> {
    run::run(model, (sae, other), (probe, draws, seed), texts, observe)
}

impl Places {
    /// Says in one sentence where the error is.
    pub fn conclusion(&self) -> String {
        conclusion(self)
    }

    /// Says in one sentence whether the norm of the nonlinear error is predicted as well as that of a sum of features, the reconstruction.
    pub fn norms_conclusion(&self) -> String {
        compared(&self.norms)
    }
}

/// Compares the classes that do not overlap, then the probe with the best scalar.
fn conclusion(places: &Places) -> String {
    let classes = places.by_class.iter().filter(|class| !class.overlaps);
    let judged: Vec<&ByClass> = classes.filter(|class| class.interval.is_some()).collect();
    let by_fvu = |a: &&&ByClass, b: &&&ByClass| a.share.fvu.total_cmp(&b.share.fvu);
    let ends = (
        judged.iter().min_by(by_fvu).copied(),
        judged.iter().max_by(by_fvu).copied(),
    );
    let where_it_is = match ends {
        (Some(best), Some(worst)) if apart(best.interval, worst.interval) => format!(
            "The dictionary leaves most unexplained at tokens of the kind “{}” ({}) and least at “{}” ({})",
            worst.name,
            percent(worst.share.fvu),
            best.name,
            percent(best.share.fvu)
        ),
        _ => format!(
            "The dictionary leaves {} unexplained; the intervals of the kinds of tokens overlap",
            percent(places.all.fvu)
        ),
    };
    let r2 = |baseline: Baseline| {
        let mut found = places.baselines.iter();
        found.find(|found| found.baseline == baseline)
    };
    let scalars = Baseline::ALL.into_iter().skip(1).filter_map(r2);
    let scalar = scalars.max_by(|a, b| a.r2.total_cmp(&b.r2));
    match (r2(Baseline::Activation), scalar) {
        (Some(probe), Some(scalar)) => {
            let comparison = if apart(scalar.interval, probe.interval) {
                "better than"
            } else if apart(probe.interval, scalar.interval) {
                "worse than"
            } else {
                "no better and no worse, within the intervals, than"
            };
            format!(
                "{where_it_is}; a linear probe of the activation predicts the size of the error {comparison} the best single number, {} (R² {:.2} and {:.2})",
                scalar.baseline.said(),
                probe.r2,
                scalar.r2
            )
        }
        _ => where_it_is,
    }
}

/// Compares how well the norm of the nonlinear error and that of the reconstruction are predicted.
fn compared(norms: &[NormR2]) -> String {
    let of = |component: Component| norms.iter().find(|of| of.component == component);
    let (Some(sum), Some(rest)) = (of(Component::Reconstruction), of(Component::Nonlinear)) else {
        return "The norms of the parts were not measured".to_owned();
    };
    let figures = format!(
        "the squared norm of the nonlinear error is predicted with R² {:.2}, that of the reconstruction, a sum of features, with {:.2}",
        rest.r2, sum.r2
    );
    if apart(rest.interval, sum.interval) {
        format!("By this test the nonlinear error is less like a sum of features: {figures}")
    } else if apart(sum.interval, rest.interval) {
        format!("By this test the nonlinear error may be a sum of features too: {figures}")
    } else {
        format!("This test does not tell the nonlinear error from a sum of features: {figures}")
    }
}

/// Whether the first interval lies wholly below the second.
fn apart(below: Option<[f64; 2]>, above: Option<[f64; 2]>) -> bool {
    matches!((below, above), (Some(below), Some(above)) if below[1] < above[0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_are_told_apart_only_where_their_intervals_are() {
        let said = |interval: Option<[f64; 2]>| {
            let of = |component, r2, interval| NormR2 {
                component,
                r2,
                interval,
            };
            compared(&[
                of(Component::Reconstruction, 0.9, Some([0.85, 0.95])),
                of(Component::Nonlinear, 0.7, interval),
            ])
        };
        let less = said(Some([0.6, 0.8]));
        assert!(less.contains("less like a sum of features"), "{less}");
        assert!(less.contains("R² 0.70"), "{less}");
        let open = "does not tell";
        assert!(said(Some([0.6, 0.86])).contains(open));
        assert!(said(None).contains(open));
        assert!(said(Some([0.96, 0.99])).contains("may be a sum of features too"));
        assert_eq!(compared(&[]), "The norms of the parts were not measured");
    }
}
