//! The WGSL form against the definition: rows of every width a kernel holds, of length 1 and free, some left alone.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::Rates;
use super::gpu::{
    Rows, Sizes, State, Update, check_width, directions, facts, fold, plain, squares, touched,
};
use super::reference::{self, Feature, dot, taken, to_length_one};
use crate::device::testing::gpu;
use crate::device::{Buffer, Gpu};

/// Tolerance stated in `mod.rs`.
const RELATIVE: f64 = 1e-5;
const FEATURES: usize = 5;
/// Rows before those of the features, which nothing may touch.
const BEFORE: usize = 2;
const T: u64 = 3;
const RATE: f64 = 1e-3;
/// Features that have no gradient.
const STILL: [usize; 2] = [1, 4];

/// Parameters, moments and gradients of some features.
struct Case {
    sizes: Sizes,
    free: bool,
    lazy: bool,
    factor: f32,
    /// Encoder rows, biases, decoder rows: value, m, v, gradient.
    parts: [[Vec<f32>; 4]; 3],
}

impl Case {
    fn new((reads, writes): (usize, usize), (free, lazy): (bool, bool), factor: f32) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64((reads * 31 + writes) as u64);
        let mut parts = [reads, 1, writes].map(|columns| {
            let mut values = |least: f32| -> Vec<f32> {
                let n = FEATURES * columns;
                (0..n).map(|_| rng.random_range(least..1.0)).collect()
            };
            [values(-1.0), values(-1.0), values(0.01), values(-1.0)]
        });
        for part in &mut parts {
            let columns = part[3].len() / FEATURES;
            for i in STILL {
                part[3][i * columns..(i + 1) * columns].fill(-0.0);
            }
        }
        let rows = parts[2][0].chunks_exact_mut(writes).enumerate();
        for (i, row) in rows {
            let length = row.iter().map(|w| w * w).sum::<f32>().sqrt();
            let wanted = match (free, i) {
                (true, 0) => 0.0,
                (true, _) => 0.3 + i as f32,
                (false, _) => 1.0,
            };
            for w in row {
                *w *= wanted / length;
            }
        }
        Self {
            sizes: Sizes {
                rows: FEATURES,
                reads,
                writes,
            },
            free,
            lazy,
            factor,
            parts,
        }
    }

    /// All cases.
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for widths in [
            (1, 1),
            (19, 33),
            (64, 64),
            (70, 256),
            (300, 257),
            (1_100, 1_100),
            (7, 2_100),
            (9, 4_200),
            (3, 8_300),
        ] {
            for (free, lazy, factor) in [
                (false, false, 1.0),
                (false, true, 0.3),
                (true, false, 0.6),
                (true, true, 1.0),
            ] {
                all.push(Self::new(widths, (free, lazy), factor));
            }
        }
        all
    }

    /// Part `which` (0 value, 1 m, 2 v, 3 gradient) of feature `i`.
    fn feature(&self, i: usize, which: usize) -> Feature {
        [0, 1, 2].map(|part| {
            let values = &self.parts[part][which];
            let columns = values.len() / FEATURES;
            let row = &values[i * columns..(i + 1) * columns];
            row.iter().map(|value| f64::from(*value)).collect()
        })
    }

    fn moves(&self, i: usize) -> bool {
        !self.lazy || !STILL.contains(&i)
    }

    /// Values, first and second moments of feature `i` after the step.
    fn stepped(&self, i: usize) -> [Feature; 3] {
        let mut all = [0, 1, 2].map(|which| self.feature(i, which));
        if !self.moves(i) {
            return all;
        }
        let gradient = taken(&all[0], &self.feature(i, 3), self.free);
        for part in 0..3 {
            for (c, g) in gradient[part].iter().enumerate() {
                let before = [0, 1, 2].map(|which| all[which][part][c]);
                let g = f64::from(self.factor) * g;
                let after = reference::adam(before, g, RATE, T as i32);
                (0..3).for_each(|which| all[which][part][c] = after[which]);
            }
        }
        if !self.free {
            to_length_one(&mut all[0][2]);
        }
        all
    }
}

/// A case on a device.
struct Uploaded {
    /// Encoder rows, biases, decoder rows: value, m, v, gradient; `BEFORE` rows of nines before the first three, one before the gradients.
    parts: [[Buffer; 4]; 3],
    moved: Buffer,
    facts: Buffer,
}

impl Uploaded {
    fn new(gpu: &Gpu, case: &Case) -> Self {
        let columns = [case.sizes.reads, 1, case.sizes.writes];
        let mut at = 0;
        let parts = [0, 1, 2].map(|part| {
            [0, 1, 2, 3].map(|which| {
                at += 1;
                let rows = if which == 3 { 1 } else { BEFORE };
                let mut values = vec![9.0; rows * columns[part]];
                values.extend(&case.parts[part][which]);
                gpu.upload("part", &values).unwrap()
            })
        });
        Self {
            parts,
            moved: gpu.upload("moved", &[9_u32; FEATURES + 1]).unwrap(),
            facts: gpu.zeros("facts", 2 * FEATURES).unwrap(),
        }
    }

