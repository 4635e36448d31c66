//! Summaries of features for lists: name, strongest example, tokens that it moves, histogram. Read for many features at once.

use std::fmt;

use super::{Example, Histogram, Summary, TokenEffect};

/// Number of characters of context on either side of a peak.
const AROUND: usize = 18;

/// Summary of a feature for lists.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Preview {
    /// Scalars.
    pub summary: Summary,
    /// The measured fact that names the feature until somebody labels it, as a phrase; none where none is clear or none was measured.
    pub fact: Option<String>,
    /// Name where there is neither label nor fact; none where it was never active.
    pub peak: Option<Peak>,
    /// The strongest example.
    pub top: Option<Example>,
    /// Number of examples in the list of the strongest.
    pub examples: usize,
    /// Promoted tokens, strongest first.
    pub promoted: Vec<TokenEffect>,
    /// Suppressed tokens, strongest first.
    pub suppressed: Vec<TokenEffect>,
    /// Activation histogram.
    pub histogram: Histogram,
}

/// The token at which a feature is strongest, in a few words of context: its name until a person or a fact labels it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Peak {
    /// Text before the token, from the same document.
    pub before: String,
    /// Token as shown.
    pub token: String,
    /// Text after the token.
    pub after: String,
}

impl Peak {
    /// Returns the peak of an example. Context is whole tokens, about 18 characters on either side and at least one token.
    pub fn from_example(example: &Example) -> Self {
        let (before, rest) = example.tokens.split_at(example.at);
        let (token, after) = rest
            .split_first()
            .map_or((String::new(), rest), |(t, after)| (t.clone(), after));
        let near: Vec<&str> = fitting(before.iter().rev()).collect();
        Self {
            before: near.into_iter().rev().collect(),
            token,
            after: fitting(after.iter()).collect(),
        }
    }

    /// Returns before, token and after on one line: a line break as a visible sign, no space at either end.
    pub fn on_one_line(&self) -> [String; 3] {
        let line = |text: &str| text.replace("\r\n", "⏎").replace(['\n', '\r'], "⏎");
        [
            line(self.before.trim_start_matches(' ')),
            line(&self.token),
            line(self.after.trim_end_matches(' ')),
        ]
    }
}

/// A feature's name for people: its label, or else its clearest measured fact, or else the token at which it peaks, in context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Name<'a> {
    /// Label, if somebody gave it one.
    pub label: Option<&'a str>,
    /// Measured fact, if one is clear.
    pub fact: Option<&'a str>,
    /// Token at which it is strongest; none while unknown, and for a feature that was never active.
    pub token: Option<&'a str>,
    /// Token in context, where it is read.
    pub peak: Option<&'a Peak>,
}

impl<'a> Name<'a> {
    /// Returns the name of a feature with this label, if any, and this peak, if any.
    pub fn new(label: Option<&'a str>, peak: Option<&'a Peak>) -> Self {
        Self {
            label: label.filter(|label| !label.is_empty()),
            fact: None,
            token: peak.map(|peak| peak.token.as_str()),
            peak,
        }
    }

    /// Adds the measured fact of a feature that has one.
    #[must_use]
    pub fn with_fact(self, fact: Option<&'a str>) -> Self {
        Self { fact, ..self }
    }

    /// Returns a name that is a label.
    pub fn labelled(label: &'a str) -> Self {
        Self::new(Some(label), None)
    }

    /// Returns a name that is a token without its context.
    pub fn of_token(token: &'a str) -> Self {
        Self {
            token: Some(token),
            ..Self::default()
        }
    }
}

impl fmt::Display for Name<'_> {
    /// Writes the label, or the fact, or the token in brackets between its context; nothing where none is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.label.or(self.fact), self.peak, self.token) {
            (Some(label), ..) => f.write_str(label),
            (_, Some(peak), _) => peak.fmt(f),
            (.., Some(token)) => write!(f, "[{}]", token.replace('\n', "⏎")),
            _ => Ok(()),
        }
    }
}

/// Returns whether a token marks the beginning or the end of a document, as `<|endoftext|>` and `<s>` do.
pub fn is_marker(token: &str) -> bool {
    let inside = token
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'));
    inside.is_some_and(|name| !name.is_empty() && !name.contains([' ', '<', '>']))
}

/// Takes tokens until they have [`AROUND`] characters, at least one, and none beyond a document's end.
fn fitting<'a>(tokens: impl Iterator<Item = &'a String>) -> impl Iterator<Item = &'a str> {
    let mut length = 0;
    let tokens = tokens.map(String::as_str);
    tokens
        .take_while(|token| !is_marker(token))
        .take_while(move |token| {
            let fits = length == 0 || length + token.chars().count() <= AROUND;
            length += token.chars().count();
            fits
        })
}

impl fmt::Display for Peak {
    /// Writes one line with the token in brackets: `said the[ king] to her`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, token, after] = self.on_one_line();
        write!(f, "{before}[{token}]{after}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(tokens: &[&str], at: usize) -> Example {
        Example {
            document: "oz".to_owned(),
            place: None,
            ids: vec![],
            tokens: tokens.iter().map(|t| (*t).to_owned()).collect(),
            acts: vec![0.0; tokens.len()],
            at,
        }
    }

    #[test]
    fn a_peak_is_its_token_in_a_few_words() {
        let tokens = [
            " once", " upon", " a", " time", " the", " old", " king", ",\n", " said", " Dorothy",
            " Gale",
        ];
        let peak = Peak::from_example(&example(&tokens, 6));
        assert_eq!(peak.to_string(), "a time the old[ king],⏎ said Dorothy");
        // A long neighbour is shown all the same; at an end there is nothing.
        let peak = Peak::from_example(&example(&[" antidisestablishmentarian", " x"], 1));
        assert_eq!(peak.to_string(), "antidisestablishmentarian[ x]");
        assert_eq!(Peak::from_example(&example(&[], 0)), Peak::default());
        // Context ends where the document does.
        let tokens = [" old", "<|endoftext|>", "Once", " upon", "</s>", " a"];
        assert_eq!(
            Peak::from_example(&example(&tokens, 3)).to_string(),
            "Once[ upon]"
        );
        assert!(!is_marker("<>") && !is_marker("a < b>") && !is_marker("<"));
    }

    #[test]
    fn a_label_goes_before_the_peak() {
        let peak = Peak::from_example(&example(&[" the", " king", "\n"], 1));
        assert_eq!(
            Name::new(Some("royalty"), Some(&peak)).to_string(),
            "royalty"
        );
        assert_eq!(Name::new(None, Some(&peak)).to_string(), "the[ king]⏎");
        let by_fact = Name::new(None, Some(&peak)).with_fact(Some("fires on ‹ king›"));
        assert_eq!(by_fact.to_string(), "fires on ‹ king›");
        let label = Name::new(Some("royalty"), None).with_fact(Some("fires on ‹ king›"));
        assert_eq!(label.to_string(), "royalty");
        assert_eq!(Name::new(Some(""), Some(&peak)).to_string(), "the[ king]⏎");
        assert_eq!(Name::of_token("\n").to_string(), "[⏎]");
        assert_eq!(Name::default().to_string(), "");
    }
}
