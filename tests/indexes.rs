//! The index of a dictionary with signed activations: built, shown, exported, reported, and its examples read again.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;
use umbra_tests::{at, demo_model};

use crate::umbra;

/// A dictionary of signed TopK with k = 8 and its index.
struct Signed {
    folder: TempDir,
    sae: String,
    index: String,
}

impl Signed {
    fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Made once for all tests.
fn signed() -> &'static Signed {
    static SIGNED: OnceLock<Signed> = OnceLock::new();
    SIGNED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let (model, text) = (demo_model(), at("assets/demo/text/held-out"));
        let [sae, index] = ["sae", "index.sqlite"].map(|name| {
            let path = folder.path().join(name);
            path.display().to_string()
        });
        let train = "--hook blocks.1.attn.hook_z --variant signed-topk --features 64 --k 8 --tokens 8192 --batch 512 --buffer 4096";
        let of = ["--model", &model, "--corpus", &text];
        let mut args = vec!["train", "--out", &sae];
        args.extend(of);
        args.extend(train.split(' '));
        umbra(folder.path(), &args).done();
        let mut args = vec!["index", "build", "--sae", &sae, "--out", &index];
        args.extend(of);
        args.extend(["--tokens", "3000", "--dfa", "--json"]);
        let built = umbra(folder.path(), &args).done().json();
        assert_eq!(built["unembed"], "centred");
        Signed { folder, sae, index }
    })
}

fn numbers(values: &Value) -> Vec<f64> {
    let values = values.as_array().into_iter().flatten();
    values.filter_map(Value::as_f64).collect()
}

#[test]
fn pursuit_notes_that_its_code_has_no_negative_activations() {
    let (here, text) = (signed(), at("assets/demo/text/held-out/alice.txt"));
    let model = demo_model();
    let on = ["dark-matter", "pursue", "--model", &model];
    let of = ["--sae", &here.sae, "--corpus", &text, "--tokens", "300"];
    let done = umbra(here.path(), &[&on[..], &of].concat()).done();
    assert!(
        done.err.contains("keeps negative activations"),
        "{}",
        done.err
    );
}

#[test]
fn signed_activations_reach_index_report_exports_and_prompt() {
    let here = signed();
    let (sae, index) = (here.sae.as_str(), here.index.as_str());
    let report = here.path().join("report.json").display().to_string();
    let args = ["report", index, "--features", "top:64", "--out", &report];
    umbra(here.path(), &args).done();
    let report: Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    assert_eq!(report["unembed"], "centred");
    let features = report["features"].as_array().unwrap();
    let densities = features.iter().filter_map(|f| f["density"].as_f64());
    let sum: f64 = densities.sum();
    assert!((sum - 8.0).abs() < 0.01, "densities sum to {sum}");
    // Sorted by magnitude, largest first; about half of them are negative.
    let strongest = |f: &Value| f["examples"][0]["activation"].as_f64().unwrap();
    let strengths: Vec<f64> = features.iter().map(strongest).collect();
    assert!(
        strengths.is_sorted_by(|a, b| a.abs() >= b.abs()),
        "{strengths:?}"
    );
    assert!(strengths.iter().any(|s| *s < 0.0) && strengths.iter().any(|s| *s > 0.0));
    for (to, key) in [
        ("neuronpedia", "values"),
        ("circuit-tracer", "tokens_acts_list"),
    ] {
        let out = here.path().join(to);
        let folder = out.display().to_string();
        umbra(
            here.path(),
            &["index", "export", index, "--to", to, "--out", &folder],
        )
        .done();
        let files = std::fs::read_dir(&out).unwrap();
        let text: String = files
            .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
            .collect();
        let list = format!("\"{key}\":[");
        let values = text.split(&list).skip(1);
        let negative =
            values.filter(|list| list.split(']').next().is_some_and(|l| l.contains('-')));
        assert!(negative.count() > 100, "{to}");
    }
    let model = demo_model();
    let said = [
        "prompt",
        "--model",
        &model,
        "--sae",
        sae,
        "--text",
        "The king said",
        "--json",
    ];
    let tokens = umbra(here.path(), &said).done().json();
    for token in tokens["tokens"].as_array().unwrap() {
        let features = token["features"].as_array().unwrap();
        let sizes: Vec<f64> = features
            .iter()
            .map(|f| f["activation"].as_f64().unwrap().abs())
            .collect();
        assert_eq!(sizes.len(), 8);
        assert!(sizes.is_sorted_by(|a, b| a >= b), "{token}");
    }
}

