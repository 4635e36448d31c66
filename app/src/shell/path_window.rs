//! The window's own question for a path: a field with completion, the folder above, what the folder holds.

use std::path::is_separator;

use egui::text::{CCursor, CCursorRange};
use egui::{Align2, Button, Id, Key, Label, Modifiers, RichText, ScrollArea, TextEdit, Ui};

use crate::dialogs::Ask;
use crate::state::AppState;
use crate::state::path::{Entry, Field, PathState, Verdict};
use crate::state::requests::Commands;
use crate::state::requests::path::Command;
use crate::theme::{self, Theme, caption, icons, space};
use crate::widgets::form;
use crate::widgets::number;

const WIDTH: f32 = 560.0;

/// Height of the list.
const LIST: f32 = 240.0;

/// Height of the rest of the dialog, and its distance from the top and the bottom of the window.
const AROUND: f32 = 270.0;

/// Lines drawn; more letters leave fewer.
const LINES: usize = 300;

/// Why the window asks by itself.
pub(super) const WHY: &str =
    "This system has no file dialog (no desktop portal and no zenity). Type the path";

/// Draws the question, if there is one.
pub(super) fn path_ui(ui: &Ui, state: &AppState, commands: &mut Commands) {
    let Some(field) = &state.path.field else {
        return;
    };
    let mut open = true;
    egui::Window::new(theme::panel_title(field.ask.title()))
        .id(Id::unique("path"))
        .open(&mut open)
        .collapsible(false)
        .resizable(false)
        .order(egui::Order::Foreground)
        .anchor(Align2::CENTER_TOP, (0.0, 72.0))
        .show(ui.ctx(), |ui| {
            ui.set_width(WIDTH);
            ui.spacing_mut().item_spacing.y = space::CONTROL;
            let secondary = Theme::from_ui(ui).ink.secondary;
            ui.add(Label::new(caption(WHY).color(secondary)).wrap());
            let verdict = state.path.verdict(state.places.home.as_deref());
            field_ui(ui, &state.path, field, &verdict, commands);
            list_ui(ui, &state.path, field, commands);
            answer_ui(ui, field, &verdict, commands);
        });
    if !open {
        commands.send(Command::Cancel);
    }
}

fn field_ui(
    ui: &mut Ui,
    path: &PathState,
    field: &Field,
    verdict: &Verdict,
    commands: &mut Commands,
) {
    let id = Id::unique("path field");
    let focused = ui.memory(|memory| memory.has_focus(id));
    if focused {
        keys(ui, path, field, verdict, commands);
    }
    cursor_to_end(ui, id, &field.text);
    let layer = ui.layer_id();
    let appears = !ui.memory(|memory| memory.areas().visible_last_frame(&layer));
    let mut text = field.text.clone();
    ui.horizontal(|ui| {
        let above = path.above();
        let button = Button::new(theme::icon(icons::CARET_UP));
        let button = ui.add_enabled(above.is_some(), button);
        button.widget_info(|| {
            egui::WidgetInfo::labeled(egui::Role::Button, above.is_some(), "Folder above")
        });
        if button.on_hover_text("Folder above").clicked()
            && let Some(above) = above
        {
            commands.send(Command::Text(above));
        }
        let edit = TextEdit::singleline(&mut text)
            .id(id)
            .lock_focus(true) // Tab completes
            .font(egui::TextStyle::Monospace)
            .hint_text("/folder/name")
            .desired_width(f32::INFINITY)
            .margin(egui::Margin::symmetric(8, 6));
        let edit = ui.add(edit);
        edit.widget_info(|| {
            let mut info = egui::WidgetInfo::labeled(egui::Role::TextInput, true, "Path");
            info.current_text_value = Some(field.text.clone());
            info
        });
        if edit.changed() {
            ui.data_mut(|data| data.insert_temp(id, text.clone()));
            commands.send(Command::Text(text));
        } else if appears || ui.memory(|memory| memory.focused().is_none()) {
            edit.request_focus(); // also from the window that this one covers
        }
    });
}

