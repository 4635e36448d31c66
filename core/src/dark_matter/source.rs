//! Reads what a fit needs of a few rows: the activation of a dictionary, its reconstruction, and the values that predict its error.

use std::borrow::Cow;

use super::Predictor;
use crate::corpus::Rows;
use crate::dims::{Dims, Matrix};
use crate::error::{Error, Result};
use crate::fit::Fit;
use crate::formats;
use crate::ids::HookPoint;
use crate::latents::Latents;
use crate::models::Model;
use crate::sae::{Autoencoder, Sae};

/// A dictionary with the predictor of its error.
#[derive(Debug, Clone)]
pub struct Source<'a> {
    sae: Autoencoder<'a>,
    predictor: &'a Predictor,
    /// Dictionary whose reconstruction predicts.
    other: Option<Autoencoder<'a>>,
    hook: HookPoint,
    hooks: Vec<HookPoint>,
    inputs: usize,
}

/// Values at some tokens, each `[n, …]`.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Activation x, `[n, d]`.
    pub x: Matrix,
    /// Sparse activations of the dictionary.
    pub latents: Latents,
    /// Reconstruction x̂, `[n, d]`.
    pub reconstruction: Matrix,
    /// Predictor, `[n, p]`; none where it is the activation or the reconstruction.
    predictor: Option<Matrix>,
    reconstruction_predicts: bool,
}

impl Batch {
    /// Computes the values of activations `x [n, d]` alone; `predictor` must be at the dictionary's own hook.
    pub(super) fn from_activations(
        sae: Autoencoder<'_>,
        x: &Matrix,
        predictor: &Predictor,
    ) -> Result<Self> {
        Dims::new("split")
            .bind("w_dec", &sae.w_dec, "f d")?
            .bind("x", x, "n d")?;
        let latents = sae.encode(x)?;
        Ok(Self {
            reconstruction: sae.decode(&latents, x)?,
            x: x.clone(),
            latents,
            predictor: None,
            reconstruction_predicts: *predictor == Predictor::Reconstruction,
        })
    }

    /// Values that predict the error, `[n, p]`.
    pub fn predictor(&self) -> &Matrix {
        match &self.predictor {
            Some(predictor) => predictor,
            None if self.reconstruction_predicts => &self.reconstruction,
            None => &self.x,
        }
    }

    /// Computes the error x − x̂, `[n, d]`.
    pub fn error(&self) -> Matrix {
        let mut error = self.x.clone();
        let pairs = error.values_mut().iter_mut();
        for (error, reconstructed) in pairs.zip(self.reconstruction.values()) {
            *error -= reconstructed;
        }
        error
    }
}

impl<'a> Source<'a> {
    /// Joins a dictionary with a predictor of its error; `other` is the dictionary that [`Predictor::Other`] names. An error if one of them does not belong to
    /// `model`.
    pub fn new(
        model: &Model,
        sae: Autoencoder<'a>,
        predictor: &'a Predictor,
        other: Option<&'a Sae>,
    ) -> Result<Self> {
        let hook = sae.hook()?;
        let width = formats::width_for(&sae, model, hook)?;
        if sae.width() != width {
            return Err(Error::Shape {
                op: "dark matter",
                what: format!(
                    "dictionary {} has width {}, its hook in this model {width}: open the model it was trained on",
                    sae.name,
                    sae.width()
                ),
            });
        }
        let other = named(model, predictor, other)?;
        let (second, inputs) = match (predictor, other) {
            (Predictor::Hook { hook }, _) => (Some(*hook), model.width(*hook)?),
            (_, Some(other)) => (Some(other.hook()?), other.width()),
            _ => (None, width),
        };
        let mut hooks = vec![hook];
        hooks.extend(second.filter(|second| *second != hook));
        Ok(Self {
            sae,
            predictor,
            other,
            hook,
            hooks,
            inputs,
        })
    }

    /// The dictionary.
    pub fn sae(&self) -> Autoencoder<'a> {
        self.sae
    }

    /// Hook of the dictionary.
    pub fn hook(&self) -> HookPoint {
        self.hook
    }

    /// Hooks whose activations are needed, that of the dictionary first.
    pub fn hooks(&self) -> &[HookPoint] {
        &self.hooks
    }

    /// Width `p` of the predictor.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Computes the values at the positions of the rows `chosen` that count, from activations at [`Self::hooks`], each `[rows·t, …]`.
    pub fn batch(&self, rows: &Rows, chosen: &[usize], at: &[Matrix]) -> Result<Batch> {
        let counts = rows.counts_of(chosen);
        let kept: Vec<Matrix> = at.iter().map(|x| x.rows_where(&counts)).collect();
        self.values(&kept)
    }

    /// Computes the values of activations at [`Self::hooks`], each `[n, …]`.
    pub fn values(&self, at: &[Matrix]) -> Result<Batch> {
        let missing = || Error::hook(self.hook, "no activation was read there");
        let whole = at.first().ok_or_else(missing)?;
        let x = self.sae.own_part(whole)?.into_owned();
        let latents = self.sae.encode(&x)?;
        let reconstruction = self.sae.decode(&latents, &x)?;
        let second = at.get(1).unwrap_or(whole);
        let predictor = match (self.predictor, self.other) {
            (Predictor::Hook { .. }, _) => Some(second.clone()),
            (_, Some(other)) => {
                let read: Cow<'_, Matrix> = other.own_part(second)?;
                Some(other.decode(&other.encode(&read)?, &read)?)
            }
            _ => None,
        };
        Ok(Batch {
            x,
            latents,
            reconstruction,
            predictor,
            reconstruction_predicts: *self.predictor == Predictor::Reconstruction,
        })
    }
}

/// Returns the dictionary that `predictor` names; an error if it is another one or belongs to another model.
fn named<'a>(
    model: &Model,
    predictor: &Predictor,
    other: Option<&'a Sae>,
) -> Result<Option<Autoencoder<'a>>> {
    let Predictor::Other {
        sae, fingerprint, ..
    } = predictor
    else {
        return Ok(None);
    };
    let Some(other) = other.filter(|other| other.fingerprint() == *fingerprint) else {
        let what = format!(
            "the error is predicted from {predictor}, which is not open or has changed: open {sae}, or fit the probe again"
        );
        return Err(Error::Mismatch { what });
    };
    let fit = Fit::judge(model, other);
    if fit.is_refused() {
        return Err(Error::Mismatch { what: fit.why });
    }
    other.autoencoder().map(Some)
}
