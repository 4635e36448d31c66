//! Files of sentences with two names, one JSON object a line.

use serde::{Deserialize, Serialize};

use super::{Sentence, Task, task};
use crate::error::{Error, Result};
use crate::models::Model;

/// Format of a line, as a phrase.
pub const FORMAT: &str = "one JSON object a line, {\"text\": \"When Mary and John went to the garden, John gave a letter to\", \"io\": \" Mary\", \"s\": \" John\"}: the text ends before IO; `pos` and `positions` are checked where they stand";

/// Line of a file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    #[serde(alias = "prompt")]
    text: String,
    io: String,
    s: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pos: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    positions: Option<Positions>,
}

/// Positions of a line, counted from BOS.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Positions {
    io: usize,
    s1: usize,
    s2: usize,
    end: usize,
}

impl Positions {
    fn new(positions: &[usize]) -> Option<Self> {
        let &[io, s1, s2, end] = positions else {
            return None;
        };
        Some(Self { io, s1, s2, end })
    }
}

/// Returns a name with one space before it.
fn spaced(name: &str) -> String {
    format!(" {}", name.trim())
}

/// Reads sentences of [`FORMAT`] as a task; empty lines are skipped, and an error names its line. A `pos` or `positions` that differs from what the text has is an error.
pub fn from_text(model: &Model, text: &str) -> Result<Task> {
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty());
    let mut read = Vec::new();
    for (number, line) in lines {
        let line: Line = serde_json::from_str(line).map_err(|cause| {
            let what = format!("line {} is not a prompt ({cause}): {FORMAT}", number + 1);
            Error::setting("prompts", what)
        })?;
        read.push((number + 1, line));
    }
    let sentences: Vec<Sentence> = read
        .iter()
        .map(|(_, line)| Sentence {
            text: line.text.clone(),
            io: spaced(&line.io),
            s: spaced(&line.s),
        })
        .collect();
    let task = task(model, &sentences)?;
    for ((number, line), prompt) in read.iter().zip(&task.prompts) {
        let found = Positions::new(&prompt.positions);
        let moved = line.positions.is_some() && line.positions != found;
        if moved
            || line
                .pos
                .as_ref()
                .is_some_and(|pos| *pos != prompt.values[2])
        {
            let what = format!(
                "line {number} says pos {} and positions {:?}, {} has {} and {:?}: was it written for another model?",
                line.pos.as_deref().unwrap_or("none"),
                line.positions,
                model.name(),
                prompt.values[2],
                found
            );
            return Err(Error::setting("prompts", what));
        }
    }
    Ok(task)
}

/// Writes the sentences of a task, one a line.
pub fn to_text(task: &Task) -> Result<String> {
    let mut text = String::new();
    for prompt in &task.prompts {
        let line = Line {
            text: prompt.text.clone(),
            io: prompt.values[0].clone(),
            s: prompt.values[1].clone(),
            pos: Some(prompt.values[2].clone()),
            positions: Positions::new(&prompt.positions),
        };
        let line = serde_json::to_string(&line).map_err(|cause| Error::Numeric {
            what: format!("a prompt cannot be written: {cause}"),
        })?;
        text.push_str(&line);
        text.push('\n');
    }
    Ok(text)
}
