//! Kinds of ordinal tokens: numbers, weekdays, months, letters and number words, as far as a vocabulary has them as single tokens.

use crate::ids::TokenId;
use crate::text::TextCodec;

/// Words of each kind, in order.
const WORDS: [&str; 6] = [
    "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "January February March April May June July August September October November December",
    "one two three four five six seven eight nine ten eleven twelve",
    "first second third fourth fifth sixth seventh eighth ninth tenth",
    "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z",
    "One Two Three Four Five Six Seven Eight Nine Ten Eleven Twelve",
];
/// Numbers below this make a kind.
const NUMBERS: usize = 100;

/// Tokens of all kinds, with and without a leading space.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kinds {
    tokens: Vec<TokenId>,
    /// Members of each kind, in order, as indices of `tokens`; none where the vocabulary lacks one.
    kinds: Vec<Vec<Option<usize>>>,
}

impl Kinds {
    /// Finds the tokens of a vocabulary.
    pub(super) fn new(codec: &TextCodec) -> Self {
        let mut all = Self::default();
        let numbers = (0..NUMBERS).map(|number| number.to_string()).collect();
        let words = WORDS.map(|words| words.split(' ').map(str::to_owned).collect());
        let kinds: Vec<Vec<String>> = words.into_iter().chain([numbers]).collect();
        for space in [" ", ""] {
            for kind in &kinds {
                let member = |word: &String| {
                    let token = codec.token_of(&format!("{space}{word}"))?;
                    all.tokens.push(token);
                    Some(all.tokens.len() - 1)
                };
                let kind = kind.iter().map(member).collect();
                all.kinds.push(kind);
            }
        }
        all
    }

    /// Tokens of all kinds.
    pub(super) fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// Number of tokens whose successor is there too.
    pub(super) fn pairs(&self) -> usize {
        self.each_pair().count()
    }

    fn each_pair(&self) -> impl Iterator<Item = (&[Option<usize>], usize, usize)> {
        self.kinds.iter().flat_map(|kind| {
            let pairs = kind.windows(2);
            pairs.filter_map(|pair| Some((kind.as_slice(), pair[0]?, pair[1]?)))
        })
    }

    /// Returns the share of tokens whose successor gains the most among their kind, from `gains [n, n]` of attending to each token; none without pairs.
    pub(super) fn share(&self, gains: &[f32]) -> Option<f64> {
        let n = self.tokens.len();
        let hits = self.each_pair().filter(|(kind, token, next)| {
            let gain = |member: usize| gains[token * n + member];
            let others = kind.iter().flatten().filter(|member| *member != next);
            others.copied().all(|member| gain(member) < gain(*next))
        });
        let pairs = self.pairs();
        (pairs > 0).then(|| hits.count() as f64 / pairs as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_must_gain_more_than_the_rest_of_its_kind() {
        let kinds = Kinds {
            tokens: (0..5).map(TokenId).collect(),
            kinds: vec![
                vec![Some(0), Some(1), None, Some(2)],
                vec![Some(3), Some(4)],
            ],
        };
        assert_eq!(kinds.pairs(), 2);
        let mut gains = vec![0.0; 25];
        gains[1] = 1.0;
        // Another kind does not compete.
        gains[4] = 9.0;
        assert_eq!(kinds.share(&gains), Some(0.5));
        gains[3 * 5 + 4] = 1.0;
        assert_eq!(kinds.share(&gains), Some(1.0));
        gains[2] = 2.0;
        assert_eq!(kinds.share(&gains), Some(0.5));
        assert_eq!(Kinds::default().share(&[]), None);
    }
}
