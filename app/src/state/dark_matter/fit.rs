//! The linear fit of the selected dictionary's error, and the settings of the next one.

use std::sync::Arc;

use umbra_core::count;
use umbra_core::dark_matter::{FitSpec, Predictor, Probe, Ridge};

use crate::state::catalogue::DictionaryId;
use crate::state::load::Load;
use crate::widgets::number;

/// Returns the name of the job that fits a dictionary's probe.
pub(crate) fn job(dictionary: &str) -> String {
    format!("Fit the probe of {dictionary}")
}

/// Ridge where it is chosen and none is typed.
pub(crate) const LAMBDA: f64 = 1e-3;

/// Choice of the ridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum RidgeChoice {
    /// No ridge.
    #[default]
    None,
    /// The one that predicts best in a cross-validation.
    CrossValidated,
    /// The one that is typed.
    Fixed,
}

impl RidgeChoice {
    /// All, in order.
    pub(crate) const ALL: [Self; 3] = [Self::None, Self::CrossValidated, Self::Fixed];

    /// Its name on screen.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::CrossValidated => "Cross-validated",
            Self::Fixed => "This λ",
        }
    }
}

/// Settings of the next fit, as typed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Form {
    /// Values that the error is predicted from.
    pub(crate) predictor: Predictor,
    /// Choice of the ridge.
    pub(crate) ridge: RidgeChoice,
    /// λ as typed, where it is chosen.
    pub(crate) lambda: String,
    /// Activations to fit on, as typed; empty: the default.
    pub(crate) tokens: String,
    /// First positions of each row that do not count, as typed; empty: none.
    pub(crate) skip: String,
}

impl Form {
    /// Takes over the settings of a fit.
    fn from_probe(probe: &Probe) -> Self {
        let facts = &probe.facts;
        let (ridge, lambda) = match facts.ridge {
            Ridge::None => (RidgeChoice::None, String::new()),
            Ridge::CrossValidated => (RidgeChoice::CrossValidated, String::new()),
            Ridge::Fixed(lambda) => (RidgeChoice::Fixed, lambda.to_string()),
        };
        Self {
            predictor: facts.predictor.clone(),
            ridge,
            lambda,
            tokens: String::new(),
            skip: match facts.skip {
                0 => String::new(),
                skip => number::count(skip as u64),
            },
        }
    }

    /// Returns λ, or why what is typed is none.
    pub(crate) fn lambda(&self) -> Result<f64, String> {
        if self.lambda.trim().is_empty() {
            return Ok(LAMBDA);
        }
        let lambda: Result<f64, _> = self.lambda.trim().parse();
        let lambda = lambda
            .ok()
            .filter(|lambda| lambda.is_finite() && *lambda >= 0.0);
        lambda.ok_or_else(|| "λ is a number from 0, such as 0.01".to_owned())
    }

    /// Returns the number of activations, none for the default, or why what is typed is no number.
    pub(crate) fn tokens(&self) -> Result<Option<usize>, String> {
        counted(&self.tokens)
    }

    /// Returns the number of positions that are left out, or why what is typed is no number.
    pub(crate) fn skip(&self) -> Result<usize, String> {
        Ok(counted(&self.skip)?.unwrap_or(0))
    }

    /// Returns the settings, or why what is typed gives none.
    pub(crate) fn spec(&self) -> Result<FitSpec, String> {
        let ridge = match self.ridge {
            RidgeChoice::None => Ridge::None,
            RidgeChoice::CrossValidated => Ridge::CrossValidated,
            RidgeChoice::Fixed => Ridge::Fixed(self.lambda()?),
        };
        Ok(FitSpec {
            predictor: self.predictor.clone(),
            ridge,
            tokens: self.tokens()?,
            skip: self.skip()?,
            ..FitSpec::default()
        })
    }
}

/// Reads a number of tokens as people write it; none where nothing is typed.
fn counted(typed: &str) -> Result<Option<usize>, String> {
    if typed.trim().is_empty() {
        return Ok(None);
    }
    let number = count::read(typed)?;
    Ok(Some(usize::try_from(number).unwrap_or(usize::MAX)))
}

/// Facts of the fit.
#[derive(Debug, Default)]
pub(crate) struct FitState {
    /// Dictionary whose probe was requested last.
    pub(crate) of: Option<DictionaryId>,
    /// The probe; absent: none is kept.
    pub(crate) probe: Load<Arc<Probe>>,
    /// Settings of the next fit, once a person changed them; until then those of the probe.
    typed: Option<Form>,
    /// Number of probes that arrived so far.
    arrived: u64,
}

/// Changes of the fit.
#[derive(Debug)]
pub(crate) enum Event {
    /// A probe is looked for or fitted, arrived, is not there, or failed.
    Probe(DictionaryId, Load<Arc<Probe>>),
    /// The settings of the next fit.
    Form(Form),
}

impl FitState {
    /// The probe, if it is there for the dictionary `of`.
    pub(crate) fn of(&self, of: DictionaryId) -> Option<&Arc<Probe>> {
        self.probe.ready().filter(|_| self.of == Some(of))
    }

    /// Returns the number of the probe that takes errors on a sentence apart, for the dictionary `of`: another fit has another number. None if there is none, or
    /// it predicts from another hook, which is not read there.
    pub(crate) fn number(&self, of: DictionaryId) -> Option<u64> {
        let probe = self.of(of)?;
        probe
            .facts
            .predictor
            .is_at_own_hook()
            .then_some(self.arrived)
    }

    /// Returns the settings of the next fit.
    pub(crate) fn form(&self) -> Form {
        let typed = self.typed.clone();
        typed.unwrap_or_else(|| {
            let probe = self.probe.ready();
            probe.map_or_else(Form::default, |probe| Form::from_probe(probe))
        })
    }

    /// Carries out an event. What arrives late for something else is dropped.
    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Probe(of, load) => {
                if load.is_loading() {
                    self.of = Some(of);
                }
                if self.of == Some(of) {
                    self.arrived += u64::from(load.ready().is_some());
                    self.probe = load;
                }
            }
            Event::Form(form) => self.typed = Some(form),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_people_write_them_and_refused_where_they_are_none() {
        let mut form = Form::default();
        assert_eq!(form.spec(), Ok(FitSpec::default()));
        form.tokens = "20k".to_owned();
        form.skip = "200".to_owned();
        form.ridge = RidgeChoice::Fixed;
        form.lambda = "1e-3".to_owned();
        let spec = form.spec().unwrap();
        assert_eq!((spec.tokens, spec.skip), (Some(20_000), 200));
        assert_eq!(spec.ridge, Ridge::Fixed(1e-3));
        assert_eq!(Form::default().lambda(), Ok(LAMBDA));
        for typed in ["-1", "many", "inf"] {
            form.lambda = typed.to_owned();
            assert!(form.spec().is_err(), "{typed}");
        }
        form.ridge = RidgeChoice::CrossValidated;
        assert!(form.spec().is_ok(), "λ is not asked for");
        form.skip = "some".to_owned();
        assert!(form.spec().is_err());
    }
}
