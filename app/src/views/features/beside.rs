//! Several features side by side: each as a panel with figures, histogram, examples and tokens, and what the index knows of each pair.

use egui::{Frame, Key, Modifiers, ScrollArea, Ui};
use umbra_core::ids::FeatureId;

use super::filter::close_ui;
use crate::state::AppState;
use crate::state::requests::Commands;
use crate::theme::{Theme, caption, panel_title, space};
use crate::views::feature::card;
use crate::widgets::number::{counted, number};

/// Features side by side at most.
pub(super) const MOST: usize = 8;

/// Width of a panel.
const WIDTH: f32 = 330.0;

/// Draws the panels; returns whether they are to be closed. A panel's own button takes its feature away.
pub(super) fn beside_ui(
    ui: &mut Ui,
    features: &mut Vec<FeatureId>,
    state: &AppState,
    commands: &mut Commands,
) -> bool {
    let mut close = false;
    ui.horizontal(|ui| {
        let count = counted(features.len() as u64, "feature");
        ui.label(panel_title(format!("{count} side by side")));
        close = close_ui(ui, "Back to all features");
    });
    let typing = ui.ctx().text_edit_focused();
    close |= !typing && ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape));
    let mut gone = None;
    let height = ui.available_height();
    let all: &[FeatureId] = features;
    ScrollArea::both()
        .id_salt("features side by side")
        .auto_shrink(false)
        .show(ui, |ui| {
            ui.horizontal_top(|ui| {
                ui.spacing_mut().item_spacing.x = space::PANEL;
                for feature in all {
                    if panel_ui(ui, (*feature, all, height), state, commands) {
                        gone = Some(*feature);
                    }
                }
            });
        });
    features.retain(|feature| Some(*feature) != gone);
    close || features.is_empty()
}

/// Draws the panel of a feature; whether it is to go.
fn panel_ui(
    ui: &mut Ui,
    (feature, all, height): (FeatureId, &[FeatureId], f32),
    state: &AppState,
    commands: &mut Commands,
) -> bool {
    let theme = Theme::from_ui(ui);
    let frame = Frame::new()
        .fill(theme.surface.raised)
        .stroke(egui::Stroke::new(1.0, theme.line.hair))
        .corner_radius(space::CORNER)
        .inner_margin(space::PANEL);
    let content = |ui: &mut Ui| {
        ui.set_width(WIDTH);
        ui.set_min_height(height - 3.0 * space::PANEL);
        let gone = close_ui(ui, &format!("Take feature {feature} away"));
        card::panel_ui(ui, state, feature, commands);
        pairs_ui(ui, state, (feature, all));
        gone
    };
    ui.push_id(feature, |ui| frame.show(ui, content).inner)
        .inner
}

/// Draws how a feature relates to each of the others: cosine of decoder rows, Jaccard index of active tokens.
fn pairs_ui(ui: &mut Ui, state: &AppState, (feature, all): (FeatureId, &[FeatureId])) {
    let Some(of) = state.dictionary() else { return };
    let detail = state.features.detail(of.id, feature).ready();
    let Some(relations) = detail.and_then(|detail| detail.relations.as_ref()) else {
        return;
    };
    let mut lines = Vec::new();
    for other in all.iter().filter(|other| **other != feature) {
        let near = relations.neighbours.iter().find(|n| n.feature == *other);
        let coactive = relations.coactive.iter().find(|c| c.feature == *other);
        let cosine = near.map(|near| format!("cosine {}", number(near.cosine.into())));
        let jaccard = coactive.map(|both| format!("Jaccard index {}", number(both.jaccard)));
        let known: Vec<String> = cosine.into_iter().chain(jaccard).collect();
        if !known.is_empty() {
            lines.push(format!("with #{other}: {}", known.join(", ")));
        }
    }
    if lines.is_empty() {
        return;
    }
    ui.add_space(space::CONTROL);
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(caption("Among these features").color(secondary))
        .on_hover_text("Cosine of the two decoder rows, and tokens on which both are active over tokens on which either is, where they are among the nearest that the index lists");
    for line in lines {
        ui.label(caption(line));
    }
}
