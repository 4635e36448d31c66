//! The activation store through the built program: captured, killed, resumed, damaged, trained from.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use umbra_tests::{at, golden, names};

use crate::{has_keys, umbra};

const HOOK: &str = "blocks.1.hook_resid_post";

/// Returns the arguments that capture `rows` rows into `store`.
fn capture(store: &str, rows: &str) -> Vec<String> {
    let (model, corpus) = (
        golden("tiny-gpt2"),
        at("assets/demo/text/held-out/alice.txt"),
    );
    let words = [
        "capture",
        "--model",
        &model,
        "--corpus",
        &corpus,
        "--context",
        "24",
        "--rows",
        rows,
        "--hook",
        HOOK,
        "blocks.0.attn.hook_z",
        "--gradients",
        "--shard-rows",
        "6",
        "--store",
        store,
    ];
    words.map(str::to_owned).to_vec()
}

#[track_caller]
fn captured(folder: &Path, store: &str, rows: &str) -> Value {
    let words = [capture(store, rows), vec!["--json".to_owned()]].concat();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    umbra(folder, &words).done().json()
}

/// Files of a store by name, without its lock.
fn files(store: &Path) -> Vec<(String, Vec<u8>)> {
    let names = names(store).into_iter().filter(|name| name != ".lock");
    names
        .map(|name| (name.clone(), fs::read(store.join(&name)).unwrap()))
        .collect()
}

/// Starts the capture in `folder`; `end` receives the id of the running child and ends it.
fn begun(
    folder: &Path,
    store: &str,
    rows: &str,
    end: impl FnOnce(&mut std::process::Child),
) -> i32 {
    let mut child = Command::new(env!("CARGO_BIN_EXE_umbra-under-test"))
        .args(capture(store, rows))
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    end(&mut child);
    child.wait().unwrap().code().unwrap_or(-1)
}

#[test]
fn fifty_kills_at_random_moments_lose_the_unfinished_shard_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    captured(folder.path(), "whole", "300");
    let whole_run = begin.elapsed();
    let whole = files(&folder.path().join("whole"));
    let mut chance: u64 = 3;
    let (mut store, mut there, mut finished, mut progressed) = (0, 0, 0, 0);
    for _ in 0..50 {
        chance = chance
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let share = (chance >> 33) as f64 / f64::from(1_u32 << 31);
        let name = format!("store-{store}");
        begun(folder.path(), &name, "300", |child| {
            std::thread::sleep(whole_run.mul_f64(share * 0.8));
            child.kill().unwrap();
        });
        let path = folder.path().join(&name);
        if !path.join("manifest.json").exists() {
            continue;
        }
        let found = umbra(folder.path(), &["store", "verify", &name, "--json"]);
        let found = found.done().json();
        let shards = found["shards"].as_u64().unwrap();
        let written = names(&path)
            .iter()
            .filter(|name| name.starts_with("shard-"))
            .count();
        assert!(shards >= there, "{shards} of {there} shards are left");
        assert!(
            written as u64 <= shards + 1,
            "{written} files, {shards} listed"
        );
        progressed += u64::from(shards > there);
        there = shards;
        if found["rows"] == found["of"] {
            assert!(files(&path) == whole);
            (store, there, finished) = (store + 1, 0, finished + 1);
        }
    }
    assert!(progressed >= 5, "{progressed} runs of 50 wrote a shard");
    let name = format!("store-{store}");
    captured(folder.path(), &name, "300");
    assert!(
        files(&folder.path().join(name)) == whole,
        "after {finished} finished"
    );
}

#[test]
fn ctrl_c_leaves_a_store_that_the_same_command_finishes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let code = begun(folder.path(), "store", "1000", |child| {
        let begin = Instant::now();
        while !path.join("shard-00001.safetensors").exists() {
            assert!(begin.elapsed() < Duration::from_mins(1));
            std::thread::sleep(Duration::from_millis(2));
        }
        let id = child.id().to_string();
        Command::new("kill").args(["-INT", &id]).status().unwrap();
    });
    assert_eq!(code, 130);
    let there = umbra(folder.path(), &["store", "info", "store", "--json"]);
    let there = there.done().json();
    let rows = there["rows"].as_u64().unwrap();
    assert!((12..1000).contains(&rows), "{there}");
    let words = capture("store", "1000");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let again = umbra(folder.path(), &words).done();
    assert!(
        again
            .err
            .contains(&format!("{rows} of them are already there")),
        "{again:?}"
    );
    captured(folder.path(), "whole", "1000");
    assert!(files(&path) == files(&folder.path().join("whole")));
}

