//! The keys and mouse buttons that work everywhere. Every one of them stands in the palette beside its action.

use egui::{Key, KeyboardShortcut, Modifiers, PointerButton, Ui};

use super::guide_window::page_of;
use crate::state::AppState;
use crate::state::layout::Layout;
use crate::state::requests::{Command, Commands, navigation, opening, passes, path, shell};
use crate::state::settings::ThemeChoice;
use crate::state::view::ViewId;

/// Opens the palette.
pub(super) const PALETTE: &str = "Ctrl+K";

const SCREENS: [Key; 7] = [
    Key::Num1,
    Key::Num2,
    Key::Num3,
    Key::Num4,
    Key::Num5,
    Key::Num6,
    Key::Num7,
];

/// Turns keys pressed in this frame into commands.
pub(super) fn handle(ui: &Ui, state: &AppState, layout: &Layout, commands: &mut Commands) {
    let pressed = |modifiers: Modifiers, key: Key| {
        let shortcut = KeyboardShortcut::new(modifiers, key);
        ui.input_mut(|input| input.consume_shortcut(&shortcut))
    };
    let ctrl = Modifiers::COMMAND;
    for (key, view) in SCREENS.into_iter().zip(ViewId::RAIL) {
        if pressed(ctrl, key) {
            commands.send(navigation::Command::Go(view));
        }
    }
    if pressed(Modifiers::NONE, Key::F1) {
        commands.send(shell::Command::Guide(Some(page_of(layout.view()))));
    }
    // longer shortcuts first: without its other keys, Ctrl+T would match too
    if pressed(ctrl | Modifiers::SHIFT, Key::T) {
        commands.send(toggled_theme(state));
    }
    let settings = &state.settings;
    let wishes: [(Key, Command); 6] = [
        (Key::K, shell::Command::Palette(!layout.palette_open).into()),
        (
            Key::B,
            shell::Command::RailWords(!settings.rail_words).into(),
        ),
        (
            Key::I,
            shell::Command::Inspector(!settings.inspector).into(),
        ),
        (
            Key::Comma,
            shell::Command::Settings(!layout.settings_open).into(),
        ),
        (
            Key::Plus,
            shell::Command::TextPercent(settings.text_percent + 10).into(),
        ),
        (
            Key::Minus,
            shell::Command::TextPercent(settings.text_percent - 10).into(),
        ),
    ];
    for (key, command) in wishes {
        if pressed(ctrl, key) {
            commands.send(command);
        }
    }
    if pressed(ctrl, Key::Equals) {
        commands.send(shell::Command::TextPercent(settings.text_percent + 10));
    }
    if pressed(ctrl, Key::Num0) {
        commands.send(shell::Command::TextPercent(100));
    }
    // a field that is being written in undoes its own letters
    if !ui.ctx().text_edit_focused() {
        if pressed(ctrl | Modifiers::SHIFT, Key::Z) || pressed(ctrl, Key::Y) {
            commands.send(shell::Command::Redo);
        } else if pressed(ctrl, Key::Z) {
            commands.send(shell::Command::Undo);
        }
    }
    walk(ui, &pressed, commands);
    escape(state, layout, &pressed, commands);
}

/// The other theme.
pub(super) fn toggled_theme(state: &AppState) -> shell::Command {
    shell::Command::Theme(match state.settings.theme {
        ThemeChoice::Dark => ThemeChoice::Light,
        ThemeChoice::Light => ThemeChoice::Dark,
    })
}

fn walk(ui: &Ui, pressed: &dyn Fn(Modifiers, Key) -> bool, commands: &mut Commands) {
    let button = |button| ui.input(|input| input.pointer.button_pressed(button));
    if pressed(Modifiers::ALT, Key::ArrowLeft) || button(PointerButton::Extra1) {
        commands.send(navigation::Command::Back);
    }
    if pressed(Modifiers::ALT, Key::ArrowRight) || button(PointerButton::Extra2) {
        commands.send(navigation::Command::Forward);
    }
}

/// Esc closes the topmost thing of the frame; views and menus see it only if nothing of the frame is open.
fn escape(
    state: &AppState,
    layout: &Layout,
    pressed: &dyn Fn(Modifiers, Key) -> bool,
    commands: &mut Commands,
) {
    let close: Command = if layout.palette_open {
        shell::Command::Palette(false).into()
    } else if layout.question.is_some() {
        shell::Command::Ask(None).into()
    } else if state.passes.asked.is_some() {
        passes::Command::Close.into()
    } else if state.path.field.is_some() {
        path::Command::Cancel.into()
    } else if layout.settings_open {
        shell::Command::Settings(false).into()
    } else if layout.guide.is_some() {
        shell::Command::Guide(None).into()
    } else if state.opening.shown {
        opening::Command::Close.into()
    } else if let Some(notice) = state.log.notices.last() {
        shell::Command::DismissNotice(notice.id).into()
    } else {
        return;
    };
    if pressed(Modifiers::NONE, Key::Escape) {
        commands.send(close);
    }
}
