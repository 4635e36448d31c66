//! What a dictionary's files say of its figures, to be held beside what is measured.

use std::path::Path;

use serde_json::Value;

use crate::sae::{Sae, Selection};

/// A figure that files claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// Mean active features per token.
    L0,
    /// Active features per token at most.
    MostActive,
    /// Fraction of variance unexplained.
    Fvu,
    /// The same by SAELens's registry, some of whose figures are about zero and not about the mean (SAELens before 6.45.1).
    FvuOfRegistry,
    /// Share of features that are never active.
    Dead,
}

impl Claimed {
    /// As shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::L0 => "L0",
            Self::MostActive => "L0 at most",
            Self::Fvu | Self::FvuOfRegistry => "FVU",
            Self::Dead => "dead",
        }
    }
}

/// One claim and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Which figure.
    pub figure: Claimed,
    /// As it is claimed.
    pub value: f64,
    /// Where: a key of the configuration, or the path.
    pub from: &'static str,
}

/// All claims of `sae`, which lies at `path`: SAELens's `l0` and `num_dead_features` (6.47 and later), Umbra's `training_figures`, those of SAELens's registry,
/// the `average_l0_N` of Gemma Scope's folders, and `k`.
pub fn claims(sae: &Sae, path: &Path) -> Vec<Claim> {
    let mut all = Vec::new();
    let mut add = |figure, value: Option<f64>, from| {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            all.push(Claim {
                figure,
                value,
                from,
            });
        }
    };
    let other = &sae.provenance.other;
    let number = |key: &str| other.get(key).and_then(Value::as_f64);
    let of_training = |keys: [&str; 2]| {
        let figures = other.get("training_figures")?;
        keys.iter().find_map(|key| figures.get(*key)?.as_f64())
    };
    add(Claimed::L0, number("l0"), "metadata l0");
    let dead = number("num_dead_features").map(|dead| dead / sae.features().max(1) as f64);
    add(Claimed::Dead, dead, "metadata num_dead_features");
    // Under the rule for use where that differs from the rule of training.
    let l0 = of_training(["inference_l0", "l0"]);
    add(Claimed::L0, l0, "training_figures");
    let fvu = of_training(["inference_fvu", "fvu"]);
    add(Claimed::Fvu, fvu, "training_figures");
    let dead = of_training(["dead_fraction", "dead_fraction"]);
    add(Claimed::Dead, dead, "training_figures");
    let registered = |key: &str| other.get("registry")?.get(key)?.as_f64();
    add(Claimed::L0, registered("l0"), "l0 of the registry");
    let explained = registered("variance_explained").map(|explained| 1.0 - explained);
    let from = "variance_explained of the registry";
    add(Claimed::FvuOfRegistry, explained, from);
    let in_path = path.components().find_map(|part| {
        let digits = part.as_os_str().to_str()?.strip_prefix("average_l0_")?;
        digits.parse().ok()
    });
    add(Claimed::L0, in_path, "the folder's name");
    if let Selection::TopK { k } | Selection::AbsTopK { k } = sae.selection {
        add(Claimed::MostActive, Some(k as f64), "k");
    }
    all
}