#[test]
fn a_text_s_features_are_ranked_by_surprise_where_an_index_is_given() {
    let here = tempfile::tempdir().unwrap();
    let (model, sae) = (demo_model(), at("assets/demo/saes/resid-2"));
    let index = at("assets/demo/indexes/resid-2.sqlite");
    let base = ["--json", "prompt", "--model", &model, "--sae", &sae];
    let run = |more: &[&str]| umbra(here.path(), &[&base, more].concat());
    let said = ["--text", "The king said to the fox"];
    let with = [&said[..], &["--index", &index]].concat();
    let ranked = run(&with).done().json();
    let raw = run(&[&with[..], &["--rank", "activation"]].concat())
        .done()
        .json();
    assert_eq!(raw, run(&said).done().json());
    let table = umbra_core::features::Index::open(Path::new(&index)).unwrap();
    let table = table.summaries().unwrap();
    let tokens = ranked["tokens"].as_array().unwrap();
    let mut dense = 0;
    for token in tokens {
        let list = |key: &str| token[key].as_array().unwrap().clone();
        let figure = |of: &Value, key: &str| of[key].as_f64().unwrap();
        for of in list("features").iter().chain(&list("dense")) {
            let about = &table[figure(of, "feature") as usize];
            let share = figure(of, "activation").abs() / about.max.max(-about.min);
            let want = share * -about.density.log2();
            let is = figure(of, "surprise");
            assert!((is - want).abs() < 1e-6 * want, "{is} {want}");
            let apart = list("dense").contains(of);
            assert_eq!(apart, about.density > 0.1);
            dense += usize::from(apart);
        }
        let bits = list("features")
            .into_iter()
            .map(|of| figure(&of, "surprise"));
        assert!(bits.collect::<Vec<_>>().is_sorted_by(|a, b| a >= b));
        assert!(list("unknown").iter().all(|of| of["surprise"].is_null()));
    }
    assert!(dense > tokens.len() / 2, "{dense}");
    // Each feature that comes first is named by the token at which it peaks.
    let names = ranked["names"].as_array().unwrap();
    let first = &tokens[2]["features"][0]["feature"];
    let named = names.iter().find(|name| name["feature"] == *first).unwrap();
    let name = named["name"].as_str().unwrap();
    assert!(name.contains('[') && name.contains(']'), "{name}");
    assert!(raw["names"].is_null(), "{raw}");
    // An index of another dictionary, and none where surprise is asked for.
    let other = at("assets/demo/indexes/attn-1.sqlite");
    run(&[&said[..], &["--index", &other]].concat()).refused(&["index"]);
    run(&[&said[..], &["--rank", "surprise"]].concat()).refused(&["--index"]);
}

#[test]
fn an_example_is_shown_and_read_again_as_the_row_it_is_of() {
    let here = signed();
    let (sae, index) = (here.sae.as_str(), here.index.as_str());
    let model = demo_model();
    let shown = |more: &[&str]| {
        let args = ["index", "show", index, "--feature", "5", "--json"];
        umbra(here.path(), &[&args, more].concat()).done().json()
    };
    let detail = shown(&[]);
    let examples = detail["examples"].as_array().unwrap();
    let intervals = detail["intervals"].as_array().unwrap().iter();
    let drawn = intervals.flat_map(|i| i["examples"].as_array().unwrap());
    for (number, example) in (1..).zip(examples.iter().chain(drawn)).step_by(9) {
        assert_eq!(example["example"], number);
        let number = number.to_string();
        let passage = shown(&["--example", &number]);
        for key in ["document", "row", "position", "activation"] {
            assert_eq!(passage[key], example[key], "{key}");
        }
        let (ids, window) = (numbers(&passage["ids"]), numbers(&example["ids"]));
        let at = |value: &Value, key: &str| value[key].as_u64().unwrap() as usize;
        let from = at(example, "position") - at(example, "at");
        assert_eq!(ids[from..from + window.len()], window);
        let args = ["prompt", "--model", &model, "--sae", sae, "--index", index];
        let more = ["--feature", "5", "--example", &number, "--json"];
        let read = umbra(here.path(), &[args.as_slice(), &more].concat())
            .done()
            .json();
        let again = read["tokens"].as_array().unwrap().iter();
        let again: Vec<f64> = again.filter_map(|token| token["id"].as_f64()).collect();
        assert_eq!(again, ids);
        let figure = |key: &str| read["example"][key].as_f64().unwrap();
        let (now, then) = (figure("activation"), figure("activation_in_index"));
        assert!(
            (now - then).abs() < 1e-4 * then.abs().max(1.0),
            "{now} {then}"
        );
    }
    let args = [
        "index",
        "show",
        index,
        "--feature",
        "5",
        "--example",
        "9999",
    ];
    umbra(here.path(), &args).refused(&["no example 9999", "1 to"]);
}

