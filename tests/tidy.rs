//! The rules of the repository that no compiler checks. Each is a function from files to sentences, tried on a planted breach too.

use std::collections::BTreeSet;
use std::path::Path;

use umbra_tests::{Source, names, repository, sources};

use crate::umbra;

/// Longest file, tests not counted.
const LINES: usize = 600;

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
    "models/hub/",
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
    "cli/",
];

/// `text` up to its tests; nothing of a file that is tests alone.
fn program(source: &Source) -> &str {
    let name = source.path.rsplit('/').next().unwrap_or_default();
    let tests_alone =
        source.path.contains("/tests/") || name == "tests.rs" || name.ends_with("_tests.rs");
    if tests_alone || source.path.starts_with("tests/") {
        return "";
    }
    source
        .text
        .split("#[cfg(test)]\nmod tests {")
        .next()
        .unwrap_or_default()
}

/// Lines of `text` without comments, numbered from 1.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate();
    lines.map(|(i, line)| (i + 1, line.split("//").next().unwrap_or_default()))
}

/// A sentence for each line of the program in which one of `words` stands.
fn lines_with(source: &Source, words: &[&str], why: &str) -> Vec<String> {
    code(program(source))
        .filter(|(_, line)| words.iter().any(|word| line.contains(word)))
        .map(|(at, line)| format!("{}:{at}: {why}: {}", source.path, line.trim()))
        .collect()
}

fn opens_with_what_it_is_for(source: &Source) -> Vec<String> {
    let opens = source.text.starts_with("//! ");
    if opens {
        Vec::new()
    } else {
        vec![format!("{}: opens without `//!`", source.path)]
    }
}

fn is_short_enough(source: &Source) -> Vec<String> {
    let lines = program(source).lines().count();
    if lines <= LINES {
        return Vec::new();
    }
    vec![format!(
        "{}: {lines} lines without tests, {LINES} at most",
        source.path
    )]
}

fn allows_nothing(source: &Source) -> Vec<String> {
    let allow = ["#[", "#!["].map(|open| format!("{open}allow("));
    let found = source.text.lines().any(|line| {
        allow
            .iter()
            .any(|allow| line.trim_start().starts_with(allow))
    });
    if found {
        vec![format!("{}: `allow` instead of `expect`", source.path)]
    } else {
        Vec::new()
    }
}

fn has_no_bare_todo(source: &Source) -> Vec<String> {
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|halves| halves.concat());
    let bare = |line: &str| {
        let numbered = format!("{}(#", marks[0]);
        marks.iter().any(|mark| line.contains(mark.as_str())) && !line.contains(&numbered)
    };
    let lines = source.text.lines().enumerate();
    lines
        .filter(|(_, line)| bare(line))
        .map(|(i, _)| format!("{}:{}: unfinished", source.path, i + 1))
        .collect()
}

