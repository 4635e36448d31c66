//! Head of a GGUF file: keys with values, and the place of each tensor. Every length and count is checked against the bytes that are left before
//! it is used to allocate; lists stay in the file.

use std::collections::BTreeMap;
use std::ops::Range;

use super::kinds::{self, Kind};
use crate::tensor_file::short;

const MAGIC: [u8; 4] = *b"GGUF";
/// Alignment of tensors in bytes, unless the file says otherwise.
const ALIGNMENT: u64 = 32;
/// Most dimensions of a tensor: ggml's GGML_MAX_DIMS.
const DIMENSIONS: u32 = 4;
/// Deepest nesting of lists; no file needs more.
const DEPTH: usize = 4;

/// Contents of a head.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Content {
    /// Keys and values.
    pub(super) values: BTreeMap<String, Value>,
    /// Tensors by name.
    pub(super) tensors: BTreeMap<String, Place>,
    /// Whether lengths of texts take four bytes (version 1).
    pub(super) short: bool,
}

/// Value of a key; every number as f64.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Number(f64),
    Flag(bool),
    Text(String),
    List(List),
}

/// List as it lies in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct List {
    /// Type of its entries.
    pub(super) of: Scalar,
    /// Number of entries.
    pub(super) count: usize,
    /// Bytes from the first entry to the last.
    pub(super) bytes: Range<usize>,
}

/// Place of a tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    /// Its type.
    pub(super) kind: &'static Kind,
    /// Slowest dimension first.
    pub(super) shape: Vec<usize>,
    /// Product of the dimensions.
    pub(super) elements: usize,
    /// Range of bytes in the file.
    pub(super) bytes: Range<usize>,
}

/// Types of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Flag,
    Text,
    List,
    U64,
    I64,
    F64,
}

impl Scalar {
    fn from_id(id: u32) -> Option<Self> {
        use Scalar::{F32, F64, Flag, I8, I16, I32, I64, List, Text, U8, U16, U32, U64};
        let all = [
            U8, I8, U16, I16, U32, I32, F32, Flag, Text, List, U64, I64, F64,
        ];
        all.get(usize::try_from(id).ok()?).copied()
    }

    /// Number of bytes of a value; of text and lists the least.
    fn bytes(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Flag => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 | Self::Text => 4,
            Self::U64 | Self::I64 | Self::F64 | Self::List => 8,
        }
    }
}

/// Reads the head of `file`; the error is a phrase about what is wrong with it.
pub(super) fn read(file: &[u8]) -> Result<Content, String> {
    let mut cursor = Cursor::begin(file)?;
    let tensors = cursor.length("the number of tensors")?;
    let values = cursor.length("the number of keys")?;
    let least = u128::from(tensors) * 24 + u128::from(values) * 9;
    if least > cursor.left() as u128 {
        return Err(format!(
            "it claims {tensors} tensors and {values} keys, {} bytes follow",
            cursor.left()
        ));
    }
    let mut content = Content {
        short: cursor.short,
        ..Content::default()
    };
    for _ in 0..values {
        let key = cursor.text("a key")?;
        let value = cursor.value(&key)?;
        if content.values.insert(key.clone(), value).is_some() {
            return Err(format!("the key `{}` occurs twice", short(&key)));
        }
    }
    let alignment = alignment(&content)?;
    let mut claims = Vec::new();
    for _ in 0..tensors {
        claims.push(Claim::read(&mut cursor)?);
    }
    let data = (cursor.at as u64)
        .checked_next_multiple_of(alignment)
        .ok_or_else(|| format!("its alignment is {alignment}"))?;
    for claim in claims {
        let name = claim.name.clone();
        let place = claim
            .place(data, alignment, file.len())
            .map_err(|what| format!("tensor `{}` {what}", short(&name)))?;
        if content.tensors.insert(name.clone(), place).is_some() {
            return Err(format!("tensor `{}` is listed twice", short(&name)));
        }
    }
    apart(&content.tensors)?;
    Ok(content)
}

fn alignment(content: &Content) -> Result<u64, String> {
    match content.values.get("general.alignment") {
        None => Ok(ALIGNMENT),
        Some(Value::Number(n))
            if (8.0..=65536.0).contains(n) && n.fract() == 0.0 && (*n as u64).is_power_of_two() =>
        {
            Ok(*n as u64)
        }
        Some(_) => Err("its `general.alignment` is not a power of two from 8 to 65536".to_owned()),
    }
}

