//! Compares the power law with scipy and the figures of a ladder with dense f64 definitions over a tiny model and random dictionaries.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use faer::Mat;
use faer::linalg::solvers::SolveLstsq as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::*;
use crate::capture;
use crate::corpus::{Blocks, Resampled, interval};
use crate::dark_matter::pursuit;
use crate::dims::Matrix;
use crate::ids::{Head, HookPoint, Site, TokenId};
use crate::sae::{ErrorOf, ErrorPart, TopK};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(name)
}

/// Case of `tests/golden/power_law.py`.
#[derive(Debug, Deserialize)]
struct Case {
    features: Vec<usize>,
    fvu: Vec<f64>,
    a: f64,
    b: f64,
    c: f64,
    squares: f64,
}

fn squares(law: &PowerLaw, rungs: &[(usize, f64)]) -> f64 {
    let of = |(features, fvu): &(usize, f64)| (law.at(*features as f64) - fvu).powi(2);
    rungs.iter().map(of).sum()
}

#[test]
fn the_power_law_equals_the_bounded_fit_of_scipy() {
    let text = std::fs::read_to_string(golden("power-law/laws.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() > 20 && cases.iter().any(|case| case.c < 1e-9));
    for case in cases {
        let rungs: Vec<(usize, f64)> = case.features.iter().copied().zip(case.fvu).collect();
        let law = PowerLaw::fit(&rungs).unwrap();
        // Squares are flat at the minimum: parameters are known to about the root of the precision of a square.
        let near = |got: f64, want: f64| (got - want).abs() <= 1e-4 * want.abs() + 1e-6;
        assert!(
            near(law.a, case.a) && near(law.b, case.b) && near(law.c, case.c),
            "{law:?} a {} b {} c {}",
            case.a,
            case.b,
            case.c
        );
        let own = squares(&law, &rungs);
        assert!(
            own <= case.squares * (1.0 + 1e-6) + 1e-15,
            "{own} {}",
            case.squares
        );
        // Another constant is worse, so the comparison can fail.
        let moved = PowerLaw {
            c: law.c + 1e-3,
            ..law
        };
        assert!(squares(&moved, &rungs) > own);
    }
}

#[test]
fn a_law_takes_four_dictionaries_three_widths_and_figures_that_differ() {
    let rungs = |all: &[(usize, f64)]| PowerLaw::fit(all);
    assert!(rungs(&[(64, 0.5), (128, 0.4), (256, 0.35)]).is_none());
    assert!(rungs(&[(64, 0.5), (64, 0.4), (256, 0.35), (256, 0.3)]).is_none());
    assert!(rungs(&[(64, 0.5), (128, 0.5), (256, 0.5), (512, 0.5)]).is_none());
    assert!(rungs(&[(64, f64::NAN), (128, 0.5), (256, 0.4), (512, 0.3)]).is_none());
    let law = rungs(&[(64, 0.5), (128, 0.4), (256, 0.35), (512, 0.325)]).unwrap();
    // 0.3 + 0.2 · (features / 64)^−1.
    assert!(
        (law.c - 0.3).abs() < 1e-9 && (law.b - 1.0).abs() < 1e-8,
        "{law:?}"
    );
    assert!(law.falls() && law.r2 > 1.0 - 1e-12);
    // Curves that bend downwards have no limit above 0.
    let bent = rungs(&[(64, 0.5), (128, 0.45), (256, 0.3), (512, 0.05)]).unwrap();
    assert!(bent.c == 0.0 && bent.r2 < 0.99, "{bent:?}");
}

/// Generates values in −1..1.
fn random(rows: usize, columns: usize, seed: u64) -> Matrix {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..rows * columns).map(|_| rng.random_range(-1.0..1.0));
    Matrix::new(rows, columns, values.collect()).unwrap()
}

/// Makes a dictionary of unit directions that reads along them, so that wider ones explain more.
fn dictionary(features: usize, seed: u64) -> Sae {
    let d = 32;
    let mut directions = random(features, d, seed);
    for i in 0..features {
        let length = directions.row(i).iter().map(|v| v * v).sum::<f32>().sqrt();
        directions.row_mut(i).iter_mut().for_each(|v| *v /= length);
    }
    let encoder = (directions.clone(), vec![0.0; features]);
    Sae::new(
        format!("wide-{features}"),
        encoder,
        (directions, vec![0.01; d]),
        TopK { k: 4 },
    )
    .reading(HookPoint::block(1, Site::ResidPost))
}

fn dictionaries() -> Vec<Sae> {
    let widths = [32, 64, 128, 512];
    widths
        .into_iter()
        .map(|f| dictionary(f, f as u64))
        .collect()
}

/// Returns a tiny model and rows of made-up tokens in 20 documents.
fn text(seed: u64) -> (Model, Rows) {
    let (model, _) = Model::open(&golden("tiny-gpt2")).unwrap();
    let (rows, context) = (60, 32);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let vocabulary = model.codec().vocab_size() as u32;
    let tokens = (0..rows * context).map(|_| TokenId(rng.random_range(1..vocabulary)));
    let documents: Vec<u32> = (0..rows * context)
        .map(|i| (i / context / 3) as u32)
        .collect();
    let names = (0..20).map(|i| format!("document {i}")).collect();
    (
        model,
        Rows::new(context, tokens.collect(), documents, names),
    )
}

fn go(_: Progress) -> Flow {
    ControlFlow::Continue(())
}

fn climbed(model: &Model, saes: &[Sae], rows: &Rows) -> (Ladder, LinearParts) {
    let all: Vec<Autoencoder<'_>> = saes.iter().map(|sae| sae.autoencoder().unwrap()).collect();
    let fitted = text(2).1;
    let parts = LinearParts::fit(model, &all, (&fitted, rows), &mut go).unwrap();
    let parts = parts.done().unwrap();
    let settings = Settings {
        draws: 60,
        passage: 40,
        pursued: 100,
        ..Settings::default()
    };
    let ladder = Ladder::measure(model, (&all, Some(&parts)), rows, &settings, &mut go);
    (ladder.unwrap().done().unwrap(), parts)
}

/// Activations and the errors of one dictionary in f64, `[n][d]`, in plain loops.
fn dense(model: &Model, sae: &Sae, rows: &Rows) -> (Vec<Vec<f64>>, Vec<Vec<f64>>) {
    let all: Vec<usize> = (0..rows.len()).collect();
    let x = capture::activations(model, rows, &all, sae.hook().unwrap()).unwrap();
    let x = rows.kept(&all, &x);
    let decoded = sae.decode(&sae.encode(&x).unwrap(), &x).unwrap();
    let wide = |m: &Matrix| -> Vec<Vec<f64>> {
        let row = |row: &[f32]| row.iter().map(|v| f64::from(*v)).collect();
        m.iter_rows().map(row).collect()
    };
    let (x, decoded) = (wide(&x), wide(&decoded));
    let less = |(x, y): (&Vec<f64>, &Vec<f64>)| x.iter().zip(y).map(|(x, y)| x - y).collect();
    let errors = x.iter().zip(&decoded).map(less).collect();
    (x, errors)
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// FVU by its definition, each token taken `times` over.
fn fvu(x: &[Vec<f64>], errors: &[Vec<f64>], times: &[f64]) -> f64 {
    let n: f64 = times.iter().sum();
    let d = x[0].len();
    let mean: Vec<f64> = (0..d)
        .map(|j| x.iter().zip(times).map(|(x, w)| w * x[j]).sum::<f64>() / n)
        .collect();
    let of = |x: &[f64]| {
        x.iter()
            .zip(&mean)
            .map(|(x, m)| (x - m).powi(2))
            .sum::<f64>()
    };
    let variance: f64 = x.iter().zip(times).map(|(x, w)| w * of(x)).sum();
    let left: f64 = errors
        .iter()
        .zip(times)
        .map(|(e, w)| w * norm(e).powi(2))
        .sum();
    left / variance
}

/// Σ of squared residuals of `y` by least squares on `columns` and an intercept.
fn residual(columns: &[&[f64]], y: &[f64]) -> f64 {
    let side = columns.len() + 1;
    let a = Mat::<f64>::from_fn(y.len(), side, |i, j| columns.get(j).map_or(1.0, |c| c[i]));
    let b = Mat::<f64>::from_fn(y.len(), 1, |i, _| y[i]);
    let solved = a.qr().solve_lstsq(&b);
    let predicted = &a * &solved;
    (0..y.len())
        .map(|i| (predicted[(i, 0)] - y[i]).powi(2))
        .sum()
}

#[test]
fn figures_equal_their_dense_definitions() {
    let (model, rows) = text(1);
    let saes = dictionaries();
    let (ladder, parts) = climbed(&model, &saes, &rows);
    // Errors are computed in f32 on either side and summed in f64: what differs is the rounding of `x − x̂`.
    let near = |got: f64, want: f64| (got - want).abs() <= 1e-5 * want.abs().max(1e-3);
    let n = rows.counted();
    let once = vec![1.0; n];
    let (mut norms, mut nonlinear) = (Vec::new(), Vec::new());
    for ((sae, rung), part) in saes.iter().zip(&ladder.rungs).zip(&parts.parts) {
        let (x, errors) = dense(&model, sae, &rows);
        let own: Vec<f64> = errors.iter().map(|e| norm(e)).collect();
        let left: Vec<Vec<f64>> = (x.iter().zip(&errors))
            .map(|(x, e)| {
                let predicted = |j: usize| -> f64 {
                    let slope = (0..x.len()).map(|k| x[k] * f64::from(part.weights.row(k)[j]));
                    slope.sum::<f64>() + f64::from(part.weights.row(x.len())[j])
                };
                (0..x.len()).map(|j| e[j] - predicted(j)).collect()
            })
            .collect();
        assert_eq!(
            (rung.name.as_str(), rung.features),
            (sae.name.as_str(), sae.features())
        );
        assert!(near(rung.l0, 4.0), "{rung:?}");
        assert!(near(rung.fvu, fvu(&x, &errors, &once)), "{rung:?}");
        assert!(
            near(rung.norm_mean, own.iter().sum::<f64>() / n as f64),
            "{rung:?}"
        );
        let linear = rung.linear.unwrap();
        assert!(
            near(linear.fvu_nonlinear, fvu(&x, &left, &once)),
            "{rung:?}"
        );
        nonlinear.push(left.iter().map(|e| norm(e)).collect::<Vec<f64>>());
        norms.push(own);
    }
    for i in 0..4 {
        for j in 0..4 {
            let mean = norms[j].iter().sum::<f64>() / n as f64;
            let spread: f64 = norms[j].iter().map(|v| (v - mean).powi(2)).sum();
            let one = residual(&[&norms[i]], &norms[j]);
            let r2 = ladder.token_r2[i][j].unwrap();
            assert!((r2 - (1.0 - one / spread)).abs() < 1e-6, "{i} {j}: {r2}");
            if i == j {
                assert!(r2 == 1.0 && ladder.nonlinear_gain[i][j].is_none());
                continue;
            }
            let both = residual(&[&norms[i], &nonlinear[i]], &norms[j]);
            let gain = ladder.nonlinear_gain[i][j].unwrap();
            assert!((gain - (1.0 - both / one)).abs() < 1e-6, "{i} {j}: {gain}");
            // The other row's norms give another figure, so the comparison can fail.
            let other = residual(&[&norms[(i + 1) % 4]], &norms[j]);
            assert!((r2 - (1.0 - other / spread)).abs() > 1e-6);
        }
    }
    assert_eq!(
        (ladder.tokens, ladder.fit_tokens),
        (n as u64, Some(n as u64))
    );
}

#[test]
fn pursuit_of_a_sample_tells_what_the_encoder_adds() {
    let (model, rows) = text(1);
    let saes = dictionaries();
    let (ladder, _) = climbed(&model, &saes, &rows);
    let near = |got: f64, want: f64| (got - want).abs() <= 1e-5 * want.abs().max(1e-3);
    // Every nineteenth token of 1,860 is pursued: 98 of them.
    assert_eq!(ladder.pursued, Some(98));
    for (sae, rung) in saes.iter().zip(&ladder.rungs) {
        let (x, errors) = dense(&model, sae, &rows);
        let flat: Vec<f32> = (x.iter().step_by(19))
            .flat_map(|x| x.iter().map(|v| *v as f32))
            .collect();
        let sample = Matrix::new(98, 32, flat).unwrap();
        let settings = pursuit::Settings::default();
        let codes = pursuit::pursue(sae, &sample, &[4; 98], settings).unwrap();
        let decoded = sae.decode(&codes, &sample).unwrap();
        let left = (sample.values().iter().zip(decoded.values()))
            .map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2));
        let whole: f64 = errors.iter().step_by(19).map(|e| norm(e).powi(2)).sum();
        let want = rung.fvu * (1.0 - left.sum::<f64>() / whole);
        assert!(near(rung.introduced.unwrap(), want), "{rung:?} {want}");
    }
}

