//! Parquet files written by pyarrow, read as text and as token ids, and damaged.

use std::path::{Path, PathBuf};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::text::TextCodec;

fn golden(name: &str) -> PathBuf {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/parquet");
    Path::new(folder).join(name)
}

fn open(path: PathBuf, column: Option<&str>) -> Result<(Corpus, Vec<String>)> {
    let (corpus, notes) = Corpus::open(&CorpusSpec {
        paths: vec![path],
        column: column.map(str::to_owned),
        ..CorpusSpec::default()
    })?;
    Ok((corpus, notes.iter().map(str::to_owned).collect()))
}

fn codec() -> TextCodec {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
    TextCodec::open(Path::new(folder)).unwrap()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, words: &[&str]) {
    let said = result.unwrap_err().to_string();
    assert_eq!(said.lines().count(), 1, "{said}");
    for word in words {
        assert!(said.contains(word), "{said}");
    }
}

#[test]
fn a_column_of_text_is_read_over_row_groups() {
    let (corpus, notes) = open(golden("text.parquet"), None).unwrap();
    let got: Vec<_> = corpus
        .documents
        .iter()
        .map(|d| (d.name.as_str(), d.content.clone()))
        .collect();
    let text = |text: &str| Content::Text(text.to_owned());
    assert_eq!(
        got,
        [
            ("text.parquet:1", text("The old fox went home.")),
            ("text.parquet:4", text("Ein Märchen: “Es war einmal …” 🦊")),
            ("text.parquet:5", text("last")),
        ]
    );
    assert_eq!(notes, ["2 of 5 documents hold no text and are left out"]);
    let (other, _) = open(golden("text.parquet"), Some("body")).unwrap();
    assert_eq!(other.documents[4].content, text("body 4"));
    assert_eq!(other.usual_context(1024), 256);
}

#[test]
fn rows_of_token_ids_are_used_as_they_are_and_what_was_checked_is_said() {
    let (corpus, _) = open(golden("input-ids.parquet"), None).unwrap();
    assert_eq!(corpus.usual_context(1024), 8);
    assert_eq!(corpus.usual_context(5), 5);
    let (rows, notes) = corpus.rows(&codec(), 8).unwrap();
    assert_eq!((rows.len(), rows.context()), (6, 8));
    let want: Vec<u32> = vec![0, 15, 16, 17, 18, 19, 20, 21];
    assert_eq!(rows.row(2).iter().map(|t| t.0).collect::<Vec<_>>(), want);
    assert_eq!(rows.document(2, 3), "input-ids.parquet:3");
    let notes: Vec<&str> = notes.iter().collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    for word in ["6 rows of 8", "begins with BOS", "is demo"] {
        assert!(notes[0].contains(word), "{notes:?}");
    }

    let (ragged, notes) = open(golden("tokens.parquet"), None).unwrap();
    assert_eq!(notes, ["2 of 6 documents hold no text and are left out"]);
    assert_eq!(ragged.documents[3].name, "tokens.parquet:6");
    let (rows, notes) = ragged.rows(&codec(), 8).unwrap();
    assert_eq!(rows.len(), 3);
    let notes: Vec<&str> = notes.iter().collect();
    assert!(notes[0].contains("no tokenizer is named"), "{notes:?}");
    assert!(notes[1].starts_with("1 of 4 ") && notes[1].contains("left out"));
    assert!(notes[2].starts_with("1 of 4 ") && notes[2].contains("cut to"));
}

#[test]
fn ids_of_another_tokenizer_and_rows_without_bos_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (corpus, _) = open(golden("input-ids.parquet"), None).unwrap();
    let small = TextCodec::numbers(folder.path(), 20).unwrap();
    refused(
        corpus.rows(&small, 8),
        &["input-ids.parquet:3", "token 20", "20 entries"],
    );
    corpus
        .rows(&TextCodec::numbers(folder.path(), 600).unwrap(), 8)
        .unwrap();
    refused(corpus.rows(&codec(), 9), &["9 tokens"]);
    std::fs::write(folder.path().join("config.json"), "{\"bos_token_id\": 7}").unwrap();
    let other = TextCodec::numbers(folder.path(), 600).unwrap();
    refused(
        corpus.rows(&other, 8),
        &["0 of 6 rows", "BOS (7)", "setting `no_bos`"],
    );
    corpus.rows(&other.without_bos(), 8).unwrap();
    refused(
        open(golden("null-id.parquet"), None),
        &["input_ids", "null", "record 2", "null-id.parquet"],
    );
}

#[test]
fn the_split_parts_rows_of_token_ids_too() {
    let (corpus, _) = open(golden("input-ids.parquet"), None).unwrap();
    let train = corpus.part(Part::Train, 3).0;
    let held_out = corpus.part(Part::HeldOut, 3).0;
    assert_eq!((train.documents.len(), held_out.documents.len()), (5, 1));
    assert!(!train.documents.contains(&held_out.documents[0]));
    assert_ne!(train.fingerprint(), corpus.fingerprint());
    assert_eq!(train.tokenizer.as_deref(), Some("demo"));
}

#[test]
fn a_column_that_is_not_there_or_no_text_is_named_with_those_that_are() {
    let path = || golden("text.parquet");
    refused(
        open(path(), Some("story")),
        &["`story`", "id, text, body", "text.parquet"],
    );
    refused(open(path(), Some("id")), &["`id`", "INT64"]);
    refused(
        open(golden("input-ids.parquet"), Some("text")),
        &["`text`", "input_ids, attention_mask"],
    );
    let both = Corpus::open(&CorpusSpec {
        paths: vec![path(), golden("tokens.parquet")],
        ..CorpusSpec::default()
    });
    refused(both, &["token ids", "text", "tokens.parquet"]);
}

#[test]
fn a_damaged_file_is_refused_by_name_or_read_and_never_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let mut chance = ChaCha8Rng::seed_from_u64(8);
    let mut broken = 0;
    for name in ["text.parquet", "input-ids.parquet", "tokens.parquet"] {
        let whole = std::fs::read(golden(name)).unwrap();
        let path = folder.path().join(name);
        for _ in 0..400 {
            let mut bytes = whole.clone();
            for _ in 0..chance.random_range(1..4) {
                let at = chance.random_range(0..bytes.len());
                match chance.random_range(0..4) {
                    0 => bytes.truncate(at.max(1)),
                    _ => bytes[at] = chance.random(),
                }
            }
            std::fs::write(&path, &bytes).unwrap();
            if let Err(error) = open(path.clone(), None) {
                let said = error.to_string();
                assert!(said.contains(name) && said.lines().count() == 1, "{said}");
                broken += 1;
            }
        }
    }
    assert!(broken > 400, "{broken}");
}
