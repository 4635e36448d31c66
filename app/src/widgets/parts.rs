//! Small pieces of the frame.

use egui::{Button, Response, Role, Stroke, Ui, WidgetInfo, vec2};

use super::meaning;
use crate::theme::{self, Theme, space};

/// A frameless icon with a name for screen readers and on hover.
pub(crate) fn icon_button(ui: &mut Ui, icon: &str, name: &str) -> Response {
    icon_button_enabled(ui, icon, name, true)
}

/// A frameless icon button that may be disabled.
pub(crate) fn icon_button_enabled(ui: &mut Ui, icon: &str, name: &str, enabled: bool) -> Response {
    let ink = Theme::from_ui(ui).ink;
    let colour = if enabled { ink.secondary } else { ink.disabled };
    let button = Button::new(theme::icon(icon).color(colour))
        .frame_when_inactive(false)
        .stroke(Stroke::NONE)
        .min_size(vec2(space::CONTROL_ROW, space::CONTROL_ROW));
    let response = ui
        .scope(|ui| {
            ui.spacing_mut().button_padding = vec2(4.0, 4.0);
            ui.add_enabled(enabled, button)
        })
        .inner;
    response.widget_info(|| WidgetInfo::labeled(Role::Button, enabled, name));
    response.on_hover_text(name)
}

/// A small frameless icon within a line of text.
pub(crate) fn inline_icon_button(ui: &mut Ui, icon: &str, name: &str) -> Response {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let icon = theme::icon(icon).size(theme::size::BODY).color(secondary);
    let response = ui
        .scope(|ui| {
            ui.spacing_mut().button_padding = vec2(4.0, 0.0);
            ui.spacing_mut().interact_size = vec2(20.0, 18.0);
            let button = Button::new(icon).frame_when_inactive(false);
            ui.add(button.stroke(Stroke::NONE))
        })
        .inner;
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
    response.on_hover_text(name)
}

/// Shortens `text` to at most `most` characters, with an ellipsis where something is cut.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// A frameless icon that opens a menu; named for screen readers and on hover.
pub(crate) fn icon_menu(ui: &mut Ui, icon: &str, name: &str, content: impl FnOnce(&mut Ui)) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let button = Button::new(theme::icon(icon).color(secondary))
        .frame_when_inactive(false)
        .stroke(Stroke::NONE);
    let (response, _) = egui::containers::menu::MenuButton::from_button(button).ui(ui, content);
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, name));
    response.on_hover_text(name);
}

/// A thin bar with a track; `name` is for screen readers.
pub(crate) fn bar_ui(ui: &mut Ui, share: f32, width: f32, name: &str) {
    let (rect, response) = ui.allocate_exact_size(vec2(width, 6.0), egui::Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::ProgressIndicator, true, name));
    let theme = Theme::from_ui(ui);
    let filled = rect.with_max_x(rect.left() + rect.width() * share.clamp(0.0, 1.0));
    ui.painter().rect_filled(rect, 3.0, theme.line.hair);
    ui.painter().rect_filled(filled, 3.0, theme.ink.secondary);
}

/// Height of a fact.
const ROW: f32 = 18.0;

/// A label left, a value right, in a row of the inspector or a card; `definition` on hover.
pub(crate) fn fact_ui(ui: &mut Ui, label: &str, value: &str, definition: &str) {
    let secondary = Theme::from_ui(ui).ink.secondary;
    let size = vec2(ui.available_width(), ROW);
    let left = egui::Layout::left_to_right(egui::Align::Center);
    let row = ui.allocate_ui_with_layout(size, left, |ui| {
        ui.spacing_mut().interact_size.y = ROW;
        ui.label(egui::RichText::new(label).color(secondary));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            ui.add(egui::Label::new(theme::mono(value)).truncate());
        });
    });
    meaning::figure(&row.response, label, definition, value);
    if !definition.is_empty() {
        row.response.on_hover_text(definition);
    }
}
