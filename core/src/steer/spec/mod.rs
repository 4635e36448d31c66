//! Edits in their written form: `add feature=12 strength=8`, `zero hook=blocks.3.attn.hook_z heads=5 positions=1..`.

mod read;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Tensor};

use super::edit::{Action, Attend, DictionaryEdit, Edit, ErrorTerm, LatentChange, check_feature};
use super::positions::Positions;
use crate::dark_matter::Probe;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, Head, HookPoint};
use crate::models::{Model, read_tensors, token_tensor};
use crate::sae::Sae;

/// Written form of an action, with its keys.
#[derive(Debug, Clone, Copy)]
pub struct ActionHelp {
    /// First word.
    pub name: &'static str,
    /// Keys of the action, optional ones in brackets.
    pub keys: &'static str,
    /// Effect of the action.
    pub help: &'static str,
}

/// Actions. Each also takes `hook`, `positions`, `rows` and `heads`.
pub const ACTIONS: &[ActionHelp] = &[
    ActionHelp {
        name: "add",
        keys: "feature=I | file=F key=K, [strength=1]",
        help: "adds a decoder row or a vector of a safetensors file, times the strength",
    },
    ActionHelp {
        name: "replace",
        keys: "feature=I | file=F key=K, [strength=1]",
        help: "replaces the value by it",
    },
    ActionHelp {
        name: "scale",
        keys: "by=C",
        help: "multiplies the value",
    },
    ActionHelp {
        name: "zero",
        keys: "",
        help: "sets the value to 0 (zero ablation)",
    },
    ActionHelp {
        name: "mean",
        keys: "[file=F key=K]",
        help: "replaces the value by the mean activation (mean ablation)",
    },
    ActionHelp {
        name: "project-out",
        keys: "feature=I | file=F key=K",
        help: "removes the component along a direction",
    },
    ActionHelp {
        name: "clamp",
        keys: "feature=I | file=F key=K, [least=A] [most=B]",
        help: "keeps the coordinate along a direction within bounds",
    },
    ActionHelp {
        name: "set-feature",
        keys: "feature=I[,J…] value=X, [error=kept]",
        help: "sets activations of features",
    },
    ActionHelp {
        name: "add-feature",
        keys: "feature=I[,J…] value=X, [error=kept]",
        help: "adds to activations of features",
    },
    ActionHelp {
        name: "scale-feature",
        keys: "feature=I[,J…] by=C, [error=kept]",
        help: "multiplies activations of features where they are active",
    },
    ActionHelp {
        name: "splice",
        keys: "part=reconstruction | +error | +linear | +nonlinear | zero | mean",
        help: "replaces the value by the dictionary's reconstruction, with a part of its error",
    },
    ActionHelp {
        name: "patch",
        keys: "from=TEXT | file=F key=K",
        help: "takes the value from a run on another text, or from a captured one",
    },
    ActionHelp {
        name: "attend",
        keys: "to=uniform | previous | first | itself",
        help: "replaces an attention pattern",
    },
];

/// Source of a vector.
#[derive(Debug, Clone, PartialEq)]
pub enum Vector {
    /// Decoder row of a feature.
    Feature(FeatureId),
    /// Tensor in a safetensors file.
    File {
        /// Path of the file.
        path: PathBuf,
        /// Name of the tensor.
        key: String,
    },
}

impl Vector {
    fn numbers(&self, materials: &mut dyn Materials) -> Result<Vec<f32>> {
        match self {
            Self::Feature(feature) => {
                let sae = materials.dictionary()?;
                check_feature(&sae, *feature)?;
                Ok(sae.direction(*feature)?.to_vec())
            }
            Self::File { path, key } => {
                let flat = tensor(path, key)?.flatten_all()?;
                Ok(flat.to_dtype(DType::F32)?.to_vec1()?)
            }
        }
    }
}

