//! A survey kept with a project: what it was made of, and whether it belongs to a model.

use serde::{Deserialize, Serialize};

use super::Survey;
use crate::error::{Error, Result};
use crate::fit::{Fit, Verdict, short};
use crate::models::Model;
use crate::project::Project;

/// Version of the file.
const VERSION: u32 = 1;

/// Survey with what it was made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptSurvey {
    version: u32,
    /// Phrase for the text.
    pub text: String,
    /// Fingerprint of the text.
    pub text_fingerprint: String,
    /// Name of the model.
    pub model: String,
    /// Fingerprint of the model.
    pub model_fingerprint: String,
    /// Processing of the model's weights, as [`crate::models::Processing`] prints it.
    pub processing: String,
    /// Version of the program.
    pub umbra: String,
    /// The survey.
    pub survey: Survey,
}

impl KeptSurvey {
    /// Joins a survey with the model and the text (phrase and fingerprint) that it is of.
    pub fn new(model: &Model, (text, fingerprint): (&str, &str), survey: Survey) -> Self {
        Self {
            version: VERSION,
            text: text.to_owned(),
            text_fingerprint: fingerprint.to_owned(),
            model: model.name().to_owned(),
            model_fingerprint: model.fingerprint().to_owned(),
            processing: model.processing().to_string(),
            umbra: crate::VERSION.to_owned(),
            survey,
        }
    }

    /// Stores the survey with `project` and overwrites an older one.
    pub fn keep(&self, project: &Project) -> Result<()> {
        let json = serde_json::to_vec(self).map_err(|refused| {
            let what = format!("the survey of heads cannot be written ({refused})");
            Error::input(what, project.kept())
        })?;
        project.keep_survey(&json)
    }

    /// Reads the survey that is stored with `project`, if there is one.
    pub fn from_project(project: &Project) -> Result<Option<Self>> {
        let Some((json, path)) = project.survey()? else {
            return Ok(None);
        };
        let broken = |refused: serde_json::Error| {
            let what =
                format!("the kept survey cannot be read ({refused}), survey the heads again");
            Error::input(what, &path)
        };
        let value: serde_json::Value = serde_json::from_slice(&json).map_err(broken)?;
        if value["version"] != VERSION {
            let what = "the kept survey is of another version, survey the heads again";
            return Err(Error::input(what, path));
        }
        serde_json::from_value(value).map(Some).map_err(broken)
    }

    /// Reads the survey that is stored with `project` and checks that it was made with `model`; one of another model is an error.
    pub fn of_model(project: &Project, model: &Model) -> Result<Option<Self>> {
        let Some(kept) = Self::from_project(project)? else {
            return Ok(None);
        };
        let fit = Fit::of_survey(&kept, model);
        if fit.is_refused() {
            return Err(Error::Mismatch { what: fit.why });
        }
        Ok(Some(kept))
    }
}

impl Fit {
    /// Judges whether a survey of heads was made with `model`.
    pub fn of_survey(kept: &KeptSurvey, model: &Model) -> Self {
        let config = model.config();
        let heads = config.layers * config.heads;
        let (print, own) = (&kept.model_fingerprint, model.fingerprint());
        if print != own {
            return Self::new(
                Verdict::Foreign,
                format!(
                    "The kept survey of heads was made with the model {} (fingerprint {}), {} has another fingerprint ({}): survey the heads again",
                    kept.model,
                    short(print),
                    model.name(),
                    short(own)
                ),
            );
        }
        if kept.survey.heads.len() != heads {
            return Self::new(
                Verdict::Unfit,
                format!(
                    "The kept survey holds {} heads, {} has {heads}: survey the heads again",
                    kept.survey.heads.len(),
                    model.name()
                ),
            );
        }
        Self::new(
            Verdict::Proven,
            "The kept survey of heads was made with this model (same fingerprint)",
        )
    }
}
