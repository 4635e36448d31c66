//! Draws the plots of a section as inline SVG. The page's style sets the colours; each mark has its number as a title, and every scale its numbers.

use super::figures::{WIDTH, open, put};
use super::pieces::{escape, significant};
use crate::section::{Bars, HeatMap, Lines, Series};

/// Characters of a name that fit beside a mark.
const NAME: usize = 20;
/// Width for names on the left.
const LEFT: f64 = 150.0;
/// Number of colours of series.
const COLOURS: usize = 5;

/// Writes a number with its sign; a dash for one that is undefined.
pub(super) fn number(value: Option<f64>) -> String {
    match value {
        None => "–".to_owned(),
        Some(value) if value < 0.0 => format!("−{}", significant(-value)),
        Some(value) => significant(value),
    }
}

/// Writes a text in one line, line breaks as signs.
pub(super) fn line(text: &str) -> String {
    escape(&text.replace('\n', "⏎"))
}

/// Writes the beginning of a name, as much as fits beside a mark.
fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return line(text);
    }
    let begin: String = text.chars().take(most - 1).collect();
    line(&format!("{begin}…"))
}

/// Draws one horizontal bar a name, from zero, negative ones to the left.
pub(super) fn bars(bars: &Bars) -> String {
    const ROW: f64 = 18.0;
    const RIGHT: f64 = 64.0;
    let values = || bars.bars.iter().filter_map(|(_, value)| *value);
    let low = values().fold(0.0, f64::min);
    let high = values().fold(0.0, f64::max);
    let range = (high - low).max(f64::MIN_POSITIVE);
    let x = |value: f64| LEFT + (value - low) / range * (WIDTH - LEFT - RIGHT);
    let height = ROW * bars.bars.len() as f64 + 4.0;
    let mut svg = open(height, &escape(&bars.caption));
    for (n, (name, value)) in bars.bars.iter().enumerate() {
        let y = ROW * n as f64;
        put(
            &mut svg,
            format_args!(
                "<text class=\"name\" x=\"{:.1}\" y=\"{text:.1}\" text-anchor=\"end\">{}<title>{}</title></text>\
                 <text class=\"value\" x=\"{WIDTH}\" y=\"{text:.1}\" text-anchor=\"end\">{}</text>",
                LEFT - 8.0,
                short(name, NAME),
                line(name),
                number(*value),
                text = y + 13.0,
            ),
        );
        let Some(value) = value else {
            continue;
        };
        let class = match (low < 0.0, *value < 0.0) {
            (false, _) => "series0",
            (true, false) => "raised",
            (true, true) => "lowered",
        };
        put(
            &mut svg,
            format_args!(
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\"><title>{}: {}</title></rect>",
                x(value.min(0.0)),
                y + 3.0,
                (x(value.abs()) - x(0.0)).abs().max(0.5),
                line(name),
                number(Some(*value)),
            ),
        );
    }
    put(
        &mut svg,
        format_args!(
            "<line class=\"axis\" x1=\"{0:.1}\" y1=\"0\" x2=\"{0:.1}\" y2=\"{height}\"/></svg>",
            x(0.0)
        ),
    );
    svg
}

/// Ends of an axis, apart from each other.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        });
        if low > high {
            return Self {
                low: 0.0,
                high: 1.0,
            };
        }
        if low == high {
            let apart = low.abs().max(1.0) / 2.0;
            return Self {
                low: low - apart,
                high: high + apart,
            };
        }
        Self { low, high }
    }

    /// Share of the axis at `value`.
    fn share(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// Ends and middle.
    fn ticks(&self) -> [f64; 3] {
        [self.low, f64::midpoint(self.low, self.high), self.high]
    }
}

