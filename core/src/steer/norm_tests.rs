//! Checks edits of codes read from normalised tokens: every normalisation with every error term, compared with an independent definition in f64 and with
//! SAELens.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::apply::Value;
use super::edit::{Action, DictionaryEdit, Edit, ErrorTerm, LatentChange};
use super::positions::{Positions, Row};
use super::tests::random_probe;
use crate::dims::Matrix;
use crate::formats;
use crate::ids::{FeatureId, HookPoint, Site, TokenId};
use crate::models::read_tensors;
use crate::sae::{InputNorm, Sae, TopK};

const D: usize = 6;
const F: usize = 10;
const N: usize = 5;
const K: usize = 3;
const HOOK: HookPoint = HookPoint::Block(crate::ids::Layer(1), Site::ResidPost);

fn random(rows: usize, columns: usize, seed: u64) -> Matrix {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..rows * columns).map(|_| rng.random_range(-1.0..1.0));
    Matrix::new(rows, columns, values.collect()).unwrap()
}

fn edit(sae: &Arc<Sae>, changes: Vec<LatentChange>, error: ErrorTerm) -> DictionaryEdit {
    DictionaryEdit::new(Arc::clone(sae), changes, error).unwrap()
}

/// Applies `edit` to `x`, where the run without edits holds `clean`.
fn applied(edit: DictionaryEdit, x: &Matrix, clean: &Matrix) -> Matrix {
    let tensor = |m: &Matrix| {
        Tensor::from_vec(
            m.values().to_vec(),
            (1, m.rows(), m.columns()),
            &Device::Cpu,
        )
        .unwrap()
    };
    let edit = Edit {
        hook: HOOK,
        action: Action::Dictionary(edit),
        positions: Positions::all(),
        rows: None,
        heads: None,
    };
    let mut value = Value::new(HOOK, &tensor(x)).unwrap();
    let row = Row::new(&vec![TokenId(0); x.rows()], x.rows());
    let tokens = value.reached(&edit, 0, &[row]);
    let clean = super::edits::Clean::from([(HOOK, tensor(clean))]);
    let met = super::apply::Met {
        hook: HOOK,
        first: 0,
        clean: &clean,
        read: None,
    };
    super::apply::apply(&edit, &mut value, &tokens, &met).unwrap();
    Matrix::new(x.rows(), x.columns(), value.numbers).unwrap()
}

/// Normalisation of a token before a dictionary reads it, as PyTorch would write it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// No normalisation, `none`.
    Plain,
    /// `expected_average_only_in`: one factor for all tokens, which the program folds into the weights.
    Expected(f64),
    /// `layer_norm`; OpenAI's is the same.
    Layer,
    /// `constant_norm_rescale`.
    Constant,
}

/// Normalised token, with the factor and the shift that map an output back.
fn read(kind: Kind, x: &[f64]) -> (Vec<f64>, f64, f64) {
    let d = x.len() as f64;
    match kind {
        Kind::Plain => (x.to_vec(), 1.0, 0.0),
        Kind::Expected(c) => (x.iter().map(|x| x * c).collect(), 1.0 / c, 0.0),
        Kind::Layer => {
            // mu = x.mean(); x = x - mu; std = x.std(); x / (std + 1e-5); back: x * std + mu
            let mu = x.iter().sum::<f64>() / d;
            let about: Vec<f64> = x.iter().map(|x| x - mu).collect();
            let std = (about.iter().map(|x| x * x).sum::<f64>() / (d - 1.0)).sqrt();
            (about.iter().map(|x| x / (std + 1e-5)).collect(), std, mu)
        }
        Kind::Constant => {
            // coeff = d ** 0.5 / x.norm(); x * coeff; back: x / coeff
            let coeff = d.sqrt() / x.iter().map(|x| x * x).sum::<f64>().sqrt();
            (x.iter().map(|x| x * coeff).collect(), 1.0 / coeff, 0.0)
        }
    }
}

fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|x| f64::from(*x)).collect()
}

