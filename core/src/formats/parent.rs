//! Parent of a dictionary of an error, in the dictionary's own SAELens folder.
//!
//! **Files** `cfg.json`, whose metadata hold `error_of`: the `part` (`error`, `linear`, `nonlinear`) and the parent's `name`, `path` (relative to the folder where
//! the two lie below one folder, with `/`) and `fingerprint`; `error_map.safetensors` with `weights [d + 1, d]`, the linear map of `[x, 1]`, for the last two
//! parts. Other libraries open the folder as an SAE of the hook and must be given the part of the error themselves.
//! **Search** the recorded path, then places that the caller knows: the dictionaries of a project, a folder that a person names. Only a parent with the recorded
//! fingerprint is taken.

use std::path::{Component, Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Map, Value, json};

use super::weights::WeightFile;
use super::{open_at, place};
use crate::error::{Error, Key, Notes, Result};
use crate::sae::{ErrorOf, ErrorPart, Sae};
use crate::whole_file;

/// Key of the metadata.
pub(super) const KEY: &str = "error_of";
/// File of the linear map.
pub(super) const MAP: &str = "error_map.safetensors";
const WEIGHTS: &str = "weights";
/// Length of a line of parents, beyond which the files are taken for damaged.
const LONGEST: usize = 8;
/// Digits of a fingerprint in a sentence.
const DIGITS: usize = 12;

/// Parent as a dictionary's files name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    /// Name of the parent.
    pub name: String,
    /// Folder or file of the parent; it may be missing.
    pub path: PathBuf,
    /// Fingerprint of the parent.
    pub fingerprint: String,
    /// Part of the parent's error that the dictionary reads.
    pub part: ErrorPart,
}

impl Parent {
    /// Reads what `cfg.json` in the folder of a dictionary says of its parent.
    fn from_json(value: &Value, folder: &Path) -> Result<Self> {
        let text = |key: &str| {
            value.get(key).and_then(Value::as_str).ok_or_else(|| {
                let what = format!("names no `{key}` of the parent in `{KEY}`: save it again");
                Error::input(what, folder)
            })
        };
        Ok(Self {
            name: text("name")?.to_owned(),
            path: whole_file::identity(&folder.join(text("path")?)),
            fingerprint: text("fingerprint")?.to_owned(),
            part: text("part")?.parse()?,
        })
    }

    /// Describes what the dictionary reads: `the linear error of resid-2`.
    pub fn said(&self) -> String {
        format!("the {} of {}", self.part.said(), self.name)
    }
}

/// Returns the parent that the files of the dictionary at `path` name, without opening either; none for a dictionary of activations.
pub fn parent(path: &Path) -> Result<Option<Parent>> {
    let folder = if path.is_dir() {
        path
    } else {
        path.parent().unwrap_or(path)
    };
    if !folder.join(super::sae_lens::CFG).is_file() {
        return Ok(None);
    }
    let cfg = place::json(&place::within(folder, super::sae_lens::CFG)?)?;
    let named = cfg.get("metadata").and_then(|metadata| metadata.get(KEY));
    named
        .map(|named| Parent::from_json(named, folder))
        .transpose()
}

/// Opens the parent that the metadata of `sae`, read from `folder`, name, if they name one, and has `sae` read its error. `places` are searched after the
/// recorded path; `depth` children lie above.
pub(super) fn attach(
    sae: &mut Sae,
    folder: &Path,
    (places, depth): (&[PathBuf], usize),
    notes: &mut Notes,
) -> Result<()> {
    let Some(value) = sae.provenance.other.remove(KEY) else {
        return Ok(());
    };
    let named = Parent::from_json(&value, folder)?;
    if depth >= LONGEST {
        let what = format!(
            "stands at the end of {LONGEST} dictionaries, each of which reads the error of the next: its files are damaged"
        );
        return Err(Error::input(what, folder));
    }
    let (parent, path) = find(&named, (&sae.name, folder), places, depth)?;
    if path != named.path {
        notes.add(format!(
            "The parent {} is taken from {}",
            named.name,
            path.display()
        ));
    }
    let map = if named.part.needs_map() {
        let file = WeightFile::open(&place::within(folder, MAP)?)?;
        let d = parent.w_dec.columns();
        Some(file.tensors()?.matrix(WEIGHTS, [d + 1, d])?)
    } else {
        None
    };
    let of = ErrorOf::new(parent, named.part, map, path)?;
    if of.parent().width() != sae.width() {
        let what = format!(
            "is {} wide, but its parent {} {}: the files of two dictionaries are mixed",
            sae.width(),
            named.name,
            of.parent().width()
        );
        return Err(Error::input(what, folder));
    }
    notes.add(format!("It reads {}", of.said()));
    sae.read_error(of);
    Ok(())
}

