//! Reports of features: where a person chooses, or in the project's folder of reports.

use std::path::PathBuf;
use std::process::Command as Program;

use umbra_core::error::Error;
use umbra_core::features::Index;
use umbra_core::ids::FeatureId;
use umbra_core::report::{self, Choice};

use super::Command;
use crate::commands::context::Context;
use crate::state::catalogue::DictionaryId;
use crate::state::log::{self, Notice};
use crate::state::{AppState, Event};

/// Features that the name of a report lists; more are counted.
const NAMED: usize = 5;

/// Writes a report of `features` into the project's folder of reports. One of the same features is replaced.
pub(super) fn here(context: &mut Context<'_>, id: DictionaryId, features: Vec<FeatureId>) {
    let Some(path) = place(context.state, id, &features) else {
        return context.fail("Open or create a project first: reports are written to its folder");
    };
    write(context, id, Choice::Listed(features), path);
}

/// `reports/NAME-12-40-7.html` in the project's folder.
fn place(state: &AppState, id: DictionaryId, features: &[FeatureId]) -> Option<PathBuf> {
    let name = &state.catalogue.get(id)?.name;
    let of = if features.len() <= NAMED {
        let numbers: Vec<String> = features.iter().map(FeatureId::to_string).collect();
        numbers.join("-")
    } else {
        format!("{}-features", features.len())
    };
    let folder = state.project.folder()?.join("reports");
    Some(folder.join(format!("{name}-{of}.html")))
}

/// Writes a report of `choice` to `path`.
pub(super) fn write(context: &mut Context<'_>, id: DictionaryId, choice: Choice, path: PathBuf) {
    let state = &context.state;
    let Some(dictionary) = state.catalogue.get(id) else {
        return;
    };
    let Some(index) = state.index_of(id).map(|index| index.path.clone()) else {
        let why = state.foreign_index(id).map(str::to_owned);
        return context
            .fail(why.unwrap_or_else(|| "A report needs an index: build one first".to_owned()));
    };
    let labels = state.project.labels(&dictionary.name);
    let labels: Vec<(FeatureId, String)> = labels
        .map(|(feature, text)| (feature, text.to_owned()))
        .collect();
    let job = format!("Write a report of {}", dictionary.name);
    context.jobs.start(job, move |worker| {
        if let Some(folder) = path.parent() {
            let failed = |source| Error::io("cannot create the folder", folder, source);
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        report::write(&Index::open(&index)?, &choice, &labels, &path)?;
        let done = Notice::success(format!("Report written to {}", path.display()))
            .with("Open it", Command::OpenReport(path));
        worker.send(Event::Log(log::Event::Show(done)));
        Ok(())
    });
}

/// Opens a report with the system's program for its kind.
pub(super) fn open(context: &mut Context<'_>, path: PathBuf) {
    context.jobs.start_quiet(
        |why| Event::Log(log::Event::Show(Notice::failure(why))),
        move |_| {
            let started = opener(&path).spawn();
            started.map(drop).map_err(|source| {
                Error::io(
                    "no program opens the report, open it by hand:",
                    &path,
                    source,
                )
            })
        },
    );
}

fn opener(path: &std::path::Path) -> Program {
    let mut program = if cfg!(windows) {
        Program::new("explorer")
    } else if cfg!(target_os = "macos") {
        Program::new("open")
    } else {
        Program::new("xdg-open")
    };
    program.arg(path);
    program
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_report_of_three_features_is_written_into_the_project_and_can_be_opened() {
        let folder = tempfile::tempdir().unwrap();
        let mut desk = testing::demo(folder.path());
        let id = desk.state.selection.dictionary.unwrap();
        let features = [12, 40, 7].map(FeatureId).to_vec();
        desk.run(Command::ReportHere(id, features));
        let name = desk.state.dictionary().unwrap().name.clone();
        let path = desk.state.project.folder().unwrap().join("reports");
        let path = path.join(format!("{name}-12-40-7.html"));
        let page = std::fs::read_to_string(&path).unwrap();
        for number in ["#12", "#40", "#7"] {
            assert!(page.contains(number), "{number}");
        }
        let notices = desk.state.log.notices.iter();
        let buttons: Vec<_> = notices.flat_map(|shown| &shown.notice.actions).collect();
        assert!(buttons.iter().any(|(words, command)| {
            words == "Open it" && *command == Command::OpenReport(path.clone()).into()
        }));
        let many: Vec<_> = (0..6).map(FeatureId).collect();
        let place = place(&desk.state, id, &many).unwrap();
        assert!(place.ends_with(format!("reports/{name}-6-features.html")));
    }
}
