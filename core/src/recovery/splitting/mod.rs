//! Over-splitting: a dictionary spreads one value of an attribute over many features, each active on a small part of its rows.

pub mod cover;
pub mod toy;

pub use cover::{Cover, CoverSpec, Covers, cover};
pub use toy::{Losses, Toy, ToyStudy};
