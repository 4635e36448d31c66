//! Latents changed and decoded, with the error kept, dropped, frozen or in part.
//!
//! Decoding both sides and adding the difference is exact where nothing is changed; adding the error x − x̂ back to a changed x̂ would round.

use candle_core::Tensor;

use super::apply::{Token, Value};
use super::edit::{DictionaryEdit, ErrorTerm, LatentChange};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint};
use crate::sae::{Latents, Sae};

/// Puts what `edit` makes of `tokens` in their place.
pub(super) fn apply(
    edit: &DictionaryEdit,
    value: &mut Value,
    tokens: &[Token],
    (hook, clean): (HookPoint, Option<&Tensor>),
) -> Result<()> {
    if tokens.is_empty() || (edit.changes.is_empty() && matches!(edit.error, ErrorTerm::Kept)) {
        return Ok(());
    }
    let (x, sae) = (value.gathered(tokens)?, edit.sae()?);
    let latents = sae.encode(&x)?;
    let edited = changed(&latents, &edit.changes);
    let made = match &edit.error {
        ErrorTerm::Kept => moved(&sae, &x, &latents, &edited)?,
        ErrorTerm::Dropped => sae.decode(&edited, &x)?,
        ErrorTerm::Frozen => {
            let clean = clean.ok_or_else(|| {
                Error::hook(
                    hook,
                    "the run without edits is needed for a frozen error and was not made",
                )
            })?;
            let before = Value::of(hook, clean)?.gathered(tokens)?;
            let latents = sae.encode(&before)?;
            moved(&sae, &before, &latents, &edited)?
        }
        ErrorTerm::Linear(probe) => {
            let linear = probe.split(sae, &x)?.linear;
            sum(sae.decode(&edited, &x)?, &linear)
        }
        ErrorTerm::Nonlinear(probe) => {
            let nonlinear = probe.split(sae, &x)?.nonlinear;
            sum(sae.decode(&edited, &x)?, &nonlinear)
        }
    };
    value.scatter(tokens, &made);
    Ok(())
}

/// x + (decode(edited) − decode(latents)); rows whose latents are the same keep their bits.
fn moved(sae: &Sae, x: &Matrix, latents: &Latents, edited: &Latents) -> Result<Matrix> {
    let (before, after) = (sae.decode(latents, x)?, sae.decode(edited, x)?);
    let mut x = x.clone();
    for i in 0..x.rows() {
        if latents.row(i).eq(edited.row(i)) {
            continue;
        }
        let difference = after.row(i).iter().zip(before.row(i));
        for (x, (after, before)) in x.row_mut(i).iter_mut().zip(difference) {
            *x += after - before;
        }
    }
    Ok(x)
}

fn sum(mut a: Matrix, b: &Matrix) -> Matrix {
    for (a, b) in a.values_mut().iter_mut().zip(b.values()) {
        *a += b;
    }
    a
}

/// The latents after the changes; what becomes 0 is not active.
fn changed(latents: &Latents, changes: &[LatentChange]) -> Latents {
    let mut all = Latents::with_capacity(latents.rows(), changes.len() + 1);
    for i in 0..latents.rows() {
        let mut row: Vec<(FeatureId, f32)> = latents.row(i).collect();
        for change in changes {
            change_row(&mut row, *change);
        }
        row.retain(|(_, act)| *act != 0.0);
        let (features, acts): (Vec<u32>, Vec<f32>) = row
            .into_iter()
            .map(|(feature, act)| (feature.0, act))
            .unzip();
        all.push_row(&features, &acts);
    }
    all
}

/// `row` ascends by feature.
fn change_row(row: &mut Vec<(FeatureId, f32)>, change: LatentChange) {
    let (feature, x) = change.parts();
    let at = row.partition_point(|(other, _)| *other < feature);
    match row.get_mut(at).filter(|(other, _)| *other == feature) {
        Some((_, act)) => match change {
            LatentChange::Set(..) => *act = x,
            LatentChange::Add(..) => *act += x,
            LatentChange::Scale(..) => *act *= x,
        },
        None if !matches!(change, LatentChange::Scale(..)) => row.insert(at, (feature, x)),
        None => {}
    }
}
