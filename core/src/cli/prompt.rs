//! `umbra prompt`: shows the strongest features of each token of one text, or of the row of an index's example.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Console, DeviceArg, Exit, MismatchArgs, ModelArgs, SaeArgs, open_both};
use crate::error::{Error, Result};
use crate::features::{Index, Passage};
use crate::fit::Fit;
use crate::ids::FeatureId;
use crate::models::Model;
use crate::prompt::{self, Reading};
use crate::workbench::pair::Pair;

/// Number of features per token.
const MOST: usize = 10;
/// Number of features printed per token without `--json`.
const SHOWN: usize = 5;

/// Flags of `umbra prompt`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    /// Text to read; BOS is put before it if the model's or dictionary's rule says so and the text does not begin with it
    #[arg(
        long,
        value_name = "TEXT",
        required_unless_present = "index",
        conflicts_with = "index"
    )]
    text: Option<String>,
    /// Index of the dictionary: read the token row of one of its examples, unchanged, instead of a text
    #[arg(long, value_name = "FILE", requires = "feature")]
    index: Option<PathBuf>,
    /// Feature of the index whose example to read, counted from 0
    #[arg(long, value_name = "I", requires = "index")]
    feature: Option<u32>,
    /// Number of the example, from 1: the strongest first, then those of the intervals, as in `umbra index show`
    #[arg(long, value_name = "N", requires = "index", default_value_t = 1)]
    example: usize,
    #[command(flatten)]
    mismatch: MismatchArgs,
    #[command(flatten)]
    device: DeviceArg,
}

/// Example of an index, and its activation as read again.
struct Opened {
    feature: FeatureId,
    passage: Passage,
    again: f32,
}

/// Runs `umbra prompt`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let Pair { model, sae, .. } = open_both(&args.model, &args.sae, console)?;
    let (reading, opened) = match (&args.index, args.feature, &args.text) {
        (Some(index), Some(feature), _) => {
            let index = Index::open(index)?;
            let fit = Fit::of_index(index.about(), Some(&model), Some(&sae));
            args.mismatch.check(&fit, console)?;
            index.check_features(&sae)?;
            let feature = FeatureId(feature);
            let passage = index.example(feature, args.example)?;
            let at_once = passage.ids.len();
            args.device.place(&*sae, (at_once, false), console)?;
            let reading = prompt::read_input(&model, sae.autoencoder()?, &passage.input(), 0)?;
            if passage.position >= reading.tokens.len() {
                return Err(beyond(&model, &passage));
            }
            let again = reading.latents.get(passage.position, feature);
            let opened = Opened {
                feature,
                passage,
                again,
            };
            (reading, Some(opened))
        }
        (.., text) => {
            let text = text.as_deref().unwrap_or_default();
            let at_once = model.codec().encode_with_bos(text)?.len();
            args.device.place(&*sae, (at_once, false), console)?;
            (prompt::read(&model, sae.autoencoder()?, text, 0)?, None)
        }
    };
    if let Some(note) = &reading.bos {
        console.note(note);
    }
    if reading.cut > 0 {
        let kept = reading.tokens.len();
        console.note(&format!(
            "The text is cut to the model's context of {kept} tokens, {} are cut",
            reading.cut
        ));
    }
    let opened = opened.as_ref();
    console.answer(&object(&reading, opened), || table(&reading, opened))?;
    Ok(Exit::Done)
}

fn beyond(model: &Model, passage: &Passage) -> Error {
    let what = format!(
        "the example is at position {} of its row, {} takes {} tokens: open the model of the index",
        passage.position,
        model.name(),
        model.config().context
    );
    Error::setting("--example", what)
}

fn object(reading: &Reading, opened: Option<&Opened>) -> Value {
    let token = |t: usize| {
        let features: Vec<Value> = reading
            .strongest(t, MOST)
            .into_iter()
            .map(|(feature, activation)| json!({"feature": feature.0, "activation": activation}))
            .collect();
        json!({"id": reading.tokens[t].0, "text": reading.texts[t], "features": features})
    };
    let mut object = json!({"tokens": (0..reading.tokens.len()).map(token).collect::<Vec<_>>()});
    if let Some(opened) = opened {
        let passage = &opened.passage;
        object["example"] = json!({
            "feature": opened.feature.0,
            "document": passage.document,
            "row": passage.row,
            "position": passage.position,
            "activation": opened.again,
            "activation_in_index": passage.act,
        });
    }
    object
}

fn table(reading: &Reading, opened: Option<&Opened>) -> String {
    let line = |(t, text): (usize, &String)| {
        let features: Vec<_> = reading
            .strongest(t, SHOWN)
            .into_iter()
            .map(|(feature, activation)| format!("{feature}: {activation:.3}"))
            .collect();
        format!("{t:>4} {text:<16?}  {}", features.join("  "))
    };
    let mut lines: Vec<_> = reading.texts.iter().enumerate().map(line).collect();
    if let Some(opened) = opened {
        let passage = &opened.passage;
        lines.push(format!(
            "feature {} at {}: {:.4}, in the index {:.4}",
            opened.feature,
            passage.describe(),
            opened.again,
            passage.act
        ));
    }
    lines.join("\n")
}
