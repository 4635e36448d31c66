//! Sparse activations in compressed rows, the common result of all selection rules.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::ids::FeatureId;

/// Sparse activations of `n` tokens in compressed rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Latents {
    /// Bounds of rows, `[n + 1]`: row `i` is `offsets[i]..offsets[i + 1]`.
    pub offsets: Vec<usize>,
    /// Features, `[nnz]`, ascending within a row.
    pub features: Vec<u32>,
    /// Activations, `[nnz]`, positive except under signed rules.
    pub acts: Vec<f32>,
}

impl Latents {
    /// Creates `rows` rows without an active feature.
    pub fn empty(rows: usize) -> Self {
        Self {
            offsets: vec![0; rows + 1],
            ..Self::default()
        }
    }

    /// Creates it without rows, with capacity for `rows` of `k` entries.
    pub fn with_capacity(rows: usize, k: usize) -> Self {
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        Self {
            offsets,
            features: Vec::with_capacity(rows * k),
            acts: Vec::with_capacity(rows * k),
        }
    }

    /// Creates it from rows of pairs in any order; an error if a feature occurs twice in a row.
    pub fn from_unsorted(rows: &[Vec<(FeatureId, f32)>]) -> Result<Self> {
        let mut latents = Self::with_capacity(rows.len(), rows.first().map_or(0, Vec::len));
        for row in rows {
            let mut row = row.clone();
            row.sort_by_key(|(feature, _)| *feature);
            latents.features.extend(row.iter().map(|(f, _)| f.0));
            latents.acts.extend(row.iter().map(|(_, act)| *act));
            latents.offsets.push(latents.features.len());
        }
        latents.check(usize::MAX)?;
        Ok(latents)
    }

    /// Appends one row; `features` ascend, with one act each.
    pub fn push_row(&mut self, features: &[u32], acts: &[f32]) {
        debug_assert_eq!(features.len(), acts.len());
        debug_assert!(features.is_sorted());
        if self.offsets.is_empty() {
            self.offsets.push(0);
        }
        self.features.extend_from_slice(features);
        self.acts.extend_from_slice(acts);
        self.offsets.push(self.features.len());
    }

    /// Concatenates the rows of all parts.
    #[must_use]
    pub fn joined(parts: &[Self]) -> Self {
        let rows: usize = parts.iter().map(Self::rows).sum();
        let mut offsets = Vec::with_capacity(rows + 1);
        offsets.push(0);
        for part in parts {
            let before = offsets[offsets.len() - 1];
            let ends = part.offsets.iter().skip(1);
            offsets.extend(ends.map(|end| before + end));
        }
        let (features, acts) = rayon::join(
            || concat(parts, |part| &part.features),
            || concat(parts, |part| &part.acts),
        );
        Self {
            offsets,
            features,
            acts,
        }
    }

    /// Checks that offsets rise to the end, features ascend within each row and stay below `features`, and acts are finite.
    pub fn check(&self, features: usize) -> Result<()> {
        let refuse = |what: String| {
            Err(Error::Shape {
                op: "latents",
                what,
            })
        };
        let end = self.offsets.last().copied().unwrap_or(0);
        if end != self.features.len() || end != self.acts.len() || !self.offsets.is_sorted() {
            let (f, a) = (self.features.len(), self.acts.len());
            return refuse(format!(
                "offsets end at {end} or fall, with {f} features and {a} acts"
            ));
        }
        if self.offsets.first().is_some_and(|first| *first != 0) {
            return refuse("offsets do not begin at 0".to_owned());
        }
        for i in 0..self.rows() {
            let row = &self.features[self.range(i)];
            if row.windows(2).any(|pair| pair[0] >= pair[1]) {
                return refuse(format!("features of row {i} do not ascend"));
            }
            if row.last().is_some_and(|last| *last as usize >= features) {
                return refuse(format!("row {i} names a feature beyond {features}"));
            }
            if self.acts[self.range(i)].iter().any(|act| !act.is_finite()) {
                return refuse(format!("an activation of row {i} is not a finite number"));
            }
        }
        Ok(())
    }

    /// Keeps the `k` largest activations of each row; ties go to lower features.
    #[must_use]
    pub(crate) fn largest(&self, k: usize) -> Self {
        let mut kept = Self::with_capacity(self.rows(), k);
        let (mut features, mut acts) = (Vec::with_capacity(k), Vec::with_capacity(k));
        for row in 0..self.rows() {
            let mut entries: Vec<usize> = self.range(row).collect();
            // The sort is stable and entries ascend by feature.
            entries.sort_by(|a, b| self.acts[*b].total_cmp(&self.acts[*a]));
            entries.truncate(k);
            entries.sort_unstable();
            features.clear();
            acts.clear();
            features.extend(entries.iter().map(|entry| self.features[*entry]));
            acts.extend(entries.iter().map(|entry| self.acts[*entry]));
            kept.push_row(&features, &acts);
        }
        kept
    }

