//! Input of a model: a text, a chat or tokens, and how it becomes tokens.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::models::Model;
use crate::text::TextCodec;
use crate::text::chat::{self, Message, Roles};

/// Input of a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Text, tokenized with BOS before it.
    Text(String),
    /// Messages, written by the model's chat template, up to where the answer begins unless the last message is the assistant's.
    Chat(Arc<[Message]>),
    /// Tokens, used unchanged.
    Tokens {
        /// Token ids.
        ids: Arc<[TokenId]>,
        /// Whether documents packed in them are kept apart ([`Model::with_separate_documents`]).
        apart: bool,
    },
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Input {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Input {
    /// Whether there is nothing to read: a text without words, no message, no token.
    pub fn is_blank(&self) -> bool {
        match self {
            Self::Text(text) => text.trim().is_empty(),
            Self::Chat(messages) => messages.is_empty(),
            Self::Tokens { ids, .. } => ids.is_empty(),
        }
    }

    /// Returns what a person would read before a continuation: the text, or the messages with their roles up to the assistant's answer. Tokens are not spelled.
    pub fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Chat(messages) => {
                let lines = messages.iter();
                let lines = lines.map(|of| format!("{}: {}\n", of.role, of.content));
                let answer =
                    chat::awaits_answer(messages).then(|| format!("{}: ", chat::ASSISTANT));
                lines.chain(answer).collect()
            }
            Self::Tokens { .. } => String::new(),
        }
    }

    /// Returns the tokens, cut to the model's context, and how many were cut.
    pub fn tokens(&self, model: &Model) -> Result<(Vec<TokenId>, usize)> {
        match self {
            Self::Text(text) => tokens_of(model, text),
            Self::Tokens { ids, .. } => fitting(model, ids.to_vec()),
            Self::Chat(_) => {
                let spelled = self.spelled(model)?;
                Ok((spelled.tokens, spelled.cut))
            }
        }
    }

    /// Returns `model` as it reads this input: with separate documents where asked for, and of a chat with the end of the assistant's turn among the tokens that
    /// end a text.
    pub fn reader<'m>(&self, model: &'m Model) -> Result<Cow<'m, Model>> {
        match self {
            Self::Tokens { apart: true, .. } if !model.separates_documents() => {
                Ok(Cow::Owned(model.clone().with_separate_documents()?))
            }
            Self::Chat(_) => Ok(match model.codec().end_of_turn() {
                Some(end) if !model.ends().ids.contains(&end) => Cow::Owned(
                    model
                        .clone()
                        .with_end(end, "the chat template closes turns with it"),
                ),
                _ => Cow::Borrowed(model),
            }),
            _ => Ok(Cow::Borrowed(model)),
        }
    }

    /// Returns the tokens with the text that they stand for, cut to the model's context; an error if there are none.
    pub fn spelled(&self, model: &Model) -> Result<Spelled> {
        let mut spelled = self.whole(model.codec())?;
        let (tokens, cut) = fitting(model, some(spelled.tokens)?)?;
        spelled.spans.truncate(tokens.len());
        if let Some(roles) = &mut spelled.roles {
            roles.truncate(tokens.len());
        }
        Ok(Spelled {
            tokens,
            cut,
            ..spelled
        })
    }

    /// Returns all tokens with the text that they stand for. Errors: a chat for a model without a chat template, or one that its template refuses.
    pub fn whole(&self, codec: &TextCodec) -> Result<Spelled> {
        let (mut tokens, mut spans, text) = match self {
            Self::Text(text) => {
                let (tokens, spans) = codec.encode_with_spans(text)?;
                (tokens, spans, text.clone())
            }
            Self::Chat(messages) => {
                let encoded = codec.encode_chat(messages, chat::awaits_answer(messages))?;
                return Ok(Spelled {
                    tokens: encoded.tokens,
                    spans: encoded.spans,
                    text: encoded.text,
                    cut: 0,
                    roles: Some(encoded.roles),
                    notes: encoded.notes,
                });
            }
            Self::Tokens { ids, .. } => {
                let begun = usize::from(
                    ids.first()
                        .is_some_and(|first| Some(*first) == codec.bos().id),
                );
                let (text, mut spans) = codec.decode_with_spans(&ids[begun..]);
                spans.splice(0..0, std::iter::repeat_n(0..0, begun));
                (ids.to_vec(), spans, text)
            }
        };
        let mut notes = Vec::new();
        if let Self::Text(text) = self {
            notes.extend(codec.bos_note(text)?);
            if let Some(bos) = codec.bos_before(&tokens) {
                tokens.insert(0, bos);
                spans.insert(0, 0..0);
            }
        }
        Ok(Spelled {
            tokens,
            spans,
            text,
            cut: 0,
            roles: None,
            notes,
        })
    }
}

/// Tokens of an input, the text that they stand for, and what was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spelled {
    /// Tokens, BOS included.
    pub tokens: Vec<TokenId>,
    /// Bytes of `text` that each token stands for; none for a BOS that was put before it.
    pub spans: Vec<Range<usize>>,
    /// The whole text, of a chat as its template wrote it.
    pub text: String,
    /// Number of tokens cut because they exceed the model's context.
    pub cut: usize,
    /// Role of each token of a chat.
    pub roles: Option<Roles>,
    /// Notes: a BOS that was there already, what was assumed of a chat.
    pub notes: Vec<String>,
}

/// Tokenizes `text` with BOS before it and cuts it to the model's context. Returns the tokens and how many were cut; an error if there are none.
pub fn tokens_of(model: &Model, text: &str) -> Result<(Vec<TokenId>, usize)> {
    fitting(model, some(model.codec().encode_with_bos(text)?)?)
}

/// Returns `tokens`; an error if there are none.
fn some(tokens: Vec<TokenId>) -> Result<Vec<TokenId>> {
    if tokens.is_empty() {
        return Err(Error::setting("text", "there is none, type a word"));
    }
    Ok(tokens)
}

/// Cuts `tokens` to the model's context and returns them with how many were cut; an error if one is not in the model's vocabulary.
fn fitting(model: &Model, mut tokens: Vec<TokenId>) -> Result<(Vec<TokenId>, usize)> {
    if let Some(id) = tokens.iter().find(|id| !model.codec().has(**id)) {
        let what = format!(
            "token {id} is not in the vocabulary of {}: open the model whose tokens these are",
            model.name()
        );
        return Err(Error::setting("tokens", what));
    }
    let cut = tokens.len().saturating_sub(model.config().context);
    tokens.truncate(model.config().context);
    Ok((tokens, cut))
}