/// Draws the series over one axis, with their names at their ends.
pub(super) fn lines(lines: &Lines) -> String {
    const TOP: f64 = 22.0;
    const HEIGHT: f64 = 200.0;
    const SIDE: f64 = 64.0;
    const RIGHT: f64 = 110.0;
    let points = || lines.series.iter().flat_map(|series| &series.points);
    let bands = || lines.series.iter().flat_map(|series| &series.band);
    let across = Axis::new(points().map(|(x, _)| *x));
    let up = Axis::new(
        points()
            .filter_map(|(_, y)| *y)
            .chain(bands().flatten().copied()),
    );
    let x = |value: f64| SIDE + across.share(value) * (WIDTH - SIDE - RIGHT);
    let y = |value: f64| TOP + (1.0 - up.share(value)) * (HEIGHT - TOP);
    let mut svg = open(HEIGHT + 36.0, &escape(&lines.caption));
    put(
        &mut svg,
        format_args!("<text x=\"0\" y=\"12\">{}</text>", line(&lines.y)),
    );
    for value in up.ticks() {
        put(
            &mut svg,
            format_args!(
                "<line class=\"grid\" x1=\"{SIDE}\" y1=\"{at:.1}\" x2=\"{:.1}\" y2=\"{at:.1}\"/>\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
                WIDTH - RIGHT,
                SIDE - 6.0,
                y(value) + 4.0,
                number(Some(value)),
                at = y(value),
            ),
        );
    }
    for value in across.ticks() {
        put(
            &mut svg,
            format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
                x(value),
                HEIGHT + 16.0,
                number(Some(value))
            ),
        );
    }
    put(
        &mut svg,
        format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            f64::midpoint(SIDE, WIDTH - RIGHT),
            HEIGHT + 32.0,
            line(&lines.x)
        ),
    );
    let mut ends: Vec<f64> = Vec::new();
    for (n, of) in lines.series.iter().enumerate() {
        series(&mut svg, of, n % COLOURS, (&x, &y));
        let last = of.points.iter().rev().find_map(|(_, y)| *y);
        // Names that would touch are moved down.
        let mut at = last.map_or(TOP, &y) + 4.0;
        while ends.iter().any(|other| (other - at).abs() < 12.0) {
            at += 12.0;
        }
        ends.push(at);
        put(
            &mut svg,
            format_args!(
                "<text class=\"series{}\" x=\"{:.1}\" y=\"{at:.1}\">{}<title>{}</title></text>",
                n % COLOURS,
                WIDTH - RIGHT + 6.0,
                short(&of.name, 16),
                line(&of.name)
            ),
        );
    }
    svg.push_str("</svg>");
    svg
}

/// Draws one line with its band and its points.
fn series(
    svg: &mut String,
    series: &Series,
    colour: usize,
    (x, y): (&dyn Fn(f64) -> f64, &dyn Fn(f64) -> f64),
) {
    if series.band.len() == series.points.len() && !series.band.is_empty() {
        let edge = |high: usize| {
            let points = series.points.iter().zip(&series.band);
            points.map(move |((at, _), band)| format!("{:.1},{:.1}", x(*at), y(band[high])))
        };
        let mut around: Vec<String> = edge(1).collect();
        let below: Vec<String> = edge(0).collect();
        around.extend(below.into_iter().rev());
        put(
            svg,
            format_args!(
                "<polygon class=\"band series{colour}\" points=\"{}\"/>",
                around.join(" ")
            ),
        );
    }
    let mut path = String::new();
    let mut is_begun = false;
    for (at, value) in &series.points {
        let Some(value) = value else {
            is_begun = false;
            continue;
        };
        let step = if is_begun { 'L' } else { 'M' };
        put(
            &mut path,
            format_args!("{step}{:.1} {:.1}", x(*at), y(*value)),
        );
        is_begun = true;
    }
    put(
        svg,
        format_args!(
            "<path class=\"line series{colour}\" d=\"{}\"/>",
            path.replace('\n', " ").trim()
        ),
    );
    for (at, value) in &series.points {
        if let Some(value) = value {
            put(
                svg,
                format_args!(
                    "<circle class=\"series{colour}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\"><title>{}: {} at {}</title></circle>",
                    x(*at),
                    y(*value),
                    line(&series.name),
                    number(Some(*value)),
                    number(Some(*at))
                ),
            );
        }
    }
}

