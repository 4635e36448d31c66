//! Residuals, pull-backs and levels on wgpu: the cases against the definition, equal bytes in every split of the decoder.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::cases::all;
use super::gpu::{LeftByLevel, residual, residual_by_level};
use super::reference;
use crate::device::{Buffer, Gpu, Table, testing};
use crate::dims::Matrix;
use crate::kernels::codes::Codes;
use crate::kernels::conformance::{RELATIVE, check_values, sizes};
use crate::kernels::count::gpu::Counts;
use crate::kernels::count::reference::count;
use crate::kernels::encode::cases::uneven;
use crate::kernels::pending::read;
use crate::kernels::sparse_decode::cases::Case;
use crate::kernels::sums::gpu::Sums;
use crate::latents::Latents;

const SCALE: f32 = -0.25;

/// Operands of a case on the device: target, codes, decoder.
fn upload(gpu: &Gpu, case: &Case, target: &Matrix) -> (Table, Codes, Table) {
    (
        Table::upload(gpu, "target", target).unwrap(),
        Codes::upload(gpu, &case.latents).unwrap(),
        Table::upload(gpu, "w_dec", &case.w_dec).unwrap(),
    )
}

fn values(gpu: &Gpu, table: &Table) -> Vec<f32> {
    let mut all = Matrix::zeros(table.rows(), table.columns());
    table.read(gpu, &mut all).unwrap();
    all.into_values()
}

fn floats(gpu: &Gpu, buffer: &Buffer) -> Vec<f32> {
    gpu.read(buffer, 0..buffer.len()).unwrap()
}

