//! Comma-separated values (RFC 4180) with every digit of a number: lines end in CR LF, and a field with a comma, a quote or a line end is quoted.

use std::cmp::Ordering;
use std::fmt::Write as _;

/// An exact value, as it is copied and saved.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) enum Value {
    /// A text.
    Text(String),
    /// A number.
    Number(f64),
    /// A number in single precision: written with the digits that it has.
    Single(f32),
    /// A whole number.
    Count(u64),
    /// No value.
    #[default]
    Nothing,
}

impl Value {
    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Single(number) => Some(f64::from(*number)),
            Self::Count(number) => Some(*number as f64),
            Self::Text(_) | Self::Nothing => None,
        }
    }

    /// Compares for an ascending order: numbers before texts, nothing at the end.
    pub(crate) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => a.to_lowercase().cmp(&b.to_lowercase()),
            (Self::Nothing, Self::Nothing) => Ordering::Equal,
            (Self::Nothing, _) => Ordering::Greater,
            (_, Self::Nothing) => Ordering::Less,
            (a, b) => match (a.number(), b.number()) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                (Some(_), None) => Ordering::Less,
                (None, _) => Ordering::Greater,
            },
        }
    }
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
            Self::Single(number) => write!(f, "{number}"),
            Self::Count(number) => write!(f, "{number}"),
            Self::Nothing => Ok(()),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<f32> for Value {
    fn from(number: f32) -> Self {
        Self::Single(number)
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::Count(number as u64)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Count(number)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}

/// Appends a line.
pub(crate) fn line(into: &mut String, values: impl IntoIterator<Item = Value>) {
    for (i, value) in values.into_iter().enumerate() {
        if i > 0 {
            into.push(',');
        }
        match value {
            Value::Text(text) if text.contains([',', '"', '\r', '\n']) => {
                into.push('"');
                into.push_str(&text.replace('"', "\"\""));
                into.push('"');
            }
            other => write!(into, "{other}").unwrap_or_default(),
        }
    }
    into.push_str("\r\n");
}

/// Returns a whole table: a line of titles, then a line for every row.
pub(crate) fn table<R: IntoIterator<Item = Value>>(
    titles: &[&str],
    rows: impl IntoIterator<Item = R>,
) -> String {
    let mut text = String::new();
    line(&mut text, titles.iter().map(|title| Value::from(*title)));
    for row in rows {
        line(&mut text, row);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_must_be_and_numbers_keep_every_digit() {
        let rows = [
            [Value::from("a, \"b\""), Value::from(0.1_f32)],
            [Value::from("two\nlines"), Value::from(0.1_f64 + 0.2)],
            [Value::from(" plain "), Value::Nothing],
            [Value::from(10_240_usize), Value::from(f64::NAN)],
        ];
        let text = table(&["name", "value, %"], rows);
        let expected = "name,\"value, %\"\r\n\"a, \"\"b\"\"\",0.1\r\n\"two\nlines\",0.30000000000000004\r\n plain ,\r\n10240,NaN\r\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn numbers_come_in_order_and_nothing_comes_last() {
        let mut values = [
            Value::Nothing,
            Value::from("b"),
            Value::from(10.0),
            Value::from("A"),
            Value::from(9_usize),
        ];
        values.sort_by(Value::compare);
        let words: Vec<_> = values.iter().map(Value::to_string).collect();
        assert_eq!(words, ["9", "10", "A", "b", ""]);
    }
}
