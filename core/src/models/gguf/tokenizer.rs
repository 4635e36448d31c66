//! The tokenizer inside a GGUF file, rewritten as a `tokenizer.json` and read by the tokenizers library. SentencePiece vocabularies (`llama`) become
//! BPE with merges derived from their scores; BPE ones (`gpt2`) get the splitting that `tokenizer.ggml.pre` names.

use std::collections::HashMap;

use serde_json::{Value, json};
use tokenizers::Tokenizer;

use super::header::Header;
use super::pre_tokenizer::{self, PreTokenizer};
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::text::{Bos, Specials};

const NORMAL: u32 = 1;
const UNKNOWN: u32 = 2;
const CONTROL: u32 = 3;
const USER_DEFINED: u32 = 4;

/// Most bytes of a token; real ones stay below some hundreds.
const LONGEST: usize = 4096;

/// Builds the tokenizer of a file, its special tokens and its BOS rule.
pub(super) fn read(header: &Header<'_>) -> Result<(Tokenizer, (Specials, Bos))> {
    let kind = header.text("tokenizer.ggml.model")?;
    let pieces = Pieces::read(header)?;
    let sentence_piece = kind == "llama";
    let json = match kind {
        "llama" => pieces.sentence_piece(header)?,
        "gpt2" => pieces.byte_level(header)?,
        other => {
            return Err(unsupported(
                &format!("the tokenizer `{other}`"),
                "`llama` or `gpt2`",
                header,
            ));
        }
    };
    let tokenizer = Tokenizer::from_bytes(json.to_string()).map_err(|e| {
        Error::input(
            format!("its tokenizer is inconsistent ({e})"),
            header.path(),
        )
    })?;
    let specials = specials(header, &pieces, sentence_piece)?;
    let bos = bos(header, &pieces, &specials)?;
    Ok((tokenizer, (specials, bos)))
}

/// Reads the special tokens that the header names by number; a number beyond the vocabulary counts as none, as in llama.cpp.
fn specials(header: &Header<'_>, pieces: &Pieces<'_>, sentence_piece: bool) -> Result<Specials> {
    let entries = pieces.texts.len();
    let token = |key: &str, usual: Option<usize>| -> Result<Option<TokenId>> {
        let number = header.count(&format!("tokenizer.ggml.{key}_token_id"))?;
        let there = number.filter(|id| *id < entries);
        let usual = usual.filter(|id| sentence_piece && *id < entries);
        Ok(there.or(usual).map(TokenId::from))
    };
    Ok(Specials {
        bos: token("bos", Some(1))?,
        eos: token("eos", Some(2))?,
        pad: token("padding", None)?,
        // Spelt so in llama.cpp.
        separator: token("seperator", None)?,
    })
}

fn bos(header: &Header<'_>, pieces: &Pieces<'_>, specials: &Specials) -> Result<Bos> {
    let (wanted, reason) = match header.flag("tokenizer.ggml.add_bos_token")? {
        Some(wanted) => (wanted, format!("the GGUF file has add_bos_token {wanted}")),
        None if header.text("tokenizer.ggml.model")? == "llama" => {
            let what = "the GGUF file has no add_bos_token and a SentencePiece vocabulary";
            (true, what.to_owned())
        }
        None => {
            let (name, pre) = pre_tokenizer(header)?;
            let what = format!("the GGUF file has no add_bos_token and the pre-tokenizer {name}");
            (pre.bos, what)
        }
    };
    let name = specials.bos.and_then(|id| pieces.texts.get(id.index()));
    Ok(Bos {
        id: specials.bos.filter(|_| wanted),
        why: match (wanted, name) {
            (true, None) => format!("{reason} but names no BOS token"),
            (true, Some(name)) => format!("{reason}, its BOS token is {name}"),
            (false, _) => reason,
        },
    })
}

/// Vocabulary as stored.
struct Pieces<'a> {
    texts: Vec<&'a str>,
    /// Kinds: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
    kinds: Vec<u32>,
}

impl<'a> Pieces<'a> {
    fn read(header: &Header<'a>) -> Result<Self> {
        let texts = header
            .texts("tokenizer.ggml.tokens")?
            .ok_or_else(|| Error::input("has no vocabulary inside", header.path()))?;
        if let Some(id) = texts.iter().position(|text| text.len() > LONGEST) {
            return Err(Error::input(
                format!(
                    "token {id} of its vocabulary is {} bytes long, {LONGEST} are allowed",
                    texts[id].len()
                ),
                header.path(),
            ));
        }
        let kinds = match header.numbers("tokenizer.ggml.token_type", texts.len())? {
            Some(kinds) => kinds.into_iter().map(|kind| kind as u32).collect(),
            None => vec![NORMAL; texts.len()],
        };
        Ok(Self { texts, kinds })
    }

    fn vocabulary(&self) -> Value {
        let entries = self.texts.iter().enumerate();
        Value::Object(
            entries
                .map(|(id, text)| ((*text).to_owned(), json!(id)))
                .collect(),
        )
    }

