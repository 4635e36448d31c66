//! Transcoders: their gradients against finite differences of the loss in f64, and whole runs on two planted hooks.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::variants::{Peek, drawn};
use crate::Flow;
use crate::dims::Matrix;
use crate::error::Result;
use crate::formats::{self, Precision};
use crate::ids::{HookPoint, Site};
use crate::kernels::encode::cases::uneven;
use crate::sae::{Provenance, Role, Sae, Transcoder, Variant};
use crate::train::buffer::Source;
use crate::train::init::directions;
use crate::train::run::Run;
use crate::train::step::{Batch, Trainer};
use crate::train::{Decoder, Event, Keeping, Outcome, Spec};

const N: usize = 200;
const D: usize = 5;
const O: usize = 7;
const F: usize = 30;

fn spec(rule: Variant, skip: bool, decoder: Decoder) -> Spec {
    let mut spec = Spec::default_for(HookPoint::block(0, Site::MlpIn));
    (spec.transcodes, spec.variant) = (true, rule);
    (spec.skip, spec.decoder) = (skip, decoder);
    (spec.features, spec.k, spec.k_aux) = (F, 4, Some(3));
    (spec.batch, spec.tokens) = (N, 10 * N as u64);
    spec.dead_after = Some(1);
    (spec.aux_coefficient, spec.sparsity_coefficient) = (0.7, Some(0.6));
    spec.sparsity_warmup = 0.0;
    spec
}

fn dictionary(spec: &Spec) -> Sae {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let sae = drawn(&mut rng, spec, [D, O]);
    sae.with_role(Role::Transcoder(Transcoder {
        hook_out: None,
        w_skip: spec.skip.then(|| uneven(&mut rng, O, D)),
    }))
}

/// Inputs followed by what is to be written.
fn rows() -> Matrix {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let values = (0..N * (D + O)).map(|_| rng.random_range(-2.0..2.0));
    Matrix::new(N, D + O, values.collect()).unwrap()
}

/// Names and places of the parameters, in one list.
fn kinds(skip: bool) -> Vec<(&'static str, usize)> {
    let mut kinds = vec![
        ("w_enc", F * D),
        ("b_enc", F),
        ("w_dec", F * O),
        ("b_dec", O),
    ];
    kinds.extend(skip.then_some(("transcoder.skip", O * D)));
    kinds
}

/// Values that a step holds fixed.
struct Fixed {
    spec: Spec,
    x: Matrix,
    main: Vec<Vec<usize>>,
    aux: Vec<Vec<usize>>,
    error: Vec<f64>,
    aux_denominator: f64,
}

impl Fixed {
    /// Parameters with decoder rows of length 1.
    fn folded(&self, p: &[f64]) -> Vec<f64> {
        let mut p = p.to_vec();
        if self.spec.decoder == Decoder::Free {
            let dec = F * D + F;
            for f in 0..F {
                let row = dec + f * O..dec + (f + 1) * O;
                let length = p[row.clone()].iter().map(|w| w * w).sum::<f64>().sqrt();
                p[row].iter_mut().for_each(|w| *w /= length);
                p[f * D..(f + 1) * D].iter_mut().for_each(|w| *w *= length);
                p[F * D + f] *= length;
            }
        }
        p
    }

    fn pre(&self, p: &[f64], i: usize, f: usize) -> f64 {
        let x = &self.x.row(i)[..D];
        let sum = (0..D).map(|c| f64::from(x[c]) * p[f * D + c]);
        p[F * D + f] + sum.sum::<f64>()
    }

    /// Σ act · w_dec of some features, `[d_out]`.
    fn sum(&self, p: &[f64], i: usize, features: &[usize]) -> Vec<f64> {
        let dec = F * D + F;
        let acts: Vec<f64> = features.iter().map(|f| self.pre(p, i, *f)).collect();
        (0..O)
            .map(|c| {
                let each = features.iter().zip(&acts);
                each.map(|(f, act)| act * p[dec + f * O + c]).sum()
            })
            .collect()
    }

    /// ŷ − y of a token.
    fn miss(&self, p: &[f64], i: usize) -> Vec<f64> {
        let bias = F * D + F + F * O;
        let (x, y) = self.x.row(i).split_at(D);
        let mut miss = self.sum(p, i, &self.main[i]);
        for (c, miss) in miss.iter_mut().enumerate() {
            *miss += p[bias + c] - f64::from(y[c]);
            if self.spec.skip {
                let through = (0..D).map(|e| p[bias + O + c * D + e] * f64::from(x[e]));
                *miss += through.sum::<f64>();
            }
        }
        miss
    }

