//! Decodes a continuation token by token: one decoder for streamed, saved and shown text. Independent of models.
//!
//! The tokenizers library decodes whole texts: SentencePiece decoders drop a text's first space, which a continuation must keep. Here each token contributes
//! its bytes, so a continuation is exactly what the whole text has beyond the prompt. Bytes that are not UTF-8 decode as in the tokenizers library: in a run of
//! byte pieces (`<0xE2>`) that is not UTF-8, every byte becomes one sign, so the run waits for its end; in byte-level vocabularies, every broken character
//! becomes one.

use serde_json::Value;
use tokenizers::Tokenizer;

use super::{Spelling, TextCodec, byte_piece};
use crate::ids::TokenId;

/// Replacement for bytes that are not UTF-8.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// Text of a continuation. Incomplete characters and possible stop strings are held back until they are decided; the returned pieces, joined, are the text.
#[derive(Debug, Clone)]
pub struct TextStream {
    codec: TextCodec,
    stops: Vec<String>,
    decoder: Decoder,
    /// Decoded text, up to a stop string.
    text: String,
    /// Bytes of `text` that were returned.
    shown: usize,
    stop: Option<String>,
    /// Whether the text has ended.
    ended: bool,
}

#[derive(Debug, Clone)]
enum Decoder {
    /// Each token is bytes.
    Bytes {
        /// Start of a character, or a run of byte pieces.
        pending: Vec<u8>,
        /// Whether nothing is written yet and no text precedes.
        first: bool,
    },
    /// Decoder that joins pieces by its own rules: the whole text is decoded each time.
    Whole {
        ids: Vec<u32>,
        /// Bytes of the text that are the prompt or already decoded.
        read: usize,
    },
}

impl TextStream {
    /// Starts an empty text after `prompt` (BOS included). The text ends before the first of `stops`.
    pub fn new(codec: &TextCodec, prompt: &[TokenId], stops: &[String]) -> Self {
        let words = codec.words.as_ref();
        let joins = words.filter(|words| words.spelling == Spelling::Plain);
        let decoder = match joins {
            Some(words) => {
                let ids: Vec<u32> = prompt.iter().map(|token| token.0).collect();
                let read = words.tokenizer.decode(&ids, false).map_or(0, |t| t.len());
                Decoder::Whole { ids, read }
            }
            None => Decoder::Bytes {
                pending: Vec::new(),
                first: prompt.iter().all(|token| codec.is_special(*token)),
            },
        };
        Self {
            codec: codec.clone(),
            stops: stops.to_vec(),
            decoder,
            text: String::new(),
            shown: 0,
            stop: None,
            ended: false,
        }
    }

    /// Adds one token and returns what can be shown now.
    pub fn push(&mut self, token: TokenId) -> String {
        if self.ended {
            return String::new();
        }
        self.decode(token);
        if let Some((at, stop)) = self.first_stop() {
            let pending = self.pending().to_owned();
            self.text.push_str(&pending);
            self.text.truncate(at);
            self.stop = Some(stop);
            self.ended = true;
        }
        self.piece()
    }

    /// Ends the text and returns what was held back.
    pub fn end(&mut self) -> String {
        if !self.ended {
            self.ended = true;
            match &mut self.decoder {
                Decoder::Bytes { pending, .. } => {
                    let pending = std::mem::take(pending);
                    if self.codec.spells_bytes() {
                        self.take_run(pending);
                    } else {
                        self.take(pending, true);
                    }
                }
                Decoder::Whole { .. } => self.decode_whole(true),
            }
        }
        self.piece()
    }

    /// Everything decided so far, returned or not; the whole text once it has ended.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Stop string that ended the text.
    pub fn stop(&self) -> Option<&str> {
        self.stop.as_deref()
    }

    fn decode(&mut self, token: TokenId) {
        match &mut self.decoder {
            Decoder::Bytes { pending, first } => {
                let begins = std::mem::take(first)
                    && !self.codec.is_special(token)
                    && self.codec.drops_first_space();
                if let Some(byte) = self.codec.byte_of(token) {
                    pending.push(byte);
                    return;
                }
                let before = std::mem::take(pending);
                let new = self.codec.bytes(token);
                let new = match new.strip_prefix(b" ") {
                    Some(rest) if begins => rest,
                    _ => new.as_slice(),
                };
                if self.codec.spells_bytes() {
                    self.take_run(before);
                    self.take(new.to_vec(), false);
                } else {
                    self.take([before.as_slice(), new].concat(), false);
                }
            }
            Decoder::Whole { ids, .. } => {
                ids.push(token.0);
                self.decode_whole(false);
            }
        }
    }

    /// Appends a run of byte pieces.
    fn take_run(&mut self, run: Vec<u8>) {
        match String::from_utf8(run) {
            Ok(text) => self.text.push_str(&text),
            Err(broken) => {
                let signs = std::iter::repeat_n(REPLACEMENT, broken.as_bytes().len());
                self.text.extend(signs);
            }
        }
    }

