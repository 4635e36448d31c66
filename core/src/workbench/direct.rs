//! One call for each long piece of work, for programs that neither show its progress nor stop it. Whether a model and a dictionary belong together is decided by
//! [`super::pair::Pair`].

use std::path::Path;

use super::text::Text;
use crate::Flow;
use crate::error::{Error, Result};
use crate::eval::{self, Figures};
use crate::features::{self, Index, Source};
use crate::models::Model;
use crate::sae::Sae;
use crate::train::{self, Keeping, Spec};

/// Trains a dictionary on `text`, streamed through `model`, and returns it. The text and the model go into its metadata. [`train::run`] reports progress, stops
/// and resumes; [`super::training`] also keeps records.
pub fn train_dictionary(spec: &Spec, model: &Model, text: &Text) -> Result<Sae> {
    let mut spec = spec.clone();
    spec.facts.extend(text.run_facts(model));
    let keeping = Keeping::default();
    let outcome = train::run(&spec, model, &text.rows, &keeping, &mut |_| go_on())?;
    Ok(outcome.into_value().sae)
}

/// Measures `sae` on `text`: L0, FVU, dead share and cross-entropy. See [`eval::run`].
pub fn evaluate(model: &Model, sae: &Sae, text: &Text) -> Result<Figures> {
    let figures = eval::run(model, sae, &text.rows, &mut |_| go_on())?;
    figures.done().ok_or_else(|| unfinished("evaluation"))
}

/// Builds the feature index of `sae` over `text` into the file `out` and opens it. See [`features::build`].
pub fn build_index<P: AsRef<Path> + ?Sized>(
    model: &Model,
    sae: &Sae,
    text: &Text,
    out: &P,
) -> Result<Index> {
    let source = Source {
        corpus: text.phrase.clone(),
        fingerprint: text.fingerprint.clone(),
        ..Source::default()
    };
    let (sae, out) = (sae.by_token()?, out.as_ref());
    let built = features::build(model, sae, &text.rows, &source, out, &mut |_| go_on())?;
    built.done().ok_or_else(|| unfinished("index"))?;
    Index::open(out)
}

fn go_on() -> Flow {
    Flow::Continue(())
}

fn unfinished(what: &str) -> Error {
    Error::Numeric {
        what: format!("the {what} ended before its last row, run it again"),
    }
}