/// Finds the parent of `child` by its fingerprint: at the recorded path, then in `places`, those of its name first.
fn find(
    named: &Parent,
    (child, folder): (&str, &Path),
    places: &[PathBuf],
    depth: usize,
) -> Result<(Sae, PathBuf)> {
    let own = whole_file::identity(folder);
    let is_named = |place: &&PathBuf| super::folder_name(place) == named.name;
    let other_names = places.iter().filter(|place| !is_named(place));
    let all = std::iter::once(&named.path)
        .chain(places.iter().filter(is_named))
        .chain(other_names);
    let (mut another, mut broken) = (None, None);
    for place in all.filter(|place| place.exists()) {
        let place = whole_file::identity(place);
        if place == own {
            continue;
        }
        match open_at(&place, None, (&[], depth + 1)) {
            Ok((parent, _)) => {
                let print = parent.fingerprint();
                if print == named.fingerprint {
                    return Ok((parent, place));
                }
                another.get_or_insert((place, print));
            }
            Err(error) if place == named.path => broken = Some(error),
            Err(_) => {}
        }
    }
    let short = |print: &str| print.chars().take(DIGITS).collect::<String>();
    let reads = format!("{child} reads {}", named.said());
    let what = match (broken, another) {
        (Some(error), _) => format!("{reads}, which cannot be opened ({error})"),
        (None, Some((place, print))) => format!(
            "{reads} with the fingerprint {}, and {} has {}",
            short(&named.fingerprint),
            place.display(),
            short(&print)
        ),
        (None, None) => format!("{reads}, which is not at {}", named.path.display()),
    };
    let remedy = format!("restore it, or name its folder by {}", Key::Parent);
    Err(Error::input(format!("{what}: {remedy}"), folder))
}

/// Returns the entry of the metadata for a dictionary that is saved in `folder`.
pub(super) fn entry(of: &ErrorOf, folder: &Path) -> Value {
    let (folder, parent) = (
        whole_file::identity(folder),
        whole_file::identity(of.path()),
    );
    json!({
        "part": of.part().name(),
        "name": of.parent().name,
        "path": relative(&folder, &parent),
        "fingerprint": of.parent_fingerprint(),
    })
}

/// Returns the bytes of the file of the linear map, for a part that has one.
pub(super) fn map_bytes(of: &ErrorOf, folder: &Path) -> Result<Option<Vec<u8>>> {
    let Some(map) = of.map() else { return Ok(None) };
    let refused = |cause: &dyn std::fmt::Display| {
        let cause = std::io::Error::other(cause.to_string());
        Error::io("cannot write the linear map", folder, cause)
    };
    let bytes: Vec<u8> = (map.values().iter())
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let shape = vec![map.rows(), map.columns()];
    let view = TensorView::new(Dtype::F32, shape, &bytes).map_err(|cause| refused(&cause))?;
    let file = safetensors::serialize([(WEIGHTS, view)], None).map_err(|cause| refused(&cause))?;
    Ok(Some(file))
}

/// Returns `to` as seen from the folder `from`, both absolute, with `/`; `to` itself if they share no folder below the root.
fn relative(from: &Path, to: &Path) -> String {
    let parts = |path: &Path| -> Vec<String> {
        let parts = path.components();
        parts
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect()
    };
    let roots = to
        .components()
        .take_while(|part| matches!(part, Component::Prefix(_) | Component::RootDir))
        .count();
    let (from, parts) = (parts(from), parts(to));
    let shared = from.iter().zip(&parts).take_while(|(a, b)| a == b).count();
    if shared <= roots {
        return to.to_string_lossy().into_owned();
    }
    let up = std::iter::repeat_n("..", from.len() - shared);
    let down = parts[shared..].iter().map(String::as_str);
    let all: Vec<&str> = up.chain(down).collect();
    all.join("/")
}

