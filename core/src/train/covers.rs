//! Settings that steps on a GPU cover.

use super::Spec;
use crate::kernels::encode::MOST_ON_DEVICE as MOST;
use crate::sae::Variant;

/// Returns the reason why a GPU cannot train by `spec` on activations of width `d`, as a clause; none where it can.
pub fn uncovered(spec: &Spec, d: usize) -> Option<String> {
    if let Some(rule) = &spec.rule {
        return Some(format!(
            "the rule {} of this program computes only on the CPU",
            rule.name()
        ));
    }
    let ranks = matches!(spec.variant, Variant::SignedTopK | Variant::Gradient);
    let start = spec.k_start.unwrap_or(d).min(spec.features);
    let most = if spec.k_warmup > 0.0 {
        start.max(spec.k)
    } else {
        spec.k
    };
    if ranks && most > MOST {
        return Some(format!(
            "the variant {} ranks {MOST} features per token at most on a GPU, not {most}",
            spec.variant
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{HookPoint, Site};

    #[test]
    fn every_variant_is_covered_and_too_long_rankings_are_not() {
        let mut spec = Spec::default_for(HookPoint::block(0, Site::Z));
        spec.features = 4_096;
        for variant in Variant::ALL {
            spec.variant = *variant;
            assert_eq!(uncovered(&spec, 768), None, "{variant}");
        }
        spec.variant = Variant::SignedTopK;
        spec.k = 600;
        let said = uncovered(&spec, 768).unwrap();
        assert!(
            said.contains("signed-topk") && said.contains("600"),
            "{said}"
        );
        (spec.k, spec.k_warmup) = (32, 0.1);
        assert!(uncovered(&spec, 768).unwrap().contains("768"));
        spec.k_start = Some(64);
        assert_eq!(uncovered(&spec, 768), None);
        (spec.variant, spec.k) = (Variant::TopK, 600);
        assert_eq!(uncovered(&spec, 768), None);
    }
}
