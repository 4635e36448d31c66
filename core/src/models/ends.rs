//! The tokens that end a text (EOS), as the files of a model name them.

use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::text::TextCodec;

/// The key of every settings file.
const KEY: &str = "eos_token_id";

/// Tokens that end generation, and the source of that decision.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ends {
    /// Tokens, ascending; empty where no file names one.
    pub ids: Vec<TokenId>,
    /// File and key that decided, as a phrase for the output (`generation_config.json has eos_token_id 0`).
    pub why: String,
}

impl Ends {
    /// Sorts `ids` and removes duplicates.
    pub(super) fn new(mut ids: Vec<TokenId>, why: impl Into<String>) -> Self {
        ids.sort_unstable();
        ids.dedup();
        Self {
            ids,
            why: why.into(),
        }
    }
}

/// Reads the ends of a model folder through `read`: `generation_config.json` decides as in transformers, then `config.json` (of a model with images: its part
/// for text), then the token that `tokenizer_config.json` names. `null` says that there is none.
pub(super) fn of_folder(
    folder: &Path,
    read: &dyn Fn(&Path) -> Result<Option<Value>>,
    codec: &TextCodec,
) -> Result<Ends> {
    for name in ["generation_config.json", "config.json"] {
        let path = folder.join(name);
        let Some(settings) = read(&path)? else {
            continue;
        };
        let text = settings.get("text_config").and_then(|text| text.get(KEY));
        if let Some(value) = settings.get(KEY).or(text) {
            let ids = ids(value).ok_or_else(|| {
                Error::input(
                    format!("has `{KEY}` {value}, give a token number or a list of them"),
                    &path,
                )
            })?;
            return Ok(Ends::new(ids, format!("{name} has {KEY} {value}")));
        }
    }
    let name = "tokenizer_config.json";
    let named = read(&folder.join(name))?;
    let named = named
        .as_ref()
        .and_then(|settings| settings.get("eos_token"));
    let named = named.and_then(|token| token.get("content").unwrap_or(token).as_str());
    Ok(
        match named.and_then(|text| Some((text, codec.token_of(text)?))) {
            Some((text, id)) => Ends::new(vec![id], format!("{name} names {text}")),
            None => Ends::new(
                Vec::new(),
                "generation_config.json, config.json and tokenizer_config.json name none",
            ),
        },
    )
}

/// Parses a number, a list of numbers, or `null`; negative numbers stand for none.
fn ids(value: &Value) -> Option<Vec<TokenId>> {
    let one = |value: &Value| -> Option<Option<TokenId>> {
        let number = value.as_i64()?;
        Some(u32::try_from(number).ok().map(TokenId))
    };
    match value {
        Value::Null => Some(Vec::new()),
        Value::Array(all) => {
            let all: Option<Vec<_>> = all.iter().map(one).collect();
            Some(all?.into_iter().flatten().collect())
        }
        value => Some(one(value)?.into_iter().collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the ends of a folder that holds these files.
    fn read(files: &[(&str, &str)]) -> Result<Ends> {
        let codec = TextCodec::open(Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../assets/demo/model"
        )))
        .unwrap();
        let read = |path: &Path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            let found = files.iter().find(|(file, _)| *file == name);
            Ok(found.map(|(_, text)| serde_json::from_str(text).unwrap()))
        };
        of_folder(Path::new("model"), &read, &codec)
    }

    #[track_caller]
    fn check(files: &[(&str, &str)], want: &[u32], why: &str) {
        let ends = read(files).unwrap();
        let ids: Vec<u32> = ends.ids.iter().map(|id| id.0).collect();
        assert_eq!((ids.as_slice(), ends.why.as_str()), (want, why));
    }

    #[test]
    fn the_first_file_that_names_one_decides() {
        let generation = "generation_config.json";
        let (config, tokenizer) = ("config.json", "tokenizer_config.json");
        let five = (config, "{\"eos_token_id\": 5}");
        let named = (tokenizer, "{\"eos_token\": \"<|endoftext|>\"}");
        let list = (generation, "{\"eos_token_id\": [9, 7, 9]}");
        check(
            &[list, five, named],
            &[7, 9],
            "generation_config.json has eos_token_id [9,7,9]",
        );
        check(&[five, named], &[5], "config.json has eos_token_id 5");
        let silent = (generation, "{\"bos_token_id\": 3}");
        check(&[silent, five], &[5], "config.json has eos_token_id 5");
        let null = (generation, "{\"eos_token_id\": null}");
        check(
            &[null, five, named],
            &[],
            "generation_config.json has eos_token_id null",
        );
        let inside = (config, "{\"text_config\": {\"eos_token_id\": [1, 106]}}");
        check(&[inside], &[1, 106], "config.json has eos_token_id [1,106]");
        check(
            &[(config, "{}"), named],
            &[0],
            "tokenizer_config.json names <|endoftext|>",
        );
        let added = (
            tokenizer,
            "{\"eos_token\": {\"content\": \"<|endoftext|>\"}}",
        );
        check(&[added], &[0], "tokenizer_config.json names <|endoftext|>");
        check(
            &[(config, "{\"eos_token_id\": -1}")],
            &[],
            "config.json has eos_token_id -1",
        );
        let none = "generation_config.json, config.json and tokenizer_config.json name none";
        check(&[], &[], none);
        let refused = read(&[(config, "{\"eos_token_id\": \"</s>\"}")]).unwrap_err();
        assert!(refused.to_string().contains("a list of them"), "{refused}");
    }
}
