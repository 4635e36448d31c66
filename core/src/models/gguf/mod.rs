//! GGUF files: header to settings, tensors to HuggingFace names and order, dequantised to f32. The tokenizer inside is built by `tokenizer`.

mod architectures;
mod content;
mod ends;
mod header;
mod keys;
mod kinds;
mod names;
mod pre_tokenizer;
mod tokenizer;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use candle_core::quantized::{GgmlDType, QStorage, QTensor};
use candle_core::{Device, Tensor};
use memmap2::Mmap;

use self::architectures::Architecture;
use self::content::Content;
use self::header::Header;
use self::names::Place;
use super::ends::Ends;
use super::footprint::Form;
use super::settings::Settings;
use super::weights::{Entry, Weights};
use crate::error::{Error, Result};
use crate::kernels::linear::Rows;
use crate::tensor_file::{Float, map, widened};
use crate::text::TextCodec;

/// Most heads; more than any model has.
const MOST_HEADS: usize = 1 << 20;

/// Open GGUF file, mapped.
pub(super) struct Gguf {
    content: Content,
    map: Mmap,
    path: PathBuf,
    architecture: &'static Architecture,
    form: Form,
    heads: usize,
    kv_heads: usize,
}

impl Gguf {
    /// Reads the header of `path`; the weights are to be held as `form`.
    pub(super) fn open(path: &Path, form: Form) -> Result<Self> {
        let map = map(path, "GGUF")?;
        let content = content::read(&map).map_err(|what| {
            Error::input(
                format!(
                    "is not a complete GGUF file ({what}): give a model folder or a whole .gguf file"
                ),
                path,
            )
        })?;
        let header = Header::new(&content, &map, path);
        if let Some(parts) = header.count("split.count")?.filter(|parts| *parts > 1) {
            return Err(Error::Unsupported {
                what: format!("a model in {parts} GGUF files such as {}", path.display()),
                remedy: "merge them with llama.cpp's gguf-split".to_owned(),
            });
        }
        let architecture = Architecture::named(header.text("general.architecture")?, path)?;
        let key = |rest: &str| format!("{}.attention.{rest}", architecture.name);
        let heads = header.needed(&key("head_count"))?;
        let kv_heads = header.count(&key("head_count_kv"))?.unwrap_or(heads);
        if heads == 0 || kv_heads == 0 || heads.max(kv_heads) > MOST_HEADS {
            return Err(Error::input(
                format!("claims {heads} heads and {kv_heads} for keys and values"),
                path,
            ));
        }
        Ok(Self {
            path: path.to_path_buf(),
            architecture,
            form,
            heads,
            kv_heads,
            content,
            map,
        })
    }

    /// Returns the header under the keys of `config.json`.
    pub(super) fn settings(&self) -> Result<Settings> {
        keys::check(self)?;
        let values = (self.architecture.settings)(self)?;
        Ok(Settings::new(values, &self.path))
    }

    /// Form in which the weights are to be held.
    pub(super) fn form(&self) -> Form {
        self.form
    }

    fn name(&self) -> &'static str {
        self.architecture.name
    }

    /// Reads the tokenizer inside, with its special tokens and its BOS rule.
    pub(super) fn codec(&self) -> Result<TextCodec> {
        let header = self.header();
        let (tokenizer, special) = tokenizer::read(&header)?;
        let codec = TextCodec::from_tokenizer(tokenizer, special, &self.path)?;
        Ok(match header.text_if_any("tokenizer.chat_template")? {
            Some(source) => codec.with_chat_template(source, &self.path),
            None => codec,
        })
    }

    /// Returns the bytes of all keys of its tokenizer.
    pub(super) fn tokenizer_bytes(&self) -> Vec<u8> {
        let all = self.content.values.iter();
        let own = all.filter(|(key, _)| key.starts_with("tokenizer."));
        own.flat_map(|(key, value)| {
            let value = match value {
                content::Value::List(list) => self.map[list.bytes.clone()].to_vec(),
                other => format!("{other:?}").into_bytes(),
            };
            key.bytes().chain(value).collect::<Vec<u8>>()
        })
        .collect()
    }

    /// Returns the tokens that end a text.
    pub(super) fn ends(&self) -> Result<Ends> {
        ends::read(&self.header())
    }

    fn header(&self) -> Header<'_> {
        Header::new(&self.content, &self.map, &self.path)
    }

    fn has(&self, name: &str) -> bool {
        self.content.tensors.contains_key(name)
    }

    fn vocab(&self) -> Result<usize> {
        let embed = self.content.tensors.get("token_embd.weight");
        embed
            .and_then(|place| place.shape.first().copied())
            .ok_or_else(|| Error::missing("token_embd.weight", &self.path, crate::models::LACKED))
    }
}

