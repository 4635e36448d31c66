//! `umbra model` and `umbra capture` against reference values of the tiny models.

use candle_core::Tensor;
use serde_json::json;
use umbra_tests::{at, demo_model, golden, largest_difference, tensors};

use crate::{has_keys, umbra};

/// Largest absolute difference allowed, since f32 sums are in a different order.
const TOLERANCE: f32 = 1e-4;

fn check_hooks(model: &str) {
    let folder = tempfile::tempdir().unwrap();
    let reference = golden(&format!("{model}/reference.safetensors"));
    let want = tensors(&reference);
    let mut hooks: Vec<&str> = want
        .keys()
        .map(String::as_str)
        .filter(|name| *name != "tokens")
        .collect();
    hooks.sort_unstable();
    assert!(
        ["logits", "loss_sum"]
            .iter()
            .all(|name| hooks.contains(name))
    );
    assert!(hooks.iter().any(|name| name.starts_with("grad.")));
    let model = golden(model);
    let mut args = vec![
        "capture",
        "--model",
        &model,
        "--tokens-file",
        &reference,
        "--key",
        "tokens",
    ];
    args.extend(["--out", "out.safetensors", "--hook"]);
    args.extend(&hooks);
    umbra(folder.path(), &args).done();
    let got = tensors(folder.path().join("out.safetensors"));
    assert_eq!(got.len(), hooks.len() + 1);
    for hook in hooks {
        // This sum is large, so its tolerance is relative.
        let scale = if hook == "loss_sum" { 100.0 } else { 1.0 };
        let difference = if hook.ends_with("attn_scores") {
            finite_difference(&got[hook], &want[hook])
        } else {
            largest_difference(&got[hook], &want[hook])
        };
        assert!(
            difference <= scale * TOLERANCE,
            "{model} {hook}: {difference}"
        );
    }
}

/// Largest difference where the expected value is finite; elsewhere both must be the same infinity.
fn finite_difference(got: &Tensor, want: &Tensor) -> f32 {
    let values = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    let (got, want) = (values(got), values(want));
    assert_eq!(got.len(), want.len());
    let each = got.iter().zip(&want);
    each.map(|(got, want)| if got == want { 0.0 } else { (got - want).abs() })
        .fold(0.0, f32::max)
}

#[test]
fn captured_hooks_equal_the_reference() {
    check_hooks("tiny-gpt2");
    check_hooks("tiny-gpt-neox");
    check_hooks("tiny-gemma3");
}

#[test]
fn verifying_tells_tensor_by_tensor_and_fails_where_one_differs() {
    let folder = tempfile::tempdir().unwrap();
    let model = golden("tiny-qwen3");
    let done = umbra(folder.path(), &["model", "verify", &model]).done();
    assert!(done.out.contains("blocks.1.attn.hook_z") && done.out.contains("agrees with"));
    let value = umbra(folder.path(), &["model", "verify", &model, "--json"])
        .done()
        .json();
    has_keys(&value, "model against agrees tolerance rows");
    assert!(value["rows"].as_array().unwrap().len() > 25);
    let other = golden("tiny-llama/reference.safetensors");
    let failed = umbra(
        folder.path(),
        &["model", "verify", &model, "--against", &other],
    );
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(failed.out.contains("DIFFERS") && failed.err.contains("differ from"));
    // There are no reference values: compare the model's own hooks.
    let alone = umbra(folder.path(), &["model", "verify", &demo_model()]).done();
    assert!(alone.out.contains("agrees with itself"), "{alone:?}");
}

#[test]
fn a_hook_that_a_family_lacks_is_a_failure_that_lists_its_hooks() {
    let folder = tempfile::tempdir().unwrap();
    let model = golden("tiny-gpt-neox");
    for hook in ["blocks.0.hook_resid_mid", "grad.blocks.0.hook_resid_mid"] {
        let args = [
            "capture",
            "--model",
            &model,
            "--text",
            "a",
            "--hook",
            hook,
            "--out",
            "a.safetensors",
        ];
        let failed = umbra(folder.path(), &args);
        assert_eq!(failed.code, 1);
        assert!(failed.err.contains("hook_attn_out"), "{failed:?}");
    }
}

