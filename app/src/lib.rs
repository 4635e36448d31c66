//! The desktop program: everything that is shown. No mathematics and no file formats; those are `umbra-core`'s.
//!
//! # Code map
//! | module | what it holds |
//! |---|---|
//! | [`theme`] | the only maker of colours, font sizes and spacing |
//! | [`words`] | sentences of the core in the words of the window |
//! | [`memo`] | last results of pure functions |
//! | [`state`] | all that views read, one file per area; `apply(event)` is the only writer |
//! | [`commands`] | all that a person can ask for, one file per area |
//! | [`jobs`] | long work on named threads |
//! | [`views`] | the screens |
//! | [`widgets`] | the pieces that screens are made of |
//! | [`shell`] | the frame around them |
//! | [`persist`] | what survives a restart |
//! | [`app`] | the four steps of a frame |
//! | [`arguments`] | what the window is opened with |
//! | [`window`] | opening it: wgpu, else glow, else one sentence |

pub mod app;
pub mod arguments;
pub mod commands;
pub mod jobs;
pub mod memo;
pub mod persist;
pub mod shell;
pub mod state;
#[cfg(test)]
pub mod testing;
pub mod theme;
pub mod views;
pub mod widgets;
pub mod window;
pub mod words;
