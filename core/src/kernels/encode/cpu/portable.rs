//! Tiles of the product by `gemm`, searched by vector compares against each token's bar and each feature's floor.

use gemm::Parallelism;

use super::{Features, NotFinite, Sink};
use crate::kernels::for_this_cpu;

/// Features of a tile; with 256 rows half a MiB of pre-activations.
const FEATURES: usize = 512;
/// Rows of a tile.
pub(super) const ROWS: usize = 256;
/// Values compared at once.
const LANES: usize = 16;

/// Offers every pre-activation of the rows of `x` to `sink`.
pub(super) fn offer(
    x: &[f32],
    features: Features<'_>,
    sink: &mut impl Sink,
) -> Result<(), NotFinite> {
    let d = features.d;
    let mut tile = vec![0.0_f32; ROWS * FEATURES];
    for (part, x) in x.chunks(ROWS * d).enumerate() {
        let rows = x.len() / d;
        for start in (0..features.count()).step_by(FEATURES) {
            let width = FEATURES.min(features.count() - start);
            let some = features.part(start, width);
            let tile = &mut tile[..rows * width];
            product(tile, x, some.weights, d);
            add_bias(tile, some.bias);
            search((tile, tile), width, (part * ROWS, start), sink)?;
        }
    }
    Ok(())
}

/// Offers every pre-activation to `sink`, ranked by `pre · (1 + β·|gradient · w_dec|)`.
pub(super) fn offer_scored(
    (x, gradients): (&[f32], &[f32]),
    (features, w_dec): (Features<'_>, &[f32]),
    beta: f32,
    sink: &mut impl Sink,
) -> Result<(), NotFinite> {
    let d = features.d;
    let mut tile = vec![0.0_f32; ROWS * FEATURES];
    let mut scores = tile.clone();
    let chunks = x.chunks(ROWS * d).zip(gradients.chunks(ROWS * d));
    for (part, (x, gradients)) in chunks.enumerate() {
        let rows = x.len() / d;
        for start in (0..features.count()).step_by(FEATURES) {
            let width = FEATURES.min(features.count() - start);
            let some = features.part(start, width);
            let tile = &mut tile[..rows * width];
            let scores = &mut scores[..rows * width];
            product(tile, x, some.weights, d);
            add_bias(tile, some.bias);
            product(scores, gradients, &w_dec[start * d..(start + width) * d], d);
            score(scores, tile, beta);
            search((scores, tile), width, (part * ROWS, start), sink)?;
        }
    }
    Ok(())
}

/// `tile[rows, width] = x[rows, d] · weights[width, d]ᵀ`, on this thread alone.
fn product(tile: &mut [f32], x: &[f32], weights: &[f32], d: usize) {
    let (rows, width) = (x.len() / d, weights.len() / d);
    assert_eq!(tile.len(), rows * width);
    // SAFETY: the three slices hold exactly the rows and columns named, by the lengths computed and asserted above.
    #[expect(unsafe_code, reason = "gemm takes raw pointers")]
    unsafe {
        gemm::gemm(
            rows,
            width,
            d,
            tile.as_mut_ptr(),
            1,
            width as isize,
            false,
            x.as_ptr(),
            1,
            d as isize,
            weights.as_ptr(),
            d as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::None,
        );
    }
}

fn add_bias(tile: &mut [f32], bias: &[f32]) {
    for values in tile.chunks_exact_mut(bias.len()) {
        for (value, bias) in values.iter_mut().zip(bias) {
            *value += bias;
        }
    }
}

/// `scores ← tile · (1 + β·|scores|)`.
fn score(scores: &mut [f32], tile: &[f32], beta: f32) {
    for (score, value) in scores.iter_mut().zip(tile) {
        *score = value * (1.0 + beta * score.abs());
    }
}

/// Offers every entry of a tile whose key beats its token's bar and its feature's floor; `first` is the tile's first row and feature.
fn search(
    (keys, values): (&[f32], &[f32]),
    width: usize,
    first: (usize, usize),
    sink: &mut impl Sink,
) -> Result<(), NotFinite> {
    fn magnitude<S: Sink>(_: &S) -> bool {
        S::MAGNITUDE
    }
    let magnitude = magnitude(sink);
    let floors: Vec<f32> = (first.1..first.1 + width)
        .map(|feature| sink.floor(feature))
        .collect();
    let mut hits = vec![0_u16; width.div_ceil(LANES)];
    let rows = keys.chunks_exact(width).zip(values.chunks_exact(width));
    for (i, (keys, values)) in rows.enumerate() {
        let row = first.0 + i;
        if !compare(keys, &floors, sink.bars()[row], magnitude, &mut hits) {
            continue;
        }
        for (lanes, hits) in hits.iter().enumerate() {
            let mut hits = *hits;
            while hits != 0 {
                let at = lanes * LANES + hits.trailing_zeros() as usize;
                hits &= hits - 1;
                let feature = first.1 + at;
                let key = if magnitude { keys[at].abs() } else { keys[at] };
                // Bars rise while a row is searched.
                if key > sink.bars()[row].max(sink.floor(feature)) || key.is_nan() {
                    sink.push(row, feature, (key, values[at]))?;
                }
            }
        }
    }
    Ok(())
}

for_this_cpu! {
    /// Sets a bit for each key that is above the bar and its floor, or NaN; returns whether there is any.
    fn compare(keys: &[f32], floors: &[f32], bar: f32, magnitude: bool, hits: &mut [u16]) -> bool = compare_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn compare_body<const FMA: bool>(
    keys: &[f32],
    floors: &[f32],
    bar: f32,
    magnitude: bool,
    hits: &mut [u16],
) -> bool {
    let passes = |key: f32, floor: f32| {
        let key = if magnitude { key.abs() } else { key };
        // Not less or equal: NaN passes, and is refused when it is offered.
        !(key <= bar || key <= floor)
    };
    let mut any = false;
    for ((hits, keys), floors) in (hits.iter_mut())
        .zip(keys.chunks(LANES))
        .zip(floors.chunks(LANES))
    {
        let pairs = keys.iter().zip(floors);
        let found: u32 = pairs.clone().map(|(k, f)| u32::from(passes(*k, *f))).sum();
        *hits = 0;
        if found > 0 {
            any = true;
            for (lane, (key, floor)) in pairs.enumerate() {
                *hits |= u16::from(passes(*key, *floor)) << lane;
            }
        }
    }
    any
}
