//! Chats: messages with roles, written as text by the model's own chat template, and the role of each token of that text.

mod python;
mod read;
mod roles;
mod skeleton;
mod template;

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

pub use self::read::messages;
pub use self::roles::{Place, Roles};
pub use self::template::Template;
use super::TextCodec;
use crate::error::{Error, Result};
use crate::ids::TokenId;

/// Role of the turns that a model writes.
pub const ASSISTANT: &str = "assistant";
/// Role of the turns that a person writes.
pub const USER: &str = "user";
/// Role of instructions before the first turn.
pub const SYSTEM: &str = "system";

/// Message of a chat.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Role: `user`, `assistant`, `system`, or another that the template knows.
    pub role: String,
    /// Text, as written.
    pub content: String,
}

impl Message {
    /// Creates a message.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self {
            role: role.into(),
            content: content.into(),
        }
    }
}

/// Whether the assistant answers next: the last message is not its own.
pub fn awaits_answer(messages: &[Message]) -> bool {
    messages.last().is_none_or(|last| last.role != ASSISTANT)
}

/// Chat as a model reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Text that the template wrote.
    pub text: String,
    /// Its tokens: special tokens parsed, and no BOS but the one that the template writes, as in transformers.
    pub tokens: Vec<TokenId>,
    /// Bytes of `text` that each token stands for.
    pub spans: Vec<Range<usize>>,
    /// Role of each token.
    pub roles: Roles,
    /// Notes on what was assumed.
    pub notes: Vec<String>,
}

impl TextCodec {
    /// Chat template of the model; none if its files have none.
    pub fn chat_template(&self) -> Option<&Template> {
        self.chat.as_deref()
    }

    /// Returns the chat template; an error if the model's files have none.
    pub fn needed_chat_template(&self) -> Result<&Template> {
        self.chat_template().ok_or_else(|| {
            let what = "the model has no chat template, so messages cannot be written as its text: put the template into chat_template.jinja beside the model, or give a text";
            Error::input(what, self.origin.as_ref())
        })
    }

    /// Returns the token with which the template closes the assistant's turns, such as `<|im_end|>`; none without a template, or where text closes them.
    pub fn end_of_turn(&self) -> Option<TokenId> {
        let template = self.chat_template()?;
        let answer = "\u{E000}";
        let messages = [Message::new(USER, "a"), Message::new(ASSISTANT, answer)];
        let text = template.render(&messages, false, SystemTime::now()).ok()?;
        let (_, after) = text.split_once(answer)?;
        let first = self.encode(after.trim_start()).ok()?.into_iter().next()?;
        Some(first).filter(|token| self.is_added(*token))
    }

    /// Writes `messages` by the chat template and encodes the text. With `answer`, the text ends where the assistant's answer begins
    /// (`add_generation_prompt`). Errors: no template, or one that refuses the messages.
    pub fn encode_chat(&self, messages: &[Message], answer: bool) -> Result<Encoded> {
        self.encode_chat_at(messages, answer, SystemTime::now())
    }

    /// Encodes as [`Self::encode_chat`] does, with `now` as the time that templates may ask for.
    pub fn encode_chat_at(
        &self,
        messages: &[Message],
        answer: bool,
        now: SystemTime,
    ) -> Result<Encoded> {
        let template = self.needed_chat_template()?;
        if messages.is_empty() {
            let what = "there is no message: add one with a role and its text";
            return Err(Error::setting("messages", what));
        }
        let text = template.render(messages, answer, now)?;
        let (tokens, spans) = self.encode_with_spans(&text)?;
        if tokens.is_empty() {
            let what = "its chat template writes no text for these messages: give it others";
            return Err(Error::input(what, template.origin()));
        }
        let mut notes = Vec::new();
        if template.asks_for_the_time() {
            let date = "The chat template asks for the date, which is given in UTC: the text depends on the day";
            notes.push(date.to_owned());
        }
        let roles = match skeleton::turns(template, messages, answer, now, &text) {
            Ok(turns) => Roles::new(&turns, &spans),
            Err(why) => {
                notes.push(format!("The roles of the tokens are unknown: {why}"));
                Roles::unknown(tokens.len(), why)
            }
        };
        Ok(Encoded {
            text,
            tokens,
            spans,
            roles,
            notes,
        })
    }
}
