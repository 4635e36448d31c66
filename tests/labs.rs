//! The three labs on a small trained dictionary: `umbra dark-matter`, `umbra heads`, `umbra steer`.

use serde_json::Value;
use umbra_tests::{at, demo_model};

use crate::journey::trained;
use crate::{has_keys, umbra};

const TEXT: &str = "The old king looked at the fox, and the fox";

#[test]
fn dark_matter_is_fitted_kept_and_used_again() {
    let trained = trained();
    let here = tempfile::tempdir().unwrap();
    let (model, sae) = (demo_model(), trained.sae());
    let (train, held_out) = (
        at("assets/demo/text/train"),
        at("assets/demo/text/held-out/girls.txt"),
    );
    let args = [
        "--model",
        &model,
        "--sae",
        &sae,
        "--corpus",
        &train,
        "--held-out",
        &held_out,
        "--tokens",
        "6000",
        "--keep",
        "probe.safetensors",
        "--json",
    ];
    let run = |verb: &[&str]| umbra(here.path(), &[&["dark-matter"], verb, &args].concat()).done();
    let text = ["text", "--text", TEXT];
    let first = run(&text);
    let value = first.json();
    has_keys(
        &value,
        "r2_mean r2_weighted r2_norm fvu_total fvu_nonlinear fit_tokens held_out_tokens tokens",
    );
    assert!(
        value["fvu_total"].as_f64() > Some(0.0) && value["r2_weighted"].as_f64() < Some(1.0),
        "{value}"
    );
    for token in value["tokens"].as_array().unwrap() {
        has_keys(token, "id text activation total linear nonlinear");
        // ‖total‖ ≤ ‖linear‖ + ‖nonlinear‖, as total = linear + nonlinear.
        let norm = |key: &str| token[key].as_f64().unwrap();
        assert!(
            norm("total") <= norm("linear") + norm("nonlinear") + 1e-3,
            "{token}"
        );
    }
    let second = run(&text);
    assert!(second.err.contains("kept in"), "{second:?}");
    assert_eq!(second.json(), value);
    // `fit` prints the same figures, and no tokens.
    let mut figures = value;
    figures.as_object_mut().unwrap().remove("tokens").unwrap();
    let fitted = run(&["fit"]).json();
    assert_eq!(fitted, figures);
    has_keys(
        &fitted,
        "hook predictor r2_mean_fit r2_weighted_fit r2_norm_fit intervals skip lambda conclusion",
    );
    // A kept probe is not taken for another fit.
    umbra(
        here.path(),
        &[&["dark-matter", "fit", "--ridge", "0.1"][..], &args].concat(),
    )
    .refused(&["another ridge"]);
}

#[test]
fn the_error_is_located_and_measured_along_depth_and_kept_with_the_project() {
    let trained = trained();
    let here = tempfile::tempdir().unwrap();
    let project = "version = 1\nname = \"Mine\"\n";
    std::fs::write(here.path().join("umbra.toml"), project).unwrap();
    let (model, sae) = (demo_model(), trained.sae());
    let (train, held_out) = (
        at("assets/demo/text/train"),
        at("assets/demo/text/held-out/girls.txt"),
    );
    let of = ["--model", &model, "--sae", &sae, "--corpus", &train];
    let more = ["--held-out", &held_out, "--tokens", "6000"];
    let less = ["--held-out-tokens", "2000", "--project", ".", "--json"];
    let run = |verb: &str| {
        let words = [&["dark-matter", verb], &of[..], &more, &less].concat();
        umbra(here.path(), &words).done().json()
    };
    let places = run("where");
    has_keys(
        &places,
        "sae hook all by_class by_position by_token baselines norms worst best drawn conclusion definitions",
    );
    let classes = places["by_class"].as_array().unwrap();
    let apart = classes.iter().filter(|class| class["overlaps"] == false);
    let tokens: u64 = apart
        .map(|class| class["share"]["tokens"].as_u64().unwrap())
        .sum();
    assert_eq!(Some(tokens), places["all"]["tokens"].as_u64());
    assert_eq!(places["baselines"].as_array().unwrap().len(), 5);
    has_keys(
        &places["worst"][0],
        "document row position ids texts shares share norms",
    );
    let depth = run("depth");
    has_keys(
        &depth,
        "rows left_out fit_tokens held_out_tokens conclusion definitions",
    );
    let row = &depth["rows"][0];
    has_keys(
        row,
        "sae hook features l0 fvu_total fvu_nonlinear r2_weighted total nonlinear",
    );
    // One dictionary on one text: both see the same error.
    let [a, b] = [&places["all"]["fvu"], &row["fvu_total"]].map(|value| value.as_f64().unwrap());
    assert!((a - b).abs() < 1e-5 * a, "{a} {b}");
    let kept = umbra(here.path(), &["project", "show", "."]).done();
    for study in ["places", "depth"] {
        assert!(kept.out.contains(study), "{}", kept.out);
    }
}

