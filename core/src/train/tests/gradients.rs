//! Every gradient against the dense definition in f64 and against finite differences of the loss, the selection held fixed.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::dims::Matrix;
use crate::ids::{HookPoint, Site};
use crate::kernels::adam::Rates;
use crate::kernels::encode::cases::uneven;
use crate::latents::Latents;
use crate::sae::{Sae, TopK};
use crate::train::init::directions;
use crate::train::optim::{ByFeature, Given, Move, Term, gradients, remove_parallel};
use crate::train::step::{Batch, Forward, Trainer};
use crate::train::{Report, Spec};

/// More than the optimiser takes at a time.
const N: usize = 300;
const D: usize = 6;
const F: usize = 41;
/// The last features read so faintly that they are never among the largest.
const FAINT: usize = 6;

fn spec() -> Spec {
    let mut spec = Spec::default_for(HookPoint::block(0, Site::Z));
    (spec.features, spec.k, spec.k_aux) = (F, 4, Some(3));
    // Whatever does not fire in the batch is dead at once.
    spec.dead_after = Some(1);
    // As heavy as the main term, so that an error in AuxK shows.
    spec.aux_coefficient = 0.7;
    spec
}

fn dictionary() -> Sae {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut w_enc = uneven(&mut rng, F, D);
    let mut b_enc = uneven(&mut rng, 1, F).into_values();
    for (f, bias) in b_enc.iter_mut().enumerate().skip(F - FAINT) {
        w_enc.row_mut(f).iter_mut().for_each(|w| *w *= 0.01);
        *bias *= 0.01;
    }
    Sae::new(
        "",
        (w_enc, b_enc),
        (directions(&spec(), D), uneven(&mut rng, 1, D).into_values()),
        TopK { k: 4 },
    )
}

fn activations() -> Matrix {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    Matrix::new(
        N,
        D,
        (0..N * D).map(|_| rng.random_range(-2.0..2.0)).collect(),
    )
    .unwrap()
}

/// Parameters in the order `w_enc`, `b_enc`, `w_dec`, `b_dec`, in f64.
fn parameters(sae: &Sae) -> Vec<f64> {
    let all = [
        sae.w_enc.values(),
        &sae.b_enc,
        sae.w_dec.values(),
        &sae.b_dec,
    ];
    all.concat().into_iter().map(f64::from).collect()
}

const B_ENC: usize = F * D;
const W_DEC: usize = B_ENC + F;
const B_DEC: usize = W_DEC + F * D;

fn pre(p: &[f64], x: &[f32], f: usize) -> f64 {
    (0..D).fold(p[B_ENC + f], |sum, c| {
        sum + (f64::from(x[c]) - p[B_DEC + c]) * p[f * D + c]
    })
}

/// Values that a step holds fixed: the pairs of each term, AuxK's target and denominator.
struct Fixed {
    main: Vec<Vec<usize>>,
    aux: Vec<Vec<usize>>,
    error: Vec<f64>,
    aux_denominator: f64,
}

fn pairs(latents: &Latents) -> Vec<Vec<usize>> {
    (0..latents.rows())
        .map(|i| latents.row(i).map(|(f, _)| f.index()).collect())
        .collect()
}

/// x̂ − x of the main term, `[n·d]`.
fn misses(p: &[f64], x: &Matrix, main: &[Vec<usize>]) -> Vec<f64> {
    let mut all = vec![];
    for (i, features) in main.iter().enumerate() {
        for c in 0..D {
            let sum: f64 = features
                .iter()
                .map(|f| pre(p, x.row(i), *f) * p[W_DEC + f * D + c])
                .sum();
            all.push(p[B_DEC + c] + sum - f64::from(x.row(i)[c]));
        }
    }
    all
}

fn aux_misses(p: &[f64], x: &Matrix, fixed: &Fixed) -> Vec<f64> {
    let mut all = vec![];
    for (i, features) in fixed.aux.iter().enumerate() {
        for c in 0..D {
            let sum: f64 = features
                .iter()
                .map(|f| pre(p, x.row(i), *f) * p[W_DEC + f * D + c])
                .sum();
            all.push(sum - fixed.error[i * D + c]);
        }
    }
    all
}

/// The activations are taken to have variance `d`, as the trainer scales them.
const DENOMINATOR: f64 = (N * D) as f64;

fn loss(p: &[f64], x: &Matrix, fixed: &Fixed) -> f64 {
    let squared = |v: Vec<f64>| v.iter().map(|v| v * v).sum::<f64>();
    squared(misses(p, x, &fixed.main)) / DENOMINATOR
        + spec().aux_coefficient * squared(aux_misses(p, x, fixed)) / fixed.aux_denominator
}