    fn rows(&self, which: usize) -> Rows<'_> {
        let row = if which == 3 { 1 } else { BEFORE };
        Rows {
            w_enc: (&self.parts[0][which], row),
            b_enc: (&self.parts[1][which], row),
            w_dec: (&self.parts[2][which], row),
        }
    }

    fn read(&self, gpu: &Gpu, part: usize, which: usize) -> Vec<f32> {
        let buffer = &self.parts[part][which];
        gpu.read(buffer, 0..buffer.len()).unwrap()
    }
}

/// All parts after the step, each with the rows before the first.
fn computed(gpu: &Gpu, case: &Case) -> [[Vec<f32>; 3]; 3] {
    let on = Uploaded::new(gpu, case);
    let mut recorder = gpu.record();
    touched(&mut recorder, on.rows(3), (&on.moved, 1), case.sizes).unwrap();
    if case.free {
        let into = (&on.facts, case.sizes);
        facts(&mut recorder, on.rows(0), on.rows(3), into).unwrap();
    }
    let update = Update {
        rows: FEATURES,
        rates: Rates::new(RATE, T),
        factor: case.factor,
        free: case.free.then_some(&on.facts),
        moved: case.lazy.then_some((&on.moved, 1)),
    };
    for (part, columns) in [case.sizes.reads, 1, case.sizes.writes]
        .into_iter()
        .enumerate()
    {
        let [value, m, v, gradient] = &on.parts[part];
        let state = State {
            value,
            m,
            v,
            row: BEFORE,
            columns,
        };
        let step = if part == 2 { directions } else { plain };
        step(&mut recorder, state, (gradient, 1), update).unwrap();
    }
    recorder.submit().unwrap();
    let moved: Vec<u32> = gpu.read(&on.moved, 0..FEATURES + 1).unwrap();
    assert_eq!(moved, [9, 1, 0, 1, 1, 0]);
    [0, 1, 2].map(|part| [0, 1, 2].map(|which| on.read(gpu, part, which)))
}

/// Whether a value is off by more than the tolerance of what rounding is relative to.
fn beyond((got, want): (f64, f64), scale: f64) -> bool {
    let off = (got - want).abs();
    off.is_nan() || off > RELATIVE * scale
}

fn check(case: &Case, got: &[[Vec<f32>; 3]; 3]) -> Result<(), String> {
    for (part, got) in got.iter().enumerate() {
        let columns = got[0].len() / (FEATURES + BEFORE);
        for (which, got) in got.iter().enumerate() {
            let (before, got) = got.split_at(BEFORE * columns);
            assert!(before.iter().all(|value| *value == 9.0));
            for (i, got) in got.chunks_exact(columns).enumerate() {
                check_row(case, got, (i, part, which))?;
            }
        }
    }
    Ok(())
}

/// Checks part `part` (encoder, bias, decoder) of feature `i`: its value, first or second moment.
fn check_row(
    case: &Case,
    got: &[f32],
    (i, part, which): (usize, usize, usize),
) -> Result<(), String> {
    let want = &case.stepped(i)[which][part];
    let was = &case.feature(i, which)[part];
    let size = sizes(case, i)[part];
    for (c, want) in want.iter().enumerate() {
        let got = f64::from(got[c]);
        // How far the step could go, where every product has its full size.
        let scale = was[c].abs()
            + match which {
                0 => want.abs() + RATE * (1.0 + size * size),
                1 => 0.1 * size,
                _ => 1e-3 * size * size,
            };
        if beyond((got, *want), scale) {
            let what = format!("part {part} {which}, feature {i}, column {c}");
            return Err(format!("{what} is {got}, should be {want}"));
        }
        if !case.moves(i) && got != was[c] {
            return Err(format!("feature {i} was to be left alone"));
        }
    }
    Ok(())
}

/// Largest magnitude that a product in the gradients of feature `i` can add up to: encoder row, bias, decoder row.
fn sizes(case: &Case, i: usize) -> [f64; 3] {
    let value = case.feature(i, 0);
    let size = |values: &Feature| values.clone().map(|v| v.iter().map(|v| v.abs()).collect());
    let (value, gradient): (Feature, Feature) = (size(&value), size(&case.feature(i, 3)));
    let n = dot(&value[2], &value[2]).sqrt();
    let n = if case.free && n > 0.0 { n } else { 1.0 };
    let through = dot(&gradient[0], &value[0]) + gradient[1][0] * value[1][0];
    let through = if case.free { through } else { 0.0 };
    [
        n,
        n,
        1.0 + dot(&gradient[2], &value[2]) / n / n + 1.0 / n + through,
    ]
}

