//! `umbra label` and `umbra index facts`: facts are measured and taken as labels, labels travel through files, and nothing is sent without an address.

use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use umbra_tests::{at, demo_model};

use crate::{has_keys, umbra};

/// A project with one dictionary of the demo, and an index of it with facts.
struct Room {
    folder: TempDir,
    sae: String,
    index: String,
}

impl Room {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (sae, text) = (
            at("assets/demo/saes/attn-2"),
            at("assets/demo/text/held-out"),
        );
        let toml = format!("version = 1\nname = \"Mine\"\n[[dictionary]]\nsae = {sae:?}\n");
        std::fs::write(folder.path().join("umbra.toml"), toml).unwrap();
        let index = folder.path().join("a.sqlite").display().to_string();
        let model = demo_model();
        let of = [
            "--model", &model, "--sae", &sae, "--corpus", &text, "--tokens", "12k",
        ];
        let build = [&["index", "build", "--out", &index][..], &of].concat();
        umbra(folder.path(), &build).done();
        let sae = sae.clone();
        let room = Self { folder, sae, index };
        umbra(room.path(), &["index", "facts", &room.index]).refused(&["holds no facts"]);
        let measure = [&["index", "facts", &room.index, "--json"][..], &of].concat();
        let answer = umbra(room.path(), &measure).done().json();
        has_keys(
            &answer,
            "out text tokens named counts features definitions kinds",
        );
        assert!(answer["tokens"].as_u64() > Some(11_000));
        room
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn answer(&self, args: &[&str]) -> Value {
        let args = [args, &["--json"]].concat();
        umbra(self.path(), &args).done().json()
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

#[test]
fn facts_become_labels_that_travel_through_files() {
    let room = Room::new();
    let shown = room.answer(&["index", "facts", &room.index]);
    let named: Vec<&Value> = list(&shown["features"])
        .iter()
        .filter(|feature| feature["name"].is_string())
        .collect();
    assert_eq!(shown["named"], named.len());
    assert!(named.len() > 10, "{}", named.len());
    for fact in named.iter().flat_map(|feature| list(&feature["facts"])) {
        has_keys(
            fact,
            "fact kind precision recall share score active holding both clear",
        );
        let number = |key: &str| fact[key].as_f64().unwrap();
        assert!((number("precision") - number("both") / number("active")).abs() < 1e-12);
        assert!((number("recall") - number("both") / number("holding")).abs() < 1e-12);
    }
    let first = named[0]["feature"].to_string();
    let detail = room.answer(&["index", "show", &room.index, "--feature", &first]);
    assert_eq!(detail["facts"], named[0]["facts"]);
    // A person's label stays; the facts name the others.
    room.answer(&["label", "set", "--feature", &first, "--text", "mine"]);
    let set = room.answer(&["label", "set", "--facts", &room.index]);
    assert_eq!(
        (&set["set"], &set["left_out"]),
        (&(named.len() - 1).into(), &1.into())
    );
    let labels = room.answer(&["label", "list"]);
    let labels = list(&labels["labels"]);
    assert_eq!(labels.len(), named.len());
    let of = |maker: &str| {
        let of = labels.iter().filter(|label| label["maker"] == maker);
        of.count()
    };
    assert_eq!((of("person"), of("fact")), (1, named.len() - 1));
    // Through a file of each kind into an empty project.
    for file in ["labels.csv", "labels.json", "labels.jsonl"] {
        room.answer(&["label", "export", file, "--index", &room.index]);
        let other = room.path().join(file.replace('.', "-"));
        std::fs::create_dir(&other).unwrap();
        std::fs::copy(room.path().join("umbra.toml"), other.join("umbra.toml")).unwrap();
        let path = other.display().to_string();
        let read = room.answer(&["label", "import", file, "--project", &path]);
        assert_eq!(read["set"], labels.len(), "{file}");
        let again = room.answer(&["label", "import", file, "--project", &path]);
        assert_eq!(
            (&again["set"], &again["left_out"]),
            (&0.into(), &labels.len().into())
        );
        let kept = room.answer(&["label", "list", "--project", &path]);
        let texts = |labels: &[Value]| -> Vec<Value> {
            labels.iter().map(|label| label["label"].clone()).collect()
        };
        assert_eq!(texts(list(&kept["labels"])), texts(labels));
    }
    let exported = std::fs::read_to_string(room.path().join("labels.jsonl")).unwrap();
    let line: Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    assert_eq!(line["layer"], "2-attn-2");
}

#[test]
fn asking_shows_its_prompt_and_sends_nothing_without_an_address() {
    let room = Room::new();
    let shown = room.answer(&["index", "facts", &room.index]);
    let feature = shown["features"][0]["feature"].to_string();
    let model = demo_model();
    let ask = [
        "label",
        "ask",
        "--model",
        &model,
        "--sae",
        &room.sae,
        "--index",
        &room.index,
        "--feature",
        &feature,
    ];
    let prompts = room.answer(&[&ask[..], &["--show-prompt"]].concat());
    let messages = list(&prompts["prompts"][0]["messages"]);
    assert_eq!(
        (&messages[0]["role"], &messages[1]["role"]),
        (&"system".into(), &"user".into())
    );
    assert!(messages[1]["content"].as_str().unwrap().contains('«'));
    umbra(room.path(), &ask).refused(&["--url"]);
    let plain = ["--url", "ftp://x", "--chat-model", "m"];
    umbra(room.path(), &[&ask[..], &plain].concat()).refused(&["--url", "https://"]);
    let nameless = ["--url", "http://localhost:9/v1"];
    umbra(room.path(), &[&ask[..], &nameless].concat()).refused(&["--chat-model"]);
    let nowhere = ["--url", "http://localhost:9/v1", "--chat-model", "m"];
    umbra(room.path(), &[&ask[..], &nowhere].concat()).refused(&["cannot be reached"]);
}

#[test]
fn wrong_features_kinds_and_files_are_refused() {
    let room = Room::new();
    let refused = |args: &[&str], words: &[&str]| umbra(room.path(), args).refused(words);
    refused(
        &["index", "facts", &room.index, "--kind", "colour"],
        &["colour", "sentence-start"],
    );
    refused(
        &["index", "facts", &room.index, "--feature", "9999999"],
        &["does not exist"],
    );
    std::fs::write(room.path().join("a.txt"), "x").unwrap();
    refused(&["label", "import", "a.txt"], &["a.txt", ".csv"]);
    refused(
        &["label", "export", "none.csv"],
        &["none.csv", "has a label"],
    );
    let two = "version = 1\nname = \"Two\"\n[[dictionary]]\nsae = \"x\"\n";
    let folder = room.path().join("empty");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("umbra.toml"), two).unwrap();
    let path = folder.display().to_string();
    refused(
        &[
            "label",
            "set",
            "--project",
            &path,
            "--feature",
            "1",
            "--text",
            "x",
        ],
        &["no dictionary"],
    );
}