#[test]
fn too_little_text_for_a_probe_is_refused_with_both_numbers() {
    let trained = trained();
    let (model, sae, text) = (
        demo_model(),
        trained.sae(),
        at("assets/demo/text/held-out/girls.txt"),
    );
    let args = [
        "dark-matter",
        "fit",
        "--model",
        &model,
        "--sae",
        &sae,
        "--corpus",
        &text,
        "--tokens",
        "3000",
    ];
    umbra(trained.folder.path(), &args).refused(&["3048", "5120"]);
}

#[test]
fn heads_are_surveyed_kept_and_shown_with_their_project() {
    let room = tempfile::tempdir().unwrap();
    let project = "version = 1\nname = \"Mine\"\n";
    std::fs::write(room.path().join("umbra.toml"), project).unwrap();
    let (model, text) = (demo_model(), at("assets/demo/text/held-out/alice.txt"));
    let on = ["heads", "survey", "--model", &model, "--corpus", &text];
    let run = |more: &[&str]| umbra(room.path(), &[on.as_slice(), more].concat());
    let value = run(&["--rows", "3", "--json", "--project", "."])
        .done()
        .json();
    has_keys(&value, "tokens rows context text definitions role_rule bos");
    assert_eq!(value["tokens"], 3 * 256);
    let heads = value["heads"].as_array().unwrap();
    assert_eq!(heads.len(), 32);
    for head in heads {
        has_keys(
            head,
            "layer head entropy first same previous duplicate induction distance distance_variance duplicate_excess induction_excess induction_random copying output_norm positional successor copy_suppression role",
        );
        assert!(head.get("ce_increase").is_none(), "{head}");
        // All attention is on the own, the previous or another token.
        let share = |key: &str| head[key].as_f64().unwrap();
        assert!(share("same") + share("previous") <= 1.0 + 1e-6, "{head}");
    }
    assert_eq!(heads[3 * 8 + 3]["role"], "induction");
    let causal = run(&["--rows", "2", "--causal", "--examples", "--json"]);
    let causal = causal.done().json();
    has_keys(&causal["causal"], "rows of_rows charged ce_clean");
    has_keys(&causal["random_ablation"], "heads clean ablated");
    let head = &causal["heads"][3 * 8 + 3];
    let figure = |key: &str| head[key].as_f64().unwrap();
    assert!(
        figure("ce_increase_low") <= figure("ce_increase_high"),
        "{head}"
    );
    let context = &head["examples"]["contexts"][0];
    has_keys(context, "tokens query attention strength");
    let table = run(&["--rows", "1"]).done().out;
    assert!(table.contains("L3H3     Induction head"), "{table}");
    // The project shows it, and refuses it for another model.
    let mine = format!("{project}model = {model:?}\n");
    std::fs::write(room.path().join("umbra.toml"), mine).unwrap();
    let shown = umbra(room.path(), &["project", "show", "--json"])
        .done()
        .json();
    assert_eq!(
        (&shown["survey"]["tokens"], &shown["survey"]["problem"]),
        (&768.into(), &Value::Null)
    );
    let mine = format!("{project}model = {:?}\n", at("tests/golden/tiny-gpt2"));
    std::fs::write(room.path().join("umbra.toml"), mine).unwrap();
    let shown = umbra(room.path(), &["project", "show", "--json"])
        .done()
        .json();
    let problem = shown["survey"]["problem"].as_str().unwrap();
    assert!(problem.contains("another fingerprint"), "{problem}");
    assert_eq!(run(&["--rows", "1", "--tokens", "9"]).code, 2);
}

