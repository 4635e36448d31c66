//! The device's optimiser against the CPU's on equal inputs, and against finite differences.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::features::{DeviceFeatures, Given, Gradients};
use crate::device::testing::gpu;
use crate::device::{Gpu, Table};
use crate::dims::Matrix;
use crate::kernels::adam::Rates;
use crate::kernels::adam::reference::{Feature, dot, taken};
use crate::kernels::encode::cases::uneven;
use crate::kernels::residual::Residual;
use crate::kernels::scatter::cases::{Shape, Uploaded, listed, term};
use crate::kernels::scatter::reference::{self, Term};
use crate::latents::Latents;
use crate::train::optim::{self, ByFeature, DeadGradients, Features, Move, Parameter};
use crate::train::step::Aux;

/// Both forms sum in f32, each within 1e-5 of the sum of magnitudes of what is added up; in practice ten times closer.
const RELATIVE: f64 = 1e-5;
const RATE: f64 = 1e-3;

/// A step's input, with one batch of terms or several.
#[derive(Clone)]
struct Case {
    name: &'static str,
    shape: Shape,
    free: bool,
    lazy: bool,
    factor: f32,
    /// Terms of each micro-batch with what the encoder read.
    batches: Vec<(Vec<Term>, Matrix)>,
}

/// How rows are moved.
#[derive(Clone, Copy)]
struct Rows {
    free: bool,
    lazy: bool,
}

const UNIT: Rows = Rows {
    free: false,
    lazy: false,
};
const LAZY: Rows = Rows { lazy: true, ..UNIT };
const FREE: Rows = Rows { free: true, ..UNIT };
const FREE_LAZY: Rows = Rows { lazy: true, ..FREE };

impl Case {
    fn new(name: &'static str, (reads, writes): (usize, usize), rows: Rows) -> Self {
        Self {
            name,
            shape: Shape {
                n: 70,
                reads,
                writes,
                f: 300,
            },
            free: rows.free,
            lazy: rows.lazy,
            factor: 1.0,
            batches: Vec::new(),
        }
    }

    /// Adds a batch of the terms that `make` returns.
    fn batch(mut self, make: fn(&mut ChaCha8Rng, Shape) -> Vec<Term>) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(self.batches.len() as u64);
        let centred = uneven(rng, self.shape.n, self.shape.reads);
        self.batches.push((make(rng, self.shape), centred));
        self
    }

    fn shortened(mut self, factor: f32) -> Self {
        self.factor = factor;
        self
    }

    /// All cases.
    fn all() -> Vec<Self> {
        let plain = |rng: &mut ChaCha8Rng, shape| vec![term(rng, shape, 0.01)];
        let gated = |rng: &mut ChaCha8Rng, shape| {
            let mut gated = term(rng, shape, 0.05);
            gated.d_bias = Some(uneven(rng, 1, gated.d_acts.len()).into_values());
            vec![gated]
        };
        let helped = |rng: &mut ChaCha8Rng, shape| {
            let [main, second] = [0.01, 0.02].map(|share| term(rng, shape, share));
            vec![main, second, listed(rng, shape, 0.3)]
        };
        let levels = |rng: &mut ChaCha8Rng, shape: Shape| {
            let mut levels = term(rng, shape, 0.05);
            levels.tables = [10, 130, 300]
                .map(|end| (end, uneven(rng, shape.n, shape.writes)))
                .to_vec();
            vec![levels]
        };
        vec![
            Self::new("plain", (20, 20), UNIT).batch(plain),
            Self::new("lazy", (20, 20), LAZY).batch(plain),
            Self::new("clipped", (20, 20), UNIT)
                .batch(plain)
                .shortened(0.3),
            Self::new("free", (20, 20), FREE).batch(plain),
            Self::new("free, lazy, clipped", (20, 20), FREE_LAZY)
                .batch(helped)
                .shortened(0.3),
            Self::new("gated transcoder", (20, 33), UNIT).batch(gated),
            Self::new("AuxK in a transcoder", (33, 20), LAZY).batch(helped),
            Self::new("several tables", (20, 20), UNIT).batch(levels),
            Self::new("micro-batches", (20, 33), UNIT)
                .batch(gated)
                .batch(plain),
            Self::new("free, lazy micro-batches", (20, 20), FREE_LAZY)
                .batch(plain)
                .batch(plain)
                .shortened(0.5),
        ]
    }

    /// Parameters with moments.
    fn features(&self) -> Features {
        let rng = &mut ChaCha8Rng::seed_from_u64(77);
        let f = self.shape.f;
        let mut parameter = |columns: usize| {
            let mut parameter = Parameter::new(uneven(rng, f, columns));
            parameter.m = uneven(rng, f, columns);
            for v in parameter.v.values_mut() {
                *v = rng.random_range(0.01..1.0);
            }
            parameter
        };
        let (w_enc, b_enc) = (parameter(self.shape.reads), parameter(1));
        let mut w_dec = parameter(self.shape.writes);
        for i in 0..f {
            let row = w_dec.value.row_mut(i);
            optim::to_length_one(row);
            if self.free {
                let length = if i == 3 { 0.0 } else { 0.2 + i as f32 * 0.01 };
                for w in row {
                    *w *= length;
                }
            }
        }
        Features {
            w_enc,
            b_enc,
            w_dec,
            free: self.free,
            lazy: self.lazy,
            frozen: false,
        }
    }

    fn by(&self) -> Move {
        Move {
            rates: Rates::new(RATE, 10_000),
            factor: self.factor,
        }
    }
}

