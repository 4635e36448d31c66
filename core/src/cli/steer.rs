//! `umbra steer`: continues a prompt twice from one seed, with and without edits.

mod request;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::chat::{self, ChatArgs};
use super::edits::{self, EditArgs};
use super::report::SectionArg;
use super::sampling::{self, SamplingArgs};
use super::{Console, Exit, ModelArgs};
use crate::error::{Error, Result};
use crate::ids::FeatureId;
use crate::models::Finish;
use crate::progress::{Ended, Progress};
use crate::steer::{
    self, Change, Dial, EditSpec, Event, Outcome, Proof, Sample, Session, Vector, Wanted, What,
};
use crate::text::TextCodec;
use crate::workbench::materials::Made;
use crate::workbench::{edits_file, steering};

pub use request::{steer_line, steer_request};

/// Flags of `umbra steer`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = edits::help())]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Hook of the dictionary, such as blocks.2.hook_resid_post [default: the hook that its file names]
    #[arg(long, value_name = "NAME")]
    hook: Option<String>,
    /// Feature whose decoder row to add at every position but the first; short for --edit "add feature=I strength=C"
    #[arg(long, value_name = "I", requires_all = ["strength", "sae"])]
    feature: Option<u32>,
    /// Factor of the decoder row; a negative one steers away from the feature
    #[arg(
        long,
        value_name = "C",
        allow_negative_numbers = true,
        requires = "feature"
    )]
    strength: Option<f32>,
    #[command(flatten)]
    edits: EditArgs,
    /// Write the edits to this file, which --edits reads
    #[arg(long, value_name = "FILE")]
    save_edits: Option<PathBuf>,
    /// Write the vectors that the edits add to this safetensors file: per hook their sum, F32 [d], named by the hook. `--edit "add file=FILE key=HOOK"` adds it again; only
    /// additions can be saved so
    #[arg(long, value_name = "FILE")]
    save_vectors: Option<PathBuf>,
    /// Text to continue; BOS is put before it if the model's or dictionary's rule says so and the text does not begin with it
    #[arg(long, value_name = "TEXT", required_unless_present_any = chat::INSTEAD, conflicts_with_all = chat::INSTEAD)]
    prompt: Option<String>,
    #[command(flatten)]
    chat: ChatArgs,
    #[command(flatten)]
    sampling: SamplingArgs,
    #[command(flatten)]
    section: SectionArg,
    /// Write this many pairs of texts, at most 16; the first has --seed, the second the seed after it, and so on
    #[arg(long, value_name = "N", default_value_t = 1)]
    samples: usize,
}

/// Runs `umbra steer`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let specs = specs(args)?;
    let hook = args.hook.as_deref();
    let input = args.chat.input(args.prompt.as_deref())?;
    let asked = (specs.as_slice(), hook);
    let (model, made) = args
        .edits
        .open_as(asked, Some(&input), &args.model, console)?;
    if let Some(path) = &args.save_edits {
        edits_file::save(path, specs.iter().map(|spec| (spec, true)))?;
        console.note(&format!("The edits are in {}", path.display()));
    }
    if let Some(path) = &args.save_vectors {
        made.save_vectors(&model, &specs, path)?;
        console.note(&format!("The vectors are in {}", path.display()));
    }
    // Most passes are of one token.
    args.edits.place(&made.edits, 1, console)?;
    let spelled = chat::spelled(&input, &model, console)?;
    let sampling = args.sampling.sampling();
    let mut bar = console.bar("Generating");
    let mut done = 0;
    let dial = made.dials.iter().flatten().next().cloned();
    let wanted = Wanted {
        edits: made.edits.clone(),
        dial: dial.clone(),
        samples: args.samples,
    };
    let total = 2 * sampling.tokens * args.samples;
    let mut session = Session::from_input(&model, &input, &sampling)?;
    let ended = session.run(&wanted, &mut |event| {
        if let Event::Tokens { tokens, .. } = &event {
            done += tokens.len();
        }
        bar.at(Progress::new(done, total, "tokens"))
    })?;
    drop(bar);
    let proof = steering::prove(&model, &made.edits, &spelled.tokens, ended.value())?;
    let found = (&ended, dial.as_ref(), &proof);
    let mut object = object((&specs, &made), found, model.codec());
    chat::add_to(&mut object, &input, &spelled);
    let said: Vec<String> = specs.iter().map(EditSpec::to_string).collect();
    let section = || {
        let section = ended.value().section(&input.shown(), &said, &sampling);
        section.joined(proof.section())
    };
    args.section.write(&model, section)?;
    console.answer(&object, || {
        format!("{}\n\n{}", table(ended.value()), told(&proof))
    })?;
    Ok(Exit::from(&ended))
}

