//! Map of all features: density against strength. A point is a feature; hover reads it out, a click selects it.

use egui::{Ui, vec2};
use egui_plot::{MarkerShape, Plot, PlotPoint, PlotPoints, Points};
use umbra_core::features::Summary;
use umbra_core::ids::FeatureId;

use crate::state::AppState;
use crate::state::features::Table;
use crate::state::requests::{Commands, navigation};
use crate::theme::{Theme, axes_as_captions, caption};
use crate::views::feature::chips;
use crate::widgets::csv;
use crate::widgets::meaning::{self, Meaning};
use crate::widgets::number::{number, percent};
use crate::widgets::plot::{log_marks, power};

/// Points drawn at most; a larger dictionary is thinned evenly.
const POINTS: usize = 8_000;

/// Largest distance at which the pointer hits a point.
const REACH: f32 = 12.0;

/// Definition of the map.
const DEFINITION: &str = "A point is a feature: across its density, the share of the index's tokens on which it is active, upwards its activation of largest magnitude";

/// Points of the features shown in the table, thinned.
#[derive(Debug, Default)]
pub(super) struct Map {
    features: Vec<u32>,
    points: Vec<PlotPoint>,
}

impl Map {
    /// Features without a density have no place on a logarithmic axis and are left out.
    pub(super) fn new(table: &Table, rows: &[u32]) -> Self {
        let step = rows.len().div_ceil(POINTS).max(1);
        let alive = |i: &&u32| table.summaries[**i as usize].density > 0.0;
        let features: Vec<u32> = rows.iter().step_by(step).filter(alive).copied().collect();
        let point = |i: &u32| {
            let summary = &table.summaries[*i as usize];
            PlotPoint::new(summary.density.log10(), summary.strongest().abs())
        };
        let points = features.iter().map(point).collect();
        Self { features, points }
    }

    /// Draws it `height` high.
    pub(super) fn ui(
        &self,
        ui: &mut Ui,
        height: f32,
        (table, rows): (&Table, &[u32]),
        state: &AppState,
        commands: &mut Commands,
    ) {
        let theme = Theme::from_ui(ui);
        let selected = state.selection.feature;
        let secondary = theme.ink.secondary;
        let width = ui.available_width() - 60.0;
        let plot = Plot::new("density and strength")
            .height(height)
            .show_background(false)
            .set_margin_fraction(vec2(0.03, 0.08))
            .allow_scroll(false)
            .allow_zoom(false)
            .allow_drag(false)
            .allow_boxed_zoom(false)
            .show_crosshair(false)
            .grid_color(theme.line.strong)
            .label_formatter(|_| None)
            .x_axis_label(caption("density, share of tokens").color(secondary))
            .y_axis_label(caption("largest activation, by size").color(secondary))
            .x_grid_spacer(move |input| log_marks(input.bounds, width, 64.0))
            .x_axis_formatter(|mark, _| power(mark.value))
            .y_axis_min_width(36.0);
        axes_as_captions(ui);
        let response = plot.show(ui, |plot| {
            let all = Points::new("features", PlotPoints::Borrowed(&self.points))
                .radius(1.6)
                .color(theme.activation.gamma_multiply(0.75))
                .shape(MarkerShape::Circle)
                .allow_hover(false);
            plot.points(all);
            if let Some(at) = selected.and_then(|f| place(table, f)) {
                let ring = Points::new("selected", PlotPoints::Owned(vec![at]))
                    .radius(5.0)
                    .filled(false)
                    .color(theme.ink.primary)
                    .allow_hover(false);
                plot.points(ring);
            }
            let transform = *plot.transform();
            let pointer = plot.response().hover_pos();
            pointer.and_then(|pointer| {
                self.nearest(|point| transform.position_from_point(point).distance(pointer))
            })
        });
        let near = response.inner;
        let place = response.response.rect.union(ui.min_rect());
        menu(&response.response, table, (rows, near, place));
        let count = self.points.len();
        response.response.widget_info(|| {
            let name = format!("Map of {count} features by density and strength");
            egui::WidgetInfo::labeled(egui::Role::Image, true, name)
        });
        let Some(feature) = near else { return };
        if response.response.clicked() {
            commands.send(navigation::Command::SelectFeature(Some(feature)));
        }
        if response.response.double_clicked() {
            commands.send(navigation::Command::Feature {
                feature,
                beside: false,
            });
        }
        response.response.on_hover_ui_at_pointer(|ui| {
            let summary = &table.summaries[feature.index()];
            ui.label(chips::title(state, feature));
            let figures = format!(
                "density {}, max {}",
                percent(summary.density),
                number(summary.strongest())
            );
            ui.label(caption(figures));
        });
    }

    fn nearest(&self, distance: impl Fn(&PlotPoint) -> f32) -> Option<FeatureId> {
        let distances = self.points.iter().map(distance).enumerate();
        let (at, distance) = distances.min_by(|a, b| a.1.total_cmp(&b.1))?;
        (distance <= REACH).then(|| FeatureId(self.features[at]))
    }
}

/// Copies every feature of the table, also those that are thinned out or have no place on a logarithmic axis.
fn menu(
    response: &egui::Response,
    table: &Table,
    (rows, near, place): (&[u32], Option<FeatureId>, egui::Rect),
) {
    let value = near.map(|feature| {
        let summary = &table.summaries[feature.index()];
        format!("{feature}\t{}\t{}", summary.density, summary.strongest())
    });
    let csv = || {
        let lines = rows.iter().map(|feature| {
            let summary = &table.summaries[*feature as usize];
            let feature = *feature as usize;
            [
                feature.into(),
                summary.density.into(),
                summary.strongest().into(),
            ]
        });
        csv::table::<[csv::Value; 3]>(&["Feature", "Density", "Max"], lines)
    };
    let said = near.map(|feature| said(feature, &table.summaries[feature.index()]));
    let meaning = Meaning::new("Map of features", DEFINITION);
    let meaning = meaning.value(value.as_deref()).said(said.as_deref());
    meaning::menu(response, &meaning.csv(&csv).picture(place));
}

/// `Feature 505: density 48.4 %, largest activation 29.7`.
fn said(feature: FeatureId, summary: &Summary) -> String {
    format!(
        "Feature {feature}: density {}, largest activation {}",
        percent(summary.density),
        number(summary.strongest())
    )
}

fn place(table: &Table, feature: FeatureId) -> Option<PlotPoint> {
    let summary = table.summaries.get(feature.index())?;
    (summary.density > 0.0)
        .then(|| PlotPoint::new(summary.density.log10(), summary.strongest().abs()))
}
