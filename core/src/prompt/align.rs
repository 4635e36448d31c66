//! Two texts side by side: tokens aligned by the fewest changes, and the features that differ between them.

use std::collections::BTreeMap;

use super::Reading;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, TokenId};

/// Greatest number of pairs of tokens that an alignment considers, after equal beginnings and ends are set aside.
const MOST: usize = 1 << 26;

/// Step of an alignment: a token of each text, or of one of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Position in the first text; none where the second has an additional token.
    pub one: Option<usize>,
    /// Position in the second text; none where the first has an additional token.
    pub other: Option<usize>,
}

/// Aligns two texts with the fewest tokens replaced, left out or added (Levenshtein distance); among equals, tokens are paired rather than left out, and later ones
/// first.
pub fn align(one: &[TokenId], other: &[TokenId]) -> Result<Vec<Step>> {
    let pairs = |(a, b): &(&TokenId, &TokenId)| a == b;
    let ahead = one.iter().zip(other).take_while(pairs).count();
    let (rest, rest_other) = (&one[ahead..], &other[ahead..]);
    let behind = rest.iter().rev().zip(rest_other.iter().rev());
    let behind = behind.take_while(pairs).count();
    let middle = &rest[..rest.len() - behind];
    let middle_other = &rest_other[..rest_other.len() - behind];
    if middle.len().saturating_mul(middle_other.len()) > MOST {
        let what = format!(
            "texts of {} and {} tokens that differ throughout are too long to align: compare shorter ones",
            one.len(),
            other.len()
        );
        return Err(Error::setting("texts", what));
    }
    let both = |shift: (usize, usize)| {
        move |i: usize| Step {
            one: Some(shift.0 + i),
            other: Some(shift.1 + i),
        }
    };
    let moved = |step: Step| Step {
        one: step.one.map(|i| i + ahead),
        other: step.other.map(|j| j + ahead),
    };
    let mut steps: Vec<Step> = (0..ahead).map(both((0, 0))).collect();
    steps.extend(fewest(middle, middle_other).into_iter().map(moved));
    let ends = (one.len() - behind, other.len() - behind);
    steps.extend((0..behind).map(both(ends)));
    Ok(steps)
}

/// Aligns two texts by the table of all their beginnings.
fn fewest(one: &[TokenId], other: &[TokenId]) -> Vec<Step> {
    let wide = other.len() + 1;
    let mut costs: Vec<u32> = (0..wide as u32).collect();
    // How the pair of beginnings was reached: 0 both, 1 a token of the first, 2 a token of the second.
    let mut came = vec![2_u8; (one.len() + 1) * wide];
    for (i, a) in one.iter().enumerate() {
        let mut diagonal = costs[0];
        costs[0] += 1;
        came[(i + 1) * wide] = 1;
        for (j, b) in other.iter().enumerate() {
            let paired = diagonal + u32::from(a != b);
            let (left_out, added) = (costs[j + 1] + 1, costs[j] + 1);
            diagonal = costs[j + 1];
            let least = paired.min(left_out).min(added);
            costs[j + 1] = least;
            came[(i + 1) * wide + j + 1] = match least {
                _ if least == paired => 0,
                _ if least == left_out => 1,
                _ => 2,
            };
        }
    }
    let (mut i, mut j) = (one.len(), other.len());
    let mut steps = Vec::with_capacity(i.max(j));
    while i > 0 || j > 0 {
        let way = came[i * wide + j];
        let step = Step {
            one: (way != 2).then(|| i - 1),
            other: (way != 1).then(|| j - 1),
        };
        i -= usize::from(way != 2);
        j -= usize::from(way != 1);
        steps.push(step);
    }
    steps.reverse();
    steps
}

/// Difference of one feature between two aligned texts, the second less the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Feature.
    pub feature: FeatureId,
    /// Largest change of its activation in size, with its sign; a token that the other text lacks counts as an activation of 0 there.
    pub change: f32,
    /// Step of the largest change.
    pub step: usize,
    /// Sum of its changes over all steps, with their signs.
    pub sum: f64,
    /// Its largest activation in size in the first text.
    pub one: f32,
    /// Its largest activation in size in the second text.
    pub other: f32,
}

/// Two readings by one dictionary, aligned.
#[derive(Debug, Clone, PartialEq)]
pub struct Aligned {
    /// Steps in order.
    pub steps: Vec<Step>,
    /// Size of the change at each step: the norm of the difference of the activations; 0 where a token does not count.
    pub changes: Vec<f32>,
    /// Features whose activation differs somewhere, largest change in size first.
    pub features: Vec<Difference>,
}

