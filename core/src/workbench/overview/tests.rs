//! Every verdict from what is known, the order of rows, and the words on a model.

use std::path::PathBuf;
use std::sync::Arc;

use super::*;
use crate::corpus::Positions;
use crate::models::Model;

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo")
}

fn model() -> Arc<Model> {
    Arc::new(Model::open(&demo().join("model")).unwrap().0)
}

fn sae(name: &str) -> Sae {
    formats::open(&demo().join("saes").join(name)).unwrap().0
}

fn figures(fvu: f64) -> Figures {
    Figures {
        l0: 24.0,
        fvu,
        dead_fraction: 0.0,
        rare_fraction: 0.0,
        ce_clean: 3.0,
        ce_sae: 3.1,
        ce_zero: 9.0,
        ce_mean: 8.0,
        ce_recovered_zero: 0.98,
        ce_recovered_mean: 0.97,
        tokens: 1_000,
        positions: Positions::Text,
        left_out: Some(0),
        nearness: None,
        pair: None,
    }
}

#[track_caller]
fn check(known: &Known<'_>, sign: Sign, words: &str, why: &str) {
    let verdict = Row::new(known).verdict;
    assert_eq!((verdict.sign, verdict.words.as_str()), (sign, words));
    assert!(verdict.why.contains(why), "{}", verdict.why);
}

#[test]
fn a_verdict_tells_what_is_missing_and_what_was_measured() {
    let own = sae("attn-0");
    let pair = Pair::new(&model(), &Arc::new(own.clone()));
    let good = figures(0.1);
    let folder = demo().join("saes/attn-0");
    let known = Known {
        name: "attn-0",
        folder: Some(&folder),
        sae: Some(&own),
        pair: Some(&pair),
        figures: Some(&good),
        index: Indexed::Over(5),
        ..Known::default()
    };
    check(&known, Sign::Good, "fits the model", "same fingerprint");
    let unmeasured = Known {
        figures: None,
        ..known
    };
    check(&unmeasured, Sign::Open, "not evaluated", "not measured yet");
    let running = Known {
        is_measured_now: true,
        ..unmeasured
    };
    check(&running, Sign::Open, "being evaluated", "is running");
    let stale = Known {
        unmeasured: Some("made with another"),
        ..unmeasured
    };
    check(&stale, Sign::Open, "not evaluated", "made with another");
    check(
        &Known {
            pair: None,
            ..known
        },
        Sign::Open,
        "no model",
        "once the model",
    );
    let loading = Known { sae: None, ..known };
    check(&loading, Sign::Open, "loading", "being loaded");
    let failed = Known {
        failure: Some("ends early"),
        ..loading
    };
    check(&failed, Sign::Bad, "did not load", "ends early");
    for (fvu, words) in [
        (1.25, "does not reconstruct: FVU above 1"),
        (f64::NAN, "does not reconstruct: FVU is not a number"),
    ] {
        let bad = figures(fvu);
        let known = Known {
            figures: Some(&bad),
            ..known
        };
        check(&known, Sign::Bad, words, "mean activation is nearer");
    }
    let mut many = figures(0.1);
    many.l0 = 30.0;
    let differs = Known {
        figures: Some(&many),
        ..known
    };
    check(
        &differs,
        Sign::Warning,
        "differs from its files' figures",
        "k says 24",
    );
}

#[test]
fn a_verdict_tells_how_a_dictionary_fits_the_model() {
    let model = model();
    let good = figures(0.1);
    let judged = |change: fn(&mut Sae), sign: Sign, words: &str, why: &str| {
        let mut own = sae("attn-0");
        change(&mut own);
        let pair = Pair::new(&model, &Arc::new(own.clone()));
        let known = Known {
            name: "attn-0",
            sae: Some(&own),
            pair: Some(&pair),
            figures: Some(&good),
            ..Known::default()
        };
        check(&known, sign, words, why);
    };
    let print = |own: &mut Sae| {
        let print = serde_json::json!("0123456789abcdef");
        own.provenance
            .other
            .insert("model_fingerprint".to_owned(), print);
    };
    judged(
        print,
        Sign::Warning,
        "trained on another model",
        "0123456789ab",
    );
    let unproven = |own: &mut Sae| {
        own.provenance.other.remove("model_fingerprint");
    };
    judged(unproven, Sign::Open, "fits by hook and width", "");
    let unfit = |own: &mut Sae| own.provenance.hook = "blocks.99.hook_resid_post".parse().ok();
    judged(unfit, Sign::Bad, "does not fit the model", "99");
    let processed = |own: &mut Sae| {
        let steps = crate::models::Processing::transformer_lens();
        formats::name_processing(&mut own.provenance, steps);
    };
    judged(
        processed,
        Sign::Warning,
        "model is processed otherwise",
        "read with none here",
    );
}

#[test]
fn a_row_holds_what_the_columns_show() {
    let own = sae("attn-0");
    let measured = figures(0.25);
    let row = Row::new(&Known {
        name: "attn-0",
        sae: Some(&own),
        figures: Some(&measured),
        index: Indexed::Over(9_000),
        ..Known::default()
    });
    assert_eq!(row.shape, Some([256, 256]));
    assert_eq!(row.k, Some(24));
    let shown = [
        Column::Width,
        Column::K,
        Column::L0,
        Column::Fvu,
        Column::Index,
    ];
    assert_eq!(
        shown.map(|column| row.number(column)),
        [256.0, 24.0, 24.0, 0.25, 9_000.0].map(Some)
    );
    for column in Column::ALL {
        assert!(!column.definition().is_empty(), "{column:?}");
    }
}

#[test]
fn rows_sort_by_any_column_and_unknown_numbers_come_last() {
    let own = sae("attn-0");
    let row = |name: &str, fvu: Option<f64>| {
        let measured = fvu.map(figures);
        Row::new(&Known {
            name,
            sae: Some(&own),
            figures: measured.as_ref(),
            ..Known::default()
        })
    };
    let rows = [
        row("b", Some(0.5)),
        row("c", None),
        row("a", Some(0.1)),
        row("d", Some(1.5)),
    ];
    let sorted = |column: Column, descending: bool| {
        let mut sorted: Vec<&Row> = rows.iter().collect();
        sorted.sort_by(|x, y| column.compare(x, y, descending));
        sorted
            .iter()
            .map(|row| row.name.as_str())
            .collect::<String>()
    };
    assert_eq!(sorted(Column::Fvu, false), "abdc");
    assert_eq!(sorted(Column::Fvu, true), "dbac");
    assert_eq!(sorted(Column::Name, true), "dcba");
    // The bad verdict of `d` first, then those alike by name.
    assert_eq!(sorted(Column::Verdict, true), "dabc");
}

#[test]
fn a_model_is_told_in_plain_words() {
    let model = model();
    let sentences = ReadAs::from(&*model).sentences();
    assert_eq!(
        sentences,
        [
            "Read as GPT-2, 4 layers of width 256, 8 heads of width 32, LayerNorm",
            "Positions are learned and added to the embedding",
            "Weights stored as F16 are held as f32 (17.1 MB)",
            "<|endoftext|> precedes every text",
        ]
    );
    assert_eq!(family_name("gpt_neox"), "GPT-NeoX");
    assert_eq!(family_name("unheard-of"), "unheard-of");
}
