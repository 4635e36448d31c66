//! Evaluation: the tab that is shown, and measuring the numbers of dictionaries.

mod task;

use umbra_core::workbench::passes::{Amount, Pass};

use super::context::Context;
use super::passes;
use crate::state::requests::evaluation::Command;
use crate::state::view::ViewId;
use crate::state::{Event, selection};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Show(tab) => {
                context.apply(Event::Selection(selection::Event::Evaluation(tab)));
                context
                    .layout
                    .go(ViewId::Evaluation, &context.state.selection);
            }
            Self::Task(command) => command.run(context),
            Self::Measure(ids) => {
                let amount = Amount::Tokens(Pass::Evaluation.default_tokens());
                passes::evaluate(context, &ids, amount);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use umbra_core::formats::{self, Precision};
    use umbra_core::models::Opening;

    use super::*;
    use crate::state::AppState;
    use crate::state::requests::{library, navigation};
    use crate::testing::{self, Desk};

    #[test]
    fn several_dictionaries_are_measured_in_one_job_and_kept_with_the_project() {
        let folder = tempfile::tempdir().unwrap();
        let project = folder.path().join("mine");
        let mut desk = Desk::new(AppState::default());
        desk.run(library::Command::NewProject(project.clone()));
        let path = folder.path().join("rabbit.txt");
        let sentence = "The rabbit ran into the wood and the fox ran after it.\n";
        std::fs::write(&path, sentence.repeat(60)).unwrap();
        let held_out = true;
        desk.run(library::Command::AddText { path, held_out });
        let model = testing::bundled("model");
        desk.run(library::Command::OpenModel(model, Opening::default()));
        for name in ["one", "two"] {
            let mut sae = testing::sae_of(16, 256);
            sae.provenance.hook = "blocks.1.hook_resid_post".parse().ok();
            let place = folder.path().join(name);
            formats::save(&sae, &place, Precision::F32).unwrap();
            desk.run(library::Command::OpenSae(place));
        }
        let all = desk.state.catalogue.dictionaries.iter();
        let ids: Vec<_> = all.map(|one| one.id).collect();
        desk.run(Command::Measure(ids.clone()));
        for dictionary in &desk.state.catalogue.dictionaries {
            let figures = &dictionary.evaluation.ready().unwrap().figures;
            assert!(figures.nearness.is_some() && figures.tokens > 100);
        }
        assert!(desk.state.jobs.running().next().is_none());
        let mut again = Desk::new(AppState::default());
        again.run(library::Command::OpenProject(project));
        let kept = again.state.catalogue.dictionaries.iter();
        assert_eq!(
            kept.filter(|one| one.evaluation.ready().is_some()).count(),
            2
        );
        again.run(navigation::Command::Go(ViewId::Evaluation));
        assert_eq!(again.view(), ViewId::Evaluation);
    }
}
