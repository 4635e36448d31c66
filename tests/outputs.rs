//! Where results go: other disks, links, pipes and devices. Umbra neither overwrites foreign files nor loses results.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use umbra_tests::{Run, at, demo_model, golden, names};

use crate::umbra;

const HOOK: &str = "blocks.1.attn.hook_z";
const PROGRAM: &str = env!("CARGO_BIN_EXE_umbra-under-test");

/// Returns the arguments of a small training run into `out`.
fn training(out: &str, more: &[&str]) -> Vec<String> {
    let (model, corpus) = (
        golden("tiny-gpt2"),
        at("assets/demo/text/held-out/alice.txt"),
    );
    let words = ["train", "--model", &model, "--corpus", &corpus];
    let sizes = ["--hook", HOOK, "--features", "64", "--k", "4"];
    let rest = ["--batch", "256", "--context", "32", "--out", out];
    let words = words.iter().chain(&sizes).chain(&rest).chain(more);
    words.map(|word| (*word).to_owned()).collect()
}

#[track_caller]
fn train(folder: &TempDir, out: &str, more: &[&str]) -> Run {
    let words = training(out, more);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    umbra(folder.path(), &words)
}

const SHORT: [&str; 2] = ["--tokens", "2000"];
const LONG: [&str; 4] = ["--tokens", "400000", "--checkpoint-every", "2"];

