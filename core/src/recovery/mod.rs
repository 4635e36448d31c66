//! Which values of known attributes have features of their own, and how many features share one value (Makelov, Lange and Nanda 2024, arXiv 2405.08366).
//!
//! Takes activations as a matrix and attributes as one value a row, so that it does not matter where they come from.
//!
//! | part | what it holds |
//! |---|---|
//! | [`fit`] | a dictionary trained on a matrix of activations |
//! | [`occlusion`] | large attributes hide small ones: a toy, and activations from which one attribute is removed step by step |
//! | [`splitting`] | one attribute split over many features: a toy, and the features that cover each value of an attribute |

mod draws;
pub mod fit;
mod found;
pub mod occlusion;
pub mod splitting;
mod spread;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::dims::Matrix;
use crate::error::{Error, Result};

pub use found::{Best, Count, best, count};
pub use spread::Spread;

/// Values of one attribute, one for each row of a table of activations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Name.
    pub name: String,
    /// Names of the values.
    pub values: Vec<String>,
    /// Value of each row, an index of `values`.
    pub rows: Vec<usize>,
}

impl Attribute {
    /// Creates an attribute from the name of each row's value; values are sorted by name.
    pub fn from_names<'a>(
        name: impl Into<String>,
        rows: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let rows: Vec<&str> = rows.into_iter().collect();
        let values: BTreeSet<&str> = rows.iter().copied().collect();
        let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
        let at = |row: &str| values.partition_point(|value| value.as_str() < row);
        let rows = rows.into_iter().map(at).collect();
        Self {
            name: name.into(),
            values,
            rows,
        }
    }

    /// Checks that there is one known value for each of `rows` rows.
    pub fn check(&self, rows: usize) -> Result<()> {
        if self.rows.len() != rows {
            let what = format!(
                "{} has {} values for {rows} rows of activations: give one for each",
                self.name,
                self.rows.len()
            );
            return Err(Error::setting("attribute", what));
        }
        match self.rows.iter().find(|value| **value >= self.values.len()) {
            None => Ok(()),
            Some(value) => {
                let what = format!(
                    "{} has {} values, a row has the value with index {value}: name all values",
                    self.name,
                    self.values.len()
                );
                Err(Error::setting("attribute", what))
            }
        }
    }

    /// Returns the number of rows of each value.
    pub fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.values.len()];
        for value in &self.rows {
            counts[*value] += 1;
        }
        counts
    }

    /// Returns the attribute of rows `range` alone; all values keep their index.
    #[must_use]
    pub fn of_rows(&self, range: std::ops::Range<usize>) -> Self {
        Self {
            rows: self.rows[range].to_vec(),
            ..self.clone()
        }
    }
}

/// Rows of activations with attributes: the first half builds, the second half tests.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// `[n, d]`.
    pub activations: Matrix,
    /// Attributes, each with `n` rows.
    pub attributes: Vec<Attribute>,
}

/// Fewest rows that are split into halves.
const LEAST: usize = 4;

impl Labelled {
    /// Joins activations with their attributes; an error where their numbers of rows differ, or a value of the activations is not finite.
    pub fn new(activations: Matrix, attributes: Vec<Attribute>) -> Result<Self> {
        let rows = activations.rows();
        if rows < LEAST {
            let what = format!("there are {rows} rows of activations: give at least {LEAST}");
            return Err(Error::setting("prompts", what));
        }
        for attribute in &attributes {
            attribute.check(rows)?;
        }
        let broken = activations
            .iter_rows()
            .position(|row| row.iter().any(|x| !x.is_finite()));
        if let Some(row) = broken {
            let what = format!(
                "row {row} of the activations has a value that is not finite: check the model's weights"
            );
            return Err(Error::Numeric { what });
        }
        Ok(Self {
            activations,
            attributes,
        })
    }

    /// Returns the index of the attribute `name`, or an error that lists them.
    pub fn attribute(&self, name: &str) -> Result<usize> {
        let place = self.attributes.iter().position(|known| known.name == name);
        place.ok_or_else(|| {
            let names: Vec<&str> = self
                .attributes
                .iter()
                .map(|one| one.name.as_str())
                .collect();
            let what = format!("`{name}` is none, there are {}", names.join(", "));
            Error::setting("attribute", what)
        })
    }

    /// Returns both halves: the rows that build, and those that test.
    pub fn halves(&self) -> [Self; 2] {
        let (all, half) = (self.activations.rows(), self.activations.rows() / 2);
        [0..half, half..all].map(|range| {
            let numbers: Vec<u32> = (range.start as u32..range.end as u32).collect();
            let attributes = self.attributes.iter();
            Self {
                activations: self.activations.rows_of(&numbers),
                attributes: attributes.map(|one| one.of_rows(range.clone())).collect(),
            }
        })
    }
}

/// Returns the mean of a table, `[d]`.
pub(crate) fn mean(x: &Matrix) -> Vec<f64> {
    let mut sum = vec![0.0; x.columns()];
    for row in x.iter_rows() {
        for (sum, x) in sum.iter_mut().zip(row) {
            *sum += f64::from(*x);
        }
    }
    let rows = x.rows().max(1) as f64;
    for sum in &mut sum {
        *sum /= rows;
    }
    sum
}
