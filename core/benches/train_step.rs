//! A whole TopK step over the encoder product alone: `cargo bench -p umbra-core --bench train_step`.
//!
//! The step gathers a batch from cached activations, encodes, selects, runs AuxK with 5 % dead features, takes all gradients, runs Adam and brings
//! decoder rows back to length one. The product is `[2048, 256] · [256, 4096]` in f32 by the fastest of faer, gemm and matrixmultiply, on the same
//! threads, into memory allocated before. Both are timed in turn, and medians are compared, so that other work on the machine weighs on both.

use std::io::Write as _;
use std::time::{Duration, Instant};

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};
use gemm::Parallelism;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use umbra_core::dims::Matrix;
use umbra_core::ids::{HookPoint, Site};
use umbra_core::sae::{Provenance, Sae, Selection};
use umbra_core::train::{Batch, Phases, Report, Spec, Trainer};

const TOKENS: usize = 65_536;
const D: usize = 256;
const F: usize = 4_096;
const K: usize = 32;
const BATCH: usize = 2_048;
/// 5 % of the features.
const DEAD: usize = F / 20;
const WARM_UP: usize = 24;
const ROUNDS: usize = 60;

fn directions(rng: &mut ChaCha8Rng, rows: usize) -> Matrix {
    let mut all = Matrix::zeros(rows, D);
    for row in all.values_mut().chunks_exact_mut(D) {
        // Sums of three uniform values: near enough to a normal distribution.
        for value in row.iter_mut() {
            *value = (0..3).map(|_| rng.random_range(-1.0_f32..1.0)).sum();
        }
        let length = row.iter().map(|v| v * v).sum::<f32>().sqrt();
        for value in row.iter_mut() {
            *value /= length;
        }
    }
    all
}

/// Each token a sum of 32 planted directions and noise, scaled so that the mean of ‖x‖² is `d`.
fn activations(rng: &mut ChaCha8Rng) -> Matrix {
    let planted = directions(rng, F);
    let mut all = Matrix::zeros(TOKENS, D);
    for row in all.values_mut().chunks_exact_mut(D) {
        for _ in 0..K {
            let act = -(1.0 - rng.random::<f32>()).ln();
            let direction = planted.row(rng.random_range(0..F));
            row.iter_mut()
                .zip(direction)
                .for_each(|(x, w)| *x += act * w);
        }
        for x in row {
            *x += rng.random_range(-0.1..0.1);
        }
    }
    let squared: f32 = all.values().iter().map(|x| x * x).sum();
    let factor = ((TOKENS * D) as f32 / squared).sqrt();
    all.values_mut().iter_mut().for_each(|x| *x *= factor);
    all
}

/// The last 5 % read a fifth as strongly as the others: never among the 32 largest, yet positive on half of the tokens, as dead features are.
fn trainer(rng: &mut ChaCha8Rng) -> Trainer {
    let w_dec = directions(rng, F);
    let mut w_enc = w_dec.clone();
    for value in &mut w_enc.values_mut()[(F - DEAD) * D..] {
        *value *= 0.2;
    }
    let sae = Sae {
        name: String::new(),
        w_enc,
        b_enc: vec![0.0; F],
        w_dec,
        b_dec: vec![0.0; D],
        selection: Selection::TopK { k: K },
        transcoder: None,
        provenance: Provenance::default(),
    };
    let mut spec = Spec::default_for(HookPoint::block(0, Site::ResidPost));
    (spec.features, spec.k, spec.batch) = (F, K, BATCH);
    spec.dead_after = Some(16 * BATCH as u64);
    Trainer::from_sae(&spec, sae).expect("the shapes agree")
}

/// `out[BATCH, F] = x[BATCH, D] · w[F, D]ᵀ`.
type Product = fn(&mut [f32], &[f32], &[f32]);

fn by_faer(out: &mut [f32], x: &[f32], w: &[f32]) {
    let out = MatMut::from_row_major_slice_mut(out, BATCH, F);
    let x = MatRef::from_row_major_slice(x, BATCH, D);
    let w = MatRef::from_row_major_slice(w, F, D);
    matmul(
        out,
        Accum::Replace,
        x,
        w.transpose(),
        1.0_f32,
        Par::rayon(0),
    );
}

#[expect(unsafe_code, reason = "the libraries take raw pointers")]
fn by_gemm(out: &mut [f32], x: &[f32], w: &[f32]) {
    assert!(out.len() == BATCH * F && x.len() == BATCH * D && w.len() == F * D);
    let (f, d) = (F as isize, D as isize);
    // SAFETY: the slices hold what the shapes say, asserted above.
    unsafe {
        gemm::gemm(
            BATCH,
            F,
            D,
            out.as_mut_ptr(),
            1,
            f,
            false,
            x.as_ptr(),
            1,
            d,
            w.as_ptr(),
            d,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            Parallelism::Rayon(0),
        );
    }
}