/// Dictionary in its trained form: encodes a token, and decodes a code with that token's numbers.
struct Defined<'a> {
    sae: &'a Sae,
    kind: Kind,
}

impl Defined<'_> {
    fn code(&self, x: &[f64]) -> Vec<f64> {
        let (read, ..) = read(self.kind, x);
        let mut pre: Vec<f64> = (0..F)
            .map(|f| {
                let w = wide(self.sae.w_enc.row(f));
                let centred = read.iter().zip(&self.sae.b_dec);
                let dot: f64 = centred
                    .zip(w)
                    .map(|((x, b), w)| (x - f64::from(*b)) * w)
                    .sum();
                dot + f64::from(self.sae.b_enc[f])
            })
            .collect();
        let mut sorted = pre.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        for pre in &mut pre {
            if *pre < sorted[K - 1] || *pre <= 0.0 {
                *pre = 0.0;
            }
        }
        pre
    }

    fn decoded(&self, code: &[f64], x: &[f64]) -> Vec<f64> {
        let (_, back, shift) = read(self.kind, x);
        (0..D)
            .map(|j| {
                let sum: f64 = (0..F)
                    .map(|f| code[f] * f64::from(self.sae.w_dec.row(f)[j]))
                    .sum();
                (sum + f64::from(self.sae.b_dec[j])) * back + shift
            })
            .collect()
    }
}

fn dictionary(norm: InputNorm) -> Sae {
    Sae::new(
        "made up",
        (random(F, D, 1), random(1, F, 2).into_values()),
        (random(F, D, 3), random(1, D, 4).into_values()),
        TopK { k: K },
    )
    .with_input_norm(norm)
}

