//! Tokenization: encode, decode, display form of a token, BOS policy. Knows nothing of corpora or models.

use std::path::Path;

use crate::error::Result;
use crate::ids::TokenId;

/// Whether a beginning-of-sequence token precedes every text, prompt and row, and how that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bos {
    /// The token, or none.
    pub id: Option<TokenId>,
    /// The file and key that decided, as a phrase for the output (`tokenizer_config.json names <|endoftext|>`).
    pub why: String,
}

/// A tokenizer with its BOS policy. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TextCodec {
    _owner: (),
}

impl TextCodec {
    /// Reads `tokenizer.json` (and `tokenizer_config.json`, `config.json` for BOS) of a model folder.
    pub fn open(folder: &Path) -> Result<Self> {
        unimplemented!("{}", folder.display())
    }

    /// The BOS policy in force.
    pub fn bos(&self) -> &Bos {
        unimplemented!()
    }

    /// The same tokenizer without BOS (`--no-bos`).
    #[must_use]
    pub fn without_bos(&self) -> Self {
        unimplemented!()
    }

    /// Number of entries.
    pub fn vocab_size(&self) -> usize {
        unimplemented!()
    }

    /// Tokens of `text` without BOS; special tokens written in the text are parsed.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>> {
        unimplemented!("{text}")
    }

    /// Tokens of `text`, begun by BOS if the policy has one.
    pub fn encode_with_bos(&self, text: &str) -> Result<Vec<TokenId>> {
        unimplemented!("{text}")
    }

    /// The text of `tokens` (special tokens written out), lossy where bytes are no UTF-8.
    pub fn decode(&self, tokens: &[TokenId]) -> String {
        unimplemented!("{tokens:?}")
    }

    /// The bytes one token stands for (` king`, `\n`, or a part of a character).
    pub fn bytes(&self, token: TokenId) -> Vec<u8> {
        unimplemented!("{token}")
    }

    /// One token as shown: its text with spaces and newlines kept; bytes that are no UTF-8 as `⟨E2⟩`.
    pub fn display(&self, token: TokenId) -> String {
        unimplemented!("{token}")
    }

    /// The token that is exactly `text`, if there is one.
    pub fn token_of(&self, text: &str) -> Option<TokenId> {
        unimplemented!("{text}")
    }
}
