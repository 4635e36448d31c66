//! Parses the positions of a row that an edit reaches: `all`, `1..`, `prompt`, `new`, `last`, `0,4,7..9`, `after: king`, `role:user`.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::text::TextCodec;
use crate::text::chat::Roles;

/// Tokens of a row so far, and how many of them are the prompt; positions may depend on both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    tokens: Vec<TokenId>,
    prompt: usize,
}

impl Row {
    /// Creates a row whose first `prompt` tokens are the prompt.
    pub fn new(tokens: &[TokenId], prompt: usize) -> Self {
        Self {
            tokens: tokens.to_vec(),
            prompt,
        }
    }

    /// Adds a generated token.
    pub(super) fn push(&mut self, token: TokenId) {
        self.tokens.push(token);
    }

    /// Returns the number of prompt tokens.
    pub fn prompt(&self) -> usize {
        self.prompt
    }

    /// Whether `token` stands before `position`.
    fn has_before(&self, token: TokenId, position: usize) -> bool {
        let before = self.tokens.iter().take(position);
        before.into_iter().any(|other| *other == token)
    }
}

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

/// Part of a set of positions.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Range.
    Span(Span),
    /// Every position after the first occurrence of a token; its id is known once the vocabulary is.
    After(String, Option<TokenId>),
    /// Positions of the messages of a role, or of a message by its number from 0.
    Role(String),
}

impl Part {
    /// Writes the range from `from` to before `to`.
    fn range(from: usize, to: usize) -> Self {
        Self::Span(Span {
            from: At::Number(from),
            to: Some(At::Number(to)),
            single: false,
        })
    }

    fn contains(&self, position: usize, row: &Row) -> bool {
        match self {
            Self::Span(span) => span.contains(position, row.prompt),
            Self::After(_, token) => token.is_some_and(|token| row.has_before(token, position)),
            Self::Role(_) => false,
        }
    }
}

impl Span {
    fn contains(self, position: usize, prompt: usize) -> bool {
        let from = self.from.resolved(prompt);
        let to = match self.to {
            Some(to) => to.resolved(prompt),
            None if self.single => from + 1,
            None => usize::MAX,
        };
        (from..to).contains(&position)
    }
}

/// Set of positions, counted from 0 with BOS. Positions after the prompt are those that generation adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions(Vec<Part>);

impl Positions {
    /// Selects every position.
    pub fn all() -> Self {
        Self::from(0)
    }

    /// Selects positions from `first` on. Starting at 1 skips the attention sink at the first position, which no dictionary was trained on.
    pub fn from(first: usize) -> Self {
        Self(vec![Part::Span(Span {
            from: At::Number(first),
            to: None,
            single: false,
        })])
    }

    /// Whether the set contains `position` of `row` (a row without generated tokens is all prompt). Tokens and roles must have been looked up.
    pub fn contains(&self, position: usize, row: &Row) -> bool {
        self.0.iter().any(|part| part.contains(position, row))
    }

    /// Looks up tokens in the vocabulary, and roles in those of the prompt's tokens. An error if a text is not one token, if the prompt is no chat, or if it has no such
    /// message. Markers of the template count to the message that they open or close, and the answer that is generated to the assistant.
    pub fn looked_up(&self, codec: &TextCodec, roles: Option<&Roles>) -> Result<Self> {
        let mut parts = Vec::new();
        for part in &self.0 {
            match part {
                Part::Span(_) => parts.push(part.clone()),
                Part::After(text, _) => {
                    parts.push(Part::After(text.clone(), Some(one_token(text, codec)?)));
                }
                Part::Role(role) => parts.extend(of_role(role, roles)?),
            }
        }
        Ok(Self(parts))
    }
}

