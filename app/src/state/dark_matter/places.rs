//! Where the error is: its norms on the sentence in Prompt or on a held-out passage.

use std::sync::Arc;

use umbra_core::corpus::Rows;
use umbra_core::dark_matter::ErrorNorms;
use umbra_core::dark_matter::places::Places;
use umbra_core::prompt::{Input, Reading};

use super::study::{Change, Study};
use crate::state::AppState;
use crate::state::catalogue::DictionaryId;
use crate::state::load::Load;

/// Returns the name of the job that measures where a dictionary's error is.
pub(crate) fn job(dictionary: &str) -> String {
    format!("Locate the error of {dictionary}")
}

/// A text that was taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Passage {
    /// The sentence in Prompt.
    Sentence(Input),
    /// A row of the held-out text.
    HeldOut(usize),
}

/// Identifies errors by token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// The dictionary.
    pub(crate) dictionary: DictionaryId,
    /// The text.
    pub(crate) passage: Passage,
    /// Number of the fit that took linear and nonlinear part apart; none: nothing did.
    pub(crate) fit: Option<u64>,
}

/// A part of the error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Part {
    /// All of it, x − x̂.
    #[default]
    Total,
    /// The part that the linear probe predicts.
    Linear,
    /// The rest.
    Nonlinear,
}

impl Part {
    /// All, in order.
    pub(crate) const ALL: [Self; 3] = [Self::Total, Self::Linear, Self::Nonlinear];

    /// Its name on screen.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Total => "Total",
            Self::Linear => "Linear",
            Self::Nonlinear => "Nonlinear",
        }
    }

    /// Its norm on a token.
    pub(crate) fn value(self, norms: &ErrorNorms) -> f32 {
        match self {
            Self::Total => norms.total,
            Self::Linear => norms.linear,
            Self::Nonlinear => norms.nonlinear,
        }
    }

    /// Definition of that norm.
    pub(crate) fn meaning(self) -> &'static str {
        match self {
            Self::Total => "||x − x̂||: the whole error of the dictionary",
            Self::Linear => {
                "||ê||: the part of the error that the linear probe predicts from the activation"
            }
            Self::Nonlinear => "||x − x̂ − ê||: the rest after reconstruction and linear part",
        }
    }
}

/// Errors by token.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Errors {
    /// Display forms.
    pub(crate) texts: Vec<String>,
    /// Whether each token counts, by the rule of the probe where there is one.
    pub(crate) counts: Vec<bool>,
    /// Norms; without a probe the linear part is 0 and the nonlinear part is everything.
    pub(crate) norms: Vec<ErrorNorms>,
}

impl Errors {
    /// Returns the largest norm of any part among the tokens that count: one scale for all parts.
    pub(crate) fn most(&self) -> f32 {
        let norms = self.norms.iter().zip(&self.counts);
        let counted = norms.filter(|(_, counts)| **counts);
        let most = counted.fold(0.0_f32, |most, (norms, _)| {
            most.max(norms.total).max(norms.linear).max(norms.nonlinear)
        });
        if most > 0.0 { most } else { 1.0 }
    }

    /// Returns the norm of a part by token; 0 on tokens that do not count.
    pub(crate) fn values(&self, part: Part) -> Vec<f32> {
        let norms = self.norms.iter().zip(&self.counts);
        let value = |(norms, counts): (&ErrorNorms, &bool)| {
            if *counts { part.value(norms) } else { 0.0 }
        };
        norms.map(value).collect()
    }

    /// Returns ‖x − x̂‖² / ‖x‖² on a token; none where the activation is 0 or the token is not there.
    pub(crate) fn unexplained(&self, token: usize) -> Option<f64> {
        let norms = self.norms.get(token)?;
        let (error, activation) = (f64::from(norms.total), f64::from(norms.activation));
        (activation > 0.0).then(|| (error / activation).powi(2))
    }
}

/// Errors on one text.
#[derive(Debug, Default)]
pub(crate) struct Apart {
    /// The text whose errors were requested last.
    pub(crate) of: Option<Key>,
    /// Its errors.
    pub(crate) errors: Load<Arc<Errors>>,
}

