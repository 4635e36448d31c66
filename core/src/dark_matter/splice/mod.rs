//! Cross-entropy with each part of the error put back, removed, or swapped between tokens (papers.md 4.4, item 8).
//!
//! With x = x̂ + linear + nonlinear, putting one part back is removing the other: x̂ + linear = x − nonlinear. A swap gives each token the part of another token,
//! which keeps the part's size and distribution and takes away what it says about its token.

mod run;
mod sums;
#[cfg(test)]
pub(super) mod tests;

use serde::{Deserialize, Serialize};

use crate::corpus::Positions;

pub use self::run::splice;

/// Draws of the bootstrap.
pub const DRAWS: usize = 1000;

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "ce_clean",
        "mean cross-entropy of the model in nats, over the predictions charged, as in `umbra eval`",
    ),
    (
        "ce_sae",
        "mean cross-entropy with the reconstruction x̂ in place of the activation x at every position that counts",
    ),
    (
        "ce_linear",
        "mean cross-entropy with x̂ + linear part, which is x with the nonlinear part removed",
    ),
    (
        "ce_nonlinear",
        "mean cross-entropy with x̂ + nonlinear part, which is x with the linear part removed",
    ),
    (
        "ce_zero",
        "mean cross-entropy with zeros in place of x, as in `umbra eval`",
    ),
    (
        "ce_recovered_zero",
        "(ce_zero − ce_sae) / (ce_zero − ce_clean): share of what the hook is worth that x̂ keeps",
    ),
    (
        "ce_swapped",
        "mean cross-entropy with x, but one part of its error taken from another token of the rows read together (seeded, no token keeps its own)",
    ),
    ("tokens", "number of predictions charged"),
    (
        "fvu",
        "Σ‖x − y‖² / Σ‖x − mean x‖² over the positions that count, for y = x̂ (sae), x̂ + linear part (linear), x̂ + nonlinear part (nonlinear)",
    ),
    (
        "recovered",
        "(ce_sae − ce) / (ce_sae − ce_clean), with ce that of x̂ + the part: 1 recovers all that the dictionary costs, 0 nothing",
    ),
    (
        "recovered_interval",
        "95 % interval of recovered by bootstrap over blocks of the held-out text, with the fit held fixed",
    ),
    (
        "norm_share",
        "mean length of the part over the mean length of the error; the two need not sum to 1",
    ),
    (
        "r2_share",
        "linear: R² of the error by the fit, 1 − Σ‖e − linear‖² / Σ‖e − mean e‖²; nonlinear: the rest",
    ),
];

/// A value for each part of the error.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ByPart<T> {
    /// Value of the linear part.
    pub linear: T,
    /// Value of the nonlinear part.
    pub nonlinear: T,
}

/// FVU of the three values that take the activation's place.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FvuByPart {
    /// FVU of x̂.
    pub sae: f64,
    /// FVU of x̂ + linear part.
    pub linear: f64,
    /// FVU of x̂ + nonlinear part.
    pub nonlinear: f64,
}

/// Price of the parts of one dictionary's error, on held-out text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spliced {
    /// Name of the dictionary.
    pub sae: String,
    /// Hook that it reads.
    pub hook: String,
    /// Number of its features.
    pub features: usize,
    /// Cross-entropy of the unmodified model, in nats per prediction.
    pub ce_clean: f64,
    /// Cross-entropy with x̂.
    pub ce_sae: f64,
    /// Cross-entropy with x̂ + linear part.
    pub ce_linear: f64,
    /// Cross-entropy with x̂ + nonlinear part.
    pub ce_nonlinear: f64,
    /// Cross-entropy with zeros.
    pub ce_zero: f64,
    /// Cross-entropy with x, the part taken from another token.
    pub ce_swapped: ByPart<f64>,
    /// Number of predictions charged.
    pub tokens: u64,
    /// FVU by what takes the activation's place.
    pub fvu: FvuByPart,
    /// Share of the dictionary's cost that a part recovers; none where the dictionary costs nothing.
    pub recovered: ByPart<Option<f64>>,
    /// 95 % interval of `recovered`; none where the text has too few blocks.
    pub recovered_interval: ByPart<Option<[f64; 2]>>,
    /// 95 % interval of the cost `ce_sae − ce_clean`.
    pub cost_interval: Option<[f64; 2]>,
    /// Mean length over that of the error.
    pub norm_share: ByPart<f64>,
    /// R² of the error by the fit, and the rest.
    pub r2_share: ByPart<f64>,
}

