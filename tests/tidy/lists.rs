//! Families and folders whose members are listed somewhere.

use std::collections::BTreeSet;
use std::path::Path;

use umbra_tests::{names, repository, sources};

use crate::umbra;

#[test]
fn every_kernel_has_its_definition_and_cases() {
    let folder = repository().join("core/src/kernels");
    let list = std::fs::read_to_string(folder.join("mod.rs")).unwrap();
    let listed = std::fs::read_to_string(folder.join("shaders.rs")).unwrap();
    let kernels: Vec<String> = names(&folder)
        .into_iter()
        // A folder beside a file of its name belongs to that file, which is no operation.
        .filter(|name| folder.join(name).is_dir() && !folder.join(format!("{name}.rs")).exists())
        .collect();
    assert!(kernels.len() >= 5, "{kernels:?}");
    for kernel in kernels {
        let files = names(&folder.join(&kernel));
        for file in ["mod.rs", "reference.rs"] {
            assert!(
                files.iter().any(|name| name == file),
                "kernels/{kernel} lacks {file}"
            );
        }
        let is_shader = |name: &&str| Path::new(name).extension().is_some_and(|e| e == "wgsl");
        let shaders = files.iter().filter(|name| is_shader(&name.as_str()));
        assert!(
            files.iter().any(|name| *name == "cpu.rs") || shaders.clone().next().is_some(),
            "kernels/{kernel} lacks cpu.rs and a shader"
        );
        assert!(
            list.contains(&format!("mod {kernel};")),
            "kernels/mod.rs does not list {kernel}"
        );
        // Shaders are compiled by a host side that stands beside them, and listed so that their text is checked on any machine.
        if shaders.clone().next().is_some() {
            assert!(
                files.iter().any(|name| *name == "gpu.rs"),
                "kernels/{kernel} has a shader and no gpu.rs"
            );
            assert!(
                listed.contains(&format!("super::{kernel}::")),
                "kernels/shaders.rs does not list {kernel}"
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
    let screens = repository().join("app/src/state/view.rs");
    let screens = std::fs::read_to_string(screens).unwrap();
    let variants = screens
        .split("pub(crate) enum ViewId {")
        .nth(1)
        .and_then(|rest| rest.split('}').next())
        .unwrap();
    let mut drawn = 0;
    for name in names(&views).iter().filter(|name| *name != "mod.rs") {
        let module = name.trim_end_matches(".rs");
        assert!(
            list.contains(&format!("mod {module};")),
            "views/mod.rs does not list {module}"
        );
        let file = [views.join(name), views.join(name).join("mod.rs")];
        let text = file
            .iter()
            .find_map(|file| std::fs::read_to_string(file).ok());
        if !text.unwrap_or_default().contains("impl View for") {
            continue; // several views share it
        }
        drawn += 1;
        let variant: String = module
            .split('_')
            .map(|word| word[..1].to_uppercase() + &word[1..])
            .collect();
        assert!(
            variants.contains(&format!(" {variant},")),
            "ViewId lacks {variant}"
        );
    }
    let listed = variants.lines().filter(|line| line.ends_with(','));
    assert_eq!(drawn, listed.count(), "each variant of ViewId has a file");
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
    assert!(bytes <= 15 << 19, "golden data has {bytes} bytes");
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
    assert!(demo <= 50_000_000, "the demo has {demo} bytes");
}

fn size(path: &Path) -> u64 {
    if path.is_dir() {
        return names(path).iter().map(|name| size(&path.join(name))).sum();
    }
    path.metadata().map_or(0, |metadata| metadata.len())
}