    fn loss(&self, p: &[f64]) -> f64 {
        let p = self.folded(p);
        let mut loss = 0.0;
        for i in 0..N {
            loss += squared(&self.miss(&p, i)) / (N * O) as f64;
            if self.spec.variant == Variant::Relu {
                let acts: f64 = self.main[i].iter().map(|f| self.pre(&p, i, *f)).sum();
                loss += self.spec.sparsity() * acts / (N as f64 * (O as f64).sqrt());
            }
            if self.aux_denominator > 0.0 {
                let mut miss = self.sum(&p, i, &self.aux[i]);
                let error = &self.error[i * O..(i + 1) * O];
                miss.iter_mut().zip(error).for_each(|(m, e)| *m -= e);
                loss += self.spec.aux_coefficient * squared(&miss) / self.aux_denominator;
            }
        }
        loss
    }
}

impl Fixed {
    /// Finite differences; those of decoder rows that keep their length without their part along the row.
    fn differences(&self, p: &[f64]) -> Vec<f64> {
        let difference = |i: usize| {
            let at = |by: f64| {
                let mut moved = p.to_vec();
                moved[i] += by;
                self.loss(&moved)
            };
            (at(1e-5) - at(-1e-5)) / 2e-5
        };
        let mut all: Vec<f64> = (0..p.len()).map(difference).collect();
        let rows = F * D + F..F * D + F + F * O;
        if self.spec.decoder == Decoder::Unit {
            let decoder = p[rows.clone()].chunks_exact(O);
            for (g, row) in all[rows].chunks_exact_mut(O).zip(decoder) {
                let along: f64 = g.iter().zip(row).map(|(g, w)| g * w).sum();
                g.iter_mut().zip(row).for_each(|(g, w)| *g -= along * w);
            }
        }
        all
    }
}

fn squared(values: &[f64]) -> f64 {
    values.iter().map(|v| v * v).sum()
}

/// Gradients as the optimiser gets them, where they are taken, what was held fixed, the loss.
fn ours(spec: &Spec) -> (Vec<f64>, Vec<f64>, Fixed, f64) {
    let x = rows();
    let numbers: Vec<u32> = (0..N as u32).collect();
    let batch = Batch {
        from: &x,
        rows: &numbers,
    };
    let begin = || Trainer::from_sae(spec, dictionary(spec)).unwrap();
    let forward = begin().forward(batch).unwrap();
    let pairs = |latents: &crate::latents::Latents| -> Vec<Vec<usize>> {
        let row = |i: usize| latents.row(i).map(|(f, _)| f.index()).collect();
        (0..N).map(row).collect()
    };
    let mut aux = vec![vec![]; N];
    if let Some(part) = &forward.aux {
        aux = pairs(&part.latents);
        for feature in aux.iter_mut().flatten() {
            *feature = part.dead[*feature] as usize;
        }
    }
    let helps = forward.aux.is_some();
    let (mut trainer, mut before, mut after) = (begin(), Peek::default(), Peek::default());
    trainer.state(&mut before).unwrap();
    let report = trainer.step(batch, 1e-4).unwrap();
    trainer.state(&mut after).unwrap();
    let of = |peek: &Peek, end: &str| -> Vec<f64> {
        let names = kinds(spec.skip).into_iter();
        let values = names.flat_map(|(name, _)| peek.read[&format!("{name}{end}")].clone());
        values.map(f64::from).collect()
    };
    let (p, moments) = (of(&before, ""), of(&after, ".m"));
    let mut fixed = Fixed {
        spec: spec.clone(),
        x: x.clone(),
        main: pairs(&forward.latents),
        aux,
        error: vec![],
        aux_denominator: 0.0,
    };
    if helps {
        let folded = fixed.folded(&p);
        for i in 0..N {
            let miss = fixed.miss(&folded, i);
            fixed.error.extend(miss.iter().map(|miss| -miss));
        }
        for c in 0..O {
            let column: Vec<f64> = fixed.error.iter().skip(c).step_by(O).copied().collect();
            let mean = column.iter().sum::<f64>() / N as f64;
            let about: Vec<f64> = column.iter().map(|e| e - mean).collect();
            fixed.aux_denominator += squared(&about);
        }
    }
    let got = moments.into_iter().map(|m| m / 0.1).collect();
    (got, p, fixed, report.loss)
}

