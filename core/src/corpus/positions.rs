//! Rules for which positions of token rows count, shared by training, evaluation, indexes, probes, means and splices.
//!
//! A position that does not count is left out of all sums, batches and examples, and keeps its own activation where a dictionary or an ablation replaces
//! values. Callers ask [`super::Rows`] and filter nothing themselves.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Rows;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::text::TextCodec;

/// A rule for which positions of a row count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// All but the first of each row and all special tokens (BOS, EOS, padding, separator). Cross-entropy excludes predictions from and of special tokens.
    #[default]
    Text,
    /// All but the first of each row; cross-entropy counts from position 1 on. Files without a recorded rule used this one.
    First,
    /// All but special tokens, as in `sae_lens.evals`; the first position counts unless it is special. Cross-entropy includes predictions of special tokens,
    /// and zero ablation covers every position.
    SaeLens,
    /// All positions.
    All,
}

impl Positions {
    /// All rules, the default first.
    pub const ALL: [Self; 4] = [Self::Text, Self::First, Self::SaeLens, Self::All];

    /// Rule of files that record none.
    pub const fn unrecorded() -> Self {
        Self::First
    }

    /// Name as written: `text`, `first`, `sae-lens`, `all`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::First => "first",
            Self::SaeLens => "sae-lens",
            Self::All => "all",
        }
    }

    /// Returns the rule as a phrase for results, with the number of positions left out if it is known.
    pub fn said(self, left_out: Option<u64>) -> String {
        match (self, left_out) {
            (Self::All, _) => "positions by `all`, none left out".to_owned(),
            (_, Some(count)) => format!(
                "positions by `{self}`, {count} ({}) left out",
                self.leaves_out()
            ),
            (_, None) => format!("positions by `{self}` ({} left out)", self.leaves_out()),
        }
    }

    /// Returns what does not count, as a phrase.
    pub const fn leaves_out(self) -> &'static str {
        match self {
            Self::Text => "row starts and special tokens",
            Self::First => "the first of each row",
            Self::SaeLens => "special tokens",
            Self::All => "none",
        }
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Positions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|rule| rule.name() == text);
        named.ok_or_else(|| {
            let what = format!("`{text}` is not a rule; give text, first, sae-lens or all");
            Error::setting("positions", what)
        })
    }
}

/// A rule with the token ids that it treats as special.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mask {
    /// The rule.
    pub rule: Positions,
    /// Special tokens: BOS, EOS, padding and separator of the tokenizer, or the ids that a dictionary's file lists.
    pub special: Vec<TokenId>,
}

impl Mask {
    /// Mask of files that record none: all positions but the first of each row.
    pub fn unrecorded() -> Self {
        Self {
            rule: Positions::unrecorded(),
            special: Vec::new(),
        }
    }

    /// Makes a mask by `rule` with the special tokens of `codec`.
    pub fn new(codec: &TextCodec, rule: Positions) -> Self {
        Self {
            rule,
            special: codec.special().collect(),
        }
    }

    /// Returns whether each position of a row counts, `[t]`.
    pub fn counts(&self, row: &[TokenId]) -> Vec<bool> {
        let special = |token: &TokenId| self.special.contains(token);
        let each = row.iter().enumerate();
        match self.rule {
            Positions::Text => each.map(|(p, token)| p > 0 && !special(token)).collect(),
            Positions::First => each.map(|(p, _)| p > 0).collect(),
            Positions::SaeLens => row.iter().map(|token| !special(token)).collect(),
            Positions::All => vec![true; row.len()],
        }
    }

    /// Returns, for each position but the last, whether cross-entropy includes its prediction of the next token, `[t − 1]`; `counts` are those of the row.
    pub fn charges(&self, row: &[TokenId], counts: &[bool]) -> Vec<bool> {
        let next = row.iter().skip(1);
        let charged = |(counts, next): (&bool, &TokenId)| match self.rule {
            Positions::Text => *counts && !self.special.contains(next),
            Positions::First | Positions::SaeLens | Positions::All => *counts,
        };
        counts.iter().zip(next).map(charged).collect()
    }
}

impl Rows {
    /// Returns the rows with these special tokens.
    #[must_use]
    pub fn with_special(self, special: impl IntoIterator<Item = TokenId>) -> Self {
        let mask = Mask {
            rule: self.mask.rule,
            special: special.into_iter().collect(),
        };
        self.masked(mask)
    }

    /// Returns the rows with positions that count by `rule`.
    #[must_use]
    pub fn by(self, rule: Positions) -> Self {
        let mask = Mask {
            rule,
            special: self.mask.special.clone(),
        };
        self.masked(mask)
    }

    /// Returns the rows with another mask.
    #[must_use]
    pub fn masked(mut self, mask: Mask) -> Self {
        self.counts = self.counts_under(&mask);
        self.mask = mask;
        self.recounted()
    }

