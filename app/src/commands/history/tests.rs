//! Undoes changes of several screens from one stack: each alone, with a message, on its screen.

use umbra_core::ids::FeatureId;
use umbra_core::project::Project;

use crate::state::requests::{features, library, navigation, prompt, shell, steering};
use crate::state::steering::EditDraft;
use crate::state::view::ViewId;
use crate::state::{AppState, Event, catalogue};
use crate::testing::Desk;

/// A project with a dictionary that is named and not loaded.
fn desk(folder: &std::path::Path) -> Desk {
    let mut desk = Desk::new(AppState::default());
    desk.run(library::Command::NewProject(folder.to_path_buf()));
    let added = catalogue::Event::Added(folder.join("z0"), None);
    desk.state.apply(Event::Catalogue(added));
    desk
}

fn last_said(desk: &Desk) -> &str {
    desk.notices().last().copied().unwrap_or_default()
}

#[test]
fn changes_of_all_screens_are_undone_in_turn_and_redone() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path());
    let label = |text: &str| features::Command::SetLabel {
        feature: FeatureId(12),
        text: text.to_owned(),
    };
    desk.run(navigation::Command::Go(ViewId::Steering));
    desk.run(label("kings"));
    assert_eq!(last_said(&desk), "Feature 12 is now labelled “kings”");
    let mut draft = desk.state.steering.draft.clone();
    draft.edits.push(EditDraft::new("zero"));
    desk.run(steering::Command::Draft(Box::new(draft.clone())));
    let two = draft.clone();
    draft.edits.remove(0);
    desk.run(steering::Command::Draft(Box::new(draft.clone())));
    desk.run(prompt::Command::Text("Once upon".to_owned()));
    desk.run(features::Command::Filter("king".to_owned()));

    desk.run(shell::Command::Undo);
    assert_eq!(last_said(&desk), "Undone: filter in Features");
    assert_eq!(desk.state.features.filter, "");
    assert_eq!(desk.view(), ViewId::Features);
    assert_eq!(desk.state.prompt.text, "Once upon", "the others stay");
    desk.run(shell::Command::Undo);
    assert_eq!(last_said(&desk), "Undone: sentence in Prompt");
    assert_eq!(
        (desk.state.prompt.text.as_str(), desk.view()),
        ("", ViewId::Prompt)
    );
    desk.run(shell::Command::Undo);
    assert_eq!(last_said(&desk), "Undone: removed edit 1 (Add)");
    assert_eq!(
        (&desk.state.steering.draft, desk.view()),
        (&two, ViewId::Steering)
    );
    assert_eq!(
        desk.state.label(FeatureId(12)),
        Some("kings"),
        "no screen erases another's"
    );
    desk.run(shell::Command::Undo);
    assert_eq!(desk.state.steering.draft.edits.len(), 1);
    desk.run(shell::Command::Undo);
    assert_eq!(last_said(&desk), "Undone: label of feature 12 in z0");
    assert_eq!(desk.state.label(FeatureId(12)), None);
    assert_eq!(
        (desk.view(), desk.state.selection.feature),
        (ViewId::Feature, Some(FeatureId(12)))
    );
    let (project, _) = Project::open(folder.path()).unwrap();
    assert!(project.labels().unwrap().all("z0").unwrap().is_empty());
    desk.run(shell::Command::Undo);
    assert_eq!(last_said(&desk), "Nothing to undo");

    for _ in 0..5 {
        desk.run(shell::Command::Redo);
    }
    assert_eq!(last_said(&desk), "Redone: filter in Features");
    let state = &desk.state;
    assert_eq!(state.label(FeatureId(12)), Some("kings"));
    assert_eq!(state.steering.draft, draft);
    assert_eq!(state.prompt.text, "Once upon");
    assert_eq!(state.features.filter, "king");
    let (project, _) = Project::open(folder.path()).unwrap();
    assert_eq!(
        project.labels().unwrap().all("z0").unwrap()[0].text,
        "kings"
    );
    assert_eq!(desk.notices().len(), 1, "one line says the last step");
}

#[test]
fn a_tile_that_was_opened_is_taken_away_and_brought_back() {
    let mut desk = Desk::new(AppState::default());
    desk.run(navigation::Command::Go(ViewId::Prompt));
    desk.run(navigation::Command::Beside(ViewId::Heads));
    desk.run(navigation::Command::Beside(ViewId::Prompt));
    assert_eq!(
        desk.state.history.done.len(),
        1,
        "to become active is no change"
    );
    desk.run(shell::Command::Undo);
    assert_eq!(last_said(&desk), "Undone: tiles (opened beside)");
    assert_eq!((desk.panes(), desk.view()), (1, ViewId::Prompt));
    desk.run(shell::Command::Redo);
    assert_eq!(desk.panes(), 2);
    desk.run(shell::Command::ResetLayout);
    assert_eq!(desk.panes(), 1);
    desk.run(shell::Command::Undo);
    assert_eq!(desk.panes(), 2);
}

#[test]
fn another_project_begins_with_nothing_to_undo() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = desk(folder.path());
    desk.run(prompt::Command::Text("Once".to_owned()));
    let other = folder.path().join("other");
    desk.run(library::Command::NewProject(other));
    desk.run(shell::Command::Undo);
    assert_eq!(last_said(&desk), "Nothing to undo");
    assert_eq!(desk.state.prompt.text, "");
}
