//! Writes command lines from settings, quoted for a shell. A flag is looked up in the description of its command by the name of its field, so that no flag is
//! named twice.

use std::ffi::OsStr;
use std::path::Path;

use clap::Command;

use crate::error::{Error, Result};

/// A command line under construction.
#[derive(Debug)]
pub(super) struct Written {
    noun: Command,
    words: Vec<String>,
}

impl Written {
    /// Begins `umbra NOUN`.
    pub(super) fn new(noun: &str) -> Result<Self> {
        let command = super::command();
        let found = command.find_subcommand(noun).ok_or_else(|| unknown(noun))?;
        Ok(Self {
            words: vec![command.get_name().to_owned(), noun.to_owned()],
            noun: found.clone(),
        })
    }

    /// Adds the flag of `field` with a value.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers make the value in passing"
    )]
    pub(super) fn value(&mut self, field: &str, value: impl ToString) -> Result<()> {
        let (flag, is_joined) = self.flag(field)?;
        let value = value.to_string();
        // A value that begins with a dash would be taken for a flag.
        if is_joined || value.starts_with('-') {
            self.words.push(format!("{flag}={value}"));
        } else {
            self.words.extend([flag, value]);
        }
        Ok(())
    }

    /// Adds the flag of `field` with a value, if there is one.
    pub(super) fn optional(&mut self, field: &str, value: Option<impl ToString>) -> Result<()> {
        value.map_or(Ok(()), |value| self.value(field, value))
    }

    /// Adds the flag of `field` with a path, which must be Unicode.
    pub(super) fn path(&mut self, field: &str, path: &Path) -> Result<()> {
        let text = OsStr::new(path).to_str();
        let what = "the path is not Unicode and cannot be copied as text, rename it";
        self.value(field, text.ok_or_else(|| Error::input(what, path))?)
    }

    /// Adds the flag of `field` where the switch is on.
    pub(super) fn switch(&mut self, field: &str, is_on: bool) -> Result<()> {
        if is_on {
            let (flag, _) = self.flag(field)?;
            self.words.push(flag);
        }
        Ok(())
    }

    /// Quotes the words and joins them.
    pub(super) fn line(&self) -> Result<String> {
        let words = self.words.iter().map(String::as_str);
        shlex::try_join(words).map_err(|_nul| {
            let what = "a value holds the character NUL, which no command line can, remove it";
            Error::setting(self.noun.get_name(), what)
        })
    }

    /// The flag of `field`, and whether its value is joined to it by `=`.
    fn flag(&self, field: &str) -> Result<(String, bool)> {
        let arg = self.noun.get_arguments().find(|arg| arg.get_id() == field);
        let arg = arg.ok_or_else(|| unknown(field))?;
        let long = arg.get_long().ok_or_else(|| unknown(field))?;
        Ok((format!("--{long}"), arg.is_require_equals_set()))
    }
}

fn unknown(name: &str) -> Error {
    Error::setting(name, "the command line does not have it")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_quoted_and_its_flags_are_those_of_the_command() {
        let mut line = Written::new("steer").unwrap();
        line.path("model", Path::new("my models/it's")).unwrap();
        line.value("top_k", 0).unwrap();
        line.value("stop", "--").unwrap();
        line.optional("top_p", None::<f64>).unwrap();
        line.switch("ignore_eos", true).unwrap();
        line.switch("no_bos", false).unwrap();
        let line = line.line().unwrap();
        assert_eq!(
            line,
            "umbra steer --model \"my models/it's\" --top-k 0 '--stop=--' --ignore-eos"
        );
        let words = [
            "umbra",
            "steer",
            "--model",
            "my models/it's",
            "--top-k",
            "0",
        ];
        assert_eq!(shlex::split(&line).unwrap()[..6], words);
    }

    #[test]
    fn what_the_command_lacks_is_refused() {
        let mut line = Written::new("steer").unwrap();
        assert!(line.value("colour", "red").is_err());
        assert!(Written::new("stir").is_err());
        line.value("prompt", "a\0b").unwrap();
        assert!(line.line().is_err());
    }
}
