//! The two containers of `torch.save`: a zip archive of `NAME/data.pkl` and `NAME/data/KEY`, and before PyTorch 1.6 five pickles followed by the storages.

use std::collections::BTreeMap;

use super::super::short;
use super::super::zip::Archive;
use super::{Arena, Checkpoint, Node, Value, machine};

/// Content of the first pickle of an older file, little-endian.
const MAGIC: &[u8] = b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
/// Content of the second pickle of an older file.
const VERSION: i64 = 1001;

pub(super) fn read(file: &[u8]) -> Result<Checkpoint<'_>, String> {
    if Archive::detect(file) {
        zipped(file)
    } else {
        legacy(file)
    }
}

fn zipped(file: &[u8]) -> Result<Checkpoint<'_>, String> {
    let archive = Archive::read(file)?;
    let mut pickles = archive.names().filter(|name| {
        *name == "data.pkl"
            || name
                .strip_suffix("/data.pkl")
                .is_some_and(|folder| !folder.contains('/'))
    });
    let (Some(pickle), None) = (pickles.next(), pickles.next()) else {
        return Err(
            "it is not a checkpoint of torch.save, it has no data.pkl or several".to_owned(),
        );
    };
    let folder = pickle.strip_suffix("data.pkl").unwrap_or_default();
    let order = format!("{folder}byteorder");
    if archive.names().any(|name| name == order) && archive.stored(&order)? != b"little" {
        return Err("it was saved big-endian, save it again on another machine".to_owned());
    }
    let mut arena = Arena::default();
    let (root, _length) = machine::run(&archive.bytes(pickle)?, &mut arena)?;
    let within = format!("{folder}data/");
    let mut storages = BTreeMap::new();
    for name in archive.names() {
        if let Some(key) = name.strip_prefix(&within) {
            storages.insert(key.to_owned(), archive.stored(name)?);
        }
    }
    Ok(Checkpoint {
        arena,
        root,
        storages,
    })
}

fn legacy(file: &[u8]) -> Result<Checkpoint<'_>, String> {
    let none = || "it is not a checkpoint of torch.save".to_owned();
    let mut arena = Arena::default();
    let mut rest = file;
    let mut next = |arena: &mut Arena| -> Result<Value, String> {
        let (value, length) = machine::run(rest, arena)?;
        rest = &rest[length..];
        Ok(value)
    };
    let magic = next(&mut arena).map_err(|_other| none())?;
    let is_magic = matches!(arena.node(magic), Some(Node::Bytes(bytes)) if bytes == MAGIC);
    if !is_magic || next(&mut arena)? != Value::Int(VERSION) {
        return Err(none());
    }
    let _system = next(&mut arena)?;
    let root = next(&mut arena)?;
    let keys = next(&mut arena)?;
    let mut sizes = BTreeMap::new();
    for node in &arena.nodes {
        if let Node::Storage { number, key, .. } = node
            && let Some(key) = arena.text(*key)
        {
            sizes.insert(key, number.bytes());
        }
    }
    let Some(Node::List(keys)) = arena.node(keys) else {
        return Err("it does not list its storages".to_owned());
    };
    let mut storages = BTreeMap::new();
    for key in keys {
        let key = arena.text(*key).ok_or_else(none)?;
        let cut = || format!("its storage `{}` is cut off", short(key));
        let size = *sizes.get(key).ok_or_else(cut)?;
        let (count, behind) = rest.split_first_chunk().ok_or_else(cut)?;
        let length = usize::try_from(u64::from_le_bytes(*count))
            .ok()
            .and_then(|count| count.checked_mul(size))
            .filter(|length| *length <= behind.len())
            .ok_or_else(cut)?;
        let (bytes, behind) = behind.split_at(length);
        storages.insert(key.to_owned(), bytes);
        rest = behind;
    }
    Ok(Checkpoint {
        arena,
        root,
        storages,
    })
}