/// Prices of several dictionaries of one model on the same text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// One entry a dictionary, in the order given.
    pub dictionaries: Vec<Spliced>,
    /// Number of activations fitted on.
    pub fit_tokens: u64,
    /// Number of activations measured on.
    pub held_out_tokens: u64,
    /// Rule for the positions that count.
    pub positions: Positions,
    /// Blocks that the bootstrap draws, in words.
    pub blocks: String,
    /// Seed of swaps and draws.
    pub seed: u64,
    /// Notes that a reader must know, such as too little text.
    pub notes: Vec<String>,
}

impl Spliced {
    /// Nats that the dictionary costs: `ce_sae − ce_clean`.
    pub fn cost(&self) -> f64 {
        self.ce_sae - self.ce_clean
    }

    /// Share of the cross-entropy between zeros and the clean model that the reconstruction keeps: `(ce_zero − ce_sae) / (ce_zero − ce_clean)`, as `umbra eval` has it.
    pub fn ce_recovered_zero(&self) -> f64 {
        (self.ce_zero - self.ce_sae) / (self.ce_zero - self.ce_clean)
    }

    /// Whether the interval of the cost, or the cost itself where there is none, lies above 0.
    pub fn costs_something(&self) -> bool {
        self.cost_interval
            .map_or(self.cost() > 0.0, |[low, _]| low > 0.0)
    }

    /// Returns what the figures say, in one sentence.
    pub fn conclusion(&self) -> String {
        let name = &self.sae;
        let (Some(linear), Some(nonlinear), true) = (
            self.recovered.linear,
            self.recovered.nonlinear,
            self.costs_something(),
        ) else {
            return format!(
                "{name} costs {:+.4} nats on this text, too little to say which part of its error costs it",
                self.cost()
            );
        };
        let share = self.r2_share.linear;
        let verdict = match self.recovered_interval.linear {
            Some([low, high]) if low <= share && share <= high => " and recovers about that share",
            Some([low, _]) if low > share => " and recovers more than that share",
            Some(_) => " and recovers less than that share",
            None => "",
        };
        let said = |part: Option<[f64; 2]>| {
            part.map_or(String::new(), |[low, high]| {
                format!(" ({} to {})", percent(low), percent(high))
            })
        };
        format!(
            "{name} costs {:.4} nats: with the linear part put back {}{} of that is recovered, with the nonlinear part {}{}; the linear part is {} of the error{verdict}",
            self.cost(),
            percent(linear),
            said(self.recovered_interval.linear),
            percent(nonlinear),
            said(self.recovered_interval.nonlinear),
            percent(share),
        )
    }
}

impl Costs {
    /// Returns what the figures say, in one sentence.
    pub fn conclusion(&self) -> String {
        let decided: Vec<(&Spliced, f64, f64)> = self
            .dictionaries
            .iter()
            .filter(|one| one.costs_something())
            .filter_map(|one| Some((one, one.recovered.linear?, one.recovered.nonlinear?)))
            .collect();
        match (self.dictionaries.as_slice(), decided.as_slice()) {
            ([], _) => "No dictionary was measured".to_owned(),
            ([one], _) => one.conclusion(),
            (all, []) => format!(
                "None of the {} dictionaries costs enough on this text to say which part of its error costs it",
                all.len()
            ),
            (all, decided) => {
                let linear = decided.iter().filter(|(_, linear, rest)| linear > rest);
                let range = |of: fn(&(&Spliced, f64, f64)) -> f64| {
                    let values = decided.iter().map(of);
                    let low = values.clone().fold(f64::INFINITY, f64::min);
                    let high = values.fold(f64::NEG_INFINITY, f64::max);
                    format!("{} to {}", percent(low), percent(high))
                };
                let is_decided = |one: &Spliced| decided.iter().any(|of| std::ptr::eq(of.0, one));
                let undecided: Vec<&str> = (all.iter())
                    .filter(|one| !is_decided(one))
                    .map(|one| one.sae.as_str())
                    .collect();
                let rest = match undecided.as_slice() {
                    [] => String::new(),
                    names => format!("; too little is lost to say it of {}", names.join(", ")),
                };
                format!(
                    "Put back alone, the linear part recovers {} of what a dictionary costs and the nonlinear part {}; the linear part recovers more in {} of {} dictionaries{rest}",
                    range(|one| one.1),
                    range(|one| one.2),
                    linear.count(),
                    decided.len(),
                )
            }
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}
