//! Selection rules of other libraries' files that Umbra reads but does not train.
//!
//! Each runs an ordinary kernel on a few rows at a time and filters its result, so that no table of tokens by features is held.

mod group_max;
mod jump;
mod matching_pursuit;
mod raw_topk;
#[cfg(test)]
mod tests;
mod weighted_topk;

pub use self::group_max::GroupMax;
pub use self::jump::Jump;
pub use self::matching_pursuit::Pursuit;
pub use self::raw_topk::RawTopK;
pub use self::weighted_topk::WeightedTopK;
use crate::dims::Matrix;
use crate::error::Result;
use crate::latents::Latents;

/// Rows processed at once.
const ROWS: usize = 64;

/// Runs `select` over `x`, a few rows at a time.
fn in_chunks(x: &Matrix, mut select: impl FnMut(&Matrix) -> Result<Latents>) -> Result<Latents> {
    let d = x.columns().max(1);
    let mut parts = Vec::new();
    for rows in x.values().chunks(ROWS * d) {
        parts.push(select(&Matrix::new(rows.len() / d, d, rows.to_vec())?)?);
    }
    Ok(Latents::joined(&parts))
}
