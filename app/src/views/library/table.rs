//! The dictionaries as one table: hook, width, rule, figures, index and a verdict.

use egui::{RichText, Ui};
use umbra_core::workbench::overview::{Column as Of, Row, Sign, Verdict};

use crate::memo::Memo;
use crate::state::AppState;
use crate::state::catalogue::{Dictionary, DictionaryId};
use crate::state::requests::{Commands, navigation};
use crate::theme::{self, Theme, icons};
use crate::views::actions::actions_ui;
use crate::views::overview;
use crate::widgets::csv::Value;
use crate::widgets::grid::{self, Column, Grid, Reply, Selection};
use crate::widgets::number;

/// Name of the table in the settings.
const TABLE: &str = "dictionaries";

/// A dictionary and its row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    /// The dictionary.
    pub(super) id: DictionaryId,
    /// Its row.
    pub(super) row: Row,
}

/// Key of a column, and whether the largest comes first.
type Order = (String, bool);

/// The table: its rows in the order that a person chose.
#[derive(Debug, Default)]
pub(super) struct Table {
    lines: Memo<(u64, Option<Order>), Vec<Line>>,
    selection: Selection,
}

/// Returns the verdict on a dictionary.
pub(super) fn verdict(dictionary: &Dictionary) -> Verdict {
    line(dictionary).row.verdict
}

fn line(dictionary: &Dictionary) -> Line {
    Line {
        id: dictionary.id,
        row: overview::row(dictionary),
    }
}

/// Returns the rows of all dictionaries, ordered by a column or as in the project.
fn lines(state: &AppState, order: Option<&Order>) -> Vec<Line> {
    let mut lines: Vec<Line> = state.catalogue.dictionaries.iter().map(line).collect();
    let column = order.and_then(|(key, descending)| Some((of(key)?, *descending)));
    if let Some((column, descending)) = column {
        lines.sort_by(|a, b| column.compare(&a.row, &b.row, descending));
    }
    lines
}

fn of(key: &str) -> Option<Of> {
    Of::ALL.into_iter().find(|column| column.key() == key)
}

/// Returns the columns of the table.
fn columns() -> [Column<'static>; 10] {
    Of::ALL.map(|of| {
        let (key, title) = (of.key(), of.title());
        let text = |least, first| Column::text(key, title).width(least, first);
        let number = |least, first| Column::number(key, title).width(least, first);
        let column = match of {
            Of::Name => text(88.0, 108.0).always().fills(),
            Of::Hook => text(176.0, 176.0).fills(),
            Of::K => text(56.0, 64.0),
            Of::Verdict => text(116.0, 124.0).fills(),
            Of::Width => number(48.0, 56.0),
            Of::L0 => number(40.0, 44.0),
            Of::Fvu => number(60.0, 60.0),
            Of::CeRecovered | Of::Index => number(76.0, 76.0),
            Of::Dead => number(52.0, 56.0),
        };
        column.unit(of.unit()).definition(of.definition())
    })
}

impl Table {
    /// Draws the table, at most so high, with the row of `shown` selected; returns the dictionary that was clicked or walked to.
    pub(super) fn ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (shown, height): (Option<DictionaryId>, f32),
        commands: &mut Commands,
    ) -> Option<DictionaryId> {
        let sort = grid::sort(ui.ctx(), TABLE);
        let order = sort.map(|sort| (sort.column, sort.descending));
        let key = (state.catalogue.revision, order);
        let lines = self
            .lines
            .get(key, |(_, order)| lines(state, order.as_ref()));
        let chosen = shown.map(|id| u64::from(id.0));
        if self.selection.cursor() != chosen {
            match chosen {
                Some(key) => self.selection.only(key),
                None => self.selection.clear(),
            }
        }
        let columns = columns();
        let grid = Grid::new(TABLE, &columns)
            .title("Dictionaries")
            .most(height);
        let mut rows = Rows {
            state,
            lines,
            commands,
        };
        let reply: Reply = grid.show(ui, &mut rows, &mut self.selection);
        if let Some(line) = reply.opened.and_then(|row| lines.get(row)) {
            commands.send(navigation::Command::SelectDictionary(line.id));
        }
        let chosen = reply.chosen.and_then(|row| lines.get(row));
        chosen.map(|line| line.id)
    }
}

struct Rows<'a> {
    state: &'a AppState,
    lines: &'a [Line],
    commands: &'a mut Commands,
}

