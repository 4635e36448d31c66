//! Compares reports of synthetic features with stored files.

use super::html::{count, significant};
use super::*;
use crate::features::{self, Example, Histogram, Interval, Summary, TokenEffect};
use crate::ids::TokenId;
use crate::models::Unembed;

const GOLDEN: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/golden/report/report.html"
);

fn example(tokens: [&str; 4], acts: [f32; 4], at: usize) -> Example {
    Example {
        document: "alice <in> \"wonderland\".txt".to_owned(),
        place: None,
        ids: (0..4).map(TokenId).collect(),
        tokens: tokens.map(str::to_owned).into(),
        acts: acts.into(),
        at,
    }
}

fn effect(id: u32, text: &str, effect: f32) -> TokenEffect {
    TokenEffect {
        id: TokenId(id),
        text: text.to_owned(),
        effect,
    }
}

fn detail() -> Detail {
    let top = example(["The", " <king>", "\n", "&\u{1}"], [0.0, 6.25, 0.5, 0.0], 1);
    Detail {
        summary: Summary {
            feature: FeatureId(12),
            density: 0.000_123_4,
            mean: 1.25,
            min: 0.0,
            max: 6.25,
            decoder_norm: 1.0,
        },
        histogram: Histogram {
            edges: vec![0.0, 2.5, 5.0, 6.25],
            counts: vec![12_345, 0, 3],
        },
        intervals: vec![Interval {
            from: 5.0,
            to: 6.25,
            share: 0.25,
            examples: vec![top.clone()],
        }],
        top: vec![top],
        promoted: vec![effect(7, " queen", 1.5)],
        suppressed: vec![effect(8, "</script>", -0.25)],
        logits: Histogram::default(),
        head_shares: vec![0.75, 0.25],
        ..Detail::default()
    }
}

fn report() -> Report {
    let dead = Detail {
        summary: Summary {
            feature: FeatureId(3),
            ..Summary::default()
        },
        ..Detail::default()
    };
    Report {
        about: About {
            sae: "demo z".to_owned(),
            model: "demo-model".to_owned(),
            hook: "blocks.1.attn.hook_z".to_owned(),
            corpus: "alice.txt".to_owned(),
            corpus_fingerprint: "ab".repeat(32),
            tokens: 25_500,
            seed: 4,
            version: "0.1.0".to_owned(),
            attribution: false,
            form: 2,
            unembed: Unembed::Centred,
            features: 1024,
            context: 256,
            positions: crate::corpus::Positions::Text,
            separate_documents: false,
            left_out: Some(100),
            sae_fingerprint: "cd".repeat(32),
            model_fingerprint: "ef".repeat(32),
            facts: vec![("seed".to_owned(), "1".to_owned())],
        },
        version: "0.1.0".to_owned(),
        features: vec![
            Reported {
                label: "kings & queens".to_owned(),
                detail: detail(),
            },
            Reported {
                label: String::new(),
                detail: dead,
            },
        ],
    }
}

/// Compares the page with the stored one. To renew it after an intended change: delete it, run this test twice, and inspect the page.
#[test]
fn the_page_equals_the_stored_one() {
    let page = report().html();
    let Ok(stored) = std::fs::read_to_string(GOLDEN) else {
        std::fs::write(GOLDEN, page).unwrap();
        panic!("there was no stored page, it is written now: look at it");
    };
    for (n, (got, want)) in page.lines().zip(stored.lines()).enumerate() {
        assert_eq!(got, want, "line {}", n + 1);
    }
    assert_eq!(page.lines().count(), stored.lines().count());
}

