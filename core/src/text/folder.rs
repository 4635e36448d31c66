//! Special tokens and BOS rule in the files of a HuggingFace folder. `tokenizer_config.json` names a role, else `special_tokens_map.json`, else the tokenizer's
//! class as in transformers; else the number in `config.json` decides.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use tokenizers::Tokenizer;

use super::chat::Template;
use super::special::{Bos, Specials};
use crate::error::{Error, Result};
use crate::ids::TokenId;

/// Values of `model_type` for which TransformerLens adds no BOS (`default_prepend_bos: False`), among the families that can be opened.
const WITHOUT_BOS: [&str; 3] = ["gpt_neox", "qwen2", "qwen3"];

/// BOS, EOS and padding of a tokenizer class, named without `Fast`, where the files name none.
type Class = (&'static str, [Option<&'static str>; 3]);
const CLASSES: [Class; 7] = [
    (
        "GPT2Tokenizer",
        [Some("<|endoftext|>"), Some("<|endoftext|>"), None],
    ),
    (
        "GPTNeoXTokenizer",
        [
            Some("<|endoftext|>"),
            Some("<|endoftext|>"),
            Some("<|padding|>"),
        ],
    ),
    ("LlamaTokenizer", [Some("<s>"), Some("</s>"), None]),
    (
        "GemmaTokenizer",
        [Some("<bos>"), Some("<eos>"), Some("<pad>")],
    ),
    (
        "Qwen2Tokenizer",
        [None, Some("<|endoftext|>"), Some("<|endoftext|>")],
    ),
    ("PreTrainedTokenizer", [None; 3]),
    ("TokenizersBackend", [None; 3]),
];

/// Tokenizer class by `model_type`, where `tokenizer_config.json` names none.
const CLASS_OF_FAMILY: [(&str, &str); 11] = [
    ("gpt2", "GPT2Tokenizer"),
    ("gpt_neo", "GPT2Tokenizer"),
    ("gpt_neox", "GPTNeoXTokenizer"),
    ("llama", "LlamaTokenizer"),
    ("mistral", "LlamaTokenizer"),
    ("phi3", "LlamaTokenizer"),
    ("gemma2", "GemmaTokenizer"),
    ("gemma3", "GemmaTokenizer"),
    ("gemma3_text", "GemmaTokenizer"),
    ("qwen2", "Qwen2Tokenizer"),
    ("qwen3", "Qwen2Tokenizer"),
];

/// Role of a token.
#[derive(Clone, Copy)]
enum Role {
    Bos,
    Eos,
    Pad,
    Separator,
}

impl Role {
    fn key(self) -> &'static str {
        match self {
            Self::Bos => "bos_token",
            Self::Eos => "eos_token",
            Self::Pad => "pad_token",
            Self::Separator => "sep_token",
        }
    }

    fn number(self) -> &'static str {
        match self {
            Self::Bos => "bos_token_id",
            Self::Eos => "eos_token_id",
            Self::Pad => "pad_token_id",
            Self::Separator => "sep_token_id",
        }
    }
}

/// Answer of the files about one role; `by` is a phrase that names the source.
enum Named {
    /// A token with this text.
    Text { text: String, by: String },
    /// No token: a file says so, or the class has none.
    Nothing { by: String, said: bool },
    /// No answer.
    Unsaid,
}

/// Settings files of one folder; null for a missing file.
pub(super) struct Folder {
    path: PathBuf,
    model: Value,
    tokenizer: Value,
    map: Value,
}