    /// Appends `bytes` to the text; an incomplete character at their end waits, unless nothing follows.
    fn take(&mut self, mut bytes: Vec<u8>, last: bool) {
        loop {
            let (valid, broken) = match std::str::from_utf8(&bytes) {
                Ok(text) => {
                    self.text.push_str(text);
                    return;
                }
                Err(error) => (error.valid_up_to(), error.error_len()),
            };
            self.text
                .push_str(&String::from_utf8_lossy(&bytes[..valid]));
            bytes.drain(..valid);
            let broken = match broken {
                Some(broken) => broken,
                None if last => bytes.len(),
                None => {
                    if let Decoder::Bytes { pending, .. } = &mut self.decoder {
                        *pending = bytes;
                    }
                    return;
                }
            };
            self.text.push(REPLACEMENT);
            bytes.drain(..broken);
        }
    }

    /// Returns the waiting bytes if they are text already: more byte pieces may follow them.
    fn pending(&self) -> &str {
        match &self.decoder {
            Decoder::Bytes { pending, .. } => std::str::from_utf8(pending).unwrap_or_default(),
            Decoder::Whole { .. } => "",
        }
    }

    fn decode_whole(&mut self, last: bool) {
        let (Decoder::Whole { ids, read }, Some(words)) = (&mut self.decoder, &self.codec.words)
        else {
            return;
        };
        let Ok(whole) = words.tokenizer.decode(ids, false) else {
            return;
        };
        let whole = if last {
            whole.as_str()
        } else {
            whole.trim_end_matches(REPLACEMENT)
        };
        if let Some(new) = whole.get(*read..) {
            self.text.push_str(new);
            *read = whole.len();
        }
    }

    /// Finds the first stop string and where it begins; the start of one is never returned.
    fn first_stop(&self) -> Option<(usize, String)> {
        let unseen = [&self.text[self.shown..], self.pending()].concat();
        let found = |stop: &String| {
            let at = unseen.find(stop)?;
            Some((self.shown + at, stop.len(), stop.clone()))
        };
        let first = self.stops.iter().filter_map(found).min();
        first.map(|(at, _, stop)| (at, stop))
    }

    /// Returns what can be shown and was not returned yet.
    fn piece(&mut self) -> String {
        let unseen = &self.text[self.shown..];
        let back = if self.ended {
            0
        } else {
            let begun = |stop: &String| {
                let lengths = (1..=stop.len()).filter(|n| stop.is_char_boundary(*n));
                lengths.filter(|n| unseen.ends_with(&stop[..*n])).max()
            };
            self.stops.iter().filter_map(begun).max().unwrap_or(0)
        };
        let piece = unseen[..unseen.len() - back].to_owned();
        self.shown += piece.len();
        piece
    }
}

impl TextCodec {
    /// Returns whether `token` is not part of a text by itself, such as BOS.
    fn is_special(&self, token: TokenId) -> bool {
        self.words.as_ref().is_some_and(|words| {
            let added = words.tokenizer.get_added_vocabulary();
            let known = added.get_added_tokens_decoder().get(&token.0);
            known.is_some_and(|known| known.special)
        })
    }

    /// Returns whether bytes outside the vocabulary have their own pieces, such as `<0x0A>`.
    fn spells_bytes(&self) -> bool {
        let words = self.words.as_ref();
        words.is_some_and(|words| words.spelling == Spelling::SentencePiece)
    }

    /// Returns the byte of a byte piece.
    fn byte_of(&self, token: TokenId) -> Option<u8> {
        let words = self.words.as_ref().filter(|_| self.spells_bytes())?;
        let added = words.tokenizer.get_added_vocabulary();
        if added.get_added_tokens_decoder().contains_key(&token.0) {
            return None;
        }
        byte_piece(&words.tokenizer.id_to_token(token.0)?)
    }

    /// Returns whether encoding puts a space before every text.
    fn drops_first_space(&self) -> bool {
        let words = self.words.as_ref();
        words.is_some_and(|words| decoder_drops(&words.tokenizer))
    }
}

/// Returns whether the decoder drops a leading space.
fn decoder_drops(tokenizer: &Tokenizer) -> bool {
    fn drops(decoder: &Value) -> bool {
        let text = |key: &str| decoder.get(key).and_then(Value::as_str);
        match text("type") {
            Some("Sequence") => {
                let all = decoder.get("decoders").and_then(Value::as_array);
                all.is_some_and(|all| all.iter().any(drops))
            }
            Some("Strip") => {
                let start = decoder.get("start").and_then(Value::as_u64);
                text("content") == Some(" ") && start > Some(0)
            }
            Some("Metaspace") => text("prepend_scheme") != Some("never"),
            _ => false,
        }
    }
    serde_json::to_value(tokenizer.get_decoder()).is_ok_and(|decoder| drops(&decoder))
}

#[cfg(test)]
mod tests;