#[test]
fn the_page_fetches_nothing_and_escapes_everything() {
    let page = report().html();
    for absent in [
        "http",
        "src=",
        "@import",
        "url(",
        "<script",
        "<king>",
        "</script>",
        "\u{1}",
    ] {
        assert!(!page.contains(absent), "{absent}");
    }
    for present in [
        "demo-model",
        "alice.txt",
        "kings &amp; queens",
        "&lt;king&gt;",
        "⏎",
        "prefers-color-scheme: dark",
        "W_O",
        "1/σ",
        "Never active on this text",
        "seed 1",
        "Umbra 0.1.0",
    ] {
        assert!(page.contains(present), "{present}");
    }
    for tag in ["section", "figure", "svg", "table", "ol", "span", "b", "dl"] {
        let opened =
            page.matches(&format!("<{tag} ")).count() + page.matches(&format!("<{tag}>")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

#[test]
fn near_duplicates_are_folded_and_stay_on_the_page() {
    let mut report = report();
    let top = &mut report.features[0].detail.top;
    let near = example(["A", " <king>", "\n", "!"], [0.0, 6.0, 0.0, 0.0], 1);
    let mut other = example(["far", " more", " of", " it"], [0.0, 5.0, 0.0, 0.0], 1);
    other.ids = (10..14).map(TokenId).collect();
    top.extend([other, near]);
    let page = report.html();
    let (_, list) = page.split_once("<h3>Strongest examples</h3>").unwrap();
    let (list, _) = list.split_once("<h3>5.00 to 6.25").unwrap();
    let shown: Vec<&str> = list.split("<span class=\"value\">").skip(1).collect();
    assert!(shown[0].starts_with("6.25") && shown[1].starts_with("6.00"));
    assert!(shown[0].contains("<summary>1 near-duplicate</summary>"));
    assert!(shown[2].starts_with("5.00"), "{list}");
    let (_, definition) = DEFINITIONS
        .iter()
        .find(|(name, _)| *name == "near-duplicates")
        .unwrap();
    assert!(definition.contains(features::NEAR_DUPLICATES.split_once(' ').unwrap().1));
}

#[test]
fn negative_activations_are_drawn_by_size_and_keep_their_sign() {
    let mut report = report();
    let signed = &mut report.features[0].detail;
    signed.summary.min = -12.5;
    signed.histogram.edges[0] = -12.5;
    signed.top[0].acts = vec![0.0, -12.5, 6.25, 0.0];
    let page = report.html();
    for present in [
        "<dt>min</dt><dd>-12.5</dd>",
        "<b class=\"below\" style=\"--a:1.000\" title=\"-12.5\">",
        "<span style=\"--a:0.500\" title=\"6.25\">",
        ">-12.5</text>",
        "-12.5 <span class=\"scale below\"></span> 0 <span class=\"scale\"></span> 12.5",
    ] {
        assert!(page.contains(present), "{present}");
    }
    assert_eq!(report.json()["features"][0]["min"], -12.5);
}

#[test]
fn json_names_the_same_things() {
    let json = report().json();
    let text = json.to_string();
    let again: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(again, json);
    assert_eq!(json["features"][0]["name"], "kings & queens");
    assert_eq!(json["features"][0]["label"], "kings & queens");
    assert_eq!(json["features"][0]["feature"], 12);
    assert_eq!(json["features"][0]["examples"][0]["activations"][1], 6.25);
    for key in [
        "model",
        "dictionary",
        "hook",
        "corpus",
        "tokens",
        "index_seed",
        "report_version",
        "definitions",
    ] {
        assert!(!json[key].is_null(), "{key}");
    }
}

#[test]
fn a_choice_is_parsed_or_refused() {
    let parse = |text: &str| text.parse::<Choice>();
    let listed = Choice::Listed(vec![FeatureId(1), FeatureId(20)]);
    assert_eq!(parse("1, 20").unwrap(), listed);
    assert_eq!(parse("top:3").unwrap(), Choice::Top(3));
    for wrong in ["", "top", "top:x", "1;2", "-1", "1,"] {
        let refused = parse(wrong).unwrap_err().to_string();
        assert!(refused.contains("top:10"), "{refused}");
    }
}

#[test]
fn numbers_have_three_digits_and_thin_spaces() {
    let cases = [
        (0.0, "0"),
        (0.012_34, "0.0123"),
        (1.0, "1.00"),
        (12.345, "12.3"),
        (999.6, "1000"),
        (12_345.6, "12\u{202f}346"),
        (1e-9, "1.00e-9"),
        (-2.5, "-2.50"),
    ];
    for (value, want) in cases {
        assert_eq!(significant(value), want);
    }
    assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
}

#[test]
fn a_feature_without_a_label_is_named_by_its_peak() {
    let named = |label: &str| {
        let (label, detail) = (label.to_owned(), detail());
        Reported { label, detail }.name()
    };
    assert_eq!(named("kings & queens"), "kings & queens");
    let top = &detail().top[0];
    let name = named("");
    assert!(
        name.contains(&format!("[{}]", top.tokens[top.at])),
        "{name}"
    );
}
