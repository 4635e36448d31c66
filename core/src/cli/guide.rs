//! `umbra guide`: the manual, page by page.

use serde_json::{Value, json};

use super::{Console, Exit};
use crate::error::Result;
use crate::guide::{self, Page, Section};

/// Flags of `umbra guide`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Page to print [default: the list of all pages]
    #[arg(value_name = "PAGE")]
    page: Option<String>,
    /// List the pages that hold all of these words
    #[arg(long, value_name = "WORDS", conflicts_with = "page")]
    search: Option<String>,
}

/// Runs `umbra guide`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    if let Some(name) = &args.page {
        let page = guide::page(name)?;
        let object = json!({ "page": page.name, "title": page.title(), "text": page.text });
        console.answer(&object, || page.text.trim_end().to_owned())?;
    } else if let Some(words) = &args.search {
        let found = guide::search(words);
        let pages: Vec<Value> = found.iter().map(|page| about(page)).collect();
        console.answer(&json!({ "words": words, "pages": pages }), || {
            lines(&found, words)
        })?;
    } else {
        let sections: Vec<Value> = guide::SECTIONS.iter().map(section).collect();
        console.answer(&json!({ "sections": sections }), list)?;
    }
    Ok(Exit::Done)
}

fn section(section: &Section) -> Value {
    let pages: Vec<Value> = section.pages.iter().map(about).collect();
    json!({ "title": section.title, "pages": pages })
}

fn about(page: &Page) -> Value {
    json!({ "page": page.name, "title": page.title(), "purpose": page.purpose() })
}

/// Returns the lines that list the pages found.
fn lines(found: &[&Page], words: &str) -> String {
    let longest = found.iter().map(|page| page.name.len()).max();
    let width = longest.unwrap_or_default();
    let line = |page: &&Page| format!("{:<width$}  {}", page.name, page.purpose());
    if found.is_empty() {
        return format!("no page of the guide holds `{words}`; umbra guide lists all pages");
    }
    found.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn list() -> String {
    let longest = guide::pages().map(|page| page.name.len()).max();
    let width = longest.unwrap_or_default();
    let mut lines = Vec::new();
    for section in guide::SECTIONS {
        lines.push(section.title.to_owned());
        let pages = section.pages.iter();
        lines.extend(pages.map(|page| format!("  {:<width$}  {}", page.name, page.purpose())));
    }
    lines.push("umbra guide PAGE prints a page".to_owned());
    lines.join("\n")
}
