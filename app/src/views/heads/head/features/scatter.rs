//! Decoder share against attribution share of every live feature in a head, with their correlation. Hover reads a feature out, a click selects it.

use egui::{Ui, vec2};
use egui_plot::{MarkerShape, Plot, PlotPoint, PlotPoints, Points};
use umbra_core::ids::{FeatureId, Head};

use crate::memo::Memo;
use crate::state::AppState;
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::heads::roles::Studied;
use crate::state::requests::{Commands, navigation};
use crate::theme::{Theme, axes_as_captions, caption};
use crate::widgets::csv;
use crate::widgets::meaning::{self, Meaning};
use crate::widgets::number::{number, percent};

/// Largest distance at which the pointer hits a point.
const REACH: f32 = 12.0;

/// Height of the plot.
const HEIGHT: f32 = 240.0;

/// Points drawn at most; a larger dictionary is thinned evenly.
const POINTS: usize = 4_000;

/// Definition of the plot.
const DEFINITION: &str = "A point is a live feature: across the share of its decoder norm in this head, upwards the share of its direct attribution over the text. On the diagonal, weights tell as much as text";

/// Points of a head.
#[derive(Debug, Default)]
struct Cloud {
    features: Vec<u32>,
    points: Vec<PlotPoint>,
}

/// The plot.
#[derive(Debug, Default)]
pub(super) struct Scatter {
    memo: Memo<(DictionaryId, Head, u64), Cloud>,
}

impl Scatter {
    /// Draws it.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (dictionary, studied, head): (&Dictionary, &Studied, Head),
        commands: &mut Commands,
    ) {
        let theme = Theme::from_ui(ui);
        let secondary = theme.ink.secondary;
        let correlation = studied.features[head.index()].correlation;
        let r = |r: Option<f64>| r.map_or_else(|| "–".to_owned(), number);
        let words = format!(
            "Weights against text: Pearson {}, Spearman {}",
            r(correlation.pearson),
            r(correlation.spearman)
        );
        ui.label(caption(words).color(secondary))
            .on_hover_text(DEFINITION);
        let key = (dictionary.id, head, state.heads.roles.revision);
        let cloud = self.memo.get(key, |_| Cloud::new(studied, head));
        let here = state.selection.dictionary == Some(dictionary.id);
        let selected = state.selection.feature.filter(|_| here);
        let plot = Plot::new(("share and attribution", head.0))
            .height(HEIGHT)
            .show_background(false)
            .set_margin_fraction(vec2(0.04, 0.06))
            .allow_scroll(false)
            .allow_zoom(false)
            .allow_drag(false)
            .allow_boxed_zoom(false)
            .show_crosshair(false)
            .grid_color(theme.line.strong)
            .label_formatter(|_| None)
            .x_axis_label(caption("decoder share").color(secondary))
            .y_axis_label(caption("attribution share").color(secondary))
            .y_axis_min_width(36.0);
        axes_as_captions(ui);
        let response = plot.show(ui, |plot| {
            let all = Points::new("features", PlotPoints::Borrowed(&cloud.points))
                .radius(1.8)
                .color(theme.activation.gamma_multiply(0.75))
                .shape(MarkerShape::Circle)
                .allow_hover(false);
            plot.points(all);
            let ringed = selected.filter(|feature| feature.index() < studied.study.text.features());
            if let Some(feature) = ringed {
                let [x, y] = studied.study.text.point(feature, head);
                let ring = Points::new("selected", PlotPoints::Owned(vec![PlotPoint::new(x, y)]))
                    .radius(5.0)
                    .filled(false)
                    .color(theme.ink.primary)
                    .allow_hover(false);
                plot.points(ring);
            }
            let transform = *plot.transform();
            let pointer = plot.response().hover_pos();
            pointer.and_then(|pointer| {
                cloud.nearest(|point| transform.position_from_point(point).distance(pointer))
            })
        });
        let near = response.inner;
        menu(&response.response, (studied, head), near);
        let count = cloud.points.len();
        response.response.widget_info(|| {
            let name = format!("Decoder share against attribution share of {count} features");
            egui::WidgetInfo::labeled(egui::Role::Image, true, name)
        });
        let Some(feature) = near else { return };
        if response.response.clicked() {
            commands.send(navigation::Command::FollowDictionary(dictionary.id));
            commands.send(navigation::Command::SelectFeature(Some(feature)));
        }
        let said = said(studied, head, feature);
        response.response.on_hover_text_at_pointer(said);
    }
}

impl Cloud {
    fn new(studied: &Studied, head: Head) -> Self {
        let text = &studied.study.text;
        let live: Vec<u32> = live(studied).map(|feature| feature.0).collect();
        let step = live.len().div_ceil(POINTS).max(1);
        let features: Vec<u32> = live.into_iter().step_by(step).collect();
        let point = |feature: &u32| {
            let [x, y] = text.point(FeatureId(*feature), head);
            PlotPoint::new(x, y)
        };
        Self {
            points: features.iter().map(point).collect(),
            features,
        }
    }

    fn nearest(&self, distance: impl Fn(&PlotPoint) -> f32) -> Option<FeatureId> {
        let distances = self.points.iter().map(distance).enumerate();
        let (at, distance) = distances.min_by(|a, b| a.1.total_cmp(&b.1))?;
        (distance <= REACH).then(|| FeatureId(self.features[at]))
    }
}

/// Live features that are active on the text: those that the correlation is of.
fn live(studied: &Studied) -> impl Iterator<Item = FeatureId> {
    let study = &studied.study;
    let live = (study.live.iter().enumerate()).filter(|(_, live)| **live);
    live.map(|(feature, _)| FeatureId::from(feature))
        .filter(|feature| study.text.active(*feature) > 0)
}

/// `Feature 505: decoder share 48.4 %, attribution share 29.7 %`.
fn said(studied: &Studied, head: Head, feature: FeatureId) -> String {
    let [share, attribution] = studied.study.text.point(feature, head).map(percent);
    format!("Feature {feature}: decoder share {share}, attribution share {attribution}")
}

fn menu(response: &egui::Response, (studied, head): (&Studied, Head), near: Option<FeatureId>) {
    let text = &studied.study.text;
    let value = near.map(|feature| {
        let [share, attribution] = text.point(feature, head);
        format!("{feature}\t{share}\t{attribution}")
    });
    let csv = || {
        let lines = live(studied).map(|feature| {
            let [share, attribution] = text.point(feature, head);
            [feature.index().into(), share.into(), attribution.into()]
        });
        csv::table::<[csv::Value; 3]>(&["Feature", "Decoder share", "Attribution share"], lines)
    };
    let words = near.map(|feature| said(studied, head, feature));
    let meaning = Meaning::new("Weights against text", DEFINITION);
    let meaning = meaning.value(value.as_deref()).said(words.as_deref());
    meaning::menu(response, &meaning.csv(&csv).picture(response.rect));
}
