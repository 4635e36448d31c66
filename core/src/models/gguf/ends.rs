//! Tokens that end a text, as llama.cpp collects them: those that keys of the file name, and those it knows by their text.

use super::header::Header;
use crate::error::Result;
use crate::ids::TokenId;
use crate::models::ends::Ends;

/// Keys of the ends of a sequence, a turn, a message.
const KEYS: [&str; 3] = ["eos", "eot", "eom"];

/// Ends by their text, whatever their kind of token.
const TEXTS: [&str; 19] = [
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
];

/// Padding, repository and file marks of models that fill in the middle, by key and, where the file lacks the key, by text.
const FILL: [(&str, &[&str]); 3] = [
    (
        "fim_pad",
        &["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"],
    ),
    (
        "fim_rep",
        &[
            "<|fim_repo|>",
            "<|repo_name|>",
            "<fim-repo>",
            "<REPO>",
            "<reponame>",
        ],
    ),
    ("fim_sep", &["<|file_sep|>"]),
];

/// End of a SentencePiece file that names none.
const SENTENCE_PIECE: usize = 2;

/// Collects the tokens that end a text. llama.cpp takes token 11 (Falcon's) where a BPE file names none; here such a file has those of the texts alone.
pub(super) fn read(header: &Header<'_>) -> Result<Ends> {
    let texts = header.texts("tokenizer.ggml.tokens")?.unwrap_or_default();
    let key = |name: &str| -> Result<Option<usize>> {
        let id = header.count(&format!("tokenizer.ggml.{name}_token_id"))?;
        Ok(id.filter(|id| *id < texts.len()))
    };
    let by_text = |wanted: &[&str]| -> Vec<usize> {
        let all = texts.iter().enumerate();
        let found = all.filter(|(_, text)| wanted.contains(*text));
        found.map(|(id, _)| id).collect()
    };
    let mut ids = by_text(&TEXTS);
    // With these two, <|end|> ends a message within a turn.
    let has = |text: &str| texts.contains(&text);
    if (has("<|return|>") && has("<|call|>"))
        || (has("<|flush|>") && (has("<|call|>") || has("<|calls|>")))
    {
        ids.retain(|id| texts[*id] != "<|end|>");
    }
    if has("<|tool_response>") {
        ids.retain(|id| texts[*id] != "</s>");
        ids.extend(by_text(&["<|tool_response>"]));
    }
    for name in KEYS {
        ids.extend(key(name)?);
    }
    if key("eos")?.is_none() && header.text_if_any("tokenizer.ggml.model")? == Some("llama") {
        ids.extend(Some(SENTENCE_PIECE).filter(|id| *id < texts.len()));
    }
    for (name, texts) in FILL {
        match key(name)? {
            Some(id) => ids.push(id),
            None => ids.extend(by_text(texts)),
        }
    }
    let ids: Vec<TokenId> = ids.into_iter().map(TokenId::from).collect();
    let mut ends = Ends::new(ids, String::new());
    let named: Vec<&str> = ends.ids.iter().map(|id| texts[id.index()]).collect();
    ends.why = match named.as_slice() {
        [] => "the GGUF file names none".to_owned(),
        named => format!(
            "the GGUF file has {} as llama.cpp reads it",
            named.join(", ")
        ),
    };
    Ok(ends)
}
