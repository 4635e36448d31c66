//! Decides whether model, dictionary, index and probe belong together, for every command and screen.
//!
//! | verdict | when | what follows |
//! |---|---|---|
//! | proven | fingerprints are equal | – |
//! | not proven | a dictionary's files hold no fingerprint of its model: hook, width and the model's name decide | a note |
//! | cannot tell | an index or a probe was made before fingerprints were recorded | a note |
//! | another model | a dictionary's model has another fingerprint: quantised, converted, or trained further | a note |
//! | foreign | an index or a probe belongs to another dictionary or model | an error, unless a mismatch is allowed |
//! | does not fit | the hook is missing, or a width differs | an error |
//!
//! Fingerprints: [`Sae::fingerprint`], [`Model::fingerprint`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Key, Result};
use crate::formats;
use crate::models::{MODEL_FINGERPRINT, Model};
use crate::sae::Sae;

/// Verdict on whether two things belong together, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Fingerprints are equal.
    Proven,
    /// Hook and width match, and no fingerprint proves it.
    NotProven,
    /// An index or a probe of an older format, without fingerprints.
    CannotTell,
    /// The dictionary was trained on a model with another fingerprint, at the same hook and width.
    AnotherModel,
    /// The index or probe belongs to another dictionary or model.
    Foreign,
    /// A hook is missing or a width differs.
    Unfit,
}

impl Verdict {
    /// Returns the verdict in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::NotProven => "not proven",
            Self::CannotTell => "cannot tell",
            Self::AnotherModel => "another model",
            Self::Foreign => "foreign",
            Self::Unfit => "does not fit",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// The verdict.
    pub verdict: Verdict,
    /// Reason, one sentence without a full stop; with the remedy where the verdict is an error.
    pub why: String,
}

/// Fingerprints of a dictionary and a model, recorded in what is made with both; empty in older formats.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Prints {
    /// [`Sae::fingerprint`].
    pub sae: String,
    /// [`Model::fingerprint`].
    pub model: String,
}

impl Prints {
    /// Takes the fingerprints of both.
    pub fn new(model: &Model, sae: &Sae) -> Self {
        Self {
            sae: sae.fingerprint(),
            model: model.fingerprint().to_owned(),
        }
    }
}

/// Origin of an index or a probe, as its file records it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made<'a> {
    /// `the index alice.sqlite`: the subject of sentences.
    pub what: &'a str,
    /// Remedy that makes it again.
    pub remedy: &'a str,
    /// Name of the dictionary.
    pub sae: &'a str,
    /// Fingerprint of the dictionary; none in an older format.
    pub sae_fingerprint: Option<&'a str>,
    /// Name of the model.
    pub model: &'a str,
    /// Fingerprint of the model; none in an older format.
    pub model_fingerprint: Option<&'a str>,
}

impl Fit {
    /// Judges whether `sae` belongs to `model`.
    pub fn judge(model: &Model, sae: &Sae) -> Self {
        if let Err(why) = formats::check_ends(sae, model) {
            return Self::new(Verdict::Unfit, why.to_string());
        }
        let named = &sae.provenance.model;
        let recorded = sae.provenance.other.get(MODEL_FINGERPRINT);
        let recorded = recorded.and_then(|value| value.as_str());
        match recorded {
            Some(print) if print == model.fingerprint() => Self::new(
                Verdict::Proven,
                format!(
                    "{} was trained on {} (same fingerprint)",
                    sae.name,
                    model.name()
                ),
            ),
            Some(print) => Self::new(
                Verdict::AnotherModel,
                format!(
                    "{} was trained on {named} with the fingerprint {}, {} has {}: another model, or the same one quantised, converted or trained further; figures may differ from the dictionary's own",
                    sae.name,
                    short(print),
                    model.name(),
                    short(model.fingerprint())
                ),
            ),
            None => Self::new(Verdict::NotProven, unproven(model, sae)),
        }
    }

