//! Columns of stacked parts over a logarithmic axis, with a fitted curve through their heights and the level that it approaches. Knows nothing of what is stacked.

use egui::{
    Color32, Painter, Pos2, Rangef, Rect, Response, Role, Sense, Shape, Stroke, Ui, WidgetInfo,
    pos2, vec2,
};

use super::csv;
use super::meaning::{self, Meaning};
use super::number::number;
use super::plot::{self, Axes, round_ticks};
use crate::theme::{Theme, caption, space};

/// Room below for the names of the columns and the title of the axis.
const AXIS: f32 = 36.0;

/// Room above for the title of the heights.
const TITLE: f32 = 18.0;

/// Room at the left for the largest height, and at the right for the name of the level.
const HEIGHTS: f32 = 44.0;

/// Widest column.
const WIDEST: f32 = 56.0;

/// Points of the curve.
const CURVE: usize = 64;

/// One part of every column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    /// Name.
    pub(crate) name: &'a str,
    /// A colour of the theme.
    pub(crate) colour: Color32,
    /// Height in each column, not negative.
    pub(crate) heights: &'a [f64],
}

/// Columns before they are shown.
#[derive(Clone, Copy)]
pub(crate) struct StackPlot<'a> {
    /// Name, which also names a saved file.
    pub(crate) name: &'a str,
    /// Definition.
    pub(crate) definition: &'a str,
    /// Title of the axis across.
    pub(crate) x: &'a str,
    /// Title of the heights.
    pub(crate) y: &'a str,
    /// Places of the columns, ascending, above 0.
    pub(crate) at: &'a [f64],
    /// Names of the columns.
    pub(crate) names: &'a [String],
    /// Parts, from the ground up.
    pub(crate) parts: &'a [Part<'a>],
    /// Intervals of the whole heights.
    pub(crate) intervals: &'a [Option<[f64; 2]>],
    /// Fitted height at a place, and its name.
    pub(crate) curve: Option<(&'a dyn Fn(f64) -> f64, &'a str)>,
    /// Level that the curve approaches.
    pub(crate) level: Option<f64>,
    /// Height of the whole.
    pub(crate) height: f32,
}

