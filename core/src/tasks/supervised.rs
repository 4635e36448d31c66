//! Dictionaries made from the attributes of a task, without training (Makelov et al. 2024, section 3).
//!
//! â = mean + Σ u over the factors of the parametrisation, each with coefficient 1. The *mean* fit takes for u the mean of a − mean over the prompts with that
//! value; *least squares* fits all directions together, which matters where attributes are correlated. A value that no prompt of the first half has gets direction 0.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use faer::Mat;
use serde::{Deserialize, Serialize};

use super::Task;
use super::activations::Activations;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::models::Model;
use crate::sae::{Pursuit, Sae, Selection};

/// How directions are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Means over the prompts with a value.
    #[default]
    Mean,
    /// Least squares over all values together, the solution of least norm.
    LeastSquares,
}

impl Fit {
    /// Both, with their written names.
    pub const ALL: [(Self, &'static str); 2] =
        [(Self::Mean, "mean"), (Self::LeastSquares, "least-squares")];
}

/// Parts that an activation is a sum of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parametrisation {
    /// One direction for each value of each edited attribute.
    #[default]
    Independent,
    /// One for each pair of a value and the value of the attribute with the fewest values: (IO, Pos) and (S, Pos).
    Coupled,
    /// One for each name at each mention: first, second, and S again.
    Names,
}

impl Parametrisation {
    /// All of them, with their written names.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Independent, "independent"),
        (Self::Coupled, "coupled"),
        (Self::Names, "names"),
    ];

    /// Returns the attributes of each factor.
    fn factors(self, task: &Task) -> Result<Vec<Vec<usize>>> {
        let edited = 0..task.attributes.len();
        match self {
            Self::Independent => Ok(edited.map(|attribute| vec![attribute]).collect()),
            Self::Coupled => {
                let fewest = edited.clone().min_by_key(|one| task.counts(*one).len());
                let pairs = edited.filter(|one| Some(*one) != fewest);
                let pairs: Vec<Vec<usize>> =
                    pairs.map(|one| [one].into_iter().chain(fewest).collect()).collect();
                if pairs.is_empty() {
                    let what = "coupled needs two attributes, the task has one";
                    return Err(Error::setting("parametrisation", what));
                }
                Ok(pairs)
            }
            Self::Names => ["first", "second", "s"]
                .into_iter()
                .map(|name| task.attribute(name).map(|attribute| vec![attribute]))
                .collect::<Result<_>>()
                .map_err(|_missing| {
                    let what = "names needs the attributes first, second and s, as sentences with two names have them";
                    Error::setting("parametrisation", what)
                }),
        }
    }
}

macro_rules! named {
    ($type:ident, $setting:literal) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let named = Self::ALL.into_iter().find(|(one, _)| one == self);
                f.write_str(named.map_or("", |(_, name)| name))
            }
        }

        impl FromStr for $type {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                let named = Self::ALL.into_iter().find(|(_, name)| *name == text);
                named.map(|(one, _)| one).ok_or_else(|| {
                    let names = Self::ALL.map(|(_, name)| name).join(", ");
                    Error::setting($setting, format!("`{text}` is none, choose among {names}"))
                })
            }
        }
    };
}

named!(Fit, "fit");
named!(Parametrisation, "parametrisation");

/// Value of a factor: those of its attributes.
type Value = Vec<String>;

/// Dictionary made from the attributes of a task.
#[derive(Debug, Clone, PartialEq)]
pub struct Supervised {
    /// How its directions were computed.
    pub fit: Fit,
    /// Parts of an activation.
    pub parametrisation: Parametrisation,
    /// Attributes of each factor.
    factors: Vec<Vec<usize>>,
    /// Mean at each place, `[w]`.
    means: Vec<Vec<f32>>,
    /// For each place and factor the direction `[w]` of each value.
    directions: Vec<Vec<BTreeMap<Value, Vec<f32>>>>,
}

/// One direction of a supervised dictionary in an edit.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// Direction that is removed; none for a value without one.
    pub removed: Option<Vec<f32>>,
    /// Direction that is added; none for a value without one.
    pub added: Option<Vec<f32>>,
}

