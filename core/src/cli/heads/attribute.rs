//! `umbra heads attribute`: where the pre-activation of a feature at one token comes from, by head and source token.

use serde_json::{Map, Value, json};

use super::last;
use crate::cli::{Console, Exit, ModelArgs, SaeArgs, open_both};
use crate::error::Result;
use crate::heads::attribution::{Attribution, DEFINITIONS, attribute};
use crate::ids::FeatureId;
use crate::prompt::Input;
use crate::workbench::pair::Pair;

/// Flags of `umbra heads attribute`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    /// Text in which to attribute the feature
    #[arg(long, value_name = "TEXT")]
    text: String,
    /// Feature, counted from 0
    #[arg(long, value_name = "I")]
    feature: u32,
    /// Position of the token at which to attribute, counted from 0 (BOS) [default: the last]
    #[arg(long, value_name = "P")]
    at: Option<usize>,
}

/// Runs `umbra heads attribute`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let Pair { model, sae, .. } = open_both(&args.model, &args.sae, console)?;
    console.begun(model.codec(), &args.text)?;
    let at = args.at.map_or_else(|| last(&model, &args.text), Ok)?;
    let input = Input::Text(args.text.clone());
    let feature = FeatureId(args.feature);
    let found = attribute(&model, sae.autoencoder()?, &input, feature, at)?;
    console.answer(&object(&found), || table(&found))?;
    Ok(Exit::Done)
}

/// Parts of one head and one source token that are printed.
const LARGEST: usize = 5;

/// Returns the largest parts in size, with head and source token, largest first.
fn largest(found: &Attribution, most: usize) -> Vec<(usize, usize, f32)> {
    let rows = found.by_head_and_source.iter_rows().enumerate();
    let mut parts: Vec<(usize, usize, f32)> = rows
        .flat_map(|(head, row)| {
            row.iter()
                .enumerate()
                .map(move |(s, part)| (head, s, *part))
        })
        .filter(|(.., part)| *part != 0.0)
        .collect();
    parts.sort_by(|a, b| b.2.abs().total_cmp(&a.2.abs()));
    parts.truncate(most);
    parts
}

fn object(found: &Attribution) -> Value {
    let rows: Vec<&[f32]> = found.by_head_and_source.iter_rows().collect();
    let definitions: Map<String, Value> = DEFINITIONS
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    json!({
        "feature": found.feature.0,
        "at": found.at,
        "tokens": found.texts,
        "by_head_and_source": rows,
        "by_head": found.by_head(),
        "by_source": found.by_source(),
        "pre_activation": found.pre_activation,
        "decoder_bias": found.decoder_bias,
        "encoder_bias": found.encoder_bias,
        "residue": found.residue(),
        "tolerance": found.tolerance(),
        "active": found.active,
        "activation": found.activation,
        "cut_off": found.cut_off,
        "below_cut_off": found.is_below_cut_off(),
        "explained": found.explained,
        "definitions": definitions,
    })
}

fn table(found: &Attribution) -> String {
    let mut lines = vec![
        format!(
            "feature {} at token {} {:?}: pre-activation {:.4}",
            found.feature, found.at, found.texts[found.at], found.pre_activation
        ),
        found.explained.clone(),
        String::new(),
    ];
    let by_source = found.by_source();
    for (source, (text, value)) in found.texts.iter().zip(by_source).enumerate() {
        if source <= found.at {
            let text = format!("{text:?}");
            lines.push(format!("{source:>4} {text:<16} {value:>10.4}"));
        }
    }
    for (head, value) in found.by_head().iter().enumerate() {
        lines.push(format!("{:<21} {value:>10.4}", format!("head {head}")));
    }
    lines.push("largest parts".to_owned());
    for (head, source, part) in largest(found, LARGEST) {
        let pair = format!("head {head} ← {source} {:?}", found.texts[source]);
        lines.push(format!("{pair:<21} {part:>10.4}"));
    }
    lines.push(format!(
        "sum − (pre-activation + {:.4} − {:.4}) = {:.1e}, rounding allows {:.1e}",
        found.decoder_bias,
        found.encoder_bias,
        found.residue(),
        found.tolerance()
    ));
    lines.join("\n")
}
