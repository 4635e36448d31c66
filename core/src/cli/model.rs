//! `umbra model`: shows a model, writes logits, generates text, and compares a model with reference values.

mod attention;
mod generate;
mod lens;
mod tokens;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::{DType, Tensor};
use serde_json::json;

use super::edits::{self, EditArgs};
use super::{Console, Exit, ModelArgs, words};
use crate::error::{Error, Result};
use crate::ids::TokenId;
use crate::models::{Ends, Footprint, Form, Model, NormKind, token_tensor};
use crate::whole_file;

/// Flags of `umbra model`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show a model's family, shape, size on disk and in memory, tokenizer and BOS policy, without loading it
    Info(InfoArgs),
    /// Write the logits of a text as safetensors: tokens [1,t], logits [1,t,v]
    Logits(LogitsArgs),
    /// Continue a prompt, streaming the text
    Generate(generate::Args),
    /// Show each layer's prediction at every position (logit lens)
    Lens(lens::Args),
    /// Show attention: figures of all heads, or the weights of one
    Attention(attention::Args),
    /// Compare all hooks with reference values, or check relations between them
    Verify(verify::Args),
}

#[derive(Debug, clap::Args)]
struct InfoArgs {
    #[command(flatten)]
    model: ModelArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_long_help = edits::help())]
struct LogitsArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    text: PromptArgs,
    #[command(flatten)]
    edits: EditArgs,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `--text` or `--tokens`.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct PromptArgs {
    /// Text; BOS is put before it if the model's or dictionary's rule says so and the text does not begin with it
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Token ids, used unchanged, without BOS before them
    #[arg(long, value_name = "1,2,3", value_delimiter = ',')]
    tokens: Option<Vec<u32>>,
}

/// Runs `umbra model`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    match &args.verb {
        Verb::Info(args) => info(args, console),
        Verb::Logits(args) => logits(args, console),
        Verb::Generate(args) => generate::run(args, console),
        Verb::Lens(args) => lens::run(args, console),
        Verb::Attention(args) => attention::run(args, console),
        Verb::Verify(args) => verify::run(args, console),
    }
}

fn info(args: &InfoArgs, console: &Console) -> Result<Exit> {
    let card = args.model.card(console)?;
    let config = &card.config;
    let bos = card.codec.bos();
    let norm = match config.norm {
        NormKind::LayerNorm => "LayerNorm",
        NormKind::RmsNorm => "RMSNorm",
    };
    let footprint = &card.footprint;
    let stored: serde_json::Map<_, _> = footprint
        .stored
        .iter()
        .map(|(kind, numbers)| ((*kind).to_owned(), json!(numbers)))
        .collect();
    let why = words::said(&bos.why);
    let eos: Vec<u32> = card.ends.ids.iter().map(|id| id.0).collect();
    let mut object = json!({
        "name": card.name, "family": config.family, "layers": config.layers, "d_model": config.d_model,
        "heads": config.heads, "kv_heads": config.kv_heads, "d_head": config.d_head, "d_mlp": config.d_mlp,
        "vocab": config.vocab, "context": config.context, "norm": norm, "norm_eps": config.norm_eps,
        "parameters": footprint.parameters, "disk_bytes": footprint.disk_bytes, "memory_bytes": footprint.memory_bytes,
        "stored": stored, "kept_as_stored": footprint.form == Form::Stored, "tokenizer_tokens": card.codec.vocab_size(),
        "bos": bos.id.map(|id| id.0), "bos_why": why, "eos": eos, "eos_why": card.ends.why, "fingerprint": card.fingerprint()?, "processing": card.processing.keys(), "facts": card.facts,
    });
    let template = card.codec.chat_template();
    let template = template.map(|template| template.origin().display().to_string());
    object["chat_template"] = json!(template);
    let fingerprint = card.fingerprint()?;
    console.answer(&object, || {
        let bos = bos
            .id
            .map_or_else(|| format!("none ({why})"), |id| format!("{id} ({why})"));
        [
            format!("{} ({})", card.name, config.family),
            format!(
                "{} layers, width {}, {} heads of {} ({} for keys and values), MLP {}",
                config.layers,
                config.d_model,
                config.heads,
                config.d_head,
                config.kv_heads,
                config.d_mlp
            ),
            format!(
                "vocabulary {}, context {}, {norm}",
                config.vocab, config.context
            ),
            takes(footprint),
            format!("BOS {bos}"),
            format!("fingerprint {fingerprint}"),
            format!("EOS {}", ends(&card.ends)),
            format!("chat template {}", template.as_deref().unwrap_or("none")),
        ]
        .into_iter()
        .chain(card.facts.clone())
        .collect::<Vec<_>>()
        .join("\n")
    })?;
    Ok(Exit::Done)
}

