//! `umbra prompt`: shows the features of each token of one text or chat, or of the row of an index's example, ranked by surprise where there is an index; by several
//! dictionaries, in clusters, or beside a second text.

mod against;
mod several;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::chat::{self, ChatArgs};
use super::{Console, DeviceArg, Exit, MismatchArgs, ModelArgs, SaesArgs, open_by_token};
use crate::error::{Error, Result};
use crate::features::{Firing, Index, Name, Passage, Preview, Ranked, Rarity};
use crate::fit::Fit;
use crate::ids::FeatureId;
use crate::models::Model;
use crate::progress::Ended;
use crate::prompt::{self, Aligned, Clusters, Input, Reading};
use crate::workbench::pair::Pair;

/// Number of features per token.
const MOST: usize = 10;
/// Number of features of the whole text.
const PARTS: usize = 100;
/// Number of features printed per token without `--json`.
const SHOWN: usize = 5;

/// Cut of the clusters, as written.
const CUT_TEXT: &str = "0.5";

/// Flags of `umbra prompt`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    saes: SaesArgs,
    /// Text to read; BOS is put before it if the model's or dictionary's rule says so and the text does not begin with it
    #[arg(
        long,
        value_name = "TEXT",
        required_unless_present_any = ["feature", "chat", "user"],
        conflicts_with_all = ["feature", "chat", "user"]
    )]
    text: Option<String>,
    #[command(flatten)]
    chat: ChatArgs,
    /// Index of the dictionary: features are ranked by surprise, (|a| / max |a|) · log2(1 / density), and those denser than 10 % are listed apart
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
    /// Feature of the index: read the token row of one of its examples, unchanged, instead of a text; counted from 0
    #[arg(long, value_name = "I", requires = "index", conflicts_with_all = chat::INSTEAD)]
    feature: Option<u32>,
    /// Number of the example, from 1: the strongest first, then those of the intervals, as in `umbra index show`
    #[arg(long, value_name = "N", requires = "feature", default_value_t = 1)]
    example: usize,
    /// Order of a token's features: surprise needs an index and is the default with one
    #[arg(long, value_name = "ORDER")]
    rank: Option<Rank>,
    /// Second text: align both token by token by the fewest changes, and list the features whose activation changes, the second text less the first
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["feature", "chat", "user", "index", "rank", "clusters"])]
    against: Option<String>,
    /// Cluster the features by the tokens on which they are active, by average linkage of the cosine distance, cut at D from 0 to 2
    #[arg(long, value_name = "D", num_args = 0..=1, require_equals = true, default_missing_value = CUT_TEXT)]
    clusters: Option<f64>,
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
    /// Largest share of the token's reconstruction in size first
    Share,
}

/// Runs `umbra prompt`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    if args.rank == Some(Rank::Surprise) && args.index.is_none() {
        let what = "surprise is measured by an index: give one with --index, or rank by activation";
        return Err(Error::setting("--rank", what));
    }
    let input = args.chat.input(args.text.as_deref())?;
    if args.saes.saes.len() > 1 {
        return several(args, &input, console);
    }
    let pair = open_by_token(&args.model, &args.saes.each()[0], console)?;
    if let Some(text) = &args.against {
        return against(args, &pair, [&input, &Input::Text(text.clone())], console);
    }
    let index = match &args.index {
        Some(path) => Some(fitting(path, args, &pair, console)?),
        None => None,
    };
    let Pair { model, sae, .. } = &pair;
    let (reading, opened) = if let (Some(index), Some(feature)) = (&index, args.feature) {
        let feature = FeatureId(feature);
        let passage = index.example(feature, args.example)?;
        let at_once = passage.ids.len();
        args.device.place(&**sae, (at_once, false), console)?;
        let reading = prompt::read_input(model, sae.by_token()?, &passage.input(), 0)?;
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
    } else {
        let at_once = input.whole(model.codec())?.tokens.len();
        args.device.place(&**sae, (at_once, false), console)?;
        (prompt::read_input(model, sae.by_token()?, &input, 0)?, None)
    };
    say(&reading, console);
    let wanted = index.filter(|_| args.rank.is_none_or(|rank| rank == Rank::Surprise));
    let rarity = match &wanted {
        Some(index) => Some(Rarity::new(&index.summaries()?)),
        None => None,
    };
    let mut shown = Shown {
        reading: &reading,
        opened: opened.as_ref(),
        rarity: rarity.as_ref(),
        names: Vec::new(),
        by_share: args.rank == Some(Rank::Share),
        clusters: args.clusters.map(|cut| clustered(&reading, cut)),
    };
    if let Some(index) = &wanted {
        shown.names = named(index, &shown.first())?;
    }
    let mut object = shown.object();
    if opened.is_none() {
        chat::add_to(&mut object, &input, &input.spelled(model)?);
    }
    console.answer(&object, || shown.table())?;
    Ok(Exit::Done)
}