/// Facts of the panel.
#[derive(Debug, Default)]
pub(crate) struct PlacesState {
    /// The row of the held-out text that is shown, if that is what is shown.
    pub(crate) held_out_row: Option<usize>,
    /// Rows of the held-out text.
    pub(crate) held_out: Load<Arc<Rows>>,
    /// Errors on the sentence in Prompt.
    pub(crate) sentence: Apart,
    /// Errors on a row of the held-out text.
    pub(crate) passage: Apart,
    /// Errors over the project's text.
    pub(crate) study: Study<Places>,
}

/// Changes of the panel.
#[derive(Debug)]
pub(crate) enum Event {
    /// The sentence (none) or this row of the held-out text is shown.
    Shown(Option<usize>),
    /// The held-out text is being read, arrived or failed.
    HeldOut(Load<Arc<Rows>>),
    /// Errors are being computed, arrived or failed.
    Errors(Key, Load<Arc<Errors>>),
    /// A change of the errors over the project's text.
    Study(Change<Places>),
}

impl PlacesState {
    /// The errors on the text that is shown.
    pub(crate) fn shown(&self) -> &Apart {
        match self.held_out_row {
            Some(_) => &self.passage,
            None => &self.sentence,
        }
    }

    /// Carries out an event. What arrives late for something else is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Shown(row) => self.held_out_row = row,
            Event::HeldOut(load) => self.held_out = load,
            Event::Study(change) => self.study.apply(change),
            Event::Errors(of, load) => {
                let apart = match of.passage {
                    Passage::Sentence(_) => &mut self.sentence,
                    Passage::HeldOut(_) => &mut self.passage,
                };
                if load.is_loading() {
                    apart.of = Some(of.clone());
                }
                if apart.of.as_ref() == Some(&of) {
                    apart.errors = load;
                }
            }
        }
    }
}

impl AppState {
    /// The errors on the sentence in Prompt as `reading` has it, of the dictionary in use, and whether a fit took the parts apart.
    pub(crate) fn errors_on(&self, reading: &Reading) -> Option<(&Arc<Errors>, bool)> {
        let sentence = &self.dark_matter.places.sentence;
        let of = sentence.of.as_ref()?;
        let errors = sentence.errors.ready()?;
        let is_it =
            Some(of.dictionary) == self.selection.dictionary && errors.texts == reading.texts;
        is_it.then_some((errors, of.fit.is_some()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_leaves_out_positions_that_do_not_count() {
        let norms = [900.0, 2.0, 3.0, 700.0].map(|total| ErrorNorms {
            activation: 4.0,
            total,
            linear: 1.0,
            nonlinear: 1.5,
        });
        let errors = Errors {
            texts: ["<bos>", " a", " b", "<bos>"].map(str::to_owned).to_vec(),
            counts: vec![false, true, true, false],
            norms: norms.to_vec(),
        };
        assert_eq!(errors.most(), 3.0);
        assert_eq!(errors.values(Part::Total), [0.0, 2.0, 3.0, 0.0]);
        assert_eq!(errors.unexplained(1), Some(0.25));
        assert_eq!(errors.unexplained(9), None);
    }

    #[test]
    fn the_errors_of_the_sentence_and_of_a_passage_stand_side_by_side() {
        let key = |passage, fit| Key {
            dictionary: DictionaryId(0),
            passage,
            fit,
        };
        let failed = |why: &str| Load::Failed(why.to_owned());
        let sentence = key(Passage::Sentence(Input::Text("a".to_owned())), None);
        let passage = key(Passage::HeldOut(3), None);
        let mut state = PlacesState::default();
        for key in [&sentence, &passage] {
            state.apply(Event::Errors(key.clone(), Load::Loading));
        }
        state.apply(Event::Errors(sentence.clone(), failed("a")));
        state.apply(Event::Errors(passage, failed("b")));
        // Another fit took the sentence apart meanwhile.
        let split = key(sentence.passage.clone(), Some(1));
        state.apply(Event::Errors(split, Load::Loading));
        state.apply(Event::Errors(sentence, failed("late")));
        assert!(state.shown().errors.is_loading());
        state.apply(Event::Shown(Some(3)));
        assert_eq!(state.shown().errors.failure(), Some("b"));
    }
}
