//! The manual: the pages of `assets/guide`, compiled in. The command line prints them and the window shows them; both read the one list below.
//!
//! # How to add a page
//! A file `assets/guide/NAME.md` that opens with `# Title` and a paragraph that says what the page answers, and its name in the list.

use crate::error::{Error, Result};
use crate::formats::closest;

/// A page of the manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Name by which it is asked for, such as `dark-matter`.
    pub name: &'static str,
    /// Its Markdown.
    pub text: &'static str,
}

/// A group of pages under one heading.
#[derive(Debug, Clone, Copy)]
pub struct Section {
    /// Heading of the group.
    pub title: &'static str,
    /// Its pages, in order.
    pub pages: &'static [Page],
}

macro_rules! sections {
    ($($title:literal: $($name:literal)*;)*) => {
        &[$(Section {
            title: $title,
            pages: &[$(Page {
                name: $name,
                text: include_str!(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/../assets/guide/",
                    $name,
                    ".md"
                )),
            }),*],
        }),*]
    };
}

/// Every page, by group.
pub const SECTIONS: &[Section] = sections! {
    "Start": "guide" "window" "troubleshooting";
    "Screens": "library" "features" "feature" "search" "prompt" "dark-matter" "heads" "steering" "training" "evaluation" "compare" "log";
    "Commands": "command-line" "model" "capture" "store" "train" "ladder" "baseline" "bench" "devices" "runs" "project" "sae" "eval" "evaluate" "index" "label" "steer" "sweep" "separate" "attribute" "patch" "report" "link" "open" "reproduce";
    "Reference": "definitions" "variants" "positions" "text" "chat" "formats" "files";
};

/// Name of the page that opens the manual.
pub const START: &str = "guide";

/// Returns every page, in the order of [`SECTIONS`].
pub fn pages() -> impl Iterator<Item = &'static Page> {
    SECTIONS.iter().flat_map(|section| section.pages)
}

/// Returns the page called `name`; words may be joined by `-`, `_` or a space. The error of an unknown name gives the nearest one.
pub fn page(name: &str) -> Result<&'static Page> {
    let plain = name.trim().trim_end_matches(".md").to_lowercase();
    let plain = plain.replace([' ', '_'], "-");
    let found = pages().find(|page| page.name == plain);
    found.ok_or_else(|| {
        let near = closest(&plain, pages().map(|page| page.name));
        let near = near.first().copied().unwrap_or(START);
        let what = format!("the guide has no page `{name}`, the nearest is `{near}`");
        Error::setting("page", what)
    })
}

/// Returns the pages that hold every word of `words`, those with all words in the title first; without words, every page.
pub fn search(words: &str) -> Vec<&'static Page> {
    let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
    let holds = |text: &str| {
        let text = text.to_lowercase();
        words.iter().all(|word| text.contains(word))
    };
    let (mut found, others): (Vec<&Page>, Vec<&Page>) =
        pages().partition(|page| holds(page.title()));
    found.extend(others.into_iter().filter(|page| holds(page.text)));
    found
}

impl Page {
    /// Returns its title, the first line without `#`.
    pub fn title(&self) -> &'static str {
        let first = self.text.lines().next().unwrap_or_default();
        first.trim_start_matches('#').trim()
    }

    /// Returns its first sentence, as one line without marks of emphasis.
    pub fn purpose(&self) -> String {
        let lines = self.text.lines().skip(1);
        let paragraph = lines.skip_while(|line| line.trim().is_empty());
        let paragraph = paragraph.take_while(|line| !line.trim().is_empty());
        let line = paragraph.collect::<Vec<_>>().join(" ");
        let line = line.trim_matches('*');
        match line.split_once(". ") {
            Some((first, _)) => format!("{first}."),
            None => line.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_page_has_a_title_and_a_purpose_and_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for page in pages() {
            assert!(names.insert(page.name), "{} stands twice", page.name);
            assert!(page.text.starts_with("# "), "{}", page.name);
            assert!(page.title().len() > 2, "{}", page.name);
            let purpose = page.purpose();
            assert!(purpose.len() > 20, "{}: {purpose}", page.name);
            assert!(!purpose.starts_with(['#', '`', '*']), "{purpose}");
        }
        assert!(names.contains(START));
    }

    #[test]
    fn pages_are_searched_by_all_words_and_titles_come_first() {
        let found: Vec<_> = search("dark MATTER").iter().map(|page| page.name).collect();
        assert_eq!(found.first(), Some(&"dark-matter"));
        assert!(found.len() > 1 && found.len() < pages().count());
        assert_eq!(search("").len(), pages().count());
        assert!(search("matter zzzz").is_empty());
    }

    #[test]
    fn a_page_is_found_by_its_name_and_the_nearest_is_named() {
        for name in [
            "dark-matter",
            "Dark matter",
            "dark_matter",
            "dark-matter.md",
        ] {
            assert_eq!(page(name).unwrap().name, "dark-matter");
        }
        let said = page("definitons").unwrap_err().to_string();
        assert!(
            said.contains("`definitons`") && said.contains("`definitions`"),
            "{said}"
        );
    }
}
