//! Tasks of a user, written once for the window, the command line and programs.

pub mod circuit;
pub mod dark_matter;
pub mod devices;
pub mod direct;
pub mod error_parts;
pub mod ladder;
pub mod link;
pub mod materials;
pub mod needs;
pub mod overview;
pub mod pair;
pub mod passes;
pub mod pursuit;
pub mod roles;
pub mod steering;
pub mod text;
pub mod training;
pub mod two_names;
mod user_file;
