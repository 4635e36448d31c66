//! GroupMax: the largest pre-activation of each group of features (sparsify `groupmax`).

use super::super::decision::Limit;
use super::super::selection::Selects;
use super::super::variant::Variant;
use super::in_chunks;
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::FeatureId;
use crate::kernels::encode::{Bar, encode_above};
use crate::latents::Latents;

/// Splits features into `k` consecutive groups of equal length and keeps the largest pre-activation of each, if positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupMax {
    /// Number of groups, which bounds the active features per token; divides the number of features.
    pub k: usize,
}

impl Selects for GroupMax {
    fn encode(&self, centred: &Matrix, w_enc: &Matrix, b_enc: &[f32]) -> Result<Latents> {
        let group = (w_enc.rows() / self.k.max(1)).max(1);
        in_chunks(centred, |rows| {
            let all = encode_above(rows, w_enc, b_enc, Bar::All(0.0))?;
            let mut kept = Latents::with_capacity(all.rows(), self.k);
            for row in 0..all.rows() {
                let (features, acts) = best_of_groups(all.row(row), group);
                kept.push_row(&features, &acts);
            }
            Ok(kept)
        })
    }

    fn cut_off(&self, pre: &[f32], feature: usize) -> Option<Limit> {
        let group = (pre.len() / self.k.max(1)).max(1);
        let first = feature / group * group;
        let of_group = &pre[first..(first + group).min(pre.len())];
        let most = of_group.iter().copied().fold(0.0, f32::max);
        Some(Limit::new(most, "the largest of its group, or 0"))
    }

    fn describe(&self) -> String {
        format!("the largest of each of {} groups", self.k)
    }

    fn definition(&self) -> &'static str {
        "Keeps the largest pre-activation of each group of features, if it is positive"
    }

    fn canonical(&self) -> String {
        format!("groupmax {}", self.k)
    }

    fn trained_as(&self) -> Variant {
        Variant::TopK
    }

    fn k(&self) -> Option<usize> {
        Some(self.k)
    }

    fn ranks(&self) -> bool {
        true
    }

    fn is_covered(&self) -> bool {
        false
    }
}

/// Returns the entry of largest activation of each group, the first among equals; entries ascend by feature.
fn best_of_groups(
    entries: impl Iterator<Item = (FeatureId, f32)>,
    group: usize,
) -> (Vec<u32>, Vec<f32>) {
    let (mut features, mut acts): (Vec<u32>, Vec<f32>) = (Vec::new(), Vec::new());
    for (feature, act) in entries {
        let same = |last: &u32| *last as usize / group == feature.index() / group;
        match (features.last_mut(), acts.last_mut()) {
            (Some(last), Some(most)) if same(last) && act > *most => {
                (*last, *most) = (feature.0, act);
            }
            (Some(last), Some(_)) if same(last) => {}
            _ => {
                features.push(feature.0);
                acts.push(act);
            }
        }
    }
    (features, acts)
}