#[test]
fn every_gradient_of_a_transcoder_is_that_of_its_loss() {
    for rule in [Variant::Relu, Variant::BatchTopK] {
        for (skip, decoder) in [
            (false, Decoder::Unit),
            (true, Decoder::Unit),
            (true, Decoder::Free),
        ] {
            let spec = spec(rule, skip, decoder);
            let (got, p, fixed, loss) = ours(&spec);
            let context = format!("{rule} {skip} {decoder}");
            let defined = fixed.loss(&p);
            assert!(
                (loss - defined).abs() < 1e-5 * defined,
                "{context}: {loss} {defined}"
            );
            let helped = fixed.aux.iter().flatten().count();
            assert_eq!(helped > N, rule == Variant::BatchTopK, "{context}");
            let want = fixed.differences(&p);
            let mut first = 0;
            for (name, count) in kinds(skip) {
                let range = first..first + count;
                first += count;
                let most = want[range.clone()]
                    .iter()
                    .fold(0.0_f64, |m, g| m.max(g.abs()));
                assert!(most > 0.0, "{context}: nothing to compare in {name}");
                for i in range {
                    let off = (got[i] - want[i]).abs();
                    assert!(
                        off < 3e-5 * most,
                        "{context}: {name} {i} {} {}",
                        got[i],
                        want[i]
                    );
                }
            }
            assert_eq!(first, got.len());
        }
    }
}

/// Inputs about a far mean with three directions each; what is written sums up other directions, and a linear map of the input.
struct Planted {
    read: Matrix,
    written: Matrix,
    map: Matrix,
    rng: ChaCha8Rng,
}

impl Planted {
    fn new(linear: f32) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let mut spec = Spec::default_for(HookPoint::block(0, Site::Z));
        (spec.features, spec.seed) = (40, 99);
        let read = directions(&spec, 24);
        spec.seed = 98;
        let written = directions(&spec, 32);
        let mut map = uneven(&mut rng, 32, 24);
        map.values_mut().iter_mut().for_each(|w| *w *= linear);
        Self {
            read,
            written,
            map,
            rng: ChaCha8Rng::seed_from_u64(7),
        }
    }
}

impl Source for Planted {
    fn width(&self) -> usize {
        56
    }

    fn target(&self) -> Option<usize> {
        Some(32)
    }

    fn skip(&mut self) {
        let next = self.next(&mut |_| {});
        next.expect("numbers are drawn");
    }

    fn next(&mut self, _: &mut dyn FnMut(String)) -> Result<Matrix> {
        let mut piece = Matrix::zeros(1_000, 56);
        for row in piece.values_mut().chunks_exact_mut(56) {
            let (x, y) = row.split_at_mut(24);
            for _ in 0..3 {
                let feature = self.rng.random_range(0..40);
                let act = self.rng.random_range(1.0..2.0);
                for (x, w) in x.iter_mut().zip(self.read.row(feature)) {
                    *x += 5.0 * act * w;
                }
                for (y, w) in y.iter_mut().zip(self.written.row(feature)) {
                    *y += act * w;
                }
            }
            for (y, w) in y.iter_mut().zip(self.map.iter_rows()) {
                *y += x.iter().zip(w).map(|(x, w)| 0.2 * x * w).sum::<f32>() + 3.0;
            }
            for x in x.iter_mut() {
                *x += 20.0;
            }
        }
        Ok(piece)
    }
}

fn run_spec(rule: Variant, skip: bool, tokens: u64) -> Spec {
    let mut spec = spec(rule, skip, Decoder::Unit);
    (spec.features, spec.k, spec.k_aux) = (64, 3, None);
    (spec.batch, spec.buffer, spec.tokens) = (256, 4_000, tokens);
    (spec.dead_after, spec.aux_coefficient) = (Some(20_000), 1.0 / 32.0);
    spec.sparsity_coefficient = Some(0.05);
    spec
}

fn train(spec: &Spec, keeping: &Keeping, observe: &mut dyn FnMut(Event) -> Flow) -> Outcome {
    let mut source = Planted::new(if spec.skip { 0.5 } else { 0.0 });
    Run::new(spec, usize::MAX, source.width(), Provenance::default())
        .keeping(keeping.clone())
        .finish(&mut source, observe)
        .unwrap()
        .into_value()
}

/// Share of the spread of `rows`' second part that `sae` leaves of its first, and mean active features.
fn used(sae: &Sae, rows: &Matrix) -> (f64, f64) {
    let part = |from: usize, to: usize| {
        let rows = rows.iter_rows().flat_map(|row| row[from..to].to_vec());
        Matrix::new(1_000, to - from, rows.collect()).unwrap()
    };
    let (x, y) = (part(0, 24), part(24, 56));
    let latents = sae.encode(&x).unwrap();
    let out = sae.decode(&latents, &x).unwrap();
    let mean: Vec<f64> = (0..32)
        .map(|c| y.iter_rows().map(|row| f64::from(row[c])).sum::<f64>() / 1_000.0)
        .collect();
    let (mut left, mut spread) = (0.0, 0.0);
    for (y, out) in y.iter_rows().zip(out.iter_rows()) {
        for ((y, out), mean) in y.iter().zip(out).zip(&mean) {
            left += f64::from(y - out).powi(2);
            spread += (f64::from(*y) - mean).powi(2);
        }
    }
    (left / spread, latents.acts.len() as f64 / 1_000.0)
}

