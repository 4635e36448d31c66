//! Computes activations and gradients of a model's rows at hooks: in memory chunk by chunk, or into a store.

use std::borrow::Cow;
use std::collections::BTreeMap;

use candle_core::Tensor;
use rayon::prelude::*;

use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::HookPoint;
use crate::models::{Model, Scalar, token_tensor};
use crate::progress::{Ended, Flow, Progress};
use crate::store::{Piece, Writer};

/// Rows per forward pass. Fixed, so that the thread count does not change results; small, so that a pass fits a core's cache. Rows that are read in other groups may
/// differ in their last bits.
pub(crate) const CHUNK_ROWS: usize = 2;
/// Rows per write to a store.
const PIECE: usize = 32;

/// Returns `model` as it reads `rows`: with documents kept apart if the rows say so.
pub fn reader<'m>(model: &'m Model, rows: &Rows) -> Result<Cow<'m, Model>> {
    if rows.separates_documents() && !model.separates_documents() {
        return Ok(Cow::Owned(model.clone().with_separate_documents()?));
    }
    Ok(Cow::Borrowed(model))
}

/// Returns activations of rows `rows` (indices into `from`) at `hook`, `[rows·t, d]`, row after row, heads concatenated. Computed in parallel over fixed chunks
/// of rows, so the thread count does not change results.
pub fn activations(model: &Model, from: &Rows, rows: &[usize], hook: HookPoint) -> Result<Matrix> {
    let mut all = activations_at(model, from, rows, &[hook])?;
    Ok(all.pop().unwrap_or_default())
}

/// Returns activations at several hooks from one pass, in the order of `hooks`.
pub fn activations_at(
    model: &Model,
    from: &Rows,
    rows: &[usize],
    hooks: &[HookPoint],
) -> Result<Vec<Matrix>> {
    let model = reader(model, from)?;
    gather(&model, from, rows, hooks, |tokens| {
        model.capture(tokens, hooks)
    })
}

/// Returns gradients of each row's summed next-token cross-entropy, in nats, with respect to the activations at `hooks`, each `[rows·t, d]`.
pub fn gradients_at(
    model: &Model,
    from: &Rows,
    rows: &[usize],
    hooks: &[HookPoint],
) -> Result<Vec<Matrix>> {
    let model = reader(model, from)?;
    gather(&model, from, rows, hooks, |tokens| {
        Ok(model.gradients(tokens, &Scalar::NextTokenLoss, hooks)?.at)
    })
}

/// Runs `pass` over a few rows at a time, in parallel.
fn gather(
    model: &Model,
    from: &Rows,
    rows: &[usize],
    hooks: &[HookPoint],
    pass: impl Fn(&Tensor) -> Result<BTreeMap<HookPoint, Tensor>> + Sync,
) -> Result<Vec<Matrix>> {
    let widths: Vec<usize> = hooks
        .iter()
        .map(|hook| model.width(*hook))
        .collect::<Result<_>>()?;
    let chunks: Vec<Vec<Vec<f32>>> = rows
        .par_chunks(CHUNK_ROWS)
        .map(|chunk| {
            let tokens: Vec<_> = chunk.iter().map(|row| from.row(*row)).collect();
            let values = pass(&token_tensor(&tokens)?)?;
            let values = hooks.iter().filter_map(|hook| values.get(hook));
            values
                .map(|value| Ok(value.flatten_all()?.to_vec1::<f32>()?))
                .collect()
        })
        .collect::<Result<_>>()?;
    let mut all = Vec::with_capacity(hooks.len());
    for (hook, width) in widths.into_iter().enumerate() {
        let mut whole = Matrix::zeros(rows.len() * from.context(), width);
        let size = (CHUNK_ROWS * from.context() * width).max(1);
        let parts = whole.values_mut().chunks_mut(size).zip(&chunks);
        parts.for_each(|(into, chunk)| into.copy_from_slice(&chunk[hook]));
        all.push(whole);
    }
    Ok(all)
}

/// Computes the rows that `writer` lacks and writes them, shard by shard. `observe` gets the rows computed by this call and may stop it after each piece, which
/// loses an incomplete shard.
pub fn into_store(
    model: &Model,
    rows: &Rows,
    writer: &mut Writer,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<()>> {
    let hooks: Vec<HookPoint> = writer.about().hooks.iter().map(|at| at.hook).collect();
    let gradients = writer.about().gradients;
    let missing = writer.about().rows - writer.rows_there();
    let mut done = 0;
    while let Some(first) = writer.next_row() {
        let chosen: Vec<usize> = (first..first + writer.room().min(PIECE)).collect();
        let tokens: Vec<_> = chosen
            .iter()
            .flat_map(|row| rows.row(*row))
            .copied()
            .collect();
        let activations = activations_at(model, rows, &chosen, &hooks)?;
        let gradients = if gradients {
            gradients_at(model, rows, &chosen, &hooks)?
        } else {
            Vec::new()
        };
        writer.append(&Piece {
            tokens: &tokens,
            activations: &activations,
            gradients: &gradients,
        })?;
        done += chosen.len();
        if observe(Progress::rows(done, missing)).is_break() && writer.next_row().is_some() {
            return Ok(Ended::STOPPED);
        }
    }
    Ok(Ended::Done(()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::ids::{Site, TokenId};

    fn demo() -> Model {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
        Model::open(Path::new(folder)).unwrap().0
    }

    fn rows(count: usize, context: usize) -> Rows {
        let tokens: Vec<_> = (0..count * context)
            .map(|i| TokenId((i * 7919 % 4096) as u32))
            .collect();
        let documents = vec![0; tokens.len()];
        Rows::new(context, tokens, documents, vec!["numbers".to_owned()])
    }

    #[test]
    fn they_are_those_of_single_passes_whatever_the_threads() {
        let model = demo();
        let rows = rows(5, 24);
        for hook in [
            HookPoint::block(1, Site::Z),
            HookPoint::block(2, Site::ResidPost),
        ] {
            let got = activations(&model, &rows, &[4, 0, 3], hook).unwrap();
            assert_eq!((got.rows(), got.columns()), (3 * 24, 256));
            let tokens = token_tensor(&[rows.row(3)]).unwrap();
            let value = &model.capture(&tokens, &[hook]).unwrap()[&hook];
            let one = Matrix::from_tensor(value, 256).unwrap();
            for t in 0..24 {
                for (got, one) in got.row(2 * 24 + t).iter().zip(one.row(t)) {
                    assert!((got - one).abs() < 1e-4, "{got} {one}");
                }
            }
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
            let alone = pool
                .unwrap()
                .install(|| activations(&model, &rows, &[4, 0, 3], hook).unwrap());
            assert_eq!(alone, got);
        }
        let none = activations(&model, &rows, &[], HookPoint::Embed).unwrap();
        assert_eq!(none.rows(), 0);
    }

    #[test]
    fn several_hooks_of_one_pass_are_those_of_their_own_passes() {
        let model = demo();
        let rows = rows(5, 24);
        let hooks = [
            HookPoint::block(2, Site::ResidPost),
            HookPoint::block(0, Site::Z),
        ];
        let both = activations_at(&model, &rows, &[1, 2, 4], &hooks).unwrap();
        for (hook, both) in hooks.into_iter().zip(both) {
            let alone = activations(&model, &rows, &[1, 2, 4], hook).unwrap();
            assert_eq!(both, alone);
        }
    }

    #[test]
    fn a_hook_without_a_width_is_refused() {
        let pattern = HookPoint::block(0, Site::Pattern);
        assert!(activations(&demo(), &rows(1, 8), &[0], pattern).is_err());
    }
}
