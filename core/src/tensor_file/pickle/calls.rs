//! The few objects that a checkpoint may name, and their meaning here. Nothing is called: a tensor is a place of numbers.

use super::super::array::Number;
use super::{Arena, Known, Node, Value};

/// Largest number of dimensions of a tensor.
const DIMENSIONS: usize = 8;

/// Returns the object of that name, or the sentence that rejects it.
pub(super) fn known(module: &str, name: &str) -> Result<Node, String> {
    let known = match (module, name) {
        ("collections", "OrderedDict") => Known::OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Known::RebuildTensor,
        ("torch._utils", "_rebuild_parameter") => Known::RebuildParameter,
        ("torch", "Size") => Known::Size,
        ("torch", "device") => Known::Device,
        ("torch" | "torch.cuda", storage) if storage.ends_with("Storage") => {
            Known::Storage(number(storage).ok_or_else(|| refused(module, name))?)
        }
        (
            "torch",
            "float32" | "float16" | "bfloat16" | "float64" | "int8" | "int16" | "int32" | "int64"
            | "uint8" | "bool" | "strided",
        ) => return Ok(Node::Opaque),
        _ => return Err(refused(module, name)),
    };
    Ok(Node::Known(known))
}

fn refused(module: &str, name: &str) -> String {
    let full: String = format!("{module}.{name}")
        .chars()
        .filter(|c| !c.is_control())
        .take(80)
        .collect();
    format!(
        "it calls Python's `{full}`, which weights do not need: do not open it in Python either, get it as safetensors"
    )
}

fn number(storage: &str) -> Option<Number> {
    Some(match storage {
        "DoubleStorage" => Number::F64,
        "FloatStorage" => Number::F32,
        "HalfStorage" => Number::F16,
        "BFloat16Storage" => Number::Bf16,
        "LongStorage" => Number::I64,
        "IntStorage" => Number::I32,
        "ShortStorage" => Number::I16,
        "CharStorage" => Number::I8,
        "ByteStorage" => Number::U8,
        "BoolStorage" => Number::Bool,
        _ => return None,
    })
}

/// Returns the storage that a persistent id names: `("storage", type, key, device, count)`, in older files followed by a view.
pub(super) fn storage(arena: &mut Arena, named: Value) -> Result<Value, String> {
    let wrong = || "its pickle names a storage in an unknown way".to_owned();
    let (tag, kind, key, count) = match arena.tuple(named) {
        Some([tag, kind, key, _device, count] | [tag, kind, key, _device, count, Value::None]) => {
            (*tag, *kind, *key, *count)
        }
        _ => return Err(wrong()),
    };
    let number = match arena.node(kind) {
        Some(Node::Known(Known::Storage(number))) => *number,
        _ => return Err(wrong()),
    };
    let count = match count {
        Value::Int(count) => usize::try_from(count).ok(),
        _ => None,
    };
    match (arena.text(tag), arena.text(key), count) {
        (Some("storage"), Some(_), Some(count)) => {
            Ok(arena.add(Node::Storage { number, key, count }))
        }
        _ => Err(wrong()),
    }
}

/// Returns the result of calling `function` with the tuple `arguments`.
pub(super) fn call(arena: &mut Arena, function: Value, arguments: Value) -> Result<Value, String> {
    let Some(Node::Known(known)) = arena.node(function) else {
        return Err("its pickle calls something that is not a function".to_owned());
    };
    let known = *known;
    let wrong = || format!("its pickle calls {known:?} with unknown arguments");
    let arguments = arena.tuple(arguments).ok_or_else(wrong)?;
    match (known, arguments) {
        (Known::OrderedDict, []) => Ok(arena.add(Node::Dict(Vec::new()))),
        (Known::Device, _) => Ok(arena.add(Node::Opaque)),
        // Its one argument is the tuple itself here.
        (Known::Size, [sizes]) => Ok(*sizes),
        (Known::RebuildParameter, [tensor, ..]) => {
            let tensor = *tensor;
            match arena.node(tensor) {
                Some(Node::Tensor { .. }) => Ok(tensor),
                _ => Err(wrong()),
            }
        }
        (Known::RebuildTensor, [storage, offset, shape, strides, ..]) => {
            let (Value::Node(storage), Value::Int(offset)) = (*storage, *offset) else {
                return Err(wrong());
            };
            if !matches!(arena.node(Value::Node(storage)), Some(Node::Storage { .. })) {
                return Err(wrong());
            }
            let (shape, strides) = (sizes(arena, *shape), sizes(arena, *strides));
            let (Some(shape), Some(strides), Ok(offset)) =
                (shape, strides, usize::try_from(offset))
            else {
                return Err("its pickle has a tensor of an impossible shape".to_owned());
            };
            Ok(arena.add(Node::Tensor {
                storage,
                offset,
                shape,
                strides,
            }))
        }
        _ => Err(wrong()),
    }
}

fn sizes(arena: &Arena, value: Value) -> Option<Vec<usize>> {
    let (Node::Tuple(items) | Node::List(items)) = arena.node(value)? else {
        return None;
    };
    if items.len() > DIMENSIONS {
        return None;
    }
    let size = |item: &Value| match item {
        Value::Int(size) => usize::try_from(*size).ok(),
        _ => None,
    };
    items.iter().map(size).collect()
}

/// Handles attributes set on a value; those of a state dict (`_metadata`) and of a tensor have no meaning here.
pub(super) fn state_of(arena: &Arena, value: Value) -> Result<(), String> {
    match arena.node(value) {
        Some(Node::Dict(_) | Node::Tensor { .. }) => Ok(()),
        _ => Err("its pickle sets attributes on a value that has none".to_owned()),
    }
}
