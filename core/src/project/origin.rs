//! Who or what gave a feature its label, and how well the label was found to tell where the feature fires.

use std::fmt;

/// Kind of origin of a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Maker {
    /// A person wrote it.
    #[default]
    Person,
    /// A fact measured over text.
    Fact,
    /// A file of labels.
    Import,
    /// A language model was asked.
    Model,
}

impl Maker {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Person, Self::Fact, Self::Import, Self::Model];

    /// Key in files: `person`, `fact`, `import`, `model`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Fact => "fact",
            Self::Import => "import",
            Self::Model => "model",
        }
    }

    /// Returns the kind of a key.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|maker| maker.key() == key)
    }
}

/// Result of a detection test: a model is shown a label and texts, and says in which of them the feature fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Detection {
    /// Texts in which the feature fires.
    pub active: u32,
    /// Those of them that were named.
    pub active_found: u32,
    /// Texts in which the feature is silent.
    pub silent: u32,
    /// Those of them that were named, wrongly.
    pub silent_named: u32,
}

impl Detection {
    /// Returns the balanced accuracy: mean of the share of active texts that were named and of the share of silent texts that were not; 0.5 by chance.
    pub fn score(&self) -> f64 {
        let share = |part: u32, whole: u32| f64::from(part) / f64::from(whole.max(1));
        let silent_left = self.silent - self.silent_named.min(self.silent);
        f64::midpoint(
            share(self.active_found, self.active),
            share(silent_left, self.silent),
        )
    }

    /// Reads the four counts as [`fmt::Display`] writes them: `7/8 1/8`.
    pub fn from_text(text: &str) -> Option<Self> {
        let pair = |part: &str| -> Option<(u32, u32)> {
            let (found, of) = part.split_once('/')?;
            let (found, of): (u32, u32) = (found.parse().ok()?, of.parse().ok()?);
            (found <= of).then_some((found, of))
        };
        let (first, second) = text.trim().split_once(' ')?;
        let ((active_found, active), (silent_named, silent)) = (pair(first)?, pair(second)?);
        Some(Self {
            active,
            active_found,
            silent,
            silent_named,
        })
    }

    /// Returns score and counts as a phrase.
    pub fn said(&self) -> String {
        format!(
            "detection {:.2} on {} held-out texts ({} of {} active ones found, {} of {} silent ones named)",
            self.score(),
            self.active + self.silent,
            self.active_found,
            self.active,
            self.silent_named,
            self.silent
        )
    }
}

impl fmt::Display for Detection {
    /// Writes found of active and named of silent texts: `7/8 1/8`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            active,
            active_found,
            silent,
            silent_named,
        } = self;
        write!(f, "{active_found}/{active} {silent_named}/{silent}")
    }
}

/// Who or what gave a label.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// Kind of origin.
    pub maker: Maker,
    /// Name of the language model or of the file; figures of a fact; empty for a person.
    pub by: String,
    /// Detection test of the label, if one was made.
    pub detection: Option<Detection>,
}

impl Origin {
    /// A label by `maker`, named `by`.
    pub fn new(maker: Maker, by: &str) -> Self {
        Self {
            maker,
            by: by.to_owned(),
            detection: None,
        }
    }

    /// Returns the origin as a phrase; empty for a person's label.
    pub fn said(&self) -> String {
        let by = &self.by;
        let said = match self.maker {
            Maker::Person => String::new(),
            Maker::Fact => format!("a measured fact, {by}"),
            Maker::Import => format!("imported from {by}"),
            Maker::Model => format!("written by {by}"),
        };
        match &self.detection {
            Some(detection) if said.is_empty() => detection.said(),
            Some(detection) => format!("{said}, {}", detection.said()),
            None => said.trim_end_matches(", ").to_owned(),
        }
    }
}

/// Text of a label with its origin.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Given {
    /// Text; empty for none.
    pub text: String,
    /// Who gave it.
    pub origin: Origin,
}

impl From<&str> for Given {
    /// A person's label.
    fn from(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            origin: Origin::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_detection_is_a_balanced_accuracy_and_comes_back_from_its_text() {
        let detection = Detection {
            active: 8,
            active_found: 6,
            silent: 4,
            silent_named: 1,
        };
        assert!((detection.score() - 0.75).abs() < 1e-12);
        assert_eq!(detection.to_string(), "6/8 1/4");
        assert_eq!(Detection::from_text("6/8 1/4"), Some(detection));
        for wrong in ["", "6/8", "9/8 1/4", "a/8 1/4", "6/8 5/4"] {
            assert_eq!(Detection::from_text(wrong), None, "{wrong}");
        }
        let origin = Origin {
            detection: Some(detection),
            ..Origin::new(Maker::Model, "gpt-4o-mini")
        };
        assert_eq!(
            origin.said(),
            "written by gpt-4o-mini, detection 0.75 on 12 held-out texts (6 of 8 active ones found, 1 of 4 silent ones named)"
        );
        assert_eq!(Origin::default().said(), "");
        for maker in Maker::ALL {
            assert_eq!(Maker::from_key(maker.key()), Some(maker));
        }
    }
}
