//! Draws a report's figures as inline SVG. The page's style sets the colours; each mark has its number as a title.

use std::fmt::Write as _;

use super::pieces::{count, significant};
use crate::features::{Histogram, Uses};

/// Width of every figure, in the units of its view box.
pub(super) const WIDTH: f64 = 480.0;
/// Ratio of counts above which bars are drawn by their logarithm.
const DECADES: u64 = 100;

/// Draws the histogram of activations. The caption says whether bars are by count or by its logarithm.
pub(super) fn histogram(histogram: &Histogram) -> (String, &'static str) {
    let (svg, by_log) = bins(histogram, "Histogram of activations");
    let caption = if by_log {
        "Activation; tokens by the logarithm of 1 + their number"
    } else {
        "Activation; number of tokens"
    };
    (svg, caption)
}

/// Draws the histogram of effects on the logits of all tokens. The caption says whether bars are by count or by its logarithm.
pub(super) fn logits(histogram: &Histogram) -> (String, &'static str) {
    let (svg, by_log) = bins(histogram, "Histogram of effects on logits");
    let caption = if by_log {
        "Change of the logit; tokens of the vocabulary by the logarithm of 1 + their number"
    } else {
        "Change of the logit; number of tokens of the vocabulary"
    };
    (svg, caption)
}

/// Draws bars by count, or by log(1 + count) where counts span decades: then true.
fn bins(histogram: &Histogram, name: &str) -> (String, bool) {
    const HEIGHT: f64 = 120.0;
    const LEFT: f64 = 48.0;
    const BOTTOM: f64 = 18.0;
    let most = histogram.counts.iter().copied().max().unwrap_or(0);
    let least = histogram.counts.iter().copied().filter(|c| *c > 0).min();
    let by_log = least.is_some_and(|least| most / least > DECADES);
    let height = |count: u64| {
        let (count, most) = (count as f64, most.max(1) as f64);
        let share = if by_log {
            count.ln_1p() / most.ln_1p()
        } else {
            count / most
        };
        share * (HEIGHT - 8.0)
    };
    let end = histogram.edges.last().copied().unwrap_or(0.0);
    let start = histogram.edges.first().copied().unwrap_or(0.0);
    let range = (end - start).max(f64::MIN_POSITIVE);
    let x = |value: f64| LEFT + (value - start) / range * (WIDTH - LEFT - 4.0);
    let mut svg = open(HEIGHT + BOTTOM, name);
    for (edges, count_here) in histogram.edges.windows(2).zip(&histogram.counts) {
        let (from, to) = (x(edges[0]), x(edges[1]));
        let tall = height(*count_here);
        put(
            &mut svg,
            format_args!(
                "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\"><title>{} to {}: {} tokens</title></rect>",
                from,
                HEIGHT - tall,
                (to - from - 1.0).max(0.5),
                significant(edges[0]),
                significant(edges[1]),
                count(*count_here)
            ),
        );
    }
    put(
        &mut svg,
        format_args!(
            "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{HEIGHT}\" x2=\"{WIDTH}\" y2=\"{HEIGHT}\"/>\
             <text x=\"{LEFT}\" y=\"{y}\">{start}</text><text x=\"{WIDTH}\" y=\"{y}\" text-anchor=\"end\">{end}</text>\
             <text x=\"{label}\" y=\"14\" text-anchor=\"end\">{most}</text><text x=\"{label}\" y=\"{HEIGHT}\" text-anchor=\"end\">0</text></svg>",
            y = HEIGHT + 14.0,
            label = LEFT - 4.0,
            start = significant(start),
            end = significant(end),
            most = count(most),
        ),
    );
    (svg, by_log)
}

/// Draws a histogram whose bins have equal ratios, as bars of equal width.
pub(super) fn log_histogram(histogram: &Histogram) -> String {
    let counts = histogram.counts.iter().map(|count| *count as f64);
    let ends = [histogram.edges.first(), histogram.edges.last()];
    let ends = ends.map(|edge| significant(edge.copied().unwrap_or(0.0)));
    let most = histogram.counts.iter().copied().max().unwrap_or(0);
    let title = |n: usize| {
        format!(
            "{} to {}: {} tokens",
            significant(histogram.edges[n]),
            significant(histogram.edges[n + 1]),
            count(histogram.counts[n])
        )
    };
    let name = "Histogram of activations in bins of equal ratio";
    columns(
        name,
        &counts.collect::<Vec<_>>(),
        &title,
        (ends, count(most)),
    )
}

