//! The rule that turns clusters and ablation into a verdict.

use super::evidence::LEAST_TOKENS;
use super::{Cluster, Criterion, HeadRoles, Judged, Rise, Verdict};

/// Share of the features that one cluster must hold for one role.
pub const ONE: f64 = 0.8;

/// Features that a cluster must have to count as a group.
pub const GROUP: usize = 2;

/// Features below which there is no verdict.
pub const LEAST: usize = 5;

/// Share of the head's output on the text that the features behind a verdict must explain: below a tenth, nine tenths of what the head writes would be judged
/// by features that have no part in it.
pub const EXPLAINED: f64 = 0.1;

/// The rule of a criterion, one sentence.
pub const RULE: &str = "One role: one cluster holds at least 8 of the ten features, and the ten explain at least 10 % of what the head writes on the text; several roles: at least two clusters have two features or more each, mean ablation of the head raises cross-entropy, with a 95 % interval above 0, on the tokens of each, and together they explain at least 10 % of what the head writes; clusters by tokens that share one of the four tokens at which each peaks most often count as one; otherwise cannot tell";

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

/// Clusters that can count for several roles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Counted {
    /// Groups on whose tokens cross-entropy rises.
    pub(super) rising: usize,
    /// Those, where groups by tokens that share a leading token count as one.
    pub(super) apart: usize,
    /// Share of the head's output that they explain together.
    pub(super) explained: f64,
}

impl Counted {
    /// Counts among groups of two features or more.
    pub(super) fn new<'a>(criterion: Criterion, groups: impl Iterator<Item = &'a Cluster>) -> Self {
        let rising: Vec<&Cluster> = groups
            .filter(|group| group.rise.is_some_and(Rise::is_above))
            .collect();
        let share = |a: &Cluster, b: &Cluster| {
            criterion == Criterion::Tokens && a.tokens.iter().any(|token| b.tokens.contains(token))
        };
        let mut apart: Vec<Vec<&Cluster>> = Vec::new();
        for &group in &rising {
            let (touching, mut rest): (Vec<_>, Vec<_>) = apart
                .into_iter()
                .partition(|part| part.iter().any(|other| share(other, group)));
            let mut joined: Vec<&Cluster> = touching.into_iter().flatten().collect();
            joined.push(group);
            rest.push(joined);
            apart = rest;
        }
        Self {
            rising: rising.len(),
            apart: apart.len(),
            explained: rising.iter().map(|group| group.explained).sum(),
        }
    }

    fn is_several(self) -> bool {
        self.apart >= 2 && self.explained >= EXPLAINED
    }
}

/// Decides by the shape, the share of the head's output that all features explain, and the groups that count.
pub(super) fn decide(shape: Shape, listed: f64, counted: Counted) -> Verdict {
    match shape {
        Shape::One if listed >= EXPLAINED => Verdict::One,
        Shape::Several if counted.is_several() => Verdict::Several,
        Shape::One | Shape::Several | Shape::Neither => Verdict::Unsure,
    }
}

/// Says why a criterion decides as it does.
pub(super) fn because(roles: &HeadRoles, judged: &Judged) -> String {
    let phrase = judged.criterion.phrase();
    let Some(first) = judged.clusters.first() else {
        return format!("there are no features to compare by {phrase}");
    };
    if judged.cut.is_none() {
        return format!("random features cluster as well by {phrase}");
    }
    let sizes: Vec<usize> = judged.clusters.iter().map(|c| c.members.len()).collect();
    let n = roles.features.len();
    let little = |who: &str, share: f64| {
        if share >= EXPLAINED {
            return String::new();
        }
        format!(
            ", but {who} only {:.1} % of what the head writes, and a verdict needs {:.0} %",
            100.0 * share,
            100.0 * EXPLAINED
        )
    };
    match (shape(&sizes), judged.groups().count()) {
        (_, 0) => format!("by {phrase} all {n} features stand alone"),
        (shape, 1) => {
            let mut words = format!(
                "by {phrase} one cluster holds {} of {n}",
                first.members.len()
            );
            if shape == Shape::One {
                words += &little(&format!("the {n} features explain"), roles.parts.listed);
            }
            words
        }
        (shape, many) => {
            let counted = Counted::new(judged.criterion, judged.groups());
            let alike = if counted.apart < counted.rising {
                let share = "which share tokens that they peak on most often";
                format!(", {share} and count as {}", counted.apart)
            } else {
                String::new()
            };
            let mut words = format!(
                "by {phrase} there are {many} groups, and ablation raises cross-entropy on the tokens of {}{alike}",
                counted.rising
            );
            match shape {
                Shape::One => {
                    words += &little(&format!("the {n} features explain"), roles.parts.listed);
                }
                Shape::Several if counted.rising >= 2 => {
                    words += &little("these clusters explain", counted.explained);
                }
                Shape::Several | Shape::Neither => {}
            }
            words
        }
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
