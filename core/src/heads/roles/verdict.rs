//! The rule that turns clusters and ablation into a verdict.

use super::evidence::LEAST_TOKENS;
use super::{Rise, Verdict};

/// Share of the features that one cluster must hold for one role.
pub const ONE: f64 = 0.8;

/// Features that a cluster must have to count as a group.
pub const GROUP: usize = 2;

/// Features below which there is no verdict.
pub const LEAST: usize = 5;

/// The rule of a criterion, one sentence.
pub const RULE: &str = "One role: one cluster holds at least 8 of the ten features; several roles: at least two clusters have two features or more each, and mean ablation of the head raises cross-entropy, with a 95 % interval above 0, on the tokens of at least two of them; otherwise cannot tell";

/// The rule that joins the criteria, one sentence.
pub const JOINED: &str = "The verdict is the one that a criterion gives and the other does not contradict; cannot tell contradicts nothing";

/// Shape of the clusters, before ablation is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One cluster holds nearly all features.
    One,
    /// Two clusters or more are groups.
    Several,
    /// Neither.
    Neither,
}

/// Returns the shape of clusters of sizes `sizes`, largest first.
pub(super) fn shape(sizes: &[usize]) -> Shape {
    let n: usize = sizes.iter().sum();
    if n < LEAST {
        return Shape::Neither;
    }
    if sizes[0] as f64 >= ONE * n as f64 {
        return Shape::One;
    }
    if sizes.iter().filter(|size| **size >= GROUP).count() >= 2 {
        Shape::Several
    } else {
        Shape::Neither
    }
}

/// Decides by shape and by the rise on the tokens of each group.
pub(super) fn decide(shape: Shape, rises: impl Iterator<Item = Option<Rise>>) -> Verdict {
    match shape {
        Shape::One => Verdict::One,
        Shape::Several
            if rises
                .filter(|rise| rise.is_some_and(Rise::is_above))
                .count()
                >= 2 =>
        {
            Verdict::Several
        }
        Shape::Several | Shape::Neither => Verdict::Unsure,
    }
}

/// Joins the verdicts of the two criteria.
pub(super) fn join([a, b]: [Verdict; 2]) -> Verdict {
    match (a, b) {
        (a, Verdict::Unsure) => a,
        (Verdict::Unsure, b) => b,
        (a, b) if a == b => a,
        _ => Verdict::Unsure,
    }
}

impl Rise {
    /// Whether cross-entropy rises: the interval lies above 0 and has ten tokens or more.
    pub fn is_above(self) -> bool {
        self.low > 0.0 && self.tokens >= LEAST_TOKENS
    }
}