/// Returns the positions of the messages of `role`, or of the message of this number.
fn of_role(role: &str, roles: Option<&Roles>) -> Result<Vec<Part>> {
    let refused = |why: String| Err(Error::setting("positions", why));
    let Some(roles) = roles else {
        return refused(format!(
            "`role:{role}` needs a prompt of messages: give it as a chat, or use other positions"
        ));
    };
    if let Some(why) = roles.why_unknown() {
        return refused(format!("`role:{role}` cannot be found: {why}"));
    }
    let number: Option<usize> = role.parse().ok();
    let is_in = |t: usize| match number {
        Some(n) => roles.is_of(t, n),
        None => roles.has(t, role),
    };
    let answer = roles.answer();
    let with_answer = match number {
        Some(n) => answer.message == Some(n),
        None => answer.role == role,
    };
    let all: Vec<usize> = (0..roles.len()).filter(|t| is_in(*t)).collect();
    if all.is_empty() && !with_answer {
        return refused(format!(
            "the prompt has no message `role:{role}`, it has {}",
            roles.names().join(", ")
        ));
    }
    let runs = all.chunk_by(|a, b| a + 1 == *b);
    let mut parts: Vec<Part> = runs
        .map(|run| Part::range(run[0], run[run.len() - 1] + 1))
        .collect();
    if with_answer {
        parts.push(Part::Span(Span {
            from: At::End,
            to: None,
            single: false,
        }));
    }
    Ok(parts)
}

/// Returns the token that `text` is, BOS aside.
fn one_token(text: &str, codec: &TextCodec) -> Result<TokenId> {
    match codec.encode(text)?.as_slice() {
        [token] => Ok(*token),
        tokens => {
            let pieces: Vec<String> = tokens.iter().map(|id| codec.display(*id)).collect();
            let what = format!(
                "`after:{text}` names {} tokens ({}), give one token with the space before it where the text has one",
                tokens.len(),
                pieces.join("|")
            );
            Err(Error::setting("positions", what))
        }
    }
}

/// Reads a token in quotation marks, in which `\"` and `\\` stand for themselves; returns it and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let (mut token, mut escaped) = (String::new(), false);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return Some((token, &text[at + 1..])),
            '\\' if !escaped => escaped = true,
            c => {
                token.push(c);
                escaped = false;
            }
        }
    }
    None
}

fn span(part: &str) -> Option<Span> {
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
}

/// Reads all parts of `text`.
fn parts(mut text: &str) -> Option<Vec<Part>> {
    let mut all = Vec::new();
    loop {
        text = text.trim_start();
        if let Some(rest) = text.strip_prefix("after:\"") {
            let (token, rest) = quoted(rest)?;
            all.push(Part::After(token, None));
            match rest.trim_start() {
                "" => return Some(all),
                rest => text = rest.strip_prefix(',')?,
            }
            continue;
        }
        let (part, rest) = match text.split_once(',') {
            Some((part, rest)) => (part, Some(rest)),
            None => (text, None),
        };
        all.push(if let Some(token) = part.strip_prefix("after:") {
            Part::After(
                Some(token).filter(|token| !token.is_empty())?.to_owned(),
                None,
            )
        } else if let Some(role) = part.trim_end().strip_prefix("role:") {
            Part::Role(Some(role).filter(|role| !role.is_empty())?.to_owned())
        } else {
            Part::Span(span(part.trim_end())?)
        });
        match rest {
            Some(rest) => text = rest,
            None => return Some(all),
        }
    }
}

