//! Messages from JSON: a list of them, an object that holds the list (`messages`, as OpenAI's API has it), or one message a line.

use std::path::Path;

use serde_json::Value;

use super::Message;
use crate::error::{Error, Result};

/// Keys beside the messages that change what a template writes.
const CHANGING: [&str; 4] = ["tools", "functions", "documents", "response_format"];

/// Reads the messages that `text`, the content of the file `path`, holds. A content may be a text or a list of text parts. Errors name the message and the key.
pub fn messages(text: &str, path: &Path) -> Result<Vec<Message>> {
    let wrong = |what: String| Error::input(what, path);
    let text = text.trim_start_matches('\u{feff}');
    let list = match serde_json::from_str::<Value>(text) {
        Ok(Value::Array(list)) => list,
        Ok(Value::Object(object)) if object.contains_key("messages") => {
            if let Some(key) = CHANGING.iter().find(|key| object.contains_key(**key)) {
                return Err(wrong(format!(
                    "has `{key}`, which is unsupported: remove it"
                )));
            }
            match object.get("messages") {
                Some(Value::Array(list)) => list.clone(),
                _ => return Err(wrong("has `messages` that are no list".to_owned())),
            }
        }
        Ok(Value::Object(one)) => vec![Value::Object(one)],
        Ok(_) => Vec::new(),
        Err(error) => lines(text)
            .ok_or_else(|| wrong(format!("is neither JSON nor a message a line ({error})")))?,
    };
    if list.is_empty() {
        let what = "holds no messages: give a list of objects with `role` and `content`, or an object with `messages`";
        return Err(wrong(what.to_owned()));
    }
    let numbered = list.iter().zip(1..);
    numbered
        .map(|(value, n)| message(value).map_err(|what| wrong(format!("message {n} {what}"))))
        .collect()
}

/// Reads a value a line; none if a line is no JSON.
fn lines(text: &str) -> Option<Vec<Value>> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| serde_json::from_str(line).ok()).collect()
}

fn message(value: &Value) -> Result<Message, String> {
    let Value::Object(message) = value else {
        return Err("is not an object with `role` and `content`".to_owned());
    };
    let other = message
        .keys()
        .find(|key| *key != "role" && *key != "content");
    if let Some(key) = other {
        return Err(format!(
            "has `{key}`, which is unsupported: leave `role` and `content`"
        ));
    }
    let role = match message.get("role").and_then(Value::as_str) {
        Some(role) if !role.is_empty() => role,
        _ => return Err("has no `role`: name one such as user or assistant".to_owned()),
    };
    let content = match message.get("content") {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => parts
            .iter()
            .map(|part| part["text"].as_str().filter(|_| part["type"] == "text"))
            .collect::<Option<String>>()
            .ok_or("has a `content` with parts that are no text: give text alone")?,
        _ => return Err("has no text as `content`".to_owned()),
    };
    Ok(Message::new(role, content))
}
