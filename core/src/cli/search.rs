//! `umbra search`: which features of one or several dictionaries fire on a text.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use serde_json::{Map, Value, json};

use super::args::open_together;
use super::chat::{self, ChatArgs};
use super::{Console, DeviceArg, Exit, ModelArgs, ParentArg, SaeArgs};
use crate::error::{Error, Result};
use crate::features::fires::{DEFINITIONS, Fired, Fires, Rank};
use crate::ids::FeatureId;
use crate::progress::Ended;
use crate::project::Project;
use crate::sae::Sae;
use crate::workbench::text_search::{Subject, assign, search};

/// Features printed without `--json`, unless `--limit` says otherwise.
const SHOWN: usize = 20;
/// Width of the column of tokens.
const TOKENS: usize = 24;

/// Flags of `umbra search`.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "The model reads the text once, and every dictionary encodes what its hook holds there. The first position, BOS for most models, never counts. \
    Activations of two dictionaries have different scales, so their maxima and means do not compare; share and tf-idf do."
)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Dictionary: a folder or file of any supported library, or a name on the hub; repeat it for several [default: all of --project]
    #[arg(long, value_name = "PATH|NAME", required_unless_present = "project")]
    sae: Vec<PathBuf>,
    /// Hook of the dictionary, where --sae names one [default: the hook that its file names]
    #[arg(long, value_name = "NAME")]
    hook: Option<String>,
    #[command(flatten)]
    parent: ParentArg,
    /// Project whose dictionaries are searched
    #[arg(long, value_name = "DIR", conflicts_with = "sae")]
    project: Option<PathBuf>,
    /// Index of one of the dictionaries, for TF-IDF and names; repeat it for several [default: those that the project around each dictionary names]
    #[arg(long, value_name = "FILE")]
    index: Vec<PathBuf>,
    /// Text to read; BOS is put before it if the model's or dictionary's rule says so and the text does not begin with it
    #[arg(long, value_name = "TEXT", required_unless_present_any = chat::INSTEAD, conflicts_with_all = chat::INSTEAD)]
    text: Option<String>,
    #[command(flatten)]
    chat: ChatArgs,
    /// Order of the features
    #[arg(long, value_name = "ORDER", default_value = "max")]
    rank: RankArg,
    /// Features to list at most [default: 20, with --json all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    #[command(flatten)]
    device: DeviceArg,
}

/// Order of the features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RankArg {
    /// Largest activation in size first
    Max,
    /// Largest mean over all positions but the first
    Mean,
    /// Largest share of its dictionary's reconstruction of the text
    Share,
    /// Largest mean over the index's maximum, times log2(1 / density); needs indexes
    TfIdf,
}

impl From<RankArg> for Rank {
    fn from(rank: RankArg) -> Self {
        match rank {
            RankArg::Max => Self::Max,
            RankArg::Mean => Self::Mean,
            RankArg::Share => Self::Share,
            RankArg::TfIdf => Self::TfIdf,
        }
    }
}

/// Runs `umbra search`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let opened = args.dictionaries(console)?;
    let saes: Vec<&Arc<Sae>> = opened.iter().map(|(_, sae)| sae).collect();
    let model = open_together(&args.model, &saes, console)?;
    let input = args.chat.input(args.text.as_deref())?;
    let at_once = input.whole(model.codec())?.tokens.len();
    let plain: Vec<&Sae> = saes.iter().map(|sae| &***sae).collect();
    args.device.place(&*plain, (at_once, false), console)?;
    let mut subjects = Vec::with_capacity(opened.len());
    for (path, sae) in &opened {
        let (subject, notes) = Subject::new(&model, sae, path);
        console.notes(&notes);
        subjects.push(subject);
    }
    console.notes(&assign(&model, &mut subjects, &args.index)?);
    let rank = Rank::from(args.rank);
    if rank == Rank::TfIdf && subjects.iter().all(|subject| subject.index.is_none()) {
        let what =
            "tf-idf needs the densities of an index: give one with --index, or rank by share";
        return Err(Error::setting("--rank", what));
    }
    let ended = search(&model, &input, &subjects, &mut || console.flow())?;
    let Ended::Done(fires) = ended else {
        return Ok(Exit::Stopped);
    };
    fires.notes.iter().for_each(|note| console.note(note));
    if fires.cut > 0 {
        console.note(&format!(
            "The text is cut to the model's context of {} tokens, {} are cut",
            fires.tokens.len(),
            fires.cut
        ));
    }
    let most = args
        .limit
        .unwrap_or(if console.json() { usize::MAX } else { SHOWN });
    let shown = Shown::new(&fires, &subjects, (rank, most))?;
    let mut object = shown.object();
    chat::add_to(&mut object, &input, &input.spelled(&model)?);
    console.answer(&object, || shown.table())?;
    Ok(Exit::Done)
}

impl Args {
    /// Opens the dictionaries that are searched, with the places of their files.
    fn dictionaries(&self, console: &Console) -> Result<Vec<(PathBuf, Arc<Sae>)>> {
        if self.hook.is_some() && self.sae.len() != 1 {
            let what = "is for one dictionary: name one with --sae, or write `hook_name` into the metadata of each cfg.json";
            return Err(Error::setting("--hook", what));
        }
        let paths = match &self.project {
            Some(folder) => {
                let (project, notes) = Project::open(folder)?;
                console.notes(&notes);
                project.dictionaries()
            }
            None => self.sae.clone(),
        };
        if paths.is_empty() {
            let what = "the project has no dictionary: give one with --sae, or train one first";
            return Err(Error::setting("--project", what));
        }
        let open = |path: PathBuf| {
            let named = SaeArgs {
                sae: path.clone(),
                hook: self.hook.clone(),
                parent: self.parent.clone(),
            };
            Ok((path, Arc::new(named.read(self.model.offline, console)?)))
        };
        paths.into_iter().map(open).collect()
    }
}

