//! Rules that are read from other libraries' files and not trained here.
//!
//! Each is a pass of an ordinary kernel and a choice among what it leaves, a few rows at a time, so that no table of tokens by features is held.

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

/// Rows of which everything above a bar is held at once.
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
