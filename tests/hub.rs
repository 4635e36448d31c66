//! Models by name: the cache where the environment says, nothing asked of anybody when it is whole, one sentence when nobody answers.
#![cfg(unix)]

use std::fs;
use std::path::Path;

use umbra_tests::{Run, golden, names};

/// Nothing listens there.
const NOBODY: &str = "HF_ENDPOINT=http://127.0.0.1:9";

fn umbra_at(home: &Path, args: &[&str]) -> Run {
    let home = format!("HF_HOME={}", home.display());
    let program = env!("CARGO_BIN_EXE_umbra-under-test");
    let unset = [
        "-u",
        "HF_HUB_CACHE",
        "-u",
        "HF_HUB_OFFLINE",
        "-u",
        "HF_TOKEN",
    ];
    let begin = [&unset, &[home.as_str(), NOBODY, program][..]].concat();
    umbra_tests::run("env", Path::new("."), &[&begin, args].concat())
}

/// A cache with the tiny model as `own/tiny`.
fn cache() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("hub/models--own--tiny");
    let snapshot = folder.join("snapshots/0123abcd");
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir_all(folder.join("refs")).unwrap();
    fs::write(folder.join("refs/main"), "0123abcd").unwrap();
    let tiny = golden("tiny-gpt2");
    for name in names(Path::new(&tiny)) {
        fs::copy(Path::new(&tiny).join(&name), snapshot.join(&name)).unwrap();
    }
    home
}

#[test]
fn a_cached_model_is_used_without_asking_and_keeps_its_name() {
    let home = cache();
    let info = ["--json", "model", "info", "--model", "own/tiny"];
    for args in [info.to_vec(), [&info[..], &["--offline"]].concat()] {
        let told = umbra_at(home.path(), &args).done().json();
        assert_eq!(told["name"], "own/tiny");
        let parameters = told["parameters"].as_u64().unwrap();
        assert_eq!(told["memory_bytes"].as_u64().unwrap(), 4 * parameters);
        assert_eq!(told["stored"]["F32"].as_u64().unwrap(), parameters);
    }
}

#[test]
fn what_is_not_there_is_one_sentence_with_the_name() {
    let home = cache();
    let info = ["model", "info", "--model", "own/other"];
    umbra_at(home.path(), &info).refused(&["own/other", "cannot be reached"]);
    let offline = [&info[..], &["--offline"]].concat();
    umbra_at(home.path(), &offline).refused(&["own/other", "--offline"]);
    let weights = home
        .path()
        .join("hub/models--own--tiny/snapshots/0123abcd/model.safetensors");
    fs::remove_file(weights).unwrap();
    let half = ["model", "info", "--model", "own/tiny", "--offline"];
    umbra_at(home.path(), &half).refused(&["own/tiny", "model.safetensors is missing"]);
}
