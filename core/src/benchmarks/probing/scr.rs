//! Removal of a spurious correlation.

use super::ablation::{Along, differences, ordered, probe};
use super::sets::{Balanced, Judged, Resampled};
use super::{Rows, Spec};
use crate::benchmarks::estimate::Estimate;
use crate::benchmarks::labelled::Split;
use crate::error::{Error, Result};

/// Gain of accuracy below which there is nothing to win back.
const LEAST_GAIN: f64 = 0.001;

/// Ablation of features of one attribute, judged on the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Direction {
    /// Accuracy of the biased probe on the other attribute.
    pub biased: Estimate,
    /// Accuracy of the other attribute's own probe.
    pub unbiased: Estimate,
    /// For each number of features: how many were ablated, the accuracy of the biased probe without them, and the score.
    pub sizes: Vec<Removed>,
    /// Features in the order of their effect, as many as the largest number ablates.
    pub features: Vec<usize>,
}

/// Figures of one number of ablated features.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Removed {
    /// Number asked for.
    pub size: usize,
    /// Number of features with an effect that were ablated.
    pub ablated: usize,
    /// Accuracy of the biased probe without them.
    pub accuracy: Estimate,
    /// Score.
    pub score: Estimate,
}

/// Removal of a spurious correlation with a dictionary.
#[derive(Debug, Clone, PartialEq)]
pub struct Scr {
    /// Features of the spurious attribute ablated, judged on the target; then the other way round.
    pub directions: [Direction; 2],
    /// Index of the direction that is SAEBench's metric, the one with the lower accuracy of the biased probe; none where both are equal.
    pub chosen: Option<usize>,
    /// Texts of each set that train and that test.
    pub texts: [usize; 2],
}

/// Sets of the target, of the spurious attribute, and of texts in which both agree.
struct Sets {
    target: Balanced,
    spurious: Balanced,
    biased: Balanced,
}

impl Sets {
    /// Puts the sets together from as many texts of each pair of attributes as all allow.
    fn new(attributes: &[[usize; 2]], texts: &[usize]) -> Self {
        let of = |pair: [usize; 2]| -> Vec<usize> {
            texts
                .iter()
                .copied()
                .filter(|text| attributes[*text] == pair)
                .collect()
        };
        let [both, first, second, none] = [[0, 0], [0, 1], [1, 0], [1, 1]].map(of);
        let m = [first.len(), second.len(), both.len() / 2, none.len() / 2];
        let m = m.into_iter().min().unwrap_or_default();
        let half = |a: &[usize], b: &[usize]| [&a[..m], &b[..m]].concat();
        Self {
            target: Balanced::new(&half(&both, &first), &half(&second, &none)),
            spurious: Balanced::new(&half(&both, &second), &half(&first, &none)),
            biased: Balanced::new(&both[..2 * m], &none[..2 * m]),
        }
    }
}

/// Removes the correlation of two binary attributes, (target, spurious) of each text.
///
/// # Errors
/// Too few texts of a pair of attributes, sizes out of range, and probes that do not converge.
pub fn scr(rows: Rows<'_>, attributes: &[[usize; 2]], split: &Split, spec: &Spec) -> Result<Scr> {
    rows.check(attributes.len())?;
    let sizes = spec.sizes_up_to(rows.w_dec.rows())?;
    let [train, test] = [&split.train, &split.test].map(|texts| Sets::new(attributes, texts));
    for (set, name) in [(&train, "train"), (&test, "test")] {
        if set.target.texts.is_empty() {
            let what = format!(
                "too few texts {name}: each set needs one or more of each pair of attributes, and twice as many of the pairs in which both are the first or the second value"
            );
            return Err(Error::setting("labelled", what));
        }
    }
    let groups: Vec<usize> = attributes.iter().map(|[a, b]| 2 * a + b).collect();
    let resampled = Resampled::new(&groups, &split.test, spec.bootstrap());
    let fitted = |set: &Balanced| -> Result<Along> { Ok(Along::new(&probe(rows.x, set)?, rows)) };
    let target = fitted(&train.target)?;
    let spurious = fitted(&train.spurious)?;
    let biased = fitted(&train.biased)?;
    let direction = |(ablated, set): (&Along, &Balanced), (clean, on): (&Along, &Balanced)| {
        let each = differences(rows, set).into_iter().zip(&ablated.written);
        let effects: Vec<f64> = each
            .map(|(difference, written)| (difference * written).abs())
            .collect();
        let before = biased.judged(rows, on, &[]);
        let unbiased = clean.judged(rows, on, &[]);
        let order = ordered(&effects);
        let removed = sizes.iter().map(|size| {
            let features = &order[..order.len().min(*size)];
            let after = biased.judged(rows, on, features);
            Removed {
                size: *size,
                ablated: features.len(),
                accuracy: resampled.shares(std::slice::from_ref(&after)),
                score: resampled.estimate(&|weights| score(&before, &unbiased, &after, weights)),
            }
        });
        Direction {
            sizes: removed.collect(),
            biased: resampled.shares(std::slice::from_ref(&before)),
            unbiased: resampled.shares(std::slice::from_ref(&unbiased)),
            features: order
                .iter()
                .copied()
                .take(sizes.last().copied().unwrap_or_default())
                .collect(),
        }
    };
    let directions = [
        direction((&spurious, &train.spurious), (&target, &test.target)),
        direction((&target, &train.target), (&spurious, &test.spurious)),
    ];
    let [on_target, on_spurious] = [0, 1].map(|i: usize| directions[i].biased.value);
    Ok(Scr {
        chosen: match on_target.total_cmp(&on_spurious) {
            std::cmp::Ordering::Less => Some(0),
            std::cmp::Ordering::Greater => Some(1),
            std::cmp::Ordering::Equal => None,
        },
        directions,
        texts: [train.target.texts.len(), test.target.texts.len()],
    })
}

fn score(before: &Judged, unbiased: &Judged, after: &Judged, weights: Option<&[u32]>) -> f64 {
    let [before, unbiased, after] = [before, unbiased, after].map(|judged| judged.share(weights));
    if unbiased - before < LEAST_GAIN {
        return 0.0;
    }
    (after - before) / (unbiased - before)
}
