//! The project's report of results: sections are kept with the project, and the page is written anew from all of them.

use std::sync::Arc;

use umbra_core::error::Error;
use umbra_core::project::{Ingredient, MadeWith};
use umbra_core::section::Section;
use umbra_core::workbench::results;

use super::context::Context;
use crate::state::log::{self, Notice};
use crate::state::requests::dictionary;
use crate::state::requests::results::Command;
use crate::state::{AppState, Event};

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Add(section) => add(context, section),
        }
    }
}

fn add(context: &mut Context<'_>, section: Box<Section>) {
    let Some(project) = context.state.project.open().map(Arc::clone) else {
        return context.fail("Open or create a project first: its folder holds the report");
    };
    let made = made(context.state);
    context.jobs.start("Add to report", move |worker| {
        results::keep(&project, &section, &made)?;
        let contents = results::kept(&project)?;
        let folder = project.folder.join("reports");
        let failed = |source| Error::io("cannot create the folder", &folder, source);
        std::fs::create_dir_all(&folder).map_err(failed)?;
        let path = folder.join("results.html");
        if contents
            .write(&path, &mut |at| worker.progress(at))?
            .is_stopped()
        {
            return Ok(());
        }
        let many = contents.results.len();
        let results = if many == 1 { "result" } else { "results" };
        let said = format!(
            "Added to the report, which has {many} {results}: {}",
            path.display()
        );
        let open = dictionary::Command::OpenReport(path);
        let done = Notice::success(said).with("Open it", open);
        worker.send(Event::Log(log::Event::Show(done)));
        Ok(())
    });
}

/// Ingredients of results on screen: the open model.
fn made(state: &AppState) -> MadeWith {
    let Some(loaded) = state.model() else {
        return MadeWith::default();
    };
    let model = &loaded.model;
    MadeWith {
        model: Ingredient::new(model.name(), model.fingerprint()),
        processing: model.processing().to_string(),
        ..MadeWith::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn results_are_kept_and_their_report_is_written_and_can_be_opened() {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = testing::demo(folder.path());
        let section = |title: &str| Box::new(Section::new(title, "It falls by half"));
        desk.run(Command::Add(section("What does it cost?")));
        desk.run(Command::Add(section("Where is it?")));
        desk.run(Command::Add(section("Where is it?")));
        let path = desk
            .state
            .project
            .folder()
            .unwrap()
            .join("reports/results.html");
        let page = std::fs::read_to_string(&path).unwrap();
        assert!(page.contains("What does it cost?") && page.contains("It falls by half"));
        assert_eq!(page.matches("<h2>Where is it?</h2>").count(), 1, "replaced");
        let notices = desk.state.log.notices.iter();
        let buttons: Vec<_> = notices.flat_map(|shown| &shown.notice.actions).collect();
        assert!(buttons.iter().any(|(words, _)| *words == "Open it"));
    }
}
