//! Edits in their written form: `add feature=12 strength=8`, `zero hook=blocks.3.attn.hook_z heads=5 positions=1..`.

mod read;
mod table;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Tensor};

pub use self::table::{Switched, edits_from_toml, edits_to_toml};
use super::edit::{Action, Attend, DictionaryEdit, Edit, ErrorTerm, LatentChange, check_feature};
use super::positions::Positions;
use super::vector_file;
use crate::dark_matter::Probe;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, Head, HookPoint};
use crate::models::{Model, read_tensors, token_tensor};
use crate::sae::{Output, Sae};
use crate::text::chat::Roles;

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

/// Actions. Each also takes `sae`, `hook`, `positions`, `rows` and `heads`.
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
        name: "orthogonal",
        keys: "feature=I | file=F key=K, by=C",
        help: "multiplies the component along a direction by C",
    },
    ActionHelp {
        name: "cap",
        keys: "feature=I | file=F key=K, most=C",
        help: "keeps the coordinate along a direction at most C",
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
    /// Returns its numbers at a hook, which the edit names or not; an error if its file was made for another model than `model`, or if a feature writes several hooks and the
    /// edit names none of them.
    fn numbers(
        &self,
        (model, sae): (&Model, Option<&str>),
        (hook, named): (HookPoint, bool),
        materials: &mut dyn Materials,
    ) -> Result<Vec<f32>> {
        match self {
            Self::Feature(feature) => {
                let sae = materials.dictionary(sae)?;
                check_feature(&sae, *feature)?;
                if !sae.is_cross_layer() {
                    return Ok(sae.direction(*feature)?.to_vec());
                }
                let outputs = sae.outputs()?;
                let own = outputs.iter().find(|output| output.hook == hook);
                match own.filter(|_| named) {
                    Some(output) => Ok(sae.written(*feature, output)?.to_vec()),
                    None => Err(several(&sae, &outputs)),
                }
            }
            Self::File { path, key } => {
                vector_file::check_model(path, model)?;
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
    /// Multiplies the component along the vector.
    Orthogonal(Vector, f32),
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
    /// Name of the dictionary; none: the only one that is open.
    pub sae: Option<String>,
    /// Hook; none: that in whose name the vector of a file stands, else the dictionary's.
    pub hook: Option<HookPoint>,
    /// Positions; none: `1..` for edits that use a dictionary, else all.
    pub positions: Option<Positions>,
    /// Rows; none: all.
    pub rows: Option<Vec<usize>>,
    /// Heads; none: all.
    pub heads: Option<Vec<Head>>,
}

/// Strength of an edit that adds a decoder row: as a multiple of the row, and in other units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strength {
    /// Multiple of the row that the dictionary holds.
    pub raw: f32,
    /// Multiple of the row as its file stores it; another one only where reading the file rescaled rows.
    pub stored: f64,
    /// Length ‖w_dec‖ of the row.
    pub row: f64,
}

/// Rows within this share of length 1 count as normalised, and those within it of each other as equal.
const UNIT: f64 = 1e-3;

impl Strength {
    /// Returns the multiple of the unit row, for which dictionaries with their decoder norms folded in count: raw · ‖w_dec‖.
    pub fn folded(self) -> f64 {
        f64::from(self.raw) * self.row
    }

    /// Returns the length of the added vector in multiples of the mean activation norm `norm` at the hook; none where that is 0.
    pub fn of_norm(self, norm: f64) -> Option<f64> {
        (norm > 0.0).then(|| self.folded().abs() / norm)
    }

    /// Whether the row is as the file stores it.
    pub fn is_as_stored(self) -> bool {
        (self.stored - f64::from(self.raw)).abs() <= UNIT * self.stored.abs()
    }

    /// Whether the row has length 1, so that both strengths are the same.
    pub fn is_unit(self) -> bool {
        (self.row - 1.0).abs() < UNIT
    }
}

/// Materials that edits are made from.
pub trait Materials {
    /// Returns the dictionary of this name, without a name the only one; an error says which can be named.
    fn dictionary(&mut self, name: Option<&str>) -> Result<Arc<Sae>>;

    /// Returns the probe of that dictionary's error.
    fn probe(&mut self, name: Option<&str>) -> Result<Arc<Probe>>;

    /// Returns the mean activation at `hook`, heads concatenated, over the positions that count for that dictionary.
    fn mean(&mut self, hook: HookPoint, name: Option<&str>) -> Result<Vec<f32>>;

    /// Returns the roles of the prompt's tokens, for positions by role; none where the prompt is plain text.
    fn roles(&self) -> Option<Arc<Roles>> {
        None
    }
}

impl EditSpec {
    /// Creates an edit with defaults for everything except `what`.
    pub fn new(what: What) -> Self {
        Self {
            what,
            sae: None,
            hook: None,
            positions: None,
            rows: None,
            heads: None,
        }
    }

    /// Returns the hook that the edit names: its own, else that in whose name its vector stands in a file.
    pub fn named_hook(&self) -> Option<HookPoint> {
        let of = match &self.what {
            What::Add(vector, _)
            | What::Replace(vector, _)
            | What::Mean(Some(vector))
            | What::ProjectOut(vector)
            | What::Orthogonal(vector, _)
            | What::Clamp(vector, ..) => Some(vector),
            _ => None,
        };
        self.hook.or_else(|| match of? {
            Vector::File { key, .. } => key.parse().ok(),
            Vector::Feature(_) => None,
        })
    }

    /// Returns the first feature that the edit names.
    pub fn feature(&self) -> Option<FeatureId> {
        match &self.what {
            What::Add(Vector::Feature(feature), _)
            | What::Replace(Vector::Feature(feature), _)
            | What::Mean(Some(Vector::Feature(feature)))
            | What::ProjectOut(Vector::Feature(feature))
            | What::Orthogonal(Vector::Feature(feature), _)
            | What::Clamp(Vector::Feature(feature), ..) => Some(*feature),
            What::Latents(changes, _) => changes.first().map(|change| change.parts().0),
            _ => None,
        }
    }

    /// Whether the edit needs a dictionary.
    pub fn needs_dictionary(&self) -> bool {
        let by_feature = |vector: &Vector| matches!(vector, Vector::Feature(_));
        self.named_hook().is_none()
            || match &self.what {
                What::Add(vector, _)
                | What::Replace(vector, _)
                | What::ProjectOut(vector)
                | What::Orthogonal(vector, _)
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

    /// Returns the edit's strength as it is given and in other units, where it adds a decoder row of `sae`.
    pub fn strength(&self, sae: &Sae) -> Option<Strength> {
        let (feature, raw) = match &self.what {
            What::Add(Vector::Feature(feature), by) => (*feature, *by),
            What::Latents(changes, _) => match changes.as_slice() {
                [LatentChange::Add(feature, x)] => (*feature, *x),
                _ => return None,
            },
            _ => return None,
        };
        let row = sae.direction(feature).ok()?;
        let squared: f64 = row.iter().map(|x| f64::from(*x).powi(2)).sum();
        Some(Strength {
            raw,
            stored: f64::from(raw) / sae.stored_factor(feature).ok()?,
            row: squared.sqrt(),
        })
    }

    /// Explains how the edit's number differs from an activation of `sae` (a decoder row is added in the model's units, while an activation counts in units of the
    /// normalised token) and from the multiple of a unit row. None where all agree.
    pub fn units(&self, sae: &Sae) -> Option<String> {
        let folded = self.strength(sae).filter(|strength| !strength.is_unit());
        let folded = folded.map(|strength| {
            format!(
                "the decoder row has length {:.4}: {} rows are {:.4} × the unit row",
                strength.row,
                strength.raw,
                strength.folded()
            )
        });
        let stored = self.strength(sae);
        let stored = stored.filter(|strength| !strength.is_as_stored());
        let stored = stored.map(|strength| {
            format!(
                "reading the file rescaled its rows: {} rows are {:.4} rows as stored",
                strength.raw, strength.stored
            )
        });
        let said: Vec<String> = [self.input_units(sae), folded, stored]
            .into_iter()
            .flatten()
            .collect();
        (!said.is_empty()).then(|| said.join("; "))
    }

    fn input_units(&self, sae: &Sae) -> Option<String> {
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
        let sae = self.sae.as_deref();
        let hook = match self.named_hook() {
            Some(hook) => hook,
            None => materials.dictionary(sae)?.first_output()?.hook,
        };
        model.check_hook(hook)?;
        let from_dictionary = self.needs_dictionary();
        let at = (hook, self.named_hook().is_some());
        let numbers = |vector: &Vector, materials: &mut dyn Materials| {
            vector.numbers((model, sae), at, materials)
        };
        let action = match &self.what {
            What::Add(Vector::Feature(feature), by)
                if self.named_hook().is_none() && materials.dictionary(sae)?.is_cross_layer() =>
            {
                let own: Arc<Sae> = materials.dictionary(sae)?;
                across(&own, *feature, *by)?
            }
            What::Add(vector, by) => Action::Add(times(numbers(vector, materials)?, *by)),
            What::Replace(vector, by) => Action::Replace(times(numbers(vector, materials)?, *by)),
            What::Scale(by) => Action::Scale(*by),
            What::Zero => Action::Zero,
            What::Mean(Some(vector)) => Action::Replace(numbers(vector, materials)?),
            What::Mean(None) => Action::Replace(materials.mean(hook, sae)?),
            What::ProjectOut(vector) => Action::ProjectOut(numbers(vector, materials)?),
            What::Orthogonal(vector, factor) => Action::Orthogonal {
                direction: numbers(vector, materials)?,
                factor: *factor,
            },
            What::Clamp(vector, least, most) => Action::Clamp {
                direction: numbers(vector, materials)?,
                least: *least,
                most: *most,
            },
            What::Latents(changes, error) => Action::Dictionary(DictionaryEdit::new(
                materials.dictionary(sae)?,
                changes.clone(),
                match error {
                    ErrorName::Kept => ErrorTerm::Kept,
                    ErrorName::Dropped => ErrorTerm::Dropped,
                    ErrorName::Frozen => ErrorTerm::Frozen,
                    ErrorName::Linear => ErrorTerm::Linear(materials.probe(sae)?),
                    ErrorName::Nonlinear => ErrorTerm::Nonlinear(materials.probe(sae)?),
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
            positions: match &self.positions {
                Some(positions) => {
                    let roles = materials.roles();
                    positions.looked_up(model.codec(), roles.as_deref())?
                }
                None => Positions::from(first),
            },
            rows: self.rows.clone(),
            heads: match &self.heads {
                None if from_dictionary => {
                    (materials.dictionary(sae)?.provenance.head).map(|head| vec![head])
                }
                heads => heads.clone(),
            },
        };
        edit.check(model)?;
        Ok(edit)
    }
}

/// Returns the addition of a feature's row in all layers that it writes.
fn across(sae: &Sae, feature: FeatureId, by: f32) -> Result<Action> {
    check_feature(sae, feature)?;
    let outputs = sae.outputs()?.into_iter();
    let parts = outputs.map(|output| {
        let part = sae.written(feature, &output)?.to_vec();
        Ok((output.hook, times(part, by)))
    });
    Ok(Action::AddAcross(parts.collect::<Result<_>>()?))
}

/// Error for a direction of a feature that writes several hooks.
fn several(sae: &Sae, outputs: &[Output]) -> Error {
    let hooks: Vec<String> = outputs
        .iter()
        .map(|output| output.hook.to_string())
        .collect();
    let what = format!(
        "a feature of {} has a direction of its own at each of {}: name one of them",
        sae.name,
        hooks.join(", ")
    );
    Error::setting("hook", what)
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
