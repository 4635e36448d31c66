//! Points with names, of several kinds told apart by shape and colour, on linear or logarithmic axes, with lines through some of them: the pointer reads the nearest
//! point out, a click chooses it.

#[cfg(test)]
mod tests;

use egui::{Color32, Pos2, Response, Role, Sense, Stroke, Ui, WidgetInfo, pos2, vec2};
use egui_plot::{Line, LineStyle, MarkerShape, Plot, PlotPoint, PlotPoints, PlotTransform, Points};

use super::meaning::{self, Meaning};
use super::number::number;
use super::{csv, plot};
use crate::theme::{Theme, axes_as_captions, caption, space};

/// Largest distance at which the pointer hits a point.
const REACH: f32 = 14.0;

/// Radius of a point.
const RADIUS: f32 = 4.5;

/// Shape of the points of a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Round.
    Circle,
    /// On a corner.
    Diamond,
    /// On a side.
    Square,
    /// On its base.
    Triangle,
}

impl Shape {
    fn marker(self) -> MarkerShape {
        match self {
            Self::Circle => MarkerShape::Circle,
            Self::Diamond => MarkerShape::Diamond,
            Self::Square => MarkerShape::Square,
            Self::Triangle => MarkerShape::Up,
        }
    }

    /// Corners around `at`; none for a circle.
    fn corners(self, at: Pos2, radius: f32) -> Vec<Pos2> {
        let corner = |x: f32, y: f32| at + radius * vec2(x, y);
        match self {
            Self::Circle => Vec::new(),
            Self::Diamond => vec![
                corner(0.0, -1.0),
                corner(1.0, 0.0),
                corner(0.0, 1.0),
                corner(-1.0, 0.0),
            ],
            Self::Square => vec![
                corner(-0.7, -0.7),
                corner(0.7, -0.7),
                corner(0.7, 0.7),
                corner(-0.7, 0.7),
            ],
            Self::Triangle => vec![corner(0.0, -0.9), corner(0.9, 0.7), corner(-0.9, 0.7)],
        }
    }
}

/// A kind of points.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PointKind<'a> {
    /// Its name in the legend.
    pub(crate) name: &'a str,
    /// A colour of the theme.
    pub(crate) colour: Color32,
    /// Its shape.
    pub(crate) shape: Shape,
}

/// A point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NamedPoint {
    /// Its name.
    pub(crate) name: String,
    /// Its place in the values of the axes.
    pub(crate) at: [f64; 2],
    /// Place of its kind in the list of kinds.
    pub(crate) kind: usize,
    /// Whether it has a ring.
    pub(crate) chosen: bool,
}

/// A line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NamedLine {
    /// Its name, where the read-out needs one.
    pub(crate) name: String,
    /// Its points, in order.
    pub(crate) points: Vec<[f64; 2]>,
    /// A colour of the theme.
    pub(crate) colour: Color32,
    /// Whether it is a reference.
    pub(crate) dashed: bool,
}

/// An axis.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Axis<'a> {
    /// Title, with the unit.
    pub(crate) title: &'a str,
    /// Whether it is logarithmic; points that are not above 0 have no place on it.
    pub(crate) log: bool,
    /// Values that are seen in any case.
    pub(crate) ends: Option<[f64; 2]>,
}

impl Axis<'_> {
    fn place(&self, value: f64) -> Option<f64> {
        let value = if self.log { value.log10() } else { value };
        value.is_finite().then_some(value)
    }
}

/// A plot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NamedPlot<'a> {
    /// Its name for screen readers and for the saved file; unique within its place.
    pub(crate) name: &'a str,
    /// The axis across and the one upwards.
    pub(crate) axes: [Axis<'a>; 2],
    /// The kinds of points; several have a legend.
    pub(crate) kinds: &'a [PointKind<'a>],
    /// The points; of names that would lie on each other, the first is written.
    pub(crate) points: &'a [NamedPoint],
    /// Lines below the points.
    pub(crate) lines: &'a [NamedLine],
    /// Height of the plot without its legend.
    pub(crate) height: f32,
    /// Definition of the values.
    pub(crate) definition: &'a str,
}

