//! Model × rows × hook → activations, in memory or streamed chunk by chunk.

use rayon::prelude::*;

use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::HookPoint;
use crate::models::{Model, token_tensor};

/// Rows per forward pass. Fixed, so that the thread count changes nothing.
const CHUNK_ROWS: usize = 8;

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
