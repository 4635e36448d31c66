//! Writes a report as one HTML page: style inline, figures as SVG, no external resources, all text escaped.

use std::fmt::Write as _;

use super::{DEFINITIONS, Report, Reported, figures};
use crate::features::{self, About, Example, Interval, TokenEffect};

const STYLE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../assets/report/report.css"
));

/// Returns the page.
pub(super) fn page(report: &Report) -> String {
    let about = &report.about;
    let title = escape(&format!("Features of {}", about.sae));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n"
    );
    put(
        &mut page,
        format_args!(
            "<header>\n<h1>{title}</h1>\n<p class=\"purpose\">What {} of the dictionary’s {} features respond to, and what they do</p>",
            count(report.features.len() as u64),
            count(about.features as u64)
        ),
    );
    facts(&mut page, about, &report.version);
    page.push_str("<nav aria-label=\"Features\">\n");
    for reported in &report.features {
        let feature = reported.detail.summary.feature;
        put(
            &mut page,
            format_args!(
                "<a href=\"#f{feature}\">#{feature} {}</a>",
                escape(&reported.name())
            ),
        );
    }
    page.push_str("</nav>\n</header>\n<main>\n");
    for reported in &report.features {
        feature(&mut page, reported);
    }
    page.push_str("</main>\n<footer>\n<h3>How the numbers are defined</h3>\n<dl>\n");
    for (name, meaning) in DEFINITIONS {
        put(
            &mut page,
            format_args!("<dt>{}</dt><dd>{}</dd>", escape(name), escape(meaning)),
        );
    }
    page.push_str("</dl>\n</footer>\n</body>\n</html>\n");
    page
}

fn facts(page: &mut String, about: &About, version: &str) {
    let trained: Vec<_> = about
        .facts
        .iter()
        .map(|(key, value)| format!("{key} {value}"))
        .collect();
    let first = |hash: &str| hash.chars().take(16).collect::<String>();
    let lines = [
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
        ("Dictionary’s own facts", trained.join(" · ")),
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
        ("Seed of the examples", about.seed.to_string()),
        ("Unembedding", about.logit_effects().to_owned()),
        (
            "Versions",
            format!(
                "index by Umbra {}, report by Umbra {version}",
                about.version
            ),
        ),
    ];
    page.push_str("<dl class=\"facts\">\n");
    for (name, value) in lines.iter().filter(|(_, value)| !value.is_empty()) {
        put(
            page,
            format_args!("<dt>{name}</dt><dd>{}</dd>", escape(value)),
        );
    }
    page.push_str("</dl>\n");
}

fn feature(page: &mut String, reported: &Reported) {
    let detail = &reported.detail;
    let summary = detail.summary;
    put(
        page,
        format_args!(
            "<section class=\"feature\" id=\"f{0}\">\n<h2><span class=\"number\">#{0}</span> {1}</h2>\n\
             <dl class=\"scalars\"><div><dt>density</dt><dd>{2} %</dd></div><div><dt>mean</dt><dd>{3}</dd></div>\
             {6}<div><dt>max</dt><dd>{4}</dd></div><div><dt>decoder norm</dt><dd>{5}</dd></div></dl>",
            summary.feature,
            escape(&reported.name()),
            significant(100.0 * summary.density),
            significant(summary.mean),
            significant(summary.max),
            significant(summary.decoder_norm),
            match summary.min {
                min if min < 0.0 => format!("<div><dt>min</dt><dd>{}</dd></div>", significant(min)),
                _ => String::new(),
            }
        ),
    );
    if detail.top.is_empty() {
        page.push_str("<p class=\"secondary\">Never active on this text</p>\n");
    }
    page.push_str("<div class=\"figures\">\n");
    if !detail.histogram.counts.is_empty() {
        let (svg, caption) = figures::histogram(&detail.histogram);
        put(
            page,
            format_args!(
                "<figure><h3>Histogram</h3>\n{svg}<figcaption>{caption}</figcaption></figure>"
            ),
        );
    }
    if !detail.head_shares.is_empty() {
        let svg = figures::head_shares(&detail.head_shares);
        put(
            page,
            format_args!(
                "<figure><h3>Head shares</h3>\n{svg}<figcaption>Head; share of the decoder row’s norm</figcaption></figure>"
            ),
        );
    }
    effects(page, "Promoted tokens", "promoted", &detail.promoted);
    effects(page, "Suppressed tokens", "suppressed", &detail.suppressed);
    page.push_str("</div>\n");
    if !detail.top.is_empty() {
        let scale = match summary.min {
            min if min < 0.0 => {
                let most = summary.strongest().abs();
                format!(
                    "{} <span class=\"scale below\"></span> 0 <span class=\"scale\"></span> {} (the largest size); negative activations are underlined; the framed",
                    significant(-most),
                    significant(most)
                )
            }
            _ => format!(
                "0 <span class=\"scale\"></span> {} (the feature’s maximum); the framed",
                significant(summary.max)
            ),
        };
        put(
            page,
            format_args!(
                "<h3>Strongest examples</h3>\n<p class=\"secondary\">{scale} token is the example’s</p>"
            ),
        );
        examples(page, &detail.top, summary.strongest().abs());
    }
    for interval in &detail.intervals {
        level(page, interval, summary.strongest().abs());
    }
    page.push_str("</section>\n");
}

