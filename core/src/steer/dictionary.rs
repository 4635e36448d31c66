//! Changes latents and decodes them, with the error kept, dropped, frozen or in part.
//!
//! Let x be a token's value in this run and x₀ its value in the run without edits. A dictionary that normalises each token reads x through the token's own
//! numbers: `read(x) = (x − μ(x)) · by(x)`, z = encode(read(x)), and writes `D(z; x) = back(x) · (Σ z·w_dec + b_dec) + μ(x)`. A code thus means something only
//! with the token it was read from: z′, the changed code of x, is decoded by the numbers of x in every mode, z₀ = encode(x₀) by those of x₀.
//!
//! | error     | value                                 |
//! |-----------|---------------------------------------|
//! | kept      | x + D(z′; x) − D(z; x)                |
//! | dropped   | D(z′; x)                              |
//! | frozen    | x₀ + D(z′; x) − D(z₀; x₀)             |
//! | linear    | D(z′; x) + linear part of x − D(z; x) |
//! | nonlinear | D(z′; x) + the rest of x − D(z; x)    |
//!
//! Kept and frozen decode both sides and add the difference, which is exact where nothing changes; adding the error to D would round. Without
//! normalisation, or with one scale for all tokens (folded into the weights), the numbers of every token are equal.
//!
//! A transcoder reads x at one hook and writes others, where the value is y (y₀ without edits). z = encode(x), and D(z; x) is its output there, for a skip connection
//! with the part that x takes through it; a layer of a cross-layer transcoder has a part of D for each layer that it writes.
//!
//! | error     | value at each output hook             |
//! |-----------|---------------------------------------|
//! | kept      | y + D(z′; x) − D(z; x)                |
//! | dropped   | D(z′; x)                              |
//! | frozen    | y₀ + D(z′; x) − D(z₀; x₀)             |

use super::apply::{Met, Token, Value};
use super::edit::{DictionaryEdit, ErrorTerm, LatentChange};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint};
use crate::latents::Latents;
use crate::sae::{InputNorm, Output, Sae};

/// Most features whose activations are computed one by one.
const ALONE: usize = 8;

