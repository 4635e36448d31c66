//! Direct contributions of every family against torch, and their sums.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::*;
use crate::formats;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(name)
}

/// Contributions to a target as `tests/golden/causes.py` has them.
#[derive(Debug, Deserialize)]
struct Wanted {
    model_value: f64,
    whole: f64,
    parts: BTreeMap<String, f64>,
}

const TWO: Target = Target::Difference {
    right: TokenId(17),
    wrong: TokenId(300),
};

fn tokens() -> Vec<TokenId> {
    (0..9).map(|i| TokenId((i * 97 + 5) % 512)).collect()
}

#[test]
fn every_family_is_taken_apart_as_torch_does_and_sums_to_its_target() {
    let text = std::fs::read_to_string(golden("causes/direct.json")).unwrap();
    let all: BTreeMap<String, BTreeMap<String, Wanted>> = serde_json::from_str(&text).unwrap();
    assert_eq!(all.len(), 10);
    for (family, targets) in &all {
        let model = Model::open(&golden(&format!("tiny-{family}"))).unwrap().0;
        for (target, wanted) in [
            (Target::Logit(TokenId(17)), &targets["logit"]),
            (TWO, &targets["difference"]),
        ] {
            let found = components(&model, None, &tokens(), target)
                .unwrap()
                .unwrap();
            let names: Vec<String> = found.parts.iter().map(|one| one.part.to_string()).collect();
            let mut sorted = names.clone();
            sorted.sort();
            assert_eq!(
                sorted,
                wanted.parts.keys().cloned().collect::<Vec<_>>(),
                "{family}"
            );
            for (one, name) in found.parts.iter().zip(&names) {
                // f32 passes against f64: hidden values of size 10.
                let off = (one.value - wanted.parts[name]).abs();
                assert!(
                    off < 5e-5,
                    "{family} {name}: {} {}",
                    one.value,
                    wanted.parts[name]
                );
            }
            assert!((found.sum() - found.target).abs() < 1e-4, "{family}");
            assert!((found.target - wanted.whole).abs() < 1e-4, "{family}");
            let capped = (wanted.model_value - wanted.whole).abs() > 0.1;
            assert_eq!(found.is_before_cap, capped, "{family}");
        }
        assert_eq!(
            components(&model, None, &tokens(), Target::Loss).unwrap(),
            None
        );
    }
}

#[test]
fn parts_of_a_dictionary_sum_to_what_it_reads() {
    let demo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
    let model = Model::open(&demo.join("model")).unwrap().0;
    let tokens = model
        .codec()
        .encode_with_bos("Alice was beginning to get very")
        .unwrap();
    let target = Target::parse("logit:  the -  a", model.codec()).unwrap();
    for name in ["attn-1", "resid-2"] {
        let sae = formats::open(&demo.join("saes").join(name)).unwrap().0;
        let sae = sae.by_token().unwrap();
        let found = components(&model, Some(sae), &tokens, target)
            .unwrap()
            .unwrap();
        assert!((found.sum() - found.target).abs() < 1e-4);
        let direct = found.direct.as_ref().unwrap();
        let features: f64 = direct.features.iter().map(|one| one.2).sum();
        assert!(
            (features + direct.b_dec + direct.error - direct.whole).abs() < 1e-4,
            "{name}"
        );
        // What the dictionary reads is written by these parts.
        let below = found.parts.iter().filter(|one| match (name, one.part) {
            ("attn-1", part) => matches!(part, Part::Head(Layer(1), _)),
            (_, Part::FinalNormBias | Part::UnembedBias) => false,
            (_, part) => part.layer().is_none_or(|layer| layer <= Layer(2)),
        });
        let below: f64 = below.map(|one| one.value).sum();
        assert!(
            (below - direct.whole).abs() < 1e-4,
            "{name} {below} {}",
            direct.whole
        );
        assert!(
            direct
                .features
                .windows(2)
                .all(|two| two[0].2.abs() >= two[1].2.abs())
        );
    }
    let said = components(&model, None, &tokens, target)
        .unwrap()
        .unwrap()
        .conclusion("it");
    assert!(
        said.contains(" writes most") && said.contains("sum to"),
        "{said}"
    );
}
