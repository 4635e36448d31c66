//! Evaluations of dictionaries, from a request to the result with its notes, definitions and place with a project.

pub mod absorption;
pub mod consistency;
pub mod core;
pub mod disentangle;
pub mod labelled;
pub mod occlusion;
pub mod oversplit;
pub mod probe;
pub mod task;
