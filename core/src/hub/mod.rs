//! Models and data sets by their name on the HuggingFace hub. Cached files of a model are used without the network; other files are fetched, and
//! only those that Umbra reads. Reads no environment variable: the caller that makes a [`Hub`] gives its address and cache.

mod cache;
mod name;
#[cfg(feature = "hub")]
mod remote;
#[cfg(not(feature = "hub"))]
#[path = "no_remote.rs"]
mod remote;
#[cfg(test)]
#[cfg(feature = "hub")]
pub(crate) mod server;
#[cfg(test)]
#[cfg(feature = "hub")]
mod tests;
mod transfer;

use std::path::{Path, PathBuf};

use self::cache::Shelf;
pub use self::cache::name_in;
pub use self::cache::page_of;
pub(crate) use self::cache::{files_in, place_in};
pub use self::name::{Kind, Name};
use self::remote::{Facts, Listing, Remote};
use self::transfer::Order;
use crate::error::{Error, Key, Result};
use crate::progress::{Ended, Flow, Progress};
use crate::tensor_file::WEIGHTS;

/// Address of the hub.
pub const ENDPOINT: &str = "https://huggingface.co";

/// Hub and its cache.
#[derive(Clone)]
pub struct Hub {
    /// Address, without a path.
    pub endpoint: String,
    /// Folder that holds `models--owner--name`.
    pub cache: PathBuf,
    /// Token sent with each request, if any.
    pub token: Option<String>,
    /// Whether only the cache is used.
    pub offline: bool,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token stays out of every log.
        f.debug_struct("Hub")
            .field("endpoint", &self.endpoint)
            .field("cache", &self.cache)
            .field("token", &self.token.is_some())
            .field("offline", &self.offline)
            .finish()
    }
}

/// Progress of fetching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// File being fetched.
    pub file: &'a str,
    /// Bytes of all files so far, including those of earlier attempts.
    pub progress: Progress,
}

