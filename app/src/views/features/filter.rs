//! The two lines above the features: the filter with what is saved of it, and what is shown in which layout.

use egui::{Align, Layout, Ui};
use umbra_core::features::filter::{Columns, Filter};

use super::field::{FilterField, remark_ui};
use super::offers;
use crate::state::AppState;
use crate::state::features::{Query, Table};
use crate::state::requests::{Commands, features};
use crate::theme::{Theme, caption, icons, space};
use crate::widgets::grid::{self, Column};
use crate::widgets::number::count;
use crate::widgets::parts::{icon_button, inline_icon_button};
use crate::words;

/// Room right of the field.
const RIGHT: f32 = 250.0;

/// Widths of the field.
const LEAST: f32 = 160.0;
const MOST: f32 = 620.0;

/// Width of the line from which buttons that measure stand in it, and the room that each takes.
const ROOM_TO_MEASURE: f32 = 520.0;
const MEASURE: f32 = 130.0;

/// How the features are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Arranged {
    /// As rows of a table.
    #[default]
    List,
    /// As cards.
    Cards,
}

/// Draws the filter's line; returns what a person made of the text.
pub(super) fn filter_ui(
    ui: &mut Ui,
    field: &mut FilterField,
    (table, columns): (&Table, &[Column<'_>]),
    state: &AppState,
    commands: &mut Commands,
) {
    let mut text = state.features.filter.clone();
    ui.horizontal(|ui| {
        let secondary = Theme::from_ui(ui).ink.secondary;
        let name = ui.label(caption("Filter").color(secondary));
        let width = (ui.available_width() - RIGHT).clamp(LEAST, MOST);
        let of_table: &Columns = table;
        let edit = field.ui(ui, &mut text, (of_table, width));
        edit.labelled_by(name.id);
        if !text.is_empty() {
            let clear = ui.small_button(icons::X).on_hover_text("Show all features");
            clear.widget_info(|| {
                egui::WidgetInfo::labeled(egui::Role::Button, true, "Clear filter")
            });
            if clear.clicked() {
                text.clear();
            }
        }
        saved_ui(ui, &mut text, state, commands);
        ui.menu_button(format!("Columns {}", icons::CARET_DOWN), |ui| {
            grid::columns_ui(ui, super::ALL, columns);
        });
    });
    if text != state.features.filter {
        commands.send(features::Command::Filter(text));
    }
    let lacks = field
        .filter()
        .1
        .lacks(table, &umbra_core::features::filter::Sort::default());
    remark_ui(ui, field, &lacks);
}

/// The filters that the project keeps, and the button that keeps this one.
fn saved_ui(ui: &mut Ui, text: &mut String, state: &AppState, commands: &mut Commands) {
    let Some(project) = state.project.open() else {
        return;
    };
    let now = text.trim().to_owned();
    let known = now.is_empty() || project.filters.contains(&now);
    if project.filters.is_empty() && known {
        return;
    }
    ui.menu_button(format!("Saved {}", icons::CARET_DOWN), |ui| {
        ui.set_max_width(460.0);
        for saved in &project.filters {
            ui.horizontal(|ui| {
                let name = format!("Remove the filter {saved}");
                if inline_icon_button(ui, icons::TRASH, &name).clicked() {
                    commands.send(features::Command::DropFilter(saved.clone()));
                }
                let button = egui::Button::new(saved.as_str()).truncate().frame(false);
                if ui.add(button).clicked() {
                    text.clone_from(saved);
                    ui.close();
                }
            });
        }
        if !known {
            if !project.filters.is_empty() {
                ui.separator();
            }
            let save = ui.button("Save this filter");
            if save
                .on_hover_text("Keeps the filter with the project")
                .clicked()
            {
                commands.send(features::Command::KeepFilter(now));
                ui.close();
            }
        }
    });
}

/// Switches of the line below the filter.
#[derive(Debug)]
pub(super) struct Switches<'a> {
    pub(super) arranged: &'a mut Arranged,
    pub(super) map: &'a mut bool,
    /// Why the map cannot be seen.
    pub(super) hides: Option<&'a str>,
}

/// Draws how many features are shown, what can be measured, and the layouts.
pub(super) fn shown_ui(
    ui: &mut Ui,
    switches: &mut Switches<'_>,
    (table, filter, shown): (&Table, &Filter, usize),
    state: &AppState,
    commands: &mut Commands,
) {
    ui.horizontal(|ui| {
        ui.set_min_height(space::CONTROL_ROW);
        let secondary = Theme::from_ui(ui).ink.secondary;
        let room = (ui.available_width() - ROOM_TO_MEASURE) / MEASURE;
        let offers = room.max(0.0) as usize;
        let label = ui.label(caption(counted(table, state, filter, shown)).color(secondary));
        let over = state.features.index.as_ref().map(|index| {
            format!(
                "Measured over {} tokens of {}, {}",
                count(index.about.tokens),
                index.about.corpus,
                words::said(&index.about.positions.said(index.about.left_out))
            )
        });
        if let Some(over) = over {
            label.on_hover_text(over);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            map_button_ui(ui, switches.map, switches.hides);
            for (arranged, words, help) in [
                (Arranged::Cards, "Grid", "Show each feature as a card"),
                (Arranged::List, "List", "Show each feature as a row"),
            ] {
                let chosen = *switches.arranged == arranged;
                let button = ui.selectable_label(chosen, words).on_hover_text(help);
                if button.clicked() {
                    *switches.arranged = arranged;
                }
            }
            offers::offers_ui(ui, (table, offers), state, commands);
        });
    });
    ui.add_space(space::CHIP);
}

/// Shows or hides the map; pressed only while the map is seen, disabled with the reason where it cannot be.
fn map_button_ui(ui: &mut Ui, map: &mut bool, hides: Option<&str>) {
    let pressed = *map && hides.is_none();
    let button = egui::Button::selectable(pressed, "Map");
    let response = ui.add_enabled(hides.is_none(), button);
    if response.clicked() {
        *map = !pressed;
    }
    response
        .on_hover_text("Plot one point per feature: density against largest activation, or the directions of decoder rows")
        .on_disabled_hover_text(hides.unwrap_or_default());
}

/// How many features are shown, or that a search is under way.
fn counted(table: &Table, state: &AppState, filter: &Filter, shown: usize) -> String {
    let all = count(table.summaries.len() as u64);
    let found = &state.features.found;
    let searches = !filter.texts().is_empty() && found.answers.is_loading();
    if asked_anew(state, filter) {
        "reading…".to_owned()
    } else if searches && state.features.words.is_loading() {
        "Reading the words of the index…".to_owned()
    } else if searches {
        "Searching…".to_owned()
    } else if shown == table.summaries.len() {
        format!("{all} features")
    } else {
        format!("{} of {all} features", count(shown as u64))
    }
}

/// Whether the filter has texts that the index was not asked for yet.
pub(super) fn asked_anew(state: &AppState, filter: &Filter) -> bool {
    let query = query(state, filter);
    let indexed = state.selection.dictionary.and_then(|id| state.index_of(id));
    !query.texts.is_empty() && indexed.is_some() && state.features.found.query.texts != query.texts
}

/// The search that a filter needs.
pub(super) fn query(state: &AppState, filter: &Filter) -> Query {
    Query {
        texts: filter.texts(),
        labels: state.project.labels_revision,
    }
}

/// A button that closes a panel.
pub(super) fn close_ui(ui: &mut Ui, name: &str) -> bool {
    icon_button(ui, icons::X, name).clicked()
}
