//! Curves over a common axis: titles with units, each line named at its end, one read-out for all series under the pointer, shared by linked plots.
//! Following pauses while a person pans or zooms; a double click follows again.

use egui::{Align2, Color32, FontId, Id, Painter, Pos2, Response, Ui, pos2, vec2};
use egui_plot::{GridMark, Line, PlotPoint, PlotPoints, PlotTransform};

use super::meaning::{self, Meaning};
use super::{csv, number, plot};
use crate::theme::{Theme, axes_as_captions, size, space};

/// One line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Series<'a> {
    /// Its name, shown at its end.
    pub(crate) name: &'a str,
    /// A colour of the theme.
    pub(crate) colour: Color32,
    /// Ascending in x.
    pub(crate) points: &'a [[f64; 2]],
}

/// A plot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CurvePlot<'a> {
    /// Its name for screen readers; unique within its place.
    pub(crate) name: &'a str,
    /// Title of the y axis, with the unit; empty where it stands above the plot.
    pub(crate) y: &'a str,
    /// Title of the x axis, with the unit; empty where a plot below shows it.
    pub(crate) x: &'a str,
    /// The lines.
    pub(crate) series: &'a [Series<'a>],
    /// Lines without names behind the others, to compare with.
    pub(crate) faint: &'a [Vec<[f64; 2]>],
    /// Height of the whole.
    pub(crate) height: f32,
    /// Plots with the same group share x axis and pointer.
    pub(crate) group: Option<Id>,
    /// Values as text.
    pub(crate) format: fn(f64) -> String,
    /// Definition of the values.
    pub(crate) definition: &'a str,
}

/// Most points drawn of one line.
const MOST_POINTS: usize = 800;

/// Largest gap between a line's end and the pointer at which the line is still read out: runs of one length end a step apart.
const ENDED: f64 = 0.98;

/// Least room right of the lines, the same for linked plots whose numbers differ a little in length.
const NAME_ROOM: f32 = 56.0;

/// Height of a title above the plot.
const TITLE: f32 = 20.0;

/// Width of one letter of a name.
const LETTER: f32 = 6.6;

