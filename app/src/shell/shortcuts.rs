//! The keys and mouse buttons that work everywhere. One table: the handler below, the palette and the list under `?` read it.

use egui::{Key, KeyboardShortcut, Modifiers, PointerButton, Ui};

use super::guide_window::page_of;
use crate::state::AppState;
use crate::state::layout::{Keys, Layout};
use crate::state::requests::{Command, Commands, heads, navigation, opening, passes, path, shell};
use crate::state::settings::ThemeChoice;
use crate::state::tour::Tour;
use crate::state::view::ViewId;
use crate::widgets::focus::Target;

/// Action of a shortcut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Does {
    /// Shows a screen.
    Go(ViewId),
    /// Goes to the previous place, or page of the guide.
    Back,
    /// Goes to the next place, or page of the guide.
    Forward,
    /// Opens or closes the palette.
    Palette,
    /// Focuses the screen's search field.
    Search,
    /// Focuses the screen's main thing.
    Content,
    /// Undoes the last change.
    Undo,
    /// Redoes it.
    Redo,
    /// Opens the guide at the page of the screen.
    Guide,
    /// Opens or closes the list of shortcuts.
    Keys,
    /// Shows or hides the inspector.
    Inspector,
    /// Shows or hides the words of the rail.
    Rail,
    /// Switches the theme.
    Theme,
    /// Opens or closes the settings.
    Settings,
    /// Changes the text size by this many percent.
    Text(i16),
    /// Resets the text size.
    TextReset,
}

/// A heading in the list of shortcuts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    /// Screens and places.
    Move,
    /// Finding and changing.
    Work,
    /// The window itself.
    Window,
}

impl Group {
    /// All, with their headings.
    pub(super) const ALL: [(Self, &'static str); 3] = [
        (Self::Move, "Move"),
        (Self::Work, "Find and change"),
        (Self::Window, "Window"),
    ];
}

/// One shortcut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shortcut {
    /// Keys as shown.
    pub(super) shown: &'static str,
    /// Purpose.
    pub(super) words: &'static str,
    /// Its heading in the list.
    pub(super) group: Group,
    /// Action.
    pub(super) does: Does,
    /// Keys; each alone suffices.
    keys: &'static [KeyboardShortcut],
    /// Whether a text field with the focus keeps these keys for itself.
    yields: bool,
}

const fn key(modifiers: Modifiers, key: Key) -> KeyboardShortcut {
    KeyboardShortcut::new(modifiers, key)
}

const fn ctrl(one: Key) -> KeyboardShortcut {
    key(Modifiers::COMMAND, one)
}

const fn ctrl_shift(one: Key) -> KeyboardShortcut {
    key(Modifiers::COMMAND.plus(Modifiers::SHIFT), one)
}

const fn plain(one: Key) -> KeyboardShortcut {
    key(Modifiers::NONE, one)
}

macro_rules! shortcuts {
    ($($group:ident $shown:literal $words:literal $does:expr, [$($key:expr),+] $($yields:ident)?;)*) => {
        /// Every shortcut. Longer ones stand first: without its other keys, Ctrl+T would match Ctrl+Shift+T.
        pub(super) static SHORTCUTS: &[Shortcut] = &[$(Shortcut {
            shown: $shown,
            words: $words,
            group: Group::$group,
            does: $does,
            keys: &[$($key),+],
            yields: shortcuts!(@yields $($yields)?),
        }),*];
    };
    (@yields yields) => { true };
    (@yields) => { false };
}

