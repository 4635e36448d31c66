//! Predicates with their copies bound, and their truth on rows.

use std::collections::HashMap;

use super::line::Line;
use super::parse::{Compare, Expression, How, Local, Text};
use super::words::Lexicon;

/// A predicate in which every `repeats` and `next_is` belongs to one copy.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    /// Some earlier copy, matched so, whose next token is all of these.
    Copy(How, Vec<Text>),
    Of(Local),
}

impl Node {
    /// Binds the copies of a predicate; outside `and` they are matched exactly.
    pub(super) fn new(expression: Expression) -> Self {
        Self::within(expression, How::Exact)
    }

    fn within(expression: Expression, how: How) -> Self {
        match expression {
            Expression::Any(parts) => {
                let parts = parts.into_iter().map(|part| Self::within(part, how));
                Self::Any(parts.collect())
            }
            Expression::Not(part) => Self::Not(Box::new(Self::within(*part, how))),
            Expression::Repeats(how) => Self::Copy(how, vec![]),
            Expression::NextIs(text) => Self::Copy(how, vec![text]),
            Expression::Of(local) => Self::Of(local),
            Expression::All(parts) => Self::all(parts, how),
        }
    }

    /// Members of an `and`: its `repeats` and `next_is` speak of one copy.
    fn all(parts: Vec<Expression>, how: How) -> Self {
        let (mut asked, mut next, mut others) = (None::<How>, vec![], vec![]);
        for part in flat(parts) {
            match part {
                Expression::Repeats(how) => {
                    asked = Some(asked.map_or(how, |before| before.min(how)));
                }
                Expression::NextIs(text) => next.push(text),
                other => others.push(other),
            }
        }
        let how = asked.unwrap_or(how);
        let mut nodes: Vec<Self> = others
            .into_iter()
            .map(|part| Self::within(part, how))
            .collect();
        if asked.is_some() || !next.is_empty() {
            nodes.insert(0, Self::Copy(how, next));
        }
        Self::All(nodes)
    }
}

/// Members of nested `and`s in one list.
fn flat(parts: Vec<Expression>) -> Vec<Expression> {
    let members = parts.into_iter().flat_map(|part| match part {
        Expression::All(parts) => flat(parts),
        other => vec![other],
    });
    members.collect()
}

/// A predicate whose tests of single tokens are looked up.
#[derive(Debug)]
pub struct Bound<'a> {
    lexicon: &'a Lexicon,
    test: Test,
}

/// Truth of each part, tests of a token's text by the token's number in the lexicon.
#[derive(Debug)]
enum Test {
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Copy(How, Option<Vec<bool>>),
    Token(Vec<bool>),
    Previous(Vec<bool>),
    StartsWord,
    FirstInDocument,
    Position(Compare, usize),
}

impl<'a> Bound<'a> {
    pub(super) fn new(node: &Node, lexicon: &'a Lexicon) -> Self {
        let test = Test::new(node, lexicon);
        Self { lexicon, test }
    }

    /// Returns whether the predicate holds at each position of `line`, `[t]`. Its tokens must be in the lexicon; others count as empty texts.
    pub fn holds(&self, line: &Line<'_>) -> Vec<bool> {
        let numbers: Vec<usize> = line
            .tokens
            .iter()
            .map(|id| self.lexicon.number(*id))
            .collect();
        self.test.holds(self.lexicon, line, &numbers)
    }
}

impl Test {
    fn new(node: &Node, lexicon: &Lexicon) -> Self {
        let many = |parts: &[Node]| parts.iter().map(|part| Self::new(part, lexicon)).collect();
        let of_text = |test: &dyn Fn(&str) -> bool| lexicon.texts().map(test).collect();
        let of = |text: &Text| of_text(&|token| text.matches(token));
        match node {
            Node::Any(parts) => Self::Any(many(parts)),
            Node::All(parts) => Self::All(many(parts)),
            Node::Not(part) => Self::Not(Box::new(Self::new(part, lexicon))),
            Node::Copy(how, next) => {
                let all = |token: &str| next.iter().all(|text| text.matches(token));
                Self::Copy(*how, (!next.is_empty()).then(|| of_text(&all)))
            }
            Node::Of(Local::Token(text)) => Self::Token(of(text)),
            Node::Of(Local::Previous(text)) => Self::Previous(of(text)),
            Node::Of(Local::Punctuation) => Self::Token(of_text(&is_punctuation)),
            Node::Of(Local::Digit) => Self::Token(of_text(&is_digits)),
            Node::Of(Local::Capital) => Self::Token(of_text(&is_capital)),
            Node::Of(Local::StartsWord) => Self::StartsWord,
            Node::Of(Local::FirstInDocument) => Self::FirstInDocument,
            Node::Of(Local::Position(compare, number)) => Self::Position(*compare, *number),
        }
    }

