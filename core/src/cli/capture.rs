//! `umbra capture`: activations of chosen hooks as safetensors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use serde_json::json;

use super::edits::{self, EditArgs};
use super::{Console, Exit, ModelArgs, model::save};
use crate::corpus::{Corpus, CorpusSpec};
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::models::{Model, Quantity, read_tensors, token_tensor};

/// Rows of a corpus are this long unless `--context` says otherwise or the model's context is shorter.
const ROW: usize = 256;

/// Flags of `umbra capture`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = edits::help())]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    source: Source,
    /// Tensor of --tokens-file that holds the token ids, [b,t]
    #[arg(long, value_name = "KEY", default_value = "tokens")]
    key: String,
    /// Make the white space inside a paragraph of --corpus one space
    #[arg(long)]
    unwrap: bool,
    /// Row length of --corpus in tokens [default: the model's context, 256 at most]
    #[arg(long, value_name = "TOKENS")]
    context: Option<usize>,
    /// Rows of --corpus at most [default: all]
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
    /// Hooks by their TransformerLens names, `logits`, `loss_sum` (cross-entropy of all next tokens), or `grad.HOOK`, the gradient of `loss_sum`;
    /// several values, may be repeated
    #[arg(long, value_name = "NAME", num_args = 1.., required = true)]
    hook: Vec<String>,
    #[command(flatten)]
    edits: EditArgs,
    /// File to write, whole or not at all: one tensor per hook, and `tokens`
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Where the tokens come from: one of three.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// Text; BOS is put before it if the model names one
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Safetensors file with token ids, used as they are
    #[arg(long, value_name = "FILE")]
    tokens_file: Option<PathBuf>,
    /// Text files, or folders of them, packed into rows
    #[arg(long, value_name = "PATH", num_args = 1..)]
    corpus: Option<Vec<PathBuf>>,
}

/// Runs `umbra capture`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let (model, edits) = args.edits.open(&args.model, console)?;
    // Read here and not by clap: a hook that does not exist is a failure (1), not wrong usage (2).
    let wanted: Vec<Quantity> = args
        .hook
        .iter()
        .map(|hook| hook.parse())
        .collect::<Result<_>>()?;
    for quantity in &wanted {
        model.check_quantity(*quantity)?;
    }
    let tokens = tokens(args, &model, console)?;
    let captured = edits.quantities(&model, &tokens, &wanted)?;
    let shapes: serde_json::Map<_, _> = captured
        .iter()
        .map(|(quantity, value)| (quantity.to_string(), json!(value.dims())))
        .collect();
    let mut tensors: BTreeMap<String, Tensor> = captured
        .into_iter()
        .map(|(quantity, value)| (quantity.to_string(), value))
        .collect();
    tensors.insert("tokens".to_owned(), tokens);
    save(tensors, &args.out)?;
    let out = args.out.display().to_string();
    let lines: Vec<String> = shapes
        .iter()
        .map(|(hook, shape)| format!("{hook} {shape}"))
        .collect();
    console.answer(&json!({"out": out, "shapes": shapes}), || {
        format!("{out}\n{}", lines.join("\n"))
    })?;
    Ok(Exit::Done)
}

fn tokens(args: &Args, model: &Model, console: &Console) -> Result<Tensor> {
    if let Some(text) = &args.source.text {
        return token_tensor(&[&model.codec().encode_with_bos(text)?]);
    }
    if let Some(path) = &args.source.tokens_file {
        return from_file(path, &args.key, model);
    }
    let spec = CorpusSpec {
        paths: args.source.corpus.clone().unwrap_or_default(),
        unwrap: args.unwrap,
    };
    let (corpus, notes) = Corpus::open(&spec)?;
    console.notes(&notes);
    let context = args.context.unwrap_or(ROW.min(model.config().context));
    let (rows, notes) = corpus.rows(model.codec(), context)?;
    console.notes(&notes);
    let rows = rows.take(args.rows.unwrap_or(usize::MAX));
    let rows: Vec<&[TokenId]> = (0..rows.len()).map(|i| rows.row(i)).collect();
    token_tensor(&rows)
}

fn from_file(path: &Path, key: &str, model: &Model) -> Result<Tensor> {
    let mut tensors = read_tensors(path)?;
    let Some(tokens) = tensors.remove(key) else {
        return Err(Error::input(
            format!("there is no tensor `{key}`, name one by --key"),
            path,
        ));
    };
    if tokens.rank() != 2 {
        let what = format!("`{key}` should be [b, t], it is {:?}", tokens.dims());
        return Err(Error::input(what, path));
    }
    let ids = tokens
        .to_dtype(DType::I64)?
        .flatten_all()?
        .to_vec1::<i64>()?;
    let vocab = model.config().vocab;
    match ids
        .iter()
        .find(|id| !usize::try_from(**id).is_ok_and(|id| id < vocab))
    {
        Some(id) => Err(Error::input(
            format!("`{key}` holds {id}, the vocabulary has {vocab} tokens"),
            path,
        )),
        None => Ok(tokens.to_dtype(DType::U32)?),
    }
}
