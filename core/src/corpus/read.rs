//! Files and folders into documents: plain text, JSON lines with a field `text`, and Parquet.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Content, Corpus, CorpusSpec, Document, parquet, unwrap};
use crate::error::{Error, Notes, Result};

pub(super) fn read(spec: &CorpusSpec) -> Result<(Corpus, Notes)> {
    let mut documents = Vec::new();
    let mut tokenizer = None;
    let mut empty = 0;
    for path in &spec.paths {
        for file in files(path)? {
            let before = documents.len();
            if has_extension(&file, "parquet") {
                let name = name_of(&file);
                let column = spec.column.as_deref();
                let contents = parquet::read(&file, column, &name, &mut documents)?;
                empty += contents.empty;
                let named = contents.tokenizer.or_else(|| tokenizer_beside(&file));
                tokenizer = tokenizer.or(named);
            } else {
                read_file(&file, &mut documents)?;
            }
            agree(&documents, before, &file)?;
        }
    }
    let found = documents.len() + empty;
    documents.retain(|document| match &document.content {
        Content::Text(text) => !text.trim().is_empty(),
        Content::Tokens(tokens) => !tokens.is_empty(),
    });
    let mut notes = Notes::default();
    if documents.is_empty() {
        let path = spec.paths.first().cloned().unwrap_or_default();
        let what = "the corpus is empty, name .txt, .jsonl or .parquet files that hold text";
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
            if let Content::Text(text) = &mut document.content {
                *text = unwrap::unwrap(text);
            }
        }
    }
    let corpus = Corpus {
        documents,
        tokenizer,
    };
    Ok((corpus, notes))
}

/// An error if the documents from number `before` on, those of `file`, are token ids and the first one is text, or the reverse.
fn agree(documents: &[Document], before: usize, file: &Path) -> Result<()> {
    let is_text = |document: &Document| matches!(document.content, Content::Text(_));
    let (Some(first), Some(added)) = (documents.first(), documents.get(before)) else {
        return Ok(());
    };
    if is_text(first) == is_text(added) {
        return Ok(());
    }
    let kinds = ["text", "token ids"];
    let [here, there] = if is_text(added) {
        kinds
    } else {
        [kinds[1], kinds[0]]
    };
    Err(Error::input(
        format!("holds {here}, the files before it hold {there}: give one kind at a time"),
        file,
    ))
}

/// The tokenizer that SAELens names beside a data set that it tokenized.
fn tokenizer_beside(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file.with_file_name("sae_lens.json")).ok()?;
    let settings: Value = serde_json::from_str(&text).ok()?;
    Some(settings["tokenizer_name"].as_str()?.to_owned())
}

/// `path` itself, or the `.txt`, `.jsonl` and `.parquet` files of a folder, sorted by name.
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
        let mut known = ["txt", "jsonl", "parquet"].into_iter();
        if file.is_file() && known.any(|extension| has_extension(&file, extension)) {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(Error::input(
            "the folder holds no .txt, .jsonl or .parquet file, name another",
            path,
        ));
    }
    files.sort();
    Ok(files)
}

fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
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
    let name = name_of(path);
    if !has_extension(path, "jsonl") {
        documents.push(Document {
            name,
            content: Content::Text(text),
        });
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
            content: Content::Text(text),
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
            ..CorpusSpec::default()
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
        let then = Content::Text("then".to_owned());
        assert_eq!(corpus.documents[1].content, then);
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
        assert!(refused.contains("no .txt, .jsonl or .parquet"), "{refused}");
    }
}
