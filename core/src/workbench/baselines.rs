//! Classical baselines and canonical correlations, from a text to a dictionary with its origin and to answers as a program reads them.

use serde_json::{Value, json};

use super::text::Text;
use crate::baselines::canonical::{self, Measured, means};
use crate::baselines::{self, DEFINITIONS, Fitted, HeldOut, Spec};
use crate::error::{Notes, Result};
use crate::formats;
use crate::ids::HookPoint;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Provenance;

/// Key of a dictionary's metadata that says which baseline it is.
pub const METADATA: &str = "baseline";

/// Fits a baseline on `text` and gives the dictionary its origin, as training does: hook, text, and the model with its fingerprint.
pub fn fit(
    model: &Model,
    text: &Text,
    (spec, hook): (&Spec, HookPoint),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Fitted>> {
    model.check_hook(hook)?;
    let rows = &text.rows;
    let Ended::Done(mut fitted) = baselines::fit_at(spec, model, (rows, hook), observe)? else {
        return Ok(Ended::STOPPED);
    };
    let mut provenance = Provenance {
        hook: Some(hook),
        model: model.name().to_owned(),
        prepend_bos: Some(model.codec().bos().id.is_some()),
        context: Some(rows.context()),
        head: None,
        other: text.run_facts(model),
    };
    formats::name_processing(&mut provenance, model.processing());
    formats::name_positions(&mut provenance, rows.mask());
    formats::name_documents(&mut provenance, rows.separates_documents());
    let about = json!({
        "kind": spec.kind.name(),
        "definition": spec.kind.definition(),
        "seed": spec.seed,
        "rounds": fitted.rounds,
        "converged": fitted.converged,
        "left": fitted.left,
    });
    provenance.other.insert(METADATA.to_owned(), about);
    let tokens = json!(fitted.tokens);
    provenance
        .other
        .insert("training_tokens".to_owned(), tokens);
    fitted.sae.name = name(spec, hook);
    fitted.sae = fitted.sae.with_provenance(provenance);
    Ok(Ended::Done(fitted))
}

/// Returns the usual name of a baseline: its kind and the layer of its hook, `pca-2`.
pub fn name(spec: &Spec, hook: HookPoint) -> String {
    match hook {
        HookPoint::Block(layer, _) => format!("{}-{layer}", spec.kind),
        _ => spec.kind.to_string(),
    }
}

/// Returns what a reader must know about a fit.
pub fn notes(spec: &Spec, fitted: &Fitted) -> Notes {
    let mut notes = Notes::default();
    if !fitted.converged {
        notes.add(format!(
            "The fit of {} had not come to rest after {} rounds",
            spec.kind, fitted.rounds
        ));
    }
    let wanted = spec.features as u64;
    if fitted.left.is_some() && fitted.tokens < 10 * wanted {
        notes.add(format!(
            "{} was fitted on {} activations, fewer than 10 per feature: read its figures on held-out text",
            fitted.sae.name, fitted.tokens
        ));
    }
    notes
}

/// Returns a fit as JSON.
pub fn json(spec: &Spec, fitted: &Fitted, measured: &HeldOut) -> Value {
    let sae = &fitted.sae;
    json!({
        "name": sae.name,
        "kind": spec.kind.name(),
        "definition": spec.kind.definition(),
        "hook": sae.provenance.hook.map(|hook| hook.to_string()),
        "features": sae.features(),
        "width": sae.width(),
        "selection": sae.selection.describe(),
        "k": spec.active(),
        "seed": spec.seed,
        "tokens": fitted.tokens,
        "rounds": fitted.rounds,
        "converged": fitted.converged,
        "left": fitted.left,
        "fvu": measured.fvu,
        "l0": measured.l0,
        "held_out_tokens": measured.tokens,
        "fingerprint": sae.fingerprint(),
        "definitions": definitions(DEFINITIONS),
    })
}

/// Returns canonical correlations of the sides called `names` as JSON.
pub fn correlation_json(names: [&str; 2], measured: &Measured) -> Value {
    let (fitted, held_out) = (&measured.fitted, &measured.held_out);
    let [mean, mean_square] = means(&fitted.correlations);
    let [held_out_mean, held_out_mean_square] = means(held_out);
    json!({
        "a": names[0],
        "b": names[1],
        "correlations": fitted.correlations,
        "held_out": held_out,
        "mean": mean,
        "mean_square": mean_square,
        "held_out_mean": held_out_mean,
        "held_out_mean_square": held_out_mean_square,
        "ranks": fitted.ranks,
        "constant": fitted.constant,
        "ridge": fitted.ridge,
        "tokens": fitted.tokens,
        "held_out_tokens": measured.held_out_tokens,
        "definitions": definitions(canonical::DEFINITIONS),
    })
}

fn definitions(of: &[(&str, &str)]) -> Value {
    let entries = of.iter();
    let entries = entries.map(|(name, definition)| ((*name).to_owned(), json!(definition)));
    Value::Object(entries.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baselines::{Kind, held_out};
    use crate::fit::{Fit, Verdict};
    use crate::workbench::text::TextRequest;

    #[test]
    fn a_baseline_belongs_to_its_model_and_says_what_it_is() {
        let demo = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
        let (model, _) = Model::open(&demo.join("model")).unwrap();
        let text = TextRequest::new([demo.join("text/held-out")]);
        let text = text.read(&model, None).unwrap().sampled(Some(1_500));
        let hook: HookPoint = "blocks.1.attn.hook_z".parse().unwrap();
        let mut spec = Spec::new(Kind::KMeans, 300);
        spec.rounds = Some(1);
        let mut go_on = |_| Flow::Continue(());
        let fitted = fit(&model, &text, (&spec, hook), &mut go_on).unwrap();
        let fitted = fitted.done().unwrap();
        let sae = &fitted.sae;
        assert_eq!(sae.name, "k-means-1");
        assert_eq!(Fit::judge(&model, sae).verdict, Verdict::Proven);
        assert_eq!(sae.provenance.context, Some(text.rows.context()));
        assert_eq!(sae.provenance.other[METADATA]["kind"], "k-means");
        assert_eq!(sae.provenance.other["corpus"], "held-out");
        let said: Vec<String> = (notes(&spec, &fitted).iter().map(str::to_owned)).collect();
        assert!(said[0].contains("not come to rest after 1 rounds"));
        assert!(said[1].contains("fewer than 10 per feature"), "{said:?}");
        let measured = held_out(sae, &model, &text.rows, &mut go_on).unwrap();
        let measured = measured.done().unwrap();
        let answer = json(&spec, &fitted, &measured);
        assert_eq!(
            (&answer["k"], &answer["features"]),
            (&json!(1), &json!(300))
        );
        assert!(answer["fvu"].as_f64().unwrap() < 0.9 && answer["l0"].as_f64().unwrap() > 0.9);
        // A hook that the model lacks.
        let nowhere: HookPoint = "blocks.9.hook_resid_post".parse().unwrap();
        assert!(fit(&model, &text, (&spec, nowhere), &mut go_on).is_err());
    }
}
