//! Writes a report as one HTML page: style and search inline, figures as SVG, no external resources, all text escaped.

use std::collections::BTreeSet;
use std::io::Write;

use super::form::{Observe, Put};
use super::pieces::{count, escape, put as line};
use super::{Contents, DEFINITIONS, Report, feature, sections};
use crate::features::About;
use crate::ids::FeatureId;
use crate::section::Section;

/// Style of pages, with the light and the dark palette.
pub(super) const STYLE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../assets/report/report.css"
));
/// Language of searches, which the page and the gallery share.
pub(super) const SEARCH: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../assets/report/search.js"
));
/// Search, order and keys of the page.
const SCRIPT: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../assets/report/report.js"
));
/// Help of the search field, on the page and in the gallery.
pub(super) const SEARCH_HELP: &str = "Words and “phrases” that must all be there, #12 for a feature, and conditions: density<0.1% max>=5 mean>1";
/// Orders that the page and the gallery offer: key, minus first for the largest first, and words.
pub(super) const ORDERS: &[(&str, &str)] = &[
    ("", "as written"),
    ("feature", "by number"),
    ("-density", "densest first"),
    ("density", "rarest first"),
    ("-max", "largest maximum first"),
    ("-mean", "largest mean first"),
];

/// Writes the page.
pub(super) fn put(contents: &Contents<'_>, out: &mut dyn Write, observe: Observe<'_>) -> Put {
    let report = contents.features.as_ref();
    let title = escape(&contents.title());
    let mut page = head(&title);
    line(
        &mut page,
        format_args!("<style>\n{STYLE}</style>\n</head>\n<body>"),
    );
    header(&mut page, (&title, report), &contents.results)?;
    page.push_str("<main>\n");
    for (n, result) in contents.results.iter().enumerate() {
        sections::section(&mut page, n, result);
    }
    out.write_all(page.as_bytes())?;
    if let Some(report) = report {
        let there: BTreeSet<FeatureId> = report.features().into_iter().collect();
        let is_there = |feature| there.contains(&feature);
        let mut each = |reported: &super::Reported| {
            let mut section = String::new();
            feature::section(&mut section, reported, &is_there);
            Ok(out.write_all(section.as_bytes())?)
        };
        report.put_each(&mut each, observe)?;
    }
    let mut page = "</main>\n".to_owned();
    if report.is_some() {
        page.push_str("<footer>\n");
        definitions(&mut page);
        line(
            &mut page,
            format_args!("</footer>\n<script>\n{SEARCH}{SCRIPT}</script>"),
        );
    }
    page.push_str("</body>\n</html>\n");
    out.write_all(page.as_bytes())?;
    Ok(())
}

/// Begins a page: everything up to its style. The policy forbids it to load anything but its own files.
pub(super) fn head(title: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<title>{title}</title>\n"
    )
}

/// Writes what the figures mean.
pub(super) fn definitions(page: &mut String) {
    page.push_str("<h3>How the numbers are defined</h3>\n<dl>\n");
    for (name, meaning) in DEFINITIONS {
        line(
            page,
            format_args!("<dt>{}</dt><dd>{}</dd>", escape(name), escape(meaning)),
        );
    }
    page.push_str("</dl>\n");
}

/// Writes title, facts, the search, and links to what follows.
fn header(
    page: &mut String,
    (title, report): (&str, Option<&Report<'_>>),
    results: &[Section],
) -> Put {
    let purpose = match report {
        Some(report) => format!(
            "What {} of the dictionary’s {} features respond to, and what they do",
            count(report.features().len() as u64),
            count(report.about.features as u64)
        ),
        None => format!("What was found, by Umbra {}", crate::VERSION),
    };
    line(
        page,
        format_args!("<header>\n<h1>{title}</h1>\n<p class=\"purpose\">{purpose}</p>"),
    );
    if let Some(report) = report {
        facts(page, report);
    }
    page.push_str("</header>\n");
    if report.is_some() {
        search(page, ORDERS);
    }
    let what = if results.is_empty() {
        "Features"
    } else {
        "Contents"
    };
    line(
        page,
        format_args!("<nav class=\"contents\" aria-label=\"{what}\">"),
    );
    for (n, result) in results.iter().enumerate() {
        line(
            page,
            format_args!("<a href=\"#s{n}\">{}</a>", escape(&result.title)),
        );
    }
    if let Some(report) = report {
        for (feature, name) in report.features().iter().zip(report.names()?) {
            line(
                page,
                format_args!(
                    "<a href=\"#f{feature}\">#{feature} {}</a>",
                    escape(&name).replace('\n', "⏎")
                ),
            );
        }
    }
    page.push_str("</nav>\n");
    Ok(())
}

/// Writes the search and the orders, hidden until a script shows them.
pub(super) fn search(page: &mut String, orders: &[(&str, &str)]) {
    line(
        page,
        format_args!(
            "<form role=\"search\" id=\"search\" hidden>\n<label class=\"query\">Search <input type=\"search\" id=\"query\" autocomplete=\"off\" spellcheck=\"false\" title=\"{0}\" placeholder=\"king density&lt;1% max&gt;5\" aria-describedby=\"found\"></label>\n<label>Order <select id=\"order\">",
            escape(SEARCH_HELP)
        ),
    );
    for (key, words) in orders {
        line(
            page,
            format_args!("<option value=\"{key}\">{words}</option>"),
        );
    }
    page.push_str("</select></label>\n<output id=\"found\" for=\"query\"></output>\n</form>\n");
}

/// Writes where the numbers are from.
pub(super) fn facts(page: &mut String, report: &Report<'_>) {
    page.push_str("<dl class=\"facts\">\n");
    for (name, value) in origin(report) {
        line(
            page,
            format_args!("<dt>{name}</dt><dd>{}</dd>", escape(&value)),
        );
    }
    page.push_str("</dl>\n");
}

/// Returns name and value of what the report is made from; values that are unknown are missing.
pub(super) fn origin(report: &Report<'_>) -> Vec<(&'static str, String)> {
    let about = &report.about;
    let first = |hash: &str| hash.chars().take(16).collect::<String>();
    let mut lines = vec![
        (
            "Model",
            match first(&about.model_fingerprint) {
                print if print.is_empty() => about.model.clone(),
                print => format!("{}, fingerprint {print}…", about.model),
            },
        ),
        (
            "Dictionary",
            format!(
                "{} at {}, fingerprint {}…",
                about.sae,
                about.hook,
                first(&about.sae_fingerprint)
            ),
        ),
        ("Writes", about.writes.join(", ")),
        ("Dictionary’s own facts", trained(about)),
        (
            "Text",
            format!("{}, {}…", about.corpus, first(&about.corpus_fingerprint)),
        ),
        (
            "Tokens",
            format!(
                "{} in rows of {}, {}",
                count(about.tokens),
                count(about.context as u64),
                about.positions.said(about.left_out)
            ),
        ),
        (
            "Facts measured on",
            report.facts_text.clone().unwrap_or_default(),
        ),
        ("Seed of the examples", about.seed.to_string()),
        ("Unembedding", about.logit_effects().to_owned()),
        (
            "Versions",
            format!(
                "index by Umbra {}, report by Umbra {}",
                about.version, report.version
            ),
        ),
    ];
    lines.retain(|(_, value)| !value.is_empty());
    lines
}

fn trained(about: &About) -> String {
    let facts = about.facts.iter();
    let facts: Vec<String> = facts.map(|(key, value)| format!("{key} {value}")).collect();
    facts.join(" · ")
}
