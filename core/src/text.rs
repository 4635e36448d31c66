//! Tokenization: encode, decode, display form of a token, BOS policy. Knows nothing of corpora or models.

mod special;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;
use tokenizers::Tokenizer;

use crate::error::{Error, Notes, Result};
use crate::ids::TokenId;

/// Whether a beginning-of-sequence token precedes every text, prompt and row, and how that was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bos {
    /// The token, or none.
    pub id: Option<TokenId>,
    /// The file and key that decided, as a phrase for the output (`tokenizer_config.json names <|endoftext|>`).
    pub why: String,
}

/// How a vocabulary entry spells bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spelling {
    /// One printable character per byte (GPT-2's table): `Ġking`.
    ByteLevel,
    /// UTF-8 with `▁` for a space and `<0x0A>` for a byte: `▁king`.
    SentencePiece,
    /// UTF-8 as it stands.
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
    /// None for a model that came without a tokenizer: numbers only.
    words: Option<Arc<Words>>,
    vocab: usize,
    origin: Arc<PathBuf>,
    bos: Bos,
    special: Arc<BTreeSet<TokenId>>,
}

impl TextCodec {
    /// Reads `tokenizer.json` (and `tokenizer_config.json`, `config.json` for BOS) of a model folder.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        let bytes =
            std::fs::read(&path).map_err(|e| Error::io("reading the tokenizer", &path, e))?;
        let tokenizer = Tokenizer::from_bytes(bytes).map_err(|e| {
            Error::input(
                format!("is no tokenizer in the format of the tokenizers library ({e})"),
                &path,
            )
        })?;
        let bos = folder_bos(folder, Some(&tokenizer))?;
        let special = special::of_folder(folder, Some(&tokenizer))?;
        Ok(Self::from_tokenizer(tokenizer, bos, &path)?.with_special(special))
    }

    /// A tokenizer built elsewhere (from a GGUF file), with the policy found there. `origin` is named in errors.
    pub fn from_tokenizer(mut tokenizer: Tokenizer, bos: Bos, origin: &Path) -> Result<Self> {
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
            special: Arc::new(bos.id.into_iter().collect()),
            bos,
        })
    }

    /// With these special tokens beside BOS.
    #[must_use]
    pub fn with_special(mut self, special: impl IntoIterator<Item = TokenId>) -> Self {
        Arc::make_mut(&mut self.special).extend(special);
        self
    }

    /// For a model folder without a tokenizer: tokens are numbers, text is refused. BOS from `config.json`.
    pub fn numbers(folder: &Path, vocab: usize) -> Result<Self> {
        let bos = folder_bos(folder, None)?;
        let codec = Self {
            words: None,
            vocab,
            origin: Arc::new(folder.join("tokenizer.json")),
            special: Arc::new(bos.id.into_iter().collect()),
            bos,
        };
        Ok(codec.with_special(special::of_folder(folder, None)?))
    }

    /// The BOS policy in force.
    pub fn bos(&self) -> &Bos {
        &self.bos
    }

    /// The same tokenizer without BOS (`--no-bos`).
    #[must_use]
    pub fn without_bos(&self) -> Self {
        let mut other = self.clone();
        other.bos = Bos {
            id: None,
            why: "left out by --no-bos".to_owned(),
        };
        other
    }

    /// BOS, EOS, padding and separator, as the tokenizer's files name them; whether BOS is put before texts changes nothing here.
    pub fn special(&self) -> impl Iterator<Item = TokenId> + '_ {
        self.special.iter().copied()
    }

    /// Number of entries.
    pub fn vocab_size(&self) -> usize {
        self.vocab
    }

    /// Whether there is a token of this number.
    pub fn has(&self, token: TokenId) -> bool {
        let words = self.words.as_ref();
        token.index() < self.vocab
            || words.is_some_and(|words| words.tokenizer.id_to_token(token.0).is_some())
    }

    /// An error if the tokenizer is of another model: a token or the BOS beyond the embedding's `vocab` rows. Added tokens beyond it and a
    /// tokenizer much smaller than the embedding are noted.
    pub fn check_vocabulary(&self, vocab: usize, notes: &mut Notes) -> Result<()> {
        let wrong = |what: String| Error::input(what, self.origin.as_ref());
        if let Some(bos) = self.bos.id.filter(|bos| bos.index() >= vocab) {
            return Err(wrong(format!(
                "the BOS token {bos} ({}) is beyond the model's vocabulary of {vocab}: the settings are of another model",
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
                "its token {id} ({}) is beyond the model's vocabulary of {vocab}: the tokenizer is of another model",
                piece.escape_debug()
            )));
        }
        let known = self.vocab;
        if let Some((id, piece)) = beyond.iter().min() {
            notes.add(format!(
                "The tokenizer has {known} tokens, the model reads {vocab}: added ones from {id} ({piece}) on are refused where a text holds them"
            ));
        }
        if known * 10 < vocab * 9 {
            notes.add(format!(
                "The tokenizer has {known} tokens of the model's vocabulary of {vocab}: the others have no text"
            ));
        }
        Ok(())
    }

    /// Tokens of `text` without BOS; special tokens written in the text are parsed.
    pub fn encode(&self, text: &str) -> Result<Vec<TokenId>> {
        let words = self.words.as_ref().ok_or_else(|| {
            Error::input(
                "is missing, so text cannot be read: put the model's tokenizer.json there or give token numbers",
                self.origin.as_ref(),
            )
        })?;
        let encoding = words.tokenizer.encode_fast(text, false).map_err(|e| {
            Error::input(
                format!("the tokenizer refused a text ({e})"),
                self.origin.as_ref(),
            )
        })?;
        Ok(encoding.get_ids().iter().map(|id| TokenId(*id)).collect())
    }

    /// Tokens of `text`, begun by BOS if the policy has one.
    pub fn encode_with_bos(&self, text: &str) -> Result<Vec<TokenId>> {
        let mut tokens = self.encode(text)?;
        if let Some(bos) = self.bos.id {
            tokens.insert(0, bos);
        }
        Ok(tokens)
    }

    /// The text of `tokens` (special tokens written out), lossy where bytes are no UTF-8.
    pub fn decode(&self, tokens: &[TokenId]) -> String {
        let ids: Vec<u32> = tokens.iter().map(|t| t.0).collect();
        self.words
            .as_ref()
            .and_then(|words| words.tokenizer.decode(&ids, false).ok())
            .unwrap_or_else(|| tokens.iter().map(|t| self.display(*t)).collect())
    }

    /// The bytes one token stands for (` king`, `\n`, or a part of a character).
    pub fn bytes(&self, token: TokenId) -> Vec<u8> {
        let Some(words) = &self.words else {
            return format!("⟨{token}⟩").into_bytes();
        };
        let Some(piece) = words.tokenizer.id_to_token(token.0) else {
            return format!("⟨{token}⟩").into_bytes();
        };
        if words
            .tokenizer
            .get_added_vocabulary()
            .get_added_tokens_decoder()
            .contains_key(&token.0)
        {
            return piece.into_bytes();
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

    /// One token as shown: its text with spaces and newlines kept; bytes that are no UTF-8 as `⟨E2⟩`.
    pub fn display(&self, token: TokenId) -> String {
        let bytes = self.bytes(token);
        let mut shown = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            shown.push_str(chunk.valid());
            shown.extend(chunk.invalid().iter().map(|byte| format!("⟨{byte:02X}⟩")));
        }
        shown
    }

    /// The token that is exactly `text`, if there is one.
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

/// The character by which byte-level vocabularies write `byte` (GPT-2's `bytes_to_unicode`).
fn byte_level_char(byte: u8) -> char {
    let printable = |b: u8| matches!(b, 33..=126 | 161..=172 | 174..=255);
    if printable(byte) {
        char::from(byte)
    } else {
        let before = (0..byte).filter(|b| !printable(*b)).count() as u32;
        char::from_u32(256 + before).expect("256 to 323 are characters")
    }
}

/// The bytes of a byte-level piece, or none if it holds a character outside the table.
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

/// The byte of a byte-fallback piece such as `<0x0A>`.
fn byte_piece(piece: &str) -> Option<u8> {
    let hex = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    (hex.len() == 2)
        .then(|| u8::from_str_radix(hex, 16).ok())
        .flatten()
}

/// Read off the decoder, which is what turns pieces back into text.
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

/// BOS of a model folder: `tokenizer_config.json` names it by its text, else `config.json` by its number.
fn folder_bos(folder: &Path, tokenizer: Option<&Tokenizer>) -> Result<Bos> {
    let named = json_file(&folder.join("tokenizer_config.json"))?
        .as_ref()
        .and_then(|config| config.get("bos_token"))
        .and_then(|bos| match bos {
            Value::Object(token) => token.get("content").and_then(Value::as_str),
            other => other.as_str(),
        })
        .map(str::to_owned);
    if let (Some(text), Some(tokenizer)) = (named, tokenizer) {
        let id = tokenizer.token_to_id(&text).ok_or_else(|| {
            Error::input(
                format!("names the BOS token {text}, which tokenizer.json lacks"),
                folder.join("tokenizer_config.json"),
            )
        })?;
        return Ok(Bos {
            id: Some(TokenId(id)),
            why: format!("tokenizer_config.json names {text}"),
        });
    }
    let number = json_file(&folder.join("config.json"))?
        .as_ref()
        .and_then(|config| config.get("bos_token_id"))
        .and_then(Value::as_u64)
        .and_then(|id| u32::try_from(id).ok());
    Ok(match number {
        Some(id) => Bos {
            id: Some(TokenId(id)),
            why: match tokenizer.and_then(|t| t.id_to_token(id)) {
                Some(text) => format!("config.json has bos_token_id {id}, {text}"),
                None => format!("config.json has bos_token_id {id}"),
            },
        },
        None => Bos {
            id: None,
            why: "neither tokenizer_config.json nor config.json names one".to_owned(),
        },
    })
}

/// A JSON file, or none if it does not exist.
fn json_file(path: &Path) -> Result<Option<Value>> {
    if !path.exists() {
        return Ok(None);
    }
    let text =
        std::fs::read_to_string(path).map_err(|e| Error::io("reading the settings", path, e))?;
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|e| Error::input(format!("is not valid JSON ({e})"), path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demo() -> TextCodec {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
        TextCodec::open(Path::new(folder)).unwrap()
    }

    #[test]
    fn byte_level_characters_and_bytes_are_inverse() {
        for byte in 0..=255_u8 {
            let c = byte_level_char(byte).to_string();
            assert_eq!(byte_level_bytes(&c), Some(vec![byte]), "{byte}");
        }
        assert_eq!(byte_level_char(b' '), 'Ġ');
        assert_eq!(byte_level_char(b'\n'), 'Ċ');
        assert_eq!(byte_level_bytes("▁a"), None);
    }

    #[test]
    fn text_survives_encoding_and_tokens_join_to_it() {
        let codec = demo();
        for text in [
            "The old king said: “Go home.”\nAnd so it was.",
            " leading and  double space",
            "",
            "日本 🦊",
        ] {
            let tokens = codec.encode(text).unwrap();
            assert_eq!(codec.decode(&tokens), text);
            let bytes: Vec<u8> = tokens.iter().flat_map(|t| codec.bytes(*t)).collect();
            assert_eq!(bytes, text.as_bytes());
        }
    }

    #[test]
    fn bos_comes_first_says_why_and_can_be_left_out() {
        let codec = demo();
        assert_eq!(codec.bos().id, Some(TokenId(0)));
        assert_eq!(codec.bos().why, "tokenizer_config.json names <|endoftext|>");
        let with = codec.encode_with_bos("The king").unwrap();
        assert_eq!(with[0], TokenId(0));
        let bare = codec.without_bos();
        assert_eq!(bare.encode_with_bos("The king").unwrap(), with[1..]);
        assert_eq!(bare.bos().why, "left out by --no-bos");
    }

    #[test]
    fn special_tokens_written_in_a_text_are_parsed() {
        let codec = demo();
        let tokens = codec.encode("one<|endoftext|>two").unwrap();
        assert!(tokens.contains(&TokenId(0)));
        assert_eq!(codec.display(TokenId(0)), "<|endoftext|>");
    }

    #[test]
    fn parts_of_a_character_are_shown_as_bytes() {
        let codec = demo();
        let fox = codec.encode("🦊").unwrap();
        assert!(fox.len() > 1);
        assert_eq!(codec.display(fox[0]).chars().next(), Some('⟨'));
        assert_eq!(codec.decode(&fox), "🦊");
    }

    #[test]
    fn a_token_is_found_by_its_text() {
        let codec = demo();
        let king = codec.token_of(" king").unwrap();
        assert_eq!(codec.display(king), " king");
        assert_eq!(codec.token_of("\n"), codec.encode("\n").unwrap().pop());
        assert_eq!(codec.token_of("<|endoftext|>"), Some(TokenId(0)));
        assert_eq!(codec.token_of(" no single token"), None);
    }

    #[test]
    fn a_folder_without_a_tokenizer_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = TextCodec::open(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("tokenizer.json"), "{refused}");
        std::fs::write(folder.path().join("config.json"), "{\"bos_token_id\": 7}").unwrap();
        let numbers = TextCodec::numbers(folder.path(), 100).unwrap();
        assert_eq!(numbers.bos().id, Some(TokenId(7)));
        assert_eq!(numbers.display(TokenId(3)), "⟨3⟩");
        assert!(numbers.encode("x").is_err());
    }

    #[test]
    fn a_tokenizer_of_another_model_is_refused_and_a_smaller_one_noted() {
        let codec = demo();
        let size = codec.vocab_size();
        let check = |vocab: usize| {
            let mut notes = Notes::default();
            let checked = codec.check_vocabulary(vocab, &mut notes);
            (checked, notes)
        };
        let (checked, notes) = check(size);
        assert!(checked.is_ok() && notes.is_empty());
        let (checked, notes) = check(size * 2);
        assert!(checked.is_ok() && notes.iter().any(|note| note.contains("no text")));
        let said = check(size - 1).0.unwrap_err().to_string();
        let last = format!("token {}", size - 1);
        assert!(
            said.contains(&last) && said.contains("tokenizer.json"),
            "{said}"
        );
        let mut other = codec.clone();
        other.bos.id = Some(TokenId(9_999_999));
        let said = other.check_vocabulary(size, &mut Notes::default());
        assert!(said.unwrap_err().to_string().contains("9999999"));
    }

    #[test]
    fn added_tokens_beyond_the_embedding_are_noted() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
        let path = Path::new(folder).join("tokenizer.json");
        let mut tokenizer = Tokenizer::from_file(&path).unwrap();
        let size = tokenizer.get_vocab_size(true);
        let added = tokenizers::AddedToken::from("<pad>", true);
        tokenizer.add_special_tokens([added]).unwrap();
        let codec = TextCodec::from_tokenizer(tokenizer, demo().bos.clone(), &path).unwrap();
        let mut notes = Notes::default();
        codec.check_vocabulary(size, &mut notes).unwrap();
        assert!(notes.iter().any(|note| note.contains("<pad>")), "{notes:?}");
    }

    /// GPT-2's tokenizer from its two files, if they are at hand.
    fn gpt2() -> Option<(TextCodec, Value)> {
        let folder = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../shared/data/gpt2-tokenizer"
        );
        let read = |name: &str| std::fs::read_to_string(Path::new(folder).join(name)).ok();
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let (vocab, merges) = (read("vocab.json")?, read("merges.txt")?);
        let reference = json(&read("gpt2_tokenizer_reference.json")?);
        let merges: Vec<&str> = merges
            .lines()
            .filter(|line| !line.starts_with("#version"))
            .collect();
        let bytes = serde_json::json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
        let tokenizer = serde_json::json!({
            "version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": bytes, "post_processor": null, "decoder": bytes,
            "model": {"type": "BPE", "vocab": json(&vocab), "merges": merges},
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
        Some((TextCodec::open(folder.path()).unwrap(), reference))
    }

    #[test]
    fn gpt2_splits_every_reference_text_and_shows_every_byte() {
        let Some((codec, reference)) = gpt2() else {
            println!("skipped: GPT-2's tokenizer is absent");
            return;
        };
        let cases = reference["cases"].as_array().unwrap();
        assert!(cases.len() >= 34);
        for case in cases {
            let text = case["text"].as_str().unwrap();
            let want: Vec<u32> = serde_json::from_value(case["ids"].clone()).unwrap();
            let got = codec.encode(text).unwrap();
            assert_eq!(
                got.iter().map(|t| t.0).collect::<Vec<_>>(),
                want,
                "{text:?}"
            );
            let bytes: Vec<u8> = got.iter().flat_map(|t| codec.bytes(*t)).collect();
            assert_eq!(bytes, text.as_bytes());
            assert_eq!(codec.decode(&got), text);
        }
        // Every entry is bytes; the 256 single ones are all there.
        let mut single = [false; 256];
        for id in 0..codec.vocab_size() as u32 {
            if let [byte] = codec.bytes(TokenId(id))[..] {
                single[usize::from(byte)] = true;
            }
        }
        assert!(single.iter().all(|there| *there));
        assert_eq!(codec.display(TokenId(220)), " ");
        assert_eq!(codec.display(TokenId(198)), "\n");
        assert_eq!(codec.display(TokenId(447)), "⟨E2⟩⟨80⟩");
    }
}
