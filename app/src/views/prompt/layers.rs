//! The sentence by every dictionary: a row for each, earliest hook first, and the features of the chosen token.

use std::sync::Arc;

use egui::{RichText, ScrollArea, Ui};
use umbra_core::ids::FeatureId;

use crate::state::requests::{Commands, navigation, texts};
use crate::state::texts::LayerRow;
use crate::state::{AppState, Load};
use crate::theme::{
    Hue, Theme, body_strong, caption, icons, mono, mono_caption, panel_title, space,
};
use crate::widgets::cell_grid::{CellGrid, Rows};
use crate::widgets::csv::{self, Value};
use crate::widgets::empty_state::{empty_state, failure_line};
use crate::widgets::legend;
use crate::widgets::number::{number, percent};
use crate::widgets::scroll::scroll_ui;

/// Features of the chosen token listed for each dictionary.
const FEATURES: usize = 5;

/// The panel.
#[derive(Debug, Default)]
pub(super) struct LayersSide {
    /// Readings and token brought into view last.
    revealed: Option<(usize, Option<usize>)>,
}

impl LayersSide {
    /// Draws the rows, or why there are none.
    pub(super) fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let Some(key) = state.layers_key() else {
            let sentence =
                "No dictionary that reads the open model is loaded: open one in Library.";
            empty_state(ui, icons::CURSOR_TEXT, sentence, None);
            return;
        };
        let layers = &state.texts.layers;
        let asked = layers.of.as_ref() == Some(&key);
        if !asked && state.prompt.pause_left().is_none() {
            commands.send(texts::Command::ReadLayers);
        }
        match &layers.load {
            Load::Failed(why) if asked => {
                failure_line(ui, "The dictionaries could not read the sentence", why);
                return;
            }
            Load::Absent if asked => {
                let words = "Reading the sentence was stopped.";
                if empty_state(ui, icons::CURSOR_TEXT, words, Some("Read it")) {
                    commands.send(texts::Command::ReadLayers);
                }
                return;
            }
            _ => {}
        }
        let Some(rows) = layers.shown(&key) else {
            let secondary = Theme::from_ui(ui).ink.secondary;
            let words = "Reading the sentence by every dictionary…";
            ui.label(RichText::new(words).color(secondary));
            return;
        };
        self.rows_ui(ui, state, rows, commands);
    }

    fn rows_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        rows: &Arc<Vec<LayerRow>>,
        commands: &mut Commands,
    ) {
        let Some(first) = rows.first().map(|row| &row.reading) else {
            return;
        };
        let last = first.tokens.len().saturating_sub(1);
        let at = state.selection.token.map_or(last, |at| at.min(last));
        scroll_ui(ui, "prompt layers", ScrollArea::vertical(), |ui| {
            ui.horizontal_wrapped(|ui| {
                let help = "Each row is a dictionary, by the place of its hook in the model; each column a token. Click a cell to select dictionary, feature and token, or walk with the arrow keys";
                ui.label(panel_title("By layer")).on_hover_text(help);
                let what = "strongest activation / its largest here";
                legend::capped(ui, what, Hue::Activation, false)
                    .on_hover_text("Tokens that do not count may have a larger activation, in the colour of 1");
            });
            let mut cells = Cells {
                state,
                rows,
                most: rows.iter().map(most).collect(),
                commands,
            };
            let shows = (Arc::as_ptr(rows) as usize, state.selection.token);
            let row = rows
                .iter()
                .position(|row| Some(row.dictionary) == state.selection.dictionary);
            let grid = CellGrid {
                name: "Dictionaries and tokens",
                definition: "Activation of the row's strongest feature on the column's token; its shade is the share of the row's largest activation on a token of this sentence that counts",
                rows: rows.len(),
                columns: &first.texts,
                selected: (row, state.selection.token),
                pointed: None,
                reveal: (false, self.revealed != Some(shows)),
                signed: false,
                gutter: (ui.available_width() * 0.3).clamp(110.0, 240.0),
                height: 420.0,
            };
            self.revealed = Some(shows);
            let reply = grid.show(ui, &mut cells);
            if let Some((row, column)) = reply.chosen {
                self.revealed = Some((shows.0, Some(column)));
                let feature = cells.strongest(row, column).map(|(feature, _)| feature);
                follow(commands, &rows[row], feature);
                commands.send(navigation::Command::SelectToken(Some(column)));
            }
            ui.add_space(space::GROUP);
            token_ui(ui, state, (rows, at), commands);
        });
    }
}

/// Selects a dictionary and one of its features.
fn follow(commands: &mut Commands, row: &LayerRow, feature: Option<FeatureId>) {
    commands.send(navigation::Command::FollowDictionary(row.dictionary));
    if feature.is_some() {
        commands.send(navigation::Command::SelectFeature(feature));
    }
}

