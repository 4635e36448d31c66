//! Which features of a dictionary a model uses to complete a sentence with the name that stands in it once (Kissane et al. 2024, arXiv 2406.17759, section on
//! indirect object identification, `ioi_circuit_analysis.py`).
//!
//! In "When Mary and John went to the garden, John gave a letter to" the subject S is John, the indirect object IO is Mary, S2 is the second John, and END the last
//! token. LD is logit(IO) − logit(S) at END. Every position is found prompt by prompt.

mod corrupt;
mod features;
mod noising;
mod pass;
mod prompts;
#[cfg(test)]
mod tests;

pub use corrupt::Corruption;
pub use noising::{Noised, Noising};
pub use prompts::{
    FORMAT, FRAMES, NAMES, OBJECTS, Order, PLACES, Prompt, from_lines, from_templates, spaced,
};

use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint, Layer, Site};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Autoencoder;

/// Number of prompts made from templates, as in the paper.
pub const PROMPTS: usize = 100;

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "ld",
        "mean over prompts of logit(IO) − logit(S) at the last token",
    ),
    (
        "positive",
        "share of prompts whose logit(IO) − logit(S) is above 0",
    ),
    (
        "change",
        "mean over prompts of LD with the feature set to 0 at S2 minus LD: the error of the dictionary is kept, and a feature that is silent at a prompt's S2 changes nothing there",
    ),
    (
        "abba",
        "the change over prompts that name IO first, and how many of them have the feature active at S2",
    ),
    (
        "baba",
        "the change over prompts that name S first, and how many of them have the feature active at S2",
    ),
    (
        "error_term",
        "mean change of LD with the error of the dictionary left out at S2",
    ),
    (
        "corruption A",
        "LD with attn_out of the layers at S2 taken from the sentence with other names, \"It was a nice day. \" before it and \" while the weather was nice\" in it: \"and\" stays where it was",
    ),
    (
        "corruption B",
        "LD with attn_out of the layers at S2 taken from the sentence with \" alongside\" in place of \" and\"",
    ),
    (
        "zero at S2",
        "LD with attn_out of the layers set to 0 at S2 alone, the first baseline",
    ),
    (
        "zero everywhere",
        "LD with attn_out of the layers set to 0 at every position, the second baseline, which the released script computes under the name of the first",
    ),
    (
        "recovered",
        "(LD − baseline) / (clean LD − baseline), for each of the two baselines",
    ),
];

/// Says what figures of the last layer are worth, as a sentence.
pub const OUT_OF_REACH: &str = "nothing set at the repeated name in the last layer reaches the answer, since no later attention reads it: every change is 0, choose a dictionary of an earlier layer";

/// Whether a change at `hook` in an earlier position can reach the logits of the last position of a model of `layers` layers: attention alone moves it there.
pub fn reaches_end(hook: HookPoint, layers: usize) -> bool {
    match hook {
        HookPoint::Embed | HookPoint::PosEmbed => true,
        HookPoint::FinalScale | HookPoint::FinalNormalized => false,
        HookPoint::Block(layer, site) => {
            let read = [
                Site::ResidPre,
                Site::Ln1Scale,
                Site::Ln1Normalized,
                Site::K,
                Site::V,
                Site::RotK,
            ];
            layer.index() + 1 < layers || read.contains(&site)
        }
    }
}

/// Result of [`run`].
#[derive(Debug, Clone, PartialEq)]
pub struct Ioi {
    /// Name of the dictionary.
    pub dictionary: String,
    /// Its hook.
    pub hook: HookPoint,
    /// Whether what is set at S2 can reach the answer; where it cannot, all changes are 0 ([`OUT_OF_REACH`]).
    pub reaches_end: bool,
    /// Number of prompts that name IO first, and that name S first.
    pub prompts: [usize; 2],
    /// Mean of logit(IO) − logit(S) at the end.
    pub ld: f64,
    /// Share of prompts where it is above 0.
    pub positive: f64,
    /// Features alive at S2 of some prompt, the largest fall of LD first.
    pub features: Vec<Effect>,
    /// Mean change of LD with the dictionary's error left out at S2.
    pub error_term: f64,
    /// LD with the output of attention replaced at S2; none where no prompt allows both corruptions, or the model lacks names to put in.
    pub noising: Option<Noising>,
}

/// Effect of setting a feature to 0 at S2.
#[derive(Debug, Clone, PartialEq)]
pub struct Effect {
    /// Feature.
    pub feature: FeatureId,
    /// Mean change of LD over all prompts.
    pub change: f64,
    /// Change over prompts that name IO first, and over those that name S first; none without such prompts.
    pub by_order: [Option<f64>; 2],
    /// Number of prompts of each order in which it is active at S2.
    pub alive: [usize; 2],
}

/// Measures `prompts` with the dictionary `sae`; `layers` are those whose attention output is replaced, by default the one of the dictionary's hook. Each prompt
/// is read on its own; `observe` gets the prompts done and may stop.
pub fn run(
    model: &Model,
    sae: Autoencoder<'_>,
    (prompts, layers): (&[Prompt], &[Layer]),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Ioi>> {
    crate::formats::check_hooks(&sae, model)?;
    let hook = sae.hook()?;
    if prompts.is_empty() {
        let what = "there are none: give sentences with two names, one of them twice";
        return Err(Error::setting("prompts", what));
    }
    let layers = if layers.is_empty() {
        hook.layer().into_iter().collect()
    } else {
        layers.to_vec()
    };
    for layer in &layers {
        model.check_hook(HookPoint::Block(*layer, Site::AttnOut))?;
    }
    let twice = 2 * prompts.len();
    if observe(Progress::new(0, twice, "prompts")).is_break() {
        return Ok(Ended::STOPPED);
    }
    let watched = &mut |done| observe(Progress::new(done, twice, "prompts"));
    let Ended::Done(found) = features::effects(model, sae, prompts, watched)? else {
        return Ok(Ended::STOPPED);
    };
    let watched = &mut |done| observe(Progress::new(prompts.len() + done, twice, "prompts"));
    let Ended::Done(noising) = noising::noising(model, prompts, &layers, watched)? else {
        return Ok(Ended::STOPPED);
    };
    Ok(Ended::Done(Ioi {
        dictionary: sae.name.clone(),
        hook,
        reaches_end: reaches_end(hook, model.config().layers)
            || prompts.iter().any(|one| one.s2 + 1 == one.tokens.len()),
        prompts: [Order::Abba, Order::Baba]
            .map(|order| prompts.iter().filter(|one| one.order == order).count()),
        ld: found.ld,
        positive: found.positive,
        features: found.features,
        error_term: found.error_term,
        noising,
    }))
}
