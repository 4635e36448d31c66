//! Parses the positions of a row that an edit reaches: `all`, `1..`, `prompt`, `new`, `last`, `0,4,7..9`.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

/// Place in a row; it may depend on where the prompt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Position, counted from 0.
    Number(usize),
    /// Last position of the prompt.
    Last,
    /// First position after the prompt.
    End,
}

impl At {
    fn resolved(self, prompt: usize) -> usize {
        match self {
            Self::Number(at) => at,
            Self::Last => prompt.saturating_sub(1),
            Self::End => prompt,
        }
    }

    fn parsed(text: &str) -> Option<Self> {
        match text {
            "last" => Some(Self::Last),
            "prompt" => Some(Self::End),
            number => number.parse().ok().map(Self::Number),
        }
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(at) => at.fmt(f),
            Self::Last => f.write_str("last"),
            Self::End => f.write_str("prompt"),
        }
    }
}

/// Range of positions; its end is exclusive, or open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: At,
    to: Option<At>,
    /// Whether it is written as one position.
    single: bool,
}

/// Set of positions, counted from 0 with BOS. Positions after the prompt are those that generation adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions(Vec<Span>);

impl Positions {
    /// Selects every position.
    pub fn all() -> Self {
        Self::from(0)
    }

    /// Selects positions from `first` on. Starting at 1 skips the attention sink at the first position, which no dictionary was trained on.
    pub fn from(first: usize) -> Self {
        Self(vec![Span {
            from: At::Number(first),
            to: None,
            single: false,
        }])
    }

    /// Whether the set contains `position` in a row whose prompt has `prompt` tokens (a row without generated tokens is all prompt).
    pub fn contains(&self, position: usize, prompt: usize) -> bool {
        self.0.iter().any(|span| {
            let from = span.from.resolved(prompt);
            let to = match span.to {
                Some(to) => to.resolved(prompt),
                None if span.single => from + 1,
                None => usize::MAX,
            };
            (from..to).contains(&position)
        })
    }
}

impl FromStr for Positions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = || {
            Error::setting(
                "positions",
                format!(
                    "`{text}` cannot be read, give `all`, `prompt`, `new`, `last`, or numbers and ranges such as `1..`, `0,4,7..9`, `1..prompt`"
                ),
            )
        };
        let span = |part: &str| {
            let spanning = |from, to| Span {
                from,
                to,
                single: false,
            };
            let start = At::Number(0);
            match part {
                "all" => return Some(spanning(start, None)),
                "prompt" => return Some(spanning(start, Some(At::End))),
                "new" => return Some(spanning(At::End, None)),
                _ => {}
            }
            let Some((from, to)) = part.split_once("..") else {
                let from = At::parsed(part)?;
                return Some(Span {
                    from,
                    to: None,
                    single: true,
                });
            };
            let at = |text: &str, open| match text {
                "" => Some(open),
                text => At::parsed(text).map(Some),
            };
            Some(spanning(at(from, Some(start))??, at(to, None)?))
        };
        let spans: Option<Vec<Span>> = text.split(',').map(|part| span(part.trim())).collect();
        spans.map(Self).ok_or_else(refused)
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, span) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            match (span.from, span.to) {
                (from, _) if span.single => from.fmt(f)?,
                (At::Number(0), None) => f.write_str("all")?,
                (At::Number(0), Some(At::End)) => f.write_str("prompt")?,
                (At::End, None) => f.write_str("new")?,
                (from, None) => write!(f, "{from}..")?,
                (from, Some(to)) => write!(f, "{from}..{to}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists the positions below 8 of a row with 5 prompt tokens.
    #[track_caller]
    fn check(text: &str, want: &[usize], printed: &str) {
        let positions: Positions = text.parse().unwrap();
        let got: Vec<usize> = (0..8).filter(|p| positions.contains(*p, 5)).collect();
        assert_eq!(got, want, "{text}");
        assert_eq!(positions.to_string(), printed);
        assert_eq!(
            positions.to_string().parse::<Positions>().unwrap(),
            positions
        );
    }

    #[test]
    fn positions_are_read_as_they_are_written() {
        check("all", &[0, 1, 2, 3, 4, 5, 6, 7], "all");
        check("1..", &[1, 2, 3, 4, 5, 6, 7], "1..");
        check("prompt", &[0, 1, 2, 3, 4], "prompt");
        check("1..prompt", &[1, 2, 3, 4], "1..prompt");
        check("new", &[5, 6, 7], "new");
        check("prompt..7", &[5, 6], "prompt..7");
        check("last", &[4], "last");
        check("last..", &[4, 5, 6, 7], "last..");
        check("0, 2,5..7", &[0, 2, 5, 6], "0,2,5..7");
        check("..2", &[0, 1], "0..2");
        check("3..3", &[], "3..3");
    }

    #[test]
    fn what_is_no_position_is_refused_with_examples() {
        for text in ["", "first", "-1", "1..two", "1,,2", "..x"] {
            let refused = text.parse::<Positions>().unwrap_err().to_string();
            assert!(refused.contains("1..prompt"), "{text}: {refused}");
        }
    }
}
