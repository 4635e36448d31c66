//! Which features fire on this sentence, in any of the open dictionaries? The sentence is the one in Prompt.

mod list;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use egui::{Label, Ui};

use self::list::Listed;
use super::view::View;
use crate::memo::Memo;
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::requests::search::Command;
use crate::state::requests::{Commands, navigation, prompt};
use crate::state::search::Found;
use crate::state::view::ViewId;
use crate::theme::{Theme, caption, icons, mono, space};
use crate::views::feature::sentence::{pieces, without_model_ui};
use crate::widgets::empty_state::{empty_state, failure_line};
use crate::widgets::grid::arrangement::Sort;
use crate::widgets::grid::{self, Grid, Selection};
use crate::widgets::number;
use crate::widgets::token_editor::TokenEditor;
use crate::widgets::token_strip::Scale;

/// Greatest height of the sentence.
const HEIGHT: f32 = 136.0;

/// Number of the result, the token that is asked for, and the dictionaries left out.
type Key = (u64, Option<usize>, BTreeSet<DictionaryId>);

/// The search by text.
#[derive(Debug, Default)]
pub(crate) struct SearchView {
    /// The token chosen in the sentence.
    token: Option<usize>,
    /// Whether only features that fire on it are listed.
    only: bool,
    rows: Memo<Key, Vec<usize>>,
    order: Memo<(Key, Option<Sort>), Vec<usize>>,
    selection: Selection,
}

impl View for SearchView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        if state.model().is_none() {
            return without_model_ui(ui, state, "search by text", commands);
        }
        if state.searchable().next().is_none() {
            return nothing_ui(ui, state, commands);
        }
        ask(ui, state, commands);
        let found = state.search.last.as_deref();
        let found = found.filter(|_| state.prompt.input().is_some());
        let order = found.map(|found| self.ordered(ui, state, found));
        self.field_ui(ui, state, found.zip(order.as_deref()), commands);
        ui.add_space(space::CONTROL);
        status_ui(ui, state, found);
        let (Some(found), Some(order)) = (found, order) else {
            return;
        };
        self.filters_ui(ui, state, found, commands);
        ui.add_space(space::CHIP);
        self.table_ui(ui, state, (found, &order), commands);
    }
}

/// Asks for the search that the sentence calls for, once typing pauses.
fn ask(ui: &Ui, state: &AppState, commands: &mut Commands) {
    let Some(asked) = state.search_asked() else {
        return;
    };
    if state.search.of.as_ref() == Some(&asked) {
        return;
    }
    match state.prompt.pause_left() {
        Some(left) => ui.request_repaint_after(left),
        None => commands.send(Command::Read),
    }
}

fn nothing_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let mut dictionaries = state.catalogue.dictionaries.iter();
    if dictionaries.any(|one| one.load.is_loading() || one.load.is_absent()) {
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.label(caption("Loading the dictionaries…").color(secondary));
        return;
    }
    let sentence = "This screen finds the features that fire on a sentence, in all open dictionaries. Open or train one that fits the model.";
    if empty_state(ui, icons::MAGNIFYING_GLASS, sentence, Some("Go to Library")) {
        commands.send(navigation::Command::Go(ViewId::Library));
    }
}

/// Says how far the search is, and what it left out.
fn status_ui(ui: &mut Ui, state: &AppState, found: Option<&Found>) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    if let Some(why) = state.search.load.failure() {
        return failure_line(ui, "The sentence could not be searched", why);
    }
    let Some(found) = found else {
        let words = match state.prompt.input() {
            Some(_) => "Searching…",
            None => "Type a sentence to find the features that fire on it",
        };
        ui.label(caption(words).color(secondary));
        return;
    };
    if found.fires.cut > 0 {
        let words = format!(
            "The sentence is cut to the model's context: {} not read",
            number::counted(found.fires.cut as u64, "token")
        );
        ui.label(caption(words).color(Theme::from_ui(ui).warning));
    }
    for (name, why) in &found.left_out {
        let words = format!("{name} was left out: {why}");
        ui.add(Label::new(caption(words).color(secondary)).wrap());
    }
}

impl SearchView {
    /// The features listed, by place in the result, in the order in force.
    fn ordered(&mut self, ui: &Ui, state: &AppState, found: &Found) -> Vec<usize> {
        self.token = self.token.filter(|at| *at < found.fires.tokens.len());
        let token = self.token.filter(|_| self.only);
        let key: Key = (state.search.arrived, token, state.search.left_out.clone());
        let rows = self.rows.get(key.clone(), |(_, token, left_out)| {
            let listed = |at: &usize| {
                let fired = &found.fires.found[*at];
                let fires_there = |token| fired.active.iter().any(|(at, _)| *at == token);
                !left_out.contains(&found.dictionaries[fired.dictionary])
                    && token.is_none_or(fires_there)
            };
            (0..found.fires.found.len()).filter(listed).collect()
        });
        let first = Sort::new(list::FIRST, true);
        let sort = grid::sort(ui.ctx(), list::TABLE).or(Some(first));
        let order = self.order.get((key, sort), |(_, sort)| {
            let value = |at: usize, column: &str| list::value(state, found, rows[at], column);
            let order = grid::order(rows.len(), sort.as_ref(), value);
            order.into_iter().map(|at| rows[at]).collect()
        });
        order.clone()
    }