/// Whether no two tensors share bytes.
fn apart(tensors: &BTreeMap<String, Place>) -> Result<(), String> {
    let mut order: Vec<_> = tensors
        .iter()
        .filter(|(_, place)| !place.bytes.is_empty())
        .collect();
    order.sort_by_key(|(_, place)| place.bytes.start);
    let shared = order
        .windows(2)
        .find(|pair| pair[0].1.bytes.end > pair[1].1.bytes.start);
    match shared {
        Some(pair) => Err(format!(
            "tensors `{}` and `{}` lie over each other",
            short(pair[0].0),
            short(pair[1].0)
        )),
        None => Ok(()),
    }
}

/// Tensor as listed, unchecked.
struct Claim {
    name: String,
    shape: Vec<u64>,
    kind: u32,
    offset: u64,
}

impl Claim {
    fn read(cursor: &mut Cursor<'_>) -> Result<Self, String> {
        let name = cursor.text("a tensor's name")?;
        let dimensions = cursor.u32(&name)?;
        if dimensions > DIMENSIONS {
            return Err(format!(
                "tensor `{}` has {dimensions} dimensions, {DIMENSIONS} are allowed",
                short(&name)
            ));
        }
        let mut shape = (0..dimensions)
            .map(|_| cursor.length(&name))
            .collect::<Result<Vec<_>, _>>()?;
        shape.reverse();
        Ok(Self {
            shape,
            kind: cursor.u32(&name)?,
            offset: cursor.u64(&name)?,
            name,
        })
    }

    fn place(self, data: u64, alignment: u64, file: usize) -> Result<Place, String> {
        let kind = kinds::from_id(self.kind)
            .ok_or_else(|| format!("is of type {}, which does not exist", self.kind))?;
        let impossible = || format!("has the impossible shape {:?}", self.shape);
        let shape = self
            .shape
            .iter()
            .map(|n| usize::try_from(*n).ok())
            .collect::<Option<Vec<_>>>()
            .ok_or_else(impossible)?;
        let elements = shape
            .iter()
            .try_fold(1_usize, |n, dim| n.checked_mul(*dim))
            .ok_or_else(impossible)?;
        if !shape.last().unwrap_or(&1).is_multiple_of(kind.block) {
            return Err(format!(
                "of shape {shape:?} in {} has rows of broken blocks, a block is {}",
                kind.name, kind.block
            ));
        }
        let size = (elements / kind.block)
            .checked_mul(kind.bytes)
            .ok_or_else(impossible)?;
        if !self.offset.is_multiple_of(alignment) {
            return Err(format!(
                "begins at byte {}, which is not a multiple of {alignment}",
                self.offset
            ));
        }
        let begin = data
            .checked_add(self.offset)
            .and_then(|at| usize::try_from(at).ok());
        let end = begin
            .and_then(|begin| begin.checked_add(size))
            .filter(|end| *end <= file);
        let (Some(begin), Some(end)) = (begin, end) else {
            return Err(format!(
                "of {size} bytes begins at byte {} of the data, which has {}",
                self.offset,
                (file as u64).saturating_sub(data)
            ));
        };
        Ok(Place {
            kind,
            shape,
            elements,
            bytes: begin..end,
        })
    }
}

/// Reader at a place in the file.
pub(super) struct Cursor<'a> {
    file: &'a [u8],
    at: usize,
    /// Whether lengths take four bytes (version 1).
    short: bool,
}

impl<'a> Cursor<'a> {
    /// Starts after magic number and version.
    fn begin(file: &'a [u8]) -> Result<Self, String> {
        let mut cursor = Self {
            file,
            at: 0,
            short: false,
        };
        if cursor.take(4, "the mark GGUF")? != MAGIC {
            return Err("it does not begin with GGUF".to_owned());
        }
        let version = cursor.u32("the version")?;
        match version {
            1 => cursor.short = true,
            2 | 3 => {}
            _ if version.swap_bytes() <= 3 => {
                return Err("it is written for big-endian machines".to_owned());
            }
            _ => return Err(format!("its version is {version}, 1 to 3 are known")),
        }
        Ok(cursor)
    }

    /// Starts among the entries of a list; lengths of texts take four bytes if `short`.
    pub(super) fn at(file: &'a [u8], at: usize, short: bool) -> Self {
        Self { file, at, short }
    }

    fn left(&self) -> usize {
        self.file.len() - self.at
    }