/// Puts the entry of `sae`, saved in `folder`, into its metadata.
pub(super) fn name_in(metadata: &mut Map<String, Value>, sae: &Sae, folder: &Path) {
    if let Some(of) = &sae.error_of {
        metadata.insert(KEY.to_owned(), entry(of, folder));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dims::Matrix;
    use crate::formats::{self, Precision};
    use crate::ids::{HookPoint, Site};
    use crate::sae::TopK;

    fn table(rows: usize, columns: usize, from: f32) -> Matrix {
        let values = (0..rows * columns).map(|i| from + ((i * 37) % 11) as f32 / 10.0);
        Matrix::new(rows, columns, values.collect()).unwrap()
    }

    fn sae(from: f32) -> Sae {
        let weights = (table(4, 3, from), vec![0.5; 4]);
        Sae::new(
            "",
            weights,
            (table(4, 3, -from), vec![0.25; 3]),
            TopK { k: 2 },
        )
        .reading(HookPoint::block(1, Site::ResidPost))
    }

    /// Saves a parent and a child of it in folders of these names below `root`; returns the child as it was saved.
    fn saved(root: &Path, part: ErrorPart) -> Sae {
        sae(0.1).save(&root.join("saes/parent")).unwrap();
        let (parent, _) = formats::open(&root.join("saes/parent")).unwrap();
        let map = part.needs_map().then(|| table(4, 3, 0.0));
        let mut child = sae(0.7);
        child.read_error(ErrorOf::new(parent, part, map, root.join("saes/parent")).unwrap());
        child.save(&root.join("saes/child")).unwrap();
        child
    }

    #[test]
    fn a_child_is_read_back_with_its_parent_and_map() {
        for part in ErrorPart::ALL {
            let root = tempfile::tempdir().unwrap();
            let mut child = saved(root.path(), part);
            let folder = root.path().join("saes/child");
            let (read, notes) = formats::open(&folder).unwrap();
            child.name = "child".to_owned();
            assert_eq!(read.fingerprint(), child.fingerprint());
            let of = read.error_of.as_ref().unwrap();
            assert_eq!((of.part(), of.parent().name.as_str()), (part, "parent"));
            assert_eq!(of.map(), child.error_of.as_ref().unwrap().map());
            assert_eq!(folder.join(MAP).is_file(), part.needs_map());
            assert!(
                notes.iter().any(|note| note.contains(&of.said())),
                "{notes:?}"
            );
            let named = parent(&folder).unwrap().unwrap();
            assert_eq!((named.part, named.name.as_str()), (part, "parent"));
            assert_eq!(
                named.path,
                whole_file::identity(&root.path().join("saes/parent"))
            );
            let text = std::fs::read_to_string(folder.join("cfg.json")).unwrap();
            assert!(text.contains("\"../parent\""), "{text}");
            assert_eq!(parent(&named.path).unwrap(), None);
            // Read and written again, the files are the same.
            let again = root.path().join("saes/again");
            read.save(&again).unwrap();
            let again = std::fs::read_to_string(again.join("cfg.json")).unwrap();
            assert_eq!(again, text);
        }
    }

    #[test]
    fn a_child_moves_with_its_parent_and_is_refused_without_it() {
        let root = tempfile::tempdir().unwrap();
        saved(root.path(), ErrorPart::Linear);
        let moved = root.path().join("elsewhere");
        std::fs::rename(root.path().join("saes"), &moved).unwrap();
        let child = moved.join("child");
        let (whole, _) = formats::open(&child).unwrap();

        let other = root.path().join("models/old");
        std::fs::create_dir_all(root.path().join("models")).unwrap();
        std::fs::rename(moved.join("parent"), &other).unwrap();
        let said = formats::open(&child).unwrap_err().to_string();
        for part in [
            "child reads the linear error of parent",
            "is not at",
            "setting `parent`",
        ] {
            assert!(said.contains(part), "{said}");
        }
        // Found by its fingerprint among other dictionaries, under another name.
        let stranger = root.path().join("models/parent");
        sae(0.3).save(&stranger).unwrap();
        let places = [stranger.clone(), child.clone(), other];
        let (found, notes) = formats::open_among(&child, None, &places).unwrap();
        assert_eq!(found.fingerprint(), whole.fingerprint());
        assert!(
            notes.iter().any(|note| note.contains("is taken from")),
            "{notes:?}"
        );
        let said = formats::open_among(&child, None, &[stranger])
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("with the fingerprint") && said.contains("has "),
            "{said}"
        );
    }

    #[test]
    fn a_changed_parent_and_damaged_files_are_refused() {
        let root = tempfile::tempdir().unwrap();
        saved(root.path(), ErrorPart::Nonlinear);
        let child = root.path().join("saes/child");
        let said = || formats::open(&child).unwrap_err().to_string();
        std::fs::rename(child.join(MAP), child.join("map")).unwrap();
        assert!(said().contains(MAP));
        std::fs::rename(child.join("map"), child.join(MAP)).unwrap();
        sae(0.2).save(&root.path().join("saes/parent")).unwrap();
        assert!(said().contains("with the fingerprint"));
        std::fs::write(root.path().join("saes/parent/cfg.json"), "{").unwrap();
        assert!(said().contains("cannot be opened"));
        let cfg = std::fs::read_to_string(child.join("cfg.json")).unwrap();
        std::fs::write(child.join("cfg.json"), cfg.replace("nonlinear", "upper")).unwrap();
        assert!(said().contains("no part of an error"));
        // A dictionary that is its own parent has no first one.
        std::fs::write(child.join("cfg.json"), cfg.replace("../parent", ".")).unwrap();
        assert!(said().contains("is not at"));
    }

    #[test]
    fn a_path_is_relative_where_both_lie_below_one_folder() {
        let check = |from: &str, to: &str, want: &str| {
            assert_eq!(relative(Path::new(from), Path::new(to)), want);
        };
        check("/a/b/child", "/a/b/parent", "../parent");
        check("/a/b/child/checkpoint", "/a/parent", "../../../parent");
        check("/a/child", "/x/parent", "/x/parent");
        check("/a/p/child", "/a/p", "..");
    }

    #[test]
    fn other_formats_cannot_hold_a_child() {
        let root = tempfile::tempdir().unwrap();
        let child = saved(root.path(), ErrorPart::Whole);
        for target in [
            formats::Target::Sparsify,
            formats::Target::DictionaryLearning,
        ] {
            let to = root.path().join("out");
            let said = formats::write(std::slice::from_ref(&child), &to, target, Precision::F32);
            let said = said.unwrap_err().to_string();
            assert!(said.contains("the error of parent"), "{said}");
        }
    }
}
