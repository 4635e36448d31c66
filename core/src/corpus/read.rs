//! Files and folders into documents: plain text, and JSON lines with a field `text`. The only file access of this module.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Corpus, CorpusSpec, Document, unwrap};
use crate::error::{Error, Notes, Result};

pub(super) fn read(spec: &CorpusSpec) -> Result<(Corpus, Notes)> {
    let mut documents = Vec::new();
    for path in &spec.paths {
        for file in files(path)? {
            read_file(&file, &mut documents)?;
        }
    }
    let found = documents.len();
    documents.retain(|document| !document.text.trim().is_empty());
    let mut notes = Notes::default();
    if documents.is_empty() {
        let path = spec.paths.first().cloned().unwrap_or_default();
        let what = "the corpus is empty, name .txt or .jsonl files that hold text";
        return Err(Error::input(what, path));
    }
    let blank = found - documents.len();
    if blank > 0 {
        notes.add(format!(
            "{blank} of {found} documents hold no text and are left out"
        ));
    }
    if spec.unwrap {
        for document in &mut documents {
            document.text = unwrap::unwrap(&document.text);
        }
    }
    Ok((Corpus { documents }, notes))
}

/// `path` itself, or the `.txt` and `.jsonl` files of a folder, sorted by name.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.exists() {
        return Err(Error::input("no such file or folder", path));
    }
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let failed = |source| Error::io("cannot list the folder", path, source);
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.is_file() && (has_extension(&file, "txt") || has_extension(&file, "jsonl")) {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(Error::input(
            "the folder holds no .txt or .jsonl file, name another",
            path,
        ));
    }
    files.sort();
    Ok(files)
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension()
        .is_some_and(|found| found.eq_ignore_ascii_case(extension))
}

fn read_file(path: &Path, documents: &mut Vec<Document>) -> Result<()> {
    let bytes =
        std::fs::read(path).map_err(|source| Error::io("cannot read the file", path, source))?;
    let text = String::from_utf8(bytes).map_err(|refused| {
        let at = refused.utf8_error().valid_up_to();
        Error::input(
            format!("the text is not UTF-8 at byte {at}, convert the file"),
            path,
        )
    })?;
    let name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned();
    if !has_extension(path, "jsonl") {
        documents.push(Document { name, text });
        return Ok(());
    }
    for (i, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let number = i + 1;
        let text = text_of(line).ok_or_else(|| {
            let what =
                format!("line {number} is no JSON object with a string `text`, mend or remove it");
            Error::input(what, path)
        })?;
        documents.push(Document {
            name: format!("{name}:{number}"),
            text,
        });
    }
    Ok(())
}

fn text_of(line: &str) -> Option<String> {
    match serde_json::from_str(line).ok()? {
        Value::Object(mut object) => match object.remove("text")? {
            Value::String(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        folder
    }

    fn spec(path: PathBuf) -> CorpusSpec {
        CorpusSpec {
            paths: vec![path],
            unwrap: false,
        }
    }

    #[test]
    fn a_folder_is_its_text_and_json_lines_sorted_by_name() {
        let folder = folder(&[
            ("b.txt", b"second"),
            (
                "a.jsonl",
                b"{\"text\": \"first\", \"x\": 1}\n\n{\"text\": \"then\"}\n",
            ),
            ("c.TXT", b"  \n"),
            ("notes.md", b"not read"),
        ]);
        let (corpus, notes) = read(&spec(folder.path().to_path_buf())).unwrap();
        let names: Vec<_> = corpus.documents.iter().map(|d| d.name.as_str()).collect();
        assert_eq!(names, ["a.jsonl:1", "a.jsonl:3", "b.txt"]);
        assert_eq!(corpus.documents[1].text, "then");
        assert_eq!(
            notes.iter().collect::<Vec<_>>(),
            ["1 of 4 documents hold no text and are left out"]
        );
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_place() {
        #[track_caller]
        fn check(file: &str, bytes: &[u8], want: &str) {
            let folder = folder(&[(file, bytes)]);
            for path in [folder.path().to_path_buf(), folder.path().join(file)] {
                let refused = read(&spec(path)).unwrap_err().to_string();
                assert!(refused.contains(want), "{refused}");
            }
        }
        check(
            "a.txt",
            b"fine \xff",
            "not UTF-8 at byte 5, convert the file: ",
        );
        check(
            "a.jsonl",
            b"{\"text\": \"x\"}\n{\"body\": \"y\"}",
            "line 2 is no JSON object with a string `text`",
        );
        check("a.jsonl", b"{\"text\": 3}", "line 1 ");
        check("a.txt", b" \n\t", "the corpus is empty");
        let missing = read(&spec("nowhere/at-all".into()))
            .unwrap_err()
            .to_string();
        assert_eq!(missing, "no such file or folder: nowhere/at-all");
        let none = folder(&[("a.md", b"x")]);
        let refused = read(&spec(none.path().to_path_buf()))
            .unwrap_err()
            .to_string();
        assert!(refused.contains("no .txt or .jsonl"), "{refused}");
    }
}
