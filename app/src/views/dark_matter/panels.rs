//! The probe's figures as panels: name, number, bar; the definition on hover.

use egui::{Rect, Sense, Ui, vec2};
use umbra_core::dark_matter::{DEFINITIONS, Probe};

use crate::state::catalogue::Evaluation;
use crate::theme::{Hue, Theme, caption, page_title, space};
use crate::widgets::number;
use crate::words;

/// One figure.
struct Panel {
    key: &'static str,
    title: &'static str,
    value: f64,
}

/// Draws the five figures side by side; `measured` are those of Library.
pub(super) fn panels_ui(ui: &mut Ui, probe: &Probe, measured: Option<&Evaluation>) {
    let panels = [
        ("r2_mean", "R² of the error", probe.r2_mean),
        ("r2_weighted", "R², by variance", probe.r2_weighted),
        ("r2_norm", "R² of its squared norm", probe.r2_norm),
        ("fvu_total", "FVU, total", probe.fvu_total),
        ("fvu_nonlinear", "FVU, nonlinear", probe.fvu_nonlinear),
    ]
    .map(|(key, title, value)| Panel { key, title, value });
    let gap = space::GROUP;
    let width = (ui.available_width() - gap * 4.0) / 5.0;
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = gap;
        for panel in &panels {
            let mut help = definition(panel.key).to_owned();
            if panel.key == "fvu_total" {
                help = format!("{help}\n{}", texts(probe, measured));
            }
            panel_ui(ui, panel, (width, &help));
        }
    });
}

fn panel_ui(ui: &mut Ui, panel: &Panel, (width, help): (f32, &str)) {
    let theme = Theme::from_ui(ui);
    let response = ui
        .allocate_ui(vec2(width, 56.0), |ui| {
            ui.set_width(width);
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 2.0;
                let title = caption(panel.title).color(theme.ink.secondary);
                ui.add(egui::Label::new(title).truncate());
                ui.label(page_title(number::number(panel.value)));
                let (rect, _) = ui.allocate_exact_size(vec2(width, 4.0), Sense::hover());
                ui.painter().rect_filled(rect, 2.0, theme.surface.hover);
                let share = panel.value.clamp(0.0, 1.0) as f32;
                let filled = Rect::from_min_size(rect.min, vec2(width * share, 4.0));
                ui.painter().rect_filled(filled, 2.0, theme.hue(Hue::Error));
            });
        })
        .response;
    let name = format!("{} {}", panel.title, number::number(panel.value));
    let response = ui.interact(response.rect, response.id.with(panel.key), Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Figure, true, &name));
    response.on_hover_text(help);
}

/// Says which text the FVU here and the one in Library are measured on.
fn texts(probe: &Probe, measured: Option<&Evaluation>) -> String {
    let here = number::count(probe.held_out_tokens);
    let here = format!("Measured on {here} held-out activations.");
    let Some(measured) = measured else {
        return here;
    };
    format!(
        "{here} Library has {}, measured on {} tokens of {}.",
        number::number(measured.figures.fvu),
        number::count(measured.figures.tokens),
        measured.text
    )
}

/// A figure's definition.
pub(super) fn definition(key: &str) -> &'static str {
    DEFINITIONS
        .iter()
        .find(|(name, _)| *name == key)
        .map_or("", |(_, definition)| definition)
}

/// Describes the text that the figures are measured on.
pub(super) fn basis(probe: &Probe) -> String {
    let mut text = format!(
        "Fitted on {} activations of the training text, measured on {} held out, {}",
        number::count(probe.fit_tokens),
        number::count(probe.held_out_tokens),
        words::said(&(probe.positions).said(probe.left_out.map(|(fit, held_out)| fit + held_out))),
    );
    if let Some(note) = probe.note() {
        text.push_str("; ");
        text.push_str(&note);
    }
    text
}