shortcuts! {
    Move "Ctrl+1" "Library" Does::Go(ViewId::RAIL[0]), [ctrl(Key::Num1)];
    Move "Ctrl+2" "Features" Does::Go(ViewId::RAIL[1]), [ctrl(Key::Num2)];
    Move "Ctrl+3" "Text search" Does::Go(ViewId::RAIL[2]), [ctrl(Key::Num3)];
    Move "Ctrl+4" "Prompt" Does::Go(ViewId::RAIL[3]), [ctrl(Key::Num4)];
    Move "Ctrl+5" "Dark matter" Does::Go(ViewId::RAIL[4]), [ctrl(Key::Num5)];
    Move "Ctrl+6" "Heads" Does::Go(ViewId::RAIL[5]), [ctrl(Key::Num6)];
    Move "Ctrl+7" "Steering" Does::Go(ViewId::RAIL[6]), [ctrl(Key::Num7)];
    Move "Ctrl+8" "Training" Does::Go(ViewId::RAIL[7]), [ctrl(Key::Num8)];
    Move "Ctrl+9" "Evaluation" Does::Go(ViewId::RAIL[8]), [ctrl(Key::Num9)];
    Move "Alt+Left" "Back" Does::Back, [key(Modifiers::ALT, Key::ArrowLeft)];
    Move "Alt+Right" "Forward" Does::Forward, [key(Modifiers::ALT, Key::ArrowRight)];
    Move "F6" "Focus the screen's content" Does::Content, [plain(Key::F6)];
    Work "Ctrl+K" "Search features and actions" Does::Palette, [ctrl(Key::K)];
    Work "Ctrl+F" "Search or filter this screen" Does::Search, [ctrl(Key::F)];
    Work "Ctrl+Shift+Z" "Redo" Does::Redo, [ctrl_shift(Key::Z), ctrl(Key::Y)] yields;
    Work "Ctrl+Z" "Undo" Does::Undo, [ctrl(Key::Z)] yields;
    Window "F1" "Guide to this screen" Does::Guide, [plain(Key::F1)];
    Window "?" "Keyboard shortcuts" Does::Keys, [plain(Key::Questionmark), key(Modifiers::SHIFT, Key::Slash)] yields;
    Window "Ctrl+Shift+T" "Dark or light theme" Does::Theme, [ctrl_shift(Key::T)];
    Window "Ctrl+I" "Show or hide the inspector" Does::Inspector, [ctrl(Key::I)];
    Window "Ctrl+B" "Show or hide the rail's labels" Does::Rail, [ctrl(Key::B)];
    Window "Ctrl+," "Settings" Does::Settings, [ctrl(Key::Comma)];
    Window "Ctrl++" "Larger text" Does::Text(10), [ctrl(Key::Plus), ctrl(Key::Equals)];
    Window "Ctrl+−" "Smaller text" Does::Text(-10), [ctrl(Key::Minus)];
    Window "Ctrl+0" "Text at 100 %" Does::TextReset, [ctrl(Key::Num0)];
}

/// Keys that the thing with the focus handles itself: shown in the list of shortcuts.
pub(super) const LOCAL: [(&str, &str); 10] = [
    ("Tab, Shift+Tab", "Next or previous control"),
    ("Enter, Space", "Press the control in focus"),
    ("Arrows", "Walk through rows, tokens and cells"),
    ("Shift+arrows", "Select several rows; Ctrl+A selects all"),
    (
        "Ctrl+click",
        "Select one row more; Shift+click all rows up to it",
    ),
    (
        "Alt+Up, Down",
        "Previous or next token, in the sentence of Prompt",
    ),
    ("Home, End", "First or last row, token or cell"),
    ("Menu, Shift+F10", "Menu of the control in focus"),
    ("[, ]", "Previous or next feature, on a feature's page"),
    ("Esc", "Close the topmost window, menu or message"),
];

/// Why the inspector is not shown in a narrow window.
pub(super) const NARROW: &str = "The inspector needs a wider window";

/// Keys of `does`, as shown.
pub(super) fn shown(does: Does) -> &'static str {
    let found = SHORTCUTS.iter().find(|shortcut| shortcut.does == does);
    found.map_or("", |shortcut| shortcut.shown)
}

/// Purpose of `does`.
pub(super) fn words_of(does: Does) -> &'static str {
    let found = SHORTCUTS.iter().find(|shortcut| shortcut.does == does);
    found.map_or("", |shortcut| shortcut.words)
}

impl Does {
    /// Returns the commands that do it now.
    pub(super) fn commands(self, state: &AppState, layout: &Layout) -> Vec<Command> {
        use shell::Command as Do;
        let settings = &state.settings;
        let guide = layout.guide.is_some();
        let one: Command = match self {
            Self::Go(view) => {
                let focus = Do::Focus(Target::Main);
                return vec![navigation::Command::Go(view).into(), focus.into()];
            }
            Self::Back if guide => Do::GuideBack.into(),
            Self::Back => navigation::Command::Back.into(),
            Self::Forward if guide => Do::GuideForward.into(),
            Self::Forward => navigation::Command::Forward.into(),
            Self::Palette => Do::Palette(!layout.palette_open).into(),
            Self::Search => Do::Focus(Target::Search).into(),
            Self::Content => Do::Focus(Target::Main).into(),
            Self::Undo => Do::Undo.into(),
            Self::Redo => Do::Redo.into(),
            Self::Guide => Do::Guide(Some(page_of(layout.view()))).into(),
            Self::Keys => Do::Keys(match layout.keys {
                Keys::Closed => Keys::Open,
                Keys::Open => Keys::Closed,
            })
            .into(),
            Self::Inspector if !layout.is_roomy() => Do::Say(NARROW).into(),
            Self::Inspector => Do::Inspector(!settings.inspector).into(),
            Self::Rail => Do::RailWords(!settings.rail_words).into(),
            Self::Theme => toggled_theme(state).into(),
            Self::Settings => Do::Settings(!layout.settings_open).into(),
            Self::Text(by) => {
                Do::TextPercent(settings.text_percent.saturating_add_signed(by)).into()
            }
            Self::TextReset => Do::TextPercent(100).into(),
        };
        vec![one]
    }
}

