//! Histogram of activations, or of effects on logits: log-y where counts span decades, an example's value marked. And its small form, the sparkline.

use egui::{
    Painter, Rangef, Rect, Response, Role, Sense, Stroke, Ui, Vec2, WidgetInfo, pos2, vec2,
};

use super::csv;
use super::meaning::{self, Meaning};
use super::number::{count, number, percent};
use super::plot::{self, Axes};
use crate::theme::Theme;

/// Counts that span more than this factor are drawn on a logarithmic axis.
const DECADES: u64 = 30;

/// Room below for the numbers of the axis and its title.
const AXIS: f32 = 32.0;

/// Room above for the title of the counts.
const TITLE: f32 = 18.0;

/// Room at the left for the largest count.
const COUNTS: f32 = 40.0;

/// A histogram before it is shown: `edges [bins + 1]`, `counts [bins]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HistogramPlot<'a> {
    name: &'a str,
    edges: &'a [f64],
    counts: &'a [u64],
    mark: Option<f64>,
    of: Of<'a>,
    size: Vec2,
}

/// Unit that a histogram counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Of<'a> {
    /// Name of the edges' quantity, with its unit.
    pub(crate) quantity: &'a str,
    /// One counted thing, and several.
    pub(crate) counted: [&'a str; 2],
    /// Definition of the histogram.
    pub(crate) definition: &'a str,
}

/// A feature's activations.
const ACTIVATIONS: Of<'static> = Of {
    quantity: "Activation",
    counted: ["active token", "active tokens"],
    definition: "Tokens of the index's text on which the feature is active, counted by its activation there",
};

/// A feature's effects on all logits.
const LOGITS: Of<'static> = Of {
    quantity: "Logit per unit",
    counted: ["token of the vocabulary", "tokens of the vocabulary"],
    definition: "Tokens of the vocabulary, counted by how much one unit of the feature's activation changes their logit",
};

impl<'a> HistogramPlot<'a> {
    /// A histogram named `name`.
    pub(crate) fn new(name: &'a str, edges: &'a [f64], counts: &'a [u64]) -> Self {
        Self {
            name,
            edges,
            counts,
            mark: None,
            of: ACTIVATIONS,
            size: vec2(320.0, 120.0),
        }
    }

    /// Marks a value, such as that of the example under the pointer.
    #[must_use]
    pub(crate) fn mark(mut self, value: Option<f64>) -> Self {
        self.mark = value;
        self
    }

    /// Sets the histogram to a feature's effects on all logits instead of its activations.
    #[must_use]
    pub(crate) fn of_logits(mut self) -> Self {
        self.of = LOGITS;
        self
    }

    /// Sets what is counted; a feature's activations unless set.
    #[must_use]
    pub(crate) fn of(mut self, of: Of<'a>) -> Self {
        self.of = of;
        self
    }

    /// Its extent.
    #[must_use]
    pub(crate) fn size(mut self, size: Vec2) -> Self {
        self.size = size;
        self
    }

