//! What a person does, once, for the window, the command line and a program.

pub mod direct;
pub mod materials;
pub mod pair;
pub mod steering;
pub mod text;
pub mod training;