#[expect(unsafe_code, reason = "the libraries take raw pointers")]
fn by_matrixmultiply(out: &mut [f32], x: &[f32], w: &[f32]) {
    assert!(out.len() == BATCH * F && x.len() == BATCH * D && w.len() == F * D);
    let (f, d) = (F as isize, D as isize);
    // SAFETY: the slices hold what the shapes say, asserted above.
    unsafe {
        matrixmultiply::sgemm(
            BATCH,
            D,
            F,
            1.0,
            x.as_ptr(),
            d,
            1,
            w.as_ptr(),
            1,
            d,
            0.0,
            out.as_mut_ptr(),
            f,
            1,
        );
    }
}

const PRODUCTS: [(&str, Product); 3] = [
    ("faer", by_faer),
    ("gemm", by_gemm),
    ("matrixmultiply", by_matrixmultiply),
];

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// Median of one phase in milliseconds; those summed over threads are divided by them.
fn phase(reports: &[Report], threads: usize, of: fn(&Phases) -> Duration) -> f64 {
    let mut times: Vec<Duration> = reports.iter().map(|r| of(&r.phases)).collect();
    median(&mut times).as_secs_f64() * 1e3 / threads as f64
}

fn main() -> std::io::Result<()> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let cached = activations(&mut rng);
    let mut trainer = trainer(&mut rng);
    let weights = directions(&mut rng, F);
    let mut out = vec![0.0; BATCH * F];
    let mut step = || {
        let rows: Vec<u32> = (0..BATCH)
            .map(|_| rng.random_range(0..TOKENS as u32))
            .collect();
        let begun = Instant::now();
        let report = trainer.step(
            Batch {
                from: &cached,
                rows: &rows,
            },
            1e-5,
        );
        (begun.elapsed(), report.expect("a step on finite numbers"))
    };
    for _ in 0..WARM_UP {
        step();
    }
    let (mut steps, mut reports) = (vec![], vec![]);
    let mut products = vec![vec![]; PRODUCTS.len()];
    for _ in 0..ROUNDS {
        for ((_, product), times) in PRODUCTS.iter().zip(&mut products) {
            let begun = Instant::now();
            product(&mut out, &cached.values()[..BATCH * D], weights.values());
            times.push(begun.elapsed());
        }
        let (time, report) = step();
        steps.push(time);
        reports.push(report);
    }
    tell(&mut steps, &mut products, &reports)
}

fn tell(
    steps: &mut [Duration],
    products: &mut [Vec<Duration>],
    reports: &[Report],
) -> std::io::Result<()> {
    let mut to = std::io::stdout().lock();
    let threads = rayon::current_num_threads();
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let (mut least, mut fastest) = (f64::INFINITY, "");
    writeln!(
        to,
        "{threads} threads, {ROUNDS} rounds, medians in milliseconds"
    )?;
    for ((name, _), times) in PRODUCTS.iter().zip(products) {
        let time = ms(median(times));
        writeln!(to, "product by {name:<16} {time:8.2}")?;
        if time < least {
            (least, fastest) = (time, name);
        }
    }
    let whole = ms(median(steps));
    writeln!(to, "whole step                  {whole:8.2}")?;
    let phases: [(&str, f64); 7] = [
        ("gather and centre", phase(reports, 1, |p| p.gather)),
        ("encode and select", phase(reports, 1, |p| p.encode)),
        ("decode and residual", phase(reports, 1, |p| p.decode)),
        ("AuxK, sort by feature", phase(reports, 1, |p| p.aux)),
        ("gradients", phase(reports, threads, |p| p.gradients)),
        ("Adam", phase(reports, threads, |p| p.adam)),
        ("unit norm", phase(reports, threads, |p| p.unit_norm)),
    ];
    for (name, time) in phases {
        let share = 100.0 * time / whole;
        writeln!(to, "  {name:<24}  {time:8.2}  {share:5.1} %")?;
    }
    if let Some(last) = reports.last() {
        let dead = 100.0 * last.dead_fraction;
        let aux = last.aux_active as f64 / last.tokens as f64;
        writeln!(
            to,
            "dead {dead:.1} %, AuxK uses {aux:.1} features per token, loss {:.3}",
            last.loss
        )?;
    }
    let ratio = whole / least;
    writeln!(
        to,
        "ratio {ratio:.2} over the product by {fastest} (2.0 must hold, 1.6 is the aim)"
    )
}
