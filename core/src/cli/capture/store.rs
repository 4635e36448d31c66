//! `umbra capture --store`: captures activations of a text into an activation store, and resumes an interrupted capture.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;
use serde_json::json;

use super::super::{Console, Exit, SplitArg};
use crate::capture::into_store;
use crate::error::{Error, Result};
use crate::models::{Model, Quantity};
use crate::progress::Progress;
use crate::store::{Description, Dtype, HookTensor, SEPARATE_DOCUMENTS, Writer};

/// Approximate size of a shard in bytes, unless `--shard-rows` is given.
const SHARD: usize = 128 << 20;

/// Flags of an activation store.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Activation store to write: a folder of safetensors shards that `umbra train --store` reads. Repeating the command resumes an interrupted capture
    #[arg(long, value_name = "DIR", requires = "corpus")]
    pub(super) store: Option<PathBuf>,
    /// Number type of the stored activations
    #[arg(long, value_enum, default_value_t, requires = "store")]
    dtype: DtypeArg,
    /// Store the gradient of the summed next-token cross-entropy (nats) with each activation; as bf16 where activations are f16
    #[arg(long, requires = "store")]
    gradients: bool,
    /// Rows per shard; killing the capture loses at most the unfinished shard [default: as many as fit into 128 MiB]
    #[arg(long, value_name = "N", requires = "store")]
    shard_rows: Option<usize>,
}

/// `--dtype`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum DtypeArg {
    /// 4 bytes, exact
    F32,
    /// 2 bytes, up to 65,504: a larger activation is an error
    #[default]
    F16,
    /// 2 bytes, coarser than f16, any size
    Bf16,
}

impl From<DtypeArg> for Dtype {
    fn from(dtype: DtypeArg) -> Self {
        match dtype {
            DtypeArg::F32 => Self::F32,
            DtypeArg::F16 => Self::F16,
            DtypeArg::Bf16 => Self::Bf16,
        }
    }
}

/// Runs `umbra capture --store`.
pub(super) fn run(
    args: &super::Args,
    model: &Model,
    wanted: &[Quantity],
    console: &Console,
) -> Result<Exit> {
    let hooks = hooks(model, wanted)?;
    let text = super::corpus(args, SplitArg::Train, model, console)?;
    let rows = &text.rows;
    if rows.is_empty() {
        let what = "0 rows leave nothing to capture, give 1 or more";
        return Err(Error::setting("--rows", what));
    }
    let mut about = Description {
        model: model.name().to_owned(),
        model_fingerprint: Some(model.fingerprint().to_owned()),
        processing: model.processing(),
        hooks,
        dtype: args.store.dtype.into(),
        gradients: args.store.gradients,
        context: rows.context(),
        rows: rows.len(),
        shard_rows: 1,
        prepend_bos: model.codec().bos().id.is_some(),
        mask: rows.mask().clone(),
        counted: rows.counted(),
        corpus: text.facts(),
    };
    if rows.separates_documents() {
        about
            .corpus
            .insert(SEPARATE_DOCUMENTS.to_owned(), true.into());
    }
    let usual = (SHARD / about.row_bytes()).clamp(1, about.rows.max(1));
    about.shard_rows = args.store.shard_rows.unwrap_or(usual).max(1);
    let folder = args.store.store.clone().unwrap_or_default();
    let (mut writer, notes) = Writer::open(&folder, about)?;
    console.notes(&notes);
    console.note(&rows.note());
    announce(&writer, console);
    let context = rows.context() as u64;
    let begun = Instant::now();
    let row_bytes = writer.about().row_bytes();
    let mut bar = console.bar("Capturing");
    let ended = into_store(model, rows, &mut writer, &mut |at| {
        let bytes = at.done as f64 * row_bytes as f64;
        let speed = bytes / begun.elapsed().as_secs_f64().max(1e-9);
        let tokens = Progress {
            done: at.done * context,
            total: at.total * context,
            unit: "tokens",
        };
        bar.at_with(tokens, &format!("{:.1} MB/s", speed / 1e6))
    })?;
    drop(bar);
    answer(&writer, &folder, ended.is_stopped(), console)?;
    Ok(Exit::from(&ended))
}

/// Returns the hooks of `wanted`, each once, with their widths.
fn hooks(model: &Model, wanted: &[Quantity]) -> Result<Vec<HookTensor>> {
    let mut hooks: Vec<HookTensor> = Vec::new();
    for quantity in wanted {
        let Quantity::Hook(hook) = *quantity else {
            let what = format!(
                "a store cannot hold `{quantity}`, only activations of hooks: write it with --out, or store gradients with --gradients"
            );
            return Err(Error::setting("--hook", what));
        };
        if hooks.iter().all(|there| there.hook != hook) {
            let width = model.width(hook)?;
            hooks.push(HookTensor { hook, width });
        }
    }
    Ok(hooks)
}

/// Describes the store before it is written.
fn announce(writer: &Writer, console: &Console) {
    let about = writer.about();
    let there = match writer.rows_there() {
        0 => String::new(),
        there => format!(", {there} of them are already there"),
    };
    console.note(&format!(
        "The store takes {:.1} MB: {} rows of {} tokens in {} shards of {} rows{there}",
        (about.rows * about.row_bytes()) as f64 / 1e6,
        about.rows,
        about.context,
        about.shards(),
        about.shard_rows,
    ));
}

fn answer(writer: &Writer, folder: &Path, stopped: bool, console: &Console) -> Result<()> {
    let (about, there) = (writer.about(), writer.rows_there());
    if stopped {
        console.note(&format!(
            "Stopped with {there} of {} rows written: repeat the command to resume",
            about.rows
        ));
    }
    let hooks: Vec<String> = about.hooks.iter().map(|at| at.hook.to_string()).collect();
    let object = json!({
        "store": folder, "hooks": hooks, "dtype": about.dtype.name(), "gradients": about.gradients, "context": about.context,
        "rows": there, "of": about.rows, "tokens": there * about.context, "positions": about.mask.rule, "counted": about.counted, "bytes": there * about.row_bytes(), "stopped": stopped,
    });
    console.answer(&object, || {
        format!(
            "{}\n{}\n{there} of {} rows of {} tokens as {}{}",
            folder.display(),
            hooks.join("\n"),
            about.rows,
            about.context,
            about.dtype,
            if about.gradients {
                ", with gradients"
            } else {
                ""
            }
        )
    })
}
