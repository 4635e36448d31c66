//! A form built from a table of settings: label, control, unit, default marked, help on hover, the error under the field, "reset" only when changed.
//! Values are text until they are read by whoever owns the table.

use egui::{Align, Align2, Button, ComboBox, Layout, TextEdit, Ui, vec2};

use crate::theme::{Theme, caption, icons, space};

/// Control of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// A number, written.
    Number,
    /// Words, written.
    Text,
    /// `true` or `false`.
    Switch,
    /// One of these.
    Choice(&'a [String]),
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Field<'a> {
    /// Its key, unique within the form.
    pub(crate) key: &'a str,
    /// Its name on screen.
    pub(crate) label: &'a str,
    /// Its unit, if any.
    pub(crate) unit: &'a str,
    /// Help on hover.
    pub(crate) help: &'a str,
    /// Its default.
    pub(crate) default: &'a str,
    /// Mark beside a value that was not set here: "default", or where it comes from.
    pub(crate) origin: &'a str,
    /// Its control.
    pub(crate) kind: Kind<'a>,
    /// The error in the value and its remedy.
    pub(crate) error: Option<&'a str>,
}

/// Width of the labels.
pub(crate) const LABELS: f32 = 120.0;

/// Width of the controls.
const CONTROLS: f32 = 132.0;

impl Field<'_> {
    /// Draws the row and answers with the new value when it was changed.
    pub(crate) fn ui(&self, ui: &mut Ui, value: &str) -> Option<String> {
        let mut changed = None;
        ui.horizontal(|ui| {
            ui.spacing_mut().item_spacing.x = space::CONTROL;
            let label = self.label_ui(ui);
            let response = match self.kind {
                Kind::Switch => Self::switch_ui(ui, value, &mut changed),
                Kind::Choice(options) => self.choice_ui(ui, value, options, &mut changed),
                Kind::Number | Kind::Text => self.text_ui(ui, value, &mut changed),
            };
            response.labelled_by(label.id).on_hover_text(self.hover());
            self.tail_ui(ui, value, &mut changed);
        });
        if let Some(error) = self.error {
            Self::error_ui(ui, error);
        }
        changed
    }

    fn hover(&self) -> String {
        if self.default.is_empty() {
            return self.help.to_owned();
        }
        let unit = if self.unit.is_empty() {
            String::new()
        } else {
            format!(" {}", self.unit)
        };
        format!(
            "{}\n{}: {}{unit}",
            self.help,
            capital(self.origin),
            self.default
        )
    }

    fn label_ui(&self, ui: &mut Ui) -> egui::Response {
        ui.allocate_ui_with_layout(
            vec2(LABELS, space::CONTROL_ROW),
            Layout::left_to_right(Align::Center),
            |ui| {
                ui.set_width(LABELS);
                ui.add(egui::Label::new(self.label).truncate())
            },
        )
        .inner
        .on_hover_text(self.hover())
    }

    fn switch_ui(ui: &mut Ui, value: &str, changed: &mut Option<String>) -> egui::Response {
        let mut on = value == "true";
        ui.allocate_ui_with_layout(
            vec2(CONTROLS, space::CONTROL_ROW),
            Layout::left_to_right(Align::Center),
            |ui| {
                ui.set_width(CONTROLS);
                let response = ui.checkbox(&mut on, "");
                if response.changed() {
                    *changed = Some(on.to_string());
                }
                response
            },
        )
        .inner
    }

    fn choice_ui(
        &self,
        ui: &mut Ui,
        value: &str,
        options: &[String],
        changed: &mut Option<String>,
    ) -> egui::Response {
        ComboBox::from_id_salt(("setting", self.key))
            .selected_text(value)
            .width(CONTROLS)
            .truncate()
            .show_ui(ui, |ui| {
                for option in options {
                    if ui.selectable_label(option == value, option).clicked() {
                        *changed = Some(option.clone());
                    }
                }
            })
            .response
    }

    fn text_ui(&self, ui: &mut Ui, value: &str, changed: &mut Option<String>) -> egui::Response {
        let mut text = value.to_owned();
        let mut edit = TextEdit::singleline(&mut text)
            .desired_width(CONTROLS - 12.0)
            .align(Align2::LEFT_CENTER)
            .min_size(vec2(CONTROLS, space::CONTROL_ROW))
            .margin(egui::Margin::symmetric(6, 4));
        if self.kind == Kind::Number {
            edit = edit
                .font(egui::TextStyle::Monospace)
                .align(Align2::RIGHT_CENTER);
        }
        if self.error.is_some() {
            edit = edit.text_color(Theme::from_ui(ui).failure);
        }
        let response = ui.add(edit);
        if response.changed() {
            *changed = Some(text);
        }
        response
    }

    /// Unit, then "default" or the way back to it.
    fn tail_ui(&self, ui: &mut Ui, value: &str, changed: &mut Option<String>) {
        let theme = Theme::from_ui(ui);
        if !self.unit.is_empty() {
            ui.label(caption(self.unit).color(theme.ink.secondary));
        }
        if self.default.is_empty() {
            return;
        }
        if value == self.default {
            ui.label(caption(self.origin).color(theme.ink.disabled));
        } else {
            let words = format!("Reset {} to {}", self.label, self.default);
            let reset = Button::new(icons::ARROW_COUNTER_CLOCKWISE).frame(false);
            let response = ui.add(reset).on_hover_text(&words);
            response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &words));
            if response.clicked() {
                *changed = Some(self.default.to_owned());
            }
        }
    }

    fn error_ui(ui: &mut Ui, error: &str) {
        let theme = Theme::from_ui(ui);
        ui.horizontal_top(|ui| {
            ui.add_space(LABELS + space::CONTROL);
            let text = caption(format!("{} {error}", icons::WARNING_CIRCLE)).color(theme.failure);
            ui.add(egui::Label::new(text).wrap());
        });
    }
}

