//! `sae_weights.safetensors`: four tensors and those of the architecture, checked against `cfg.json` and for NaN.

use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::cfg::{Architecture, Cfg};
use crate::dims::Matrix;
use crate::error::{Error, Notes, Result};
use crate::formats::Precision;
use crate::sae::{Sae, Selection};

/// What all but a few have, and no more.
const PLAIN: &[&str] = &["W_enc", "b_enc", "W_dec", "b_dec"];

/// Names of the tensors; the second is the encoder's bias, which is the gate's where there is one.
fn names(architecture: Architecture) -> &'static [&'static str] {
    match architecture {
        Architecture::Gated => &["W_enc", "b_gate", "W_dec", "b_dec", "b_mag", "r_mag"],
        Architecture::JumpRelu => &["W_enc", "b_enc", "W_dec", "b_dec", "threshold"],
        Architecture::Transcoder { thresholds, skip } => match (thresholds, skip) {
            (false, false) => PLAIN,
            (false, true) => &["W_enc", "b_enc", "W_dec", "b_dec", "W_skip"],
            (true, false) => &["W_enc", "b_enc", "W_dec", "b_dec", "threshold"],
            (true, true) => &["W_enc", "b_enc", "W_dec", "b_dec", "threshold", "W_skip"],
        },
        Architecture::Standard | Architecture::TopK { .. } | Architecture::AbsTopK { .. } => PLAIN,
    }
}

/// The tensors in our orientation.
#[derive(Debug)]
pub(super) struct Weights {
    /// `[f, d]`.
    pub(super) w_enc: Matrix,
    /// `[f]`.
    pub(super) b_enc: Vec<f32>,
    /// `[f, d]`, a transcoder's as wide as what it writes.
    pub(super) w_dec: Matrix,
    /// `[d]`, likewise.
    pub(super) b_dec: Vec<f32>,
    /// `[d_out, d]`, where there is one.
    pub(super) w_skip: Option<Matrix>,
    pub(super) selection: Selection,
}

pub(super) fn read(path: &Path, cfg: &Cfg, notes: &mut Notes) -> Result<Weights> {
    let bytes =
        std::fs::read(path).map_err(|source| Error::io("cannot read the file", path, source))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|cause| {
        let what =
            format!("the file is no whole safetensors file ({cause}), copy or save it again");
        Error::input(what, path)
    })?;
    let (d, f) = (cfg.width, cfg.features);
    let tensor = |name: &str, shape: &[usize]| tensor(&file, name, shape, path);
    let stored = Matrix::new(d, f, tensor("W_enc", &[d, f])?)?;
    let names = names(cfg.architecture);
    let b_enc = tensor(names[1], &[f])?;
    let o = cfg.width_out;
    let w_dec = Matrix::new(f, o, tensor("W_dec", &[f, o])?)?;
    let b_dec = tensor("b_dec", &[o])?;
    let w_skip = if names.contains(&"W_skip") {
        Some(Matrix::new(o, d, tensor("W_skip", &[o, d])?)?)
    } else {
        None
    };
    let selection = match cfg.architecture {
        Architecture::TopK { k } => Selection::TopK { k },
        Architecture::AbsTopK { k } => Selection::AbsTopK { k },
        Architecture::Standard
        | Architecture::Transcoder {
            thresholds: false, ..
        } => Selection::Relu,
        Architecture::JumpRelu | Architecture::Transcoder { .. } => Selection::JumpRelu {
            thresholds: tensor("threshold", &[f])?,
        },
        Architecture::Gated => Selection::Gated {
            b_mag: tensor("b_mag", &[f])?,
            r_mag: tensor("r_mag", &[f])?,
        },
    };
    let mut unused: Vec<_> = file
        .names()
        .into_iter()
        .filter(|name| !names.contains(name))
        .collect();
    unused.sort_unstable();
    if unused.contains(&"scaling_factor") {
        let scale = tensor("scaling_factor", &[f])?;
        if scale.iter().any(|s| *s != 1.0) {
            return Err(super::refused("a `scaling_factor` other than 1", path));
        }
    }
    if !unused.is_empty() {
        notes.add(format!(
            "Tensors that this architecture does not use are left out: {}",
            unused.join(", ")
        ));
    }
    Ok(Weights {
        w_enc: transposed(&stored),
        b_enc,
        w_dec,
        b_dec,
        w_skip,
        selection,
    })
}

