//! The heads lab: the features that each attention head writes, and the sources of a feature's activation.

mod attribution;
mod head;
mod model;
#[cfg(test)]
mod tests;

use egui::{Button, RichText, ScrollArea, Ui};
use umbra_core::ids::{Head, HookPoint, Layer, Site};

pub(crate) use self::model::Figure;
use self::model::Grid;
use super::view::View;
use crate::state::requests::{Commands, attention, dictionary, heads, navigation, training};
use crate::state::view::ViewId;
use crate::state::{AppState, Load};
use crate::theme::{Hue, Theme, caption, icons, panel_title, space};
use crate::views::missing::misfit_ui;
use crate::widgets::anchor::Anchor;
use crate::widgets::empty_state::{empty_state, failure_line, failure_state};
use crate::widgets::heat_map::{HeatMap, Side};
use crate::widgets::scroll::scroll_ui;

/// Width from which the head's features stand beside the grid.
const BESIDE: f32 = 720.0;

/// The heads lab: the features that each attention head writes, and the sources of a feature's activation.
#[derive(Debug, Default)]
pub(crate) struct HeadsView {
    /// The figure chosen for the colours.
    figure: Option<Figure>,
}

/// The head beside the grid.
#[derive(Debug, Clone, Copy)]
struct Shown {
    /// The head, once there is one to show.
    head: Option<(Layer, Head)>,
    /// Figure by which it was chosen, unless a person chose it.
    by: Option<Figure>,
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

impl View for HeadsView {
    fn ui(&mut self, ui: &mut Ui, state: &AppState, commands: &mut Commands) {
        let figure = figure(self.figure, state);
        let Some(grid) = model::grid(state, figure) else {
            return without_model_ui(ui, state, commands);
        };
        ask(state, &grid, commands);
        ask_attention(state, figure, commands);
        if let Some(why) = state.misfit() {
            let still = "Without it, attention figures and other dictionaries' features are shown";
            misfit_ui(ui, state, &format!("{why}. {still}."), commands);
        }
        let first = model::first_head(state, figure, &grid);
        let shown = Shown {
            head: state.selection.head.or(first),
            by: state.selection.head.is_none().then_some(figure),
        };
        let drawn = (figure, &grid, shown.head);
        let area = ScrollArea::vertical().auto_shrink(false);
        scroll_ui(ui, "heads", area, |ui| {
            if ui.available_width() >= BESIDE {
                ui.columns_const(|[left, right]| {
                    left.vertical(|ui| self.grid_ui(ui, state, drawn, commands));
                    right.vertical(|ui| head::head_ui(ui, state, shown, commands));
                });
            } else {
                self.grid_ui(ui, state, drawn, commands);
                ui.add_space(space::CONTROL);
                head::head_ui(ui, state, shown, commands);
            }
            ui.add_space(space::GROUP);
            attribution::attribution_ui(ui, state, shown.head, commands);
        });
    }

    fn least(&self) -> egui::Vec2 {
        egui::vec2(400.0, 160.0) // it scrolls by itself
    }
}

fn without_model_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let sentence = "This screen shows all attention heads in a grid, coloured by how focused each head's features are.";
    match &state.catalogue.model {
        Load::Failed(why) => {
            failure_state(ui, "The model did not load", why, None);
        }
        Load::Loading => {
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.label(RichText::new("Loading the model…").color(secondary));
        }
        Load::Absent | Load::Ready(_) => {
            if empty_state(ui, icons::GRID_NINE, sentence, Some("Open a model")) {
                commands.send(navigation::Command::Go(ViewId::Library));
            }
        }
    }
}

/// Asks for figures that the grid shows and that are missing, or that a new index extends.
fn ask(state: &AppState, grid: &Grid, commands: &mut Commands) {
    for layer in (0..grid.layers).map(Layer::from) {
        let Some(dictionary) = state.z_dictionary(layer) else {
            continue;
        };
        let kept = state.heads.figures.get(&dictionary.id);
        let indexed = state.index_of(dictionary.id).is_some();
        let wanted = match kept {
            None => !dictionary.awaits_index(),
            Some(kept) => indexed && !kept.indexed && !kept.load.is_loading(),
        };
        if wanted {
            commands.send(heads::Command::Measure(dictionary.id));
        }
    }
}

impl HeadsView {
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
