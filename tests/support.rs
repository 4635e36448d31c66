//! Fixtures of the whole-program tests: where things are, the program run in a folder of its own, files read back.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use candle_core::{Device, Tensor};
use serde_json::Value;

/// The repository's folder.
pub fn repository() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("tests/ lies in the repository")
        .to_path_buf()
}

/// A path inside the repository, as text for a flag.
pub fn at(path: &str) -> String {
    repository().join(path).to_string_lossy().into_owned()
}

/// The demo's model.
pub fn demo_model() -> String {
    at("assets/demo/model")
}

/// A folder of golden data.
pub fn golden(name: &str) -> String {
    at(&format!("tests/golden/{name}"))
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Run {
    /// Exit code; −1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

impl Run {
    /// Fails the test unless it ended with 0.
    #[track_caller]
    #[expect(
        clippy::return_self_not_must_use,
        reason = "often only the end matters"
    )]
    pub fn done(self) -> Self {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// Standard output as the one JSON object that `--json` promises.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.out.lines().count(), 1, "{self:?}");
        serde_json::from_str(&self.out).expect("standard output is one JSON object")
    }

    /// Fails the test unless it failed with 1, said one sentence that holds every one of `words`, and answered nothing (under `--json`: that sentence).
    #[track_caller]
    pub fn refused(&self, words: &[&str]) {
        assert_eq!(self.code, 1, "{self:?}");
        let errors: Vec<&str> = self
            .err
            .lines()
            .filter(|line| !line.starts_with("note: "))
            .collect();
        assert!(
            errors.len() == 1 && errors[0].starts_with("error: "),
            "{self:?}"
        );
        if !self.out.is_empty() {
            let said = &self.json()["error"]["message"];
            assert_eq!(said.as_str(), errors[0].strip_prefix("error: "), "{self:?}");
        }
        for word in words {
            assert!(
                errors[0].contains(word),
                "`{word}` is missing: {}",
                errors[0]
            );
        }
        for word in ["panicked", "a bug in Umbra", "unwrap"] {
            assert!(!errors[0].contains(word), "{}", errors[0]);
        }
    }
}

/// Runs `program` with `args` in `folder`.
#[track_caller]
pub fn run(program: &str, folder: &Path, args: &[&str]) -> Run {
    let data = tempfile::tempdir().expect("a temporary folder");
    run_with_data(program, (folder, data.path()), args)
}

/// Runs `program` with `args` in `folder`, with a data folder of its own: a person's measurements of devices stay as they are.
#[track_caller]
pub fn run_with_data(program: &str, (folder, data): (&Path, &Path), args: &[&str]) -> Run {
    let output = Command::new(program)
        .args(args)
        .env("XDG_DATA_HOME", data)
        .current_dir(folder)
        .output();
    Run::from(output.expect("the program starts"))
}

/// All tensors of a safetensors file.
#[track_caller]
pub fn tensors(path: impl AsRef<Path>) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(path, &Device::Cpu).expect("a whole safetensors file")
}

/// Largest absolute difference of two tensors of one shape.
#[track_caller]
pub fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let difference = || a.sub(b)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>();
    difference().expect("two f32 tensors of one shape")
}

/// Names of everything in `folder`, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// A text file of the repository.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path from the repository's folder, with `/`.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// Every file below `folder` (relative to the repository) whose name ends in one of `endings`, by path.
pub fn sources(folder: &str, endings: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&repository().join(folder), endings, &mut found);
    found.sort_by(|a: &Source, b: &Source| a.path.cmp(&b.path));
    found
}

fn collect(folder: &Path, endings: &[&str], found: &mut Vec<Source>) {
    for name in names(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            if !matches!(name.as_str(), ".git" | "target") {
                collect(&path, endings, found);
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            let relative = path.strip_prefix(repository()).unwrap_or(&path);
            found.push(Source {
                path: relative.to_string_lossy().replace('\\', "/"),
                text: std::fs::read_to_string(&path).unwrap_or_default(),
            });
        }
    }
}