#[test]
fn intervals_are_those_of_documents_drawn_whole() {
    let (model, rows) = text(1);
    let saes = dictionaries();
    let (ladder, _) = climbed(&model, &saes, &rows);
    let blocks = Blocks::new(&rows);
    let draws = Resampled::new(blocks.len(), 60, 0);
    let counted: Vec<usize> = (0..rows.tokens().len())
        .filter(|at| at % rows.context() > 0)
        .collect();
    let by_dictionary: Vec<_> = saes.iter().map(|sae| dense(&model, sae, &rows)).collect();
    let mut laws = Vec::new();
    let mut drawn: Vec<Vec<f64>> = vec![Vec::new(); 4];
    for draw in 0..60 {
        let weights = draws.weights(draw);
        let times: Vec<f64> = counted
            .iter()
            .map(|at| f64::from(weights[blocks.of_token(*at)]))
            .collect();
        let figures: Vec<f64> = by_dictionary
            .iter()
            .map(|(x, e)| fvu(x, e, &times))
            .collect();
        for (all, figure) in drawn.iter_mut().zip(&figures) {
            all.push(*figure);
        }
        let rungs: Vec<(usize, f64)> = saes.iter().map(Sae::features).zip(figures).collect();
        laws.extend(PowerLaw::fit(&rungs).map(|law| law.c));
    }
    for (rung, drawn) in ladder.rungs.iter().zip(drawn) {
        let (got, want) = (rung.fvu_interval.unwrap(), interval(drawn).unwrap());
        assert!(
            (0..2).all(|i| (got[i] - want[i]).abs() < 1e-5),
            "{got:?} {want:?}"
        );
        assert!(got[0] < rung.fvu && rung.fvu < got[1]);
    }
    let law = ladder.law.unwrap();
    assert_eq!((law.fitted_draws, law.degrees_of_freedom), (laws.len(), 1));
    let (got, want) = (law.intervals.unwrap().c, interval(laws).unwrap());
    assert!(
        (0..2).all(|i| (got[i] - want[i]).abs() < 1e-3),
        "{got:?} {want:?}"
    );
}