fn effects(page: &mut String, title: &str, class: &str, effects: &[TokenEffect]) {
    if effects.is_empty() {
        return;
    }
    put(page, format_args!("<div><h3>{title}</h3>\n<table>"));
    for effect in effects {
        put(
            page,
            format_args!(
                "<tr title=\"token {}\"><td>{}</td><td class=\"{class}\">{:+.3}</td></tr>",
                effect.id,
                token_text(&effect.text),
                effect.effect
            ),
        );
    }
    page.push_str("</table></div>\n");
}

fn level(page: &mut String, interval: &Interval, most: f64) {
    put(
        page,
        format_args!(
            "<h3>{} to {} <span class=\"secondary\">{} % of its active tokens</span></h3>",
            significant(interval.from),
            significant(interval.to),
            significant(100.0 * interval.share)
        ),
    );
    examples(page, &interval.examples, most);
}

fn examples(page: &mut String, examples: &[Example], most: f64) {
    page.push_str("<ol class=\"examples\">\n");
    for fold in features::fold(examples) {
        example(page, &examples[fold.shown], most);
        if let Some(what) = fold.said() {
            put(
                page,
                format_args!(
                    "<li class=\"near\"><details><summary>{what}</summary><ol class=\"examples\">"
                ),
            );
            for near in fold.near {
                example(page, &examples[near], most);
            }
            page.push_str("</ol></details></li>\n");
        }
    }
    page.push_str("</ol>\n");
}

fn example(page: &mut String, example: &Example, most: f64) {
    put(
        page,
        format_args!(
            "<li title=\"{}\"><span class=\"value\">{}</span><span class=\"tokens\">",
            escape(&example.document),
            significant(example.act().into())
        ),
    );
    page.pop();
    for (i, (token, act)) in example.tokens.iter().zip(&example.acts).enumerate() {
        page.push_str(&token_span(token, *act, most, i == example.at));
    }
    page.push_str("</span></li>\n");
}

/// Writes a token with its tint and its activation as a title; the example's own token is bold, so that it stands out without colour.
fn token_span(token: &str, act: f32, most: f64, is_examples: bool) -> String {
    let text = token_text(token);
    let tag = match (is_examples, act != 0.0) {
        (true, _) => "b",
        (false, true) => "span",
        (false, false) => return text,
    };
    let share = f64::from(act.abs()) / most.max(f64::MIN_POSITIVE);
    let sign = if act < 0.0 { " class=\"below\"" } else { "" };
    format!(
        "<{tag}{sign} style=\"--a:{share:.3}\" title=\"{}\">{text}</{tag}>",
        significant(act.into())
    )
}

/// Writes a token's text, a line break as a faint sign.
fn token_text(token: &str) -> String {
    escape(token).replace('\n', "<i>⏎</i>")
}

/// Escapes text as HTML, control characters as their number.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(c),
            c if c.is_control() => {
                write!(safe, "⟨{:02X}⟩", u32::from(c)).expect("a string takes everything");
            }
            c => safe.push(c),
        }
    }
    safe
}

/// Writes three significant digits.
pub(super) fn significant(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let before = value.abs().log10().floor() as i32 + 1;
    if before > 15 {
        return format!("{value:.2e}");
    }
    if before >= 4 {
        return count(value.round() as u64);
    }
    let digits = usize::try_from(3 - before).unwrap_or(0);
    if digits > 8 {
        return format!("{value:.2e}");
    }
    format!("{value:.digits$}")
}

/// Writes a count with thin spaces between thousands.
pub(super) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut apart = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            apart.push('\u{202f}');
        }
        apart.push(digit);
    }
    apart
}

fn put(page: &mut String, piece: std::fmt::Arguments<'_>) {
    page.write_fmt(piece).expect("a string takes everything");
    page.push('\n');
}
