//! Sentences of the core in the words of the window: a setting by the label of its control, or by the flag where only the command line has it.

use std::borrow::Cow;

use umbra_core::error::{self, Error, Key};

/// Words for a setting.
fn control(key: Key) -> Cow<'static, str> {
    let label = match key {
        Key::ChatModel => "“Model”",
        Key::Device => "the device menu",
        Key::Features => "“Features”",
        Key::Hook => "“Place”",
        Key::KeepDoubleBos => "“Keep a double BOS”",
        Key::KeepQuantised => "“Keep GGUF matrices as stored”",
        Key::MeanOf => "the project's text",
        Key::NoBos => "“Leave out BOS”",
        Key::Offline => "“Offline: fetch nothing”",
        Key::Positions => "“Positions”",
        Key::Probe => "the dictionary's probe",
        Key::Process => "“Processing”",
        Key::Recursive => "“Read sub-folders”",
        Key::Sae => "the dictionary",
        Key::SeparateDocuments => "“Separate documents”",
        Key::Skip => "“Skip connection”",
        Key::Source => "“Source”",
        Key::TextColumn => "“Text column”",
        Key::Url => "“Address”",
        _ => {
            let flag = key.name().replace('_', "-");
            return format!("the command line's --{flag}").into();
        }
    };
    label.into()
}

/// `sentence` with the window's words for the settings that it names, with quotes for the backticks of the core, and `||` for a double bar, which the window's
/// font draws as one thick stroke.
pub(crate) fn said(sentence: &str) -> Cow<'_, str> {
    quoted(error::worded(sentence, control))
}

/// Puts in place what the window's font and readers expect.
fn quoted(sentence: Cow<'_, str>) -> Cow<'_, str> {
    let sentence = if sentence.contains('‖') {
        Cow::Owned(sentence.replace('‖', "||"))
    } else {
        sentence
    };
    let ticks = sentence.matches('`').count();
    if ticks == 0 || ticks % 2 == 1 {
        return sentence;
    }
    let mut quotes = ["“", "”"].into_iter().cycle();
    let mut out = String::with_capacity(sentence.len() + 2 * ticks);
    for (at, part) in sentence.split('`').enumerate() {
        if at > 0 {
            out.extend(quotes.next());
        }
        out.push_str(part);
    }
    out.into()
}

/// The sentence of `error`, worded like [`said`].
pub(crate) fn error(error: &Error) -> String {
    quoted(error.worded(control).into()).into_owned()
}

/// Returns what a figure is, by its name among `all`; nothing for a name that is not there.
pub(crate) fn defined(all: &[(&str, &'static str)], key: &str) -> &'static str {
    let found = all.iter().find(|(name, _)| *name == key);
    found.map_or("", |(_, definition)| definition)
}

#[cfg(test)]
mod tests {
    use umbra_core::train::SETTINGS;

    use super::*;

    #[test]
    fn backticks_of_the_core_are_quotes_of_the_window() {
        assert_eq!(said("`a` is not `b`"), "“a” is not “b”");
        assert_eq!(said("an odd ` stays"), "an odd ` stays");
        assert_eq!(said("KL(`a` ‖ b)"), "KL(“a” || b)");
        let error = Error::setting("text", "`x` is not a number");
        assert_eq!(super::error(&error), "text: “x” is not a number");
    }

    #[test]
    fn a_setting_reads_as_its_control() {
        let remedy = format!("1 sub-folder not looked into, {} reads it", Key::Recursive);
        let want = "1 sub-folder not looked into, “Read sub-folders” reads it";
        assert_eq!(said(&remedy), want);
        let remedy = format!("give {} to replace it", Key::Overwrite);
        let want = "give the command line's --overwrite to replace it";
        assert_eq!(said(&remedy), want);
        let skip = Error::setting(Key::Skip, "set it to true");
        assert_eq!(error(&skip), "“Skip connection”: set it to true");
    }

    /// Controls of the training form are named in the core: their labels are the ones used here.
    #[test]
    fn settings_of_training_keep_their_labels() {
        let mut found = 0;
        for key in Key::ALL {
            if let Some(setting) = SETTINGS.iter().find(|setting| setting.key == key.name()) {
                assert_eq!(control(key), format!("“{}”", setting.label));
                found += 1;
            }
        }
        assert_eq!(found, 4);
    }
}