    /// Judges whether something was made with `sae` and `model`, as far as they are given.
    pub(crate) fn of_made(made: Made<'_>, model: Option<&Model>, sae: Option<&Sae>) -> Self {
        let (Some(of_sae), Some(of_model)) = (made.sae_fingerprint, made.model_fingerprint) else {
            return Self::new(
                Verdict::CannotTell,
                format!(
                    "{} records only the names of its dictionary and model ({} and {}), no fingerprints: {} to be sure",
                    made.what, made.sae, made.model, made.remedy
                ),
            );
        };
        if let Some(sae) = sae {
            let print = sae.fingerprint();
            if print != of_sae {
                return Self::new(
                    Verdict::Foreign,
                    format!(
                        "{} was made with {} (fingerprint {}), not with the current {} ({}): choose its own dictionary, or {}",
                        made.what,
                        made.sae,
                        short(of_sae),
                        sae.name,
                        short(&print),
                        made.remedy
                    ),
                );
            }
        }
        if let Some(model) = model.filter(|model| model.fingerprint() != of_model) {
            return Self::new(
                Verdict::Foreign,
                format!(
                    "{} was made with the model {} (fingerprint {}), {} has another fingerprint ({}), even if it is the same model quantised or converted: choose its own model, or {}",
                    made.what,
                    made.model,
                    short(of_model),
                    model.name(),
                    short(model.fingerprint()),
                    made.remedy
                ),
            );
        }
        Self::new(
            Verdict::Proven,
            format!(
                "{} was made with this dictionary and model (same fingerprints)",
                made.what
            ),
        )
    }

    pub(crate) fn new(verdict: Verdict, why: impl Into<String>) -> Self {
        Self {
            verdict,
            why: why.into(),
        }
    }

    /// Whether the two must not be used together.
    pub fn is_refused(&self) -> bool {
        matches!(self.verdict, Verdict::Foreign | Verdict::Unfit)
    }

    /// Returns an error if the two must not be used together; `allow_mismatch` accepts a foreign index or probe. Otherwise returns a note, unless the fit is proven.
    pub fn check(&self, allow_mismatch: bool) -> Result<Option<String>> {
        match self.verdict {
            Verdict::Proven => Ok(None),
            Verdict::Foreign if allow_mismatch => {
                Ok(Some(format!("Used despite a mismatch: {}", self.why)))
            }
            Verdict::Foreign => Err(Error::Mismatch {
                what: format!("{} ({} uses it anyway)", self.why, Key::AllowMismatch),
            }),
            Verdict::Unfit => Err(Error::Mismatch {
                what: self.why.clone(),
            }),
            Verdict::NotProven | Verdict::CannotTell | Verdict::AnotherModel => {
                Ok(Some(self.why.clone()))
            }
        }
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.verdict, self.why)
    }
}

/// Reason of a fit by hook, width and names alone.
fn unproven(model: &Model, sae: &Sae) -> String {
    let named = &sae.provenance.model;
    let here = model.name();
    let last = |name: &str| {
        let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
        last.to_ascii_lowercase()
    };
    let by = if named.is_empty() {
        format!("its files name no model; hook and width match {here}")
    } else if last(named) == last(here) {
        format!("its files name {named}, and hook and width match")
    } else {
        format!("its files name {named}, the model is {here}; hook and width match")
    };
    format!(
        "No fingerprint proves that {} belongs to this model: {by}",
        sae.name
    )
}

