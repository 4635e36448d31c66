//! Weights of a dictionary in any container (safetensors, NumPy's `.npz`, PyTorch's `.pt`): tensors by name. Each is checked for shape and NaN when it is
//! requested, and converted once into the orientation requested.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use safetensors::Dtype;
use serde_json::{Map, Value as Json};

use crate::dims::Matrix;
use crate::error::{Error, Notes, Result};
use crate::tensor_file::array::{Array, Number};
use crate::tensor_file::later::{self, Named};
use crate::tensor_file::pickle::{Checkpoint, Value};
use crate::tensor_file::{self, Archive, header, npz, short};

/// Names under which a checkpoint keeps the weights, if it holds more than them.
const NESTED: [&str; 4] = ["ae", "state_dict", "model_state_dict", "model"];

/// Matrices of at least this many bytes stay in their file until they are used. Smaller ones are read in an instant, and a mapped file that another program
/// shortens would crash this one.
const LARGE: usize = 256 << 20;

#[cfg(not(test))]
fn large() -> usize {
    LARGE
}

#[cfg(test)]
pub(super) use self::tests::large;

/// A mapped weight file.
#[derive(Debug)]
pub(super) struct WeightFile {
    path: PathBuf,
    map: Arc<Mmap>,
}

impl WeightFile {
    /// Opens a regular file without reading its content.
    pub(super) fn open(path: &Path) -> Result<Self> {
        super::place::regular(path)?;
        let map = tensor_file::map(path, "weight")?;
        Ok(Self {
            path: path.to_path_buf(),
            map: Arc::new(map),
        })
    }

    /// Returns its tensors.
    pub(super) fn tensors(&self) -> Result<Tensors<'_>> {
        let wrong = |container: &'static str| {
            move |what: String| {
                let what =
                    format!("is not a complete {container} ({what}): copy or download it again");
                Error::input(what, &self.path)
            }
        };
        let bytes: &[u8] = &self.map;
        let mut tensors = Tensors {
            path: &self.path,
            map: &self.map,
            arrays: BTreeMap::new(),
            odd: BTreeMap::new(),
            plain: Map::new(),
            asked: RefCell::default(),
        };
        let archive = Archive::detect(bytes);
        let named = |end: &str| self.path.extension().is_some_and(|has| has == end);
        // A safetensors header starts with its length before the brace, and a pickle before 1.6 starts with a byte that a length may start with too.
        let safetensors = named("safetensors") || (!archive && bytes.get(8) == Some(&b'{'));
        if safetensors {
            tensors
                .take_safetensors(bytes)
                .map_err(wrong("safetensors file"))?;
            return Ok(tensors);
        }
        let is_npz = archive
            && Archive::read(bytes)
                .map_err(wrong("archive"))?
                .names()
                .any(npz::is_array);
        if is_npz || named("npz") {
            tensors.arrays = npz::read(bytes).map_err(wrong("npz archive"))?;
        } else {
            tensors
                .take_checkpoint(bytes)
                .map_err(wrong("checkpoint"))?;
        }
        Ok(tensors)
    }
}

/// Tensors of a file.
#[derive(Debug)]
pub(super) struct Tensors<'a> {
    path: &'a Path,
    map: &'a Arc<Mmap>,
    arrays: BTreeMap<String, Array<'a>>,
    /// Tensors of an unsupported type, by name.
    odd: BTreeMap<String, Dtype>,
    /// Content of a checkpoint beside tensors, and the metadata of a safetensors file.
    plain: Map<String, Json>,
    asked: RefCell<BTreeSet<String>>,
}

impl<'a> Tensors<'a> {
    fn take_safetensors(&mut self, bytes: &'a [u8]) -> Result<(), String> {
        let header = header::read(bytes)?;
        for (name, place) in header.places {
            let number = match place.dtype {
                Dtype::F16 => Number::F16,
                Dtype::BF16 => Number::Bf16,
                Dtype::F32 => Number::F32,
                Dtype::F64 => Number::F64,
                Dtype::I8 => Number::I8,
                Dtype::I16 => Number::I16,
                Dtype::I32 => Number::I32,
                Dtype::I64 => Number::I64,
                Dtype::U8 => Number::U8,
                Dtype::BOOL => Number::Bool,
                other => {
                    self.odd.insert(name, other);
                    continue;
                }
            };
            let data = bytes.get(place.begin..place.end).unwrap_or_default();
            let array = Array::contiguous(number, place.shape, data.into())?;
            self.arrays.insert(name, array);
        }
        for (key, text) in header.metadata {
            self.plain.insert(key, Json::String(text));
        }
        Ok(())
    }

