//! Checkpoints: everything that a run's later steps depend on, as one file that appears whole or not at all. A run that goes on from it gives the same bytes
//! as one that never stopped.
//!
//! Beside it lies the dictionary as it stood then, in files like any other's, to be looked at while the run goes on.
//!
//! `checkpoint/state.safetensors`: matrices as f32 or, for whole numbers and f64 bits, u64; the settings, the step and the version of the form as metadata.
//! The form is private to this program: another version may refuse it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Map, Value, json};

use super::Spec;
use crate::corpus::Positions;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::formats;
use crate::sae::Provenance;
use crate::sae::state::Keep;
use crate::{tensor_file, whole_file};

/// Name of the checkpoint's folder in a run's.
pub const CHECKPOINT: &str = "checkpoint";

/// The version of the form.
const FORM: &str = "3";
/// Settings that a run may go on with changed: they decide how it goes on, not what was done.
const FREE: [&str; 1] = ["learning_rate"];

/// Setting `on` of a run that reads activations; checkpoints of older versions do not name it.
const ON_ACTIVATIONS: &str = "activations";

/// Checkpoints of a run: where and when it writes them, and whether it resumes from one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keeping {
    /// Folder that gets `checkpoint/`; without one nothing is kept.
    pub folder: Option<PathBuf>,
    /// Steps between two checkpoints; none: on stop alone.
    pub every: Option<u64>,
    /// Time between two checkpoints, whatever the steps between them; none: by steps alone.
    pub interval: Option<Duration>,
    /// Whether to resume from the checkpoint there.
    pub resume: bool,
}

impl Keeping {
    /// Returns the checkpoint's folder.
    pub(super) fn place(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(CHECKPOINT))
    }

    /// Removes the checkpoint, once the dictionary is saved.
    pub fn discard(&self) -> Result<()> {
        self.place().map_or(Ok(()), |place| remove(&place))
    }

    /// Checks that there is a checkpoint, if the run is to resume.
    pub fn check(&self) -> Result<()> {
        match self.place().filter(|_| self.resume) {
            Some(place) => there(&place),
            None => Ok(()),
        }
    }

    /// Returns whether there is a checkpoint to resume from.
    pub fn has_checkpoint(&self) -> bool {
        self.place().is_some_and(|place| file(&place).exists())
    }
}

fn file(place: &Path) -> PathBuf {
    place.join("state.safetensors")
}

fn there(place: &Path) -> Result<()> {
    let path = file(place);
    if path.exists() {
        return Ok(());
    }
    let what = "there is no checkpoint to resume: train from the beginning, or name the folder of a stopped run";
    Err(Error::input(what, &path))
}

/// Writes what `state` lists, which it is asked for twice: for names and sizes, then for the bytes, so that no copy of a whole run is held.
pub(super) fn write(
    place: &Path,
    (spec, from): (&Spec, &Provenance),
    step: u64,
    state: &mut dyn FnMut(&mut dyn Keep) -> Result<()>,
) -> Result<()> {
    let mut listed = Listed::default();
    state(&mut listed)?;
    let mut facts = settings(spec, from);
    facts.insert("form".to_owned(), FORM.to_owned());
    facts.insert("step".to_owned(), step.to_string());
    listed
        .header
        .insert("__metadata__".to_owned(), json!(facts));
    let mut header = Value::Object(listed.header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut refused = None;
    let written = whole_file::write(&file(place), |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        let mut bytes = Bytes { out, failed: None };
        match (state(&mut bytes), bytes.failed) {
            (_, Some(failed)) => Err(failed),
            (Err(error), None) => {
                refused = Some(error);
                Err(std::io::ErrorKind::Other.into())
            }
            (Ok(()), None) => Ok(()),
        }
    });
    refused.map_or(written, Err)
}

/// Removes the checkpoint of a finished run.
fn remove(place: &Path) -> Result<()> {
    if !place.exists() {
        return Ok(());
    }
    std::fs::remove_dir_all(place)
        .map_err(|source| Error::io("cannot remove the old checkpoint", place, source))
}

/// Restores what `state` lists, and returns the step of the checkpoint.
pub(super) fn read(
    place: &Path,
    (spec, from): (&Spec, &Provenance),
    state: &mut dyn FnMut(&mut dyn Keep) -> Result<()>,
) -> Result<u64> {
    there(place)?;
    let path = file(place);
    let bytes = tensor_file::map(&path, "checkpoint")?;
    let wrong = |cause: &str| {
        let what = format!("the checkpoint is damaged ({cause}), train again from the beginning");
        Error::input(what, &path)
    };
    let file = SafeTensors::deserialize(&bytes).map_err(|cause| wrong(&cause.to_string()))?;
    let (_, header) =
        SafeTensors::read_metadata(&bytes).map_err(|cause| wrong(&cause.to_string()))?;
    let facts = header.metadata().clone().unwrap_or_default();
    if facts.get("form").map(String::as_str) != Some(FORM) {
        let what = "the checkpoint was written by another version of Umbra: finish the run with that version, or train again";
        return Err(Error::input(what, &path));
    }
    for (key, value) in settings(spec, from) {
        // A checkpoint without the rule of positions is of the time when there was one.
        let unrecorded = match key.as_str() {
            "positions" => Positions::unrecorded().name(),
            "separate_documents" => "false",
            "on" => ON_ACTIVATIONS,
            _ => "nothing",
        };
        let was = facts.get(&key).map_or(unrecorded, String::as_str);
        if was != value && !FREE.contains(&key.as_str()) {
            let what = format!(
                "the checkpoint in {} was written with {was}, this run has {value}: give the same, or train again from the beginning",
                place.display()
            );
            return Err(Error::setting(key, what));
        }
    }
    let step = facts.get("step").and_then(|step| step.parse().ok());
    let mut put = Put { file, path: &path };
    state(&mut put)?;
    step.ok_or_else(|| wrong("it names no step"))
}

