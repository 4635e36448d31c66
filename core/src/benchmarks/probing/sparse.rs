//! Sparse probing: regressions on a few columns that are chosen by the difference of their means.

use rayon::prelude::*;

use super::sets::{Balanced, Judged, Resampled, wilson};
use super::{OfSize, PENALTY, Spec};
use crate::benchmarks::estimate::Estimate;
use crate::benchmarks::labelled::Split;
use crate::benchmarks::regression::{Examples, Logistic};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::latents::Latents;

/// Numbers in the inputs of one regression above which it is left out.
const MOST_NUMBERS: usize = 1 << 25;

/// Columns of the texts, `[n]` rows.
#[derive(Debug, Clone, Copy)]
pub enum Sparse<'a> {
    /// Activations of the model, `[n, d]`.
    Model(&'a Matrix),
    /// Features of a dictionary, and their number.
    Dictionary(&'a Latents, usize),
}

impl Sparse<'_> {
    fn rows(&self) -> usize {
        match self {
            Self::Model(x) => x.rows(),
            Self::Dictionary(latents, _) => latents.rows(),
        }
    }

    fn columns(&self) -> usize {
        match self {
            Self::Model(x) => x.columns(),
            Self::Dictionary(_, features) => *features,
        }
    }

    fn each(&self, row: usize, mut with: impl FnMut(usize, f64)) {
        match self {
            Self::Model(x) => {
                let row = x.row(row).iter().enumerate();
                row.for_each(|(column, x)| with(column, f64::from(*x)));
            }
            Self::Dictionary(latents, _) => {
                let row = latents.row(row);
                row.for_each(|(feature, act)| with(feature.index(), f64::from(act)));
            }
        }
    }

    /// Mean over the class less mean over the others, of each column.
    fn differences(&self, set: &Balanced) -> Vec<f64> {
        let mut sums = vec![[0.0_f64; 2]; self.columns()];
        for (text, is_of) in set.texts.iter().zip(&set.is_of) {
            self.each(*text, |column, x| sums[column][usize::from(!is_of)] += x);
        }
        let each = set.texts.len() as f64 / 2.0;
        sums.iter()
            .map(|[of, others]| (of - others) / each)
            .collect()
    }

    /// The `k` columns whose means differ most, the first of equals.
    pub(super) fn strongest(&self, set: &Balanced, k: usize) -> Vec<usize> {
        let differences = self.differences(set);
        let mut order: Vec<usize> = (0..differences.len()).collect();
        let size = |column: usize| differences[column].abs();
        order.sort_by(|a, b| size(*b).total_cmp(&size(*a)).then(a.cmp(b)));
        order.truncate(k);
        order
    }

    /// Columns that differ from 0 on some text of the set.
    fn active(&self, set: &Balanced) -> Vec<usize> {
        let mut is_active = vec![false; self.columns()];
        for text in &set.texts {
            self.each(*text, |column, x| is_active[column] |= x != 0.0);
        }
        (0..is_active.len())
            .filter(|column| is_active[*column])
            .collect()
    }

    /// Values of `columns` on texts, side by side.
    fn values(&self, texts: &[usize], columns: &[usize]) -> Vec<f64> {
        let mut place = vec![None; self.columns()];
        columns
            .iter()
            .enumerate()
            .for_each(|(at, column)| place[*column] = Some(at));
        let mut values = vec![0.0; texts.len() * columns.len()];
        for (row, text) in texts.iter().enumerate() {
            self.each(*text, |column, x| {
                if let Some(at) = place[column] {
                    values[row * columns.len() + at] = x;
                }
            });
        }
        values
    }

    /// Fits a regression on `columns` and judges it on the texts that test.
    pub(super) fn judged(
        &self,
        [train, test]: &[Balanced; 2],
        columns: &[usize],
    ) -> Result<Judged> {
        let fit = Logistic::fitted(Examples {
            x: &self.values(&train.texts, columns),
            width: columns.len(),
            is_of: &train.is_of,
            weights: [1.0, 1.0],
            penalty: PENALTY,
        })?;
        let judged = test.judged(|text| fit.score(self.values(&[text], columns).into_iter()));
        Ok(judged)
    }
}

/// Share of test texts that the probe of a class tells right.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassAccuracy {
    /// Class.
    pub class: usize,
    /// Share with Wilson's interval.
    pub accuracy: Estimate,
    /// Number of test texts, half of them of the class.
    pub texts: usize,
    /// Columns of the probe, the largest difference first; none for a probe of all columns.
    pub columns: Vec<usize>,
}

/// Sparse probing of the activations of a model or of the features of a dictionary.
#[derive(Debug, Clone, PartialEq)]
pub struct Probed {
    /// Accuracy of probes on all columns, mean over classes; none where their inputs are too many.
    pub all: Option<Estimate>,
    /// Accuracy of probes on the k best columns, mean over classes.
    pub top: Vec<OfSize>,
    /// Accuracies by class, for all columns (none where these are none) and then for each of `top`.
    pub classes: Vec<Vec<ClassAccuracy>>,
}

/// Probes texts with `labels` of `classes` classes by columns of `rows`.
///
/// # Errors
/// Rows that are not as many as labels, sizes out of range, and regressions that do not converge.
pub fn sparse(
    rows: Sparse<'_>,
    (labels, classes): (&[usize], usize),
    split: &Split,
    spec: &Spec,
) -> Result<Probed> {
    if rows.rows() != labels.len() {
        let what = format!(
            "{} rows for {} labels: give one row for each text",
            rows.rows(),
            labels.len()
        );
        return Err(Error::setting("labelled", what));
    }
    let sets = Balanced::of_classes(labels, classes, split, spec.seed);
    let resampled = Resampled::new(labels, &split.test, spec.bootstrap());
    let sizes = spec.sizes_up_to(rows.columns())?;
    let mut found = Probed {
        all: None,
        top: Vec::new(),
        classes: Vec::new(),
    };
    let of_class = |(class, judged): (usize, &Judged), columns: &[usize]| ClassAccuracy {
        class,
        accuracy: Estimate {
            value: judged.share(None),
            interval: wilson(judged.counts()),
        },
        texts: judged.0.len(),
        columns: columns.to_vec(),
    };
    let active: Vec<Vec<usize>> = sets.iter().map(|[train, _]| rows.active(train)).collect();
    let fits = sets
        .iter()
        .zip(&active)
        .all(|([train, _], active)| train.texts.len() * active.len() <= MOST_NUMBERS);
    let judged = if fits {
        let each = sets.iter().zip(&active);
        each.map(|(sets, active)| rows.judged(sets, active))
            .collect::<Result<Vec<Judged>>>()?
    } else {
        Vec::new()
    };
    found.all = fits.then(|| resampled.shares(&judged));
    found.classes.push(
        judged
            .iter()
            .enumerate()
            .map(|one| of_class(one, &[]))
            .collect(),
    );
    for size in sizes {
        let each = sets.par_iter().map(|sets| {
            let columns = rows.strongest(&sets[0], size);
            Ok((rows.judged(sets, &columns)?, columns))
        });
        let (judged, columns): (Vec<Judged>, Vec<Vec<usize>>) =
            each.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        found.top.push(OfSize {
            size,
            estimate: resampled.shares(&judged),
        });
        let each = judged.iter().enumerate().zip(&columns);
        found
            .classes
            .push(each.map(|(one, columns)| of_class(one, columns)).collect());
    }
    Ok(found)
}
