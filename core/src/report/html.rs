//! The report as one HTML page that opens from disk: style inside, figures as SVG, nothing fetched.

use std::fmt::Write as _;

use super::{DEFINITIONS, Entry, Report};
use crate::features::{Example, Histogram, TokenEffect};

const STYLE: &str = include_str!("../../../assets/report/report.css");
/// Height of a histogram's plot.
const PLOT_HEIGHT: f64 = 90.0;
/// Width of every figure.
const WIDTH: f64 = 480.0;
/// Share of the activation colour behind the strongest token.
const STRONGEST_TINT: f32 = 60.0;

/// The whole page.
pub(super) fn page(report: &Report) -> String {
    let about = &report.about;
    let title = format!("Features of {}", escape(&about.sae));
    let facts = [
        ("model", about.model.clone()),
        (
            "dictionary",
            format!("{} ({} features)", about.sae, about.features),
        ),
        ("hook", about.hook.clone()),
        (
            "text",
            format!("{}, {} activations", about.corpus, about.tokens),
        ),
        (
            "text fingerprint",
            format!("sha256 {}", about.corpus_fingerprint),
        ),
        ("seed of the examples", about.seed.to_string()),
        (
            "versions",
            format!(
                "umbra {}, index built by umbra {}",
                crate::VERSION,
                about.version
            ),
        ),
    ];
    let contents: String = report.features.iter().map(link).collect();
    let articles: String = report.features.iter().map(article).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title>\n<style>\n{STYLE}</style></head>\n<body><main>\n<h1>{title}</h1>\n\
         <p class=\"secondary\">What each feature responds to and what it writes, over the text named here.</p>\n{}\
         <nav aria-label=\"Features\">{contents}</nav>\n{articles}<h2>Definitions</h2>\n{}</main></body></html>\n",
        facts_list(facts.iter().map(|(key, value)| (*key, value.as_str()))),
        facts_list(DEFINITIONS.iter().copied()),
    )
}

fn facts_list<'a>(facts: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let items: String = facts
        .map(|(key, value)| format!("<dt>{}</dt><dd>{}</dd>", escape(key), escape(value)))
        .collect();
    format!("<dl class=\"facts\">{items}</dl>\n")
}

fn link(entry: &Entry) -> String {
    let feature = entry.detail.summary.feature;
    let label = entry
        .label
        .as_deref()
        .map(|label| format!(" {}", escape(label)));
    format!(
        "<a href=\"#f{feature}\"><span class=\"number\">#{feature}</span>{}</a>",
        label.unwrap_or_default()
    )
}

fn article(entry: &Entry) -> String {
    let detail = &entry.detail;
    let summary = detail.summary;
    let mut out = format!(
        "<article id=\"f{0}\"><header><h2><span class=\"number\">#{0}</span> {1}</h2><span class=\"secondary\">density {2} % · mean {3} · max {4}</span></header>\n",
        summary.feature,
        escape(entry.label.as_deref().unwrap_or("")),
        three_digits(100.0 * summary.density),
        three_digits(summary.mean),
        three_digits(summary.max),
    );
    out.push_str("<div class=\"figures\">");
    if summary.density > 0.0 {
        out.push_str(&histogram(&detail.histogram));
    }
    if !detail.head_shares.is_empty() {
        out.push_str(&head_shares(&detail.head_shares));
    }
    out.push_str(&effects("Promoted tokens", "up", &detail.promoted));
    out.push_str(&effects("Suppressed tokens", "down", &detail.suppressed));
    out.push_str("</div>\n");
    if detail.top.is_empty() {
        out.push_str("<p class=\"secondary\">Never active on this text</p>");
    } else {
        out.push_str("<h3>Strongest examples</h3>\n");
        examples(&mut out, &detail.top, summary.max);
    }
    for interval in &detail.intervals {
        if interval.examples.is_empty() {
            continue;
        }
        writeln!(
            out,
            "<h3>{} to {}: {} % of its active tokens</h3>",
            three_digits(interval.from),
            three_digits(interval.to),
            three_digits(100.0 * interval.share)
        )
        .expect("writing into a string");
        examples(&mut out, &interval.examples, summary.max);
    }
    out.push_str("</article>\n");
    out
}

