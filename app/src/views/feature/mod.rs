//! The page of one feature.

pub(crate) mod card;
pub(crate) mod chips;
mod examples;
mod facts;
mod label;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use egui::{Align, Key, Layout, ScrollArea, Ui, UiBuilder, vec2};
use umbra_core::features::Detail;
use umbra_core::ids::FeatureId;

use self::label::LabelEditor;
use super::missing::{foreign_index_ui, misfit_ui};
use super::view::View;
use crate::state::requests::{Commands, dictionary, navigation, prompt, steering};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, icon, icons, page_title, space};
use crate::widgets::empty_state::{empty_state, failure_state};

/// Width from which the page has two columns.
const TWO_COLUMNS: f32 = 720.0;

/// Width of the left column.
const FACTS: f32 = 300.0;

/// The page of one feature.
#[derive(Debug, Default)]
pub(crate) struct FeatureView {
    label: LabelEditor,
    all_examples: bool,
    hovered: Option<f64>,
    /// The value that the histogram marked last.
    marked: Option<f64>,
}

impl View for FeatureView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let (Some(dictionary), Some(feature)) = (state.dictionary(), state.selection.feature)
        else {
            let sentence = "This screen shows one feature: the direction it reads, where it fires, and the tokens it promotes.";
            if empty_state(ui, icons::DIAMOND, sentence, Some("Go to Features")) {
                commands.send(navigation::Command::Go(ViewId::Features));
            }
            return;
        };
        if let Some(why) = state.misfit() {
            return misfit_ui(ui, state, &format!("{why}."), commands);
        }
        if let Some(why) = state.foreign_index(dictionary.id) {
            return foreign_index_ui(ui, dictionary.id, why, commands);
        }
        self.header_ui(ui, state, feature, commands);
        ui.add_space(space::CONTROL);
        match state.features.detail(dictionary.id, feature) {
            Load::Ready(detail) => {
                let detail = Arc::clone(detail);
                self.page_ui(ui, &detail, state, feature, commands);
            }
            Load::Failed(why) => {
                if failure_state(ui, "The page cannot be read", why, Some("Build index…")) {
                    commands.send(dictionary::Command::BuildIndex(dictionary.id));
                }
            }
            _ => {
                let absent = dictionary.index.is_absent() && dictionary.index_path.is_none();
                if absent {
                    let sentence = "No index shows where this feature fires yet.";
                    if empty_state(ui, icons::DATABASE, sentence, Some("Build index…")) {
                        commands.send(dictionary::Command::BuildIndex(dictionary.id));
                    }
                }
            }
        }
    }
}

impl FeatureView {
    fn header_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        feature: FeatureId,
        commands: &mut Commands,
    ) {
        let wide = ui.available_width() > TWO_COLUMNS;
        ui.horizontal(|ui| {
            steps_ui(ui, state, feature, commands);
            ui.label(page_title(format!("#{feature}")));
            let actions = if wide { 372.0 } else { 0.0 };
            let width = (ui.available_width() - actions).clamp(120.0, 420.0);
            self.label.ui(ui, width, state, feature, commands);
            if wide {
                ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                    actions_ui(ui, state, feature, commands);
                });
            }
        });
        if !wide {
            ui.horizontal(|ui| actions_ui(ui, state, feature, commands));
        }
    }

    fn page_ui(
        &mut self,
        ui: &mut Ui,
        detail: &Detail,
        state: &AppState,
        feature: FeatureId,
        commands: &mut Commands,
    ) {
        // The examples are drawn after the histogram that marks the one under the pointer.
        let mark = self.hovered.take();
        if mark != self.marked {
            self.marked = mark;
            ui.request_repaint();
        }
        let width = ui.available_width();
        if width < TWO_COLUMNS {
            ScrollArea::vertical().id_salt(feature).show(ui, |ui| {
                ui.set_width(width - space::CONTROL);
                facts_ui(ui, detail, mark, state, feature, commands);
                ui.add_space(space::GROUP);
                self.examples_ui(ui, detail, commands);
            });
            return;
        }
        let area = ui.available_rect_before_wrap();
        let left = area.with_max_x(area.left() + FACTS + space::CONTROL);
        let right = area.with_min_x(left.right() + space::GROUP);
        let column = |rect| {
            UiBuilder::new()
                .max_rect(rect)
                .layout(Layout::top_down(Align::Min))
        };
        ui.scope_builder(column(left), |ui| {
            ScrollArea::vertical()
                .id_salt(("facts", feature))
                .auto_shrink(false)
                .show(ui, |ui| {
                    ui.set_width(FACTS);
                    facts_ui(ui, detail, mark, state, feature, commands);
                });
        });
        let line = egui::Stroke::new(1.0, Theme::from_ui(ui).line.hair);
        ui.painter()
            .vline(left.right() + space::GROUP / 2.0, area.y_range(), line);
        ui.scope_builder(column(right), |ui| {
            ScrollArea::vertical()
                .id_salt(("examples", feature))
                .auto_shrink(false)
                .show(ui, |ui| {
                    ui.set_width(right.width() - space::CONTROL);
                    self.examples_ui(ui, detail, commands);
                });
        });
    }

    fn examples_ui(&mut self, ui: &mut Ui, detail: &Detail, commands: &mut Commands) {
        if detail.top.is_empty() {
            facts::silent_ui(ui);
            return;
        }
        self.hovered = examples::examples_ui(ui, detail, &mut self.all_examples, commands);
    }
}

