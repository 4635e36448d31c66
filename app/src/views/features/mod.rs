//! The feature table: every feature, sorted, filtered and searched.

mod bar;
mod label;
mod map;
pub(crate) mod model;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use egui::{Id, Key, TextEdit, Ui, vec2};
use umbra_core::features::Hit;
use umbra_core::ids::FeatureId;

use self::bar::ActionBar;
use self::label::NameEditor;
use self::map::Map;
use self::model::{Filter, Inputs, rows};
use self::table::{Found, TableRows};
use super::missing::{foreign_index_ui, misfit_ui};
use super::view::View;
use crate::memo::Memo;
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::features::{Column, Query, Seeker, Sort, Table};
use crate::state::requests::{Commands, dictionary, families, features, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, icons, space};
use crate::widgets::empty_state::{empty_state, failure_state};
use crate::widgets::focus as keyboard;
use crate::widgets::grid::{self, Grid, Reply, Selection, arrangement};
use crate::widgets::number::count;
use crate::words;

/// Height of the map.
const MAP: f32 = 180.0;

/// A tile lower than this shows the table alone.
const ROOM_FOR_MAP: f32 = 480.0;

/// Width of the filter's line from which the button that measures families stands in it, and the room that the button takes.
const ROOM_TO_MEASURE: f32 = 760.0;
const MEASURE: f32 = 130.0;

/// Name of the table in the settings.
const ALL: &str = "features";

/// Name of the table of what a search found.
const FOUND: &str = "found features";

/// Everything the rows depend on.
#[derive(Debug, Clone, PartialEq)]
struct RowsKey {
    table: usize,
    labels: u64,
    filter: String,
    sort: Sort,
    found: usize,
}

/// Rows and map of a key.
#[derive(Debug, Default)]
struct Shown {
    rows: Vec<u32>,
    found: Found,
    map: Map,
}

/// The feature table: every feature, sorted, filtered and searched.
#[derive(Debug)]
pub(crate) struct FeaturesView {
    map: bool,
    shown: Memo<RowsKey, Shown>,
    selection: Selection,
    editor: NameEditor,
    bar: ActionBar,
    /// The feature that was selected in the window in the last frame.
    followed: Option<FeatureId>,
    /// Words of the search that the table is ordered for.
    words: String,
    /// The table is drawn for the first time.
    fresh: bool,
    /// Dictionary whose features were drawn last.
    of: Option<DictionaryId>,
}

