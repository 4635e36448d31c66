//! Tiles of the product by `gemm`, searched by vector compares against each row's running threshold.

use gemm::Parallelism;
use rayon::prelude::*;

use crate::dims::Matrix;
use crate::kernels::for_this_cpu;
use crate::sae::Latents;

/// Rows of a chunk: one thread's unit of work.
const ROWS: usize = 256;
/// Features of a tile; with `ROWS` half a MiB of pre-activations.
const FEATURES: usize = 512;
/// Values compared at once.
const LANES: usize = 16;

/// Row and feature of a pre-activation that is NaN or infinite.
pub(super) type NotFinite = (usize, usize);

/// Latents of each chunk of rows, in order.
pub(super) fn encode(
    centred: &Matrix,
    w_enc: &Matrix,
    b_enc: &[f32],
    k: usize,
) -> Vec<Result<Latents, NotFinite>> {
    if k == 0 || w_enc.rows() == 0 {
        return vec![Ok(Latents::empty(centred.rows()))];
    }
    let d = centred.columns().max(1);
    centred
        .values()
        .par_chunks(ROWS * d)
        .enumerate()
        .map(|(chunk, x)| {
            encode_chunk(x, w_enc, b_enc, k).map_err(|(row, f)| (chunk * ROWS + row, f))
        })
        .collect()
}

fn encode_chunk(x: &[f32], w_enc: &Matrix, b_enc: &[f32], k: usize) -> Result<Latents, NotFinite> {
    let d = w_enc.columns().max(1);
    let rows = x.len() / d;
    let mut best: Vec<Best> = (0..rows).map(|_| Best::new(k)).collect();
    let mut tile = vec![0.0_f32; rows * FEATURES];
    for start in (0..w_enc.rows()).step_by(FEATURES) {
        let width = FEATURES.min(w_enc.rows() - start);
        let weights = &w_enc.values()[start * d..(start + width) * d];
        product(&mut tile[..rows * width], x, weights, d);
        let bias = &b_enc[start..start + width];
        search(&mut tile[..rows * width], bias, start, &mut best)?;
    }
    let mut latents = Latents::with_capacity(rows, k);
    for row in best {
        let (features, acts) = row.finish();
        latents.push_row(&features, &acts);
    }
    Ok(latents)
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

for_this_cpu! {
    /// Offers every entry of a tile that beats its row's threshold; `start` is the tile's first feature.
    fn search(tile: &mut [f32], bias: &[f32], start: usize, best: &mut [Best]) -> Result<(), NotFinite> = search_body;
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "must take the features of the function around it"
)]
fn search_body<const FMA: bool>(
    tile: &mut [f32],
    bias: &[f32],
    start: usize,
    best: &mut [Best],
) -> Result<(), NotFinite> {
    let width = bias.len();
    for (i, (row, best)) in tile.chunks_exact_mut(width).zip(best).enumerate() {
        for (value, bias) in row.iter_mut().zip(bias) {
            *value += bias;
        }
        for (lanes, values) in row.chunks(LANES).enumerate() {
            let threshold = best.threshold;
            let hits: u32 = values
                .iter()
                .map(|v| u32::from(*v > threshold || v.is_nan()))
                .sum();
            if hits > 0 {
                best.offer(values, start + lanes * LANES)
                    .map_err(|f| (i, f))?;
            }
        }
    }
    Ok(())
}

/// The candidates of one row, ascending by feature.
#[derive(Debug)]
struct Best {
    k: usize,
    /// An entry must exceed this: 0, or the `k`-th largest of what was offered before.
    threshold: f32,
    features: Vec<u32>,
    acts: Vec<f32>,
    scratch: Vec<u32>,
}

impl Best {
    fn new(k: usize) -> Self {
        let room = Self::room(k) + LANES;
        Self {
            k,
            threshold: 0.0,
            features: Vec::with_capacity(room),
            acts: Vec::with_capacity(room),
            scratch: Vec::new(),
        }
    }

    /// Candidates held before the threshold is raised.
    const fn room(k: usize) -> usize {
        2 * k + 32
    }

    /// Takes those of `values` above the threshold; the error is a feature whose value is not finite.
    fn offer(&mut self, values: &[f32], start: usize) -> Result<(), usize> {
        for (feature, value) in (start..).zip(values) {
            if *value > self.threshold && *value < f32::INFINITY {
                self.features.push(feature as u32);
                self.acts.push(*value);
            } else if *value > self.threshold || value.is_nan() {
                return Err(feature);
            }
        }
        if self.acts.len() >= Self::room(self.k) {
            self.keep_best();
        }
        Ok(())
    }

    /// Keeps the `k` largest, the earlier among equals, and raises the threshold to the least of them.
    fn keep_best(&mut self) {
        if self.acts.len() <= self.k {
            return;
        }
        // Positive floats are ordered as their bits.
        self.scratch.clear();
        self.scratch.extend(self.acts.iter().map(|v| v.to_bits()));
        let at = self.scratch.len() - self.k;
        let (_, least, above) = self.scratch.select_nth_unstable(at);
        let least = *least;
        let greater = above.iter().filter(|v| **v > least).count();
        let mut equal = self.k - greater;
        let mut kept = 0;
        for i in 0..self.acts.len() {
            let bits = self.acts[i].to_bits();
            let keep = bits > least || (bits == least && equal > 0);
            equal -= usize::from(keep && bits == least);
            self.acts[kept] = self.acts[i];
            self.features[kept] = self.features[i];
            kept += usize::from(keep);
        }
        self.acts.truncate(kept);
        self.features.truncate(kept);
        self.threshold = f32::from_bits(least);
    }

    fn finish(mut self) -> (Vec<u32>, Vec<f32>) {
        self.keep_best();
        (self.features, self.acts)
    }
}
