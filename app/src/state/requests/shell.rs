//! Requests for the window itself: theme, text size, rail, inspector, palette, notifications, jobs, undo.

use umbra_core::ids::FeatureId;

use super::Command as AnyCommand;
use crate::state::history::Pair;
use crate::state::jobs::JobId;
use crate::state::layout::{Keys, Saved};
use crate::state::settings::ThemeChoice;
use crate::state::tour::Tour;
use crate::state::view::ViewId;
use crate::widgets::focus::Target;
use crate::widgets::grid::arrangement::Arrangement;
use crate::widgets::to_save::ToSave;

/// Name of a change of the tiles while a border is dragged.
pub(crate) const RESIZED: &str = "resized";

/// A question before something that changes more than it shows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question {
    /// Title of the question.
    pub(crate) title: &'static str,
    /// Consequences of the button, in full sentences.
    pub(crate) text: String,
    /// The button that does it.
    pub(crate) button: &'static str,
    /// The request that the button sends.
    pub(crate) command: Box<AnyCommand>,
}

/// Requests of this area.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Another theme.
    Theme(ThemeChoice),
    /// Another text size, percent.
    TextPercent(u16),
    /// The rail with or without words.
    RailWords(bool),
    /// The inspector shown or hidden.
    Inspector(bool),
    /// The command palette shown or hidden.
    Palette(bool),
    /// The settings window shown or hidden.
    Settings(bool),
    /// A page of the guide opened, or the guide closed.
    Guide(Option<&'static str>),
    /// The foldable part of this name unfolded, or folded.
    Unfold(&'static str, bool),
    /// The previous page of the guide shown; before the first one, the guide closed.
    GuideBack,
    /// The page of the guide shown that Back left.
    GuideForward,
    /// The list of shortcuts shown or hidden.
    Keys(Keys),
    /// The focus moved to a part of the screen in the active tile.
    Focus(Target),
    /// The tour at another step, or ended.
    Tour(Tour),
    /// The tour speaks of this feature of the dictionary of this name.
    TourOf(String, FeatureId),
    /// A sentence shown for a few seconds.
    Say(&'static str),
    /// Ways on from the first screen were taken or dismissed.
    WaysTaken(Vec<ViewId>),
    /// A purpose line dismissed for good.
    DismissPurpose(ViewId),
    /// All purpose lines shown again.
    RestorePurposes,
    /// A notification closed.
    DismissNotice(u64),
    /// A job told to stop.
    StopJob(JobId),
    /// The last change undone, on whatever screen it was made.
    Undo,
    /// The change undone last made again.
    Redo,
    /// The tiles were changed by the mouse: how, before and after.
    Tiles(&'static str, Box<Pair<Saved>>),
    /// Show this question, or close it.
    Ask(Option<Question>),
    /// The tiles as at the first start.
    ResetLayout,
    /// Ask where to write a file, and write it.
    Save(ToSave),
    /// Keep what a person did to the columns of this table.
    Table(String, Arrangement),
}
