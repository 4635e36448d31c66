//! Questions of a person, one JSON object a line.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Question, Questions};
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::models::Model;

/// Format of a line, as a phrase.
pub const FORMAT: &str = "one JSON object a line, {\"text\": \"Paris is a city in the country of\", \"entity\": \"Paris\", \"attribute\": \"country\", \"answer\": \" France\"}: the text ends before the answer, whose first token counts; the entity stands in the text, and its last token is edited";

#[derive(Deserialize)]
struct Line {
    #[serde(alias = "prompt")]
    text: String,
    entity: String,
    attribute: String,
    answer: String,
}

/// Reads questions of [`FORMAT`]; empty lines are skipped, and an error names its line.
pub fn from_lines(model: &Model, lines: &str) -> Result<Questions> {
    let mut attributes: Vec<String> = Vec::new();
    let mut questions = Vec::new();
    let mut values: BTreeMap<(String, usize), TokenId> = BTreeMap::new();
    for (number, line) in lines.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let refused =
            |what: String| Error::setting("questions", format!("line {} {what}", number + 1));
        let line: Line = serde_json::from_str(line)
            .map_err(|cause| refused(format!("is no question ({cause}): give {FORMAT}")))?;
        let known = attributes.iter().position(|name| *name == line.attribute);
        let attribute = known.unwrap_or(attributes.len());
        if known.is_none() {
            attributes.push(line.attribute.clone());
        }
        let found = question(model, (&line.text, &line.entity), (attribute, &line.answer));
        let found = found.map_err(|why| refused(format!("(“{}”) {why}", line.text)))?;
        let before = values.insert((line.entity.clone(), attribute), found.answer);
        if before.is_some_and(|before| before != found.answer) {
            return Err(refused(format!(
                "gives {} another {} than an earlier line: an entity has one answer to an attribute",
                line.entity, line.attribute
            )));
        }
        questions.push(found);
    }
    Ok(Questions {
        attributes,
        questions,
    })
}

/// Makes a question of a text; the reason why it cannot be one otherwise.
pub(super) fn question(
    model: &Model,
    (text, entity): (&str, &str),
    (attribute, answer): (usize, &str),
) -> Result<Question, String> {
    let codec = model.codec();
    let entity = entity.trim();
    let said = |error: Error| error.to_string();
    let (plain, spans) = codec.encode_with_spans(text).map_err(said)?;
    let start = text.find(entity).filter(|_| !entity.is_empty());
    let start = start
        .ok_or_else(|| format!("does not hold its entity “{entity}”: write it as the text does"))?;
    let last = start + entity.len() - 1;
    let at = spans.iter().position(|span| span.contains(&last));
    let at = at.ok_or_else(|| format!("has no token at “{entity}”: choose another text"))?;
    let mut tokens: Vec<TokenId> = codec.bos_before(&plain).into_iter().collect();
    let position = tokens.len() + at;
    tokens.extend(plain);
    let context = model.config().context;
    if tokens.len() > context {
        return Err(format!(
            "has {} tokens, the model reads {context}: shorten it",
            tokens.len()
        ));
    }
    let answer = codec.encode(answer).map_err(said)?;
    let answer = *answer.first().ok_or("has an empty answer: give one")?;
    Ok(Question {
        text: text.to_owned(),
        tokens,
        position,
        entity: entity.to_owned(),
        attribute,
        answer,
    })
}
