//! Densities by rank on logarithmic axes, with the fitted law; features far below the law have their own mark.

use egui::{Response, Role, Ui, WidgetInfo, vec2};
use egui_plot::{
    GridMark, Line, LineStyle, MarkerShape, PlotPoint, PlotPoints, PlotTransform, Points,
};

use super::meaning::{self, Meaning};
use super::number::{count, number, percent};
use super::{csv, plot};
use crate::theme::{Theme, axes_as_captions};

/// The feature of one rank.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct RankPoint {
    /// From 1.
    pub(crate) rank: usize,
    /// Index in the dictionary.
    pub(crate) feature: u32,
    /// Share of tokens; above 0.
    pub(crate) density: f64,
    /// Density that the law gives the rank, where there is one.
    pub(crate) law: Option<f64>,
}

impl RankPoint {
    /// Whether it fires less than `tau` times what the law gives.
    pub(crate) fn is_below(&self, tau: f64) -> bool {
        self.law.is_some_and(|law| self.density < tau * law)
    }
}

/// A rank–density plot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RankPlot<'a> {
    /// Its name for screen readers.
    pub(crate) name: &'a str,
    /// Ascending in rank.
    pub(crate) points: &'a [RankPoint],
    /// Share of the law below which a feature has a mark of its own.
    pub(crate) tau: f64,
    /// Height of the whole.
    pub(crate) height: f32,
}

/// Definition of the plot.
const DEFINITION: &str = "Features by rank of density, the share of tokens on which each is active; both axes are logarithmic";

impl RankPlot<'_> {
    /// Draws it; the pointer reads the nearest rank out.
    pub(crate) fn ui(&self, ui: &mut Ui) -> Response {
        ui.scope(|ui| {
            axes_as_captions(ui);
            self.plot_ui(ui)
        })
        .inner
    }

    fn plot_ui(&self, ui: &mut Ui) -> Response {
        let theme = Theme::from_ui(ui);
        let id = ui.scope_id().with(("rank plot", self.name));
        let (width, high) = (ui.available_width() - plot::Y_AXIS, self.height - 40.0);
        let plot = plot::plain(ui, id, self.height)
            .x_axis_formatter(|mark, _| rank_at(mark))
            .y_axis_formatter(|mark, _| plot::power(mark.value))
            .x_axis_label(plot::title(ui, "Rank"))
            .y_axis_label(plot::title(ui, "Density, share of tokens"))
            .include_x(0.0)
            .x_grid_spacer(move |input| plot::log_marks(input.bounds, width, 56.0))
            .y_grid_spacer(move |input| plot::log_marks(input.bounds, high, 26.0))
            .set_margin_fraction(vec2(0.03, 0.08));
        let of = |below: bool| -> PlotPoints<'_> {
            let points = self.points.iter();
            let points = points.filter(|point| point.is_below(self.tau) == below);
            points.map(at).collect()
        };
        let law_times = |share: f64| -> Vec<[f64; 2]> {
            let points = self.points.iter();
            let at = |point: &RankPoint| {
                Some([(point.rank as f64).log10(), (share * point.law?).log10()])
            };
            points.filter_map(at).collect()
        };
        // No logarithm has a place for nothing.
        let tau = Some(self.tau).filter(|tau| *tau > 0.0);
        // The line of τ is not to move the axes while τ is moved.
        let lowest = self.points.iter().map(|point| point.density.log10());
        let lowest = lowest.fold(f64::INFINITY, f64::min);
        let shown = plot.show(ui, |plot| {
            let features = Points::new("Features", of(false));
            let features = features.color(theme.activation).radius(1.5);
            plot.points(features.allow_hover(false));
            let under = Points::new("Under-used", of(true)).shape(MarkerShape::Cross);
            let under = under.color(theme.series(1)).radius(3.5);
            plot.points(under.allow_hover(false));
            let law = Line::new("Law", PlotPoints::from(law_times(1.0)));
            plot.line(law.color(theme.series(0)).width(1.5).allow_hover(false));
            if let Some(tau) = tau {
                let mut points = law_times(tau);
                points.retain(|point| point[1] >= lowest);
                let below = Line::new("τ", PlotPoints::from(points));
                let below = below.style(LineStyle::dashed_loose()).width(1.0);
                plot.line(below.color(theme.series(1)).allow_hover(false));
            }
        });
        if let Some(pointer) = shown.response.hover_pos() {
            let x = shown.transform.value_from_position(pointer).x;
            self.read_out(ui, &shown.transform, x);
        }
        let words = self.in_words();
        (shown.response).widget_info(|| WidgetInfo::labeled(Role::Figure, true, &words));
        let pointer = shown.response.hover_pos();
        let at = pointer.map(|at| shown.transform.value_from_position(at).x);
        let value = at.and_then(|x| nearest(self.points, x));
        let value = value.map(|point| point.density.to_string());
        let (meaning, csv) = (Meaning::new(self.name, DEFINITION), || self.csv());
        let meaning = meaning.value(value.as_deref()).csv(&csv);
        let place = shown.response.rect.union(ui.min_rect());
        meaning::menu(&shown.response, &meaning.picture(place));
        shown.response
    }

    /// Every feature with its rank.
    fn csv(&self) -> String {
        let points = self.points.iter().map(|point| {
            let (rank, feature) = (point.rank, point.feature as usize);
            [
                rank.into(),
                feature.into(),
                point.density.into(),
                point.law.into(),
            ]
        });
        csv::table::<[csv::Value; 4]>(&["Rank", "Feature", "Density", "Law"], points)
    }

    fn in_words(&self) -> String {
        let (Some(first), Some(last)) = (self.points.first(), self.points.last()) else {
            return format!("{}: no feature fires yet", self.name);
        };
        format!(
            "{}: {} at rank {} to {} at rank {}",
            self.name,
            percent(first.density),
            count(first.rank as u64),
            percent(last.density),
            count(last.rank as u64)
        )
    }

    fn read_out(&self, ui: &Ui, transform: &PlotTransform, x: f64) {
        let theme = Theme::from_ui(ui);
        let Some(point) = nearest(self.points, x) else {
            return;
        };
        let frame = *transform.frame();
        let [x, y] = at(point);
        let place = transform.position_from_point(&PlotPoint::new(x, y));
        let colour = if point.is_below(self.tau) {
            theme.series(1)
        } else {
            theme.activation
        };
        ui.painter_at(frame).circle_filled(place, 3.0, colour);
        let rank = format!("rank {} · #{}", count(point.rank as u64), point.feature);
        let mut lines = vec![
            (rank, theme.ink.secondary),
            (format!("density {}", percent(point.density)), colour),
        ];
        if let Some(law) = point.law {
            let share = number(point.density / law);
            let law = format!("law {} · {share} of it", percent(law));
            lines.push((law, theme.series(0)));
        }
        plot::read_out(ui, (frame, place.x), true, &lines);
    }
}

