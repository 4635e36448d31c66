//! Reports of features: where a person chooses, or in the project's folder of reports.

use std::path::PathBuf;
use std::process::Command as Program;

use umbra_core::error::Error;
use umbra_core::features::Index;
use umbra_core::ids::FeatureId;
use umbra_core::progress::Ended;
use umbra_core::report::{self, Choice, Contents, Report};

use super::{Command, Out, Site};
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

/// Inputs of a report: name of the dictionary, file of its index, labels.
struct Material {
    name: String,
    index: PathBuf,
    labels: Vec<(FeatureId, String)>,
}

/// Returns the inputs of a report, or the sentence that says what is missing.
fn material(state: &AppState, id: DictionaryId) -> Result<Material, String> {
    let dictionary = state.catalogue.get(id);
    let dictionary = dictionary.ok_or("This dictionary is no longer part of the project")?;
    let Some(index) = state.index_of(id).map(|index| index.path.clone()) else {
        let why = state.foreign_index(id).map(str::to_owned);
        return Err(why.unwrap_or_else(|| "A report needs an index: build one first".to_owned()));
    };
    let labels = state.project.labels(&dictionary.name);
    Ok(Material {
        name: dictionary.name.clone(),
        index,
        labels: labels
            .map(|(feature, text)| (feature, text.to_owned()))
            .collect(),
    })
}

/// Writes a report of `choice` to `path`.
pub(super) fn write(context: &mut Context<'_>, id: DictionaryId, choice: Choice, path: PathBuf) {
    let material = match material(context.state, id) {
        Ok(material) => material,
        Err(sentence) => return context.fail(sentence),
    };
    let job = format!("Write a report of {}", material.name);
    context.jobs.start(job, move |worker| {
        if let Some(folder) = path.parent() {
            let failed = |source| Error::io("cannot create the folder", folder, source);
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let index = Index::open(&material.index)?;
        let contents = Contents {
            features: Some(Report::new(&index, &choice, &material.labels)?),
            results: Vec::new(),
        };
        if (contents.write(&path, &mut |at| worker.progress(at))?).is_stopped() {
            return Ok(());
        }
        let done = Notice::success(format!("Report written to {}", path.display()))
            .with("Open it", Command::OpenReport(path));
        worker.send(Event::Log(log::Event::Show(done)));
        Ok(())
    });
}

/// Writes a gallery or figures into a folder; asks before it replaces a gallery.
pub(super) fn write_site(context: &mut Context<'_>, id: DictionaryId, site: Site, out: Out) {
    let material = match material(context.state, id) {
        Ok(material) => material,
        Err(sentence) => return context.fail(sentence),
    };
    let job = match &site {
        Site::Gallery => format!("Write a gallery of {}", material.name),
        Site::Figures(_) => format!("Write figures of {}", material.name),
    };
    context.jobs.start(job, move |worker| {
        let index = Index::open(&material.index)?;
        let done = match site {
            Site::Gallery => {
                let again = |out| Command::Site(id, Site::Gallery, out);
                let Some(claim) = out.claim(worker, again)? else {
                    return Ok(());
                };
                let report = Report::new(&index, &Choice::All, &material.labels)?;
                let pass = &mut |at| worker.progress(at);
                if report::gallery(&report, &out.folder, pass)?.is_stopped() {
                    return Ok(());
                }
                claim.release()?;
                let page = out.folder.join("index.html");
                Notice::success(format!("Gallery written to {}", out.folder.display()))
                    .with("Open it", Command::OpenReport(page))
            }
            Site::Figures(features) => {
                let choice = Choice::Listed(features);
                let contents = Contents {
                    features: Some(Report::new(&index, &choice, &material.labels)?),
                    results: Vec::new(),
                };
                let pass = &mut |at| worker.progress(at);
                let Ended::Done(many) = report::figures(&contents, &out.folder, pass)? else {
                    return Ok(());
                };
                Notice::success(format!(
                    "{many} figures written to {}",
                    out.folder.display()
                ))
            }
        };
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
        let site = folder.path().join("site");
        let out = || Out::new(site.clone());
        desk.run(Command::Site(id, Site::Gallery, out()));
        let page = std::fs::read_to_string(site.join("index.html")).unwrap();
        assert!(page.contains("gallery.js") && site.join("sections-0.js").is_file());
        let figures = folder.path().join("figures");
        let of = Site::Figures(vec![FeatureId(12)]);
        desk.run(Command::Site(id, of, Out::new(figures.clone())));
        let figure = std::fs::read_to_string(figures.join("feature-12-histogram.svg")).unwrap();
        assert!(figure.starts_with("<svg") && figure.contains("xmlns"));
        let csv = folder.path().join("two.csv");
        let choice = Choice::Listed(vec![FeatureId(1), FeatureId(2)]);
        desk.run(Command::Report(id, choice, csv.clone()));
        let table = std::fs::read_to_string(csv).unwrap();
        assert!(table.starts_with("feature,label,name") && table.contains("\n2,"));
        let many: Vec<_> = (0..6).map(FeatureId).collect();
        let place = place(&desk.state, id, &many).unwrap();
        assert!(place.ends_with(format!("reports/{name}-6-features.html")));
    }
}
