//! Sparse dictionaries: weights, encoding and decoding. Each variant has one file, with its training rule (`rule`) and the [`Selection`] that it leaves.

mod batch_topk;
mod cross_layer;
mod custom;
mod decision;
mod error_part;
mod feature_choice;
mod fingerprint;
mod fold;
mod gated;
mod gradient;
mod input_norm;
mod jump_relu;
mod matryoshka;
mod mutual_choice;
mod nearest;
mod output;
mod parts;
mod placed;
mod predictor;
mod rank_density;
mod relu;
mod role;
pub(crate) mod rule;
mod selection;
mod signed_topk;
mod slice;
pub(crate) mod state;
mod stored;
mod topk;
mod transcoder;
mod untrained;
mod variant;
mod zipf;

use rayon::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::dims::{Dims, Matrix};
use crate::error::Result;
use crate::ids::{FeatureId, Head, HookPoint};
use crate::kernels::pre_activations::pre_activations;
use crate::kernels::sparse_decode::sparse_decode;
use crate::latents::Latents;

pub use cross_layer::CrossLayer;
pub use custom::{Custom, RuleInput, SelectionRule};
pub use decision::Decision;
pub(crate) use error_part::linear_part;
pub use error_part::{ErrorOf, ErrorPart};
pub use fold::Whitening;
pub use gated::Gated;
pub use gradient::GradientValues;
pub use input_norm::InputNorm;
pub use jump_relu::{JumpRelu, SparsityPenalty};
pub use output::Output;
pub use predictor::{CodeAttention, Linear, Predictor};
pub use rank_density::{FittedLaw, RankDensity};
pub use relu::Relu;
pub use role::{Autoencoder, ByToken, Role};
pub use rule::Uses;
pub use selection::Selection;
pub use signed_topk::AbsTopK;
pub use stored::StoredLengths;
pub use topk::TopK;
pub use transcoder::Transcoder;
pub use untrained::{GroupMax, Jump, Pursuit, RawTopK, WeightedTopK};
pub use variant::Variant;

#[cfg(feature = "reproduce")]
pub(crate) use gradient::mean_size;
#[cfg(feature = "gpu")]
pub(crate) use gradient::{missing as no_gradients, sampled as gradients_sampled};
#[cfg(feature = "gpu")]
pub(crate) use jump_relu::Jump as JumpTerms;
pub(crate) use mutual_choice::Law;
pub(crate) use parts::{Densities, Penalty};
pub(crate) use zipf::Zipf;

/// Origin of a dictionary: model, hook and training data. Saved as SAELens `metadata`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Provenance {
    /// Hook it reads and reconstructs; none if the file does not name one.
    pub hook: Option<HookPoint>,
    /// Single head whose slice of the hook it reads and reconstructs; none for all heads.
    pub head: Option<Head>,
    /// Name of the model.
    pub model: String,
    /// Whether rows began with BOS.
    pub prepend_bos: Option<bool>,
    /// Row length in training.
    pub context: Option<usize>,
    /// Remaining entries of `metadata`, unchanged.
    pub other: BTreeMap<String, Value>,
}

/// Sparse autoencoder, `x̂ = Σ acts · w_dec + b_dec` with `pre = (x − b_dec) · w_encᵀ + b_enc`, or a [`Transcoder`], which writes another hook than it reads.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Sae {
    /// Displayed name, which is that of its folder.
    pub name: String,
    /// `[f, d]`.
    pub w_enc: Matrix,
    /// `[f]`.
    pub b_enc: Vec<f32>,
    /// `[f, d]`; for a transcoder `d` is the width of the hook it writes.
    pub w_dec: Matrix,
    /// `[d]`, as wide as `w_dec`.
    pub b_dec: Vec<f32>,
    /// Whether `b_dec` is subtracted from the input; never for a transcoder.
    pub apply_b_dec_to_input: bool,
    /// Normalisation of each input token.
    pub input_norm: InputNorm,
    /// Rule that selects the active features.
    pub selection: Selection,
    /// Whether it is an autoencoder, a transcoder or a temporal dictionary.
    pub role: Role,
    /// Parent whose error it reads in place of the activation; none for all others.
    pub error_of: Option<Arc<ErrorOf>>,
    /// Lengths of decoder rows in the file, where reading rescaled them.
    pub stored_lengths: StoredLengths,
    /// Origin.
    pub provenance: Provenance,
}