/// State after a step, Σ read · w_enc, squared length of the gradients.
#[derive(Clone)]
struct After {
    features: Features,
    through: Vec<f64>,
    length2: f64,
}

/// The CPU's step.
fn on_cpu(case: &Case) -> After {
    let mut features = case.features();
    let f = case.shape.f;
    let (mut sums, mut dead) = (None, DeadGradients::default());
    let mut sorted = Vec::new();
    for (terms, centred) in &case.batches {
        let mut all = Vec::new();
        for term in terms {
            if let Some(list) = &term.list {
                let aux = Aux {
                    dead: list.clone(),
                    latents: term.latents.clone(),
                    loss: 0.0,
                    scale: term.scale,
                };
                let left = Residual {
                    residual: term.tables[0].1.clone(),
                    d_acts: term.d_acts.clone(),
                    ..Residual::default()
                };
                dead = DeadGradients::new(aux, &left, centred);
            } else {
                let d_bias = term.d_bias.as_deref();
                let by_feature = ByFeature::new(&term.latents, &term.d_acts, d_bias, f);
                let tables = term.tables.iter().map(|(end, table)| (*end, table));
                all.push((by_feature, tables.collect::<Vec<_>>(), term.scale));
            }
        }
        sorted.push(all);
    }
    let terms: Vec<Vec<optim::Term<'_>>> = (sorted.iter())
        .map(|all| {
            let terms = all.iter().map(|(by_feature, tables, scale)| optim::Term {
                by_feature,
                tables,
                scale: *scale,
            });
            terms.collect()
        })
        .collect();
    let given = if case.batches.len() > 1 {
        let shape = case.shape;
        let sums = sums.insert(optim::Gradients::zeros(f, shape.reads, shape.writes));
        for (terms, (_, centred)) in terms.iter().zip(&case.batches) {
            sums.add_all(terms, centred);
        }
        optim::Given::Sums(sums)
    } else {
        optim::Given::Batch {
            terms: &terms[0],
            dead: &dead,
            centred: &case.batches[0].1,
        }
    };
    let (length2, _) = features.length2(given);
    let passed = features.step(given, case.by());
    After {
        features,
        through: passed.through_encoder,
        length2,
    }
}

