//! Files of text and of records, whole and damaged, packed and not.

use std::io::Write as _;
use std::path::PathBuf;

use super::read::read;
use super::{Content, Corpus, CorpusSpec};
use crate::error::{Notes, Result};
use crate::ids::TokenId;

fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    folder
}

fn spec(path: impl Into<PathBuf>) -> CorpusSpec {
    CorpusSpec {
        paths: vec![path.into()],
        ..CorpusSpec::default()
    }
}

/// Names and texts of one file of that name.
fn read_one(name: &str, bytes: &[u8]) -> Result<(Vec<(String, String)>, Notes)> {
    let folder = folder(&[(name, bytes)]);
    let (corpus, notes) = read(&spec(folder.path().join(name)))?;
    Ok((texts(&corpus), notes))
}

fn texts(corpus: &Corpus) -> Vec<(String, String)> {
    let documents = corpus.documents.iter();
    documents
        .map(|document| {
            let text = match &document.content {
                Content::Text(text) => text.clone(),
                Content::Tokens(tokens) => format!("{tokens:?}"),
            };
            (document.name.clone(), text)
        })
        .collect()
}

#[track_caller]
fn check(name: &str, bytes: &[u8], want: &[(&str, &str)]) -> Vec<String> {
    let (found, notes) = read_one(name, bytes).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|(n, t)| (n.as_str(), t.as_str()))
        .collect();
    assert_eq!(found, want, "{name}");
    notes.iter().map(str::to_owned).collect()
}

