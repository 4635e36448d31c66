//! Export and report of one dictionary, and the way to its evaluation and its index.

mod report;

use std::path::PathBuf;
use std::sync::Arc;

use umbra_core::error::Result;
use umbra_core::features;
use umbra_core::features::{Index, NeuronpediaSource, Viewer};
use umbra_core::folders::{self, Claim};
use umbra_core::formats::{self, Precision, Target};
use umbra_core::progress::Ended;
use umbra_core::workbench::passes::Pass;

use super::context::Context;
use super::passes;
use crate::dialogs::Ask;
use crate::jobs::Worker;
use crate::state::catalogue::{self, DictionaryId};
use crate::state::log::Notice;
use crate::state::requests::dictionary::{Command, Out, Site};
use crate::state::requests::shell;
use crate::state::{Event, log};
use crate::widgets::number;

/// Features in one of Neuronpedia's batches.
const FEATURES_OF_A_FILE: usize = 128;

impl Out {
    /// Returns a folder whose content is not replaced without asking.
    fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            overwrite: false,
        }
    }

    /// The right to write it. None where it holds something that may be replaced: then the person is asked, and `again` follows on yes.
    fn claim(&self, worker: &Worker, again: impl FnOnce(Self) -> Command) -> Result<Option<Claim>> {
        if !self.overwrite
            && let Some(there) = folders::occupant(&self.folder)?
            && there.replaceable
        {
            let agreed = Self {
                folder: self.folder.clone(),
                overwrite: true,
            };
            let question = shell::Question {
                title: "Replace the folder's files?",
                text: format!(
                    "{} holds {}. Its files will be replaced; files with other names stay.",
                    self.folder.display(),
                    there.what
                ),
                button: "Replace",
                command: Box::new(again(agreed).into()),
            };
            worker.ask(shell::Command::Ask(Some(question)).into());
            return Ok(None);
        }
        folders::claim(&self.folder, self.overwrite).map(Some)
    }
}

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::Evaluate(id) => passes::ask(context, id, Pass::Evaluation),
            Self::BuildIndex(id) => passes::ask(context, id, Pass::Index),
            Self::Remove(id) => remove(context, id),
            Self::PickExport(id, target, precision) => {
                let ask = Ask::Folder("Choose a place for the dictionary's folder");
                let Some(name) = context.state.catalogue.get(id).map(|d| d.name.clone()) else {
                    return;
                };
                context.ask(ask, move |folder| {
                    Self::Export(id, target, precision, Out::new(folder.join(name))).into()
                });
            }
            Self::Export(id, target, precision, out) => {
                export(context, id, (target, precision), out);
            }
            Self::PickView(id, viewer) => {
                let ask = Ask::Folder("Choose a place for the folder of its features");
                let Some(name) = context.state.catalogue.get(id).map(|d| d.name.clone()) else {
                    return;
                };
                let name = format!("{name}-{}", viewer_name(viewer));
                context.ask(ask, move |folder| {
                    Self::View(id, viewer, Out::new(folder.join(name))).into()
                });
            }
            Self::View(id, viewer, out) => write_view(context, id, viewer, out),
            Self::ReportHere(id, features) => report::here(context, id, features),
            Self::OpenReport(path) => report::open(context, path),
            Self::PickReport(id, choice) => {
                let ask = Ask::Save("Save the report", "report.html".to_owned());
                context.ask(ask, move |path| Self::Report(id, choice, path).into());
            }
            Self::Report(id, choice, path) => report::write(context, id, choice, path),
            Self::PickSite(id, site) => {
                let (ask, ending) = match &site {
                    Site::Gallery => (
                        Ask::Folder("Choose a place for the gallery's folder"),
                        "gallery",
                    ),
                    Site::Figures(_) => (
                        Ask::Folder("Choose a place for the folder of the figures"),
                        "figures",
                    ),
                };
                let Some(name) = context.state.catalogue.get(id).map(|d| d.name.clone()) else {
                    return;
                };
                let name = format!("{name}-{ending}");
                context.ask(ask, move |folder| {
                    Self::Site(id, site, Out::new(folder.join(name))).into()
                });
            }
            Self::Site(id, site, out) => report::write_site(context, id, site, out),
        }
    }
}

fn remove(context: &mut Context<'_>, id: DictionaryId) {
    let Some(dictionary) = context.state.catalogue.get(id) else {
        return;
    };
    let folder = dictionary.folder.clone();
    if let Some(project) = context.state.project.open() {
        let mut changed = (**project).clone();
        changed.entries.retain(|entry| entry.sae != folder);
        if !super::library::write(context, changed) {
            return;
        }
    }
    context.apply(Event::Catalogue(catalogue::Event::Removed(id)));
}

fn export(
    context: &mut Context<'_>,
    id: DictionaryId,
    (target, precision): (Target, Precision),
    out: Out,
) {
    let loaded = (context.state.catalogue.get(id)).and_then(|d| d.load.ready());
    let Some(sae) = loaded.map(|loaded| Arc::clone(&loaded.sae)) else {
        return context.fail("The dictionary is not loaded yet");
    };
    context.jobs.start("Export the dictionary", move |worker| {
        let again = |out| Command::Export(id, target, precision, out);
        let Some(claim) = out.claim(worker, again)? else {
            return Ok(());
        };
        let folder = &out.folder;
        let one = std::slice::from_ref(&*sae);
        for note in formats::write(one, folder, target, precision)?.iter() {
            worker.send(Event::Log(log::Event::Show(Notice::info(note))));
        }
        claim.release()?;
        let done = Notice::success(format!("Exported to {}", folder.display()));
        worker.send(Event::Log(log::Event::Show(done)));
        Ok(())
    });
}

fn viewer_name(viewer: Viewer) -> &'static str {
    match viewer {
        Viewer::Neuronpedia => "neuronpedia",
        Viewer::CircuitTracer => "circuit-tracer",
    }
}

fn write_view(context: &mut Context<'_>, id: DictionaryId, viewer: Viewer, out: Out) {
    let state = &context.state;
    let Some(dictionary) = state.catalogue.get(id) else {
        return;
    };
    let Some(index) = state.index_of(id).map(|index| index.path.clone()) else {
        let why = state.foreign_index(id).map(str::to_owned);
        return context.fail(
            why.unwrap_or_else(|| "Exporting features needs an index: build one first".to_owned()),
        );
    };
    let job = format!("Export the features of {}", dictionary.name);
    context.jobs.start(job, move |worker| {
        let again = |out| Command::View(id, viewer, out);
        let Some(claim) = out.claim(worker, again)? else {
            return Ok(());
        };
        let folder = &out.folder;
        let index = Index::open(&index)?;
        let source = NeuronpediaSource::new(index.about(), None, None)?;
        let to = (viewer, FEATURES_OF_A_FILE);
        let written = features::export(&index, to, &source, folder, &mut |at| worker.progress(at))?;
        if let Ended::Done(written) = written {
            claim.release()?;
            let said = format!(
                "{} written to {}; never active: {}",
                number::counted(written.features as u64, "feature"),
                folder.display(),
                written.never_active
            );
            worker.send(Event::Log(log::Event::Show(Notice::success(said))));
        }
        Ok(())
    });
}
