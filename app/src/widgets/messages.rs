//! Messages of a chat as cards: who speaks, what is said, in which order.

use egui::{ComboBox, Frame, Margin, Role, Stroke, TextEdit, Ui, WidgetInfo};
use umbra_core::text::chat::{ASSISTANT, Message, SYSTEM, USER};

use crate::theme::{Theme, icons, space};
use crate::widgets::parts::{icon_button, icon_button_enabled};

/// Change that a person made to the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Another letter in a message.
    Typed,
    /// Another role or order, a message more or fewer.
    Arranged,
}

/// Effect of a button of a card.
#[derive(Debug, Clone, Copy)]
enum Move {
    Up,
    Down,
    Away,
}

/// Width of the choice of a role.
const ROLE: f32 = 96.0;

/// Draws the messages with the controls that change them; returns what was changed.
pub(crate) fn messages_ui(ui: &mut Ui, messages: &mut Vec<Message>) -> Option<Change> {
    let mut change = None;
    let mut moved = None;
    let count = messages.len();
    for (i, message) in messages.iter_mut().enumerate() {
        let (changed, asked) = ui
            .push_id(("message", i), |ui| card_ui(ui, message, (i, count)))
            .inner;
        change = changed.or(change);
        moved = asked.map(|asked| (i, asked)).or(moved);
    }
    if let Some((i, asked)) = moved {
        match asked {
            Move::Up => messages.swap(i - 1, i),
            Move::Down => messages.swap(i, i + 1),
            Move::Away => drop(messages.remove(i)),
        }
        change = Some(Change::Arranged);
    }
    let add = ui.button(format!("{} Add message", icons::PLUS));
    if add.clicked() {
        messages.push(Message::new(next_role(messages), ""));
        change = Some(Change::Arranged);
    }
    change
}

/// Role of a message that is added: user and assistant take turns.
fn next_role(messages: &[Message]) -> &'static str {
    match messages.last() {
        Some(last) if last.role == USER => ASSISTANT,
        _ => USER,
    }
}

fn card_ui(
    ui: &mut Ui,
    message: &mut Message,
    (i, count): (usize, usize),
) -> (Option<Change>, Option<Move>) {
    let theme = Theme::from_ui(ui);
    let (mut change, mut moved) = (None, None);
    let margin = Margin::symmetric(space::CONTROL as i8, space::CHIP as i8);
    let frame = Frame::new()
        .stroke(Stroke::new(1.0, theme.line.hair))
        .corner_radius(space::CORNER)
        .inner_margin(margin);
    frame.show(ui, |ui| {
        ui.horizontal(|ui| {
            if role_ui(ui, message, i) {
                change = Some(Change::Arranged);
            }
            let right = egui::Layout::right_to_left(egui::Align::Center);
            ui.with_layout(right, |ui| {
                let n = i + 1;
                if icon_button(ui, icons::TRASH, &format!("Remove message {n}")).clicked() {
                    moved = Some(Move::Away);
                }
                let (up, down) = (
                    format!("Move message {n} up"),
                    format!("Move message {n} down"),
                );
                if icon_button_enabled(ui, icons::CARET_DOWN, &down, n < count).clicked() {
                    moved = Some(Move::Down);
                }
                if icon_button_enabled(ui, icons::CARET_UP, &up, i > 0).clicked() {
                    moved = Some(Move::Up);
                }
            });
        });
        let name = format!("Message {} of {}", i + 1, message.role);
        let edit = TextEdit::multiline(&mut message.content)
            .desired_rows(1)
            .desired_width(f32::INFINITY)
            .frame(Frame::NONE)
            .hint_text("Text of the message");
        let field = ui.add(edit);
        let text = message.content.clone();
        field.widget_info(|| {
            let mut info = WidgetInfo::text_edit(true, &text, &text, "Text of the message");
            info.label = Some(name.clone());
            info
        });
        if field.changed() {
            change = Some(Change::Typed);
        }
    });
    (change, moved)
}

/// Draws the choice of the role; whether another was chosen.
fn role_ui(ui: &mut Ui, message: &mut Message, i: usize) -> bool {
    let mut chosen = None;
    let combo = ComboBox::from_id_salt("role")
        .selected_text(message.role.as_str())
        .width(ROLE)
        .show_ui(ui, |ui| {
            for role in [USER, ASSISTANT, SYSTEM] {
                if ui.selectable_label(message.role == role, role).clicked() {
                    chosen = Some(role);
                }
            }
        });
    let name = format!("Role of message {}", i + 1);
    combo
        .response
        .widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, &name));
    combo.response.on_hover_text(
        "Who speaks. The model's chat template writes the markers of the turn by it",
    );
    let chosen = chosen.filter(|role| *role != message.role);
    if let Some(role) = chosen {
        role.clone_into(&mut message.role);
    }
    chosen.is_some()
}

#[cfg(test)]
mod tests {
    use egui_kittest::kittest::Queryable as _;

    use super::*;
    use crate::widgets::staged;

    struct Stage {
        messages: Vec<Message>,
        changes: Vec<Change>,
    }

    fn stage<'a>() -> egui_kittest::Harness<'a, Stage> {
        let stage = Stage {
            messages: vec![
                Message::new("system", "Be brief."),
                Message::new("user", "Hi"),
            ],
            changes: vec![],
        };
        staged(
            |ui, stage: &mut Stage| {
                stage.changes.extend(messages_ui(ui, &mut stage.messages));
            },
            stage,
        )
    }

    fn roles(harness: &egui_kittest::Harness<'_, Stage>) -> Vec<String> {
        let messages = harness.state().messages.iter();
        messages.map(|message| message.role.clone()).collect()
    }

    #[test]
    fn messages_are_added_moved_removed_and_typed() {
        let mut harness = stage();
        harness.run();
        harness.get_by_label_contains("Add message").click();
        harness.run();
        assert_eq!(roles(&harness), ["system", "user", "assistant"]);
        harness.get_by_label("Move message 3 up").click();
        harness.run();
        assert_eq!(roles(&harness), ["system", "assistant", "user"]);
        harness.get_by_label("Remove message 2").click();
        harness.run();
        assert_eq!(roles(&harness), ["system", "user"]);
        assert!(
            harness
                .state()
                .changes
                .iter()
                .all(|c| *c == Change::Arranged)
        );
        harness.get_by_label("Message 2 of user").focus();
        harness.run();
        harness.get_by_label("Message 2 of user").type_text("!");
        harness.run();
        assert!(harness.state().messages[1].content.contains('!'));
        assert_eq!(harness.state().changes.last(), Some(&Change::Typed));
    }

    #[test]
    fn another_role_is_chosen_from_the_list() {
        let mut harness = stage();
        harness.run();
        harness.get_by_label("Role of message 2").click();
        harness.run();
        harness.get_by_label("assistant").click();
        harness.run();
        assert_eq!(roles(&harness), ["system", "assistant"]);
    }
}
