//! `core/ARCHITECTURE.md` puts every module of the library on one of its shelves, and the documents beside the library name only files that exist.

use umbra_tests::repository;

/// Returns the names in backticks.
fn in_backticks(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// Returns the modules that `map`, the code map of the library, has and the shelves of `document` lack, and the reverse.
fn differences(map: &str, document: &str) -> Vec<String> {
    let rows = map.lines().filter_map(|line| line.strip_prefix("//! | "));
    let modules: Vec<&str> = rows
        .filter_map(|row| row.split('|').next())
        .flat_map(in_backticks)
        .collect();
    let shelves: Vec<&str> = document
        .lines()
        .filter(|line| line.starts_with("| **"))
        .filter_map(|line| line.split('|').nth(2))
        .flat_map(in_backticks)
        .collect();
    let lacking = modules.iter().filter(|module| !shelves.contains(module));
    let unknown = shelves.iter().filter(|module| !modules.contains(module));
    let order = modules.iter().filter(|module| shelves.contains(module));
    let mut differences: Vec<String> = lacking
        .map(|module| format!("no shelf holds {module}"))
        .chain(unknown.map(|module| format!("the code map lacks {module}")))
        .collect();
    if differences.is_empty() && !order.eq(&shelves) {
        differences.push("the shelves are not in the order of the code map".to_owned());
    }
    differences
}

#[test]
fn the_architecture_puts_every_module_on_a_shelf() {
    let read = |path: &str| std::fs::read_to_string(repository().join(path)).unwrap();
    let map = read("core/src/lib.rs");
    let map = map.split("# Code map").nth(1).unwrap();
    let document = read("core/ARCHITECTURE.md");
    assert_eq!(differences(map, &document), [""; 0]);
    // Planted breaches: a module that no shelf holds, one that is gone, two in the wrong order.
    let more = format!("{map}\n//! | [`planted`] | nothing |");
    assert_eq!(differences(&more, &document), ["no shelf holds planted"]);
    let shelf = "| **ground** | `error` `count` `planted` | |";
    let short = "//! | [`error`] | |\n//! | [`count`] | |";
    assert_eq!(differences(short, shelf), ["the code map lacks planted"]);
    let turned = differences(short, "| **ground** | `count` `error` | |");
    assert_eq!(turned, ["the shelves are not in the order of the code map"]);
}

/// Returns the paths in backticks that lead nowhere from the repository, from `core` or from its sources.
fn paths_to_nowhere(document: &str) -> Vec<&str> {
    let words = document.lines().flat_map(in_backticks);
    let paths = words.filter(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        word.contains('/') && word.chars().all(plain)
    });
    let exists = |path: &&str| {
        ["", "core", "core/src"]
            .iter()
            .any(|from| repository().join(from).join(path).exists())
    };
    paths.filter(|path| !exists(path)).collect()
}

#[test]
fn documents_beside_the_library_name_files_that_exist() {
    for name in ["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let document = std::fs::read_to_string(repository().join("core").join(name)).unwrap();
        assert_eq!(paths_to_nowhere(&document), [""; 0], "{name}");
    }
    let planted = "Read `core/src/lib.rs`, `sae/variant.rs` and `sae/nowhere.rs`, or run `a/b c`.";
    assert_eq!(paths_to_nowhere(planted), ["sae/nowhere.rs"]);
}