impl Aligned {
    /// Aligns two readings by the same dictionary. Tokens that do not count ([`Reading::counts`]) are aligned, and their activations left out.
    pub fn new(one: &Reading, other: &Reading) -> Result<Self> {
        let steps = align(&one.tokens, &other.tokens)?;
        let mut features: BTreeMap<FeatureId, Difference> = BTreeMap::new();
        let mut changes = Vec::with_capacity(steps.len());
        for (number, step) in steps.iter().enumerate() {
            let mut here: BTreeMap<FeatureId, [f32; 2]> = BTreeMap::new();
            for (side, (reading, at)) in [(one, step.one), (other, step.other)].iter().enumerate() {
                let counted = at.filter(|t| reading.counts.get(*t) == Some(&true));
                for (feature, act) in counted.into_iter().flat_map(|t| reading.latents.row(t)) {
                    here.entry(feature).or_default()[side] = act;
                }
            }
            let squares = here.values().map(|[a, b]| f64::from(b - a).powi(2));
            changes.push(squares.fold(0.0_f64, |sum, square| sum + square).sqrt() as f32);
            for (feature, [a, b]) in here {
                let difference = features.entry(feature).or_insert(Difference {
                    feature,
                    change: 0.0,
                    step: number,
                    sum: 0.0,
                    one: 0.0,
                    other: 0.0,
                });
                difference.take((a, b), number);
            }
        }
        let mut features: Vec<Difference> = features.into_values().collect();
        features.retain(|difference| difference.change != 0.0);
        features.sort_by(|a, b| {
            let order = b.change.abs().total_cmp(&a.change.abs());
            order.then(a.feature.cmp(&b.feature))
        });
        Ok(Self {
            steps,
            changes,
            features,
        })
    }

    /// Returns the step of a token of the first text (`side` 0) or of the second.
    pub fn step_at(&self, side: usize, token: usize) -> Option<usize> {
        let at = |step: &Step| if side == 0 { step.one } else { step.other };
        self.steps.iter().position(|step| at(step) == Some(token))
    }
}

impl Difference {
    fn take(&mut self, (a, b): (f32, f32), step: usize) {
        if (b - a).abs() > self.change.abs() {
            (self.change, self.step) = (b - a, step);
        }
        self.sum += f64::from(b) - f64::from(a);
        for (most, act) in [(&mut self.one, a), (&mut self.other, b)] {
            if act.abs() > most.abs() {
                *most = act;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Vec<TokenId> {
        text.bytes().map(|byte| TokenId(u32::from(byte))).collect()
    }

    /// Levenshtein distance by its recursive definition.
    fn distance(one: &[TokenId], other: &[TokenId]) -> usize {
        let (Some((a, one_rest)), Some((b, other_rest))) = (one.split_last(), other.split_last())
        else {
            return one.len().max(other.len());
        };
        let paired = distance(one_rest, other_rest) + usize::from(a != b);
        let out = 1 + distance(one_rest, other).min(distance(one, other_rest));
        paired.min(out)
    }

    #[test]
    fn an_alignment_has_the_fewest_changes_and_every_token_in_order() {
        for (one, other) in [
            ("", ""),
            ("abc", ""),
            ("", "xy"),
            ("kitten", "sitting"),
            ("abcdef", "bcdxef"),
            ("aaab", "baaa"),
            ("the fox", "the old fox"),
        ] {
            let (one, other) = (ids(one), ids(other));
            let steps = align(&one, &other).unwrap();
            let firsts: Vec<usize> = steps.iter().filter_map(|step| step.one).collect();
            let seconds: Vec<usize> = steps.iter().filter_map(|step| step.other).collect();
            assert_eq!(firsts, (0..one.len()).collect::<Vec<_>>());
            assert_eq!(seconds, (0..other.len()).collect::<Vec<_>>());
            let is_change = |step: &&Step| match (step.one, step.other) {
                (Some(i), Some(j)) => one[i] != other[j],
                _ => true,
            };
            let changes = steps.iter().filter(is_change).count();
            assert_eq!(changes, distance(&one, &other), "{one:?} {other:?}");
        }
    }

    #[test]
    fn texts_that_differ_throughout_are_refused_beyond_a_length() {
        let one: Vec<TokenId> = (0..10_000).map(TokenId).collect();
        let other: Vec<TokenId> = (20_000..30_000).map(TokenId).collect();
        let refused = align(&one, &other).unwrap_err().to_string();
        assert!(
            refused.contains("10000") && refused.contains("shorter"),
            "{refused}"
        );
        assert_eq!(align(&one, &one).unwrap().len(), one.len());
    }
}