/// The device's step; tables, and chunks of `chunk` features where that is said, are as large as `state` allows.
fn on_device(gpu: &Gpu, state: &Gpu, chunk: Option<usize>, case: &Case) -> After {
    let mut features = case.features();
    let device = match chunk {
        Some(chunk) => DeviceFeatures::in_chunks(state, &features, chunk),
        None => DeviceFeatures::upload(state, &features),
    };
    let device = device.unwrap();
    let shape = case.shape;
    let sums = Gradients::zeros(state, shape.f, (shape.reads, shape.writes)).unwrap();
    let mut after = None;
    for (terms, centred) in &case.batches {
        let centred = Table::upload(gpu, "centred", centred).unwrap();
        let terms: Vec<Uploaded> = (terms.iter())
            .map(|term| Uploaded::new(gpu, term, shape.f).unwrap())
            .collect();
        let tables: Vec<_> = terms.iter().map(Uploaded::tables).collect();
        let terms: Vec<_> = (terms.iter().zip(&tables))
            .map(|(term, tables)| term.term(tables))
            .collect();
        if case.batches.len() > 1 {
            let mut recorder = gpu.record();
            sums.add_all(&mut recorder, &terms, &centred).unwrap();
            recorder.submit().unwrap();
        } else {
            let given = Given::Batch {
                terms: &terms,
                centred: &centred,
            };
            let (length2, _) = device.length2(given).unwrap();
            after = Some((length2, device.step(given, case.by()).unwrap()));
        }
    }
    let (length2, through) = after.unwrap_or_else(|| {
        let (length2, _) = device.length2(Given::Sums(&sums)).unwrap();
        let through = device.step(Given::Sums(&sums), case.by()).unwrap();
        (length2, through)
    });
    device.read(&mut features).unwrap();
    After {
        features,
        through,
        length2,
    }
}

/// Value, first and second moments of encoder, biases and decoder.
fn parts(features: &Features) -> [[&Matrix; 3]; 3] {
    [&features.w_enc, &features.b_enc, &features.w_dec].map(|part| [&part.value, &part.m, &part.v])
}

fn feature(features: &Features, i: usize) -> Feature {
    let row = |matrix: &Matrix| matrix.row(i).iter().map(|w| f64::from(*w)).collect();
    [
        row(&features.w_enc.value),
        row(&features.b_enc.value),
        row(&features.w_dec.value),
    ]
}

/// Sums of the magnitudes of what is added up to a feature's gradients: encoder row, bias, decoder row, `read`.
fn sizes(case: &Case, before: &Features) -> Vec<[Vec<f64>; 4]> {
    let shape = case.shape;
    let mut sums = [shape.reads, shape.writes, 1, 1].map(|columns| vec![0.0; shape.f * columns]);
    for (terms, centred) in &case.batches {
        let more = reference::gradients(terms, centred, (shape.f, shape.writes), true);
        for (sums, more) in sums.iter_mut().flatten().zip(more.iter().flatten()) {
            *sums += more;
        }
    }
    let [enc, dec, bias, read] = sums;
    (0..shape.f)
        .map(|i| {
            let absolute = feature(before, i).map(|row| row.iter().map(|w| w.abs()).collect());
            let [w_enc, b_enc, w_dec]: Feature = absolute;
            let mut enc = enc[i * shape.reads..(i + 1) * shape.reads].to_vec();
            let mut dec = dec[i * shape.writes..(i + 1) * shape.writes].to_vec();
            let (mut bias, mut read) = (vec![bias[i]], vec![read[i]]);
            let n = dot(&w_dec, &w_dec).sqrt();
            if n > 0.0 {
                let through = dot(&enc, &w_enc) + dot(&bias, &b_enc);
                let through = if case.free { through } else { 0.0 };
                let along = dot(&dec, &w_dec) / n;
                for (size, w) in dec.iter_mut().zip(&w_dec) {
                    *size = (*size + along * w / n) / n + through * w / n;
                }
                for part in [&mut enc, &mut bias, &mut read] {
                    for size in part {
                        *size *= n;
                    }
                }
            }
            [enc, bias, dec, read]
        })
        .collect()
}

/// Whether a value is off by more than the tolerance of what rounding is relative to.
fn beyond((got, want): (f64, f64), scale: f64) -> bool {
    let off = (got - want).abs();
    off.is_nan() || off > RELATIVE * scale
}

