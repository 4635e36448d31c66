//! Levels of activation in two kinds of token, stacked: how many tokens of each kind, or their parts in the mean activation.

use egui::{Painter, Rangef, Rect, Response, Role, Sense, Stroke, Ui, Vec2, WidgetInfo, vec2};

use super::csv;
use super::meaning::{self, Meaning};
use super::number::{count, number, percent};
use super::plot::{Axes, count_ticks, round_ticks};
use crate::theme::Theme;

/// Room below for the numbers of the axis and its title.
const AXIS: f32 = 32.0;

/// Room above for the title of the heights.
const TITLE: f32 = 18.0;

/// Room at the left for the largest height.
const HEIGHTS: f32 = 44.0;

/// Counts that span more than this factor are drawn on a logarithmic axis.
const DECADES: f64 = 30.0;

/// Heights of one level: the first kind of token, and the second.
pub(crate) type Heights = [f64; 2];

/// Levels before they are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LevelPlot<'a> {
    /// Name, which also names a saved file.
    pub(crate) name: &'a str,
    /// Definition.
    pub(crate) definition: &'a str,
    /// `[levels + 1]`.
    pub(crate) edges: &'a [f64],
    /// `[levels]`.
    pub(crate) heights: &'a [Heights],
    /// Names of the two kinds.
    pub(crate) kinds: [&'a str; 2],
    /// Name of the heights.
    pub(crate) title: &'a str,
    /// Whether heights are counts: whole numbers, logarithmic where they span decades. A bar is then as high as its count, and divided by the shares of both kinds.
    pub(crate) counts: bool,
}

