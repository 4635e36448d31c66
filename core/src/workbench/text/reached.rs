//! Says which files a limit reaches: the first rows are read, and with several files these are often those of one.

use crate::corpus::Rows;

/// Files that are named among those that are read, and among those that are not; more are counted.
const NAMED: usize = 3;

/// Number of tokens that count, by file, in the order of the text.
pub(super) struct Files(Vec<(String, usize)>);

impl Files {
    /// Counts the tokens of all files of `rows`.
    pub(super) fn new(rows: &Rows) -> Self {
        // Names are compared once for each document of a row, not for each token.
        let mut files: Vec<(String, usize)> = Vec::new();
        for row in 0..rows.len() {
            let counts = rows.counts(row);
            let mut from = 0;
            while from < counts.len() {
                let number = rows.document_number(row, from);
                let own =
                    (from..counts.len()).take_while(|t| rows.document_number(row, *t) == number);
                let to = from + own.count();
                let tokens = counts[from..to].iter().filter(|counts| **counts).count();
                let file = file(rows.document(row, from));
                match files.last_mut() {
                    Some((name, known)) if name == file => *known += tokens,
                    _ => files.push((file.to_owned(), tokens)),
                }
                from = to;
            }
        }
        Self(files)
    }

    /// Returns a note on how much of each file the rows `kept` of them hold; none where there is one file, or where every file is read to its end.
    pub(super) fn note(&self, kept: &Rows) -> Option<String> {
        let read = Self::new(kept);
        let all: usize = self.0.iter().map(|(_, tokens)| tokens).sum();
        if self.0.len() < 2 || kept.counted() == all {
            return None;
        }
        let reached = self.0.iter().zip(&read.0);
        let reached: Vec<String> = reached
            .map(|((name, all), (_, read))| match read {
                read if read == all => format!("all {all} of {name}"),
                read => format!("{read} of {all} of {name}"),
            })
            .collect();
        let left = self.0.iter().skip(reached.len());
        let left: Vec<String> = left.map(|(name, _)| name.clone()).collect();
        let none = match left.as_slice() {
            [] => String::new(),
            left => format!(", nothing of {}", listed(left)),
        };
        Some(format!(
            "The limit keeps the first rows of the text, {} of {all} tokens: {}{none}",
            kept.counted(),
            listed(&reached)
        ))
    }
}

/// Returns the file of a document: its name without the number of a record.
fn file(document: &str) -> &str {
    let numbered = document.rsplit_once(':');
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match numbered {
        Some((file, number)) if is_number(number) => file,
        _ => document,
    }
}

/// Lists the first names and counts the others: `a, b, c and 4 more files`.
fn listed(names: &[String]) -> String {
    let (named, more) = names.split_at(names.len().min(NAMED));
    match (named, more.len()) {
        ([before @ .., last], 0) if !before.is_empty() => {
            format!("{} and {last}", before.join(", "))
        }
        (named, 0) => named.join(", "),
        (named, 1) => format!("{} and 1 more file", named.join(", ")),
        (named, more) => format!("{} and {more} more files", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::TokenId;

    /// Rows of 4 tokens without special ones; the first token of each counts for nothing.
    fn rows(documents: &[u32], names: &[&str]) -> Rows {
        let tokens = vec![TokenId(1); documents.len()];
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Rows::new(4, tokens, documents.to_vec(), names)
    }

    #[test]
    fn a_limit_names_the_files_that_it_reaches_and_those_that_it_leaves() {
        let whole = rows(
            &[0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 3, 4, 5],
            &["a.txt", "b.txt", "c.txt", "d.txt", "e.jsonl:1", "e.jsonl:2"],
        );
        let files = Files::new(&whole);
        let note = files.note(&whole.clone().take(3)).unwrap();
        assert_eq!(
            note,
            "The limit keeps the first rows of the text, 9 of 12 tokens: all 4 of a.txt and all 5 of b.txt, nothing of c.txt, d.txt and e.jsonl"
        );
        let note = files.note(&whole.clone().take(1)).unwrap();
        assert!(
            note.ends_with(
                "3 of 12 tokens: 3 of 4 of a.txt, nothing of b.txt, c.txt, d.txt and 1 more file"
            ),
            "{note}"
        );
        assert_eq!(files.note(&whole), None);
        let one = rows(&[0, 0, 0, 0, 1, 1, 1, 1], &["e.jsonl:1", "e.jsonl:2"]);
        assert_eq!(Files::new(&one).note(&one.clone().take(1)), None);
    }
}
