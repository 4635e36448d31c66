//! Tokenization: encode, decode, display of a token, BOS policy. Independent of corpora and models.

pub mod chat;
mod folder;
mod special;
mod stream;
mod vocabulary;

#[cfg(test)]
mod bos_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vocabulary_tests;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokenizers::Tokenizer;

use self::chat::Template;
use self::folder::Folder;
pub use self::special::{Bos, Specials};
pub use self::stream::TextStream;
pub(crate) use self::vocabulary::QWEN2;
use crate::error::{Error, Key, Notes, Result};
use crate::ids::TokenId;

/// Name of a tokenizer in one file.
const WHOLE: &str = "tokenizer.json";

/// Byte encoding of vocabulary entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// One printable character per byte (GPT-2's table): `Ġking`.
    ByteLevel,
    /// UTF-8 with `▁` for a space and `<0x0A>` for a byte: `▁king`.
    SentencePiece,
    /// Plain UTF-8.
    Plain,
}

#[derive(Debug)]
struct Words {
    tokenizer: Tokenizer,
    spelling: Spelling,
}

/// A tokenizer with its BOS policy. Cheap to clone.
#[derive(Debug, Clone)]
pub struct TextCodec {
    /// Tokenizer; none for a model without one, which reads numbers only.
    words: Option<Arc<Words>>,
    vocab: usize,
    origin: Arc<PathBuf>,
    specials: Specials,
    bos: Bos,
    /// Whether a person turned BOS off.
    without: bool,
    /// Whether a text that begins with BOS gets a second one.
    doubled: bool,
    /// Template that writes messages as text.
    chat: Option<Arc<Template>>,
}

