//! The page of one feature.

pub(crate) mod card;
pub(crate) mod chips;
mod examples;
mod facts;
mod header;
mod label;
mod missed;
mod offered;
mod predicate;
mod relations;
pub(crate) mod sentence;
mod steer;
#[cfg(test)]
mod tests;
mod uses;
mod written;

use std::sync::Arc;

use egui::{Align, Layout, Rect, ScrollArea, Ui, UiBuilder, vec2};
use umbra_core::features::Detail;
use umbra_core::ids::FeatureId;

use self::examples::{Examples, Found};
use self::label::LabelEditor;
use self::predicate::PredicatePart;
use self::steer::Trial;
use super::missing::{foreign_index_ui, misfit_ui};
use super::view::View;
use crate::state::AppState;
use crate::state::catalogue::Dictionary;
use crate::state::requests::{Commands, dictionary, navigation};
use crate::state::view::ViewId;
use crate::theme::{Theme, caption, icons, space};
use crate::widgets::empty_state::{empty_state, failure_state};
use crate::widgets::scroll::scroll_ui;

/// Widths from which the page has two columns and three.
const COLUMNS: [f32; 2] = [720.0, 1080.0];

/// Width of the facts, and of the sentence and steering beside them.
const FACTS: f32 = 288.0;

/// Width of the sentence and steering in a column of their own.
const BENCH: f32 = 336.0;

/// The page of one feature.
#[derive(Debug, Default)]
pub(crate) struct FeatureView {
    label: LabelEditor,
    examples: Examples,
    trial: Trial,
    predicate: PredicatePart,
    /// The value that the histogram marked last.
    marked: Option<f64>,
}

/// Subject of a page.
#[derive(Debug, Clone, Copy)]
struct Page<'a> {
    state: &'a AppState,
    dictionary: &'a Dictionary,
    feature: FeatureId,
    /// Facts that the index has.
    detail: Option<&'a Detail>,
    /// Activation of the example under the pointer.
    mark: Option<f64>,
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
        let known = state.features.detail(dictionary.id, feature);
        let detail = known.ready().map(Arc::clone);
        // The examples are drawn after the histogram that marks the one under the pointer.
        let mark = self.examples.take_hovered();
        if mark != self.marked {
            self.marked = mark;
            ui.request_repaint();
        }
        let page = Page {
            state,
            dictionary,
            feature,
            detail: detail.as_deref(),
            mark,
        };
        if ui.available_width() >= COLUMNS[0] {
            if self.head_ui(ui, page, commands) {
                self.columns_ui(ui, page, commands);
            }
            return;
        }
        let width = ui.available_width() - space::CONTROL;
        let area = ScrollArea::vertical().auto_shrink(false);
        scroll_ui(ui, "feature", area.id_salt(feature), |ui| {
            ui.set_width(width);
            if self.head_ui(ui, page, commands) {
                self.single_ui(ui, page, commands);
            }
        });
    }

    fn least(&self) -> egui::Vec2 {
        vec2(400.0, 200.0)
    }
}

impl FeatureView {
    /// Draws the head, and what is wrong with the dictionary; answers whether more can be shown.
    fn head_ui(&mut self, ui: &mut Ui, page: Page<'_>, commands: &mut Commands) -> bool {
        header::header_ui(ui, page, &mut self.label, commands);
        ui.add_space(space::CONTROL);
        let Some(why) = page.state.misfit() else {
            return true;
        };
        misfit_ui(ui, page.state, &format!("{why}."), commands);
        ui.add_space(space::CONTROL);
        page.detail.is_some()
    }

    fn columns_ui(&mut self, ui: &mut Ui, page: Page<'_>, commands: &mut Commands) {
        let width = ui.available_width();
        let area = ui.available_rect_before_wrap();
        let facts = area.with_max_x(area.left() + FACTS + space::CONTROL);
        let rest = area.with_min_x(facts.right() + space::GROUP);
        if width < COLUMNS[1] {
            column_ui(ui, (facts, "facts", page.feature), |ui| {
                self.bench_ui(ui, page, commands);
                facts_ui(ui, page, commands);
            });
            line_ui(ui, area, facts.right());
            column_ui(ui, (rest, "examples", page.feature), |ui| {
                self.examples_ui(ui, page, commands);
            });
            return;
        }
        let bench = rest.with_min_x(rest.right() - BENCH - space::CONTROL);
        let middle = rest.with_max_x(bench.left() - space::GROUP);
        column_ui(ui, (facts, "facts", page.feature), |ui| {
            facts_ui(ui, page, commands);
        });
        line_ui(ui, area, facts.right());
        column_ui(ui, (middle, "examples", page.feature), |ui| {
            self.examples_ui(ui, page, commands);
        });
        line_ui(ui, area, middle.right());
        column_ui(ui, (bench, "bench", page.feature), |ui| {
            self.bench_ui(ui, page, commands);
        });
    }

