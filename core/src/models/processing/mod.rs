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

/// Step of rewriting the weights: its name, its explanation, where it would change the logits, and the code.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// TransformerLens's name of it, an argument of `from_pretrained`.
    pub key: &'static str,
    /// Its name on the command line: the key with `-` for `_`.
    pub flag: &'static str,
    /// Name in a form, sentence case.
    pub label: &'static str,
    /// Effect of the step, in one phrase.
    pub help: &'static str,
    /// Whether TransformerLens applies it by default.
    pub usual: bool,
    /// Reason why it would change what the model computes, if it would.
    refused: fn(&Config, &Decoder) -> Option<&'static str>,
    /// Whether it rewrites matrices, which must then be f32.
    matrices: bool,
    /// Whether it rewrites the embedding or the unembedding, which then are two where a model has one.
    unties: bool,
    apply: fn(&Config, &mut Decoder) -> Result<()>,
}

/// All steps, in the order in which they apply.
pub const STEPS: [Step; 5] = [
    fold_ln::STEP,
    center_writing_weights::STEP,
    center_unembed::STEP,
    fold_value_biases::STEP,
    refactor_factored_attn_matrices::STEP,
];

/// Set of steps to apply; empty by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Processing {
    chosen: [bool; STEPS.len()],
    where_allowed: bool,
}

impl Processing {
    /// Returns TransformerLens's defaults, where the model allows them.
    #[must_use]
    pub fn transformer_lens() -> Self {
        Self {
            chosen: STEPS.map(|step| step.usual),
            where_allowed: true,
        }
    }

    /// Skips steps that would change what the model computes, with a note, as TransformerLens does; otherwise they are errors.
    #[must_use]
    pub fn where_allowed(self) -> Self {
        Self {
            where_allowed: true,
            ..self
        }
    }

    /// Adds or removes the step `key`; an unknown key is an error.
    pub fn set(&mut self, key: &str, on: bool) -> Result<()> {
        let at = STEPS
            .iter()
            .position(|step| step.key == key || step.flag == key)
            .ok_or_else(|| {
                let known: Vec<_> = STEPS.iter().map(|step| step.flag).collect();
                let what = format!(
                    "`{key}` is not a processing step: choose {NONE}, {USUAL}, or among {}",
                    known.join(", ")
                );
                Error::setting(Key::Process, what)
            })?;
        self.chosen[at] = on;
        Ok(())
    }

    /// Whether the step `key` is in the set.
    pub fn has(self, key: &str) -> bool {
        self.steps().any(|step| step.key == key)
    }

    /// Returns the steps, in the order in which they apply.
    pub fn steps(self) -> impl Iterator<Item = &'static Step> {
        let chosen = STEPS.iter().zip(self.chosen);
        chosen.filter(|(_, on)| *on).map(|(step, _)| step)
    }

    /// Whether the set is empty.
    pub fn is_none(self) -> bool {
        self.steps().next().is_none()
    }

    /// Returns the names of the steps as TransformerLens has them.
    pub fn keys(self) -> Vec<&'static str> {
        self.steps().map(|step| step.key).collect()
    }

    /// Returns a sentence for the model's card, unless the set is empty.
    pub(super) fn fact(self) -> Option<String> {
        let steps = self.keys().join(", ");
        (!self.is_none()).then(|| format!("Weights are processed as by TransformerLens: {steps}"))
    }

    /// Returns the steps that apply to a model whose weights are held as `form`; the error names the first step that cannot apply.
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
                notes.add(format!("Skipped {}: {why}", step.key));
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

/// Prints the form that [`FromStr`] reads.
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
