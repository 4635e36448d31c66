//! Writes of a cross-layer transcoder's feature in each layer: length of its row, tokens that it moves there, features that write nearly the same.

use egui::{CollapsingHeader, Ui};
use umbra_core::features::{Detail, TokenEffect, Written};

use super::chips::chip_ui;
use crate::state::AppState;
use crate::state::requests::Commands;
use crate::theme::{Hue, caption, mono, panel_title, space};
use crate::widgets::bars::{Bar, Bars, Fill};
use crate::widgets::number::{number, signed};

const HELP: &str = "This feature writes its own layer and later ones, a row of the decoder in each. Promoted and suppressed tokens above are of all layers together";
const NORM: &str = "Norm of the decoder row in the layer";
const TOKENS: &str =
    "Tokens that this layer's row promotes and suppresses most, by its effect on their logits";
const NEAR: &str = "Features whose rows in this layer have the largest cosine with this one's";

/// Draws every layer that is written; nothing for a dictionary that writes one hook.
pub(super) fn written_ui(ui: &mut Ui, detail: &Detail, state: &AppState, commands: &mut Commands) {
    if detail.written.is_empty() {
        return;
    }
    ui.label(panel_title("Writes in each layer"))
        .on_hover_text(HELP);
    let bar = |written: &Written| {
        Bar::new(written.hook.to_string(), written.norm).text(number(written.norm))
    };
    let bars: Vec<Bar> = detail.written.iter().map(bar).collect();
    Bars::new("Norm in each layer", &bars, Fill::Hue(Hue::Model))
        .label_width(170.0)
        .definition(NORM)
        .show(ui);
    for (i, written) in detail.written.iter().enumerate() {
        ui.add_space(space::CONTROL);
        let name = format!("In {}", written.hook);
        let what = (detail.summary.feature, i);
        CollapsingHeader::new(caption(&name))
            .id_salt(("written", what))
            .default_open(i == 0)
            .show(ui, |ui| layer_ui(ui, written, state, commands));
    }
    ui.add_space(space::GROUP);
}

fn layer_ui(ui: &mut Ui, written: &Written, state: &AppState, commands: &mut Commands) {
    let effects = || written.promoted.iter().chain(&written.suppressed);
    if effects().next().is_some() {
        let bar = |effect: &TokenEffect| {
            let value = f64::from(effect.effect);
            Bar::new(effect.text.as_str(), value)
                .text(signed(value))
                .hover(format!("Token {}", effect.id))
        };
        let bars: Vec<Bar> = effects().map(bar).collect();
        Bars::new(&format!("Tokens of {}", written.hook), &bars, Fill::Signed)
            .tokens()
            .label_width(120.0)
            .definition(TOKENS)
            .show(ui);
    }
    for near in &written.neighbours {
        let width = (ui.available_width() - 70.0).max(90.0);
        ui.horizontal(|ui| {
            chip_ui(
                ui,
                state,
                commands,
                near.feature,
                (near.cosine.abs(), width),
            );
            let right = egui::Layout::right_to_left(egui::Align::Center);
            ui.with_layout(right, |ui| {
                ui.label(mono(number(f64::from(near.cosine))))
                    .on_hover_text(NEAR);
            });
        });
    }
}
