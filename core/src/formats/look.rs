//! Describes a dictionary from the headers of its files. No numbers are read, so a file of many gigabytes takes no time.

use std::path::{Path, PathBuf};

use super::parent::{Parent, parent};
use super::weights::WeightFile;
use super::{Format, cross_layer, detect, place, there};
use crate::error::{Error, Result};

/// Names of the encoder's bias, `[f]`, in all formats.
const BIASES: [&str; 10] = [
    "b_enc",
    "encoder.bias",
    "latent_bias",
    "encoder_linear.bias",
    "b_E",
    "b_gate",
    "gate_bias",
    "b_mag",
    "threshold",
    "r_mag",
];
/// Names of matrices between features and the activation's width.
const MATRICES: [&str; 10] = [
    "W_enc",
    "w_enc",
    "encoder.weight",
    "encoder_linear.weight",
    "W_E",
    "W_dec",
    "w_dec",
    "decoder.weight",
    "D",
    "dictionary._weights",
];

/// A tensor as its file lists it: name, type, shape.
pub type Tensor = (String, &'static str, Vec<usize>);

/// Description of a dictionary's files.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Format of the files.
    pub format: Format,
    /// Weight file.
    pub weights: PathBuf,
    /// Size of the weight file in bytes.
    pub bytes: u64,
    /// Features and width of the input, where the names of tensors tell; for a cross-layer transcoder, those of one layer.
    pub shape: Option<[usize; 2]>,
    /// Files of a cross-layer transcoder's layers, each of which [`super::open`] opens as a dictionary; else empty.
    pub layers: Vec<PathBuf>,
    /// Tensors by name: type and shape.
    pub tensors: Vec<Tensor>,
    /// Parent whose error it reads; none for a dictionary of activations.
    pub parent: Option<Parent>,
}

impl Look {
    /// Returns the bytes of one layer of a cross-layer transcoder in memory, in f32.
    pub fn layer_bytes(&self, layer: usize) -> u64 {
        let ends = [format!("_{layer}"), format!(", layer {layer}")];
        let of_layer = self
            .tensors
            .iter()
            .filter(|(name, ..)| ends.iter().any(|end| name.ends_with(end)));
        4 * of_layer.map(|(_, _, shape)| numbers(shape)).sum::<u64>()
    }

    /// Returns the bytes of encoder and decoder in memory, in f32; for a cross-layer transcoder those of all tensors.
    pub fn memory_bytes(&self) -> Option<u64> {
        if !self.layers.is_empty() {
            let all = self.tensors.iter().map(|(_, _, shape)| numbers(shape));
            return Some(4 * all.sum::<u64>());
        }
        let [f, d] = self.shape?;
        Some(4 * (2 * f as u64 * d as u64 + f as u64 + d as u64))
    }
}

fn numbers(shape: &[usize]) -> u64 {
    shape.iter().map(|n| *n as u64).product()
}

/// Returns the places of the dictionaries at `path` that [`super::open`] opens one by one: the layers of a cross-layer transcoder where it is a folder of one, else `path`
/// itself.
pub fn dictionaries_at(path: &Path) -> Result<Vec<PathBuf>> {
    Ok(match cross_layer::files(path)? {
        Some(layers) => layers.into_iter().map(|(_, path)| path).collect(),
        None => vec![path.to_path_buf()],
    })
}

/// Describes the dictionary at `path`, a folder or a file of any [`Format`].
pub fn look(path: &Path) -> Result<Look> {
    there(path)?;
    if let Some(files) = cross_layer::files(path)? {
        return of_layers(path, &files);
    }
    let found = detect::detect(path)?;
    let (bytes, tensors) = headers(&found.weights)?;
    Ok(Look {
        format: found.format,
        shape: shape(&tensors),
        weights: found.weights,
        bytes,
        layers: Vec::new(),
        parent: match found.format {
            // A damaged configuration is named when the dictionary is opened.
            Format::SaeLens => parent(&found.folder).ok().flatten(),
            _ => None,
        },
        tensors,
    })
}

