//! `umbra capture`: writes activations of chosen hooks as one safetensors file or as an activation store.

mod store;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Tensor};
use clap::ArgGroup;
use serde_json::json;

use super::edits::{self, EditArgs};
use super::{Console, CorpusArgs, DocumentsArg, Exit, ModelArgs, SplitArg, model::save};
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::models::{Model, Quantity, read_tensors, token_tensor};
use crate::steer::Edits;
use crate::whole_file;
use crate::workbench::text::{Most, Text, TextRequest};

/// Flags of `umbra capture`.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = edits::help(),
    group = ArgGroup::new("source").args(["text", "tokens_file", "corpus"]).required(true),
    group = ArgGroup::new("target").args(["out", "store"]).required(true),
    mut_arg("corpus", |arg| arg.required(false))
)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Text; BOS is put before it if the model's or dictionary's rule says so and the text does not begin with it
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Safetensors file with token ids, used unchanged
    #[arg(long, value_name = "FILE")]
    tokens_file: Option<PathBuf>,
    /// Tensor of --tokens-file that holds the token ids, [b,t]
    #[arg(long, value_name = "KEY", default_value = "tokens")]
    key: String,
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Part of --corpus to read [default: train with --store, else all]
    #[arg(long, value_enum)]
    split: Option<SplitArg>,
    /// Largest number of rows of --corpus [default: all]
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
    /// Hooks by their TransformerLens names, `logits`, `loss_sum` (summed cross-entropy of next tokens), or `grad.HOOK`, the gradient of `loss_sum`. Takes
    /// several values and may be repeated
    #[arg(long, value_name = "NAME", num_args = 1.., required = true)]
    hook: Vec<String>,
    #[command(flatten)]
    edits: EditArgs,
    #[command(flatten)]
    documents: DocumentsArg,
    /// File to write: one tensor per hook, and `tokens`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    store: store::Args,
}

/// Runs `umbra capture`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    if let Some(out) = &args.out {
        whole_file::check(out)?;
    }
    let (model, edits) = args.edits.open((usize::MAX, None), &args.model, console)?;
    // Parsed here rather than by clap: an unknown hook is a failure (exit code 1), not wrong usage (2).
    let wanted: Vec<Quantity> = args
        .hook
        .iter()
        .map(|hook| hook.parse())
        .collect::<Result<_>>()?;
    for quantity in &wanted {
        model.check_quantity(*quantity)?;
    }
    match &args.out {
        Some(out) => into_file(args, out, (&model, &edits), &wanted, console),
        None if !edits.is_empty() => {
            let what =
                "a store holds activations without edits; write edited activations with --out";
            Err(Error::setting("--edit", what))
        }
        None => store::run(args, &model, &wanted, console),
    }
}

fn into_file(
    args: &Args,
    out: &Path,
    (model, edits): (&Model, &Edits),
    wanted: &[Quantity],
    console: &Console,
) -> Result<Exit> {
    let tokens = tokens(args, model, console)?;
    let apart = args.documents.separate_documents == Some(true);
    let model = if apart {
        &model.clone().with_separate_documents()?
    } else {
        model
    };
    let captured = edits.quantities(model, &tokens, wanted)?;
    let shapes: serde_json::Map<_, _> = captured
        .iter()
        .map(|(quantity, value)| (quantity.to_string(), json!(value.dims())))
        .collect();
    let mut tensors: BTreeMap<String, Tensor> = captured
        .into_iter()
        .map(|(quantity, value)| (quantity.to_string(), value))
        .collect();
    tensors.insert("tokens".to_owned(), tokens);
    save(tensors, out)?;
    let name = out.display().to_string();
    let lines: Vec<String> = shapes
        .iter()
        .map(|(hook, shape)| format!("{hook} {shape}"))
        .collect();
    console.answer_beside(out, &json!({"out": name, "shapes": shapes}), || {
        format!("{name}\n{}", lines.join("\n"))
    })?;
    Ok(Exit::Done)
}

fn tokens(args: &Args, model: &Model, console: &Console) -> Result<Tensor> {
    if let Some(text) = &args.text {
        console.begun(model.codec(), text)?;
        return token_tensor(&[&model.codec().encode_with_bos(text)?]);
    }
    if let Some(path) = &args.tokens_file {
        return from_file(path, &args.key, model);
    }
    let rows = corpus(args, SplitArg::All, model, console)?.rows;
    let rows: Vec<&[TokenId]> = (0..rows.len()).map(|i| rows.row(i)).collect();
    token_tensor(&rows)
}

/// Reads the text, `--rows` of its rows at most.
fn corpus(args: &Args, usual: SplitArg, model: &Model, console: &Console) -> Result<Text> {
    let asked = (args.edits.positions, args.documents);
    let request = args.corpus.request(asked, args.model.offline, console)?;
    let request = TextRequest {
        part: args.split.unwrap_or(usual).into(),
        most: args.rows.map(Most::Rows),
        ..request
    };
    let text = request.read(model, None)?;
    console.notes(&text.notes);
    Ok(text)
}

fn from_file(path: &Path, key: &str, model: &Model) -> Result<Tensor> {
    let mut tensors = read_tensors(path)?;
    let Some(tokens) = tensors.remove(key) else {
        return Err(Error::missing(key, path, "name a tensor by --key"));
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
