//! Writes a store: rows gather in memory until they fill a shard, which is written and then listed. After a kill, writing resumes.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::format::{self, Description, Dtype, Kind, checksum};
use super::manifest::{Entry, Manifest, file_name};
use super::reader::Shard;
use crate::dims::Matrix;
use crate::error::{Error, Key, Notes, Result};
use crate::ids::TokenId;
use crate::whole_file::{self, Lock};

/// Consecutive rows, `[n]` of `t` tokens.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    /// Token ids, `[n, t]`.
    pub tokens: &'a [TokenId],
    /// Activations by hook, `[n·t, d]`.
    pub activations: &'a [Matrix],
    /// Gradients by hook, `[n·t, d]`; empty if the store has none.
    pub gradients: &'a [Matrix],
}

/// A store that is being written.
#[derive(Debug)]
pub struct Writer {
    folder: PathBuf,
    manifest: Manifest,
    tensors: Vec<Kind>,
    /// Shard that is being filled.
    number: usize,
    rows: usize,
    bytes: Vec<Vec<u8>>,
    sums: Vec<Vec<u64>>,
    _lock: Lock,
}

impl Writer {
    /// Begins the store `about` in `folder`, or resumes it; an error if the folder holds another store. Damaged shards are written again, with a note.
    pub fn open(folder: &Path, about: Description) -> Result<(Self, Notes)> {
        whole_file::check_folder(folder)?;
        whole_file::create_folder(folder)?;
        let lock = locked(folder)?;
        let mut notes = Notes::default();
        let manifest = if Manifest::path(folder).exists() {
            gone_on_with(folder, &about, &mut notes)?
        } else {
            refuse_strangers(folder)?;
            let manifest = Manifest {
                about,
                shards: std::collections::BTreeMap::new(),
            };
            manifest.write(folder)?;
            manifest
        };
        let tensors = manifest.about.tensors();
        let mut writer = Self {
            folder: folder.to_path_buf(),
            bytes: vec![Vec::new(); tensors.len()],
            sums: vec![Vec::new(); tensors.len()],
            manifest,
            tensors,
            number: 0,
            rows: 0,
            _lock: lock,
        };
        writer.find_next();
        Ok((writer, notes))
    }

    /// Description of the store.
    pub fn about(&self) -> &Description {
        &self.manifest.about
    }

    /// Number of rows written.
    pub fn rows_there(&self) -> usize {
        let shards = self.manifest.shards.keys();
        shards.map(|number| self.about().rows_of(*number).1).sum()
    }

    /// Returns the next row to write; none if all are written.
    pub fn next_row(&self) -> Option<usize> {
        let (first, rows) = self.about().rows_of(self.number);
        (rows > 0).then_some(first + self.rows)
    }

    /// Number of rows that fit into the current shard.
    pub fn room(&self) -> usize {
        self.about().rows_of(self.number).1 - self.rows
    }

    /// Adds the next rows, at most [`Writer::room`]; writes a full shard at once.
    pub fn append(&mut self, piece: &Piece<'_>) -> Result<()> {
        let rows = piece.tokens.len() / self.about().context;
        self.check(piece, rows)?;
        let values = piece.activations.iter().chain(piece.gradients);
        let mut stored = vec![Stored::from_tokens(piece.tokens, &self.tensors[0])];
        for (tensor, values) in self.tensors[1..].iter().zip(values) {
            let first = self.next_row().unwrap_or_default();
            stored.push(Stored::from_values(values, tensor, first)?);
        }
        for (tensor, stored) in stored.into_iter().enumerate() {
            self.bytes[tensor].extend_from_slice(&stored.bytes);
            self.sums[tensor].extend_from_slice(&stored.sums);
        }
        self.rows += rows;
        if self.room() == 0 {
            self.write_shard()?;
        }
        Ok(())
    }

    fn check(&self, piece: &Piece<'_>, rows: usize) -> Result<()> {
        let about = self.about();
        let wrong = |what: String| Err(Error::Shape { op: "store", what });
        if piece.tokens.len() != rows * about.context || rows > self.room() {
            return wrong(format!(
                "{} tokens are no rows of {} or more than the {} that the shard takes",
                piece.tokens.len(),
                about.context,
                self.room()
            ));
        }
        let gradients = if about.gradients {
            about.hooks.len()
        } else {
            0
        };
        if (piece.activations.len(), piece.gradients.len()) != (about.hooks.len(), gradients) {
            return wrong(format!(
                "{} activations and {} gradients were given, {} and {gradients} are expected",
                piece.activations.len(),
                piece.gradients.len(),
                about.hooks.len()
            ));
        }
        let values = piece.activations.iter().chain(piece.gradients);
        for (values, tensor) in values.zip(&self.tensors[1..]) {
            if values.values().len() != rows * tensor.row {
                return wrong(format!(
                    "`{}` holds [{}, {}], {rows} rows have {} numbers",
                    tensor.name,
                    values.rows(),
                    values.columns(),
                    rows * tensor.row
                ));
            }
        }
        Ok(())
    }