/// The definition: dense tables over tokens and features, chain rule written out.
fn dense_gradient(p: &[f64], x: &Matrix, fixed: &Fixed) -> Vec<f64> {
    let mut gradient = vec![0.0; p.len()];
    let terms = [
        (
            &fixed.main,
            misses(p, x, &fixed.main),
            2.0 / DENOMINATOR,
            true,
        ),
        (
            &fixed.aux,
            aux_misses(p, x, fixed),
            2.0 * spec().aux_coefficient / fixed.aux_denominator,
            false,
        ),
    ];
    for (kept, misses, weight, biased) in terms {
        for i in 0..N {
            let mask: Vec<f64> = (0..F)
                .map(|f| f64::from(u8::from(kept[i].contains(&f))))
                .collect();
            for f in 0..F {
                let mut d_pre = 0.0;
                for c in 0..D {
                    let d_out = weight * misses[i * D + c];
                    gradient[W_DEC + f * D + c] += mask[f] * pre(p, x.row(i), f) * d_out;
                    d_pre += mask[f] * p[W_DEC + f * D + c] * d_out;
                }
                gradient[B_ENC + f] += d_pre;
                for c in 0..D {
                    gradient[f * D + c] += d_pre * (f64::from(x.row(i)[c]) - p[B_DEC + c]);
                    gradient[B_DEC + c] -= d_pre * p[f * D + c];
                }
            }
            for c in 0..D {
                gradient[B_DEC + c] += f64::from(u8::from(biased)) * weight * misses[i * D + c];
            }
        }
    }
    gradient
}

fn trainer() -> Trainer {
    Trainer::from_sae(&spec(), dictionary()).unwrap()
}

fn rows() -> Vec<u32> {
    (0..N as u32).collect()
}

/// Gradients as the optimiser gets them, in the order of [`parameters`], with what was held fixed and the loss.
fn ours() -> (Vec<f64>, Fixed, Report) {
    let x = activations();
    let mut trainer = trainer();
    let rows = rows();
    let forward = trainer
        .forward(Batch {
            from: &x,
            rows: &rows,
        })
        .unwrap();
    let Forward {
        latents,
        scale,
        aux,
        report,
        ..
    } = forward;
    let aux = aux.expect("some features are dead");
    let mut aux_pairs = pairs(&aux.latents);
    for feature in aux_pairs.iter_mut().flatten() {
        *feature = aux.dead[*feature] as usize;
    }
    let dead = trainer.dead_gradients(Some(aux));
    let [main_left, _] = trainer.residuals();
    let by_feature = ByFeature::new(&latents, &main_left.d_acts, None, F);
    let tables = [(F, &main_left.residual)];
    let main = Term {
        by_feature: &by_feature,
        tables: &tables,
        scale,
    };
    let all = gradients(&[main], &dead, trainer.centred(), 0, F);
    let by = Move {
        rates: Rates::new(1e-3, 1),
        factor: 1.0,
    };
    let given = Given::Batch {
        terms: &[main],
        dead: &dead,
        centred: trainer.centred(),
    };
    let passed = trainer.features.clone().step(given, by);
    let b_dec = trainer.b_dec_gradient(&trainer.direct(scale), &passed.through_encoder);
    let gradient = [
        all.w_enc.into_values(),
        all.b_enc,
        all.w_dec.into_values(),
        b_dec,
    ]
    .concat();
    let p = parameters(&dictionary());
    let main = pairs(&latents);
    let error: Vec<f64> = misses(&p, &x, &main).iter().map(|miss| -miss).collect();
    let mut aux_denominator = 0.0;
    for c in 0..D {
        let column: Vec<f64> = error.iter().skip(c).step_by(D).copied().collect();
        let mean = column.iter().sum::<f64>() / N as f64;
        aux_denominator += column.iter().map(|e| (e - mean).powi(2)).sum::<f64>();
    }
    let fixed = Fixed {
        main,
        aux: aux_pairs,
        error,
        aux_denominator,
    };
    (gradient.into_iter().map(f64::from).collect(), fixed, report)
}

fn differences(p: &[f64], x: &Matrix, fixed: &Fixed) -> Vec<f64> {
    let step = 1e-5;
    (0..p.len())
        .map(|i| {
            let at = |by: f64| {
                let mut moved = p.to_vec();
                moved[i] += by;
                loss(&moved, x, fixed)
            };
            (at(step) - at(-step)) / (2.0 * step)
        })
        .collect()
}

/// The first parameter whose gradient is off by more than `tolerance` of the largest of its kind.
fn first_off(got: &[f64], want: &[f64], tolerance: f64) -> Option<usize> {
    let kinds = [0..B_ENC, B_ENC..W_DEC, W_DEC..B_DEC, B_DEC..B_DEC + D];
    kinds.into_iter().find_map(|kind| {
        let most = want[kind.clone()]
            .iter()
            .fold(0.0_f64, |most, g| most.max(g.abs()));
        assert!(most > 0.0, "nothing to compare in {kind:?}");
        kind.into_iter()
            .find(|i| (got[*i] - want[*i]).abs() > tolerance * most)
    })
}

