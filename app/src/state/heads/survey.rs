//! The survey of all heads that is kept with the project, the question before a new one, and the pattern of one of its contexts.

use std::path::PathBuf;
use std::sync::Arc;

use umbra_core::attention::Patterns;
use umbra_core::count;
use umbra_core::heads::survey::{CAUSAL_ROWS, KeptSurvey};
use umbra_core::ids::{Layer, TokenId};
use umbra_core::workbench::passes::Amount;

use crate::state::load::Load;
use crate::widgets::number;

/// Tokens that a survey reads unless a person asks for another amount.
pub(crate) const DEFAULT_TOKENS: u64 = 200_000;

/// The question how much text a survey reads, and whether it tests each head causally.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    /// Whether all of the text is read.
    pub(crate) all: bool,
    /// Number of tokens as typed, read unless all are.
    pub(crate) typed: String,
    /// Rows on which each head is ablated, as typed; none: no head is.
    pub(crate) causal: Option<String>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            all: false,
            typed: number::count(DEFAULT_TOKENS),
            causal: None,
        }
    }
}

impl Asked {
    /// Rows of the causal test unless a person types another number.
    pub(crate) fn default_rows() -> String {
        number::count(CAUSAL_ROWS as u64)
    }

    /// Returns the amount, or why what is typed is none.
    pub(crate) fn amount(&self) -> Result<Amount, String> {
        if self.all {
            return Ok(Amount::All);
        }
        match count::read(&self.typed)? {
            0 => Err("Read at least one token".to_owned()),
            tokens => Ok(Amount::Tokens(tokens)),
        }
    }

    /// Returns the rows of the causal test, if there is to be one, or why what is typed is no number of rows.
    pub(crate) fn rows(&self) -> Result<Option<usize>, String> {
        let Some(typed) = &self.causal else {
            return Ok(None);
        };
        match count::read(typed)? {
            0 | 1 => Err("An interval needs two rows or more".to_owned()),
            rows => Ok(Some(usize::try_from(rows).unwrap_or(usize::MAX))),
        }
    }
}

/// Identifies what is kept: the project's folder and the model's fingerprint.
pub(crate) type Of = (PathBuf, String);

/// Tokens of a context, and the layer of its head.
pub(crate) type PatternOf = (Layer, Vec<TokenId>);

/// Facts of the panel.
#[derive(Debug, Default)]
pub(crate) struct SurveyState {
    /// Text that was read last.
    pub(crate) of: Option<Of>,
    /// The kept survey; absent where there is none, failed where it is refused.
    pub(crate) load: Load<Arc<KeptSurvey>>,
    /// How the survey that is being made stands: running, or why it failed.
    pub(crate) making: Load<()>,
    /// The open question.
    pub(crate) asked: Option<Asked>,
    /// The folder of the project whose text was counted last.
    pub(crate) text_of: Option<PathBuf>,
    /// Tokens of its held-out text.
    pub(crate) text: Load<u64>,
    /// Tokens per second of the last survey of this model, and of the ablation of one head.
    pub(crate) speeds: [Option<f64>; 2],
    /// The context whose pattern was asked for last.
    pub(crate) pattern_of: Option<PatternOf>,
    /// Its pattern.
    pub(crate) pattern: Load<Arc<Patterns>>,
}

/// Changes of the panel.
#[derive(Debug)]
pub(crate) enum Event {
    /// The kept survey is being read, was, is refused, or there is none.
    Kept(Of, Load<Arc<KeptSurvey>>),
    /// A survey is being made, failed, or ended.
    Making(Load<()>),
    /// The question is open with this answer so far, or closed.
    Asked(Option<Asked>),
    /// The tokens of a project's text are being counted, were, or could not be.
    Counted(PathBuf, Load<u64>),
    /// Tokens per second of a pass, and rows per second of ablations.
    Ran(usize, f64),
    /// The pattern of a context is being computed, arrived or failed.
    Pattern(PatternOf, Load<Arc<Patterns>>),
}

impl SurveyState {
    /// Carries out an event. What arrives late for something else is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Kept(of, load) => {
                if load.is_loading() {
                    self.of = Some(of.clone());
                }
                if self.of.as_ref() == Some(&of) {
                    self.load = load;
                }
            }
            Event::Making(load) => self.making = load,
            Event::Asked(asked) => self.asked = asked,
            Event::Counted(of, load) => {
                if load.is_loading() {
                    self.text_of = Some(of.clone());
                }
                if self.text_of.as_ref() == Some(&of) {
                    self.text = load;
                }
            }
            Event::Ran(which, speed) => {
                if let Some(kept) = self.speeds.get_mut(which) {
                    *kept = Some(speed);
                }
            }
            Event::Pattern(of, load) => {
                if load.is_loading() {
                    self.pattern_of = Some(of.clone());
                }
                if self.pattern_of.as_ref() == Some(&of) {
                    self.pattern = load;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_as_people_write_them_and_refused_where_they_are_none() {
        let mut asked = Asked::default();
        assert_eq!(asked.amount(), Ok(Amount::Tokens(DEFAULT_TOKENS)));
        assert_eq!(asked.rows(), Ok(None));
        asked.typed = "20k".to_owned();
        assert_eq!(asked.amount(), Ok(Amount::Tokens(20_000)));
        asked.typed = "0".to_owned();
        assert!(asked.amount().is_err());
        asked.all = true;
        assert_eq!(asked.amount(), Ok(Amount::All));
        asked.causal = Some(Asked::default_rows());
        assert_eq!(asked.rows(), Ok(Some(CAUSAL_ROWS)));
        for typed in ["", "1", "many"] {
            asked.causal = Some(typed.to_owned());
            assert!(asked.rows().is_err(), "{typed}");
        }
    }

    #[test]
    fn a_survey_of_another_project_or_model_is_dropped_when_it_arrives() {
        let mut state = SurveyState::default();
        let of = |model: &str| (PathBuf::from("project"), model.to_owned());
        state.apply(Event::Kept(of("a"), Load::Loading));
        state.apply(Event::Kept(of("b"), Load::Loading));
        state.apply(Event::Kept(of("a"), Load::Failed("late".to_owned())));
        assert!(state.load.is_loading());
        state.apply(Event::Kept(of("b"), Load::Absent));
        assert!(state.load.is_absent());
    }
}