    fn holds(&self, lexicon: &Lexicon, line: &Line<'_>, numbers: &[usize]) -> Vec<bool> {
        let part = |part: &Self| part.holds(lexicon, line, numbers);
        let each = |test: &dyn Fn(usize) -> bool| (0..numbers.len()).map(test).collect();
        match self {
            Self::Any(parts) => joined(parts.iter().map(part), numbers.len(), false),
            Self::All(parts) => joined(parts.iter().map(part), numbers.len(), true),
            Self::Not(inside) => part(inside).into_iter().map(|holds| !holds).collect(),
            Self::Copy(how, next) => {
                let classes: Vec<usize> = match how {
                    How::Exact => numbers.to_vec(),
                    How::Fuzzy => numbers
                        .iter()
                        .map(|number| lexicon.class(*number))
                        .collect(),
                };
                copied(&classes, &line.from, |t| {
                    next.as_ref().is_none_or(|next| next[numbers[t]])
                })
            }
            Self::Token(of) => each(&|t| of[numbers[t]]),
            Self::Previous(of) => each(&|t| t > 0 && of[numbers[t - 1]]),
            Self::StartsWord => each(&|t| {
                let before = t.checked_sub(1).map(|before| lexicon.text(numbers[before]));
                starts_word(lexicon.text(numbers[t]), before)
            }),
            Self::FirstInDocument => line.begins.clone(),
            Self::Position(compare, number) => each(&|t| compare.holds(t, *number)),
        }
    }
}

/// All of `parts`, or any of them, position by position.
fn joined(parts: impl Iterator<Item = Vec<bool>>, positions: usize, all: bool) -> Vec<bool> {
    parts.fold(vec![all; positions], |mut so_far, part| {
        for (so_far, part) in so_far.iter_mut().zip(part) {
            *so_far = if all {
                *so_far && part
            } else {
                *so_far || part
            };
        }
        so_far
    })
}

/// Returns, for each position t, whether some q with `from[t]` ≤ q < t has the class of t and a next position that `next` accepts. Linear in the positions: the
/// latest such q decides, since `from` never falls.
pub(super) fn copied(classes: &[usize], from: &[usize], next: impl Fn(usize) -> bool) -> Vec<bool> {
    let mut latest: HashMap<usize, usize> = HashMap::new();
    let mut holds = Vec::with_capacity(classes.len());
    for t in 0..classes.len() {
        if let Some(q) = t.checked_sub(1).filter(|_| next(t)) {
            latest.insert(classes[q], q);
        }
        holds.push(latest.get(&classes[t]).is_some_and(|q| *q >= from[t]));
    }
    holds
}

impl Text {
    fn matches(&self, token: &str) -> bool {
        match self {
            Self::Exact(text) => text == token,
            Self::Pattern(pattern) => pattern.is_match(token),
        }
    }
}

impl Compare {
    fn holds(self, position: usize, number: usize) -> bool {
        match self {
            Self::Below => position < number,
            Self::AtMost => position <= number,
            Self::Above => position > number,
            Self::AtLeast => position >= number,
            Self::Equal => position == number,
        }
    }
}

pub(super) fn is_punctuation(token: &str) -> bool {
    let mut signs = token.chars().filter(|c| !c.is_whitespace()).peekable();
    signs.peek().is_some() && signs.all(|c| !c.is_alphanumeric() && !c.is_control())
}

pub(super) fn is_digits(token: &str) -> bool {
    let mut signs = token.chars().filter(|c| !c.is_whitespace()).peekable();
    signs.peek().is_some() && signs.all(char::is_numeric)
}

pub(super) fn is_capital(token: &str) -> bool {
    let first = token.chars().find(|c| !c.is_whitespace());
    first.is_some_and(char::is_uppercase)
}

/// Whether a token begins a word, after the text of the token before it.
pub(super) fn starts_word(token: &str, before: Option<&str>) -> bool {
    let word = token.trim_start();
    let parted = word.len() < token.len()
        || before.is_none_or(|before| !before.ends_with(char::is_alphanumeric));
    parted && word.starts_with(char::is_alphanumeric)
}
