//! A report of made-up features: what its page and its JSON must and must not hold.

use super::*;
use crate::features::{Example, Histogram, Interval, Summary, TokenEffect};
use crate::ids::TokenId;

fn report() -> Report {
    let example = Example {
        document: "a <book>.txt".to_owned(),
        ids: vec![TokenId(1), TokenId(2)],
        tokens: vec!["the".to_owned(), " <king>\n".to_owned()],
        acts: vec![0.0, 2.5],
        at: 1,
    };
    let effect = |text: &str, effect| TokenEffect {
        id: TokenId(3),
        text: text.to_owned(),
        effect,
    };
    let detail = Detail {
        summary: Summary {
            feature: FeatureId(7),
            density: 0.001_234,
            mean: 1.25,
            max: 2.5,
            decoder_norm: 1.0,
        },
        histogram: Histogram {
            edges: vec![0.0, 1.25, 2.5],
            counts: vec![90, 3],
        },
        top: vec![example.clone()],
        intervals: vec![Interval {
            from: 2.0,
            to: 2.5,
            share: 0.25,
            examples: vec![example],
        }],
        promoted: vec![effect(" queen", 0.75)],
        suppressed: vec![effect(" fox", -0.5)],
        head_shares: vec![0.25, 0.75],
    };
    let silent = Detail {
        summary: Summary {
            feature: FeatureId(8),
            ..Summary::default()
        },
        ..Detail::default()
    };
    Report {
        about: About {
            sae: "attn-1".to_owned(),
            model: "demo".to_owned(),
            hook: "blocks.1.attn.hook_z".to_owned(),
            corpus: "held-out books".to_owned(),
            corpus_fingerprint: "abc".to_owned(),
            tokens: 1000,
            seed: 5,
            version: "0.1.0".to_owned(),
            features: 16,
            ..About::default()
        },
        features: vec![
            Entry {
                detail,
                label: Some("kings & \"queens\"".to_owned()),
            },
            Entry {
                detail: silent,
                label: None,
            },
        ],
    }
}

#[test]
fn the_page_names_its_sources_escapes_everything_and_fetches_nothing() {
    let page = html::page(&report());
    for present in [
        "attn-1",
        "demo",
        "blocks.1.attn.hook_z",
        "held-out books",
        "sha256 abc",
        "kings &amp; &quot;queens&quot;",
        "&lt;king&gt;⏎",
        "a &lt;book&gt;.txt",
        "density 0.123 %",
        "·queen",
        "+0.750",
        "-0.500",
        "75.0 %",
        "25.0 % of its active tokens",
        "Never active on this text",
        "prefers-color-scheme: dark",
        "color-mix(in srgb,var(--activation) 60%",
    ] {
        assert!(page.contains(present), "{present} is missing in {page}");
    }
    for absent in ["http", "<script", "<king>", "url(", "@import"] {
        assert!(!page.contains(absent), "{absent} stands in the page");
    }
    assert_eq!(page.matches("<div").count(), page.matches("</div>").count());
    assert_eq!(page.matches("<article").count(), 2);
}

#[test]
fn the_json_holds_every_feature_with_its_label() {
    let parsed: serde_json::Value = serde_json::from_str(&json::text(&report())).unwrap();
    assert_eq!(parsed["seed"], 5);
    assert_eq!(parsed["features"][0]["feature"], 7);
    assert_eq!(parsed["features"][0]["label"], "kings & \"queens\"");
    assert_eq!(
        parsed["features"][0]["examples"][0]["tokens"][1],
        " <king>\n"
    );
    assert_eq!(parsed["features"][1]["label"], serde_json::Value::Null);
    assert!(parsed["definitions"]["density"].is_string());
}
