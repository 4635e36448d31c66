//! Texts of files in a fresh folder, read for the demo's model.

use std::path::{Path, PathBuf};

use super::*;

fn model() -> Model {
    let demo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model"));
    Model::open(demo).unwrap().0
}

/// Thirty records that are text, and one that is none.
fn records(folder: &Path) -> PathBuf {
    let line = |i: usize| {
        format!(
            "{{\"text\": \"{}\"}}\n",
            format!("The fox number {i}. ").repeat(40)
        )
    };
    let mut all: String = (0..200).map(line).collect();
    all.push_str("{\"body\": \"this record has no text\"}\n");
    let path = folder.join("foxes.jsonl");
    std::fs::write(&path, all).unwrap();
    path
}

#[test]
fn notes_of_files_parts_and_rows_are_in_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let model = model();
    let request = TextRequest::new([records(folder.path())]).of(Part::HeldOut);
    let text = request.read(&model, None).unwrap();
    for word in [
        "foxes.jsonl",
        "10 of 200 documents",
        "Attention runs across",
    ] {
        assert!(
            text.notes.iter().any(|note| note.contains(word)),
            "{word}: {text:?}"
        );
    }
    assert!(
        text.said()
            .iter()
            .any(|note| note.contains("positions count"))
    );
    let whole = TextRequest::new(&request.corpus.paths);
    let [fitted, measured] = whole.read_split(&[], &model, None).unwrap();
    assert_eq!((measured.documents, fitted.documents), (10, 190));
    assert_eq!(measured.fingerprint, text.fingerprint);
    let left_out = |text: &Text| text.notes.iter().any(|note| note.contains("1 of 201"));
    assert!(left_out(&fitted) && !left_out(&measured), "said once");
    let [fitted, measured] = whole
        .read_split(&request.corpus.paths, &model, None)
        .unwrap();
    assert_eq!(fitted, measured);
    assert_eq!(fitted.documents, 200);
}

#[test]
fn phrase_and_facts_name_files_part_and_seed() {
    let folder = tempfile::tempdir().unwrap();
    let mut request = TextRequest::new([records(folder.path())]);
    request.corpus.unwrap = true;
    let model = model();
    let check = |request: &TextRequest, phrase: &str, split: Value| {
        let text = request.read(&model, None).unwrap();
        assert_eq!(text.phrase, phrase);
        let facts = text.run_facts(&model);
        assert_eq!(facts["corpus"], "foxes.jsonl (unwrapped)");
        assert_eq!(facts["corpus_unwrapped"], true);
        assert_eq!(facts["corpus_documents"], text.documents);
        assert_eq!(facts["corpus_sha256"], text.fingerprint.as_str());
        assert_eq!(facts[MODEL_FINGERPRINT], model.fingerprint());
        assert_eq!(facts["split"], split);
    };
    let all = "foxes.jsonl (unwrapped)";
    check(&request, all, "all of the text".into());
    request.seed = 3;
    let train = request.clone().of(Part::Train);
    let said = format!("{all}, training part by seed 3");
    check(&train, &said, json!({ "part": "train", "seed": 3 }));
    let held_out = request.clone().of(Part::HeldOut);
    let said = format!("{all}, held-out part by seed 3");
    check(&held_out, &said, json!({ "part": "held-out", "seed": 3 }));
    request.named = vec!["hf://datasets/owner/foxes".into(), "a/b.txt".into()];
    assert_eq!(
        request.name(),
        "hf://datasets/owner/foxes, b.txt (unwrapped)"
    );
}

#[test]
fn limits_keep_the_first_rows() {
    let folder = tempfile::tempdir().unwrap();
    let model = model();
    let request = TextRequest::new([records(folder.path())]).read_as(Reading {
        context: Some(32),
        ..Reading::default()
    });
    let all = request.read(&model, None).unwrap();
    let rows = request.clone().at_most(Most::Rows(3));
    let rows = rows.read(&model, None).unwrap().rows;
    assert_eq!((rows.len(), rows.row(2)), (3, all.rows.row(2)));
    let tokens = request.at_most(Most::Tokens(100));
    let tokens = tokens.read(&model, None).unwrap().rows;
    assert!((60..=100).contains(&tokens.counted()) && tokens.row(0) == all.rows.row(0));
}

#[test]
fn a_project_decides_what_is_trained_and_measured_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut project = Project::create(&folder.path().join("mine"), "mine").unwrap();
    let said = TextRequest::held_out_of(&project).unwrap_err().to_string();
    assert!(said.contains("no text to measure on"), "{said}");
    assert_eq!(TextRequest::training_of(&project), None);
    project.train_text = vec!["train.txt".into()];
    let training = TextRequest::training_of(&project).unwrap();
    assert_eq!(training.part, Part::Train);
    let measured = TextRequest::held_out_of(&project).unwrap();
    assert_eq!(measured.phrase(), "train.txt, held-out part by seed 0");
    project.held_out_text = vec!["other.txt".into()];
    let training = TextRequest::training_of(&project).unwrap();
    let measured = TextRequest::held_out_of(&project).unwrap();
    assert_eq!((training.part, measured.part), (Part::All, Part::All));
    assert_eq!(measured.phrase(), "other.txt");
}
