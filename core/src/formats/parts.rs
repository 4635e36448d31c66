//! Parts that every reader gathers, in Umbra's orientation, and the exact rewritings that turn another library's dictionary into one of Umbra's.

use serde_json::{Map, Value};

use super::Format;
use crate::dims::Matrix;
use crate::error::{Key, Notes, Result};
use crate::ids::HookPoint;
use crate::sae::{InputNorm, Provenance, Role, Sae, Selection, StoredLengths};

/// Parts of a dictionary.
#[derive(Debug)]
pub(super) struct Parts {
    /// Lengths of the decoder's rows in the file, once reading has rescaled them.
    pub(super) stored: Option<Vec<f32>>,
    /// `[f, d]`.
    pub(super) w_enc: Matrix,
    /// `[f]`.
    pub(super) b_enc: Vec<f32>,
    /// `[f, d]`; a transcoder's is as wide as its output.
    pub(super) w_dec: Matrix,
    /// `[d]`; a transcoder's is as wide as its output.
    pub(super) b_dec: Vec<f32>,
    pub(super) input_norm: InputNorm,
    pub(super) selection: Selection,
    /// Whether `b_dec` is subtracted from the input.
    pub(super) subtracts: bool,
    pub(super) role: Role,
}

impl Parts {
    /// Returns the number of features.
    pub(super) fn features(&self) -> usize {
        self.w_dec.rows()
    }

    /// Rewrites a dictionary that takes and reconstructs `scale · x` so that it takes and reconstructs `x`; codes do not change.
    pub(super) fn scale_input(&mut self, scale: f32) {
        self.keep_lengths();
        for value in self.w_enc.values_mut() {
            *value *= scale;
        }
        for value in self.w_dec.values_mut().iter_mut().chain(&mut self.b_dec) {
            *value /= scale;
        }
    }

    /// Keeps the lengths that rows have in the file, before they are rescaled for the first time.
    fn keep_lengths(&mut self) {
        if self.stored.is_none() {
            self.stored = Some(self.norms());
        }
    }

    /// Returns the lengths of the decoder's rows; 1 for a row of zeros.
    pub(super) fn norms(&self) -> Vec<f32> {
        let norm = |row: &[f32]| {
            let squares: f64 = row.iter().map(|w| f64::from(*w) * f64::from(*w)).sum();
            if squares > 0.0 {
                squares.sqrt() as f32
            } else {
                1.0
            }
        };
        self.w_dec.iter_rows().map(norm).collect()
    }

    /// Scales decoder rows to length 1 and codes up accordingly. Thresholds do not change, so they must already apply to the larger codes.
    pub(super) fn fold_decoder_norms(&mut self) {
        self.keep_lengths();
        let norms = self.norms();
        for (i, norm) in norms.iter().enumerate() {
            for w in self.w_enc.row_mut(i) {
                *w *= norm;
            }
            self.b_enc[i] *= norm;
            for w in self.w_dec.row_mut(i) {
                *w /= norm;
            }
        }
    }

    /// Builds the dictionary, named after the path that was opened.
    pub(super) fn built(
        self,
        name: String,
        provenance: Provenance,
        notes: &mut Notes,
    ) -> Result<Sae> {
        if !self.role.transcodes() && !self.subtracts {
            notes.add("It does not subtract b_dec from its input, it only adds it to its output");
        }
        self.selection.check(self.features())?;
        let mut sae = Sae::new(
            name,
            (self.w_enc, self.b_enc),
            (self.w_dec, self.b_dec),
            self.selection,
        )
        .with_provenance(provenance)
        .with_input_norm(self.input_norm)
        .with_role(self.role);
        sae.stored_lengths = StoredLengths::from(self.stored);
        sae.apply_b_dec_to_input = self.subtracts && !sae.role.transcodes();
        if !sae.role.transcodes() {
            // The shapes agree, or this is an error.
            sae.centred(&Matrix::zeros(0, sae.width()))?;
        }
        Ok(sae)
    }
}

/// Returns where a dictionary came from: its hook and model if the file or its path name them, and the file's other facts under the name of its library.
pub(super) fn provenance(
    format: Format,
    hook: Option<HookPoint>,
    model: Option<&str>,
    cfg: Map<String, Value>,
    notes: &mut Notes,
) -> Provenance {
    if hook.is_none() {
        notes.add(format!(
            "Neither the file nor its path names the hook that it reads, name one by {}",
            Key::Hook
        ));
    }
    let source = [
        ("format".to_owned(), format.name().into()),
        ("config".to_owned(), Value::Object(cfg)),
    ];
    let source = Value::Object(source.into_iter().collect());
    Provenance {
        hook,
        model: model.unwrap_or_default().to_owned(),
        prepend_bos: None,
        context: None,
        head: None,
        other: [("source".to_owned(), source)].into(),
    }
}

/// Adds the notes that apply to most files: facts that they do not state.
pub(super) fn note_model(model: Option<&str>, notes: &mut Notes) {
    if model.is_none() {
        notes.add("Neither the file nor its path names the model that it was trained on");
    }
}
