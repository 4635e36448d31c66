//! Whole-program tests, one module per area. They run the built command line in folders of their own.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod answer_key;
mod architecture;
mod browser;
mod chats;
mod children;
mod circuits;
mod devices;
mod dictionaries;
mod documents;
mod edits;
mod error_parts;
mod examples;
mod failures;
mod full_disk;
mod generation;
mod guide;
mod guide_commands;
mod hostile;
mod hub;
mod index_parts;
mod indexes;
mod journey;
mod labels;
mod labs;
mod ladders;
mod lines;
mod links;
mod model;
mod on_device;
mod outputs;
mod patching;
mod positions;
mod probes;
mod projects;
mod pursuit;
mod reports;
mod reproduce;
mod runs;
mod search;
mod store;
mod sweeps;
mod text;
mod texts;
mod tidy;
mod transcoders;

use std::path::Path;

use umbra_tests::Run;

/// The program under test, run in `folder`. A command that runs a dictionary and names no device computes on the CPU, whatever GPU the machine has.
#[track_caller]
fn umbra(folder: &Path, args: &[&str]) -> Run {
    let device: &[&str] = if leaves_device_open(args) {
        &["--device", "cpu"]
    } else {
        &[]
    };
    let program = env!("CARGO_BIN_EXE_umbra-under-test");
    umbra_tests::run(program, folder, &[args, device].concat())
}

/// Whether `args` run or train a dictionary on a device that they do not name.
fn leaves_device_open(args: &[&str]) -> bool {
    let has = |flags: &[&str]| {
        let names = |arg: &&str| flags.contains(&arg.split('=').next().unwrap_or_default());
        args.iter().any(names)
    };
    let runs = match args {
        [
            "train" | "ladder" | "eval" | "prompt" | "search" | "separate" | "dark-matter",
            ..,
        ]
        | ["index", "build", ..]
        | ["sae", "encode" | "verify", ..] => true,
        ["steer" | "capture", ..] | ["model", "logits" | "generate", ..] => has(&["--sae"]),
        _ => false,
    };
    runs && !has(&["--device", "--help", "-h"])
}

#[test]
fn only_commands_that_run_a_dictionary_get_a_device() {
    let open = |line: &str| leaves_device_open(&line.split(' ').collect::<Vec<_>>());
    for line in [
        "eval --sae a",
        "index build",
        "sae verify a",
        "steer --sae=a",
        "train",
    ] {
        assert!(open(line), "{line}");
    }
    for line in [
        "eval --device wgpu",
        "index show i",
        "steer --edit zero",
        "train --help",
        "store",
    ] {
        assert!(!open(line), "{line}");
    }
}

/// Checks that `value` is an object with `keys`.
#[track_caller]
fn has_keys(value: &serde_json::Value, keys: &str) {
    let object = value
        .as_object()
        .unwrap_or_else(|| panic!("no object: {value}"));
    for key in keys.split_whitespace() {
        assert!(object.contains_key(key), "`{key}` is missing in {value}");
    }
}