#[test]
fn passages_are_consecutive_tokens_and_causes_sum_to_the_fvu() {
    let (model, rows) = text(1);
    let (ladder, _) = climbed(&model, &dictionaries(), &rows);
    assert_eq!(ladder.passages.len(), 12);
    let passage = &ladder.passages[1];
    // A row holds 31 tokens that count, so a passage of 40 goes on in the next row; the second begins with row 5.
    assert_eq!(passage.tokens.len(), 40);
    let shown = |at: usize| model.codec().display(rows.tokens()[at]);
    assert_eq!(passage.tokens[0], shown(5 * 32 + 1));
    assert_eq!(passage.tokens[39], shown(6 * 32 + 9));
    assert_eq!(passage.document, "document 1");
    let (_, errors) = dense(&model, &dictionaries()[2], &rows);
    let got = f64::from(passage.norms[2][39]);
    assert!((got - norm(&errors[6 * 31 + 8])).abs() < 1e-4 * got);
    assert!(passage.nonlinear[2][39] > 0.0);
    for (causes, rung) in ladder.causes().unwrap().iter().zip(&ladder.rungs) {
        let sum = causes.unlearnt + causes.linear.unwrap() + causes.rest;
        assert!((sum - rung.fvu).abs() < 1e-12);
    }
    // Kept as JSON, it reads back: f32 exactly, f64 to a digit in the last place.
    let kept = serde_json::to_string(&ladder).unwrap();
    let read: Ladder = serde_json::from_str(&kept).unwrap();
    assert!(read.passages == ladder.passages && read.rungs.len() == 4);
    let (got, want) = (read.law.unwrap().law, ladder.law.unwrap().law);
    assert!((got.c - want.c).abs() < 1e-12 && (got.a - want.a).abs() < 1e-12);
}

