//! Claims of papers, measured and judged: each list reports claims, figures and verdicts. Lists about variants train dictionaries side by side.
//!
//! | list | paper | where |
//! |---|---|---|
//! | `attention` | Kissane et al. 2024 (arXiv 2406.17759), attention-output dictionaries | a project's model and dictionaries, nothing is trained |
//! | `choice` | Ayonrinde 2024 (arXiv 2411.02124), Mutual and Feature Choice | a synthetic world whose directions are known, then a model's activations |
//! | `dark_matter` | Engels et al. 2024 (arXiv 2410.14670), the error of dictionaries | a ladder of widths at one hook of a project's model, trained if there is none |
//! | `evaluation` | Makelov et al. 2024 (arXiv 2405.08366), supervised dictionaries | sentences with two names on a project's model, and two toys |
//! | `gradient` | Olmo et al. 2024 (arXiv 2411.10397), gradient SAEs | a model's activations and its loss |
//! | `variants` | every variant at one mean L0 | a model's activations |
//!
//! A hard claim must hold wherever the code is right; any other is an observation on one model and one size, and does not fail a list.

mod attention;
mod choice;
mod dark_matter;
mod demo;
mod evaluation;
mod gradient;
mod gradient_checks;
mod held;
mod masks;
mod measure;
mod steering;
#[cfg(test)]
mod tests;
mod variants;
mod world;

use std::fmt;

pub use attention::{Attention, AttentionOptions, attention};
pub use choice::{ChoiceOptions, choice_in_the_world, choice_on_a_model};
pub use dark_matter::{DarkMatter, DarkMatterOptions, dark_matter};
pub use demo::{Demo, DemoOptions};
pub use evaluation::{EvaluationOptions, evaluation};
pub use gradient::gradient;
pub use measure::Spread;
pub use variants::{Row, variants};

use crate::error::Result;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;
use crate::train::{self, Source, Spec};

/// Verdict on a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The figures agree with the claim.
    Holds,
    /// The figures contradict the claim.
    DoesNotHold,
    /// No claim; the figures are reported.
    Reported,
}

impl Verdict {
    fn new(holds: bool) -> Self {
        if holds {
            Self::Holds
        } else {
            Self::DoesNotHold
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Holds => "holds",
            Self::DoesNotHold => "does not hold",
            Self::Reported => "reported",
        })
    }
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Claim, one phrase.
    pub claim: String,
    /// Measured figures as text.
    pub figure: String,
    /// Numbers of `figure`, in its order.
    pub values: Vec<f64>,
    /// Whether the list fails if the claim does not hold.
    pub hard: bool,
    /// Verdict.
    pub verdict: Verdict,
}

/// Results of a list.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// Names and values of the fixed settings.
    pub settings: Vec<(String, String)>,
    /// Claims, in order.
    pub claims: Vec<Claim>,
}

impl Report {
    /// Whether every hard claim holds.
    pub fn holds(&self) -> bool {
        let broken = |claim: &Claim| claim.hard && claim.verdict == Verdict::DoesNotHold;
        !self.claims.iter().any(broken)
    }

    fn set(&mut self, name: &str, value: impl Into<String>) {
        self.settings.push((name.to_owned(), value.into()));
    }

    fn add(&mut self, claim: impl Into<String>, figure: Figure, hard: bool, verdict: Verdict) {
        self.claims.push(Claim {
            claim: claim.into(),
            figure: figure.text,
            values: figure.values,
            hard,
            verdict,
        });
    }

    fn hard(&mut self, claim: impl Into<String>, figure: Figure, holds: bool) {
        self.add(claim, figure, true, Verdict::new(holds));
    }

    fn soft(&mut self, claim: impl Into<String>, figure: Figure, holds: bool) {
        self.add(claim, figure, false, Verdict::new(holds));
    }

    fn reported(&mut self, claim: impl Into<String>, figure: Figure) {
        self.add(claim, figure, false, Verdict::Reported);
    }
}

/// Figure as text and as numbers.
#[derive(Debug, Clone, Default)]
struct Figure {
    text: String,
    values: Vec<f64>,
}

impl Figure {
    fn new(text: impl Into<String>, values: impl Into<Vec<f64>>) -> Self {
        Self {
            text: text.into(),
            values: values.into(),
        }
    }
}

/// Report of a list under way.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Event {
    /// Parts done of parts in all, as far as is known.
    pub progress: Progress,
    /// Current part.
    pub what: String,
}

/// Observer of a list, with its progress.
struct Watch<'a> {
    observe: &'a mut dyn FnMut(Event) -> Flow,
    done: u64,
    total: u64,
    stopped: bool,
}

impl<'a> Watch<'a> {
    fn new(observe: &'a mut dyn FnMut(Event) -> Flow, total: u64) -> Self {
        Self {
            observe,
            done: 0,
            total,
            stopped: false,
        }
    }

    /// Reports the current part and asks whether to continue.
    fn at(&mut self, what: String) -> Flow {
        let event = Event {
            progress: Progress {
                done: self.done,
                total: self.total.max(self.done),
                unit: "parts",
            },
            what,
        };
        let flow = (self.observe)(event);
        self.stopped |= flow.is_break();
        flow
    }

    /// Counts one part as done.
    fn next(&mut self) {
        self.done += 1;
    }

    /// Trains a dictionary on `source`.
    fn train(
        &mut self,
        name: &str,
        spec: &Spec,
        source: &mut dyn Source,
    ) -> Result<Ended<Trained>> {
        let ended = train::run_from(spec, source, &mut |event| match event {
            train::Event::Progress(at) => {
                self.at(format!("{name}: step {} of {}", at.step, at.steps))
            }
            _ => Flow::Continue(()),
        })?;
        self.next();
        Ok(match ended {
            Ended::Done(outcome) => Ended::Done(Trained {
                law: law(&outcome.sae),
                sae: outcome.sae,
            }),
            Ended::Stopped(_) => Ended::STOPPED,
        })
    }
}

/// Dictionary with its Zipf law.
#[derive(Debug, Clone)]
struct Trained {
    sae: Sae,
    law: Option<FittedLaw>,
}

/// `density(rank) ∝ (rank + β)^−α`, and the share of variance that the fit explains.
#[derive(Debug, Clone, Copy)]
struct FittedLaw {
    alpha: f64,
    beta: f64,
    r2: f64,
}

/// Reads the law from the metadata that training writes.
fn law(sae: &Sae) -> Option<FittedLaw> {
    let law = sae.provenance.other.get("zipf")?;
    Some(FittedLaw {
        alpha: law["alpha"].as_f64()?,
        beta: law["beta"].as_f64()?,
        r2: law["r2"].as_f64()?,
    })
}
