//! Cross-layer transcoders: features that read at one layer and write the MLP outputs of that layer and all later ones.
//!
//! | | |
//! |---|---|
//! | paper | Ameisen et al. 2025, "Circuit Tracing: Revealing Computational Graphs in Language Models" |
//! | rule at inference | that of each layer: every positive pre-activation, or those above thresholds |
//! | extra parameters | a decoder for each pair of a layer and a later one, skip connections in Gemma Scope 2 |
//! | trained here | no; Umbra reads, measures and writes them |
//! | other names | circuit-tracer `cross_layer_transcoder`, CLT |
//!
//! `ŷ_l = Σ_{s ≤ l} acts_s · w_dec_{s→l} + b_dec_l + x_l · w_skip_lᵀ`, `acts_s` the code of `x_s` alone.

use super::{Role, Sae};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::latents::Latents;

/// Cross-layer transcoder: its layers from the model's first on. The `w_dec [f, (l − s) · d]` of layer `s` holds what it writes to its own and the later layers.
#[derive(Debug, Clone, PartialEq)]
pub struct CrossLayer {
    layers: Vec<Sae>,
}

impl CrossLayer {
    /// Creates it from its layers in order; an error if a layer does not write to every layer from its own on, or if widths differ.
    pub fn new(layers: Vec<Sae>) -> Result<Self> {
        Self::check_layers(&layers.iter().collect::<Vec<_>>())?;
        Ok(Self { layers })
    }

    /// Checks that these are the layers of one cross-layer transcoder, in order.
    pub(crate) fn check_layers(layers: &[&Sae]) -> Result<()> {
        let wrong = |sae: &Sae, what: String| {
            Err(Error::Shape {
                op: "cross-layer transcoder",
                what: format!("{} {what}", sae.name),
            })
        };
        let width = layers.last().map_or(0, |last| last.w_dec.columns());
        for (s, sae) in layers.iter().enumerate() {
            let wanted = layers.len() - s - 1;
            match &sae.role {
                Role::CrossLayer { later, .. } if *later == wanted => {}
                role if role.transcodes() => {
                    let what = format!(
                        "writes {} later layers where {wanted} follow: layers of two sets, or one is missing",
                        role.writes_layers() - 1
                    );
                    return wrong(sae, what);
                }
                _ => return wrong(sae, "is no transcoder".to_owned()),
            }
            let first = layers[0];
            let shape = |of: &Sae| [of.features(), of.width()];
            if shape(sae) != shape(first) {
                let what = format!(
                    "is {:?} where {} is {:?}: layers of two sets",
                    shape(sae),
                    first.name,
                    shape(first)
                );
                return wrong(sae, what);
            }
            if sae.w_dec.columns() != (wanted + 1) * width {
                let what = format!(
                    "writes {} numbers to {} layers, the last layer {width}",
                    sae.w_dec.columns(),
                    wanted + 1
                );
                return wrong(sae, what);
            }
        }
        Ok(())
    }

    /// Returns its layers, each of which can be used as a transcoder by itself.
    pub fn layers(&self) -> &[Sae] {
        &self.layers
    }

    /// Number of layers.
    pub fn into_layers(self) -> Vec<Sae> {
        self.layers
    }

    /// Width of the output of each layer.
    pub fn width_out(&self) -> usize {
        self.layers.last().map_or(0, |last| last.b_dec.len())
    }

    /// Encodes each layer's activations `[n, d]`.
    pub fn encode(&self, x: &[Matrix]) -> Result<Vec<Latents>> {
        self.check(x.len())?;
        let pairs = self.layers.iter().zip(x);
        pairs.map(|(sae, x)| sae.encode(x)).collect()
    }

    /// Decodes `latents`, the codes of `x` (`[n, d]` per layer), into the outputs of all layers, `[n, d_out]` each.
    pub fn decode(&self, latents: &[Latents], x: &[Matrix]) -> Result<Vec<Matrix>> {
        self.check(x.len())?;
        self.check(latents.len())?;
        let n = x.first().map_or(0, Matrix::rows);
        let mut written = vec![Matrix::zeros(n, self.width_out()); x.len()];
        for (s, (latents, x)) in latents.iter().zip(x).enumerate() {
            self.add(s, latents, x, &mut written[s..])?;
        }
        Ok(written)
    }

