//! Orders of features: columns, the first the most important.

use std::fmt;
use std::str::FromStr;

use super::parse::listed;
use super::{Column, Fault};

/// A column and a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// Column to sort by.
    pub column: Column,
    /// Largest first.
    pub descending: bool,
}

impl Key {
    /// Creates a key with the direction in which the column is first sorted: figures with the largest first, numbers of features and names ascending.
    pub fn new(column: Column) -> Self {
        Self {
            column,
            descending: column.descends(),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.descending { "desc" } else { "asc" };
        write!(f, "{}:{direction}", self.column.id())
    }
}

/// An order of features: by the first key, where equal by the next, and at last by number. Features without a value come last in either direction.
#[derive(Debug, Clone, PartialEq, Eq, Default, Hash)]
pub struct Sort {
    /// Keys, the most important first.
    pub keys: Vec<Key>,
}

impl Sort {
    /// Creates the order by one column.
    pub fn new(column: Column, descending: bool) -> Self {
        Self {
            keys: vec![Key { column, descending }],
        }
    }

    /// Reads `density`, `max:asc` or several with commas between them, the most important first. Without a direction, figures are sorted with the largest first,
    /// numbers of features and names ascending.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let mut keys: Vec<Key> = Vec::new();
        let mut from = 0;
        for part in text.split(',') {
            let name = part.trim();
            let start = from + part.len() - part.trim_start().len();
            let at = start..start + name.len();
            from += part.len() + 1;
            let (name, direction) = match name.split_once(':') {
                Some((name, direction)) => (name, Some(direction)),
                None => (name, None),
            };
            let Some(column) = Column::from_id(name) else {
                let names: Vec<&str> = Column::ALL.into_iter().map(Column::id).collect();
                let what = match name {
                    "" => format!("a column is missing: choose {}", listed(&names)),
                    name => format!("`{name}` is no column: choose {}", listed(&names)),
                };
                return Err(Fault::new(text, at, what));
            };
            let mut key = Key::new(column);
            match direction {
                None => {}
                Some("asc") => key.descending = false,
                Some("desc") => key.descending = true,
                Some(other) => {
                    let what = format!("`{other}` is no direction: write asc or desc");
                    return Err(Fault::new(text, at, what));
                }
            }
            if keys.iter().any(|known| known.column == column) {
                let what = format!("`{name}` is there twice: remove one");
                return Err(Fault::new(text, at, what));
            }
            keys.push(key);
        }
        Ok(Self { keys })
    }
}

impl FromStr for Sort {
    type Err = Fault;

    fn from_str(text: &str) -> Result<Self, Fault> {
        Self::parse(text)
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<String> = self.keys.iter().map(Key::to_string).collect();
        f.write_str(&keys.join(","))
    }
}
