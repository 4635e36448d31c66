//! Whole-program tests, one module per area. They run the built command line in folders of their own.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod architecture;
mod dictionaries;
mod documents;
mod edits;
mod examples;
mod failures;
mod full_disk;
mod generation;
mod guide;
mod guide_commands;
mod hostile;
mod hub;
mod indexes;
mod journey;
mod labs;
mod lines;
mod model;
mod on_device;
mod outputs;
mod positions;
mod reproduce;
mod runs;
mod store;
mod text;
mod tidy;
mod transcoders;

use std::path::Path;

use umbra_tests::Run;

/// The program under test, run in `folder`.
#[track_caller]
fn umbra(folder: &Path, args: &[&str]) -> Run {
    umbra_tests::run(env!("CARGO_BIN_EXE_umbra-under-test"), folder, args)
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
