//! Parses a filter.

use super::lex::{Operator, Reader, ends_word};
use super::{Bytes, Column, Condition, Expression, Fault, Interval, Place};
use crate::features::families::Family;
use crate::formats::closest;

/// Deepest nesting of parentheses and `not`.
const DEPTH: usize = 64;

/// Keys of conditions on words, and what each looks at.
pub(super) const PLACES: [(&str, Place); 5] = [
    ("fires", Place::Peaks),
    ("text", Place::Examples),
    ("promotes", Place::Promoted),
    ("suppresses", Place::Suppressed),
    ("label", Place::Label),
];

/// Values of `is:`.
pub(super) const IS: [&str; 4] = ["labelled", "unlabelled", "dead", "live"];

/// Parses a filter; none for a text of white space.
pub(super) fn parse(text: &str) -> Result<Option<Expression>, Fault> {
    let mut parser = Parser {
        reader: Reader::new(text),
        depth: 0,
    };
    parser.reader.skip_space();
    if parser.reader.rest().is_empty() {
        return Ok(None);
    }
    let root = parser.any()?;
    if parser.reader.rest().is_empty() {
        return Ok(Some(root));
    }
    let at = parser.reader.at..parser.reader.at + 1;
    Err(parser.fault(at, "no parenthesis is open here: remove `)`"))
}

struct Parser<'a> {
    reader: Reader<'a>,
    depth: usize,
}

/// A part of a run of conditions.
struct Part {
    expression: Expression,
    /// It is of words without key and quotes, which neighbours join.
    is_bare: bool,
}

/// Places among the conditions of a run without `and` of those that take further ones in.
#[derive(Default)]
struct Run {
    words: Option<usize>,
    families: Option<usize>,
}

impl Run {
    /// Adds a part: words without key join earlier ones to one text, and several families widen the choice.
    fn add(&mut self, parts: &mut Vec<Expression>, part: Part) {
        match part.expression {
            Expression::Is(Condition::Words { place, words }) if part.is_bare => {
                if let Some(at) = self.words
                    && let Expression::Is(Condition::Words { words: known, .. }) = &mut parts[at]
                {
                    known.push(' ');
                    known.push_str(&words);
                    return;
                }
                self.words = Some(parts.len());
                parts.push(Expression::Is(Condition::Words { place, words }));
            }
            Expression::Is(Condition::Family(family)) => {
                let family = Expression::Is(Condition::Family(family));
                if let Some(at) = self.families
                    && let Expression::Any(known) = &mut parts[at]
                {
                    known.push(family);
                    return;
                }
                self.families = Some(parts.len());
                parts.push(Expression::Any(vec![family]));
            }
            other => parts.push(other),
        }
    }
}

