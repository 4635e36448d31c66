//! Reads tokenizers of folders without `tokenizer.json`: a byte-level vocabulary (`vocab.json`), its merges (`merges.txt`) and the tokens that settings files
//! add are rewritten as a `tokenizer.json` for the tokenizers library. The tokenizer's class decides how text is split before merging, as in transformers.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};
use tokenizers::Tokenizer;

use super::folder::{Folder, json_file};
use crate::error::{Error, Result};

/// Names of the two files.
pub(super) const FILES: [&str; 2] = ["vocab.json", "merges.txt"];

/// Pattern by which Qwen2's tokenizer splits a text.
pub(crate) const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Reads the tokenizer of `folder`, whose settings are `settings`.
pub(super) fn read(folder: &Path, settings: &Folder) -> Result<Tokenizer> {
    let path = folder.join(FILES[0]);
    let vocabulary = vocabulary(&path)?;
    let merges = merges(&folder.join(FILES[1]))?;
    let (normalizer, steps) = splitting(settings, &path)?;
    let added = added(&vocabulary, settings)?;
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let json = json!({
        "version": "1.0",
        "added_tokens": added.iter().map(|(id, token)| token.json(*id)).collect::<Vec<_>>(),
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
        "post_processor": null,
        "decoder": bytes,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": merges},
    });
    let tokenizer = Tokenizer::from_bytes(json.to_string()).map_err(|e| {
        let what = format!("and {} beside it are inconsistent ({e})", FILES[1]);
        Error::input(what, &path)
    })?;
    // The library numbers added tokens itself, in order.
    for (id, token) in &added {
        if tokenizer.token_to_id(&token.content) != Some(*id) {
            let what = format!(
                "ends before the added token {} of number {id}: it belongs to another model than the files beside it",
                token.content
            );
            return Err(Error::input(what, path));
        }
    }
    Ok(tokenizer)
}

fn vocabulary(path: &Path) -> Result<Map<String, Value>> {
    let vocabulary = match json_file(path)? {
        Some(Value::Object(entries)) => entries,
        _ => Map::new(),
    };
    let numbered = |id: &Value| id.as_u64().is_some_and(|id| u32::try_from(id).is_ok());
    if vocabulary.is_empty() || !vocabulary.values().all(numbered) {
        let what = "is not a vocabulary: expected a JSON object of tokens and their numbers";
        return Err(Error::input(what, path));
    }
    Ok(vocabulary)
}

fn merges(path: &Path) -> Result<Vec<[String; 2]>> {
    let text =
        std::fs::read_to_string(path).map_err(|e| Error::io("cannot read the merges", path, e))?;
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.starts_with("#version") && !line.is_empty());
    let pair = |(number, line): (usize, &str)| match line.split_once(' ') {
        Some((left, right)) if !right.contains(' ') => Ok([left.to_owned(), right.to_owned()]),
        _ => {
            let what = format!("line {} is not a pair of pieces: {line}", number + 1);
            Err(Error::input(what, path))
        }
    };
    lines.map(pair).collect()
}

/// Returns the normalizer and the steps that split a text.
fn splitting(settings: &Folder, path: &Path) -> Result<(Value, Vec<Value>)> {
    let composed = json!({"type": "NFC"});
    let bytes = |prefix: bool, regex: bool| json!({"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": regex});
    let prefix = settings.flag("add_prefix_space");
    Ok(match settings.class().map(|(class, _)| class) {
        Some("GPT2Tokenizer") => (Value::Null, vec![bytes(prefix, true)]),
        Some("GPTNeoXTokenizer") => (composed, vec![bytes(prefix, true)]),
        Some("Qwen2Tokenizer") => {
            let split = json!({"type": "Split", "pattern": {"Regex": QWEN2}, "behavior": "Isolated", "invert": false});
            (composed, vec![split, bytes(prefix, false)])
        }
        other => {
            return Err(Error::Unsupported {
                what: format!(
                    "a {} from {}",
                    other.unwrap_or("tokenizer of no class"),
                    path.display()
                ),
                remedy: "put the model's tokenizer.json there, or one of GPT2Tokenizer, GPTNeoXTokenizer and Qwen2Tokenizer".to_owned(),
            });
        }
    })
}

/// A token that is found in a text before anything else.
struct Added {
    content: String,
    special: bool,
    /// Remaining settings, as `tokenizer_config.json` gives them.
    other: Map<String, Value>,
}

impl Added {
    fn new(content: &str, special: bool) -> Self {
        Self {
            content: content.to_owned(),
            special,
            other: Map::new(),
        }
    }

    fn json(&self, id: u32) -> Value {
        let flag = |key: &str, usual: bool| {
            let said = self.other.get(key).and_then(Value::as_bool);
            said.unwrap_or(usual)
        };
        json!({
            "id": id, "content": self.content, "special": self.special, "single_word": flag("single_word", false),
            "lstrip": flag("lstrip", false), "rstrip": flag("rstrip", false), "normalized": flag("normalized", !self.special),
        })
    }
}

/// Returns the tokens that settings files add, by number: those of `added_tokens.json` and `added_tokens_decoder`, and those of the vocabulary that have a
/// role.
fn added(vocabulary: &Map<String, Value>, settings: &Folder) -> Result<BTreeMap<u32, Added>> {
    let mut added = BTreeMap::new();
    let named = settings.named_specials();
    let number = |id: &Value| id.as_u64().and_then(|id| u32::try_from(id).ok());
    for content in &named {
        if let Some(id) = vocabulary.get(content).and_then(number) {
            added.insert(id, Added::new(content, true));
        }
    }
    for (content, id) in settings.added_tokens()? {
        added.insert(id, Added::new(&content, named.contains(&content)));
    }
    for (id, token) in settings.added_tokens_decoder() {
        if let Some(content) = token.get("content").and_then(Value::as_str) {
            let special = token.get("special").and_then(Value::as_bool);
            let mut token = Added {
                other: token.clone(),
                ..Added::new(content, special.unwrap_or(false))
            };
            token.special |= named.contains(content);
            added.insert(id, token);
        }
    }
    Ok(added)
}
