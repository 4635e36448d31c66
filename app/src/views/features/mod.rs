//! The features of a dictionary: filtered, sorted and searched, as rows, as cards, on a map, and several side by side.

mod bar;
mod beside;
mod cards;
mod field;
mod filter;
mod label;
mod map;
mod offers;
pub(crate) mod shown;
mod table;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use egui::{Id, Key, Ui, vec2};
use umbra_core::features::filter::{Answers, Column, Filter, Key as SortKey, Sort};
use umbra_core::ids::FeatureId;

use self::bar::{ActionBar, Reached};
use self::cards::Cards;
use self::field::FilterField;
use self::filter::{Arranged, Switches, asked_anew, filter_ui, query, shown_ui};
use self::label::NameEditor;
use self::map::MapPanel;
use self::shown::{RowsKey, Shown};
use self::table::TableRows;
use super::missing::{foreign_index_ui, misfit_ui};
use super::view::View;
use crate::memo::Memo;
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::features::{Seeker, Table};
use crate::state::requests::{Commands, dictionary, features, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{icons, space};
use crate::widgets::empty_state::{empty_state, failure_state};
use crate::widgets::grid::{Grid, Reply, Selection, arrangement};

/// A tile lower than this shows the features alone.
const ROOM_FOR_MAP: f32 = 480.0;

/// Name of the table in the settings.
const ALL: &str = "features";

/// Name of the table of what a search found.
const FOUND: &str = "found features";

/// The features of a dictionary.
#[derive(Debug, Default)]
pub(crate) struct FeaturesView {
    field: FilterField,
    arranged: Arranged,
    map: MapPanel,
    shown: Memo<RowsKey, Shown>,
    /// Counts how often the rows were computed.
    revision: u64,
    selection: Selection,
    editor: NameEditor,
    bar: ActionBar,
    /// Features that are shown side by side, if any are.
    beside: Option<Vec<FeatureId>>,
    /// The feature that was selected in the window in the last frame.
    followed: Option<FeatureId>,
    /// Words of the search that the table is ordered for.
    words: String,
    /// Whether the table was drawn before.
    drawn: bool,
    /// Dictionary whose features were drawn last.
    of: Option<DictionaryId>,
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
        self.field.follow(&state.features.filter);
        let filter = self.field.filter().1.clone();
        let answers = answers(state, &filter, commands);
        let phrase = filter.phrase().unwrap_or_default();
        self.begin_search(ui, phrase);
        let (name, first) = if phrase.is_empty() {
            (ALL, Column::Max)
        } else {
            (FOUND, Column::Relevance)
        };
        let sort = sort_of(ui, name, first);
        self.shown_of(table, state, (&filter, &sort), &answers);
        let columns = self.shown.latest().map_or_else(Vec::new, |shown| {
            if name == FOUND {
                table::found_columns(ui, &shown.found, table)
            } else {
                table::columns(table)
            }
        });
        filter_ui(ui, &mut self.field, (table, &columns), state, commands);
        let count = self.shown.latest().map_or(0, |shown| shown.rows.len());
        let high = ui.available_height() > ROOM_FOR_MAP;
        let hides = if self.beside.is_some() {
            Some("No map while features are side by side")
        } else if high {
            None
        } else {
            Some("No room for the map: enlarge the window or make the text smaller")
        };
        let mut switches = Switches {
            arranged: &mut self.arranged,
            map: &mut self.map.open,
            hides,
        };
        shown_ui(ui, &mut switches, (table, &filter, count), state, commands);
        if let Some(beside) = &mut self.beside {
            if beside::beside_ui(ui, beside, state, commands) {
                self.beside = None;
            }
            return;
        }
        if count == 0 {
            nothing_ui(ui, state, &filter, commands);
            return;
        }
        let bar = if self.selection.len() > 1 {
            ActionBar::HEIGHT + space::CHIP
        } else {
            0.0
        };
        let map_alone = self.map_ui(ui, (table, hides.is_none(), bar), state, commands);
        if !map_alone {
            self.rows_ui(
                ui,
                (name, first, bar),
                (&columns, changed),
                (table, state),
                commands,
            );
        }
        if self.selection.len() > 1 {
            self.bar_ui(ui, state, commands);
        }
    }

    /// Draws the map, if it is seen; whether it takes the room of the rows too.
    fn map_ui(
        &mut self,
        ui: &mut Ui,
        (table, fits, bar): (&Arc<Table>, bool, f32),
        state: &AppState,
        commands: &mut Commands,
    ) -> bool {
        let Self {
            shown,
            map,
            selection,
            revision,
            ..
        } = self;
        let Some(shown) = shown.latest().filter(|_| map.open && fits) else {
            return false;
        };
        let room = ui.available_height() - bar;
        let drawn = (table, shown.rows.as_slice(), *revision);
        if let Some(circled) = map.ui(ui, room, drawn, state, commands) {
            selection.clear();
            selection.select(circled.iter().map(|feature| feature.0.into()));
        }
        ui.add_space(space::CONTROL);
        map.is_large()
    }

    fn rows_ui(
        &mut self,
        ui: &mut Ui,
        (name, first, bar): (&'static str, Column, f32),
        (columns, changed): (&[crate::widgets::grid::Column<'_>], bool),
        (table, state): (&Table, &AppState),
        commands: &mut Commands,
    ) {
        self.editor.follow(commands);
        let reveal = self.follow_selection(state).or(changed.then_some(0));
        let room = vec2(ui.available_width(), ui.available_height() - bar);
        let layout = egui::Layout::top_down(egui::Align::Min);
        ui.allocate_ui_with_layout(room, layout, |ui| match self.arranged {
            Arranged::List => {
                self.grid_ui(ui, (name, first, reveal), (columns, table, state), commands);
            }
            Arranged::Cards => {
                let Some(shown) = self.shown.latest() else {
                    return;
                };
                let cards = Cards {
                    state,
                    table,
                    rows: &shown.rows,
                    reveal,
                };
                let reply = cards.ui(ui, &mut self.selection);
                send(&reply, &shown.rows, commands);
            }
        });
    }

    /// The table of another dictionary has no rows selected and no label half written; whether it is another.
    fn begin_dictionary(&mut self, id: DictionaryId) -> bool {
        let changed = self.of.replace(id).is_some_and(|before| before != id);
        if changed {
            self.selection.clear();
            self.editor = NameEditor::default();
            self.bar = ActionBar::default();
            self.map.forget();
            self.beside = None;
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
            kept.then.clear();
            arrangement::change(ui.ctx(), FOUND, kept);
        }
    }

    /// Computes the rows, if anything that they depend on is another.
    fn shown_of(
        &mut self,
        table: &Arc<Table>,
        state: &AppState,
        (filter, sort): (&Filter, &Sort),
        answers: &Arc<Answers>,
    ) {
        let key = RowsKey {
            table: Arc::as_ptr(table) as usize,
            labels: state.project.labels_revision,
            filter: self.field.filter().0.to_owned(),
            sort: sort.clone(),
            answers: Arc::as_ptr(answers) as usize,
        };
        let name = state.dictionary().map_or("", |d| d.name.as_str());
        let revision = &mut self.revision;
        self.shown.get(key, |key| {
            *revision += 1;
            let labels: Vec<_> = state.project.labels(name).collect();
            Shown::new(table, &labels, answers, (filter, &key.sort))
        });
    }

    /// A feature that was selected elsewhere is selected here; the row to bring into view.
    fn follow_selection(&mut self, state: &AppState) -> Option<usize> {
        let selected = state.selection.feature;
        if selected == self.followed && self.drawn {
            return None;
        }
        self.followed = selected;
        self.drawn = true;
        let feature = selected?;
        if self.selection.cursor() == Some(feature.0.into()) {
            return None;
        }
        self.selection.only(feature.0.into());
        let rows = &self.shown.latest()?.rows;
        rows.iter().position(|row| *row == feature)
    }

    fn grid_ui(
        &mut self,
        ui: &mut Ui,
        (name, first, reveal): (&'static str, Column, Option<usize>),
        (columns, table, state): (&[crate::widgets::grid::Column<'_>], &Table, &AppState),
        commands: &mut Commands,
    ) {
        let Self {
            shown,
            selection,
            editor,
            bar,
            beside,
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
        let grid = Grid::new(name, columns)
            .columns_of(ALL)
            .title("Features of the dictionary")
            .fill()
            .several()
            .further_keys()
            .ordered_by(first.id(), first == Column::Max)
            .reveal(reveal);
        let reply = grid.show(ui, &mut rows, selection);
        if let Some((action, features)) = action {
            let mut reached = Reached { editor, beside };
            bar.act(action, features, (state, &mut reached), commands);
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
        let mut reached = Reached {
            editor: &mut self.editor,
            beside: &mut self.beside,
        };
        let clear = self.bar.ui(ui, (state, &selected), &mut reached, commands);
        if clear {
            self.selection.clear();
        }
    }
}

/// The order that a person chose for the table `name`, or its own.
fn sort_of(ui: &Ui, name: &str, first: Column) -> Sort {
    let kept = arrangement::of(ui.ctx(), name);
    let keys: Vec<SortKey> = kept
        .keys()
        .filter_map(|key| {
            Some(SortKey {
                column: Column::from_id(&key.column)?,
                descending: key.descending,
            })
        })
        .collect();
    if keys.is_empty() {
        return Sort::new(first, true);
    }
    Sort { keys }
}

/// Returns what the index found for the filter's texts, and asks for it where needed.
fn answers(state: &AppState, filter: &Filter, commands: &mut Commands) -> Arc<Answers> {
    let query = query(state, filter);
    if query.texts.is_empty() {
        return Arc::default();
    }
    let found = &state.features.found;
    let dictionary = state.dictionary().map(|dictionary| dictionary.id);
    let indexed = dictionary.is_some_and(|id| state.index_of(id).is_some());
    if indexed && found.query != query {
        commands.send(features::Command::Search(Seeker::Table, query));
    }
    found.latest().cloned().unwrap_or_default()
}

/// Carries out what was done with the rows.
fn send(reply: &Reply, rows: &[FeatureId], commands: &mut Commands) {
    let feature = |row: Option<usize>| rows.get(row?).copied();
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
    let searches = !filter.texts().is_empty();
    let looking = searches && state.features.found.answers.is_loading();
    if looking || asked_anew(state, filter) {
        return;
    }
    let sentence = match state.features.found.answers.failure() {
        Some(why) if searches => why.to_owned(),
        _ => format!("No feature matches “{}”.", state.features.filter),
    };
    if empty_state(ui, icons::FUNNEL, &sentence, Some("Show all features")) {
        commands.send(features::Command::Filter(String::new()));
    }
}
