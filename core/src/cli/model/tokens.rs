//! Shared parts of commands that read one text: its tokens, a position in it, notes on cut tokens.

use serde_json::{Value, json};

use super::super::Console;
use super::{PromptArgs, check_tokens};
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::models::Model;

impl PromptArgs {
    /// Returns the tokens given, or those of the text with BOS before them.
    pub(super) fn tokens(&self, model: &Model, console: &Console) -> Result<Vec<TokenId>> {
        let tokens = match (&self.text, &self.tokens) {
            (Some(text), _) => {
                console.begun(model.codec(), text)?;
                model.codec().encode_with_bos(text)?
            }
            (None, Some(tokens)) => tokens.iter().copied().map(TokenId).collect(),
            (None, None) => Vec::new(),
        };
        check_tokens(&tokens, model)?;
        Ok(tokens)
    }
}

/// Prints how many tokens were cut to bound memory.
pub(super) fn note_cut(cut: usize, kept: usize, console: &Console) {
    if cut > 0 {
        console.note(&format!(
            "The first {kept} tokens are shown and {cut} are cut, because all of them would not fit in memory"
        ));
    }
}

/// Checks that the text has a position.
pub(super) fn check_position(at: usize, tokens: usize) -> Result<()> {
    if at < tokens {
        return Ok(());
    }
    let what = format!("there is no position {at}, the text has {tokens}, counted from 0");
    Err(Error::setting("--at", what))
}

/// Returns `[{"id": 7, "text": " king"}, …]`.
pub(super) fn tokens_object(tokens: &[TokenId], texts: &[String]) -> Value {
    let both = tokens.iter().zip(texts);
    both.map(|(id, text)| json!({"id": id.0, "text": text}))
        .collect()
}

/// Formats rows of cells as lines, each column as wide as its widest cell.
pub(super) fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells = cells.map(|(cell, width)| format!("{cell:<width$}"));
        let cells: Vec<_> = cells.collect();
        cells.join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "bcd", "e"], ["fgh", "i", ""]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "a    bcd  e\nfgh  i");
    }
}