    /// Draws it with axes; the pointer reads a bin out.
    pub(crate) fn show(self, ui: &mut Ui) -> Response {
        let sense = Sense::hover() | Sense::FOCUSABLE;
        let (rect, response) = ui.allocate_exact_size(self.size, sense);
        let name = format!("{}, {}", self.name, self.things(self.total()));
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &name));
        if !ui.is_rect_visible(rect) {
            return response;
        }
        let theme = Theme::from_ui(ui);
        let plot = Rect::from_min_max(rect.min + vec2(COUNTS, TITLE), rect.max - vec2(4.0, AXIS));
        let hovered = response.hover_pos().and_then(|at| self.bin_at(plot, at.x));
        self.paint_axes(ui.painter(), theme, plot);
        for bin in 0..self.counts.len() {
            let colour = if hovered == Some(bin) {
                theme.ink.primary
            } else {
                theme.activation
            };
            let bar = self.bar(plot, bin);
            ui.painter().rect_filled(bar, 1.0, colour);
        }
        if let Some(value) = self.mark {
            self.paint_mark(ui.painter(), theme, plot, value);
        }
        let value = hovered.map(|bin| self.counts[bin].to_string());
        let (meaning, csv) = (Meaning::new(self.name, self.of.definition), || self.csv());
        let meaning = meaning.value(value.as_deref()).csv(&csv).picture(rect);
        meaning::menu(&response, &meaning);
        match hovered {
            Some(bin) => response.on_hover_text_at_pointer(self.read_out(bin)),
            None => response,
        }
    }

    /// Every bin: where it begins and ends, and its count.
    fn csv(&self) -> String {
        let ends = [
            format!("{} from", self.of.quantity),
            format!("{} to", self.of.quantity),
        ];
        let titles = [ends[0].as_str(), ends[1].as_str(), self.of.counted[1]];
        let bins = self.edges.windows(2).zip(self.counts);
        csv::table(
            &titles,
            bins.map(|(edge, count)| [edge[0].into(), edge[1].into(), (*count).into()]),
        )
    }

    /// A count with the name of what is counted.
    fn things(&self, counted: u64) -> String {
        let [one, several] = self.of.counted;
        format!(
            "{} {}",
            count(counted),
            if counted == 1 { one } else { several }
        )
    }

    /// Draws bars alone, without axes or words.
    pub(crate) fn sparkline(self, ui: &mut Ui) -> Response {
        let (rect, response) = ui.allocate_exact_size(self.size, Sense::hover());
        let name = self.name;
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
        if ui.is_rect_visible(rect) {
            let theme = Theme::from_ui(ui);
            let stroke = Stroke::new(1.0, theme.line.strong);
            ui.painter().hline(rect.x_range(), rect.bottom(), stroke);
            for bin in 0..self.counts.len() {
                let bar = self.bar(rect, bin);
                ui.painter().rect_filled(bar, 0.0, theme.activation);
            }
        }
        response
    }

    fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    fn read_out(&self, bin: usize) -> String {
        let count_here = self.counts[bin];
        let share = count_here as f64 / self.total().max(1) as f64;
        format!(
            "{} {} to {}\n{}, {} of all",
            self.of.quantity,
            number(self.edges[bin]),
            number(self.edges[bin + 1]),
            self.things(count_here),
            percent(share),
        )
    }

    fn paint_axes(&self, painter: &Painter, theme: &Theme, plot: Rect) {
        let axes = Axes::new(painter, theme);
        let log = is_log(self.counts);
        let most = self.counts.iter().copied().max().unwrap_or(0);
        let heights = plot::count_ticks(most, log).into_iter().map(|tick| {
            let share = share_of(tick, most, log);
            (plot.bottom() - share * plot.height(), short_count(tick))
        });
        axes.upwards(plot, heights.collect());
        let end = |edge: Option<&f64>| edge.copied().unwrap_or(0.0);
        let (first, last) = (end(self.edges.first()), end(self.edges.last()));
        let x = |value: f64| {
            let share = (value - first) / (last - first);
            plot.left() + share as f32 * plot.width()
        };
        let ticks = plot::round_ticks((first, last), plot.width());
        let ticks = ticks.into_iter().map(|(tick, text)| (x(tick), text));
        axes.across(plot, ticks.collect());
        let counted = self.of.counted[1];
        let counted = if log {
            format!("{counted}, logarithmic")
        } else {
            counted.to_owned()
        };
        axes.titles(plot, self.of.quantity, &counted);
    }

    fn paint_mark(&self, painter: &Painter, theme: &Theme, plot: Rect, value: f64) {
        let (Some(first), Some(last)) = (self.edges.first(), self.edges.last()) else {
            return;
        };
        let share = (value - first) / (last - first);
        if !share.is_finite() {
            return;
        }
        let x = plot.left() + share.clamp(0.0, 1.0) as f32 * plot.width();
        let stroke = Stroke::new(1.5, theme.ink.primary);
        painter.vline(x, plot.y_range(), stroke);
        let tip = pos2(x, plot.top());
        let points = vec![
            tip + vec2(-4.0, -4.0),
            tip + vec2(4.0, -4.0),
            tip + vec2(0.0, 2.0),
        ];
        let shape = egui::Shape::convex_polygon(points, theme.ink.primary, Stroke::NONE);
        painter.add(shape);
    }

    fn bin_at(&self, plot: Rect, x: f32) -> Option<usize> {
        let bins = self.counts.len();
        let share = (x - plot.left()) / plot.width();
        let inside = bins > 0 && (0.0..1.0).contains(&share);
        inside.then(|| ((share * bins as f32) as usize).min(bins - 1))
    }

    fn bar(&self, plot: Rect, bin: usize) -> Rect {
        let step = plot.width() / self.counts.len() as f32;
        let left = plot.left() + step * bin as f32;
        let gap = if step > 3.0 { 1.0 } else { 0.0 };
        let height = height(self.counts, bin) * plot.height();
        Rect::from_x_y_ranges(
            Rangef::new(left, left + step - gap),
            Rangef::new(plot.bottom() - height, plot.bottom()),
        )
    }
}