/// Action of an [`EditSpec`]; see [`ACTIONS`].
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// Adds strength · vector.
    Add(Vector, f32),
    /// Replaces the value by strength · vector.
    Replace(Vector, f32),
    /// Multiplies the value.
    Scale(f32),
    /// Zero ablation.
    Zero,
    /// Mean ablation, with the mean of a file or of a text.
    Mean(Option<Vector>),
    /// Removes the component along the vector.
    ProjectOut(Vector),
    /// Keeps the coordinate along the vector within the two bounds.
    Clamp(Vector, f32, f32),
    /// Changes activations; the error is `kept`, `dropped`, `frozen`, `linear` or `nonlinear`.
    Latents(Vec<LatentChange>, ErrorName),
    /// Patches in the value of a run on another text.
    PatchText(String),
    /// Patches in a captured value.
    PatchFile(PathBuf, String),
    /// Replaces the attention pattern.
    Attend(Attend),
}

/// Names of [`ErrorTerm`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorName {
    /// [`ErrorTerm::Kept`].
    Kept,
    /// [`ErrorTerm::Dropped`].
    Dropped,
    /// [`ErrorTerm::Frozen`].
    Frozen,
    /// [`ErrorTerm::Linear`].
    Linear,
    /// [`ErrorTerm::Nonlinear`].
    Nonlinear,
}

impl ErrorName {
    /// Written names, alone and as the part of a splice.
    pub const ALL: [(Self, &'static str, &'static str); 5] = [
        (Self::Kept, "kept", "+error"),
        (Self::Dropped, "dropped", "reconstruction"),
        (Self::Frozen, "frozen", "+frozen"),
        (Self::Linear, "linear", "+linear"),
        (Self::Nonlinear, "nonlinear", "+nonlinear"),
    ];

    fn names(self) -> (&'static str, &'static str) {
        let names = Self::ALL.into_iter().find(|(name, ..)| *name == self);
        names.map_or(("", ""), |(_, alone, part)| (alone, part))
    }
}

/// Written form of an edit. Omitted parts get their defaults when it is resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct EditSpec {
    /// Action.
    pub what: What,
    /// Hook; none: the dictionary's.
    pub hook: Option<HookPoint>,
    /// Positions; none: `1..` for edits that use a dictionary, else all.
    pub positions: Option<Positions>,
    /// Rows; none: all.
    pub rows: Option<Vec<usize>>,
    /// Heads; none: all.
    pub heads: Option<Vec<Head>>,
}

/// Materials that edits are made from.
pub trait Materials {
    /// Returns the dictionary whose features edits name, or an error that says how to name one.
    fn dictionary(&mut self) -> Result<Arc<Sae>>;

    /// Returns the probe of the dictionary's error.
    fn probe(&mut self) -> Result<Arc<Probe>>;

    /// Returns the mean activation at `hook`, heads concatenated.
    fn mean(&mut self, hook: HookPoint) -> Result<Vec<f32>>;
}

impl EditSpec {
    /// Creates an edit with defaults for everything except `what`.
    pub fn new(what: What) -> Self {
        Self {
            what,
            hook: None,
            positions: None,
            rows: None,
            heads: None,
        }
    }

    /// Whether the edit needs a dictionary.
    pub fn needs_dictionary(&self) -> bool {
        let by_feature = |vector: &Vector| matches!(vector, Vector::Feature(_));
        self.hook.is_none()
            || match &self.what {
                What::Add(vector, _)
                | What::Replace(vector, _)
                | What::ProjectOut(vector)
                | What::Clamp(vector, ..) => by_feature(vector),
                What::Latents(..) => true,
                _ => false,
            }
    }

    /// Whether the edit needs a probe of the dictionary's error.
    pub fn needs_probe(&self) -> bool {
        let parts = [ErrorName::Linear, ErrorName::Nonlinear];
        matches!(&self.what, What::Latents(_, error) if parts.contains(error))
    }

    /// Whether the edit needs the mean activation of a text.
    pub fn needs_mean(&self) -> bool {
        self.what == What::Mean(None)
    }