/// Returns the edit of --feature, then the others.
fn specs(args: &Args) -> Result<Vec<EditSpec>> {
    let mut specs = Vec::new();
    if let (Some(feature), Some(strength)) = (args.feature, args.strength) {
        let row = Vector::Feature(FeatureId(feature));
        specs.push(EditSpec::new(What::Add(row, strength)));
    } else if args.edits.is_empty() {
        let what = "there is no edit: give --feature with --strength, --edit or --edits";
        return Err(Error::setting("--edit", what));
    }
    specs.extend(args.edits.specs()?);
    Ok(specs)
}

fn object(
    (specs, made): (&[EditSpec], &Made),
    (ended, dial, proof): (&Ended<Outcome, Outcome>, Option<&Dial>, &Proof),
    codec: &TextCodec,
) -> Value {
    let units = &made.units;
    let strengths = made.strengths(specs).into_iter().zip(&proof.edits);
    let strengths: Vec<Value> = strengths
        .map(|(strength, edit)| {
            let strength = strength?;
            let of = proof.hooks.iter().find(|hook| hook.hook == edit.hook)?;
            Some(json!({
                "raw": strength.raw,
                "stored": strength.stored,
                "row_norm": strength.row,
                "folded": strength.folded(),
                "of_mean_norm": strength.of_norm(of.norm),
            }))
        })
        .map(Into::into)
        .collect();
    let outcome = ended.value();
    let samples: Vec<Value> = outcome.samples.iter().map(|s| of(s, codec)).collect();
    let first = samples.first().and_then(Value::as_object).cloned();
    let mut value = json!({
        "edits": specs.iter().map(EditSpec::to_string).collect::<Vec<_>>(),
        "units": units,
        "strengths": strengths,
        "dial": dial.map(|dial| json!({
            "dictionary": dial.dictionary().name,
            "feature": dial.feature().0,
            "hook": dial.hook().to_string(),
        })),
        "shift": changes(&outcome.shift),
        "kl": outcome.kl,
        "samples": samples,
        "proof": proof.object(),
        "definitions": {
            "kl": steer::KL,
            "kl_generated": steer::GENERATED_KL,
            "kl_by_token": "terms of kl_generated, one per token of the steered text; the first is `kl`",
            "strengths": "edits that add a decoder row: raw multiple of the row, multiple of the row as its file stores it (another one only where reading the file rescaled rows), the row's length, the product of length and raw multiple (the multiple of the unit row), and that in multiples of the mean activation norm at the hook over the positions reached; null for other edits",
            "shift": "probabilities of the next token at the prompt's end, without edits and with them",
            "shift_generated": "mean probabilities over the distributions that the steered text's tokens were drawn from",
            "perplexity": steer::PERPLEXITY,
            "tokens": "tokens of the steered text: log p in nats by the model that wrote it and by the model without edits reading the same text, KL of the distribution it was drawn from, activation of `dial`",
            "activation": steer::ACTIVATION,
            "samples": "texts of each seed; the first is also given at the top level",
        },
        "stopped": ended.is_stopped(),
    });
    if let (Some(value), Some(first)) = (value.as_object_mut(), first) {
        value.extend(first.into_iter().filter(|(key, _)| key != "seed"));
    }
    value
}

