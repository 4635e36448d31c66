//! Targeted probe perturbation.

use super::ablation::{Along, differences, ordered, probe};
use super::sets::{Balanced, Judged, Resampled};
use super::{Rows, Spec};
use crate::benchmarks::estimate::Estimate;
use crate::benchmarks::labelled::Split;
use crate::error::{Error, Result};

/// Figures of one class and number of ablated features.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassChange {
    /// Class.
    pub class: usize,
    /// Number of features with a positive effect that were ablated.
    pub ablated: usize,
    /// Loss of accuracy of its own probe.
    pub intended: f64,
    /// Mean loss of accuracy of the other probes.
    pub unintended: f64,
}

/// Figures of one number of ablated features, means over classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Perturbed {
    /// Number asked for.
    pub size: usize,
    /// Intended less unintended loss of accuracy.
    pub total: Estimate,
    /// Loss of accuracy of the class's own probe.
    pub intended: Estimate,
    /// Mean loss of accuracy of the other probes.
    pub unintended: Estimate,
    /// Figures by class.
    pub classes: Vec<ClassChange>,
}

/// Targeted probe perturbation with a dictionary.
#[derive(Debug, Clone, PartialEq)]
pub struct Tpp {
    /// Accuracy of the probe of each class as it is, with a bootstrap interval.
    pub clean: Vec<Estimate>,
    /// Figures by number of features.
    pub sizes: Vec<Perturbed>,
}

/// Probes and what they make of the test texts.
pub(super) struct Fitted<'a> {
    rows: Rows<'a>,
    sets: Vec<[Balanced; 2]>,
    probes: Vec<Along>,
    clean: Vec<Judged>,
    /// Features with a positive effect on each probe, the largest first.
    orders: Vec<Vec<usize>>,
}

/// Perturbs the probes of texts with `labels` of `classes` classes.
///
/// # Errors
/// Fewer than three classes, sizes out of range, and probes that do not converge.
pub fn tpp(
    rows: Rows<'_>,
    (labels, classes): (&[usize], usize),
    split: &Split,
    spec: &Spec,
) -> Result<Tpp> {
    rows.check(labels.len())?;
    if classes < 3 {
        let what = format!(
            "{classes} classes: their probes mirror each other, so that no change is targeted; give three or more"
        );
        return Err(Error::setting("labelled", what));
    }
    let sizes = spec.sizes_up_to(rows.w_dec.rows())?;
    let fitted = Fitted::from_sets(
        rows,
        Balanced::of_classes(labels, classes, split, spec.seed),
    )?;
    let resampled = Resampled::new(labels, &split.test, spec.bootstrap());
    let clean = fitted.clean.iter();
    let clean = clean.map(|judged| resampled.shares(std::slice::from_ref(judged)));
    Ok(Tpp {
        clean: clean.collect(),
        sizes: sizes
            .iter()
            .map(|size| fitted.perturbed(*size, &resampled))
            .collect(),
    })
}

impl<'a> Fitted<'a> {
    /// Fits the probes on the sets of every class, of the texts that train and of those that test.
    pub(super) fn from_sets(rows: Rows<'a>, sets: Vec<[Balanced; 2]>) -> Result<Self> {
        let probe = |[train, _]: &[Balanced; 2]| Ok(Along::new(&probe(rows.x, train)?, rows));
        let probes: Vec<Along> = sets.iter().map(probe).collect::<Result<_>>()?;
        let order = |(probe, [train, _]): (&Along, &[Balanced; 2])| {
            let each = differences(rows, train).into_iter().zip(&probe.written);
            let effects = each.map(|(difference, written)| difference.max(0.0) * written);
            ordered(&effects.collect::<Vec<f64>>())
        };
        let clean = probes.iter().zip(&sets);
        let clean = clean.map(|(probe, [_, test])| probe.judged(rows, test, &[]));
        Ok(Self {
            clean: clean.collect(),
            orders: probes.iter().zip(&sets).map(order).collect(),
            rows,
            sets,
            probes,
        })
    }

    /// Ablates the `size` features of the largest effect on each probe.
    pub(super) fn perturbed(&self, size: usize, resampled: &Resampled) -> Perturbed {
        let ablated: Vec<&[usize]> = self
            .orders
            .iter()
            .map(|order| &order[..order.len().min(size)])
            .collect();
        let judged = |features: &&[usize]| -> Vec<Judged> {
            let each = self.probes.iter().zip(&self.sets);
            each.map(|(probe, [_, test])| probe.judged(self.rows, test, features))
                .collect()
        };
        // Of each class whose features are ablated, all probes.
        let after: Vec<Vec<Judged>> = ablated.iter().map(judged).collect();
        let classes = self.probes.len();
        let losses = |class: usize, weights: Option<&[u32]>| -> [f64; 2] {
            let loss = |probe: usize| {
                self.clean[probe].share(weights) - after[class][probe].share(weights)
            };
            let others = (0..classes).filter(|probe| *probe != class);
            [
                loss(class),
                others.map(loss).sum::<f64>() / (classes - 1) as f64,
            ]
        };
        let mean = |of: &dyn Fn([f64; 2]) -> f64| {
            resampled.estimate(&|weights| {
                (0..classes)
                    .map(|class| of(losses(class, weights)))
                    .sum::<f64>()
                    / classes as f64
            })
        };
        let change = |class: usize| {
            let [intended, unintended] = losses(class, None);
            ClassChange {
                class,
                ablated: ablated[class].len(),
                intended,
                unintended,
            }
        };
        Perturbed {
            size,
            total: mean(&|[intended, unintended]| intended - unintended),
            intended: mean(&|[intended, _]| intended),
            unintended: mean(&|[_, unintended]| unintended),
            classes: (0..classes).map(change).collect(),
        }
    }
}