impl Supervised {
    /// Makes a dictionary of the prompts of `task` that build.
    pub fn new(
        task: &Task,
        activations: &Activations,
        (fit, parametrisation): (Fit, Parametrisation),
    ) -> Result<Self> {
        let factors = parametrisation.factors(task)?;
        let values: Vec<Vec<Value>> = task
            .builds()
            .iter()
            .map(|prompt| factors.iter().map(|of| value(&prompt.values, of)).collect())
            .collect();
        let building = task.building();
        let means = activations.means(building);
        let mut directions = Vec::with_capacity(means.len());
        for (clean, mean) in activations.clean.iter().zip(&means) {
            let rows: Vec<Vec<f64>> = (0..building)
                .map(|row| {
                    let each = clean.row(row).iter().zip(mean);
                    each.map(|(a, m)| f64::from(*a) - f64::from(*m)).collect()
                })
                .collect();
            directions.push(match fit {
                Fit::Mean => by_means(&rows, &values, factors.len()),
                Fit::LeastSquares => by_least_squares(&rows, &values, factors.len())?,
            });
        }
        Ok(Self {
            fit,
            parametrisation,
            factors,
            means,
            directions,
        })
    }

    /// Returns its name: `supervised-mean` for the default parametrisation, otherwise with the parametrisation behind it.
    pub fn name(&self) -> String {
        match self.parametrisation {
            Parametrisation::Independent => format!("supervised-{}", self.fit),
            other => format!("supervised-{}-{other}", self.fit),
        }
    }

    /// Returns the mean at a place, `[w]`.
    pub fn mean(&self, place: usize) -> &[f32] {
        &self.means[place]
    }

    /// Returns the direction `[w]` of each factor for the values of a prompt; none for a value without one.
    pub fn directions(&self, place: usize, values: &[String]) -> Vec<Option<&[f32]>> {
        let of = self.directions[place].iter().zip(&self.factors);
        of.map(|(known, of)| known.get(&value(values, of)).map(Vec::as_slice))
            .collect()
    }

    /// Returns the reconstruction at a place, `[w]`: the mean and one direction for each factor.
    pub fn reconstruct(&self, place: usize, values: &[String]) -> Vec<f32> {
        let mut whole: Vec<f64> = self.means[place].iter().map(|m| f64::from(*m)).collect();
        for direction in self.directions(place, values).into_iter().flatten() {
            let each = whole.iter_mut().zip(direction);
            each.for_each(|(sum, u)| *sum += f64::from(*u));
        }
        whole.into_iter().map(|value| value as f32).collect()
    }

    /// Returns the exchanges that turn the values `from` into `to` at a place: one for each factor whose value differs.
    pub fn exchanges(&self, place: usize, from: &[String], to: &[String]) -> Vec<Exchange> {
        let differs = |of: &&Vec<usize>| value(from, of) != value(to, of);
        let factors = self.factors.iter().enumerate();
        let changed = factors.filter(|(_, of)| differs(of));
        let direction =
            |factor: usize, value: &Value| self.directions[place][factor].get(value).cloned();
        changed
            .map(|(factor, of)| Exchange {
                removed: direction(factor, &value(from, of)),
                added: direction(factor, &value(to, of)),
            })
            .collect()
    }

    /// Returns `row [w]` at a place with the values `from` exchanged for `to`.
    pub fn edited(&self, place: usize, row: &[f32], values: (&[String], &[String])) -> Vec<f32> {
        let mut whole: Vec<f64> = row.iter().map(|value| f64::from(*value)).collect();
        for exchange in self.exchanges(place, values.0, values.1) {
            let signed = [(-1.0, &exchange.removed), (1.0, &exchange.added)];
            for (sign, direction) in signed {
                let Some(direction) = direction else { continue };
                let each = whole.iter_mut().zip(direction);
                each.for_each(|(sum, u)| *sum += sign * f64::from(*u));
            }
        }
        whole.into_iter().map(|value| value as f32).collect()
    }

    /// Returns what each direction of a place stands for and its length, by factor and value.
    pub fn lengths(&self, place: usize, task: &Task) -> Vec<(String, f64)> {
        let names: Vec<&str> = task.names().collect();
        let factors = self.directions[place].iter().zip(&self.factors);
        let each = factors.flat_map(|(known, of)| known.iter().map(move |one| (of, one)));
        each.map(|(of, (value, direction))| {
            let parts = of.iter().zip(value);
            let parts: Vec<String> = parts
                .map(|(attribute, value)| format!("{} {}", names[*attribute], value.trim()))
                .collect();
            let squares: f64 = direction.iter().map(|u| f64::from(*u).powi(2)).sum();
            (parts.join(", "), squares.sqrt())
        })
        .collect()
    }

