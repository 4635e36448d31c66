//! The parts of the error by token, and the token that is shown.

use umbra_core::dark_matter::ErrorNorms;

use crate::state::dark_matter::places::Errors;

/// Norm that colours the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Part {
    /// ‖x − x̂‖.
    #[default]
    Total,
    /// The part that the probe predicts.
    Linear,
    /// The rest.
    Nonlinear,
}

impl Part {
    /// The norm that it names.
    pub(super) fn value(self, norms: &ErrorNorms) -> f32 {
        match self {
            Self::Total => norms.total,
            Self::Linear => norms.linear,
            Self::Nonlinear => norms.nonlinear,
        }
    }

    /// Definition of that norm.
    pub(super) fn meaning(self) -> &'static str {
        match self {
            Self::Total => "||x − x̂||: the whole error of the dictionary",
            Self::Linear => {
                "||ê||: the part of the error that the linear probe predicts from the activation"
            }
            Self::Nonlinear => "||x − x̂ − ê||: the rest after reconstruction and linear part",
        }
    }
}

/// Errors on screen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown<'a> {
    /// The errors.
    pub(super) errors: &'a Errors,
    /// Whether a probe took the parts apart.
    pub(super) split: bool,
    /// The chosen token.
    pub(super) token: Option<usize>,
}
