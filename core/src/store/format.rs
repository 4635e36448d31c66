//! Description of a store and layout of its shards: headers are written here, read back here and checked before use.

use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value, json};
use twox_hash::XxHash3_64;

use crate::corpus::{Mask, Positions};
use crate::error::{Error, Result};
use crate::ids::HookPoint;
use crate::models::{MODEL_FINGERPRINT, Processing};
use crate::tensor_file::header::Header;
use crate::tensor_file::{Float, narrow, widen};

/// Name of the tensor of token ids, `[b, t]`.
pub(super) const TOKENS: &str = "tokens";

pub(super) const FORMAT: &str = "umbra-activation-store";
/// Version of this layout.
pub(super) const LAYOUT: u32 = 1;
/// Number of hex digits of a checksum.
pub(super) const DIGITS: usize = 16;
/// Alignment of the data after a header, so that rows are aligned in memory.
const ALIGNMENT: usize = 64;

/// Computes XXH3, 64 bits: detects damage, not malice.
pub(super) fn checksum(bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot(bytes)
}

/// Formats a checksum.
pub(super) fn digits(sum: u64) -> String {
    format!("{sum:016x}")
}

/// Stored number type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dtype {
    /// 4 bytes, exact.
    F32,
    /// 2 bytes, 11 bits of precision, up to 65,504.
    #[default]
    F16,
    /// 2 bytes, 8 bits of precision, the range of f32.
    Bf16,
}

impl Dtype {
    /// Name as written: `f32`, `f16`, `bf16`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        }
    }

    /// Bytes per number.
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
        }
    }

    /// Type of gradients beside activations of this type. Gradients are far smaller than f16 resolves (6e-8 at least), so they keep the range of f32.
    #[must_use]
    pub const fn for_gradients(self) -> Self {
        match self {
            Self::F16 => Self::Bf16,
            other => other,
        }
    }

    pub(super) const fn float(self) -> Float {
        match self {
            Self::F32 => Float::F32,
            Self::F16 => Float::F16,
            Self::Bf16 => Float::Bf16,
        }
    }

    /// Reads little-endian numbers as f32, as many as `into` holds.
    pub(crate) fn widen(self, bytes: &[u8], into: &mut [f32]) {
        widen(bytes, self.float(), into);
    }

    /// Writes `values`; returns the first value that has no finite form in this type.
    pub(crate) fn narrow(self, values: &[f32], into: &mut [u8]) -> Result<(), f32> {
        narrow(values, self.float(), into)
    }
}

impl FromStr for Dtype {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        [Self::F32, Self::F16, Self::Bf16]
            .into_iter()
            .find(|dtype| dtype.name() == text)
            .ok_or_else(|| {
                Error::setting(
                    "dtype",
                    format!("`{text}` is not a type; give f32, f16 or bf16"),
                )
            })
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One hook of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HookTensor {
    /// The hook.
    pub hook: HookPoint,
    /// Width of its activation, `d`, heads concatenated.
    pub width: usize,
}

/// Description of a store: everything that decides its bytes, except which shards exist.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Name of the model.
    pub model: String,
    /// Fingerprint of the model; none in older stores.
    pub model_fingerprint: Option<String>,
    /// Processing of the model's weights.
    pub processing: Processing,
    /// Hooks, in the order of their tensors.
    pub hooks: Vec<HookTensor>,
    /// Type of activations.
    pub dtype: Dtype,
    /// Whether each activation has its gradient beside it, of type [`Dtype::for_gradients`].
    pub gradients: bool,
    /// Tokens of a row, `t`.
    pub context: usize,
    /// Rows of the whole store, `b`.
    pub rows: usize,
    /// Rows of a shard; the last shard may have fewer.
    pub shard_rows: usize,
    /// Whether rows begin with BOS.
    pub prepend_bos: bool,
    /// Positions that count in training; the store holds all positions.
    pub mask: Mask,
    /// Number of positions that count, over all rows.
    pub counted: usize,
    /// Facts about the text: name, checksum, documents, split with its seed.
    pub corpus: Map<String, Value>,
}

/// Key in [`Description::corpus`] of a store captured with documents kept apart.
pub const SEPARATE_DOCUMENTS: &str = "separate_documents";

impl Description {
    /// Whether documents packed in one row were kept apart.
    pub fn separates_documents(&self) -> bool {
        self.corpus.get(SEPARATE_DOCUMENTS) == Some(&Value::Bool(true))
    }

    /// Returns an error if `apart` differs from how the store was captured.
    pub fn check_documents(&self, apart: bool) -> Result<()> {
        let named = |apart| {
            if apart {
                "with documents kept apart"
            } else {
                "with attention across documents"
            }
        };
        if apart == self.separates_documents() {
            return Ok(());
        }
        let what = format!(
            "the store was captured {} and training is to be {}: leave the setting out, or capture the text again",
            named(!apart),
            named(apart)
        );
        Err(Error::setting("separate_documents", what))
    }