/// Compares a step with the CPU's.
fn check(case: &Case, got: &After, want: &After) -> Result<(), String> {
    let before = case.features();
    let sizes = sizes(case, &before);
    for (i, sizes) in sizes.iter().enumerate() {
        for (part, sizes) in sizes[..3].iter().enumerate() {
            let all = [&before, &want.features, &got.features];
            let rows = all.map(|features| {
                let rows = parts(features)[part].map(|matrix| matrix.row(i).iter());
                rows.map(|row| row.map(|value| f64::from(*value)).collect())
            });
            let decoder = part == 2;
            check_rows(&rows, sizes, decoder).map_err(|e| format!("part {part} of {i}: {e}"))?;
        }
    }
    let all = sizes.iter().flat_map(|parts| parts[..3].iter().flatten());
    let length2: f64 = all.map(|size| size * size).sum();
    if beyond((got.length2, want.length2), length2) {
        return Err(format!(
            "length {} instead of {}",
            got.length2, want.length2
        ));
    }
    for (c, (got, want)) in got.through.iter().zip(&want.through).enumerate() {
        let all = sizes.iter().zip(before.w_enc.value.iter_rows());
        let size: f64 = all
            .map(|(sizes, row)| sizes[3][0] * f64::from(row[c].abs()))
            .sum();
        if beyond((*got, *want), size) {
            return Err(format!("{got} instead of {want} through column {c}"));
        }
    }
    Ok(())
}

/// Compares a row's value and moments: before the step, as they should be, as they are.
fn check_rows(
    [was, want, got]: &[[Vec<f64>; 3]; 3],
    sizes: &[f64],
    decoder: bool,
) -> Result<(), String> {
    let moves: Vec<f64> = (sizes.iter().enumerate())
        .map(|(c, s)| {
            let [p, m, v] = [was[0][c], was[1][c], was[2][c]];
            // How far Adam goes, and how much further by an error in the second moment.
            let step = RATE * (m.abs() + 0.1 * s) / (0.99 * v).sqrt();
            p.abs() + step * (2.0 + 1e-3 * s * s / v)
        })
        .collect();
    let most = moves.iter().fold(0.0_f64, |most, size| most.max(*size));
    for (c, s) in sizes.iter().enumerate() {
        let scale = [
            // Bringing a row to length 1 spreads the errors of its entries.
            if decoder { most } else { moves[c] },
            was[1][c].abs() + 0.1 * s,
            was[2][c] + 1e-3 * s * s,
        ];
        for which in 0..3 {
            let (got, want) = (got[which][c], want[which][c]);
            if beyond((got, want), scale[which]) {
                return Err(format!("{which}, column {c} is {got}, should be {want}"));
            }
        }
    }
    if want == was && got != was {
        return Err("was to be left alone".to_owned());
    }
    Ok(())
}

#[test]
fn steps_are_those_of_the_cpu_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    println!("on {}", gpu.label());
    for case in Case::all() {
        let want = on_cpu(&case);
        let got = on_device(&gpu, &gpu, None, &case);
        check(&case, &got, &want).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let before = case.features();
        let still = parts(&before)[2][0]
            .iter_rows()
            .zip(parts(&got.features)[2][0].iter_rows())
            .filter(|(before, after)| before == after);
        assert_eq!(still.count() > 0, case.lazy, "{}", case.name);
        for at in 0..9 {
            let mut nudged = got.clone();
            let all = &mut nudged.features;
            let parameters = [&mut all.w_enc, &mut all.b_enc, &mut all.w_dec];
            let tables = parameters.map(|part| [&mut part.value, &mut part.m, &mut part.v]);
            let table = tables.into_iter().flatten().nth(at).unwrap();
            let value = &mut table.row_mut(299)[0];
            *value += 1e-2 * (1.0 + value.abs());
            let refused = check(&case, &nudged, &want);
            assert!(refused.is_err(), "{}: a nudged value passed", case.name);
        }
        let mut nudged = got.clone();
        nudged.length2 *= 1.01;
        assert!(check(&case, &nudged, &want).is_err(), "{}", case.name);
        let mut nudged = got;
        nudged.through[0] += 1.0 + nudged.through[0].abs();
        assert!(check(&case, &nudged, &want).is_err(), "{}", case.name);
    }
}

