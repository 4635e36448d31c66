//! Model × rows × hook → activations, in memory or streamed chunk by chunk.

use rayon::prelude::*;

use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::HookPoint;
use crate::models::{Model, Scalar, token_tensor};

/// Rows per forward pass. Fixed, so that the thread count changes nothing; few, so that what a pass holds stays in a core's cache.
const CHUNK_ROWS: usize = 2;

/// Activations of rows `rows` (indices into `from`) at `hook`, `[rows·t, d]`, row after row, heads concatenated. Computed in parallel over fixed
/// chunks of rows, so the thread count changes nothing.
pub fn activations(model: &Model, from: &Rows, rows: &[usize], hook: HookPoint) -> Result<Matrix> {
    let width = model.width(hook)?;
    let mut all = Matrix::zeros(rows.len() * from.context(), width);
    all.values_mut()
        .par_chunks_mut((CHUNK_ROWS * from.context() * width).max(1))
        .zip(rows.par_chunks(CHUNK_ROWS))
        .try_for_each(|(into, chunk)| -> Result<()> {
            let tokens: Vec<_> = chunk.iter().map(|row| from.row(*row)).collect();
            let mut captured = model.capture(&token_tensor(&tokens)?, &[hook])?;
            if let Some(value) = captured.remove(&hook) {
                into.copy_from_slice(&value.flatten_all()?.to_vec1::<f32>()?);
            }
            Ok(())
        })?;
    Ok(all)
}

/// The same with each activation followed by the gradient of the text's summed next-token loss with respect to it: `[rows·t, 2·d]`.
pub fn with_gradients(
    model: &Model,
    from: &Rows,
    rows: &[usize],
    hook: HookPoint,
) -> Result<Matrix> {
    let width = model.width(hook)?;
    let mut all = Matrix::zeros(rows.len() * from.context(), 2 * width);
    all.values_mut()
        .par_chunks_mut((2 * CHUNK_ROWS * from.context() * width).max(1))
        .zip(rows.par_chunks(CHUNK_ROWS))
        .try_for_each(|(into, chunk)| -> Result<()> {
            let tokens: Vec<_> = chunk.iter().map(|row| from.row(*row)).collect();
            let tokens = token_tensor(&tokens)?;
            let value = model.capture(&tokens, &[hook])?.remove(&hook);
            let gradients = model.gradients(&tokens, &Scalar::NextTokenLoss, &[hook])?;
            let gradient = gradients.at.get(&hook);
            let (Some(value), Some(gradient)) = (value, gradient) else {
                return Err(Error::hook(hook, "was not reached"));
            };
            let value = Matrix::from_tensor(&value, width)?;
            let gradient = Matrix::from_tensor(gradient, width)?;
            let pairs = value.iter_rows().zip(gradient.iter_rows());
            for (into, (value, gradient)) in into.chunks_exact_mut(2 * width).zip(pairs) {
                into[..width].copy_from_slice(value);
                into[width..].copy_from_slice(gradient);
            }
            Ok(())
        })?;
    Ok(all)
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
    fn gradients_stand_behind_the_activations_they_belong_to() {
        let (model, rows) = (demo(), rows(4, 12));
        let hook = HookPoint::block(1, Site::ResidPre);
        let both = with_gradients(&model, &rows, &[3, 1, 0], hook).unwrap();
        let alone = activations(&model, &rows, &[3, 1, 0], hook).unwrap();
        let tokens = token_tensor(&[rows.row(1)]).unwrap();
        let gradients = model.gradients(&tokens, &Scalar::NextTokenLoss, &[hook]);
        let gradient = Matrix::from_tensor(&gradients.unwrap().at[&hook], 256).unwrap();
        for t in 0..12 {
            let row = both.row(12 + t);
            assert_eq!(row[..256], *alone.row(12 + t));
            for (got, want) in row[256..].iter().zip(gradient.row(t)) {
                assert!(
                    (got - want).abs() < 1e-5 + 1e-3 * want.abs(),
                    "{got} {want}"
                );
            }
        }
    }

    #[test]
    fn a_hook_without_a_width_is_refused() {
        let pattern = HookPoint::block(0, Site::Pattern);
        assert!(activations(&demo(), &rows(1, 8), &[0], pattern).is_err());
    }
}