#[test]
fn every_normalisation_and_every_error_term_follow_the_definition() {
    let clean = random(N, D, 21);
    // Lengths, means and directions differ from the run without edits.
    let noise = random(N, D, 22);
    let mut x = clean.clone();
    for (x, noise) in x.values_mut().iter_mut().zip(noise.values()) {
        *x = 3.0 * *x + 0.4 * noise + 1.5;
    }
    let changes = [
        LatentChange::Set(FeatureId(9), 2.0),
        LatentChange::Scale(FeatureId(3), -1.5),
        LatentChange::Add(FeatureId(1), 0.75),
    ];
    for kind in [
        Kind::Plain,
        Kind::Expected(0.37),
        Kind::Layer,
        Kind::Constant,
    ] {
        let trained = dictionary(match kind {
            Kind::Plain | Kind::Expected(_) => InputNorm::None,
            Kind::Layer => InputNorm::Layer,
            Kind::Constant => InputNorm::Constant,
        });
        let mut used = trained.clone();
        let mut unit = 1.0;
        if let Kind::Expected(c) = kind {
            used.fold_scale(c as f32).unwrap();
            // Folding may have changed the units of codes; a change must follow.
            let (a, b) = (trained.w_dec.row(0)[0], used.w_dec.row(0)[0]);
            unit = f64::from(a) / c / f64::from(b);
        }
        let scaled = |change: &LatentChange| match *change {
            LatentChange::Set(f, x) => LatentChange::Set(f, (f64::from(x) * unit) as f32),
            LatentChange::Add(f, x) => LatentChange::Add(f, (f64::from(x) * unit) as f32),
            scale @ LatentChange::Scale(..) => scale,
        };
        let (probe, sae) = (random_probe(&used), Arc::new(used));
        let defined = Defined {
            sae: &trained,
            kind,
        };
        for term in [
            ErrorTerm::Kept,
            ErrorTerm::Dropped,
            ErrorTerm::Frozen,
            ErrorTerm::Linear(Arc::clone(&probe)),
            ErrorTerm::Nonlinear(Arc::clone(&probe)),
        ] {
            let edit = edit(&sae, changes.iter().map(scaled).collect(), term.clone());
            let got = applied(edit, &x, &clean);
            for i in 0..N {
                let (x, clean) = (wide(x.row(i)), wide(clean.row(i)));
                let code = defined.code(&x);
                let mut edited = code.clone();
                edited[9] = 2.0;
                edited[3] *= -1.5;
                edited[1] += 0.75;
                let made = defined.decoded(&edited, &x);
                let own = defined.decoded(&code, &x);
                let before = defined.decoded(&defined.code(&clean), &clean);
                for j in 0..D {
                    let linear: f64 = (0..D)
                        .map(|i| x[i] * f64::from(probe.weights.row(i)[j]))
                        .sum::<f64>()
                        + f64::from(probe.weights.row(D)[j]);
                    let error = match &term {
                        ErrorTerm::Kept => x[j] - own[j],
                        ErrorTerm::Dropped => 0.0,
                        ErrorTerm::Frozen => clean[j] - before[j],
                        ErrorTerm::Linear(_) => linear,
                        ErrorTerm::Nonlinear(_) => x[j] - own[j] - linear,
                    };
                    let (got, want) = (f64::from(got.row(i)[j]), made[j] + error);
                    assert!(
                        (got - want).abs() < 3e-5,
                        "{kind:?} {term:?} {i} {j}: {got} {want}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_frozen_error_and_an_unchanged_code_are_the_clean_value_bit_by_bit() {
    let clean = random(N, D, 21);
    for norm in [InputNorm::None, InputNorm::Layer, InputNorm::Constant] {
        let sae = Arc::new(dictionary(norm));
        let same = (0..F as u32)
            .map(|f| LatentChange::Scale(FeatureId(f), 1.0))
            .collect();
        for changes in [Vec::new(), same] {
            let edit = edit(&sae, changes, ErrorTerm::Frozen);
            assert_eq!(
                applied(edit, &clean, &clean).values(),
                clean.values(),
                "{norm:?}"
            );
        }
    }
}

#[test]
fn a_token_three_times_as_long_keeps_its_code_and_grows_by_its_own_reconstruction() {
    let clean = random(N, D, 21);
    let mut x = clean.clone();
    x.values_mut().iter_mut().for_each(|x| *x *= 3.0);
    let sae = Arc::new(dictionary(InputNorm::Constant));
    let edit = edit(&sae, Vec::new(), ErrorTerm::Frozen);
    let got = applied(edit, &x, &clean);
    let once = sae.decode(&sae.encode(&clean).unwrap(), &clean).unwrap();
    for (got, (clean, once)) in got
        .values()
        .iter()
        .zip(clean.values().iter().zip(once.values()))
    {
        assert!(
            (got - (clean + 2.0 * once)).abs() < 1e-5,
            "{got} {clean} {once}"
        );
    }
}

#[test]
fn edits_of_normalised_codes_equal_those_of_sae_lens() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let names = [
        "standard",
        "standard-layer_norm",
        "gated-layer_norm",
        "jumprelu-constant_norm_rescale",
        "jumprelu-not-applied-layer_norm",
    ];
    for name in names {
        let folder: PathBuf = golden.join("sae-lens-variants").join(name);
        let sae = Arc::new(formats::open(&folder).unwrap().0);
        let file = golden.join("steered").join(format!("{name}.safetensors"));
        let tensors = read_tensors(&file).unwrap();
        let matrix = |key: &str| Matrix::from_tensor(&tensors[key], sae.width()).unwrap();
        let (clean, x) = (matrix("clean"), matrix("x"));
        for (key, error) in [
            ("kept", ErrorTerm::Kept),
            ("dropped", ErrorTerm::Dropped),
            ("frozen", ErrorTerm::Frozen),
        ] {
            let changes = vec![
                LatentChange::Set(FeatureId(9), 2.0),
                LatentChange::Scale(FeatureId(3), -1.5),
                LatentChange::Add(FeatureId(11), -0.5),
            ];
            let edit = edit(&sae, changes, error);
            let (got, want) = (applied(edit, &x, &clean), matrix(key));
            let most = want
                .values()
                .iter()
                .fold(0.0_f32, |most, x| most.max(x.abs()));
            for (got, want) in got.values().iter().zip(want.values()) {
                assert!(
                    (got - want).abs() < 1e-5 * most,
                    "{name} {key}: {got} {want}"
                );
            }
        }
    }
}
