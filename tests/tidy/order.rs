//! The order of the modules of `core` and `app`: the code map in each `lib.rs` lists them, and a module uses only modules above it. Tests of `core` are
//! held to it like any code; those of `app` drive the whole window, so they are exempt.

use umbra_tests::{Source, repository};

use super::{check, code, program, rust};

/// Modules in the order of the code map.
fn modules(map: &str) -> Vec<&str> {
    map.lines()
        .filter_map(|line| line.strip_prefix("//! | "))
        .filter_map(|row| {
            row.trim_start_matches('[')
                .strip_prefix('`')?
                .split_once('`')
        })
        .map(|(module, _)| module)
        .collect()
}

/// Modules that `text` names by a path from the crate's root, alone or in a group: `crate::a::B`, `use crate::{a, b::{C, d}};`; also `use super::a;` with as
/// many `super::` as `depth`, the module's distance from the root. The line of each.
fn named(text: &str, depth: usize) -> Vec<(usize, String)> {
    let root = format!("use {}", "super::".repeat(depth));
    let from_root = |(_, line): (usize, &str)| -> String {
        let begins = line.starts_with("use ") || line.starts_with("pub");
        if begins && line.contains(&root) && !line.contains(&format!("{root}super::")) {
            line.replace(&root, "use crate::")
        } else {
            line.to_owned()
        }
    };
    let joined: Vec<String> = code(text).map(from_root).collect();
    let joined = joined.join("\n");
    let mut found = Vec::new();
    for (at, path) in joined.match_indices("crate::") {
        let preceded = joined[..at].chars().next_back();
        if preceded.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let line = joined[..at].matches('\n').count() + 1;
        let rest = &joined[at + path.len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => of_group(group),
            None => vec![first_name(rest)],
        };
        found.extend(names.into_iter().map(|name| (line, name.to_owned())));
    }
    found
}

/// The name that `text` begins with.
fn first_name(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    &text[..end.unwrap_or(text.len())]
}

/// The first name of each path of a group whose opening brace is behind us.
fn of_group(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' if depth == 0 => {
                names.push(first_name(group[start..at].trim_start()));
                start = at + 1;
            }
            '}' => {
                names.push(first_name(group[start..at].trim_start()));
                break;
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// A sentence for each use of a module at or below its user's place in `order`, in `text`, the source of a module in `folder`.
fn uses_only_modules_above(
    source: &Source,
    (folder, text): (&str, &str),
    order: &[&str],
) -> Vec<String> {
    let Some(path) = source.path.strip_prefix(folder) else {
        return Vec::new();
    };
    let user = path.split('/').next().unwrap_or_default();
    let user = user.trim_end_matches(".rs");
    if matches!(user, "lib" | "main") {
        return Vec::new();
    }
    let place = |module: &str| order.iter().position(|listed| *listed == module);
    let Some(own) = place(user) else {
        return vec![format!(
            "{}: the code map of {folder}lib.rs lacks {user}",
            source.path
        )];
    };
    let file = path.trim_end_matches(".rs").trim_end_matches("/mod");
    named(text, file.split('/').count())
        .into_iter()
        .filter(|(_, used)| place(used).is_some_and(|used| used > own))
        .map(|(line, used)| {
            format!(
                "{}:{line}: {user} uses {used}, which the code map lists below it",
                source.path
            )
        })
        .collect()
}

#[test]
fn a_module_of_core_uses_only_modules_above_it() {
    let map = std::fs::read_to_string(repository().join("core/src/lib.rs")).unwrap();
    let order = modules(&map);
    assert!(order.len() > 30, "{order:?}");
    let rule =
        |source: &Source| uses_only_modules_above(source, ("core/src/", &source.text), &order);
    let rust = rust();
    for breach in [
        "use crate::sae::Sae;",
        "use crate::{\n    error::{Error, Result},\n    sae,\n};",
        "use crate::{Flow, dims::{Dims, Matrix}, sae::Sae};",
        "fn f() -> crate::sae::Sae {}",
        "#[cfg(test)]\nmod tests {\n    pub(in crate::kernels) use crate::sae::Sae;\n}",
    ] {
        check(&rust, rule, ("core/src/kernels/a/mod.rs", breach));
    }
    check(
        &rust,
        rule,
        ("core/src/kernels/mod.rs", "use super::sae::Sae;"),
    );
    let upward = "pub(crate) use super::super::{ids, sae};";
    check(&rust, rule, ("core/src/kernels/a/mod.rs", upward));
    check(&rust, rule, ("core/src/unlisted.rs", "//! New."));
    let allowed = Source {
        path: "core/src/sae/a.rs".to_owned(),
        text:
            "use crate::{Flow, dims::Matrix, kernels};\nuse super::cli::A;\n// crate::cli\nlet x = other_crate::cli();"
                .to_owned(),
    };
    assert_eq!(rule(&allowed), Vec::<String>::new());
    assert_eq!(
        named("use crate::{\n    a,\n    b::{c, d},\n};\ncrate::e::f", 1),
        [(1, "a"), (1, "b"), (5, "e")].map(|(line, name)| (line, name.to_owned()))
    );
}

#[test]
fn a_module_of_the_window_uses_only_modules_above_it() {
    let map = std::fs::read_to_string(repository().join("app/src/lib.rs")).unwrap();
    let order = modules(&map);
    assert!(order.len() > 10, "{order:?}");
    let rule = |source: &Source| {
        if source.path.starts_with("app/src/testing") {
            return Vec::new();
        }
        uses_only_modules_above(source, ("app/src/", program(source)), &order)
    };
    let rust = rust();
    for (path, breach) in [
        ("app/src/state/a.rs", "use crate::commands::Context;"),
        (
            "app/src/commands/a.rs",
            "use crate::{state::AppState, views};",
        ),
        ("app/src/views/a.rs", "fn f() -> crate::shell::Views {}"),
        ("app/src/unlisted.rs", "//! New."),
    ] {
        check(&rust, rule, (path, breach));
    }
}
