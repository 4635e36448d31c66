//! Edits as a person writes them: `add feature=12 strength=8`, `zero hook=blocks.3.attn.hook_z heads=5 positions=1..`.

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

/// An action as it is written, with what it takes.
#[derive(Debug, Clone, Copy)]
pub struct ActionHelp {
    /// The first word.
    pub name: &'static str,
    /// Its keys, those that may be left out in brackets.
    pub keys: &'static str,
    /// What it does.
    pub help: &'static str,
}

/// All actions. Each also takes `hook`, `positions`, `rows` and `heads`.
pub const ACTIONS: &[ActionHelp] = &[
    ActionHelp {
        name: "add",
        keys: "feature=I | file=F key=K, [strength=1]",
        help: "adds a decoder row or a vector of a safetensors file, times the strength",
    },
    ActionHelp {
        name: "replace",
        keys: "feature=I | file=F key=K, [strength=1]",
        help: "puts it in place of the value",
    },
    ActionHelp {
        name: "scale",
        keys: "by=C",
        help: "multiplies the value",
    },
    ActionHelp {
        name: "zero",
        keys: "",
        help: "makes the value 0 (zero ablation)",
    },
    ActionHelp {
        name: "mean",
        keys: "[file=F key=K]",
        help: "puts the mean activation in its place (mean ablation)",
    },
    ActionHelp {
        name: "project-out",
        keys: "feature=I | file=F key=K",
        help: "removes what points along a direction",
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
        help: "puts the dictionary's reconstruction, with a part of its error, in place of the value",
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

/// Where a vector or a value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Vector {
    /// The decoder row of a feature.
    Feature(FeatureId),
    /// A tensor of a safetensors file.
    File {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
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

/// What an [`EditSpec`] does; see [`ACTIONS`].
#[derive(Debug, Clone, PartialEq)]
pub enum What {
    /// strength · vector is added.
    Add(Vector, f32),
    /// strength · vector takes the value's place.
    Replace(Vector, f32),
    /// The value is multiplied.
    Scale(f32),
    /// Zero ablation.
    Zero,
    /// Mean ablation, with the mean of a file or of a text.
    Mean(Option<Vector>),
    /// What points along the vector is removed.
    ProjectOut(Vector),
    /// The coordinate along the vector is kept between the two.
    Clamp(Vector, f32, f32),
    /// Changes of activations, and what becomes of the error: `kept`, `dropped`, `frozen`, `linear`, `nonlinear`.
    Latents(Vec<LatentChange>, ErrorName),
    /// The value of a run on another text.
    PatchText(String),
    /// A captured value.
    PatchFile(PathBuf, String),
    /// Another attention pattern.
    Attend(Attend),
}

/// [`ErrorTerm`] by name.
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
    /// All, with the names they are written by, alone and as a part of a splice.
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

/// [`Attend`] by name.
const ATTEND: [(Attend, &str); 4] = [
    (Attend::Uniform, "uniform"),
    (Attend::Previous, "previous"),
    (Attend::First, "first"),
    (Attend::Itself, "itself"),
];

/// An edit as it is written. What is left out is filled in when it is resolved.
#[derive(Debug, Clone, PartialEq)]
pub struct EditSpec {
    /// What it does.
    pub what: What,
    /// Where; none: at the dictionary's hook.
    pub hook: Option<HookPoint>,
    /// None: `1..` for what a dictionary does or gives, and all for the rest.
    pub positions: Option<Positions>,
    /// None: all.
    pub rows: Option<Vec<usize>>,
    /// None: all.
    pub heads: Option<Vec<Head>>,
}

/// What edits are made from.
pub trait Materials {
    /// The dictionary whose features are meant, or an error that says how to name one.
    fn dictionary(&mut self) -> Result<Arc<Sae>>;

    /// The probe of that dictionary's error.
    fn probe(&mut self) -> Result<Arc<Probe>>;

    /// The mean activation at `hook`, heads concatenated.
    fn mean(&mut self, hook: HookPoint) -> Result<Vec<f32>>;
}

impl EditSpec {
    /// From `what`, everything else left out.
    pub fn new(what: What) -> Self {
        Self {
            what,
            hook: None,
            positions: None,
            rows: None,
            heads: None,
        }
    }

    /// Whether it takes a dictionary.
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

    /// How its number and an activation of `sae` differ, where they do: a decoder row is added in the model's units, while an activation counts in those of
    /// the token that was brought to norm. None where one number means the same in both.
    pub fn units(&self, sae: &Sae) -> Option<String> {
        let (letter, meaning) = sae.input_norm.unit()?;
        let said = match &self.what {
            What::Add(Vector::Feature(_), by) => format!(
                "moves every token by {by} decoder rows, add-feature value={by} by {by} · {letter} rows"
            ),
            What::Replace(Vector::Feature(_), by) => format!(
                "puts {by} decoder rows in place, an activation of {by} is {by} · {letter} rows"
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

    /// The edit it means for `model`.
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

/// The tensor `key` of a safetensors file.
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