    /// Returns unknown, control and user-defined tokens, which are matched in a text before anything else.
    fn added(&self) -> Vec<Value> {
        let added = |kind: u32| matches!(kind, UNKNOWN | CONTROL | USER_DEFINED);
        (0..self.texts.len())
            .filter(|id| added(self.kinds[*id]) && !self.texts[*id].is_empty())
            .map(|id| {
                json!({
                    "id": id, "content": self.texts[id], "special": self.kinds[id] != USER_DEFINED,
                    "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
                })
            })
            .collect()
    }

    fn sentence_piece(&self, header: &Header<'_>) -> Result<Value> {
        let scores = header
            .numbers("tokenizer.ggml.scores", self.texts.len())?
            .ok_or_else(|| {
                Error::input(
                    "has no score for each token of its vocabulary",
                    header.path(),
                )
            })?;
        let unknown = header
            .count("tokenizer.ggml.unknown_token_id")?
            .unwrap_or(0);
        let prefix = header
            .flag("tokenizer.ggml.add_space_prefix")?
            .unwrap_or(true);
        let mut normalizers =
            vec![json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"})];
        let mut decoders = vec![
            json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
            json!({"type": "ByteFallback"}),
            json!({"type": "Fuse"}),
        ];
        if prefix {
            normalizers.insert(0, json!({"type": "Prepend", "prepend": "▁"}));
            decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
        }
        Ok(json!({
            "version": "1.0",
            "added_tokens": self.added(),
            "normalizer": {"type": "Sequence", "normalizers": normalizers},
            "pre_tokenizer": null,
            "post_processor": null,
            "decoder": {"type": "Sequence", "decoders": decoders},
            "model": {
                "type": "BPE", "byte_fallback": true, "fuse_unk": true, "unk_token": self.texts.get(unknown),
                "vocab": self.vocabulary(), "merges": self.merges(&scores),
            },
        }))
    }

    /// Lists every way to join two pieces into a third, best score first: SentencePiece's rule as a list.
    fn merges(&self, scores: &[f64]) -> Vec<[&'a str; 2]> {
        let id_of: HashMap<&str, usize> = self.texts.iter().copied().zip(0..).collect();
        let mut merges = Vec::new();
        for (id, text) in self.texts.iter().enumerate() {
            if self.kinds[id] != NORMAL {
                continue;
            }
            let mut ways: Vec<_> = text
                .char_indices()
                .skip(1)
                .filter_map(|(at, _)| {
                    let (left, right) = text.split_at(at);
                    Some((*id_of.get(left)?, *id_of.get(right)?, [left, right]))
                })
                .collect();
            ways.sort_unstable();
            merges.extend(ways.into_iter().map(|(_, _, pair)| (scores[id], pair)));
        }
        merges.sort_by(|(a, _), (b, _)| b.total_cmp(a)); // stable: equal scores stay in order of their pieces
        merges.into_iter().map(|(_, pair)| pair).collect()
    }

    fn byte_level(&self, header: &Header<'_>) -> Result<Value> {
        let merges: Vec<_> = header
            .texts("tokenizer.ggml.merges")?
            .unwrap_or_default()
            .into_iter()
            .map(|merge| {
                merge.split_once(' ').map(|(l, r)| [l, r]).ok_or_else(|| {
                    Error::input(format!("has the invalid merge `{merge}`"), header.path())
                })
            })
            .collect::<Result<_>>()?;
        let (_, pre) = pre_tokenizer(header)?;
        let splits = pre.splits.iter();
        let mut steps: Vec<_> = splits
            .map(|regex| {
                json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false})
            })
            .collect();
        let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
        steps.push(bytes.clone());
        Ok(json!({
            "version": "1.0",
            "added_tokens": self.added(),
            "normalizer": pre.composed.then(|| json!({"type": "NFC"})),
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
            "post_processor": null,
            "decoder": bytes,
            "model": {
                "type": "BPE", "ignore_merges": pre.ignore_merges, "byte_fallback": false, "fuse_unk": false,
                "vocab": self.vocabulary(), "merges": merges,
            },
        }))
    }
}

/// Finds the pre-tokenizer of a BPE vocabulary and its name.
fn pre_tokenizer<'a>(header: &Header<'a>) -> Result<(&'a str, &'static PreTokenizer)> {
    let name = header.text_if_any("tokenizer.ggml.pre")?;
    let name = name.unwrap_or("default");
    let known = pre_tokenizer::named(name).ok_or_else(|| {
        let what = format!("the pre-tokenizer `{name}`");
        unsupported(&what, &pre_tokenizer::names(), header)
    })?;
    Ok((name, known))
}

fn unsupported(what: &str, instead: &str, header: &Header<'_>) -> Error {
    Error::Unsupported {
        what: format!("{what} in {}", header.path().display()),
        remedy: format!("choose a file with {instead}, or the model's folder with tokenizer.json"),
    }
}
