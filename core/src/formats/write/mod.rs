//! Writes dictionaries in the formats of other libraries. A format that cannot hold something rejects it by name or a note says what is lost. Every file
//! appears whole or not at all, and a file that is written, read and written again keeps its bytes.

mod circuit_tracer;
mod dictionary_learning;
mod sparsify;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::str::FromStr;

use super::{Precision, save};
use crate::error::{Error, Notes, Result};
use crate::sae::{InputNorm, Sae};

/// Library whose files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Target {
    /// A SAELens folder, `cfg.json` and `sae_weights.safetensors`.
    SaeLens,
    /// A sparsify folder, `cfg.json` and `sae.safetensors`.
    Sparsify,
    /// A dictionary_learning folder, `config.json` and `ae.pt`.
    DictionaryLearning,
    /// A circuit-tracer set of transcoders, `config.yaml` and one `layer_N.safetensors` each.
    CircuitTracer,
}

impl Target {
    /// All targets.
    pub const ALL: &'static [Self] = &[
        Self::SaeLens,
        Self::Sparsify,
        Self::DictionaryLearning,
        Self::CircuitTracer,
    ];

    /// Returns its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SaeLens => "sae-lens",
            Self::Sparsify => "sparsify",
            Self::DictionaryLearning => "dictionary-learning",
            Self::CircuitTracer => "circuit-tracer",
        }
    }
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.iter().find(|target| target.name() == text);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|target| target.name()).collect();
            let what = format!(
                "`{text}` is not a format that can be written, give {}",
                names.join(", ")
            );
            Error::setting("format", what)
        })
    }
}

/// Writes `saes` as a folder of `target`'s; only circuit-tracer's sets hold several. The notes say what the files cannot hold.
pub fn write(saes: &[Sae], folder: &Path, target: Target, precision: Precision) -> Result<Notes> {
    saes.iter().try_for_each(Sae::check_weights)?;
    let mut notes = Notes::default();
    if target == Target::CircuitTracer {
        circuit_tracer::write(saes, folder, precision, &mut notes)?;
        return Ok(notes);
    }
    saes.iter().try_for_each(Sae::check_alone)?;
    let [sae] = saes else {
        let what = format!(
            "a {} folder holds one dictionary, and {} were named: write each into its own folder",
            target.name(),
            saes.len()
        );
        return Err(Error::setting("dictionaries", what));
    };
    match target {
        Target::SaeLens => save(sae, folder, precision)?,
        Target::Sparsify => sparsify::write(sae, folder, precision, &mut notes)?,
        Target::DictionaryLearning => {
            dictionary_learning::write(sae, folder, precision, &mut notes)?;
        }
        Target::CircuitTracer => {}
    }
    Ok(notes)
}

/// Returns the error for something that `target` cannot hold.
fn refused(sae: &Sae, what: &str, target: Target) -> Error {
    Error::Unsupported {
        what: format!("writing {}, {what}, for {}", sae.name, target.name()),
        remedy: "its files cannot hold it, choose another format (sae-lens holds most)".to_owned(),
    }
}

/// Checks that tokens are read as they come: only SAELens's files can say otherwise.
fn reads_plainly(sae: &Sae, target: Target) -> Result<()> {
    sae.check_by_token()?;
    if let Some(head) = sae.provenance.head {
        return Err(refused(
            sae,
            &format!("which reads head {head} alone"),
            target,
        ));
    }
    if let Some(of) = &sae.error_of {
        return Err(refused(sae, &format!("which reads {}", of.said()), target));
    }
    match (sae.input_norm, sae.input_norm.describe()) {
        (InputNorm::None, _) | (_, None) => Ok(()),
        (_, Some(norm)) => Err(refused(sae, &format!("which reads {norm}"), target)),
    }
}

/// Returns `sae` with `b_dec` subtracted from its input or not, as the format needs it.
fn with_b_dec(sae: &Sae, subtracted: bool, notes: &mut Notes) -> Sae {
    let mut sae = sae.clone();
    if !sae.role.transcodes() && sae.apply_b_dec_to_input != subtracted {
        sae.subtract_b_dec(subtracted);
        let how = if subtracted { "added to" } else { "taken from" };
        notes.add(format!(
            "w_enc · b_dec is {how} the encoder's bias, since that library {} b_dec from inputs: equal up to one rounding of each bias",
            if subtracted { "subtracts" } else { "does not subtract" }
        ));
    }
    sae
}

/// Notes which hooks and model a format's files leave out.
fn note_lost(sae: &Sae, what: &str, notes: &mut Notes) {
    let hook = sae.provenance.hook.map(|hook| hook.to_string());
    let of = hook.unwrap_or_else(|| "an unnamed hook".to_owned());
    notes.add(format!(
        "Its files say {what}: it is of {of}{}",
        if sae.provenance.model.is_empty() {
            String::new()
        } else {
            format!(" of {}", sae.provenance.model)
        }
    ));
}
