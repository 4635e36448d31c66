//! Folds near-duplicates among examples, so that a list shows how varied the places of a feature are. Nothing is dropped: what is folded stays at hand.

use super::Example;
use crate::ids::TokenId;

/// Number of tokens before the example's own that near-duplicates may have in common.
pub const BEFORE: usize = 3;

/// Share of the smaller window's tokens that near-duplicates may have in common.
pub const SHARED: f64 = 0.6;

/// Definition of near-duplicates, as a phrase.
pub const NEAR_DUPLICATES: &str = "near-duplicates peak on the same token after the same three tokens, or share 60 % of the tokens of the smaller window";

/// An example that is shown, and its near-duplicates; as places in the list that was folded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// The first of them in the list's order.
    pub shown: usize,
    /// The others, in the list's order.
    pub near: Vec<usize>,
}

impl Fold {
    /// Returns the number of near-duplicates as a phrase, none where there are none.
    pub fn said(&self) -> Option<String> {
        match self.near.len() {
            0 => None,
            1 => Some("1 near-duplicate".to_owned()),
            many => Some(format!("{many} near-duplicates")),
        }
    }
}

/// Folds every example into the first shown one that it is a near-duplicate of ([`NEAR_DUPLICATES`]). The order of the list stays.
pub fn fold(examples: &[Example]) -> Vec<Fold> {
    let sorted: Vec<Vec<TokenId>> = examples.iter().map(sorted).collect();
    let mut folds: Vec<Fold> = Vec::new();
    for (at, example) in examples.iter().enumerate() {
        let same = |fold: &&mut Fold| {
            let shown = &examples[fold.shown];
            same_approach(shown, example) || shares(&sorted[fold.shown], &sorted[at])
        };
        match folds.iter_mut().find(same) {
            Some(fold) => fold.near.push(at),
            None => folds.push(Fold {
                shown: at,
                near: Vec::new(),
            }),
        }
    }
    folds
}

fn sorted(example: &Example) -> Vec<TokenId> {
    let mut ids = example.ids.clone();
    ids.sort_unstable();
    ids
}

/// Whether both peak on the same token after the same [`BEFORE`] tokens.
fn same_approach(a: &Example, b: &Example) -> bool {
    let approach = |example: &Example| {
        let from = example.at.checked_sub(BEFORE)?;
        example.ids.get(from..=example.at).map(<[TokenId]>::to_vec)
    };
    approach(a).is_some_and(|own| Some(own) == approach(b))
}

/// Whether two sorted windows have [`SHARED`] of the smaller one's tokens in common, each token as often as in both.
fn shares(a: &[TokenId], b: &[TokenId]) -> bool {
    let (mut i, mut j, mut common) = (0, 0, 0);
    while i < a.len() && j < b.len() {
        match a[i].cmp(&b[j]) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => {
                (i, j, common) = (i + 1, j + 1, common + 1);
            }
        }
    }
    let smaller = a.len().min(b.len());
    smaller > 0 && f64::from(common) >= SHARED * smaller as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An example of these tokens that peaks on token `at`.
    fn example(ids: &[u32], at: usize) -> Example {
        Example {
            document: "oz.txt".to_owned(),
            place: None,
            ids: ids.iter().copied().map(TokenId).collect(),
            tokens: vec![String::new(); ids.len()],
            acts: vec![0.0; ids.len()],
            at,
        }
    }

    #[track_caller]
    fn check(examples: &[Example], want: &[(usize, &[usize])]) {
        let want = want.iter().map(|(shown, near)| Fold {
            shown: *shown,
            near: near.to_vec(),
        });
        assert_eq!(fold(examples), want.collect::<Vec<_>>());
    }

    #[test]
    fn the_same_token_after_the_same_three_is_a_near_duplicate() {
        let one = example(&[90, 91, 1, 2, 3, 4, 92, 93], 5);
        let other = example(&[80, 81, 1, 2, 3, 4, 82, 83], 5);
        let two_alike = example(&[70, 71, 72, 2, 3, 4, 73, 74], 5);
        let other_peak = example(&[60, 61, 1, 2, 3, 5, 62, 63], 5);
        let examples = [one, two_alike, other_peak, other];
        check(&examples, &[(0, &[3]), (1, &[]), (2, &[])]);
        // At the beginning of a row there are no three tokens to compare.
        check(
            &[example(&[1, 2, 9], 1), example(&[1, 2, 8, 7, 6], 1)],
            &[(0, &[1])],
        );
        check(
            &[example(&[1, 2, 9, 5], 1), example(&[1, 2, 8, 7, 6], 1)],
            &[(0, &[]), (1, &[])],
        );
    }

    #[test]
    fn windows_that_overlap_by_three_fifths_are_near_duplicates() {
        let window = |from: u32| example(&(from..from + 10).collect::<Vec<_>>(), 5);
        check(&[window(0), window(4), window(5)], &[(0, &[1]), (2, &[])]);
        // A token counts as often as both have it.
        let repeats = example(&[0; 10], 5);
        check(&[window(0), repeats], &[(0, &[]), (1, &[])]);
        check(&[example(&[], 0), example(&[], 0)], &[(0, &[]), (1, &[])]);
        check(&[], &[]);
    }

    #[test]
    fn the_definition_and_the_number_are_said() {
        assert_eq!(BEFORE, 3);
        assert!(NEAR_DUPLICATES.contains(&format!("{:.0} %", 100.0 * SHARED)));
        let said = |near: &[usize]| {
            let near = near.to_vec();
            Fold { shown: 0, near }.said()
        };
        assert_eq!(said(&[]), None);
        assert_eq!(said(&[4]).as_deref(), Some("1 near-duplicate"));
        assert_eq!(said(&[4, 7]).as_deref(), Some("2 near-duplicates"));
    }
}