#[test]
fn a_term_left_out_or_a_table_exchanged_shows_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    for case in Case::all() {
        let want = on_cpu(&case);
        let mut other = case.clone();
        let (terms, _) = &mut other.batches[0];
        match terms.len() {
            1 if terms[0].tables.len() > 1 => terms[0].tables[1].0 -= 1,
            1 => terms[0].scale *= 0.9,
            _ => drop(terms.pop()),
        }
        let got = on_device(&gpu, &gpu, None, &other);
        assert!(check(&case, &got, &want).is_err(), "{}", case.name);
    }
}

#[test]
fn chunks_blocks_and_runs_change_no_byte_of_a_step_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    // Three blocks of 128 rows of 33, and of 20 only where both widths are.
    let split = gpu.with_binding_limit(128 * 33 * 4);
    for case in Case::all() {
        let whole = on_device(&gpu, &gpu, None, &case);
        let again = on_device(&gpu, &gpu, None, &case);
        let chunked = on_device(&gpu, &gpu, Some(128), &case);
        let split = on_device(&gpu, &split, None, &case);
        for other in [again, chunked, split] {
            let all = parts(&whole.features).into_iter().flatten();
            for (a, b) in all.zip(parts(&other.features).into_iter().flatten()) {
                assert_eq!(a.values(), b.values(), "{}", case.name);
            }
            assert_eq!(whole.through, other.through, "{}", case.name);
            assert_eq!(whole.length2, other.length2, "{}", case.name);
        }
    }
}

#[test]
fn dictionaries_rows_and_restarts_are_those_of_the_cpu_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    let split = gpu.with_binding_limit(128 * 33 * 4);
    for case in Case::all() {
        let mut features = case.features();
        let mut folded = optim::Folded::default();
        features.fold(&mut folded);
        if !case.free {
            // Rows have length 1 but for rounding, and are taken as they are.
            folded.w_enc.clone_from(&features.w_enc.value);
            folded.b_enc = features.b_enc.value.values().to_vec();
            folded.w_dec.clone_from(&features.w_dec.value);
        }
        let device = DeviceFeatures::upload(&split, &features).unwrap();
        let list = [5_u32, 3, 299, 128, 0];
        let places = gpu.upload("list", &list).unwrap();
        let mut recorder = gpu.record();
        device.fold(&mut recorder).unwrap();
        let rows = device.rows_of(&mut recorder, &places, list.len()).unwrap();
        recorder.submit().unwrap();
        let b_enc = Matrix::new(300, 1, folded.b_enc.clone()).unwrap();
        let want = [&folded.w_enc, &b_enc, &folded.w_dec];
        let whole = device.dictionary();
        for (i, some) in [&rows.w_enc, &rows.b_enc, &rows.w_dec]
            .into_iter()
            .enumerate()
        {
            let read = |table: &Table| {
                let mut matrix = Matrix::zeros(table.rows(), table.columns());
                table.read(&gpu, &mut matrix).unwrap();
                matrix
            };
            let (whole, some) = (read(whole[i]), read(some));
            for (got, want) in whole.values().iter().zip(want[i].values()) {
                assert!((got - want).abs() <= 1e-5 * want.abs(), "{}", case.name);
            }
            assert_eq!(some.values(), whole.rows_of(&list).values());
        }
        let (reads, writes) = device.widths();
        let values = [vec![0.25; reads], vec![0.5; writes]];
        device.restart(200, &values[0], &values[1]);
        features.w_enc.restart(200, &values[0]);
        features.b_enc.restart(200, &[0.0]);
        features.w_dec.restart(200, &values[1]);
        let mut got = case.features();
        device.read(&mut got).unwrap();
        let all = parts(&features).into_iter().flatten();
        for (a, b) in all.zip(parts(&got).into_iter().flatten()) {
            assert_eq!(a.values(), b.values(), "{}", case.name);
        }
    }
}

