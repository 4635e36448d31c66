//! Readers of other libraries: against files those libraries wrote, against files built here by definitions in f64, and against files that lie.

mod built;
mod damage;
mod golden;
mod hostile;
#[cfg(feature = "hub")]
mod on_hub;
#[cfg(feature = "gpu")]
mod placed;
mod registered;
mod training;

use std::path::{Path, PathBuf};

use crate::dims::Matrix;
use crate::sae::Sae;
use crate::tensor_file;

fn golden() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/golden/sae-files"
    ))
}

/// Inputs, and what a library makes of them.
pub(super) struct Recorded {
    pub(super) x: Matrix,
    pub(super) codes: Matrix,
    pub(super) recon: Matrix,
}

pub(super) fn recorded(folder: &Path) -> Recorded {
    let path = folder.join("io.safetensors");
    let bytes = tensor_file::map(&path, "safetensors").unwrap();
    let header = tensor_file::header::read(&bytes).unwrap();
    let matrix = |name: &str| {
        let place = &header.places[name];
        let values = tensor_file::widened(&bytes[place.begin..place.end], tensor_file::Float::F32);
        let columns = *place.shape.last().unwrap();
        Matrix::new(values.len() / columns, columns, values).unwrap()
    };
    Recorded {
        x: matrix("x"),
        codes: matrix("codes"),
        recon: matrix("recon"),
    }
}

fn largest(of: &Matrix) -> f32 {
    of.values()
        .iter()
        .fold(0.0_f32, |most, v| most.max(v.abs()))
}

/// Largest difference over the largest entry of `want`.
pub(super) fn difference(got: &Matrix, want: &Matrix) -> f32 {
    assert_eq!((got.rows(), got.columns()), (want.rows(), want.columns()));
    let pairs = got.values().iter().zip(want.values());
    pairs.fold(0.0_f32, |most, (a, b)| most.max((a - b).abs())) / largest(want)
}

/// Codes `[n, f]`, and what the dictionary makes of them.
pub(super) fn codes(sae: &Sae, x: &Matrix) -> (Matrix, Matrix) {
    let latents = sae.encode_text(x).unwrap();
    latents.check(sae.features()).unwrap();
    let mut codes = Matrix::zeros(x.rows(), sae.features());
    for i in 0..x.rows() {
        for (feature, act) in latents.row(i) {
            codes.row_mut(i)[feature.index()] = act;
        }
    }
    (codes, sae.decode_text(&latents, x).unwrap())
}

/// Codes and reconstructions within 1e-5 of the largest entry, the same features active but where an activation is smaller than that.
#[track_caller]
pub(super) fn check(name: &str, sae: &Sae, want: &Recorded) -> (f32, f32) {
    let (got, recon) = codes(sae, &want.x);
    let errors = (
        difference(&got, &want.codes),
        difference(&recon, &want.recon),
    );
    assert!(errors.0 < 1e-5 && errors.1 < 1e-5, "{name}: {errors:?}");
    let small = 1e-5 * largest(&want.codes);
    let active = want
        .codes
        .values()
        .iter()
        .filter(|act| **act != 0.0)
        .count();
    assert!(active > want.x.rows(), "{name}: {active} active");
    for (a, b) in got.values().iter().zip(want.codes.values()) {
        let same = (*a != 0.0) == (*b != 0.0);
        assert!(same || a.abs().max(b.abs()) < small, "{name}: {a} {b}");
    }
    errors
}
