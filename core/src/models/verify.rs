//! Comparison of a model with reference values, tensor by tensor; without a reference, with what must hold between its own hooks.

mod itself;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};

use super::{Model, Quantity};
use crate::error::{Error, Result};
use crate::progress::{Ended, Flow};

pub use self::itself::itself;

/// Largest difference allowed, absolute or relative to the reference's largest entry: f32 sums in another order.
pub const TOLERANCE: f64 = 1e-4;

/// One compared tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its name, as [`Quantity`] prints it.
    pub name: String,
    /// Source of the expected values.
    pub against: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Largest absolute difference; infinite where shapes differ or a number is no number.
    pub difference: f64,
    /// Largest finite entry of the reference.
    pub largest: f64,
    /// Reason why it could not be compared.
    pub problem: Option<String>,
}

impl Row {
    /// Whether the difference is within tolerance.
    pub fn agrees(&self) -> bool {
        self.problem.is_none() && self.difference <= TOLERANCE * self.largest.max(1.0)
    }
}

/// All compared tensors.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verification {
    /// Tensors, in the order of a forward pass.
    pub rows: Vec<Row>,
}

impl Verification {
    /// Whether all tensors agree; false if none was compared.
    pub fn agrees(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(Row::agrees)
    }

    /// Largest difference relative to the tolerance (1 is the limit), with its row.
    pub fn worst(&self) -> Option<(f64, &Row)> {
        self.rows
            .iter()
            .map(|row| (row.difference / (TOLERANCE * row.largest.max(1.0)), row))
            .max_by(|a, b| a.0.total_cmp(&b.0))
    }
}

/// The reference values beside a model: `reference.safetensors` in its folder, or in the folder of its file; none if that is not there.
pub fn beside(model: &Path) -> Option<PathBuf> {
    let folder = if model.is_dir() {
        model
    } else {
        model.parent()?
    };
    Some(folder.join("reference.safetensors")).filter(|path| path.exists())
}

/// Compares `model` with every tensor of `reference` but `tokens`; `observe` gets each row at once. Stopped, it gives the
/// rows so far.
pub fn against(
    model: &Model,
    reference: &BTreeMap<String, Tensor>,
    observe: &mut dyn FnMut(&Row) -> Flow,
) -> Result<Ended<Verification, Verification>> {
    let tokens = tokens(reference)?;
    let mut known = Vec::new();
    let mut unknown = Vec::new();
    for name in reference.keys().filter(|name| *name != "tokens") {
        let quantity: Result<Quantity> = name.parse();
        match quantity.and_then(|quantity| model.check_quantity(quantity).map(|()| quantity)) {
            Ok(quantity) => known.push(quantity),
            Err(error) => unknown.push((name, error.to_string())),
        }
    }
    known.sort_unstable();
    let values = model.quantities(&tokens, &known)?;
    let mut verification = Verification::default();
    for quantity in known {
        let name = quantity.to_string();
        let (got, want) = (&values[&quantity], &reference[&name]);
        let row = compare(name, "the reference", got, want)?;
        let flow = observe(&row);
        verification.rows.push(row);
        if flow.is_break() {
            return Ok(Ended::Stopped(verification));
        }
    }
    for (name, problem) in unknown {
        verification.rows.push(Row {
            name: name.clone(),
            against: "the reference".to_owned(),
            shape: reference[name].dims().to_vec(),
            difference: f64::INFINITY,
            largest: 0.0,
            problem: Some(problem),
        });
    }
    Ok(Ended::Done(verification))
}

fn tokens(reference: &BTreeMap<String, Tensor>) -> Result<Tensor> {
    let tokens = reference.get("tokens").filter(|tokens| tokens.rank() == 2);
    let tokens = tokens.ok_or_else(|| {
        Error::setting(
            "reference",
            "there is no tensor `tokens` [b, t] in it, which every comparison needs",
        )
    })?;
    let ids = tokens
        .to_dtype(DType::I64)?
        .flatten_all()?
        .to_vec1::<i64>()?;
    if let Some(id) = ids.iter().find(|id| u32::try_from(**id).is_err()) {
        return Err(Error::setting(
            "reference",
            format!("{id} is not a token of the model"),
        ));
    }
    Ok(tokens.to_dtype(DType::U32)?)
}

/// Below this a score is masked: some libraries write the least f32 there, and not −∞.
const MASKED: f32 = -1e30;

/// Returns the largest difference of two tensors; masked scores do not differ. A reference may repeat for each row what `got` holds once.
fn compare(name: String, against: &str, got: &Tensor, want: &Tensor) -> Result<Row> {
    let mut row = Row {
        name,
        against: against.to_owned(),
        shape: got.dims().to_vec(),
        difference: 0.0,
        largest: 0.0,
        problem: None,
    };
    let once = got.rank() == want.rank() && got.dims().first() == Some(&1);
    let fits = got.dims() == want.dims() || once && got.dims().get(1..) == want.dims().get(1..);
    if !fits {
        row.difference = f64::INFINITY;
        row.problem = Some(format!(
            "its shape is {:?}, {against} has {:?}",
            got.dims(),
            want.dims()
        ));
        return Ok(row);
    }
    let values =
        |x: &Tensor| -> Result<Vec<f32>> { Ok(x.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?) };
    for (got, want) in values(&got.broadcast_as(want.shape())?)?
        .into_iter()
        .zip(values(want)?)
    {
        if got < MASKED && want < MASKED {
            continue;
        }
        let off = f64::from((got - want).abs());
        row.difference = row
            .difference
            .max(if off.is_nan() { f64::INFINITY } else { off });
        if want.is_finite() {
            row.largest = row.largest.max(f64::from(want.abs()));
        }
    }
    Ok(row)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn compared(got: &[[f32; 2]], want: &[[f32; 2]]) -> Row {
        let tensor = |x: &[[f32; 2]]| {
            let flat: Vec<f32> = x.iter().flatten().copied().collect();
            Tensor::from_vec(flat, (x.len(), 2), &Device::Cpu).unwrap()
        };
        compare("x".to_owned(), "y", &tensor(got), &tensor(want)).unwrap()
    }

    #[test]
    fn masked_scores_agree_and_what_is_no_number_does_not() {
        let least = f32::MIN;
        assert!(compared(&[[f32::NEG_INFINITY, 1.0]], &[[least, 1.0]]).agrees());
        assert!(!compared(&[[f32::NEG_INFINITY, 1.0]], &[[0.0, 1.0]]).agrees());
        assert!(!compared(&[[f32::NAN, 1.0]], &[[f32::NAN, 1.0]]).agrees());
        assert!(!compared(&[[f32::INFINITY, 1.0]], &[[f32::INFINITY, 1.0]]).agrees());
        assert!(compared(&[[1000.05, 1.0]], &[[1000.0, 1.0]]).agrees());
        assert!(!compared(&[[1000.2, 1.0]], &[[1000.0, 1.0]]).agrees());
    }

    #[test]
    fn what_is_held_once_may_be_repeated() {
        assert!(compared(&[[1.0, 2.0]], &[[1.0, 2.0], [1.0, 2.0]]).agrees());
        assert!(!compared(&[[1.0, 2.0]], &[[1.0, 2.0], [1.0, 3.0]]).agrees());
        let short = compared(&[[1.0, 2.0], [1.0, 2.0]], &[[1.0, 2.0]]);
        assert!(short.problem.unwrap().contains("[2, 2]"));
        assert!(!Verification::default().agrees());
    }
}