    /// Returns the facts kept with a dictionary trained on the store: text, fingerprint of the model, type of activations.
    pub fn facts(&self) -> Map<String, Value> {
        let mut facts = self.corpus.clone();
        if let Some(print) = &self.model_fingerprint {
            facts.insert(MODEL_FINGERPRINT.to_owned(), print.clone().into());
        }
        facts.insert("store_dtype".to_owned(), self.dtype.name().into());
        facts
    }
}

/// A tensor of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) name: String,
    /// Number type; none for token ids.
    pub(super) dtype: Option<Dtype>,
    /// Numbers per row.
    pub(super) row: usize,
    width: usize,
}

impl Kind {
    /// Bytes per row.
    pub(super) fn row_bytes(&self) -> usize {
        self.row * self.dtype.map_or(4, Dtype::bytes)
    }

    fn shape(&self, rows: usize, context: usize) -> Vec<usize> {
        match self.dtype {
            None => vec![rows, context],
            Some(_) => vec![rows, context, self.width],
        }
    }

    /// Type as safetensors names it.
    fn stored(&self) -> &'static str {
        match self.dtype {
            None => "U32",
            Some(Dtype::F32) => "F32",
            Some(Dtype::F16) => "F16",
            Some(Dtype::Bf16) => "BF16",
        }
    }
}

impl Description {
    /// Returns the tensors of a shard in the order of their bytes: tokens, activations, gradients.
    pub(super) fn tensors(&self) -> Vec<Kind> {
        let hooks = |prefix: &'static str, dtype: Dtype| {
            self.hooks.iter().map(move |hook| Kind {
                name: format!("{prefix}{}", hook.hook),
                dtype: Some(dtype),
                row: self.context * hook.width,
                width: hook.width,
            })
        };
        let tokens = Kind {
            name: TOKENS.to_owned(),
            dtype: None,
            row: self.context,
            width: 1,
        };
        let gradients = hooks("grad.", self.dtype.for_gradients()).filter(|_| self.gradients);
        std::iter::once(tokens)
            .chain(hooks("", self.dtype))
            .chain(gradients)
            .collect()
    }

    /// Bytes of a row on disk, checksums included.
    pub fn row_bytes(&self) -> usize {
        let tensors = self.tensors();
        tensors.iter().map(Kind::row_bytes).sum::<usize>() + DIGITS * tensors.len()
    }

    /// Number of shards of the whole store.
    pub fn shards(&self) -> usize {
        self.rows.div_ceil(self.shard_rows.max(1))
    }

    /// Returns the first row of shard `number`, and how many rows it has.
    pub(super) fn rows_of(&self, number: usize) -> (usize, usize) {
        let first = number * self.shard_rows;
        (first, self.shard_rows.min(self.rows.saturating_sub(first)))
    }

    /// Returns the first setting in which `other` differs, with both values; none if both describe one store.
    pub(super) fn difference(&self, other: &Self) -> Option<(&'static str, String, String)> {
        let hooks = |of: &Self| {
            let names = of.hooks.iter();
            let names = names.map(|hook| format!("{} [{}]", hook.hook, hook.width));
            names.collect::<Vec<_>>().join(", ")
        };
        let documents = |of: &Self| {
            let how = if of.separates_documents() {
                "kept apart"
            } else {
                "read across"
            };
            how.to_owned()
        };
        let text = |of: &Self| Value::Object(of.corpus.clone()).to_string();
        let counting = |of: &Self| {
            let special: Vec<String> = of.mask.special.iter().map(|id| id.0.to_string()).collect();
            match (of.mask.rule, special.as_slice()) {
                // Only these two rules depend on the special tokens.
                (Positions::Text | Positions::SaeLens, ids @ [_, ..]) => {
                    format!("{} with special tokens {}", of.mask.rule, ids.join(", "))
                }
                (rule, _) => rule.to_string(),
            }
        };
        // An older store records no fingerprint and matches any model.
        let known = self.model_fingerprint.is_some() && other.model_fingerprint.is_some();
        let print = |of: &Self| {
            of.model_fingerprint
                .clone()
                .filter(|_| known)
                .unwrap_or_default()
        };
        let pairs = [
            ("model", self.model.clone(), other.model.clone()),
            ("model's fingerprint", print(self), print(other)),
            (
                "processing",
                self.processing.to_string(),
                other.processing.to_string(),
            ),
            ("hooks", hooks(self), hooks(other)),
            ("dtype", self.dtype.to_string(), other.dtype.to_string()),
            (
                "gradients",
                self.gradients.to_string(),
                other.gradients.to_string(),
            ),
            (
                "context",
                self.context.to_string(),
                other.context.to_string(),
            ),
            ("rows", self.rows.to_string(), other.rows.to_string()),
            (
                "rows of a shard",
                self.shard_rows.to_string(),
                other.shard_rows.to_string(),
            ),
            (
                "BOS",
                self.prepend_bos.to_string(),
                other.prepend_bos.to_string(),
            ),
            ("positions", counting(self), counting(other)),
            ("documents", documents(self), documents(other)),
            ("corpus", text(self), text(other)),
        ];
        pairs.into_iter().find(|(_, here, there)| here != there)
    }

    /// Returns a phrase about the first impossible value, if there is one.
    pub(super) fn impossible(&self) -> Option<String> {
        let limit = |name: &str, value: usize, most: usize| {
            let fits = (1..=most).contains(&value);
            (!fits).then(|| format!("{name} is {value}, it may be 1 to {most}"))
        };
        limit("`context`", self.context, 1 << 24)
            .or_else(|| limit("`rows`", self.rows, 1 << 40))
            .or_else(|| limit("`shard_rows`", self.shard_rows, 1 << 40))
            .or_else(|| limit("the number of hooks", self.hooks.len(), 1 << 12))
            .or_else(|| {
                let mut hooks = self.hooks.iter();
                hooks.find_map(|hook| {
                    limit(&format!("the width of {}", hook.hook), hook.width, 1 << 24)
                })
            })
            .or_else(|| {
                let twice = |(i, hook): (usize, &HookTensor)| {
                    let before = &self.hooks[..i];
                    before
                        .iter()
                        .any(|other| other.hook == hook.hook)
                        .then_some(hook.hook)
                };
                let twice = self.hooks.iter().enumerate().find_map(twice);
                twice.map(|hook| format!("{hook} is named twice"))
            })
    }
}

