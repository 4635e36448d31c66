//! When a word counts as absorbed, as SAEBench 0.6.0 decides it (`feature_absorption_calculator.py`).

use crate::ids::FeatureId;

/// Activation below which a feature is silent.
pub const SILENT: f64 = 1e-8;
/// Least cosine with the probe of the one feature of full absorption.
pub const FULL_COSINE: f64 = 0.025;
/// Least cosine with the probe of a feature that counts in the fraction.
pub const FRACTION_COSINE: f64 = 0.1;
/// Least part of the activation's projection that absorbing features must make.
pub const PROPORTION: f64 = 0.4;
/// Features that may absorb together in the fraction, at most.
pub const ABSORBERS: usize = 3;

/// Feature that is active on a word.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Active {
    pub(super) feature: FeatureId,
    /// Activation at the scale of the hook, in decoder rows of length 1.
    pub(super) size: f64,
    /// Cosine of the decoder row with the probe.
    pub(super) cosine: f64,
}

impl Active {
    fn projection(self) -> f64 {
        self.size * self.cosine
    }
}

/// Absorption of one word.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Judged {
    /// Part of the projection on the probe that other features make in place of the main ones, 0 to 1.
    pub(super) fraction: f64,
    /// Feature that alone stands in for silent main features.
    pub(super) absorber: Option<FeatureId>,
}

/// Judges a word of which `active` features are active and whose activation has the projection `whole` on the probe of length 1.
pub(super) fn judge(active: &[Active], main: &[FeatureId], whole: f64) -> Judged {
    Judged {
        fraction: fraction(active, main, whole),
        absorber: absorber(active, main, whole),
    }
}

fn fraction(active: &[Active], main: &[FeatureId], whole: f64) -> f64 {
    let is_main = |one: &&Active| main.contains(&one.feature);
    let of_main: f64 = active
        .iter()
        .filter(is_main)
        .map(|one| one.projection())
        .sum();
    let mut others: Vec<f64> = active
        .iter()
        .filter(|one| !is_main(one) && one.cosine >= FRACTION_COSINE)
        .map(|one| one.projection())
        .filter(|projection| *projection > 0.0)
        .collect();
    others.sort_by(|a, b| b.total_cmp(a));
    let absorbed: f64 = others.iter().take(ABSORBERS).sum();
    // A negative projection has no part of 0.4 or more.
    if of_main >= whole || whole <= 0.0 || absorbed / whole < PROPORTION {
        return 0.0;
    }
    if of_main <= 0.0 {
        return 1.0;
    }
    let absorbed = absorbed.min(whole - of_main);
    (absorbed / (absorbed + of_main)).clamp(0.0, 1.0)
}

fn absorber(active: &[Active], main: &[FeatureId], whole: f64) -> Option<FeatureId> {
    let fires = |one: &Active| main.contains(&one.feature) && one.size.abs() >= SILENT;
    if whole <= 0.0 || active.iter().any(fires) {
        return None;
    }
    let top = active.iter().max_by(|a, b| {
        let order = a.projection().total_cmp(&b.projection());
        order.then(b.feature.cmp(&a.feature))
    })?;
    let takes = top.cosine >= FULL_COSINE && top.projection() / whole >= PROPORTION;
    takes.then_some(top.feature)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn active(of: &[(u32, f64, f64)]) -> Vec<Active> {
        let one = |(feature, size, cosine): &(u32, f64, f64)| Active {
            feature: FeatureId(*feature),
            size: *size,
            cosine: *cosine,
        };
        of.iter().map(one).collect()
    }

    /// Judges with main features 0 and 1.
    #[track_caller]
    fn check(of: &[(u32, f64, f64)], whole: f64, fraction: f64, absorber: Option<u32>) {
        let main = [FeatureId(0), FeatureId(1)];
        let judged = judge(&active(of), &main, whole);
        assert!((judged.fraction - fraction).abs() < 1e-12, "{judged:?}");
        assert_eq!(judged.absorber, absorber.map(FeatureId));
    }

    #[test]
    fn a_word_is_judged_by_every_clause_of_the_rule() {
        // The main feature does all of it.
        check(&[(0, 10.0, 0.8)], 8.0, 0.0, None);
        // Silent main features, and one that takes 5 of 8.
        check(&[(7, 10.0, 0.5), (8, 1.0, 0.3)], 8.0, 1.0, Some(7));
        // It takes 3 of 8, below 0.4, in both measures.
        check(&[(7, 10.0, 0.3)], 8.0, 0.0, None);
        // Three features take 3.6 of 8 together, and none takes 0.4 alone.
        let three = [(7, 4.0, 0.3), (8, 4.0, 0.3), (9, 4.0, 0.3)];
        check(&three, 8.0, 1.0, None);
        // A fourth would be needed: 4 · 0.8 = 3.2 of 8, three are 2.4.
        let four = [(6, 4.0, 0.2), (7, 4.0, 0.2), (8, 4.0, 0.2), (9, 4.0, 0.2)];
        check(&four, 8.0, 0.0, None);
        // A cosine between 0.025 and 0.1 counts for full absorption alone; below 0.025 for neither.
        check(&[(7, 100.0, 0.05)], 8.0, 0.0, Some(7));
        check(&[(7, 400.0, 0.02)], 8.0, 0.0, None);
        // Partial absorption: main 2 of 8, others 5; of 6 left, 5 count: 5 / 7.
        check(&[(0, 4.0, 0.5), (7, 10.0, 0.5)], 8.0, 5.0 / 7.0, None);
        // Others 9 are cut to the 6 that are left: 6 / 8.
        check(&[(0, 4.0, 0.5), (7, 18.0, 0.5)], 8.0, 6.0 / 8.0, None);
        // A main feature that points the other way is not silent.
        check(&[(1, 1.0, -0.5), (7, 10.0, 0.5)], 8.0, 1.0, None);
        // No projection, nothing to absorb; nothing active, nothing absorbs.
        check(&[(7, 10.0, 0.5)], -1.0, 0.0, None);
        check(&[], 8.0, 0.0, None);
    }
}