impl grid::Rows for Rows<'_> {
    fn count(&self) -> usize {
        self.lines.len()
    }

    fn key(&self, row: usize) -> u64 {
        u64::from(self.lines[row].id.0)
    }

    fn words(&self, row: usize) -> String {
        format!("Dictionary {}", self.lines[row].row.name)
    }

    fn value(&self, row: usize, column: &str) -> Value {
        let row = &self.lines[row].row;
        let Some(of) = of(column) else {
            return Value::Nothing;
        };
        match of {
            Of::Name => Value::from(row.name.as_str()),
            Of::Hook => row.hooks().map_or(Value::Nothing, Value::from),
            Of::K if row.rule.is_empty() => Value::Nothing,
            Of::K => Value::from(row.rule.as_str()),
            Of::Verdict => Value::from(row.verdict.words.as_str()),
            Of::Width | Of::Index => match row.number(of) {
                Some(count) => Value::Count(count as u64),
                None if of == Of::Index => Value::from(row.index.words()),
                None => Value::Nothing,
            },
            _ => row.number(of).map_or(Value::Nothing, Value::from),
        }
    }

    fn text(&self, row: usize, column: &str) -> String {
        let line = &self.lines[row].row;
        match (of(column), self.value(row, column)) {
            (Some(Of::Dead), Value::Number(share)) => number::percent(share),
            (Some(Of::K), _) => short_rule(&line.rule),
            (_, value) => grid::short(&value),
        }
    }

    fn cell_ui(&mut self, ui: &mut Ui, row: usize, column: &str) -> bool {
        let line = &self.lines[row];
        match of(column) {
            Some(Of::Name) => {
                name_ui(ui, line, self.state.selection.dictionary == Some(line.id));
                true
            }
            Some(Of::Hook) => {
                let Some(hook) = line.row.hooks() else {
                    return false;
                };
                let words = egui::Label::new(theme::mono_caption(&hook)).truncate();
                ui.add(words.selectable(false)).on_hover_text(hook);
                true
            }
            Some(Of::Verdict) => {
                verdict_ui(ui, &line.row.verdict);
                true
            }
            _ => false,
        }
    }

    fn menu_ui(&mut self, ui: &mut Ui, row: usize, _selected: &[u64]) -> bool {
        let Some(dictionary) = self.state.catalogue.get(self.lines[row].id) else {
            return false;
        };
        let in_use = self.state.selection.dictionary == Some(dictionary.id);
        if !in_use && ui.button("Use").clicked() {
            let choose = navigation::Command::SelectDictionary(dictionary.id);
            self.commands.send(choose);
            ui.close();
        }
        actions_ui(ui, self.state, dictionary, self.commands);
        true
    }
}

/// Draws the name, and a mark on the dictionary that all screens use.
fn name_ui(ui: &mut Ui, line: &Line, in_use: bool) {
    let theme = Theme::from_ui(ui);
    if in_use {
        let mark = ui.label(theme::icon(icons::CHECK).color(theme.ink.primary));
        mark.on_hover_text("In use: the screens show this dictionary");
    }
    let shown = middle_cut(ui, &line.row.name);
    let name = RichText::new(shown);
    let name = if in_use { name.strong() } else { name };
    let name = ui.add(egui::Label::new(name).truncate().selectable(false));
    name.on_hover_text(&line.row.name);
}

/// Returns as much of both ends of `name` as there is room for: names of runs tell most at their end.
fn middle_cut(ui: &Ui, name: &str) -> String {
    let room = ui.available_width();
    let font = egui::TextStyle::Body.resolve(ui.style());
    let ink = Theme::from_ui(ui).ink.primary;
    let fits = |text: &str| {
        let galley = (ui.painter()).layout_no_wrap(text.to_owned(), font.clone(), ink);
        galley.size().x <= room
    };
    if fits(name) {
        return name.to_owned();
    }
    let letters: Vec<char> = name.chars().collect();
    let cut = |kept: usize| {
        let (head, tail) = (kept.div_ceil(2), kept / 2);
        let head: String = letters[..head].iter().collect();
        let tail: String = letters[letters.len() - tail..].iter().collect();
        format!("{head}…{tail}")
    };
    let (mut least, mut most) = (2, letters.len());
    while least + 1 < most {
        let middle = usize::midpoint(least, most);
        if fits(&cut(middle)) {
            least = middle;
        } else {
            most = middle;
        }
    }
    cut(least)
}

/// Draws the verdict: its sign as an icon, its words, and the reason on hover.
pub(super) fn verdict_ui(ui: &mut Ui, verdict: &Verdict) {
    let theme = Theme::from_ui(ui);
    let (icon, colour) = match verdict.sign {
        Sign::Good => (icons::CHECK_CIRCLE, theme.promoted),
        Sign::Open => (icons::INFO, theme.ink.secondary),
        Sign::Warning => (icons::WARNING, theme.warning),
        Sign::Bad => (icons::WARNING_CIRCLE, theme.failure),
    };
    ui.label(theme::icon(icon).color(colour));
    let words = egui::Label::new(verdict.words.as_str());
    ui.add(words.truncate().selectable(false))
        .on_hover_text(format!(
            "{}. {}",
            crate::words::said(&verdict.why),
            Of::Verdict.definition()
        ));
}

/// The rule in few letters: `TopK 32` for `TopK, k = 32`.
fn short_rule(rule: &str) -> String {
    rule.replace(", k = ", " ").replace(", threshold", "")
}
