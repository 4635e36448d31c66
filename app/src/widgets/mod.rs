//! Pieces that views are made of. They know the theme and plain data, never the application's state.

pub mod number;