impl CurvePlot<'_> {
    /// Draws it.
    pub(crate) fn ui(&self, ui: &mut Ui) -> Response {
        ui.scope(|ui| {
            axes_as_captions(ui);
            self.plot_ui(ui)
        })
        .inner
    }

    fn plot_ui(&self, ui: &mut Ui) -> Response {
        let id = ui.scope_id().with(("curve plot", self.name));
        let lines: Vec<Vec<[f64; 2]>> = self.series.iter().map(|s| thin(s.points)).collect();
        let last = self.series.iter().filter_map(|s| s.points.last());
        let x_end = last.map(|p| p[0]).fold(0.0, f64::max);
        let x_room = self.room_for_names(ui.available_width());
        // Nothing but zeros gives an axis no scale: it gets one to 1.
        let mut values = self.series.iter().flat_map(|s| s.points);
        let top = if values.any(|p| p[1] != 0.0) {
            0.0
        } else {
            1.0
        };
        let format = self.format;
        let mut shape = plot::plain(ui, id, self.height)
            .x_axis_formatter(|mark, _| short(mark.value))
            .y_axis_formatter(move |mark, _| format(mark.value))
            .include_x(0.0)
            .include_x(x_end * x_room)
            .include_y(0.0)
            .include_y(top)
            .x_grid_spacer(|input| few(input.bounds))
            .y_grid_spacer(|input| few(input.bounds))
            .set_margin_fraction(vec2(0.0, 0.12));
        shape = if self.x.is_empty() {
            shape.show_axes([false, true])
        } else {
            shape.x_axis_label(plot::title(ui, self.x))
        };
        if !self.y.is_empty() {
            shape = shape.y_axis_label(plot::title(ui, self.y));
        }
        if let Some(group) = self.group {
            shape = shape.link_axis(group, [true, false]);
        }
        let faint = Theme::from_ui(ui).line.strong;
        let shown = shape.show(ui, |plot| {
            for points in self.faint {
                let line = Line::new("", PlotPoints::from(points.clone())).color(faint);
                plot.line(line.width(1.0).allow_hover(false));
            }
            for (series, points) in self.series.iter().zip(lines) {
                let line = Line::new(series.name, PlotPoints::from(points))
                    .color(series.colour)
                    .width(1.5)
                    .allow_hover(false);
                plot.line(line);
            }
        });
        let painter = ui.painter_at(shown.response.rect);
        let names = Names {
            painter: &painter,
            transform: &shown.transform,
        };
        let pointer = self.pointer(ui, &shown.response, &shown.transform);
        match pointer {
            Some(x) => self.paint_read_out(ui, &names, x),
            None => self.paint_names(&names),
        }
        shown
            .response
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Figure, true, self.in_words()));
        let value = self.pointed(&shown.response, &shown.transform);
        let (meaning, csv) = (Meaning::new(self.name, self.definition), || self.csv());
        let meaning = meaning.value(value.as_deref()).csv(&csv);
        // A title above belongs to the plot.
        let above = if self.y.is_empty() { TITLE } else { 0.0 };
        let place = shown.response.rect.union(ui.min_rect());
        let place = place.with_min_y(place.top() - above);
        meaning::menu(&shown.response, &meaning.picture(place));
        shown.response
    }

    /// The exact value of the line nearest to the pointer, at the point below or above it.
    fn pointed(&self, response: &Response, transform: &PlotTransform) -> Option<String> {
        let pointer = response.hover_pos()?;
        let x = transform.value_from_position(pointer).x;
        let points = self.series.iter().filter_map(|s| nearest(s.points, x));
        let away = |[x, y]: &[f64; 2]| {
            let at = transform.position_from_point(&PlotPoint::new(*x, *y));
            (at.y - pointer.y).abs()
        };
        let nearest = points.min_by(|a, b| away(a).total_cmp(&away(b)))?;
        Some(nearest[1].to_string())
    }

    /// Every point of every line.
    fn csv(&self) -> String {
        let x = if self.x.is_empty() { "x" } else { self.x };
        let y = if self.y.is_empty() { self.name } else { self.y };
        let points = self.series.iter().flat_map(|series| {
            let of = series.name;
            let point = move |p: &[f64; 2]| [of.into(), p[0].into(), p[1].into()];
            series.points.iter().map(point)
        });
        csv::table::<[csv::Value; 3]>(&["series", x, y], points)
    }

    /// Ratio of the x axis to the lines, which leaves room for the names at their ends.
    fn room_for_names(&self, width: f32) -> f64 {
        let last = |series: &Series<'_>| series.points.last().map(|p| (self.format)(p[1]));
        let longest = self.series.iter().filter_map(|series| {
            let value = last(series)?.chars().count();
            let named = self.series.len() > 1;
            Some(value + usize::from(named) * (series.name.chars().count() + 1))
        });
        let names = NAME_ROOM.max(longest.max().unwrap_or(0) as f32 * LETTER + space::PANEL);
        let lines = width - plot::Y_AXIS - names;
        f64::from(1.0 + names / lines.max(names))
    }

    /// The plot in words: each series with its last value.
    fn in_words(&self) -> String {
        let last = self.series.iter().map(|series| {
            let value = series
                .points
                .last()
                .map_or("no values yet".to_owned(), |p| (self.format)(p[1]));
            format!("{} {value}", series.name)
        });
        format!("{}: {}", self.name, last.collect::<Vec<_>>().join(", "))
    }

    /// Returns the pointer's position on the x axis, in this plot or in a linked one.
    fn pointer(&self, ui: &Ui, response: &Response, transform: &PlotTransform) -> Option<f64> {
        let key = self.group.unwrap_or(response.id).with("pointer");
        let frame = ui.ctx().cumulative_frame_nr();
        if let Some(at) = response.hover_pos() {
            let x = transform.value_from_position(at).x;
            ui.data_mut(|data| data.insert_temp(key, (frame, x)));
            if self.group.is_some() {
                ui.ctx().request_repaint();
            }
            return Some(x);
        }
        let (then, x) = ui.data(|data| data.get_temp::<(u64, f64)>(key))?;
        (then + 1 >= frame).then_some(x)
    }

    fn paint_names(&self, names: &Names<'_>) {
        let mut ends: Vec<(Pos2, &Series<'_>)> = self
            .series
            .iter()
            .filter_map(|series| Some((names.position(*series.points.last()?), series)))
            .collect();
        ends.sort_by(|a, b| a.0.y.total_cmp(&b.0.y));
        let heights: Vec<f32> = ends.iter().map(|(at, _)| at.y).collect();
        let lowest = names.transform.frame().bottom() - plot::LINE / 2.0;
        for ((at, series), y) in ends.into_iter().zip(apart(&heights, lowest)) {
            let value = series.points.last().map_or(0.0, |p| p[1]);
            let text = if self.series.len() == 1 {
                (self.format)(value)
            } else {
                format!("{} {}", series.name, (self.format)(value))
            };
            names.text(
                pos2(at.x + 5.0, y),
                Align2::LEFT_CENTER,
                text,
                series.colour,
            );
            names.painter.circle_filled(at, 2.0, series.colour);
        }
    }

    fn paint_read_out(&self, ui: &Ui, names: &Names<'_>, x: f64) {
        let all = self.series.iter();
        let Some(at) = all
            .filter_map(|series| nearest(series.points, x))
            .min_by(|a, b| (a[0] - x).abs().total_cmp(&(b[0] - x).abs()))
        else {
            return;
        };
        // A line that has ended there says nothing.
        let near = |series: &Series<'_>| {
            let goes_on = series.points.last()?[0] >= at[0] * ENDED;
            nearest(series.points, at[0]).filter(|_| goes_on)
        };
        let seen = number::count(at[0].max(0.0) as u64);
        let mut lines = vec![(seen, Theme::from_ui(ui).ink.secondary)];
        for series in self.series {
            if let Some(point) = near(series) {
                names
                    .painter
                    .circle_filled(names.position(point), 3.0, series.colour);
                let value = (self.format)(point[1]);
                lines.push((format!("{} {value}", series.name), series.colour));
            }
        }
        let place = (*names.transform.frame(), names.position(at).x);
        plot::read_out(ui, place, false, &lines);
    }
}

