//! `umbra prompt`: shows the features of each token of one text, or of the row of an index's example, ranked by surprise where there is an index.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Console, DeviceArg, Exit, MismatchArgs, ModelArgs, SaeArgs, open_both};
use crate::error::{Error, Result};
use crate::features::{Firing, Index, Name, Passage, Preview, Ranked, Rarity};
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
        required_unless_present = "feature",
        conflicts_with = "feature"
    )]
    text: Option<String>,
    /// Index of the dictionary: features are ranked by surprise, (|a| / max |a|) · log2(1 / density), and those denser than 10 % are listed apart
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
    /// Feature of the index: read the token row of one of its examples, unchanged, instead of a text; counted from 0
    #[arg(long, value_name = "I", requires = "index")]
    feature: Option<u32>,
    /// Number of the example, from 1: the strongest first, then those of the intervals, as in `umbra index show`
    #[arg(long, value_name = "N", requires = "feature", default_value_t = 1)]
    example: usize,
    /// Order of a token's features: surprise needs an index and is the default with one
    #[arg(long, value_name = "ORDER")]
    rank: Option<Rank>,
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

/// Order of a token's features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Rank {
    /// Most surprising first, dense features apart
    Surprise,
    /// Largest activation in size first
    Activation,
}

/// Runs `umbra prompt`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    if args.rank == Some(Rank::Surprise) && args.index.is_none() {
        let what = "surprise is measured by an index: give one with --index, or rank by activation";
        return Err(Error::setting("--rank", what));
    }
    let pair = open_both(&args.model, &args.sae, console)?;
    let index = match &args.index {
        Some(path) => Some(fitting(path, args, &pair, console)?),
        None => None,
    };
    let Pair { model, sae, .. } = &pair;
    let (reading, opened) = match (&index, args.feature, &args.text) {
        (Some(index), Some(feature), _) => {
            let feature = FeatureId(feature);
            let passage = index.example(feature, args.example)?;
            let at_once = passage.ids.len();
            args.device.place(&**sae, (at_once, false), console)?;
            let reading = prompt::read_input(model, sae.autoencoder()?, &passage.input(), 0)?;
            if passage.position >= reading.tokens.len() {
                return Err(beyond(model, &passage));
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
            args.device.place(&**sae, (at_once, false), console)?;
            (prompt::read(model, sae.autoencoder()?, text, 0)?, None)
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
    let wanted = index.filter(|_| args.rank != Some(Rank::Activation));
    let rarity = match &wanted {
        Some(index) => Some(Rarity::new(&index.summaries()?)),
        None => None,
    };
    let mut shown = Shown {
        reading: &reading,
        opened: opened.as_ref(),
        rarity: rarity.as_ref(),
        names: Vec::new(),
    };
    if let Some(index) = &wanted {
        shown.names = named(index, &shown.first())?;
    }
    console.answer(&shown.object(), || shown.table())?;
    Ok(Exit::Done)
}

/// Opens the index at `path`, which must be of the dictionary and the model.
fn fitting(path: &Path, args: &Args, pair: &Pair, console: &Console) -> Result<Index> {
    let index = Index::open(path)?;
    let fit = Fit::of_index(index.about(), Some(&pair.model), Some(&pair.sae));
    args.mismatch.check(&fit, console)?;
    index.check_features(&pair.sae)?;
    Ok(index)
}

/// Returns the names of features, by the tokens at which they peak.
fn named(index: &Index, features: &[FeatureId]) -> Result<Vec<(FeatureId, String)>> {
    let previews = index.previews(features)?;
    let name = |preview: &Preview| Name::new(None, preview.peak.as_ref()).to_string();
    let names = previews.iter().map(name);
    Ok(features.iter().copied().zip(names).collect())
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

/// Lines that are printed.
struct Shown<'a> {
    reading: &'a Reading,
    opened: Option<&'a Opened>,
    /// The index's figures, if features are ranked by surprise.
    rarity: Option<&'a Rarity>,
    /// Names of the features that come first at a token, if they are ranked by surprise.
    names: Vec<(FeatureId, String)>,
}

impl Shown<'_> {
    /// The features of a token by surprise; none where they are ranked by activation.
    fn ranked(&self, t: usize) -> Option<Ranked> {
        self.rarity.map(|rarity| rarity.rank(self.reading, t))
    }

    /// Features that are among the first [`SHOWN`] of a token, each once, ascending.
    fn first(&self) -> Vec<FeatureId> {
        let ranked = (0..self.reading.tokens.len()).filter_map(|t| self.ranked(t));
        let shown = |ranked: Ranked| {
            let first = ranked.listed.into_iter().chain(ranked.unknown);
            first.take(SHOWN).map(|firing| firing.feature)
        };
        let features: BTreeSet<FeatureId> = ranked.flat_map(shown).collect();
        features.into_iter().collect()
    }

    fn object(&self) -> Value {
        let reading = self.reading;
        let token = |t: usize| {
            let mut token = json!({"id": reading.tokens[t].0, "text": reading.texts[t]});
            if let Some(ranked) = self.ranked(t) {
                token["features"] = firings(&ranked.listed);
                token["unknown"] = firings(&ranked.unknown);
                token["dense"] = firings(&ranked.dense);
            } else {
                let pair = |(feature, activation): (FeatureId, f32)| json!({"feature": feature.0, "activation": activation});
                let strongest = reading.strongest(t, MOST).into_iter();
                token["features"] = strongest.map(pair).collect();
            }
            token
        };
        let tokens: Vec<Value> = (0..reading.tokens.len()).map(token).collect();
        let mut object = json!({"tokens": tokens});
        if self.rarity.is_some() {
            let name =
                |(feature, name): &(FeatureId, String)| json!({"feature": feature.0, "name": name});
            object["names"] = self.names.iter().map(name).collect();
        }
        if let Some(opened) = self.opened {
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

    fn table(&self) -> String {
        let texts = self.reading.texts.iter().enumerate();
        let line =
            |(t, text): (usize, &String)| format!("{t:>4} {text:<16?}  {}", self.features(t));
        let mut lines: Vec<_> = texts.map(line).collect();
        if let Some(opened) = self.opened {
            let passage = &opened.passage;
            lines.push(format!(
                "feature {} at {}: {:.4}, in the index {:.4}",
                opened.feature,
                passage.describe(),
                opened.again,
                passage.act
            ));
        }
        if !self.names.is_empty() {
            lines.push("where these features peak".to_owned());
        }
        let name =
            |(feature, name): &(FeatureId, String)| format!("{:>8}  {name}", feature.to_string());
        lines.extend(self.names.iter().map(name));
        lines.join("\n")
    }

    /// The first features of a token in words.
    fn features(&self, t: usize) -> String {
        let Some(ranked) = self.ranked(t) else {
            let strongest = self.reading.strongest(t, SHOWN).into_iter();
            let words =
                strongest.map(|(feature, activation)| format!("{feature}: {activation:.3}"));
            return words.collect::<Vec<_>>().join("  ");
        };
        let bits = |firing: &Firing| {
            let bits = firing
                .surprise
                .map_or("?".to_owned(), |bits| format!("{bits:.2}"));
            format!("{}: {:.3} ({bits} bits)", firing.feature, firing.act)
        };
        let first = ranked.listed.iter().chain(&ranked.unknown).take(SHOWN);
        let mut words: Vec<_> = first.map(bits).collect();
        match ranked.dense.len() {
            0 => {}
            1 => words.push("1 dense".to_owned()),
            dense => words.push(format!("{dense} dense")),
        }
        words.join("  ")
    }
}

/// Lists up to [`MOST`] features with activation and surprise, null where it is not defined.
fn firings(firings: &[Firing]) -> Value {
    let one = |firing: &Firing| json!({"feature": firing.feature.0, "activation": firing.act, "surprise": firing.surprise});
    firings.iter().take(MOST).map(one).collect()
}
