//! Evaluation and index: the question how much text they read, and how fast the last ones were.

use std::collections::BTreeSet;
use std::ops::Range;

use umbra_core::count;
use umbra_core::workbench::indexes;
use umbra_core::workbench::passes::{Amount, Pass, Speeds};
use umbra_core::workbench::text::TextRequest;

use super::catalogue::DictionaryId;
use super::load::Load;
use crate::widgets::number;

/// A text whose tokens are counted as a dictionary reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextOf {
    /// All of the text.
    pub(crate) request: TextRequest,
    /// The dictionary, whose file decides row length and positions.
    pub(crate) dictionary: DictionaryId,
}

/// The question how much text a pass reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Kind of pass.
    pub(crate) pass: Pass,
    /// The dictionary.
    pub(crate) dictionary: DictionaryId,
    /// Other dictionaries whose indexes the same pass builds.
    pub(crate) others: BTreeSet<DictionaryId>,
    /// Which part of the text is read.
    pub(crate) part: TextPart,
    /// Number of tokens as typed, read where the first ones are.
    pub(crate) typed: String,
    /// Rows as typed, read where some are.
    pub(crate) rows: String,
    /// Whether an index gets the sources of the strongest examples.
    pub(crate) attribution: bool,
    /// Whether an index gets the effects on the loss at the strongest examples.
    pub(crate) loss_effects: bool,
}

/// Part of the text that a pass reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum TextPart {
    /// The first tokens.
    #[default]
    First,
    /// All of it.
    All,
    /// Some rows, for an index that is merged with those of other rows.
    Rows,
}

impl Asked {
    /// Asks with the default amount.
    pub(crate) fn new(pass: Pass, dictionary: DictionaryId) -> Self {
        Self {
            pass,
            dictionary,
            others: BTreeSet::new(),
            part: TextPart::First,
            typed: number::count(pass.default_tokens()),
            rows: String::new(),
            attribution: false,
            loss_effects: false,
        }
    }

    /// Returns the amount, or why what is typed is none.
    pub(crate) fn amount(&self) -> Result<Amount, String> {
        match self.part {
            TextPart::All => return Ok(Amount::All),
            TextPart::Rows => return indexes::read_rows(&self.rows).map(|_| Amount::All),
            TextPart::First => {}
        }
        match count::read(&self.typed)? {
            0 => Err("Read at least one token".to_owned()),
            tokens => Ok(Amount::Tokens(tokens)),
        }
    }

    /// Returns the rows that are read, where some are chosen.
    pub(crate) fn rows(&self) -> Option<Range<usize>> {
        let chosen = self.part == TextPart::Rows;
        chosen.then(|| indexes::read_rows(&self.rows).ok())?
    }
}

/// The question and what answers it.
#[derive(Debug, Default)]
pub(crate) struct PassesState {
    /// Speeds of the last passes on this machine.
    pub(crate) speeds: Speeds,
    /// The open question.
    pub(crate) asked: Option<Asked>,
    /// The text that was counted last.
    pub(crate) text_of: Option<TextOf>,
    /// Its tokens.
    pub(crate) text: Load<u64>,
}

impl PassesState {
    /// Returns how many tokens `of` has, or how counting them stands.
    pub(crate) fn tokens(&self, of: &TextOf) -> Option<&Load<u64>> {
        (self.text_of.as_ref() == Some(of)).then_some(&self.text)
    }
}

/// Changes of this area.
#[derive(Debug)]
pub(crate) enum Event {
    /// The question is open with this answer so far, or closed.
    Asked(Option<Asked>),
    /// The tokens of a text are being counted, were, or could not be.
    Counted(TextOf, Load<u64>),
}

impl PassesState {
    /// Carries out an event. What arrives late for another text is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Asked(asked) => self.asked = asked,
            Event::Counted(of, load) => {
                if load.is_loading() {
                    self.text_of = Some(of.clone());
                }
                if self.text_of.as_ref() == Some(&of) {
                    self.text = load;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_read_as_people_write_it() {
        let mut asked = Asked::new(Pass::Evaluation, DictionaryId(0));
        assert_eq!(asked.amount(), Ok(Amount::Tokens(200_000)));
        for (typed, tokens) in [("20k", 20_000), ("1.5M", 1_500_000), ("300", 300)] {
            typed.clone_into(&mut asked.typed);
            assert_eq!(asked.amount(), Ok(Amount::Tokens(tokens)));
        }
        for typed in ["", "many", "0", "-3"] {
            typed.clone_into(&mut asked.typed);
            assert!(asked.amount().is_err(), "{typed}");
        }
        asked.part = TextPart::All;
        assert_eq!((asked.amount(), asked.rows()), (Ok(Amount::All), None));
        asked.part = TextPart::Rows;
        assert!(asked.amount().unwrap_err().contains("A..B"));
        asked.rows = "4..80".to_owned();
        assert_eq!(asked.amount(), Ok(Amount::All));
        assert_eq!(asked.rows(), Some(4..80));
    }

    #[test]
    fn a_count_of_another_text_is_dropped() {
        let mut passes = PassesState::default();
        let of = |id| TextOf {
            request: TextRequest::default(),
            dictionary: DictionaryId(id),
        };
        passes.apply(Event::Counted(of(0), Load::Loading));
        passes.apply(Event::Counted(of(1), Load::Loading));
        passes.apply(Event::Counted(of(0), Load::Ready(5)));
        assert_eq!(passes.tokens(&of(0)), None);
        assert!(passes.tokens(&of(1)).is_some_and(Load::is_loading));
        passes.apply(Event::Counted(of(1), Load::Ready(7)));
        assert_eq!(passes.tokens(&of(1)).and_then(Load::ready), Some(&7));
    }
}