    /// Adds the output of layer `s` for `x [n, d]` to `onwards`, the outputs `[n, d_out]` of the layers from `s` on.
    pub(crate) fn add(
        &self,
        s: usize,
        latents: &Latents,
        x: &Matrix,
        onwards: &mut [Matrix],
    ) -> Result<()> {
        let all = self.layers[s].decode(latents, x)?; // [n, (l − s) · d_out]
        let width = self.width_out();
        for (to, onwards) in onwards.iter_mut().enumerate() {
            if (onwards.rows(), onwards.columns()) != (all.rows(), width) {
                let what = format!(
                    "{} tokens at one layer and {} at another",
                    all.rows(),
                    onwards.rows()
                );
                return Err(Error::Shape {
                    op: "cross-layer transcoder",
                    what,
                });
            }
            for (i, row) in all.iter_rows().enumerate() {
                let block = &row[to * width..(to + 1) * width];
                for (out, part) in onwards.row_mut(i).iter_mut().zip(block) {
                    *out += part;
                }
            }
        }
        Ok(())
    }

    fn check(&self, layers: usize) -> Result<()> {
        if layers == self.layers.len() {
            return Ok(());
        }
        Err(Error::Shape {
            op: "cross-layer transcoder",
            what: format!(
                "{layers} layers of activations for a transcoder of {}",
                self.layers.len()
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sae::{Relu, Transcoder};

    /// d = 1, one feature a layer that reads x as it is and writes 1 to its own layer, 10 to the next, 100 to the one behind.
    fn tiny(layers: usize) -> Vec<Sae> {
        let layer = |s: usize| {
            let later = layers - s - 1;
            let writes = (0..=later as i32).map(|to| 10_f32.powi(to)).collect();
            let mut b_dec = vec![0.0; later + 1];
            b_dec[0] = 0.5;
            Sae::new(
                format!("layer {s}"),
                (Matrix::new(1, 1, vec![1.0]).unwrap(), vec![0.0]),
                (Matrix::new(1, later + 1, writes).unwrap(), b_dec),
                Relu,
            )
            .with_role(Role::CrossLayer {
                later,
                transcoder: Transcoder {
                    hook_out: None,
                    w_skip: Some(Matrix::new(1, 1, vec![0.25]).unwrap()),
                },
            })
        };
        (0..layers).map(layer).collect()
    }

    #[test]
    fn each_layer_gets_the_sum_of_what_those_before_write_to_it() {
        let clt = CrossLayer::new(tiny(3)).unwrap();
        let x = [2.0, -4.0, 3.0].map(|x| Matrix::new(1, 1, vec![x]).unwrap());
        let latents = clt.encode(&x).unwrap();
        let written = clt.decode(&latents, &x).unwrap();
        let written: Vec<f32> = written.iter().map(|of| of.values()[0]).collect();
        // The second layer's feature is off, its skip connection is not.
        assert_eq!(
            written,
            [2.0 + 0.5 + 0.5, 20.0 + 0.5 - 1.0, 200.0 + 3.0 + 0.5 + 0.75]
        );
    }

    #[test]
    fn layers_that_do_not_make_one_transcoder_are_refused() {
        let said = |layers: Vec<Sae>| CrossLayer::new(layers).unwrap_err().to_string();
        let mut all = tiny(3);
        all.remove(1);
        assert!(said(all).contains("layer 0 writes 2 later layers where 1 follow"));
        let mut all = tiny(2);
        all[0].role = Role::Autoencoder;
        assert!(said(all).contains("is no transcoder"));
        let mut all = tiny(2);
        all[1].w_enc = Matrix::zeros(2, 1);
        all[1].w_dec = Matrix::zeros(2, 1);
        assert!(said(all).contains("layer 1 is [2, 1] where layer 0 is [1, 1]"));
        let clt = CrossLayer::new(tiny(3)).unwrap();
        assert!(clt.encode(&[Matrix::zeros(1, 1)]).is_err());
        let said = clt.layers()[0].writes().unwrap_err().to_string();
        assert!(
            said.contains("layer 0") && said.contains("2 later layers"),
            "{said}"
        );
    }
}
