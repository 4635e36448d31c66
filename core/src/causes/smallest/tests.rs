//! Holds the greedy searches against their definitions, written out over all features, and against steering.

use std::sync::Arc;

use candle_core::Tensor;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::reading::Reading;
use super::*;
use crate::causes::Target;
use crate::causes::golden_tests::tiny;
use crate::causes::rows::Text;
use crate::dark_matter::Probe;
use crate::dims::Matrix;
use crate::error::Error;
use crate::ids::Site;
use crate::models::{Model, token_tensor};
use crate::progress::{Flow, Progress};
use crate::sae::{InputNorm, Sae, TopK};
use crate::steer::{Edits, Materials};

fn on(_: Progress) -> Flow {
    Flow::Continue(())
}

fn random(rows: usize, columns: usize, seed: u64) -> Matrix {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..rows * columns).map(|_| rng.random_range(-0.5..0.5));
    Matrix::new(rows, columns, values.collect()).unwrap()
}

/// Dictionary of the stream that leaves the second block: random unit directions, each read and written.
fn random_sae(model: &Model, norm: InputNorm) -> Sae {
    let d = model.config().d_model;
    let mut rows = random(96, d, 1);
    for at in 0..rows.rows() {
        let row = rows.row_mut(at);
        let length = row.iter().map(|w| w * w).sum::<f32>().sqrt();
        for w in row {
            *w /= length;
        }
    }
    Sae::new(
        "random",
        (rows.clone(), random(1, 96, 2).into_values()),
        (rows, random(1, d, 4).into_values()),
        TopK { k: 6 },
    )
    .reading(HookPoint::block(1, Site::ResidPost))
    .with_input_norm(norm)
}

fn texts() -> [Vec<TokenId>; 2] {
    let ids = |numbers: [u32; 6]| numbers.map(TokenId).to_vec();
    [
        ids([5, 9, 100, 41, 7, 300]),
        ids([5, 80, 100, 41, 211, 300]),
    ]
}

/// Materials of edits by one dictionary.
struct One(Arc<Sae>);

impl Materials for One {
    fn dictionary(&mut self, _: Option<&str>) -> Result<Arc<Sae>> {
        Ok(Arc::clone(&self.0))
    }

    fn probe(&mut self, _: Option<&str>) -> Result<Arc<Probe>> {
        Err(Error::setting("probe", "there is none"))
    }

    fn mean(&mut self, _: HookPoint, _: Option<&str>) -> Result<Vec<f32>> {
        Err(Error::setting("mean", "there is none"))
    }
}

/// Logits of a text with edits, by the steering of the program.
fn steered(model: &Model, sae: &Arc<Sae>, tokens: &[TokenId], edits: &[EditSpec]) -> Tensor {
    let mut one = One(Arc::clone(sae));
    let edits = edits
        .iter()
        .map(|edit| edit.resolve(model, &mut one).unwrap());
    let edits = Edits::new(model, edits.collect()).unwrap();
    edits
        .logits(model, &token_tensor(&[tokens]).unwrap())
        .unwrap()
}

fn value(model: &Model, hook: HookPoint, tokens: &[TokenId]) -> Matrix {
    let input = token_tensor(&[tokens]).unwrap();
    let values = model.capture(&input, &[hook]).unwrap();
    Matrix::from_tensor(&values[&hook], model.width(hook).unwrap()).unwrap()
}

/// Distance of `a` from `b` at some positions.
fn distance(a: &Matrix, b: &Matrix, positions: &[usize]) -> f64 {
    let rows = positions
        .iter()
        .flat_map(|at| a.row(*at).iter().zip(b.row(*at)));
    rows.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
        .sum::<f64>()
        .sqrt()
}

/// Adds `by` times a direction at a position.
fn added(a: &Matrix, (at, by): (usize, f32), direction: &[f32]) -> Matrix {
    let mut moved = a.clone();
    let row = moved.row_mut(at).iter_mut().zip(direction);
    row.for_each(|(x, w)| *x += by * w);
    moved
}