impl Folder {
    /// Reads the files that exist.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let read = |name: &str| json_file(&path.join(name)).map(Option::unwrap_or_default);
        Ok(Self {
            path: path.to_path_buf(),
            model: read("config.json")?,
            tokenizer: read("tokenizer_config.json")?,
            map: read("special_tokens_map.json")?,
        })
    }

    /// Returns `model_type` of `config.json`.
    fn family(&self) -> &str {
        self.model["model_type"].as_str().unwrap_or_default()
    }

    /// Returns the tokenizer's class without `Fast`, and whether a file names it.
    pub(super) fn class(&self) -> Option<(&str, bool)> {
        if let Some(class) = self.tokenizer["tokenizer_class"].as_str() {
            return Some((class.strip_suffix("Fast").unwrap_or(class), true));
        }
        let known = CLASS_OF_FAMILY.iter();
        let mut known = known.filter(|(family, _)| *family == self.family());
        known.next().map(|(_, class)| (*class, false))
    }

    /// Returns a boolean of `tokenizer_config.json`; false if it is missing.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.tokenizer[key].as_bool().unwrap_or(false)
    }

    /// Returns the chat template, which may write the special tokens `words`.
    pub(super) fn chat_template(
        &self,
        words: Vec<(&'static str, String)>,
    ) -> Result<Option<Template>> {
        Template::in_folder(&self.path, &self.tokenizer, words)
    }

    /// Returns the texts of all tokens with a role, including those of the class, and of the tokens listed as special.
    pub(super) fn named_specials(&self) -> BTreeSet<String> {
        const LISTS: [&str; 2] = ["additional_special_tokens", "extra_special_tokens"];
        let text = |token: &Value| {
            let text = token.as_str().or_else(|| token["content"].as_str());
            text.map(str::to_owned)
        };
        let mut all = BTreeSet::new();
        for file in [&self.tokenizer, &self.map] {
            for key in [
                "bos_token",
                "eos_token",
                "pad_token",
                "unk_token",
                "sep_token",
                "cls_token",
                "mask_token",
            ] {
                all.extend(text(&file[key]));
            }
            for list in LISTS {
                all.extend(file[list].as_array().into_iter().flatten().filter_map(text));
            }
        }
        let class = self.class();
        let known = CLASSES
            .iter()
            .filter(|(known, _)| class.is_some_and(|(class, _)| class == *known));
        for (_, defaults) in known {
            all.extend(defaults.iter().flatten().map(|text| (*text).to_owned()));
        }
        all
    }

    /// Returns `added_tokens.json`, which older folders have.
    pub(super) fn added_tokens(&self) -> Result<Vec<(String, u32)>> {
        let path = self.path.join("added_tokens.json");
        let Some(Value::Object(tokens)) = json_file(&path)? else {
            return Ok(Vec::new());
        };
        let token = |(text, id): (String, Value)| {
            let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
            let id = id.ok_or_else(|| Error::input(format!("gives {text} no number"), &path))?;
            Ok((text, id))
        };
        tokens.into_iter().map(token).collect()
    }

    /// Returns `added_tokens_decoder` of `tokenizer_config.json`.
    pub(super) fn added_tokens_decoder(&self) -> Vec<(u32, &Map<String, Value>)> {
        let tokens = self.tokenizer["added_tokens_decoder"].as_object();
        let tokens = tokens.into_iter().flatten();
        tokens
            .filter_map(|(id, token)| Some((id.parse().ok()?, token.as_object()?)))
            .collect()
    }

    fn named(&self, role: Role, tokenizer: Option<&Tokenizer>) -> Result<Named> {
        let key = role.key();
        let files = [
            ("tokenizer_config.json", &self.tokenizer),
            ("special_tokens_map.json", &self.map),
        ];
        for (file, values) in files {
            let Some(value) = values.get(key) else {
                continue;
            };
            let text = match value {
                Value::Null => {
                    let by = format!("{file} has {key} null");
                    return Ok(Named::Nothing { by, said: true });
                }
                Value::Object(token) => token.get("content").and_then(Value::as_str),
                other => other.as_str(),
            };
            let text = text.ok_or_else(|| {
                let what = format!("`{key}` should be a text or null, is {value}");
                Error::input(what, self.path.join(file))
            })?;
            return Ok(Named::Text {
                text: text.to_owned(),
                by: format!("{file} names {text}"),
            });
        }
        Ok(self.named_by_class(role, tokenizer))
    }

    /// Returns the token of the class; no answer if the vocabulary lacks it, since the class is then a guess.
    fn named_by_class(&self, role: Role, tokenizer: Option<&Tokenizer>) -> Named {
        let Some((class, is_named)) = self.class() else {
            return Named::Unsaid;
        };
        let mut known = CLASSES.iter().filter(|(known, _)| *known == class);
        let Some((_, [bos, eos, pad])) = known.next() else {
            return Named::Unsaid;
        };
        let default = match role {
            Role::Bos => bos,
            Role::Eos => eos,
            Role::Pad => pad,
            Role::Separator => &None,
        };
        let key = role.key();
        match default {
            None if is_named || class == "Qwen2Tokenizer" => Named::Nothing {
                by: format!("no file names a {key} and a {class} has none of its own"),
                said: false,
            },
            Some(text) if tokenizer.is_some_and(|t| t.token_to_id(text).is_some()) => Named::Text {
                text: (*text).to_owned(),
                by: format!("no file names a {key} and a {class} takes {text}"),
            },
            _ => Named::Unsaid,
        }
    }

    /// Returns the token of a role, and a phrase that names its source.
    fn token(
        &self,
        role: Role,
        tokenizer: Option<&Tokenizer>,
    ) -> Result<(Option<TokenId>, String)> {
        match self.named(role, tokenizer)? {
            Named::Nothing { by, .. } => return Ok((None, by)),
            Named::Text { text, by } => {
                if let Some(tokenizer) = tokenizer {
                    let id = tokenizer.token_to_id(&text).map(TokenId);
                    return Ok((id, by));
                }
            }
            Named::Unsaid => {}
        }
        let key = role.number();
        // Any token of a list ends a text; the first one is the tokenizer's own.
        let value = match &self.model[key] {
            Value::Array(several) => several.first().unwrap_or(&Value::Null),
            one => one,
        };
        let number = value.as_u64().and_then(|id| u32::try_from(id).ok());
        Ok(match number {
            Some(id) => (
                Some(TokenId(id)),
                match tokenizer.and_then(|t| t.id_to_token(id)) {
                    Some(text) => format!("config.json has {key} {id}, {text}"),
                    None => format!("config.json has {key} {id}"),
                },
            ),
            None => (
                None,
                "neither the tokenizer's settings nor config.json name one".to_owned(),
            ),
        })
    }

    /// Returns the tokens of all roles.
    pub(super) fn specials(&self, tokenizer: Option<&Tokenizer>) -> Result<Specials> {
        let token = |role| self.token(role, tokenizer).map(|(id, _)| id);
        Ok(Specials {
            bos: token(Role::Bos)?,
            eos: token(Role::Eos)?,
            pad: token(Role::Pad)?,
            separator: token(Role::Separator)?,
        })
    }

    /// Decides whether BOS precedes a text: `add_bos_token` decides; else a null `bos_token` means no; else the post-processor's first token; else the BOS
    /// token that is named, except for the families of [`WITHOUT_BOS`].
    pub(super) fn bos(&self, tokenizer: Option<&Tokenizer>, specials: &Specials) -> Result<Bos> {
        let none = |why: String| Ok(Bos { id: None, why });
        let some = |id, why: String| Ok(Bos { id: Some(id), why });
        let named = self.named(Role::Bos, tokenizer)?;
        if let (Named::Text { text, .. }, Some(_), None) = (&named, tokenizer, specials.bos) {
            return Err(Error::input(
                format!("names the BOS token {text}, which the vocabulary lacks"),
                self.path.join("tokenizer_config.json"),
            ));
        }
        let (_, by) = self.token(Role::Bos, tokenizer)?;
        let says = self.tokenizer["add_bos_token"].as_bool();
        if says == Some(false) {
            return none("tokenizer_config.json has add_bos_token false".to_owned());
        }
        let asked = says.map_or("", |_| "tokenizer_config.json has add_bos_token true and ");
        if let Named::Nothing { said: true, by } = named {
            return none(format!("{asked}{by}"));
        }
        if let (Some(id), true) = (specials.bos, says.is_some()) {
            return some(id, format!("{asked}{by}"));
        }
        if let Some((id, text)) = self.put_first(tokenizer)? {
            let why = format!("{asked}the post-processor of tokenizer.json puts {text} first");
            return some(id, why);
        }
        match specials.bos {
            Some(_) if WITHOUT_BOS.contains(&self.family()) => none(format!(
                "{by}, but TransformerLens puts none for the family {}",
                self.family()
            )),
            Some(id) => some(id, by),
            None => none(format!("{asked}{by}")),
        }
    }

    /// Returns the token that the post-processor puts before a text; an error if it puts several.
    fn put_first(&self, tokenizer: Option<&Tokenizer>) -> Result<Option<(TokenId, String)>> {
        let Some(tokenizer) = tokenizer else {
            return Ok(None);
        };
        let processor = serde_json::to_value(tokenizer.get_post_processor()).unwrap_or_default();
        match first_ids(&processor)[..] {
            [] => Ok(None),
            [id] => {
                let text = tokenizer.id_to_token(id).unwrap_or_else(|| id.to_string());
                Ok(Some((TokenId(id), text)))
            }
            ref several => Err(Error::input(
                format!(
                    "its post-processor puts {} tokens before each text and at most one is supported: set add_bos_token in tokenizer_config.json",
                    several.len()
                ),
                self.path.join("tokenizer.json"),
            )),
        }
    }
}

/// Returns the tokens that a post-processor in `tokenizer.json` puts before a single text.
fn first_ids(processor: &Value) -> Vec<u32> {
    let number = |value: &Value| value.as_u64().and_then(|id| u32::try_from(id).ok());
    match processor["type"].as_str() {
        Some("Sequence") => {
            let steps = processor["processors"].as_array().into_iter().flatten();
            steps.rev().flat_map(first_ids).collect()
        }
        Some("TemplateProcessing") => {
            let pieces = processor["single"].as_array().into_iter().flatten();
            let before = pieces.map_while(|piece| piece["SpecialToken"]["id"].as_str());
            let ids = before.filter_map(|name| processor["special_tokens"][name]["ids"].as_array());
            ids.flatten().filter_map(number).collect()
        }
        Some("BertProcessing" | "RobertaProcessing") => {
            number(&processor["cls"][1]).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// Reads a JSON file; none if it does not exist.
pub(super) fn json_file(path: &Path) -> Result<Option<Value>> {
    if !path.exists() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::io("cannot read the settings", path, e))?;
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|e| Error::input(format!("is not valid JSON ({e})"), path))
}
