//! The desktop program: everything that is shown. It holds no mathematics and no file formats; those belong to `umbra-core`.
//!
//! # Code map
//! A module uses only modules that stand above it.
//!
//! | module | what it holds |
//! |---|---|
//! | `theme` | colours, font sizes and spacing; nothing else makes them |
//! | `words` | sentences of the core, in the words of the window |
//! | `memo` | the last result of a pure function, kept between frames |
//! | `dialogs` | the system's file dialogs |
//! | `widgets` | the pieces that screens are made of |
//! | `state` | everything that views read, and the requests they send; `apply(event)` is the only writer |
//! | `persist` | what survives a restart and a crash |
//! | `jobs` | long work on named threads |
//! | `commands` | carries out requests, one file per area |
//! | `views` | the screens |
//! | `shell` | the frame around the screens |
//! | `app` | the four steps of a frame |
//! | `arguments` | the window's command-line arguments |
//! | `typist` | types into the window without a screen, for the benchmark |
//! | `window` | opens the window with wgpu, else with glow, else reports why it cannot |

mod app;
pub mod arguments;
mod commands;
mod dialogs;
mod jobs;
mod memo;
mod persist;
mod shell;
mod state;
#[cfg(test)]
mod testing;
mod theme;
#[doc(hidden)]
pub mod typist;
mod views;
mod widgets;
pub mod window;
mod words;

/// The rows of the feature table, for the benchmark.
#[doc(hidden)]
pub mod feature_table {
    pub use crate::state::catalogue::DictionaryId;
    pub use crate::state::features::Table;
    pub use crate::views::features::shown::Shown;
}
