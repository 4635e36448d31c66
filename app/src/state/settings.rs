//! What a person set: theme, text size, rail, inspector, dismissed purpose lines, recent projects. All of it survives a restart.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::AppState;
use crate::views::ViewId;

/// Smallest and largest text size, percent.
pub const TEXT_SIZES: std::ops::RangeInclusive<u16> = 80..=160;

/// Recent projects kept.
const RECENT: usize = 8;

/// Which theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ThemeChoice {
    /// Dark.
    #[default]
    Dark,
    /// Light.
    Light,
}

/// The settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Which theme.
    pub theme: ThemeChoice,
    /// Text size, percent.
    pub text_percent: u16,
    /// Whether the rail shows words.
    pub rail_words: bool,
    /// Whether the inspector is shown.
    pub inspector: bool,
    /// Screens whose purpose line was dismissed.
    pub purposes_dismissed: BTreeSet<ViewId>,
    /// Folders of recent projects, latest first.
    pub recent: Vec<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: ThemeChoice::default(),
            text_percent: 100,
            rail_words: true,
            inspector: true,
            purposes_dismissed: BTreeSet::new(),
            recent: vec![],
        }
    }
}

/// What can change here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Another theme.
    Theme(ThemeChoice),
    /// Another text size, percent; kept within [`TEXT_SIZES`].
    TextPercent(u16),
    /// The rail with or without words.
    RailWords(bool),
    /// The inspector shown or hidden.
    Inspector(bool),
    /// A purpose line dismissed for good.
    PurposeDismissed(ViewId),
    /// All purpose lines shown again.
    PurposesRestored,
    /// A project was opened.
    Opened(PathBuf),
    /// A recent project that is no more.
    Forgotten(PathBuf),
}

/// Carries out an event.
pub(super) fn apply(state: &mut AppState, event: Event) {
    let settings = &mut state.settings;
    match event {
        Event::Theme(theme) => settings.theme = theme,
        Event::TextPercent(percent) => {
            settings.text_percent = percent.clamp(*TEXT_SIZES.start(), *TEXT_SIZES.end());
        }
        Event::RailWords(words) => settings.rail_words = words,
        Event::Inspector(shown) => settings.inspector = shown,
        Event::PurposeDismissed(view) => {
            settings.purposes_dismissed.insert(view);
        }
        Event::PurposesRestored => settings.purposes_dismissed.clear(),
        Event::Opened(folder) => {
            settings.recent.retain(|recent| *recent != folder);
            settings.recent.insert(0, folder);
            settings.recent.truncate(RECENT);
        }
        Event::Forgotten(folder) => settings.recent.retain(|recent| *recent != folder),
    }
}