impl NamedPlot<'_> {
    /// Draws it; returns the point that was clicked.
    pub(crate) fn show(&self, ui: &mut Ui) -> Option<usize> {
        ui.scope(|ui| {
            axes_as_captions(ui);
            self.plot_ui(ui)
        })
        .inner
    }

    fn plot_ui(&self, ui: &mut Ui) -> Option<usize> {
        let theme = Theme::from_ui(ui);
        let plot = self.framed(ui);
        let shown = plot.show(ui, |plot| {
            for line in self.lines {
                let points: Vec<[f64; 2]> = line
                    .points
                    .iter()
                    .filter_map(|at| self.place(*at))
                    .collect();
                let mut drawn = Line::new(line.name.clone(), PlotPoints::from(points));
                if line.dashed {
                    drawn = drawn.style(LineStyle::dashed_loose());
                }
                plot.line(drawn.color(line.colour).width(1.5).allow_hover(false));
            }
            for (i, kind) in self.kinds.iter().enumerate() {
                let own = self.points.iter().filter(|point| point.kind == i);
                let own: PlotPoints<'_> = own.filter_map(|point| self.place(point.at)).collect();
                let points = Points::new(kind.name, own).shape(kind.shape.marker());
                plot.points(points.color(kind.colour).radius(RADIUS).allow_hover(false));
            }
        });
        let (response, transform) = (shown.response, shown.transform);
        for at in (self.points.iter()).filter_map(|point| self.on_screen(&transform, point)) {
            let (point, at) = at;
            if point.chosen {
                let ring = Stroke::new(1.5, theme.ink.primary);
                ui.painter_at(*transform.frame())
                    .circle_stroke(at, RADIUS + 3.0, ring);
            }
        }
        let under = self.under(&response, &transform);
        match under {
            Some(i) => self.read_out(ui, &transform, i),
            None => self.name_points(ui, &transform),
        }
        let words = self.in_words();
        response.widget_info(|| WidgetInfo::labeled(Role::Figure, true, &words));
        let mut place = response.rect.union(ui.min_rect());
        if self.kinds.len() > 1 {
            place |= self.legend_ui(ui);
        }
        let value = under.map(|i| self.value(i));
        let (meaning, csv) = (Meaning::new(self.name, self.definition), || self.csv());
        let meaning = meaning.value(value.as_deref()).csv(&csv);
        meaning::menu(&response, &meaning.picture(place));
        under.filter(|_| response.clicked())
    }

    /// The axes.
    fn framed<'b>(&self, ui: &Ui) -> Plot<'b> {
        let id = ui.scope_id().with(("named plot", self.name));
        let (width, high) = (ui.available_width() - plot::Y_AXIS, self.height - 40.0);
        let written = |log: bool| {
            move |value: f64| {
                if log {
                    number(10_f64.powf(value))
                } else {
                    number(value)
                }
            }
        };
        let [x, y] = self.axes;
        let (across, upwards) = (written(x.log), written(y.log));
        let mut plot = plot::plain(ui, id, self.height)
            .allow_zoom(false)
            .allow_drag(false)
            .allow_boxed_zoom(false)
            .x_axis_formatter(move |mark, _| across(mark.value))
            .y_axis_formatter(move |mark, _| upwards(mark.value))
            .x_axis_label(plot::title(ui, x.title))
            .y_axis_label(plot::title(ui, y.title))
            .set_margin_fraction(vec2(0.06, 0.10));
        if x.log {
            plot = plot.x_grid_spacer(move |input| plot::log_marks(input.bounds, width, 56.0));
        }
        if y.log {
            plot = plot.y_grid_spacer(move |input| plot::log_marks(input.bounds, high, 26.0));
        }
        let ends = |axis: &Axis<'_>| {
            let ends = axis.ends.into_iter().flatten();
            ends.filter_map(|end| axis.place(end)).collect::<Vec<_>>()
        };
        for end in ends(&x) {
            plot = plot.include_x(end);
        }
        for end in ends(&y) {
            plot = plot.include_y(end);
        }
        plot
    }

    /// Where a pair of values lies in the plot, if it has a place on both axes.
    fn place(&self, at: [f64; 2]) -> Option<[f64; 2]> {
        Some([self.axes[0].place(at[0])?, self.axes[1].place(at[1])?])
    }

    fn on_screen<'b>(
        &self,
        transform: &PlotTransform,
        point: &'b NamedPoint,
    ) -> Option<(&'b NamedPoint, Pos2)> {
        let [x, y] = self.place(point.at)?;
        let at = transform.position_from_point(&PlotPoint::new(x, y));
        Some((point, at))
    }

    /// The point under the pointer: the nearest within reach, the first of equals.
    fn under(&self, response: &Response, transform: &PlotTransform) -> Option<usize> {
        let pointer = response.hover_pos()?;
        let near = self.points.iter().enumerate().filter_map(|(i, point)| {
            let (_, at) = self.on_screen(transform, point)?;
            Some((i, at.distance(pointer)))
        });
        let near = near.filter(|(_, away)| *away <= REACH);
        near.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i)
    }

    fn read_out(&self, ui: &Ui, transform: &PlotTransform, i: usize) {
        let theme = Theme::from_ui(ui);
        let Some((point, at)) = self.on_screen(transform, &self.points[i]) else {
            return;
        };
        let frame = *transform.frame();
        let ring = Stroke::new(1.5, theme.ink.secondary);
        ui.painter_at(frame).circle_stroke(at, RADIUS + 3.0, ring);
        let kind = self.kinds.get(point.kind).map_or("", |kind| kind.name);
        let name = if self.kinds.len() > 1 && kind != point.name {
            format!("{}, {kind}", point.name)
        } else {
            point.name.clone()
        };
        let value = |axis: usize| {
            let title = self.axes[axis].title;
            let words = format!("{title} {}", number(point.at[axis]));
            (words, theme.ink.secondary)
        };
        let lines = [(name, theme.ink.primary), value(0), value(1)];
        plot::read_out(ui, (frame, at.x), false, &lines);
    }

    /// Writes the names beside the points, those of chosen ones first.
    fn name_points(&self, ui: &Ui, transform: &PlotTransform) {
        let theme = Theme::from_ui(ui);
        let mut taken = Vec::new();
        for chosen in [true, false] {
            let points = self.points.iter().filter(|point| point.chosen == chosen);
            let ink = if chosen {
                theme.ink.primary
            } else {
                theme.ink.secondary
            };
            for point in points {
                if let Some((point, at)) = self.on_screen(transform, point) {
                    let place = (*transform.frame(), &mut taken);
                    plot::name_apart(ui, place, at, &point.name, ink);
                }
            }
        }
    }

    /// Shapes with the names of their kinds; its place.
    fn legend_ui(&self, ui: &mut Ui) -> egui::Rect {
        let theme = Theme::from_ui(ui);
        let legend = ui.horizontal_wrapped(|ui| {
            ui.spacing_mut().item_spacing.x = space::CHIP;
            for (i, kind) in self.kinds.iter().enumerate() {
                if !self.points.iter().any(|point| point.kind == i) {
                    continue;
                }
                let side = 2.0 * RADIUS + 2.0;
                let (place, _) = ui.allocate_exact_size(vec2(side, side), Sense::hover());
                paint(ui, (place.center(), kind.shape), kind.colour);
                ui.label(caption(kind.name).color(theme.ink.secondary));
                ui.add_space(space::CONTROL);
            }
        });
        legend.response.rect
    }

    fn value(&self, i: usize) -> String {
        let point = &self.points[i];
        format!("{}: {}, {}", point.name, point.at[0], point.at[1])
    }

    fn csv(&self) -> String {
        let points = self.points.iter().map(|point| {
            let kind = self.kinds.get(point.kind).map_or("", |kind| kind.name);
            [
                point.name.as_str().into(),
                kind.into(),
                point.at[0].into(),
                point.at[1].into(),
            ]
        });
        let titles = ["name", "kind", self.axes[0].title, self.axes[1].title];
        csv::table::<[csv::Value; 4]>(&titles, points)
    }

    fn in_words(&self) -> String {
        let chosen = self.points.iter().find(|point| point.chosen);
        let chosen = chosen.map_or_else(String::new, |point| {
            let [x, y] = point.at.map(number);
            format!(", {} at {x}, {y}", point.name)
        });
        format!("{}: {} points{chosen}", self.name, self.points.len())
    }
}

/// Paints a mark of the legend.
fn paint(ui: &Ui, (at, shape): (Pos2, Shape), colour: Color32) {
    let at = pos2(at.x.round(), at.y.round());
    let corners = shape.corners(at, RADIUS);
    if corners.is_empty() {
        ui.painter().circle_filled(at, RADIUS, colour);
    } else {
        let shape = egui::Shape::convex_polygon(corners, colour, Stroke::NONE);
        ui.painter().add(shape);
    }
}