impl LevelPlot<'_> {
    /// Draws it with axes; the pointer reads a level out.
    pub(crate) fn show(self, ui: &mut Ui, size: Vec2) -> Response {
        let (rect, response) = ui.allocate_exact_size(size, Sense::hover() | Sense::FOCUSABLE);
        let said = self.said();
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &said));
        if !ui.is_rect_visible(rect) {
            return response;
        }
        let theme = Theme::from_ui(ui);
        let plot = Rect::from_min_max(rect.min + vec2(HEIGHTS, TITLE), rect.max - vec2(4.0, AXIS));
        let hovered = response
            .hover_pos()
            .and_then(|at| self.level_at(plot, at.x));
        self.paint_axes(ui.painter(), theme, plot);
        for level in 0..self.heights.len() {
            self.paint_bar(ui.painter(), theme, (plot, level), hovered == Some(level));
        }
        let value = hovered.map(|level| {
            let [first, second] = self.heights[level];
            format!("{first} {second}")
        });
        let read = hovered.map(|level| self.read_out(level));
        let csv = || self.csv();
        let meaning = Meaning::new(self.name, self.definition)
            .value(value.as_deref())
            .said(read.as_deref())
            .csv(&csv)
            .picture(rect);
        meaning::menu(&response, &meaning);
        match read {
            Some(read) => response.on_hover_text_at_pointer(read),
            None => response,
        }
    }

    fn said(&self) -> String {
        let sum = |kind: usize| {
            self.heights
                .iter()
                .map(|heights| heights[kind])
                .sum::<f64>()
        };
        let [first, second] = self.kinds;
        let (a, b) = (self.height_words(sum(0)), self.height_words(sum(1)));
        format!("{}: {a} {first}, {b} {second}", self.name)
    }

    fn height_words(&self, height: f64) -> String {
        if self.counts {
            count(height as u64)
        } else {
            number(height)
        }
    }

    /// Every level: its ends, and both heights.
    fn csv(&self) -> String {
        let titles = [
            "Activation from",
            "Activation to",
            self.kinds[0],
            self.kinds[1],
        ];
        let levels = self.edges.windows(2).zip(self.heights);
        csv::table(
            &titles,
            levels.map(|(edge, [a, b])| [edge[0].into(), edge[1].into(), (*a).into(), (*b).into()]),
        )
    }

    fn read_out(&self, level: usize) -> String {
        let [first, second] = self.heights[level];
        let share = first / (first + second).max(f64::MIN_POSITIVE);
        format!(
            "Activation {} to {}\n{} {}, {} {}\n{} {}",
            number(self.edges[level]),
            number(self.edges[level + 1]),
            self.height_words(first),
            self.kinds[0],
            self.height_words(second),
            self.kinds[1],
            percent(share),
            self.kinds[0],
        )
    }

    fn most(&self) -> f64 {
        let sums = self.heights.iter().map(|[a, b]| a + b);
        sums.fold(0.0, f64::max)
    }

    fn is_log(&self) -> bool {
        let filled = self
            .heights
            .iter()
            .map(|[a, b]| a + b)
            .filter(|sum| *sum > 0.0);
        let least = filled.fold(f64::INFINITY, f64::min);
        self.counts && self.most() / least >= DECADES
    }

    /// Height of a sum, 0 to 1; a single token is still seen on a logarithmic axis.
    fn share_of(&self, sum: f64) -> f32 {
        let most = self.most();
        if sum <= 0.0 || most <= 0.0 {
            return 0.0;
        }
        let share = if self.is_log() {
            sum.ln_1p() / most.ln_1p()
        } else {
            sum / most
        };
        share as f32
    }

    fn level_at(&self, plot: Rect, x: f32) -> Option<usize> {
        let levels = self.heights.len();
        let share = (x - plot.left()) / plot.width();
        let inside = levels > 0 && (0.0..1.0).contains(&share);
        inside.then(|| ((share * levels as f32) as usize).min(levels - 1))
    }

    fn paint_bar(
        &self,
        painter: &Painter,
        theme: &Theme,
        (plot, level): (Rect, usize),
        hovered: bool,
    ) {
        let [first, second] = self.heights[level];
        let sum = first + second;
        let step = plot.width() / self.heights.len() as f32;
        let left = plot.left() + step * level as f32;
        let across = Rangef::new(left, left + step - 1.0);
        let top = plot.bottom() - self.share_of(sum) * plot.height();
        let between =
            plot.bottom() - (plot.bottom() - top) * (first / sum.max(f64::MIN_POSITIVE)) as f32;
        let lower = Rect::from_x_y_ranges(across, Rangef::new(between, plot.bottom()));
        let upper = Rect::from_x_y_ranges(across, Rangef::new(top, between));
        painter.rect_filled(lower, 0.0, theme.activation);
        painter.rect_filled(upper, 0.0, theme.line.strong);
        if hovered && sum > 0.0 {
            let frame = Stroke::new(1.0, theme.ink.primary);
            let whole = lower.union(upper);
            painter.rect_stroke(whole, 0.0, frame, egui::StrokeKind::Inside);
        }
    }

    fn paint_axes(&self, painter: &Painter, theme: &Theme, plot: Rect) {
        let axes = Axes::new(painter, theme);
        let (most, log) = (self.most(), self.is_log());
        let y = |height: f64| plot.bottom() - self.share_of(height) * plot.height();
        let heights: Vec<(f32, String)> = if self.counts {
            let ticks = count_ticks(most as u64, log).into_iter();
            ticks.map(|tick| (y(tick as f64), count(tick))).collect()
        } else {
            let ticks = round_ticks((0.0, most), plot.height()).into_iter();
            ticks.map(|(tick, text)| (y(tick), text)).collect()
        };
        axes.upwards(plot, heights);
        let end = |edge: Option<&f64>| edge.copied().unwrap_or(0.0);
        let (first, last) = (end(self.edges.first()), end(self.edges.last()));
        let x = |value: f64| {
            let share = (value - first) / (last - first).max(f64::MIN_POSITIVE);
            plot.left() + share as f32 * plot.width()
        };
        let ticks = round_ticks((first, last), plot.width()).into_iter();
        axes.across(plot, ticks.map(|(tick, text)| (x(tick), text)).collect());
        let title = if log {
            format!("{}, logarithmic", self.title)
        } else {
            self.title.to_owned()
        };
        axes.titles(plot, "Activation", &title);
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::widgets::staged;

    fn plot<'a>(edges: &'a [f64], heights: &'a [Heights], counts: bool) -> LevelPlot<'a> {
        LevelPlot {
            name: "Specificity",
            definition: "",
            edges,
            heights,
            kinds: ["hold", "others"],
            title: "tokens",
            counts,
        }
    }

    #[test]
    fn counts_that_span_decades_are_logarithmic_and_parts_of_a_mean_never() {
        let edges = [0.0, 1.0, 2.0];
        let heights = [[900.0, 100.0], [3.0, 1.0]];
        let counts = plot(&edges, &heights, true);
        assert!(counts.is_log() && counts.share_of(4.0) > 0.2);
        let parts = plot(&edges, &heights, false);
        assert!(!parts.is_log());
        assert_eq!(parts.share_of(500.0), 0.5);
        assert_eq!(parts.share_of(0.0), 0.0);
        let read = counts.read_out(1);
        assert!(
            read.contains("3 hold, 1 others") && read.contains("75.0"),
            "{read}"
        );
        assert!(counts.csv().contains("1,2,3,1"), "{}", counts.csv());
    }

    #[test]
    fn it_is_named_with_both_kinds_and_an_empty_one_draws() {
        let mut harness = staged(
            |ui, ()| {
                plot(&[0.0, 1.0], &[[3.0, 2.0]], true).show(ui, vec2(300.0, 140.0));
                plot(&[], &[], false).show(ui, vec2(300.0, 140.0));
            },
            (),
        );
        harness.run();
        harness.get_by_label("Specificity: 3 hold, 2 others");
    }
}
