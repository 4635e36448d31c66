//! Pre-tokenizers that `tokenizer.ggml.pre` names: how a BPE vocabulary splits a text before merging, and whether BOS precedes a text where the file does not say;
//! both as llama.cpp has them.

use crate::text::QWEN2;

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const TEKKEN: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Way to split a text.
#[derive(Debug)]
pub(super) struct PreTokenizer {
    /// Its names.
    names: &'static [&'static str],
    /// Regular expressions, each in turn on what the one before left.
    pub(super) splits: &'static [&'static str],
    /// Whether a word that is an entry of the vocabulary stays that entry, whatever the merges say.
    pub(super) ignore_merges: bool,
    /// Whether characters are composed (NFC) first.
    pub(super) composed: bool,
    /// Whether BOS precedes a text unless `tokenizer.ggml.add_bos_token` says otherwise.
    pub(super) bos: bool,
}

static KNOWN: [PreTokenizer; 7] = [
    PreTokenizer {
        names: &["gpt-2"],
        splits: &[GPT2],
        ..NONE
    },
    PreTokenizer {
        names: &["default"],
        splits: &[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", r"[0-9][0-9][0-9]"],
        ..NONE
    },
    PreTokenizer {
        names: &["smollm"],
        splits: &[r"\p{N}", GPT2],
        ..NONE
    },
    PreTokenizer {
        names: &[
            "llama-bpe",
            "llama3",
            "llama-v3",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
            "jina-v5-nano",
        ],
        splits: &[LLAMA3],
        ignore_merges: true,
        bos: true,
        ..NONE
    },
    PreTokenizer {
        names: &["tekken"],
        splits: &[TEKKEN],
        ignore_merges: true,
        bos: true,
        ..NONE
    },
    PreTokenizer {
        names: &["chameleon"],
        splits: &[
            r"<sentinel:[0-9]+>",
            r"(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
            r"([\t\n]|    |  )",
            r"\p{N}",
            r"[\p{P}!-/:-@\[-`{-~]",
            r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)",
        ],
        bos: true,
        ..NONE
    },
    PreTokenizer {
        names: &["qwen2"],
        splits: &[QWEN2],
        composed: true,
        ..NONE
    },
];

const NONE: PreTokenizer = PreTokenizer {
    names: &[],
    splits: &[],
    ignore_merges: false,
    composed: false,
    bos: false,
};

/// Finds the pre-tokenizer of that name.
pub(super) fn named(name: &str) -> Option<&'static PreTokenizer> {
    KNOWN.iter().find(|known| known.names.contains(&name))
}

/// Lists all names, for a sentence.
pub(super) fn names() -> String {
    let names = KNOWN.iter().flat_map(|known| known.names);
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
