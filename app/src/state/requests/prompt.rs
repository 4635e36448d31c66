//! Requests for the sentence in Prompt and its reading.

use umbra_core::features::Example;

use crate::state::prompt;

/// Requests of this area.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Another sentence.
    Text(String),
    /// One more letter of a sentence: reading waits for a pause.
    Typed(String),
    /// Show this side of the sentence.
    Show(prompt::Side),
    /// Read the sentence by the model, with the selected dictionary if there is one.
    Read,
    /// Show the row of an example of the selected dictionary's index, and select one of its tokens.
    Example {
        /// The example.
        example: Box<Example>,
        /// The token to select, in the example's window.
        at: usize,
    },

    /// Keep the sentence with the project.
    Save,
}
