//! Every file alike: what it opens with, how long it is, what it may not hold.

use umbra_tests::{Source, sources};

use super::{check, program, rust};

/// Longest file, tests not counted.
const LINES: usize = 600;

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
