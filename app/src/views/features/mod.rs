//! The feature table: every feature, sorted, filtered and searched.

mod map;
pub(crate) mod model;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use egui::{EventFilter, Key, ScrollArea, Sense, TextEdit, Ui, vec2};
use umbra_core::ids::FeatureId;

use self::map::Map;
use self::model::{Filter, Inputs, rows};
use self::table::{Shown, TableReply, table_ui};
use super::missing::{foreign_index_ui, misfit_ui};
use super::view::View;
use crate::memo::Memo;
use crate::state::catalogue::Dictionary;
use crate::state::features::{Sort, Table};
use crate::state::requests::{Commands, dictionary, features, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, icons, space};
use crate::widgets::empty_state::{empty_state, failure_state};
use crate::widgets::focus as keyboard;
use crate::widgets::number::count;

/// Height of the map.
const MAP: f32 = 180.0;

/// A tile lower than this shows the table alone.
const ROOM_FOR_MAP: f32 = 480.0;

/// Everything the rows depend on.
#[derive(Debug, Clone, PartialEq)]
struct RowsKey {
    table: usize,
    labels: u64,
    filter: String,
    sort: Sort,
    found: usize,
}

/// The feature table: every feature, sorted, filtered and searched.
#[derive(Debug)]
pub(crate) struct FeaturesView {
    map: bool,
    rows: Memo<RowsKey, (Vec<u32>, Map)>,
    scroll_to: Option<FeatureId>,
}

impl Default for FeaturesView {
    fn default() -> Self {
        Self {
            map: true,
            rows: Memo::default(),
            scroll_to: None,
        }
    }
}

impl View for FeaturesView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let Some(dictionary) = state.dictionary() else {
            let sentence = "This screen lists the features of a dictionary.";
            if empty_state(ui, icons::TABLE, sentence, Some("Open a dictionary")) {
                commands.send(navigation::Command::Go(ViewId::Library));
            }
            return;
        };
        if let Some(why) = state.misfit() {
            return misfit_ui(ui, state, &format!("{why}."), commands);
        }
        if let Some(why) = state.foreign_index(dictionary.id) {
            return foreign_index_ui(ui, dictionary.id, why, commands);
        }
        match &state.features.table {
            Load::Ready(table) if table.dictionary == dictionary.id => {
                let table = Arc::clone(table);
                self.ready_ui(ui, &table, state, commands);
            }
            Load::Failed(why) if state.features.table_of == Some(dictionary.id) => {
                if failure_state(ui, "The index cannot be read", why, Some("Try again")) {
                    commands.send(features::Command::LoadTable);
                }
            }
            _ => no_table_ui(ui, dictionary, state, commands),
        }
    }
}

/// Why there is no table yet, and the way to one.
fn no_table_ui(ui: &mut Ui, dictionary: &Dictionary, state: &AppState, commands: &mut Commands) {
    let id = dictionary.id;
    match &dictionary.index {
        Load::Failed(why) => {
            let again = Some("Build index…");
            if failure_state(ui, "The index cannot be used", why, again) {
                commands.send(dictionary::Command::BuildIndex(id));
            }
        }
        Load::Absent if dictionary.index_path.is_none() => {
            let sentence = format!(
                "{} has no index yet. The index records where each feature fires, how often, and which tokens it promotes. Building it takes one pass \
                 over held-out text.",
                dictionary.name
            );
            if state.model().is_none() {
                let button = Some("Open the model");
                if empty_state(ui, icons::DATABASE, &sentence, button) {
                    commands.send(navigation::Command::Go(ViewId::Library));
                }
            } else if empty_state(ui, icons::DATABASE, &sentence, Some("Build index…")) {
                commands.send(dictionary::Command::BuildIndex(id));
            }
        }
        Load::Loading => {
            let sentence = "The index is being built; the strip below shows the progress.";
            empty_state(ui, icons::DATABASE, sentence, None);
        }
        Load::Absent | Load::Ready(_) => {}
    }
}