impl Default for FeaturesView {
    fn default() -> Self {
        Self {
            map: true,
            shown: Memo::default(),
            selection: Selection::default(),
            editor: NameEditor::default(),
            bar: ActionBar::default(),
            followed: None,
            words: String::new(),
            fresh: true,
            of: None,
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
        let changed = self.begin_dictionary(table.dictionary);
        let filter = Filter::parse(&state.features.filter);
        let found = found(state, &filter, commands);
        self.begin_search(ui, &filter.words);
        let searched = !filter.words.is_empty();
        let (name, first) = if searched {
            (FOUND, Column::Relevance)
        } else {
            (ALL, Column::Max)
        };
        let sort = sort_of(ui, name, first);
        self.shown_of(table, state, &filter, (sort, found.as_ref()));
        self.filter_ui(ui, table, state, commands);
        let count = self.shown.latest().map_or(0, |shown| shown.rows.len());
        if count == 0 {
            nothing_ui(ui, state, &filter, commands);
            return;
        }
        let high = ui.available_height() > ROOM_FOR_MAP;
        if self.map && high && !searched {
            if let Some(shown) = self.shown.latest() {
                ui.scope(|ui| shown.map.ui(ui, MAP, (table, &shown.rows), state, commands));
            }
            ui.add_space(space::CONTROL);
        }
        self.editor.follow(commands);
        let reveal = self.follow_selection(state).or(changed.then_some(0));
        let several = self.selection.len() > 1;
        let bar = if several {
            ActionBar::HEIGHT + space::CHIP
        } else {
            0.0
        };
        let room = vec2(ui.available_width(), ui.available_height() - bar);
        let layout = egui::Layout::top_down(egui::Align::Min);
        ui.allocate_ui_with_layout(room, layout, |ui| {
            self.grid_ui(ui, (name, first, reveal), (table, state), commands);
        });
        if several {
            self.bar_ui(ui, state, commands);
        }
    }

    /// The table of another dictionary has no rows selected and no label half written; whether it is another.
    fn begin_dictionary(&mut self, id: DictionaryId) -> bool {
        let changed = self.of.replace(id).is_some_and(|before| before != id);
        if changed {
            self.selection.clear();
            self.editor = NameEditor::default();
            self.bar = ActionBar::default();
            self.followed = None;
        }
        changed
    }

    /// Another search is ordered by relevance, whatever the last one was ordered by.
    fn begin_search(&mut self, ui: &Ui, words: &str) {
        if self.words == words {
            return;
        }
        words.clone_into(&mut self.words);
        let mut kept = arrangement::of(ui.ctx(), FOUND);
        if kept.sort.take().is_some() {
            arrangement::change(ui.ctx(), FOUND, kept);
        }
    }

    /// Computes the rows, if anything that they depend on is another.
    fn shown_of(
        &mut self,
        table: &Arc<Table>,
        state: &AppState,
        filter: &Filter,
        (sort, found): (Sort, Option<&Arc<Vec<Hit>>>),
    ) {
        let key = RowsKey {
            table: Arc::as_ptr(table) as usize,
            labels: state.project.labels_revision,
            filter: state.features.filter.clone(),
            sort,
            found: found.map_or(0, |found| Arc::as_ptr(found) as usize),
        };
        let name = state.dictionary().map_or("", |d| d.name.as_str());
        self.shown.get(key, |key| {
            let labels: Vec<_> = state.project.labels(name).collect();
            let inputs = Inputs {
                table,
                labels: &labels,
                found: found.map_or(&[][..], |found| found.as_slice()),
            };
            let rows = rows(&inputs, filter, key.sort);
            Shown {
                map: Map::new(table, &rows),
                found: Found::new(found, table.summaries.len()),
                rows,
            }
        });
    }

    /// A feature that was selected elsewhere is selected here; the row to bring into view.
    fn follow_selection(&mut self, state: &AppState) -> Option<usize> {
        let selected = state.selection.feature;
        if selected == self.followed && !self.fresh {
            return None;
        }
        self.followed = selected;
        self.fresh = false;
        let feature = selected?;
        if self.selection.cursor() == Some(feature.0.into()) {
            return None;
        }
        self.selection.only(feature.0.into());
        let rows = &self.shown.latest()?.rows;
        rows.iter().position(|row| *row == feature.0)
    }

    fn grid_ui(
        &mut self,
        ui: &mut Ui,
        (name, first, reveal): (&'static str, Column, Option<usize>),
        (table, state): (&Table, &AppState),
        commands: &mut Commands,
    ) {
        let Self {
            shown,
            selection,
            editor,
            bar,
            ..
        } = self;
        let Some(shown) = shown.latest() else { return };
        let focus = Id::unique(("grid", name));
        let one = selection.cursor().filter(|_| selection.len() == 1);
        let asked = ui.memory(|memory| memory.has_focus(focus))
            && ui.input_mut(|input| input.consume_key(egui::Modifiers::NONE, Key::F2));
        if let Some(key) = one.filter(|_| asked) {
            let feature = FeatureId(key as u32);
            editor.begin(feature, state.label(feature).unwrap_or_default());
        }
        let mut action = None;
        let mut rows = TableRows {
            state,
            table,
            rows: &shown.rows,
            found: &shown.found,
            editor,
            focus,
            commands,
            action: &mut action,
        };
        let measured = table.families().is_some();
        let columns = if name == FOUND {
            table::found_columns(ui, &shown.found, measured)
        } else {
            table::columns(measured)
        };
        let grid = Grid::new(name, &columns)
            .columns_of(ALL)
            .title("Features of the dictionary")
            .fill()
            .several()
            .ordered_by(first.id(), first == Column::Max)
            .reveal(reveal);
        let reply = grid.show(ui, &mut rows, selection);
        if let Some((action, features)) = action {
            bar.act(action, features, (state, editor), commands);
        }
        send(&reply, &shown.rows, commands);
    }

    fn bar_ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        ui.add_space(space::CHIP);
        let selected: Vec<FeatureId> = self
            .selection
            .keys()
            .map(|key| FeatureId(key as u32))
            .collect();
        let clear = self
            .bar
            .ui(ui, (state, &selected), &mut self.editor, commands);
        if clear {
            self.selection.clear();
        }
    }

    fn filter_ui(&mut self, ui: &mut Ui, table: &Table, state: &AppState, commands: &mut Commands) {
        let mut filter = state.features.filter.clone();
        let shown = self.shown.latest().map_or(0, |shown| shown.rows.len());
        let hides = if !Filter::parse(&filter).words.is_empty() {
            Some("No map while words are searched: the table is ordered by relevance")
        } else if ui.available_height() <= ROOM_FOR_MAP {
            Some("No room for the map: enlarge the window or make the text smaller")
        } else {
            None
        };
        ui.horizontal(|ui| {
            let secondary = Theme::from_ui(ui).ink.secondary;
            let name = ui.label(caption("Filter").color(secondary));
            let measure = ui.available_width() > ROOM_TO_MEASURE && table.families().is_none();
            let right = if measure { 250.0 + MEASURE } else { 250.0 };
            let room = (ui.available_width() - right).clamp(160.0, 460.0);
            let edit = TextEdit::singleline(&mut filter)
                .align(egui::Align2::LEFT_CENTER)
                .hint_text("king   #12   density<0.1%   max>5")
                .desired_width(room);
            let field = ui.add_sized(vec2(room, space::CONTROL_ROW), edit);
            keyboard::search(&field);
            field.labelled_by(name.id)
                .on_hover_text(
                    "Words search labels, the text of examples, and promoted and suppressed tokens. #12 finds one feature. \
                     density, mean, max, norm, reach and induction accept < and >; family=local keeps one family.",
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
                self.map_button_ui(ui, hides);
                if measure {
                    measure_ui(ui, table.dictionary, state, commands);
                }
                let label = ui.label(caption(counted(table, state, shown)).color(secondary));
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
            });
        });
        if filter != state.features.filter {
            commands.send(features::Command::Filter(filter));
        }
        ui.add_space(space::CHIP);
    }
}