/// A squared error of fixed pairs, as a function of parameters.
struct Error {
    pairs: Vec<Vec<u32>>,
    target: Matrix,
    weight: f64,
    list: Option<Vec<u32>>,
}

impl Error {
    fn dictionary(&self, own: u32) -> usize {
        let list = self.list.as_ref();
        list.map_or(own, |list| list[own as usize]) as usize
    }

    /// Activation of a pair.
    fn act(p: &[Feature], x: &[f32], i: usize) -> f64 {
        let x: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
        dot(&p[i][0], &x) + p[i][1][0]
    }

    /// Target less reconstruction of a token.
    fn left(&self, p: &[Feature], x: &Matrix, token: usize) -> Vec<f64> {
        let target = self.target.row(token).iter();
        let mut left: Vec<f64> = target.map(|t| f64::from(*t)).collect();
        for own in &self.pairs[token] {
            let i = self.dictionary(*own);
            let act = Self::act(p, x.row(token), i);
            for (left, w) in left.iter_mut().zip(&p[i][2]) {
                *left -= act * w;
            }
        }
        left
    }

    fn loss(&self, p: &[Feature], x: &Matrix) -> f64 {
        let tokens = 0..x.rows();
        let squares = tokens.map(|token| {
            let left = self.left(p, x, token);
            dot(&left, &left)
        });
        self.weight * squares.sum::<f64>()
    }

    /// Codes, residual and gradients of pre-activations, as a step has them.
    fn term(&self, p: &[Feature], x: &Matrix) -> Term {
        let (mut latents, mut d_acts, mut table) = (Latents::default(), Vec::new(), Vec::new());
        let scale = -2.0 * self.weight;
        for token in 0..x.rows() {
            let left = self.left(p, x, token);
            let rows = self.pairs[token].iter().map(|own| self.dictionary(*own));
            let rows: Vec<usize> = rows.collect();
            let acts = rows.iter().map(|i| Self::act(p, x.row(token), *i) as f32);
            latents.push_row(&self.pairs[token], &acts.collect::<Vec<_>>());
            d_acts.extend(rows.iter().map(|i| (scale * dot(&p[*i][2], &left)) as f32));
            table.extend(left.iter().map(|left| *left as f32));
        }
        let table = Matrix::new(x.rows(), self.target.columns(), table).unwrap();
        Term {
            latents,
            d_acts,
            d_bias: None,
            tables: vec![(usize::MAX, table)],
            scale: scale as f32,
            list: self.list.clone(),
        }
    }
}

/// The dictionary with decoder rows of length 1.
fn folded(p: &[Feature]) -> Vec<Feature> {
    let mut p = p.to_vec();
    for [w_enc, b_enc, w_dec] in &mut p {
        let n = dot(w_dec, w_dec).sqrt();
        w_enc.iter_mut().chain(b_enc).for_each(|w| *w *= n);
        for w in w_dec {
            *w /= n;
        }
    }
    p
}

/// Parameters, what the encoder reads, and two errors, the second of listed features.
struct Problem {
    features: Features,
    x: Matrix,
    errors: [Error; 2],
}

/// Tokens, widths and features of a [`Problem`].
const N: u32 = 9;
const READS: usize = 5;
const WRITES: usize = 4;
const F: usize = 6;