impl StackPlot<'_> {
    /// Draws a legend and the columns; the pointer reads a column out.
    pub(crate) fn show(&self, ui: &mut Ui) -> Response {
        let top = ui.cursor().top();
        self.legend_ui(ui);
        let size = vec2(ui.available_width(), self.height);
        let (rect, response) = ui.allocate_exact_size(size, Sense::hover() | Sense::FOCUSABLE);
        let said = self.in_words();
        response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, &said));
        let frame = Rect::from_min_max(rect.min + vec2(HEIGHTS, TITLE), rect.max - vec2(8.0, AXIS));
        let pointed = response
            .hover_pos()
            .and_then(|at| self.nearest(frame, at.x));
        if ui.is_rect_visible(rect) {
            self.paint(ui, frame, pointed);
        }
        let value = pointed.map(|column| self.whole(column).to_string());
        let csv = || self.csv();
        let meaning = Meaning::new(self.name, self.definition)
            .value(value.as_deref())
            .csv(&csv)
            .picture(rect.with_min_y(top));
        meaning::menu(&response, &meaning);
        response
    }

    fn legend_ui(&self, ui: &mut Ui) {
        let theme = Theme::from_ui(ui);
        ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = space::CHIP;
            let parts = self.parts.iter().rev();
            let parts = parts.map(|part| (part.name, part.colour));
            let curve = self.curve.map(|(_, name)| (name, theme.ink.primary));
            for (name, colour) in parts.chain(curve) {
                let (swatch, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
                ui.painter().rect_filled(swatch, 2.0, colour);
                ui.label(caption(name).color(theme.ink.secondary));
                ui.add_space(space::CONTROL);
            }
        });
    }

    fn paint(&self, ui: &Ui, frame: Rect, pointed: Option<usize>) {
        let theme = Theme::from_ui(ui);
        let painter = ui.painter();
        let axes = Axes::new(painter, theme);
        let most = self.most();
        let y = |height: f64| frame.bottom() - (height / most) as f32 * frame.height();
        let ticks = round_ticks((0.0, most), frame.height()).into_iter();
        axes.upwards(frame, ticks.map(|(tick, text)| (y(tick), text)).collect());
        for column in 0..self.at.len() {
            self.paint_column(painter, theme, (frame, column));
        }
        self.paint_curve(painter, theme, frame);
        let ticks = self.at.iter().zip(self.names);
        let ticks = ticks.map(|(at, name)| (self.across(frame, *at), name.clone()));
        axes.across(frame, ticks.collect());
        axes.titles(frame, self.x, self.y);
        if let Some(column) = pointed {
            self.read_out(ui, (frame, column));
        }
    }

    fn paint_column(&self, painter: &Painter, theme: &Theme, (frame, column): (Rect, usize)) {
        let most = self.most();
        let y = |height: f64| frame.bottom() - (height / most) as f32 * frame.height();
        let x = self.across(frame, self.at[column]);
        let half = self.column_width(frame) / 2.0;
        let mut ground = 0.0;
        for part in self.parts {
            let top = ground + part.heights[column];
            let across = Rangef::new(x - half, x + half);
            let rect = Rect::from_x_y_ranges(across, Rangef::new(y(top), y(ground)));
            painter.rect_filled(rect, 0.0, part.colour);
            ground = top;
        }
        if let Some([low, high]) = self.intervals.get(column).copied().flatten() {
            let line = Stroke::new(1.0, theme.ink.primary);
            painter.vline(x, Rangef::new(y(high), y(low)), line);
            for end in [low, high] {
                painter.hline(Rangef::new(x - 4.0, x + 4.0), y(end), line);
            }
        }
    }

    /// The fitted curve over the whole axis, and its level as a broken line with its value.
    fn paint_curve(&self, painter: &Painter, theme: &Theme, frame: Rect) {
        let most = self.most();
        let y = |height: f64| frame.bottom() - (height / most) as f32 * frame.height();
        let inside = painter.with_clip_rect(frame.expand2(vec2(0.0, 1.0)));
        if let Some((curve, _)) = self.curve {
            let (first, last) = self.ends();
            let point = |i: usize| {
                let share = i as f64 / (CURVE - 1) as f64;
                let at = (first + share * (last - first)).exp();
                pos2(self.across(frame, at), y(curve(at)))
            };
            let points: Vec<Pos2> = (0..CURVE).map(point).collect();
            inside.add(Shape::line(points, Stroke::new(1.5, theme.ink.primary)));
        }
        if let Some(level) = self.level.filter(|level| *level <= most) {
            let ends = [pos2(frame.left(), y(level)), pos2(frame.right(), y(level))];
            let line = Stroke::new(1.0, theme.ink.primary);
            inside.extend(Shape::dashed_line(&ends, line, 5.0, 4.0));
        }
    }

    fn read_out(&self, ui: &Ui, (frame, column): (Rect, usize)) {
        let theme = Theme::from_ui(ui);
        let name = format!("{} {}", self.names[column], self.x);
        let mut lines = vec![(name, theme.ink.secondary)];
        let whole = self.whole(column);
        let interval = self.intervals.get(column).copied().flatten();
        let interval = interval.map_or(String::new(), |[low, high]| {
            format!(" ({} to {})", number(low), number(high))
        });
        lines.push((
            format!("{} {}{interval}", self.y, number(whole)),
            theme.ink.primary,
        ));
        if self.parts.len() > 1 {
            for part in self.parts.iter().rev() {
                let height = number(part.heights[column]);
                lines.push((format!("{} {height}", part.name), theme.ink.primary));
            }
        }
        if let Some((curve, name)) = self.curve {
            let height = number(curve(self.at[column]));
            lines.push((format!("{name} {height}"), theme.ink.primary));
        }
        plot::read_out(
            ui,
            (frame, self.across(frame, self.at[column])),
            false,
            &lines,
        );
    }

    fn whole(&self, column: usize) -> f64 {
        self.parts.iter().map(|part| part.heights[column]).sum()
    }

    /// Height of the axis: a tenth above the highest column or interval.
    fn most(&self) -> f64 {
        let columns = (0..self.at.len()).map(|column| self.whole(column));
        let ends = self.intervals.iter().flatten().map(|ends| ends[1]);
        let most = columns.chain(ends).fold(0.0, f64::max);
        if most > 0.0 { 1.1 * most } else { 1.0 }
    }

    /// Ends of the axis, as logarithms: half a step beyond the columns.
    fn ends(&self) -> (f64, f64) {
        let (first, last) = match (self.at.first(), self.at.last()) {
            (Some(first), Some(last)) => (first.ln(), last.ln()),
            _ => (0.0, 0.0),
        };
        let step = (last - first) / (self.at.len().max(2) - 1) as f64;
        let half = if step > 0.0 { step / 2.0 } else { 0.5 };
        (first - half, last + half)
    }

    fn across(&self, frame: Rect, at: f64) -> f32 {
        let (first, last) = self.ends();
        frame.left() + ((at.ln() - first) / (last - first)) as f32 * frame.width()
    }

    fn column_width(&self, frame: Rect) -> f32 {
        let places: Vec<f32> = self.at.iter().map(|at| self.across(frame, *at)).collect();
        let gaps = places.windows(2).map(|two| two[1] - two[0]);
        let gap = gaps.filter(|gap| *gap > 0.0).fold(frame.width(), f32::min);
        (gap * 0.6).clamp(2.0, WIDEST)
    }

    fn nearest(&self, frame: Rect, x: f32) -> Option<usize> {
        let away = |column: &usize| (self.across(frame, self.at[*column]) - x).abs();
        (0..self.at.len()).min_by(|a, b| away(a).total_cmp(&away(b)))
    }

    fn in_words(&self) -> String {
        let column =
            |column: usize| format!("{} {}", self.names[column], number(self.whole(column)));
        let all: Vec<String> = (0..self.at.len()).map(column).collect();
        format!("{}: {}", self.name, all.join(", "))
    }

    /// Every part of every column.
    fn csv(&self) -> String {
        let rows = (0..self.at.len()).flat_map(|column| {
            self.parts.iter().map(move |part| {
                [
                    self.at[column].into(),
                    part.name.into(),
                    part.heights[column].into(),
                ]
            })
        });
        csv::table::<[csv::Value; 3]>(&[self.x, "Part", self.y], rows)
    }
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::widgets::staged;

    #[test]
    fn columns_stand_where_their_logarithms_are_and_are_told_in_words() {
        let at = [256.0, 512.0, 1024.0];
        let names = ["256", "512", "1024"].map(str::to_owned);
        let (rest, more) = ([0.1, 0.1, 0.1], [0.2, 0.1, 0.05]);
        let part = |name, heights| Part {
            name,
            colour: Color32::PLACEHOLDER,
            heights,
        };
        let parts = [part("nonlinear", &rest), part("not yet learnt", &more)];
        let plot = StackPlot {
            name: "Error by width",
            definition: "What is left unexplained",
            x: "features",
            y: "FVU",
            at: &at,
            names: &names,
            parts: &parts,
            intervals: &[Some([0.25, 0.35]), None, None],
            curve: None,
            level: Some(0.1),
            height: 200.0,
        };
        let frame = Rect::from_min_max(pos2(0.0, 0.0), pos2(300.0, 100.0));
        let places: Vec<f32> = at.iter().map(|at| plot.across(frame, *at)).collect();
        assert!((places[1] - 150.0).abs() < 1e-3 && (places[0] - 50.0).abs() < 1e-3);
        assert_eq!(plot.nearest(frame, 120.0), Some(1));
        assert!((plot.most() - 1.1 * 0.35).abs() < 1e-9);
        assert!(plot.csv().contains("512,not yet learnt,0.1\r\n"));
        let harness = staged(
            |ui, (): &mut ()| {
                plot.show(ui);
            },
            (),
        );
        harness.get_by_label_contains("Error by width: 256 0.300, 512 0.200, 1024 0.150");
    }
}
