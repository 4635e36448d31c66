//! A steering request as the core takes it: with the paths of what is open. Written as a command line it gives the same texts.

use umbra_core::cli;
use umbra_core::workbench::materials::Sources;
use umbra_core::workbench::steering::{Dictionary, Request as Whole};
use umbra_core::workbench::text::TextRequest;

use super::Request;
use crate::state::AppState;
use crate::state::catalogue::{DictionaryId, absolute};
use crate::words;

impl AppState {
    /// Returns the sources of edits: the project's probes of `dictionaries`, and its held-out text.
    pub(crate) fn materials(&self, dictionaries: &[DictionaryId]) -> Sources {
        let project = self.project.open();
        let named = dictionaries.iter().filter_map(|id| self.catalogue.get(*id));
        Sources {
            probes: named
                .filter_map(|named| project?.kept_probe(&named.name))
                .collect(),
            allow_mismatch: false,
            mean: project.and_then(|project| TextRequest::held_out_of(project).ok()),
        }
    }

    /// `request` with the paths of model, dictionary and materials; an error is one sentence.
    pub(crate) fn whole(&self, request: &Request) -> Result<Whole, String> {
        let catalogue = &self.catalogue;
        let model = self.model().zip(catalogue.model_path.as_ref());
        let (loaded, path) = model.ok_or("Open a model first")?;
        let opening = catalogue.model_opening;
        let processing = loaded.model.processing().to_string().parse();
        let several = request.dictionaries.len() > 1;
        let saes = request.dictionaries.iter().map(|id| {
            let gone = "This dictionary is no longer part of the project";
            let dictionary = catalogue.get(*id).ok_or(gone)?;
            Ok(Dictionary {
                name: several.then(|| dictionary.name.clone()),
                path: absolute(&dictionary.folder),
            })
        });
        let saes: Result<Vec<Dictionary>, &str> = saes.collect();
        let sources = self.materials(&request.dictionaries);
        let mut sources = sources.needed_by(&request.edits);
        let probes = sources.probes.iter();
        sources.probes = probes.map(|path| absolute(path)).collect();
        if let Some(mean) = &mut sources.mean {
            let paths = mean.corpus.paths.iter();
            mean.corpus.paths = paths.map(|path| absolute(path)).collect();
        }
        Ok(Whole {
            model: absolute(path),
            form: opening.form,
            processing: Some(processing.map_err(|error| words::error(&error))?),
            bos: opening.bos,
            saes: saes?,
            hook: None,
            edits: request.edits.clone(),
            sources,
            device: self.settings.device,
            prompt: request.prompt.clone(),
            sampling: request.sampling.clone(),
            samples: request.samples,
        })
    }

    /// The command line that gives the same texts as `request`; an error is one sentence.
    pub(crate) fn steering_line(&self, request: &Request) -> Result<String, String> {
        cli::steer_line(&self.whole(request)?).map_err(|error| words::error(&error))
    }
}
