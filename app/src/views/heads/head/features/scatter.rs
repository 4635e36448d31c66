//! Decoder share against attribution share of every live feature in a head, with their correlation.

use egui::Ui;
use umbra_core::ids::{FeatureId, Head};

use crate::memo::Memo;
use crate::state::AppState;
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::heads::roles::Studied;
use crate::state::requests::{Commands, navigation};
use crate::theme::{Theme, caption};
use crate::widgets::number::number;
use crate::widgets::scatter_plot::{ScatterPlot, ScatterPoint};

/// Height of the plot.
const HEIGHT: f32 = 280.0;

/// Points drawn at most; a larger dictionary is thinned evenly.
const POINTS: usize = 4_000;

/// Definition of the plot.
const DEFINITION: &str = "A point is a live feature: across the share of its decoder norm in this head, upwards the share of its direct attribution over the text. On the dashed line, weights tell as much as text";

/// The inputs of the points.
type Key = (DictionaryId, Head, u64, Option<FeatureId>);

/// The plot.
#[derive(Debug, Default)]
pub(super) struct Scatter {
    memo: Memo<Key, (Vec<FeatureId>, Vec<ScatterPoint>)>,
}

impl Scatter {
    /// Draws it. A click selects a feature.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (dictionary, studied, head): (&Dictionary, &Studied, Head),
        commands: &mut Commands,
    ) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let correlation = studied.features[head.index()].correlation;
        let r = |r: Option<f64>| r.map_or_else(|| "–".to_owned(), number);
        let words = format!(
            "Weights against text: Pearson {}, Spearman {}",
            r(correlation.pearson),
            r(correlation.spearman)
        );
        ui.label(caption(words).color(secondary))
            .on_hover_text(DEFINITION);
        let here = state.selection.dictionary == Some(dictionary.id);
        let selected = state.selection.feature.filter(|_| here);
        let key = (dictionary.id, head, state.heads.roles.revision, selected);
        let (features, points) = self.memo.get(key, |_| points(studied, head, selected));
        let plot = ScatterPlot {
            name: "Weights against text",
            x: "decoder share",
            y: "attribution share",
            points,
            height: HEIGHT,
            shares: true,
            definition: DEFINITION,
        };
        let (_, clicked) = plot.show(ui);
        if let Some(feature) = clicked.and_then(|at| features.get(at)) {
            commands.send(navigation::Command::FollowDictionary(dictionary.id));
            commands.send(navigation::Command::SelectFeature(Some(*feature)));
        }
    }
}

/// Returns the live features that are active on the text, those that the correlation is of, thinned; and their points.
fn points(
    studied: &Studied,
    head: Head,
    selected: Option<FeatureId>,
) -> (Vec<FeatureId>, Vec<ScatterPoint>) {
    let study = &studied.study;
    let live = (study.live.iter().enumerate()).filter(|(_, live)| **live);
    let live = live.map(|(feature, _)| FeatureId::from(feature));
    let live: Vec<FeatureId> = live.filter(|f| study.text.active(*f) > 0).collect();
    let step = live.len().div_ceil(POINTS).max(1);
    let thinned = live.into_iter().enumerate();
    let features: Vec<FeatureId> = thinned
        .filter(|(at, feature)| at.is_multiple_of(step) || Some(*feature) == selected)
        .map(|(_, feature)| feature)
        .collect();
    let point = |feature: &FeatureId| ScatterPoint {
        name: format!("Feature {feature}"),
        at: study.text.point(*feature, head),
        chosen: Some(*feature) == selected,
    };
    let points = features.iter().map(point).collect();
    (features, points)
}
