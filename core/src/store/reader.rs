//! Reads a store: mapped shards, rows in any order, each checked as it is read. Errors name the damaged shard and tensor.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use memmap2::Mmap;
use rayon::prelude::*;

use super::format::{self, Description, Kind, Rows, checksum};
use super::manifest::{Entry, Manifest, file_name};
use crate::dims::Matrix;
use crate::error::{Error, Key, Notes, Result};
use crate::ids::{HookPoint, TokenId};
use crate::progress::{Ended, Flow, Progress};
use crate::tensor_file::{self, header, widen};

/// Damage in a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// File of the shard.
    pub shard: PathBuf,
    /// Tensor, if the damage is inside one.
    pub tensor: Option<String>,
    /// Problem, as a phrase.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shard = self.shard.file_name().unwrap_or_default().display();
        match &self.tensor {
            Some(tensor) => write!(f, "{shard}: tensor `{tensor}` {}", self.what),
            None => write!(f, "{shard} {}", self.what),
        }
    }
}

impl From<Damage> for Error {
    fn from(damage: Damage) -> Self {
        let tensor = damage
            .tensor
            .map_or_else(String::new, |name| format!("tensor `{name}` "));
        Self::input(
            format!(
                "{tensor}{}: delete this file and run the capture that wrote the store again, it writes what is missing",
                damage.what
            ),
            damage.shard,
        )
    }
}

/// One shard, mapped when first read.
#[derive(Debug)]
pub(super) struct Shard {
    path: PathBuf,
    entry: Entry,
    /// Number of its first row in the store.
    first: usize,
    rows: usize,
    least_bytes: u64,
    opened: OnceLock<Opened>,
}

#[derive(Debug)]
pub(super) struct Opened {
    map: Mmap,
    tensors: Vec<Rows>,
}

impl Shard {
    /// Makes shard `number` of `folder`, whose first row is row `first` of the store.
    pub(super) fn new(
        folder: &Path,
        about: &Description,
        number: usize,
        entry: Entry,
        first: usize,
    ) -> Self {
        let (_, rows) = about.rows_of(number);
        Self {
            path: folder.join(file_name(number)),
            entry,
            first,
            rows,
            least_bytes: rows as u64 * about.row_bytes() as u64,
            opened: OnceLock::new(),
        }
    }

    fn damage(&self, what: impl Into<String>) -> Damage {
        Damage {
            shard: self.path.clone(),
            tensor: None,
            what: what.into(),
        }
    }

    /// Checks that the file exists and has its length.
    pub(super) fn check(&self) -> Result<(), Damage> {
        let length = match std::fs::metadata(&self.path) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Ok(_) => return Err(self.damage("is not a file")),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(self.damage("is missing"));
            }
            Err(e) => return Err(self.damage(format!("cannot be read ({e})"))),
        };
        if length != self.entry.bytes {
            return Err(self.damage(format!(
                "is {length} bytes long, it was written with {}",
                self.entry.bytes
            )));
        }
        if length < self.least_bytes {
            return Err(self.damage(format!(
                "is {length} bytes long, its {} rows take {} at least",
                self.rows, self.least_bytes
            )));
        }
        Ok(())
    }

    /// Maps the file and checks its header.
    pub(super) fn open(&self, about: &Description) -> Result<&Opened, Damage> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        self.check()?;
        let map = tensor_file::map(&self.path, "safetensors")
            .map_err(|e| self.damage(format!("cannot be read ({e})")))?;
        let header = header::read(&map)
            .map_err(|what| self.damage(format!("has a damaged header ({what})")))?;
        if checksum(&map[..header.data]) != self.entry.header {
            return Err(
                self.damage("has a damaged header (its checksum does not match the manifest)")
            );
        }
        let tensors = format::placed(about, self.rows, &header)
            .map_err(|what| self.damage(format!("is of another store ({what})")))?;
        Ok(self.opened.get_or_init(|| Opened { map, tensors }))
    }

    /// Returns the bytes of row `row` of this shard, as written.
    fn row(
        &self,
        opened: &Opened,
        (tensor, kind): (usize, &Kind),
        row: usize,
    ) -> Result<Span, Damage> {
        let rows = &opened.tensors[tensor];
        let begin = rows.begin + row * kind.row_bytes();
        let span = Span {
            begin,
            end: begin + kind.row_bytes(),
        };
        if checksum(&opened.map[span.begin..span.end]) == rows.sums[row] {
            return Ok(span);
        }
        Err(Damage {
            tensor: Some(kind.name.clone()),
            ..self.damage(format!(
                "is damaged in row {row} of {} (its checksum does not match)",
                self.rows
            ))
        })
    }
}

/// Bytes of a mapped file.
#[derive(Debug, Clone, Copy)]
struct Span {
    begin: usize,
    end: usize,
}