/// Describes a cross-layer transcoder in `folder` with its layers in `files`.
fn of_layers(folder: &Path, files: &[(Format, PathBuf)]) -> Result<Look> {
    let mut all = Look {
        format: files
            .first()
            .map_or(Format::CircuitTracer, |(format, _)| *format),
        weights: folder.to_path_buf(),
        bytes: 0,
        shape: None,
        layers: files.iter().map(|(_, path)| path.clone()).collect(),
        tensors: Vec::new(),
        parent: None,
    };
    for (layer, (format, path)) in files.iter().enumerate() {
        let mut parts = vec![(path.clone(), *format == Format::GemmaScope2)];
        if *format == Format::CircuitTracer {
            let decoder = place::within(folder, &format!("W_dec_{layer}.safetensors"))?;
            parts.push((decoder, false));
        }
        for (path, numbered) in parts {
            let (bytes, tensors) = headers(&path)?;
            all.bytes += bytes;
            // Gemma Scope 2 uses the same tensor names in every layer.
            let named = |(name, dtype, shape): Tensor| {
                let name = if numbered {
                    format!("{name}, layer {layer}")
                } else {
                    name
                };
                (name, dtype, shape)
            };
            all.tensors.extend(tensors.into_iter().map(named));
        }
    }
    let first = |name: &str| all.tensors.iter().find(|(listed, ..)| listed == name);
    all.shape = match (first("W_enc_0"), first("w_enc, layer 0")) {
        (Some((_, _, shape)), _) => <[usize; 2]>::try_from(shape.as_slice()).ok(),
        (_, Some((_, _, shape))) => <[usize; 2]>::try_from(shape.as_slice())
            .ok()
            .map(|[d, f]| [f, d]),
        _ => None,
    };
    Ok(all)
}

/// Returns the size of a weight file and the tensors that its header lists.
fn headers(path: &Path) -> Result<(u64, Vec<Tensor>)> {
    let bytes = std::fs::metadata(path)
        .map_err(|source| Error::io("cannot read the file", path, source))?
        .len();
    let file = WeightFile::open(path)?;
    let tensors = file.tensors()?;
    Ok((bytes, tensors.listed()))
}

/// Returns features and width, where the names of tensors tell.
fn shape(tensors: &[Tensor]) -> Option<[usize; 2]> {
    let of = |name: &str| tensors.iter().find(|(listed, ..)| listed == name);
    let features = BIASES.iter().find_map(|name| match of(name)?.2[..] {
        [features] => Some(features),
        _ => None,
    });
    MATRICES.iter().find_map(|name| match of(name)?.2[..] {
        [a, b] => match features {
            Some(f) if a == f => Some([a, b]),
            Some(f) if b == f => Some([b, a]),
            Some(_) => None,
            // With a decoder alone, the larger side is taken for the features.
            None => Some([a.max(b), a.min(b)]),
        },
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn sixteen_gigabytes_are_looked_at_and_opened_without_being_read() {
        let root = tempfile::tempdir().unwrap();
        let (f, d) = (1_u64 << 19, 4_096_u64);
        let matrix = 4 * f * d;
        let header = format!(
            "{{\"W_enc\":{{\"dtype\":\"F32\",\"shape\":[{d},{f}],\"data_offsets\":[0,{matrix}]}},\"W_dec\":{{\"dtype\":\"F32\",\"shape\":[{f},{d}],\"data_offsets\":[{matrix},{}]}},\"b_enc\":{{\"dtype\":\"F32\",\"shape\":[{f}],\"data_offsets\":[{},{}]}},\"b_dec\":{{\"dtype\":\"F32\",\"shape\":[{d}],\"data_offsets\":[{},{}]}}}}",
            2 * matrix,
            2 * matrix,
            2 * matrix + 4 * f,
            2 * matrix + 4 * f,
            2 * matrix + 4 * f + 4 * d,
        );
        // Writers pad the header so that numbers are aligned.
        let padded = header.len().next_multiple_of(8);
        let header = format!("{header:<padded$}");
        let path = root.path().join("sae_weights.safetensors");
        let mut file = std::fs::File::create(&path).unwrap();
        file.write_all(&(header.len() as u64).to_le_bytes())
            .unwrap();
        file.write_all(header.as_bytes()).unwrap();
        // A sparse file: it has the length and takes no room.
        let length = 8 + header.len() as u64 + 2 * matrix + 4 * f + 4 * d;
        file.set_len(length).unwrap();
        let cfg = format!("{{\"architecture\":\"standard\",\"d_in\":{d},\"d_sae\":{f}}}");
        std::fs::write(root.path().join("cfg.json"), cfg).unwrap();
        let seen = look(root.path()).unwrap();
        assert_eq!(seen.format, Format::SaeLens);
        assert_eq!(seen.shape, Some([1 << 19, 4_096]));
        assert!(seen.bytes > 16 << 30);
        assert_eq!(seen.memory_bytes(), Some(2 * matrix + 4 * f + 4 * d));
        assert_eq!(seen.tensors.len(), 4);
        let (sae, notes) = crate::formats::open(root.path()).unwrap();
        assert_eq!((sae.features(), sae.width()), (1 << 19, 4_096));
        // The decoder is laid out as in memory and never copied: reading one row reads one row. The encoder is transposed and would be copied.
        assert!(sae.direction((f as usize - 1).into()).unwrap().len() == 4_096);
        assert!(!sae.w_enc.is_in_memory() && !sae.w_dec.is_in_memory());
        assert!(notes.iter().any(|note| note.contains("read when used")));
    }
}