fn facts_ui(
    ui: &mut Ui,
    detail: &Detail,
    mark: Option<f64>,
    state: &AppState,
    feature: FeatureId,
    commands: &mut Commands,
) {
    facts::scalars_ui(ui, detail, state);
    ui.add_space(space::GROUP);
    if !detail.top.is_empty() {
        facts::histogram_ui(ui, detail, mark);
        ui.add_space(space::GROUP);
    }
    facts::effects_ui(ui, detail, state);
    ui.add_space(space::GROUP);
    facts::heads_ui(ui, detail, state, commands);
    ui.add_space(space::GROUP);
    facts::neighbours_ui(ui, state, feature, commands);
    facts::logits_ui(ui, detail);
}

/// Previous and next feature, by buttons and by `[` and `]`.
fn steps_ui(ui: &mut Ui, state: &AppState, feature: FeatureId, commands: &mut Commands) {
    let last = state
        .sae()
        .map(|sae| sae.features())
        .or_else(|| Some(state.features.table.ready()?.summaries.len()))
        .map_or(0, |features| features.saturating_sub(1) as u32);
    let free = ui.memory(|memory| memory.focused().is_none());
    let steps = [
        (
            icons::CARET_LEFT,
            "Previous feature",
            Key::OpenBracket,
            feature.0.checked_sub(1),
        ),
        (
            icons::CARET_RIGHT,
            "Next feature",
            Key::CloseBracket,
            (feature.0 < last).then(|| feature.0 + 1),
        ),
    ];
    ui.spacing_mut().item_spacing.x = space::CHIP;
    for (symbol, name, key, target) in steps {
        let sign = if key == Key::OpenBracket { "[" } else { "]" };
        let button =
            egui::Button::new(icon(symbol)).min_size(vec2(space::CONTROL_ROW, space::CONTROL_ROW));
        let response = ui
            .add_enabled(target.is_some(), button)
            .on_hover_text(format!("{name} ({sign})"));
        response
            .widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, target.is_some(), name));
        let pressed = free && ui.input(|input| input.key_pressed(key));
        if let Some(target) = target.filter(|_| response.clicked() || pressed) {
            commands.send(navigation::Command::Feature {
                feature: FeatureId(target),
                beside: false,
            });
        }
    }
    ui.spacing_mut().item_spacing.x = space::CONTROL;
}

fn actions_ui(ui: &mut Ui, state: &AppState, feature: FeatureId, commands: &mut Commands) {
    let steer = ui
        .button("Steer with this feature")
        .on_hover_text("Add this feature's decoder row while the model generates text");
    if steer.clicked()
        && let Some(dictionary) = state.selection.dictionary
    {
        commands.send(steering::Command::Steer(dictionary, vec![feature]));
    }
    let open = ui
        .button("Open in Prompt")
        .on_hover_text("Opens its strongest example, token by token");
    if open.clicked() {
        let dictionary = state.selection.dictionary;
        let known = dictionary.and_then(|id| state.features.detail(id, feature).ready());
        match known.and_then(|detail| detail.top.first()) {
            Some(example) => commands.send(prompt::Command::Example {
                example: Box::new(example.clone()),
                at: example.at,
            }),
            None => commands.send(navigation::Command::Go(ViewId::Prompt)),
        }
    }
    let copy = ui
        .button("Copy link")
        .on_hover_text("Copies a link to this feature, for “umbra open” and “Open a link…”");
    if copy.clicked() {
        commands.send(navigation::Command::CopyLink(feature));
    }
    if let Some(page) = state.sae().and_then(|sae| super::actions::neuronpedia(sae)) {
        let page = format!("{page}/{feature}");
        ui.hyperlink_to(
            egui::RichText::new("Open on Neuronpedia").underline(),
            &page,
        )
        .on_hover_text(&page);
    }
}
