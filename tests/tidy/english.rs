//! The English of documentation and names, as far as a program can judge it.

use umbra_tests::Source;

use super::{check, rust};

/// Beginnings of a doc comment that make a reader look elsewhere for its subject.
const WEAK: [&str; 6] = [
    "The same",
    "That ",
    "That,",
    "What ",
    "What's",
    "See the module",
];

/// A sentence for each doc comment, and each paragraph of one, that begins weakly.
fn docs_begin_with_their_subject(source: &Source) -> Vec<String> {
    let mut found = Vec::new();
    let (mut before, mut paragraph) = ("", true);
    for (at, line) in source.text.lines().enumerate() {
        let line = line.trim_start();
        let marks = ["///", "//!"];
        let mark = marks.into_iter().find(|mark| line.starts_with(mark));
        let Some(mark) = mark else {
            (before, paragraph) = ("", true);
            continue;
        };
        let text = line[mark.len()..].trim();
        if (paragraph || mark != before) && WEAK.iter().any(|weak| text.starts_with(weak)) {
            found.push(format!(
                "{}:{}: begin with a verb or a noun: {text}",
                source.path,
                at + 1
            ));
        }
        (before, paragraph) = (mark, text.is_empty());
    }
    found
}

/// A sentence for each function named `of` that makes a value of its type from other values.
fn constructors_are_new_or_from(source: &Source) -> Vec<String> {
    let name = ["fn o", "f"].concat();
    source
        .text
        .match_indices(&name)
        .filter_map(|(at, _)| {
            let rest = &source.text[at + name.len()..];
            let signature = rest.strip_prefix(['(', '<'])?;
            let signature = signature.split(['{', ';']).next()?;
            let (arguments, result) = signature.split_once("->")?;
            if arguments.contains("self") {
                return None;
            }
            let line = source.text[..at].lines().count();
            result.contains("Self").then(|| {
                format!(
                    "{}:{line}: a constructor is called new or from_…",
                    source.path
                )
            })
        })
        .collect()
}

#[test]
fn doc_comments_begin_with_a_verb_or_a_noun() {
    let sources = rust();
    for breach in [
        "/// The same for a transcoder.",
        "//! What it is.",
        "fn f() {}\n\n    /// That it fits.",
        "/// Good.\n///\n/// See the module.",
        "//! Good.\n/// What follows.",
    ] {
        check(
            &sources,
            docs_begin_with_their_subject,
            ("core/src/a.rs", breach),
        );
    }
    let good = Source {
        path: "core/src/a.rs".to_owned(),
        text: "/// Returns a value.\n/// What follows is the same sentence.\n// That is no doc."
            .to_owned(),
    };
    assert_eq!(docs_begin_with_their_subject(&good), Vec::<String>::new());
}

#[test]
fn constructors_are_not_called_of() {
    let sources = rust();
    for result in ["Self", "Result<Self>", "Option<Self>"] {
        let breach = ["pub fn o", "f(a: u8) -> ", result, " {"].concat();
        check(
            &sources,
            constructors_are_new_or_from,
            ("core/src/a.rs", &breach),
        );
    }
    let good = Source {
        path: "core/src/a.rs".to_owned(),
        text: [
            "fn o",
            "f(self, a: u8) -> Self { fn o",
            "f() -> u8 { Self::B }",
        ]
        .concat(),
    };
    assert_eq!(constructors_are_new_or_from(&good), Vec::<String>::new());
}
