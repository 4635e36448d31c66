//! The window itself: theme, text size, rail, inspector, palette, notifications, jobs, undo.

use std::sync::Arc;

use umbra_core::whole_file;

use super::{Context, features};
use crate::shell::dialogs::Ask;
use crate::state::jobs::JobId;
use crate::state::settings::ThemeChoice;
use crate::state::{Event, jobs, log, settings};
use crate::views::ViewId;
use crate::widgets::to_save::ToSave;

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// A purpose line dismissed for good.
    DismissPurpose(ViewId),
    /// All purpose lines shown again.
    RestorePurposes,
    /// A notification closed.
    DismissNotice(u64),
    /// A job told to stop.
    StopJob(JobId),
    /// The last label change taken back.
    Undo,
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
            Self::DismissPurpose(view) => {
                context.apply(set(settings::Event::PurposeDismissed(view)));
            }
            Self::RestorePurposes => context.apply(set(settings::Event::PurposesRestored)),
            Self::DismissNotice(id) => context.apply(Event::Log(log::Event::Dismissed(id))),
            Self::StopJob(id) => {
                context.jobs.stop(id);
                context.apply(Event::Jobs(jobs::Event::Stopping(id)));
            }
            Self::Undo => context.commands.send(features::Command::UndoLabel),
            Self::ResetLayout => context.layout.reset(),
            Self::Save(file) => save(context, file),
        }
    }
}

fn save(context: &mut Context<'_>, file: ToSave) {
    let dialogs = Arc::clone(context.dialogs);
    context.jobs.start_dialog(move |_| {
        let path = dialogs.ask(&Ask::Save("Save", file.name));
        path.map_or(Ok(()), |path| {
            whole_file::write_bytes(&path, file.text.as_bytes())
        })
    });
}
