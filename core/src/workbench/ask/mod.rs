//! Asks a language model behind an OpenAI-compatible endpoint what features are about, and measures how well its answers tell where the features fire.
//!
//! Nothing is sent unless a person gives an endpoint. [`explain_prompt`] and [`detect_prompt`] are everything that is sent, beside the key.
//!
//! # Detection
//! Half of a feature's distinct examples is shown to the model, which answers with a label. The other half, and as many windows of text in which the feature is
//! silent, are then shown without activations in random order, with the label, and the model says in which of them the label fits. [`Detection::score`] is the
//! balanced accuracy of that answer: 0.5 is chance, 1 is perfect.

mod endpoint;
mod kept;
mod material;
mod prompt;
#[cfg(feature = "hub")]
mod remote;
#[cfg(not(feature = "hub"))]
#[path = "no_remote.rs"]
mod remote;
#[cfg(test)]
#[cfg(feature = "hub")]
mod server;
#[cfg(test)]
#[cfg(feature = "hub")]
mod tests;

pub use self::endpoint::{Endpoint, Message};
pub use self::kept::KeptEndpoint;
pub use self::material::{Material, materials};
pub use self::prompt::{detect_prompt, explain_prompt};

use self::prompt::{label_of, numbers_of, test_of};
use crate::error::Result;
use crate::ids::FeatureId;
use crate::progress::{Ended, Flow, Progress};
use crate::project::{Detection, Given, Maker, Origin};

/// Least number of held-out texts of either kind for a detection score.
pub const LEAST_TEXTS: usize = 3;

/// Settings of the questions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Examples that the model is shown, at most.
    pub shown: usize,
    /// Held-out texts of either kind, active and silent, at most; 0 for no detection test.
    pub held_out: usize,
    /// Seed that draws the silent texts and the order of all.
    pub seed: u64,
    /// Whether an index of another dictionary or model is taken.
    pub allow_mismatch: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            shown: 10,
            held_out: 8,
            seed: 0,
            allow_mismatch: false,
        }
    }
}

/// Answer about one feature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Feature.
    pub feature: FeatureId,
    /// Label with its origin and detection test; no test where there are fewer than [`LEAST_TEXTS`] held-out texts of either kind.
    pub label: Given,
    /// Messages that asked for the label.
    pub explain: Vec<Message>,
    /// Messages that asked where it fits; empty without a test.
    pub detect: Vec<Message>,
}

/// Asks about every feature of `materials` in turn. `keep` gets each answer as it comes, so that nothing is lost where a later one fails. Stopped, it returns the
/// answers so far.
pub fn ask(
    endpoint: &Endpoint,
    materials: &[Material],
    settings: Settings,
    keep: &mut dyn FnMut(&Answer) -> Result<()>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Vec<Answer>, Vec<Answer>>> {
    endpoint.check()?;
    let mut answers = Vec::with_capacity(materials.len());
    for material in materials {
        let at = Progress::new(answers.len(), materials.len(), "features");
        if observe(at).is_break() {
            return Ok(Ended::Stopped(answers));
        }
        let answer = ask_one(endpoint, material, settings)?;
        keep(&answer)?;
        answers.push(answer);
    }
    Ok(Ended::Done(answers))
}

fn ask_one(endpoint: &Endpoint, material: &Material, settings: Settings) -> Result<Answer> {
    let explain = explain_prompt(material);
    let text = label_of(&remote::chat(endpoint, &explain)?, endpoint)?;
    let mut origin = Origin::new(Maker::Model, &endpoint.model);
    let mut detect = Vec::new();
    if let Some(test) = test_of(material, settings.seed) {
        detect = detect_prompt(&text, &test.texts);
        let reply = remote::chat(endpoint, &detect)?;
        let named = numbers_of(&reply, test.texts.len(), endpoint)?;
        let mut detection = Detection::default();
        for (at, is_active) in test.is_active.iter().enumerate() {
            let is_named = u32::from(named.contains(&(at + 1)));
            if *is_active {
                detection.active += 1;
                detection.active_found += is_named;
            } else {
                detection.silent += 1;
                detection.silent_named += is_named;
            }
        }
        origin.detection = Some(detection);
    }
    Ok(Answer {
        feature: material.feature,
        label: Given { text, origin },
        explain,
        detect,
    })
}