    fn write_shard(&mut self) -> Result<()> {
        let header = format::header(self.about(), self.rows, &self.sums);
        let path = self.folder.join(file_name(self.number));
        whole_file::write(&path, |out| {
            out.write_all(&header)?;
            self.bytes.iter().try_for_each(|bytes| out.write_all(bytes))
        })?;
        let data: usize = self.bytes.iter().map(Vec::len).sum();
        let entry = Entry {
            bytes: (header.len() + data) as u64,
            header: checksum(&header),
        };
        self.manifest.shards.insert(self.number, entry);
        self.manifest.write(&self.folder)?;
        self.bytes.iter_mut().for_each(Vec::clear);
        self.sums.iter_mut().for_each(Vec::clear);
        self.rows = 0;
        self.find_next();
        Ok(())
    }

    fn find_next(&mut self) {
        let shards = &self.manifest.shards;
        let missing = (0..self.about().shards()).find(|number| !shards.contains_key(number));
        self.number = missing.unwrap_or_else(|| self.about().shards());
    }
}

/// Locks `folder`, so that no two programs write it.
fn locked(folder: &Path) -> Result<Lock> {
    let taken = Lock::take(folder).map_err(|e| Error::io("cannot write the store", folder, e))?;
    taken.ok_or_else(|| {
        let what = "another program is writing this store; wait for it or name another folder";
        Error::input(what, folder)
    })
}

/// Returns the existing manifest without its damaged shards; an error if it describes another store.
fn gone_on_with(folder: &Path, about: &Description, notes: &mut Notes) -> Result<Manifest> {
    let mut manifest = Manifest::read(folder)?;
    if let Some((what, there, here)) = manifest.about.difference(about) {
        return Err(Error::input(
            format!(
                "holds another store, its {what}: {there}, here: {here}; name another folder, or repeat the command that began it"
            ),
            folder,
        ));
    }
    whole_file::sweep(folder)?;
    let listed = manifest.shards.len();
    let shards: Vec<(usize, Entry)> = manifest.shards.iter().map(|(n, e)| (*n, *e)).collect();
    for (number, entry) in shards {
        let shard = Shard::new(folder, &manifest.about, number, entry, 0);
        if let Err(damage) = shard
            .check()
            .and_then(|()| shard.open(&manifest.about).map(drop))
        {
            notes.add(format!("{damage}: it is written again"));
            manifest.shards.remove(&number);
        }
    }
    if manifest.shards.len() < listed {
        manifest.write(folder)?;
    }
    Ok(manifest)
}

/// Returns an error if `folder` holds anything, hidden files aside.
fn refuse_strangers(folder: &Path) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).map_err(|e| Error::io("cannot list the folder", folder, e))?;
    let mut names = entries
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned());
    match names.find(|name| !name.starts_with('.')) {
        Some(name) => Err(Error::input(
            format!("holds {name} and no store, name a new or empty folder"),
            folder,
        )),
        None => Ok(()),
    }
}

/// Rows as the file will hold them.
struct Stored {
    bytes: Vec<u8>,
    sums: Vec<u64>,
}

impl Stored {
    fn from_tokens(tokens: &[TokenId], tensor: &Kind) -> Self {
        let bytes: Vec<u8> = tokens.iter().flat_map(|t| t.0.to_le_bytes()).collect();
        let sums = bytes.chunks(tensor.row_bytes()).map(checksum).collect();
        Self { bytes, sums }
    }

    /// Makes rows of values; `first` is the number of the first row, for errors.
    fn from_values(values: &Matrix, tensor: &Kind, first: usize) -> Result<Self> {
        let dtype = tensor.dtype.unwrap_or_default();
        let rows = values.values().len() / tensor.row;
        let mut bytes = vec![0; rows * tensor.row_bytes()];
        let sums = bytes
            .par_chunks_mut(tensor.row_bytes())
            .zip(values.values().par_chunks(tensor.row))
            .enumerate()
            .map(|(row, (bytes, values))| {
                dtype
                    .narrow(values, bytes)
                    .map_err(|value| unstorable(&tensor.name, value, dtype, first + row))?;
                Ok(checksum(bytes))
            })
            .collect::<Result<_>>()?;
        Ok(Self { bytes, sums })
    }
}

fn unstorable(name: &str, value: f32, dtype: Dtype, row: usize) -> Error {
    let what = if value.is_finite() {
        format!(
            "`{name}` holds {value} in row {row}, more than {dtype} can: choose {} bf16 or f32",
            Key::Dtype
        )
    } else {
        format!("`{name}` holds {value} in row {row}: check the model's weights")
    };
    Error::Numeric { what }
}