/// Draws cells coloured by their value: between the surface and one colour, or between two where there are both signs.
pub(super) fn heat_map(map: &HeatMap) -> String {
    const NAMED: usize = 40;
    /// Room for the slanted name of the last column.
    const SLANT: f64 = 16.0;
    let columns = map.values.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let cell = ((WIDTH - LEFT - SLANT) / columns as f64).min(40.0);
    let row = cell.clamp(14.0, 20.0);
    let is_named = columns <= NAMED && cell >= 8.0;
    let top = if is_named { 78.0 } else { 18.0 };
    let height = top + row * map.values.len() as f64;
    let all = || map.values.iter().flatten().flatten().copied();
    let most = all().map(f64::abs).fold(0.0, f64::max);
    let is_signed = all().any(|value| value < 0.0);
    let mut svg = open(height + 42.0, &escape(&map.caption));
    put(
        &mut svg,
        format_args!(
            "<text x=\"0\" y=\"12\">{} × {}</text>",
            line(&map.y),
            line(&map.x)
        ),
    );
    if is_named {
        for (n, name) in map.columns.iter().take(columns).enumerate() {
            let x = LEFT + cell * (n as f64 + 0.5) + 4.0;
            put(
                &mut svg,
                format_args!(
                    "<text class=\"name\" x=\"{x:.1}\" y=\"{0:.1}\" transform=\"rotate(-60 {x:.1} {0:.1})\">{1}<title>{2}</title></text>",
                    top - 6.0,
                    short(name, 10),
                    line(name)
                ),
            );
        }
    }
    for (n, values) in map.values.iter().enumerate() {
        let y = top + row * n as f64;
        let name = map.rows.get(n).map_or("", String::as_str);
        put(
            &mut svg,
            format_args!(
                "<text class=\"name\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}<title>{}</title></text>",
                LEFT - 8.0,
                y + row / 2.0 + 4.0,
                short(name, NAME),
                line(name)
            ),
        );
        for (m, value) in values.iter().enumerate() {
            let class = match value {
                None => "undefined",
                Some(value) if *value < 0.0 => "lowered",
                Some(_) if is_signed => "raised",
                Some(_) => "series0",
            };
            let share = value.map_or(1.0, |value| value.abs() / most.max(f64::MIN_POSITIVE));
            let column = map.columns.get(m).map_or("", String::as_str);
            put(
                &mut svg,
                format_args!(
                    "<rect class=\"{class}\" x=\"{:.2}\" y=\"{y:.2}\" width=\"{:.2}\" height=\"{:.2}\" fill-opacity=\"{share:.3}\"><title>{}, {}: {}</title></rect>",
                    LEFT + cell * m as f64,
                    (cell - 0.5).max(0.5),
                    row - 0.5,
                    line(name),
                    line(column),
                    number(*value)
                ),
            );
        }
    }
    scale(&mut svg, height + 12.0, most, is_signed);
    svg.push_str("</svg>");
    svg
}

/// Draws the scale of a heat map, with its numbers.
fn scale(svg: &mut String, y: f64, most: f64, is_signed: bool) {
    const STEPS: i32 = 8;
    const STEP: f64 = 12.0;
    let first = if is_signed { -STEPS } else { 0 };
    for step in first..=STEPS {
        let class = match (is_signed, step < 0) {
            (_, true) => "lowered",
            (true, false) => "raised",
            (false, false) => "series0",
        };
        put(
            svg,
            format_args!(
                "<rect class=\"{class}\" x=\"{:.1}\" y=\"{y:.1}\" width=\"{STEP}\" height=\"10\" fill-opacity=\"{:.3}\"/>",
                LEFT + f64::from(step - first) * STEP,
                f64::from(step.abs()) / f64::from(STEPS)
            ),
        );
    }
    let end = LEFT + f64::from(STEPS - first + 1) * STEP;
    let low = if is_signed { -most } else { 0.0 };
    put(
        svg,
        format_args!(
            "<text x=\"{LEFT}\" y=\"{below:.1}\">{}</text><text x=\"{end:.1}\" y=\"{below:.1}\" text-anchor=\"end\">{}</text>",
            number(Some(low)),
            number(Some(most)),
            below = y + 24.0
        ),
    );
}
