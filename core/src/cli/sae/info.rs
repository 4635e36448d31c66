//! `umbra sae info`: shows a dictionary's files by their headers, and whether it belongs to a model.

use serde_json::{Value, json};

use super::super::{Console, Exit, ParentArg, hub, rehook};
use crate::error::Result;
use crate::fit::Fit;
use crate::formats::{self, Located, Look};
use crate::models::Model;

/// Flags of `umbra sae info`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Dictionary: a folder or file of any supported library, or a name on the hub or in the registry
    #[arg(value_name = "PATH|NAME")]
    path: std::path::PathBuf,
    /// Never use the network: a dictionary given by name must be in the hub's cache
    #[arg(long)]
    offline: bool,
    /// Also read the weights, and print the fingerprints of the dictionary and of this model, and whether they belong together
    #[arg(long, value_name = "PATH|NAME")]
    model: Option<std::path::PathBuf>,
    /// Hook of the dictionary [default: the hook that its file names]
    #[arg(long, value_name = "NAME", requires = "model")]
    hook: Option<String>,
    #[command(flatten)]
    parent: ParentArg,
}

/// Runs `umbra sae info`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let located = hub::dictionary_at(&args.path, args.offline, console)?;
    let look = formats::look(&located.path)?;
    let tensors: Vec<Value> = (look.tensors.iter())
        .map(|(name, dtype, shape)| json!({ "name": name, "dtype": dtype, "shape": shape }))
        .collect();
    let fit = fit(args, &located, console)?;
    let mut object = json!({
        "path": args.path, "format": look.format.name(), "weights": look.weights, "bytes": look.bytes,
        "layers": look.layers.len(), "features": look.shape.map(|[f, _]| f), "width": look.shape.map(|[_, d]| d),
        "memory_bytes": look.memory_bytes(), "tensors": tensors,
    });
    if let Some(parent) = &look.parent {
        object["parent"] = json!({
            "name": parent.name, "part": parent.part.name(), "path": parent.path, "there": parent.path.exists(), "fingerprint": parent.fingerprint,
        });
    }
    if let Some((sae, model, fit)) = &fit {
        object["fingerprint"] = json!(sae);
        object["model_fingerprint"] = json!(model);
        object["fit"] = json!({ "verdict": fit.verdict.name(), "why": fit.why });
    }
    console.answer(&object, || {
        let mut lines = text(&look);
        if let Some((sae, model, fit)) = &fit {
            let more = format!("\nfingerprint {sae}\nthe model's {model}\n{fit}");
            lines.push_str(&more);
        }
        lines
    })?;
    Ok(Exit::Done)
}

/// Returns the fingerprints of dictionary and model, and whether they belong together, if a model is named.
fn fit(args: &Args, located: &Located, console: &Console) -> Result<Option<(String, String, Fit)>> {
    let Some(model) = &args.model else {
        return Ok(None);
    };
    let (mut sae, notes) = located.open_among(&args.parent.places(&located.path))?;
    console.notes(&notes);
    if let Some(hook) = &args.hook {
        rehook(&mut sae, hook.parse()?)?;
    }
    let (model, notes) = Model::open(&hub::path_of(model, args.offline, console)?)?;
    console.notes(&notes);
    let fit = Fit::judge(&model, &sae);
    Ok(Some((
        sae.fingerprint(),
        model.fingerprint().to_owned(),
        fit,
    )))
}

fn text(look: &Look) -> String {
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let mut lines = vec![format!(
        "{}: {}, {:.1} MB",
        look.format.name(),
        look.weights.display(),
        megabytes(look.bytes)
    )];
    if let (Some([f, d]), Some(memory)) = (look.shape, look.memory_bytes()) {
        let memory = megabytes(memory);
        let of = match look.layers.len() {
            0 => String::new(),
            layers => format!("a cross-layer transcoder of {layers} layers, each of "),
        };
        lines.push(format!(
            "{of}{f} features, {d} wide, {memory:.1} MB in memory"
        ));
    }
    if let Some(parent) = &look.parent {
        let there = if parent.path.exists() {
            ""
        } else {
            ", which is missing"
        };
        lines.push(format!(
            "reads {} in {}{there}",
            parent.said(),
            parent.path.display()
        ));
    }
    for (name, dtype, shape) in &look.tensors {
        lines.push(format!("  {name:<32} {dtype:<5} {shape:?}"));
    }
    lines.join("\n")
}