impl TextCodec {
    /// Returns the tokenizer files of `folder`: `tokenizer.json`, else `vocab.json` and `merges.txt`; none if both are missing.
    pub fn files(folder: &Path) -> Option<&'static [&'static str]> {
        [&[WHOLE][..], &vocabulary::FILES]
            .into_iter()
            .find(|files| files.iter().all(|file| folder.join(file).exists()))
    }

    /// Reads `tokenizer.json` of a model folder, or `vocab.json` and `merges.txt` if it is missing, and the files beside it that name its special tokens.
    pub fn open(folder: &Path) -> Result<Self> {
        let settings = Folder::open(folder)?;
        let files = Self::files(folder).unwrap_or(&[WHOLE]);
        let path = folder.join(files[0]);
        let tokenizer = if files.len() > 1 {
            vocabulary::read(folder, &settings)?
        } else {
            let bytes = std::fs::read(&path)
                .map_err(|e| Error::io("cannot read the tokenizer", &path, e))?;
            Tokenizer::from_bytes(bytes).map_err(|e| {
                Error::input(
                    format!("is not a tokenizer in the format of the tokenizers library ({e})"),
                    &path,
                )
            })?
        };
        let specials = settings.specials(Some(&tokenizer))?;
        let bos = settings.bos(Some(&tokenizer), &specials)?;
        let mut codec = Self::from_tokenizer(tokenizer, (specials, bos), &path)?;
        codec.chat = settings.chat_template(codec.special_words())?.map(Arc::new);
        Ok(codec)
    }

    /// Wraps a tokenizer built elsewhere (from a GGUF file) with its special tokens and BOS rule. Errors name `origin`.
    pub fn from_tokenizer(
        mut tokenizer: Tokenizer,
        (specials, bos): (Specials, Bos),
        origin: &Path,
    ) -> Result<Self> {
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|e| Error::input(format!("truncation cannot be turned off ({e})"), origin))?;
        let spelling = spelling_of(&tokenizer);
        Ok(Self {
            vocab: tokenizer.get_vocab_size(true),
            words: Some(Arc::new(Words {
                tokenizer,
                spelling,
            })),
            origin: Arc::new(origin.to_path_buf()),
            specials,
            bos,
            without: false,
            doubled: false,
            chat: None,
        })
    }

    /// Makes a codec for a model folder without a tokenizer: tokens are numbers and text is an error. Special tokens come from `config.json`.
    pub fn numbers(folder: &Path, vocab: usize) -> Result<Self> {
        let settings = Folder::open(folder)?;
        let specials = settings.specials(None)?;
        Ok(Self {
            words: None,
            vocab,
            origin: Arc::new(folder.join("tokenizer.json")),
            bos: settings.bos(None, &specials)?,
            specials,
            without: false,
            doubled: false,
            chat: None,
        })
    }

    /// Returns the tokenizer with the chat template `source`, which `origin` holds.
    #[must_use]
    pub fn with_chat_template(mut self, source: &str, origin: &Path) -> Self {
        let template = Template::new(source, origin, self.special_words());
        self.chat = Some(Arc::new(template));
        self
    }

    /// Returns the special tokens by the names that chat templates use.
    fn special_words(&self) -> Vec<(&'static str, String)> {
        let tokens = [
            ("bos_token", self.specials.bos),
            ("eos_token", self.specials.eos),
            ("pad_token", self.specials.pad),
            ("sep_token", self.specials.separator),
        ];
        let tokens = tokens.into_iter();
        tokens
            .filter_map(|(name, id)| Some((name, self.display(id?))))
            .collect()
    }

    /// BOS policy in force.
    pub fn bos(&self) -> &Bos {
        &self.bos
    }

    /// Special tokens, whether or not a text gets them.
    pub fn specials(&self) -> &Specials {
        &self.specials
    }

    /// Returns the ids of all special tokens and the BOS in force, each once, in order: SAELens's `get_special_token_ids`.
    pub fn special(&self) -> impl Iterator<Item = TokenId> + use<> {
        let mut ids = self.specials.ids();
        ids.extend(self.bos.id);
        ids.sort_unstable();
        ids.dedup();
        ids.into_iter()
    }

    /// Returns the tokenizer without BOS.
    #[must_use]
    pub fn without_bos(&self) -> Self {
        let mut other = self.clone();
        other.bos = Bos {
            id: None,
            why: format!("left out by {}", Key::NoBos),
        };
        other.without = true;
        other
    }

    /// Returns the tokenizer putting BOS before texts that already begin with it, as transformers does.
    #[must_use]
    pub fn with_double_bos(&self) -> Self {
        let mut other = self.clone();
        other.doubled = true;
        other
    }

    /// Returns the tokenizer with BOS as a dictionary was trained, overriding the model's rule, and a note if the two differ. BOS that a person turned off
    /// stays off. Without a BOS token, EOS takes its place, as in TransformerLens.
    #[must_use]
    pub fn as_trained(&self, with_bos: bool) -> (Self, Option<String>) {
        let mut other = self.clone();
        let here = self.bos.id.is_some();
        if with_bos == here {
            return (other, None);
        }
        if self.without {
            let note = format!(
                "The dictionary was trained with BOS and is read without it: {} overrides what its file says",
                Key::NoBos
            );
            return (other, Some(note));
        }
        let id = self.specials.bos.or(self.specials.eos);
        let (id, why) = match id.filter(|_| with_bos) {
            Some(id) => (
                Some(id),
                format!("the dictionary was trained with BOS, {}", self.display(id)),
            ),
            None if with_bos => {
                let note = "The dictionary was trained with BOS and is read without it: the tokenizer names none";
                return (other, Some(note.to_owned()));
            }
            None => (None, "the dictionary was trained without it".to_owned()),
        };
        let note = format!(
            "BOS {} every text: {why}; the model's own rule differs ({})",
            if id.is_some() {
                "precedes"
            } else {
                "does not precede"
            },
            self.bos.why
        );
        let why = format!("{why} (the model's own rule: {})", self.bos.why);
        other.bos = Bos { id, why };
        (other, Some(note))
    }

    /// Returns the token that separates documents packed in a row; an error if texts have no BOS.
    pub fn bos_between_documents(&self) -> Result<TokenId> {
        let missing = || {
            let what = format!(
                "BOS separates documents, and the model's texts have none ({}): put BOS before them, or read across documents",
                self.bos.why
            );
            Error::setting(Key::SeparateDocuments, what)
        };
        self.bos.id.ok_or_else(missing)
    }

    /// Number of entries.
    pub fn vocab_size(&self) -> usize {
        self.vocab
    }

    /// Returns whether the vocabulary has this token.
    pub fn has(&self, token: TokenId) -> bool {
        let words = self.words.as_ref();
        token.index() < self.vocab
            || words.is_some_and(|words| words.tokenizer.id_to_token(token.0).is_some())
    }

    /// Checks the tokenizer against an embedding of `vocab` rows: a token or BOS beyond it means another model and is an error. Added tokens beyond it, and a
    /// tokenizer much smaller than it, are noted.
    pub fn check_vocabulary(&self, vocab: usize, notes: &mut Notes) -> Result<()> {
        let wrong = |what: String| Error::input(what, self.origin.as_ref());
        if let Some(bos) = self.bos.id.filter(|bos| bos.index() >= vocab) {
            return Err(wrong(format!(
                "the BOS token {bos} ({}) is beyond the model's vocabulary of {vocab}: the settings belong to another model",
                self.bos.why
            )));
        }
        let Some(words) = &self.words else {
            return Ok(());
        };
        let added = words.tokenizer.get_added_vocabulary();
        let is_added = |id: u32| added.get_added_tokens_decoder().contains_key(&id);
        let beyond: Vec<(u32, String)> = words
            .tokenizer
            .get_vocab(true)
            .into_iter()
            .map(|(piece, id)| (id, piece))
            .filter(|(id, _)| *id as usize >= vocab)
            .collect();
        if let Some((id, piece)) = beyond.iter().filter(|(id, _)| !is_added(*id)).min() {
            return Err(wrong(format!(
                "its token {id} ({}) is beyond the model's vocabulary of {vocab}: the tokenizer belongs to another model",
                piece.escape_debug()
            )));
        }
        let known = self.vocab;
        if let Some((id, piece)) = beyond.iter().min() {
            notes.add(format!(
                "The tokenizer has {known} tokens, the model reads {vocab}: texts with added tokens from {id} ({piece}) on are rejected"
            ));
        }
        if known * 10 < vocab * 9 {
            notes.add(format!(
                "The tokenizer has {known} tokens of the model's vocabulary of {vocab}: the others have no text"
            ));
        }
        Ok(())
    }

    /// Encodes `text` without BOS; special tokens written in the text are parsed.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>> {
        let encoding = self.words()?.tokenizer.encode_fast(text, false);
        let encoding = encoding.map_err(|e| self.refused(&e))?;
        Ok(encoding.get_ids().iter().map(|id| TokenId(*id)).collect())
    }

    /// Returns the one token that `text` is, with the spaces that it has; an error that names `setting` where it is none or several.
    pub fn one_token(&self, text: &str, setting: &str) -> Result<TokenId> {
        match self.encode(text)?.as_slice() {
            [token] => Ok(*token),
            tokens => {
                let pieces: Vec<String> = tokens.iter().map(|id| self.display(*id)).collect();
                let what = format!(
                    "`{text}` is {} tokens ({}), give one token with the space before it where the text has one",
                    tokens.len(),
                    pieces.join("|")
                );
                Err(Error::setting(setting, what))
            }
        }
    }

    /// Encodes `text` as [`Self::encode`] does and returns the bytes of `text` that each token stands for, in order. Tokens that share a character have the
    /// same bytes.
    pub fn encode_with_spans(&self, text: &str) -> Result<(Vec<TokenId>, Vec<Range<usize>>)> {
        let encoding = self.words()?.tokenizer.encode(text, false);
        let encoding = encoding.map_err(|e| self.refused(&e))?;
        let mut before = 0;
        // Some tokenizers leave the space before a word out of its offsets.
        let span = |(start, end): &(usize, usize)| {
            let start = (*start).min(before);
            let end = (*end).clamp(start, text.len());
            before = end;
            start..end
        };
        let spans = encoding.get_offsets().iter().map(span).collect();
        let ids = encoding.get_ids().iter().map(|id| TokenId(*id));
        Ok((ids.collect(), spans))
    }

    fn words(&self) -> Result<&Words> {
        self.words.as_deref().ok_or_else(|| {
            Error::input(
                "is missing, so text cannot be read: put the model's tokenizer.json there or give token numbers",
                self.origin.as_ref(),
            )
        })
    }

    fn refused(&self, why: &tokenizers::Error) -> Error {
        let what = format!("the tokenizer refused a text ({why})");
        Error::input(what, self.origin.as_ref())
    }

    /// Decodes `tokens`, every space kept, and returns the bytes of the text that each token stands for. Tokens that share a character have the same bytes;
    /// bytes that are not UTF-8 are U+FFFD.
    pub fn decode_with_spans(&self, tokens: &[TokenId]) -> (String, Vec<Range<usize>>) {
        let (mut raw, mut ends) = (vec![], vec![]);
        for token in tokens {
            raw.extend(self.bytes(*token));
            ends.push(raw.len());
        }
        // A byte that is no character stands as U+FFFD, so places in the text differ from places in `raw`.
        let (mut text, mut places) = (String::new(), vec![]);
        for chunk in raw.utf8_chunks() {
            for c in chunk.valid().chars() {
                let place = text.len()..text.len() + c.len_utf8();
                places.extend(std::iter::repeat_n(place, c.len_utf8()));
                text.push(c);
            }
            let place = text.len()..text.len() + char::REPLACEMENT_CHARACTER.len_utf8();
            places.extend(std::iter::repeat_n(place, chunk.invalid().len()));
            if !chunk.invalid().is_empty() {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        let mut start = 0;
        let span = |end: usize| {
            let bytes = &places[start..end];
            start = end;
            match (bytes.first(), bytes.last()) {
                (Some(first), Some(last)) => first.start..last.end,
                _ => places
                    .get(end)
                    .map_or(text.len()..text.len(), |p| p.start..p.start),
            }
        };
        let spans = ends.into_iter().map(span).collect();
        (text, spans)
    }

    /// Encodes `text` with BOS in front, if the rule has one and the text does not already begin with it ([`Self::bos_note`]).
    pub fn encode_with_bos(&self, text: &str) -> Result<Vec<TokenId>> {
        let mut tokens = self.encode(text)?;
        if let Some(bos) = self.bos_before(&tokens) {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    }

    /// Returns the BOS to put before `tokens`; none if the rule has none, or if they begin with it and no second one is asked for.
    pub fn bos_before(&self, tokens: &[TokenId]) -> Option<TokenId> {
        let there = |bos: &TokenId| tokens.first() == Some(bos);
        self.bos.id.filter(|bos| self.doubled || !there(bos))
    }

    /// Returns a note on a text that already begins with BOS.
    pub fn bos_note(&self, text: &str) -> Result<Option<String>> {
        let Some(bos) = self.bos.id else {
            return Ok(None);
        };
        if self.encode(text)?.first() != Some(&bos) {
            return Ok(None);
        }
        let begins = format!("The text begins with BOS ({}) already", self.display(bos));
        Ok(Some(if self.doubled {
            format!("{begins} and gets a second one: {}", Key::KeepDoubleBos)
        } else {
            format!(
                "{begins}, no second one is put before it: {} puts it",
                Key::KeepDoubleBos
            )
        }))
    }

    /// Whether the vocabulary has `token` beside its pieces: special tokens, markers of turns.
    fn is_added(&self, token: TokenId) -> bool {
        self.words.as_ref().is_some_and(|words| {
            let added = words.tokenizer.get_added_vocabulary();
            added.get_added_tokens_decoder().contains_key(&token.0)
        })
    }

    /// Decodes `tokens`, with special tokens written out; lossy where bytes are not UTF-8.
    pub fn decode(&self, tokens: &[TokenId]) -> String {
        let ids: Vec<u32> = tokens.iter().map(|t| t.0).collect();
        self.words
            .as_ref()
            .and_then(|words| words.tokenizer.decode(&ids, false).ok())
            .unwrap_or_else(|| tokens.iter().map(|t| self.display(*t)).collect())
    }

    /// Returns the bytes of one token (` king`, `\n`, or a part of a character).
    pub fn bytes(&self, token: TokenId) -> Vec<u8> {
        let Some(words) = &self.words else {
            return format!("⟨{token}⟩").into_bytes();
        };
        let Some(piece) = words.tokenizer.id_to_token(token.0) else {
            return format!("⟨{token}⟩").into_bytes();
        };
        let added = words.tokenizer.get_added_vocabulary();
        if let Some(added) = added.get_added_tokens_decoder().get(&token.0) {
            // Runs of spaces are added tokens in some SentencePiece vocabularies.
            return match words.spelling {
                Spelling::SentencePiece if !added.special => piece.replace('▁', " ").into_bytes(),
                _ => piece.into_bytes(),
            };
        }
        match words.spelling {
            Spelling::ByteLevel => byte_level_bytes(&piece).unwrap_or_else(|| piece.into_bytes()),
            Spelling::SentencePiece => match byte_piece(&piece) {
                Some(byte) => vec![byte],
                None => piece.replace('▁', " ").into_bytes(),
            },
            Spelling::Plain => piece.into_bytes(),
        }
    }

    /// Returns one token as shown: spaces and newlines kept, bytes that are not UTF-8 as `⟨E2⟩`.
    pub fn display(&self, token: TokenId) -> String {
        let bytes = self.bytes(token);
        let mut shown = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            shown.push_str(chunk.valid());
            shown.extend(chunk.invalid().iter().map(|byte| format!("⟨{byte:02X}⟩")));
        }
        shown
    }

    /// Returns the bytes of one token without leading spaces and in lower case: equal for tokens that match fuzzily. A token of white space alone is left as
    /// it is.
    pub fn folded(&self, token: TokenId) -> Vec<u8> {
        let bytes = self.bytes(token);
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return bytes;
        };
        let word = text.trim_start_matches(' ');
        if word.trim().is_empty() {
            return bytes;
        }
        word.to_lowercase().into_bytes()
    }

    /// Returns the token that is exactly `text`, if there is one.
    pub fn token_of(&self, text: &str) -> Option<TokenId> {
        let words = self.words.as_ref()?;
        let piece = match words.spelling {
            Spelling::ByteLevel => text.bytes().map(byte_level_char).collect(),
            Spelling::SentencePiece => text.replace(' ', "▁"),
            Spelling::Plain => text.to_owned(),
        };
        let byte = match text.as_bytes() {
            [byte] => Some(format!("<0x{byte:02X}>")),
            _ => None,
        };
        [Some(piece), byte, Some(text.to_owned())]
            .into_iter()
            .flatten()
            .filter_map(|piece| words.tokenizer.token_to_id(&piece))
            .map(TokenId)
            .find(|token| self.bytes(*token) == text.as_bytes())
    }
}