#[test]
fn induction_is_measured_for_every_head_by_prefix_length() {
    let (model, text) = (demo_model(), at("assets/demo/text/held-out/alice.txt"));
    let on = ["heads", "induction", "--model", &model, "--json"];
    let room = tempfile::tempdir().unwrap();
    let more = [
        "--sequences",
        "6",
        "--corpus",
        &text,
        "--tokens",
        "1000",
        "--replaced",
        "4",
    ];
    let value = umbra(room.path(), &[on.as_slice(), &more].concat())
        .done()
        .json();
    has_keys(
        &value,
        "protocol sequences seed length heads text definitions",
    );
    assert_eq!(
        (&value["length"], &value["sequences"]),
        (&128.into(), &6.into())
    );
    let heads = value["heads"].as_array().unwrap();
    assert_eq!(heads.len(), 32);
    let mean = |head: &Value| {
        let values = head["by_prefix"].as_array().unwrap();
        assert_eq!(values.len(), 9);
        values.iter().map(|v| v.as_f64().unwrap()).sum::<f64>() / 9.0
    };
    for head in heads {
        has_keys(
            head,
            "layer head by_prefix error_by_prefix dla_by_prefix text",
        );
        has_keys(
            &head["text"],
            "strong prefix_counts induction_share replaced",
        );
    }
    let mut order: Vec<&Value> = heads.iter().collect();
    order.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
    let name = |head: &Value| {
        (
            head["layer"].as_u64().unwrap(),
            head["head"].as_u64().unwrap(),
        )
    };
    let mut first = [name(order[0]), name(order[1])];
    first.sort_unstable();
    assert_eq!(first, [(3, 3), (3, 6)]);
    // One seed, one result.
    let small = [on.as_slice(), &["--sequences", "2"]].concat();
    let run = || umbra(room.path(), &small).done().json();
    assert_eq!(run(), run());
    umbra(
        room.path(),
        &[on.as_slice(), &["--sequences", "0"]].concat(),
    )
    .refused(&["sequences"]);
}

#[test]
fn sentences_with_two_names_come_from_templates_or_a_file() {
    let (model, sae) = (demo_model(), at("assets/demo/saes/attn-2"));
    let room = tempfile::tempdir().unwrap();
    let on = ["heads", "ioi", "--model", &model, "--sae", &sae];
    let run = |more: &[&str]| umbra(room.path(), &[on.as_slice(), more].concat());
    let value = run(&["--count", "6", "--layer", "1", "--layer", "2", "--json"])
        .done()
        .json();
    has_keys(
        &value,
        "sae hook prompts ld positive features error_term noising definitions",
    );
    assert_eq!(value["prompts"], serde_json::json!({"abba": 3, "baba": 3}));
    has_keys(&value["features"][0], "feature change abba baba");
    let noising = &value["noising"];
    has_keys(
        noising,
        "layers prompts clean zero_at_s2 zero_everywhere corruption_a corruption_b",
    );
    assert_eq!(noising["layers"], serde_json::json!([1, 2]));
    has_keys(
        &noising["corruption_a"]["recovered"],
        "zero_at_s2 zero_everywhere",
    );
    assert_eq!(value["reaches_end"], true);
    // In the last layer nothing at the repeated name matters, which is said.
    let last = at("assets/demo/saes/attn-3");
    let of_last = ["heads", "ioi", "--model", &model, "--sae", &last];
    let of_last = [of_last.as_slice(), &["--count", "2", "--json"]].concat();
    let of_last = umbra(room.path(), &of_last).done();
    assert_eq!(of_last.json()["reaches_end"], false);
    assert!(of_last.err.contains("an earlier layer"), "{of_last:?}");
    let line = "{\"prompt\": \"When Mary and John went to the garden, John gave a letter to\", \"io\": \"Mary\", \"s\": \"John\"}\n";
    std::fs::write(room.path().join("mine.jsonl"), line).unwrap();
    let table = run(&["--prompts", "mine.jsonl"]).done().out;
    assert!(
        table.contains("1 prompts (1 ABBA, 0 BABA)") && table.contains("zero everywhere"),
        "{table}"
    );
    std::fs::write(room.path().join("mine.jsonl"), "Mary\n").unwrap();
    run(&["--prompts", "mine.jsonl"]).refused(&["line 1", "io"]);
}

#[test]
fn heads_have_ten_features_and_attributions_sum_up() {
    let trained = trained();
    let (model, sae) = (demo_model(), trained.sae());
    let on = ["--model", &model, "--sae", &sae, "--json"];
    let run = |words: &[&str]| {
        let args = [words, &on].concat();
        umbra(trained.folder.path(), &args).done().json()
    };
    let value = run(&["heads", "show"]);
    let heads = value["heads"].as_array().unwrap();
    assert_eq!(heads.len(), 8);
    for head in heads {
        has_keys(head, "head spread cosine jaccard features");
        assert_eq!(head["features"].as_array().map(Vec::len), Some(10));
        let spread = head["spread"].as_f64().unwrap();
        assert!((1.0..=8.0).contains(&spread), "{head}");
    }
    let found = run(&["heads", "attribute", "--text", TEXT, "--feature", "3"]);
    has_keys(
        &found,
        "feature at tokens by_head_and_source by_head by_source pre_activation decoder_bias encoder_bias residue tolerance active activation cut_off below_cut_off explained definitions",
    );
    let sum = |key: &str| -> f64 {
        found[key]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_f64)
            .sum()
    };
    let figure = |key: &str| found[key].as_f64().unwrap();
    let want = figure("pre_activation") + figure("decoder_bias") - figure("encoder_bias");
    for key in ["by_head", "by_source"] {
        assert!(
            (sum(key) - want).abs() <= figure("tolerance"),
            "{key}: {} {want}",
            sum(key)
        );
    }
}