    /// Everything under one another: examples first, then a sentence, steering, the facts.
    fn single_ui(&mut self, ui: &mut Ui, page: Page<'_>, commands: &mut Commands) {
        let detail = page.detail.filter(|detail| !detail.top.is_empty());
        match detail {
            Some(detail) => self.examples.few_ui(ui, Found::new(page, detail), commands),
            None => unknown_ui(ui, page, commands),
        }
        ui.add_space(space::GROUP);
        self.bench_ui(ui, page, commands);
        facts_ui(ui, page, commands);
        if let Some(detail) = detail {
            ui.add_space(space::GROUP);
            let found = Found::new(page, detail);
            self.examples.intervals_ui(ui, found, commands);
        }
        ui.add_space(space::GROUP);
        missed::missed_ui(ui, page, commands);
    }

    fn examples_ui(&mut self, ui: &mut Ui, page: Page<'_>, commands: &mut Commands) {
        match page.detail.filter(|detail| !detail.top.is_empty()) {
            Some(detail) => self.examples.ui(ui, Found::new(page, detail), commands),
            None => unknown_ui(ui, page, commands),
        }
        ui.add_space(space::GROUP);
        missed::missed_ui(ui, page, commands);
    }

    /// A sentence with the feature's colours, and steering; nothing where the dictionary does not fit the model.
    fn bench_ui(&mut self, ui: &mut Ui, page: Page<'_>, commands: &mut Commands) {
        let Page { state, feature, .. } = page;
        if state.misfit().is_some() {
            return;
        }
        sentence::sentence_ui(ui, state, feature, commands);
        ui.add_space(space::GROUP);
        if state.model().is_some() {
            self.trial.ui(ui, state, feature, commands);
            ui.add_space(space::GROUP);
            let of = (page.dictionary.id, feature);
            self.predicate.ui(ui, state, of, commands);
            ui.add_space(space::GROUP);
        }
    }
}

/// A column that scrolls for itself.
fn column_ui(
    ui: &mut Ui,
    (rect, name, feature): (Rect, &str, FeatureId),
    draw: impl FnOnce(&mut Ui),
) {
    let place = UiBuilder::new()
        .max_rect(rect)
        .layout(Layout::top_down(Align::Min));
    ui.scope_builder(place, |ui| {
        let area = ScrollArea::vertical().auto_shrink(false);
        scroll_ui(ui, name, area.id_salt((name, feature)), |ui| {
            ui.set_width(rect.width() - space::CONTROL);
            draw(ui);
        });
    });
}

/// A hairline between two columns.
fn line_ui(ui: &Ui, area: Rect, right: f32) {
    let line = egui::Stroke::new(1.0, Theme::from_ui(ui).line.hair);
    ui.painter()
        .vline(right + space::GROUP / 2.0, area.y_range(), line);
}

/// Says why there are no examples, and how to get some.
fn unknown_ui(ui: &mut Ui, page: Page<'_>, commands: &mut Commands) {
    let Page {
        state, dictionary, ..
    } = page;
    let build = dictionary::Command::BuildIndex(dictionary.id);
    if page.detail.is_some() {
        return facts::silent_ui(ui);
    }
    if let Some(why) = state.foreign_index(dictionary.id) {
        return foreign_index_ui(ui, dictionary.id, why, commands);
    }
    let known = state.features.detail(dictionary.id, page.feature);
    let failed = known.failure().or_else(|| dictionary.index.failure());
    if let Some(why) = failed {
        if failure_state(ui, "The index cannot be read", why, Some("Build index…")) {
            commands.send(build);
        }
        return;
    }
    if dictionary.index.is_absent() && dictionary.index_path.is_none() {
        let sentence = "No index shows where this feature fires yet.";
        if empty_state(ui, icons::DATABASE, sentence, Some("Build index…")) {
            commands.send(build);
        }
        return;
    }
    ui.label(caption("Reading the index…").color(Theme::from_ui(ui).ink.secondary));
}

fn facts_ui(ui: &mut Ui, page: Page<'_>, commands: &mut Commands) {
    let Page { state, feature, .. } = page;
    if let Some(detail) = page.detail {
        offered::offered_ui(ui, page, commands);
        if !detail.top.is_empty() {
            facts::histogram_ui(ui, detail, page.mark, state);
            ui.add_space(space::GROUP);
        }
        facts::effects_ui(ui, detail, state);
        ui.add_space(space::GROUP);
        facts::heads_ui(ui, detail, state, commands);
        ui.add_space(space::GROUP);
        written::written_ui(ui, detail, state, commands);
        uses::uses_ui(ui, detail);
        relations::coactive_ui(ui, detail, state, commands);
    }
    facts::neighbours_ui(ui, state, feature, commands);
    if let Some(detail) = page.detail {
        ui.add_space(space::GROUP);
        relations::neurons_ui(ui, detail);
        facts::logits_ui(ui, detail);
    }
}
