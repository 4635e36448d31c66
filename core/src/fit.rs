//! Whether model, dictionary, index and probe belong together, decided in this one place; every command and screen asks it.
//!
//! | verdict | when | what follows |
//! |---|---|---|
//! | proven | fingerprints are equal | – |
//! | not proven | a dictionary says no fingerprint of its model: hook, width and the model's name decide | said |
//! | cannot tell | an index or a probe was made before fingerprints were written down | said |
//! | another model | a dictionary's model has another fingerprint: quantised, converted, or trained on | said |
//! | foreign | an index or a probe is of another dictionary or model | refused, `--allow-mismatch` takes it all the same |
//! | does not fit | the hook is missing, a width differs | refused |
//!
//! Fingerprints: [`Sae::fingerprint`], [`Model::fingerprint`].

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Key, Result};
use crate::formats;
use crate::models::{MODEL_FINGERPRINT, Model};
use crate::sae::Sae;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Fingerprints are equal.
    Proven,
    /// Nothing speaks against it, and no fingerprint for it.
    NotProven,
    /// An index or a probe of an older form.
    CannotTell,
    /// A dictionary of another model's activations, which has the same hook and width.
    AnotherModel,
    /// An index or a probe of another dictionary or model.
    Foreign,
    /// A hook is missing or a width differs.
    Unfit,
}

impl Verdict {
    /// In words.
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

/// A verdict with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fit {
    /// The verdict.
    pub verdict: Verdict,
    /// Why, one sentence without a full stop; with the remedy where it is refused.
    pub why: String,
}

/// Fingerprints of a dictionary and a model, as what is made with both writes them down; both empty in older forms.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Prints {
    /// [`Sae::fingerprint`].
    pub sae: String,
    /// [`Model::fingerprint`].
    pub model: String,
}

impl Prints {
    /// Of these two.
    pub fn of(model: &Model, sae: &Sae) -> Self {
        Self {
            sae: sae.fingerprint(),
            model: model.fingerprint().to_owned(),
        }
    }
}

/// What was made with a dictionary and a model, by what it says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made<'a> {
    /// `the index alice.sqlite`: the subject of sentences.
    pub what: &'a str,
    /// How to make it anew.
    pub remedy: &'a str,
    /// Name of the dictionary.
    pub sae: &'a str,
    /// Its fingerprint; none in an older form.
    pub sae_fingerprint: Option<&'a str>,
    /// Name of the model.
    pub model: &'a str,
    /// Its fingerprint; none in an older form.
    pub model_fingerprint: Option<&'a str>,
}

impl Fit {
    /// Whether `sae` belongs to `model`.
    pub fn of(model: &Model, sae: &Sae) -> Self {
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
                    "{} was trained on {named} with the fingerprint {}, {} has {}: another model, or the same one quantised, converted or trained on; figures may differ from the dictionary's own",
                    sae.name,
                    short(print),
                    model.name(),
                    short(model.fingerprint())
                ),
            ),
            None => Self::new(Verdict::NotProven, unproven(model, sae)),
        }
    }

    /// Whether something was made with `sae` and `model`, as far as these are there.
    pub(crate) fn of_made(made: Made<'_>, model: Option<&Model>, sae: Option<&Sae>) -> Self {
        let (Some(of_sae), Some(of_model)) = (made.sae_fingerprint, made.model_fingerprint) else {
            return Self::new(
                Verdict::CannotTell,
                format!(
                    "{} does not say which dictionary and model it was made with, only their names {} and {}: {} to be sure",
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
                        "{} was made with {} (fingerprint {}), not with {} as it stands ({}): choose its own dictionary, or {}",
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
                    "{} was made with the model {} (fingerprint {}), {} is another one ({}), be it the same quantised or converted: choose its own model, or {}",
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

    /// Whether what was asked about may not be used together.
    pub fn is_refused(&self) -> bool {
        matches!(self.verdict, Verdict::Foreign | Verdict::Unfit)
    }

    /// An error if it is refused; what is foreign is taken where `allow_mismatch` says so. Otherwise a sentence for people, unless the fit is proven.
    pub fn check(&self, allow_mismatch: bool) -> Result<Option<String>> {
        match self.verdict {
            Verdict::Proven => Ok(None),
            Verdict::Foreign if allow_mismatch => {
                Ok(Some(format!("Taken all the same: {}", self.why)))
            }
            Verdict::Foreign => Err(Error::Mismatch {
                what: format!(
                    "{} ({} takes it all the same)",
                    self.why,
                    Key::AllowMismatch
                ),
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

/// Hook and width are right; what the names say.
fn unproven(model: &Model, sae: &Sae) -> String {
    let named = &sae.provenance.model;
    let here = model.name();
    let last = |name: &str| {
        let last = name.rsplit(['/', '\\']).next().unwrap_or(name);
        last.to_ascii_lowercase()
    };
    let by = if named.is_empty() {
        format!("its files name no model, {here} has its hook and its width")
    } else if last(named) == last(here) {
        format!("its files name {named}, and hook and width are right")
    } else {
        format!("its files name {named}, the model is {here}; hook and width are right")
    };
    format!(
        "No fingerprint proves that {} belongs to this model: {by}",
        sae.name
    )
}

/// The first digits of a fingerprint, as sentences show it.
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
        let fit = |sae: &Sae| Fit::of(&model, sae);
        let mut own = sae(d, "tiny-gpt2");
        // Published dictionaries say none.
        is(
            &fit(&own),
            Verdict::NotProven,
            &["No fingerprint proves", "hook and width are right"],
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
            &["not with mine as it stands", "build the index again"],
        );
        let quantised = Made {
            model_fingerprint: Some("abc"),
            ..right
        };
        let foreign = fit(quantised, &own);
        is(&foreign, Verdict::Foreign, &["the model tiny", "quantised"]);
        let taken = foreign.check(true).unwrap().unwrap();
        assert!(taken.starts_with("Taken all the same"), "{taken}");
        // What is not there is not asked.
        is(
            &Fit::of_made(quantised, None, Some(&own)),
            Verdict::Proven,
            &[],
        );
        is(
            &fit(made(None, None), &own),
            Verdict::CannotTell,
            &["does not say", "to be sure"],
        );
    }
}