impl Sae {
    /// Creates an autoencoder from an encoder (`w_enc [f, d]`, `b_enc [f]`) and a decoder (`w_dec [f, d]`, `b_dec [d]`).
    ///
    /// It subtracts `b_dec` from its input, does not normalise tokens, and has no provenance; the `with_…` methods and the public fields change this.
    /// Shapes are checked on first use.
    pub fn new(
        name: impl Into<String>,
        (w_enc, b_enc): (Matrix, Vec<f32>),
        (w_dec, b_dec): (Matrix, Vec<f32>),
        selection: impl Into<Selection>,
    ) -> Self {
        Self {
            name: name.into(),
            w_enc,
            b_enc,
            w_dec,
            b_dec,
            apply_b_dec_to_input: true,
            input_norm: InputNorm::None,
            selection: selection.into(),
            role: Role::Autoencoder,
            error_of: None,
            stored_lengths: StoredLengths::default(),
            provenance: Provenance::default(),
        }
    }

    /// Sets the hook that it reads (and reconstructs, unless it is a transcoder).
    #[must_use]
    pub fn reading(mut self, hook: HookPoint) -> Self {
        self.provenance.hook = Some(hook);
        self
    }

    /// Sets the role.
    #[must_use]
    pub fn with_role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    /// Sets the normalisation of input tokens.
    #[must_use]
    pub fn with_input_norm(mut self, input_norm: InputNorm) -> Self {
        self.input_norm = input_norm;
        self
    }

    /// Sets the provenance, including the hook.
    #[must_use]
    pub fn with_provenance(mut self, provenance: Provenance) -> Self {
        self.provenance = provenance;
        self
    }

    /// Number of features, `f`.
    pub fn features(&self) -> usize {
        self.w_dec.rows()
    }

    /// Width of the activations it reads, `d`.
    pub fn width(&self) -> usize {
        self.w_enc.columns()
    }

    /// Whether `b_dec` is subtracted from the input.
    fn subtracts(&self) -> bool {
        self.apply_b_dec_to_input && !self.role.transcodes()
    }

    /// Switches the subtraction of `b_dec` from the input on or off and moves `w_enc · b_dec` into or out of the encoder's biases. Codes stay the same except
    /// for one rounding of each bias.
    pub fn subtract_b_dec(&mut self, subtracted: bool) {
        if self.role.transcodes() || self.apply_b_dec_to_input == subtracted {
            return;
        }
        self.apply_b_dec_to_input = subtracted;
        let sign = if subtracted { 1.0 } else { -1.0 };
        let through = |row: &[f32]| -> f64 {
            let products = row.iter().zip(&self.b_dec);
            products.map(|(w, b)| f64::from(*w) * f64::from(*b)).sum()
        };
        let through: Vec<f64> = self.w_enc.iter_rows().map(through).collect();
        for (bias, through) in self.b_enc.iter_mut().zip(&through) {
            *bias = (f64::from(*bias) + sign * through) as f32;
        }
        let moved: Vec<f64> = through.iter().map(|through| sign * through).collect();
        self.selection.shift(&moved);
    }

    /// Encodes activations `[n, d]`, each token independently. Temporal dictionaries need [`Sae::encode_text`] instead.
    pub fn encode(&self, x: &Matrix) -> Result<Latents> {
        self.check_by_token()?;
        self.encode_text(x)
    }

    /// Encodes the tokens of one text in order, which works for every dictionary including temporal ones.
    pub fn encode_text(&self, x: &Matrix) -> Result<Latents> {
        let mut centred = self.centred(x)?;
        if let Some(predictor) = self.role.predictor() {
            centred = predictor
                .take_apart(&centred, &self.w_enc, &self.w_dec)?
                .new;
        }
        self.selection.check(self.features())?;
        self.w_enc.check()?;
        self.selection.encode(&centred, &self.w_enc, &self.b_enc)
    }

    /// Decodes `latents`, the code of `x [n, d]` or an edited one, into the reconstruction; a transcoder's output includes its skip connection. Temporal
    /// dictionaries need [`Sae::decode_text`] instead.
    pub fn decode(&self, latents: &Latents, x: &Matrix) -> Result<Matrix> {
        self.check_by_token()?;
        self.decode_text(latents, x)
    }

