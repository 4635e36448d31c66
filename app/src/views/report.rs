//! The button that adds a result to the project's report.

use egui::Ui;
use umbra_core::section::Section;

use crate::state::requests::{Commands, results};

/// Draws the button; `section` makes the section of the result once it is clicked.
pub(crate) fn add_ui(ui: &mut Ui, commands: &mut Commands, section: impl FnOnce() -> Section) {
    let help = "Keeps this result with the project and writes it into the project's report, reports/results.html";
    if ui.button("Add to report").on_hover_text(help).clicked() {
        commands.send(results::Command::Add(Box::new(section())));
    }
}

/// Draws the button where there is no result yet.
pub(crate) fn none_yet_ui(ui: &mut Ui) {
    let button = ui.add_enabled(false, egui::Button::new("Add to report"));
    button.on_disabled_hover_text("Here once the result is complete");
}
