//! Figures that a dictionary's files claim, for comparison with measured ones. Figures from Umbra's own training are no claims.

use std::fmt;
use std::path::Path;

use serde_json::Value;

use crate::sae::{AbsTopK, Sae, Selection, TopK};

/// Figure that files claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// Mean active features per token.
    L0,
    /// Largest number of active features per token.
    MostActive,
    /// Fraction of variance unexplained.
    Fvu,
    /// Fraction of variance unexplained, by SAELens's registry; SAELens before 6.45.1 measured some of these about zero instead of the mean.
    FvuOfRegistry,
    /// Share of features that are never active.
    Dead,
}

impl Claimed {
    /// Returns the figure's name as shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::L0 => "L0",
            Self::MostActive => "L0 at most",
            Self::Fvu | Self::FvuOfRegistry => "FVU",
            Self::Dead => "dead",
        }
    }
}

/// One claim and its source.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Figure.
    pub figure: Claimed,
    /// Claimed value.
    pub value: f64,
    /// Source: a key of the configuration, or the path.
    pub from: &'static str,
}

/// Returns all claims of `sae`, which lies at `path`: SAELens's `l0` and `num_dead_features` (6.47 and later), those of SAELens's registry, the `average_l0_N`
/// of Gemma Scope's folders, and `k`. Umbra's own `training_figures` are no claims: see [`WhileTrained`].
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
    add(Claimed::L0, number("l0"), "metadata l0");
    let dead = number("num_dead_features").map(|dead| dead / sae.features().max(1) as f64);
    add(Claimed::Dead, dead, "metadata num_dead_features");
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
    if let Selection::TopK(TopK { k }) | Selection::AbsTopK(AbsTopK { k }) = sae.selection {
        add(Claimed::MostActive, Some(k as f64), "k");
    }
    all
}

/// Figures that Umbra's training recorded in its last steps, under `training_figures`. They are means over training batches while the weights still changed, so
/// an evaluation of the finished dictionary is not compared with them.
#[derive(Debug, Clone, PartialEq)]
pub struct WhileTrained {
    /// Mean active features per token, by the rule for use where that was measured.
    pub l0: f64,
    /// Fraction of variance unexplained, by the same rule.
    pub fvu: f64,
    /// Number of steps that the figures cover, if the file says so.
    pub steps: Option<u64>,
    /// Training text, if the file says so.
    pub text: Option<String>,
}

impl WhileTrained {
    /// Returns the figures of `sae`, if Umbra trained it.
    pub fn from_sae(sae: &Sae) -> Option<Self> {
        let other = &sae.provenance.other;
        let figures = other.get("training_figures")?;
        let first = |keys: [&str; 2]| keys.iter().find_map(|key| figures.get(*key)?.as_f64());
        Some(Self {
            l0: first(["inference_l0", "l0"])?,
            fvu: first(["inference_fvu", "fvu"])?,
            steps: figures.get("over_steps").and_then(Value::as_u64),
            text: (other.get("corpus").and_then(Value::as_str)).map(str::to_owned),
        })
    }
}

impl fmt::Display for WhileTrained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Three significant digits, as figures are shown everywhere.
        let digits = (2.0 - self.fvu.abs().log10().floor()).clamp(0.0, 8.0) as usize;
        write!(
            f,
            "While it was trained: L0 {:.1}, FVU {:.digits$}, mean of the last ",
            self.l0, self.fvu
        )?;
        match self.steps {
            Some(1) => f.write_str("step")?,
            Some(steps) => write!(f, "{steps} steps")?,
            None => f.write_str("steps")?,
        }
        match &self.text {
            Some(text) => write!(f, " on {text}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dims::Matrix;
    use crate::sae::{Provenance, Relu};

    fn sae(selection: Selection, other: Value) -> Sae {
        let Value::Object(other) = other else {
            panic!("an object")
        };
        let weights = Matrix::new(2, 2, vec![1.0, 0.0, 0.0, 1.0]).unwrap();
        Sae::new(
            "z",
            (weights.clone(), vec![0.0; 2]),
            (weights, vec![0.0; 2]),
            selection,
        )
        .with_provenance(Provenance {
            other: other.into_iter().collect(),
            ..Provenance::default()
        })
    }

    #[test]
    fn what_training_saw_is_told_and_no_claim() {
        let figures = json!({"l0": 3.0, "fvu": 0.5, "dead_fraction": 0.1, "over_steps": 74});
        let other = json!({"training_figures": figures, "corpus": "tales.txt"});
        let one = sae(Selection::Relu(Relu), other);
        assert_eq!(claims(&one, Path::new("saes/z")), []);
        let told = WhileTrained::from_sae(&one).unwrap().to_string();
        assert_eq!(
            told,
            "While it was trained: L0 3.0, FVU 0.500, mean of the last 74 steps on tales.txt"
        );
        // The rule for use counts where it differs. `k` is a bound that always holds. Figures measured by another library are claims.
        let figures = json!({"l0": 3.0, "fvu": 0.5, "inference_l0": 2.0, "inference_fvu": 0.25});
        let other = json!({"training_figures": figures, "l0": 1.5});
        let one = sae(Selection::TopK(TopK { k: 2 }), other);
        let told = WhileTrained::from_sae(&one).unwrap();
        assert_eq!((told.l0, told.fvu, told.steps), (2.0, 0.25, None));
        let claimed: Vec<_> = claims(&one, Path::new("saes/z"))
            .iter()
            .map(|claim| (claim.figure, claim.value))
            .collect();
        assert_eq!(claimed, [(Claimed::L0, 1.5), (Claimed::MostActive, 2.0)]);
        assert_eq!(
            WhileTrained::from_sae(&sae(Selection::Relu(Relu), json!({}))),
            None
        );
    }
}
