//! The chat template of a model: found in its files, and rendered as transformers renders it. Templates are downloaded, so one that computes without end, or is
//! huge, gives an error, and none can read a file.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use minijinja::{ErrorKind, Value};
use regex::Regex;
use serde_json::Value as Json;

use super::super::folder::json_file;
use super::{Message, python};
use crate::error::{Error, Result};

/// File of a template alone.
const JINJA: &str = "chat_template.jinja";
/// File of processors, with the template under [`KEY`].
const JSON: &str = "chat_template.json";
/// Tokenizer's settings, with the template under [`KEY`].
const CONFIG: &str = "tokenizer_config.json";
/// Key of a template.
const KEY: &str = "chat_template";
/// Most bytes of a template; real ones stay below some ten thousand.
const LONGEST: usize = 1 << 19;

/// Chat template, and the special tokens that it may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: Arc<str>,
    origin: PathBuf,
    /// Reason why it cannot be used.
    problem: Option<String>,
    /// Special tokens by the names that templates use, such as `bos_token`.
    words: Vec<(&'static str, String)>,
}

impl Template {
    /// Makes the template `source`, which `origin` holds. `words` are special tokens by the names that templates use.
    pub fn new(
        source: impl Into<Arc<str>>,
        origin: &Path,
        words: Vec<(&'static str, String)>,
    ) -> Self {
        let source = source.into();
        let problem = (source.len() > LONGEST).then(|| {
            let bytes = source.len();
            format!("has a chat template of {bytes} bytes, {LONGEST} are allowed: take the one that its authors publish")
        });
        Self {
            source,
            origin: origin.to_path_buf(),
            problem,
            words,
        }
    }

    fn unusable(problem: String, origin: PathBuf) -> Self {
        Self {
            source: "".into(),
            origin,
            problem: Some(problem),
            words: Vec::new(),
        }
    }

    /// Finds the template of a model folder whose `tokenizer_config.json` is `config`: `chat_template.jinja`, else the key of `config`, else
    /// `chat_template.json`. Of several by name it is the one named `default`.
    pub(in crate::text) fn in_folder(
        folder: &Path,
        config: &Json,
        words: Vec<(&'static str, String)>,
    ) -> Result<Option<Self>> {
        let alone = folder.join(JINJA);
        if let Ok(about) = std::fs::metadata(&alone) {
            if about.len() > LONGEST as u64 {
                let bytes = about.len();
                let what = format!("has {bytes} bytes, {LONGEST} are allowed for a chat template");
                return Ok(Some(Self::unusable(what, alone)));
            }
            let source = std::fs::read_to_string(&alone)
                .map_err(|e| Error::io("cannot read the chat template", &alone, e))?;
            return Ok(Some(Self::new(source, &alone, words)));
        }
        if let Some(found) = Self::under_key(config, &folder.join(CONFIG), &words) {
            return Ok(Some(found));
        }
        let path = folder.join(JSON);
        let settings = json_file(&path)?.unwrap_or_default();
        Ok(Self::under_key(&settings, &path, &words))
    }

    fn under_key(settings: &Json, path: &Path, words: &[(&'static str, String)]) -> Option<Self> {
        let words = words.to_vec();
        let named: Vec<(&str, &str)> = match settings.get(KEY)? {
            Json::Null => return None,
            Json::String(source) => return Some(Self::new(source.as_str(), path, words)),
            Json::Array(several) => several
                .iter()
                .filter_map(|one| Some((one["name"].as_str()?, one["template"].as_str()?)))
                .collect(),
            Json::Object(several) => several
                .iter()
                .filter_map(|(name, source)| Some((name.as_str(), source.as_str()?)))
                .collect(),
            _ => Vec::new(),
        };
        if let Some((_, source)) = named.iter().find(|(name, _)| *name == "default") {
            return Some(Self::new(*source, path, words));
        }
        let names: Vec<&str> = named.iter().map(|(name, _)| *name).collect();
        let what = if names.is_empty() {
            format!(
                "has a `{KEY}` that is neither a text nor a list of named templates: put the template into {JINJA} beside it"
            )
        } else {
            let names = names.join(", ");
            format!(
                "has the chat templates {names} and none named `default`: put the one to use into {JINJA} beside it"
            )
        };
        Some(Self::unusable(what, path.to_path_buf()))
    }

    /// Text of the template.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// File that holds it.
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// Text of the BOS token, if the model has one.
    pub(super) fn bos(&self) -> Option<&str> {
        let mut words = self.words.iter();
        let (_, bos) = words.find(|(name, _)| *name == "bos_token")?;
        Some(bos.as_str()).filter(|bos| !bos.is_empty())
    }

    /// Whether the text may depend on the day.
    pub fn asks_for_the_time(&self) -> bool {
        self.source.contains("strftime_now")
    }

    /// Writes `messages` as text; with `answer`, up to where the assistant's answer begins (`add_generation_prompt`). `now` is the time for `strftime_now`,
    /// in UTC. Errors name the file of the template.
    pub fn render(&self, messages: &[Message], answer: bool, now: SystemTime) -> Result<String> {
        if let Some(problem) = &self.problem {
            return Err(Error::input(problem, &self.origin));
        }
        let source = without_generation(&self.source);
        let environment = python::environment(now).map_err(|e| self.failed(&e))?;
        let template = environment
            .template_from_str(&source)
            .map_err(|e| self.failed(&e))?;
        let messages = messages.iter().map(|message| {
            let content = Value::from(message.content.as_str());
            Value::from_pairs([
                ("role", Value::from(message.role.as_str())),
                ("content", content),
            ])
        });
        let mut values: Vec<(&str, Value)> = vec![
            ("messages", messages.collect()),
            ("tools", Value::from(())),
            ("documents", Value::from(())),
            ("add_generation_prompt", Value::from(answer)),
        ];
        let words = self.words.iter();
        values.extend(words.map(|(name, text)| (*name, Value::from(text.as_str()))));
        template
            .render(Value::from_pairs(values))
            .map_err(|e| self.failed(&e))
    }

    fn failed(&self, error: &minijinja::Error) -> Error {
        let what = if let Some(said) = python::refusal(error) {
            let said = said.trim().trim_end_matches(['.', '!']);
            format!("has a chat template that refuses these messages: {said}")
        } else if error.kind() == ErrorKind::OutOfFuel {
            "has a chat template that computes too long for these messages: take the one that its authors publish".to_owned()
        } else {
            let why = error
                .detail()
                .map_or_else(|| error.kind().to_string(), str::to_owned);
            let line = error
                .line()
                .map_or_else(String::new, |n| format!(" in line {n}"));
            format!(
                "has a chat template that fails{line} ({why}): put a corrected one into {JINJA} beside the model"
            )
        };
        Error::input(what, &self.origin)
    }
}

/// Returns `source` with a scope in place of `{% generation %}`, which marks the assistant's tokens for training and writes nothing.
fn without_generation(source: &str) -> String {
    static TAG: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}").ok());
    let Some(tag) = TAG.as_ref().filter(|_| source.contains("generation")) else {
        return source.to_owned();
    };
    let scope = |found: &regex::Captures<'_>| {
        let part = |n: usize| found.get(n).map_or("", |part| part.as_str());
        format!("{{%{} {}with {}%}}", part(1), part(2), part(3))
    };
    tag.replace_all(source, scope).into_owned()
}