/// Whether counts span decades.
fn is_log(counts: &[u64]) -> bool {
    let filled = counts.iter().copied().filter(|count| *count > 0);
    match (filled.clone().min(), filled.max()) {
        (Some(least), Some(most)) => most / least >= DECADES,
        _ => false,
    }
}

/// Height of a bar, 0 to 1; a single token is still seen on a logarithmic axis.
fn height(counts: &[u64], bin: usize) -> f32 {
    let most = counts.iter().copied().max().unwrap_or(0);
    let here = counts[bin];
    if most == 0 || here == 0 {
        return 0.0;
    }
    share_of(here, most, is_log(counts))
}

/// Height of a count on the axis that ends at `most`.
fn share_of(count: u64, most: u64, log: bool) -> f32 {
    let (count, most) = (count as f64, most.max(1) as f64);
    let share = if log {
        (count + 1.0).ln() / (most + 1.0).ln()
    } else {
        count / most
    };
    share as f32
}

/// A count that fits the axis: `350`, `12 k`, `1.5 M`.
fn short_count(value: u64) -> String {
    match value {
        0..10_000 => value.to_string(),
        10_000..1_000_000 => format!("{}\u{202F}k", (value + 500) / 1000),
        _ => format!("{}\u{202F}M", number((value / 10_000) as f64 / 100.0)),
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::Harness;
    use egui_kittest::kittest::Queryable as _;

    use super::*;

    #[test]
    fn counts_that_span_decades_are_logarithmic() {
        assert!(is_log(&[3000, 40, 1, 0]) && !is_log(&[10, 5, 2, 0]) && !is_log(&[]));
        assert_eq!(height(&[10, 5, 0], 1), 0.5);
        assert_eq!(height(&[10, 5, 0], 2), 0.0);
        assert!(height(&[100_000, 1], 1) > 0.04);
    }

    #[test]
    fn the_pointer_finds_its_bin() {
        let edges = [0.0, 1.0, 2.0];
        let plot = HistogramPlot::new("h", &edges, &[3, 1]);
        let rect = Rect::from_min_size(pos2(100.0, 0.0), vec2(50.0, 10.0));
        assert_eq!(plot.bin_at(rect, 110.0), Some(0));
        assert_eq!(plot.bin_at(rect, 149.0), Some(1));
        assert_eq!(plot.bin_at(rect, 151.0), None);
        let read = plot.read_out(1).replace('\u{202F}', " ");
        assert!(read.contains("1 active token, 25.0 % of all"), "{read}");
    }

    #[test]
    fn it_is_named_with_its_tokens() {
        let harness = Harness::builder()
            .with_context_setup(crate::theme::install)
            .build_ui(|ui| {
                HistogramPlot::new("Activations", &[0.0, 1.0, 2.0], &[3000, 1])
                    .mark(Some(1.5))
                    .show(ui);
                HistogramPlot::new("Empty", &[], &[]).show(ui);
            });
        harness.get_by_label("Activations, 3001 active tokens");
        harness.get_by_label("Empty, 0 active tokens");
    }
}