/// Compares, and requires that a nudged value fails.
#[track_caller]
fn check(name: &str, got: Vec<f32>, want: &[f64], sizes: &[f64]) {
    check_values(&got, want, sizes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let mut nudged = got;
    if let Some(value) = nudged.last_mut() {
        *value += 1e-2 * (1.0 + sizes[sizes.len() - 1] as f32);
        assert!(
            check_values(&nudged, want, sizes).is_err(),
            "{name}: a nudged value passed"
        );
    }
}

#[test]
fn residual_on_wgpu_is_its_definition() {
    let Some(gpu) = testing::gpu() else { return };
    for (case, target) in all() {
        let (on_device, codes, w_dec) = upload(&gpu, &case, &target);
        let left = residual(&gpu, &on_device, &codes, &w_dec, SCALE).unwrap();
        let (want, d_acts) =
            reference::residual(&target, &case.latents, &case.w_dec, f64::from(SCALE));
        let (sizes, d_sizes) = sizes(&target, &case.latents, &case.w_dec);
        let sums = left.sums(&gpu).unwrap();
        let squared: f64 = want.iter().map(|v| v * v).sum();
        assert!(
            (sums.squared - squared).abs() <= 1e-4 * squared,
            "{}",
            case.name
        );
        assert!((1.001 * sums.squared - squared).abs() > 1e-4 * squared || squared == 0.0);
        let d = case.w_dec.columns();
        for (c, got) in sums.columns.iter().enumerate() {
            let want: f64 = want.iter().skip(c).step_by(d).sum();
            let size: f64 = sizes.iter().skip(c).step_by(d).sum();
            let off = (got - want).abs();
            assert!(off <= RELATIVE * size, "{} column {c}", case.name);
        }
        let again = residual(&gpu, &on_device, &codes, &w_dec, SCALE).unwrap();
        let (got, pulled) = (values(&gpu, &left.residual), floats(&gpu, &left.d_acts));
        assert_eq!(got, values(&gpu, &again.residual), "{}", case.name);
        assert_eq!(pulled, floats(&gpu, &again.d_acts), "{}", case.name);
        assert_eq!(sums, again.sums(&gpu).unwrap(), "{}", case.name);
        check(case.name, got, &want, &sizes);
        check(case.name, pulled, &d_acts, &d_sizes);
    }
}

/// Codes over 1,000 features, wide enough for several blocks.
fn several_blocks() -> (Case, Matrix) {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut latents = Latents::default();
    for row in 0..290 {
        let share = if row == 3 { 1.0 } else { 0.01 };
        let features: Vec<u32> = (0..1_000).filter(|_| rng.random_bool(share)).collect();
        let acts: Vec<f32> = features
            .iter()
            .map(|_| rng.random_range(0.0..3.0))
            .collect();
        latents.push_row(&features, &acts);
    }
    let case = Case {
        name: "several blocks",
        latents,
        w_dec: uneven(&mut rng, 1_000, 40),
        b_dec: Vec::new(),
    };
    (case, uneven(&mut rng, 290, 40))
}

/// Tables and gradients of entries that `residual_by_level` returns, and their sums.
fn everything(gpu: &Gpu, left: &LeftByLevel) -> (Vec<Vec<f32>>, Vec<Sums>) {
    let tables = left.tables.iter().map(|(_, table)| values(gpu, table));
    let last = [
        values(gpu, &left.last.residual),
        floats(gpu, &left.last.d_acts),
    ];
    let sums = read(gpu, left.pending.as_slice()).unwrap();
    (tables.chain(last).collect(), sums)
}

#[test]
fn splits_on_wgpu_change_no_byte_of_a_residual() {
    let Some(gpu) = testing::gpu() else { return };
    let (case, target) = several_blocks();
    let ends = [125, 250, 500, 1_000];
    let all = |gpu: &Gpu| {
        let (target, codes, w_dec) = upload(gpu, &case, &target);
        let left = residual(gpu, &target, &codes, &w_dec, SCALE).unwrap();
        let levels = residual_by_level(gpu, &target, &codes, (&w_dec, &ends), SCALE).unwrap();
        let sums = left.sums(gpu).unwrap();
        (
            values(gpu, &left.residual),
            floats(gpu, &left.d_acts),
            sums,
            everything(gpu, &levels),
        )
    };
    let whole = all(&gpu);
    for rows in [128, 384] {
        let split = gpu.with_binding_limit(4 * rows * 40);
        let blocks = upload(&split, &case, &target).2.blocks().count();
        assert_eq!(blocks, 1_000_usize.div_ceil(rows as usize));
        assert_eq!(all(&split), whole, "blocks of {rows} rows");
    }
}

#[test]
fn levels_on_wgpu_are_their_definition() {
    let Some(gpu) = testing::gpu() else { return };
    let (case, target) = several_blocks();
    let ends = [125, 250, 500, 1_000];
    let (on_device, codes, w_dec) = upload(&gpu, &case, &target);
    let left = residual_by_level(&gpu, &on_device, &codes, (&w_dec, &ends), SCALE).unwrap();
    let sums = read(&gpu, left.pending.as_slice()).unwrap();
    let mut d_acts = vec![0.0; case.latents.acts.len()];
    let mut d_sizes = d_acts.clone();
    let mut total = vec![0.0; target.values().len()];
    let mut size = total.clone();
    for (level, end) in ends.iter().enumerate().rev() {
        let group = case.latents.of_features(0..*end as u32);
        let (want, pulled) = reference::residual(&target, &group, &case.w_dec, f64::from(SCALE));
        let (sizes, pulled_sizes) = sizes(&target, &group, &case.w_dec);
        let squared: f64 = want.iter().map(|v| v * v).sum();
        assert!((sums[level].squared - squared).abs() < 1e-4 * squared);
        for (sum, more) in total.iter_mut().zip(&want) {
            *sum += more;
        }
        for (sum, more) in size.iter_mut().zip(&sizes) {
            *sum += more;
        }
        let (of_end, table) = &left.tables[level];
        assert_eq!(of_end, end);
        check("level", values(&gpu, table), &total, &size);
        let mine = (0..d_acts.len()).filter(|j| (case.latents.features[*j] as usize) < *end);
        for (at, j) in mine.enumerate() {
            d_acts[j] += pulled[at];
            d_sizes[j] += pulled_sizes[at];
        }
    }
    check("levels", floats(&gpu, &left.last.d_acts), &d_acts, &d_sizes);
}

#[test]
fn a_million_features_on_wgpu_are_decoded_and_counted_like_few() {
    let Some(gpu) = testing::gpu() else { return };
    let (n, f, d) = (64, 1 << 20, 8);
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let mut latents = Latents::default();
    for row in 0..n {
        let mut features = vec![row, f / 2 + row * 7, f - 1 - row * row, f - 1];
        features.sort_unstable();
        features.dedup();
        let acts: Vec<f32> = features
            .iter()
            .map(|_| rng.random_range(0.1..3.0))
            .collect();
        latents.push_row(&features, &acts);
    }
    let mut w_dec = Matrix::zeros(f as usize, d);
    for feature in latents.features.clone() {
        for w in w_dec.row_mut(feature as usize) {
            *w = rng.random_range(-1.0..1.0);
        }
    }
    let case = Case {
        name: "a million features",
        latents,
        w_dec,
        b_dec: Vec::new(),
    };
    let target = uneven(&mut rng, n as usize, d);
    let (want, d_acts) = reference::residual(&target, &case.latents, &case.w_dec, f64::from(SCALE));
    let (sizes, d_sizes) = sizes(&target, &case.latents, &case.w_dec);
    // One table, and eight blocks.
    for gpu in [gpu.clone(), gpu.with_binding_limit(4 << 20)] {
        let (target, codes, w_dec) = upload(&gpu, &case, &target);
        let left = residual(&gpu, &target, &codes, &w_dec, SCALE).unwrap();
        check(case.name, values(&gpu, &left.residual), &want, &sizes);
        check(case.name, floats(&gpu, &left.d_acts), &d_acts, &d_sizes);
        let counts = Counts::zeros(&gpu, f as usize).unwrap();
        counts.add(&gpu, &codes).unwrap();
        let (counted, active) = read(&gpu, &counts).unwrap();
        assert_eq!(counted, count(&case.latents, f as usize));
        assert_eq!(active as usize, case.latents.acts.len());
    }
}
