//! Settings inside sentences: the core names a setting by its key; the command line puts the flag in its place and the window the words of its control.

use std::borrow::Cow;
use std::fmt;

/// Setting that an error or a note names as its subject or its remedy. Within a sentence it reads "setting `overwrite`", and [`worded`] puts other
/// words in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Key {
    /// Whether an index or a probe of another dictionary or model is taken.
    AllowMismatch,
    /// Language model that is asked for labels.
    ChatModel,
    /// Length of a row, in tokens.
    Context,
    /// Device that computes.
    Device,
    /// Type of stored numbers.
    Dtype,
    /// Number of features of a dictionary, or a choice of them.
    Features,
    /// Operation folded into the weights of a converted dictionary.
    Fold,
    /// Whether a store holds gradients too.
    Gradients,
    /// Hook that a dictionary reads.
    Hook,
    /// Whether a text that begins with BOS gets another one.
    KeepDoubleBos,
    /// Whether matrices stay as a GGUF file stores them.
    KeepQuantised,
    /// Text whose mean activation is put in place.
    MeanOf,
    /// The model.
    Model,
    /// Whether BOS is left out.
    NoBos,
    /// Whether the network is never used.
    Offline,
    /// Whether files of an earlier run are replaced.
    Overwrite,
    /// Folder of the parent of a dictionary of an error.
    Parent,
    /// Positions of the text that count.
    Positions,
    /// Probe of a dictionary's error.
    Probe,
    /// Processing of the model's weights.
    Process,
    /// Whether sub-folders are read.
    Recursive,
    /// The dictionary.
    Sae,
    /// Whether documents packed in one row are kept apart.
    SeparateDocuments,
    /// Whether a transcoder has a skip connection.
    Skip,
    /// Source among those of a file of labels.
    Source,
    /// Column of Parquet files and field of JSON records that holds the text.
    TextColumn,
    /// Address of the endpoint that is asked for labels.
    Url,
}

impl Key {
    /// All keys.
    pub const ALL: [Self; 27] = [
        Self::AllowMismatch,
        Self::ChatModel,
        Self::Context,
        Self::Device,
        Self::Dtype,
        Self::Features,
        Self::Fold,
        Self::Gradients,
        Self::Hook,
        Self::KeepDoubleBos,
        Self::KeepQuantised,
        Self::MeanOf,
        Self::Model,
        Self::NoBos,
        Self::Offline,
        Self::Overwrite,
        Self::Parent,
        Self::Positions,
        Self::Probe,
        Self::Process,
        Self::Recursive,
        Self::Sae,
        Self::SeparateDocuments,
        Self::Skip,
        Self::Source,
        Self::TextColumn,
        Self::Url,
    ];

    /// Returns the name of the setting in files and in this library.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AllowMismatch => "allow_mismatch",
            Self::ChatModel => "chat_model",
            Self::Context => "context",
            Self::Device => "device",
            Self::Dtype => "dtype",
            Self::Features => "features",
            Self::Fold => "fold",
            Self::Gradients => "gradients",
            Self::Hook => "hook",
            Self::KeepDoubleBos => "keep_double_bos",
            Self::KeepQuantised => "keep_quantised",
            Self::MeanOf => "mean_of",
            Self::Model => "model",
            Self::NoBos => "no_bos",
            Self::Offline => "offline",
            Self::Overwrite => "overwrite",
            Self::Parent => "parent",
            Self::Positions => "positions",
            Self::Probe => "probe",
            Self::Process => "process",
            Self::Recursive => "recursive",
            Self::Sae => "sae",
            Self::SeparateDocuments => "separate_documents",
            Self::Skip => "skip",
            Self::Source => "source",
            Self::TextColumn => "text_column",
            Self::Url => "url",
        }
    }

    /// Finds the key called `name`.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.name() == name)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{OPEN}{}{CLOSE}", self.name())
    }
}

impl From<Key> for String {
    /// Returns the name alone, as the subject of an [`Error::Setting`](super::Error::Setting).
    fn from(key: Key) -> Self {
        key.name().to_owned()
    }
}

const OPEN: &str = "setting `";
const CLOSE: &str = "`";

/// Part of a sentence: plain text or a key.
enum Part<'a> {
    Text(&'a str),
    Key(Key),
}

/// Splits `sentence` at the keys in it. A name that is no key stays text.
fn parts(sentence: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut begin, mut from) = (0, 0);
    while let Some(at) = sentence[from..].find(OPEN).map(|at| from + at) {
        let inside = at + OPEN.len();
        from = inside;
        let Some(length) = sentence[inside..].find(CLOSE) else {
            break;
        };
        if let Some(key) = Key::named(&sentence[inside..inside + length]) {
            parts.push(Part::Text(&sentence[begin..at]));
            parts.push(Part::Key(key));
            begin = inside + length + CLOSE.len();
            from = begin;
        }
    }
    parts.push(Part::Text(&sentence[begin..]));
    parts
}

/// Returns `sentence` with `words` in place of each setting that it names.
pub fn worded<W: fmt::Display>(sentence: &str, words: impl Fn(Key) -> W) -> Cow<'_, str> {
    if !sentence.contains(OPEN) {
        return sentence.into();
    }
    let parts = parts(sentence).into_iter();
    let parts = parts.map(|part| match part {
        Part::Text(text) => Cow::Borrowed(text),
        Part::Key(key) => words(key).to_string().into(),
    });
    parts.collect::<String>().into()
}

/// Returns the settings that `sentence` names, in order.
pub fn keys(sentence: &str) -> Vec<Key> {
    let parts = parts(sentence).into_iter();
    let keys = parts.filter_map(|part| match part {
        Part::Key(key) => Some(key),
        Part::Text(_) => None,
    });
    keys.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_gives_way_to_the_words_of_whoever_shows_it() {
        #[track_caller]
        fn check(sentence: &str, want: &str) {
            assert_eq!(worded(sentence, |key| format!("<{}>", key.name())), want);
        }
        let sentence = format!("set {} or {}=true", Key::Overwrite, Key::SeparateDocuments);
        assert_eq!(
            sentence,
            "set setting `overwrite` or setting `separate_documents`=true"
        );
        check(&sentence, "set <overwrite> or <separate_documents>=true");
        assert_eq!(keys(&sentence), [Key::Overwrite, Key::SeparateDocuments]);
        for same in [
            "the setting `colour` of `overwrite`",
            "setting `",
            "setting `over",
            "",
        ] {
            check(same, same);
        }
        check("setting `setting `hook``", "setting `<hook>`");
    }

    #[test]
    fn every_key_is_found_by_its_name() {
        for key in Key::ALL {
            assert_eq!(Key::named(key.name()), Some(key));
        }
        assert_eq!(Key::named("colour"), None);
    }
}
