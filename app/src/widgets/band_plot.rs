//! A figure along an axis that runs both ways from 0: its median as a line, the spread as a band, and what it is without any change as a dashed line. Plots of one
//! group share the pointer.

use egui::epaint::Mesh;
use egui::{
    Color32, Id, Painter, Pos2, Rect, Response, Role, Sense, Shape, Stroke, Ui, Vec2, WidgetInfo,
    pos2, vec2,
};

use super::meaning::{self, Meaning};
use super::plot::{self, Axes, round_ticks};
use super::{csv, number};
use crate::theme::Theme;

/// Room below for the numbers of the axis, and for its title.
const NUMBERS: f32 = 18.0;
const TITLES: f32 = 16.0;

/// Room above for the title of the heights.
const TITLE: f32 = 20.0;

/// Share of the height that stays free above the highest value.
const HEADROOM: f64 = 0.06;

/// Opacity of the band.
const BAND: f32 = 0.22;

/// Figures at one place of the axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BandPoint {
    /// Place on the axis.
    pub(crate) x: f64,
    /// Lower end of the band, middle, and upper end.
    pub(crate) spread: [f64; 3],
}

/// A plot before it is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BandPlot<'a> {
    /// Name, which also names a saved file.
    pub(crate) name: &'a str,
    /// Title of the heights, with the unit.
    pub(crate) y: &'a str,
    /// Title of the axis, with the unit; empty where a plot below shows it.
    pub(crate) x: &'a str,
    /// Ends of the axis.
    pub(crate) range: [f64; 2],
    /// Ascending in x.
    pub(crate) points: &'a [BandPoint],
    /// Height without any change.
    pub(crate) base: Option<f64>,
    /// Places that are marked by an upright line, with their names.
    pub(crate) marks: &'a [(f64, String)],
    /// Colour of the line; the band is a lighter one.
    pub(crate) colour: Color32,
    /// Values as text.
    pub(crate) format: fn(f64) -> String,
    /// Plots with the same group share the pointer.
    pub(crate) group: Id,
    /// Definition of the values.
    pub(crate) definition: &'a str,
}

/// Place of the plot on screen, with the ends of both axes.
struct Frame {
    plot: Rect,
    x: [f64; 2],
    y: [f64; 2],
}

impl Frame {
    fn at(&self, x: f64, y: f64) -> Pos2 {
        let share = |value: f64, [from, to]: [f64; 2]| ((value - from) / (to - from)) as f32;
        pos2(
            self.plot.left() + share(x, self.x) * self.plot.width(),
            self.plot.bottom() - share(y, self.y) * self.plot.height(),
        )
    }

    fn x_at(&self, x: f32) -> f64 {
        let share = f64::from((x - self.plot.left()) / self.plot.width());
        self.x[0] + share * (self.x[1] - self.x[0])
    }
}

