//! The step against its definition, and whole runs.

mod care;
pub(crate) mod children;
mod custom;
mod gradients;
mod micro;
pub(super) mod runs;
mod stores;
mod together;
mod transcoders;
pub(super) mod variants;