#[test]
fn every_gradient_is_the_dense_definition_and_the_finite_difference() {
    let (got, fixed, report) = ours();
    let (p, x) = (parameters(&dictionary()), activations());
    assert!(fixed.aux.iter().flatten().count() > N, "AuxK takes part");
    assert!((report.loss - loss(&p, &x, &fixed)).abs() < 1e-5 * report.loss);
    let dense = dense_gradient(&p, &x, &fixed);
    let differences = differences(&p, &x, &fixed);
    assert_eq!(first_off(&dense, &differences, 1e-7), None);
    assert_eq!(first_off(&got, &dense, 1e-5), None);
    assert_eq!(first_off(&got, &differences, 1e-5), None);
    for i in [0, B_ENC, W_DEC, B_DEC] {
        let mut nudged = got.clone();
        let kind_most = got.iter().fold(0.0_f64, |most, g| most.max(g.abs()));
        nudged[i] += 1e-2 * kind_most;
        assert_eq!(first_off(&nudged, &dense, 1e-5), Some(i));
    }
}

#[test]
fn without_auxk_the_gradient_of_dead_features_is_zero() {
    let (got, fixed, _) = ours();
    let (p, x) = (parameters(&dictionary()), activations());
    let none = Fixed {
        aux: vec![vec![]; N],
        ..fixed
    };
    let without = dense_gradient(&p, &x, &none);
    let dead = (0..F)
        .find(|f| none.main.iter().all(|row| !row.contains(f)))
        .unwrap();
    assert!(without[dead * D..(dead + 1) * D].iter().all(|g| *g == 0.0));
    assert!(first_off(&got, &without, 1e-5).is_some());
}

#[test]
fn selections_of_the_step_are_the_definition() {
    let (_, fixed, report) = ours();
    let (p, x) = (parameters(&dictionary()), activations());
    let fired: Vec<usize> = fixed.main.concat();
    let best = |i: usize, k: usize, among: &dyn Fn(usize) -> bool| {
        let mut order: Vec<usize> = (0..F).filter(|f| among(*f)).collect();
        order.sort_by(|a, b| pre(&p, x.row(i), *b).total_cmp(&pre(&p, x.row(i), *a)));
        order.truncate(k);
        order.retain(|f| pre(&p, x.row(i), *f) > 0.0);
        order.sort_unstable();
        order
    };
    for i in 0..N {
        assert_eq!(fixed.main[i], best(i, 4, &|_| true));
        assert_eq!(fixed.aux[i], best(i, 3, &|f| !fired.contains(&f)));
    }
    let dead = (0..F).filter(|f| !fired.contains(f)).count();
    assert_eq!(report.dead_fraction, dead as f64 / F as f64);
}

#[test]
fn the_decoder_moves_across_its_rows_and_keeps_length_one() {
    let x = activations();
    let (mut trainer, rows) = (trainer(), rows());
    for _ in 0..5 {
        trainer
            .step(
                Batch {
                    from: &x,
                    rows: &rows,
                },
                1e-2,
            )
            .unwrap();
    }
    let sae = trainer.sae();
    let mut moved = 0;
    for (after, before) in sae.w_dec.iter_rows().zip(dictionary().w_dec.iter_rows()) {
        let length: f32 = after.iter().map(|w| w * w).sum();
        assert!((length - 1.0).abs() < 1e-6, "{length}");
        moved += usize::from(after != before);
    }
    // A feature without a positive pre-activation has no gradient.
    assert!(moved > F / 2, "{moved} of {F} moved");
    let mut gradient = vec![3.0, -1.0, 2.0];
    remove_parallel(&mut gradient, &[0.6, 0.0, 0.8]);
    let along = gradient[0] * 0.6 + gradient[2] * 0.8;
    assert!(along.abs() < 1e-6 && gradient[1] == -1.0, "{gradient:?}");
}

#[test]
fn the_scale_of_the_activations_is_taken_out_of_the_dictionary() {
    let mut sample = uneven(&mut ChaCha8Rng::seed_from_u64(4), 200, D);
    sample
        .values_mut()
        .iter_mut()
        .for_each(|x| *x = *x * 50.0 + 7.0);
    let mut spec = spec();
    spec.dead_after = None;
    let mut trainer = Trainer::new(&spec, &sample).unwrap();
    let rows: Vec<u32> = (0..200).collect();
    for _ in 0..20 {
        trainer
            .step(
                Batch {
                    from: &sample,
                    rows: &rows,
                },
                1e-2,
            )
            .unwrap();
    }
    let sae = trainer.sae();
    let batch = Batch {
        from: &sample,
        rows: &rows,
    };
    let inside = trainer.forward(batch).unwrap();
    let outside = sae.encode(&sample).unwrap();
    assert_eq!(inside.latents.features, outside.features);
    let reconstruction = sae.decode(&outside, &sample).unwrap();
    let squared: f64 = sample
        .values()
        .iter()
        .zip(reconstruction.values())
        .map(|(x, y)| f64::from(x - y).powi(2))
        .sum();
    let scaled = squared * f64::from(trainer.scale).powi(2);
    assert!((scaled / inside.report.squared - 1.0).abs() < 1e-3);
    // The first step's denominator is the sample's variance: FVU and loss agree.
    let fvu = inside.report.squared / inside.report.variance;
    assert!((inside.report.loss / fvu - 1.0).abs() < 1e-3);
}