/// Draws the strongest features of a token, one line a dictionary.
fn token_ui(
    ui: &mut Ui,
    state: &AppState,
    (rows, at): (&[LayerRow], usize),
    commands: &mut Commands,
) {
    let theme = Theme::from_ui(ui);
    let Some(text) = rows.first().and_then(|row| row.reading.texts.get(at)) else {
        return;
    };
    ui.horizontal_wrapped(|ui| {
        ui.label(panel_title("Features on"));
        ui.label(mono(text.replace('\n', "⏎")).background_color(theme.surface.hover));
        ui.label(caption(format!("position {at}")).color(theme.ink.secondary));
    });
    for row in rows {
        ui.add_space(space::CHIP);
        ui.horizontal_wrapped(|ui| {
            ui.label(body_strong(row.name.as_str()));
            ui.label(caption(row.hook.to_string()).color(theme.ink.secondary));
        });
        let strongest = row.reading.strongest(at, FEATURES);
        if strongest.is_empty() {
            let words = "No feature is active on this token.";
            ui.label(RichText::new(words).color(theme.ink.secondary));
        }
        ui.horizontal_wrapped(|ui| {
            for (feature, act) in strongest {
                let share = percent(row.reading.share(at, feature));
                let label = state.project.label(&row.name, feature);
                let name = label.map_or_else(String::new, |label| format!(" {label}"));
                let act = number(f64::from(act));
                let words = mono_caption(format!("#{feature}{name}  {act}"));
                let button = ui.add(egui::Button::new(words));
                button.widget_info(|| {
                    let name = format!("Feature {feature} of {}, {act}", row.name);
                    egui::WidgetInfo::labeled(egui::Role::Button, true, name)
                });
                let help = format!("Activation {act}, {share} of the token's reconstruction. Click to select {} and this feature", row.name);
                if button.on_hover_text(help).clicked() {
                    follow(commands, row, Some(feature));
                }
            }
        });
    }
}

/// The rows as cells.
struct Cells<'a> {
    state: &'a AppState,
    rows: &'a [LayerRow],
    /// Largest activation in size of each row on a token that counts.
    most: Vec<f32>,
    commands: &'a mut Commands,
}

/// Largest activation in size of a row on a token that counts.
fn most(row: &LayerRow) -> f32 {
    let reading = &row.reading;
    let counted = (0..reading.latents.rows()).filter(|t| reading.counts.get(*t) == Some(&true));
    let acts = counted.flat_map(|t| reading.latents.row(t));
    acts.fold(0.0_f32, |most, (_, act)| most.max(act.abs()))
}

impl Cells<'_> {
    fn strongest(&self, row: usize, column: usize) -> Option<(FeatureId, f32)> {
        let pairs = self.rows.get(row)?.reading.latents.row(column);
        pairs.reduce(|best, pair| {
            if pair.1.abs() > best.1.abs() {
                pair
            } else {
                best
            }
        })
    }
}

impl Rows for Cells<'_> {
    fn share(&self, row: usize, column: usize) -> f32 {
        let act = self
            .strongest(row, column)
            .map_or(0.0, |(_, act)| act.abs());
        let most = self.most[row];
        if most > 0.0 {
            (act / most).min(1.0)
        } else {
            0.0
        }
    }

    fn words(&self, row: usize, column: usize) -> String {
        let one = &self.rows[row];
        let text = &one.reading.texts[column];
        match self.strongest(row, column) {
            Some((feature, act)) => {
                let label = self.state.project.label(&one.name, feature);
                let label = label.map_or_else(String::new, |label| format!(" {label}"));
                format!(
                    "{} on {text:?}, position {column}: #{feature}{label} {}",
                    one.name,
                    number(f64::from(act))
                )
            }
            None => format!("{} on {text:?}, position {column}: nothing", one.name),
        }
    }

    fn csv(&self) -> String {
        let titles = [
            "Dictionary",
            "Hook",
            "Position",
            "Token",
            "Feature",
            "Activation",
            "Share of the reconstruction",
        ];
        let lines = self.rows.iter().flat_map(|row| {
            let hook = row.hook.to_string();
            (0..row.reading.latents.rows()).flat_map(move |at| {
                let hook = hook.clone();
                let active = row.reading.strongest(at, usize::MAX).into_iter();
                active.map(move |(feature, act)| {
                    [
                        row.name.as_str().into(),
                        hook.as_str().into(),
                        Value::Count(at as u64),
                        row.reading.texts[at].as_str().into(),
                        Value::Count(u64::from(feature.0)),
                        Value::Single(act),
                        Value::Number(row.reading.share(at, feature)),
                    ]
                })
            })
        });
        csv::table(&titles, lines)
    }

    fn name_ui(&mut self, ui: &mut Ui, row: usize) {
        let one = &self.rows[row];
        let chosen = self.state.selection.dictionary == Some(one.dictionary);
        let words = caption(format!("{}  {}", one.name, one.hook));
        let button = ui.add(egui::Button::selectable(chosen, words).truncate());
        if button.on_hover_text("Select this dictionary").clicked() {
            let command = navigation::Command::FollowDictionary(one.dictionary);
            self.commands.send(command);
        }
    }
}
