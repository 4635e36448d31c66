//! Header of a safetensors file. Every number in it is checked against the file's length before anything is read or allocated by it.

use std::collections::BTreeMap;
use std::fmt;

use ::safetensors::Dtype;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::short;

/// Largest header in bytes, as the format allows.
const LONGEST: usize = 100_000_000;
/// Largest number of dimensions; no model's tensor has more.
const DIMENSIONS: usize = 8;
/// Bytes before the header that hold its length.
const LENGTH: usize = 8;

/// One tensor: type, shape, and the place of its bytes, counted from the file's first byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) elements: usize,
    pub(crate) begin: usize,
    pub(crate) end: usize,
}

/// Content of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    /// Tensors by name.
    pub(crate) places: BTreeMap<String, Place>,
    /// `__metadata__`; entries that are not text are skipped.
    pub(crate) metadata: BTreeMap<String, String>,
    /// Start of the data, counted from the file's first byte.
    pub(crate) data: usize,
}

/// Reads the header of a whole file; the error phrase says what is wrong with it.
pub(crate) fn read(file: &[u8]) -> Result<Header, String> {
    let (length, rest) = file
        .split_first_chunk::<LENGTH>()
        .ok_or_else(|| format!("it is {} bytes long", file.len()))?;
    let length = u64::from_le_bytes(*length);
    let header = usize::try_from(length)
        .ok()
        .filter(|length| *length <= LONGEST)
        .and_then(|length| rest.get(..length))
        .ok_or_else(|| {
            format!(
                "its header claims {length} bytes, {} follow and {LONGEST} are allowed",
                rest.len()
            )
        })?;
    let listed: Listed =
        serde_json::from_slice(header).map_err(|e| format!("its header: {}", first_line(&e)))?;
    let data = LENGTH + header.len();
    let mut places = BTreeMap::new();
    for (name, stored) in listed.entries {
        let place = stored
            .place(data, file.len())
            .map_err(|what| format!("tensor `{}` {what}", short(&name)))?;
        if places.contains_key(&name) {
            return Err(format!("tensor `{}` is listed twice", short(&name)));
        }
        places.insert(name, place);
    }
    without_gaps(&places, data, file.len())?;
    Ok(Header {
        places,
        metadata: listed.metadata,
        data,
    })
}

/// Checks that each byte of the data belongs to one tensor, which shorter, longer or spliced files break.
fn without_gaps(places: &BTreeMap<String, Place>, data: usize, end: usize) -> Result<(), String> {
    let mut order: Vec<_> = places.iter().collect();
    order.sort_by_key(|(_, place)| (place.begin, place.end));
    let mut free = data;
    for (name, place) in order {
        if place.begin != free {
            return Err(format!(
                "tensor `{}` begins at byte {}, the one before it ends at {free}",
                short(name),
                place.begin
            ));
        }
        free = place.end;
    }
    if free == end {
        Ok(())
    } else {
        Err(format!(
            "its tensors end at byte {free}, the file has {end}"
        ))
    }
}

fn first_line(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(300)
        .collect()
}

/// Entries of the header in order, duplicate names included.
struct Listed {
    entries: Vec<(String, Stored)>,
    metadata: BTreeMap<String, String>,
}

/// One unchecked entry.
#[derive(Deserialize)]
struct Stored {
    dtype: Dtype,
    shape: Dims,
    data_offsets: [u64; 2],
}

impl Stored {
    fn place(self, data: usize, file: usize) -> Result<Place, String> {
        let Dims(dims) = self.shape;
        let shape = dims
            .iter()
            .map(|n| usize::try_from(*n).ok())
            .collect::<Option<Vec<_>>>();
        let elements = shape
            .as_ref()
            .and_then(|shape| shape.iter().try_fold(1_usize, |n, dim| n.checked_mul(*dim)));
        let bits = elements.and_then(|n| n.checked_mul(self.dtype.bitsize()));
        let (Some(shape), Some(elements), Some(bits)) = (shape, elements, bits) else {
            return Err(format!("has the impossible shape {dims:?}"));
        };
        let [begin, end] = self.data_offsets;
        let inside = |offset: u64| {
            let at = usize::try_from(offset).ok()?.checked_add(data)?;
            (at <= file).then_some(at)
        };
        let (Some(begin), Some(end)) = (inside(begin), inside(end)) else {
            return Err(format!(
                "lies at bytes {begin} to {end} of the data, which has {}",
                file - data
            ));
        };
        if !bits.is_multiple_of(8) || end.checked_sub(begin) != Some(bits / 8) {
            return Err(format!(
                "of shape {shape:?} in {:?} takes {} bytes, its offsets leave {}",
                self.dtype,
                bits.div_ceil(8),
                end as i128 - begin as i128
            ));
        }
        Ok(Place {
            dtype: self.dtype,
            shape,
            elements,
            begin,
            end,
        })
    }
}

impl<'de> Deserialize<'de> for Listed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries)
    }
}

struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = Listed;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tensors by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Listed, A::Error> {
        let mut entries = Vec::new();
        let mut metadata = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == "__metadata__" {
                if let Metadata::Entries(entries) = map.next_value()? {
                    metadata = entries.into_iter().filter_map(Entry::text).collect();
                }
                continue;
            }
            let stored = map
                .next_value()
                .map_err(|e| de::Error::custom(format!("tensor `{}`: {e}", short(&name))))?;
            entries.push((name, stored));
        }
        Ok(Listed { entries, metadata })
    }
}

/// `__metadata__`, which should map names to text and sometimes does not.
#[derive(Deserialize)]
#[serde(untagged)]
enum Metadata {
    Entries(BTreeMap<String, Entry>),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Text(String),
    Other(IgnoredAny),
}

impl Entry {
    fn text((name, entry): (String, Self)) -> Option<(String, String)> {
        match entry {
            Self::Text(text) => Some((name, text)),
            Self::Other(_) => None,
        }
    }
}

/// A shape, rejected while it is read if it has too many dimensions.
struct Dims(Vec<u64>);

impl<'de> Deserialize<'de> for Dims {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Shape)
    }
}

struct Shape;

impl<'de> Visitor<'de> for Shape {
    type Value = Dims;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a shape of whole numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut dims: A) -> Result<Dims, A::Error> {
        let mut shape = Vec::new();
        while let Some(dim) = dims.next_element()? {
            if shape.len() == DIMENSIONS {
                return Err(de::Error::custom(format!(
                    "more than {DIMENSIONS} dimensions"
                )));
            }
            shape.push(dim);
        }
        Ok(Dims(shape))
    }
}
