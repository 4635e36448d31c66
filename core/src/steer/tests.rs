//! What steering and splicing leave alone, bit by bit, and what they move by how much.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::shift::{divergence, log_probabilities};
use super::*;
use crate::dims::Matrix;
use crate::ids::{HookPoint, Site};
use crate::models::{Hooks, NoHooks, Start, token_tensor};
use crate::sae::{Provenance, Selection};

const TEXT: &str = "The old rabbit looked at the clock and said";

fn demo() -> Model {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo/model");
    Model::open(&folder).unwrap().0
}

fn random_sae(model: &Model, hook: HookPoint) -> Sae {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let d = model.width(hook).unwrap();
    let mut random = |rows: usize, columns: usize| {
        let values = (0..rows * columns)
            .map(|_| rng.random_range(-0.3..0.3))
            .collect();
        Matrix::new(rows, columns, values).unwrap()
    };
    Sae {
        name: "random".to_owned(),
        w_enc: random(64, d),
        b_enc: random(1, 64).into_values(),
        w_dec: random(64, d),
        b_dec: random(1, d).into_values(),
        selection: Selection::TopK { k: 4 },
        provenance: Provenance {
            hook: Some(hook),
            ..Provenance::default()
        },
    }
}

/// Keeps what `inner` makes of a hook's value.
struct Watched<'a> {
    inner: &'a mut dyn Hooks,
    hook: HookPoint,
    value: Option<Tensor>,
}

impl Hooks for Watched<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        hook == self.hook || self.inner.wants(hook)
    }

    fn visit(&mut self, hook: HookPoint, first: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let replaced = if self.inner.wants(hook) {
            self.inner.visit(hook, first, value)?
        } else {
            None
        };
        if hook == self.hook {
            self.value = Some(replaced.clone().unwrap_or_else(|| value.clone()));
        }
        Ok(replaced)
    }
}

/// Value at `hook` and logits, as bits.
fn passed(model: &Model, hook: HookPoint, inner: &mut dyn Hooks) -> (Vec<u32>, Vec<u32>) {
    let tokens = token_tensor(&[&model.codec().encode_with_bos(TEXT).unwrap()]).unwrap();
    let mut watched = Watched {
        inner,
        hook,
        value: None,
    };
    let logits = model
        .run(Start::Tokens(&tokens), &mut watched)
        .unwrap()
        .unwrap();
    let bits = |tensor: &Tensor| {
        let values = tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        values.into_iter().map(f32::to_bits).collect()
    };
    (bits(&watched.value.unwrap()), bits(&logits))
}

fn sites() -> [HookPoint; 2] {
    [
        HookPoint::block(1, Site::Z),
        HookPoint::block(2, Site::ResidPost),
    ]
}

#[test]
fn strength_moves_the_hook_by_exactly_that_many_rows_and_the_logits_move() {
    let model = demo();
    for hook in sites() {
        let sae = random_sae(&model, hook);
        let steering = Steering {
            feature: FeatureId(9),
            strength: 3.7,
        };
        let (clean, clean_logits) = passed(&model, hook, &mut NoHooks);
        let (moved, logits) = passed(&model, hook, &mut Addition::new(&sae, steering).unwrap());
        let d = sae.width();
        for (i, (moved, clean)) in moved.iter().zip(&clean).enumerate() {
            let clean = f32::from_bits(*clean);
            let want = if i < d {
                clean
            } else {
                clean + 3.7 * sae.w_dec.row(9)[i % d]
            };
            assert_eq!(*moved, want.to_bits(), "{hook}, entry {i}");
        }
        assert!(logits != clean_logits, "{hook}");
        // The first position was not touched, and nothing looks ahead.
        let v = model.config().vocab;
        assert_eq!(logits[..v], clean_logits[..v]);
    }
}

#[test]
fn strength_zero_and_unedited_splices_are_bit_identical() {
    let model = demo();
    for hook in sites() {
        let sae = random_sae(&model, hook);
        let clean = passed(&model, hook, &mut NoHooks);
        let none = Steering {
            feature: FeatureId(9),
            strength: 0.0,
        };
        assert!(passed(&model, hook, &mut Addition::new(&sae, none).unwrap()) == clean);
        // Edits that change nothing: the whole way through encode and decode.
        let same = (0..64)
            .map(|feature| Edit::Scale(FeatureId(feature), 1.0))
            .collect();
        assert!(passed(&model, hook, &mut Splice::new(&sae, same).unwrap()) == clean);
        assert!(passed(&model, hook, &mut Splice::new(&sae, Vec::new()).unwrap()) == clean);
    }
}

