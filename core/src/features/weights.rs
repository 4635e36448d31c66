//! Facts about a feature by its weights alone: norm and direction of its decoder row, its neighbours among other rows, the neurons that it points along.

use super::effects::norm;
use super::{Neighbour, Neuron, RELATED};
use crate::compare;
use crate::error::Result;
use crate::ids::{FeatureId, HookPoint, Site};
use crate::progress::{Ended, Flow};
use crate::sae::Sae;

/// Facts about one feature.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Weights {
    /// Norm of the decoder row.
    pub(super) norm: f64,
    /// Cosine of encoder and decoder row; none where their widths differ or one is 0.
    pub(super) encoder_decoder_cosine: Option<f64>,
    /// Features with the largest cosine of decoder rows, largest first.
    pub(super) neighbours: Vec<Neighbour>,
    /// Neurons with the largest |cosine|, largest first; empty at a hook without neurons.
    pub(super) neurons: Vec<Neuron>,
}

/// Computes the facts about all features of a dictionary, `[f]`.
pub(super) fn of(sae: &Sae, step: &mut dyn FnMut() -> Flow) -> Result<Ended<Vec<Weights>>> {
    sae.w_enc.check()?;
    sae.w_dec.check()?;
    let outputs = sae.outputs();
    let has_neurons =
        outputs.is_ok_and(|outputs| matches!(&outputs[..], [alone] if has_neurons(alone.hook)));
    let Ended::Done(nearest) = compare::nearest(&sae.w_dec, RELATED, step)? else {
        return Ok(Ended::STOPPED);
    };
    let of = |(f, nearest): (usize, Vec<(FeatureId, f32)>)| {
        let row = sae.w_dec.row(f);
        let neighbour = |(feature, cosine)| Neighbour { feature, cosine };
        Weights {
            norm: norm(row),
            encoder_decoder_cosine: cosine(sae.w_enc.row(f), row),
            neighbours: nearest.into_iter().map(neighbour).collect(),
            neurons: if has_neurons {
                neurons(row)
            } else {
                Vec::new()
            },
        }
    };
    Ok(Ended::Done(
        nearest.into_iter().enumerate().map(of).collect(),
    ))
}

/// Returns whether each entry of a value at `hook` is a neuron of an MLP.
fn has_neurons(hook: HookPoint) -> bool {
    let HookPoint::Block(_, site) = hook else {
        return false;
    };
    matches!(site, Site::MlpPre | Site::MlpPreLinear | Site::MlpPost)
}

fn cosine(a: &[f32], b: &[f32]) -> Option<f64> {
    let norms = norm(a) * norm(b);
    let product = || a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
    (a.len() == b.len() && norms > 0.0).then(|| product().sum::<f64>() / norms)
}

fn neurons(row: &[f32]) -> Vec<Neuron> {
    let length = norm(row);
    let mut neurons: Vec<(u32, f32)> = (0..).zip(row.iter().copied()).collect();
    neurons.sort_by(|(i, a), (j, b)| b.abs().total_cmp(&a.abs()).then(i.cmp(j)));
    neurons.truncate(if length > 0.0 { RELATED } else { 0 });
    let along = |(neuron, entry): (u32, f32)| Neuron {
        neuron,
        cosine: (f64::from(entry) / length) as f32,
    };
    neurons.into_iter().map(along).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cosines_and_neurons_equal_their_definition() {
        assert_eq!(cosine(&[3.0, 4.0], &[4.0, 3.0]), Some(24.0 / 25.0));
        assert_eq!(cosine(&[1.0], &[1.0, 0.0]), None);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), None);
        let along = neurons(&[0.0, -4.0, 3.0]);
        let pairs: Vec<(u32, f32)> = along.iter().map(|n| (n.neuron, n.cosine)).collect();
        assert_eq!(pairs, [(1, -0.8), (2, 0.6), (0, 0.0)]);
        assert!(neurons(&[0.0, 0.0]).is_empty());
        let hook = |name: &str| has_neurons(name.parse().unwrap());
        assert!(hook("blocks.1.mlp.hook_post") && hook("blocks.1.mlp.hook_pre"));
        assert!(!hook("blocks.1.hook_mlp_out") && !hook("blocks.1.attn.hook_z"));
    }
}