#[test]
fn logits_equal_the_reference_and_have_the_promised_shapes() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tiny-gpt2", "tiny-llama"] {
        let want = tensors(golden(&format!("{name}/reference.safetensors")));
        let tokens = want["tokens"].get(0).unwrap().to_vec1::<i64>().unwrap();
        let list: Vec<String> = tokens.iter().map(i64::to_string).collect();
        let model = golden(name);
        umbra(
            folder.path(),
            &[
                "model",
                "logits",
                "--model",
                &model,
                "--tokens",
                &list.join(","),
                "--out",
                "a.safetensors",
            ],
        )
        .done();
        let got = tensors(folder.path().join("a.safetensors"));
        assert_eq!(got["tokens"].dims(), [1, tokens.len()]);
        let want = want["logits"].narrow(0, 0, 1).unwrap();
        let difference = largest_difference(&got["logits"], &want);
        assert!(difference <= TOLERANCE, "{name}: {difference}");
    }
}

#[test]
fn a_text_begins_with_bos_unless_told_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_model();
    let tokens = |more: &[&str]| {
        let mut args = vec![
            "model",
            "logits",
            "--model",
            &model,
            "--text",
            "The old king",
            "--out",
            "a.safetensors",
        ];
        args.extend(more);
        let run = umbra(folder.path(), &args).done();
        assert!(run.err.contains("BOS"), "{run:?}");
        tensors(folder.path().join("a.safetensors"))["tokens"]
            .to_vec2::<i64>()
            .unwrap()
            .remove(0)
    };
    let with = tokens(&[]);
    let without = tokens(&["--no-bos"]);
    assert_eq!(with[0], 0);
    assert_eq!(with[1..], without);
}

#[test]
fn a_seed_decides_what_is_generated() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_model();
    let generated = |temperature: &str, seed: &str| {
        let args = [
            "model",
            "generate",
            "--model",
            &model,
            "--prompt",
            "Once upon a time",
            "--tokens",
            "12",
        ];
        let more = ["--temperature", temperature, "--seed", seed, "--json"];
        let value = umbra(folder.path(), &[args.as_slice(), &more].concat())
            .done()
            .json();
        has_keys(&value, "tokens text");
        value
    };
    assert_eq!(generated("0", "1"), generated("0", "2"));
    assert_eq!(generated("1", "1"), generated("1", "1"));
    assert_ne!(generated("1", "1")["tokens"], generated("1", "2")["tokens"]);
}

#[test]
fn a_model_tells_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let value = umbra(
        folder.path(),
        &["model", "info", "--model", &demo_model(), "--json"],
    )
    .done()
    .json();
    assert_eq!(
        (value["layers"].as_u64(), value["heads"].as_u64()),
        (Some(4), Some(8))
    );
    assert_eq!(value["family"], "gpt2");
}

/// Returns the facts of `umbra model info` and the TransformerLens processing that was applied.
fn told(model: &str, process: &[&str]) -> (serde_json::Value, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut args = vec!["model", "info", "--model", model, "--json"];
    args.extend(process);
    let run = umbra(folder.path(), &args).done();
    let value = run.json();
    (
        value["processing"].clone(),
        format!("{}{}", value["facts"], run.err),
    )
}