/// Starts a training run into `out` and waits until `file` exists.
fn begun(folder: &TempDir, out: &str, more: &[&str], file: &str) -> Child {
    let child = Command::new(PROGRAM)
        .args(training(out, more))
        .current_dir(folder.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_mins(1);
    while !folder.path().join(file).exists() {
        assert!(Instant::now() < until, "{file} does not appear");
        std::thread::sleep(Duration::from_millis(5));
    }
    child
}

fn killed(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn status(folder: &TempDir, run: &str) -> Value {
    let list = umbra(folder.path(), &["runs", "list", run, "--json"]);
    list.done().json()["runs"][0]["status"].clone()
}

#[test]
fn results_are_saved_where_their_folder_leads_to_another_disk() {
    let Ok(disk) = tempfile::tempdir_in("/dev/shm") else {
        eprintln!("SKIPPED: there is no second disk at /dev/shm");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let on_disk = |name: &str| {
        fs::create_dir(disk.path().join(name)).unwrap();
        symlink(disk.path().join(name), folder.path().join(name)).unwrap();
    };
    for name in ["run", "sparsify", "export"] {
        on_disk(name);
    }
    let more = ["--checkpoint-every", "2"];
    train(&folder, "run", &[SHORT.as_slice(), &more].concat()).done();
    let files = |name: &str| names(&disk.path().join(name));
    let run = [
        "cfg.json",
        "events.jsonl",
        "run.json",
        "sae_weights.safetensors",
    ];
    assert_eq!(files("run"), run);
    let convert = ["sae", "convert", "run", "sparsify", "--to", "sparsify"];
    umbra(folder.path(), &convert).done();
    assert_eq!(files("sparsify"), ["cfg.json", "sae.safetensors"]);
    let model = golden("tiny-gpt2");
    let corpus = at("assets/demo/text/held-out/alice.txt");
    symlink(disk.path().join("i"), folder.path().join("i.sqlite")).unwrap();
    let words = [
        "index", "build", "--model", &model, "--sae", "run", "--corpus", &corpus,
    ];
    let rest = ["--tokens", "2000", "--out", "i.sqlite"];
    umbra(folder.path(), &[words.as_slice(), &rest].concat()).done();
    assert!(folder.path().join("i.sqlite").is_symlink() && disk.path().join("i").is_file());
    let export = ["index", "export", "i.sqlite", "--to", "neuronpedia"];
    let export = [export.as_slice(), &["--out", "export"]].concat();
    umbra(folder.path(), &export).done();
    assert!(files("export").contains(&"skipped_indexes.json".to_owned()));
    // A second export would mix with the first.
    umbra(folder.path(), &export).refused(&["an export of features", "--overwrite"]);
    fs::write(disk.path().join("export/batch-900.json"), "{}").unwrap();
    umbra(
        folder.path(),
        &[export.as_slice(), &["--overwrite"]].concat(),
    )
    .done();
    assert!(!files("export").contains(&"batch-900.json".to_owned()));
}

#[test]
fn what_others_made_is_refused_and_replaced_when_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    train(&folder, "mine", &SHORT).done();
    let weights = |name: &str| fs::read(folder.path().join(name)).unwrap();
    let before = weights("mine/sae_weights.safetensors");
    for out in ["mine", "./mine/", "other/../mine"] {
        fs::create_dir_all(folder.path().join("other")).unwrap();
        train(&folder, out, &SHORT).refused(&["a finished run", "--overwrite", "mine"]);
    }
    symlink("mine", folder.path().join("link")).unwrap();
    train(&folder, "link", &SHORT).refused(&["a finished run"]);
    assert!(weights("mine/sae_weights.safetensors") == before);
    let convert = |to: &str, more: &[&str]| {
        let words = ["sae", "convert", "mine", "layers.1", "--to", to];
        umbra(folder.path(), &[words.as_slice(), more].concat())
    };
    convert("sparsify", &[]).done();
    convert("dictionary-learning", &[]).refused(&["a sparsify dictionary", "layers.1"]);
    train(&folder, "layers.1", &SHORT).refused(&["a sparsify dictionary"]);
    assert_eq!(
        names(&folder.path().join("layers.1")),
        ["cfg.json", "sae.safetensors"]
    );
    convert("dictionary-learning", &["--overwrite"]).done();
    assert_eq!(
        names(&folder.path().join("layers.1")),
        ["ae.pt", "config.json"]
    );
    let over = [SHORT.as_slice(), &["--overwrite"]].concat();
    train(&folder, "layers.1", &over).done();
    assert!(!folder.path().join("layers.1/ae.pt").exists());
    // A model is never replaced.
    fs::create_dir(folder.path().join("model")).unwrap();
    for name in ["config.json", "model.safetensors"] {
        let from = Path::new(&golden("tiny-gpt2")).join(name);
        fs::copy(from, folder.path().join("model").join(name)).unwrap();
    }
    train(&folder, "model", &over).refused(&["holds a model"]);
    // Two spellings of one folder, or a folder inside a checkpoint.
    for out in ["./new", "other/../new", "new/"] {
        let also = format!("out={out} k=5");
        let more = [SHORT.as_slice(), &["--also", &also]].concat();
        train(&folder, "new", &more).refused(&["two dictionaries"]);
    }
    let more = [SHORT.as_slice(), &["--also", "out=new/checkpoint k=5"]].concat();
    train(&folder, "new", &more).refused(&["checkpoint"]);
    assert!(!folder.path().join("new").exists());
}

#[test]
fn a_killed_run_is_interrupted_and_goes_on_after_a_full_disk_too() {
    let folder = tempfile::tempdir().unwrap();
    let child = begun(&folder, "run", &LONG, "run/checkpoint/state.safetensors");
    assert_eq!(status(&folder, "run"), "running");
    let second = train(&folder, "run", &LONG);
    second.refused(&["under way", "run"]);
    let second = train(&folder, "run", &[LONG.as_slice(), &["--resume"]].concat());
    second.refused(&["another run is training in this folder"]);
    killed(child);
    assert_eq!(status(&folder, "run"), "interrupted");
    train(&folder, "run", &LONG).refused(&["the checkpoint of a run"]);

    // Files are limited to 8 KiB, so the finished dictionary cannot be written; the checkpoint survives.
    let resume = training("run", &["--tokens", "400000", "--resume"]);
    let script = "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"";
    let mut words = vec!["-c", script, PROGRAM];
    words.extend(resume.iter().map(String::as_str));
    let full = umbra_tests::run("sh", folder.path(), &words);
    full.refused(&["run"]);
    assert!(!full.err.contains(".umbra-"), "{full:?}");
    let state = folder.path().join("run/checkpoint/state.safetensors");
    assert!(state.exists() && !folder.path().join("run/cfg.json").exists());

    let words: Vec<&str> = resume.iter().map(String::as_str).collect();
    umbra(folder.path(), &words).done();
    assert!(!state.exists());
    assert_eq!(status(&folder, "run"), "finished");
    let left = names(&folder.path().join("run"));
    assert!(!left.iter().any(|name| name.starts_with('.')), "{left:?}");
    train(&folder, "whole", &["--tokens", "400000"]).done();
    let weights = |run: &str| {
        let run = folder.path().join(run);
        fs::read(run.join("sae_weights.safetensors")).unwrap()
    };
    assert!(weights("run") == weights("whole"));

    // The run is killed before its first checkpoint; the same command starts again.
    let late = ["--tokens", "400000", "--resume"];
    killed(begun(&folder, "late", &late, "late/run.json"));
    assert_eq!(status(&folder, "late"), "interrupted");
    let again = train(&folder, "late", &[SHORT.as_slice(), &["--resume"]].concat()).done();
    assert!(again.err.contains("no checkpoint in late"), "{again:?}");
    assert_eq!(status(&folder, "late"), "finished");
    let done = train(&folder, "late", &[SHORT.as_slice(), &["--resume"]].concat());
    done.refused(&["a finished run"]);
}

#[test]
fn memory_is_checked_before_training_and_timing() {
    let folder = tempfile::tempdir().unwrap();
    let limited = |words: &[&str]| {
        let script = "ulimit -v 6000000; exec \"$0\" \"$@\"";
        let words = [&["-c", script, PROGRAM], words].concat();
        umbra_tests::run("sh", folder.path(), &words)
    };
    let mut words = training("o", &SHORT);
    // 16,000,000 features of width 32: 4 GB of weights, 8 GB of moments.
    let many = ["--buffer", "1024"];
    words.extend(many.map(str::to_owned));
    let mut words: Vec<&str> = words.iter().map(String::as_str).collect();
    let features = words.iter().position(|word| *word == "64").unwrap();
    words[features] = "16000000";
    limited(&words).refused(&["training 16000000 features", "bytes of memory", "are free"]);
    assert!(!folder.path().join("o").exists(), "no record is begun");
    words[features] = "64";
    limited(&words).done();
    let bench = ["bench", "train", "--d", "256", "--k", "4", "--batch", "256"];
    let huge = [bench.as_slice(), &["--features", "4000000"]].concat();
    limited(&huge).refused(&["timing 4000000 features of width 256", "are free"]);
    let small = [bench.as_slice(), &["--features", "64", "--rounds", "1"]].concat();
    limited(&small).done();
}

#[test]
fn files_go_through_links_and_into_pipes_and_devices() {
    let folder = tempfile::tempdir().unwrap();
    let model = demo_model();
    let logits = |out: &str| {
        let words = ["model", "logits", "--model", &model, "--text", "The fox"];
        umbra(folder.path(), &[words.as_slice(), &["--out", out]].concat())
    };
    let is_device = |path: &str| fs::metadata(path).unwrap().file_type().is_char_device();
    logits("/dev/null").done();
    assert!(is_device("/dev/null"));
    fs::create_dir(folder.path().join("far")).unwrap();
    symlink("far/o.safetensors", folder.path().join("near")).unwrap();
    logits("near").done();
    assert!(folder.path().join("near").is_symlink());
    let whole = fs::read(folder.path().join("far/o.safetensors")).unwrap();
    let pipe = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    if !made.is_ok_and(|made| made.success()) {
        eprintln!("SKIPPED: no mkfifo makes a pipe");
        return;
    }
    let read = std::thread::scope(|threads| {
        let reader = threads.spawn(|| fs::read(&pipe).unwrap());
        logits("pipe").done();
        reader.join().unwrap()
    });
    assert!(read == whole);
    // Standard output holds the file and nothing else, as a pipe and as a file.
    let script = "\"$0\" \"$@\" --out /dev/stdout > all";
    for script in [script, "\"$0\" \"$@\" --out /dev/stdout | cat > all"] {
        let words = ["-c", script, PROGRAM, "model", "logits", "--model", &model];
        let words = [words.as_slice(), &["--text", "The fox"]].concat();
        let run = umbra_tests::run("sh", folder.path(), &words).done();
        assert!(run.err.contains("/dev/stdout"), "{run:?}");
        let all = fs::read(folder.path().join("all")).unwrap();
        assert!(all == whole, "{script}");
    }
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    // A device cannot be read again and cannot be a folder.
    let sae = at("assets/demo/saes/attn-0");
    let corpus = at("assets/demo/text/held-out/alice.txt");
    let of = [
        "--model", &model, "--sae", &sae, "--corpus", &corpus, "--tokens", "2000",
    ];
    for (noun, flag) in [
        (["index", "build"].as_slice(), "--out"),
        (&["dark-matter", "fit"], "--keep"),
    ] {
        for place in ["/dev/null", "pipe"] {
            let words = [noun, &of, &[flag, place]].concat();
            umbra(folder.path(), &words).refused(&[place]);
        }
    }
    for place in ["/dev/null", "pipe"] {
        let convert = ["sae", "convert", &sae, place, "--to", "sae-lens"];
        umbra(folder.path(), &convert).refused(&[place, "name a folder"]);
        train(&folder, place, &SHORT).refused(&[place, "name a folder"]);
    }
    assert!(is_device("/dev/null") && fs::metadata(&pipe).unwrap().file_type().is_fifo());
}

#[test]
fn a_report_reads_labels_and_writes_nothing_into_the_project() {
    let folder = tempfile::tempdir().unwrap();
    let project = folder.path().join("project");
    fs::create_dir(&project).unwrap();
    fs::copy(at("assets/demo/umbra.toml"), project.join("umbra.toml")).unwrap();
    let index = at("assets/demo/indexes/attn-0.sqlite");
    let report = |out: &str| {
        let words = ["report", &index, "--features", "1", "--project", "project"];
        umbra(folder.path(), &[words.as_slice(), &["--out", out]].concat())
    };
    report("r.html").done();
    assert_eq!(names(&project), ["umbra.toml"]);
    // An empty file holds no labels; a file of another program is rejected.
    fs::write(project.join("labels.sqlite"), "").unwrap();
    report("r.html").done();
    assert_eq!(fs::read(project.join("labels.sqlite")).unwrap(), b"");
    fs::copy(&index, project.join("labels.sqlite")).unwrap();
    report("r.html").refused(&["not one of labels"]);
}
