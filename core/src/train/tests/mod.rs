//! The step against its definition, and whole runs.

mod care;
mod custom;
mod gradients;
mod micro;
mod runs;
mod stores;
mod together;
mod transcoders;
mod variants;