#[test]
fn adam_is_its_definition_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    println!("on {}", gpu.label());
    for case in Case::all() {
        let name = format!("{:?} free {} lazy {}", case.sizes, case.free, case.lazy);
        let got = computed(&gpu, &case);
        check(&case, &got).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(computed(&gpu, &case), got, "{name}: runs differ");
        for at in 0..9 {
            let mut nudged = got.clone();
            let last = nudged[at / 3][at % 3].last_mut().unwrap();
            *last += 1e-2 * (1.0 + last.abs());
            let refused = check(&case, &nudged);
            assert!(refused.is_err(), "{name}: a nudged value passed");
        }
        if !case.free {
            for row in got[2][0].chunks_exact(case.sizes.writes).skip(BEFORE) {
                let row: Vec<f64> = row.iter().map(|w| f64::from(*w)).collect();
                assert!((dot(&row, &row) - 1.0).abs() < 2e-6, "{name}");
            }
        }
    }
    let refused = check_width(&gpu, 32_769).unwrap_err().to_string();
    assert!(refused.contains("32769 columns"), "{refused}");
}

#[test]
fn lengths_of_gradients_are_their_definition_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    for case in Case::all() {
        let on = Uploaded::new(&gpu, &case);
        let out = gpu.upload("out", &[9.0_f32; FEATURES + 3]).unwrap();
        let mut recorder = gpu.record();
        let into = (&on.facts, case.sizes);
        facts(&mut recorder, on.rows(0), on.rows(3), into).unwrap();
        let known = (case.free.then_some(&on.facts), case.sizes);
        squares(&mut recorder, on.rows(0), on.rows(3), (&out, 3), known).unwrap();
        recorder.submit().unwrap();
        let got: Vec<f32> = gpu.read(&out, 0..FEATURES + 3).unwrap();
        assert_eq!(got[..3], [9.0; 3]);
        for (i, got) in got[3..].iter().enumerate() {
            let taken = taken(&case.feature(i, 0), &case.feature(i, 3), case.free);
            let want: f64 = taken.iter().map(|part| dot(part, part)).sum();
            let size = sizes(&case, i)[2].powi(2) + want;
            let near = |got: f64| (got - want).abs() <= RELATIVE * size;
            assert!(near(f64::from(*got)), "{:?} {i}: {got} {want}", case.sizes);
            let nudged = f64::from(*got) + 1e-2 * (1.0 + size);
            assert!(!near(nudged), "a nudged value passed");
        }
        let got: Vec<f32> = gpu.read(&on.facts, 0..2 * FEATURES).unwrap();
        for (i, got) in got.chunks_exact(2).enumerate() {
            let (value, gradient) = (case.feature(i, 0), case.feature(i, 3));
            let length = dot(&value[2], &value[2]).sqrt();
            let through = dot(&gradient[0], &value[0]) + gradient[1][0] * value[1][0];
            let size = dot(&gradient[0], &gradient[0]).sqrt() * dot(&value[0], &value[0]).sqrt();
            assert!((f64::from(got[0]) - length).abs() <= RELATIVE * length);
            assert!((f64::from(got[1]) - through).abs() <= RELATIVE * (size + 1.0));
        }
    }
}

#[test]
fn folded_dictionaries_have_rows_of_length_one_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    for case in Case::all().into_iter().filter(|case| case.free) {
        let on = Uploaded::new(&gpu, &case);
        let mut recorder = gpu.record();
        // First moments are as large as values: they take the result.
        fold(&mut recorder, on.rows(0), on.rows(1), case.sizes).unwrap();
        recorder.submit().unwrap();
        let got = [0, 1, 2].map(|part| on.read(&gpu, part, 1));
        for i in 0..FEATURES {
            let mut want = case.feature(i, 0);
            let length = dot(&want[2], &want[2]).sqrt();
            let length = if length > 0.0 { length } else { 1.0 };
            to_length_one(&mut want[2]);
            want[..2].iter_mut().flatten().for_each(|w| *w *= length);
            for (got, want) in got.iter().zip(want) {
                let got = &got[(BEFORE + i) * want.len()..];
                let pairs = got.iter().map(|got| f64::from(*got)).zip(&want);
                let near = |(got, want): (f64, &f64)| !beyond((got, *want), want.abs());
                assert!(pairs.clone().all(near));
                let mut nudged = pairs.filter(|(_, want)| **want != 0.0);
                assert!(!nudged.any(|(got, want)| near((1.01 * got, want))));
            }
        }
        assert!(
            got.iter().all(|got| got[0] == 9.0),
            "a row before was touched"
        );
    }
}
