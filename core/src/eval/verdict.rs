//! Comparison of the figures that a dictionary's files claim with measured ones: "agrees", "differs", or "cannot tell" with the reason.
//!
//! The text is never the one that a claim was measured on, so each figure has a tolerance: a tenth for L0, a tenth or 0.02 for FVU, 0.05 for the dead share.
//! A dictionary read with a wrong bias, scale or threshold is off by far more.

use super::Figures;
use crate::formats::{Claim, Claimed};

/// Relative tolerance of L0 and FVU.
const SHARE: f64 = 0.1;
/// Absolute tolerance of a small FVU.
const FVU: f64 = 0.02;
/// Absolute tolerance of the dead share.
const DEAD: f64 = 0.05;
/// Least number of tokens for the dead share; on fewer, rare features look dead.
const ENOUGH: u64 = 1_000_000;
/// Relative tolerance of an L0 that is a bound, for rounding only.
const BOUND: f64 = 1e-6;

/// Result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Within the tolerance.
    Agrees,
    /// Too little to compare.
    CannotTell,
    /// Outside the tolerance.
    Differs,
}

impl Verdict {
    /// Displayed name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Agrees => "agrees",
            Self::CannotTell => "cannot tell",
            Self::Differs => "differs",
        }
    }

    /// Combines all claims: it differs if one differs, agrees if at least one agrees, and is unknown otherwise.
    pub fn from_judged(all: &[Judged]) -> Self {
        let any = |verdict| all.iter().any(|judged| judged.verdict == verdict);
        if any(Self::Differs) {
            Self::Differs
        } else if any(Self::Agrees) {
            Self::Agrees
        } else {
            Self::CannotTell
        }
    }
}

/// Claim with the measured figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Claimed figure.
    pub claim: Claim,
    /// Measured figure, if any.
    pub measured: Option<f64>,
    /// Whether the two agree.
    pub verdict: Verdict,
    /// Reason if it cannot be told; empty otherwise.
    pub reason: &'static str,
}

/// Compares each of `claims` with `measured`.
pub fn judge(claims: &[Claim], measured: Option<&Figures>) -> Vec<Judged> {
    claims.iter().map(|claim| one(claim, measured)).collect()
}

fn one(claim: &Claim, measured: Option<&Figures>) -> Judged {
    let Some(figures) = measured else {
        return Judged {
            claim: claim.clone(),
            measured: None,
            verdict: Verdict::CannotTell,
            reason: "nothing was measured, name a model and a text",
        };
    };
    let claimed = claim.value;
    let (value, fits) = match claim.figure {
        Claimed::L0 => (figures.l0, (figures.l0 - claimed).abs() <= SHARE * claimed),
        Claimed::MostActive => (figures.l0, figures.l0 <= claimed * (1.0 + BOUND)),
        Claimed::Fvu | Claimed::FvuOfRegistry => {
            let room = FVU.max(SHARE * claimed);
            (figures.fvu, (figures.fvu - claimed).abs() <= room)
        }
        Claimed::Dead => {
            let dead = figures.dead_fraction;
            (dead, (dead - claimed).abs() <= DEAD)
        }
    };
    let short = claim.figure == Claimed::Dead && value > claimed && figures.tokens < ENOUGH;
    let (verdict, reason) = if fits {
        (Verdict::Agrees, "")
    } else if claim.figure == Claimed::FvuOfRegistry {
        (
            Verdict::CannotTell,
            "some figures of the registry are relative to zero instead of the mean",
        )
    } else if short {
        (
            Verdict::CannotTell,
            "on fewer than a million tokens rare features look dead",
        )
    } else {
        (Verdict::Differs, "")
    };
    Judged {
        claim: claim.clone(),
        measured: Some(value),
        verdict,
        reason,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(l0: f64, fvu: f64, dead: f64, tokens: u64) -> Figures {
        Figures {
            l0,
            fvu,
            dead_fraction: dead,
            rare_fraction: dead,
            ce_clean: 3.0,
            ce_sae: 3.1,
            ce_zero: 9.0,
            ce_mean: 8.0,
            ce_recovered_zero: 0.98,
            ce_recovered_mean: 0.98,
            tokens,
            positions: crate::corpus::Positions::Text,
            left_out: Some(0),
            nearness: None,
            pair: None,
        }
    }

    #[test]
    fn each_figure_is_held_beside_its_claim() {
        let claim = |figure, value| Claim {
            figure,
            value,
            from: "k",
        };
        let verdict = |figure, value, measured: &Figures| {
            judge(&[claim(figure, value)], Some(measured))[0].verdict
        };
        let measured = figures(30.0, 0.2, 0.1, 2_000_000);
        assert_eq!(verdict(Claimed::L0, 32.0, &measured), Verdict::Agrees);
        assert_eq!(verdict(Claimed::L0, 60.0, &measured), Verdict::Differs);
        assert_eq!(
            verdict(Claimed::MostActive, 32.0, &measured),
            Verdict::Agrees
        );
        assert_eq!(
            verdict(Claimed::MostActive, 29.0, &measured),
            Verdict::Differs
        );
        assert_eq!(verdict(Claimed::Fvu, 0.19, &measured), Verdict::Agrees);
        assert_eq!(verdict(Claimed::Fvu, 0.3, &measured), Verdict::Differs);
        let registry = |value| verdict(Claimed::FvuOfRegistry, value, &measured);
        assert_eq!(registry(0.19), Verdict::Agrees);
        assert_eq!(registry(0.3), Verdict::CannotTell);
        assert_eq!(verdict(Claimed::Dead, 0.0, &measured), Verdict::Differs);
        let short = figures(30.0, 0.2, 0.1, 20_000);
        assert_eq!(verdict(Claimed::Dead, 0.0, &short), Verdict::CannotTell);
        let all = judge(
            &[claim(Claimed::L0, 30.0), claim(Claimed::Dead, 0.0)],
            Some(&short),
        );
        assert_eq!(Verdict::from_judged(&all), Verdict::Agrees);
        let unmeasured = judge(&[claim(Claimed::L0, 30.0)], None);
        assert_eq!(Verdict::from_judged(&unmeasured), Verdict::CannotTell);
        assert!(unmeasured[0].reason.contains("name a model"));
        assert_eq!(Verdict::from_judged(&[]), Verdict::CannotTell);
        let wrong = judge(
            &[claim(Claimed::L0, 3.0), claim(Claimed::Fvu, 0.2)],
            Some(&short),
        );
        assert_eq!(Verdict::from_judged(&wrong), Verdict::Differs);
    }
}