/// `word` as the first of a line.
fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::widgets::staged;

    fn field(error: Option<&'static str>) -> Field<'static> {
        Field {
            key: "k",
            label: "Active per token",
            unit: "features",
            help: "How many features each token may use",
            default: "32",
            origin: "default",
            kind: Kind::Number,
            error,
        }
    }

    #[test]
    fn reset_appears_only_when_changed_and_resets() {
        let mut harness = staged(
            |ui, value: &mut String| {
                if let Some(new) = field(None).ui(ui, value) {
                    *value = new;
                }
            },
            "16".to_owned(),
        );
        harness.get_by_label("Reset Active per token to 32").click();
        harness.run();
        assert_eq!(harness.state(), "32");
        assert!(
            harness
                .query_by_label("Reset Active per token to 32")
                .is_none()
        );
        harness.get_by_label("default");
    }

    #[test]
    fn a_long_label_leaves_the_control_in_its_column() {
        let left = |label: &'static str| {
            let long = Field {
                label,
                ..field(None)
            };
            let harness = staged(
                move |ui, (): &mut ()| {
                    long.ui(ui, "32");
                },
                (),
            );
            let edit = harness.get_by_role_and_label(egui::Role::TextInput, label);
            edit.rect().left()
        };
        let gap = left("Much more than fits into the column") - left("k");
        assert!(gap.abs() < 1.0, "{gap}");
    }

    #[test]
    fn the_error_stands_under_the_field() {
        let harness = staged(
            |ui, (): &mut ()| {
                field(Some("more than the 8 features there are")).ui(ui, "9");
            },
            (),
        );
        harness.get_by_label_contains("more than the 8 features");
    }

    #[test]
    fn typing_answers_with_the_text() {
        let mut harness = staged(
            |ui, value: &mut String| {
                if let Some(new) = field(None).ui(ui, value) {
                    *value = new;
                }
            },
            String::new(),
        );
        let edit = harness.get_by_role_and_label(egui::Role::TextInput, "Active per token");
        edit.focus();
        harness.run();
        harness
            .get_by_role_and_label(egui::Role::TextInput, "Active per token")
            .type_text("24");
        harness.run();
        assert_eq!(harness.state(), "24");
    }
}