fn tensor(file: &SafeTensors<'_>, name: &str, shape: &[usize], path: &Path) -> Result<Vec<f32>> {
    let wrong = |cause: String| Error::input(format!("tensor `{name}` {cause}"), path);
    let view = file
        .tensor(name)
        .ok()
        .ok_or_else(|| wrong("is missing, save the dictionary again".to_owned()))?;
    if view.shape() != shape {
        let cause = format!(
            "is {:?} but cfg.json makes it {shape:?}, one of the two is of another dictionary",
            view.shape()
        );
        return Err(wrong(cause));
    }
    let values = floats(&view).ok_or_else(|| {
        wrong(format!(
            "is {:?}, save it as f32, f16 or bf16",
            view.dtype()
        ))
    })?;
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(wrong(format!(
            "holds {} at entry {at}, its training diverged",
            values[at]
        ))),
        None => Ok(values),
    }
}

fn floats(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let data = view.data();
    let pairs = || data.as_chunks::<2>().0.iter().copied();
    Some(match view.dtype() {
        Dtype::F32 => data
            .as_chunks::<4>()
            .0
            .iter()
            .copied()
            .map(f32::from_le_bytes)
            .collect(),
        Dtype::F64 => data
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| f64::from_le_bytes(*b) as f32)
            .collect(),
        Dtype::F16 => pairs().map(|b| f16::from_le_bytes(b).to_f32()).collect(),
        Dtype::BF16 => pairs().map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
        _ => return None,
    })
}

pub(in crate::formats) fn transposed(matrix: &Matrix) -> Matrix {
    let mut out = Matrix::zeros(matrix.columns(), matrix.rows());
    let rows = matrix.rows();
    for (i, row) in matrix.iter_rows().enumerate() {
        let column = out.values_mut().iter_mut().skip(i).step_by(rows);
        for (to, from) in column.zip(row) {
            *to = *from;
        }
    }
    out
}

/// The whole file for `sae`.
pub(super) fn bytes(
    sae: &Sae,
    architecture: Architecture,
    precision: Precision,
) -> Result<Vec<u8>> {
    let (f, d, o) = (sae.features(), sae.width(), sae.w_dec.columns());
    let w_enc = transposed(&sae.w_enc);
    let b_enc = names(architecture)[1];
    let mut tensors = vec![
        ("W_enc", vec![d, f], w_enc.values()),
        (b_enc, vec![f], &sae.b_enc),
        ("W_dec", vec![f, o], sae.w_dec.values()),
        ("b_dec", vec![o], &sae.b_dec),
    ];
    if let Some(w_skip) = sae.transcoder.as_ref().and_then(|to| to.w_skip.as_ref()) {
        tensors.push(("W_skip", vec![o, d], w_skip.values()));
    }
    match &sae.selection {
        Selection::JumpRelu { thresholds } => tensors.push(("threshold", vec![f], thresholds)),
        Selection::Gated { b_mag, r_mag } => {
            tensors.push(("b_mag", vec![f], b_mag));
            tensors.push(("r_mag", vec![f], r_mag));
        }
        Selection::TopK { .. } | Selection::AbsTopK { .. } | Selection::Relu => {}
    }
    let mut stored = Vec::with_capacity(tensors.len());
    for (name, shape, values) in tensors {
        stored.push((name, shape, encoded(name, values, precision)?));
    }
    let dtype = match precision {
        Precision::F32 => Dtype::F32,
        Precision::F16 => Dtype::F16,
    };
    let broken = |cause| Error::Numeric {
        what: format!("the dictionary {} cannot be stored ({cause})", sae.name),
    };
    let mut views = Vec::with_capacity(stored.len());
    for (name, shape, data) in &stored {
        let view = TensorView::new(dtype, shape.clone(), data).map_err(broken)?;
        views.push((*name, view));
    }
    safetensors::serialize(views, None).map_err(broken)
}

fn encoded(name: &str, values: &[f32], precision: Precision) -> Result<Vec<u8>> {
    let largest = match precision {
        Precision::F32 => f32::MAX,
        Precision::F16 => f16::MAX.to_f32(),
    };
    if let Some(value) = values
        .iter()
        .find(|value| value.is_nan() || value.abs() > largest)
    {
        let what = if value.is_finite() {
            format!("`{name}` holds {value}, too large for f16, save as f32")
        } else {
            format!("`{name}` holds {value}, lower the learning rate and train again")
        };
        return Err(Error::Numeric { what });
    }
    Ok(match precision {
        Precision::F32 => values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect(),
        Precision::F16 => values
            .iter()
            .flat_map(|value| f16::from_f32(*value).to_le_bytes())
            .collect(),
    })
}
