//! Made-up families of features, and a made-up test of a predicate.

use std::sync::Arc;

use umbra_core::features::families::{Families, Induction, Measured, Reach};
use umbra_core::features::predicate::lab::{LEVELS, Level, Tested};
use umbra_core::features::{Example, Place};
use umbra_core::ids::{FeatureId, TokenId};

use crate::state::catalogue::DictionaryId;
use crate::state::families::{Answer, Event as Changed, Key};
use crate::state::{AppState, Event, Load};

/// Made-up families: induction, local, long-range and unclear in turn.
pub(super) fn families(features: usize) -> Families {
    let measured = |i: usize| {
        let steady = [0.1, 0.4, 0.7, 0.9, 0.95, 1.02];
        let kept = match i % 4 {
            0 | 2 => [0.0, 0.1, 0.15, 0.2, 0.3, 0.5],
            1 => steady,
            _ => [0.2, 0.9, 0.5, 0.9, 0.9, 1.0],
        };
        let induction = Induction {
            target: TokenId(7),
            text: " rabbit".to_owned(),
            top: 40,
            top_holding: if i.is_multiple_of(4) { 38 } else { 6 },
            by_chance: 0.12,
            mass: 0.4,
        };
        Measured {
            feature: FeatureId::from(i),
            induction: Some(induction),
            reach: Some(Reach { kept, examples: 5 }),
        }
    };
    Families {
        features: (0..features).map(measured).collect(),
        rows: 120,
        tokens: 15_240,
        examples: 5,
        seed: 0,
    }
}

/// The answer to a made-up test of feature 0 of the first dictionary against `repeats(fuzzy)`.
fn tested() -> (Key, Answer) {
    let tokens = [" the", " White", " Rabbit", "\n", " said"];
    let example = |position: usize, act: f32| Example {
        document: "alice.txt".to_owned(),
        place: Some(Place { row: 2, position }),
        ids: (0..5).map(TokenId).collect(),
        tokens: tokens.iter().map(|token| (*token).to_owned()).collect(),
        acts: vec![0.0, 0.3, act, 0.0, 0.0],
        at: 2,
    };
    let level = |i: usize| Level {
        from: i as f64 / 2.0,
        to: (i + 1) as f64 / 2.0,
        holding: 800 / (i as u64 + 1),
        other: 3_000 / (i as u64 + 1).pow(3),
    };
    let levels: Vec<Level> = (0..LEVELS).map(level).collect();
    let both: u64 = levels.iter().map(|level| level.holding).sum();
    let other: u64 = levels.iter().map(|level| level.other).sum();
    let tested = Tested {
        feature: FeatureId(0),
        tokens: 200_041,
        active: both + other,
        holding: both + 77_000,
        both,
        max: 10.0,
        levels,
        top: 120,
        top_holding: 113,
        is_exact: true,
        missed: (0..20).map(|i| example(3 + i, 0.0)).collect(),
        others: (0..12).map(|i| example(30 + i, 4.0)).collect(),
    };
    let key = Key {
        dictionary: DictionaryId(0),
        feature: FeatureId(0),
        predicate: "repeats(fuzzy)".to_owned(),
    };
    let text = "200 041 tokens of girls.txt, alice.txt (unwrapped)".to_owned();
    (key, Answer { tested, text })
}

/// Brings the made-up test into `state`, as if it had run.
pub(super) fn test(state: &mut AppState) {
    let (key, answer) = tested();
    for event in [
        Changed::Predicate(key.predicate.clone()),
        Changed::Answer(key.clone(), Load::Loading),
        Changed::Answer(key, Load::Ready(Arc::new(answer))),
    ] {
        state.apply(Event::Families(event));
    }
}
