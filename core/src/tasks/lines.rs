//! Tasks of a person, one prompt a line.
//!
//! Every prompt has the same attributes and positions. The counterfactual of an attribute is given with the prompt, or is the next prompt of the file, around its end, that
//! has as many tokens, another value of this attribute and the same values of all others. An attribute for which no prompt has one is not edited, but scored.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Counterfactual, Prompt, Task};
use crate::error::{Error, Result};
use crate::models::Model;

/// Format of a line, as a phrase.
pub const FORMAT: &str = "one JSON object a line, {\"text\": \"The key to the cabinets\", \"answer\": \" is\", \"wrong\": \" are\", \"attributes\": {\"number\": \"singular\"}, \"positions\": {\"subject\": 2}, \"counterfactuals\": {\"number\": {\"text\": \"The keys to the cabinets\", \"attributes\": {\"number\": \"plural\"}}}}: answers are one token each, positions count from BOS and `end` is the last token, counterfactuals may be left out";

/// Position that every prompt has.
const END: &str = "end";

/// Line of a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(alias = "prompt")]
    text: String,
    #[serde(alias = "right")]
    answer: String,
    wrong: String,
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    positions: BTreeMap<String, usize>,
    #[serde(default)]
    counterfactuals: BTreeMap<String, Other>,
}

/// Counterfactual of a line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Other {
    text: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    positions: BTreeMap<String, usize>,
}

fn wrong(number: usize, what: &str) -> Error {
    Error::setting("prompts", format!("line {number} {what}"))
}

/// Reads prompts of [`FORMAT`] as a task named `name`; empty lines are skipped, and an error names its line.
pub fn from_text(model: &Model, name: &str, text: &str) -> Result<Task> {
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let mut read = Vec::new();
    for (number, line) in lines {
        let line: Line = serde_json::from_str(line)
            .map_err(|cause| wrong(number + 1, &format!("is not a prompt ({cause}): {FORMAT}")))?;
        read.push((number + 1, line));
    }
    let Some((_, first)) = read.first() else {
        return Err(Error::setting(
            "prompts",
            format!("the file holds none: {FORMAT}"),
        ));
    };
    let attributes: Vec<String> = first.attributes.keys().cloned().collect();
    let mut positions: Vec<String> = first.positions.keys().cloned().collect();
    if !positions.iter().any(|name| name == END) {
        positions.push(END.to_owned());
    }
    if attributes.is_empty() {
        return Err(wrong(1, "names no attribute: give at least one"));
    }
    let mut prompts = Vec::with_capacity(read.len());
    for (number, line) in &read {
        let names = (attributes.as_slice(), positions.as_slice());
        prompts.push(prompt(model, (*number, line), names)?);
    }
    fill(&mut prompts);
    let edited = |attribute: usize| {
        let mut each = prompts
            .iter()
            .map(|prompt| &prompt.counterfactuals[attribute]);
        each.any(Option::is_some)
    };
    let (edits, derived): (Vec<usize>, Vec<usize>) =
        (0..attributes.len()).partition(|attribute| edited(*attribute));
    if edits.is_empty() {
        let what = "no prompt has a counterfactual: give `counterfactuals`, or prompts that differ in one attribute alone and have as many tokens";
        return Err(Error::setting("prompts", what));
    }
    let order: Vec<usize> = edits.iter().chain(&derived).copied().collect();
    for prompt in &mut prompts {
        let sorted = |values: &[String]| order.iter().map(|at| values[*at].clone()).collect();
        prompt.values = sorted(&prompt.values);
        prompt.counterfactuals = edits
            .iter()
            .map(|at| prompt.counterfactuals[*at].clone())
            .map(|other| {
                other.map(|mut other| {
                    other.values = sorted(&other.values);
                    other
                })
            })
            .collect();
    }
    let named = |chosen: &[usize]| chosen.iter().map(|at| attributes[*at].clone()).collect();
    let task = Task {
        name: name.to_owned(),
        attributes: named(&edits),
        derived: named(&derived),
        positions,
        prompts,
    };
    task.check(model)?;
    Ok(task)
}

/// Names of attributes and of positions.
type Names<'a> = (&'a [String], &'a [String]);

