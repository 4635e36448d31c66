//! Compares reports of synthetic features with stored files.

use super::pieces::{count, significant};
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
            ..Summary::default()
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

fn features() -> Vec<Reported> {
    let dead = Detail {
        summary: Summary {
            feature: FeatureId(3),
            ..Summary::default()
        },
        ..Detail::default()
    };
    vec![
        Reported {
            label: "kings & queens".to_owned(),
            detail: detail(),
            ..Reported::default()
        },
        Reported {
            detail: dead,
            ..Reported::default()
        },
    ]
}

fn contents(features: Vec<Reported>) -> Contents<'static> {
    let report = Report {
        about: About {
            sae: "demo z".to_owned(),
            model: "demo-model".to_owned(),
            hook: "blocks.1.attn.hook_z".to_owned(),
            writes: Vec::new(),
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
            ..About::default()
        },
        version: "0.1.0".to_owned(),
        facts_text: None,
        held: Held::Memory(features),
    };
    Contents {
        features: Some(report),
        results: Vec::new(),
    }
}

fn page_of(features: Vec<Reported>) -> String {
    contents(features).text(Form::Html).unwrap()
}

fn json_of(features: Vec<Reported>) -> serde_json::Value {
    serde_json::from_str(&contents(features).text(Form::Json).unwrap()).unwrap()
}