#[test]
fn each_round_takes_the_edit_after_which_the_distance_is_least_and_never_lengthens_it() {
    let model = tiny("gpt2");
    let sae = random_sae(&model, InputNorm::None);
    let [clean, corrupt] = texts();
    for positions in [vec![5], vec![1, 4, 5]] {
        let request = TowardRequest {
            clean: &clean,
            corrupt: &corrupt,
            target: Some(Target::Logit(TokenId(17))),
            positions: &positions,
            rounds: 4,
        };
        let found = toward(&model, sae.by_token().unwrap(), &request, &mut on);
        let found = found.unwrap().done().unwrap();
        let [a_t, mut a] = [&clean, &corrupt].map(|tokens| value(&model, found.hook, tokens));
        let codes = [&a_t, &a].map(|x| sae.encode(x).unwrap());
        let Aim::Toward {
            distance: start, ..
        } = &found.aim
        else {
            panic!("{:?}", found.aim);
        };
        let mut last = distance(&a, &a_t, &positions);
        // Sums of 96 squares of f32 numbers.
        assert!((last - start).abs() < 1e-5);
        let mut used: Vec<(usize, FeatureId)> = Vec::new();
        for step in &found.steps {
            let unused = |of: &(usize, FeatureId)| !used.contains(of);
            let places = positions
                .iter()
                .flat_map(|at| (0..96_u32).map(|f| (*at, FeatureId(f))));
            // Every feature of the dictionary at every position, each distance from its definition.
            let moved = places.filter(unused).map(|(at, feature)| {
                let by = codes[0].get(at, feature) - codes[1].get(at, feature);
                let moved = added(&a, (at, by), sae.direction(feature).unwrap());
                (distance(&moved, &a_t, &positions), at, feature, moved)
            });
            let (now, at, feature, moved) = moved.min_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
            assert_eq!((step.position, step.feature), (at, feature));
            assert!(
                (step.distance.unwrap() - now).abs() < 1e-4,
                "{step:?} {now}"
            );
            assert!(now <= last);
            used.push((at, feature));
            (last, a) = (now, moved);
        }
        assert!(found.steps.len() >= 2, "{:?}", found.end);
        let fewer = TowardRequest {
            rounds: 2,
            ..request
        };
        let fewer = toward(&model, sae.by_token().unwrap(), &fewer, &mut on);
        assert_eq!(fewer.unwrap().done().unwrap().steps, found.steps[..2]);
    }
}

#[test]
fn the_steps_of_both_searches_are_edits_that_steering_makes_alike() {
    for (family, norm) in [
        ("gpt2", InputNorm::None),
        ("gemma2", InputNorm::Layer),
        ("llama", InputNorm::Constant),
    ] {
        let model = tiny(family);
        let sae = Arc::new(random_sae(&model, norm));
        let [clean, corrupt] = texts();
        let target = Target::Difference {
            right: TokenId(17),
            wrong: TokenId(402),
        };
        let request = TowardRequest {
            clean: &clean,
            corrupt: &corrupt,
            target: Some(target),
            positions: &[],
            rounds: 6,
        };
        let pair = toward(&model, sae.by_token().unwrap(), &request, &mut on);
        let pair = pair.unwrap().done().unwrap();
        assert_eq!(pair.positions, [1, 2, 3, 4, 5]);
        let start = pair.target.unwrap();
        let request = EffectRequest {
            tokens: &corrupt,
            goal: Goal::Value(target, start + 100.0),
            rounds: 4,
            candidates: 12,
        };
        let alone = effect(&model, sae.by_token().unwrap(), &request, &mut on);
        let alone = alone.unwrap().done().unwrap();
        assert_ne!(alone.end, End::Reached);
        for found in [&pair, &alone] {
            assert!((found.target.unwrap() - start).abs() < 1e-5);
            for steps in 0..=found.steps.len() {
                let edits = found.edits(steps).unwrap();
                let logits = steered(&model, &sae, &corrupt, &edits);
                let wanted = target.of_logits(&logits, &corrupt, 0).unwrap()[0];
                let value = match steps {
                    0 => found.target,
                    steps => found.steps[steps - 1].target,
                };
                // Two ways of adding movements in f32.
                assert!(
                    (value.unwrap() - wanted).abs() < 1e-4,
                    "{family} {steps}: {value:?} {wanted}"
                );
            }
            let moved = found.steps[0].target.unwrap() - start;
            assert!(moved.abs() > 1e-2, "{family}: {moved}");
        }
    }
}

