//! The rule of a run, from its settings.

use super::Spec;
use crate::sae::rule::{Rule, Wanted};
use crate::sae::{Law, Penalty};

/// Begins the rule for a dictionary of `features`; `unit` is the root mean square of one coordinate of the activations.
pub(super) fn rule(spec: &Spec, features: usize, unit: f64) -> Box<dyn Rule> {
    if let Some(rule) = &spec.rule {
        return Box::new(rule.clone());
    }
    spec.variant.rule(&Wanted {
        features,
        k: spec.k,
        penalty: Penalty {
            weight: spec.sparsity(),
            warmup: spec.sparsity_warmup,
        },
        unit,
        law: Law {
            given: spec.zipf(),
            tau: spec.zipf_tau,
        },
        phase: spec.phase,
        multi_topk: spec.multi_topk,
        levels: spec.levels,
        beta: spec.beta,
        gradient_values: spec.gradient_values,
        sparsity_penalty: spec.sparsity_penalty,
        bandwidth: spec.bandwidth,
        initial_threshold: spec.initial_threshold,
    })
}
