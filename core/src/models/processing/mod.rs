//! Processing as TransformerLens's `from_pretrained` does it: weights rewritten so that they are easier to read, while the model computes the same. One
//! step is one file and one line in [`STEPS`]; each file states the identity it rests on. Checked against version 3 (`weight_processing.py`).

mod center_unembed;
mod center_writing_weights;
mod fold_ln;
mod fold_value_biases;
mod matrices;
mod refactor_factored_attn_matrices;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use super::Config;
use super::decoder::Decoder;
use super::footprint::Form;
use crate::error::{Error, Key, Notes, Result};

/// Short name for [`Processing::transformer_lens`].
const USUAL: &str = "transformer-lens";
/// Short name for no step at all.
const NONE: &str = "none";

/// One way of rewriting the weights: how it is named and explained, where it would change the logits, what it does.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// TransformerLens's name of it, an argument of `from_pretrained`.
    pub key: &'static str,
    /// Its name on the command line: the key with `-` for `_`.
    pub flag: &'static str,
    /// Name in a form, sentence case.
    pub label: &'static str,
    /// What it does, one phrase.
    pub help: &'static str,
    /// Whether TransformerLens does it unless told otherwise.
    pub usual: bool,
    /// Why it would change what the model computes, if it would.
    refused: fn(&Config, &Decoder) -> Option<&'static str>,
    /// Whether it rewrites matrices, which must then be f32.
    matrices: bool,
    /// Whether it rewrites the embedding or the unembedding, which then are two where a model has one.
    unties: bool,
    apply: fn(&Config, &mut Decoder) -> Result<()>,
}

/// All steps, in the order in which they are taken.
pub const STEPS: [Step; 5] = [
    fold_ln::STEP,
    center_writing_weights::STEP,
    center_unembed::STEP,
    fold_value_biases::STEP,
    refactor_factored_attn_matrices::STEP,
];

/// Which steps are taken; none by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Processing {
    chosen: [bool; STEPS.len()],
    where_allowed: bool,
}

impl Processing {
    /// TransformerLens's defaults, where the model allows them.
    #[must_use]
    pub fn transformer_lens() -> Self {
        Self {
            chosen: STEPS.map(|step| step.usual),
            where_allowed: true,
        }
    }

    /// The same with steps that would change what the model computes left out with a note, as TransformerLens does, where they otherwise are errors.
    #[must_use]
    pub fn where_allowed(self) -> Self {
        Self {
            where_allowed: true,
            ..self
        }
    }

    /// Takes the step `key` in or out; an error if there is no such step.
    pub fn set(&mut self, key: &str, on: bool) -> Result<()> {
        let at = STEPS
            .iter()
            .position(|step| step.key == key || step.flag == key)
            .ok_or_else(|| {
                let known: Vec<_> = STEPS.iter().map(|step| step.flag).collect();
                let what = format!(
                    "`{key}` is no step of processing, choose {NONE}, {USUAL}, or among {}",
                    known.join(", ")
                );
                Error::setting(Key::Process, what)
            })?;
        self.chosen[at] = on;
        Ok(())
    }

    /// Whether the step `key` is taken.
    pub fn has(self, key: &str) -> bool {
        self.steps().any(|step| step.key == key)
    }

    /// The steps, in the order in which they are taken.
    pub fn steps(self) -> impl Iterator<Item = &'static Step> {
        let chosen = STEPS.iter().zip(self.chosen);
        chosen.filter(|(_, on)| *on).map(|(step, _)| step)
    }

    /// Whether nothing is done.
    pub fn is_none(self) -> bool {
        self.steps().next().is_none()
    }

    /// The names of the steps as TransformerLens has them.
    pub fn keys(self) -> Vec<&'static str> {
        self.steps().map(|step| step.key).collect()
    }

    /// For a model's card: a sentence, if anything is done.
    pub(super) fn fact(self) -> Option<String> {
        let steps = self.keys().join(", ");
        (!self.is_none()).then(|| format!("Weights are processed as by TransformerLens: {steps}"))
    }

    /// What of it is done to a model whose weights are held as `form`; an error naming the first step that cannot be.
    pub(super) fn allowed(
        self,
        (config, decoder): (&Config, &Decoder),
        form: Form,
        notes: &mut Notes,
    ) -> Result<Self> {
        let mut allowed = Self {
            where_allowed: false,
            ..self
        };
        for step in self.steps() {
            if let Some(why) = (step.refused)(config, decoder) {
                if !self.where_allowed {
                    return Err(Error::Unsupported {
                        what: format!("{} for {}", step.key, config.family),
                        remedy: format!("{why}, leave this step out"),
                    });
                }
                notes.add(format!("{} is left out: {why}", step.key));
                allowed.set(step.key, false)?;
            } else if step.matrices && form == Form::Stored {
                return Err(Error::Unsupported {
                    what: format!(
                        "{} of matrices that stay as their file stores them",
                        step.key
                    ),
                    remedy: format!(
                        "hold the model as f32 (without {}), or leave its processing out ({} none)",
                        Key::KeepQuantised,
                        Key::Process
                    ),
                });
            }
        }
        Ok(allowed)
    }

    /// Whether the embedding and the unembedding of a tied model become two.
    pub(super) fn unties(self) -> bool {
        self.steps().any(|step| step.unties)
    }

    /// Rewrites the weights of a model that [allows](Self::allowed) all of it.
    pub(super) fn apply(self, config: &Config, decoder: &mut Decoder) -> Result<()> {
        self.steps()
            .try_for_each(|step| (step.apply)(config, decoder))
    }
}

/// As [`FromStr`] reads it.
impl fmt::Display for Processing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags: Vec<_> = self.steps().map(|step| step.flag).collect();
        f.write_str(&if flags.is_empty() {
            NONE.to_owned()
        } else {
            flags.join(",")
        })
    }
}

/// `none`, `transformer-lens`, or steps by key or flag with commas between.
impl FromStr for Processing {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim() {
            NONE => Ok(Self::default()),
            USUAL => Ok(Self::transformer_lens()),
            steps => {
                let mut processing = Self::default();
                for step in steps.split(',') {
                    processing.set(step.trim(), true)?;
                }
                Ok(processing)
            }
        }
    }
}