/// Baselines of the names.
struct Names<'a> {
    painter: &'a Painter,
    transform: &'a PlotTransform,
}

impl Names<'_> {
    fn position(&self, [x, y]: [f64; 2]) -> Pos2 {
        self.transform.position_from_point(&PlotPoint::new(x, y))
    }

    fn text(&self, at: Pos2, anchor: Align2, text: String, colour: Color32) {
        let font = FontId::monospace(size::CAPTION);
        self.painter.text(at, anchor, text, font, colour);
    }
}

/// The point of ascending `points` whose x is nearest.
fn nearest(points: &[[f64; 2]], x: f64) -> Option<[f64; 2]> {
    let after = points.partition_point(|p| p[0] < x);
    let candidates = [after.checked_sub(1), Some(after)];
    candidates
        .into_iter()
        .flatten()
        .filter_map(|i| points.get(i).copied())
        .min_by(|a, b| (a[0] - x).abs().total_cmp(&(b[0] - x).abs()))
}

/// Ascending `heights`, moved a line's height apart: down where there is room above `lowest`, else up.
fn apart(heights: &[f32], lowest: f32) -> Vec<f32> {
    let mut free = f32::NEG_INFINITY;
    let mut moved: Vec<f32> = (heights.iter())
        .map(|y| {
            let y = y.max(free);
            free = y + plot::LINE;
            y
        })
        .collect();
    let mut free = lowest;
    for y in moved.iter_mut().rev() {
        *y = y.min(free);
        free = *y - plot::LINE;
    }
    moved
}

/// Three or four lines at round numbers.
fn few((low, high): (f64, f64)) -> Vec<GridMark> {
    let rough = ((high - low) / 3.0).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
    let step_size = round.into_iter().find(|step| *step >= rough);
    let step_size = step_size.unwrap_or(10.0 * power);
    let marks = (low / step_size).ceil() as i64..=(high / step_size).floor() as i64;
    let mark = |i: i64| GridMark {
        value: i as f64 * step_size,
        step_size,
    };
    marks.map(mark).collect()
}