/// Draws the share of the tokens of each part of the row on which a feature is active, one bar a part.
pub(super) fn positions(uses: &Uses) -> String {
    let shares = &uses.by_position;
    let part = uses.part.max(1);
    let most = shares.iter().copied().fold(0.0, f64::max);
    let title = |n: usize| {
        let share = significant(100.0 * shares[n]);
        format!(
            "positions {} to {}: {share} %",
            n * part,
            (n + 1) * part - 1
        )
    };
    let ends = ["0".to_owned(), (shares.len() * part - 1).to_string()];
    let most = format!("{} %", significant(100.0 * most));
    columns(
        "Activity by position in the row",
        shares,
        &title,
        (ends, most),
    )
}

/// Draws bars of equal width with their titles, the ends of the axis and the largest value.
pub(super) fn columns(
    name: &str,
    values: &[f64],
    title: &dyn Fn(usize) -> String,
    ([start, end], most): ([String; 2], String),
) -> String {
    const HEIGHT: f64 = 120.0;
    const LEFT: f64 = 48.0;
    const BOTTOM: f64 = 18.0;
    let largest = values.iter().copied().fold(f64::MIN_POSITIVE, f64::max);
    let wide = (WIDTH - LEFT) / values.len().max(1) as f64;
    let mut svg = open(HEIGHT + BOTTOM, name);
    for (n, value) in values.iter().enumerate() {
        let tall = value / largest * (HEIGHT - 8.0);
        put(
            &mut svg,
            format_args!(
                "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\"><title>{}</title></rect>",
                LEFT + wide * n as f64,
                HEIGHT - tall,
                (wide - 1.0).max(0.5),
                title(n),
            ),
        );
    }
    put(
        &mut svg,
        format_args!(
            "<line class=\"axis\" x1=\"{LEFT}\" y1=\"{HEIGHT}\" x2=\"{WIDTH}\" y2=\"{HEIGHT}\"/>\
             <text x=\"{LEFT}\" y=\"{y}\">{start}</text><text x=\"{WIDTH}\" y=\"{y}\" text-anchor=\"end\">{end}</text>\
             <text x=\"{label}\" y=\"14\" text-anchor=\"end\">{most}</text><text x=\"{label}\" y=\"{HEIGHT}\" text-anchor=\"end\">0</text></svg>",
            y = HEIGHT + 14.0,
            label = LEFT - 4.0,
        ),
    );
    svg
}

/// Draws one horizontal bar per head, name left, share right.
pub(super) fn head_shares(shares: &[f32], name: &str) -> String {
    const ROW: f64 = 18.0;
    const LEFT: f64 = 36.0;
    const RIGHT: f64 = 64.0;
    let most = shares.iter().copied().fold(f32::MIN_POSITIVE, f32::max);
    let mut svg = open(ROW * shares.len() as f64 + 4.0, name);
    for (head, share) in shares.iter().enumerate() {
        let y = ROW * head as f64;
        put(
            &mut svg,
            format_args!(
                "<text class=\"name\" x=\"{:.1}\" y=\"{text:.1}\" text-anchor=\"end\">{head}</text>\
                 <rect class=\"bar\" x=\"{LEFT}\" y=\"{bar:.1}\" width=\"{:.1}\" height=\"12\"><title>Head {head}: {percent:.1} %</title></rect>\
                 <text class=\"value\" x=\"{WIDTH}\" y=\"{text:.1}\" text-anchor=\"end\">{percent:.1} %</text>",
                LEFT - 8.0,
                f64::from(share / most) * (WIDTH - LEFT - RIGHT),
                text = y + 13.0,
                bar = y + 3.0,
                percent = 100.0 * share,
            ),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Begins a figure.
pub(super) fn open(height: f64, name: &str) -> String {
    format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{name}\">")
}

/// Writes a piece.
pub(super) fn put(svg: &mut String, piece: std::fmt::Arguments<'_>) {
    svg.write_fmt(piece).expect("a string takes everything");
    svg.push('\n');
}