#[track_caller]
fn refused(name: &str, bytes: &[u8], words: &[&str]) {
    let said = read_one(name, bytes).unwrap_err().to_string();
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn a_folder_is_its_text_and_records_sorted_by_name_and_says_what_it_passes_over() {
    let folder = folder(&[
        ("b.txt", b"second"),
        (
            "a.jsonl",
            b"{\"text\": \"first\", \"x\": 1}\n\n{\"text\": \"then\"}\n",
        ),
        ("c.TXT", b"  \n"),
        ("d.json", b"[{\"text\": \"third\"}]"),
        ("dataset_info.json", b"{\"splits\": 3}"),
        ("notes.md", b"not read"),
        ("more.md", b"not read"),
        ("table.csv", b"not read"),
        (".git/x.txt", b"hidden"),
        ("sub/e.ndjson", b"{\"text\": \"below\"}"),
        ("sub/deep/f.txt", b"deeper"),
    ]);
    let mut of_folder = spec(folder.path());
    let (corpus, notes) = read(&of_folder).unwrap();
    let names = |corpus: &Corpus| -> Vec<String> {
        texts(corpus).into_iter().map(|(name, _)| name).collect()
    };
    let above = ["a.jsonl:1", "a.jsonl:3", "b.txt", "d.json:1"];
    assert_eq!(names(&corpus), above);
    let notes: Vec<_> = notes.iter().collect();
    let said = |words: &[&str]| {
        let all = |note: &&&str| words.iter().all(|word| note.contains(word));
        assert!(notes.iter().any(|note| all(&note)), "{words:?}: {notes:?}");
    };
    said(&["1 sub-folder", "setting `recursive`"]);
    said(&["3 files of other kinds are passed over (2 .md, 1 .csv)"]);
    said(&["no records with text", "dataset_info.json"]);
    said(&["1 of 5 documents hold no text"]);
    of_folder.recursive = true;
    let (corpus, notes) = read(&of_folder).unwrap();
    let below = ["sub/deep/f.txt", "sub/e.ndjson:1"];
    assert_eq!(names(&corpus), [&above[..], &below].concat());
    assert!(
        !notes
            .iter()
            .any(|note| note.contains("setting `recursive`"))
    );
}

#[test]
fn a_folder_of_folders_hints_at_the_flag_and_ends_where_a_link_leads_back() {
    let folder = folder(&[("a/x.txt", b"text"), ("b/y.md", b"")]);
    let said = read(&spec(folder.path())).unwrap_err().to_string();
    assert!(said.contains("setting `recursive`"), "{said}");
    #[cfg(unix)]
    std::os::unix::fs::symlink(folder.path(), folder.path().join("a/again")).unwrap();
    let below = CorpusSpec {
        recursive: true,
        ..spec(folder.path())
    };
    let (corpus, _) = read(&below).unwrap();
    assert_eq!(texts(&corpus), [("a/x.txt".to_owned(), "text".to_owned())]);
}

#[test]
fn records_come_as_lines_as_an_array_and_one_behind_the_other() {
    let lines = b"{\"text\": \"one\"}\r\n{\"text\": \"two\"}";
    for ending in ["jsonl", "ndjson", "json"] {
        let name = format!("x.{ending}");
        let (one, two) = (format!("{name}:1"), format!("{name}:2"));
        check(&name, lines, &[(&one, "one"), (&two, "two")]);
        let array = b" [ {\"text\": \"one [,]}\\\"\"},\n {\"x\": [1, {}], \"text\": \"two\"} ]\n";
        check(&name, array, &[(&one, "one [,]}\""), (&two, "two")]);
        let objects = b"{\n \"text\": \"one\"\n}\n{\n \"text\": \"two\"\n}";
        check(&name, objects, &[(&one, "one"), (&two, "two")]);
    }
    refused("x.json", b"[]", &["the corpus is empty"]);
}

#[test]
fn packed_files_are_the_files_in_them() {
    let lines = b"{\"text\": \"one\"}\n{\"text\": \"two\"}\n";
    let twice = [gzip(&lines[..16]), gzip(&lines[16..])].concat();
    check(
        "x.jsonl.gz",
        &gzip(lines),
        &[("x.jsonl.gz:1", "one"), ("x.jsonl.gz:2", "two")],
    );
    check(
        "x.ndjson.gz",
        &twice,
        &[("x.ndjson.gz:1", "one"), ("x.ndjson.gz:2", "two")],
    );
    check(
        "x.json.gz",
        &gzip(b"[{\"text\": \"one\"}]"),
        &[("x.json.gz:1", "one")],
    );
    check(
        "x.txt.gz",
        &gzip("\u{feff}one".as_bytes()),
        &[("x.txt.gz", "one")],
    );
    let cut = gzip(&lines.repeat(99));
    refused(
        "x.jsonl.gz",
        &cut[..cut.len() - 9],
        &["not a complete gzip file", "x.jsonl.gz"],
    );
    refused("x.jsonl.gz", lines, &["not a complete gzip file"]);
}

#[cfg(feature = "zstd")]
#[test]
fn files_packed_with_zstd_are_the_files_in_them() {
    let lines = b"{\"text\": \"one\"}\n{\"text\": \"two\"}\n";
    let zstd = |bytes: &[u8]| zstd::stream::encode_all(bytes, 3).unwrap();
    check(
        "x.jsonl.zst",
        &zstd(lines),
        &[("x.jsonl.zst:1", "one"), ("x.jsonl.zst:2", "two")],
    );
    check("x.txt.zst", &zstd(b"one"), &[("x.txt.zst", "one")]);
    refused("x.txt.zst", lines, &["not a complete zstd file"]);
}

#[cfg(not(feature = "zstd"))]
#[test]
fn without_its_feature_a_packed_file_is_refused_by_the_name_of_the_feature() {
    refused("x.txt.zst", b"", &["x.txt.zst", "feature `zstd`"]);
}

#[cfg(not(feature = "parquet"))]
#[test]
fn without_its_feature_a_table_is_refused_by_the_name_of_the_feature() {
    refused("x.parquet", b"", &["x.parquet", "feature `parquet`"]);
}

#[test]
fn a_mark_of_byte_order_is_no_text_and_half_a_surrogate_is_a_replacement() {
    check(
        "x.txt",
        "\u{feff}one\u{feff}".as_bytes(),
        &[("x.txt", "one\u{feff}")],
    );
    let marked = "\u{feff}{\"text\": \"one\"}\n{\"text\": \"two\"}".as_bytes();
    let notes = check(
        "x.jsonl",
        marked,
        &[("x.jsonl:1", "one"), ("x.jsonl:2", "two")],
    );
    assert!(notes.is_empty(), "{notes:?}");
    check(
        "x.json",
        "\u{feff}[{\"text\": \"one\"}]".as_bytes(),
        &[("x.json:1", "one")],
    );
    // Half a pair alone, at the end, before another first half; a whole pair; a backslash before what looks like one.
    let halves = br#"{"text": "a\ud800b\udc00 \uD83D\ud83e\udd8a \\ud800 \ud800"}"#;
    let notes = check(
        "x.jsonl",
        halves,
        &[(
            "x.jsonl:1",
            "a\u{fffd}b\u{fffd} \u{fffd}\u{1f98a} \\ud800 \u{fffd}",
        )],
    );
    assert!(notes.is_empty(), "{notes:?}");
}

/// So many lines, the given ones broken.
fn lines(count: usize, broken: &[usize]) -> Vec<u8> {
    let line = |n: usize| {
        if broken.contains(&n) {
            "{\"text\": oops}\n".to_owned()
        } else {
            format!("{{\"text\": \"line {n}\"}}\n")
        }
    };
    (1..=count).map(line).collect::<String>().into_bytes()
}

#[test]
fn broken_lines_are_left_out_and_named_and_too_many_stop_the_run() {
    let (found, notes) = read_one("x.jsonl", &lines(99, &[3, 50, 98])).unwrap();
    assert_eq!(found.len(), 96);
    let said = notes.iter().next().unwrap();
    for word in ["3 of 99 lines", "(line 3, 50, 98)", "left out", "x.jsonl"] {
        assert!(said.contains(word), "{said}");
    }
    // Of 100 and more 1 % is allowed, and not one more.
    assert!(read_one("x.jsonl", &lines(100, &[7])).is_ok());
    refused(
        "x.jsonl",
        &lines(100, &[7, 8]),
        &["2 of 100 lines", "line 7, 8"],
    );
    assert!(read_one("x.jsonl", &lines(1000, &(1..=10).collect::<Vec<_>>())).is_ok());
    refused(
        "x.jsonl",
        &lines(1000, &(1..=11).collect::<Vec<_>>()),
        &["11 of 1000", "8, …"],
    );
    // Files too small to be judged alone are judged together.
    let few = lines(90, &[1]);
    let names: Vec<String> = (0..12).map(|i| format!("{i:02}.jsonl")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|n| (n.as_str(), &few[..])).collect();
    assert!(read(&spec(folder(&files[..11]).path())).is_ok());
    let said = read(&spec(folder(&files).path())).unwrap_err().to_string();
    assert!(said.contains("12 of 1080 records in all"), "{said}");
    // A field that no record has was mistyped.
    refused(
        "x.jsonl",
        b"{\"body\": \"y\"}\n{\"body\": \"z\"}",
        &["`text`", "setting `text_column`", "body"],
    );
    refused("x.jsonl", b"{\"text\": 3}", &["1 of 1 lines "]);
}

#[test]
fn a_field_may_be_named_and_hold_token_ids() {
    let folder = folder(&[
        (
            "x.json",
            b"[{\"text\": \"a\", \"body\": \"b\"}, {\"text\": \"c\", \"body\": null}]",
        ),
        (
            "ids.jsonl",
            b"{\"input_ids\": [0, 7]}\n{\"input_ids\": \"no\"}\n{\"input_ids\": [0, -1]}",
        ),
    ]);
    let named = CorpusSpec {
        column: Some("body".to_owned()),
        ..spec(folder.path().join("x.json"))
    };
    let (corpus, notes) = read(&named).unwrap();
    assert_eq!(texts(&corpus), [("x.json:1".to_owned(), "b".to_owned())]);
    assert!(
        notes
            .iter()
            .any(|note| note.contains("1 of 2 documents hold no text"))
    );
    let (corpus, notes) = read(&spec(folder.path().join("ids.jsonl"))).unwrap();
    let ids = Content::Tokens(vec![TokenId(0), TokenId(7)]);
    assert_eq!(corpus.documents[0].content, ids);
    assert!(notes.iter().any(|note| note.contains("2 of 3 lines")));
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    refused(
        "a.txt",
        b"fine \xff",
        &["a.txt: ", "not UTF-8 at byte 5; convert the file"],
    );
    refused("a.txt", b" \n\t", &["the corpus is empty"]);
    let said = read(&spec("nowhere/at-all")).unwrap_err().to_string();
    assert_eq!(said, "nowhere/at-all: no such file or folder");
    let none = folder(&[("a.md", b"x")]);
    let said = read(&spec(none.path())).unwrap_err().to_string();
    assert!(said.contains("no .txt, .jsonl"), "{said}");
}