impl Parser<'_> {
    fn fault(&self, at: Bytes, what: impl Into<String>) -> Fault {
        Fault::new(self.reader.text, at, what)
    }

    /// Conditions joined by `or`.
    fn any(&mut self) -> Result<Expression, Fault> {
        let mut parts = vec![self.all()?];
        while self.reader.take_keyword("or").is_some() {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expression::Any))
    }

    /// Conditions joined by `and` or nothing.
    fn all(&mut self) -> Result<Expression, Fault> {
        let mut parts: Vec<Expression> = Vec::new();
        // Places of the words and families that further ones join; `and` ends the run.
        let mut run = Run::default();
        loop {
            let part = self.not()?;
            run.add(&mut parts, part);
            self.reader.skip_space();
            if self.reader.take_keyword("and").is_some() {
                run = Run::default();
                continue;
            }
            let next = self.reader.peek();
            let ends = next.is_none_or(|sign| sign == ')');
            let or = self.reader.keyword().is_some_and(|(word, _)| word == "or");
            if ends || or {
                return Ok(one_or(parts, Expression::All));
            }
        }
    }

    fn not(&mut self) -> Result<Part, Fault> {
        self.reader.skip_space();
        if let Some(at) = self.reader.take_keyword("not") {
            self.deeper(&at)?;
            let part = self.not()?;
            self.depth -= 1;
            return Ok(Part {
                expression: Expression::Not(Box::new(part.expression)),
                is_bare: false,
            });
        }
        let open = self.reader.at;
        if !self.reader.take('(') {
            return self.condition();
        }
        self.deeper(&(open..open + 1))?;
        let expression = self.any()?;
        self.reader.skip_space();
        if !self.reader.take(')') {
            return Err(self.fault(open..open + 1, "close the parenthesis with `)`"));
        }
        self.depth -= 1;
        Ok(Part {
            expression,
            is_bare: false,
        })
    }

    fn deeper(&mut self, at: &Bytes) -> Result<(), Fault> {
        self.depth += 1;
        if self.depth > DEPTH {
            let what = format!("at most {DEPTH} parentheses and `not` may be nested");
            return Err(self.fault(at.clone(), what));
        }
        Ok(())
    }

    fn condition(&mut self) -> Result<Part, Fault> {
        let whole = |expression| Part {
            expression,
            is_bare: false,
        };
        if let Some((word, at)) = self.reader.keyword() {
            let what = format!(
                "a condition is missing before `{word}`; write \"{word}\" in quotes to look for the word"
            );
            return Err(self.fault(at, what));
        }
        let from = self.reader.at;
        match self.reader.peek() {
            None => return Err(self.fault(from..from, self.missing())),
            Some(')') => {
                return Err(self.fault(from..from + 1, "a condition is missing before `)`"));
            }
            Some('"' | '“' | '”') => {
                let (words, at) = self.reader.quoted()?;
                let words = self.words(words, &at)?;
                let place = Place::Anywhere;
                return Ok(whole(Expression::Is(Condition::Words { place, words })));
            }
            Some('#') => return self.numbers().map(whole),
            Some(_) => {}
        }
        let (word, at) = self.reader.word();
        let after = self.reader.clone();
        let known = Column::from_id(word).is_some() || is_key(word);
        let rest = self.reader.rest();
        if known && !rest.trim_start().starts_with(':') {
            self.reader.skip_space();
        }
        let Some((operator, sign)) = self.reader.operator() else {
            if let Some(sign) = rest.chars().next().filter(|_| word.is_empty()) {
                let here = from..from + sign.len_utf8();
                let what = format!("write \"{sign}\" in quotes to look for it");
                return Err(self.fault(here, what));
            }
            self.reader = after;
            return Ok(Part {
                expression: Expression::Is(Condition::Words {
                    place: Place::Anywhere,
                    words: word.to_owned(),
                }),
                is_bare: true,
            });
        };
        if word.is_empty() {
            let what = "a column is missing before the comparison, as in `density<1e-3`";
            return Err(self.fault(sign, what));
        }
        self.keyed((word, at), (operator, sign)).map(whole)
    }

    /// Says what is missing at the end.
    fn missing(&self) -> String {
        let before = self.reader.text.trim_end();
        let last = before.rsplit(ends_word).next().unwrap_or_default();
        match last.to_lowercase().as_str() {
            word @ ("and" | "or" | "not") => {
                format!(
                    "a condition is missing after `{word}`; write \"{word}\" in quotes to look for the word"
                )
            }
            _ => "a condition is missing here".to_owned(),
        }
    }

    fn numbers(&mut self) -> Result<Expression, Fault> {
        let from = self.reader.at;
        self.reader.take('#');
        let (listed, at) = self.reader.word();
        let range = |part: &str| -> Option<(u32, u32)> {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let range = (first.parse().ok()?, last.parse().ok()?);
            (range.0 <= range.1).then_some(range)
        };
        let ranges: Option<Vec<_>> = listed.split(',').map(range).collect();
        let ranges = ranges.ok_or_else(|| {
            let what = "`#` takes numbers of features, as in `#12` or `#3,12,40-49`";
            self.fault(from..at.end, what)
        })?;
        Ok(Expression::Is(Condition::Numbers(ranges)))
    }

    /// `key operator value`.
    fn keyed(
        &mut self,
        (key, key_at): (&str, Bytes),
        (operator, sign): (Operator, Bytes),
    ) -> Result<Expression, Fault> {
        let lower = match key.to_lowercase().as_str() {
            "name" => "label".to_owned(),
            lower => lower.to_owned(),
        };
        if !is_key(&lower) && Column::from_id(key).is_none() {
            return Err(self.fault(key_at, unknown(key)));
        }
        if self.reader.text.get(sign.clone()) != Some(":") {
            self.reader.skip_space();
        }
        let (value, at) = self.reader.value()?;
        if at.is_empty() {
            let what = format!("a value is missing after `{key}`");
            return Err(self.fault(sign.end..sign.end, what));
        }
        if let Some(column) = Column::from_id(key).filter(|column| column.is_number()) {
            return self.compare((column, key), operator, (&value, &at));
        }
        let equal = match operator {
            Operator::Equals => true,
            Operator::Differs => false,
            _ => {
                let what = format!("`{key}` is compared with `=` or `:`");
                return Err(self.fault(sign, what));
            }
        };
        let place = PLACES.iter().find(|(name, _)| *name == lower);
        let condition = match lower.as_str() {
            "head" => self.head(&value, &at)?,
            "family" => Condition::Family(self.family(&value, &at)?),
            "is" => return self.is(&value, &at).map(|is| negated(is, equal)),
            "fact" => Condition::Fact(self.words(value, &at)?),
            _ => match place {
                Some((_, place)) => Condition::Words {
                    place: *place,
                    words: self.words(value, &at)?,
                },
                None => return Err(self.fault(key_at, unknown(key))),
            },
        };
        Ok(negated(Expression::Is(condition), equal))
    }

    fn compare(
        &self,
        (column, key): (Column, &str),
        operator: Operator,
        (value, at): (&str, &Bytes),
    ) -> Result<Expression, Fault> {
        let number = |text: &str| {
            let (digits, unit) = match text.strip_suffix('%') {
                Some(digits) => (digits, 0.01),
                None => (text, 1.0),
            };
            let read = digits.parse::<f64>().ok().filter(|n| !n.is_nan());
            read.map(|number| number * unit).ok_or_else(|| {
                let what = format!(
                    "`{text}` is no number: `{key}` is compared with one, as in `{key}<0.5`"
                );
                self.fault(at.clone(), what)
            })
        };
        let is = |within| Expression::Is(Condition::Compare { column, within });
        let inclusive = matches!(operator, Operator::AtMost | Operator::AtLeast);
        let Some((from, to)) = value.split_once("..") else {
            let bound = number(value)?;
            return Ok(is(match operator {
                Operator::Below | Operator::AtMost => Interval::Below { bound, inclusive },
                Operator::Above | Operator::AtLeast => Interval::Above { bound, inclusive },
                Operator::Equals => Interval::Between(bound, bound),
                Operator::Differs => Interval::Other(bound),
            }));
        };
        let (from, to) = (number(from)?, number(to)?);
        match operator {
            Operator::Equals => Ok(is(Interval::Between(from, to))),
            Operator::Differs => Ok(Expression::Any(vec![
                is(Interval::Below {
                    bound: from,
                    inclusive,
                }),
                is(Interval::Above {
                    bound: to,
                    inclusive,
                }),
            ])),
            _ => {
                let what = format!("a range is compared with `=`, as in `{key}={value}`");
                Err(self.fault(at.clone(), what))
            }
        }
    }

    fn head(&self, value: &str, at: &Bytes) -> Result<Condition, Fault> {
        let read = match value.split_once('.') {
            Some((layer, head)) => layer.parse().ok().map(Some).zip(head.parse().ok()),
            None => Some(None).zip(value.parse().ok()),
        };
        let (layer, head) = read.ok_or_else(|| {
            let what = format!("`{value}` is no head: write layer and head as in `head=2.3`");
            self.fault(at.clone(), what)
        })?;
        Ok(Condition::Head { layer, head })
    }

    fn family(&self, value: &str, at: &Bytes) -> Result<Family, Fault> {
        let name = value.to_lowercase();
        let found = Family::ALL.into_iter().find(|family| family.name() == name);
        found.ok_or_else(|| {
            let what =
                format!("`{value}` is no family: choose induction, local, long-range or unclear");
            self.fault(at.clone(), what)
        })
    }

    fn is(&self, value: &str, at: &Bytes) -> Result<Expression, Fault> {
        Ok(match value.to_lowercase().as_str() {
            "labelled" | "labeled" => Expression::Is(Condition::Labelled),
            "unlabelled" | "unlabeled" => negated(Expression::Is(Condition::Labelled), false),
            "dead" => Expression::Is(Condition::Dead),
            "live" => negated(Expression::Is(Condition::Dead), false),
            _ => {
                let what = format!("`{value}` is unknown: choose {}", listed(&IS));
                return Err(self.fault(at.clone(), what));
            }
        })
    }

    /// Checks that there is a word to look for.
    fn words(&self, words: String, at: &Bytes) -> Result<String, Fault> {
        if words.trim().is_empty() {
            return Err(self.fault(at.clone(), "the quotes are empty: write words in them"));
        }
        Ok(words)
    }
}

fn one_or(
    mut parts: Vec<Expression>,
    joined: impl FnOnce(Vec<Expression>) -> Expression,
) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            joined(parts)
        }
        None => joined(parts),
    }
}

fn negated(expression: Expression, equal: bool) -> Expression {
    if equal {
        expression
    } else {
        Expression::Not(Box::new(expression))
    }
}

/// Whether `word` is a key other than the columns with numbers.
pub(super) fn is_key(word: &str) -> bool {
    let word = word.to_lowercase();
    let others = ["head", "family", "is", "fact"];
    others.contains(&word.as_str()) || PLACES.iter().any(|(name, _)| *name == word)
}

fn unknown(key: &str) -> String {
    let numbers = Column::ALL.into_iter().filter(|column| column.is_number());
    let names = (numbers.map(Column::id))
        .chain(["head", "family", "fact", "is"])
        .chain(PLACES.iter().map(|(name, _)| *name));
    format!(
        "`{key}` is unknown, the closest are {}; put words to look for in quotes",
        closest(key, names).join(", ")
    )
}

/// `a, b or c`.
pub(super) fn listed(names: &[&str]) -> String {
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}
