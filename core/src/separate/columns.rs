//! Pooled activations by feature, and what each feature tells alone.

use super::Separator;
use crate::ids::FeatureId;
use crate::latents::Latents;

/// Pooled activations of both sets by feature: texts of the first set come before those of the second.
#[derive(Debug)]
pub(super) struct Columns {
    /// Number of texts of each set.
    texts: [usize; 2],
    /// Features that are active on a text, ascending.
    columns: Vec<Column>,
}

/// A feature's texts with its pooled activation on them, ascending by text.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) feature: FeatureId,
    pub(super) acts: Vec<(usize, f64)>,
}

impl Columns {
    pub(super) fn new(one: &Latents, other: &Latents) -> Self {
        let set = |set: &Latents, first: usize| {
            let row = |row: usize| {
                let acts = set.row(row).filter(|(_, act)| *act != 0.0);
                let acts = acts.map(|(feature, act)| (feature, first + row, f64::from(act)));
                acts.collect::<Vec<_>>()
            };
            (0..set.rows()).flat_map(row).collect::<Vec<_>>()
        };
        let mut all = set(one, 0);
        all.extend(set(other, one.rows()));
        all.sort_by_key(|(feature, text, _)| (*feature, *text));
        let column = |acts: &[(FeatureId, usize, f64)]| Column {
            feature: acts[0].0,
            acts: acts.iter().map(|(_, text, act)| (*text, *act)).collect(),
        };
        Self {
            texts: [one.rows(), other.rows()],
            columns: all.chunk_by(|a, b| a.0 == b.0).map(column).collect(),
        }
    }

    /// Number of texts.
    pub(super) fn texts(&self) -> usize {
        self.texts[0] + self.texts[1]
    }

    /// Whether a text is of the first set.
    pub(super) fn is_first(&self, text: usize) -> bool {
        text < self.texts[0]
    }

    /// The figures of every feature, by feature.
    pub(super) fn separators(&self) -> Vec<Separator> {
        self.columns
            .iter()
            .map(|column| self.separator(column))
            .collect()
    }

    fn separator(&self, column: &Column) -> Separator {
        let (mut sums, mut active) = ([0.0; 2], [0; 2]);
        for (text, act) in &column.acts {
            let set = usize::from(!self.is_first(*text));
            sums[set] += act;
            active[set] += 1;
        }
        let mean = |set: usize| sums[set] / self.texts[set] as f64;
        Separator {
            feature: column.feature,
            means: [mean(0), mean(1)],
            active,
            correlation: self.correlation(column, &|_| true),
            auc: self.auc(column, active),
        }
    }

    /// Correlation of a column with the first set over the texts for which `takes` holds; 0 where either does not vary.
    fn correlation(&self, column: &Column, takes: &dyn Fn(usize) -> bool) -> f64 {
        let [first, second] = [0..self.texts[0], self.texts[0]..self.texts()]
            .map(|texts| texts.filter(|text| takes(*text)).count() as f64);
        self.correlation_of(column, takes, [first, second])
    }

    fn correlation_of(
        &self,
        column: &Column,
        takes: &dyn Fn(usize) -> bool,
        [first, second]: [f64; 2],
    ) -> f64 {
        let n = first + second;
        let (mut sums, mut squares) = ([0.0; 2], 0.0);
        for (text, act) in column.acts.iter().filter(|(text, _)| takes(*text)) {
            sums[usize::from(!self.is_first(*text))] += act;
            squares += act * act;
        }
        let mean = (sums[0] + sums[1]) / n;
        // Squares about the mean: texts without an activation are at 0.
        let about: f64 = column
            .acts
            .iter()
            .filter(|(text, _)| takes(*text))
            .map(|(_, act)| (act - mean).powi(2))
            .sum();
        let active = column.acts.iter().filter(|(text, _)| takes(*text)).count() as f64;
        let variance = (about + (n - active) * mean * mean) / n;
        if squares == 0.0 || first == 0.0 || second == 0.0 || variance <= 0.0 {
            return 0.0;
        }
        let difference = sums[0] / first - sums[1] / second;
        let correlation = difference * (first * second).sqrt() / (n * variance.sqrt());
        correlation.clamp(-1.0, 1.0)
    }

    /// Area under the ROC curve by ranks, ties counted by half.
    fn auc(&self, column: &Column, active: [usize; 2]) -> f64 {
        let mut acts = column.acts.clone();
        acts.sort_by(|a, b| a.1.total_cmp(&b.1));
        let silent = [0, 1].map(|set: usize| (self.texts[set] - active[set]) as f64);
        // Pairs in which the text of the first set is the larger one, with those of equal size by half, from the smallest value upwards.
        let (mut below, mut pairs, mut passed_zero) = (0.0, 0.0, false);
        let mut tie = |counts: [f64; 2], below: &mut f64| {
            pairs += counts[0] * (*below + counts[1] / 2.0);
            *below += counts[1];
        };
        for equal in acts.chunk_by(|a, b| a.1 == b.1) {
            if equal[0].1 > 0.0 && !passed_zero {
                passed_zero = true;
                tie(silent, &mut below);
            }
            let first = equal
                .iter()
                .filter(|(text, _)| self.is_first(*text))
                .count();
            tie([first as f64, (equal.len() - first) as f64], &mut below);
        }
        if !passed_zero {
            tie(silent, &mut below);
        }
        pairs / (self.texts[0] * self.texts[1]) as f64
    }

    /// The `most` columns that correlate most in size with the first set over the texts for which `takes` holds; those that do not vary are left out.
    pub(super) fn strongest(&self, most: usize, takes: &dyn Fn(usize) -> bool) -> Vec<&Column> {
        let sets = [0..self.texts[0], self.texts[0]..self.texts()]
            .map(|texts| texts.filter(|text| takes(*text)).count() as f64);
        let size = |column: &Column| self.correlation_of(column, takes, sets).abs();
        let mut ranked: Vec<(f64, &Column)> = self.columns.iter().map(|c| (size(c), c)).collect();
        ranked.retain(|(size, _)| *size > 0.0);
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.feature.cmp(&b.1.feature)));
        ranked
            .into_iter()
            .take(most)
            .map(|(_, column)| column)
            .collect()
    }
}

impl Column {
    /// Pooled activation on every text, `[texts]`.
    pub(super) fn dense(&self, texts: usize) -> Vec<f64> {
        let mut dense = vec![0.0; texts];
        for (text, act) in &self.acts {
            dense[*text] = *act;
        }
        dense
    }
}
