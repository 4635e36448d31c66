//! Writes scores into an index and reads them back.

use std::path::Path;

use super::*;
use crate::features::Index;

#[test]
fn scores_come_back_from_the_index_and_leave_the_rest_of_it_alone() {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo/indexes/attn-0.sqlite");
    let index = Index::open(&demo).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("scored.sqlite");
    let effect = |x: f64, own: Option<f64>| Effect {
        effect: x,
        kl: x / 3.0,
        selectivity: own,
        wins: own.map(|own| own / 7.0),
    };
    let score = |feature: u32, own: Option<f64>| Score {
        feature: FeatureId(feature),
        contexts: 60 + feature,
        effects: [0.1, 0.2, 0.3, 0.4].map(|x| effect(x * f64::from(feature + 1), own)),
    };
    let scores = Scores {
        asked: Asked {
            contexts: 64,
            tokens: 32,
            seed: u64::MAX,
            text: "held-out text".to_owned(),
            fingerprint: "ab".to_owned(),
        },
        norm: 12.345_678_901_234_5,
        live: 3,
        scores: vec![score(0, Some(0.25)), score(5, None)],
    };
    write(&index, &scores, &out).unwrap();
    let again = Index::open(&out).unwrap();
    assert_eq!(again.scores().unwrap().unwrap(), scores);
    assert_eq!(again.summaries().unwrap(), index.summaries().unwrap());
    assert_eq!(again.families().unwrap(), index.families().unwrap());
    assert_eq!(scores.of(FeatureId(5)).unwrap().contexts, 65);
    assert_eq!(scores.of(FeatureId(4)), None);
    assert!(!scores.is_whole());
    // Written over: the scores of before are gone.
    let fewer = Scores {
        scores: vec![score(7, None)],
        ..scores
    };
    write(&again, &fewer, &out).unwrap();
    let third = Index::open(&out).unwrap();
    assert_eq!(third.scores().unwrap().unwrap(), fewer);
    assert!(
        fewer.conclusion().contains("1 of 3 live features so far"),
        "{}",
        fewer.conclusion()
    );
}