/// Results as they are printed.
struct Shown<'a> {
    fires: &'a Fires,
    subjects: &'a [Subject],
    rank: Rank,
    /// The features listed, in order, with their names.
    listed: Vec<(&'a Fired, String)>,
}

impl<'a> Shown<'a> {
    fn new(fires: &'a Fires, subjects: &'a [Subject], (rank, most): (Rank, usize)) -> Result<Self> {
        let mut ranked = fires.ranked(rank);
        ranked.truncate(most);
        let mut of: BTreeMap<usize, Vec<FeatureId>> = BTreeMap::new();
        for fired in &ranked {
            of.entry(fired.dictionary).or_default().push(fired.feature);
        }
        let mut names: BTreeMap<(usize, FeatureId), String> = BTreeMap::new();
        for (dictionary, features) in of {
            let found = subjects[dictionary].names(&features)?;
            let keys = features.into_iter().map(|feature| (dictionary, feature));
            names.extend(keys.zip(found));
        }
        let named = |fired: &'a Fired| {
            let name = names.remove(&(fired.dictionary, fired.feature));
            (fired, name.unwrap_or_default())
        };
        Ok(Self {
            fires,
            subjects,
            rank,
            listed: ranked.into_iter().map(named).collect(),
        })
    }

    /// The name of a dictionary, or its path where another has the same name.
    fn sae(&self, dictionary: usize) -> String {
        let own = &self.subjects[dictionary];
        let alike = |other: &&Subject| other.sae.name == own.sae.name;
        if self.subjects.iter().filter(alike).count() > 1 {
            own.path.display().to_string()
        } else {
            own.sae.name.clone()
        }
    }

    fn object(&self) -> Value {
        let fires = self.fires;
        let tokens = fires.tokens.iter().zip(&fires.texts);
        let dictionary = |(at, subject): (usize, &Subject)| {
            json!({
                "sae": self.sae(at),
                "path": subject.path.display().to_string(),
                "hook": subject.sae.provenance.hook.map(|hook| hook.to_string()),
                "index": subject.index.as_ref().map(|index| index.path().display().to_string()),
                "found": fires.found.iter().filter(|fired| fired.dictionary == at).count(),
            })
        };
        let result = |(fired, name): &(&Fired, String)| {
            let label = self.subjects[fired.dictionary].label(fired.feature);
            json!({
                "sae": self.sae(fired.dictionary),
                "feature": fired.feature.0,
                "max": fired.max,
                "position": fired.at,
                "token": fires.texts[fired.at],
                "mean": fired.mean,
                "positions": fired.active.iter().map(|(at, _)| at).collect::<Vec<_>>(),
                "activations": fired.active.iter().map(|(_, act)| act).collect::<Vec<_>>(),
                "share": fired.share,
                "tf_idf": fired.tf_idf,
                "label": label,
                "name": name,
            })
        };
        let definitions = DEFINITIONS.iter();
        let definitions: Map<String, Value> = definitions
            .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
            .collect();
        json!({
            "tokens": tokens.map(|(id, text)| json!({"id": id.0, "text": text})).collect::<Vec<_>>(),
            "dictionaries": self.subjects.iter().enumerate().map(dictionary).collect::<Vec<_>>(),
            "rank": self.rank.key(),
            "found": fires.found.len(),
            "results": self.listed.iter().map(result).collect::<Vec<_>>(),
            "definitions": definitions,
        })
    }

    fn table(&self) -> String {
        if self.listed.is_empty() {
            return "no feature fires on this text".to_owned();
        }
        let names = (0..self.subjects.len()).map(|at| self.sae(at));
        let names: Vec<String> = names.collect();
        let width = names.iter().map(|name| name.chars().count()).max();
        let width = width.unwrap_or_default().max("dictionary".len());
        let header = format!(
            "{:<width$}  {:>7}  {:>8}  {:>8}  {:>7}  {:>6}  {:<TOKENS$}  name",
            "dictionary", "feature", "max", "mean", "share", "tf-idf", "fires on"
        );
        let line = |(fired, name): &(&Fired, String)| {
            let bits = fired
                .tf_idf
                .map_or("-".to_owned(), |bits| format!("{bits:.3}"));
            let line = format!(
                "{:<width$}  {:>7}  {:>8.3}  {:>8.4}  {:>5.2} %  {bits:>6}  {:<TOKENS$}  {name}",
                names[fired.dictionary],
                fired.feature.to_string(),
                fired.max,
                fired.mean,
                100.0 * fired.share,
                self.tokens(fired),
            );
            line.trim_end().to_owned()
        };
        let mut lines = vec![header];
        lines.extend(self.listed.iter().map(line));
        if self.listed.len() < self.fires.found.len() {
            lines.push(format!(
                "the first {} of {} features, by {}",
                self.listed.len(),
                self.fires.found.len(),
                self.rank.key()
            ));
        }
        lines.join("\n")
    }

    /// The tokens on which a feature fires, strongest first, as far as the column goes.
    fn tokens(&self, fired: &Fired) -> String {
        let mut active = fired.active.clone();
        active.sort_by(|(i, a), (j, b)| b.abs().total_cmp(&a.abs()).then(i.cmp(j)));
        let mut shown = String::new();
        for (at, _) in &active {
            let text = self.fires.texts[*at].trim().replace('\n', "⏎");
            let more = if shown.is_empty() {
                text
            } else {
                format!(" {text}")
            };
            if shown.chars().count() + more.chars().count() > TOKENS - 2 {
                shown.push_str(" …");
                break;
            }
            shown.push_str(&more);
        }
        shown
    }
}
