//! Transcoders: dictionaries that read one hook and write another, as an MLP does.
//!
//! | | |
//! |---|---|
//! | paper | Dunefsky, Chlenski and Nanda 2024, "Transcoders Find Interpretable LLM Feature Circuits" (arXiv 2406.11944); Paulo, Shabalin and Belrose 2025, "Transcoders Beat Sparse Autoencoders for Interpretability" (arXiv 2501.18823) on the skip connection |
//! | rule in training | that of the variant `relu` or `batch-topk`, by the setting `transcoder_rule` |
//! | rule at inference | the same, or everything above one threshold |
//! | extra parameters | `w_skip`, if it has a skip connection |
//! | losses | normalised squared error of what is written; an L1 penalty, or AuxK/32 |
//! | other names | SAELens `transcoder`, `skip_transcoder`, `jumprelu_transcoder`, `jumprelu_skip_transcoder` |
//!
//! `pre = x · w_encᵀ + b_enc`, `ŷ = Σ acts · w_dec + b_dec + x · w_skipᵀ`: `b_dec` is the mean of the output hook, so it is not subtracted from `x`.
//!
//! A layer of a cross-layer transcoder ([`super::CrossLayer`]) is a transcoder that also writes later layers.

use rayon::prelude::*;

use super::Sae;
use crate::dims::{Dims, Matrix};
use crate::error::Result;
use crate::ids::HookPoint;
use crate::kernels::linear::rows_times;

/// Parts that a transcoder has beyond those of an autoencoder.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Transcoder {
    /// Hook it writes; none if the file does not name one.
    pub hook_out: Option<HookPoint>,
    /// Skip connection, `[d_out, d]`.
    pub w_skip: Option<Matrix>,
}

impl Transcoder {
    /// Checks the shapes of the dictionary `of` and of `x [n, d]`.
    pub(super) fn check(&self, of: &Sae, x: &Matrix) -> Result<()> {
        let dims = Dims::new("encode")
            .bind("w_enc", &of.w_enc, "f d")?
            .bind("b_enc", &of.b_enc, "f")?
            .bind("w_dec", &of.w_dec, "f o")?
            .bind("b_dec", &of.b_dec, "o")?
            .bind("x", x, "n d")?;
        match &self.w_skip {
            Some(w_skip) => dims
                .bind("w_skip", w_skip, "s d")?
                .bind_len("w_skip", w_skip.rows() * of.role.writes_layers(), "o")
                .map(drop),
            None => Ok(()),
        }
    }

    /// Adds the output of the skip connection for `x [n, d]`, without normalisation, to `out`.
    pub(super) fn add_skipped(&self, of: &Sae, x: &Matrix, out: &mut Matrix) -> Result<()> {
        self.check(of, x)?;
        if let Some(w_skip) = &self.w_skip {
            let skipped = rows_times(x, w_skip);
            let width = out.columns().max(1);
            // The skip connection writes its own layer alone, the first block of the columns.
            let own = w_skip.rows().max(1);
            let rows = out.values_mut().par_chunks_mut(width);
            let pairs = rows.zip(skipped.values().par_chunks(own));
            pairs.for_each(|(out, skipped)| {
                for (out, skipped) in out.iter_mut().zip(skipped) {
                    *out += skipped;
                }
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Site;
    use crate::sae::{Relu, Role};

    /// d = 2, d_out = 3, f = 2.
    fn tiny() -> Sae {
        Sae::new(
            "tiny",
            (
                Matrix::new(2, 2, vec![1.0, 0.0, 0.0, -1.0]).unwrap(),
                vec![0.5, 0.0],
            ),
            (
                Matrix::new(2, 3, vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0]).unwrap(),
                vec![10.0, 20.0, 30.0],
            ),
            Relu,
        )
        .reading(HookPoint::block(0, Site::MlpIn))
        .with_role(Role::Transcoder(Transcoder {
            hook_out: Some(HookPoint::block(0, Site::MlpOut)),
            w_skip: Some(Matrix::new(3, 2, vec![0.0, 0.0, 2.0, 0.0, 0.0, 3.0]).unwrap()),
        }))
    }

    #[test]
    fn it_reads_x_itself_and_adds_the_skip_connection() {
        let (sae, x) = (tiny(), Matrix::new(1, 2, vec![1.0, 2.0]).unwrap());
        let latents = sae.encode(&x).unwrap();
        // Pre-activations 1.5 and −2.
        assert_eq!(
            (latents.features.as_slice(), latents.acts[0]),
            ([0].as_slice(), 1.5)
        );
        assert_eq!(
            sae.decode(&latents, &x).unwrap().values(),
            [11.5, 22.0, 36.0]
        );
        let mut plain = sae.clone();
        plain.role = Role::Transcoder(Transcoder::default());
        assert_eq!(
            plain.decode(&latents, &x).unwrap().values(),
            [11.5, 20.0, 30.0]
        );
        assert_eq!(
            (sae.width(), sae.bias_terms(0_usize.into())),
            (2, (0.0, 0.5))
        );
    }

    #[test]
    fn it_is_refused_by_name_where_a_dictionary_is_to_reconstruct_what_it_reads() {
        let mut sae = tiny();
        let said = sae.hook().unwrap_err().to_string();
        for word in ["tiny", "blocks.0.mlp.hook_in", "blocks.0.hook_mlp_out"] {
            assert!(said.contains(word), "{said}");
        }
        assert_eq!(sae.writes().unwrap(), HookPoint::block(0, Site::MlpOut));
        sae.role = Role::Transcoder(Transcoder::default());
        assert!(
            sae.writes()
                .unwrap_err()
                .to_string()
                .contains("hook_name_out")
        );
        sae.b_dec.pop();
        assert!(sae.encode(&Matrix::zeros(1, 2)).is_err());
    }
}