impl Weights for Gguf {
    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        let (stored, place) = names::stored(self.architecture, name)?;
        let mut shape = self.content.tensors.get(&stored)?.shape.clone();
        if place == Place::Transposed {
            shape.reverse();
        }
        Some(shape)
    }

    fn read(&self, name: &str) -> Result<Tensor> {
        let (stored, place) = names::stored(self.architecture, name)
            .ok_or_else(|| Error::missing(name, &self.path, crate::models::LACKED))?;
        let tensor = self.dequantised(&stored)?;
        match place {
            Place::AsStored => Ok(tensor),
            Place::Transposed => Ok(tensor.t()?.contiguous()?),
            Place::Query => self.halves(&tensor, self.heads, &stored),
            Place::Key => self.halves(&tensor, self.kv_heads, &stored),
        }
    }

    fn kept(&self, name: &str) -> Result<Option<Rows>> {
        let found = names::stored(self.architecture, name)
            .and_then(|(stored, order)| Some((self.content.tensors.get(&stored)?, order, stored)));
        let Some((place, order, stored)) = found.filter(|_| self.form == Form::Stored) else {
            return Ok(None);
        };
        let [rows, columns] = place.shape[..] else {
            return Ok(None);
        };
        let bytes = &self.map[place.bytes.clone()];
        let heads = match order {
            Place::AsStored | Place::Transposed => None,
            Place::Query => Some(self.heads),
            Place::Key => Some(self.kv_heads),
        };
        let half = match heads {
            Some(heads) => self.check_halves(rows, heads, &stored)?,
            None => 1,
        };
        // Row `half · j + i` of a head here is row `2 · i + j` there.
        let from = |row: usize| {
            let (head, row) = (row / (2 * half), row % (2 * half));
            head * 2 * half + 2 * (row % half) + row / half
        };
        let dtype = self.readable(place, &stored)?;
        let order = |row| if heads.is_some() { from(row) } else { row };
        Ok(Some(Rows::new(bytes, dtype, (rows, columns), order)?))
    }

    fn file_of(&self, _name: &str) -> &Path {
        &self.path
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.path.clone()]
    }

    fn entries(&self) -> Vec<Entry> {
        let entry = |(name, place): (&String, &content::Place)| Entry {
            name: name.clone(),
            kind: place.kind.name,
            elements: place.elements as u64,
            bytes: place.bytes.len() as u64,
            matrix: place.shape.len() >= 2 && name != "position_embd.weight",
        };
        self.content.tensors.iter().map(entry).collect()
    }

    fn stored(&self, name: &str) -> Result<(Vec<usize>, Cow<'_, [u8]>)> {
        let place = self
            .content
            .tensors
            .get(name)
            .ok_or_else(|| Error::missing(name, &self.path, crate::models::LACKED))?;
        let bytes = &self.map[place.bytes.clone()];
        Ok((place.shape.clone(), Cow::Borrowed(bytes)))
    }

    fn file_bytes(&self) -> u64 {
        self.map.len() as u64
    }
}

impl Gguf {
    /// Reads the tensor under its GGUF name as f32.
    fn dequantised(&self, stored: &str) -> Result<Tensor> {
        let place = self
            .content
            .tensors
            .get(stored)
            .ok_or_else(|| Error::missing(stored, &self.path, crate::models::LACKED))?;
        let dtype = self.readable(place, stored)?;
        let bytes = &self.map[place.bytes.clone()];
        let float = match dtype {
            GgmlDType::F32 => Some(Float::F32),
            GgmlDType::F16 => Some(Float::F16),
            GgmlDType::BF16 => Some(Float::Bf16),
            _ => None,
        };
        if let Some(float) = float {
            let values = widened(bytes, float);
            return Ok(Tensor::from_vec(
                values,
                place.shape.as_slice(),
                &Device::Cpu,
            )?);
        }
        let blocks = QStorage::from_data(Cow::Borrowed(bytes), &Device::Cpu, dtype)?;
        Ok(QTensor::new(blocks, place.shape.as_slice())?.dequantize(&Device::Cpu)?)
    }

    /// Returns the type of a tensor, if it can be read.
    fn readable(&self, place: &content::Place, stored: &str) -> Result<GgmlDType> {
        place.kind.dtype.ok_or_else(|| Error::Unsupported {
            what: format!(
                "the type {} of tensor `{stored}` in {}",
                place.kind.name,
                self.path.display()
            ),
            remedy: "choose a file in F16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1 or Q2_K to Q6_K".to_owned(),
        })
    }

    /// Returns half the rows of a head; an error unless `heads` share `rows` evenly.
    fn check_halves(&self, rows: usize, heads: usize, stored: &str) -> Result<usize> {
        if rows == 0 || !rows.is_multiple_of(2 * heads) {
            return Err(Error::input(
                format!("tensor `{stored}` has {rows} rows, which {heads} heads cannot share"),
                &self.path,
            ));
        }
        Ok(rows / heads / 2)
    }

    /// Reorders rows of a query or key projection from GGUF's order, where the two dimensions of a rotation lie side by side, to the half-split one.
    fn halves(&self, tensor: &Tensor, heads: usize, stored: &str) -> Result<Tensor> {
        let dims = tensor.dims().to_vec();
        let rows = dims.first().copied().unwrap_or(0);
        let half = self.check_halves(rows, heads, stored)?;
        let pairs = tensor.reshape((heads, half, 2, tensor.elem_count() / rows))?;
        Ok(pairs.transpose(1, 2)?.contiguous()?.reshape(dims)?)
    }
}