    fn take_checkpoint(&mut self, bytes: &'a [u8]) -> Result<(), String> {
        let checkpoint = Checkpoint::read(bytes)?;
        let root = checkpoint.entries(checkpoint.root())?;
        let is_tensor = |value: &&Value| checkpoint.tensor(**value).is_some();
        let nested = NESTED.iter().find_map(|name| {
            let entries = checkpoint.entries(*root.get(name)?).ok()?;
            entries
                .values()
                .any(|value| is_tensor(&value))
                .then_some(entries)
        });
        for (name, value) in nested.as_ref().unwrap_or(&root) {
            if let Some(array) = checkpoint.tensor(*value) {
                let array = array.map_err(|what| format!("tensor `{}` {what}", short(name)))?;
                self.arrays.insert((*name).to_owned(), array);
            }
        }
        for (name, value) in &root {
            // An optimiser's numbers are many and not needed.
            if *name != "optimizer" && (nested.is_some() || !is_tensor(&value)) {
                self.plain
                    .insert((*name).to_owned(), checkpoint.plain(*value));
            }
        }
        Ok(())
    }

    /// Returns the tensors with some of them renamed.
    pub(super) fn renamed(mut self, names: &[(&str, &str)]) -> Self {
        for (from, to) in names {
            if let Some(array) = self.arrays.remove(*from) {
                self.arrays.insert((*to).to_owned(), array);
            }
            if let Some(odd) = self.odd.remove(*from) {
                self.odd.insert((*to).to_owned(), odd);
            }
        }
        self
    }

