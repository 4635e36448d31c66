//! One dictionary from text to report, as the contract for scripts has it: train, eval, index, prompt, report.

use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;
use umbra_tests::{at, demo_model, names};

use crate::{has_keys, umbra};

/// A small dictionary of the demo model, trained once for all tests.
pub(crate) struct Trained {
    /// Holds the folder `sae`.
    pub(crate) folder: TempDir,
    answer: Value,
}

impl Trained {
    /// The dictionary's folder.
    pub(crate) fn sae(&self) -> String {
        self.folder
            .path()
            .join("sae")
            .to_string_lossy()
            .into_owned()
    }
}

/// On `blocks.1.attn.hook_z`, 256 features, 8 active, 40,000 activations.
pub(crate) fn trained() -> &'static Trained {
    static TRAINED: OnceLock<Trained> = OnceLock::new();
    TRAINED.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let answer = train(&folder, "sae", "0");
        Trained { folder, answer }
    })
}

fn train(folder: &TempDir, out: &str, seed: &str) -> Value {
    let (model, corpus) = (demo_model(), at("assets/demo/text/train"));
    let args = [
        "train",
        "--model",
        &model,
        "--corpus",
        &corpus,
        "--hook",
        "blocks.1.attn.hook_z",
    ];
    let more = [
        "--features",
        "256",
        "--k",
        "8",
        "--tokens",
        "40000",
        "--seed",
        seed,
        "--context",
        "128",
    ];
    umbra(
        folder.path(),
        &[args.as_slice(), &more, &["--out", out, "--json"]].concat(),
    )
    .done()
    .json()
}

#[test]
fn training_answers_with_its_figures_and_writes_a_folder() {
    let trained = trained();
    let answer = &trained.answer;
    has_keys(answer, "out tokens_seen l0 fvu dead_fraction");
    assert!(answer["tokens_seen"].as_u64() >= Some(40_000), "{answer}");
    assert!(answer["l0"].as_f64().unwrap() <= 8.0, "{answer}");
    let fvu = answer["fvu"].as_f64().unwrap();
    assert!(fvu > 0.01 && fvu < 0.95, "{answer}");
    assert_eq!(
        names(trained.sae().as_ref()),
        [
            "cfg.json",
            "events.jsonl",
            "run.json",
            "sae_weights.safetensors"
        ]
    );
    let cfg: Value = serde_json::from_str(
        &std::fs::read_to_string(format!("{}/cfg.json", trained.sae())).unwrap(),
    )
    .unwrap();
    has_keys(
        &cfg["metadata"],
        "sae_lens_version hook_name model_name prepend_bos context_size",
    );
    assert_eq!(cfg["metadata"]["hook_name"], "blocks.1.attn.hook_z");
}

#[test]
fn the_same_seed_trains_the_same_dictionary() {
    let folder = tempfile::tempdir().unwrap();
    train(&folder, "again", "0");
    let bytes = |folder: &str| std::fs::read(format!("{folder}/sae_weights.safetensors")).unwrap();
    let again = folder.path().join("again").to_string_lossy().into_owned();
    assert!(bytes(&trained().sae()) == bytes(&again));
}

#[test]
fn evaluation_answers_with_every_figure() {
    let trained = trained();
    let (model, corpus, sae) = (demo_model(), at("assets/demo/text/held-out"), trained.sae());
    let args = [
        "eval", "--model", &model, "--sae", &sae, "--corpus", &corpus, "--tokens", "4000", "--json",
    ];
    let value = umbra(trained.folder.path(), &args).done().json();
    has_keys(
        &value,
        "l0 fvu dead_fraction ce_clean ce_sae ce_zero ce_mean ce_recovered_zero ce_recovered_mean tokens",
    );
    let figure = |key: &str| value[key].as_f64().unwrap();
    assert!(
        figure("ce_clean") < figure("ce_sae") && figure("ce_sae") < figure("ce_zero"),
        "{value}"
    );
    let recovered =
        (figure("ce_zero") - figure("ce_sae")) / (figure("ce_zero") - figure("ce_clean"));
    assert!(
        (recovered - figure("ce_recovered_zero")).abs() < 1e-9,
        "{value}"
    );
    // Rows are as long as those that the dictionary was trained on.
    assert_eq!(value["tokens"].as_u64(), Some(31 * 127));
}