#[test]
fn processing_is_asked_for_by_name_shown_and_refused_where_it_would_change_the_logits() {
    let (gpt2, llama) = (golden("tiny-gpt2"), golden("tiny-llama"));
    assert_eq!(told(&gpt2, &[]).0, json!([]));
    let (steps, said) = told(&gpt2, &["--process", "fold-ln,center_unembed"]);
    assert_eq!(steps, json!(["fold_ln", "center_unembed"]));
    assert!(said.contains("fold_ln, center_unembed"), "{said}");
    let (steps, said) = told(&llama, &["--process", "transformer-lens"]);
    assert_eq!(
        steps,
        json!(["fold_ln", "center_unembed", "fold_value_biases"])
    );
    assert!(said.contains("Skipped center_writing_weights"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let info = |model: &str, steps: &str| {
        let args = ["model", "info", "--model", model, "--process", steps];
        umbra(folder.path(), &args)
    };
    info(&llama, "center-writing-weights").refused(&["center_writing_weights", "RMSNorm"]);
    let misspelt = info(&llama, "fold-lm");
    assert_eq!(misspelt.code, 2);
    assert!(misspelt.err.contains("fold-lm") && misspelt.err.contains("fold-ln"));
    let reference = golden("transformer-lens/processed-gpt2.safetensors");
    let mut verify = vec!["model", "verify", &gpt2, "--against", &reference];
    assert_eq!(umbra(folder.path(), &verify).code, 1);
    verify.extend(["--process", "transformer-lens"]);
    umbra(folder.path(), &verify).done();
}

#[test]
fn a_dictionary_decides_how_its_model_is_processed_unless_the_user_does() {
    let folder = tempfile::tempdir().unwrap();
    let model = golden("tiny-gpt2");
    let sae = folder.path().join("sae");
    std::fs::create_dir(&sae).unwrap();
    for name in ["cfg.json", "sae_weights.safetensors"] {
        std::fs::copy(
            format!("{}/{name}", golden("sae-lens-topk")),
            sae.join(name),
        )
        .unwrap();
    }
    let corpus = at("assets/demo/text/held-out/alice.txt");
    let eval = |process: &[&str]| {
        let mut args = vec![
            "eval", "--model", &model, "--sae", "sae", "--corpus", &corpus, "--tokens", "500",
            "--json",
        ];
        args.extend(process);
        let run = umbra(folder.path(), &args).done();
        (run.json()["fvu"].as_f64().unwrap(), run.err)
    };
    let (plain, said) = eval(&[]);
    assert!(!said.contains("processed"), "{said}");
    let (centred, _) = eval(&["--process", "center-writing-weights"]);
    assert_ne!(plain, centred);
    let cfg = std::fs::read_to_string(sae.join("cfg.json")).unwrap();
    let mut cfg: serde_json::Value = serde_json::from_str(&cfg).unwrap();
    let kwargs = json!({"center_writing_weights": true, "n_devices": 2});
    cfg["metadata"]["model_from_pretrained_kwargs"] = kwargs;
    std::fs::write(sae.join("cfg.json"), cfg.to_string()).unwrap();
    let (named, said) = eval(&[]);
    assert_eq!(named, centred);
    for word in [
        "The model is processed by center-writing-weights",
        "--process none",
        "`n_devices` 2",
    ] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let (overruled, said) = eval(&["--process", "none"]);
    assert_eq!(overruled, plain);
    assert!(said.contains("is read with none here"), "{said}");
}

#[test]
fn a_dictionary_trained_on_a_processed_model_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (model, corpus) = (
        golden("tiny-gpt2"),
        at("assets/demo/text/held-out/alice.txt"),
    );
    let args = [
        "train",
        "--model",
        &model,
        "--corpus",
        &corpus,
        "--hook",
        "blocks.1.hook_resid_post",
        "--features",
        "64",
        "--k",
        "4",
        "--tokens",
        "2000",
        "--process",
        "transformer-lens",
        "--out",
        "sae",
    ];
    umbra(folder.path(), &args).done();
    let cfg = std::fs::read_to_string(folder.path().join("sae/cfg.json")).unwrap();
    let cfg: serde_json::Value = serde_json::from_str(&cfg).unwrap();
    let steps = [
        "fold_ln",
        "center_writing_weights",
        "center_unembed",
        "fold_value_biases",
    ];
    let steps: serde_json::Map<_, _> = steps
        .map(|step| (step.to_owned(), json!(true)))
        .into_iter()
        .collect();
    assert_eq!(
        cfg["metadata"]["model_from_pretrained_kwargs"],
        json!(steps)
    );
}

#[test]
fn the_lens_ends_in_the_models_own_prediction() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_model();
    let text = ["--model", &model, "--text", "The king said to the fox"];
    let lens = |more: &[&str]| {
        let args = [&["model", "lens"], text.as_slice(), more].concat();
        umbra(folder.path(), &args)
    };
    let value = lens(&["--top", "3", "--json"]).done().json();
    has_keys(&value, "tokens left_out layers definitions");
    let layers = value["layers"].as_array().unwrap();
    let hooks: Vec<_> = layers
        .iter()
        .map(|layer| layer["hook"].as_str().unwrap())
        .collect();
    assert_eq!(
        (hooks[0], hooks[4]),
        ("blocks.0.hook_resid_pre", "blocks.3.hook_resid_post")
    );
    let args = [
        &["model", "logits"],
        text.as_slice(),
        &["--out", "logits.safetensors"],
    ]
    .concat();
    umbra(folder.path(), &args).done();
    let logits = &tensors(folder.path().join("logits.safetensors"))["logits"];
    let logits: Vec<Vec<f32>> = logits.squeeze(0).unwrap().to_vec2().unwrap();
    assert_eq!(logits.len(), value["tokens"].as_array().unwrap().len());
    for (t, logits) in logits.iter().enumerate() {
        let guess = &layers[4]["guesses"][t];
        let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
        assert_eq!(guess["top"][0]["id"].as_u64(), best.map(|best| best as u64));
        assert_eq!(guess["kl"], 0.0);
        assert_eq!(guess["actual_rank"].is_null(), t + 1 == 7);
    }
    let table = lens(&[]).done().out;
    assert!(
        table.lines().count() == 8 && table.contains("embed"),
        "{table}"
    );
    let one = lens(&["--at", "2"]).done().out;
    assert!(one.contains("entropy") && one.contains("rank"), "{one}");
    let failed = lens(&["--at", "7"]);
    assert!(
        failed.code == 1 && failed.err.contains("--at"),
        "{failed:?}"
    );
}