/// Tab completes, arrows mark a line, Enter walks into it or chooses what is typed.
fn keys(ui: &Ui, path: &PathState, field: &Field, verdict: &Verdict, commands: &mut Commands) {
    let times = |key| ui.input_mut(|input| input.count_and_consume_key(Modifiers::NONE, key));
    let pressed = |key| times(key) > 0;
    if pressed(Key::Tab) {
        commands.send(Command::Complete);
    }
    let matches = path.matches();
    let last = matches.len().checked_sub(1);
    let down = times(Key::ArrowDown);
    if down > 0 {
        let next = field.marked.map_or(down - 1, |marked| marked + down);
        commands.send(Command::Mark(last.map(|last| next.min(last))));
    }
    let up = times(Key::ArrowUp);
    if up > 0 {
        let before = field.marked.and_then(|marked| marked.checked_sub(up));
        commands.send(Command::Mark(before));
    }
    if pressed(Key::Enter) {
        match field.marked.and_then(|marked| matches.get(marked)) {
            Some(entry) => commands.send(Command::Text(path.with(entry))),
            None if matches!(verdict, Verdict::Good(_)) => commands.send(Command::Choose),
            None => {} // a file is replaced, and a folder made, by its button alone
        }
    }
}

/// Moves the cursor to the end of a completed text.
fn cursor_to_end(ui: &Ui, id: Id, text: &str) {
    let typed = ui.data(|data| data.get_temp::<String>(id));
    if typed.as_deref() == Some(text) {
        return;
    }
    ui.data_mut(|data| data.insert_temp(id, text.to_owned()));
    let mut edit = TextEdit::load_state(ui.ctx(), id).unwrap_or_default();
    let end = CCursor::new(text.chars().count());
    edit.cursor.set_char_range(Some(CCursorRange::one(end)));
    edit.store(ui.ctx(), id);
}

fn list_ui(ui: &mut Ui, path: &PathState, field: &Field, commands: &mut Commands) {
    let theme = Theme::from_ui(ui);
    let matches = path.matches();
    let room = ui.ctx().content_rect().height() - AROUND;
    let height = LIST.min(room).max(space::TABLE_ROW);
    ScrollArea::vertical()
        .max_height(height)
        .min_scrolled_height(height)
        .auto_shrink(false)
        .show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = 0.0;
            let nothing = path.entries.failure().unwrap_or(match field.ask {
                Ask::Save(..) => "No file of this name exists here yet",
                Ask::Folder(_) if field.text.ends_with(is_separator) => "No folders here",
                Ask::File(..) if field.text.ends_with(is_separator) => "No such files here",
                Ask::Folder(_) | Ask::File(..) => "No name here begins like this",
            });
            if matches.is_empty() && !path.entries.is_loading() {
                ui.add(Label::new(RichText::new(nothing).color(theme.ink.secondary)).wrap());
            }
            for (i, entry) in matches.iter().take(LINES).enumerate() {
                let marked = field.marked == Some(i);
                let line = line_ui(ui, entry, marked);
                if marked {
                    line.scroll_to_me(None);
                }
                if line.clicked() {
                    commands.send(Command::Text(path.with(entry)));
                }
            }
            if let Some(more) = matches.len().checked_sub(LINES).filter(|more| *more > 0) {
                let words = format!(
                    "and {} more: type more of the name to see them",
                    number::count(more as u64)
                );
                ui.label(caption(words).color(theme.ink.secondary));
            }
        });
}

fn line_ui(ui: &mut Ui, entry: &Entry, marked: bool) -> egui::Response {
    let symbol = if entry.folder {
        icons::FOLDER_OPEN
    } else {
        icons::FILE
    };
    let button = Button::selectable(marked, format!("{symbol}  {}", entry.name))
        .truncate()
        .min_size(egui::vec2(ui.available_width(), space::TABLE_ROW));
    let line = ui.add(button);
    line.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, marked, &entry.name));
    line
}

fn answer_ui(ui: &mut Ui, field: &Field, verdict: &Verdict, commands: &mut Commands) {
    let words = match (&field.ask, verdict) {
        (_, Verdict::NewFolder(_)) => "Create this folder",
        (_, Verdict::Replaces(_)) => "Replace",
        (Ask::Save(..), _) => "Save",
        (Ask::Folder(_), _) => "Choose this folder",
        (Ask::File(..), _) => "Choose",
    };
    ui.horizontal_wrapped(|ui| {
        let can = !matches!(verdict, Verdict::Bad(_));
        if form::main_button(ui, can, "", words).clicked() {
            commands.send(match verdict {
                Verdict::NewFolder(_) => Command::MakeFolder,
                _ => Command::Choose,
            });
        }
        if form::side_button(ui, true, "Cancel").clicked() {
            commands.send(Command::Cancel);
        }
        match verdict {
            Verdict::Bad(why) => form::reason(ui, why),
            Verdict::NewFolder(_) => form::reason(ui, "No such folder exists yet"),
            Verdict::Replaces(_) => {
                let warning = Theme::from_ui(ui).warning;
                let words = caption("A file of this name exists").color(warning);
                ui.add(Label::new(words).wrap());
            }
            Verdict::Good(_) => {}
        }
    });
}
