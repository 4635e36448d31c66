//! The step against its definition, and whole runs.

mod gradients;
mod runs;
mod stores;
mod variants;
