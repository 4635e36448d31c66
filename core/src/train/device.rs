//! Training on a GPU: state on the device, and a step.

mod features;
#[cfg(test)]
mod features_tests;