fn examples(out: &mut String, examples: &[Example], max: f64) {
    for example in examples {
        write!(
            out,
            "<div class=\"example\"><span class=\"value\">{}</span><p class=\"tokens\">",
            three_digits(f64::from(example.act()))
        )
        .expect("writing into a string");
        for (i, (token, act)) in example.tokens.iter().zip(&example.acts).enumerate() {
            let tint = STRONGEST_TINT * act / (max as f32).max(f32::MIN_POSITIVE);
            let shown = escape(&token.replace('\n', "⏎"));
            let class = if i == example.at { " class=\"at\"" } else { "" };
            let style = if *act > 0.0 {
                format!(
                    " style=\"background:color-mix(in srgb,var(--activation) {tint:.0}%,transparent)\" title=\"{}\"",
                    three_digits(f64::from(*act))
                )
            } else {
                String::new()
            };
            write!(out, "<span{class}{style}>{shown}</span>").expect("writing into a string");
        }
        writeln!(
            out,
            "</p><span class=\"source\">{}</span></div>",
            escape(&example.document)
        )
        .expect("writing into a string");
    }
}

fn effects(title: &str, class: &str, effects: &[TokenEffect]) -> String {
    let rows: String = effects
        .iter()
        .map(|effect| {
            let text = escape(&effect.text.replace('\n', "⏎").replace(' ', "·"));
            format!(
                "<tr><td>{text}</td><td class=\"{class}\">{:+.3}</td></tr>",
                effect.effect
            )
        })
        .collect();
    format!(
        "<figure><figcaption>{title}, logit change per unit</figcaption><table>{rows}</table></figure>"
    )
}

/// Bars of log(1 + count), since counts span decades.
fn histogram(histogram: &Histogram) -> String {
    let most = histogram.counts.iter().copied().max().unwrap_or(0);
    let bins = histogram.counts.len().max(1) as f64;
    let step = WIDTH / bins;
    let bars: String = histogram
        .counts
        .iter()
        .enumerate()
        .map(|(i, count)| {
            let height = PLOT_HEIGHT * (*count as f64).ln_1p() / (most as f64).ln_1p().max(f64::MIN_POSITIVE);
            format!(
                "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{height:.1}\"><title>{count} tokens from {} to {}</title></rect>",
                i as f64 * step + 0.5,
                PLOT_HEIGHT - height,
                (step - 1.0).max(0.5),
                three_digits(histogram.edges[i]),
                three_digits(histogram.edges[i + 1]),
            )
        })
        .collect();
    let last = histogram.edges.last().copied().unwrap_or(0.0);
    format!(
        "<figure><figcaption>Activation histogram, logarithmic counts, at most {most} a bin</figcaption>\
         <svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"Activation histogram\">{bars}\
         <line class=\"axis\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{PLOT_HEIGHT}\" y2=\"{PLOT_HEIGHT}\"/>\
         <text x=\"0\" y=\"{2}\">0</text><text x=\"{WIDTH}\" y=\"{2}\" text-anchor=\"end\">{}</text></svg></figure>",
        PLOT_HEIGHT + 18.0,
        three_digits(last),
        PLOT_HEIGHT + 14.0,
    )
}

fn head_shares(shares: &[f32]) -> String {
    const ROW: f64 = 18.0;
    const LABEL: f64 = 70.0;
    let most = shares.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let bars: String = shares
        .iter()
        .enumerate()
        .map(|(head, share)| {
            let y = head as f64 * ROW;
            let width = (WIDTH - 2.0 * LABEL) * f64::from(share / most);
            format!(
                "<text x=\"0\" y=\"{:.1}\">head {head}</text><rect class=\"bar\" x=\"{LABEL}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{:.1}\"/>\
                 <text x=\"{WIDTH}\" y=\"{:.1}\" text-anchor=\"end\">{:.1} %</text>",
                y + 13.0,
                y + 3.0,
                ROW - 6.0,
                y + 13.0,
                100.0 * share,
            )
        })
        .collect();
    format!(
        "<figure><figcaption>Head shares</figcaption><svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"Head shares\">{bars}</svg></figure>",
        shares.len() as f64 * ROW
    )
}

/// Three significant digits without an exponent.
fn three_digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let decimals = (2 - value.abs().log10().floor() as i32).clamp(0, 9);
    format!("{value:.0$}", decimals as usize)
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
    out
}
