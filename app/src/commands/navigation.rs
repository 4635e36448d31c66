//! Screens, the selection, back and forward.

mod link;

use umbra_core::ids::FeatureId;

use super::context::Context;
use crate::state::catalogue::DictionaryId;
use crate::state::log::Notice;
use crate::state::requests::Command as Any;
use crate::state::requests::Commands;
use crate::state::requests::navigation::Command;
use crate::state::view::ViewId;
use crate::state::{AppState, Event, log, prompt, resume, selection, settings};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        let select = |event| Event::Selection(event);
        match self {
            Self::Go(view) => go(context, view),
            Self::Beside(view) => beside(context, view),
            Self::Feature { feature, beside } => {
                context.apply(select(selection::Event::Feature(Some(feature))));
                if beside {
                    self::beside(context, ViewId::Feature);
                } else {
                    let selection = &context.state.selection;
                    context.layout.go(ViewId::Feature, selection);
                }
            }
            Self::SelectDictionary(id) => context.apply(select(selection::Event::Dictionary(id))),
            Self::FollowDictionary(id) => follow_dictionary(context, id),
            Self::SelectFeature(feature) => {
                context.apply(select(selection::Event::Feature(feature)));
            }
            Self::CopyLink(feature) => link::copy(context, feature),
            Self::AskLink(open) => context.layout.link_open = open,
            Self::OpenLink(link) => link::open(context, link),
            Self::FollowLink(link) => link::follow_link(context, link),
            Self::Resume => resume(context),
            Self::Arrive => link::arrive(context),
            Self::SelectToken(token) => context.apply(select(selection::Event::Token(token))),
            Self::SelectHead(layer, head) => {
                context.apply(select(selection::Event::Head(layer, head)));
            }
            Self::SelectEdit(at) => context.apply(select(selection::Event::Edit(at))),
            Self::Back => walk(context, false),
            Self::Forward => walk(context, true),
        }
    }
}

/// Asks for what the layout has to take, and to show the feature of a link as soon as it can be judged.
pub(super) fn follow(state: &AppState, commands: &mut Commands) {
    if state.resume.is_for_layout() {
        commands.send(Command::Resume);
    }
    link::follow(state, commands);
}

/// Puts tiles, places and scroll positions of the last time in place.
fn resume(context: &mut Context<'_>) {
    let waits = &context.state.resume;
    if let Some(around) = waits.around.clone() {
        context.layout.resume(around);
    }
    context.layout.forget_features(&waits.foreign);
    context.apply(Event::Resume(resume::Event::LaidOut));
}

/// Shows `view`; a way that was taken is offered no longer.
fn go(context: &mut Context<'_>, view: ViewId) {
    context.layout.go(view, &context.state.selection);
    let is_way = ViewId::WAYS.iter().any(|(way, _)| *way == view);
    if is_way && !context.state.settings.ways_taken.contains(&view) {
        let taken = settings::Event::WaysTaken(vec![view]);
        context.apply(Event::Settings(taken));
    }
}

/// A tile more can be undone; a tile that becomes active is no change.
fn beside(context: &mut Context<'_>, view: ViewId) {
    let open = |context: &mut Context<'_>| {
        context.layout.beside(view, &context.state.selection);
    };
    if context.layout.has(view) {
        open(context);
    } else {
        super::shell::rearrange(context, "opened beside", open);
    }
}

/// Says which dictionary is in use from now on and which was, with the way back.
fn follow_dictionary(context: &mut Context<'_>, id: DictionaryId) {
    let state = &context.state;
    let before = state.dictionary().filter(|before| before.id != id);
    let told = before.and_then(|before| {
        let now = &state.catalogue.get(id)?.name;
        let words = format!("Now using {now} instead of {}", before.name);
        let back = Command::SelectDictionary(before.id);
        let button = format!("Use {} again", before.name);
        Some(Notice::info(words).with(&button, back))
    });
    if let Some(notice) = told {
        // One that says the same of an earlier change is out of date.
        let is_stale = |shown: &&log::Shown| {
            let mut actions = shown.notice.actions.iter();
            let select =
                |command: &Any| matches!(command, Any::Navigation(Command::SelectDictionary(_)));
            actions.any(|(_, command)| select(command))
        };
        let stale = state.log.notices.iter().filter(is_stale);
        let stale: Vec<u64> = stale.map(|shown| shown.id).collect();
        for id in stale {
            context.apply(Event::Log(log::Event::Dismissed(id)));
        }
        context.apply(Event::Log(log::Event::Show(notice)));
    }
    context.apply(Event::Selection(selection::Event::Dictionary(id)));
}

/// Goes one step in the list of places, selects the feature that was selected there, and restores a sentence that was set aside.
fn walk(context: &mut Context<'_>, forward: bool) {
    let now = context.state.prompt.written();
    let Some((place, sentence)) = context.layout.walk(forward, now) else {
        return;
    };
    if let Some(shown) = sentence {
        context.apply(Event::Prompt(prompt::Event::Restored(shown)));
    }
    if let Some((shown, head)) = place.heads {
        context.apply(Event::Selection(selection::Event::Shown(shown)));
        if let Some((layer, head)) = head.filter(|head| context.state.has_head(*head)) {
            context.apply(Event::Selection(selection::Event::Head(layer, head)));
        }
    }
    if let Some(question) = place.question {
        context.apply(Event::Selection(selection::Event::Question(question)));
    }
    if let Some(tab) = place.tab {
        context.apply(Event::Selection(selection::Event::Tab(tab)));
    }
    if let Some(tab) = place.evaluation {
        context.apply(Event::Selection(selection::Event::Evaluation(tab)));
    }
    if let Some(dictionary) = place.dictionary {
        context.apply(Event::Selection(selection::Event::Dictionary(dictionary)));
    }
    let features = context.state.sae().map(|sae| sae.features());
    let exists = |feature: FeatureId| features.is_none_or(|all| feature.index() < all);
    if place.feature.is_some_and(exists) {
        context.apply(Event::Selection(selection::Event::Feature(place.feature)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::catalogue;
    use crate::testing::{self, Desk};

    #[test]
    fn another_dictionary_that_something_belongs_to_is_put_in_use_and_said() {
        let mut state = testing::typical();
        let added = catalogue::Event::Added("z1".into(), None);
        state.apply(Event::Catalogue(added));
        let mut desk = Desk::new(state);
        let told = |desk: &Desk| -> Vec<String> {
            let all = desk.notices().into_iter();
            let told = all.filter(|said| said.starts_with("Now using"));
            told.map(str::to_owned).collect()
        };
        desk.run(Command::FollowDictionary(DictionaryId(0)));
        assert_eq!(told(&desk), [""; 0]);
        desk.run(Command::FollowDictionary(DictionaryId(1)));
        assert_eq!(desk.state.selection.dictionary, Some(DictionaryId(1)));
        assert_eq!(told(&desk), ["Now using z1 instead of z0"]);
        let notice = desk.state.log.notices.iter();
        let back = notice.flat_map(|shown| &shown.notice.actions);
        let back: Vec<_> = back.cloned().collect();
        let want = Command::SelectDictionary(DictionaryId(0));
        assert!(
            back.contains(&("Use z0 again".to_owned(), want.into())),
            "{back:?}"
        );
        // The latest change alone is told.
        desk.run(Command::FollowDictionary(DictionaryId(0)));
        assert_eq!(told(&desk), ["Now using z0 instead of z1"]);
    }
}