/// Formats `0, 7 (config.json has eos_token_id [0,7])`.
fn ends(ends: &Ends) -> String {
    let ids: Vec<_> = ends.ids.iter().map(ToString::to_string).collect();
    let ids = if ids.is_empty() {
        "none".to_owned()
    } else {
        ids.join(", ")
    };
    format!("{ids} ({})", ends.why)
}

/// Formats `134515008 parameters (Q4_1, F32), 98.4 MB on disk, 538.1 MB in memory as f32`.
pub(super) fn takes(footprint: &Footprint) -> String {
    let kinds: Vec<_> = footprint.stored.iter().map(|(kind, _)| *kind).collect();
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    format!(
        "{} parameters ({}), {:.1} MB on disk, {:.1} MB in memory as {}",
        footprint.parameters,
        kinds.join(", "),
        megabytes(footprint.disk_bytes),
        megabytes(footprint.memory_bytes),
        match footprint.form {
            Form::F32 => "f32",
            Form::Stored => "stored",
        }
    )
}

fn logits(args: &LogitsArgs, console: &Console) -> Result<Exit> {
    whole_file::check(&args.out)?;
    let (model, edits) = args.edits.open((usize::MAX, None), &args.model, console)?;
    let tokens = args.text.tokens(&model, console)?;
    let input = token_tensor(&[&tokens])?;
    let logits = edits.logits(&model, &input)?;
    let shape = logits.dims().to_vec();
    let tensors = [("tokens".to_owned(), input), ("logits".to_owned(), logits)];
    save(tensors.into(), &args.out)?;
    let out = args.out.display().to_string();
    console.answer_beside(&args.out, &json!({"out": out, "shape": shape}), || {
        format!("{out}: logits {shape:?}")
    })?;
    Ok(Exit::Done)
}

/// Checks that there are tokens and that the vocabulary has them.
fn check_tokens(tokens: &[TokenId], model: &Model) -> Result<()> {
    let vocab = model.config().vocab;
    if tokens.is_empty() {
        return Err(Error::setting(
            "--text",
            "it has no token, give a longer text",
        ));
    }
    match tokens.iter().find(|token| token.index() >= vocab) {
        Some(token) => Err(Error::setting(
            "--tokens",
            format!("{token} is not a token, the vocabulary has {vocab}"),
        )),
        None => Ok(()),
    }
}

/// Writes tensors as one safetensors file; token ids become i64, as other libraries expect.
pub(super) fn save(tensors: BTreeMap<String, Tensor>, out: &std::path::Path) -> Result<()> {
    let mut widened = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        let dtype = if tensor.dtype() == DType::U32 {
            DType::I64
        } else {
            DType::F32
        };
        widened.push((name, tensor.to_dtype(dtype)?.contiguous()?));
    }
    let bytes = safetensors::serialize(widened, None).map_err(|reason| {
        Error::input(format!("cannot be written as safetensors ({reason})"), out)
    })?;
    whole_file::write_bytes(out, &bytes)
}
