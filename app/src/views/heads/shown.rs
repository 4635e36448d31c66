//! The head that the second and the third step show.

use umbra_core::ids::{Head, Layer};

use super::map;
use crate::state::AppState;

/// The head of the second and third step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// The head, once there is one to show.
    pub(super) head: Option<(Layer, Head)>,
    /// Why it is this one, unless a person chose it.
    pub(super) by: Option<&'static str>,
}

impl Shown {
    pub(super) fn new(state: &AppState) -> Self {
        let chosen = state.head();
        let first = map::first_head(state).filter(|_| chosen.is_none());
        Self {
            head: chosen.or(first.map(|(head, _)| head)),
            by: first.map(|(_, why)| why),
        }
    }
}
