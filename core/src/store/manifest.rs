//! Reads and writes `manifest.json`. It is written atomically, ends in a checksum of its own text, and every value is checked before use.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::format::{DIGITS, Description, Dtype, FORMAT, HookTensor, LAYOUT, checksum, digits};
use crate::VERSION;
use crate::corpus::Mask;
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::whole_file;

/// File name of the manifest.
const MANIFEST: &str = "manifest.json";
/// Longest manifest in bytes; a shard takes some hundred.
const LONGEST: u64 = 256 << 20;
/// Definition of the gradients.
const GRADIENTS_OF: &str = "cross-entropy of all next tokens, summed, in nats";
/// End of a manifest: the checksum covers the whole text with zeros in its place.
const CHECKSUM: &str = "\"checksum\": \"";
const END: &str = "\"\n}\n";

/// Entry of one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    /// Length of the file.
    pub(super) bytes: u64,
    /// Checksum of the file up to its data.
    pub(super) header: u64,
}

/// Content of a manifest.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Manifest {
    pub(super) about: Description,
    /// Complete shards by number.
    pub(super) shards: BTreeMap<usize, Entry>,
}

/// Manifest as written in the file.
#[derive(Serialize, Deserialize)]
struct File {
    format: String,
    version: u32,
    umbra_version: String,
    model: ModelPart,
    hooks: Vec<HookPart>,
    dtype: String,
    gradients: Option<GradientPart>,
    context: usize,
    rows: usize,
    prepend_bos: bool,
    /// None in stores written before it was recorded.
    positions: Option<PositionsPart>,
    corpus: Map<String, Value>,
    shard_rows: usize,
    shards: Vec<ShardPart>,
    checksum: String,
}

#[derive(Serialize, Deserialize)]
struct ModelPart {
    name: String,
    /// None in older stores, which hold a checksum of the weight files instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    processing: String,
}

#[derive(Serialize, Deserialize)]
struct HookPart {
    hook: String,
    width: usize,
}

#[derive(Serialize, Deserialize)]
struct GradientPart {
    of: String,
    dtype: String,
}

#[derive(Serialize, Deserialize)]
struct PositionsPart {
    rule: String,
    special: Vec<u32>,
    counted: usize,
}

#[derive(Serialize, Deserialize)]
struct ShardPart {
    file: String,
    bytes: u64,
    header: String,
}

/// Returns the file name of shard `number`.
pub(super) fn file_name(number: usize) -> String {
    format!("shard-{number:05}.safetensors")
}

/// Returns whether `folder` holds a store, complete or not.
pub(crate) fn is_in(folder: &Path) -> bool {
    let text = std::fs::read(Manifest::path(folder)).unwrap_or_default();
    let value: Value = serde_json::from_slice(&text).unwrap_or_default();
    value["format"] == json!(FORMAT)
}

/// Returns whether `name` is the name of a store's file.
pub(crate) fn is_of_store(file: &str) -> bool {
    file == MANIFEST || number_of(file).is_some()
}

/// Returns the number in a shard's file name.
fn number_of(file: &str) -> Option<usize> {
    let digits = file.strip_prefix("shard-")?.strip_suffix(".safetensors")?;
    let number = digits.parse().ok()?;
    (file_name(number) == file).then_some(number)
}

