//! The first minute: the demo opens with the most surprising feature of its sentence selected, and the tour begins where it opens for the first time.

use crate::state::AppState;
use crate::state::project::Kind;
use crate::state::requests::{Commands, navigation, shell};
use crate::state::selection::Focus;
use crate::state::tour::Tour;

/// Selects a feature of the demo's sentence and begins the tour, once the sentence is read and the index ranks its features.
pub(super) fn follow(state: &AppState, commands: &mut Commands) {
    let is_demo = state.project.kind == Kind::Demo && state.project.open().is_some();
    if !is_demo || state.prompt.reading.ready().is_none() || !state.has_rarity() {
        return;
    }
    let selection = &state.selection;
    let is_fresh = selection.focus == Focus::Nothing && selection.feature.is_none();
    if is_fresh && let Some(firing) = state.most_surprising() {
        commands.send(navigation::Command::SelectToken(Some(firing.at)));
        commands.send(navigation::Command::SelectFeature(Some(firing.feature)));
    }
    if state.settings.tour == Tour::Unseen {
        commands.send(shell::Command::Tour(Tour::FIRST));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Event;
    use crate::state::settings;
    use crate::testing;

    #[test]
    fn the_demo_opens_with_its_most_surprising_feature_and_what_a_person_clears_stays_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = testing::demo(folder.path());
        let state = &desk.state;
        let firing = state.most_surprising().unwrap();
        let selection = &state.selection;
        assert_eq!(selection.feature, Some(firing.feature));
        assert_eq!(selection.token, Some(firing.at));
        assert_eq!(selection.focus, Focus::Feature);
        desk.run(navigation::Command::SelectFeature(None));
        assert_eq!(desk.state.selection.feature, None);
    }

    #[test]
    fn the_tour_begins_with_the_demo_once_and_not_with_another_project() {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = testing::demo(folder.path());
        assert_eq!(desk.state.settings.tour, Tour::Ended, "closed for good");
        let unseen = settings::Event::Tour(Tour::Unseen);
        desk.state.apply(Event::Settings(unseen));
        desk.run(shell::Command::Palette(false));
        assert_eq!(desk.state.settings.tour, Tour::FIRST);
        let mut other = testing::with_model();
        other.settings.tour = Tour::Unseen;
        let mut commands = Commands::default();
        follow(&other, &mut commands);
        assert!(commands.is_empty());
    }
}
