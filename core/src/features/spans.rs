//! Rows of texts that an index covers, and how its own numbers of rows follow from theirs.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// Consecutive rows of a text that an index covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Text, as a phrase.
    pub corpus: String,
    /// Hex SHA-256 of the text.
    pub fingerprint: String,
    /// First row, counted from 0.
    pub from: usize,
    /// End of the rows.
    pub to: usize,
    /// Number of rows of the text as it was read.
    pub of: usize,
    /// Number that the text's first row has in the index, whether the index covers it or not.
    pub base: usize,
}

impl Span {
    /// Whether it is a whole text.
    pub fn is_whole(&self) -> bool {
        self.from == 0 && self.to == self.of
    }

    /// Numbers of its rows in the index.
    pub fn numbers(&self) -> Range<usize> {
        self.base + self.from..self.base + self.to
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.corpus)?;
        if self.is_whole() {
            return Ok(());
        }
        write!(f, ", rows {}..{}", self.from, self.to)
    }
}

/// Returns the texts of `spans` as a phrase.
pub(super) fn said(spans: &[Span]) -> String {
    let each: Vec<String> = spans.iter().map(Span::to_string).collect();
    each.join("; ")
}

/// Returns the checksum of the text of `spans`; of several texts, the checksum of theirs.
pub(super) fn fingerprint(spans: &[Span]) -> String {
    let mut all: Vec<&str> = spans.iter().map(|span| span.fingerprint.as_str()).collect();
    all.dedup();
    match all[..] {
        [one] => one.to_owned(),
        _ => format!("{:x}", Sha256::digest(all.concat())),
    }
}

/// Joins the spans of two indexes. Returns them all, in the order of their numbers, and the base of each span of `b` in the joined index; an error that names the
/// texts where rows overlap, and where one text was read to different lengths.
pub(super) fn join(a: &[Span], b: &[Span]) -> Result<(Vec<Span>, Vec<usize>)> {
    let mut all: Vec<Span> = a.to_vec();
    let mut bases = Vec::with_capacity(b.len());
    for span in b {
        let same = all.iter().filter(|one| one.fingerprint == span.fingerprint);
        let mut base = None;
        for one in same {
            if one.from < span.to && span.from < one.to {
                return Err(refused(format!(
                    "both indexes cover rows {}..{} of {}: merge indexes of different rows",
                    one.from.max(span.from),
                    one.to.min(span.to),
                    span.corpus
                )));
            }
            if one.of != span.of {
                return Err(refused(format!(
                    "{} was read to {} rows for one index and to {} for the other: build both over the same number of tokens",
                    span.corpus, one.of, span.of
                )));
            }
            base = Some(one.base);
        }
        // A new text follows after all others.
        let end = all.iter().map(|one| one.base + one.of).max();
        let base = base.or(end).unwrap_or(0);
        bases.push(base);
        all.push(Span {
            base,
            ..span.clone()
        });
    }
    all.sort_by_key(|span| (span.base, span.from));
    let mut joined: Vec<Span> = Vec::with_capacity(all.len());
    for span in all {
        match joined.last_mut() {
            Some(last) if last.fingerprint == span.fingerprint && last.to == span.from => {
                last.to = span.to;
            }
            _ => joined.push(span),
        }
    }
    Ok((joined, bases))
}

fn refused(what: String) -> Error {
    Error::setting("index", what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(text: &str, rows: Range<usize>, base: usize) -> Span {
        Span {
            corpus: text.to_owned(),
            fingerprint: text.to_owned(),
            from: rows.start,
            to: rows.end,
            of: 100,
            base,
        }
    }

    #[test]
    fn parts_of_one_text_become_the_text_in_any_order() {
        let (first, second) = (span("oz", 0..40, 0), span("oz", 40..100, 0));
        for (a, b) in [(&first, &second), (&second, &first)] {
            let (joined, bases) = join(std::slice::from_ref(a), std::slice::from_ref(b)).unwrap();
            assert_eq!(
                (joined, bases),
                (vec![span("oz", 0..100, 0)], vec![0]),
                "{a} {b}"
            );
        }
        assert_eq!(first.to_string(), "oz, rows 0..40");
        assert_eq!(span("oz", 0..100, 0).to_string(), "oz");
        let (gap, _) = join(&[span("oz", 0..40, 0)], &[span("oz", 50..60, 0)]).unwrap();
        assert_eq!(said(&gap), "oz, rows 0..40; oz, rows 50..60");
    }

    #[test]
    fn another_text_follows_with_numbers_of_its_own() {
        let (joined, bases) = join(&[span("oz", 0..40, 0)], &[span("alice", 0..100, 0)]).unwrap();
        assert_eq!(bases, [100]);
        assert_eq!(joined[1].numbers(), 100..200);
        let (joined, bases) = join(&joined, &[span("oz", 40..50, 0)]).unwrap();
        assert_eq!(bases, [0]);
        assert_eq!(joined[0].numbers(), 0..50);
        assert_eq!(fingerprint(&joined[..1]), "oz");
        assert_eq!(fingerprint(&joined).len(), 64);
    }

    #[test]
    fn rows_of_both_and_texts_of_two_lengths_are_refused() {
        let refused = |a: Span, b: Span| join(&[a], &[b]).unwrap_err().to_string();
        let why = refused(span("oz", 0..40, 0), span("oz", 39..50, 0));
        assert!(why.contains("rows 39..40 of oz"), "{why}");
        let shorter = Span {
            of: 60,
            ..span("oz", 40..50, 0)
        };
        let why = refused(span("oz", 0..40, 0), shorter);
        assert!(why.contains("number of tokens"), "{why}");
    }
}
