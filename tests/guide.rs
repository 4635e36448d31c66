//! The README stays short, and the guide has a page for every screen and every noun. Each rule is a function from text to sentences, tried on a planted breach too.

use std::collections::BTreeSet;

use umbra_tests::{repository, sources};

use crate::guide_commands::{Step, steps};
use crate::tidy::nouns;
use crate::{has_keys, umbra};

/// Lines of the README at most.
const LINES: usize = 140;
/// Its set-up commands, all of them.
const SET_UP: [&str; 2] = ["cargo run --release", "cargo test --workspace --release"];

/// Faults of a README's length and of its set-up commands.
fn readme_rules(text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    let lines = text.lines().count();
    if lines > LINES {
        broken.push(format!("README.md has {lines} lines, {LINES} at most"));
    }
    let commands = steps(text).into_iter().filter_map(|(_, step)| match step {
        Step::Command(words) if words[0] == "cargo" => Some(words.join(" ")),
        _ => None,
    });
    let commands: Vec<String> = commands.collect();
    if commands != SET_UP {
        broken.push(format!(
            "README.md shows {commands:?} to set up, not {SET_UP:?}"
        ));
    }
    broken
}

#[test]
fn the_readme_is_short_and_two_commands_set_up() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    assert_eq!(readme_rules(&readme), [""; 0]);
    assert_eq!(readme_rules(&"a\n".repeat(141)).len(), 2);
    let third = "```sh\ncargo run --release\ncargo test --workspace --release\ncargo build\n```\n";
    assert_eq!(readme_rules(third).len(), 1);
}

/// The names of `wanted` that have no page among `there`.
fn without_page<'a>(wanted: &'a [String], there: &BTreeSet<String>) -> Vec<&'a str> {
    let missing = wanted.iter().filter(|name| !there.contains(*name));
    missing.map(String::as_str).collect()
}

/// Names of the pages in `assets/guide`.
fn pages() -> BTreeSet<String> {
    let names = sources("assets/guide", &[".md"]).into_iter();
    let names = names.filter_map(|page| {
        let name = page.path.rsplit('/').next()?;
        Some(name.trim_end_matches(".md").to_owned())
    });
    names.collect()
}

/// The screens in the source of `ViewId::ALL`, as pages are named: `DarkMatter` is `dark-matter`.
fn screens(source: &str) -> Vec<String> {
    let list = source
        .split("pub const ALL: [Self;")
        .nth(1)
        .unwrap_or_default();
    let list = list.split("];").next().unwrap_or_default();
    let names = list.split("Self::").skip(1).map(|part| {
        let name: String = part.chars().take_while(|c| c.is_alphanumeric()).collect();
        let mut page = String::new();
        for c in name.chars() {
            if c.is_uppercase() && !page.is_empty() {
                page.push('-');
            }
            page.extend(c.to_lowercase());
        }
        page
    });
    names.collect()
}

#[test]
fn every_screen_and_every_noun_has_a_page() {
    let there = pages();
    let mut views = String::new();
    for file in sources("app/src", &[".rs"]) {
        if file.text.contains("pub enum ViewId") || file.text.contains("pub(crate) enum ViewId") {
            views = file.text;
        }
    }
    let screens = screens(&views.replace("pub(crate) const ALL", "pub const ALL"));
    assert!(screens.len() >= 10, "{screens:?}");
    assert_eq!(without_page(&screens, &there), [""; 0]);
    let help = umbra(&repository(), &["--help"]).done();
    assert_eq!(without_page(&nouns(&help.out), &there), [""; 0]);
    let planted = ["train".to_owned(), "teleport".to_owned()];
    assert_eq!(without_page(&planted, &there), ["teleport"]);
}

/// A sentence for each link of `text` to a page that is not there. Links to pages read `name.md`.
fn broken_links(path: &str, text: &str, there: &BTreeSet<String>) -> Vec<String> {
    let links = text.split("](").skip(1);
    let links = links.filter_map(|rest| rest.split(')').next());
    let broken = links.filter(|link| {
        let page = link.strip_suffix(".md");
        !page.is_some_and(|page| there.contains(page)) && !link.starts_with("https://")
    });
    broken
        .map(|link| format!("{path}: there is no page {link}"))
        .collect()
}

/// A sentence for each link of the README to a file that is not in the repository.
fn missing_files(text: &str) -> Vec<String> {
    let links = text.split("](").skip(1);
    let links = links.filter_map(|rest| rest.split(')').next());
    let missing = links.filter(|link| !repository().join(link).exists());
    missing
        .map(|link| format!("README.md: there is no {link}"))
        .collect()
}

#[test]
fn the_readme_links_to_files_that_exist() {
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    assert_eq!(missing_files(&readme), [""; 0]);
    assert_eq!(missing_files("See [it](core/NOWHERE.md).").len(), 1);
}

#[test]
fn pages_link_to_pages_and_none_is_left_out_of_the_list() {
    let there = pages();
    let all = sources("assets/guide", &[".md"]);
    let broken = all
        .iter()
        .flat_map(|page| broken_links(&page.path, &page.text, &there));
    assert_eq!(broken.collect::<Vec<_>>(), [""; 0]);
    assert_eq!(
        broken_links("page.md", "See [here](nowhere.md).", &there).len(),
        1
    );

    let listed = umbra(&repository(), &["guide", "--json"]).done().json();
    let sections = listed["sections"].as_array().unwrap();
    let pages = sections
        .iter()
        .flat_map(|section| section["pages"].as_array().unwrap());
    let listed: BTreeSet<String> = pages
        .map(|page| {
            has_keys(page, "page title purpose");
            page["page"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(listed, there);
}

#[test]
fn the_guide_prints_a_page_and_names_the_nearest_of_an_unknown_one() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read_to_string(repository().join("assets/guide/variants.md")).unwrap();
    let shown = umbra(folder.path(), &["guide", "variants"]).done();
    assert_eq!(shown.out.trim_end(), whole.trim_end());
    let object = umbra(folder.path(), &["guide", "variants", "--json"])
        .done()
        .json();
    has_keys(&object, "page title text");
    assert_eq!(object["text"].as_str(), Some(whole.as_str()));
    let list = umbra(folder.path(), &["guide"]).done();
    assert!(list.out.contains("dark-matter"), "{}", list.out);
    let unknown = umbra(folder.path(), &["guide", "definitons", "--json"]);
    unknown.refused(&["`definitons`", "`definitions`"]);
}