    /// Returns the rows without their first `skip` positions: those of each row, or of each document in a row where documents are kept apart (a document begins
    /// where the number of the document changes and at each special token).
    #[must_use]
    pub fn skipping(mut self, skip: usize) -> Self {
        self.skip = skip;
        let mask = self.mask.clone();
        self.masked(mask)
    }

    /// Number of first positions of each row, or of each document kept apart, that do not count.
    pub fn skipped(&self) -> usize {
        self.skip
    }

    /// Returns whether each token counts by `mask`, behind the positions that are skipped.
    fn counts_under(&self, mask: &Mask) -> Vec<bool> {
        let context = self.context.max(1);
        let rows = self.tokens.chunks_exact(context);
        let mut counts: Vec<bool> = rows.clone().flat_map(|row| mask.counts(row)).collect();
        if self.skip == 0 {
            return counts;
        }
        let documents = self.documents.chunks_exact(context);
        let counted = counts.chunks_exact_mut(context);
        for ((row, documents), counts) in rows.zip(documents).zip(counted) {
            let mut first = 0;
            for (position, counts) in counts.iter_mut().enumerate() {
                let begins = position > 0 && documents[position] != documents[position - 1];
                if self.apart && (begins || mask.special.contains(&row[position])) {
                    first = position;
                }
                *counts &= position - first >= self.skip;
            }
        }
        counts
    }

    /// Rule by which positions count, and its special tokens.
    pub fn mask(&self) -> &Mask {
        &self.mask
    }

    /// Returns whether each position of row `i` counts, `[t]`.
    pub fn counts(&self, i: usize) -> &[bool] {
        &self.counts[i * self.context..(i + 1) * self.context]
    }

    /// Returns whether each position of the rows `chosen` counts, `[n·t]`.
    pub fn counts_of(&self, chosen: &[usize]) -> Vec<bool> {
        chosen
            .iter()
            .flat_map(|row| self.counts(*row))
            .copied()
            .collect()
    }

    /// Returns, for each position of row `i` but the last, whether cross-entropy includes its prediction of the next token, `[t − 1]`.
    pub fn charges(&self, i: usize) -> Vec<bool> {
        self.mask.charges(self.row(i), self.counts(i))
    }

    /// Number of positions that count, over all rows.
    pub fn counted(&self) -> usize {
        self.counted
    }

    /// Returns the number of positions that would count by `rule`, over all rows.
    pub fn counted_by(&self, rule: Positions) -> usize {
        let mask = Mask {
            rule,
            special: self.mask.special.clone(),
        };
        let counts = self.counts_under(&mask);
        counts.into_iter().filter(|counts| *counts).count()
    }

    /// Returns the rows with their counted positions counted again.
    pub(super) fn recounted(mut self) -> Self {
        self.counted = self.counts.iter().filter(|counts| **counts).count();
        self
    }

    /// Number of positions that do not count.
    pub fn left_out(&self) -> usize {
        self.counts.len() - self.counted
    }

    /// Selects the positions that count from activations `[n·t, d]` of the rows `chosen`.
    #[must_use]
    pub fn kept(&self, chosen: &[usize], x: &Matrix) -> Matrix {
        x.rows_where(&self.counts_of(chosen))
    }

    /// Returns the first rows that hold at most `counted` positions that count; at least one row.
    #[must_use]
    pub fn holding(self, counted: u64) -> Self {
        let mut held = 0;
        let fits = |i: &usize| {
            held += self.counts(*i).iter().filter(|counts| **counts).count() as u64;
            held <= counted
        };
        let rows = (0..self.len()).take_while(fits).count();
        self.take(rows.max(1))
    }

    /// Returns evenly spaced rows that hold about `counted` positions that count; all rows if they hold fewer.
    #[must_use]
    pub fn sample(&self, counted: usize) -> Self {
        let here = self.counted().max(1);
        // u128: the product of two lengths cannot overflow.
        let rows = (counted as u128 * self.len() as u128).div_ceil(here as u128);
        self.spread(usize::try_from(rows).unwrap_or(usize::MAX))
    }

    /// Returns at most `most` evenly spaced rows, so that every document is represented.
    #[must_use]
    pub fn spread(&self, most: usize) -> Self {
        let rows = most.clamp(1, self.len().max(1)).min(self.len());
        let chosen = |i: usize| i * self.len() / rows;
        let of = |i: usize| chosen(i) * self.context..(chosen(i) + 1) * self.context;
        Self {
            context: self.context,
            tokens: (0..rows)
                .flat_map(|i| &self.tokens[of(i)])
                .copied()
                .collect(),
            documents: (0..rows)
                .flat_map(|i| &self.documents[of(i)])
                .copied()
                .collect(),
            names: self.names.clone(),
            mask: self.mask.clone(),
            apart: self.apart,
            skip: self.skip,
            counts: (0..rows)
                .flat_map(|i| &self.counts[of(i)])
                .copied()
                .collect(),
            counted: 0,
        }
        .recounted()
    }

