//! Regressions that benchmarks fit: logistic with a free bias, and logistic with an L1 penalty on a code.

mod dense;
mod logistic;
mod sparse;
#[cfg(test)]
mod tests;

pub(super) use self::dense::Few;
pub(super) use self::logistic::{Examples, Logistic};
pub(super) use self::sparse::{Columns, strongest};