    /// Returns the path of the file.
    pub(super) fn path(&self) -> &'a Path {
        self.path
    }

    /// Returns the content of a checkpoint beside tensors.
    pub(super) fn plain(&self) -> &Map<String, Json> {
        &self.plain
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.arrays.contains_key(name) || self.odd.contains_key(name)
    }

    /// Returns the names of all tensors, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// Returns name, type and shape of all tensors.
    pub(super) fn listed(&self) -> Vec<(String, &'static str, Vec<usize>)> {
        (self.arrays.iter())
            .map(|(name, array)| (name.clone(), array.number().name(), array.shape().to_vec()))
            .collect()
    }

    fn wrong(&self, name: &str, what: &str) -> Error {
        Error::input(format!("tensor `{name}` {what}"), self.path)
    }

    fn array(&self, name: &str) -> Result<&Array<'a>> {
        self.asked.borrow_mut().insert(name.to_owned());
        if let Some(dtype) = self.odd.get(name) {
            let what = format!("is {dtype:?}, save it as f32, f16 or bf16");
            return Err(self.wrong(name, &what));
        }
        let array = self.arrays.get(name);
        array
            .ok_or_else(|| Error::missing(name, self.path, "save or download the dictionary again"))
    }

    /// Returns the shape of a tensor as stored, of any number of dimensions.
    pub(super) fn shape(&self, name: &str) -> Result<&[usize]> {
        Ok(self.array(name)?.shape())
    }

    /// Returns rows and columns of a matrix as stored; neither may be 0.
    pub(super) fn sizes(&self, name: &str) -> Result<[usize; 2]> {
        let shape = self.array(name)?.shape();
        match *shape {
            [rows, columns] if rows > 0 && columns > 0 && rows.max(columns) < u32::MAX as usize => {
                Ok([rows, columns])
            }
            _ => {
                let what = format!(
                    "is {shape:?}, not a matrix: dictionaries of several layers are not supported, choose one of a single layer"
                );
                Err(self.wrong(name, &what))
            }
        }
    }

    fn shaped(&self, name: &str, shape: &[usize]) -> Result<&Array<'a>> {
        let array = self.array(name)?;
        if array.shape() == shape {
            return Ok(array);
        }
        let what = format!(
            "is {:?}, but by the rest of the dictionary {shape:?}: one of the two belongs to another dictionary",
            array.shape()
        );
        Err(self.wrong(name, &what))
    }

    /// Reads a vector of `length`; accepts one row or column too.
    pub(super) fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>> {
        let array = match self.array(name)?.shape() {
            shape @ ([1, _] | [_, 1]) if shape.iter().product::<usize>() == length => {
                self.array(name)?
            }
            _ => self.shaped(name, &[length])?,
        };
        let values = array
            .floats()
            .ok_or_else(|| self.wrong(name, "cannot be read in its layout"))?;
        later::finite(&values, name, self.path)?;
        Ok(values)
    }

    /// Reads a matrix of this shape as stored.
    pub(super) fn matrix(&self, name: &str, shape: [usize; 2]) -> Result<Matrix> {
        self.oriented(name, shape, false)
    }

    /// Reads a matrix of this shape as stored, transposed.
    pub(super) fn transposed(&self, name: &str, shape: [usize; 2]) -> Result<Matrix> {
        self.oriented(name, shape, true)
    }

    /// Reads a tensor `[a, b, c]` as stored into the matrix `[a, (b − first) · c]`, which holds the entries of the second dimension from `first` on.
    pub(super) fn side_by_side(
        &self,
        name: &str,
        shape: [usize; 3],
        first: usize,
    ) -> Result<Matrix> {
        let array = self.shaped(name, &shape)?.side_by_side(first);
        let array = array.ok_or_else(|| self.wrong(name, "cannot be read in its layout"))?;
        self.read(name, &array, false)
    }

    fn oriented(&self, name: &str, shape: [usize; 2], transposed: bool) -> Result<Matrix> {
        let array = self.shaped(name, &shape)?;
        self.read(name, array, transposed)
    }

    /// A large matrix stays in the file until it is used.
    fn read(&self, name: &str, array: &Array<'_>, transposed: bool) -> Result<Matrix> {
        let numbers: usize = array.shape().iter().product();
        if array.number().bytes() * numbers >= large() {
            let named = Named {
                tensor: name.to_owned(),
                path: self.path.to_path_buf(),
                map: Arc::clone(self.map),
            };
            if let Some(matrix) = later::later(array, transposed, &named) {
                return Ok(matrix);
            }
        }
        let matrix = array.oriented(transposed);
        let matrix = matrix.ok_or_else(|| self.wrong(name, "cannot be read in its layout"))?;
        later::finite(matrix.values(), name, self.path)?;
        Ok(matrix)
    }

    /// Reads the number of a tensor with one entry.
    pub(super) fn scalar(&self, name: &str) -> Result<f64> {
        let number = self.array(name)?.scalar();
        number
            .filter(|n| n.is_finite())
            .ok_or_else(|| self.wrong(name, "is not one number"))
    }

    /// Adds a note on the tensors that were never requested.
    pub(super) fn note_unused(&self, known: &[&str], notes: &mut Notes) {
        let asked = self.asked.borrow();
        let left: Vec<String> = self
            .arrays
            .keys()
            .chain(self.odd.keys())
            .filter(|name| !asked.contains(*name) && !known.contains(&name.as_str()))
            .map(|name| short(name))
            .take(12)
            .collect();
        if !left.is_empty() {
            notes.add(format!(
                "Tensors that this kind of dictionary does not use are ignored: {}",
                left.join(", ")
            ));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    thread_local! {
        /// Bytes from which a matrix counts as large on this thread.
        static FROM: Cell<usize> = const { Cell::new(super::LARGE) };
    }

    pub(in super::super) fn large() -> usize {
        FROM.get()
    }

    /// Calls `run` with every matrix counted as large.
    pub(in super::super) fn with_all_large<T>(run: impl FnOnce() -> T) -> T {
        FROM.set(0);
        let result = run();
        FROM.set(super::LARGE);
        result
    }
}
