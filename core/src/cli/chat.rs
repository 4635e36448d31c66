//! `--chat`, `--user` and `--system`: messages in place of a text, for commands that read or continue one.

use std::path::Path;

use serde_json::{Value, json};

use super::Console;
use crate::error::{Error, Result};
use crate::prompt::{Input, Spelled};
use crate::text::chat::{self, Message, SYSTEM, USER};

/// Names of the fields that give messages, for flags of a text that exclude them.
pub(super) const INSTEAD: [&str; 2] = ["chat", "user"];

/// Messages instead of a text.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ChatArgs {
    /// Messages instead of a text, written by the model's chat template: a JSON file with a list of {"role": …, "content": …}, with an object that has them under
    /// `messages`, or with one message a line; or the JSON itself. The assistant's answer begins at the end, unless the last message is the assistant's
    #[arg(long, value_name = "FILE|JSON", conflicts_with_all = ["user", "system"])]
    chat: Option<String>,
    /// Message of the user instead of a text, written by the model's chat template
    #[arg(long, value_name = "TEXT")]
    user: Option<String>,
    /// System message before that of --user
    #[arg(long, value_name = "TEXT", requires = "user")]
    system: Option<String>,
}

impl ChatArgs {
    /// Returns the input that the flags ask for: messages, else `text`.
    pub(super) fn input(&self, text: Option<&str>) -> Result<Input> {
        let messages = self.messages()?;
        Ok(match messages {
            Some(messages) => Input::Chat(messages.into()),
            None => Input::Text(text.unwrap_or_default().to_owned()),
        })
    }

    /// Returns the messages that the flags give, if they give any.
    pub(super) fn messages(&self) -> Result<Option<Vec<Message>>> {
        if let Some(written) = &self.chat {
            return read(written).map(Some);
        }
        let Some(user) = &self.user else {
            if self.system.is_some() {
                let what = "goes before the message of --user: give that too, or leave it out";
                return Err(Error::setting("--system", what));
            }
            return Ok(None);
        };
        let system = self.system.iter();
        let mut messages: Vec<Message> = system
            .map(|text| Message::new(SYSTEM, text.as_str()))
            .collect();
        messages.push(Message::new(USER, user.as_str()));
        Ok(Some(messages))
    }
}

/// `--as-user`, with `--system`: texts as messages of the user.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct AsUserArgs {
    /// Read each text as a message of the user, written by the model's chat template up to where the answer begins
    #[arg(long)]
    as_user: bool,
    /// System message before each message of --as-user
    #[arg(long, value_name = "TEXT", requires = "as_user")]
    system: Option<String>,
}

impl AsUserArgs {
    /// Returns `text` as it is read: by itself, or as a message of the user.
    pub(super) fn input(&self, text: &str) -> Input {
        if !self.as_user {
            return Input::Text(text.to_owned());
        }
        let system = self.system.iter();
        let system = system.map(|text| Message::new(SYSTEM, text.as_str()));
        Input::Chat(system.chain([Message::new(USER, text)]).collect())
    }
}

/// Reads the messages of `--chat`: of a file, or of the JSON itself.
fn read(written: &str) -> Result<Vec<Message>> {
    if written.trim_start().starts_with(['[', '{']) {
        return chat::messages(written, Path::new("--chat"));
    }
    let path = Path::new(written);
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::io("cannot read the chat", path, source))?;
    chat::messages(&text, path)
}

/// Returns the tokens of `input`, after printing notes on it.
pub(super) fn spelled(
    input: &Input,
    model: &crate::models::Model,
    console: &Console,
) -> Result<Spelled> {
    let spelled = input.whole(model.codec())?;
    for note in &spelled.notes {
        console.note(note);
    }
    Ok(spelled)
}

/// Adds `chat` to a command's object: the messages, the text that the template wrote, and the role of each token. Adds nothing for a text.
pub(super) fn add_to(object: &mut Value, input: &Input, spelled: &Spelled) {
    let (Input::Chat(messages), Some(roles)) = (input, &spelled.roles) else {
        return;
    };
    let role = |t: usize| {
        roles.place(t).map_or(Value::Null, |place| {
            json!({"role": place.role, "message": place.message, "marker": place.is_marker})
        })
    };
    let ids: Vec<u32> = spelled.tokens.iter().map(|id| id.0).collect();
    object["chat"] = json!({
        "messages": messages.iter().collect::<Vec<_>>(),
        "text": spelled.text,
        "tokens": ids,
        "roles": (0..roles.len()).map(role).collect::<Vec<_>>(),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(chat: Option<&str>, user: Option<&str>, system: Option<&str>) -> ChatArgs {
        let own = |text: Option<&str>| text.map(str::to_owned);
        ChatArgs {
            chat: own(chat),
            user: own(user),
            system: own(system),
        }
    }

    #[test]
    fn messages_come_from_a_file_from_json_or_from_flags() {
        let want = vec![
            Message::new("system", "Be brief."),
            Message::new("user", "Hi"),
        ];
        let got = args(None, Some("Hi"), Some("Be brief."))
            .messages()
            .unwrap();
        assert_eq!(got.unwrap(), want);
        let json = serde_json::to_string(&want).unwrap();
        let got = args(Some(&json), None, None).messages().unwrap();
        assert_eq!(got.unwrap(), want);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("chat.json");
        std::fs::write(&file, &json).unwrap();
        let got = args(file.to_str(), None, None).input(None).unwrap();
        assert_eq!(got, Input::Chat(want.into()));
        let text = args(None, None, None).input(Some("Hi")).unwrap();
        assert_eq!(text, Input::Text("Hi".to_owned()));
        let said = args(Some("nowhere.json"), None, None).messages();
        assert!(said.unwrap_err().to_string().contains("nowhere.json"));
        let said = args(Some("[3]"), None, None).messages().unwrap_err();
        assert!(said.to_string().contains("message 1"), "{said}");
    }
}