impl FeaturesView {
    /// Shows or hides the map; pressed only while the map is seen, disabled with the reason where it cannot be.
    fn map_button_ui(&mut self, ui: &mut Ui, hides: Option<&str>) {
        let mut pressed = self.map && hides.is_none();
        let button = egui::Button::selectable(pressed, "Map");
        let response = ui.add_enabled(hides.is_none(), button);
        if response.clicked() {
            pressed = !pressed;
            self.map = pressed;
        }
        response
            .on_hover_text("Plot density against largest activation, one point per feature")
            .on_disabled_hover_text(hides.unwrap_or_default());
    }
}

/// Offers to measure families, which the index lacks.
fn measure_ui(ui: &mut Ui, id: DictionaryId, state: &AppState, commands: &mut Commands) {
    let at_work = state.families.measuring.contains(&id);
    let ready = state.model().is_some() && !at_work;
    let button = ui.add_enabled(ready, egui::Button::new("Measure families"));
    let why = if at_work {
        "Families are being measured; the strip below shows the progress"
    } else {
        "Open the model first"
    };
    let help = "Measures on the index's text which features respond to induction, to local context or to long-range context, and adds the columns Family, Reach and \
                Induction";
    if button
        .on_hover_text(help)
        .on_disabled_hover_text(why)
        .clicked()
    {
        commands.send(families::Command::Measure(id));
    }
}

/// How many features are shown, or that a search is under way.
fn counted(table: &Table, state: &AppState, shown: usize) -> String {
    let all = count(table.summaries.len() as u64);
    let found = &state.features.found;
    let searches = !state.features.filter.is_empty() && found.hits.is_loading();
    if asked_anew(state) {
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

/// Whether the filter has words that the index was not asked for yet.
fn asked_anew(state: &AppState) -> bool {
    let words = Filter::parse(&state.features.filter).words;
    let indexed = state.selection.dictionary.and_then(|id| state.index_of(id));
    !words.is_empty() && indexed.is_some() && state.features.found.query.words != words
}

/// The order that a person chose for the table `name`, or its own.
fn sort_of(ui: &Ui, name: &str, first: Column) -> Sort {
    let own = Sort {
        column: first,
        descending: true,
    };
    let chosen = grid::sort(ui.ctx(), name).and_then(|chosen| {
        Some(Sort {
            column: Column::of_id(&chosen.column)?,
            descending: chosen.descending,
        })
    });
    chosen.unwrap_or(own)
}

/// Returns what the index found for the filter's words, and asks for it where needed.
fn found(state: &AppState, filter: &Filter, commands: &mut Commands) -> Option<Arc<Vec<Hit>>> {
    if filter.words.is_empty() {
        return None;
    }
    let query = Query {
        words: filter.words.clone(),
        labels: state.project.labels_revision,
    };
    let found = &state.features.found;
    let indexed = state.index_of(state.dictionary()?.id).is_some();
    if indexed && found.query != query {
        commands.send(features::Command::Search(Seeker::Table, query));
    }
    found.latest().cloned()
}

/// Carries out what was done with the rows.
fn send(reply: &Reply, rows: &[u32], commands: &mut Commands) {
    let feature = |row: Option<usize>| Some(FeatureId(*rows.get(row?)?));
    let page = |feature, beside| navigation::Command::Feature { feature, beside };
    if let Some(feature) = feature(reply.opened) {
        commands.send(page(feature, false));
    } else if let Some(feature) = feature(reply.beside) {
        commands.send(page(feature, true));
    }
    let chosen = feature(reply.chosen);
    if chosen.is_some() {
        commands.send(navigation::Command::SelectFeature(chosen));
    }
}

fn nothing_ui(ui: &mut Ui, state: &AppState, filter: &Filter, commands: &mut Commands) {
    let looking = !filter.words.is_empty() && state.features.found.hits.is_loading();
    if looking || asked_anew(state) {
        return;
    }
    let sentence = match state.features.found.hits.failure() {
        Some(why) if !filter.words.is_empty() => why.to_owned(),
        _ => format!("No feature matches “{}”.", state.features.filter),
    };
    if empty_state(ui, icons::FUNNEL, &sentence, Some("Show all features")) {
        commands.send(features::Command::Filter(String::new()));
    }
}
