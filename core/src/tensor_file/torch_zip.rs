//! Writes checkpoints as PyTorch does: an uncompressed zip of a pickle and one file of numbers per tensor. It writes only a dictionary of tensors by name,
//! which `torch.load(weights_only=True)` opens.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

use crate::error::{Error, Result};

/// One tensor of a checkpoint; a shape without dimensions is one number.
#[derive(Debug, Clone)]
pub(crate) struct Stored<'a> {
    pub(crate) name: &'a str,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Values<'a>,
}

/// Its numbers, row by row.
#[derive(Debug, Clone)]
pub(crate) enum Values<'a> {
    F32(&'a [f32]),
    I64(i64),
}

impl Values<'_> {
    fn class(&self) -> &'static str {
        match self {
            Self::F32(_) => "FloatStorage",
            Self::I64(_) => "LongStorage",
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::I64(_) => 1,
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::F32(values) => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            Self::I64(value) => value.to_le_bytes().to_vec(),
        }
    }
}

/// Returns the whole file; `name` is the folder that torch puts everything in.
pub(crate) fn bytes(name: &str, tensors: &[Stored<'_>]) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // A fixed time, so that a file written twice has the same bytes.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(DateTime::default())
        .large_file(tensors.iter().any(|t| t.values.count() > 1 << 29));
    let broken = |cause: zip::result::ZipError| Error::Numeric {
        what: format!("the checkpoint {name} cannot be packed ({cause})"),
    };
    let mut add = |path: &str, data: &[u8]| -> Result<()> {
        let path = format!("{name}/{path}");
        zip.start_file(path, options).map_err(broken)?;
        zip.write_all(data)
            .map_err(|cause| broken(zip::result::ZipError::Io(cause)))
    };
    add("data.pkl", &pickle(tensors))?;
    add("byteorder", b"little")?;
    for (i, tensor) in tensors.iter().enumerate() {
        add(&format!("data/{i}"), &tensor.values.bytes())?;
    }
    add("version", b"3\n")?;
    let written = zip.finish().map_err(broken)?;
    Ok(written.into_inner())
}

/// Protocol 2: a dictionary of `torch._utils._rebuild_tensor_v2(('storage', class, key, 'cpu', count), 0, shape, strides, False, OrderedDict())`.
fn pickle(tensors: &[Stored<'_>]) -> Vec<u8> {
    let mut out = b"\x80\x02}(".to_vec();
    for (i, tensor) in tensors.iter().enumerate() {
        text(&mut out, tensor.name);
        out.extend_from_slice(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        text(&mut out, "storage");
        out.extend_from_slice(format!("ctorch\n{}\n", tensor.values.class()).as_bytes());
        text(&mut out, &i.to_string());
        text(&mut out, "cpu");
        number(&mut out, tensor.values.count());
        out.extend_from_slice(b"tQ");
        number(&mut out, 0);
        tuple(&mut out, &tensor.shape);
        tuple(&mut out, &strides(&tensor.shape));
        out.extend_from_slice(b"\x89ccollections\nOrderedDict\n)RtR");
    }
    out.extend_from_slice(b"u.");
    out
}

fn strides(shape: &[usize]) -> Vec<usize> {
    (1..=shape.len())
        .map(|i| shape[i..].iter().product())
        .collect()
}

fn tuple(out: &mut Vec<u8>, numbers: &[usize]) {
    out.push(b'(');
    for value in numbers {
        number(out, *value);
    }
    out.push(b't');
}

/// LONG1, little-endian. No slice is longer than half of what 8 bytes count to, so the sign bit is free.
fn number(out: &mut Vec<u8>, value: usize) {
    out.extend_from_slice(&[0x8a, 8]);
    out.extend_from_slice(&(value as u64).to_le_bytes());
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}