fn removal(feature: FeatureId, act: f32, at: usize) -> EditSpec {
    let text = format!(
        "add-feature feature={feature} value={} positions={at}",
        -act
    );
    text.parse().unwrap()
}

#[test]
fn each_round_removes_the_feature_that_moves_the_target_most_and_ends_where_the_goal_is() {
    let model = tiny("llama");
    let sae = Arc::new(random_sae(&model, InputNorm::None));
    let [_, tokens] = texts();
    let target = Target::Loss;
    let search = |goal, rounds| {
        let request = EffectRequest {
            tokens: &tokens,
            goal,
            rounds,
            candidates: 1000,
        };
        let found = effect(&model, sae.by_token().unwrap(), &request, &mut on);
        found.unwrap().done().unwrap()
    };
    let value = value(&model, sae.hook().unwrap(), &tokens);
    let codes = sae.encode(&value).unwrap();
    for sign in [1.0, -1.0] {
        let found = search(Goal::Value(target, sign * 1000.0), 3);
        let mut edits: Vec<EditSpec> = Vec::new();
        for step in &found.steps {
            let taken = &found.steps[..edits.len()];
            let unused = |(at, (feature, _)): &(usize, (FeatureId, f32))| {
                let same = |one: &Step| (one.position, one.feature) == (*at, *feature);
                !taken.iter().any(same)
            };
            let places = (1..tokens.len()).flat_map(|at| codes.row(at).map(move |of| (at, of)));
            let values = places.filter(unused).map(|(at, (feature, act))| {
                let mut with = edits.clone();
                with.push(removal(feature, act, at));
                let logits = steered(&model, &sae, &tokens, &with);
                let value = target.of_logits(&logits, &tokens, 0).unwrap()[0];
                (sign * value, at, feature)
            });
            let (now, at, feature) = values.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
            let off = (sign * step.target.unwrap() - now).abs();
            assert!(off < 1e-4, "{step:?} {now}");
            assert_eq!((step.position, step.feature), (at, feature));
            edits.push(removal(feature, step.before, at));
        }
        assert_eq!(found.steps.len(), 3);
        // A goal just short of the second step needs two.
        let second = found.steps[1].target.unwrap() - sign * 1e-6;
        let reached = search(Goal::Value(target, second), 8);
        assert_eq!(
            (reached.end, &reached.steps),
            (End::Reached, &found.steps[..2].to_vec())
        );
        assert!(
            reached.conclusion().contains("2 edits"),
            "{}",
            reached.conclusion()
        );
    }
    let start = search(Goal::Value(target, 0.0), 0).target.unwrap();
    let nothing = search(Goal::Value(target, start), 8);
    assert_eq!((nothing.end, nothing.steps.len()), (End::Reached, 0));
}

#[test]
fn a_token_wins_when_no_other_logit_is_larger() {
    let model = tiny("gpt2");
    let sae = random_sae(&model, InputNorm::None);
    let [_, tokens] = texts();
    let search = |token| {
        let request = EffectRequest {
            tokens: &tokens,
            goal: Goal::Wins(token),
            rounds: 6,
            candidates: 64,
        };
        let found = effect(&model, sae.by_token().unwrap(), &request, &mut on);
        found.unwrap().done().unwrap()
    };
    let [first, second] = {
        let top = search(TokenId(0)).top;
        [top[0].id, top[1].id]
    };
    assert_eq!(
        (search(first).end, search(first).steps.len()),
        (End::Reached, 0)
    );
    let found = search(second);
    for (i, step) in found.steps.iter().enumerate() {
        let won = step.top[0].id == second;
        assert_eq!(won, step.target.unwrap() > 0.0);
        assert_eq!(won, found.end == End::Reached && i + 1 == found.steps.len());
    }
    assert!(!found.steps.is_empty());
    let json = serde_json::to_string(&found).unwrap();
    let again: Smallest = serde_json::from_str(&json).unwrap();
    assert_eq!(again.conclusion(), found.conclusion());
    assert_eq!(
        (again.end, again.steps.len()),
        (found.end, found.steps.len())
    );
}

