//! How the model compared with reference values or with itself: one verdict, and the tensors behind it.

use egui::{Label, RichText, Ui};
use umbra_core::models::verify::{Row, TOLERANCE, Verification};

use super::{failed_ui, folded};
use crate::state::requests::{Commands, library};
use crate::state::{AppState, Load};
use crate::theme::{self, Theme, icons, space};
use crate::widgets::number;

/// Rows shown without scrolling.
const HEIGHT: f32 = 220.0;

/// Draws the verdict in one line, once there is one.
pub(super) fn verdict_ui(ui: &mut Ui, state: &AppState) {
    match &state.catalogue.verification {
        Load::Ready(verification) => said_ui(ui, verification),
        Load::Failed(sentence) => failed_ui(ui, sentence),
        Load::Loading => {
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.label(RichText::new("Verifying…").color(secondary));
        }
        Load::Absent => {}
    }
}

/// Draws the tensors behind the verdict and the buttons that find it out.
pub(super) fn verification_ui(ui: &mut Ui, state: &AppState, commands: &mut Commands) {
    let verification = &state.catalogue.verification;
    if let Load::Ready(verification) = verification {
        tensors_ui(ui, verification);
    }
    if verification.is_loading() {
        return;
    }
    ui.horizontal_wrapped(|ui| {
        let help = "Compares the model with the reference.safetensors beside it; without that file, checks relations that must hold between the model's own hooks";
        if ui.button("Verify").on_hover_text(help).clicked() {
            commands.send(library::Command::Verify(None));
        }
        let help = "Compares every tensor of a safetensors file with this model. The file holds tokens [b, t] and values named by hooks, logits, loss_sum or grad.NAME";
        if ui.button("Verify against a file…").on_hover_text(help).clicked() {
            commands.send(library::Command::Pick(library::Pick::Reference));
        }
    });
}

fn said_ui(ui: &mut Ui, verification: &Verification) {
    let theme = Theme::from_ui(ui);
    let (symbol, colour) = if verification.agrees() {
        (icons::CHECK_CIRCLE, theme.promoted)
    } else {
        (icons::WARNING_CIRCLE, theme.failure)
    };
    ui.horizontal_wrapped(|ui| {
        ui.label(theme::icon(symbol).color(colour));
        ui.add(Label::new(verdict(verification)).wrap());
    });
}

fn tensors_ui(ui: &mut Ui, verification: &Verification) {
    let title = format!("Tensors compared ({})", verification.rows.len());
    folded(ui, &title, |ui| {
        egui::ScrollArea::vertical().max_height(HEIGHT).show_rows(
            ui,
            space::TABLE_ROW,
            verification.rows.len(),
            |ui, range| {
                for row in &verification.rows[range] {
                    row_ui(ui, row);
                }
            },
        );
    });
}

/// `51 of 51 tensors agree; the largest difference (logits) is 7 % of the tolerance`.
fn verdict(verification: &Verification) -> String {
    let agree = verification.rows.iter().filter(|row| row.agrees()).count();
    let all = verification.rows.len();
    let of = format!("{agree} of {all} tensors agree");
    match verification.worst() {
        Some((share, row)) if share.is_finite() => {
            let share = if share <= 1.0 {
                format!("{} of", number::percent(share))
            } else {
                format!("{} times", number::number(share))
            };
            let name = &row.name;
            format!("{of}; the largest difference ({name}) is {share} the tolerance")
        }
        Some((_, row)) => format!("{of}; {} could not be compared", row.name),
        None => "No tensor could be compared".to_owned(),
    }
}

fn row_ui(ui: &mut Ui, row: &Row) {
    let theme = Theme::from_ui(ui);
    let (value, colour) = match &row.problem {
        Some(_) => ("–".to_owned(), theme.failure),
        None if row.agrees() => (number::number(row.difference), theme.ink.primary),
        None => (number::number(row.difference), theme.failure),
    };
    let help = row.problem.clone().unwrap_or_else(|| {
        format!(
            "Largest difference from {}; the tolerance is {TOLERANCE:e} of the largest entry, {}, or of 1",
            row.against,
            number::number(row.largest)
        )
    });
    ui.horizontal(|ui| {
        let symbol = if row.agrees() {
            icons::CHECK
        } else {
            icons::WARNING_CIRCLE
        };
        ui.label(theme::icon(symbol).color(colour));
        ui.add(Label::new(theme::mono_caption(&row.name)).truncate());
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.label(theme::mono_caption(value).color(colour));
        });
    })
    .response
    .on_hover_text(help);
}