/// Replaces `tokens` by the result of `edit`; `read` is what a transcoder reads at them.
pub(super) fn apply(
    edit: &DictionaryEdit,
    value: &mut Value,
    tokens: &[Token],
    (met, read): (&Met<'_>, Option<Matrix>),
) -> Result<()> {
    if tokens.is_empty() || (edit.changes.is_empty() && matches!(edit.error, ErrorTerm::Kept)) {
        return Ok(());
    }
    let (whole, sae) = (value.gathered(tokens)?, edit.sae()?);
    if let (Some(read), Some(output)) = (&read, edit.output(met.hook)) {
        let made = written((edit, output), &whole, read, |hook| {
            met.clean_at(hook, tokens)
        })?;
        value.scatter(tokens, &made);
        return Ok(());
    }
    let x = sae.own_part(&whole)?.into_owned();
    if let ErrorTerm::Kept = &edit.error
        && let Some(made) = moved_alone(&sae, &x, &edit.changes)?
    {
        let made = sae.put_back(&whole, made)?;
        value.scatter(tokens, &made);
        return Ok(());
    }
    let latents = sae.encode(&x)?;
    let edited = changed(&latents, &edit.changes);
    let made = match &edit.error {
        ErrorTerm::Kept => moved(&sae, (&x, &latents), (&x, &edited))?,
        ErrorTerm::Dropped => sae.decode(&edited, &x)?,
        ErrorTerm::Frozen => {
            let before = met.clean_at(met.hook, tokens)?;
            let before = sae.own_part(&before)?.into_owned();
            let latents = sae.encode(&before)?;
            moved(&sae, (&before, &latents), (&x, &edited))?
        }
        ErrorTerm::Linear(probe) => {
            let linear = probe.split(sae.autoencoder()?, &x)?.linear;
            sum(sae.decode(&edited, &x)?, &linear)
        }
        ErrorTerm::Nonlinear(probe) => {
            let nonlinear = probe.split(sae.autoencoder()?, &x)?.nonlinear;
            sum(sae.decode(&edited, &x)?, &nonlinear)
        }
    };
    let made = sae.put_back(&whole, made)?;
    value.scatter(tokens, &made);
    Ok(())
}

/// Computes the value `[n, w]` at an output hook of a transcoder, where it is `whole` and the transcoder reads `read` at the same tokens.
fn written(
    (edit, output): (&DictionaryEdit, &Output),
    whole: &Matrix,
    read: &Matrix,
    clean: impl Fn(HookPoint) -> Result<Matrix>,
) -> Result<Matrix> {
    let sae = edit.sae()?;
    let x = sae.own_part(read)?;
    let latents = match &edit.error {
        ErrorTerm::Kept => alone(&sae, &x, &edit.changes)?,
        _ => None,
    };
    let latents = match latents {
        Some(own) => own,
        None => sae.encode(&x)?,
    };
    let edited = changed(&latents, &edit.changes);
    let part = |latents: &Latents, x: &Matrix| -> Result<Matrix> {
        let all = sae.decode(latents, x)?; // [n, all outputs]
        let own = all.iter_rows().flat_map(|row| output.part(row)).copied();
        Matrix::new(all.rows(), output.width(), own.collect())
    };
    match &edit.error {
        // What the skip connection adds is on both sides.
        ErrorTerm::Kept => {
            let mut made = whole.clone();
            add_steps(&mut made, (&latents, &edited), |feature| {
                sae.written(feature, output)
            })?;
            Ok(made)
        }
        ErrorTerm::Dropped => part(&edited, &x),
        ErrorTerm::Frozen => {
            let (before, unread) = (clean(output.hook)?, clean(sae.reads()?)?);
            let unread = sae.own_part(&unread)?;
            let made = sum(before, &part(&edited, &x)?);
            let mut known = part(&sae.encode(&unread)?, &unread)?;
            known.values_mut().iter_mut().for_each(|x| *x = -*x);
            Ok(sum(made, &known))
        }
        ErrorTerm::Linear(_) | ErrorTerm::Nonlinear(_) => Err(Error::setting(
            "error",
            "its linear part is that of an autoencoder: keep, drop or freeze it",
        )),
    }
}

/// Adds to each row the rows that `direction` gives for features whose activations differ, times the difference; a row whose code is unchanged keeps its bits.
fn add_steps<'w>(
    made: &mut Matrix,
    (latents, edited): (&Latents, &Latents),
    direction: impl Fn(FeatureId) -> Result<&'w [f32]>,
) -> Result<()> {
    for i in 0..made.rows() {
        let (before, after) = (latents.row(i), edited.row(i));
        let features = before.map(|(f, _)| f).chain(after.map(|(f, _)| f));
        let mut features: Vec<FeatureId> = features.collect();
        features.sort_unstable();
        features.dedup();
        for feature in features {
            let step = edited.get(i, feature) - latents.get(i, feature);
            if step != 0.0 {
                let pairs = made.row_mut(i).iter_mut().zip(direction(feature)?);
                pairs.for_each(|(made, w)| *made += step * w);
            }
        }
    }
    Ok(())
}

/// Computes `x + D(z′; x) − D(z; x)` from the changed features alone; none where their activations depend on other features, or where a token's numbers scale what
/// is decoded.
fn moved_alone(sae: &Sae, x: &Matrix, changes: &[LatentChange]) -> Result<Option<Matrix>> {
    if sae.input_norm != InputNorm::None {
        return Ok(None);
    }
    let Some(latents) = alone(sae, x, changes)? else {
        return Ok(None);
    };
    let edited = changed(&latents, changes);
    let mut made = x.clone();
    add_steps(&mut made, (&latents, &edited), |feature| {
        sae.direction(feature)
    })?;
    Ok(Some(made))
}

