//! The six questions with their answers: a list beside the panel, or tabs above it where there is little room.

use egui::{
    Button, Color32, CornerRadius, Label, Role, Sense, Shape, Ui, UiBuilder, WidgetInfo, vec2,
};

use crate::state::dark_matter::question::Question;
use crate::state::requests::{Commands, dark_matter};
use crate::theme::{Theme, body_strong, caption, space};
use crate::widgets::focus;

/// Width of the list.
pub(super) const LIST: f32 = 232.0;

/// Room left of a question for its number.
const NUMBER: f32 = 20.0;

/// A question with its answer, where it is known.
pub(super) type Answered = (Question, Option<String>);

/// Draws the questions as a list with their answers below them, or why there is none.
pub(super) fn list_ui(
    ui: &mut Ui,
    (questions, unanswered): (&[Answered], &[&str]),
    shown: Question,
    commands: &mut Commands,
) {
    ui.spacing_mut().item_spacing.y = space::CHIP;
    for (number, ((question, answer), why)) in questions.iter().zip(unanswered).enumerate() {
        let at = (number + 1, *question);
        let words = answer.as_deref().unwrap_or(why);
        if row_ui(ui, at, words, *question == shown) {
            commands.send(dark_matter::Command::Show(*question));
        }
    }
}

fn row_ui(ui: &mut Ui, (number, question): (usize, Question), words: &str, selected: bool) -> bool {
    let theme = Theme::from_ui(ui);
    let ground = ui.painter().add(Shape::Noop);
    let build = UiBuilder::new()
        .id_salt(question.title())
        .sense(Sense::click());
    let response = ui
        .scope_builder(build, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing = vec2(0.0, 2.0);
            ui.add_space(space::CHIP);
            ui.horizontal_top(|ui| {
                ui.add_space(space::CONTROL);
                let width = NUMBER - space::CHIP;
                ui.allocate_ui(vec2(width, space::GROUP), |ui| {
                    ui.set_width(width);
                    let number = body_strong(number.to_string()).color(theme.ink.secondary);
                    ui.add(Label::new(number).selectable(false));
                });
                ui.vertical(|ui| {
                    ui.set_width(ui.available_width() - space::CONTROL);
                    let title = body_strong(question.title());
                    ui.add(Label::new(title).wrap().selectable(false));
                    let words = caption(words).color(theme.ink.secondary);
                    ui.add(Label::new(words).wrap().selectable(false));
                });
            });
            ui.add_space(space::CHIP);
        })
        .response;
    let fill = if selected {
        theme.selected()
    } else if response.hovered() {
        theme.surface.hover
    } else {
        Color32::TRANSPARENT
    };
    let corner = CornerRadius::same(space::CORNER);
    let back = Shape::rect_filled(response.rect, corner, fill);
    ui.painter().set(ground, back);
    let name = format!("{number} {}", question.title());
    response.widget_info(|| {
        WidgetInfo::selected(Role::Button, true, selected, format!("{name}: {words}"))
    });
    if selected {
        focus::main(&response);
    }
    response.on_hover_text(question.help()).clicked()
}

/// Draws the questions as tabs.
pub(super) fn tabs_ui(
    ui: &mut Ui,
    questions: &[Answered],
    shown: Question,
    commands: &mut Commands,
) {
    ui.horizontal_wrapped(|ui| {
        for (number, (question, answer)) in questions.iter().enumerate() {
            let selected = *question == shown;
            let words = format!("{}  {}", number + 1, question.title());
            let button = ui.add(Button::selectable(selected, words));
            if selected {
                focus::main(&button);
            }
            let help = answer.as_deref().unwrap_or(question.help());
            if button.on_hover_text(help).clicked() {
                commands.send(dark_matter::Command::Show(*question));
            }
        }
    });
}