fn prompt(model: &Model, (number, line): (usize, &Line), names: Names<'_>) -> Result<Prompt> {
    let codec = model.codec();
    let tokens = codec.encode_with_bos(&line.text)?;
    let answer = |text: &str| {
        codec.one_token(text, "answer").map_err(|cause| {
            wrong(
                number,
                &format!("has an answer that cannot be compared: {cause}"),
            )
        })
    };
    let (attributes, positions) = names;
    let values = attributes.iter().map(|name| {
        let value = line.attributes.get(name).cloned();
        value.ok_or_else(|| wrong(number, &format!("lacks the attribute `{name}` of line 1")))
    });
    let values: Vec<String> = values.collect::<Result<_>>()?;
    if line.attributes.len() != attributes.len() {
        return Err(wrong(number, "has attributes that line 1 lacks"));
    }
    let at = placed(number, (&line.positions, positions), tokens.len())?;
    if let Some(unknown) = line
        .counterfactuals
        .keys()
        .find(|name| !attributes.contains(name))
    {
        let what = format!("has a counterfactual of `{unknown}`, which is no attribute");
        return Err(wrong(number, &what));
    }
    let other = |name: &String| -> Result<Option<Counterfactual>> {
        let Some(other) = line.counterfactuals.get(name) else {
            return Ok(None);
        };
        let tokens = codec.encode_with_bos(&other.text)?;
        let given = if other.positions.is_empty() {
            &line.positions
        } else {
            &other.positions
        };
        let changed = attributes.iter().zip(&values);
        let changed: Vec<String> = changed
            .map(|(name, value)| other.attributes.get(name).unwrap_or(value).clone())
            .collect();
        if changed == values {
            let what = format!(
                "has a counterfactual of `{name}` with the same attributes: give its `attributes`"
            );
            return Err(wrong(number, &what));
        }
        Ok(Some(Counterfactual {
            positions: placed(number, (given, positions), tokens.len())?,
            values: changed,
            tokens,
        }))
    };
    Ok(Prompt {
        text: line.text.clone(),
        right: answer(&line.answer)?,
        wrong: answer(&line.wrong)?,
        counterfactuals: attributes.iter().map(other).collect::<Result<_>>()?,
        values,
        positions: at,
        tokens,
    })
}

/// Returns the position of each name; `end` is the last token where it is not given.
fn placed(
    number: usize,
    (given, names): (&BTreeMap<String, usize>, &[String]),
    tokens: usize,
) -> Result<Vec<usize>> {
    let each = names.iter().map(|name| match given.get(name) {
        Some(at) if *at < tokens => Ok(*at),
        Some(at) => {
            let what = format!("has `{name}` at {at}, its text has {tokens} tokens");
            Err(wrong(number, &what))
        }
        None if name == END => Ok(tokens.saturating_sub(1)),
        None => Err(wrong(
            number,
            &format!("lacks the position `{name}` of line 1"),
        )),
    });
    each.collect()
}

/// Finds counterfactuals among the prompts themselves for those that have none.
fn fill(prompts: &mut [Prompt]) {
    /// Values with one attribute left out, and the number of tokens.
    type Key = (usize, Vec<String>);
    let attributes = prompts.first().map_or(0, |prompt| prompt.values.len());
    for attribute in 0..attributes {
        let key = |prompt: &Prompt| -> Key {
            let mut values = prompt.values.clone();
            values.remove(attribute);
            (prompt.tokens.len(), values)
        };
        let mut alike: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (number, prompt) in prompts.iter().enumerate() {
            alike.entry(key(prompt)).or_default().push(number);
        }
        for number in 0..prompts.len() {
            if prompts[number].counterfactuals[attribute].is_some() {
                continue;
            }
            let group = &alike[&key(&prompts[number])];
            let own = &prompts[number].values[attribute];
            let behind = group.iter().filter(|other| **other > number);
            let around = behind.chain(group.iter().filter(|other| **other < number));
            let mut differing = around.filter(|other| prompts[**other].values[attribute] != *own);
            let found = differing.next().map(|other| &prompts[*other]);
            prompts[number].counterfactuals[attribute] = found.map(|other| Counterfactual {
                tokens: other.tokens.clone(),
                values: other.values.clone(),
                positions: other.positions.clone(),
            });
        }
    }
}
