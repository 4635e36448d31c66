//! Reads the text of a predicate. Every refusal says the place, the problem and what is allowed.

use regex::{Regex, RegexBuilder};
use winnow::ascii::multispace0;
use winnow::combinator::{alt, opt, separated};
use winnow::error::{ErrMode, ParserError};
use winnow::token::take_while;
use winnow::{ModalResult, Parser as _};

use super::Refused;

/// Most characters of a predicate.
const LONGEST: usize = 2_000;
/// Most parentheses and `not`s, which nest.
const NESTED: usize = 64;
/// Most bytes of a compiled regular expression.
const REGEX_SIZE: usize = 1 << 20;

const NAMES: &str = "repeats(…), next_is(…), token(…), previous(…), starts_word, punctuation, digit, capital, first_in_document, position, not or (";

/// Parsed predicate, as written.
#[derive(Debug, Clone)]
pub(super) enum Expression {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Repeats(How),
    NextIs(Text),
    Of(Local),
}

/// How copies of a token are matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum How {
    Exact,
    Fuzzy,
}

/// A predicate that needs no copy.
#[derive(Debug, Clone)]
pub(super) enum Local {
    Token(Text),
    Previous(Text),
    StartsWord,
    Punctuation,
    Digit,
    Capital,
    FirstInDocument,
    Position(Compare, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compare {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
}

/// Text of a token, whole or by a pattern.
#[derive(Debug, Clone)]
pub(super) enum Text {
    Exact(String),
    Pattern(Regex),
}

/// Where and why reading ended: the bytes left there.
#[derive(Debug, Clone)]
struct Fault {
    left: usize,
    why: String,
}

impl ParserError<&str> for Fault {
    type Inner = Self;

    fn from_input(input: &&str) -> Self {
        Self {
            left: input.len(),
            why: String::new(),
        }
    }

    fn into_inner(self) -> Result<Self, Self> {
        Ok(self)
    }
}

type Read<T> = ModalResult<T, Fault>;

/// A refusal with `left` bytes to go, which no other reading gets around.
fn refuse<T>(left: usize, why: impl Into<String>) -> Read<T> {
    let why = why.into();
    Err(ErrMode::Cut(Fault { left, why }))
}

/// Reads a whole predicate.
pub(super) fn parse(text: &str) -> Result<Expression, Refused> {
    let refused = |at: usize, why: &str| Refused {
        at,
        why: format!("at character {}, {why}", text[..at].chars().count() + 1),
    };
    if text.chars().count() > LONGEST {
        let why = format!("the predicate is too long: give {LONGEST} characters at most");
        return Err(refused(0, &why));
    }
    if text.matches('(').count() + text.matches("not").count() > NESTED {
        let why =
            format!("the predicate nests too deeply: give {NESTED} parentheses and `not` at most");
        return Err(refused(0, &why));
    }
    let mut rest = text;
    let read = whole(&mut rest);
    read.map_err(|fault| {
        let fault = fault.into_inner().unwrap_or_else(|_| Fault {
            left: 0,
            why: "the predicate ends too early".to_owned(),
        });
        refused(text.len() - fault.left.min(text.len()), &fault.why)
    })
}

fn whole(input: &mut &str) -> Read<Expression> {
    let read = any_of(input)?;
    let left = input.len();
    match input.chars().next() {
        None => Ok(read),
        Some(sign) => refuse(
            left,
            format!(
                "{} is not expected: give `and`, `or` or nothing more",
                shown(sign)
            ),
        ),
    }
}

/// Alternatives joined by `or`.
fn any_of(input: &mut &str) -> Read<Expression> {
    let parts: Vec<Expression> = separated(1.., all_of, keyword("or")).parse_next(input)?;
    Ok(one_or(parts, Expression::Any))
}

/// Conditions joined by `and`.
fn all_of(input: &mut &str) -> Read<Expression> {
    let parts: Vec<Expression> = separated(1.., negated, keyword("and")).parse_next(input)?;
    Ok(one_or(parts, Expression::All))
}

fn one_or(
    mut parts: Vec<Expression>,
    join: impl FnOnce(Vec<Expression>) -> Expression,
) -> Expression {
    match parts.pop() {
        Some(one) if parts.is_empty() => one,
        last => {
            parts.extend(last);
            join(parts)
        }
    }
}

fn negated(input: &mut &str) -> Read<Expression> {
    space(input)?;
    let read = if opt(keyword("not")).parse_next(input)?.is_some() {
        Expression::Not(Box::new(negated(input)?))
    } else {
        operand(input)?
    };
    space(input)?;
    Ok(read)
}

fn operand(input: &mut &str) -> Read<Expression> {
    let left = input.len();
    if opt('(').parse_next(input)?.is_some() {
        let inside = any_of(input)?;
        close(input)?;
        return Ok(inside);
    }
    let Some(name) = opt(word).parse_next(input)? else {
        let found = input.chars().next().map_or("the end".to_owned(), shown);
        return refuse(
            left,
            format!("{found} stands where a predicate is expected: give {NAMES}"),
        );
    };
    Ok(match name {
        "repeats" => Expression::Repeats(inside(input, how)?),
        "next_is" => Expression::NextIs(inside(input, text)?),
        "token" => Expression::Of(Local::Token(inside(input, text)?)),
        "previous" => Expression::Of(Local::Previous(inside(input, text)?)),
        "starts_word" => Expression::Of(Local::StartsWord),
        "punctuation" => Expression::Of(Local::Punctuation),
        "digit" => Expression::Of(Local::Digit),
        "capital" => Expression::Of(Local::Capital),
        "first_in_document" => Expression::Of(Local::FirstInDocument),
        "position" => position(input)?,
        other => return refuse(left, format!("`{other}` is not a predicate: give {NAMES}")),
    })
}

/// A value in parentheses.
fn inside<T>(input: &mut &str, mut value: impl FnMut(&mut &str) -> Read<T>) -> Read<T> {
    space(input)?;
    if opt('(').parse_next(input)?.is_none() {
        return refuse(input.len(), "`(` is missing");
    }
    space(input)?;
    let value = value(input)?;
    close(input)?;
    Ok(value)
}

fn close(input: &mut &str) -> Read<()> {
    space(input)?;
    if opt(')').parse_next(input)?.is_none() {
        return refuse(input.len(), "`)` is missing");
    }
    Ok(())
}

fn how(input: &mut &str) -> Read<How> {
    let left = input.len();
    match opt(word).parse_next(input)? {
        Some("exact") => Ok(How::Exact),
        Some("fuzzy") => Ok(How::Fuzzy),
        _ => refuse(left, "repeats needs `exact` or `fuzzy`"),
    }
}

fn position(input: &mut &str) -> Read<Expression> {
    space(input)?;
    let left = input.len();
    let sign = opt(alt(("<=", ">=", "<", ">", "="))).parse_next(input)?;
    let compare = match sign {
        Some("<=") => Compare::AtMost,
        Some(">=") => Compare::AtLeast,
        Some("<") => Compare::Below,
        Some(">") => Compare::Above,
        Some(_) => Compare::Equal,
        None => return refuse(left, "position needs <, <=, >, >= or ="),
    };
    space(input)?;
    let left = input.len();
    let digits = opt(word).parse_next(input)?;
    match digits.and_then(|digits| digits.parse().ok()) {
        Some(number) => Ok(Expression::Of(Local::Position(compare, number))),
        None => refuse(left, "position is compared with a whole number, such as 8"),
    }
}

/// A text in double quotes, or a pattern between slashes.
fn text(input: &mut &str) -> Read<Text> {
    let left = input.len();
    let Some(end @ ('"' | '/')) = input.chars().next() else {
        let why = "a text in quotes (\" king\") or a /regex/ is expected";
        return refuse(left, why);
    };
    let mut read = String::new();
    let mut signs = input.char_indices().skip(1);
    while let Some((at, sign)) = signs.next() {
        if sign == end {
            *input = &input[at + 1..];
            return finished(left, end, read);
        }
        if sign != '\\' {
            read.push(sign);
            continue;
        }
        let Some((_, next)) = signs.next() else { break };
        match next {
            next if next == end => read.push(next),
            next if end == '/' => read.extend(['\\', next]),
            'n' => read.push('\n'),
            't' => read.push('\t'),
            'r' => read.push('\r'),
            '\\' => read.push('\\'),
            _ => {
                let why = format!("`\\{next}` is not an escape: give \\n, \\t, \\r, \\\" or \\\\");
                return refuse(left - at, why);
            }
        }
    }
    refuse(
        left,
        format!("the text that begins here has no closing `{end}`"),
    )
}

fn finished(left: usize, end: char, read: String) -> Read<Text> {
    if end == '"' {
        return if read.is_empty() {
            refuse(
                left,
                "the text is empty, and no token is: give the text of a token",
            )
        } else {
            Ok(Text::Exact(read))
        };
    }
    match RegexBuilder::new(&read).size_limit(REGEX_SIZE).build() {
        Ok(pattern) => Ok(Text::Pattern(pattern)),
        Err(why) => {
            let why = why.to_string();
            let last = why.lines().last().unwrap_or_default();
            let why = last
                .trim()
                .trim_start_matches("error: ")
                .trim_end_matches('.');
            refuse(
                left,
                format!("the regular expression cannot be read ({why})"),
            )
        }
    }
}

fn word<'a>(input: &mut &'a str) -> Read<&'a str> {
    take_while(1.., |c: char| c.is_alphanumeric() || c == '_').parse_next(input)
}

/// A word of the language, with the space around it.
fn keyword<'a>(name: &'static str) -> impl FnMut(&mut &'a str) -> Read<()> {
    move |input: &mut &'a str| {
        (
            multispace0,
            word.verify(move |word: &str| word == name),
            multispace0,
        )
            .void()
            .parse_next(input)
    }
}

fn space(input: &mut &str) -> Read<()> {
    multispace0.void().parse_next(input)
}

fn shown(sign: char) -> String {
    format!("`{}`", sign.escape_debug())
}
