//! The library's examples run to their ends. Each is compiled here once more, as a module with its own test, so that no program has to be found and started.

#[path = "../core/examples/custom_hook.rs"]
mod custom_hook;
#[path = "../core/examples/custom_variant.rs"]
mod custom_variant;
#[path = "../core/examples/features.rs"]
mod features;
#[path = "../core/examples/steer.rs"]
mod steer;
#[path = "../core/examples/train.rs"]
mod train;

use umbra_tests::{names, repository};

/// Longest example, in lines.
const LINES: usize = 80;

#[test]
fn every_example_is_short_and_tested_here() {
    let folder = repository().join("core/examples");
    let here = include_str!("examples.rs");
    for name in names(&folder) {
        assert!(
            here.contains(&format!("#[path = \"../core/examples/{name}\"]")),
            "tests/examples.rs does not run {name}"
        );
        let text = std::fs::read_to_string(folder.join(&name)).unwrap();
        let lines = text.lines().count();
        assert!(lines <= LINES, "{name} has {lines} lines, {LINES} at most");
        assert!(text.contains("#[test]"), "{name} has no test that runs it");
    }
}
