//! Rows of a form ([`super::form`]) built from a table of settings. Values are text until they are read by whoever owns the table.

use egui::{Align2, ComboBox, Id, TextEdit, Ui, vec2};
use umbra_core::count;

use super::form::Row;
use super::number;
use crate::theme::space;

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
    /// Origin of the default, for the definition on hover: "default", or where it comes from.
    pub(crate) origin: &'a str,
    /// Its control.
    pub(crate) kind: Kind<'a>,
    /// The error in the value and its remedy.
    pub(crate) error: Option<&'a str>,
}

impl Field<'_> {
    /// Draws the row and answers with the new value when it was changed.
    pub(crate) fn ui(&self, ui: &mut Ui, value: &str) -> Option<String> {
        let mut changed = None;
        let is_own = !self.default.is_empty() && value != self.default;
        let (help, default) = (self.hover(), self.shown(self.default));
        let row = Row {
            label: self.label,
            help: &help,
            unit: self.unit,
            reset: is_own.then_some(default.as_str()),
            error: self.error,
            wide: false,
        };
        let reset = row.ui(ui, |ui, width| match self.kind {
            Kind::Switch => Self::switch_ui(ui, value, &mut changed),
            Kind::Choice(options) => self.choice_ui(ui, (value, width), options, &mut changed),
            Kind::Number | Kind::Text => self.text_ui(ui, (value, width), &mut changed),
        });
        if reset {
            changed = Some(self.default.to_owned());
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
            self.shown(self.default)
        )
    }

    /// Returns a value as it is shown where nobody writes in it: whole numbers have thousands separators.
    fn shown(&self, value: &str) -> String {
        let digits = value.bytes().all(|byte| byte.is_ascii_digit());
        match count::read(value) {
            Ok(whole) if digits && self.kind == Kind::Number => number::count(whole),
            _ => value.to_owned(),
        }
    }

    fn switch_ui(ui: &mut Ui, value: &str, changed: &mut Option<String>) -> egui::Response {
        let mut on = value == "true";
        let response = ui.checkbox(&mut on, "");
        if response.changed() {
            *changed = Some(on.to_string());
        }
        response
    }

    fn choice_ui(
        &self,
        ui: &mut Ui,
        (value, width): (&str, f32),
        options: &[String],
        changed: &mut Option<String>,
    ) -> egui::Response {
        ComboBox::from_id_salt(("setting", self.key))
            .selected_text(value)
            .width(width)
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

    fn text_ui(
        &self,
        ui: &mut Ui,
        (value, width): (&str, f32),
        changed: &mut Option<String>,
    ) -> egui::Response {
        let id: Id = ui.make_persistent_id(("field", self.key));
        let writing = ui.memory(|memory| memory.has_focus(id));
        let mut text = if writing {
            value.to_owned()
        } else {
            self.shown(value)
        };
        let mut edit = TextEdit::singleline(&mut text)
            .id(id)
            .desired_width(width - 12.0)
            .align(Align2::LEFT_CENTER)
            .min_size(vec2(width, space::CONTROL_ROW))
            .margin(egui::Margin::symmetric(6, 4));
        if self.kind == Kind::Number {
            edit = edit
                .font(egui::TextStyle::Monospace)
                .align(Align2::RIGHT_CENTER);
        }
        let response = ui.add(edit);
        if response.changed() {
            *changed = Some(text);
        }
        response
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
    use egui_kittest::kittest::{NodeT as _, Queryable as _};
    use umbra_core::train::SETTINGS;

    use super::*;
    use crate::widgets::staged;

    fn field(error: Option<&'static str>) -> Field<'static> {
        Field {
            key: "tokens",
            label: "Training tokens",
            unit: "tokens",
            help: "Activations to train on",
            default: "2000000",
            origin: "default",
            kind: Kind::Number,
            error,
        }
    }

    fn typed() -> egui_kittest::Harness<'static, String> {
        let one = |ui: &mut Ui, value: &mut String| {
            let small = (value.len() < 4).then_some("is fewer than the batch");
            if let Some(new) = field(small).ui(ui, value) {
                *value = new;
            }
        };
        staged(one, "150000".to_owned())
    }

    fn input<'a>(harness: &'a egui_kittest::Harness<'_, String>) -> egui_kittest::Node<'a> {
        harness.get_by_role_and_label(egui::Role::TextInput, "Training tokens")
    }

    #[test]
    fn reset_appears_only_when_changed_and_resets() {
        let words = "Reset Training tokens to 2\u{202f}000\u{202f}000";
        let mut harness = typed();
        harness.get_by_label(words).click();
        harness.run();
        assert_eq!(harness.state(), "2000000");
        assert!(harness.query_by_label(words).is_none());
        assert!(harness.query_by_label("default").is_none());
    }

    #[test]
    fn thousands_are_set_apart_where_nobody_writes() {
        let mut harness = typed();
        let value = |harness: &egui_kittest::Harness<'_, String>| {
            input(harness).accesskit_node().value().unwrap_or_default()
        };
        assert_eq!(value(&harness), "150\u{202f}000");
        input(&harness).focus();
        harness.run();
        assert_eq!(value(&harness), "150000");
    }

    #[test]
    fn an_error_is_told_once_the_field_is_left() {
        let mut harness = typed();
        input(&harness).focus();
        harness.run();
        for _ in 0..3 {
            harness.key_press(egui::Key::Backspace);
        }
        harness.run();
        assert_eq!(harness.state(), "150");
        assert!(harness.query_by_label_contains("fewer than").is_none());
        harness.key_press(egui::Key::Enter);
        harness.run();
        harness.get_by_label_contains("fewer than the batch");
    }

    #[test]
    fn every_label_of_the_table_fits_its_column() {
        let ctx = egui::Context::default();
        crate::theme::install(&ctx);
        let mut long = Vec::new();
        let mut output = ctx.run_ui(egui::RawInput::default(), |ui| {
            let font = egui::TextStyle::Body.resolve(ui.style());
            let width = |label: &str| {
                let ink = ui.visuals().text_color();
                let galley = ui
                    .painter()
                    .layout_no_wrap(label.to_owned(), font.clone(), ink);
                galley.size().x
            };
            let labels = SETTINGS.iter().map(|setting| setting.label);
            // Room for the mark of a changed value.
            let room = super::super::form::LABEL - 6.0;
            long = labels.filter(|label| width(label) > room).collect();
        });
        assert_eq!(long, [""; 0]);
        output.textures_delta.clear();
    }

    #[test]
    fn typing_answers_with_the_text() {
        let mut harness = typed();
        input(&harness).focus();
        harness.run();
        input(&harness).type_text("24");
        harness.run();
        assert!(harness.state().contains("24"), "{}", harness.state());
    }
}
