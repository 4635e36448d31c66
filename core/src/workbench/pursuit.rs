//! Encoder against pursuit on a text, and the result kept with a project: for the command line and the window.

use serde_json::json;

use super::pair::Pair;
use super::text::Text;
use crate::dark_matter::pursuit::{Comparison, STUDY, Settings, compare as compared};
use crate::error::Result;
use crate::ids::FeatureId;
use crate::progress::{Ended, Flow, Progress};
use crate::project::{MadeWith, Project};

/// Compares the encoder of `pair` with pursuit on `text` and, unless it is stopped, keeps the result with `project`.
pub fn compare(
    (pair, text): (&Pair, &Text),
    settings: Settings,
    focus: Option<FeatureId>,
    project: Option<&Project>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Comparison>> {
    let (model, sae) = (&*pair.model, &*pair.sae);
    let ended = compared((model, sae), &text.rows, settings, focus, observe)?;
    if let (Ended::Done(comparison), Some(project)) = (&ended, project) {
        let texts = [(text.phrase.as_str(), text.fingerprint.as_str())];
        let settings = json!({ "pursuit": settings, "positions": text.rows.mask().rule, "tokens": comparison.tokens });
        let made = MadeWith::new(model, &[sae], &texts, &settings)?;
        project.keep_study(STUDY, &sae.name, &made, comparison)?;
    }
    Ok(ended)
}
