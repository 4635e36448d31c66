//! Checkpoints of PyTorch (`torch.save`, zip or the form before 1.6), read without Python. A machine that knows plain values and tensors interprets the pickle
//! and calls nothing. It rejects any other object by its name.
//!
//! Values live in one arena and refer to each other by number, so neither depth nor sharing nor a value that contains itself costs stack or memory. Every
//! opcode makes at most one value, and the length of a pickle is bounded. Numbers are read from the storages only when requested.

mod calls;
mod machine;
#[cfg(test)]
pub(crate) mod tests;
mod torch;

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use super::array::{Array, Number};
use super::short;

/// Largest pickle in bytes, without tensors; those of dictionaries have thousands.
const LONGEST: usize = 4 << 20;
/// Largest number of values, and depth, that [`Checkpoint::plain`] returns.
const PLAIN: usize = 4096;
const DEPTH: usize = 12;

/// A value of a pickle; larger ones are kept in the arena.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Node(u32),
}

/// A value in the arena.
#[derive(Debug, Clone, PartialEq)]
enum Node {
    Text(String),
    /// Bytes, or a whole number beyond 64 bits.
    Bytes(Vec<u8>),
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    Known(Known),
    Storage {
        number: Number,
        /// Text that names it.
        key: Value,
        count: usize,
    },
    Tensor {
        storage: u32,
        offset: usize,
        shape: Vec<usize>,
        strides: Vec<usize>,
    },
    /// A torch dtype or device, which is ignored.
    Opaque,
}

/// Names that a checkpoint may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    OrderedDict,
    /// `_rebuild_tensor_v2` and its predecessor.
    RebuildTensor,
    RebuildParameter,
    Size,
    Storage(Number),
    Device,
}

/// Values of one pickle.
#[derive(Debug, Default)]
struct Arena {
    nodes: Vec<Node>,
}

impl Arena {
    fn add(&mut self, node: Node) -> Value {
        // A pickle has fewer bytes than u32 has numbers.
        let at = self.nodes.len() as u32;
        self.nodes.push(node);
        Value::Node(at)
    }

    fn node(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(at) => self.nodes.get(at as usize),
            _ => None,
        }
    }

    fn node_mut(&mut self, value: Value) -> Option<&mut Node> {
        match value {
            Value::Node(at) => self.nodes.get_mut(at as usize),
            _ => None,
        }
    }

    fn text(&self, value: Value) -> Option<&str> {
        match self.node(value)? {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    fn tuple(&self, value: Value) -> Option<&[Value]> {
        match self.node(value)? {
            Node::Tuple(items) => Some(items),
            _ => None,
        }
    }
}

/// A whole checkpoint.
#[derive(Debug)]
pub(crate) struct Checkpoint<'a> {
    arena: Arena,
    /// Saved value.
    root: Value,
    storages: BTreeMap<String, &'a [u8]>,
}

impl<'a> Checkpoint<'a> {
    /// Reads a whole file; the error phrase says what is wrong with it.
    pub(crate) fn read(file: &'a [u8]) -> Result<Self, String> {
        torch::read(file)
    }

    /// Returns the saved value.
    pub(crate) fn root(&self) -> Value {
        self.root
    }

    /// Returns the entries of a dict by their text keys; the error phrase says that it is not a dict or that a key is duplicated.
    pub(crate) fn entries(&self, value: Value) -> Result<BTreeMap<&str, Value>, String> {
        let Some(Node::Dict(pairs)) = self.arena.node(value) else {
            return Err("it holds no dict of tensors by name".to_owned());
        };
        let mut entries = BTreeMap::new();
        for (key, value) in pairs {
            if let Some(key) = self.arena.text(*key)
                && entries.insert(key, *value).is_some()
            {
                let key = short(key);
                return Err(format!("it holds `{key}` twice"));
            }
        }
        Ok(entries)
    }

    /// Returns the tensor that `value` is, if it is one; the error phrase says that it lies outside its storage.
    pub(crate) fn tensor(&self, value: Value) -> Option<Result<Array<'a>, String>> {
        let Some(Node::Tensor {
            storage,
            offset,
            shape,
            strides,
        }) = self.arena.node(value)
        else {
            return None;
        };
        Some(self.array(*storage, *offset, shape, strides))
    }

    fn array(
        &self,
        storage: u32,
        offset: usize,
        shape: &[usize],
        strides: &[usize],
    ) -> Result<Array<'a>, String> {
        let Some(Node::Storage { number, key, count }) = self.arena.node(Value::Node(storage))
        else {
            return Err("has no storage".to_owned());
        };
        let key = self.arena.text(*key).unwrap_or_default();
        let bytes = self.storages.get(key).ok_or_else(|| {
            format!(
                "has its numbers in storage `{}`, which is missing",
                short(key)
            )
        })?;
        let used = count
            .checked_mul(number.bytes())
            .and_then(|length| bytes.get(..length))
            .ok_or_else(|| {
                format!(
                    "has its numbers in storage `{}`, which should hold {count} {number:?} and has {} bytes",
                    short(key),
                    bytes.len()
                )
            })?;
        Array::strided(*number, (shape.to_vec(), strides.to_vec()), offset, used)
    }

    /// Returns a plain value as JSON. A tensor of one number becomes that number; other tensors and values without a JSON form become null. Large or deep
    /// values are cut off.
    pub(crate) fn plain(&self, value: Value) -> Json {
        let mut left = PLAIN;
        self.plain_within(value, DEPTH, &mut left)
    }

    fn plain_within(&self, value: Value, depth: usize, left: &mut usize) -> Json {
        let Some(rest) = left.checked_sub(1).filter(|_| depth > 0) else {
            return Json::Null;
        };
        *left = rest;
        let node = match value {
            Value::None => return Json::Null,
            Value::Bool(bool) => return json!(bool),
            Value::Int(int) => return json!(int),
            Value::Float(float) => return json!(float),
            Value::Node(_) => self.arena.node(value),
        };
        match node {
            Some(Node::Text(text)) => {
                *left = left.saturating_sub(text.len() / 64);
                json!(text.chars().take(PLAIN).collect::<String>())
            }
            Some(Node::List(items) | Node::Tuple(items)) => {
                let items = items.iter().take(*left);
                let items: Vec<_> = items.copied().collect();
                let mut plain = Vec::new();
                for item in items {
                    plain.push(self.plain_within(item, depth - 1, left));
                }
                Json::Array(plain)
            }
            Some(Node::Dict(pairs)) => {
                let mut plain = Map::new();
                for (key, value) in pairs.iter().take(*left) {
                    if let Some(key) = self.arena.text(*key).filter(|key| key.len() <= PLAIN) {
                        let value = self.plain_within(*value, depth - 1, left);
                        plain.insert(key.to_owned(), value);
                    }
                }
                Json::Object(plain)
            }
            Some(Node::Tensor { .. }) => match self.tensor(value) {
                Some(Ok(array)) => array.scalar().map_or(Json::Null, |number| json!(number)),
                _ => Json::Null,
            },
            _ => Json::Null,
        }
    }
}
