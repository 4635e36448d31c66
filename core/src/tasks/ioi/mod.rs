//! Indirect object identification (Wang et al. 2022, arXiv 2211.00593): "When Mary and John went to the garden, John gave a letter to" is completed with the name
//! that stands in it once.
//!
//! Attributes: `io`, the answer; `s`, the name that occurs twice; `pos`, `ABB` where IO comes first and `BAB` where S does. Counterfactuals: for `io` and `s` that name
//! becomes the next one in the sorted list of all names of the prompts, around its end, that is not in the prompt; for `pos` the first two names change places.

mod lines;
mod templates;
mod words;

pub use lines::{FORMAT, from_text, to_text};
pub use templates::{Templates, from_templates};

use std::collections::BTreeMap;

use super::{Counterfactual, Prompt, Task};
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::models::Model;

/// Number of prompts from templates.
pub const PROMPTS: usize = 600;

/// Names of the edited attributes.
pub const ATTRIBUTES: [&str; 3] = ["io", "s", "pos"];
/// Names of the positions.
pub const POSITIONS: [&str; 4] = ["io", "s1", "s2", "end"];

/// Sentence with two names before its positions are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sentence {
    /// Text, which ends before the answer.
    pub text: String,
    /// Answer, with a space before it.
    pub io: String,
    /// Name that occurs twice, with a space before it.
    pub s: String,
}

/// Order of the first two names.
fn order(io: usize, s1: usize) -> &'static str {
    if io < s1 { "ABB" } else { "BAB" }
}

/// Tokens and positions of a sentence.
struct Found {
    tokens: Vec<TokenId>,
    io: TokenId,
    s: TokenId,
    /// In the order of [`POSITIONS`].
    positions: [usize; 4],
}

fn lacks(text: &str, what: &str) -> Error {
    Error::setting("prompts", format!("“{text}” {what}"))
}

fn token(model: &Model, name: &str, text: &str) -> Result<TokenId> {
    crate::heads::ioi::spaced(model, name)?.ok_or_else(|| {
        let what = format!(
            "has the name {}, which is not one token of {}: choose another name",
            name.trim(),
            model.name()
        );
        lacks(text, &what)
    })
}

fn find(model: &Model, sentence: &Sentence) -> Result<Found> {
    let text = &sentence.text;
    let tokens = model.codec().encode_with_bos(text)?;
    let (io, s) = (
        token(model, &sentence.io, text)?,
        token(model, &sentence.s, text)?,
    );
    let at = |wanted: TokenId| -> Vec<usize> {
        let all = tokens.iter().enumerate();
        all.filter(|(_, token)| **token == wanted)
            .map(|(at, _)| at)
            .collect()
    };
    let (ios, subjects) = (at(io), at(s));
    let (&[first], &[s1, s2]) = (ios.as_slice(), subjects.as_slice()) else {
        let what = format!(
            "holds{} {} times and{} {} times: IO must stand in it once and S twice, each with a space before it",
            sentence.io,
            ios.len(),
            sentence.s,
            subjects.len()
        );
        return Err(lacks(text, &what));
    };
    let end = tokens.len() - 1;
    if first > s2 || s2 > end {
        return Err(lacks(
            text,
            "names IO after the second S: it must come before",
        ));
    }
    Ok(Found {
        io,
        s,
        positions: [first, s1, s2, end],
        tokens,
    })
}

/// Makes a task of sentences. A name that is not one token, or stands in its sentence too often or too rarely, is an error.
pub fn task(model: &Model, sentences: &[Sentence]) -> Result<Task> {
    let mut names: BTreeMap<&str, TokenId> = BTreeMap::new();
    let mut found = Vec::with_capacity(sentences.len());
    for sentence in sentences {
        let one = find(model, sentence)?;
        names.insert(&sentence.io, one.io);
        names.insert(&sentence.s, one.s);
        found.push(one);
    }
    if names.len() < 3 {
        let what = "the prompts have fewer than three names, and a counterfactual needs a third: give prompts with more";
        return Err(Error::setting("prompts", what));
    }
    let known = names.keys().all(|name| words::gender(name).is_some());
    let mut derived = vec!["first".to_owned(), "second".to_owned()];
    if known {
        derived.extend(["io gender".to_owned(), "s gender".to_owned()]);
    }
    let sorted: Vec<(&str, TokenId)> = names.into_iter().collect();
    let prompts = sentences.iter().zip(found);
    let prompts = prompts.map(|(sentence, found)| prompt(sentence, &found, (&sorted, known)));
    let task = Task {
        name: "ioi".to_owned(),
        attributes: ATTRIBUTES.map(str::to_owned).to_vec(),
        derived,
        positions: POSITIONS.map(str::to_owned).to_vec(),
        prompts: prompts.collect(),
    };
    task.check(model)?;
    Ok(task)
}

/// Values of all attributes, edited and derived.
fn values((io, s): (&str, &str), order: &str, genders: bool) -> Vec<String> {
    let [first, second] = if order == "ABB" { [io, s] } else { [s, io] };
    let mut values = vec![io, s, order, first, second];
    if genders {
        let gender = |name| words::gender(name).unwrap_or_default();
        values.extend([gender(io), gender(s)]);
    }
    values.into_iter().map(str::to_owned).collect()
}

fn prompt(
    sentence: &Sentence,
    found: &Found,
    (names, genders): (&[(&str, TokenId)], bool),
) -> Prompt {
    let (io, s) = (sentence.io.as_str(), sentence.s.as_str());
    let [at_io, s1, s2, end] = found.positions;
    let order_here = order(at_io, s1);
    let next = |name: &str| {
        let from = names
            .iter()
            .position(|(known, _)| *known == name)
            .unwrap_or(0);
        let around = (1..names.len()).map(|step| names[(from + step) % names.len()]);
        let mut free = around.filter(|(other, _)| *other != io && *other != s);
        free.next().unwrap_or(names[from])
    };
    let changed = |places: &[(usize, TokenId)]| {
        let mut tokens = found.tokens.clone();
        for (at, token) in places {
            tokens[*at] = *token;
        }
        tokens
    };
    let positions = found.positions.to_vec();
    let (other_io, io_token) = next(io);
    let (other_s, s_token) = next(s);
    let swapped = order(s1, at_io);
    let counterfactuals = vec![
        Counterfactual {
            tokens: changed(&[(at_io, io_token)]),
            values: values((other_io, s), order_here, genders),
            positions: positions.clone(),
        },
        Counterfactual {
            tokens: changed(&[(s1, s_token), (s2, s_token)]),
            values: values((io, other_s), order_here, genders),
            positions: positions.clone(),
        },
        Counterfactual {
            tokens: changed(&[(at_io, found.s), (s1, found.io)]),
            values: values((io, s), swapped, genders),
            positions: vec![s1, at_io, s2, end],
        },
    ];
    Prompt {
        text: sentence.text.clone(),
        tokens: found.tokens.clone(),
        right: found.io,
        wrong: found.s,
        values: values((io, s), order_here, genders),
        positions,
        counterfactuals: counterfactuals.into_iter().map(Some).collect(),
    }
}

#[cfg(test)]
mod tests;
