//! Special tokens of a model folder: BOS, EOS, padding and separator, as transformers names them. Chat marks are text.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use tokenizers::Tokenizer;

use super::json_file;
use crate::error::Result;
use crate::ids::TokenId;

/// Keys of the tokens in `tokenizer_config.json`; `config.json` has their numbers under the key with `_id` behind it.
const KEYS: [&str; 4] = ["bos_token", "eos_token", "pad_token", "sep_token"];

/// Ids of the special tokens that `tokenizer_config.json` or `special_tokens_map.json` names; `config.json` decides for a key that both lack.
pub(super) fn of_folder(folder: &Path, tokenizer: Option<&Tokenizer>) -> Result<BTreeSet<TokenId>> {
    let named = [
        json_file(&folder.join("tokenizer_config.json"))?,
        json_file(&folder.join("special_tokens_map.json"))?,
    ];
    let numbers = json_file(&folder.join("config.json"))?.unwrap_or_default();
    let mut special = BTreeSet::new();
    for key in KEYS {
        let named = named.iter().flatten().find_map(|file| file.get(key));
        match (named, tokenizer) {
            (Some(token), Some(tokenizer)) => {
                let text = token.as_str().or_else(|| token["content"].as_str());
                special.extend(text.and_then(|text| tokenizer.token_to_id(text)));
            }
            _ => match &numbers[format!("{key}_id")] {
                Value::Array(ids) => special.extend(ids.iter().filter_map(number)),
                id => special.extend(number(id)),
            },
        }
    }
    Ok(special.into_iter().map(TokenId).collect())
}

fn number(id: &Value) -> Option<u32> {
    id.as_u64().and_then(|id| u32::try_from(id).ok())
}