/// Returns the character that byte-level vocabularies use for `byte` (GPT-2's `bytes_to_unicode`).
fn byte_level_char(byte: u8) -> char {
    let printable = |b: u8| matches!(b, 33..=126 | 161..=172 | 174..=255);
    if printable(byte) {
        char::from(byte)
    } else {
        let before = (0..byte).filter(|b| !printable(*b)).count() as u32;
        char::from_u32(256 + before).expect("256 to 323 are characters")
    }
}

/// Returns the bytes of a byte-level piece; none if a character is outside the table.
fn byte_level_bytes(piece: &str) -> Option<Vec<u8>> {
    piece
        .chars()
        .map(|c| match u32::from(c) {
            code @ 0..256 => u8::try_from(code).ok(),
            256..324 => (0..=255).find(|b| byte_level_char(*b) == c),
            _ => None,
        })
        .collect()
}

/// Returns the byte of a byte-fallback piece such as `<0x0A>`.
fn byte_piece(piece: &str) -> Option<u8> {
    let hex = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    (hex.len() == 2)
        .then(|| u8::from_str_radix(hex, 16).ok())
        .flatten()
}

/// Reads the spelling from the decoder, which turns pieces back into text.
fn spelling_of(tokenizer: &Tokenizer) -> Spelling {
    let decoder = serde_json::to_string(&tokenizer.get_decoder()).unwrap_or_default();
    if decoder.contains("\"ByteLevel\"") {
        Spelling::ByteLevel
    } else if decoder.contains('▁') || decoder.contains("\"ByteFallback\"") {
        Spelling::SentencePiece
    } else {
        Spelling::Plain
    }
}
