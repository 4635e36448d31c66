//! The window itself: theme, text size, rail, inspector, palette, notifications, jobs, undo.

use std::sync::Arc;

use umbra_core::whole_file;

use super::context::Context;
use super::history::{self as steps, Way};
use crate::dialogs::Ask;
use crate::state::history::{Change, Event as History, Pair};
use crate::state::layout::Saved;
use crate::state::requests::shell::{Command, RESIZED};
use crate::state::{Event, jobs, log, settings};
use crate::widgets::to_save::ToSave;

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
            Self::Unfold(part, open) => {
                context.apply(set(settings::Event::Unfolded(part, open)));
            }
            Self::Guide(page) => context.layout.open_guide(page),
            Self::GuideBack => context.layout.walk_guide(false),
            Self::GuideForward => context.layout.walk_guide(true),
            Self::Keys(keys) => context.layout.keys = keys,
            Self::Focus(target) => context.layout.focus = Some(target),
            Self::Tour(tour) => context.apply(set(settings::Event::Tour(tour))),
            Self::TourOf(dictionary, feature) => {
                context.apply(set(settings::Event::TourOf(dictionary, feature)));
            }
            Self::Say(sentence) => {
                let notice = log::Notice::info(sentence);
                context.apply(Event::Log(log::Event::Show(notice)));
            }
            Self::WaysTaken(views) => context.apply(set(settings::Event::WaysTaken(views))),
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
            Self::Table(name, arrangement) => {
                context.apply(set(settings::Event::Table(name, arrangement)));
            }
        }
    }
}

/// Changes the tiles in a way that undo reverts; `how` names the change.
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
        path.map_or(Ok(()), |path| whole_file::write_bytes(&path, &file.bytes))
    });
}
