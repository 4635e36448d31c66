//! The rule of each variant, from the settings.

use super::Spec;
use super::spec::{GradientValues, SparsityPenalty, TranscoderRule};
use crate::sae::rule::Rule;
use crate::sae::{
    BatchTopK, Charge, FeatureChoice, Gated, Gradient, JumpRelu, JumpReluSettings, Law, Matryoshka,
    MutualChoice, Penalty, Relu, SignedTopK, TopK, Variant,
};

/// For a dictionary of `features`; `unit` is the root mean square of one coordinate of the activations.
pub(super) fn rule(spec: &Spec, features: usize, unit: f64) -> Box<dyn Rule> {
    let k = spec.k;
    let penalty = Penalty {
        weight: spec.sparsity(),
        warmup: spec.sparsity_warmup,
    };
    let law = Law {
        given: spec.zipf(),
        tau: spec.zipf_tau,
    };
    match spec.variant {
        Variant::Relu => Box::new(Relu::new(penalty)),
        Variant::TopK if spec.multi_topk => Box::new(TopK::multi(k)),
        Variant::TopK => Box::new(TopK::new(k)),
        Variant::BatchTopK => Box::new(BatchTopK::new(k, features)),
        Variant::MutualChoice => Box::new(MutualChoice::new(k, features, law)),
        Variant::FeatureChoice => Box::new(FeatureChoice::new(k, features, law, spec.phase)),
        Variant::Gradient => {
            let literal = spec.gradient_values == GradientValues::Scores;
            Box::new(Gradient::new(k, spec.beta, literal))
        }
        Variant::JumpRelu => {
            let settings = JumpReluSettings {
                penalty,
                charge: match spec.sparsity_penalty {
                    SparsityPenalty::Step => Charge::Step,
                    SparsityPenalty::Tanh => Charge::Tanh,
                    SparsityPenalty::Target => Charge::Target(k as f64),
                },
                bandwidth: spec.bandwidth,
                initial: spec.initial_threshold,
            };
            Box::new(JumpRelu::new(features, settings, unit))
        }
        Variant::Gated => Box::new(Gated::new(features, penalty)),
        Variant::Matryoshka => Box::new(Matryoshka::new(k, features, spec.levels)),
        Variant::SignedTopK => Box::new(SignedTopK::new(k)),
        Variant::Transcoder => match spec.transcoder_rule {
            TranscoderRule::Relu => Box::new(Relu::new(penalty)),
            TranscoderRule::BatchTopK => Box::new(BatchTopK::new(k, features)),
        },
    }
}