/// Sums a figure of an object's fields.
fn sum_of(value: &Value) -> f64 {
    let fields = value.as_object().unwrap();
    fields.values().filter_map(Value::as_f64).sum()
}

#[test]
fn a_text_ranks_the_features_of_heads_and_judges_their_roles() {
    let trained = trained();
    let (model, sae) = (demo_model(), trained.sae());
    let text = at("assets/demo/text/held-out/girls.txt");
    let args = [
        "heads",
        "show",
        "--model",
        &model,
        "--sae",
        &sae,
        "--corpus",
        &text,
        "--tokens",
        "2000",
        "--sampled-rows",
        "3",
        "--draws",
        "20",
        "--head",
        "4",
        "--json",
    ];
    let value = umbra(trained.folder.path(), &args).done().json();
    has_keys(
        &value["text"],
        "tokens blocks sampled_rows cuts rule joined",
    );
    has_keys(
        &value["definitions"],
        "share attribution causal cosines explained rise",
    );
    let heads = value["heads"].as_array().unwrap();
    assert_eq!(heads.len(), 1);
    let head = &heads[0];
    has_keys(
        head,
        "head spread cosine jaccard features live table by correlation roles",
    );
    for ranking in ["share", "attribution"] {
        assert_eq!(
            head["by"][ranking].as_array().map(Vec::len),
            Some(10),
            "{ranking}"
        );
    }
    for row in head["table"].as_array().unwrap() {
        has_keys(
            row,
            "feature share attribution attribution_share active causal place",
        );
        assert!(
            row["active"].as_u64() > Some(0),
            "a dead feature is listed: {row}"
        );
    }
    let roles = &head["roles"];
    has_keys(
        roles,
        "verdict why features cosines peak_overlap before_overlap false_positives explained by",
    );
    // The reconstruction is rounded to f32.
    assert!((sum_of(&roles["explained"]) - 1.0).abs() < 1e-5, "{roles}");
    assert_eq!(roles["cosines"].as_array().map(Vec::len), Some(10));
    assert_eq!(roles["false_positives"]["draws"], 20);
    for by in roles["by"].as_array().unwrap() {
        let clusters = by["clusters"].as_array().unwrap();
        let features = clusters
            .iter()
            .map(|c| c["features"].as_array().unwrap().len());
        assert_eq!(features.sum::<usize>(), 10, "{by}");
    }
    let refused = [&args[..14], &["--head", "8"]].concat();
    umbra(trained.folder.path(), &refused).refused(&["8 is not a head", "0 to 7"]);
}

#[test]
fn ones_own_verdicts_stay_with_the_project() {
    let room = tempfile::tempdir().unwrap();
    let project = format!("version = 1\nname = \"Mine\"\nmodel = {:?}\n", demo_model());
    std::fs::write(room.path().join("umbra.toml"), project).unwrap();
    let verdict = |words: &[&str]| umbra(room.path(), &[&["heads", "verdict"], words].concat());
    let kept =
        |words: &[&str]| verdict(&[words, &["--json"]].concat()).done().json()["verdicts"].clone();
    assert_eq!(kept(&[]), serde_json::json!([]));
    let of = ["--layer", "1", "--head", "4"];
    verdict(&[&["one"], of.as_slice(), &["--note", "looks one back"]].concat()).done();
    // A later verdict keeps the note.
    verdict(&[&["several"], of.as_slice()].concat()).done();
    let both = serde_json::json!([{"layer": 1, "head": 4, "verdict": "several", "note": "looks one back"}]);
    assert_eq!(kept(&[]), both);
    assert!(
        verdict(&[])
            .done()
            .out
            .contains("L1H4  several roles  looks one back")
    );
    verdict(&["one", "--layer", "9", "--head", "0"]).refused(&["4 layers of 8 heads"]);
    verdict(&["one"]).refused(&["name its layer"]);
    verdict(&[&["none"], of.as_slice(), &["--note", ""]].concat()).done();
    assert_eq!(kept(&[]), serde_json::json!([]));
}