/// Reads a text by several dictionaries.
fn several(args: &Args, input: &Input, console: &Console) -> Result<Exit> {
    several::refuse("--index", args.index.is_some())?;
    several::refuse("--against", args.against.is_some())?;
    several::refuse("--clusters", args.clusters.is_some())?;
    several::refuse(
        "--rank",
        args.rank.is_some_and(|rank| rank != Rank::Activation),
    )?;
    let (model, saes) = args.saes.open(&args.model, console)?;
    let read = several::read(&model, &saes, input, (args.device, console))?;
    let Ended::Done(read) = read else {
        return Ok(Exit::Stopped);
    };
    let mut object = several::object(&read);
    chat::add_to(&mut object, input, &input.spelled(&model)?);
    console.answer(&object, || several::table(&read))?;
    Ok(Exit::Done)
}

/// Reads two texts and aligns them.
fn against(args: &Args, pair: &Pair, inputs: [&Input; 2], console: &Console) -> Result<Exit> {
    let Pair { model, sae, .. } = pair;
    let tokens = |input: &Input| -> Result<usize> { Ok(input.whole(model.codec())?.tokens.len()) };
    let at_once = tokens(inputs[0])?.max(tokens(inputs[1])?);
    args.device.place(&**sae, (at_once, false), console)?;
    let mut readings = Vec::with_capacity(2);
    for input in inputs {
        let reading = prompt::read_input(model, sae.by_token()?, input, 0)?;
        say(&reading, console);
        readings.push(reading);
    }
    let both = (&readings[0], &readings[1]);
    let aligned = Aligned::new(both.0, both.1)?;
    let object = against::object(&aligned, both);
    console.answer(&object, || against::table(&aligned, both))?;
    Ok(Exit::Done)
}

/// Says what was decided about a text.
fn say(reading: &Reading, console: &Console) {
    for note in &reading.notes {
        console.note(note);
    }
    if reading.cut > 0 {
        let kept = reading.tokens.len();
        console.note(&format!(
            "The text is cut to the model's context of {kept} tokens, {} are cut",
            reading.cut
        ));
    }
}

/// Clusters the features of a reading, largest share of the reconstruction first.
fn clustered(reading: &Reading, cut: f64) -> Clusters {
    let features: Vec<FeatureId> = reading.parts().iter().map(|part| part.feature).collect();
    Clusters::new(reading, &features, cut)
}