fn changes(changes: &[Change]) -> Vec<Value> {
    let change = |change: &Change| json!({"id": change.id.0, "text": change.text, "before": change.before, "after": change.after});
    changes.iter().map(change).collect()
}

/// Returns one sample as an object.
fn of(sample: &Sample, codec: &TextCodec) -> Value {
    let generated = sample.generated.as_ref();
    let steered = &sample.steered;
    let tokens = steered.written.tokens.iter().enumerate();
    let tokens = tokens.map(|(i, id)| {
        let measure = steered.measures.get(i);
        json!({
            "id": id.0,
            "text": codec.display(*id),
            "logprob_steered": measure.map(|measure| measure.written),
            "logprob_unedited": measure.map(|measure| measure.unedited),
            "kl": measure.map(|measure| measure.kl),
            "activation": steered.activations.get(i),
        })
    });
    json!({
        "seed": sample.seed,
        "baseline": sampling::object(&sample.baseline.written),
        "steered": sampling::object(&steered.written),
        "kl_generated": generated.map(|generated| generated.kl),
        "kl_by_token": generated.map(|_| steered.measures.iter().map(|m| m.kl).collect::<Vec<_>>()),
        "shift_generated": generated.map(|generated| changes(&generated.shift)),
        "perplexity": {
            "baseline": sample.baseline.perplexity(),
            "steered": steered.perplexity(),
        },
        "tokens": tokens.collect::<Vec<_>>(),
        "baseline_activations": (!sample.baseline.activations.is_empty()).then_some(&sample.baseline.activations),
    })
}

/// Formats the proof: the conclusion, and what is without effect.
fn told(proof: &Proof) -> String {
    let mut lines = vec![proof.conclusion()];
    lines.extend(proof.idle());
    lines.join("\n")
}

fn table(outcome: &Outcome) -> String {
    let mut lines = Vec::new();
    for sample in &outcome.samples {
        if outcome.samples.len() > 1 {
            lines.push(format!("seed {}", sample.seed));
        }
        texts(sample, &mut lines);
    }
    lines.push(format!(
        "next token at the prompt's end: KL(steered ‖ baseline) {:.4} nats",
        outcome.kl
    ));
    rows(&outcome.shift, &mut lines);
    for sample in &outcome.samples {
        if let Some(generated) = &sample.generated {
            let of = match outcome.samples.len() {
                1 => String::new(),
                _ => format!(" of seed {}", sample.seed),
            };
            lines.push(format!(
                "\nnext token along the steered text{of} (mean of {}, the untouched model reading the same text): KL(steered ‖ baseline) {:.4} nats",
                sample.steered.measures.len(),
                generated.kl
            ));
            rows(&generated.shift, &mut lines);
        }
    }
    lines.push(String::new());
    lines.push(outcome.conclusion());
    lines.join("\n")
}

/// Writes both texts of a sample, how they ended, and their perplexities.
fn texts(sample: &Sample, lines: &mut Vec<String>) {
    let named = [("baseline", &sample.baseline), ("steered", &sample.steered)];
    for (name, text) in named {
        lines.extend([name.to_owned(), text.written.text.clone(), String::new()]);
    }
    for (name, text) in named {
        if let Some(Finish::Eos(token)) = text.written.finish {
            lines.push(format!(
                "{name} text ended by the model (EOS, token {token})"
            ));
        }
        if let Some(perplexity) = text.perplexity() {
            lines.push(format!(
                "{name} text: perplexity {perplexity:.2} under the untouched model ({} tokens)",
                text.measures.len()
            ));
        }
    }
}

/// Formats probabilities before and after, a line per token.
fn rows(shift: &[Change], lines: &mut Vec<String>) {
    lines.push(format!(
        "{:<16} {:>8} {:>8} {:>9}",
        "token", "before", "after", "change"
    ));
    for Change {
        text,
        before,
        after,
        ..
    } in shift
    {
        let text = format!("{text:?}");
        lines.push(format!(
            "{text:<16} {before:>8.4} {after:>8.4} {:>+9.4}",
            after - before
        ));
    }
}
