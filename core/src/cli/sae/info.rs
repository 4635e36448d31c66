//! `umbra sae info`: what a dictionary's files hold, from their headers.

use serde_json::{Value, json};

use super::super::{Console, Exit, hub};
use crate::error::Result;
use crate::formats::{self, Look};

/// Flags of `umbra sae info`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Dictionary: a folder or a file of any library that is read, or its name on the hub or in the registry
    #[arg(value_name = "PATH|NAME")]
    path: std::path::PathBuf,
    /// Fetch nothing: a dictionary named and not given as a path must be in the hub's cache
    #[arg(long)]
    offline: bool,
}

/// Runs it.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let located = hub::dictionary_at(&args.path, args.offline, console)?;
    let look = formats::look(&located.path)?;
    let tensors: Vec<Value> = (look.tensors.iter())
        .map(|(name, dtype, shape)| json!({ "name": name, "dtype": dtype, "shape": shape }))
        .collect();
    let object = json!({
        "path": args.path, "format": look.format.name(), "weights": look.weights, "bytes": look.bytes,
        "layers": look.layers.len(), "features": look.shape.map(|[f, _]| f), "width": look.shape.map(|[_, d]| d),
        "memory_bytes": look.memory_bytes(), "tensors": tensors,
    });
    console.answer(&object, || text(&look))?;
    Ok(Exit::Done)
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
    for (name, dtype, shape) in &look.tensors {
        lines.push(format!("  {name:<32} {dtype:<5} {shape:?}"));
    }
    lines.join("\n")
}
