//! Both codes on the sentence in Prompt: which tokens differ, and one token's features side by side.

use egui::{RichText, Ui};
use umbra_core::dark_matter::pursuit::TokenCodes;
use umbra_core::ids::FeatureId;

use super::super::super::panel::table_room;
use super::lists::open;
use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::pursuit::{Codes, Key};
use crate::state::requests::dark_matter::pursuit::Command;
use crate::state::requests::{Commands, navigation};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Hue, Theme, body_strong, caption, mono, space};
use crate::widgets::csv::Value;
use crate::widgets::empty_state::failure_line;
use crate::widgets::feature_chip::FeatureChip;
use crate::widgets::grid::{self, Column, Grid, Selection};
use crate::widgets::token_strip::{Tint, TokenStrip};
use crate::widgets::{legend, number};

/// Name of the table in the settings.
const TABLE: &str = "codes of a token";

/// Rows of the table without scrolling.
const ROWS: f32 = 12.0;

/// Largest width of the table.
const WIDTH: f32 = 560.0;

/// Definition of a token's tint.
const APART: &str =
    "Share of the features of either code that only one of the two has: 1 − Jaccard index";

const COLUMNS: [Column<'_>; 4] = [
    Column::text("feature", "Feature")
        .width(96.0, 180.0)
        .fills()
        .always()
        .definition("A feature of the dictionary; a click opens its page"),
    Column::number("encoder", "Encoder")
        .width(64.0, 76.0)
        .definition("Activation that the encoder gives the feature; empty where it leaves it out"),
    Column::number("pursuit", "Pursuit")
        .width(64.0, 76.0)
        .definition("Weight that pursuit gives the feature; empty where it leaves it out"),
    Column::text("in", "In")
        .width(72.0, 88.0)
        .definition("Both codes, only the encoder's (invented), or only pursuit's (missed)"),
];

/// Draws the part on the sentence.
pub(super) fn token_ui(ui: &mut Ui, state: &AppState, id: DictionaryId, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(body_strong("On the sentence in Prompt"));
    let lab = &state.dark_matter.pursuit;
    let Some(input) = state.prompt.input() else {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new("Prompt has no sentence yet.").color(secondary));
            if ui.button("Type a sentence").clicked() {
                commands.send(navigation::Command::Go(ViewId::Prompt));
            }
        });
        return;
    };
    let key = Key {
        dictionary: id,
        input,
        method: lab.method,
    };
    if lab.of.as_ref() != Some(&key) {
        commands.send(Command::Codes(key));
        return;
    }
    match &lab.codes {
        Load::Absent | Load::Loading => {
            ui.label(RichText::new("Reading the sentence…").color(secondary));
        }
        Load::Failed(why) => failure_line(ui, "Could not pursue the sentence", why),
        Load::Ready(codes) => codes_ui(ui, state, (id, codes), commands),
    }
}

fn codes_ui(
    ui: &mut Ui,
    state: &AppState,
    (id, codes): (DictionaryId, &Codes),
    commands: &mut Commands,
) {
    legend::sequential(ui, "features that differ", Hue::Error, 1.0);
    let apart: Vec<f32> = codes
        .tokens
        .iter()
        .map(|token| 1.0 - token.jaccard() as f32)
        .collect();
    let chosen = state
        .selection
        .token
        .filter(|token| *token < codes.tokens.len());
    let mut card = |ui: &mut Ui, token: usize| {
        ui.label(mono(format!("{:?}", codes.texts[token])));
        for (name, value, _) in facts(&codes.tokens[token]) {
            ui.label(caption(format!("{name} {value}")));
        }
    };
    let reply = TokenStrip::new("Features that differ by token", &codes.texts)
        .definition(APART)
        .values(&apart, 1.0)
        .tint(Tint::Sequential(Hue::Error))
        .selected(chosen.map(|token| token..=token))
        .card(&mut card)
        .show(ui);
    if let Some(token) = reply.chosen {
        commands.send(navigation::Command::SelectToken(Some(token)));
    }
    ui.add_space(space::CHIP);
    let secondary = Theme::from_ui(ui).ink.secondary;
    let Some(token) = chosen else {
        ui.label(caption("Click a token for both of its codes").color(secondary));
        return;
    };
    ui.horizontal_wrapped(|ui| {
        ui.label(mono(format!("{:?}", codes.texts[token])));
        for (name, value, definition) in facts(&codes.tokens[token]) {
            ui.add_space(space::CHIP);
            ui.label(caption(name).color(secondary))
                .on_hover_text(definition);
            ui.label(mono(value));
        }
    });
    table_ui(ui, state, (id, &codes.tokens[token]), commands);
}