impl FeaturesView {
    fn ready_ui(
        &mut self,
        ui: &mut Ui,
        table: &Arc<Table>,
        state: &AppState,
        commands: &mut Commands,
    ) {
        self.filter_ui(ui, table, state, commands);
        let filter = Filter::parse(&state.features.filter);
        let found = found(state, &filter, commands);
        let name = state.dictionary().map_or("", |d| d.name.as_str());
        let key = RowsKey {
            table: Arc::as_ptr(table) as usize,
            labels: state.project.labels_revision,
            filter: state.features.filter.clone(),
            sort: state.features.sort,
            found: found
                .as_ref()
                .map_or(0, |found| Arc::as_ptr(found) as usize),
        };
        let Self {
            rows: memo,
            map: with_map,
            scroll_to,
            ..
        } = self;
        let (rows, map) = memo.get(key, |key| {
            let labels: Vec<_> = state.project.labels(name).collect();
            let inputs = Inputs {
                table,
                labels: &labels,
                found: found.as_deref().map_or(&[], Vec::as_slice),
            };
            let rows = rows(&inputs, &filter, key.sort);
            let map = Map::new(table, &rows);
            (rows, map)
        });
        if rows.is_empty() {
            nothing_ui(ui, state, &filter, commands);
            return;
        }
        let high = ui.available_height() > ROOM_FOR_MAP;
        if *with_map && high {
            ui.scope(|ui| map.ui(ui, MAP, (table, rows.as_slice()), state, commands));
            ui.add_space(space::CONTROL);
        }
        let area = ui.available_rect_before_wrap();
        let id = ui.scope_id().with("feature table");
        let focus = ui.interact(area, id, Sense::FOCUSABLE);
        keyboard::main(&focus);
        focus.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::Table, true, "Features of the dictionary")
        });
        let walked = keys(ui, &focus, rows, state.selection.feature);
        let bring = walked.0.or_else(|| scroll_to.take());
        let shown = Shown {
            table,
            rows,
            sort: state.features.sort,
            scroll_to: bring.and_then(|feature| rows.iter().position(|row| *row == feature.0)),
        };
        let mut reply = if ui.available_width() < table::LEAST {
            let size = vec2(table::LEAST, ui.available_height());
            let across = ScrollArea::horizontal().show(ui, |ui| {
                ui.allocate_ui(size, |ui| table_ui(ui, shown, state)).inner
            });
            across.inner
        } else {
            table_ui(ui, shown, state)
        };
        if reply.selected.is_some() {
            focus.request_focus();
        }
        reply.selected = reply.selected.or(walked.0);
        reply.opened = reply.opened.or(walked.1);
        if let Some(column) = reply.sort {
            let sort = state.features.sort.clicked(column);
            commands.send(features::Command::Sort(sort));
            *scroll_to = state.selection.feature;
        }
        send(&reply, commands);
    }

    fn filter_ui(&mut self, ui: &mut Ui, table: &Table, state: &AppState, commands: &mut Commands) {
        let mut filter = state.features.filter.clone();
        let shown = self.rows.latest().map_or(0, |(rows, _)| rows.len());
        ui.horizontal(|ui| {
            let secondary = Theme::from_ui(ui).ink.secondary;
            let name = ui.label(caption("Filter").color(secondary));
            let room = (ui.available_width() - 250.0).clamp(160.0, 460.0);
            let edit = TextEdit::singleline(&mut filter)
                .align(egui::Align2::LEFT_CENTER)
                .hint_text("king   #12   density<0.1%   max>5")
                .desired_width(room);
            let field = ui.add_sized(vec2(room, space::CONTROL_ROW), edit);
            keyboard::search(&field);
            field.labelled_by(name.id).on_hover_text(
                "Words search labels and the tokens of the index. #12 finds one feature. \
                     density, mean, max and norm accept < and >.",
            );
            if !filter.is_empty() {
                let clear = ui.small_button(icons::X).on_hover_text("Show all features");
                clear.widget_info(|| {
                    egui::WidgetInfo::labeled(egui::Role::Button, true, "Clear filter")
                });
                if clear.clicked() {
                    filter.clear();
                }
            }
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                ui.toggle_value(&mut self.map, "Map").on_hover_text(
                    "Plot density against largest activation, one point per feature",
                );
                let all = count(table.summaries.len() as u64);
                let text = if shown == table.summaries.len() {
                    format!("{all} features")
                } else {
                    format!("{} of {all} features", count(shown as u64))
                };
                let over = state.features.index.as_ref().map(|index| {
                    format!(
                        "Measured over {} tokens of {}, {}",
                        count(index.about.tokens),
                        index.about.corpus,
                        index.about.positions.said(index.about.left_out)
                    )
                });
                let label = ui.label(caption(text).color(secondary));
                if let Some(over) = over {
                    label.on_hover_text(over);
                }
            });
        });
        if filter != state.features.filter {
            commands.send(features::Command::Filter(filter));
        }
        ui.add_space(space::CHIP);
    }
}