/// Returns the bytes of a shard before its data, for `rows` rows, with the checksum of each row of each tensor.
pub(super) fn header(about: &Description, rows: usize, sums: &[Vec<u64>]) -> Vec<u8> {
    let tensors = about.tensors();
    let mut metadata = Map::new();
    metadata.insert("format".to_owned(), json!(FORMAT));
    metadata.insert("version".to_owned(), json!(LAYOUT.to_string()));
    metadata.insert("checksums".to_owned(), json!("XXH3-64 of each row, hex"));
    let mut listed = Map::new();
    let mut begin = 0;
    for (tensor, sums) in tensors.iter().zip(sums) {
        let sums: String = sums.iter().map(|sum| digits(*sum)).collect();
        metadata.insert(tensor.name.clone(), json!(sums));
        let end = begin + rows * tensor.row_bytes();
        let place = json!({
            "dtype": tensor.stored(), "shape": tensor.shape(rows, about.context), "data_offsets": [begin, end],
        });
        listed.insert(tensor.name.clone(), place);
        begin = end;
    }
    let mut all = Map::new();
    all.insert("__metadata__".to_owned(), Value::Object(metadata));
    all.extend(listed);
    let mut text = Value::Object(all).to_string();
    let length = (8 + text.len()).next_multiple_of(ALIGNMENT) - 8;
    text.extend(std::iter::repeat_n(' ', length - text.len()));
    let mut bytes = (length as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

/// Place of a tensor's rows in a shard, and their checksums.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) begin: usize,
    pub(super) sums: Vec<u64>,
}

/// Returns the tensors of a shard of `rows` rows as its header places them; a phrase on how they differ from `about`.
pub(super) fn placed(
    about: &Description,
    rows: usize,
    header: &Header,
) -> Result<Vec<Rows>, String> {
    let tensors = about.tensors();
    if header.places.len() != tensors.len() {
        return Err(format!(
            "it has {} tensors, the manifest asks for {}",
            header.places.len(),
            tensors.len()
        ));
    }
    let place = |tensor: &Kind| {
        let name = &tensor.name;
        let place = header.places.get(name);
        let place = place.ok_or_else(|| format!("tensor `{name}` is missing"))?;
        let want = tensor.shape(rows, about.context);
        let dtype = format!("{:?}", place.dtype);
        if place.shape != want || dtype != tensor.stored() {
            return Err(format!(
                "tensor `{name}` is {:?} in {dtype}, the manifest asks for {want:?} in {}",
                place.shape,
                tensor.stored()
            ));
        }
        let sums = header.metadata.get(name).and_then(|text| sums(text, rows));
        let sums = sums.ok_or_else(|| format!("tensor `{name}` lacks its checksums"))?;
        Ok(Rows {
            begin: place.begin,
            sums,
        })
    };
    tensors.iter().map(place).collect()
}

fn sums(text: &str, rows: usize) -> Option<Vec<u64>> {
    let (digits, rest) = text.as_bytes().as_chunks::<DIGITS>();
    if digits.len() != rows || !rest.is_empty() {
        return None;
    }
    let sum =
        |digits: &[u8; DIGITS]| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
    digits.iter().map(sum).collect()
}