#[test]
fn damage_is_named_refused_in_training_and_mended_by_the_same_command() {
    let folder = tempfile::tempdir().unwrap();
    let answer = captured(folder.path(), "store", "40");
    has_keys(
        &answer,
        "store hooks dtype gradients context rows of tokens bytes stopped",
    );
    let before = files(&folder.path().join("store"));
    let train = [
        "train",
        "--store",
        "store",
        "--hook",
        HOOK,
        "--features",
        "64",
        "--k",
        "4",
        "--tokens",
        "2000",
        "--out",
        "sae",
    ];
    umbra(folder.path(), &train).done();
    let again = [train.as_slice(), &["--overwrite"]].concat();

    let name = "shard-00003.safetensors";
    let path = folder.path().join("store").join(name);
    let mut bytes = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
    let place = header + 6 * 24 * 4 + 1_000; // behind the tokens: the first hook
    bytes[place] ^= 4;
    fs::write(&path, &bytes).unwrap();
    let found = umbra(folder.path(), &["store", "verify", "store", "--json"]);
    assert_eq!(found.code, 1, "{found:?}");
    let damaged = &found.json()["damaged"];
    assert_eq!(damaged.as_array().unwrap().len(), 1, "{found:?}");
    assert_eq!(
        (&damaged[0]["shard"], &damaged[0]["tensor"]),
        (&name.into(), &HOOK.into())
    );
    assert!(
        found.err.contains(name) && found.err.contains(HOOK),
        "{found:?}"
    );
    umbra(folder.path(), &again).refused(&[name, HOOK, "damaged in row"]);

    fs::remove_file(&path).unwrap();
    umbra(folder.path(), &again).refused(&[name, "is missing"]);
    captured(folder.path(), "store", "40");
    umbra(folder.path(), &["store", "verify", "store"]).done();
    assert!(files(&folder.path().join("store")) == before);
}

#[test]
fn a_store_tells_what_it_is_and_refuses_what_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    captured(folder.path(), "store", "40");
    let info = umbra(folder.path(), &["store", "info", "store", "--json"])
        .done()
        .json();
    has_keys(
        &info,
        "model model_fingerprint hooks dtype gradients context rows tokens prepend_bos shards bytes corpus",
    );
    assert_eq!(
        (&info["dtype"], &info["gradients"]),
        (&"f16".into(), &"bf16".into())
    );
    assert_eq!(info["corpus"]["split"]["part"], "train");
    let train = |more: &[&str]| {
        let words = [
            "train",
            "--store",
            "store",
            "--features",
            "32",
            "--k",
            "2",
            "--tokens",
            "500",
            "--out",
            "sae",
        ];
        umbra(folder.path(), &[words.as_slice(), more].concat())
    };
    train(&[]).refused(&["--hook", HOOK, "blocks.0.attn.hook_z"]);
    train(&["--hook", "blocks.0.hook_mlp_out"]).refused(&["blocks.0.hook_mlp_out", HOOK]);
    let other = golden("tiny-llama");
    train(&["--hook", HOOK, "--model", &other]).refused(&["store", "tiny-gpt2", "tiny-llama"]);
    assert_eq!(train(&["--hook", HOOK, "--context", "8"]).code, 2);
    train(&["--hook", HOOK, "--model", &golden("tiny-gpt2")]).done();
    let cfg = fs::read_to_string(folder.path().join("sae/cfg.json")).unwrap();
    let cfg: Value = serde_json::from_str(&cfg).unwrap();
    let metadata = &cfg["metadata"];
    assert_eq!(metadata["hook_name"], HOOK);
    assert_eq!(
        (&metadata["model_name"], &metadata["context_size"]),
        (&"tiny-gpt2".into(), &24.into())
    );
    assert_eq!(metadata["model_fingerprint"], info["model_fingerprint"]);
    umbra(folder.path(), &["store", "info", "sae"]).refused(&["manifest.json is missing", "sae"]);
    let mut words = capture("store", "41");
    umbra(
        folder.path(),
        &words.iter().map(String::as_str).collect::<Vec<_>>(),
    )
    .refused(&["rows: 40", "here: 41"]);
    words.extend(["--hook", "logits"].map(str::to_owned));
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    umbra(folder.path(), &words).refused(&["logits", "--out"]);
}