    /// The sentence with the colours of the selected feature, or of the first one.
    fn field_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        found: Option<(&Found, &[usize])>,
        commands: &mut Commands,
    ) {
        let theme = Theme::from_ui(ui);
        let shown = found.and_then(|(found, order)| {
            let selected = |at: &&usize| self.selection.contains(list::key(found, **at));
            let at = order.iter().find(selected).or(order.first())?;
            Some((found, &found.fires.found[*at]))
        });
        let fires = found.map(|(found, _)| &found.fires);
        let is_chat = state.prompt.chat().is_some();
        let text = fires
            .filter(|_| is_chat)
            .map_or(state.prompt.text.as_str(), |fires| fires.text.as_str());
        let scale = shown.map(|(found, fired)| {
            let pair = state.pair(found.dictionaries[fired.dictionary]);
            Scale {
                most: fired.max.abs(),
                signed: pair.is_some_and(|pair| pair.sae.selection.is_signed()),
            }
        });
        let values = shown.map_or_else(Vec::new, |(found, fired)| found.fires.acts(fired));
        let tinted = fires.map_or_else(Vec::new, |fires| {
            let scale = scale.unwrap_or(Scale {
                most: 1.0,
                signed: false,
            });
            pieces(theme, (&fires.text, &fires.spans), text, (&values, scale))
        });
        let mut card = |ui: &mut Ui, at: usize| {
            if let (Some(fires), Some(act)) = (fires, values.get(at)) {
                let text = fires.texts[at].replace('\n', "⏎");
                ui.label(mono(format!("“{text}”  position {at}")));
                ui.label(caption(format!(
                    "activation {}",
                    number::number(f64::from(*act))
                )));
            }
        };
        let spans = fires.map_or(&[][..], |fires| fires.spans.as_slice());
        let reply = TokenEditor {
            name: "Sentence",
            text,
            pieces: &tinted,
            tokens: fires.map_or(&[], |fires| &fires.texts),
            before: spans.iter().take_while(|span| span.is_empty()).count(),
            selected: self.token,
            reveal: None,
            pointed: None,
            height: HEIGHT,
            card: &mut card,
        }
        .show(ui);
        if let Some(text) = reply.typed {
            self.token = None;
            commands.send(prompt::Command::Typed(text));
        } else if reply.chosen.is_some() {
            self.token = reply.chosen;
        }
        if let Some((found, fired)) = shown {
            let secondary = theme.ink.secondary;
            let name = list::dictionary(state, found, fired.dictionary);
            let words = format!("Coloured by #{} of {name}", fired.feature);
            ui.label(caption(words).color(secondary));
        }
    }

    /// The dictionaries with the number of their features, and the chosen token.
    fn filters_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        found: &Found,
        commands: &mut Commands,
    ) {
        ui.horizontal_wrapped(|ui| {
            for (at, id) in found.dictionaries.iter().enumerate() {
                let Some(dictionary) = state.catalogue.get(*id) else {
                    continue;
                };
                let of = found.fires.found.iter();
                let count = of.filter(|fired| fired.dictionary == at).count();
                let listed = !state.search.left_out.contains(id);
                let words = format!("{} ({})", dictionary.name, number::count(count as u64));
                let hook = dictionary.hook().map(|hook| hook.to_string());
                let help = format!(
                    "Lists the features of this dictionary, or leaves them out. It reads {}",
                    hook.unwrap_or_default()
                );
                let toggle = ui.selectable_label(listed, words).on_hover_text(help);
                if toggle.clicked() {
                    commands.send(Command::List(*id, !listed));
                }
            }
            if let Some(at) = self.token {
                let text = found.fires.texts[at].replace('\n', "⏎");
                let words = format!("Only on “{}”", text.trim());
                ui.checkbox(&mut self.only, words)
                    .on_hover_text("Lists only the features that fire on the chosen token");
            }
        });
    }

    fn table_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (found, order): (&Found, &[usize]),
        commands: &mut Commands,
    ) {
        let mut rows = Listed {
            state,
            found,
            order,
            commands,
        };
        let reply = Grid::new(list::TABLE, &list::COLUMNS)
            .title("Features that fire on the sentence")
            .fill()
            .ordered_by(list::FIRST, true)
            .show(ui, &mut rows, &mut self.selection);
        let opened = reply.opened.map(|row| (row, false));
        if let Some((row, beside)) = opened.or(reply.beside.map(|row| (row, true))) {
            rows.open(row, beside);
        }
    }
}