/// Computes the activations of the features that `changes` name, from those features alone; none where they depend on others.
fn alone(sae: &Sae, x: &Matrix, changes: &[LatentChange]) -> Result<Option<Latents>> {
    let mut features: Vec<FeatureId> = changes.iter().map(|change| change.parts().0).collect();
    features.sort_unstable();
    features.dedup();
    if features.len() > ALONE {
        return Ok(None);
    }
    let mut acts = Vec::with_capacity(features.len());
    for feature in &features {
        match sae.activations_alone(x, *feature)? {
            Some(own) => acts.push(own),
            None => return Ok(None),
        }
    }
    let mut rows = vec![Vec::new(); x.rows()];
    for (feature, acts) in features.iter().zip(&acts) {
        for (row, act) in rows.iter_mut().zip(acts).filter(|(_, act)| **act != 0.0) {
            row.push((*feature, *act));
        }
    }
    Latents::from_unsorted(&rows).map(Some)
}

/// Computes `from + D(edited; read) − D(latents; from)`. Rows whose code and token are unchanged keep the bits of `from`.
fn moved(
    sae: &Sae,
    (from, latents): (&Matrix, &Latents),
    (read, edited): (&Matrix, &Latents),
) -> Result<Matrix> {
    let (before, after) = (sae.decode(latents, from)?, sae.decode(edited, read)?);
    let mut made = from.clone();
    for i in 0..made.rows() {
        let same_numbers = sae.input_norm == InputNorm::None || from.row(i) == read.row(i);
        if same_numbers && latents.row(i).eq(edited.row(i)) {
            continue;
        }
        let difference = after.row(i).iter().zip(before.row(i));
        for (made, (after, before)) in made.row_mut(i).iter_mut().zip(difference) {
            *made += after - before;
        }
    }
    Ok(made)
}

fn sum(mut a: Matrix, b: &Matrix) -> Matrix {
    for (a, b) in a.values_mut().iter_mut().zip(b.values()) {
        *a += b;
    }
    a
}

/// Applies the changes to the latents; an activation that becomes 0 is not active.
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

/// Applies one change to `row`, which ascends by feature.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sae::{JumpRelu, Relu, Selection, TopK};

    /// Reproducible numbers around 0.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        let number = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0;
        (0..count).map(number).collect()
    }

    fn sae(selection: impl Into<Selection>) -> Sae {
        let rows = |seed| Matrix::new(24, 8, numbers(24 * 8, seed)).unwrap();
        let biases = (numbers(24, 3), numbers(8, 4));
        Sae::new("some", (rows(1), biases.0), (rows(2), biases.1), selection)
    }

    /// Whether the features decide alone at a token, which then moves as by the whole code.
    fn agrees(sae: &Sae, row: &[f32], changes: &[LatentChange]) -> bool {
        let token = Matrix::new(1, row.len(), row.to_vec()).unwrap();
        let Some(quick) = moved_alone(sae, &token, changes).unwrap() else {
            return false;
        };
        let own = sae.encode(&token).unwrap();
        let edited = changed(&own, changes);
        let whole = moved(sae, (&token, &own), (&token, &edited)).unwrap();
        for (a, b) in quick.values().iter().zip(whole.values()) {
            // Both sides of the difference of two decoded codes round.
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
        true
    }

    #[test]
    fn a_feature_that_decides_alone_moves_a_token_as_the_whole_code_does() {
        let feature = FeatureId(5);
        let changes = [
            vec![LatentChange::Set(feature, 3.0)],
            vec![LatentChange::Set(feature, 0.0)],
            vec![
                LatentChange::Scale(feature, 2.0),
                LatentChange::Add(FeatureId(8), 1.0),
            ],
        ];
        let x = Matrix::new(40, 8, numbers(40 * 8, 6)).unwrap();
        let jump = JumpRelu {
            thresholds: vec![0.2; 24],
        };
        let saes = [
            (sae(Relu), true),
            (sae(jump), true),
            (sae(TopK { k: 4 }), false),
        ];
        for (sae, always) in saes {
            for changes in &changes {
                let rows = x.iter_rows();
                let alone = rows.filter(|row| agrees(&sae, row, changes)).count();
                let some = alone > 0 && alone < 40;
                assert!(if always { alone == 40 } else { some }, "{alone}");
            }
        }
        // Where a token's own numbers scale what is decoded, the whole code is needed.
        let scaled = sae(Relu).with_input_norm(InputNorm::Layer);
        assert!(moved_alone(&scaled, &x, &changes[0]).unwrap().is_none());
    }
}
