//! Relations of a feature to other features and to neurons: nearest decoder directions, features that are active on the same tokens, aligned neurons.

use std::fmt;
use std::str::FromStr;

use crate::ids::FeatureId;

/// Another feature whose decoder row points in a similar direction.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// The other feature.
    pub feature: FeatureId,
    /// Cosine of the two decoder rows.
    pub cosine: f32,
}

/// Another feature that is active on the same tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Coactive {
    /// The other feature.
    pub feature: FeatureId,
    /// Tokens on which both are active over tokens on which at least one is.
    pub jaccard: f64,
    /// Number of tokens on which both are active.
    pub both: u64,
}

/// A neuron of the hook that a decoder row points along.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neuron {
    /// Number of the neuron in its layer.
    pub neuron: u32,
    /// Cosine of the decoder row with the neuron's axis: the row's entry over its norm.
    pub cosine: f32,
}

/// How counts of pairs were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Counting {
    /// Every pair was counted.
    #[default]
    Exact,
    /// Candidates came from a sketch of bounded size; a second pass counted them exactly. A pair outside the candidates is missing.
    Sketched,
    /// Sketched counts of several parts of a text were merged: where a part did not count a pair, its count is too low.
    Approximate,
}

impl fmt::Display for Counting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
            Self::Sketched => "sketched",
            Self::Approximate => "approximate",
        })
    }
}

impl FromStr for Counting {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Exact, Self::Sketched, Self::Approximate];
        let named = all
            .into_iter()
            .find(|counting| counting.to_string() == text);
        named.ok_or(())
    }
}

/// Relations of a feature, each list strongest first.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Relations {
    /// Features with the largest cosine of decoder rows.
    pub neighbours: Vec<Neighbour>,
    /// Features with the largest Jaccard index of active tokens.
    pub coactive: Vec<Coactive>,
    /// How pairs of active features were counted.
    pub counting: Counting,
    /// Neurons with the largest |cosine|; empty at a hook that has no neurons.
    pub neurons: Vec<Neuron>,
}
