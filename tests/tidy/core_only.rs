//! Limits of `core`: it computes, and neither prints nor draws.

use umbra_tests::Source;

use super::{check, code, lines_with, program, rust};

/// Parts of `core` that may touch the file system.
const FILE_SYSTEM: &[&str] = &[
    "bench/memory.rs",
    "device.rs",
    "text.rs",
    "text/",
    "whole_file/",
    "folders.rs",
    "corpus/",
    "models/fingerprint.rs",
    "models/load.rs",
    "models/settings.rs",
    "hub/",
    "models/weights/",
    "store/",
    "tensor_file/",
    "formats/",
    "train/checkpoint.rs",
    "project/",
    "features/",
    "dark_matter/keep.rs",
    "report/",
    "runs/",
    "workbench/ask/kept.rs",
    "workbench/ask/tests.rs",
    "workbench/sweep.rs",
    "workbench/edits_file.rs",
    "workbench/two_names.rs",
    "workbench/user_file.rs",
    "cli/",
];

/// `path` inside `core/src`, unless it is of the command line.
fn in_core(source: &Source) -> Option<&str> {
    let path = source.path.strip_prefix("core/src/")?;
    (!path.starts_with("cli/") && path != "main.rs").then_some(path)
}

fn core_neither_prints_nor_reads_the_environment(source: &Source) -> Vec<String> {
    // A test that finds no device says so, and fails where one must be there.
    if in_core(source).is_none() || source.path == "core/src/device/gpu/testing.rs" {
        return Vec::new();
    }
    let words = [
        "println!",
        "print!",
        "eprintln!",
        "eprint!",
        "stdout()",
        "stderr()",
        "env::var",
        "env::args",
    ];
    lines_with(source, &words, "core never prints or reads the environment")
}

fn core_touches_files_in_few_places(source: &Source) -> Vec<String> {
    let allowed = |path: &str| FILE_SYSTEM.iter().any(|allowed| path.starts_with(allowed));
    if in_core(source).is_none_or(allowed) {
        return Vec::new();
    }
    lines_with(
        source,
        &["std::fs", "fs::", "File::"],
        "this module may not touch the file system",
    )
}

fn core_opens_no_device_elsewhere(source: &Source) -> Vec<String> {
    let allowed = |path: &str| {
        path == "device.rs" || path.starts_with("device/") || path.starts_with("kernels/")
    };
    if in_core(source).is_none_or(allowed) {
        return Vec::new();
    }
    lines_with(
        source,
        &["Device::new_", "Device::Cuda", "Device::Metal", "wgpu"],
        "only device.rs, device/ and kernels/ name a backend",
    )
}

/// Flags are the command line's words; the core names settings by their keys. CSS in the report's page has words of the same form.
fn core_names_no_flag(source: &Source) -> Vec<String> {
    let styles = ["report/feature.rs", "report/html.rs"];
    if in_core(source).is_none_or(|path| styles.contains(&path)) {
        return Vec::new();
    }
    let names_one = |line: &str| {
        let places = line.match_indices("--");
        places.into_iter().any(|(at, dashes)| {
            let before = line[..at].chars().next_back();
            let after = line[at + dashes.len()..].chars().next();
            after.is_some_and(|c| c.is_ascii_lowercase())
                && before.is_none_or(|c| !c.is_alphanumeric() && c != '-')
        })
    };
    code(program(source))
        .filter(|(_, line)| names_one(line))
        .map(|(at, line)| {
            let line = line.trim();
            format!("{}:{at}: a flag in the core: {line}", source.path)
        })
        .collect()
}

fn core_draws_nothing(source: &Source) -> Vec<String> {
    if in_core(source).is_none() {
        return Vec::new();
    }
    lines_with(source, &["egui", "eframe", "winit"], "core never draws")
}

#[test]
fn core_keeps_to_its_business() {
    let rust = rust();
    let path = "core/src/sae/a.rs";
    check(
        &rust,
        core_neither_prints_nor_reads_the_environment,
        (path, "println!(\"here\");"),
    );
    check(
        &rust,
        core_touches_files_in_few_places,
        (path, "std::fs::read(path)"),
    );
    check(
        &rust,
        core_opens_no_device_elsewhere,
        (path, "Device::new_cuda(0)"),
    );
    check(&rust, core_draws_nothing, (path, "use egui::Ui;"));
    check(
        &rust,
        core_names_no_flag,
        (path, "let what = \"is there, give --overwrite\";"),
    );
}