    /// Decodes the tokens of one text in order, which works for every dictionary including temporal ones.
    pub fn decode_text(&self, latents: &Latents, x: &Matrix) -> Result<Matrix> {
        let mut out = sparse_decode(latents, &self.w_dec, &self.b_dec)?;
        // A decoder that is mapped from a file reads only the rows in use, so NaN can show up this late.
        if self.w_dec.is_of_file() && out.values().iter().any(|value| !value.is_finite()) {
            self.w_dec.check()?;
        }
        if let Some(predictor) = self.role.predictor() {
            let centred = self.centred(x)?;
            let known = predictor
                .take_apart(&centred, &self.w_enc, &self.w_dec)?
                .known;
            let pairs = out.values_mut().iter_mut().zip(known.values());
            pairs.for_each(|(out, known)| *out += known);
        }
        match self.role.transcoder() {
            Some(transcoder) => transcoder.add_skipped(self, x, &mut out)?,
            None => self.input_norm.undo(x, &mut out),
        }
        Ok(out)
    }

    /// Computes the pre-activations of chosen features, `[n, features.len()]`, before selection and ReLU.
    pub fn pre_activations(&self, x: &Matrix, features: &[FeatureId]) -> Result<Matrix> {
        let features: Vec<u32> = features.iter().map(|f| f.0).collect();
        self.w_enc.check()?;
        pre_activations(&self.centred(x)?, &self.w_enc, &self.b_enc, &features)
    }

    /// Computes the activations of one feature at activations `x [n, d]`, as [`Sae::encode`] gives them up to rounding; only its own pre-activation where the
    /// rule decides by that alone.
    pub fn activations(&self, x: &Matrix, feature: FeatureId) -> Result<Vec<f32>> {
        self.check_by_token()?;
        if let Some(alone) = self.activations_alone(x, feature)? {
            return Ok(alone);
        }
        let latents = self.encode(x)?;
        Ok((0..latents.rows())
            .map(|i| latents.get(i, feature))
            .collect())
    }

    /// Computes the activations of one feature at `x [n, d]` from its own pre-activation; none where other features decide at some token.
    pub(crate) fn activations_alone(
        &self,
        x: &Matrix,
        feature: FeatureId,
    ) -> Result<Option<Vec<f32>>> {
        if !self.selection.has_encoder() || feature.index() >= self.features() {
            return Ok(None);
        }
        self.selection.check(self.features())?;
        let pre = self.pre_activations(x, &[feature])?;
        let alone = |pre: &f32| self.selection.alone(*pre, feature.index());
        Ok(pre.values().iter().map(alone).collect())
    }

    /// Checks that all weights fit into memory and are finite; see [`Matrix::check`].
    pub fn check_weights(&self) -> Result<()> {
        self.w_enc.check()?;
        self.w_dec.check()
    }

    /// Returns the direction that `feature` writes, its row of `w_dec`. A decoder that is mapped from a file reads this row alone.
    pub fn direction(&self, feature: FeatureId) -> Result<&[f32]> {
        let row = self.w_dec.row(feature.index());
        if row.iter().any(|value| !value.is_finite()) {
            self.w_dec.check()?;
        }
        Ok(row)
    }

    /// Returns the factor from the row of `feature` here to the row as its file stores it; 1 unless reading the file rescaled rows.
    pub fn stored_factor(&self, feature: FeatureId) -> Result<f64> {
        let Some(stored) = self.stored_lengths.of(feature) else {
            return Ok(1.0);
        };
        let squares = self
            .direction(feature)?
            .iter()
            .map(|x| f64::from(*x).powi(2));
        let length = squares.sum::<f64>().sqrt();
        Ok(if length > 0.0 { stored / length } else { 1.0 })
    }

    /// Returns `w_enc[feature] · b_dec` and `b_enc[feature]` in f64, the bias terms of the attribution identity.
    pub fn bias_terms(&self, feature: FeatureId) -> (f64, f64) {
        let weights = self.w_enc.row(feature.index());
        let subtracted = if self.subtracts() {
            self.b_dec.as_slice()
        } else {
            &[]
        };
        let through = weights
            .iter()
            .zip(subtracted)
            .map(|(w, b)| f64::from(*w) * f64::from(*b))
            .sum();
        (through, f64::from(self.b_enc[feature.index()]))
    }