#[test]
fn steering_moves_the_text_and_strength_zero_does_not() {
    let trained = trained();
    let (model, sae) = (demo_model(), trained.sae());
    let steered = |strength: &str| {
        let args = [
            "steer",
            "--model",
            &model,
            "--sae",
            &sae,
            "--feature",
            "3",
            "--strength",
            strength,
        ];
        let more = [
            "--prompt",
            TEXT,
            "--tokens",
            "10",
            "--temperature",
            "0",
            "--seed",
            "1",
            "--json",
        ];
        umbra(trained.folder.path(), &[args.as_slice(), &more].concat())
            .done()
            .json()
    };
    let same = steered("0");
    has_keys(&same, "baseline steered shift kl");
    assert_eq!(same["baseline"], same["steered"]);
    assert_eq!(same["kl"].as_f64(), Some(0.0));
    let moved = steered("-40");
    assert_eq!(moved["baseline"], same["baseline"]);
    assert!(
        moved["steered"] != same["steered"] && moved["kl"].as_f64() > Some(0.01),
        "{moved}"
    );
    assert_eq!(moved["shift"].as_array().map(Vec::len), Some(20));
}

#[test]
fn heads_are_told_apart_in_hook_z_alone() {
    let trained = trained();
    let (model, sae) = (demo_model(), trained.sae());
    let args = [
        "heads",
        "show",
        "--model",
        &model,
        "--sae",
        &sae,
        "--hook",
        "blocks.1.hook_resid_post",
    ];
    umbra(trained.folder.path(), &args).refused(&["blocks.1.hook_resid_post", "hook_z"]);
}

#[test]
fn what_was_made_with_another_dictionary_is_refused_unless_it_is_asked_for() {
    let trained = trained();
    let here = tempfile::tempdir().unwrap();
    let (model, sae) = (demo_model(), trained.sae());
    let text = at("assets/demo/text/held-out/girls.txt");
    let run = |words: &[&str]| umbra(here.path(), words);
    run(&[
        "index", "build", "--model", &model, "--sae", &sae, "--corpus", &text, "--tokens", "2000",
        "--out", "i.sqlite",
    ])
    .done();
    run(&[
        "sae", "convert", &sae, "half", "--to", "sae-lens", "--dtype", "f16",
    ])
    .done();
    run(&["sae", "convert", &sae, "whole", "--to", "sae-lens"]).done();
    let heads = |sae: &str, more: &[&str]| {
        let words = [
            "heads", "show", "--model", &model, "--sae", sae, "--index", "i.sqlite",
        ];
        run(&[words.as_slice(), more].concat())
    };
    let own = heads(&sae, &["--json"]).done();
    // A lossless copy is the same dictionary.
    assert_eq!(
        heads("whole", &["--json"]).done().json()["heads"],
        own.json()["heads"]
    );
    heads("half", &[]).refused(&["was made with", "half", "--allow-mismatch"]);
    let taken = heads("half", &["--allow-mismatch"]).done();
    assert!(taken.err.contains("Used despite a mismatch"), "{taken:?}");
    let info = |sae: &str, model: &str| run(&["sae", "info", sae, "--model", model, "--json"]);
    let value = info(&sae, &model).done().json();
    assert_eq!(value["fit"]["verdict"], "proven", "{value}");
    let card = run(&["model", "info", "--model", &model, "--json"])
        .done()
        .json();
    assert_eq!(value["model_fingerprint"], card["fingerprint"]);
    assert_ne!(
        value["fingerprint"],
        info("half", &model).done().json()["fingerprint"]
    );
    let other = info(&sae, &at("tests/golden/tiny-gpt2")).done().json();
    assert_eq!(other["fit"]["verdict"], "does not fit", "{other}");

    // Labels are stored by dictionary name, so the project's dictionary of that name must match the index.
    let own = std::path::Path::new(&sae).file_name().unwrap();
    let place = format!("project/{}", own.to_string_lossy());
    run(&[
        "sae", "convert", &sae, &place, "--to", "sae-lens", "--dtype", "f16",
    ])
    .done();
    let toml = format!(
        "version = 1\nname = \"mine\"\n\n[[dictionary]]\nsae = {:?}\n",
        own.to_string_lossy()
    );
    std::fs::write(here.path().join("project/umbra.toml"), toml).unwrap();
    let report = |more: &[&str]| {
        let words = [
            "report",
            "i.sqlite",
            "--features",
            "top:2",
            "--project",
            "project",
            "--out",
            "r.json",
        ];
        run(&[words.as_slice(), more].concat())
    };
    report(&[]).refused(&["was made with", "--allow-mismatch"]);
    report(&["--allow-mismatch"]).done();
}
