//! A head's figures, with the buttons that lead to its pattern and silence it.

use egui::Ui;
use umbra_core::ids::{Head, Layer};

use crate::state::AppState;
use crate::state::prompt::Side;
use crate::state::requests::{Commands, navigation, prompt, steering};
use crate::state::view::ViewId;
use crate::theme::{Theme, caption, mono};
use crate::views::heads::map::{self, Figure};
use crate::widgets::{meaning, number};

/// Draws the head's attention on the sentence in Prompt, with buttons to its pattern and to silence it.
pub(super) fn profile_ui(
    ui: &mut Ui,
    state: &AppState,
    (layer, head): (Layer, Head),
    commands: &mut Commands,
) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    if let Some(glance) = map::glance(state, layer, head) {
        ui.horizontal_wrapped(|ui| {
            for figure in [Figure::Previous, Figure::First, Figure::Entropy] {
                let value = figure
                    .of_glance(glance)
                    .map_or_else(String::new, number::number);
                let help = figure.definition();
                ui.label(caption(figure.title()).color(secondary))
                    .on_hover_text(help);
                let number = ui.label(mono(&value));
                meaning::figure(&number, figure.title(), help, &value);
                number.on_hover_text(help);
            }
        });
    }
    ui.horizontal_wrapped(|ui| {
        if ui.button("Show its attention pattern").clicked() {
            commands.send(prompt::Command::Show(Side::Attention));
            commands.send(navigation::Command::Go(ViewId::Prompt));
        }
        let help = "Adds an edit in Steering that sets this head's output to zero";
        if ui
            .button("Silence this head in Steering")
            .on_hover_text(help)
            .clicked()
        {
            commands.send(steering::Command::Silence(layer, head));
        }
    });
}