/// Lists the features of a text by their share of the reconstruction; with their cluster where there is one.
fn parts(reading: &Reading, clusters: &[(FeatureId, Option<usize>)]) -> Value {
    let one = |part: &prompt::Part| {
        let mut one = json!({
            "feature": part.feature.0,
            "share": part.share,
            "activation": part.act,
            "position": part.at,
            "tokens": part.tokens,
        });
        let cluster = clusters
            .iter()
            .find(|(feature, _)| *feature == part.feature);
        if let Some((_, Some(number))) = cluster {
            one["cluster"] = json!(number);
        }
        one
    };
    reading.parts().iter().take(PARTS).map(one).collect()
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
    let name = |preview: &Preview| {
        Name::new(None, preview.peak.as_ref())
            .with_fact(preview.fact.as_deref())
            .to_string()
    };
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
    /// Whether features are ranked by their share of the reconstruction.
    by_share: bool,
    /// Clusters of the features, if asked for.
    clusters: Option<Clusters>,
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

    /// The first features of a token, by share or by the size of the activation.
    fn strongest(&self, t: usize, most: usize) -> Vec<(FeatureId, f32)> {
        if !self.by_share {
            return self.reading.strongest(t, most);
        }
        let mut pairs = self.reading.strongest(t, usize::MAX);
        let share = |(feature, _): &(FeatureId, f32)| self.reading.share(t, *feature).abs();
        pairs.sort_by(|a, b| share(b).total_cmp(&share(a)));
        pairs.truncate(most);
        pairs
    }

    /// Lists up to [`MOST`] features with activation, surprise (null where it is not defined) and share of the reconstruction.
    fn firings(&self, firings: &[Firing]) -> Value {
        let one = |firing: &Firing| json!({"feature": firing.feature.0, "activation": firing.act, "surprise": firing.surprise, "share": self.reading.share(firing.at, firing.feature)});
        firings.iter().take(MOST).map(one).collect()
    }

    fn object(&self) -> Value {
        let reading = self.reading;
        let token = |t: usize| {
            let mut token = json!({"id": reading.tokens[t].0, "text": reading.texts[t]});
            if let Some(ranked) = self.ranked(t) {
                token["features"] = self.firings(&ranked.listed);
                token["unknown"] = self.firings(&ranked.unknown);
                token["dense"] = self.firings(&ranked.dense);
            } else {
                let pair = |(feature, activation): (FeatureId, f32)| json!({"feature": feature.0, "activation": activation, "share": reading.share(t, feature)});
                token["features"] = self.strongest(t, MOST).into_iter().map(pair).collect();
            }
            token
        };
        let tokens: Vec<Value> = (0..reading.tokens.len()).map(token).collect();
        let clusters = self.clusters.iter().flat_map(Clusters::all);
        let clusters: Vec<_> = clusters.collect();
        let mut object = json!({"tokens": tokens, "features": parts(reading, &clusters)});
        if let Some(clusters) = &self.clusters {
            let numbers = |group: &Vec<FeatureId>| group.iter().map(|f| json!(f.0)).collect();
            object["clusters"] = clusters
                .groups
                .iter()
                .map(numbers)
                .collect::<Vec<Value>>()
                .into();
        }
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
        let line = |(t, text): (usize, &String)| {
            format!("{t:>4} {}{text:<16?}  {}", self.role(t), self.features(t))
        };
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
        if let Some(clusters) = &self.clusters {
            lines.push("clusters of features that are active on the same tokens".to_owned());
            for (number, group) in clusters.groups.iter().enumerate() {
                let first = group.iter().take(MOST).map(ToString::to_string);
                let beyond = group.len().saturating_sub(MOST);
                let more = if beyond > 0 {
                    format!(" and {beyond} more")
                } else {
                    String::new()
                };
                let words = first.collect::<Vec<_>>().join(" ");
                lines.push(format!("{number:>4}  {words}{more}"));
            }
        }
        if !self.names.is_empty() {
            lines.push("where these features peak".to_owned());
        }
        let name =
            |(feature, name): &(FeatureId, String)| format!("{:>8}  {name}", feature.to_string());
        lines.extend(self.names.iter().map(name));
        lines.join("\n")
    }

    /// The role of a token of a chat, in brackets where it is a marker; nothing for a text.
    fn role(&self, t: usize) -> String {
        let Some(roles) = &self.reading.roles else {
            return String::new();
        };
        let role = match roles.place(t) {
            Some(place) if place.is_marker => format!("({})", place.role),
            Some(place) => place.role.clone(),
            None => "-".to_owned(),
        };
        format!("{role:<12} ")
    }

    /// The first features of a token in words.
    fn features(&self, t: usize) -> String {
        let Some(ranked) = self.ranked(t) else {
            let word = |(feature, activation): (FeatureId, f32)| {
                if self.by_share {
                    let share = 100.0 * self.reading.share(t, feature);
                    return format!("{feature}: {activation:.3} ({share:.1} %)");
                }
                format!("{feature}: {activation:.3}")
            };
            let words = self.strongest(t, SHOWN).into_iter().map(word);
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
