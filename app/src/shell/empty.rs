//! Empty and failure states: one sentence, one button.

use crate::theme::{self, Theme, icons, space};

/// An empty place: what it shows and one button that gets there. `true` if the button was pressed.
#[must_use]
pub fn state_ui(ui: &mut egui::Ui, sentence: &str, button: &str) -> bool {
    let mut pressed = false;
    centred(ui, |ui| {
        ui.label(egui::RichText::new(sentence).color(Theme::of(ui).ink.secondary));
        ui.add_space(space::CONTROL);
        pressed = ui.button(button).clicked();
    });
    pressed
}

/// Something failed: the sentence (with its remedy), "Copy details" and, if `button` is given, one button. `true` if that was pressed.
#[must_use]
pub fn failure_ui(ui: &mut egui::Ui, sentence: &str, button: Option<&str>) -> bool {
    let mut pressed = false;
    centred(ui, |ui| {
        let failure = Theme::of(ui).failure;
        ui.label(theme::icon(icons::WARNING_CIRCLE).color(failure));
        ui.label(sentence);
        ui.add_space(space::CONTROL);
        if ui.button("Copy details").clicked() {
            ui.ctx().copy_text(sentence.to_owned());
        }
        if let Some(button) = button {
            pressed = ui.button(button).clicked();
        }
    });
    pressed
}

/// In the upper middle of what is free, at most 440 wide.
fn centred(ui: &mut egui::Ui, add: impl FnOnce(&mut egui::Ui)) {
    ui.vertical_centered(|ui| {
        ui.set_max_width(440.0);
        ui.add_space((ui.available_height() * 0.3).clamp(space::GROUP, 240.0));
        add(ui);
    });
}