/// Settings that must be unchanged for a run to resume: the hook, every setting that counts, the facts about model and text, and the facts about the
/// activations (row length, processing of the model, rounding of a store).
fn settings(spec: &Spec, from: &Provenance) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = (spec.settings())
        .filter_map(|setting| Some((setting.key.to_owned(), spec.get(setting.key).ok()?)))
        .collect();
    all.insert("hook".to_owned(), spec.hook.to_string());
    let on = spec
        .on
        .as_ref()
        .map(|of| format!("{} (fingerprint {})", of.said(), of.fingerprint()));
    all.insert(
        "on".to_owned(),
        on.unwrap_or_else(|| ON_ACTIVATIONS.to_owned()),
    );
    for key in [
        "corpus_sha256",
        "split",
        crate::models::MODEL_FINGERPRINT,
        "trained_from",
    ] {
        if let Some(fact) = spec.facts.get(key) {
            all.insert(key.to_owned(), fact.to_string());
        }
    }
    // The rule of positions is a setting, and the model says which tokens are special.
    let other = (from.other.iter()).filter(|(key, _)| !formats::is_of_positions(key));
    all.extend(other.map(|(key, value)| (key.clone(), value.to_string())));
    let context = from.context.map_or_else(String::new, |t| t.to_string());
    all.insert("context".to_owned(), context);
    // A model's activations are those of an f32 store.
    let dtype = spec.facts.get("store_dtype").and_then(Value::as_str);
    all.insert("store_dtype".to_owned(), dtype.unwrap_or("f32").to_owned());
    all
}

/// Takes names and sizes down, as the header of a safetensors file has them.
#[derive(Debug, Default)]
struct Listed {
    header: Map<String, Value>,
    bytes: usize,
}

impl Listed {
    fn list(&mut self, name: &str, (dtype, shape): (&str, &[usize]), bytes: usize) {
        let places = [self.bytes, self.bytes + bytes];
        self.bytes += bytes;
        let entry = json!({ "dtype": dtype, "shape": shape, "data_offsets": places });
        let before = self.header.insert(name.to_owned(), entry);
        debug_assert!(before.is_none(), "{name} is listed twice");
    }
}

impl Keep for Listed {
    fn matrix(&mut self, name: &str, matrix: &mut Matrix) -> Result<()> {
        let shape = [matrix.rows(), matrix.columns()];
        self.list(name, ("F32", &shape), size_of_val(matrix.values()));
        Ok(())
    }

    fn numbers(&mut self, name: &str, numbers: &mut Vec<u64>) -> Result<()> {
        let bytes = size_of_val(numbers.as_slice());
        self.list(name, ("U64", &[numbers.len()]), bytes);
        Ok(())
    }
}

/// Writes values one after the other, in the order of [`Listed`].
struct Bytes<'a> {
    out: &'a mut dyn Write,
    failed: Option<std::io::Error>,
}

impl Bytes<'_> {
    /// `values` a few thousand at a time, each as `bytes` has it.
    fn put<T, const N: usize>(&mut self, values: &[T], bytes: fn(&T) -> [u8; N]) -> Result<()> {
        for some in values.chunks(8_192) {
            let some: Vec<u8> = some.iter().flat_map(bytes).collect();
            if let Err(failed) = self.out.write_all(&some) {
                self.failed = Some(failed);
                let what = "the checkpoint cannot be written".to_owned();
                return Err(Error::Numeric { what });
            }
        }
        Ok(())
    }
}

impl Keep for Bytes<'_> {
    fn matrix(&mut self, _: &str, matrix: &mut Matrix) -> Result<()> {
        self.put(matrix.values(), |value| value.to_le_bytes())
    }

    fn numbers(&mut self, _: &str, numbers: &mut Vec<u64>) -> Result<()> {
        self.put(numbers, |number| number.to_le_bytes())
    }
}

/// Puts values back.
struct Put<'a> {
    file: SafeTensors<'a>,
    path: &'a Path,
}

impl Put<'_> {
    fn tensor(&self, name: &str, dtype: Dtype) -> Result<TensorView<'_>> {
        let tensor = self.file.tensor(name).ok();
        tensor.filter(|view| view.dtype() == dtype).ok_or_else(|| {
            let what = format!("the checkpoint lacks `{name}`, train again from the beginning");
            Error::input(what, self.path)
        })
    }
}

impl Keep for Put<'_> {
    fn matrix(&mut self, name: &str, matrix: &mut Matrix) -> Result<()> {
        let view = self.tensor(name, Dtype::F32)?;
        let [rows, columns] = view.shape() else {
            let what = format!("`{name}` of the checkpoint is not a matrix, train again");
            return Err(Error::input(what, self.path));
        };
        let values = view.data().as_chunks::<4>().0.iter();
        let values = values.map(|b| f32::from_le_bytes(*b)).collect();
        *matrix = Matrix::new(*rows, *columns, values)?;
        Ok(())
    }

    fn numbers(&mut self, name: &str, numbers: &mut Vec<u64>) -> Result<()> {
        let view = self.tensor(name, Dtype::U64)?;
        let values = view.data().as_chunks::<8>().0.iter();
        *numbers = values.map(|b| u64::from_le_bytes(*b)).collect();
        Ok(())
    }
}