/// A count in short, for the axis: `1.5 M`, `20 k`, `350`.
fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        1e9.. => (value / 1e9, " G"),
        1e6.. => (value / 1e6, " M"),
        1e3.. => (value / 1e3, " k"),
        _ => (value, ""),
    };
    let rounded = (scaled * 100.0).round() / 100.0;
    format!("{rounded}{unit}")
}

/// Returns at most [`MOST_POINTS`] points that keep each stretch's lowest and highest value, the first and the last included.
pub(crate) fn thin(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let (first, last) = (points[0], points[points.len() - 1]);
    let stretches = MOST_POINTS / 2 - 1;
    let mut kept = vec![first];
    for i in 0..stretches {
        let stretch = &points[i * points.len() / stretches..(i + 1) * points.len() / stretches];
        let by_y = |a: &&[f64; 2], b: &&[f64; 2]| a[1].total_cmp(&b[1]);
        let low = stretch.iter().min_by(by_y);
        let high = stretch.iter().max_by(by_y);
        if let (Some(low), Some(high)) = (low, high) {
            let (a, b) = if low[0] <= high[0] {
                (low, high)
            } else {
                (high, low)
            };
            kept.push(*a);
            if a[0] < b[0] {
                kept.push(*b);
            }
        }
    }
    kept.push(last);
    kept
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::widgets::staged;

    #[test]
    fn a_few_round_lines_cross_every_range() {
        for range in [(-0.03, 0.79), (0.0, 32.0), (0.0, 26_000.0), (0.0, 1e-4)] {
            let marks = few(range);
            assert!((2..=4).contains(&marks.len()), "{range:?}: {marks:?}");
            assert!(marks.iter().any(|mark| mark.value == 0.0));
        }
    }

    #[test]
    fn thinning_keeps_ends_order_and_extremes() {
        let mut points: Vec<[f64; 2]> = (0..10_000).map(|i| [f64::from(i), 1.0]).collect();
        points[4321][1] = 9.0;
        points[777][1] = -3.0;
        let thinned = thin(&points);
        assert!(thinned.len() <= MOST_POINTS + 2, "{}", thinned.len());
        assert_eq!(
            (thinned[0], *thinned.last().unwrap()),
            (points[0], points[9999])
        );
        assert!(thinned.is_sorted_by(|a, b| a[0] <= b[0]));
        assert!(thinned.contains(&points[4321]) && thinned.contains(&points[777]));
    }

    #[test]
    fn the_nearest_point_is_found() {
        let points = [[0.0, 1.0], [10.0, 2.0], [20.0, 3.0]];
        assert_eq!(nearest(&points, 4.0), Some(points[0]));
        assert_eq!(nearest(&points, 16.0), Some(points[2]));
        assert_eq!(nearest(&points, 99.0), Some(points[2]));
        assert_eq!(nearest(&[], 1.0), None);
    }

    #[test]
    fn names_at_line_ends_stand_apart_and_above_the_axis() {
        assert_eq!(apart(&[10.0, 12.0], 100.0), [10.0, 23.0]);
        assert_eq!(apart(&[10.0, 99.0, 100.0], 100.0), [10.0, 87.0, 100.0]);
        assert_eq!(apart(&[100.0, 100.0, 100.0], 100.0), [74.0, 87.0, 100.0]);
    }

    #[test]
    fn counts_are_short_on_the_axis() {
        assert_eq!(short(1_500_000.0), "1.5 M");
        assert_eq!(short(20_000.0), "20 k");
        assert_eq!(short(350.0), "350");
    }

    #[test]
    fn a_plot_says_its_last_values() {
        let points = [[0.0, 1.0], [10.0, 0.25]];
        let harness = staged(
            |ui, (): &mut ()| {
                let colour = Theme::from_ui(ui).series(0);
                let series = [Series {
                    name: "FVU",
                    colour,
                    points: &points,
                }];
                CurvePlot {
                    name: "FVU",
                    y: "FVU",
                    x: "Activations",
                    series: &series,
                    faint: &[],
                    height: 120.0,
                    group: None,
                    format: number::number,
                    definition: "Fraction of variance unexplained",
                }
                .ui(ui);
            },
            (),
        );
        harness.get_by_label("FVU: FVU 0.250");
    }
}