#[test]
fn attention_tells_where_heads_look_and_who_looks_at_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_model();
    let attention = |more: &[&str]| {
        let text = ["--model", &model, "--text", "The king said to the fox"];
        let args = [&["model", "attention"], text.as_slice(), more].concat();
        umbra(folder.path(), &args)
    };
    let value = attention(&["--json"]).done().json();
    has_keys(&value, "tokens left_out heads definitions");
    assert_eq!(value["heads"].as_array().unwrap().len(), 32);
    let head = ["--layer", "2", "--head", "5", "--json"];
    let whole = attention(&head).done().json();
    let pattern = |at: usize, source: usize| whole["pattern"][at][source].as_f64().unwrap();
    let row: f64 = (0..=4).map(|source| pattern(4, source)).sum();
    assert!((row - 1.0).abs() < 1e-5 && whole["pattern"][4].as_array().unwrap().len() == 5);
    let value = attention(&[&head, ["--at", "4"].as_slice()].concat())
        .done()
        .json();
    has_keys(&value, "hook layer head tokens at sources destinations");
    for source in value["sources"].as_array().unwrap() {
        let position = source["position"].as_u64().unwrap() as usize;
        assert_eq!(source["weight"].as_f64().unwrap(), pattern(4, position));
    }
    for destination in value["destinations"].as_array().unwrap() {
        let position = destination["position"].as_u64().unwrap() as usize;
        assert_eq!(
            destination["weight"].as_f64().unwrap(),
            pattern(position, 4)
        );
    }
    let text = attention(&["--layer", "2", "--head", "5", "--at", "4"])
        .done()
        .out;
    assert!(text.contains("destinations that attend to it"), "{text}");
    for (args, word) in [
        (["--layer", "2", "--head", "8"], "no head 8"),
        (["--layer", "4", "--head", "0"], "no block 4"),
    ] {
        let failed = attention(&args);
        assert!(failed.code == 1 && failed.err.contains(word), "{failed:?}");
    }
}
