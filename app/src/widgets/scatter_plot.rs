//! Points with names on linear axes: the pointer reads the nearest one out, a click chooses it.

use egui::{Response, Role, Ui, WidgetInfo, vec2};
use egui_plot::{Line, LineStyle, PlotPoint, PlotPoints, PlotTransform, Points};

use super::meaning::{self, Meaning};
use super::number::number;
use super::{csv, plot};
use crate::theme::{Theme, axes_as_captions};

/// Largest distance at which the pointer hits a point.
const REACH: f32 = 14.0;

/// A point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ScatterPoint {
    /// Its name.
    pub(crate) name: String,
    /// Its place.
    pub(crate) at: [f64; 2],
    /// Whether it has a ring and its name beside it.
    pub(crate) chosen: bool,
}

/// A scatter plot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScatterPlot<'a> {
    /// Its name for screen readers; unique within its place.
    pub(crate) name: &'a str,
    /// Title of the x axis.
    pub(crate) x: &'a str,
    /// Title of the y axis.
    pub(crate) y: &'a str,
    /// The points.
    pub(crate) points: &'a [ScatterPoint],
    /// Height of the whole.
    pub(crate) height: f32,
    /// Whether both axes run from 0 to 1 with the line of equal values.
    pub(crate) shares: bool,
    /// Definition of the values.
    pub(crate) definition: &'a str,
}