/// Returns what the index found for the filter's words, and asks for it where needed.
fn found(
    state: &AppState,
    filter: &Filter,
    commands: &mut Commands,
) -> Option<Arc<Vec<FeatureId>>> {
    if filter.words.is_empty() {
        return None;
    }
    let indexed = state.dictionary()?.index.ready().is_some();
    if indexed && state.features.found.words != filter.words {
        commands.send(features::Command::Search(filter.words.clone()));
    }
    state.features.found.features.ready().map(Arc::clone)
}

fn nothing_ui(ui: &mut Ui, state: &AppState, filter: &Filter, commands: &mut Commands) {
    let looking = !filter.words.is_empty() && state.features.found.features.is_loading();
    if looking {
        return;
    }
    let sentence = match state.features.found.features.failure() {
        Some(why) if !filter.words.is_empty() => why.to_owned(),
        _ => format!("No feature matches “{}”.", state.features.filter),
    };
    if empty_state(ui, icons::FUNNEL, &sentence, Some("Show all features")) {
        commands.send(features::Command::Filter(String::new()));
    }
}

/// Arrow keys walk the rows, Enter opens: the feature walked to, and the one opened.
fn keys(
    ui: &Ui,
    focus: &egui::Response,
    rows: &[u32],
    selected: Option<FeatureId>,
) -> (Option<FeatureId>, Option<FeatureId>) {
    if !focus.has_focus() {
        return (None, None);
    }
    let filter = EventFilter {
        vertical_arrows: true,
        ..EventFilter::default()
    };
    ui.memory_mut(|memory| memory.set_focus_lock_filter(focus.id, filter));
    let pressed = |key| ui.input(|input| input.key_pressed(key));
    if pressed(Key::Enter) {
        return (None, selected);
    }
    let last = rows.len() - 1;
    let page = (focus.rect.height() / space::TABLE_ROW).max(2.0) as usize - 1;
    let at = selected.and_then(|feature| rows.iter().position(|row| *row == feature.0));
    let from = at.unwrap_or(0);
    let target = if pressed(Key::ArrowDown) {
        at.map_or(0, |at| at + 1)
    } else if pressed(Key::ArrowUp) {
        from.saturating_sub(1)
    } else if pressed(Key::PageDown) {
        from + page
    } else if pressed(Key::PageUp) {
        from.saturating_sub(page)
    } else if pressed(Key::Home) {
        0
    } else if pressed(Key::End) {
        last
    } else {
        return (None, None);
    };
    (Some(FeatureId(rows[target.min(last)])), None)
}

fn send(reply: &TableReply, commands: &mut Commands) {
    let page = |feature, beside| navigation::Command::Feature { feature, beside };
    if let Some(feature) = reply.opened {
        commands.send(page(feature, false));
    } else if let Some(feature) = reply.beside {
        commands.send(page(feature, true));
    } else if reply.selected.is_some() {
        commands.send(navigation::Command::SelectFeature(reply.selected));
    }
}