    /// Keeps the entries for which `keep(feature, activation)` holds.
    #[must_use]
    fn filtered(&self, keep: impl Fn(u32, f32) -> bool) -> Self {
        let mut kept = Self::with_capacity(self.rows(), 0);
        for row in 0..self.rows() {
            for entry in self.range(row) {
                let (feature, act) = (self.features[entry], self.acts[entry]);
                if keep(feature, act) {
                    kept.features.push(feature);
                    kept.acts.push(act);
                }
            }
            kept.offsets.push(kept.features.len());
        }
        kept
    }

    /// Drops entries with activation 0.
    #[must_use]
    pub(crate) fn without_zeros(&self) -> Self {
        self.filtered(|_, act| act != 0.0)
    }

    /// Keeps the entries of these features.
    #[must_use]
    pub(crate) fn of_features(&self, features: Range<u32>) -> Self {
        self.filtered(|feature, _| features.contains(&feature))
    }

    /// Number of tokens, `n`.
    pub fn rows(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Range of row `i` in `features` and `acts`.
    pub fn range(&self, i: usize) -> Range<usize> {
        self.offsets[i]..self.offsets[i + 1]
    }

    /// Iterates over the pairs of row `i`, by feature.
    pub fn row(&self, i: usize) -> impl Iterator<Item = (FeatureId, f32)> {
        let range = self.range(i);
        self.features[range.clone()]
            .iter()
            .map(|f| FeatureId(*f))
            .zip(self.acts[range].iter().copied())
    }

    /// Activation of `feature` in row `i`; 0 if it is not active.
    pub fn get(&self, i: usize, feature: FeatureId) -> f32 {
        let range = self.range(i);
        self.features[range.clone()]
            .binary_search(&feature.0)
            .map_or(0.0, |at| self.acts[range.start + at])
    }
}

fn concat<T: Copy>(parts: &[Latents], of: impl Fn(&Latents) -> &Vec<T>) -> Vec<T> {
    let mut all = Vec::with_capacity(parts.iter().map(|part| of(part).len()).sum());
    for part in parts {
        all.extend_from_slice(of(part));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsorted_pairs_become_rows_by_feature() {
        let rows = [
            vec![(FeatureId(7), 0.5), (FeatureId(2), 1.5)],
            vec![],
            vec![(FeatureId(0), 2.0)],
        ];
        let latents = Latents::from_unsorted(&rows).unwrap();
        assert_eq!(latents.offsets, [0, 2, 2, 3]);
        assert_eq!(latents.features, [2, 7, 0]);
        assert_eq!(latents.get(0, FeatureId(7)), 0.5);
        assert_eq!(latents.get(1, FeatureId(7)), 0.0);
        assert_eq!(latents.row(2).collect::<Vec<_>>(), [(FeatureId(0), 2.0)]);
    }

    #[track_caller]
    fn refused(latents: &Latents, phrase: &str) {
        let what = latents.check(8).unwrap_err().to_string();
        assert!(what.contains(phrase), "{what}");
    }

    #[test]
    fn what_is_not_compressed_rows_is_refused() {
        let good = Latents {
            offsets: vec![0, 2],
            features: vec![1, 3],
            acts: vec![1.0, 2.0],
        };
        good.check(8).unwrap();
        let with = |features: &[u32], acts: &[f32], offsets: &[usize]| Latents {
            offsets: offsets.to_vec(),
            features: features.to_vec(),
            acts: acts.to_vec(),
        };
        refused(&with(&[3, 1], &[1.0, 2.0], &[0, 2]), "do not ascend");
        refused(&with(&[3, 3], &[1.0, 2.0], &[0, 2]), "do not ascend");
        refused(&with(&[1, 8], &[1.0, 2.0], &[0, 2]), "beyond 8");
        refused(&with(&[1, 3], &[1.0, f32::NAN], &[0, 2]), "finite");
        refused(&with(&[1, 3], &[1.0, 2.0], &[0, 3]), "offsets end");
        refused(&with(&[1, 3], &[1.0], &[0, 2]), "offsets end");
        refused(&with(&[1, 3], &[1.0, 2.0], &[1, 2]), "begin at 0");
    }

    #[test]
    fn joined_rows_follow() {
        let part = |i: u32| {
            let mut one = Latents::default();
            one.push_row(&[i, i + 4], &[1.0, 2.0]);
            one.push_row(&[], &[]);
            one
        };
        let all = Latents::joined(&[part(0), part(1), part(2)]);
        all.check(8).unwrap();
        assert_eq!(all.rows(), 6);
        assert_eq!(all.get(4, FeatureId(6)), 2.0);
        assert_eq!(Latents::joined(&[]).rows(), 0);
    }
}
