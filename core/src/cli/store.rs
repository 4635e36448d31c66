//! `umbra store`: shows what an activation store holds, and verifies every byte of it.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Console, Exit};
use crate::error::{Error, Result};
use crate::store::{Damage, Store, Verified};

/// Flags of `umbra store`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Read every byte and name damaged shards and tensors (exit code 1 if there are any)
    Verify {
        /// Folder of the store
        #[arg(value_name = "DIR")]
        store: PathBuf,
    },
    /// Show model, hooks, text, rows and size
    Info {
        /// Folder of the store
        #[arg(value_name = "DIR")]
        store: PathBuf,
    },
}

/// Runs `umbra store`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    match &args.verb {
        Verb::Verify { store } => verify(store, console),
        Verb::Info { store } => info(store, console),
    }
}

fn verify(folder: &PathBuf, console: &Console) -> Result<Exit> {
    let mut bar = console.bar("Verifying");
    let ended = Store::verify(folder, &mut |at| bar.at(at.in_megabytes()))?;
    drop(bar);
    let Verified {
        store,
        shards,
        damages,
    } = ended.value();
    let about = store.about();
    if store.rows() < about.rows {
        console.note(&format!(
            "The store is incomplete: {} of {} rows are written",
            store.rows(),
            about.rows
        ));
    }
    let object = json!({
        "store": folder, "rows": store.rows(), "of": about.rows, "shards": store.shards(), "verified": shards, "bytes": store.bytes(),
        "damaged": damages.iter().map(object).collect::<Vec<_>>(),
    });
    console.answer(&object, || {
        let mut lines: Vec<String> = damages.iter().map(Damage::to_string).collect();
        let sound = if damages.is_empty() {
            "sound"
        } else {
            "looked through"
        };
        lines.push(format!(
            "{shards} of {} shards {sound}, {:.1} MB",
            store.shards(),
            store.bytes() as f64 / 1e6
        ));
        lines.join("\n")
    })?;
    match damages.as_slice() {
        [] => Ok(Exit::from(&ended)),
        [first, ..] => Err(Error::input(
            format!(
                "{} tensors or files of the store are damaged, the first is {first}: delete the damaged files and repeat the capture, which writes the missing shards",
                damages.len()
            ),
            folder,
        )),
    }
}

fn object(damage: &Damage) -> Value {
    json!({ "shard": damage.shard.file_name().map(|name| name.to_string_lossy()), "tensor": damage.tensor, "problem": damage.what })
}

fn info(folder: &PathBuf, console: &Console) -> Result<Exit> {
    let (store, notes) = Store::open(folder)?;
    console.notes(&notes);
    let about = store.about();
    let tokens = store.rows() * about.context;
    let gradients = about.gradients.then(|| about.dtype.for_gradients().name());
    let hooks: Vec<Value> = about
        .hooks
        .iter()
        .map(|at| json!({ "hook": at.hook.to_string(), "width": at.width }))
        .collect();
    let object = json!({
        "store": folder, "model": about.model, "model_fingerprint": about.model_fingerprint, "processing": about.processing.keys(), "hooks": hooks, "dtype": about.dtype.name(), "gradients": gradients,
        "context": about.context, "rows": store.rows(), "of": about.rows, "tokens": tokens, "prepend_bos": about.prepend_bos, "positions": about.mask.rule, "counted": store.counted(),
        "shards": store.shards(), "shard_rows": about.shard_rows, "bytes": store.bytes(), "corpus": about.corpus,
    });
    console.answer(&object, || {
        let hooks = about.hooks.iter();
        let hooks: Vec<String> = hooks
            .map(|at| format!("{} [{}]", at.hook, at.width))
            .collect();
        let facts = about.corpus.iter();
        let facts: Vec<String> = facts.map(|(key, fact)| format!("  {key} {fact}")).collect();
        [
            format!(
                "model      {} (fingerprint {})",
                about.model,
                (about.model_fingerprint.as_deref()).unwrap_or("not written down")
            ),
            format!("processing {}", about.processing),
            format!("hooks      {}", hooks.join(", ")),
            format!("stored as  {}", about.dtype),
            format!("gradients  {}", gradients.unwrap_or("none")),
            format!(
                "rows       {} of {}, {} tokens each, {}",
                store.rows(),
                about.rows,
                about.context,
                if about.prepend_bos {
                    "begun by BOS"
                } else {
                    "without BOS"
                }
            ),
            format!("tokens     {tokens}"),
            format!(
                "trained on {} of them, {}",
                store.counted(),
                about
                    .mask
                    .rule
                    .said(Some((tokens - store.counted()) as u64))
            ),
            format!(
                "shards     {} of {} rows, {:.1} MB",
                store.shards(),
                about.shard_rows,
                store.bytes() as f64 / 1e6
            ),
            format!("text\n{}", facts.join("\n")),
        ]
        .join("\n")
    })?;
    Ok(Exit::Done)
}