fn names_no_private_place(source: &Source) -> Vec<String> {
    let places = [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"]].map(|halves| halves.concat());
    let lines = source.text.lines().enumerate();
    lines
        .filter(|(_, line)| places.iter().any(|place| line.contains(place.as_str())))
        .map(|(i, line)| {
            format!(
                "{}:{}: a path of one machine: {}",
                source.path,
                i + 1,
                line.trim()
            )
        })
        .collect()
}

/// `path` inside `core/src`, unless it is of the command line.
fn in_core(source: &Source) -> Option<&str> {
    let path = source.path.strip_prefix("core/src/")?;
    (!path.starts_with("cli/") && path != "main.rs").then_some(path)
}

fn core_neither_prints_nor_reads_the_environment(source: &Source) -> Vec<String> {
    if in_core(source).is_none() {
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
    let allowed = |path: &str| path == "device.rs" || path.starts_with("kernels/");
    if in_core(source).is_none_or(allowed) {
        return Vec::new();
    }
    lines_with(
        source,
        &["Device::new_", "Device::Cuda", "Device::Metal", "wgpu"],
        "only device.rs and kernels/ name a backend",
    )
}

/// Flags are the command line's words; the core names settings by their keys. CSS in the report's page has words of the same form.
fn core_names_no_flag(source: &Source) -> Vec<String> {
    if in_core(source).is_none_or(|path| path == "report/html.rs") {
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

#[track_caller]
fn check(sources: &[Source], rule: impl Fn(&Source) -> Vec<String>, breach: (&str, &str)) {
    let broken: Vec<String> = sources.iter().flat_map(&rule).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
    let planted = Source {
        path: breach.0.to_owned(),
        text: breach.1.to_owned(),
    };
    assert!(
        !rule(&planted).is_empty(),
        "the rule does not see {planted:?}"
    );
}

fn rust() -> Vec<Source> {
    let all = ["core", "app", "tests"]
        .map(|folder| sources(folder, &[".rs"]))
        .concat();
    assert!(all.len() > 100, "{} files", all.len());
    all
}

#[test]
fn every_file_says_what_it_is_for_and_is_short() {
    let rust = rust();
    check(
        &rust,
        opens_with_what_it_is_for,
        ("core/src/a.rs", "use std::fmt;\n"),
    );
    check(
        &rust,
        is_short_enough,
        ("core/src/a.rs", &"let a = 1;\n".repeat(601)),
    );
}

#[test]
fn nothing_is_unfinished_or_waved_through() {
    check(
        &rust(),
        allows_nothing,
        ("core/src/a.rs", &["    #[", "allow(dead_code)]"].concat()),
    );
    check(
        &rust(),
        has_no_bare_todo,
        ("core/src/a.rs", &["// TO", "DO: later"].concat()),
    );
}

#[test]
fn no_path_of_one_machine_is_named() {
    let all = sources(
        "",
        &[
            ".rs", ".md", ".toml", ".sh", ".py", ".css", ".wgsl", "run", ".json",
        ],
    );
    check(
        &all,
        names_no_private_place,
        ("README.md", &["see /wo", "rk/main"].concat()),
    );
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

#[test]
fn every_kernel_has_its_definition_and_cases() {
    let folder = repository().join("core/src/kernels");
    let list = std::fs::read_to_string(folder.join("mod.rs")).unwrap();
    let kernels: Vec<String> = names(&folder)
        .into_iter()
        .filter(|name| folder.join(name).is_dir())
        .collect();
    assert!(kernels.len() >= 5, "{kernels:?}");
    for kernel in kernels {
        let files = names(&folder.join(&kernel));
        for file in ["mod.rs", "reference.rs", "cpu.rs"] {
            assert!(
                files.iter().any(|name| name == file),
                "kernels/{kernel} lacks {file}"
            );
        }
        assert!(
            list.contains(&format!("mod {kernel};")),
            "kernels/mod.rs does not list {kernel}"
        );
        for shader in files
            .iter()
            .filter(|name| Path::new(name).extension().is_some_and(|e| e == "wgsl"))
        {
            assert_eq!(
                shader.strip_suffix(".wgsl"),
                Some(kernel.as_str()),
                "kernels/{kernel}/{shader} is named unlike its folder"
            );
        }
    }
    for shader in sources("", &[".wgsl"]) {
        assert!(
            shader.path.starts_with("core/src/kernels/"),
            "{} lies outside kernels/",
            shader.path
        );
    }
}

#[test]
fn every_view_and_every_module_is_listed() {
    let views = repository().join("app/src/views");
    let list = std::fs::read_to_string(views.join("mod.rs")).unwrap();
    let variants = list
        .split("pub enum ViewId {")
        .nth(1)
        .and_then(|rest| rest.split('}').next())
        .unwrap();
    for name in names(&views).iter().filter(|name| *name != "mod.rs") {
        let module = name.trim_end_matches(".rs");
        let variant: String = module
            .split('_')
            .map(|word| word[..1].to_uppercase() + &word[1..])
            .collect();
        assert!(
            list.contains(&format!("mod {module};")),
            "views/mod.rs does not list {module}"
        );
        assert!(
            variants.contains(&format!(" {variant},")),
            "ViewId lacks {variant}"
        );
    }
    let map = std::fs::read_to_string(repository().join("core/src/lib.rs")).unwrap();
    let modules = map
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    for module in modules {
        assert!(
            map.contains(&format!("`{module}`")),
            "core's code map lacks {module}"
        );
    }
}

/// The nouns that `umbra --help` lists.
pub(crate) fn nouns(help: &str) -> Vec<String> {
    let list = help.split("Commands:\n").nth(1).unwrap_or_default();
    let lines = list.lines().take_while(|line| !line.trim().is_empty());
    let nouns: Vec<String> = lines
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|noun| *noun != "help")
        .map(str::to_owned)
        .collect();
    assert!(nouns.len() >= 10, "{nouns:?}");
    nouns
}

#[test]
fn the_readme_names_every_noun_of_the_command_line() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let help = umbra(&repository(), &["--help"]).done();
    for noun in nouns(&help.out) {
        assert!(
            readme.contains(&format!("umbra {noun}")),
            "README.md does not name `umbra {noun}`"
        );
    }
}

#[test]
fn versions_live_in_the_workspace() {
    for manifest in ["core/Cargo.toml", "app/Cargo.toml", "tests/Cargo.toml"] {
        let text = std::fs::read_to_string(repository().join(manifest)).unwrap();
        let mut dependencies = false;
        for line in text.lines() {
            if line.starts_with('[') {
                dependencies = line.ends_with("dependencies]");
            } else if dependencies && line.contains('=') && !line.trim_start().starts_with('#') {
                assert!(line.contains("workspace = true"), "{manifest}: {line}");
            }
        }
        assert!(
            text.contains("[lints]\nworkspace = true"),
            "{manifest} does not take the workspace's lints"
        );
    }
}

#[test]
fn golden_data_and_assets_are_few_and_their_origin_is_told() {
    let golden = repository().join("tests/golden");
    let told = std::fs::read_to_string(golden.join("README.md")).unwrap();
    let mut bytes = 0;
    for name in names(&golden).iter().filter(|name| *name != "README.md") {
        assert!(
            told.contains(&format!("`{name}`")),
            "tests/golden/README.md does not name {name}"
        );
        bytes += size(&golden.join(name));
    }
    assert!(bytes <= 7 << 20, "golden data has {bytes} bytes");
    let assets = repository().join("assets");
    let told = std::fs::read_to_string(assets.join("README.md")).unwrap();
    let mut parts: BTreeSet<String> = names(&assets).into_iter().collect();
    parts.remove("README.md");
    for part in parts {
        assert!(
            told.contains(&format!("`{part}")),
            "assets/README.md does not name {part}"
        );
    }
    let demo = size(&assets.join("demo"));
    assert!(demo <= 45_000_000, "the demo has {demo} bytes");
}

fn size(path: &Path) -> u64 {
    if path.is_dir() {
        return names(path).iter().map(|name| size(&path.join(name))).sum();
    }
    path.metadata().map_or(0, |metadata| metadata.len())
}
