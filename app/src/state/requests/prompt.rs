//! Requests for the sentence in Prompt and its reading.

use std::sync::Arc;

use umbra_core::features::Example;
use umbra_core::ids::TokenId;
use umbra_core::text::chat::Message;

use crate::state::prompt;
use crate::state::settings::Ranking;

/// Requests of this area.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    /// Another sentence.
    Text(String),
    /// One more letter of a sentence.
    Typed(String),
    /// Messages in the place of the sentence, the whole chat.
    Chat(Vec<Message>),
    /// The chat after one more letter in a message.
    TypedChat(Vec<Message>),
    /// The byte before which the caret stands after typing, where that is not the end.
    Caret(usize),
    /// Another order of the features.
    Rank(Ranking),
    /// Dense features listed or folded.
    UnfoldDense(bool),
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
    /// Show tokens of another text in the place of the sentence, and select one of them.
    Excerpt {
        /// The tokens, with BOS where the model has one.
        ids: Arc<[TokenId]>,
        /// Whether documents packed in them are kept apart.
        apart: bool,
        /// Their source, in words.
        of: String,
        /// The token to select.
        at: usize,
    },
    /// Keep the sentence with the project.
    Save,
}
