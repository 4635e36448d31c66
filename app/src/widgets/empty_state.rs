//! Empty states (one sentence and one button) and failure states (the error and its remedy).

use egui::{Align, Button, Label, Layout, RichText, Ui, vec2};

use crate::theme::{Theme, body_strong, icon, icons, space};

/// Widest line of the sentence, so that it reads like prose.
const MEASURE: f32 = 420.0;

/// Largest empty space above.
const LIFT: f32 = 120.0;

/// One sentence what this place shows, and the button that gets there. True when it was pressed.
pub(crate) fn empty_state(ui: &mut Ui, symbol: &str, sentence: &str, button: Option<&str>) -> bool {
    middle(ui, |ui| {
        ui.label(large(symbol).color(Theme::from_ui(ui).ink.disabled));
        let secondary = Theme::from_ui(ui).ink.secondary;
        ui.add(Label::new(RichText::new(sentence).color(secondary)).wrap());
        button.is_some_and(|words| {
            ui.add_space(space::CHIP);
            ui.add(Button::new(words).min_size(vec2(0.0, space::CONTROL_ROW)))
                .clicked()
        })
    })
}

/// The sentence (what is wrong and the remedy), "Copy details", and a button to try again where there is something to try. True when that was pressed.
pub(crate) fn failure_state(ui: &mut Ui, title: &str, sentence: &str, again: Option<&str>) -> bool {
    middle(ui, |ui| {
        ui.label(large(icons::WARNING_CIRCLE).color(Theme::from_ui(ui).failure));
        ui.label(body_strong(title));
        ui.add(Label::new(sentence).wrap().selectable(true));
        ui.add_space(space::CHIP);
        let mut pressed = false;
        let width = if again.is_some() { 220.0 } else { 120.0 };
        ui.allocate_ui_with_layout(
            vec2(width, space::CONTROL_ROW),
            Layout::left_to_right(Align::Center),
            |ui| {
                if let Some(words) = again {
                    pressed = ui.button(words).clicked();
                }
                copy_button(ui, title, sentence);
            },
        );
        pressed
    })
}

/// A failure in one line, for panels that have other content: mark, sentence, copy.
pub(crate) fn failure_line(ui: &mut Ui, title: &str, sentence: &str) {
    let theme = Theme::from_ui(ui);
    ui.horizontal_top(|ui| {
        ui.label(icon(icons::WARNING_CIRCLE).color(theme.failure));
        ui.vertical(|ui| {
            ui.label(body_strong(title));
            ui.add(Label::new(sentence).wrap().selectable(true));
            copy_button(ui, title, sentence);
        });
    });
}

fn copy_button(ui: &mut Ui, title: &str, sentence: &str) {
    let help = "Copies the message and the program's version";
    if ui.button("Copy details").on_hover_text(help).clicked() {
        let details = format!("{title}\n{sentence}\nUmbra {}", umbra_core::VERSION);
        ui.copy_text(details);
    }
}

fn large(symbol: &str) -> RichText {
    icon(symbol).size(crate::theme::size::PAGE)
}

fn middle<R>(ui: &mut Ui, content: impl FnOnce(&mut Ui) -> R) -> R {
    let room = ui.available_height();
    let lift = if room.is_finite() {
        (room * 0.3).min(LIFT)
    } else {
        space::GROUP
    };
    ui.vertical_centered(|ui| {
        ui.add_space(lift);
        ui.set_max_width(ui.available_width().min(MEASURE));
        content(ui)
    })
    .inner
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::widgets::staged;

    #[test]
    fn the_button_answers_and_a_failure_can_be_copied() {
        let mut harness = staged(
            |ui, pressed: &mut bool| {
                *pressed |= empty_state(ui, "", "Nothing is trained yet", Some("Train"));
            },
            false,
        );
        harness.get_by_label("Train").click();
        harness.run();
        assert!(harness.state());

        let mut harness = staged(
            |ui, (): &mut ()| {
                failure_state(ui, "The model did not load", "no config.json: /tmp/x", None);
            },
            (),
        );
        harness.get_by_label("Copy details").click();
        harness.step();
        let copied = harness.output().platform_output.commands.iter().any(
            |c| matches!(c, egui::OutputCommand::CopyText(text) if text.contains("no config.json")),
        );
        assert!(copied);
    }
}