/// Result of [`Store::verify`].
#[derive(Debug)]
pub struct Verified {
    /// The store.
    pub store: Store,
    /// Shards checked.
    pub shards: usize,
    /// Damage, in order of shards.
    pub damages: Vec<Damage>,
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    about: Description,
    tensors: Vec<Kind>,
    shards: Vec<Shard>,
    rows: usize,
}

impl Store {
    /// Opens the store in `folder`: every shard in the manifest must exist with its length. An unfinished store is read as far as it goes, with a note.
    pub fn open(folder: &Path) -> Result<(Self, Notes)> {
        let store = Self::listed(folder)?;
        for shard in &store.shards {
            shard.check()?;
        }
        let mut notes = Notes::default();
        if store.rows < store.about.rows {
            notes.add(format!(
                "The store is not finished, {} of its {} rows are there: repeat the capture that began it to go on",
                store.rows, store.about.rows
            ));
        }
        if store.rows == 0 {
            let what = "holds no row yet, repeat the capture that began it to go on";
            return Err(Error::input(what, folder));
        }
        Ok((store, notes))
    }

    /// Reads the manifest alone, without any shard.
    fn listed(folder: &Path) -> Result<Self> {
        let manifest = Manifest::read(folder)?;
        let mut rows = 0;
        let mut shards = Vec::with_capacity(manifest.shards.len());
        for (number, entry) in &manifest.shards {
            let shard = Shard::new(folder, &manifest.about, *number, *entry, rows);
            rows += shard.rows;
            shards.push(shard);
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            tensors: manifest.about.tensors(),
            about: manifest.about,
            shards,
            rows,
        })
    }

    /// Folder of the store.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Description of the store.
    pub fn about(&self) -> &Description {
        &self.about
    }

    /// Number of rows that exist; [`Description::rows`] is the number planned.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of positions that count in the rows that exist; estimated by their share in an unfinished store.
    pub fn counted(&self) -> usize {
        let share = self.rows as f64 / self.about.rows.max(1) as f64;
        (self.about.counted as f64 * share).round() as usize
    }

    /// Returns whether each position of `rows` counts, `[n·t]`.
    pub fn counts(&self, rows: &[usize]) -> Result<Vec<bool>> {
        let tokens = self.tokens(rows)?;
        let rows = tokens.chunks_exact(self.about.context.max(1));
        Ok(rows.flat_map(|row| self.about.mask.counts(row)).collect())
    }

    /// Number of complete shards.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// Bytes of the shards.
    pub fn bytes(&self) -> u64 {
        self.shards.iter().map(|shard| shard.entry.bytes).sum()
    }

    /// Returns the width of the activation at `hook`, `d`; an error naming the store's hooks if it lacks this one.
    pub fn width(&self, hook: HookPoint) -> Result<usize> {
        let found = self.about.hooks.iter().find(|there| there.hook == hook);
        found.map(|there| there.width).ok_or_else(|| {
            let names = self.about.hooks.iter();
            let names: Vec<String> = names.map(|there| there.hook.to_string()).collect();
            let what = format!(
                "is not in the store {}, which holds {}: choose one of these or capture another store",
                self.folder.display(),
                names.join(", ")
            );
            Error::hook(hook, what)
        })
    }

    /// Returns an error if the store was captured from a model with other weights.
    pub fn check_model(&self, name: &str, fingerprint: &str) -> Result<Option<String>> {
        let of = &self.about.model;
        match &self.about.model_fingerprint {
            Some(own) if own == fingerprint => Ok(None),
            Some(_) => {
                let what = format!(
                    "was captured from {of}, which is another model than {name} by its fingerprint: leave out {}, or capture another store",
                    Key::Model
                );
                Err(Error::input(what, &self.folder))
            }
            None => Ok(Some(format!(
                "The store says of its model no more than the name {of}: whether that is {name} cannot be told, capture it again to be sure"
            ))),
        }
    }

    /// Reads activations of `rows` at `hook` as f32, `[n·t, d]`, row after row, and checks them.
    pub fn activations(&self, hook: HookPoint, rows: &[usize]) -> Result<Matrix> {
        let width = self.width(hook)?;
        self.read(&hook.to_string(), width, rows)
    }

    /// Reads gradients of the summed next-token cross-entropy, in nats, with respect to these activations, `[n·t, d]`; an error if none were captured.
    pub fn gradients(&self, hook: HookPoint, rows: &[usize]) -> Result<Matrix> {
        let width = self.width(hook)?;
        if !self.about.gradients {
            let what = format!(
                "holds no gradients, capture it again with {} into another folder",
                Key::Gradients
            );
            return Err(Error::input(what, &self.folder));
        }
        self.read(&format!("grad.{hook}"), width, rows)
    }

    /// Reads the token ids of `rows`, `[n, t]`.
    pub fn tokens(&self, rows: &[usize]) -> Result<Vec<TokenId>> {
        let mut all = Vec::new();
        for row in rows {
            let (shard, row) = self.find(*row)?;
            let opened = shard.open(&self.about)?;
            let span = shard.row(opened, (0, &self.tensors[0]), row)?;
            let (ids, _) = opened.map[span.begin..span.end].as_chunks::<4>();
            all.extend(ids.iter().map(|id| TokenId(u32::from_le_bytes(*id))));
        }
        Ok(all)
    }

    /// Asks the system to prefetch `rows` of `hook` from the disk.
    pub fn fetch_ahead(&self, hook: HookPoint, rows: &[usize]) {
        let Some((tensor, kind)) = self.tensor(&hook.to_string()) else {
            return;
        };
        for row in rows {
            // Reading the row reports the damage.
            let Ok((shard, row)) = self.find(*row) else {
                continue;
            };
            let Ok(opened) = shard.open(&self.about) else {
                continue;
            };
            let begin = opened.tensors[tensor].begin + row * kind.row_bytes();
            advise(&opened.map, begin, kind.row_bytes());
        }
    }

    /// Checks every byte of the store in `folder`, damaged or not; `observe` gets the bytes done. Stopped, it returns the damage found so far.
    pub fn verify(
        folder: &Path,
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<Verified, Verified>> {
        let store = Self::listed(folder)?;
        let mut damages = Vec::new();
        let mut shards = 0;
        let mut at = Progress {
            done: 0,
            total: store.bytes(),
            unit: "bytes",
        };
        for shard in &store.shards {
            damages.extend(store.damages(shard));
            shards += 1;
            at.done += shard.entry.bytes;
            if observe(at).is_break() {
                break;
            }
        }
        let stopped = shards < store.shards();
        let verified = Verified {
            store,
            shards,
            damages,
        };
        Ok(Ended::new(verified, stopped))
    }

    /// Returns the damage of a shard: its file or header, else the first damaged row of each tensor.
    fn damages(&self, shard: &Shard) -> Vec<Damage> {
        let opened = match shard.open(&self.about) {
            Ok(opened) => opened,
            Err(damage) => return vec![damage],
        };
        let tensors = self.tensors.iter().enumerate();
        let first = |tensor| {
            (0..shard.rows)
                .into_par_iter()
                .filter_map(|row| shard.row(opened, tensor, row).err().map(|d| (row, d)))
                .min_by_key(|(row, _)| *row)
        };
        let found = tensors.filter_map(first);
        found.map(|(_, damage)| damage).collect()
    }

    fn tensor(&self, name: &str) -> Option<(usize, &Kind)> {
        let tensors = self.tensors.iter().enumerate();
        tensors.into_iter().find(|(_, kind)| kind.name == name)
    }

    /// Returns the shard of a row, and the row's number in it.
    fn find(&self, row: usize) -> Result<(&Shard, usize)> {
        if row >= self.rows {
            let what = format!("has {} rows and no row {row}", self.rows);
            return Err(Error::input(what, &self.folder));
        }
        let after = self.shards.partition_point(|shard| shard.first <= row);
        let shard = &self.shards[after - 1];
        Ok((shard, row - shard.first))
    }

    fn read(&self, name: &str, width: usize, rows: &[usize]) -> Result<Matrix> {
        let missing = || {
            Error::missing(
                name,
                &self.folder,
                "name what the store holds, or capture it",
            )
        };
        let (tensor, kind) = self.tensor(name).ok_or_else(missing)?;
        let float = kind.dtype.unwrap_or_default().float();
        // Check every shard against its file's length before allocating memory for its rows.
        let places: Vec<(&Shard, &Opened, usize)> = rows
            .iter()
            .map(|row| {
                let (shard, row) = self.find(*row)?;
                Ok((shard, shard.open(&self.about)?, row))
            })
            .collect::<Result<_>>()?;
        let mut all = Matrix::zeros(rows.len() * self.about.context, width);
        all.values_mut()
            .par_chunks_mut(kind.row)
            .zip(&places)
            .try_for_each(|(into, (shard, opened, row))| -> Result<()> {
                let span = shard.row(opened, (tensor, kind), *row)?;
                widen(&opened.map[span.begin..span.end], float, into);
                Ok(())
            })?;
        Ok(all)
    }
}

/// Tells the system that a part of a mapped file will be read soon; without that, reading waits for the disk.
#[cfg(unix)]
fn advise(map: &Mmap, begin: usize, length: usize) {
    let told = map.advise_range(memmap2::Advice::WillNeed, begin, length);
    debug_assert!(told.is_ok(), "{told:?}");
}

#[cfg(not(unix))]
fn advise(_: &Mmap, _: usize, _: usize) {}
