//! The tokenizer inside a GGUF file, rebuilt as the tokenizers library reads it: SentencePiece (`llama`) and byte-level BPE (`gpt2`).

use serde_json::{Value, json};
use tokenizers::Tokenizer;

use super::gguf::Gguf;
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::text::{Bos, TextCodec};

/// `tokenizer.ggml.token_type` of ordinary pieces.
const NORMAL: u64 = 1;
const UNKNOWN: u64 = 2;
const CONTROL: u64 = 3;
const USER_DEFINED: u64 = 4;

/// Reads the tokenizer; an unknown kind or pre-tokenizer is refused by name.
pub(super) fn read(gguf: &Gguf) -> Result<TextCodec> {
    let kind = gguf.text("tokenizer.ggml.model")?;
    let words = Words::read(gguf)?;
    let sentence_piece = kind == "llama";
    let description = match kind {
        "llama" => words.sentence_piece(gguf)?,
        "gpt2" => words.byte_level(gguf)?,
        other => return Err(gguf.unsupported(&format!("the tokenizer `{other}`"))),
    };
    let tokenizer = Tokenizer::from_bytes(description.to_string()).map_err(|e| {
        Error::input(
            format!("the tokenizer in the GGUF header cannot be used ({e})"),
            gguf.file(),
        )
    })?;
    TextCodec::from_tokenizer(tokenizer, bos(gguf, sentence_piece)?, gguf.file())
}

fn bos(gguf: &Gguf, sentence_piece: bool) -> Result<Bos> {
    let asked = gguf
        .value("tokenizer.ggml.add_bos_token")
        .and_then(|value| value.to_bool().ok());
    let (wanted, why) = match asked {
        Some(true) => (true, "tokenizer.ggml.add_bos_token is true"),
        Some(false) => (false, "tokenizer.ggml.add_bos_token is false"),
        None if sentence_piece => (
            true,
            "a SentencePiece GGUF without tokenizer.ggml.add_bos_token",
        ),
        None => (false, "a BPE GGUF without tokenizer.ggml.add_bos_token"),
    };
    let id = gguf.count_if_any("tokenizer.ggml.bos_token_id")?;
    Ok(Bos {
        id: id.filter(|_| wanted).map(TokenId::from),
        why: why.to_owned(),
    })
}

/// The vocabulary as the header lists it.
struct Words {
    pieces: Vec<String>,
    kinds: Vec<u64>,
}

impl Words {
    fn read(gguf: &Gguf) -> Result<Self> {
        const TOKENS: &str = "tokenizer.ggml.tokens";
        let pieces = gguf.list(TOKENS)?;
        let pieces: Option<Vec<String>> = pieces
            .iter()
            .map(|piece| piece.as_str().map(str::to_owned))
            .collect();
        let pieces = pieces.ok_or_else(|| gguf.missing(TOKENS))?;
        let kinds = match gguf.value("tokenizer.ggml.token_type") {
            Some(_) => gguf
                .list("tokenizer.ggml.token_type")?
                .iter()
                .map(|kind| kind.as_u64().unwrap_or(NORMAL))
                .collect(),
            None => vec![NORMAL; pieces.len()],
        };
        if kinds.len() == pieces.len() {
            Ok(Self { pieces, kinds })
        } else {
            Err(gguf.missing("tokenizer.ggml.token_type"))
        }
    }

    fn vocabulary(&self) -> Value {
        self.pieces
            .iter()
            .enumerate()
            .map(|(id, piece)| (piece.clone(), json!(id)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// Tokens that are never split or merged.
    fn added(&self) -> Vec<Value> {
        let special = [UNKNOWN, CONTROL, USER_DEFINED];
        let pieces = self.pieces.iter().zip(&self.kinds).enumerate();
        pieces
            .filter(|(_, (_, kind))| special.contains(kind))
            .map(|(id, (piece, kind))| {
                json!({"id": id, "content": piece, "single_word": false, "lstrip": false, "rstrip": false,
                    "normalized": false, "special": *kind != USER_DEFINED})
            })
            .collect()
    }

    /// SentencePiece BPE: pieces merge in the order of their scores, unknown characters fall back to bytes.
    fn sentence_piece(&self, gguf: &Gguf) -> Result<Value> {
        let prefix = gguf
            .value("tokenizer.ggml.add_space_prefix")
            .and_then(|value| value.to_bool().ok())
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
        let unknown = self
            .kinds
            .iter()
            .position(|kind| *kind == UNKNOWN)
            .map(|id| &self.pieces[id]);
        Ok(json!({
            "version": "1.0", "truncation": null, "padding": null, "post_processor": null, "pre_tokenizer": null,
            "added_tokens": self.added(),
            "normalizer": {"type": "Sequence", "normalizers": normalizers},
            "decoder": {"type": "Sequence", "decoders": decoders},
            "model": {
                "type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
                "vocab": self.vocabulary(), "merges": self.merges_by_score(gguf)?,
            },
        }))
    }

    /// Every split of a piece into two pieces is a merge; higher scores come first.
    fn merges_by_score(&self, gguf: &Gguf) -> Result<Vec<(&str, &str)>> {
        const SCORES: &str = "tokenizer.ggml.scores";
        let scores: Vec<f64> = gguf
            .list(SCORES)?
            .iter()
            .map(|score| score.as_f64().unwrap_or(0.0))
            .collect();
        if scores.len() != self.pieces.len() {
            return Err(gguf.missing(SCORES));
        }
        let ids: std::collections::HashMap<&str, usize> = self
            .pieces
            .iter()
            .enumerate()
            .map(|(id, piece)| (piece.as_str(), id))
            .collect();
        let mut merges = Vec::new();
        for (id, piece) in self
            .pieces
            .iter()
            .enumerate()
            .filter(|(id, _)| self.kinds[*id] == NORMAL)
        {
            for (at, _) in piece.char_indices().skip(1) {
                let (left, right) = piece.split_at(at);
                if let (Some(l), Some(r)) = (ids.get(left), ids.get(right)) {
                    merges.push((id, *l, *r));
                }
            }
        }
        merges.sort_by(|a, b| scores[b.0].total_cmp(&scores[a.0]).then(a.cmp(b)));
        Ok(merges
            .iter()
            .map(|(_, l, r)| (self.pieces[*l].as_str(), self.pieces[*r].as_str()))
            .collect())
    }

    fn byte_level(&self, gguf: &Gguf) -> Result<Value> {
        let bytes = |regex: bool| json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex});
        let split = |digits: &str| {
            let pattern = format!(
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
            );
            json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false})
        };
        let pre = gguf.text("tokenizer.ggml.pre")?;
        let steps = match pre {
            "gpt-2" => vec![bytes(true)],
            "smollm" => vec![
                json!({"type": "Digits", "individual_digits": true}),
                bytes(true),
            ],
            "llama-bpe" => vec![split(r"\p{N}{1,3}"), bytes(false)],
            "qwen2" => vec![split(r"\p{N}"), bytes(false)],
            other => {
                return Err(
                    gguf.unsupported(&format!("the pre-tokenizer `{other}` (tokenizer.ggml.pre)"))
                );
            }
        };
        let merges = gguf.list("tokenizer.ggml.merges")?;
        Ok(json!({
            "version": "1.0", "truncation": null, "padding": null, "post_processor": null, "normalizer": null,
            "added_tokens": self.added(),
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
            "decoder": bytes(true),
            "model": {
                "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                "ignore_merges": pre == "llama-bpe", "vocab": self.vocabulary(), "merges": merges,
            },
        }))
    }
}