    /// Returns the normalised `x` less `b_dec` (a transcoder does not subtract it) after checking every shape.
    pub(crate) fn centred(&self, x: &Matrix) -> Result<Matrix> {
        if let Some(transcoder) = self.role.transcoder() {
            transcoder.check(self, x)?;
            return Ok(self.input_norm.apply(x).into_owned());
        }
        Dims::new("encode")
            .bind("w_enc", &self.w_enc, "f d")?
            .bind("b_enc", &self.b_enc, "f")?
            .bind("w_dec", &self.w_dec, "f d")?
            .bind("b_dec", &self.b_dec, "d")?
            .bind("x", x, "n d")?;
        let mut centred = self.input_norm.apply(x).into_owned();
        if !self.subtracts() {
            return Ok(centred);
        }
        centred
            .values_mut()
            .par_chunks_mut(self.width().max(1))
            .with_min_len(64)
            .for_each(|row| {
                for (x, b) in row.iter_mut().zip(&self.b_dec) {
                    *x -= b;
                }
            });
        Ok(centred)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_selection_is_its_definition_on_one_token() {
        let mut sae = cross();
        // Pre-activations 3, 5 and −2.5.
        let x = Matrix::new(1, 2, vec![4.0, 7.0]).unwrap();
        let mut check = |selection: Selection, want: &[(u32, f32)]| {
            sae.selection = selection;
            let latents = sae.encode(&x).unwrap();
            let got: Vec<(u32, f32)> = latents.row(0).map(|(f, act)| (f.0, act)).collect();
            assert_eq!(got, want, "{}", sae.selection.describe());
        };
        check(Selection::AbsTopK(AbsTopK { k: 2 }), &[(0, 3.0), (1, 5.0)]);
        check(
            Selection::AbsTopK(AbsTopK { k: 3 }),
            &[(0, 3.0), (1, 5.0), (2, -2.5)],
        );
        check(Selection::Relu(Relu), &[(0, 3.0), (1, 5.0)]);
        let thresholds = vec![3.0, -1.0, -4.0];
        check(Selection::JumpRelu(JumpRelu { thresholds }), &[(1, 5.0)]);
        // Gate 5, exp(ln 2) · (5 − 0) − 9.5; the first feature's magnitude is negative.
        let gated = Selection::Gated(Gated {
            b_mag: vec![-4.0, -9.5, 1.0],
            r_mag: vec![0.0, 2.0_f32.ln(), 0.0],
        });
        check(gated, &[(1, 0.5)]);
        let wrong = Selection::Gated(Gated {
            b_mag: vec![0.0; 3],
            r_mag: vec![],
        });
        sae.selection = wrong;
        let refused = sae.encode(&x).unwrap_err().to_string();
        assert!(refused.contains("`r_mag` has 0 values for 3"), "{refused}");
    }

    /// d = 2, f = 3, k = 2: features read x₀, x₁ and −x₀, and write the same.
    fn cross() -> Sae {
        let rows = Matrix::new(3, 2, vec![1.0, 0.0, 0.0, 1.0, -1.0, 0.0]).unwrap();
        Sae::new(
            "cross",
            (rows.clone(), vec![0.0, 0.0, 0.5]),
            (rows, vec![1.0, 2.0]),
            TopK { k: 2 },
        )
    }

    #[test]
    fn a_token_is_encoded_and_decoded_about_b_dec() {
        let sae = cross();
        let x = Matrix::new(2, 2, vec![4.0, 7.0, 1.25, 1.0]).unwrap();
        let latents = sae.encode(&x).unwrap();
        assert_eq!(
            latents.row(0).collect::<Vec<_>>(),
            [(FeatureId(0), 3.0), (FeatureId(1), 5.0)]
        );
        // Pre-activations 0.25, −1 and 0.25: two positive ones, both kept.
        assert_eq!(latents.get(1, FeatureId(2)), 0.25);
        assert_eq!(latents.range(1).len(), 2);
        let back = sae.decode(&latents, &x).unwrap();
        assert_eq!(back.row(0), x.row(0));
        assert_eq!(back.row(1), [1.0, 2.0]);
    }

    #[test]
    fn pre_activations_are_what_the_selection_saw() {
        let sae = cross();
        let x = Matrix::new(1, 2, vec![4.0, 7.0]).unwrap();
        let pre = sae
            .pre_activations(&x, &[FeatureId(2), FeatureId(1)])
            .unwrap();
        assert_eq!(pre.values(), [-2.5, 5.0]);
        assert_eq!(sae.bias_terms(FeatureId(2)), (-1.0, 0.5));
    }

    #[test]
    fn a_dictionary_of_another_width_is_refused() {
        let refused = cross()
            .encode(&Matrix::zeros(1, 3))
            .unwrap_err()
            .to_string();
        assert!(refused.contains("`x` should be [n, d]"), "{refused}");
        let refused = cross().hook().unwrap_err().to_string();
        assert!(refused.contains("cross") && refused.contains("hook_name"));
    }
}
