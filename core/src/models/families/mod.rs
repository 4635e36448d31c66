//! The model families: one file and one line in [`FAMILIES`] each. A family names its weights, reads its settings (both ages of `config.json`), and
//! chooses among the parts in `blocks`; a setting that changes the arithmetic is either implemented or rejected by name.

mod gated;
mod gemma2;
mod gemma3;
mod gpt2;
mod gpt_neo;
mod gpt_neox;
mod llama;
mod mistral;
mod parts;
mod phi3;
mod qwen2;
mod qwen3;

use serde_json::Value;

pub(super) use self::gemma2::WHOLE_NORMS;
use super::Config;
use super::decoder::Decoder;
use super::settings::Settings;
use super::weights::Fetch;
use crate::error::{Error, Result};

/// Kind of model.
pub(super) struct Family {
    /// `model_type` in `config.json`; the first is its name.
    names: &'static [&'static str],
    /// Defaults of missing keys, as HuggingFace has them.
    defaults: fn() -> Value,
    /// Builds a decoder.
    build: fn(&Settings, &Fetch<'_>) -> Result<(Config, Decoder)>,
}

/// All families.
const FAMILIES: [Family; 10] = [
    gpt2::FAMILY,
    gpt_neo::FAMILY,
    gpt_neox::FAMILY,
    llama::FAMILY,
    mistral::FAMILY,
    qwen2::FAMILY,
    qwen3::FAMILY,
    gemma2::FAMILY,
    gemma3::FAMILY,
    phi3::FAMILY,
];

impl Family {
    /// Finds the family that `settings` names.
    pub(super) fn from_settings(settings: &Settings) -> Result<&'static Self> {
        let name = settings.text("model_type")?.ok_or_else(|| {
            let remedy = "give the folder of a language model";
            Error::missing("`model_type`", settings.path(), remedy)
        })?;
        FAMILIES
            .iter()
            .find(|family| family.names.contains(&name))
            .ok_or_else(|| {
                let known: Vec<_> = FAMILIES.iter().map(|family| family.names[0]).collect();
                Error::Unsupported {
                    what: format!("the model family `{name}` in {}", settings.path().display()),
                    remedy: format!("choose a model of one of these: {}", known.join(", ")),
                }
            })
    }

    /// Name of the family.
    pub(super) fn name(&self) -> &'static str {
        self.names[0]
    }

    /// Adds this family's defaults to `settings`.
    pub(super) fn complete(&self, settings: Settings) -> Settings {
        settings.with_defaults((self.defaults)())
    }

    /// Builds the decoder that complete `settings` describe.
    pub(super) fn build(
        &self,
        settings: &Settings,
        fetch: &Fetch<'_>,
    ) -> Result<(Config, Decoder)> {
        let (mut config, decoder) = (self.build)(settings, fetch)?;
        config.parameters = fetch.parameters();
        Ok((config, decoder))
    }
}

#[cfg(test)]
mod second_opinion_tests;
#[cfg(test)]
mod tests;
