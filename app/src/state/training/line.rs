//! The run that the form describes, as the core takes it and as a command line.

use umbra_core::cli;
use umbra_core::models::Opening;
use umbra_core::workbench::training::{OnError, Reads, Request};

use super::plan;
use crate::state::AppState;
use crate::state::catalogue::absolute;
use crate::words;

/// The run of the form with the paths of what it reads and writes; an error is one sentence.
pub(crate) fn request(state: &AppState) -> Result<Request, String> {
    let plan = plan::plan(state);
    if let Some(why) = plan.refusal {
        return Err(why);
    }
    let described = plan.described(state).ok_or("Fill in the form first")?;
    let reads = match (&plan.store, &plan.key) {
        (Some(store), _) => Reads::Store(absolute(store)),
        (None, Some(key)) => {
            let loaded = state.model().ok_or("Open a model first")?;
            let processing = loaded.model.processing().to_string().parse();
            let mut text = key.request.clone();
            let paths = text.corpus.paths.iter();
            text.corpus.paths = paths.map(|path| absolute(path)).collect();
            Reads::Text {
                model: absolute(&key.model),
                opening: Opening {
                    processing: processing.map_err(|error| words::error(&error))?,
                    ..state.catalogue.model_opening
                },
                text,
            }
        }
        (None, None) => return Err("Choose a text or an activation store first".to_owned()),
    };
    let from = state.training.form.from.as_deref();
    let dictionaries = described.into_iter();
    Ok(Request {
        reads,
        from: from.map(absolute),
        on: plan.on.map(|on| OnError {
            path: absolute(&on.path),
            probe: on.probe.as_deref().map(absolute),
            ..on
        }),
        dictionaries: dictionaries
            .map(|one| (one.spec, absolute(&one.folder)))
            .collect(),
        checkpoint: plan.checkpoint,
        device: state.settings.device,
    })
}

/// The command line that trains what the form describes; an error is one sentence.
pub(crate) fn line(state: &AppState) -> Result<String, String> {
    cli::train_line(&request(state)?).map_err(|error| words::error(&error))
}