impl Manifest {
    /// Returns the path of the manifest of the store `folder`.
    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join(MANIFEST)
    }

    /// Writes the manifest, whole or not at all.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = Self::path(folder);
        let about = &self.about;
        let file = File {
            format: FORMAT.to_owned(),
            version: LAYOUT,
            umbra_version: VERSION.to_owned(),
            model: ModelPart {
                name: about.model.clone(),
                fingerprint: about.model_fingerprint.clone(),
                processing: about.processing.to_string(),
            },
            hooks: about
                .hooks
                .iter()
                .map(|hook| HookPart {
                    hook: hook.hook.to_string(),
                    width: hook.width,
                })
                .collect(),
            dtype: about.dtype.to_string(),
            gradients: about.gradients.then(|| GradientPart {
                of: GRADIENTS_OF.to_owned(),
                dtype: about.dtype.for_gradients().to_string(),
            }),
            context: about.context,
            rows: about.rows,
            prepend_bos: about.prepend_bos,
            positions: Some(PositionsPart {
                rule: about.mask.rule.name().to_owned(),
                special: about.mask.special.iter().map(|id| id.0).collect(),
                counted: about.counted,
            }),
            corpus: about.corpus.clone(),
            shard_rows: about.shard_rows,
            shards: self
                .shards
                .iter()
                .map(|(number, entry)| ShardPart {
                    file: file_name(*number),
                    bytes: entry.bytes,
                    header: digits(entry.header),
                })
                .collect(),
            checksum: digits(0),
        };
        let text = serde_json::to_string_pretty(&file)
            .map_err(|e| Error::input(format!("cannot be written as JSON ({e})"), &path))?;
        whole_file::write_bytes(&path, sealed(&text).as_bytes())
    }

    /// Reads the manifest of the store `folder`.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let path = Self::path(folder);
        let length = match std::fs::metadata(&path) {
            Ok(metadata) => metadata.len(),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let what = "is not an activation store, manifest.json is missing: give a folder that a capture into a store wrote";
                return Err(Error::input(what, folder));
            }
            Err(e) => return Err(Error::io("cannot open the manifest", &path, e)),
        };
        if length > LONGEST {
            let what = format!("is {length} bytes long, too long for a manifest");
            return Err(Error::input(what, &path));
        }
        let bytes =
            std::fs::read(&path).map_err(|e| Error::io("cannot read the manifest", &path, e))?;
        Self::parse(&bytes).map_err(|what| Error::input(what, &path))
    }

    /// Parses the manifest in `bytes`; otherwise a phrase that says what is wrong.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let damaged = |what: &str| {
            format!(
                "is damaged ({what}): restore it from a copy, or delete the store and capture again"
            )
        };
        let text = std::str::from_utf8(bytes)
            .ok()
            .ok_or_else(|| damaged("it is not text"))?;
        let version: Value =
            serde_json::from_str(text).map_err(|e| damaged(&format!("it is not JSON: {e}")))?;
        if version["format"] != json!(FORMAT) {
            return Err(damaged(
                "its `format` is not that of an activation store of Umbra",
            ));
        }
        if version["version"] != json!(LAYOUT) {
            return Err(format!(
                "has version {} of the layout, this program reads version {LAYOUT}: use the program that wrote it",
                version["version"]
            ));
        }
        if unsealed(text).is_none_or(|zeroed| sealed(&zeroed) != text) {
            return Err(damaged("its checksum does not match its text"));
        }
        let file: File = serde_json::from_str(text).map_err(|e| damaged(&e.to_string()))?;
        let manifest = file.checked().map_err(|what| damaged(&what))?;
        Ok(manifest)
    }
}

impl File {
    fn checked(self) -> Result<Manifest, String> {
        let hook = |part: HookPart| -> Result<HookTensor> {
            Ok(HookTensor {
                hook: part.hook.parse()?,
                width: part.width,
            })
        };
        let hooks: Result<Vec<HookTensor>> = self.hooks.into_iter().map(hook).collect();
        let dtype: Dtype = self.dtype.parse().map_err(|e: Error| e.to_string())?;
        if let Some(part) = &self.gradients
            && part.dtype != dtype.for_gradients().name()
        {
            return Err(format!(
                "gradients beside {dtype} are {}, not {}",
                dtype.for_gradients(),
                part.dtype
            ));
        }
        let (mask, counted) = if let Some(part) = self.positions {
            let mask = Mask {
                rule: part.rule.parse().map_err(|e: Error| e.to_string())?,
                special: part.special.into_iter().map(TokenId).collect(),
            };
            (mask, part.counted)
        } else {
            let counted = self.rows.saturating_mul(self.context.saturating_sub(1));
            (Mask::unrecorded(), counted)
        };
        let about = Description {
            model: self.model.name,
            model_fingerprint: self.model.fingerprint,
            processing: self
                .model
                .processing
                .parse()
                .map_err(|e: Error| e.to_string())?,
            hooks: hooks.map_err(|e| e.to_string())?,
            dtype,
            gradients: self.gradients.is_some(),
            context: self.context,
            rows: self.rows,
            shard_rows: self.shard_rows,
            prepend_bos: self.prepend_bos,
            mask,
            counted,
            corpus: self.corpus,
        };
        if let Some(what) = about.impossible() {
            return Err(what);
        }
        let mut shards = BTreeMap::new();
        for part in self.shards {
            let name: String = part.file.chars().take(60).collect();
            let number = number_of(&part.file).filter(|number| *number < about.shards());
            let number = number.ok_or_else(|| format!("`{name}` is not one of its shards"))?;
            let header = u64::from_str_radix(&part.header, 16)
                .ok()
                .filter(|sum| digits(*sum) == part.header)
                .ok_or_else(|| format!("the checksum of `{name}` is not valid"))?;
            let entry = Entry {
                bytes: part.bytes,
                header,
            };
            if shards.insert(number, entry).is_some() {
                return Err(format!("`{name}` is named twice"));
            }
        }
        Ok(Manifest { about, shards })
    }
}

/// Puts the checksum into `text`, which ends in a checksum of zeros.
pub(super) fn sealed(text: &str) -> String {
    let text = text.trim_end();
    let body = text.strip_suffix("\"\n}").unwrap_or(text);
    let (body, _) = body.split_at(body.len() - DIGITS);
    let zeroed = format!("{body}{}{END}", digits(0));
    format!("{body}{}{END}", digits(checksum(zeroed.as_bytes())))
}

/// Returns `text` with zeros for its checksum; none if it does not end in one.
fn unsealed(text: &str) -> Option<String> {
    let body = text.strip_suffix(END)?;
    let cut = body.len().checked_sub(DIGITS)?;
    let body = body.get(..cut)?;
    body.ends_with(CHECKSUM)
        .then(|| format!("{body}{}{END}", digits(0)))
}