#[test]
fn heads_leave_dead_features_out_where_an_index_knows_them() {
    let here = signed();
    let (sae, index) = (here.sae.as_str(), here.index.as_str());
    let model = demo_model();
    let args = ["heads", "show", "--model", &model, "--sae", sae, "--json"];
    let without = umbra(here.path(), &args).done().json();
    assert_eq!(without["among"]["active_only"], false);
    assert_eq!(without["among"]["features"], 64);
    let with = [args.as_slice(), &["--index", index]].concat();
    let with = umbra(here.path(), &with).done().json();
    assert_eq!(with["among"]["active_only"], true);
    let said = umbra(here.path(), &args[..6]).done();
    assert!(said.out.contains("including dead ones"), "{said:?}");
}

#[test]
fn examples_of_heads_have_sources_that_sum_to_the_activation_and_are_exported() {
    let here = signed();
    let (sae, index) = (here.sae.as_str(), here.index.as_str());
    let (model, text) = (demo_model(), at("assets/demo/text/held-out"));
    let run = |args: &[&str]| umbra(here.path(), args).done();
    let show = |index: &str| run(&["index", "show", index, "--feature", "5", "--json"]).json();
    let feature = show(index);
    let on = ["--model", &model, "--sae", sae, "--json"];
    let read = ["heads", "attribute", "--text", "The king", "--feature", "5"];
    let bias = run(&[read.as_slice(), on.as_slice()].concat()).json();
    let figure = |key: &str| bias[key].as_f64().unwrap();
    let biases = figure("decoder_bias") - figure("encoder_bias");
    let examples = feature["examples"].as_array().unwrap();
    assert!(examples.len() > 3, "{feature}");
    for example in examples {
        let sum = example["sources"]["sum"].as_f64().unwrap();
        let want = example["activation"].as_f64().unwrap() + biases;
        // The index keeps activations to a 65,535th.
        assert!(
            (sum - want).abs() < 1e-3 * want.abs().max(1.0),
            "{sum} {want}"
        );
        let parts = numbers(&example["sources"]["by_token"]).len();
        assert_eq!(parts, example["tokens"].as_array().unwrap().len());
    }
    let shares: f64 = numbers(&feature["head_attribution"]).iter().sum();
    assert!((shares - 1.0).abs() < 1e-4, "{shares}");
    let said = run(&["index", "show", index, "--feature", "5"]);
    assert!(
        said.out.contains("attribution ") && said.out.contains("←"),
        "{said:?}"
    );

    let folder = here.path().join("sources-exported");
    let out = folder.display().to_string();
    run(&[
        "index",
        "export",
        index,
        "--to",
        "neuronpedia",
        "--out",
        &out,
    ]);
    let batch = std::fs::read(folder.join("batch-0.json")).unwrap();
    let batch: Value = serde_json::from_slice(&batch).unwrap();
    let all = batch["features"].as_array().unwrap();
    let exported = all.iter().find(|f| f["feature_index"] == 5).unwrap();
    let activations = exported["activations"].as_array().unwrap();
    for (activation, example) in activations.iter().zip(examples) {
        assert_eq!(
            activation["dfa_targetIndex"],
            activation["qualifying_token_index"]
        );
        let parts = numbers(&activation["dfa_values"]);
        let kept = numbers(&example["sources"]["by_token"]);
        assert_eq!(parts.len(), kept.len());
        assert!(parts.iter().zip(&kept).all(|(a, b)| (a - b).abs() <= 6e-4));
    }
    let drawn = activations.last().unwrap();
    assert_eq!(drawn["dfa_targetIndex"], -1);

    let bare = here.path().join("bare.sqlite").display().to_string();
    let build = [
        "index", "build", "--corpus", &text, "--tokens", "1000", "--out", &bare,
    ];
    let built = run(&[build.as_slice(), on.as_slice()].concat()).json();
    assert_eq!(built["attribution"], false);
    let feature = show(&bare);
    assert!(numbers(&feature["head_attribution"]).is_empty());
    assert!(
        feature["examples"]
            .as_array()
            .unwrap()
            .iter()
            .all(|e| e["sources"].is_null())
    );
}