impl BandPlot<'_> {
    /// Draws it; the pointer reads the nearest point out, and a click returns its place on the axis.
    pub(crate) fn show(self, ui: &mut Ui, size: Vec2) -> Option<f64> {
        let (rect, response) = ui.allocate_exact_size(size, Sense::CLICK | Sense::FOCUSABLE);
        let said = self.said();
        response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, &said));
        if !ui.is_rect_visible(rect) {
            return None;
        }
        let frame = self.frame(rect);
        self.paint(ui, &frame);
        let read = self.pointed(ui, &response, &frame);
        let value = read.map(|point| point.spread[1].to_string());
        let csv = || self.csv();
        let meaning = Meaning::new(self.name, self.definition)
            .value(value.as_deref())
            .csv(&csv)
            .picture(rect);
        meaning::menu(&response, &meaning);
        read.filter(|_| response.clicked()).map(|point| point.x)
    }

    fn frame(&self, rect: Rect) -> Frame {
        let below = NUMBERS + if self.x.is_empty() { 0.0 } else { TITLES };
        let plot = Rect::from_min_max(
            rect.min + vec2(plot::Y_AXIS, TITLE),
            rect.max - vec2(8.0, below),
        );
        let ends = self
            .points
            .iter()
            .flat_map(|point| [point.spread[0], point.spread[2]]);
        let all = ends.chain(self.base).chain([0.0]);
        let (least, most) = all.fold((0.0_f64, 0.0_f64), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        let room = HEADROOM * (most - least);
        let most = if most > least {
            most + room
        } else {
            least + 1.0
        };
        let [from, to] = self.range;
        let to = if to > from { to } else { from + 1.0 };
        Frame {
            plot,
            x: [from, to],
            y: [least, most],
        }
    }

    fn paint(&self, ui: &Ui, frame: &Frame) {
        let theme = Theme::from_ui(ui);
        let painter = ui.painter();
        let axes = Axes::new(painter, theme);
        let mut across = round_ticks((frame.x[0], frame.x[1]), frame.plot.width());
        let lacks_zero = frame.x[0] < 0.0 && across.iter().all(|(x, _)| *x != 0.0);
        if lacks_zero && frame.x[1] > 0.0 {
            across.push((0.0, "0".to_owned()));
            across.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        let across = across.into_iter();
        let across = across.map(|(x, text)| (frame.at(x, frame.y[0]).x, text));
        axes.across(frame.plot, across.collect());
        let upwards = round_ticks((frame.y[0], frame.y[1]), frame.plot.height());
        let upwards = upwards.into_iter();
        let upwards = upwards.map(|(y, _)| (frame.at(frame.x[0], y).y, (self.format)(y)));
        axes.upwards(frame.plot, upwards.collect());
        axes.titles(frame.plot, self.x, self.y);
        let clipped = painter.with_clip_rect(frame.plot.expand(3.0));
        if frame.x[0] < 0.0 && frame.x[1] > 0.0 {
            let x = frame.at(0.0, 0.0).x;
            let line = Stroke::new(1.0, theme.line.strong);
            clipped.vline(x, frame.plot.y_range(), line);
        }
        if let Some(base) = self.base {
            let ends = [frame.at(frame.x[0], base), frame.at(frame.x[1], base)];
            let stroke = Stroke::new(1.0, theme.ink.secondary);
            clipped.extend(Shape::dashed_line(&ends, stroke, 4.0, 4.0));
        }
        for (x, name) in self.marks {
            let at = frame.at(*x, frame.y[1]);
            clipped.vline(at.x, frame.plot.y_range(), Stroke::new(1.0, theme.warning));
            plot::name_beside(ui, frame.plot, at + vec2(0.0, 8.0), name, theme.warning);
        }
        self.paint_band(&clipped, frame);
    }

    fn paint_band(&self, painter: &Painter, frame: &Frame) {
        let pale = self.colour.gamma_multiply(BAND);
        let mut band = Mesh::default();
        for point in self.points {
            let [low, _, high] = point.spread;
            band.colored_vertex(frame.at(point.x, low), pale);
            band.colored_vertex(frame.at(point.x, high), pale);
        }
        for i in 1..self.points.len() as u32 {
            let first = 2 * (i - 1);
            band.add_triangle(first, first + 1, first + 2);
            band.add_triangle(first + 1, first + 2, first + 3);
        }
        painter.add(Shape::mesh(band));
        let line: Vec<Pos2> = self
            .points
            .iter()
            .map(|point| frame.at(point.x, point.spread[1]))
            .collect();
        for at in &line {
            painter.circle_filled(*at, 2.5, self.colour);
        }
        painter.add(Shape::line(line, Stroke::new(1.5, self.colour)));
    }

    /// Reads out the point nearest to the pointer, in this plot or in another of the group.
    fn pointed(&self, ui: &Ui, response: &Response, frame: &Frame) -> Option<BandPoint> {
        let key = self.group.with("pointer");
        let now = ui.ctx().cumulative_frame_nr();
        let here = response.hover_pos().map(|at| frame.x_at(at.x));
        if let Some(x) = here {
            let before = ui.data_mut(|data| {
                let before = data.get_temp::<(u64, f64)>(key);
                data.insert_temp(key, (now, x));
                before
            });
            // Plots that were drawn before this one follow in the next frame.
            if before.is_none_or(|(_, before)| before != x) {
                ui.ctx().request_repaint();
            }
        }
        let kept = ui.data(|data| data.get_temp::<(u64, f64)>(key));
        let kept = kept.filter(|(then, _)| then + 1 >= now).map(|(_, x)| x);
        let x = here.or(kept)?;
        let away = |point: &BandPoint| (point.x - x).abs();
        let nearest = self.points.iter();
        let point = nearest
            .min_by(|a, b| away(a).total_cmp(&away(b)))
            .copied()?;
        let theme = Theme::from_ui(ui);
        let [low, middle, high] = point.spread.map(self.format);
        let lines = [
            (
                format!("strength {}", number::number(point.x)),
                theme.ink.secondary,
            ),
            (format!("median {middle}"), self.colour),
            (format!("{low} to {high}"), theme.ink.secondary),
        ];
        let x = frame.at(point.x, 0.0).x;
        plot::read_out(ui, (frame.plot, x), true, &lines);
        Some(point)
    }

    /// The plot in words: the middle at both ends.
    fn said(&self) -> String {
        let at = |point: Option<&BandPoint>| match point {
            Some(point) => {
                let (x, y) = (number::number(point.x), (self.format)(point.spread[1]));
                format!("{y} at {x}")
            }
            None => "no values yet".to_owned(),
        };
        let (first, last) = (at(self.points.first()), at(self.points.last()));
        format!("{}: {first}, {last}", self.name)
    }

    /// Every point with its band.
    fn csv(&self) -> String {
        let titles = ["Strength", "10 %", "Median", "90 %"];
        let rows = self.points.iter().map(|point| {
            let [low, middle, high] = point.spread;
            [point.x.into(), low.into(), middle.into(), high.into()]
        });
        csv::table::<[csv::Value; 4]>(&titles, rows)
    }
}