    /// Returns the dictionary of a place as one that reads activations: unit directions, the mean as bias, codes by matching pursuit with as many rounds as there are
    /// factors. What each feature stands for is [`Self::lengths`], in the same order, without those of length 0.
    pub fn to_sae(
        &self,
        place: usize,
        (model, activations): (&Model, &Activations),
    ) -> Result<Sae> {
        let width = self.means[place].len();
        let all = self.directions[place].iter().flat_map(BTreeMap::values);
        let mut rows = Vec::new();
        for direction in all {
            let squares: f64 = direction.iter().map(|u| f64::from(*u).powi(2)).sum();
            if squares > 0.0 {
                let length = squares.sqrt();
                rows.extend(direction.iter().map(|u| (f64::from(*u) / length) as f32));
            }
        }
        let features = rows.len() / width.max(1);
        let weights = Matrix::new(features, width, rows)?;
        let pursuit = Pursuit {
            residual_threshold: 0.0,
            max_iterations: self.factors.len(),
            stop_on_duplicate_support: false,
        };
        let bias = self.means[place].clone();
        let encoder = (weights.clone(), vec![0.0; features]);
        let mut sae = Sae::new(
            self.name(),
            encoder,
            (weights, bias),
            Selection::from(pursuit),
        );
        sae = sae.reading(activations.places[place].site.hook);
        model.name().clone_into(&mut sae.provenance.model);
        sae.check_weights()?;
        Ok(sae)
    }
}

/// Value of a factor in a prompt.
fn value(values: &[String], attributes: &[usize]) -> Value {
    attributes.iter().map(|one| values[*one].clone()).collect()
}

/// Directions of the values of one factor.
type Directions = BTreeMap<Value, Vec<f32>>;

fn by_means(rows: &[Vec<f64>], values: &[Vec<Value>], factors: usize) -> Vec<Directions> {
    let width = rows.first().map_or(0, Vec::len);
    let of = |factor: usize| {
        let mut sums: BTreeMap<Value, (usize, Vec<f64>)> = BTreeMap::new();
        for (row, values) in rows.iter().zip(values) {
            let fresh = || (0, vec![0.0; width]);
            let (count, sum) = sums.entry(values[factor].clone()).or_insert_with(fresh);
            *count += 1;
            sum.iter_mut().zip(row).for_each(|(sum, a)| *sum += a);
        }
        let mean = |(count, sum): (usize, Vec<f64>)| {
            let mean = sum.into_iter().map(|sum| sum / count as f64);
            mean.map(|value| value as f32).collect()
        };
        sums.into_iter()
            .map(|(value, sum)| (value, mean(sum)))
            .collect()
    };
    (0..factors).map(of).collect()
}

/// Singular values below this share of the largest count as 0: the one-hot columns of several attributes are dependent.
const RANK: f64 = 1e-10;

fn by_least_squares(
    rows: &[Vec<f64>],
    values: &[Vec<Value>],
    factors: usize,
) -> Result<Vec<Directions>> {
    let mut columns: BTreeMap<(usize, &Value), usize> = BTreeMap::new();
    for values in values {
        for (factor, value) in values.iter().enumerate().take(factors) {
            let next = columns.len();
            columns.entry((factor, value)).or_insert(next);
        }
    }
    let width = rows.first().map_or(0, Vec::len);
    let (n, c) = (rows.len(), columns.len());
    let hot = Mat::from_fn(n, c, |row, column| {
        let of = |factor: usize| columns[&(factor, &values[row][factor])] == column;
        f64::from(u8::from((0..factors).any(of)))
    });
    let centred = Mat::from_fn(n, width, |row, column| rows[row][column]);
    let gram = hot.transpose() * &hot;
    let right = hot.transpose() * &centred;
    let eigen = gram
        .self_adjoint_eigen(faer::Side::Lower)
        .map_err(|cause| Error::Numeric {
            what: format!("the least squares of the attributes have no solution: {cause:?}"),
        })?;
    let (vectors, sizes) = (eigen.U(), eigen.S().column_vector());
    let largest = (0..c).map(|i| sizes[i]).fold(0.0, f64::max);
    let turned = vectors.transpose() * &right;
    let scaled = Mat::from_fn(c, width, |i, column| {
        if sizes[i] > RANK * largest {
            turned[(i, column)] / sizes[i]
        } else {
            0.0
        }
    });
    let solved = vectors * &scaled;
    let mut directions = vec![Directions::new(); factors];
    for ((factor, value), at) in columns {
        let direction = (0..width).map(|column| solved[(at, column)] as f32);
        directions[factor].insert(value.clone(), direction.collect());
    }
    Ok(directions)
}