#[test]
fn a_search_ranks_features_and_says_why() {
    let here = tempfile::tempdir().unwrap();
    let index = at("assets/demo/indexes/resid-2.sqlite");
    let run = |more: &[&str]| {
        let args = ["index", "search", &index];
        umbra(here.path(), &[&args, more].concat()).done()
    };
    let found = run(&["king", "--most", "5", "--json"]).json();
    let hits = found["hits"].as_array().unwrap();
    assert!(
        hits.len() == 5 && found["found"].as_u64().unwrap() > 5,
        "{found}"
    );
    let scores: Vec<f64> = hits
        .iter()
        .map(|hit| hit["score"].as_f64().unwrap())
        .collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let first = &hits[0];
    let peaks = format!("peaks on it in {} of 20 examples", first["peaks"]);
    assert!(
        first["why"].as_str().unwrap().starts_with(&peaks),
        "{first}"
    );
    let name = first["name"].as_str().unwrap();
    assert!(name.starts_with("fires on"), "{name}");
    let said = run(&["king", "--most", "5"]).out;
    let begins: String = name.chars().take(40).collect();
    assert!(said.contains(&peaks) && said.contains(&begins), "{said}");
    let by_number = run(&["12", "--most", "1", "--json"]).json();
    assert_eq!(by_number["hits"][0]["feature"], 12);
    assert!(run(&["qqqqq"]).out.contains("no feature matches"));
}

/// Rows of all features of the demo's index, from the command line.
fn listed(more: &[&str]) -> Vec<Value> {
    let here = tempfile::tempdir().unwrap();
    let index = at("assets/demo/indexes/attn-2.sqlite");
    let args = [&["index", "list", &index, "--json"], more].concat();
    let listed = umbra(here.path(), &args).done().json();
    let features = listed["features"].as_array().unwrap().clone();
    assert!(listed["kept"].as_u64().unwrap() >= features.len() as u64);
    features
}

#[test]
fn a_list_is_filtered_and_sorted_as_a_plain_loop_does() {
    let all = listed(&["--columns", "head,norm"]);
    let figure = |row: &Value, key: &str| row[key].as_f64().unwrap();
    let numbers = |rows: &[&Value]| -> Vec<u64> {
        let numbers = rows.iter().map(|row| row["feature"].as_u64().unwrap());
        numbers.collect()
    };
    let in_order: Vec<u64> = numbers(&all.iter().collect::<Vec<_>>());
    assert_eq!(in_order, (0..all.len() as u64).collect::<Vec<_>>());
    let filter = "density<1e-3 and (head=2.3 or max>=1.1) and not mean>0.9";
    let mut want: Vec<&Value> = all
        .iter()
        .filter(|row| figure(row, "density") < 1e-3)
        .filter(|row| row["head"] == "2.3" || figure(row, "max") >= 1.1)
        .filter(|row| figure(row, "mean") <= 0.9)
        .collect();
    want.sort_by(|a, b| {
        let head = a["head"].as_str().cmp(&b["head"].as_str());
        head.then(figure(b, "max").total_cmp(&figure(a, "max")))
    });
    want.truncate(15);
    let sort = ["--where", filter, "--sort", "head,max", "--limit", "15"];
    let got = listed(&sort);
    assert_eq!(want.len(), 15, "the filter keeps enough to compare");
    assert_eq!(numbers(&got.iter().collect::<Vec<_>>()), numbers(&want));
    for (got, want) in got.iter().zip(want) {
        for key in ["density", "mean", "max"] {
            assert_eq!(got[key], want[key]);
        }
        assert!(got["label"].is_null());
    }
}