    fn take(&mut self, bytes: u64, of: &str) -> Result<&'a [u8], String> {
        let whole = usize::try_from(bytes)
            .ok()
            .filter(|bytes| *bytes <= self.left())
            .ok_or_else(|| {
                format!(
                    "it ends within `{}`, which needs {bytes} bytes where {} follow",
                    short(of),
                    self.left()
                )
            })?;
        let taken = &self.file[self.at..self.at + whole];
        self.at += whole;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, of: &str) -> Result<[u8; N], String> {
        let taken = self.take(N as u64, of)?;
        Ok(*taken.first_chunk().expect("N bytes were taken"))
    }

    fn u32(&mut self, of: &str) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array(of)?))
    }

    fn u64(&mut self, of: &str) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array(of)?))
    }

    fn length(&mut self, of: &str) -> Result<u64, String> {
        if self.short {
            Ok(u64::from(self.u32(of)?))
        } else {
            self.u64(of)
        }
    }

    /// Reads the bytes of a text, without the zeros that some writers append.
    pub(super) fn bytes(&mut self, of: &str) -> Result<&'a [u8], String> {
        let length = self.length(of)?;
        let mut bytes = self.take(length, of)?;
        while let [before @ .., 0] = bytes {
            bytes = before;
        }
        Ok(bytes)
    }

    fn text(&mut self, of: &str) -> Result<String, String> {
        Ok(String::from_utf8_lossy(self.bytes(of)?).into_owned())
    }

    fn kind(&mut self, of: &str) -> Result<Scalar, String> {
        let id = self.u32(of)?;
        Scalar::from_id(id).ok_or_else(|| format!("the value of `{}` is of type {id}", short(of)))
    }

    fn value(&mut self, key: &str) -> Result<Value, String> {
        let kind = self.kind(key)?;
        Ok(match kind {
            Scalar::Text => Value::Text(self.text(key)?),
            Scalar::List => Value::List(self.list(key, 1)?),
            Scalar::Flag => Value::Flag(self.array::<1>(key)?[0] != 0),
            number => Value::Number(self.number(number, key)?),
        })
    }

    /// Reads one number of that type.
    pub(super) fn number(&mut self, kind: Scalar, of: &str) -> Result<f64, String> {
        Ok(match kind {
            Scalar::U8 => f64::from(self.array::<1>(of)?[0]),
            Scalar::I8 => f64::from(i8::from_le_bytes(self.array(of)?)),
            Scalar::U16 => f64::from(u16::from_le_bytes(self.array(of)?)),
            Scalar::I16 => f64::from(i16::from_le_bytes(self.array(of)?)),
            Scalar::U32 => f64::from(self.u32(of)?),
            Scalar::I32 => f64::from(i32::from_le_bytes(self.array(of)?)),
            Scalar::U64 => self.u64(of)? as f64,
            Scalar::I64 => i64::from_le_bytes(self.array(of)?) as f64,
            Scalar::F32 => decimal(f32::from_le_bytes(self.array(of)?)),
            Scalar::F64 => f64::from_le_bytes(self.array(of)?),
            Scalar::Flag | Scalar::Text | Scalar::List => {
                return Err(format!("`{}` is no number", short(of)));
            }
        })
    }

    /// Walks over a list and returns its place.
    fn list(&mut self, key: &str, depth: usize) -> Result<List, String> {
        let of = self.kind(key)?;
        let count = self.length(key)?;
        let least = u128::from(count) * u128::from(of.bytes());
        if least > self.left() as u128 {
            return Err(format!(
                "the list `{}` claims {count} entries, {} bytes follow",
                short(key),
                self.left()
            ));
        }
        let begin = self.at;
        match of {
            Scalar::Text => {
                for _ in 0..count {
                    self.bytes(key)?;
                }
            }
            Scalar::List if depth == DEPTH => {
                return Err(format!(
                    "the list `{}` holds lists more than {DEPTH} deep",
                    short(key)
                ));
            }
            Scalar::List => {
                for _ in 0..count {
                    self.list(key, depth + 1)?;
                }
            }
            _ => {
                self.take(count * of.bytes(), key)?;
            }
        }
        Ok(List {
            of,
            count: count as usize,
            bytes: begin..self.at,
        })
    }
}

/// Converts by the shortest decimal form, which is what the writer meant (1e-5, not 9.99999974e-6).
fn decimal(number: f32) -> f64 {
    number
        .to_string()
        .parse()
        .unwrap_or_else(|_| f64::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_line_breaks_is_told_on_one_line() {
        let mut file = b"GGUF\x03\0\0\0".to_vec();
        for count in [0_u64, 1] {
            file.extend_from_slice(&count.to_le_bytes());
        }
        let key = b"first\nsecond\r\0";
        file.extend_from_slice(&(key.len() as u64).to_le_bytes());
        file.extend_from_slice(key);
        // No type has this number.
        file.extend_from_slice(&99_u32.to_le_bytes());
        file.extend_from_slice(&[0; 64]);
        let said = read(&file).unwrap_err();
        assert_eq!(said, "the value of `firstsecond` is of type 99");
    }
}