impl Problem {
    fn new(free: bool) -> Self {
        let rng = &mut ChaCha8Rng::seed_from_u64(8);
        let mut w_dec = uneven(rng, F, WRITES);
        for i in 0..F {
            optim::to_length_one(w_dec.row_mut(i));
            let length = if free { 0.5 + i as f32 } else { 1.0 };
            w_dec.row_mut(i).iter_mut().for_each(|w| *w *= length);
        }
        let every = |f: u32, step: u32| -> Vec<Vec<u32>> {
            let of = |token| (0..f).filter(|i| (i + token) % step == 0).collect();
            (0..N).map(of).collect()
        };
        let mut error = |pairs, weight, list| Error {
            pairs,
            target: uneven(rng, N as usize, WRITES),
            weight,
            list,
        };
        let errors = [
            error(every(F as u32, 2), 0.01, None),
            error(every(2, 3), 0.02, Some(vec![1, 4])),
        ];
        Self {
            features: Features {
                w_enc: Parameter::new(uneven(rng, F, READS)),
                b_enc: Parameter::new(uneven(rng, F, 1)),
                w_dec: Parameter::new(w_dec),
                free,
                lazy: false,
                frozen: false,
            },
            x: uneven(rng, N as usize, READS),
            errors,
        }
    }

    /// Dictionary that the loss uses.
    fn used(&self, p: &[Feature]) -> Vec<Feature> {
        if self.features.free {
            folded(p)
        } else {
            p.to_vec()
        }
    }

    fn loss(&self, p: &[Feature]) -> f64 {
        let used = self.used(p);
        let errors = self.errors.iter();
        errors.map(|error| error.loss(&used, &self.x)).sum()
    }

    /// Central differences of the loss in feature `i`'s parameters.
    fn differences(&self, p: &[Feature], i: usize) -> Feature {
        [0, 1, 2].map(|part| {
            let columns = 0..p[i][part].len();
            let difference = |c: usize| {
                let at = |by: f64| {
                    let mut moved = p.to_vec();
                    moved[i][part][c] += by;
                    self.loss(&moved)
                };
                (at(1e-5) - at(-1e-5)) / 2e-5
            };
            columns.map(difference).collect()
        })
    }

    /// Parameters after the device's first step.
    fn stepped(&self, gpu: &Gpu, p: &[Feature]) -> Features {
        let terms = (self.errors.each_ref()).map(|error| error.term(&self.used(p), &self.x));
        let device = DeviceFeatures::upload(gpu, &self.features).unwrap();
        let centred = Table::upload(gpu, "centred", &self.x).unwrap();
        let uploaded = (terms.each_ref()).map(|term| Uploaded::new(gpu, term, F).unwrap());
        let tables = uploaded.each_ref().map(Uploaded::tables);
        let terms = [0, 1].map(|i| uploaded[i].term(&tables[i]));
        let given = Given::Batch {
            terms: &terms,
            centred: &centred,
        };
        let by = Move {
            rates: Rates::new(RATE, 1),
            factor: 1.0,
        };
        device.step(given, by).unwrap();
        let mut features = self.features.clone();
        device.read(&mut features).unwrap();
        features
    }
}

#[test]
fn gradients_are_finite_differences_of_the_loss_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    for free in [false, true] {
        let problem = Problem::new(free);
        let all = 0..F;
        let p: Vec<Feature> = all.map(|i| feature(&problem.features, i)).collect();
        let stepped = problem.stepped(&gpu, &p);
        let mut compared = 0;
        for i in 0..F {
            let mut want = problem.differences(&p, i);
            if !free {
                want = taken(&p[i], &want, false);
            }
            let moments = parts(&stepped).map(|part| part[1].row(i));
            for (want, got) in want.iter().zip(moments) {
                let most = want.iter().fold(0.0_f64, |most, g| most.max(g.abs()));
                // The first moment after one step from 0 is a tenth of the gradient.
                let got: Vec<f64> = got.iter().map(|m| 10.0 * f64::from(*m)).collect();
                let near = |by: f64| {
                    let mut pairs = got.iter().zip(want);
                    pairs.all(|(got, want)| !beyond((got + by, *want), 1.0 + most))
                };
                assert!(near(0.0), "free {free}, feature {i}: {got:?} {want:?}");
                assert!(!near(1e-2 * (1.0 + most)), "a nudged row passed");
                compared += got.iter().filter(|g| **g != 0.0).count();
            }
        }
        assert!(compared > F * 8, "{compared} gradients that are not 0");
    }
}