fn at(point: &RankPoint) -> [f64; 2] {
    [(point.rank as f64).log10(), point.density.log10()]
}

/// The point whose rank has the logarithm nearest to `x`.
fn nearest(points: &[RankPoint], x: f64) -> Option<&RankPoint> {
    let distance = |point: &RankPoint| ((point.rank as f64).log10() - x).abs();
    points
        .iter()
        .min_by(|a, b| distance(a).total_cmp(&distance(b)))
}

/// The rank at a mark: nothing left of the first.
fn rank_at(mark: GridMark) -> String {
    if mark.value < -1e-9 {
        return String::new();
    }
    count(10_f64.powf(mark.value).round() as u64)
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::widgets::staged;

    fn points() -> Vec<RankPoint> {
        let point = |rank: usize| RankPoint {
            rank,
            feature: 1000 - rank as u32,
            density: 0.5 / rank as f64,
            law: Some(0.6 / rank as f64),
        };
        (1..=100).map(point).collect()
    }

    #[test]
    fn the_nearest_rank_is_found_on_the_logarithmic_axis() {
        let points = points();
        assert_eq!(nearest(&points, -1.0).unwrap().rank, 1);
        assert_eq!(nearest(&points, 1.0).unwrap().rank, 10);
        assert_eq!(nearest(&points, 9.0).unwrap().rank, 100);
        assert!(nearest(&[], 0.0).is_none());
    }

    #[test]
    fn it_says_where_it_begins_and_ends_and_draws_nothing_too() {
        let harness = staged(
            |ui, points: &mut Vec<RankPoint>| {
                let plot = |name, points| RankPlot {
                    name,
                    points,
                    tau: 0.5,
                    height: 150.0,
                };
                plot("Rank and density", points).ui(ui);
                plot("Nothing", &[]).ui(ui);
            },
            points(),
        );
        let label = "Rank and density: 50.0\u{202F}% at rank 1 to 0.500\u{202F}% at rank 100";
        harness.get_by_label(label);
        harness.get_by_label("Nothing: no feature fires yet");
    }
}