#[test]
fn a_transcoder_learns_and_is_used_as_it_was_measured_read_back_from_its_folder_too() {
    for rule in [Variant::Relu, Variant::BatchTopK] {
        for skip in [false, true] {
            let spec = run_spec(rule, skip, 300_000);
            let outcome = train(&spec, &Keeping::default(), &mut |_| Flow::Continue(()));
            let mut source = Planted::new(if skip { 0.5 } else { 0.0 });
            let rows = source.next(&mut |_| {}).unwrap();
            let (fvu, l0) = used(&outcome.sae, &rows);
            let said = outcome.last.inference_fvu.unwrap_or(outcome.last.fvu);
            let context = format!("{rule} {skip}: {fvu} {said} {l0} {:?}", outcome.last);
            assert!(fvu < 0.4, "{context}");
            assert!((fvu - said).abs() < 0.02 + 0.25 * said, "{context}");
            if rule == Variant::BatchTopK {
                assert!((l0 / 3.0 - 1.0).abs() < 0.15, "{context}");
            }
            for row in outcome.sae.w_dec.iter_rows() {
                let length: f32 = row.iter().map(|w| w * w).sum();
                assert!((length - 1.0).abs() < 1e-5, "{context}");
            }
            let folder = tempfile::tempdir().unwrap();
            let place = folder.path().join("transcoder");
            formats::save(&outcome.sae, &place, Precision::F32).unwrap();
            let (read, _) = formats::open(&place).unwrap();
            assert_eq!(read.role, outcome.sae.role);
            assert_eq!(read.writes().unwrap(), HookPoint::block(0, Site::MlpOut));
            assert_eq!(read.selection, outcome.sae.selection);
            assert_eq!(used(&read, &rows), used(&outcome.sae, &rows));
            let text = std::fs::read_to_string(place.join("cfg.json")).unwrap();
            let name = match (rule, skip) {
                (Variant::Relu, false) => "\"transcoder\"",
                (Variant::Relu, true) => "\"skip_transcoder\"",
                (_, false) => "\"jumprelu_transcoder\"",
                (_, true) => "\"jumprelu_skip_transcoder\"",
            };
            assert!(text.contains(name), "{text}");
            assert!(text.contains("\"apply_b_dec_to_input\": false"), "{text}");
        }
    }
}

#[test]
fn a_transcoder_with_all_that_a_run_may_have_goes_on_from_a_checkpoint_to_the_same_bytes() {
    let mut spec = run_spec(Variant::BatchTopK, true, 200 * 256);
    (spec.ema, spec.clip, spec.dead_after) = (0.97, 0.05, Some(2_000));
    spec.resample_every = Some(40);
    let whole = train(&spec, &Keeping::default(), &mut |_| Flow::Continue(()));
    let root = tempfile::tempdir().unwrap();
    let mut keeping = Keeping {
        folder: Some(root.path().to_path_buf()),
        ..Keeping::default()
    };
    let stopped = train(&spec, &keeping, &mut |event| match event {
        Event::Progress(at) if at.step == 110 => Flow::Break(()),
        _ => Flow::Continue(()),
    });
    assert!(stopped.checkpoint.is_some());
    keeping.resume = true;
    let resumed = train(&spec, &keeping, &mut |_| Flow::Continue(()));
    assert!(resumed.sae == whole.sae);
    // Training goes on from what was saved, in its own scale: the same codes.
    let rows = Planted::new(0.5).next(&mut |_| {}).unwrap();
    let mut spec = spec.clone();
    spec.go_on_from(whole.sae.clone());
    assert_eq!(
        (spec.kind(), spec.variant, spec.skip),
        ("transcoder", Variant::BatchTopK, true)
    );
    let again = Trainer::begin(&spec, &rows, Some(32)).unwrap().sae();
    let (before, after) = (used(&whole.sae, &rows), used(&again, &rows));
    // About so far a mean, a few pre-activations in thousands fall on the other side of the threshold by rounding.
    assert!(
        (before.0 - after.0).abs() < 1e-3 * before.0,
        "{before:?} {after:?}"
    );
    assert!((before.1 - after.1).abs() < 0.01, "{before:?} {after:?}");
}