#[test]
fn a_filter_that_is_wrong_or_needs_what_the_index_lacks_is_refused() {
    let here = tempfile::tempdir().unwrap();
    let index = at("assets/demo/indexes/resid-2.sqlite");
    let run = |more: &[&str]| {
        let args = [&["index", "list", &index], more].concat();
        umbra(here.path(), &args)
    };
    for (flags, words) in [
        (["--where", "densty<1"], "`densty` is unknown"),
        (["--where", "densty<1"], "densty<1\n^^^^^^"),
        (["--where", "max>1 and"], "missing after `and`"),
        (["--sort", "strength"], "`strength` is no column"),
    ] {
        let run = run(&flags);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.err.contains(words), "{words}: {run:?}");
    }
    run(&["--where", "head=2.3"]).refused(&["has no heads", "attn.hook_z"]);
    run(&["--sort", "why"]).refused(&["needs words in the filter"]);
    run(&["--columns", "size"]).refused(&["`size` is no column"]);
    run(&["--where", "fact:inductoin"]).refused(&["`inductoin`", "no kind", "sentence-start"]);
    for filter in ["label:king", "not is:labelled"] {
        run(&["--where", filter]).refused(&["labels", "--project"]);
    }
    let project = at("assets/demo");
    run(&["--where", "is:unlabelled", "--project", &project]).done();
    let search = ["index", "search", &index, "king", "--where", "label:king"];
    umbra(here.path(), &search).refused(&["labels", "--project"]);
}

#[test]
fn a_list_names_the_fact_that_its_filter_asks_for() {
    let here = tempfile::tempdir().unwrap();
    let index = at("assets/demo/indexes/resid-2.sqlite");
    let list = |filter: &str, more: &[&str]| {
        let args = ["index", "list", &index, "--where", filter];
        umbra(here.path(), &[&args[..], more].concat()).done()
    };
    let more = ["--columns", "fact", "--json"];
    let listed = list("fact:induction", &more).json();
    let features = listed["features"].as_array().unwrap();
    let kind = |one: &Value| one["matching_fact"]["kind"].clone();
    assert!(!features.is_empty() && features.iter().all(|one| kind(one) == "induction"));
    let better = |one: &&Value| one["fact"] != one["matching_fact"]["fact"];
    assert!(
        features.iter().any(|one| better(&one)),
        "another fact is best"
    );
    let table = list("fact:induction", &[]).out;
    assert!(table.lines().next().unwrap().contains("matching fact"));
    let plain = list("max>5", &["--json"]).json();
    assert!(plain["features"][0]["matching_fact"].is_null());
    assert!(!list("fact:induction", &[]).err.contains("no kind"));
    let said = list("fact:said", &[]).err;
    assert!(said.contains("`said` is no kind of fact"), "{said}");
}

#[test]
fn a_search_is_narrowed_by_a_filter_and_labels_are_listed() {
    let here = tempfile::tempdir().unwrap();
    let index = at("assets/demo/indexes/resid-2.sqlite");
    let search = |more: &[&str]| {
        let args = [
            &[
                "index", "search", &index, "king", "--json", "--most", "2048",
            ],
            more,
        ]
        .concat();
        let found = umbra(here.path(), &args).done().json();
        let hits = found["hits"].as_array().unwrap().clone();
        let hits = hits
            .iter()
            .map(|hit| (hit["feature"].clone(), hit["density"].clone()));
        hits.collect::<Vec<_>>()
    };
    let all = search(&[]);
    let rare = search(&["--where", "density<1e-3"]);
    let want: Vec<_> = all
        .iter()
        .filter(|(_, density)| density.as_f64().unwrap() < 1e-3)
        .cloned()
        .collect();
    assert!(!want.is_empty() && want.len() < all.len());
    assert_eq!(rare, want);
}

#[test]
fn neighbours_are_those_of_the_decoder_rows() {
    let here = tempfile::tempdir().unwrap();
    let index = at("assets/demo/indexes/attn-2.sqlite");
    let sae = at("assets/demo/saes/attn-2");
    let args = [
        "index",
        "neighbours",
        &index,
        "--feature",
        "7",
        "--sae",
        &sae,
        "--most",
        "4",
    ];
    let found = umbra(here.path(), &[&args[..], &["--json"]].concat())
        .done()
        .json();
    let weights = umbra_tests::tensors(Path::new(&sae).join("sae_weights.safetensors"));
    let rows: Vec<Vec<f32>> = weights["W_dec"]
        .to_dtype(candle_core::DType::F32)
        .and_then(|rows| rows.to_vec2())
        .unwrap();
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let cosine = |a: &[f32], b: &[f32]| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    let mut want: Vec<(u64, f64)> = (0..rows.len())
        .filter(|other| *other != 7)
        .map(|other| (other as u64, cosine(&rows[7], &rows[other])))
        .collect();
    want.sort_by(|a, b| b.1.total_cmp(&a.1));
    let near = found["neighbours"].as_array().unwrap();
    assert_eq!(near.len(), 4);
    for (near, (feature, cosine)) in near.iter().zip(want) {
        assert_eq!(near["feature"], feature);
        // The cosine is rounded to f32.
        assert!((near["cosine"].as_f64().unwrap() - cosine).abs() < 1e-6);
    }
}