#[test]
fn a_splice_moves_the_hook_by_the_difference_of_the_decoded_and_keeps_the_error() {
    let model = demo();
    for hook in sites() {
        let sae = random_sae(&model, hook);
        let d = sae.width();
        let (clean, clean_logits) = passed(&model, hook, &mut NoHooks);
        let edits = vec![Edit::Set(FeatureId(9), 2.0), Edit::Scale(FeatureId(3), 0.0)];
        let (moved, logits) = passed(&model, hook, &mut Splice::new(&sae, edits).unwrap());
        assert!(logits != clean_logits);
        let values: Vec<f32> = clean.iter().map(|bits| f32::from_bits(*bits)).collect();
        let latents = sae
            .encode(&Matrix::new(values.len() / d, d, values.clone()).unwrap())
            .unwrap();
        for (i, (moved, value)) in moved.iter().zip(&values).enumerate() {
            let (row, j) = (i / d, i % d);
            let nine = 2.0 - latents.get(row, FeatureId(9));
            let three = -latents.get(row, FeatureId(3));
            let want = if row == 0 {
                *value
            } else {
                value + nine * sae.w_dec.row(9)[j] + three * sae.w_dec.row(3)[j]
            };
            let got = f32::from_bits(*moved);
            assert!((got - want).abs() < 1e-4, "{hook}, entry {i}: {got} {want}");
        }
    }
}

#[test]
fn two_streams_advance_in_turn_and_without_strength_say_the_same() {
    let model = demo();
    let sae = random_sae(&model, sites()[1]);
    let sampling = Sampling {
        tokens: 12,
        seed: 3,
        ..Sampling::default()
    };
    let texts = |strength: f32, most: usize| {
        let steering = Steering {
            feature: FeatureId(9),
            strength,
        };
        let mut order = Vec::new();
        let outcome = run(&model, &sae, TEXT, steering, &sampling, &mut |event| {
            if let Event::Token(stream, _, _) = event {
                order.push(stream);
            }
            if order.len() < most {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })
        .unwrap();
        (outcome, order)
    };
    let (same, order) = texts(0.0, 99);
    assert_eq!(same.baseline, same.steered);
    assert_eq!(
        (same.baseline.len(), same.kl, same.stopped),
        (12, 0.0, false)
    );
    assert!(
        order
            .chunks(2)
            .all(|pair| *pair == [Stream::Baseline, Stream::Steered])
    );
    let (steered, _) = texts(30.0, 99);
    assert_eq!(steered.baseline, same.baseline);
    assert!(
        steered.steered != steered.baseline && steered.kl > 0.01,
        "{steered:?}"
    );
    assert_eq!(steered.shift.len(), CHANGES);
    let changes: Vec<f32> = steered
        .shift
        .iter()
        .map(|c| (c.after - c.before).abs())
        .collect();
    assert!(changes.is_sorted_by(|a, b| a >= b), "{changes:?}");
    let (stopped, order) = texts(30.0, 5);
    assert!(stopped.stopped && order.len() == 5);
    assert_eq!((stopped.baseline.len(), stopped.steered.len()), (3, 2));
}

#[test]
fn cached_steering_equals_steering_of_the_whole_text() {
    let model = demo();
    let sae = random_sae(&model, sites()[0]);
    let steering = Steering {
        feature: FeatureId(1),
        strength: 8.0,
    };
    let sampling = Sampling {
        temperature: 0.0,
        tokens: 6,
        ..Sampling::default()
    };
    let outcome = run(&model, &sae, TEXT, steering, &sampling, &mut |_| {
        ControlFlow::Continue(())
    })
    .unwrap();
    let mut tokens = model.codec().encode_with_bos(TEXT).unwrap();
    for token in outcome.steered {
        let mut addition = Addition::new(&sae, steering).unwrap();
        let whole = token_tensor(&[&tokens]).unwrap();
        let logits = model
            .run(Start::Tokens(&whole), &mut addition)
            .unwrap()
            .unwrap();
        let last = Matrix::from_tensor(&logits, model.config().vocab).unwrap();
        let last = last.row(tokens.len() - 1);
        let best = (0..last.len())
            .max_by(|a, b| last[*a].total_cmp(&last[*b]))
            .unwrap();
        assert_eq!(token, TokenId::from(best));
        tokens.push(token);
    }
}

#[test]
fn divergence_and_log_probabilities_equal_their_definitions() {
    let logits = Tensor::new(&[1.0f32, 2.0, 3.0], &candle_core::Device::Cpu).unwrap();
    let after = log_probabilities(&logits).unwrap();
    let e = [1f64, 2.0, 3.0].map(f64::exp);
    for (got, e_i) in after.iter().zip(e) {
        assert!((got - (e_i / e.iter().sum::<f64>()).ln()).abs() < 1e-12);
    }
    let before = [0.5f64.ln(), 0.25f64.ln(), 0.25f64.ln()];
    let want: f64 = (0..3)
        .map(|i| after[i].exp() * (after[i] - before[i]))
        .sum();
    assert!((divergence(&before, &after) - want).abs() < 1e-12);
    assert_eq!(divergence(&after, &after), 0.0);
}

#[test]
fn what_cannot_be_added_is_refused() {
    let model = demo();
    let sae = random_sae(&model, sites()[0]);
    for (feature, strength, what) in [
        (64, 1.0, "0 to 63"),
        (0, f32::NAN, "strength"),
        (0, f32::INFINITY, "strength"),
    ] {
        let steering = Steering {
            feature: FeatureId(feature),
            strength,
        };
        let refused = Addition::new(&sae, steering).unwrap_err().to_string();
        assert!(refused.contains(what), "{refused}");
    }
    assert!(Splice::new(&sae, vec![Edit::Set(FeatureId(64), 1.0)]).is_err());
}
