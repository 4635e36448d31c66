//! The map: every head by layer, coloured by one figure.

mod model;

use egui::{Button, RichText, Ui};
use umbra_core::ids::{Head, HookPoint, Layer, Site};

pub(crate) use self::model::Figure;
use self::model::Grid;
use crate::state::requests::{Commands, attention, dictionary, heads, navigation, training};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Hue, Theme, caption, panel_title};
use crate::widgets::anchor::Anchor;
use crate::widgets::empty_state::failure_line;
use crate::widgets::heat_map::{HeatMap, Side};

pub(super) use self::model::{features_of, glance};

/// The map's own state.
#[derive(Debug, Default)]
pub(super) struct Map {
    /// The figure chosen for the colours.
    figure: Option<Figure>,
}

/// Returns the head that is shown until a person chooses one, and the figure by which it is the first.
pub(super) fn first_head(state: &AppState) -> Option<((Layer, Head), Figure)> {
    let figure = figure(None, state);
    let grid = model::grid(state, figure)?;
    Some((model::first_head(state, figure, &grid)?, figure))
}

/// Returns the figure that colours the grid: the chosen one, else features where a dictionary is available, else attention.
fn figure(chosen: Option<Figure>, state: &AppState) -> Figure {
    let Some(model) = state.model() else {
        return Figure::default();
    };
    let mut layers = (0..model.model.config().layers).map(Layer::from);
    let any = state.reader().is_none() || layers.any(|layer| state.z_dictionary(layer).is_some());
    chosen.unwrap_or(if any {
        Figure::Spread
    } else {
        Figure::Previous
    })
}

/// Draws the map.
pub(super) fn map_ui(ui: &mut Ui, state: &AppState, map: &mut Map, commands: &mut Commands) {
    let figure = figure(map.figure, state);
    let Some(grid) = model::grid(state, figure) else {
        return;
    };
    ask_attention(state, figure, commands);
    map.grid_ui(ui, state, (figure, &grid, state.head()), commands);
}

/// Asks for the features of heads that are missing, or that a new index extends.
pub(super) fn ask(state: &AppState, commands: &mut Commands) {
    let layers = state
        .model()
        .map_or(0, |loaded| loaded.model.config().layers);
    for layer in (0..layers).map(Layer::from) {
        let Some(dictionary) = state.z_dictionary(layer) else {
            continue;
        };
        let kept = state.heads.features.figures.get(&dictionary.id);
        let indexed = state.index_of(dictionary.id).is_some();
        let wanted = match kept {
            None => !dictionary.awaits_index(),
            Some(kept) => indexed && !kept.indexed && !kept.load.is_loading(),
        };
        if wanted {
            commands.send(heads::features::Command::Measure(dictionary.id));
        }
    }
}

impl Map {
    fn grid_ui(
        &mut self,
        ui: &mut Ui,
        state: &AppState,
        (figure, grid, selected): (Figure, &Grid, Option<(Layer, Head)>),
        commands: &mut Commands,
    ) {
        ui.horizontal_wrapped(|ui| {
            ui.label(panel_title("Colour by"));
            for one in Figure::ALL {
                let button = Button::selectable(figure == one, one.title());
                let response = ui.add(button).on_hover_text(one.definition());
                if response.clicked() {
                    self.figure = Some(one);
                }
            }
        });
        if figure.of_attention() {
            sentence_ui(ui, state, commands);
        }
        let names = |many: usize| -> Vec<String> { (0..many).map(|i| i.to_string()).collect() };
        let (rows, columns) = (names(grid.layers), names(grid.heads));
        let map = HeatMap {
            title: figure.scale(),
            rows: Side {
                title: "Layer",
                names: &rows,
            },
            columns: Side {
                title: "Head",
                names: &columns,
            },
            cells: &grid.cells,
            range: grid.range,
            hue: if figure.of_attention() {
                Hue::Model
            } else {
                Hue::Activation
            },
            selected: selected.map(|(layer, head)| (layer.index(), head.index())),
            pictures: None,
            definition: figure.definition(),
        };
        let answer = map.ui(ui, &|row, column| {
            model::describe(state, figure, Layer::from(row), Head::from(column))
        });
        if let Some(cell) = answer.entry {
            Anchor::Head.mark_at(ui.ctx(), cell);
        }
        if let Some((row, column)) = answer.clicked {
            let choose = heads::Command::Choose(Layer::from(row), Head::from(column));
            commands.send(choose);
        }
        lacks_ui(ui, state, grid, commands);
    }
}

/// Says which sentence the attention figures are for, or that there is none.
fn sentence_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.horizontal_wrapped(|ui| {
        if state.sentence().is_none() {
            ui.label(RichText::new("Prompt has no sentence yet.").color(secondary));
            if ui.button("Type a sentence").clicked() {
                commands.send(navigation::Command::Go(ViewId::Prompt));
            }
            return;
        }
        let words = match &state.attention.overview {
            Load::Failed(why) => format!("Could not compute the attention patterns: {why}"),
            Load::Loading => "Computing attention patterns…".to_owned(),
            Load::Absent | Load::Ready(_) => "Measured on the sentence in Prompt".to_owned(),
        };
        ui.label(caption(words).color(secondary));
    });
}

/// Asks for the attention patterns once the screen shows them.
fn ask_attention(state: &AppState, figure: Figure, commands: &mut Commands) {
    let Some(sentence) = state.sentence() else {
        return;
    };
    let asked = state.attention.overview_of.as_ref() == Some(&sentence);
    if figure.of_attention() && !asked && state.prompt.pause_left().is_none() {
        commands.send(attention::Command::Overview);
    }
}

/// Layers listed one by one; more are named in one line.
const LISTED: usize = 4;

/// Layers without a dictionary, with the button that trains one.
fn untrained_ui(ui: &mut Ui, state: &AppState, grid: &Grid, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let mut line = |words: String, layer: Layer| {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new(words).color(secondary));
            if ui.button(format!("Train one on layer {layer}…")).clicked() {
                let hook = HookPoint::Block(layer, Site::Z);
                commands.send(training::Command::Preset(hook));
            }
        });
    };
    let untrained = &grid.untrained;
    if untrained.len() <= LISTED {
        for layer in untrained {
            line(
                format!("No dictionary reads attn.hook_z of layer {layer}"),
                *layer,
            );
        }
        return;
    }
    let chosen = state.selection.head.map(|(layer, _)| layer);
    let chosen = chosen.filter(|layer| untrained.contains(layer));
    if let Some(layer) = chosen.or(untrained.first().copied()) {
        let words = format!(
            "No dictionary reads attn.hook_z in {} of {} layers",
            untrained.len(),
            grid.layers
        );
        line(words, layer);
    }
}

/// Says what the grid lacks, with the button that supplies it.
fn lacks_ui(ui: &mut Ui, state: &AppState, grid: &Grid, commands: &mut Commands) {
    untrained_ui(ui, state, grid, commands);
    for layer in &grid.unindexed {
        let Some(of) = state.z_dictionary(*layer) else {
            continue;
        };
        ui.horizontal(|ui| {
            let words = format!("Top tokens of layer {layer} come from an index");
            ui.label(RichText::new(words).color(Theme::from_ui(ui).ink.secondary));
            let building = of.index.is_loading();
            let button = Button::new(format!("Build the index of {}…", of.name));
            if ui.add_enabled(!building, button).clicked() {
                commands.send(dictionary::Command::BuildIndex(of.id));
            }
        });
    }
    for (layer, why) in &grid.failures {
        failure_line(ui, &format!("Layer {layer} was not measured"), why);
    }
}