impl Hub {
    /// Fetches the model into the cache, unless it is there, and returns its folder or GGUF file. Stopped by the observer, it keeps the bytes so far for the next attempt.
    pub fn fetch(
        &self,
        name: &Name,
        observe: &mut dyn FnMut(Event<'_>) -> Flow,
    ) -> Result<Ended<PathBuf>> {
        let shelf = Shelf::new(&self.cache, name);
        let there = shelf.snapshot();
        let name = &match &there {
            Some(folder) => cache::with_only_gguf(name, folder),
            None => name.clone(),
        };
        let missing = there.as_ref().map_or_else(
            || Some("config.json".to_owned()),
            |folder| cache::missing(folder, name),
        );
        if let (Some(folder), None) = (&there, &missing) {
            return Ok(Ended::Done(at(folder, name)));
        }
        if self.offline {
            return self.without_network(name, there, &missing.unwrap_or_default());
        }
        let remote = Remote::new(&self.endpoint, self.token.as_deref());
        download(&remote, name, &shelf, observe)
    }

    /// Fetches the Parquet files of the data set, or those that the name's path means, into the cache and returns their paths in order of names. A cached file is used without the network; otherwise the hub is asked for its list of files, unless it may not be.
    pub fn fetch_dataset(
        &self,
        name: &Name,
        observe: &mut dyn FnMut(Event<'_>) -> Flow,
    ) -> Result<Ended<Vec<PathBuf>>> {
        let shelf = Shelf::new(&self.cache, name);
        let there = shelf.snapshot();
        if let (Some(folder), Some(file)) = (&there, &name.file)
            && folder.join(file).is_file()
        {
            return Ok(Ended::Done(vec![folder.join(file)]));
        }
        if self.offline {
            let files = there.map_or_else(Vec::new, |folder| {
                cache::parquet_in(&folder.join(name.file.as_deref().unwrap_or_default()))
            });
            return if files.is_empty() {
                Err(Error::input(
                    format!(
                        "is not in the cache {} and the network may not be used: leave out {}, or give local files",
                        self.cache.display(),
                        Key::Offline
                    ),
                    name.to_string(),
                ))
            } else {
                Ok(Ended::Done(files))
            };
        }
        let fetched = self.fetch_listed(name, &shelf, |listing| meant(name, listing), observe)?;
        Ok(fetched.map(|(folder, files)| files.iter().map(|file| folder.join(file)).collect()))
    }

    /// Fetches the files that `choose` selects of a repository into the cache, one after the other, and returns their folder. The network is
    /// not used where `choose` finds its files in the cache.
    pub fn fetch_chosen(
        &self,
        name: &Name,
        choose: &dyn Fn(&[String]) -> Result<Vec<String>>,
        observe: &mut dyn FnMut(Event<'_>) -> Flow,
    ) -> Result<Ended<PathBuf>> {
        let shelf = Shelf::new(&self.cache, name);
        if let Some(folder) = shelf.snapshot() {
            let chosen = choose(&files_in(&folder));
            if chosen.is_ok() {
                return Ok(Ended::Done(folder));
            }
        }
        if self.offline {
            return Err(Error::input(
                format!(
                    "is not in the cache {} and the network may not be used: leave out {}, or give a folder",
                    self.cache.display(),
                    Key::Offline
                ),
                name.to_string(),
            ));
        }
        let fetched = self.fetch_listed(name, &shelf, |listing| choose(&listing.files), observe)?;
        Ok(fetched.map(|(folder, _)| folder))
    }

    /// Lists the hub's files and fetches those that `choose` selects; returns the folder and the files in it.
    fn fetch_listed(
        &self,
        name: &Name,
        shelf: &Shelf,
        choose: impl FnOnce(&Listing) -> Result<Vec<String>>,
        observe: &mut dyn FnMut(Event<'_>) -> Flow,
    ) -> Result<Ended<(PathBuf, Vec<String>)>> {
        let remote = Remote::new(&self.endpoint, self.token.as_deref());
        let listing = remote.list(name)?;
        let files = choose(&listing)?;
        let job = Job {
            remote: &remote,
            name,
            shelf,
            commit: &listing.commit,
        };
        if job.run(&files, observe)?.is_stopped() {
            return Ok(Ended::STOPPED);
        }
        shelf.remember(&listing.commit)?;
        Ok(Ended::Done((shelf.snapshot_of(&listing.commit), files)))
    }

    /// Returns the cached folder, or the error that it is incomplete.
    fn without_network(
        &self,
        name: &Name,
        there: Option<PathBuf>,
        missing: &str,
    ) -> Result<Ended<PathBuf>> {
        match there {
            Some(folder) if missing == "tokenizer.json" => Ok(Ended::Done(folder)),
            _ => Err(Error::input(
                format!(
                    "is incomplete in the cache {} ({missing} is missing) and the network may not be used: leave out {}, or give a folder",
                    self.cache.display(),
                    Key::Offline
                ),
                name.to_string(),
            )),
        }
    }
}

/// Lists the hub's files and fetches those that are needed.
fn download(
    remote: &Remote,
    name: &Name,
    shelf: &Shelf,
    observe: &mut dyn FnMut(Event<'_>) -> Flow,
) -> Result<Ended<PathBuf>> {
    let listing = remote.list(name)?;
    let (name, mut files) = needed(name, &listing)?;
    let job = Job {
        remote,
        name: &name,
        shelf,
        commit: &listing.commit,
    };
    // The index tells which shards there are, so it is fetched before anything is counted.
    let mut indices = WEIGHTS.into_iter().map(|[_, index]| index);
    if let Some(name) = indices.find(|index| files.iter().any(|file| file == index)) {
        let mut go_on = |_: Event<'_>| Flow::Continue(());
        if job.run(&[name.to_owned()], &mut go_on)?.is_stopped() {
            return Ok(Ended::STOPPED);
        }
        let path = shelf.snapshot_of(&listing.commit).join(name);
        let index = std::fs::read_to_string(&path)
            .map_err(|e| Error::io("cannot read the shard index", &path, e))?;
        files.retain(|file| file != name);
        files.extend(cache::shards(&index));
    }
    if job.run(&files, observe)?.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    shelf.remember(&listing.commit)?;
    Ok(Ended::Done(at(&shelf.snapshot_of(&listing.commit), &name)))
}

/// Optional files that are read beside weights and vocabulary.
const SETTINGS: [&str; 5] = [
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
];

/// Returns the path to open in a snapshot.
fn at(folder: &Path, name: &Name) -> PathBuf {
    match &name.file {
        Some(file) => folder.join(file),
        None => folder.to_path_buf(),
    }
}

/// Selects the files that Umbra reads of those listed; the name becomes that of the one GGUF file where there is nothing else.
fn needed(name: &Name, listing: &Listing) -> Result<(Name, Vec<String>)> {
    let has = |file: &str| listing.files.iter().any(|listed| listed == file);
    let lacking = |what: String| Err(Error::input(what, name.to_string()));
    if let Some(file) = &name.file {
        if !has(file) {
            return lacking(format!("the hub's model has no file {file}"));
        }
        return Ok((name.clone(), vec![file.clone()]));
    }
    let weights = WEIGHTS.into_iter().flatten().find(|file| has(file));
    if let (true, Some(weights)) = (has("config.json"), weights) {
        let vocabulary: &[&str] = if has("tokenizer.json") {
            &["tokenizer.json"]
        } else {
            &["vocab.json", "merges.txt"]
        };
        let files = SETTINGS.iter().chain(vocabulary).copied();
        let files = files.filter(|file| has(file));
        return Ok((
            name.clone(),
            files.chain([weights]).map(str::to_owned).collect(),
        ));
    }
    let ggufs: Vec<&String> = listing
        .files
        .iter()
        .filter(|file| file.to_ascii_lowercase().ends_with(".gguf"))
        .collect();
    match ggufs.as_slice() {
        [] => lacking(
            "has neither weights of safetensors or PyTorch nor a GGUF file on the hub, choose another model"
                .to_owned(),
        ),
        [one] => {
            let mut name = name.clone();
            name.file = Some((*one).clone());
            Ok((name, vec![(*one).clone()]))
        }
        [first, ..] => {
            let all: Vec<_> = ggufs.iter().take(12).map(|file| file.as_str()).collect();
            lacking(format!(
                "has {} GGUF files, name one as {}/{first}: {}",
                ggufs.len(),
                name.repo,
                all.join(", ")
            ))
        }
    }
}

/// Selects the Parquet files that the name of a data set means, of those listed.
fn meant(name: &Name, listing: &Listing) -> Result<Vec<String>> {
    let parquet = |file: &&String| file.to_ascii_lowercase().ends_with(".parquet");
    let all: Vec<&String> = listing.files.iter().filter(parquet).collect();
    let inside = |file: &str| {
        let path = name.file.as_deref().unwrap_or_default();
        let rest = file.strip_prefix(path);
        path.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let mut files: Vec<String> = all
        .iter()
        .filter(|file| inside(file))
        .map(|file| (*file).clone())
        .collect();
    files.sort_unstable();
    if !files.is_empty() {
        return Ok(files);
    }
    let some: Vec<_> = all.iter().take(12).map(|file| file.as_str()).collect();
    let what = if some.is_empty() {
        "has no .parquet file: on the hub, data sets in other formats have some under @refs/convert/parquet".to_owned()
    } else {
        format!(
            "means none of the data set's .parquet files, name one or a folder: {}",
            some.join(", ")
        )
    };
    Err(Error::input(what, name.to_string()))
}

/// Transfer of files of one commit.
struct Job<'a> {
    remote: &'a Remote,
    name: &'a Name,
    shelf: &'a Shelf,
    commit: &'a str,
}

impl Job<'_> {
    /// Fetches `files` one after the other.
    fn run(
        &self,
        files: &[String],
        observe: &mut dyn FnMut(Event<'_>) -> Flow,
    ) -> Result<Ended<()>> {
        let facts = files
            .iter()
            .map(|file| self.remote.facts(self.name, self.commit, file))
            .collect::<Result<Vec<Facts>>>()?;
        let total = facts.iter().map(|facts| facts.size).sum();
        let mut before = 0;
        for (file, facts) in files.iter().zip(&facts) {
            let blob = self.shelf.blob(&facts.etag);
            let order = Order {
                name: self.name,
                commit: self.commit,
                file,
                facts,
                blob: &blob,
            };
            let mut report = |there| {
                observe(Event {
                    file,
                    progress: Progress {
                        done: before + there,
                        total,
                        unit: "bytes",
                    },
                })
            };
            let whole = std::fs::metadata(&blob).is_ok_and(|blob| blob.len() == facts.size);
            if !whole && transfer::fetch(self.remote, &order, &mut report)?.is_stopped() {
                return Ok(Ended::STOPPED);
            }
            self.shelf.place(&blob, self.commit, file)?;
            before += facts.size;
        }
        Ok(Ended::Done(()))
    }
}