/// Compares the page with the stored one. To renew it after an intended change: delete it, run this test twice, and inspect the page.
#[test]
fn the_page_equals_the_stored_one() {
    let page = page_of(features());
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
    let page = page_of(features());
    for absent in [
        "http:",
        "https:",
        "src=",
        "@import",
        "url(",
        "<king>",
        "</script>\"",
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
    let mut features = features();
    let top = &mut features[0].detail.top;
    let near = example(["A", " <king>", "\n", "!"], [0.0, 6.0, 0.0, 0.0], 1);
    let mut other = example(["far", " more", " of", " it"], [0.0, 5.0, 0.0, 0.0], 1);
    other.ids = (10..14).map(TokenId).collect();
    top.extend([other, near]);
    let page = page_of(features);
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
    let mut features = features();
    let signed = &mut features[0].detail;
    signed.summary.min = -12.5;
    signed.histogram.edges[0] = -12.5;
    signed.top[0].acts = vec![0.0, -12.5, 6.25, 0.0];
    let page = page_of(features.clone());
    for present in [
        "<dt>min</dt><dd>-12.5</dd>",
        "<b class=\"below\" style=\"--a:1.000\" title=\"-12.5\">",
        "<span style=\"--a:0.500\" title=\"6.25\">",
        ">-12.5</text>",
        "-12.5 <span class=\"scale below\"></span> 0 <span class=\"scale\"></span> 12.5",
    ] {
        assert!(page.contains(present), "{present}");
    }
    assert_eq!(json_of(features)["features"][0]["min"], -12.5);
}

#[test]
fn json_names_the_same_things() {
    let json = json_of(features());
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

/// A feature with everything that an index may know.
fn known() -> Reported {
    use crate::features::facts::{Fact, FactToken, Kind};
    use crate::features::{Coactive, Moments, Neighbour, Neuron, Relations, TokenUse, Uses};
    let mut detail = detail();
    detail.summary.moments = Some(Moments {
        variance: 2.5,
        skewness: -0.25,
        kurtosis: f64::NAN,
    });
    detail.summary.encoder_decoder_cosine = Some(0.75);
    let token = TokenUse {
        id: TokenId(7),
        text: " qu|een\n".to_owned(),
        count: 1_234,
        mean: 2.25,
    };
    detail.uses = Some(Uses {
        by_mean: vec![token.clone()],
        by_count: vec![token.clone()],
        preceding: vec![token],
        by_position: vec![0.25, 0.5],
        part: 128,
        first_token: 0.125,
        ..Uses::default()
    });
    detail.relations = Some(Relations {
        neighbours: [3, 99]
            .map(|feature| Neighbour {
                feature: FeatureId(feature),
                cosine: 0.875,
            })
            .into(),
        coactive: vec![Coactive {
            feature: FeatureId(3),
            jaccard: 0.0625,
            both: 17,
        }],
        neurons: vec![Neuron {
            neuron: 42,
            cosine: -0.5,
        }],
        ..Relations::default()
    });
    detail.loss_effects = vec![0.125];
    let said = Fact {
        kind: Kind::ALL[0],
        tokens: vec![FactToken {
            id: TokenId(7),
            text: "<queen>".to_owned(),
        }],
        reach: 0,
        active: 4_321,
        holding: 10,
        both: 9,
        precision: 0.9,
        recall: Some(0.625),
        share: 0.5,
        score: 0.75,
    };
    Reported {
        detail,
        facts: vec![said],
        ..Reported::default()
    }
}

#[test]
fn everything_that_is_known_is_on_the_page() {
    let mut features = features();
    features[0] = known();
    let page = page_of(features);
    for present in [
        "<dt>variance</dt><dd>2.50</dd>",
        "<dt>skewness</dt><dd>−0.250</dd>",
        "<dt>kurtosis</dt><dd>–</dd>",
        "<dt>encoder–decoder cosine</dt><dd>0.750</dd>",
        "<td>90.0</td><td>62.5</td><td>0.750</td><td>4\u{202f}321</td>",
        "Tokens by mean",
        " qu|een<i>⏎</i>",
        "<td>1\u{202f}234</td><td>2.25</td>",
        "positions 128 to 255: 50.0 %",
        // A feature of the page is linked, another is not.
        "<td><a href=\"#f3\">#3</a></td><td>0.875</td>",
        "<td>#99</td><td>0.875</td>",
        "<td>17</td><td>0.0625</td>",
        "<td>42</td><td>-0.500</td>",
        "<small>loss +0.125</small>",
        "&lt;queen&gt;",
    ] {
        assert!(page.contains(present), "{present}");
    }
    assert!(!page.contains("<queen>"));
}

#[test]
fn markdown_says_the_same_in_tables_and_lists() {
    let mut features = features();
    let labelled = features[0].clone();
    features[0] = known();
    features.push(labelled);
    let text = contents(features).text(Form::Markdown).unwrap();
    for present in [
        "# Features of demo z\n",
        "| Model | demo-model",
        "## \\#12 kings &amp; queens",
        "Never active on this text.",
        "| fact | precision, % | recall, % | score | active tokens |",
        "- Tokens by mean: ‹ qu\\|een⏎› (1\u{202f}234, mean 2.25)",
        "- Nearest decoder rows, by cosine: \\#3 (0.875), \\#99 (0.875)",
        "- 6.25, loss +0.125: The<b> &lt;king&gt;</b>⏎&amp;⟨01⟩",
        "‹&lt;/script&gt;›",
        "`█ ▂`",
        "- **density**: ",
    ] {
        assert!(text.contains(present), "{present}\n{text}");
    }
    // Every line of a table has as many cells as its heads.
    for table in text.split("\n\n").filter(|piece| piece.starts_with('|')) {
        let cells = |line: &str| line.replace("\\|", "").matches('|').count();
        let heads = table.lines().next().map(cells);
        assert!(
            table.lines().all(|line| Some(cells(line)) == heads),
            "{table}"
        );
    }
}

#[test]
fn a_table_has_one_row_a_feature_and_lists_that_are_read_again() {
    let mut features = features();
    features[0] = known();
    features[0].label = "a, \"b\"\nc".to_owned();
    let text = contents(features).text(Form::Csv).unwrap();
    let mut table = csv::Reader::from_reader(text.as_bytes());
    let heads = table.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    let cell = |row: usize, name: &str| {
        let at = heads.iter().position(|head| head == name).unwrap();
        rows[row][at].to_owned()
    };
    assert_eq!(rows.len(), 2);
    assert_eq!(
        (cell(0, "feature"), cell(1, "feature")),
        ("12".into(), "3".into())
    );
    assert_eq!(cell(0, "label"), "a, \"b\"\nc");
    assert_eq!(cell(0, "density").parse(), Ok(0.000_123_4));
    assert_eq!(cell(0, "variance"), "2.5");
    assert_eq!(
        (cell(0, "kurtosis"), cell(1, "variance")),
        (String::new(), String::new())
    );
    assert_eq!(cell(0, "precision"), "0.9");
    let list = |name| serde_json::from_str::<serde_json::Value>(&cell(0, name)).unwrap();
    assert_eq!(list("promoted"), serde_json::json!([" queen"]));
    assert_eq!(list("neighbours"), serde_json::json!([3, 99]));
    assert_eq!(list("head_shares"), serde_json::json!([0.75, 0.25]));
    assert_eq!(cell(0, "example"), "The[ <king>]\n&\u{1}");
    let none = Contents::default().text(Form::Csv).unwrap_err().to_string();
    assert!(none.contains(".csv report lists features"), "{none}");
}

#[test]
fn json_of_a_known_feature_has_its_facts() {
    let json = json_of(vec![known()]);
    let feature = &json["features"][0];
    assert_eq!(feature["facts"][0]["precision"], 0.9);
    assert_eq!(feature["name"], feature["facts"][0]["fact"]);
    assert_eq!(
        (&feature["label"], &feature["family"]),
        (&"".into(), &serde_json::Value::Null)
    );
}

#[test]
fn figures_and_forms_are_named_by_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let contents = contents(vec![known()]);
    let mut on = |_| crate::Flow::Continue(());
    let many = figures(&contents, folder.path(), &mut on).unwrap().done();
    assert_eq!(many, Some(3));
    for name in ["histogram", "by-position", "head-shares"] {
        let path = folder.path().join(format!("feature-12-{name}.svg"));
        let svg = std::fs::read_to_string(path).unwrap();
        assert!(svg.starts_with("<svg viewBox") && svg.trim_end().ends_with("</svg>"));
        assert!(!svg.contains("var(") && svg.contains("#945800"), "{svg}");
    }
    let mut stop = |_| crate::Flow::Break(());
    let out = folder.path().join("stopped.md");
    assert!(contents.write(&out, &mut stop).unwrap().is_stopped() && !out.exists());
    for (name, form) in [
        ("a.HTML", Form::Html),
        ("a.md", Form::Markdown),
        ("a.csv", Form::Csv),
    ] {
        assert_eq!(Form::from_path(name.as_ref()).unwrap(), form);
    }
    let said = Form::from_path("a.pdf".as_ref()).unwrap_err().to_string();
    assert!(said.contains("a.pdf") && said.contains(".csv"), "{said}");
}

#[test]
fn a_choice_is_parsed_or_refused() {
    let parse = |text: &str| text.parse::<Choice>();
    let listed = Choice::Listed(vec![FeatureId(1), FeatureId(20)]);
    assert_eq!(parse("1, 20").unwrap(), listed);
    assert_eq!(parse("top:3").unwrap(), Choice::Top(3));
    assert_eq!(parse("all").unwrap(), Choice::All);
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
        let reported = Reported {
            label,
            detail,
            ..Reported::default()
        };
        reported.name()
    };
    assert_eq!(named("kings & queens"), "kings & queens");
    let top = &detail().top[0];
    let name = named("");
    assert!(
        name.contains(&format!("[{}]", top.tokens[top.at])),
        "{name}"
    );
}