#[test]
fn the_number_of_threads_changes_nothing_and_an_observer_stops_it() {
    let (model, rows) = text(1);
    let saes = dictionaries();
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| climbed(&model, &saes, &rows).0)
    };
    assert_eq!(with(1), with(3));
    let all: Vec<Autoencoder<'_>> = saes.iter().map(|sae| sae.autoencoder().unwrap()).collect();
    let settings = Settings::default();
    let stop = &mut |_: Progress| ControlFlow::Break(());
    let ended = Ladder::measure(&model, (&all, None), &rows, &settings, stop).unwrap();
    assert!(ended.is_stopped());
    assert!(
        LinearParts::fit(&model, &all, (&rows, &rows), stop)
            .unwrap()
            .is_stopped()
    );
}

#[test]
fn dictionaries_of_different_hooks_heads_or_models_are_refused() {
    let refused = |change: &dyn Fn(&mut Sae), word: &str| {
        let mut other = dictionary(64, 3);
        change(&mut other);
        let fit = Fit::of_ladder(&[&dictionary(32, 1), &other]);
        assert!(fit.is_refused() && fit.why.contains(word), "{word}: {fit}");
    };
    let fit = Fit::of_ladder(&[&dictionary(32, 1), &dictionary(64, 3)]);
    assert_eq!(fit.verdict, Verdict::Proven);
    refused(
        &|sae| sae.provenance.hook = Some(HookPoint::block(0, Site::ResidPost)),
        "blocks.0.hook_resid_post",
    );
    refused(&|sae| sae.provenance.head = Some(Head(1)), "head");
    refused(&|sae| *sae = dictionary(32, 1), "twice");
    let of_parent = |sae: &mut Sae| {
        let part = ErrorOf::new(dictionary(16, 7), ErrorPart::Whole, None, "parent").unwrap();
        sae.error_of = Some(part.into());
    };
    refused(&of_parent, "the error of wide-16");
    let named = |print: &str| {
        let mut sae = dictionary(32 + print.len(), 1);
        let other = &mut sae.provenance.other;
        other.insert(MODEL_FINGERPRINT.to_owned(), print.into());
        sae
    };
    let fit = Fit::of_ladder(&[&named("aa"), &named("bbb")]);
    assert!(fit.is_refused() && fit.why.contains("fingerprint"), "{fit}");
    assert!(Fit::of_ladder(&[&dictionary(32, 1)]).is_refused());
    // One that records no model may stand beside one that does.
    assert!(!Fit::of_ladder(&[&named("aa"), &dictionary(64, 3)]).is_refused());
    let (model, rows) = text(1);
    let one = dictionary(32, 1);
    let all = [one.autoencoder().unwrap()];
    let settings = Settings::default();
    let refused = Ladder::measure(&model, (&all, None), &rows, &settings, &mut go).unwrap_err();
    assert!(
        refused.to_string().contains("two dictionaries"),
        "{refused}"
    );
}

