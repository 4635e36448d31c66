//! Reads a filter's text sign by sign: words, quoted words, operators, keywords.

use super::{Bytes, Fault};

/// Comparison of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equals,
    Differs,
}

/// Reading place in a filter's text.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

/// Words that join conditions.
pub(super) const KEYWORDS: [&str; 3] = ["and", "or", "not"];

/// Whether a sign ends a word.
pub(super) fn ends_word(sign: char) -> bool {
    sign.is_whitespace() || matches!(sign, '(' | ')' | '<' | '>' | '=' | '!' | ':') || quotes(sign)
}

fn quotes(sign: char) -> bool {
    matches!(sign, '"' | '“' | '”')
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    pub(super) fn skip_space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes `sign` if it comes next.
    pub(super) fn take(&mut self, sign: char) -> bool {
        let is = self.peek() == Some(sign);
        self.at += if is { sign.len_utf8() } else { 0 };
        is
    }

    /// Returns the keyword that comes next, with its bytes, without taking it.
    pub(super) fn keyword(&self) -> Option<(&'static str, Bytes)> {
        let rest = self.rest();
        let end = rest.find(ends_word).unwrap_or(rest.len());
        let found = |keyword: &str| rest[..end].eq_ignore_ascii_case(keyword);
        let follows = rest[end..].chars().next();
        // `not:` is a mistake in a key, and `and<` in a column.
        let whole = follows.is_none_or(|sign| !matches!(sign, '<' | '>' | '=' | '!' | ':'));
        let keyword = KEYWORDS.into_iter().find(|keyword| found(keyword))?;
        whole.then_some((keyword, self.at..self.at + end))
    }

    /// Takes `keyword` if it comes next.
    pub(super) fn take_keyword(&mut self, keyword: &str) -> Option<Bytes> {
        let (_, at) = self.keyword().filter(|(found, _)| *found == keyword)?;
        self.at = at.end;
        Some(at)
    }

    /// Takes the signs up to one that ends a word; empty where there is none.
    pub(super) fn word(&mut self) -> (&'a str, Bytes) {
        let rest = self.rest();
        let end = rest.find(ends_word).unwrap_or(rest.len());
        let at = self.at..self.at + end;
        self.at = at.end;
        (&rest[..end], at)
    }

    /// Takes a value: quoted words, or the signs up to white space, a parenthesis or a quote.
    pub(super) fn value(&mut self) -> Result<(String, Bytes), Fault> {
        if self.peek().is_some_and(quotes) {
            return self.quoted();
        }
        let rest = self.rest();
        let stops = |sign: char| sign.is_whitespace() || matches!(sign, '(' | ')') || quotes(sign);
        let end = rest.find(stops).unwrap_or(rest.len());
        let at = self.at..self.at + end;
        self.at = at.end;
        Ok((rest[..end].to_owned(), at))
    }

    /// Takes words in quotes; `\"` within them is a quote.
    pub(super) fn quoted(&mut self) -> Result<(String, Bytes), Fault> {
        let from = self.at;
        let mut words = String::new();
        let mut signs = self.rest().char_indices().skip(1);
        while let Some((at, sign)) = signs.next() {
            match sign {
                '\\' => words.extend(signs.next().map(|(_, sign)| sign)),
                sign if quotes(sign) => {
                    self.at = from + at + sign.len_utf8();
                    return Ok((words, from..self.at));
                }
                sign => words.push(sign),
            }
        }
        let at = from..self.text.len();
        Err(Fault::new(self.text, at, "close the quote with `\"`"))
    }

    /// Takes a comparison, if one comes next.
    pub(super) fn operator(&mut self) -> Option<(Operator, Bytes)> {
        let all = [
            ("<=", Operator::AtMost),
            ("<", Operator::Below),
            (">=", Operator::AtLeast),
            (">", Operator::Above),
            ("!=", Operator::Differs),
            ("==", Operator::Equals),
            ("=", Operator::Equals),
            (":", Operator::Equals),
        ];
        let rest = self.rest();
        let (sign, operator) = all.into_iter().find(|(sign, _)| rest.starts_with(sign))?;
        let at = self.at..self.at + sign.len();
        self.at = at.end;
        Some((operator, at))
    }
}
