//! The tokens that the model expects after the selected one, on a line of their own: visible with and without a dictionary, beside every panel.

use egui::{FontId, Role, Sense, Ui, WidgetInfo, pos2, vec2};
use umbra_core::prompt::Reading;

use crate::state::requests::Commands;
use crate::state::requests::steering::causes::attributed::Command;
use crate::theme::{Hue, Theme, caption, mono_caption, size, space};
use crate::widgets::number::percent;

/// Height of the line.
const LINE: f32 = 24.0;

/// Draws as many of the next tokens as the width takes, most likely first.
pub(super) fn next_ui(ui: &mut Ui, reading: &Reading, at: usize, commands: &mut Commands) {
    let (Some(next), Some(text)) = (reading.next.get(at), reading.texts.get(at)) else {
        return;
    };
    let Some(read) = reading.tokens.get(..=at) else {
        return;
    };
    let theme = Theme::from_ui(ui);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        ui.set_min_height(LINE);
        ui.label(caption("Next token").color(theme.ink.secondary))
            .on_hover_text("The model's probabilities for the token after the selected one");
        ui.label(caption("after").color(theme.ink.secondary));
        let shown: String = text.replace('\n', "⏎").chars().take(16).collect();
        ui.label(mono_caption(shown).background_color(theme.surface.hover));
        ui.add_space(space::CHIP);
        for next in next {
            let mono = |text: String, size, ink| {
                ui.painter()
                    .layout_no_wrap(text, FontId::monospace(size), ink)
            };
            let token = next.text.replace('\n', "⏎").replace('\t', "⇥");
            let tint = theme.tint(Hue::Model, next.probability.max(0.04));
            let token = mono(token, size::BODY, tint.ink);
            let share = percent(f64::from(next.probability));
            let written = mono(share.clone(), size::CAPTION, theme.ink.secondary);
            let wide = token.size().x + 8.0;
            let room = vec2(wide + 4.0 + written.size().x, LINE);
            if room.x > ui.available_width() {
                break;
            }
            let (rect, response) = ui.allocate_exact_size(room, Sense::click());
            response.widget_info(|| {
                let name = format!("{}, {share}", next.text.trim());
                WidgetInfo::labeled(Role::Button, true, name)
            });
            let ground = rect.with_max_x(rect.left() + wide).shrink2(vec2(0.0, 2.0));
            ui.painter().rect_filled(ground, space::CORNER, tint.fill);
            let middle = |height: f32| rect.center().y - height / 2.0;
            let at = pos2(rect.left() + 4.0, middle(token.size().y));
            ui.painter().galley(at, token, tint.ink);
            let at = pos2(ground.right() + 4.0, middle(written.size().y));
            ui.painter().galley(at, written, theme.ink.secondary);
            let response = response.on_hover_text(format!(
                "The model's probability of this next token: {share}. Token id {}. Click: what caused this?",
                next.id
            ));
            if response.clicked() {
                commands.send(Command::Explain(read.to_vec(), next.id));
            }
            ui.add_space(space::CHIP);
        }
    });
}
