//! Words core sentences for the command line: a setting by its flag.

use std::borrow::Cow;

use crate::error::{self, Error, Key, Notes};

/// Returns the flag of a setting.
fn flag(key: Key) -> String {
    format!("--{}", key.name().replace('_', "-"))
}

/// Returns `sentence` with flags for the settings that it names.
pub(super) fn said(sentence: &str) -> Cow<'_, str> {
    error::worded(sentence, flag)
}

/// Returns the sentences of `notes` with flags for the settings that they name.
pub(super) fn notes(notes: &Notes) -> Vec<String> {
    notes.iter().map(|note| said(note).into_owned()).collect()
}

/// Returns the sentence of `error` with flags for the settings that it names.
pub(super) fn error(error: &Error) -> String {
    error.worded(flag)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::Command;

    use super::*;

    fn collect(command: &Command, flags: &mut BTreeSet<String>) {
        let long = command.get_arguments().filter_map(clap::Arg::get_long);
        flags.extend(long.map(|long| format!("--{long}")));
        for inner in command.get_subcommands() {
            collect(inner, flags);
        }
    }

    #[test]
    fn every_setting_that_a_sentence_names_has_its_flag() {
        let mut flags = BTreeSet::new();
        collect(&super::super::command(), &mut flags);
        for key in Key::ALL {
            assert!(flags.contains(&flag(key)), "{key}");
        }
        assert!(!flags.contains("--colour"));
        let sentence = format!("give {} to replace it", Key::Overwrite);
        assert_eq!(said(&sentence), "give --overwrite to replace it");
    }
}