#[test]
fn a_map_of_directions_is_written_and_repeated_by_its_seed() {
    let here = tempfile::tempdir().unwrap();
    let index = at("assets/demo/indexes/attn-2.sqlite");
    let sae = at("assets/demo/saes/attn-2");
    let map = |out: &str, seed: &str| {
        let args = [
            "index", "map", &index, "--sae", &sae, "--most", "60", "--seed", seed, "--out", out,
            "--json",
        ];
        let found = umbra(here.path(), &args).done().json();
        assert_eq!(found["points"].as_array().unwrap().len(), 60);
        assert_eq!(found["sample"], true);
        std::fs::read_to_string(here.path().join(out)).unwrap()
    };
    let first = map("a.csv", "3");
    assert_eq!(first.lines().count(), 61);
    assert!(first.starts_with("feature,x,y\n"));
    assert_eq!(first, map("b.csv", "3"));
    assert_ne!(first, map("c.csv", "4"));
}

#[test]
fn families_are_measured_into_a_copy_of_the_index_and_shown() {
    let here = signed();
    let (model, sae, index) = (demo_model(), here.sae.as_str(), here.index.as_str());
    let out = here.path().join("families.sqlite").display().to_string();
    let of = ["--model", &model, "--sae", sae, "--index", index];
    let mut args = vec![
        "index",
        "families",
        "--out",
        &out,
        "--examples",
        "2",
        "--json",
    ];
    args.extend(of);
    let run = umbra(here.path(), &args).done();
    let said = run.err.find("Measuring families reads the");
    assert!(
        said.is_some() && said < run.err.find("progress:").or(Some(usize::MAX)),
        "{}",
        run.err
    );
    let found = run.json();
    let features = found["features"].as_array().unwrap();
    assert_eq!(features.len(), 64);
    let counted: u64 = ["induction", "local", "long-range", "unclear"]
        .iter()
        .map(|family| found["counts"][family].as_u64().unwrap())
        .sum();
    let named = features
        .iter()
        .filter(|feature| !feature["family"].is_null());
    assert_eq!(counted, named.count() as u64);
    let show = |index: &str| {
        let args = ["index", "show", index, "--feature", "5", "--json"];
        umbra(here.path(), &args).done().json()
    };
    assert_eq!(show(&out)["family"], features[5]);
    // The index itself is as it was.
    assert!(show(index)["family"].is_null());
    // Another dictionary's index is refused.
    let other = at("assets/demo/saes/attn-1");
    let args = [
        "index", "families", "--model", &model, "--sae", &other, "--index", index,
    ];
    umbra(here.path(), &args).refused(&["choose the index's dictionary"]);
}

#[test]
fn a_predicate_is_tested_and_a_wrong_one_is_refused_with_its_place() {
    let here = signed();
    let (model, text) = (demo_model(), at("assets/demo/text/held-out"));
    let run = |predicate: &str| {
        let mut args = vec![
            "index", "test", "--model", &model, "--sae", &here.sae, "--corpus", &text,
        ];
        args.extend([
            "--tokens",
            "3000",
            "--feature",
            "3",
            "9",
            "--predicate",
            predicate,
            "--json",
        ]);
        umbra(here.path(), &args)
    };
    let found = run("repeats(fuzzy) and not punctuation").done().json();
    for (feature, number) in found["features"].as_array().unwrap().iter().zip([3, 9]) {
        let count = |key: &str| feature[key].as_u64().unwrap();
        assert_eq!(count("feature"), number);
        assert_eq!(count("missed"), count("holding") - count("both"));
        let levels = feature["levels"].as_array().unwrap();
        let sum = |key: &str| {
            levels
                .iter()
                .filter_map(|level| level[key].as_u64())
                .sum::<u64>()
        };
        assert_eq!(sum("holding"), count("both"));
        assert_eq!(sum("other"), count("active") - count("both"));
    }
    run("repeats(fuzy)").refused(&["--predicate: at character 9", "`exact` or `fuzzy`"]);
}
