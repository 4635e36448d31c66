//! Decides whether an index belongs to a dictionary and a model.

use super::About;
use crate::fit::{Fit, Made, Verdict};
use crate::models::Model;
use crate::sae::Sae;

impl Fit {
    /// Judges whether the index that `about` describes was built with `sae` and `model`, as far as these are given.
    pub fn of_index(about: &About, model: Option<&Model>, sae: Option<&Sae>) -> Self {
        if let Some(sae) = sae.filter(|sae| sae.features() != about.features) {
            let why = format!(
                "The index of {} has {} features, {} has {}: choose the index's dictionary, or build the index again",
                about.sae,
                about.features,
                sae.name,
                sae.features()
            );
            return Self::new(Verdict::Unfit, why);
        }
        let known = !about.model_fingerprint.is_empty();
        let what = format!("The index of {}", about.sae);
        let made = Made {
            what: &what,
            remedy: "build the index again",
            sae: &about.sae,
            sae_fingerprint: known.then_some(&about.sae_fingerprint),
            model: &about.model,
            model_fingerprint: known.then_some(&about.model_fingerprint),
        };
        Self::of_made(made, model, sae)
    }
}