#[test]
fn an_index_is_built_shown_and_reported() {
    let trained = trained();
    let here = tempfile::tempdir().unwrap();
    let (model, corpus, sae) = (
        demo_model(),
        at("assets/demo/text/held-out/alice.txt"),
        trained.sae(),
    );
    let build = [
        "index", "build", "--model", &model, "--sae", &sae, "--corpus", &corpus, "--tokens", "8000",
    ];
    umbra(
        here.path(),
        &[build.as_slice(), &["--out", "i.sqlite"]].concat(),
    )
    .done();
    assert_eq!(names(here.path()), ["i.sqlite"]);
    let report = |out: &str| {
        umbra(
            here.path(),
            &["report", "i.sqlite", "--features", "top:3", "--out", out],
        )
        .done()
    };
    report("r.json");
    report("r.html");
    let read = |name: &str| std::fs::read_to_string(here.path().join(name)).unwrap();
    let json: Value = serde_json::from_str(&read("r.json")).unwrap();
    let top = json["features"][0]["feature"]
        .as_u64()
        .unwrap_or_else(|| panic!("{json}"));
    shown(
        &umbra(
            here.path(),
            &[
                "index",
                "show",
                "i.sqlite",
                "--feature",
                &top.to_string(),
                "--json",
            ],
        )
        .done()
        .json(),
    );
    let html = read("r.html");
    assert!(
        html.contains("<svg") && html.contains("blocks.1.attn.hook_z"),
        "{} bytes",
        html.len()
    );
    // An empty icon, so that the browser does not ask for one.
    let html = html.replace("<link rel=\"icon\" href=\"data:,\">", "");
    for outside in [
        "src=\"http",
        "href=\"http",
        "url(http",
        "@import",
        "<script src",
        "<link",
    ] {
        assert!(
            !html.contains(outside),
            "the page asks for something outside: {outside}"
        );
    }
    assert_eq!(names(here.path()), ["i.sqlite", "r.html", "r.json"]);
}

/// Keys that `umbra index show` promises for an active feature.
fn shown(value: &Value) {
    has_keys(
        value,
        "feature density mean max histogram examples promoted suppressed head_shares",
    );
    assert!(
        value["density"].as_f64() > Some(0.0) && value["max"].as_f64() >= value["mean"].as_f64(),
        "{value}"
    );
    assert_eq!(value["promoted"].as_array().map(Vec::len), Some(20));
    assert_eq!(value["suppressed"].as_array().map(Vec::len), Some(20));
    let shares: Vec<f64> = value["head_shares"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_f64)
        .collect();
    assert_eq!(shares.len(), 8);
    assert!(
        (shares.iter().sum::<f64>() - 1.0).abs() < 1e-5,
        "{shares:?}"
    );
}

#[test]
fn a_prompt_lists_ten_features_a_token_at_most_strongest_first() {
    let trained = trained();
    let (model, sae) = (demo_model(), trained.sae());
    let args = [
        "prompt",
        "--model",
        &model,
        "--sae",
        &sae,
        "--text",
        "The king said to the fox",
        "--json",
    ];
    let value = umbra(trained.folder.path(), &args).done().json();
    let tokens = value["tokens"].as_array().unwrap();
    let texts: String = tokens
        .iter()
        .skip(1)
        .filter_map(|token| token["text"].as_str())
        .collect();
    assert_eq!(texts.trim_start(), "The king said to the fox");
    for token in tokens {
        has_keys(token, "id text features");
        let features = token["features"].as_array().unwrap();
        assert!(features.len() <= 10, "{token}");
        let acts: Vec<f64> = features
            .iter()
            .map(|f| f["activation"].as_f64().unwrap())
            .collect();
        assert!(acts.is_sorted_by(|a, b| a >= b), "{token}");
    }
    assert!(
        tokens
            .iter()
            .skip(1)
            .any(|token| !token["features"].as_array().unwrap().is_empty())
    );
}

#[cfg(unix)]
#[test]
fn an_interrupt_saves_the_dictionary_as_it_stands() {
    use std::process::{Command, Stdio};
    let folder = tempfile::tempdir().unwrap();
    let (model, corpus) = (demo_model(), at("assets/demo/text/train/willows.txt"));
    let child = Command::new(env!("CARGO_BIN_EXE_umbra-under-test"))
        .args([
            "train",
            "--model",
            &model,
            "--corpus",
            &corpus,
            "--hook",
            "blocks.0.attn.hook_z",
            "--json",
        ])
        .args([
            "--features",
            "128",
            "--k",
            "4",
            "--tokens",
            "900000000",
            "--buffer",
            "8192",
            "--out",
            "sae",
        ])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_secs(3));
    let interrupt = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupt.success());
    let run = umbra_tests::Run::from(child.wait_with_output().unwrap());
    assert_eq!(run.code, 130, "{run:?}");
    assert_eq!(run.json()["stopped"], true);
    let mut saved = vec![
        "cfg.json",
        "events.jsonl",
        "run.json",
        "sae_weights.safetensors",
    ];
    if run.json()["tokens_seen"] != 0 {
        // A step was taken: the run can go on.
        saved.insert(1, "checkpoint");
    }
    assert_eq!(names(&folder.path().join("sae")), saved);
}
