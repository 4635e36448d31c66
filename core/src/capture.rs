//! Model × rows × hook → activations, in memory or streamed chunk by chunk.

use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::HookPoint;
use crate::models::Model;

/// Activations of rows `rows` (indices into `from`) at `hook`, `[rows·t, d]`, row after row, heads concatenated. Computed in parallel over fixed
/// chunks of rows, so the thread count changes nothing.
pub fn activations(model: &Model, from: &Rows, rows: &[usize], hook: HookPoint) -> Result<Matrix> {
    unimplemented!("{} {} {rows:?} {hook}", model.name(), from.len())
}
