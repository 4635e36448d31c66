//! Kernels of a training step alone on a GPU: matrix product, encoding with selection, copy, sparse decode.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use super::{DeviceFigures, Settings};
use crate::device::{Gpu, Table};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::kernels::copy::gpu as copy;
use crate::kernels::encode::gpu::{Encoder, Kind, topk};
use crate::kernels::product::{Tile, product};
use crate::kernels::sparse_decode::gpu::sparse_decode;

/// Words that are copied at first, and at most.
const WORDS: Range<usize> = 1 << 19..32 << 20;
/// Time of a few copies after which more words would not change the figure.
const SLOW: Duration = Duration::from_millis(30);
/// Copies between two readings of the clock, so that starting them does not count.
const COPIES: usize = 8;
/// Words of a product that are stored at a time.
const STORED: usize = 64 << 20;
/// Repetitions at most, and the time after which there is none; the shortest counts.
const TRIES: usize = 5;
const LONG: Duration = Duration::from_millis(200);

/// Measures the kernels alone, on the first rows of `cached` and a dictionary whose encoder and decoder are `directions [f, d]`; times by kernel are left for the step.
pub(super) fn measure(
    gpu: &Gpu,
    settings: &Settings,
    cached: &Matrix,
    directions: &Matrix,
) -> Result<DeviceFigures> {
    let (n, d, f, k) = (settings.batch, settings.d, settings.features, settings.k);
    let rows = |from: usize, end: usize| {
        let rows = cached.iter_rows().skip(from).take(end - from);
        let values = rows.flat_map(|row| &row[..d]).copied().collect();
        Matrix::new(end - from, d, values).and_then(|part| Table::upload(gpu, "a batch", &part))
    };
    let w_enc = Table::upload(gpu, "the dictionary", directions)?;
    let at_once = (STORED / f.max(1)).clamp(1, n);
    let parts = (0..n)
        .step_by(at_once)
        .map(|from| rows(from, (from + at_once).min(n)))
        .collect::<Result<Vec<_>>>()?;
    let by_product = shortest(gpu, || {
        for part in &parts {
            product(gpu, part, &w_enc, Tile::suiting(gpu, part.rows()))?;
        }
        Ok(())
    })?;
    drop(parts);
    let centred = rows(0, n)?;
    let b_enc = gpu.zeros("the encoder's biases", f)?;
    let encoder = Encoder {
        w_enc: &w_enc,
        b_enc: &b_enc,
    };
    let encode = || topk(gpu, &centred, encoder, k, Kind::Positive);
    let by_encode = shortest(gpu, || encode().map(drop))?;
    let codes = encode()?;
    let b_dec = gpu.zeros("the decoder's bias", d)?;
    let by_decode = shortest(gpu, || sparse_decode(gpu, &codes, &w_enc, &b_dec).map(drop))?;
    let operations = 2.0 * (n * d * f) as f64;
    let moved = (codes.entries * (8 + 4 * d) + 4 * n * d) as f64;
    let per_second = |amount: f64, time: Duration| amount / time.as_secs_f64().max(1e-9) / 1e9;
    Ok(DeviceFigures {
        id: gpu.id().to_owned(),
        label: gpu.label(),
        product_gflops: per_second(operations, by_product),
        encode_gflops: per_second(operations, by_encode),
        copy_gbps: copy_gbps(gpu)?,
        decode_gbps: per_second(moved, by_decode),
        kernels_ms: None,
    })
}

/// Returns the milliseconds of each kernel in one `step`, the mean of `steps`; none where the device takes no times.
pub(super) fn timed(
    gpu: &Gpu,
    steps: usize,
    step: &mut dyn FnMut() -> Result<()>,
) -> Result<Option<BTreeMap<String, f64>>> {
    gpu.time_kernels(true);
    let done = (0..steps).try_for_each(|_| step());
    let times = gpu.take_times();
    gpu.time_kernels(false);
    done?;
    let mean = |(name, ms): (&str, f64)| (name.to_owned(), ms / steps.max(1) as f64);
    Ok(times.map(|times| times.into_iter().map(mean).collect()))
}

/// Measures how many bytes a copy reads and writes, in 10⁹ per second: of more words than caches hold, unless the device is slow.
pub(crate) fn copy_gbps(gpu: &Gpu) -> Result<f64> {
    let most = WORDS.end.min((gpu.binding_limit() / 4) as usize);
    let mut words = WORDS.start.min(most);
    loop {
        let from = gpu.zeros("a trial", words)?;
        let into = gpu.zeros("a trial", words)?;
        let time = shortest(gpu, || {
            let mut recorder = gpu.record();
            for _ in 0..COPIES {
                copy::run(&mut recorder, &from, &into)?;
            }
            recorder.submit()
        })?;
        if words == most || time > SLOW {
            return Ok((8 * COPIES * words) as f64 / time.as_secs_f64().max(1e-9) / 1e9);
        }
        words = (8 * words).min(most);
    }
}

/// Returns the shortest time that the kernels of `once` take, by the device's clock where it has one, else from its start to the end of its work; the first run,
/// which compiles, does not count.
fn shortest(gpu: &Gpu, mut once: impl FnMut() -> Result<()>) -> Result<Duration> {
    let last = gpu.zeros("a word", 1)?;
    let mut clocked = || {
        let begun = Instant::now();
        once()?;
        // What is read last comes after all work.
        gpu.read::<u32>(&last, 0..1)?;
        let whole = begun.elapsed();
        let kernels = gpu.take_times().map(|times| times.values().sum::<f64>());
        let kernels = kernels.filter(|ms| *ms > 0.0);
        let time = kernels.map_or(whole, |ms| Duration::from_secs_f64(ms / 1e3));
        Ok::<_, Error>((time, whole))
    };
    gpu.time_kernels(true);
    let mut all = || {
        clocked()?;
        let mut least = Duration::MAX;
        for _ in 0..TRIES {
            let (time, whole) = clocked()?;
            least = least.min(time);
            if whole > LONG {
                break;
            }
        }
        Ok(least)
    };
    let least = all();
    gpu.time_kernels(false);
    least
}