impl FromStr for Positions {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parts(text).map(Self).ok_or_else(|| {
            Error::setting(
                "positions",
                format!(
                    "`{text}` cannot be read, give `all`, `prompt`, `new`, `last`, numbers and ranges such as `1..`, `0,4,7..9`, `1..prompt`, `after: king`, or `role:user`"
                ),
            )
        })
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Span(span) => span.fmt(f),
            Self::After(token, _) if token.contains([',', '"', '\\']) => {
                let token = token.replace('\\', "\\\\").replace('"', "\\\"");
                write!(f, "after:\"{token}\"")
            }
            Self::After(token, _) => write!(f, "after:{token}"),
            Self::Role(role) => write!(f, "role:{role}"),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.from, self.to) {
            (from, _) if self.single => from.fmt(f),
            (At::Number(0), None) => f.write_str("all"),
            (At::Number(0), Some(At::End)) => f.write_str("prompt"),
            (At::End, None) => f.write_str("new"),
            (from, None) => write!(f, "{from}.."),
            (from, Some(to)) => write!(f, "{from}..{to}"),
        }
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            part.fmt(f)?;
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
        let row = Row::new(&[9, 1, 2, 1, 3, 4, 2, 5].map(TokenId), 5);
        let got: Vec<usize> = (0..8).filter(|p| positions.contains(*p, &row)).collect();
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
        for text in [
            "",
            "first",
            "-1",
            "1..two",
            "1,,2",
            "..x",
            "after:",
            "role:",
            "after:\"x",
            "after:\"x\"1",
        ] {
            let refused = text.parse::<Positions>().unwrap_err().to_string();
            assert!(refused.contains("1..prompt"), "{text}: {refused}");
        }
    }

    #[test]
    fn tokens_and_roles_are_read_as_they_are_written() {
        for text in [
            "after: king",
            "1..,after:\"a,b\"",
            "role:user,role:2",
            "after:\"\\\"\\\\\",last",
        ] {
            let positions: Positions = text.parse().unwrap();
            assert_eq!(positions.to_string(), text);
        }
        let spaced: Positions = "0, after: king".parse().unwrap();
        assert_eq!(spaced.to_string(), "0,after: king");
    }

    #[test]
    fn tokens_are_looked_up_in_the_row() {
        let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
        let codec = TextCodec::open(std::path::Path::new(demo)).unwrap();
        let tokens = codec.encode_with_bos("The old king and the king").unwrap();
        let is_king = |id: &TokenId| codec.decode(&[*id]) == " king";
        let first = tokens.iter().position(is_king).unwrap();
        let reached = |text: &str, row: &Row| -> Vec<usize> {
            let positions: Positions = text.parse().unwrap();
            let positions = positions.looked_up(&codec, None).unwrap();
            (0..9).filter(|p| positions.contains(*p, row)).collect()
        };
        let row = Row::new(&tokens, tokens.len());
        let want: Vec<usize> = (first + 1..9).collect();
        assert_eq!(reached("after: king", &row), want);
        // The token may be generated later.
        let mut row = Row::new(&tokens[..2], 2);
        assert!(reached("after: king", &row).is_empty());
        row.push(tokens[first]);
        assert_eq!(reached("after: king", &row), [3, 4, 5, 6, 7, 8]);
        let several: Positions = "after: the king".parse().unwrap();
        let refused = several.looked_up(&codec, None).unwrap_err().to_string();
        assert!(refused.contains("2 tokens"), "{refused}");
    }

    #[test]
    fn roles_are_looked_up_in_the_prompts_messages() {
        let tiny = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/chat/tiny");
        let codec = TextCodec::open(std::path::Path::new(tiny)).unwrap();
        let messages = [
            ("system", "Be kind."),
            ("user", "A fox?"),
            ("assistant", "Yes."),
            ("user", "Why?"),
        ]
        .map(|(role, text)| crate::text::chat::Message::new(role, text));
        let encoded = codec.encode_chat(&messages, true).unwrap();
        let (tokens, roles) = (&encoded.tokens, &encoded.roles);
        let row = Row::new(tokens, tokens.len());
        let n = tokens.len();
        let reached = |text: &str| -> Vec<usize> {
            let positions: Positions = text.parse().unwrap();
            let positions = positions.looked_up(&codec, Some(roles)).unwrap();
            (0..n + 2)
                .filter(|p| positions.contains(*p, &row))
                .collect()
        };
        let by = |is_in: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..n).filter(|p| is_in(*p)).collect()
        };
        assert!(!reached("role:user").is_empty());
        assert_eq!(reached("role:user"), by(&|p| roles.has(p, "user")));
        assert_eq!(reached("role:1"), by(&|p| roles.is_of(p, 1)));
        let mut replies = by(&|p| roles.has(p, "assistant"));
        replies.extend([n, n + 1]);
        assert_eq!(reached("role:assistant"), replies);
        assert_eq!(
            reached("role:4").last(),
            Some(&(n + 1)),
            "the answer is the fifth message"
        );
        let refused = |text: &str, roles: Option<&Roles>| {
            let positions: Positions = text.parse().unwrap();
            positions.looked_up(&codec, roles).unwrap_err().to_string()
        };
        assert!(refused("role:user", None).contains("needs a prompt of messages"));
        assert!(refused("role:tool", Some(roles)).contains("it has system, user, assistant"));
        let unknown = Roles::unknown(n, "the template reorders messages");
        assert!(refused("role:user", Some(&unknown)).contains("reorders"));
    }
}
