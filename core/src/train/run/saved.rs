//! The dictionary of a run as it stands, with what its metadata say.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Run;
use crate::VERSION;
use crate::sae::{Role, Sae};
use crate::train::event::Point;
use crate::train::step::Trainer;

impl Run<'_> {
    /// Returns the dictionary of `trainer`, whose weights are on the host, with `figures` in its metadata.
    pub(super) fn sae(&self, trainer: &Trainer, figures: Point) -> Sae {
        let mut sae = trainer.sae();
        sae.input_norm = self.preparation.norm;
        sae.name = format!("{} · {} features", self.spec.hook, self.spec.features);
        sae.provenance = self.provenance.clone();
        if let Some(of) = &self.spec.on {
            sae.read_error(Arc::clone(of));
        }
        if let Role::Transcoder(transcoder) = &mut sae.role {
            transcoder.hook_out = Some(self.spec.writes());
        }
        let other = &mut sae.provenance.other;
        other.extend(self.spec.facts.clone());
        let settings = (self.spec.settings())
            .filter_map(|s| Some((s.key.to_owned(), Value::from(self.spec.get(s.key).ok()?))));
        other.insert("settings".to_owned(), Value::Object(settings.collect()));
        other.insert("umbra_version".to_owned(), json!(VERSION));
        other.insert("seed".to_owned(), json!(self.spec.seed));
        other.insert("tokens_seen".to_owned(), json!(trainer.tokens_seen()));
        if let Some((law, explained)) = trainer.law() {
            let law = json!({ "alpha": law.alpha, "beta": law.beta, "r2": explained });
            other.insert("zipf".to_owned(), law);
        }
        other.insert("activation_variance_scale".to_owned(), json!(trainer.scale));
        // A snapshot's are of one step, those at the end of all that are kept.
        let over = if figures == self.metrics.now() {
            1
        } else {
            self.metrics.kept()
        };
        let (l0, fvu) = (figures.l0, figures.fvu);
        let dead = figures.dead_fraction;
        let mut named =
            json!({ "l0": l0, "fvu": fvu, "dead_fraction": dead, "loss": figures.loss });
        named["over_steps"] = over.into();
        if let (Some(l0), Some(fvu)) = (figures.inference_l0, figures.inference_fvu) {
            named["inference_l0"] = l0.into();
            named["inference_fvu"] = fvu.into();
        }
        if let Some(norm) = figures.gradient_norm {
            named["gradient_norm"] = norm.into();
            named["clipped_fraction"] = figures.clipped_fraction.into();
        }
        other.insert("training_figures".to_owned(), named);
        sae
    }
}