    /// Explains how the edit's number differs from an activation of `sae`, where it does: a decoder row is added in the model's units, while an activation counts in
    /// units of the normalised token. None where both agree.
    pub fn units(&self, sae: &Sae) -> Option<String> {
        let (letter, meaning) = sae.input_norm.unit()?;
        let said = match &self.what {
            What::Add(Vector::Feature(_), by) => format!(
                "moves every token by {by} decoder rows, add-feature value={by} by {by} · {letter} rows"
            ),
            What::Replace(Vector::Feature(_), by) => format!(
                "replaces the value by {by} decoder rows, an activation of {by} is {by} · {letter} rows"
            ),
            What::Clamp(Vector::Feature(_), ..) => {
                format!(
                    "has bounds in the model's units, an activation of 1 is {letter} decoder rows"
                )
            }
            _ => return None,
        };
        Some(format!("{said}, {letter} being {meaning}"))
    }

    /// Builds the edit for `model`.
    pub fn resolve(&self, model: &Model, materials: &mut dyn Materials) -> Result<Edit> {
        let hook = match self.hook {
            Some(hook) => hook,
            None => materials.dictionary()?.hook()?,
        };
        model.check_hook(hook)?;
        let from_dictionary = self.needs_dictionary();
        let action = match &self.what {
            What::Add(vector, by) => Action::Add(times(vector.numbers(materials)?, *by)),
            What::Replace(vector, by) => Action::Replace(times(vector.numbers(materials)?, *by)),
            What::Scale(by) => Action::Scale(*by),
            What::Zero => Action::Zero,
            What::Mean(Some(vector)) => Action::Replace(vector.numbers(materials)?),
            What::Mean(None) => Action::Replace(materials.mean(hook)?),
            What::ProjectOut(vector) => Action::ProjectOut(vector.numbers(materials)?),
            What::Clamp(vector, least, most) => Action::Clamp {
                direction: vector.numbers(materials)?,
                least: *least,
                most: *most,
            },
            What::Latents(changes, error) => Action::Dictionary(DictionaryEdit::new(
                materials.dictionary()?,
                changes.clone(),
                match error {
                    ErrorName::Kept => ErrorTerm::Kept,
                    ErrorName::Dropped => ErrorTerm::Dropped,
                    ErrorName::Frozen => ErrorTerm::Frozen,
                    ErrorName::Linear => ErrorTerm::Linear(materials.probe()?),
                    ErrorName::Nonlinear => ErrorTerm::Nonlinear(materials.probe()?),
                },
            )?),
            What::PatchText(text) => {
                let tokens = model.codec().encode_with_bos(text)?;
                let mut values = model.capture(&token_tensor(&[&tokens])?, &[hook])?;
                let value = values.remove(&hook);
                Action::Patch(value.ok_or_else(|| Error::hook(hook, "was not reached"))?)
            }
            What::PatchFile(path, key) => Action::Patch(tensor(path, key)?),
            What::Attend(attend) => Action::Attend(*attend),
        };
        let first = usize::from(from_dictionary);
        let edit = Edit {
            hook,
            action,
            positions: self
                .positions
                .clone()
                .unwrap_or_else(|| Positions::from(first)),
            rows: self.rows.clone(),
            heads: match &self.heads {
                None if from_dictionary => {
                    (materials.dictionary()?.provenance.head).map(|head| vec![head])
                }
                heads => heads.clone(),
            },
        };
        edit.check(model)?;
        Ok(edit)
    }
}

/// Reads the tensor `key` of a safetensors file.
fn tensor(path: &Path, key: &str) -> Result<Tensor> {
    let mut tensors = read_tensors(path)?;
    let names: Vec<_> = tensors.keys().cloned().collect();
    tensors.remove(key).ok_or_else(|| {
        let remedy = format!("name one of {}", names.join(", "));
        Error::missing(key, path, remedy)
    })
}

fn times(mut vector: Vec<f32>, by: f32) -> Vec<f32> {
    for x in &mut vector {
        *x *= by;
    }
    vector
}
