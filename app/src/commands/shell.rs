//! The window itself: theme, text size, rail, inspector, palette, notifications, jobs, undo.

use std::sync::Arc;

use umbra_core::whole_file;

use super::history::{self as steps, Way};
use super::{Command as AnyCommand, Context};
use crate::shell::dialogs::Ask;
use crate::shell::layout::Saved;
use crate::state::history::{Change, Event as History, Pair};
use crate::state::jobs::JobId;
use crate::state::settings::ThemeChoice;
use crate::state::{Event, jobs, log, settings};
use crate::views::ViewId;
use crate::widgets::to_save::ToSave;

/// How tiles change while a border is dragged.
pub(crate) const RESIZED: &str = "resized";

/// A question before something that changes more than it shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// What it is about.
    pub title: &'static str,
    /// What will happen.
    pub text: String,
    /// The button that does it.
    pub button: &'static str,
    /// What that button asks for.
    pub command: Box<AnyCommand>,
}

/// What can be asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
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
    /// This question asked before something is done, or none any more.
    Ask(Option<Question>),
    /// The tiles as at the first start.
    ResetLayout,
    /// Ask where a file is to be written, and write it.
    Save(ToSave),
}

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        let set = Event::Settings;
        match self {
            Self::Theme(theme) => context.apply(set(settings::Event::Theme(theme))),
            Self::TextPercent(percent) => {
                context.apply(set(settings::Event::TextPercent(percent)));
            }
            Self::RailWords(words) => context.apply(set(settings::Event::RailWords(words))),
            Self::Inspector(shown) => context.apply(set(settings::Event::Inspector(shown))),
            Self::Palette(open) => context.layout.palette_open = open,
            Self::Settings(open) => context.layout.settings_open = open,
            Self::Guide(page) => context.layout.guide = page,
            Self::DismissPurpose(view) => {
                context.apply(set(settings::Event::PurposeDismissed(view)));
            }
            Self::RestorePurposes => context.apply(set(settings::Event::PurposesRestored)),
            Self::DismissNotice(id) => context.apply(Event::Log(log::Event::Dismissed(id))),
            Self::StopJob(id) => {
                context.jobs.stop(id);
                context.apply(Event::Jobs(jobs::Event::Stopping(id)));
            }
            Self::Undo => steps::step(context, Way::Back),
            Self::Redo => steps::step(context, Way::Forward),
            Self::Tiles(how, pair) => tiles(context, how, *pair),
            Self::Ask(question) => context.layout.question = question,
            Self::ResetLayout => rearrange(context, "reset", |context| context.layout.reset()),
            Self::Save(file) => save(context, file),
        }
    }
}

/// Does something with the tiles so that it can be undone; `how` is said then.
pub(super) fn rearrange(
    context: &mut Context<'_>,
    how: &'static str,
    change: impl FnOnce(&mut Context<'_>),
) {
    let before = context.layout.saved();
    change(context);
    let after = context.layout.saved();
    tiles(context, how, Pair { before, after });
}

fn tiles(context: &mut Context<'_>, how: &'static str, pair: Pair<Saved>) {
    context.apply(Event::History(History::Did {
        what: format!("tiles ({how})"),
        change: Change::Tiles(Box::new(pair)),
        continues: how == RESIZED,
    }));
}

fn save(context: &mut Context<'_>, file: ToSave) {
    let dialogs = Arc::clone(context.dialogs);
    context.jobs.start_dialog(move |worker| {
        let path = worker.path(&*dialogs, Ask::Save("Save", file.name));
        path.map_or(Ok(()), |path| {
            whole_file::write_bytes(&path, file.text.as_bytes())
        })
    });
}
