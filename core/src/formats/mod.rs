//! SAEs in and out of files. The only place that knows other libraries' names and orientation.

mod claims;
mod sae_lens;
mod write;

use std::path::Path;

use crate::dims::Matrix;
use crate::error::{Error, Notes, Result};
use crate::models::{Model, Processing};
use crate::sae::{Provenance, Sae, Whitening};
use crate::tensor_file::{self, Float, header};

pub use self::claims::{Claim, Claimed, claims};
pub use self::write::{Target, write};

/// How weights are stored; `cfg.json` says `float32` either way, since readers compute in what it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 4 bytes an entry.
    #[default]
    F32,
    /// 2 bytes an entry.
    F16,
}

impl Precision {
    pub(crate) const fn float(self) -> Float {
        match self {
            Self::F32 => Float::F32,
            Self::F16 => Float::F16,
        }
    }
}

/// Reads a dictionary folder; the notes say what was decided.
pub fn open(path: &Path) -> Result<(Sae, Notes)> {
    if !path.exists() {
        return Err(Error::input("no such dictionary folder", path));
    }
    let (sae, notes) = if sae_lens::detect(path) {
        sae_lens::read(path)?
    } else {
        let what =
            "no dictionary here, name a SAELens folder with cfg.json and sae_weights.safetensors";
        return Err(Error::input(what, path));
    };
    Ok((sae, notes))
}

/// Writes a SAELens folder (`cfg.json`, `sae_weights.safetensors`), whole or not at all.
pub fn save(sae: &Sae, folder: &Path, precision: Precision) -> Result<()> {
    sae_lens::write(sae, folder, precision)
}

/// How the model was processed that `sae` was trained on, if its file says so.
pub fn processing(sae: &Sae) -> Option<Processing> {
    sae_lens::kwargs::processing(&sae.provenance).map(|named| named.processing)
}

/// Notes in `provenance` how the model is processed, where SAELens looks for it.
pub fn name_processing(provenance: &mut Provenance, processing: Processing) {
    sae_lens::kwargs::write(provenance, processing);
}

/// An error unless `sae` names a hook that `model` has, of the dictionary's width.
pub fn check_fit(sae: &Sae, model: &Model) -> Result<()> {
    sae.hook()?;
    check_hooks(sae, model)
}

/// The same for a dictionary or a transcoder: both of its hooks.
pub fn check_hooks(sae: &Sae, model: &Model) -> Result<()> {
    let ends = [
        (sae.reads()?, sae.width(), "reads"),
        (sae.writes()?, sae.w_dec.columns(), "writes"),
    ];
    for (hook, wanted, does) in ends {
        let width = model.width(hook)?;
        if width != wanted {
            let what = format!(
                "is {width} wide in {}, the dictionary {} {does} {wanted}: choose the model it was trained on",
                model.name(),
                sae.name
            );
            return Err(Error::hook(hook, what));
        }
    }
    Ok(())
}

/// A dictionary's name is its folder's, even where the path ends in `.`.
fn folder_name(folder: &Path) -> String {
    let whole = folder.canonicalize();
    let folder = whole.as_deref().unwrap_or(folder);
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    name.to_string_lossy().into_owned()
}

/// A whitening as SAELens keeps it beside a training checkpoint (`activation_whitening.safetensors`): `mean [d]`, `matrix [d, d]`, `inverse_matrix [d, d]`.
pub fn whitening(path: &Path) -> Result<Whitening> {
    let map = tensor_file::map(path, "whitening")?;
    let wrong = |what: String| {
        Error::input(
            format!("{what}: name activation_whitening.safetensors"),
            path,
        )
    };
    let header = header::read(&map).map_err(wrong)?;
    let read = |name: &str, dimensions: usize| -> Result<(usize, Vec<f32>)> {
        let place = (header.places.get(name)).filter(|place| {
            place.shape.len() == dimensions && place.shape.windows(2).all(|pair| pair[0] == pair[1])
        });
        let place = place.ok_or_else(|| {
            wrong(format!(
                "there is no square tensor `{name}` of {dimensions} dimensions"
            ))
        })?;
        let float = match place.dtype {
            safetensors::Dtype::F32 => Float::F32,
            safetensors::Dtype::F64 => Float::F64,
            other => return Err(wrong(format!("`{name}` is {other:?} and not f32 or f64"))),
        };
        let values = tensor_file::widened(&map[place.begin..place.end], float);
        match values.iter().find(|value| !value.is_finite()) {
            Some(value) => Err(wrong(format!("`{name}` holds {value}"))),
            None => Ok((place.shape[0], values)),
        }
    };
    let square = |name: &str| {
        let (d, values) = read(name, 2)?;
        Matrix::new(d, d, values)
    };
    Ok(Whitening {
        mean: read("mean", 1)?.1,
        matrix: square("matrix")?,
        inverse: square("inverse_matrix")?,
    })
}
