//! What a person does, once, for the window and the command line.

pub mod training;
