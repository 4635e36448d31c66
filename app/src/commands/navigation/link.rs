//! Links to features: makes them, checks those that are given, and goes where they lead.

#[cfg(test)]
mod tests;

use umbra_core::ids::FeatureId;
use umbra_core::workbench::link::Link;

use super::super::context::Context;
use crate::state::catalogue::Dictionary;
use crate::state::requests::navigation::Command;
use crate::state::requests::{Commands, library};
use crate::state::view::ViewId;
use crate::state::{AppState, Event, resume, selection};

/// Copies the link to a feature of the selected dictionary.
pub(super) fn copy(context: &mut Context<'_>, feature: FeatureId) {
    match made(context.state, feature) {
        Ok(link) => context.layout.to_copy = Some(link.to_string()),
        Err(why) => context.fail(why),
    }
}

fn made(state: &AppState, feature: FeatureId) -> Result<Link, &'static str> {
    let project = state.project.folder();
    let project = project.ok_or("A link names a project: open or create one first")?;
    let dictionary = state.dictionary();
    let dictionary = dictionary.ok_or("A link names a dictionary: choose one in Library")?;
    let loaded = dictionary.load.ready();
    let loaded = loaded.ok_or("A link names the dictionary's weights, which are not loaded")?;
    Ok(Link {
        project: project.to_path_buf(),
        dictionary: dictionary.name.clone(),
        fingerprint: loaded.fingerprint.clone(),
        feature,
    })
}

/// Checks a link that a person gave, then follows it; what does not fit is said, and nothing changes.
pub(super) fn open(context: &mut Context<'_>, link: Link) {
    context.layout.link_open = false;
    let here = is_open(context.state, &link).then(|| judged(context.state, &link));
    match here {
        Some(Some(Ok(_))) => follow_link(context, link),
        Some(Some(Err(why))) => context.fail(why),
        Some(None) | None => {
            context.jobs.start("Check the link", move |worker| {
                link.check()?;
                worker.ask(Command::FollowLink(link).into());
                Ok(())
            });
        }
    }
}

/// Opens the project of a link that was checked, unless it is open; the feature is shown once its dictionary is loaded.
pub(super) fn follow_link(context: &mut Context<'_>, link: Link) {
    if !is_open(context.state, &link) {
        let open = library::Command::OpenProject(link.project.clone());
        context.commands.send(open);
    }
    context.apply(Event::Resume(resume::Event::Link(Some(link))));
}

/// Asks to show the feature of a link as soon as it can be judged.
pub(super) fn follow(state: &AppState, commands: &mut Commands) {
    let link = state.resume.link.as_ref();
    if link.is_some_and(|link| is_open(state, link) && judged(state, link).is_some()) {
        commands.send(Command::Arrive);
    }
}

/// Shows the feature of the link.
pub(super) fn arrive(context: &mut Context<'_>) {
    let Some(link) = context.state.resume.link.clone() else {
        return;
    };
    let Some(judged) = judged(context.state, &link) else {
        return;
    };
    let found = judged.map(|dictionary| dictionary.id);
    context.apply(Event::Resume(resume::Event::Link(None)));
    match found {
        Ok(dictionary) => {
            context.apply(Event::Selection(selection::Event::Dictionary(dictionary)));
            let feature = selection::Event::Feature(Some(link.feature));
            context.apply(Event::Selection(feature));
            context.layout.go(ViewId::Feature, &context.state.selection);
        }
        Err(why) => context.fail(why),
    }
}

/// Whether the project of the link is open, by itself or as the original of the open copy.
fn is_open(state: &AppState, link: &Link) -> bool {
    state.project.open().is_some_and(|project| {
        project.folder == link.project || project.origin.as_ref() == Some(&link.project)
    })
}

/// The dictionary that the link means, or one sentence on why there is none; nothing while one of its name is being loaded.
fn judged<'a>(state: &'a AppState, link: &Link) -> Option<Result<&'a Dictionary, String>> {
    let named = || {
        let all = state.catalogue.dictionaries.iter();
        all.filter(|dictionary| dictionary.name == link.dictionary)
    };
    if named().any(|d| d.load.is_loading() || d.load.is_absent()) {
        return None;
    }
    let mut why = None;
    for dictionary in named() {
        let checked = match dictionary.load.ready() {
            Some(loaded) => link.check_fit(&loaded.fingerprint, loaded.sae.features()),
            None => continue,
        };
        match checked {
            Ok(()) => return Some(Ok(dictionary)),
            Err(error) => why = Some(error.to_string()),
        }
    }
    let why = why.unwrap_or_else(|| {
        let name = &link.dictionary;
        format!("The link's dictionary {name} is not loaded: see Library")
    });
    Some(Err(why))
}
