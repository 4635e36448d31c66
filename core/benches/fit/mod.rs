//! Least squares of errors from activations of width 768 over 1,000,000 tokens, which come in chunks of f32 as from a model, timed in turn with its outer products
//! alone: the lower triangle of [X 1]ᵀ[X 1] and [X 1]ᵀ[E ‖E‖²] by one call of faer each on all threads, on values that lie in memory as f64. Medians are compared.
//! Memory is what the allocator hands out during a fit beyond what it held before; it must be the same for a quarter of the tokens. A fit of width 4,608 over few
//! tokens shows that it fits.

use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Instant;

use faer::linalg::matmul::{matmul, triangular};
use faer::{Accum, MatMut, MatRef, Par};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use umbra_core::dark_matter::StreamedFit;
use umbra_core::dims::Matrix;
use umbra_core::error::{Error, Result};

use crate::counting::{HELD, PEAK};

const WIDTH: usize = 768;
const WIDEST: usize = 4608;
const TOKENS: usize = 1_000_000;
/// Tokens of a chunk, as 32 rows of 256.
const CHUNK: usize = 8192;
const ROUNDS: usize = 3;

/// Activations with unequal means and their errors, each `[n, d]`.
fn chunk(n: usize, d: usize) -> Result<[Matrix; 2]> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut values = |mean: f32| -> Vec<f32> {
        let noise = (0..n * d).map(|_| rng.random_range(-1.0..1.0_f32));
        noise.map(|noise| mean + noise).collect()
    };
    Ok([
        Matrix::new(n, d, values(0.5))?,
        Matrix::new(n, d, values(0.0))?,
    ])
}

/// Fits `tokens` tokens that come as `chunk` again and again.
fn fit(chunk: &[Matrix; 2], tokens: usize) -> Result<()> {
    let [x, error] = chunk;
    let mut fit = StreamedFit::new(x.columns(), error.columns());
    for _ in 0..tokens.div_ceil(x.rows()) {
        fit.add(x, error)?;
    }
    fit.solve(0.0)?;
    Ok(())
}

/// Values `[X 1 | E ‖E‖²]` in f64, `[n, 2(d + 1)]`.
fn joined([x, error]: &[Matrix; 2]) -> Vec<f64> {
    let rows = x.iter_rows().zip(error.iter_rows());
    let row = |(x, error): (&[f32], &[f32])| -> Vec<f64> {
        let square: f64 = error.iter().map(|e| f64::from(*e).powi(2)).sum();
        let x = x.iter().map(|v| f64::from(*v));
        let error = error.iter().map(|v| f64::from(*v));
        x.chain([1.0]).chain(error).chain([square]).collect()
    };
    rows.flat_map(row).collect()
}

/// Adds the outer products of `tokens` tokens.
fn products(joined: &[f64], d: usize, tokens: usize) {
    let side = d + 1;
    let n = joined.len() / (2 * side);
    let block = MatRef::from_row_major_slice(joined, n, 2 * side);
    let (left, right) = (block.subcols(0, side), block.subcols(side, side));
    let (mut squares, mut crossed) = (vec![0.0; side * side], vec![0.0; side * side]);
    let par = Par::rayon(0);
    for _ in 0..tokens.div_ceil(n) {
        triangular::matmul(
            MatMut::from_column_major_slice_mut(&mut squares, side, side),
            triangular::BlockStructure::TriangularLower,
            Accum::Add,
            left.transpose(),
            triangular::BlockStructure::Rectangular,
            left,
            triangular::BlockStructure::Rectangular,
            1.0,
            par,
        );
        let crossed = MatMut::from_column_major_slice_mut(&mut crossed, side, side);
        matmul(crossed, Accum::Add, left.transpose(), right, 1.0, par);
    }
    std::hint::black_box((&squares, &crossed));
}

fn seconds(times: &mut Vec<f64>, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let begun = Instant::now();
    work()?;
    times.push(begun.elapsed().as_secs_f64());
    Ok(())
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Megabytes that a fit needs beyond what was held before it.
fn megabytes(chunk: &[Matrix; 2], tokens: usize) -> Result<f64> {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    fit(chunk, tokens)?;
    Ok((PEAK.load(Ordering::Relaxed) - before) as f64 / 1e6)
}

/// Times fits and their outer products, and measures their memory.
fn fits(tokens: usize) -> Result<String> {
    let values = chunk(CHUNK, WIDTH)?;
    let as_f64 = joined(&values);
    let (mut fitted, mut multiplied) = (vec![], vec![]);
    products(&as_f64, WIDTH, CHUNK);
    for _ in 0..ROUNDS {
        seconds(&mut fitted, || fit(&values, tokens))?;
        seconds(&mut multiplied, || {
            products(&as_f64, WIDTH, tokens);
            Ok(())
        })?;
    }
    let (fitted, multiplied) = (median(&mut fitted), median(&mut multiplied));
    let [few, all] = [
        megabytes(&values, (tokens / 4).max(CHUNK))?,
        megabytes(&values, tokens.max(CHUNK))?,
    ];
    drop((values, as_f64));
    let wide = megabytes(&chunk(CHUNK, WIDEST)?, CHUNK)?;
    Ok(format!(
        "fit of {tokens} tokens, width {WIDTH}       {fitted:7.2}\n\
         its outer products alone                {multiplied:7.2}  {:.2} of the fit (0.80 at least)\n\
         memory of the fit                       {all:7.1} MB, of a quarter of the tokens {few:.1} MB\n\
         memory of a fit of width {WIDEST}           {wide:7.1} MB\n",
        multiplied / fitted
    ))
}

/// Times fits and their outer products, and measures their memory; `small` takes fewer tokens.
pub(crate) fn run(small: bool, out: &mut impl Write) -> Result<()> {
    let tokens = if small { TOKENS / 20 } else { TOKENS };
    let lines = format!(
        "{} threads, {ROUNDS} rounds, medians in seconds\n{}",
        rayon::current_num_threads(),
        fits(tokens)?
    );
    out.write_all(lines.as_bytes())
        .map_err(|e| Error::io("printing", "", e))
}