/// Returns the first digits of a fingerprint, for sentences.
pub fn short(fingerprint: &str) -> &str {
    fingerprint.get(..12).unwrap_or(fingerprint)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::dims::Matrix;
    use crate::ids::{HookPoint, Site};
    use crate::sae::{Provenance, Relu};

    fn model(path: &str) -> Model {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        Model::open(&root.join(path)).unwrap().0
    }

    fn sae(d: usize, named: &str) -> Sae {
        Sae::new(
            "mine",
            (Matrix::zeros(2, d), vec![0.0; 2]),
            (Matrix::zeros(2, d), vec![0.0; d]),
            Relu,
        )
        .with_provenance(Provenance {
            hook: Some(HookPoint::block(0, Site::ResidPost)),
            model: named.to_owned(),
            ..Provenance::default()
        })
    }

    #[track_caller]
    fn is(fit: &Fit, verdict: Verdict, words: &[&str]) {
        assert_eq!(fit.verdict, verdict, "{fit}");
        for word in words {
            assert!(fit.why.contains(word), "{word}: {fit}");
        }
        assert_eq!(fit.is_refused(), fit.check(false).is_err());
    }

    #[test]
    fn a_dictionary_fits_by_hook_width_and_fingerprint() {
        let model = model("tests/golden/tiny-gpt2");
        let d = model.config().d_model;
        let fit = |sae: &Sae| Fit::judge(&model, sae);
        let mut own = sae(d, "tiny-gpt2");
        // Published dictionaries say none.
        is(
            &fit(&own),
            Verdict::NotProven,
            &["No fingerprint proves", "hook and width match"],
        );
        is(
            &fit(&sae(d, "owner/other")),
            Verdict::NotProven,
            &["owner/other", "tiny-gpt2"],
        );
        is(&fit(&sae(d, "")), Verdict::NotProven, &["name no model"]);
        let mut print = |print: &str| {
            let other = &mut own.provenance.other;
            other.insert(MODEL_FINGERPRINT.to_owned(), print.into());
            fit(&own)
        };
        is(&print(model.fingerprint()), Verdict::Proven, &["mine"]);
        is(
            &print(&"0".repeat(64)),
            Verdict::AnotherModel,
            &["000000000000", "quantised"],
        );
        is(
            &fit(&sae(d + 1, "tiny-gpt2")),
            Verdict::Unfit,
            &["blocks.0.hook_resid_post", "mine"],
        );
        let mut elsewhere = sae(d, "tiny-gpt2");
        elsewhere.provenance.hook = Some(HookPoint::block(99, Site::ResidPost));
        is(&fit(&elsewhere), Verdict::Unfit, &["no block 99"]);
        elsewhere.provenance.hook = None;
        is(&fit(&elsewhere), Verdict::Unfit, &["hook_name"]);
        assert!(Fit::new(Verdict::Unfit, "x").check(true).is_err());
    }

    #[test]
    fn what_was_made_belongs_to_its_own_dictionary_and_model() {
        let model = model("tests/golden/tiny-gpt2");
        let (own, other) = (sae(4, ""), sae(5, ""));
        let (of_sae, of_model) = (own.fingerprint(), model.fingerprint().to_owned());
        let made = |sae: Option<&'static str>, model: Option<&'static str>| Made {
            what: "The index of mine",
            remedy: "build the index again",
            sae: "mine",
            sae_fingerprint: sae,
            model: "tiny",
            model_fingerprint: model,
        };
        let right = Made {
            sae_fingerprint: Some(&of_sae),
            model_fingerprint: Some(&of_model),
            ..made(None, None)
        };
        let fit = |made: Made<'_>, sae: &Sae| Fit::of_made(made, Some(&model), Some(sae));
        is(&fit(right, &own), Verdict::Proven, &["fingerprints"]);
        is(
            &fit(right, &other),
            Verdict::Foreign,
            &["not with the current mine", "build the index again"],
        );
        let quantised = Made {
            model_fingerprint: Some("abc"),
            ..right
        };
        let foreign = fit(quantised, &own);
        is(&foreign, Verdict::Foreign, &["the model tiny", "quantised"]);
        let taken = foreign.check(true).unwrap().unwrap();
        assert!(taken.starts_with("Used despite a mismatch"), "{taken}");
        // What is not there is not asked.
        is(
            &Fit::of_made(quantised, None, Some(&own)),
            Verdict::Proven,
            &[],
        );
        is(
            &fit(made(None, None), &own),
            Verdict::CannotTell,
            &["no fingerprints", "to be sure"],
        );
    }
}
