//! Edits and vectors in files that a person saves and opens.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use umbra_core::workbench::edits_file;

use super::run::{made, opened};
use super::{put, show};
use crate::commands::context::Context;
use crate::dialogs::Ask;
use crate::state::Event;
use crate::state::log::{self, Notice};
use crate::state::requests::steering;
use crate::state::requests::steering::files::Command;
use crate::state::steering::{Draft, EditDraft, Place};
use crate::words;

impl Command {
    /// Carries it out.
    pub(super) fn run(self, context: &mut Context<'_>) {
        match self {
            Self::PickSave => {
                let ask = Ask::Save("Save the edits", edits_file::NAME.to_owned());
                context.ask(ask, |path| Self::Save(path).into());
            }
            Self::Save(path) => save(context, &path),
            Self::PickOpen => {
                let ask = Ask::File("Open edits", &["toml"]);
                context.ask(ask, |path| Self::Open(path).into());
            }
            Self::Open(path) => open(context, &path),
            Self::PickSaveVectors => {
                let ask = Ask::Save("Save the vectors", "vectors.safetensors".to_owned());
                context.ask(ask, |path| Self::SaveVectors(path).into());
            }
            Self::SaveVectors(path) => save_vectors(context, path),
            Self::PickVectors => {
                let ask = Ask::File("Open a file of vectors", &["safetensors"]);
                context.ask(ask, |path| Self::AddVectors(path).into());
            }
            Self::AddVectors(path) => add_vectors(context, path),
        }
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().display().to_string()
}

fn say(context: &mut Context<'_>, words: String) {
    context.apply(Event::Log(log::Event::Show(Notice::success(words))));
}

/// Saves the stack, edits that are switched off too.
fn save(context: &mut Context<'_>, path: &Path) {
    let draft = &context.state.steering.draft;
    let edits = draft.switched(context.state);
    let left_out = draft.edits.len() - edits.len();
    if edits.is_empty() {
        return context.fail("There is no complete edit to save: choose its feature or hook first");
    }
    let pairs = edits.iter().map(|(edit, on)| (edit, *on));
    match edits_file::save(path, pairs) {
        Ok(()) => {
            let rest = match left_out {
                0 => String::new(),
                1 => "; 1 incomplete edit was left out".to_owned(),
                many => format!("; {many} incomplete edits were left out"),
            };
            say(
                context,
                format!("The edits are in {}{rest}", path.display()),
            );
        }
        Err(error) => context.fail(words::error(&error)),
    }
}

/// Opens edits in place of the stack; undo brings the former one back.
fn open(context: &mut Context<'_>, path: &Path) {
    let edits = match edits_file::read(path) {
        Ok(edits) => edits,
        Err(error) => return context.fail(words::error(&error)),
    };
    let edits = edits
        .iter()
        .map(|(spec, on)| EditDraft::from_spec(spec, *on));
    let draft = Draft {
        edits: edits.collect(),
        ..context.state.steering.draft.clone()
    };
    put(
        context,
        draft,
        (format!("opened edits of {}", name(path)), false),
    );
    show(context, 0);
}

/// Saves the vectors that the edits in force add.
fn save_vectors(context: &mut Context<'_>, path: PathBuf) {
    let state = &context.state;
    let Some(loaded) = state.model() else {
        return context.fail("Open a model first");
    };
    let request = match state.steering.draft.request(state) {
        Ok(request) => request,
        Err(why) => return context.fail(why),
    };
    let (model, saes) = match opened(state, &request.dictionaries) {
        Ok(Some(opened)) => opened,
        Ok(None) => (Arc::clone(&loaded.model), vec![]),
        Err(why) => return context.fail(why),
    };
    let sources = state.materials(&request.dictionaries);
    let kept = Arc::clone(&state.steering.kept[Place::Lab as usize]);
    context.jobs.start("Save the vectors", move |worker| {
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        let of = (&model, saes.as_slice());
        let made = made(worker, &mut kept, of, &sources, &request)?;
        if let Some(made) = made.done() {
            made.save_vectors(&model, &request.edits, &path)?;
            let words = format!("The vectors are in {}", path.display());
            worker.send(Event::Log(log::Event::Show(Notice::success(words))));
        }
        Ok(())
    });
}

/// Adds an edit for each vector of a file, at the hook in whose name it stands.
fn add_vectors(context: &mut Context<'_>, path: PathBuf) {
    let Some(loaded) = context.state.model() else {
        return context.fail("Open a model first");
    };
    let model = Arc::clone(&loaded.model);
    context.jobs.start("Read vectors", move |worker| {
        let keys = edits_file::vectors(&path, &model)?;
        let edits = keys.into_iter();
        let edits = edits
            .map(|key| EditDraft::of_file(path.clone(), key))
            .collect();
        worker.ask(steering::Command::Put(edits, None).into());
        Ok(())
    });
}
