//! Every command that README and guide show in a fenced block runs: page by page, in order, in a fresh folder that holds the demo as `assets/demo`.
//!
//! Blocks tagged `sh`, `bash`, `shell` or `console` are run. A block tagged with a language and a file name (`toml run.toml`) is written as that file first. Commands that
//! need the network or much time stand in blocks tagged `text`, which are not run.

use std::fmt;
use std::path::Path;

use umbra_tests::{Source, repository, sources};

use crate::umbra;

/// Tags of blocks whose lines are commands.
const SHELLS: [&str; 4] = ["sh", "bash", "shell", "console"];
/// The set-up commands of the README, which are the tests' own surroundings.
const SET_UP: &str = "cargo";

/// Request of a fenced block.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// A command: its words.
    Command(Vec<String>),
    /// A file: its name and text.
    File(String, String),
    /// A line that cannot be run here, and why.
    Strange(String, &'static str),
}

/// A step with the line it begins on, counted from 1.
pub(crate) type Placed = (usize, Step);

/// A fenced block: the line after its fence, its tag, its lines.
struct Block<'a> {
    line: usize,
    tag: &'a str,
    lines: Vec<&'a str>,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for (at, line) in text.lines().enumerate() {
        match (line.trim_start().strip_prefix("```"), &mut open) {
            (Some(tag), None) => {
                open = Some(Block {
                    line: at + 2,
                    tag: tag.trim(),
                    lines: Vec::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.lines.push(line),
            (None, None) => {}
        }
    }
    blocks
}

/// Steps of the fenced blocks of a page, in order.
pub(crate) fn steps(text: &str) -> Vec<Placed> {
    let mut steps = Vec::new();
    for block in blocks(text) {
        let mut tag = block.tag.split_whitespace();
        match (tag.next(), tag.next()) {
            (Some(shell), None) if SHELLS.contains(&shell) => steps.extend(commands(&block)),
            (Some(_), Some(name)) => {
                let text = block.lines.join("\n") + "\n";
                steps.push((block.line, Step::File(name.to_owned(), text)));
            }
            _ => {}
        }
    }
    steps
}

/// The commands of a block; a line that ends with `\` goes on in the next.
fn commands(block: &Block<'_>) -> Vec<Placed> {
    let mut commands = Vec::new();
    let mut whole = String::new();
    let mut begins = block.line;
    for (at, line) in block.lines.iter().enumerate() {
        if whole.is_empty() {
            begins = block.line + at;
        }
        let line = line.trim();
        if let Some(part) = line.strip_suffix('\\') {
            whole.push_str(part);
            continue;
        }
        whole.push_str(line.strip_prefix("$ ").unwrap_or(line));
        let line = std::mem::take(&mut whole);
        if let Some(step) = command(&line) {
            commands.push((begins, step));
        }
    }
    commands
}

fn command(line: &str) -> Option<Step> {
    let strange = |why| Some(Step::Strange(line.to_owned(), why));
    let Some(words) = words(line) else {
        return strange("a quotation mark is not closed, or the shell would expand it");
    };
    match words.first().map(String::as_str) {
        None => None,
        Some("umbra" | SET_UP) => Some(Step::Command(words)),
        Some(_) => strange("it begins neither with `umbra` nor with `cargo`"),
    }
}

/// Words of a line as a shell splits them, without its comment; none where the line needs more of a shell than quotation marks.
fn words(line: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = None;
    for c in line.chars() {
        match (c, quoted) {
            (c, Some(mark)) if c == mark => quoted = None,
            ('$' | '`', Some('"'))
            | ('|' | '>' | '<' | '&' | ';' | '$' | '`' | '*' | '?', None) => {
                return None;
            }
            ('"' | '\'', None) => {
                quoted = Some(c);
                word.get_or_insert_default();
            }
            ('#', None) if word.is_none() => break,
            (c, None) if c.is_whitespace() => words.extend(word.take()),
            (c, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quoted.is_none().then_some(words)
}

/// A sentence for each step of `page` that fails.
pub(crate) fn failures(page: &Source) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    lend_demo(folder.path());
    let mut failures = Vec::new();
    let mut fails = |line: usize, what: &dyn fmt::Display| {
        failures.push(format!("{}:{line}: {what}", page.path));
    };
    for (line, step) in steps(&page.text) {
        match step {
            Step::Strange(text, why) => fails(line, &format!("`{text}`: {why}")),
            Step::File(name, text) => {
                let file = folder.path().join(name);
                std::fs::create_dir_all(file.parent().unwrap()).unwrap();
                std::fs::write(file, text).unwrap();
            }
            Step::Command(words) if words[0] == SET_UP => {}
            Step::Command(words) => {
                let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
                let run = umbra(folder.path(), &args);
                if run.code != 0 {
                    let said = run.err.trim();
                    fails(
                        line,
                        &format!("`{}` ended with {}: {said}", words.join(" "), run.code),
                    );
                }
            }
        }
    }
    failures
}

/// Makes the demo reachable as `assets/demo` in `folder`.
fn lend_demo(folder: &Path) {
    let assets = folder.join("assets");
    std::fs::create_dir(&assets).unwrap();
    let demo = repository().join("assets/demo");
    std::os::unix::fs::symlink(demo, assets.join("demo")).unwrap();
}

/// README and the pages of the guide.
pub(crate) fn pages() -> Vec<Source> {
    let mut pages = sources("assets/guide", &[".md"]);
    let text = std::fs::read_to_string(repository().join("README.md")).unwrap();
    pages.push(Source {
        path: "README.md".to_owned(),
        text,
    });
    assert!(pages.len() > 20, "{} pages", pages.len());
    pages
}

/// Runs one page in `SHARES`, counted from `share`.
fn share_runs(share: usize) {
    const SHARES: usize = 4;
    let pages = pages();
    let own = pages.iter().skip(share).step_by(SHARES);
    let failures: Vec<String> = own.flat_map(failures).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn the_commands_shown_run_1() {
    share_runs(0);
}

#[test]
fn the_commands_shown_run_2() {
    share_runs(1);
}

#[test]
fn the_commands_shown_run_3() {
    share_runs(2);
}

#[test]
fn the_commands_shown_run_4() {
    share_runs(3);
}

fn page(text: &str) -> Source {
    Source {
        path: "page.md".to_owned(),
        text: text.to_owned(),
    }
}

#[test]
fn a_command_that_fails_is_named_with_page_and_line() {
    let failed = failures(&page(
        "# Page\n\n```sh\numbra guide\numbra guide nowhere\n```\n\n```sh\numbra guide | head\n```\n",
    ));
    assert_eq!(failed.len(), 2, "{failed:?}");
    assert!(
        failed[0].starts_with("page.md:5: `umbra guide nowhere` ended with 1: "),
        "{failed:?}"
    );
    assert!(
        failed[1].starts_with("page.md:9: `umbra guide | head`: "),
        "{failed:?}"
    );
    let good = "```sh\numbra guide files   # a comment\n```\n```text\numbra nonsense\n```\n";
    assert_eq!(failures(&page(good)), [""; 0]);
}

#[test]
fn blocks_become_commands_and_files() {
    let text = "```toml run.toml\nk = 3\n```\n```sh\numbra a --x \"b c\" \\\n    --y 'd' # no\n\n# nothing\n```\n```toml\nk = 4\n```\n";
    let words = ["umbra", "a", "--x", "b c", "--y", "d"].map(str::to_owned);
    assert_eq!(
        steps(text),
        [
            (2, Step::File("run.toml".to_owned(), "k = 3\n".to_owned())),
            (5, Step::Command(words.to_vec())),
        ]
    );
    for line in ["umbra a > b", "umbra $x", "umbra \"a", "ls", "umbra \"$x\""] {
        let strange = matches!(command(line), Some(Step::Strange(..)));
        assert!(strange, "{line}");
    }
}