impl ScatterPlot<'_> {
    /// Draws it; returns the point that was clicked.
    pub(crate) fn show(&self, ui: &mut Ui) -> (Response, Option<usize>) {
        ui.scope(|ui| {
            axes_as_captions(ui);
            self.plot_ui(ui)
        })
        .inner
    }

    fn plot_ui(&self, ui: &mut Ui) -> (Response, Option<usize>) {
        let theme = Theme::from_ui(ui);
        let id = ui.scope_id().with(("scatter plot", self.name));
        let mut plot = plot::plain(ui, id, self.height)
            .allow_zoom(false)
            .allow_drag(false)
            .allow_boxed_zoom(false)
            .x_axis_formatter(|mark, _| number(mark.value))
            .y_axis_formatter(|mark, _| number(mark.value))
            .x_axis_label(plot::title(ui, self.x))
            .y_axis_label(plot::title(ui, self.y))
            .set_margin_fraction(vec2(0.04, 0.08));
        if self.shares {
            plot = plot
                .include_x(0.0)
                .include_x(1.0)
                .include_y(0.0)
                .include_y(1.0);
        }
        let of = |chosen: bool| -> PlotPoints<'_> {
            let points = self.points.iter().filter(|point| point.chosen == chosen);
            points.map(|point| point.at).collect()
        };
        let shown = plot.show(ui, |plot| {
            if self.shares {
                let equal = Line::new("equal", PlotPoints::from(vec![[0.0, 0.0], [1.0, 1.0]]));
                let equal = equal.style(LineStyle::dashed_loose()).width(1.0);
                plot.line(equal.color(theme.line.strong).allow_hover(false));
            }
            let all = Points::new(self.name, of(false)).color(theme.series(0));
            plot.points(all.radius(3.0).allow_hover(false));
            let chosen = Points::new("chosen", of(true)).color(theme.series(1));
            plot.points(chosen.radius(5.0).allow_hover(false));
        });
        let under = self.under(&shown.response, &shown.transform);
        match under {
            Some(i) => self.read_out(ui, &shown.transform, i),
            None => self.name_chosen(ui, &shown.transform),
        }
        let words = self.in_words();
        (shown.response).widget_info(|| WidgetInfo::labeled(Role::Figure, true, &words));
        let value = under.map(|i| self.value(i));
        let (meaning, csv) = (Meaning::new(self.name, self.definition), || self.csv());
        let place = shown.response.rect.union(ui.min_rect());
        let meaning = meaning.value(value.as_deref()).csv(&csv);
        meaning::menu(&shown.response, &meaning.picture(place));
        let clicked = under.filter(|_| shown.response.clicked());
        (shown.response, clicked)
    }

    /// The point under the pointer: the nearest within reach, the first of equals.
    fn under(&self, response: &Response, transform: &PlotTransform) -> Option<usize> {
        let pointer = response.hover_pos()?;
        let away = |point: &ScatterPoint| place(transform, point).distance(pointer);
        let near = self
            .points
            .iter()
            .enumerate()
            .map(|(i, point)| (i, away(point)));
        let near = near.filter(|(_, away)| *away <= REACH);
        near.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(i, _)| i)
    }

    fn read_out(&self, ui: &Ui, transform: &PlotTransform, i: usize) {
        let theme = Theme::from_ui(ui);
        let point = &self.points[i];
        let (frame, at) = (*transform.frame(), place(transform, point));
        ui.painter_at(frame).circle_filled(at, 4.0, theme.series(1));
        let lines = [
            (point.name.clone(), theme.ink.primary),
            (
                format!("{} {}", self.x, number(point.at[0])),
                theme.ink.secondary,
            ),
            (
                format!("{} {}", self.y, number(point.at[1])),
                theme.ink.secondary,
            ),
        ];
        plot::read_out(ui, (frame, at.x), false, &lines);
    }

    /// Writes the name of each chosen point beside it, on the side that has room; of names that would lie on each other the first.
    fn name_chosen(&self, ui: &Ui, transform: &PlotTransform) {
        let theme = Theme::from_ui(ui);
        let mut taken = Vec::new();
        for point in self.points.iter().filter(|point| point.chosen) {
            plot::name_apart(
                ui,
                (*transform.frame(), &mut taken),
                place(transform, point),
                &point.name,
                theme.ink.primary,
            );
        }
    }

    fn value(&self, i: usize) -> String {
        let point = &self.points[i];
        format!("{}: {}, {}", point.name, point.at[0], point.at[1])
    }

    fn csv(&self) -> String {
        let points = self.points.iter();
        let points = points.map(|point| {
            [
                point.name.as_str().into(),
                point.at[0].into(),
                point.at[1].into(),
            ]
        });
        csv::table::<[csv::Value; 3]>(&["name", self.x, self.y], points)
    }

    fn in_words(&self) -> String {
        let chosen = self.points.iter().find(|point| point.chosen);
        let chosen = chosen.map_or_else(String::new, |point| {
            format!(
                ", {} at {}, {}",
                point.name,
                number(point.at[0]),
                number(point.at[1])
            )
        });
        format!("{}: {} points{chosen}", self.name, self.points.len())
    }
}

fn place(transform: &PlotTransform, point: &ScatterPoint) -> egui::Pos2 {
    transform.position_from_point(&PlotPoint::new(point.at[0], point.at[1]))
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::widgets::staged;

    #[test]
    fn a_click_on_a_point_chooses_it() {
        let points: Vec<ScatterPoint> = (0..3)
            .map(|i| ScatterPoint {
                name: format!("L0H{i}"),
                at: [0.1 + 0.4 * f64::from(i), 0.9 - 0.4 * f64::from(i)],
                chosen: i == 2,
            })
            .collect();
        let draw = move |ui: &mut Ui, chosen: &mut Option<usize>| {
            let plot = ScatterPlot {
                name: "Heads",
                x: "short",
                y: "long",
                points: &points,
                height: 240.0,
                shares: true,
                definition: "Heads by attention",
            };
            *chosen = plot.show(ui).1.or(*chosen);
        };
        let mut harness = staged(draw, None);
        harness.run();
        // The second point is in the middle of the plot.
        harness
            .get_by_label("Heads: 3 points, L0H2 at 0.900, 0.100")
            .click();
        harness.run();
        assert_eq!(*harness.state(), Some(1));
    }
}
