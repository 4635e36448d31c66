//! A token row with what predicates need to know of its documents.

use crate::corpus::Rows;
use crate::ids::TokenId;

/// A token row: its tokens, where documents begin, and which earlier positions each token sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// Tokens, `[t]`.
    pub tokens: &'a [TokenId],
    /// Whether each token is the first of its document, special tokens aside, `[t]`.
    pub begins: Vec<bool>,
    /// First position that counts as earlier than each token, never falling, `[t]`.
    pub from: Vec<usize>,
}

impl<'a> Line<'a> {
    /// Takes row `row` of a text. Where documents are kept apart, earlier positions are those since the last BOS.
    pub fn from_rows(rows: &'a Rows, row: usize) -> Self {
        let tokens = rows.row(row);
        let special = &rows.mask().special;
        let is_special = |token: &TokenId| special.contains(token);
        let mut before = before(rows, row);
        let mut begins = Vec::with_capacity(tokens.len());
        for (t, token) in tokens.iter().enumerate() {
            let document = rows.document_number(row, t);
            begins.push(!is_special(token) && before != Some(document));
            if !is_special(token) {
                before = Some(document);
            }
        }
        let mut start = 0;
        let from = tokens.iter().enumerate().map(|(t, token)| {
            if rows.separates_documents() && is_special(token) {
                start = t;
            }
            start
        });
        Self {
            from: from.collect(),
            tokens,
            begins,
        }
    }

    /// Takes tokens that stand alone, one document; `special` of them are no text.
    pub fn alone(tokens: &'a [TokenId], special: &[TokenId]) -> Self {
        let first = tokens.iter().position(|token| !special.contains(token));
        Self {
            begins: (0..tokens.len()).map(|t| Some(t) == first).collect(),
            from: vec![0; tokens.len()],
            tokens,
        }
    }
}

/// Document of the last token of text before row `row`.
fn before(rows: &Rows, row: usize) -> Option<u32> {
    let special = &rows.mask().special;
    (0..row).rev().find_map(|row| {
        let tokens = rows.row(row).iter().enumerate().rev();
        let mut text = tokens.filter(|(_, token)| !special.contains(token));
        text.next().map(|(t, _)| rows.document_number(row, t))
    })
}
