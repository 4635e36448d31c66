//! Labelled texts: a class each, for correlations that are to be removed a second attribute too; their split; and what a model and its dictionaries make of them,
//! one row for each text.

mod read;
mod split;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Result};

pub use self::read::{CONTEXT, OfDictionary, Place, Read, read};
pub use self::split::{LEAST_TEXTS, Split};

/// Form of the lines.
pub const FORMAT: &str = "one JSON object a line, {\"text\": …, \"label\": …}, with a second attribute \"spurious\" for the removal of a correlation";

/// Text with its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Text.
    pub text: String,
    /// Index of its class.
    pub class: usize,
    /// Index of the value of its second attribute.
    pub spurious: Option<usize>,
}

/// Texts with their classes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Labelled {
    /// Texts, in the order of the lines.
    pub texts: Vec<Text>,
    /// Names of the classes, ascending.
    pub classes: Vec<String>,
    /// Values of the second attribute, ascending; none where the lines have none.
    pub spurious: Vec<String>,
    /// Number of lines left out since an earlier one has the same text.
    pub repeated: usize,
}

#[derive(Deserialize)]
struct Line {
    text: String,
    label: Value,
    #[serde(default)]
    spurious: Option<Value>,
}

impl Labelled {
    /// Reads [`FORMAT`]; labels are strings, whole numbers or truth values. Lines that repeat the text of an earlier one are left out, so that no text that tests
    /// was trained on.
    ///
    /// # Errors
    /// A line of another form, a second attribute on some lines only, and fewer than two classes.
    pub fn from_lines(content: &str) -> Result<Self> {
        let lines = content.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.trim().is_empty());
        let mut read: Vec<(String, String, Option<String>)> = Vec::new();
        let mut seen: HashMap<String, usize> = HashMap::new();
        let mut repeated = 0;
        for (number, line) in lines {
            let number = number + 1;
            let line: Line =
                serde_json::from_str(line).map_err(|why| wrong(number, &why.to_string()))?;
            if line.text.trim().is_empty() {
                return Err(wrong(number, "its text is empty"));
            }
            let label = named(&line.label).ok_or_else(|| wrong(number, NO_NAME))?;
            let spurious = match &line.spurious {
                Some(value) => Some(named(value).ok_or_else(|| wrong(number, NO_NAME))?),
                None => None,
            };
            if read
                .first()
                .is_some_and(|(_, _, first)| first.is_some() != spurious.is_some())
            {
                return Err(wrong(
                    number,
                    "`spurious` is on some lines and not on others",
                ));
            }
            if seen.insert(line.text.clone(), number).is_some() {
                repeated += 1;
                continue;
            }
            read.push((line.text, label, spurious));
        }
        let classes = distinct(read.iter().map(|(_, label, _)| label));
        if classes.len() < 2 {
            let what = format!(
                "the labelled texts have {}: give texts of two or more ({FORMAT})",
                match &classes[..] {
                    [only] => format!("the one label {only}"),
                    _ => "no label".to_owned(),
                }
            );
            return Err(Error::setting("labelled", what));
        }
        let spurious = distinct(read.iter().filter_map(|(_, _, spurious)| spurious.as_ref()));
        let place = |names: &[String], name: &String| names.binary_search(name).unwrap_or_default();
        let texts = read.into_iter().map(|(text, label, second)| Text {
            text,
            class: place(&classes, &label),
            spurious: second.map(|second| place(&spurious, &second)),
        });
        Ok(Self {
            texts: texts.collect(),
            classes,
            spurious,
            repeated,
        })
    }

    /// Returns the class of each text.
    pub fn labels(&self) -> Vec<usize> {
        self.texts.iter().map(|text| text.class).collect()
    }

    /// Returns the number of texts of each class.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        self.texts.iter().for_each(|text| counts[text.class] += 1);
        counts
    }

    /// Returns both attributes of each text, for the removal of a correlation.
    ///
    /// # Errors
    /// Labels or second attributes that are not of two values.
    pub fn attributes(&self) -> Result<Vec<[usize; 2]>> {
        if self.spurious.is_empty() {
            let what = "the texts have no second attribute: add \"spurious\" to every line";
            return Err(Error::setting("labelled", what));
        }
        for (name, values) in [("label", &self.classes), ("spurious", &self.spurious)] {
            if values.len() != 2 {
                let what = format!(
                    "`{name}` has {} values ({}): removal of a correlation needs two",
                    values.len(),
                    values.join(", ")
                );
                return Err(Error::setting("labelled", what));
            }
        }
        let each = self.texts.iter();
        let both = each.map(|text| [text.class, text.spurious.unwrap_or_default()]);
        Ok(both.collect())
    }
}

/// Error of a label that is no name.
const NO_NAME: &str = "a label is neither a string nor a whole number nor true or false";

fn wrong(number: usize, why: &str) -> Error {
    Error::setting("labelled", format!("line {number}: {why}; give {FORMAT}"))
}

fn named(value: &Value) -> Option<String> {
    match value {
        Value::String(name) if !name.trim().is_empty() => Some(name.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        _ => None,
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut names: Vec<String> = names.cloned().collect();
    names.sort();
    names.dedup();
    names
}