    /// Returns a note on which positions count.
    pub fn note(&self) -> String {
        let left_out = self.left_out() as u64;
        let skipped = match self.skip {
            0 => String::new(),
            skip if self.apart => format!("; the first {skip} of each document do not count"),
            skip => format!("; the first {skip} of each row do not count"),
        };
        format!(
            "{} of {} positions count: {}{skipped}",
            self.counted(),
            self.counts.len(),
            self.mask.rule.said(Some(left_out))
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of letters: `B` is BOS, `E` EOS, `.` any other token; masks of `1` and `0`.
    #[track_caller]
    fn check(rule: Positions, row: &str, counts: &str, charges: &str) {
        let mask = Mask {
            rule,
            special: vec![TokenId(u32::from('B')), TokenId(u32::from('E'))],
        };
        let row: Vec<TokenId> = row.chars().map(|c| TokenId(u32::from(c))).collect();
        let shown = |mask: Vec<bool>| -> String {
            let shown = mask
                .into_iter()
                .map(|counts| if counts { '1' } else { '0' });
            shown.collect()
        };
        let counted = mask.counts(&row);
        let charged = mask.charges(&row, &counted);
        assert_eq!(
            (shown(counted).as_str(), shown(charged).as_str()),
            (counts, charges),
            "{rule}"
        );
    }

    #[test]
    fn each_rule_masks_a_packed_row_as_its_definition_says() {
        // Position p of `charges` is charged with token p + 1.
        check(Positions::Text, "B..B.EB..", "011010011", "01000001");
        check(Positions::First, "B..B.EB..", "011111111", "01111111");
        check(Positions::SaeLens, "B..B.EB..", "011010011", "01101001");
        check(Positions::All, "B..B.EB..", "111111111", "11111111");
        // Without a special token in front, only sae-lens and all count the first position.
        check(Positions::Text, "...", "011", "01");
        check(Positions::SaeLens, "...", "111", "11");
    }

    #[test]
    fn a_sample_is_spread_over_all_rows_and_keeps_what_counts() {
        let tokens: Vec<TokenId> = (0..40).map(TokenId).collect();
        let rows = Rows::new(4, tokens, vec![0; 40], vec!["book".to_owned()]);
        let sample = rows.sample(6);
        assert_eq!((sample.len(), sample.context()), (2, 4));
        assert_eq!(
            (sample.row(0)[0], sample.row(1)[0]),
            (TokenId(0), TokenId(20))
        );
        assert_eq!((sample.counted(), sample.document(1, 0)), (6, "book"));
        assert_eq!(rows.sample(1_000), rows);
        // Rows with special tokens count for less.
        let special = rows.with_special((0..20).map(TokenId));
        assert_eq!(special.counted(), 15);
        assert_eq!(special.sample(6).len(), 4);
        assert_eq!(special.clone().holding(7).len(), 7);
        assert_eq!(special.clone().holding(0).len(), 5);
        assert_eq!(special.clone().by(Positions::All).holding(0).len(), 1);
        assert_eq!(special.clone().by(Positions::All).holding(9).len(), 2);
        assert_eq!(special.kept(&[5], &Matrix::zeros(4, 2)).rows(), 3);
        assert_eq!(special.counted_by(Positions::SaeLens), 20);
    }

    #[test]
    fn the_first_positions_of_rows_or_of_documents_are_skipped() {
        let tokens: Vec<TokenId> = [0, 1, 2, 3, 0, 5, 0, 1, 2, 3, 4, 5].map(TokenId).to_vec();
        let documents = vec![0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2];
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let rows = Rows::new(6, tokens, documents, names).with_special([TokenId(0)]);
        let shown = |rows: &Rows| -> String {
            let counts = rows.counts_of(&[0, 1]);
            counts
                .iter()
                .map(|counts| if *counts { '1' } else { '0' })
                .collect()
        };
        assert_eq!(shown(&rows), "011101011111");
        let by_row = rows.clone().skipping(3);
        assert_eq!(shown(&by_row), "000101000111");
        assert_eq!(by_row.counted(), 5);
        assert!(by_row.note().contains("first 3 of each row"));
        assert_eq!(by_row.counted_by(Positions::All), 6);
        // A document begins at a change of the document and at each special token.
        let apart = rows.skipping(2).with_separate_documents(true);
        assert_eq!(shown(&apart), "001000001111");
        assert_eq!(apart.spread(1).skipped(), 2);
        assert_eq!(shown(&apart.clone().skipping(0)), "011101011111");
    }

    #[test]
    fn rules_are_read_by_their_names() {
        for rule in Positions::ALL {
            assert_eq!(rule.name().parse::<Positions>().unwrap(), rule);
        }
        let said = "some".parse::<Positions>().unwrap_err().to_string();
        assert!(said.contains("sae-lens"), "{said}");
    }
}
