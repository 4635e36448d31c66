//! Links copied and followed over states with and without a project.

use std::sync::Arc;

use umbra_core::error::Notes;
use umbra_core::project::Project;

use super::*;
use crate::state::catalogue::{self, DictionaryId, LoadedSae};
use crate::state::project::{self, Opened};
use crate::state::{Load, project::Kind};
use crate::testing::{self, Desk};

/// A desk with an open project in `/p` and two loaded dictionaries.
fn desk() -> Desk {
    let mut state = AppState::default();
    let project = Project {
        folder: "/p".into(),
        name: "p".to_owned(),
        ..Project::default()
    };
    let opened = Opened {
        project: Arc::new(project),
        labels: vec![],
        evaluations: vec![],
        notes: Notes::default(),
        kind: Kind::Own,
        sentence: None,
        kept: None,
        edits: vec![],
    };
    state.apply(Event::Project(project::Event::Opened(Box::new(opened))));
    for (at, features) in [(0, 64), (1, 32)] {
        let folder = format!("/p/z{at}").into();
        let added = catalogue::Event::Added(folder, None);
        state.apply(Event::Catalogue(added));
        let loaded = LoadedSae::new(testing::sae(features), Notes::default(), 0);
        let ready = catalogue::Event::Sae(DictionaryId(at), Load::Ready(loaded));
        state.apply(Event::Catalogue(ready));
    }
    Desk::new(state)
}

fn copied(desk: &mut Desk, feature: u32) -> Link {
    desk.run(Command::CopyLink(FeatureId(feature)));
    let text = desk.layout.to_copy.take().unwrap();
    text.parse().unwrap()
}

#[test]
fn the_link_copied_leads_back_to_its_feature_and_dictionary() {
    let mut desk = desk();
    let link = copied(&mut desk, 12);
    assert_eq!(link.project, std::path::Path::new("/p"));
    assert_eq!(
        (link.dictionary.as_str(), link.feature),
        ("z0", FeatureId(12))
    );
    let other = Command::SelectDictionary(DictionaryId(1));
    desk.run(other);
    desk.run(Command::OpenLink(link));
    let selection = &desk.state.selection;
    assert_eq!(selection.dictionary, Some(DictionaryId(0)));
    assert_eq!(selection.feature, Some(FeatureId(12)));
    assert_eq!(desk.layout.view(), ViewId::Feature);
    assert!(desk.state.resume.link.is_none(), "it is followed once");
}

#[test]
fn a_link_that_does_not_fit_changes_nothing_and_is_explained() {
    let mut desk = desk();
    let link = copied(&mut desk, 12);
    for (change, said) in [
        (
            Link {
                fingerprint: "0".repeat(64),
                ..link.clone()
            },
            "fingerprint",
        ),
        (
            Link {
                feature: FeatureId(64),
                ..link.clone()
            },
            "no feature 64",
        ),
        (
            Link {
                dictionary: "gone".to_owned(),
                ..link
            },
            "gone",
        ),
    ] {
        let before = desk.state.selection.clone();
        desk.run(Command::OpenLink(change));
        let told = desk.notices().last().map(|&told| told.to_owned());
        assert!(
            told.as_deref().is_some_and(|told| told.contains(said)),
            "{told:?}"
        );
        assert_eq!(desk.state.selection, before);
        assert!(desk.state.resume.link.is_none());
    }
}

#[test]
fn a_link_waits_for_its_dictionary_and_is_given_up_with_its_project() {
    let mut desk = desk();
    let link = copied(&mut desk, 3);
    let loading = catalogue::Event::Sae(DictionaryId(0), Load::Loading);
    desk.state.apply(Event::Catalogue(loading));
    desk.run(Command::FollowLink(link));
    let mut asked = Commands::default();
    follow(&desk.state, &mut asked);
    assert!(asked.is_empty());
    let failed = project::Event::Failed("gone".to_owned());
    desk.state.apply(Event::Project(failed));
    assert!(desk.state.resume.link.is_none());
}