#[test]
fn sentences_say_what_the_figures_decide() {
    let rung = |features: usize, fvu: f64, l0: f64| Rung {
        name: format!("w{features}"),
        fingerprint: String::new(),
        features,
        tokens_seen: Some(1_000),
        l0,
        fvu,
        fvu_interval: None,
        norm_mean: 1.0,
        linear: None,
        introduced: None,
    };
    let ladder = |fvus: [f64; 4], c: [f64; 2]| {
        let widths = [256, 512, 1024, 2048];
        let rungs: Vec<Rung> = widths
            .iter()
            .zip(fvus)
            .map(|(f, v)| rung(*f, v, 32.0))
            .collect();
        let points: Vec<(usize, f64)> = rungs.iter().map(|r| (r.features, r.fvu)).collect();
        let law = PowerLaw::fit(&points).map(|law| Law {
            law,
            intervals: Some(LawIntervals {
                a: [0.0, 9.0],
                b: [0.1, 2.0],
                c,
            }),
            fitted_draws: 10,
            degrees_of_freedom: 1,
        });
        Ladder {
            hook: "blocks.2.hook_resid_post".to_owned(),
            rungs,
            token_r2: Vec::new(),
            nonlinear_gain: Vec::new(),
            law,
            passages: Vec::new(),
            tokens: 9,
            fit_tokens: None,
            pursued: None,
            blocks: "9 runs of rows".to_owned(),
            draws: 10,
        }
    };
    let says = |ladder: &Ladder, word: &str| {
        let said = ladder.conclusion();
        assert!(said.contains(word), "{word}: {said}");
    };
    let falling = ladder([0.4, 0.3, 0.25, 0.225], [0.18, 0.22]);
    says(
        &falling,
        "levels off at 0.200 (95 % interval 0.180 to 0.220): 89 % of what",
    );
    says(
        &ladder([0.4, 0.3, 0.25, 0.225], [0.0, 0.22]),
        "do not decide",
    );
    says(&ladder([0.3, 0.31, 0.33, 0.35], [0.1, 0.2]), "did not help");
    says(
        &ladder([0.4, 0.3, 0.2, 0.25], [0.1, 0.2]),
        "from 0.400 to 0.250 and is least, 0.200, at 1024 features",
    );
    let noted = |ladder: &Ladder, word: &str| ladder.notes().iter().any(|note| note.contains(word));
    assert!(noted(&falling, "one degree of freedom"));
    let mut unequal = falling.clone();
    unequal.rungs[3].l0 = 64.0;
    assert!(noted(&unequal, "w2048 64.0") && !noted(&falling, "differ in L0"));
    let mut longer = falling.clone();
    longer.rungs[3].tokens_seen = Some(4_000);
    assert!(noted(&longer, "w1024 1000, w2048 4000") && !noted(&falling, "different numbers"));
    let mut few = falling;
    few.rungs.truncate(3);
    few.law = None;
    says(&few, "takes four dictionaries or more, these are 3");
}