/// Turns keys pressed in this frame into commands.
pub(super) fn handle(ui: &Ui, state: &AppState, layout: &Layout, commands: &mut Commands) {
    let writing = ui.ctx().text_edit_focused();
    for shortcut in SHORTCUTS {
        if shortcut.yields && writing {
            continue;
        }
        let is_pressed = ui.input_mut(|input| {
            let mut keys = shortcut.keys.iter();
            keys.any(|key| input.consume_shortcut(key))
        });
        if is_pressed {
            send(shortcut.does.commands(state, layout), commands);
        }
    }
    for (button, does) in [
        (PointerButton::Extra1, Does::Back),
        (PointerButton::Extra2, Does::Forward),
    ] {
        if ui.input(|input| input.pointer.button_pressed(button)) {
            send(does.commands(state, layout), commands);
        }
    }
    escape(ui, state, layout, commands);
}

fn send(list: Vec<Command>, commands: &mut Commands) {
    for command in list {
        commands.send(command);
    }
}

/// The other theme.
fn toggled_theme(state: &AppState) -> shell::Command {
    shell::Command::Theme(match state.settings.theme {
        ThemeChoice::Dark => ThemeChoice::Light,
        ThemeChoice::Light => ThemeChoice::Dark,
    })
}

/// Esc closes the topmost thing of the frame; views and menus see it only if nothing of the frame is open.
fn escape(ui: &Ui, state: &AppState, layout: &Layout, commands: &mut Commands) {
    let close: Command = if layout.palette_open {
        shell::Command::Palette(false).into()
    } else if layout.question.is_some() {
        shell::Command::Ask(None).into()
    } else if state.path.field.is_some() {
        path::Command::Cancel.into()
    } else if layout.link_open {
        navigation::Command::AskLink(false).into()
    } else if layout.keys == Keys::Open {
        shell::Command::Keys(Keys::Closed).into()
    } else if layout.settings_open {
        shell::Command::Settings(false).into()
    } else if layout.guide.is_some() {
        shell::Command::Guide(None).into()
    } else if state.opening.shown {
        opening::Command::Close.into()
    } else if state.passes.asked.is_some() {
        passes::Command::Close.into()
    } else if state.heads.survey.asked.is_some() {
        heads::survey::Command::Close.into()
    } else if let Some(notice) = state.log.notices.last() {
        shell::Command::DismissNotice(notice.id).into()
    } else if matches!(state.settings.tour, Tour::At(_) | Tour::Closing)
        && state.model().is_some()
        && !ui.ctx().text_edit_focused()
        && !egui::Popup::is_any_open(ui.ctx())
    {
        shell::Command::Tour(Tour::Ended).into()
    } else {
        return;
    };
    if ui.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Escape)) {
        commands.send(close);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use egui::ModifierNames;

    use super::*;

    #[test]
    fn each_shortcut_is_shown_as_it_is_pressed_and_none_stands_twice() {
        let mut known = BTreeSet::new();
        for shortcut in SHORTCUTS {
            let first = shortcut.keys[0].format(&ModifierNames::NAMES, false);
            let mut named = first;
            for (name, sign) in [
                ("Plus", "+"),
                ("Minus", "−"),
                ("Comma", ","),
                ("Questionmark", "?"),
            ] {
                named = named.replace(name, sign);
            }
            assert_eq!(named, shortcut.shown);
            for key in shortcut.keys {
                let key = key.format(&ModifierNames::NAMES, false);
                assert!(known.insert(key.clone()), "{key} stands twice");
            }
        }
    }

    #[test]
    fn screens_are_called_by_their_titles_in_the_order_of_the_rail() {
        let go = SHORTCUTS.iter().filter_map(|shortcut| match shortcut.does {
            Does::Go(view) => Some((view, shortcut.words)),
            _ => None,
        });
        let want = ViewId::RAIL.map(|view| (view, view.about().title));
        assert_eq!(go.collect::<Vec<_>>(), want);
    }
}
