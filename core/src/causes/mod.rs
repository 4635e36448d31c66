//! Causes of a prediction: a number of a text (a token's logit, a difference of two logits, the loss), and how much each part of the model gives to it.

pub mod components;
pub mod features;
#[cfg(test)]
mod golden_tests;
mod pair;
pub mod patch;
pub mod paths;
mod rows;
pub mod smallest;
mod study;
mod target;

pub use components::{Component, Components, Part};
pub use features::{ErrorCause, FeatureCause, Features};
pub use pair::{TextPair, check_texts};
pub use study::{Causes, causes};
pub use target::Target;
