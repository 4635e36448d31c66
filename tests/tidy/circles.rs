//! The window's modules import each other without large circles: a rule over the `crate::` and `super::` paths of `app/src`.

use std::collections::{BTreeMap, BTreeSet};

use umbra_tests::{Source, sources};

use super::program;

/// Most files that may import each other in a circle.
const CIRCLE: usize = 10;

/// Which modules each module imports, by path below `crate`.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// Path of a file's module below `crate`, such as `state::log`; empty for the root; none for tests and their support.
fn module_of(source: &Source) -> Option<String> {
    let path = source.path.strip_prefix("app/src/")?.strip_suffix(".rs")?;
    let tests = path == "testing" || path.starts_with("testing/");
    if path == "main" || tests || program(source).is_empty() {
        return None;
    }
    let path = path.strip_suffix("/mod").unwrap_or(path);
    let path = if path == "lib" { "" } else { path };
    Some(path.replace('/', "::"))
}

/// `text` without comments.
fn uncommented(text: &str) -> String {
    let lines = text.lines();
    let code = lines.map(|line| line.split("//").next().unwrap_or_default());
    code.collect::<Vec<_>>().join("\n")
}

/// Every path that a tree such as `a::{b, c::{d, self}}` names, behind `prefix`. `tree` begins behind the prefix's `::`.
fn expand(prefix: &str, tree: &str, paths: &mut Vec<String>) {
    let Some(inside) = tree.strip_prefix('{') else {
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let end = tree.find(|c| !is_name(c)).unwrap_or(tree.len());
        let (name, rest) = tree.split_at(end);
        let path = join(prefix, name);
        match rest.strip_prefix("::") {
            Some(rest) if !name.is_empty() => expand(&path, rest, paths),
            _ => paths.push(path),
        }
        return;
    };
    let (mut depth, mut begin) = (0, 0);
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                expand(prefix, inside[begin..at].trim(), paths);
                begin = at + 1;
                if c == '}' {
                    return;
                }
            }
            _ => {}
        }
    }
}

fn join(prefix: &str, name: &str) -> String {
    match (prefix, name) {
        (prefix, "" | "self") => prefix.to_owned(),
        ("", name) => name.to_owned(),
        (prefix, name) => format!("{prefix}::{name}"),
    }
}

fn parent(module: &str) -> &str {
    module.rsplit_once("::").map_or("", |(parent, _)| parent)
}

/// All paths that `text`, the code of `module`, names from `crate`, `super`, `self` or one of its `children`.
fn paths_in(text: &str, module: &str, children: &[&str]) -> Vec<String> {
    let mut paths = Vec::new();
    for (at, _) in text.match_indices("::") {
        let before = &text[..at];
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        let begin = before.rfind(|c| !is_name(c)).map_or(0, |at| at + 1);
        let word = &before[begin..];
        let first = !before[..begin].ends_with("::");
        let base = match word {
            "crate" => Some(String::new()),
            "super" if first => Some(parent(module).to_owned()),
            "self" if first => Some(module.to_owned()),
            child if first && children.contains(&child) => Some(join(module, child)),
            _ => None,
        };
        let Some(mut base) = base else {
            continue;
        };
        let mut rest = &text[at + 2..];
        while let Some(further) = rest.strip_prefix("super::") {
            base = parent(&base).to_owned();
            rest = further;
        }
        expand(&base, rest, &mut paths);
    }
    paths
}

/// The imports of the window's modules.
fn imports(sources: &[Source]) -> Imports {
    let modules: BTreeMap<String, String> = sources
        .iter()
        .filter_map(|source| Some((module_of(source)?, uncommented(program(source)))))
        .collect();
    let file_of = |mut path: &str| {
        while !path.is_empty() && !modules.contains_key(path) {
            path = parent(path);
        }
        path.to_owned()
    };
    let of = |module: &str, text: &str| {
        let below = modules
            .keys()
            .filter(|other| parent(other) == module && other.as_str() != module);
        let children: Vec<&str> = below
            .map(|child| child.rsplit("::").next().unwrap_or_default())
            .collect();
        let paths = paths_in(text, module, &children);
        let mut files: BTreeSet<String> = paths.iter().map(|path| file_of(path)).collect();
        files.retain(|file| file != module && modules.contains_key(file));
        files
    };
    let all = modules.iter();
    all.map(|(module, text)| (module.clone(), of(module, text)))
        .collect()
}

/// Everything that can be reached from `module` by imports.
fn reached<'a>(imports: &'a Imports, module: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&str> = imports[module].iter().map(String::as_str).collect();
    while let Some(next) = waiting.pop() {
        if reached.insert(next) {
            waiting.extend(imports[next].iter().map(String::as_str));
        }
    }
    reached
}

/// A sentence for each circle of more than [`CIRCLE`] modules.
fn large_circles(imports: &Imports) -> Vec<String> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = imports
        .keys()
        .map(|module| (module.as_str(), reached(imports, module)))
        .collect();
    let mut sentences = Vec::new();
    let mut seen = BTreeSet::new();
    for (&module, onward) in &reached {
        let back = |other: &&str| reached[other].contains(module);
        let circle: BTreeSet<&str> = onward.iter().copied().filter(back).collect();
        if circle.len() <= CIRCLE || !seen.insert(circle.clone()) {
            continue;
        }
        let ties = circle.iter().map(|&one| {
            let others: Vec<&str> = imports[one]
                .iter()
                .map(String::as_str)
                .filter(|other| circle.contains(other))
                .collect();
            format!("  {one} imports {}", others.join(", "))
        });
        let ties: Vec<String> = ties.collect();
        sentences.push(format!(
            "{} modules of app import each other in a circle, {CIRCLE} at most:\n{}",
            circle.len(),
            ties.join("\n")
        ));
    }
    sentences
}

#[test]
fn the_windows_modules_import_each_other_in_small_circles_only() {
    let sources = sources("app/src", &[".rs"]);
    let imports = imports(&sources);
    assert!(imports.len() > 100, "{} modules", imports.len());
    let arrows: usize = imports.values().map(BTreeSet::len).sum();
    assert!(arrows > 400, "{arrows} imports were read");
    let circles = large_circles(&imports);
    assert!(circles.is_empty(), "\n{}", circles.join("\n"));
}

#[test]
fn a_planted_circle_is_found_and_named() {
    let planted = |size: usize| -> Vec<Source> {
        let next = |i: usize| match i % 3 {
            0 => format!("use crate::m{}::Thing;", (i + 1) % size),
            1 => format!("use super::{{m{}::{{self, Thing}}, m0}};", (i + 1) % size),
            _ => format!("fn f() {{ crate::m{}::f(); }}", (i + 1) % size),
        };
        let file = |i: usize| Source {
            path: format!("app/src/m{i}.rs"),
            text: format!("//! One.\n{}\n", next(i)),
        };
        (0..size).map(file).collect()
    };
    let found = large_circles(&imports(&planted(CIRCLE + 2)));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("m3 imports m4"), "{}", found[0]);
    assert!(large_circles(&imports(&planted(CIRCLE))).is_empty());
}