#[test]
fn weights_of_a_position_sum_to_1_and_the_magnitude_adds_those_of_the_edited_features() {
    let model = tiny("gpt2");
    let sae = random_sae(&model, InputNorm::Layer);
    let [clean, corrupt] = texts();
    let text = Text {
        model: &model,
        tokens: &corrupt,
    };
    let reading = Reading::new(text, sae.by_token().unwrap()).unwrap();
    for position in 1..corrupt.len() {
        let weights = reading.weights(position).unwrap().unwrap();
        assert_eq!(weights.len(), 6);
        assert!(
            (weights.values().sum::<f64>() - 1.0).abs() < 1e-12,
            "{weights:?}"
        );
    }
    let request = TowardRequest {
        clean: &clean,
        corrupt: &corrupt,
        target: None,
        positions: &[4],
        rounds: 64,
    };
    let found = toward(&model, sae.by_token().unwrap(), &request, &mut on);
    let found = found.unwrap().done().unwrap();
    assert_eq!(found.end, End::NothingLeft);
    let mut sum = 0.0;
    for step in &found.steps {
        sum += step.weight.unwrap();
        assert!((step.magnitude - sum).abs() < 1e-12);
        assert_eq!(step.weight == Some(0.0), step.before == 0.0);
    }
    assert_eq!((found.target, found.steps[0].target), (None, None));
}

#[test]
fn positions_and_goals_that_cannot_be_are_refused() {
    let model = tiny("gpt2");
    let sae = random_sae(&model, InputNorm::None);
    let [clean, corrupt] = texts();
    for (clean, positions, said) in [
        (clean.as_slice(), &[0][..], "choose among 1 to 5"),
        (&clean, &[2, 6], "position 6"),
        (&clean[1..], &[], "5 tokens and the second 6"),
    ] {
        let request = TowardRequest {
            clean,
            corrupt: &corrupt,
            target: None,
            positions,
            rounds: 2,
        };
        let refused = toward(&model, sae.by_token().unwrap(), &request, &mut on);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains(said), "{refused}");
    }
    for goal in [
        Goal::Value(Target::Loss, f64::NAN),
        Goal::Wins(TokenId(512)),
    ] {
        let request = EffectRequest {
            tokens: &corrupt,
            goal,
            rounds: 2,
            candidates: 2,
        };
        assert!(effect(&model, sae.by_token().unwrap(), &request, &mut on).is_err());
    }
}

#[test]
fn the_least_edits_of_a_transcoder_act_where_it_writes_as_steering_does() {
    use crate::sae::{Role, Transcoder};
    let model = tiny("gpt2");
    let writes = HookPoint::block(1, Site::MlpOut);
    let sae = random_sae(&model, InputNorm::None)
        .reading(HookPoint::block(1, Site::Ln2Normalized))
        .with_role(Role::Transcoder(Transcoder {
            hook_out: Some(writes),
            w_skip: None,
        }));
    let sae = Arc::new(sae);
    let [_, tokens] = texts();
    let target = Target::Logit(TokenId(17));
    let start = {
        let logits = steered(&model, &sae, &tokens, &[]);
        target.of_logits(&logits, &tokens, 0).unwrap()[0]
    };
    let request = EffectRequest {
        tokens: &tokens,
        goal: Goal::Value(target, start + 1000.0),
        rounds: 3,
        candidates: 1000,
    };
    let found = effect(&model, sae.by_token().unwrap(), &request, &mut on);
    let found = found.unwrap().done().unwrap();
    assert_eq!((found.hook, found.steps.len()), (writes, 3));
    for taken in 1..=3 {
        let edits = found.edits(taken).unwrap();
        let logits = steered(&model, &sae, &tokens, &edits);
        let now = target.of_logits(&logits, &tokens, 0).unwrap()[0];
        let told = found.steps[taken - 1].target.unwrap();
        assert!((told - now).abs() < 1e-4, "{taken}: {told} {now}");
        assert!(now > start + 1e-3, "{now} {start}");
    }
}