/// Returns name, value and definition of each fact of a token.
fn facts(token: &TokenCodes) -> [(&'static str, String, &'static str); 4] {
    let only = |by: fn(&(FeatureId, f32, f32)) -> bool| {
        let count = token.features.iter().filter(|row| by(row)).count();
        number::count(count as u64)
    };
    let error = format!(
        "{} → {}",
        number::number(token.encoder_error),
        number::number(token.pursuit_error)
    );
    [
        (
            "In both",
            number::count(token.shared() as u64),
            "Features that both codes have",
        ),
        (
            "Missed",
            only(|row| row.1 == 0.0),
            "Features that only pursuit has",
        ),
        (
            "Invented",
            only(|row| row.2 == 0.0),
            "Features that only the encoder has",
        ),
        (
            "Squared error",
            error,
            "||x − x̂||² of the encoder's reconstruction, then of pursuit's",
        ),
    ]
}

fn table_ui(
    ui: &mut Ui,
    state: &AppState,
    (id, token): (DictionaryId, &TokenCodes),
    commands: &mut Commands,
) {
    let first = grid::arrangement::Sort::new("pursuit", true);
    let sort = grid::sort(ui.ctx(), TABLE).unwrap_or(first);
    let all = &token.features;
    let order = grid::order(all.len(), Some(&sort), |row, column| {
        value(&all[row], column)
    });
    let mut selection = Selection::default();
    let here = state.selection.dictionary == Some(id);
    if let Some(feature) = state.selection.feature.filter(|_| here) {
        selection.only(u64::from(feature.0));
    }
    let mut rows = Rows {
        shown: order.into_iter().map(|row| &all[row]).collect(),
        state,
        id,
        commands,
    };
    let width = ui.available_width().min(WIDTH);
    let reply = ui
        .vertical(|ui| {
            ui.set_max_width(width);
            let grid = Grid::new(TABLE, &COLUMNS)
                .title("Codes of the token")
                .ordered_by("pursuit", true)
                .most(ROWS * space::TABLE_ROW);
            table_room(ui, (all.len(), ROWS), |ui| {
                grid.show(ui, &mut rows, &mut selection)
            })
        })
        .inner;
    let at = |row: Option<usize>| row.and_then(|row| rows.shown.get(row).map(|row| row.0));
    let (chosen, opened, beside) = (at(reply.chosen), at(reply.opened), at(reply.beside));
    if let Some(feature) = chosen {
        commands.send(navigation::Command::FollowDictionary(id));
        commands.send(navigation::Command::SelectFeature(Some(feature)));
    }
    if let Some(feature) = opened.or(beside) {
        open(commands, id, feature, beside.is_some());
    }
}

fn value((feature, encoder, pursuit): &(FeatureId, f32, f32), column: &str) -> Value {
    let figure = |value: f32| {
        if value == 0.0 {
            Value::Nothing
        } else {
            Value::Single(value)
        }
    };
    match column {
        "feature" => feature.index().into(),
        "encoder" => figure(*encoder),
        "pursuit" => figure(*pursuit),
        "in" => Value::from(place(*encoder, *pursuit)),
        _ => Value::Nothing,
    }
}

/// Says which codes have a feature.
fn place(encoder: f32, pursuit: f32) -> &'static str {
    match (encoder != 0.0, pursuit != 0.0) {
        (true, true) => "both",
        (true, false) => "invented",
        (false, _) => "missed",
    }
}

struct Rows<'a> {
    shown: Vec<&'a (FeatureId, f32, f32)>,
    state: &'a AppState,
    id: DictionaryId,
    commands: &'a mut Commands,
}

impl grid::Rows for Rows<'_> {
    fn count(&self) -> usize {
        self.shown.len()
    }

    fn key(&self, row: usize) -> u64 {
        u64::from(self.shown[row].0.0)
    }

    fn words(&self, row: usize) -> String {
        let (feature, encoder, pursuit) = self.shown[row];
        format!("Feature {feature}, {}", place(*encoder, *pursuit))
    }

    fn value(&self, row: usize, column: &str) -> Value {
        value(self.shown[row], column)
    }

    fn cell_ui(&mut self, ui: &mut Ui, row: usize, column: &str) -> bool {
        if column != "feature" {
            return false;
        }
        let (feature, encoder, pursuit) = *self.shown[row];
        let name = self.state.name_of(self.id, feature);
        let chip = FeatureChip::new(feature, name).max_width(ui.available_width());
        let reply = chip.show(ui, |ui| {
            ui.label(format!("Encoder {encoder:.3}, pursuit {pursuit:.3}"));
        });
        if reply.open || reply.beside {
            open(self.commands, self.id, feature, reply.beside);
        }
        true
    }
}
