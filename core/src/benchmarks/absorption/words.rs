//! Words of one token with their classes: the model's own vocabulary by first letter, or words that a person labels.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::models::Model;

/// Format of a file of labelled words, as a phrase.
pub const FORMAT: &str = "one JSON object a line, {\"word\": \"running\", \"label\": \"ing\"}: words are one token each with a space before them";

/// Letters that a word can begin with.
pub const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";

/// Word of one token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// Text without the space before it.
    pub text: String,
    /// Token, which has a space before the word.
    pub token: TokenId,
    /// Class, as an index of [`Words::classes`].
    pub class: usize,
}

/// Words with their classes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Words in the order of their tokens.
    pub words: Vec<Word>,
    /// Whether classes are first letters, which the model can be asked for.
    pub are_letters: bool,
    /// Number of given words that are not one token of the model.
    pub left_out: usize,
}

impl Words {
    /// Returns every token of a model that is a space and letters of the alphabet, and that the tokenizer gives for that text; its class is the first letter in
    /// lower case.
    pub fn from_vocabulary(model: &Model) -> Result<Self> {
        let codec = model.codec();
        let special: BTreeSet<TokenId> = codec.special().collect();
        let mut words = Vec::new();
        for id in 0..codec.vocab_size() {
            let token = TokenId::from(id);
            if !codec.has(token) || special.contains(&token) {
                continue;
            }
            let bytes = codec.bytes(token);
            let Some(letters) = bytes.strip_prefix(b" ") else {
                continue;
            };
            let is_word = !letters.is_empty() && letters.iter().all(u8::is_ascii_alphabetic);
            if !is_word {
                continue;
            }
            let text: String = letters.iter().copied().map(char::from).collect();
            if codec.encode(&format!(" {text}"))? != [token] {
                continue;
            }
            words.push(Word {
                class: usize::from(letters[0].to_ascii_lowercase() - b'a'),
                text,
                token,
            });
        }
        Ok(Self {
            classes: LETTERS.chars().map(String::from).collect(),
            words,
            are_letters: true,
            left_out: 0,
        })
    }

    /// Reads labelled words of [`FORMAT`]; empty lines are skipped. Words that are not one token are left out and counted; a word with two labels is an error.
    pub fn from_lines(model: &Model, lines: &str) -> Result<Self> {
        let mut labels: BTreeMap<TokenId, (String, String)> = BTreeMap::new();
        let mut left_out = 0;
        for (number, line) in lines.lines().enumerate() {
            if line.trim().is_empty() {
                continue;
            }
            let refused =
                |what: String| Error::setting("words", format!("line {} {what}", number + 1));
            let line: Line = serde_json::from_str(line).map_err(|cause| {
                refused(format!("is no labelled word ({cause}): give {FORMAT}"))
            })?;
            let text = line.word.trim().to_owned();
            let tokens = model.codec().encode(&format!(" {text}"))?;
            let &[token] = tokens.as_slice() else {
                left_out += 1;
                continue;
            };
            let entry = labels
                .entry(token)
                .or_insert_with(|| (text.clone(), line.label.clone()));
            if entry.1 != line.label {
                let (one, other) = (&entry.1, &line.label);
                return Err(refused(format!(
                    "labels “{text}” {other}, which an earlier line labels {one}: give a word one label"
                )));
            }
        }
        let classes: BTreeSet<String> = labels.values().map(|(_, label)| label.clone()).collect();
        let classes: Vec<String> = classes.into_iter().collect();
        if classes.len() < 2 {
            let what = format!(
                "{} words of one token have {}: give words of two labels or more",
                labels.len(),
                match classes.first() {
                    Some(class) => format!("the one label {class}"),
                    None => "no label".to_owned(),
                }
            );
            return Err(Error::setting("words", what));
        }
        let class = |label: &String| classes.binary_search(label).unwrap_or_default();
        let words = labels.iter().map(|(token, (text, label))| Word {
            text: text.clone(),
            token: *token,
            class: class(label),
        });
        Ok(Self {
            words: words.collect(),
            classes,
            are_letters: false,
            left_out,
        })
    }

    /// Returns the indexes of the classes named in `names`, or of all without names; an unknown name is an error.
    pub fn chosen(&self, names: &[String]) -> Result<Vec<usize>> {
        if names.is_empty() {
            return Ok((0..self.classes.len()).collect());
        }
        let mut chosen = BTreeSet::new();
        for name in names {
            let at = self.classes.iter().position(|class| class == name);
            chosen.insert(at.ok_or_else(|| {
                let what = format!("`{name}` is none, there are {}", self.classes.join(", "));
                Error::setting("classes", what)
            })?);
        }
        Ok(chosen.into_iter().collect())
    }
}

#[derive(Deserialize)]
struct Line {
    word: String,
    label: String,
}
