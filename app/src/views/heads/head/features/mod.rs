//! Features of a head: the ten with the largest decoder share from weights alone, and after a study of text three rankings side by side.

mod list;
mod scatter;
mod table;

use egui::{RichText, Ui};
use umbra_core::heads::roles::{Settings, TOKENS};
use umbra_core::ids::{Head, HookPoint, Layer, Site};
use umbra_core::workbench::passes::Pass;

use crate::state::catalogue::Dictionary;
use crate::state::heads::roles::Studied;
use crate::state::requests::heads::roles;
use crate::state::requests::{Commands, training};
use crate::state::{AppState, Load};
use crate::theme::{Theme, caption, panel_title, space};
use crate::widgets::empty_state::failure_line;
use crate::widgets::number;

/// State of the table and the plot.
#[derive(Debug, Default)]
pub(super) struct Panel {
    table: table::Table,
    scatter: scatter::Scatter,
}

/// Width from which the plot stands beside the table.
const BESIDE: f32 = 980.0;

/// Height that a row of the table takes.
const ROW: f32 = 25.0;

/// Width of the plot beside the table.
const PLOT: f32 = 320.0;

/// Draws the panel.
pub(super) fn features_ui(
    ui: &mut Ui,
    state: &AppState,
    (layer, head): (Layer, Head),
    panel: &mut Panel,
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.label(panel_title("Features"));
    let Some(dictionary) = state.z_dictionary(layer) else {
        without_ui(ui, state, layer, commands);
        return;
    };
    let Some(studied) = state.heads.roles.study(dictionary.id) else {
        list::list_ui(ui, state, (dictionary, head), commands);
        study_ui(ui, state, dictionary, commands);
        return;
    };
    let words = format!(
        "Features of {} among the first ten by decoder share or by attribution, of {} live ones. Text: {}, {}",
        dictionary.name,
        number::count(studied.features[head.index()].live as u64),
        studied.text,
        number::counted(studied.study.text.tokens, "token"),
    );
    ui.label(caption(words).color(secondary));
    effects_ui(ui, state, (dictionary, head), studied, commands);
    ui.add_space(space::CHIP);
    let of = (dictionary, studied, head);
    let all = ui.available_width();
    let rows = studied.features[head.index()].rows.len();
    if all < BESIDE {
        tall_ui(ui, (all, rows), |ui| {
            panel.table.ui(ui, state, of, commands);
        });
        ui.add_space(space::CONTROL);
        panel.scatter.ui(ui, state, of, commands);
        return;
    }
    ui.horizontal_top(|ui| {
        let width = all - PLOT - space::GROUP;
        tall_ui(ui, (width, rows), |ui| {
            panel.table.ui(ui, state, of, commands);
        });
        ui.add_space(space::CONTROL);
        ui.vertical(|ui| panel.scatter.ui(ui, state, of, commands));
    });
}

/// Draws a table of `rows` rows whole, `width` wide: the screen scrolls, not the table.
pub(super) fn tall_ui(ui: &mut Ui, (width, rows): (f32, usize), table: impl FnOnce(&mut Ui)) {
    let size = egui::vec2(width, (rows as f32 + 2.0) * ROW);
    ui.allocate_ui(size, |ui| ui.vertical(table));
}

/// Says that no dictionary reads the layer's heads, with the button that trains one.
fn without_ui(ui: &mut Ui, state: &AppState, layer: Layer, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let mut all = state.catalogue.dictionaries.iter();
    if all.any(|one| one.load.is_loading() || one.load.is_absent()) {
        ui.label(RichText::new("Loading the dictionaries…").color(secondary));
        return;
    }
    ui.horizontal_wrapped(|ui| {
        let words = format!("No dictionary reads attn.hook_z of layer {layer}");
        ui.label(RichText::new(words).color(secondary));
        if ui.button(format!("Train one on layer {layer}…")).clicked() {
            let hook = HookPoint::Block(layer, Site::Z);
            commands.send(training::Command::Preset(hook));
        }
    });
}

/// Offers to study the layer, or says how that goes.
fn study_ui(ui: &mut Ui, state: &AppState, dictionary: &Dictionary, commands: &mut Commands) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    ui.add_space(space::CHIP);
    match state.heads.roles.studies.get(&dictionary.id) {
        Some(Load::Loading) => {
            let words = "Studying the layer: progress is shown below, where it can be stopped…";
            ui.label(RichText::new(words).color(secondary));
            return;
        }
        Some(Load::Failed(why)) => failure_line(ui, "The heads could not be studied", why),
        Some(Load::Absent) => {
            let words = "The study was stopped; nothing of it was kept";
            ui.label(RichText::new(words).color(secondary));
        }
        Some(Load::Ready(_)) | None => {}
    }
    ui.horizontal_wrapped(|ui| {
        let help = "Reads the project's held-out text once, and a sample of it again with each head of the layer ablated";
        if ui.button("Study this layer").on_hover_text(help).clicked() {
            commands.send(roles::Command::Study(vec![dictionary.id]));
        }
        let words = format!(
            "ranks the features by attribution and judges the roles, on {} of held-out text",
            number::counted(TOKENS, "token")
        );
        ui.label(caption(words).color(secondary));
    });
    if let Some(words) = cost(state, dictionary) {
        ui.label(caption(words).color(secondary));
    }
}

/// Says what a study runs, and about how long that takes if an evaluation told how fast this machine is.
fn cost(state: &AppState, dictionary: &Dictionary) -> Option<String> {
    let pair = state.pair(dictionary.id)?;
    let config = pair.model.config();
    let rows = Settings::default().sampled_rows;
    let passes = config.heads + 1;
    let words = format!(
        "Cost: {} once, and {passes} passes over {} of them, one for each head ablated and one for none",
        number::counted(TOKENS, "token"),
        number::counted(rows as u64, "row")
    );
    let tokens = TOKENS + (rows * passes * config.context) as u64;
    let speeds = &state.passes.speeds;
    let expected = speeds.expected(Pass::Evaluation, pair, state.settings.device);
    Some(match expected {
        Some(ran) => format!("{words}; {}", ran.said(tokens)),
        None => format!(
            "{words}; the time is unknown until the first evaluation of a dictionary like this on this machine"
        ),
    })
}

/// Offers to measure the causal effects, or says how that goes.
fn effects_ui(
    ui: &mut Ui,
    state: &AppState,
    (dictionary, head): (&Dictionary, Head),
    studied: &Studied,
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let rows = &studied.features[head.index()].rows;
    match state.heads.roles.effects.get(&(dictionary.id, head)) {
        Some(Load::Loading) => {
            let words = "Measuring causal effects: progress is shown below…";
            ui.label(RichText::new(words).color(secondary));
            return;
        }
        Some(Load::Failed(why)) => failure_line(ui, "The effects could not be measured", why),
        Some(Load::Ready(())) => return,
        Some(Load::Absent) => {
            let words = "Measuring was stopped; nothing of it was kept";
            ui.label(RichText::new(words).color(secondary));
        }
        None => {}
    }
    if rows.is_empty() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        let help = "Takes each feature's part out of this head's z, one at a time, in a sample of the text, and measures the rise of cross-entropy where it is active";
        let button = ui.button("Measure causal effects").on_hover_text(help);
        if button.clicked() {
            commands.send(roles::Command::Effects(dictionary.id, head));
        }
        let words = format!("of the {} below", number::counted(rows.len() as u64, "feature"));
        ui.label(caption(words).color(secondary));
    });
}
