//! Rules of the repository that no compiler checks, one file per theme. Each rule is a function from a source file to the sentences that say how the file
//! breaks it; [`check`] also tries the rule on a planted breach.

mod circles;
mod core_only;
mod english;
mod files;
mod lists;
mod order;
mod pictures;

pub(crate) use lists::nouns;
use umbra_tests::{Source, sources};

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
