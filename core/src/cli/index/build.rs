//! `umbra index build`: builds the indexes of one dictionary or several in one pass of the model.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::device::speeds;
use super::super::{
    Console, DeviceArg, Exit, ModelArgs, ParentArg, SaeArgs, TextArgs, open_by_token,
};
use crate::error::{Error, Notes, Result};
use crate::features::{self, Index, Spent};
use crate::formats;
use crate::models::Model;
use crate::sae::Sae;
use crate::workbench::indexes::{self, Choices};
use crate::workbench::pair::{self, Pair};
use crate::workbench::passes::Pass;

/// Flags of `umbra index build`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Dictionary: a folder or file of any supported library, or a name on the hub; repeat it to index several dictionaries of one model in one pass. The folder of a
    /// cross-layer transcoder stands for all of its layers
    #[arg(long, value_name = "PATH|NAME", required = true)]
    sae: Vec<PathBuf>,
    /// Hook of the dictionary, such as blocks.2.hook_resid_post, where --sae names one [default: the hook that its file names]
    #[arg(long, value_name = "NAME")]
    hook: Option<String>,
    #[command(flatten)]
    parent: ParentArg,
    #[command(flatten)]
    text: TextArgs,
    /// Index file to write; for several dictionaries a folder, which gets NAME.sqlite for each, or a file for each in the order of --sae
    #[arg(long, value_name = "FILE|DIR", required = true)]
    out: Vec<PathBuf>,
    /// Rows of the text to read, counted from 0, the end not included: `umbra index merge` joins the indexes of different rows [default: all]
    #[arg(long, value_name = "A..B", value_parser = indexes::read_rows)]
    rows: Option<Range<usize>>,
    /// Seed of the examples drawn from each interval of activation
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Record where the strongest examples of a dictionary of attn.hook_z come from, by source token and head (direct feature attribution): a second pass over their
    /// rows
    #[arg(long)]
    dfa: bool,
    /// Measure what ablating each feature at its strongest examples does to the loss of the next token: one more pass over their rows, and a token's pass for each
    #[arg(long)]
    effects: bool,
    /// Leave out the full counts of pairs and tokens, by which `umbra index merge` joins indexes: the file takes about a third of the space
    #[arg(long)]
    no_counts: bool,
    #[command(flatten)]
    overwrite: OverwriteArg,
    #[command(flatten)]
    device: DeviceArg,
}

/// `--overwrite`.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(super) struct OverwriteArg {
    /// Replace an index file that is at --out already; without this flag such a file is an error
    #[arg(long)]
    pub(super) overwrite: bool,
}

impl Args {
    /// Opens the model and all dictionaries for it.
    fn open(&self, console: &Console) -> Result<(Pair, Vec<Arc<Sae>>)> {
        let places = self.sae.iter().map(|path| formats::dictionaries_at(path));
        let places: Vec<PathBuf> = places.collect::<Result<Vec<_>>>()?.concat();
        if self.hook.is_some() && places.len() > 1 {
            let what = "several dictionaries are read at the hooks that their files name: omit --hook, or index one at a time";
            return Err(Error::setting("--hook", what));
        }
        let named = |sae: &PathBuf| SaeArgs {
            sae: sae.clone(),
            hook: self.hook.clone(),
            parent: self.parent.clone(),
        };
        let mut pair: Option<Pair> = None;
        let mut pairs = Vec::with_capacity(places.len());
        for path in &places {
            let next = match &pair {
                None => open_by_token(&self.model, &named(path), console)?,
                Some(first) => {
                    let sae = named(path).read(self.model.offline, console)?;
                    sae.by_token()?;
                    Pair::new(&first.model, &Arc::new(sae))
                }
            };
            pair.get_or_insert_with(|| next.clone());
            pairs.push(next);
        }
        let none = || Error::setting("--sae", "there is none, name one");
        let mut first = pair.ok_or_else(none)?;
        if pairs.len() > 1 {
            let (reader, notes) = pair::together(&pairs)?;
            console.notes(&notes);
            first.model = reader;
        }
        let saes = pairs.into_iter().map(|pair| pair.sae).collect();
        Ok((first, saes))
    }
}

/// Runs `umbra index build`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    // A file that cannot be written is refused before the work.
    let named = args.out.iter().filter(|out| !out.is_dir());
    let named: Vec<PathBuf> = named.cloned().collect();
    indexes::claim(&named, args.overwrite.overwrite)?;
    let (pair, saes) = args.open(console)?;
    let files = indexes::files(&args.out, &saes)?;
    indexes::claim(&files, args.overwrite.overwrite)?;
    if args.dfa {
        console.notes(&without_sources(&pair.model, &saes)?);
    }
    let text = args.text.read(&pair, args.model.offline, console)?;
    let rows = &text.rows;
    for other in saes.iter().skip(1) {
        console.notes(&pair.notes_on(other, rows));
    }
    let choices = Choices {
        seed: args.seed,
        rows: args.rows.clone(),
        attribution: args.dfa,
        loss_effects: args.effects,
        without_counts: args.no_counts,
    };
    let mut placed = Vec::with_capacity(saes.len());
    for sae in &saes {
        let at_once = features::tokens_at_once(sae, rows);
        placed.push(args.device.place(&**sae, (at_once, false), console)?);
    }
    let plain = saes.len() == 1 && args.rows.is_none() && !args.effects;
    if plain {
        args.device.expect(Pass::Index, (&pair, rows), console);
    }
    let mut bar = console.bar("Indexing");
    let mut build = || {
        indexes::build((&pair.model, &saes), &files, (&text, &choices), &mut |at| {
            bar.at(at)
        })
    };
    let built = match placed.first() {
        // Only a pass like those that are asked about says how long the next takes.
        Some(choice) if plain => speeds().timed(Pass::Index, (&pair, rows), choice, build)?,
        _ => build()?,
    };
    drop(bar);
    let Some(spent) = built.done() else {
        console.note("Stopped: repeat the command to resume");
        return Ok(Exit::Stopped);
    };
    if spent.resumed_rows > 0 {
        console.note(&format!(
            "Resumed a build that was interrupted after {} rows",
            spent.resumed_rows
        ));
    }
    let mut answers = Vec::with_capacity(files.len());
    let mut lines = Vec::with_capacity(files.len() + 1);
    for file in &files {
        let (object, line) = answer(&Index::open(file)?)?;
        answers.push(object);
        lines.push(line);
    }
    lines.push(spent.said());
    console.answer(&whole(answers, &spent)?, || lines.join("\n"))?;
    Ok(Exit::Done)
}

/// Says for which dictionaries `--dfa` records nothing.
fn without_sources(model: &Model, saes: &[Arc<Sae>]) -> Result<Notes> {
    let mut notes = Notes::default();
    for sae in saes {
        if !features::has_sources(model, sae.by_token()?) {
            notes.add(format!(
                "--dfa records nothing for {}, which reads {}: only dictionaries of attn.hook_z itself, not of an error there, have parts by head and source token",
                sae.name,
                sae.reads()?
            ));
        }
    }
    Ok(notes)
}

/// Returns the answer about one index, or about each of several under `indexes`, with the time by stage.
fn whole(mut answers: Vec<Value>, spent: &Spent) -> Result<Value> {
    let seconds = serde_json::to_value(spent).map_err(|cause| Error::Numeric {
        what: format!("the times cannot be written as JSON: {cause}"),
    })?;
    let mut object = match answers.len() {
        1 => answers.swap_remove(0),
        _ => json!({ "indexes": answers }),
    };
    object["seconds"] = seconds;
    object["resumed_rows"] = json!(spent.resumed_rows);
    Ok(object)
}

/// Returns what is said about an index that was written, as an object and as a line.
pub(super) fn answer(index: &Index) -> Result<(Value, String)> {
    let about = index.about();
    let summaries = index.summaries()?;
    let dead = summaries.iter().filter(|s| s.density == 0.0).count();
    let object = json!({
        "out": index.path().display().to_string(),
        "sae": about.sae,
        "model": about.model,
        "hook": about.hook,
        "writes": about.writes,
        "corpus": about.corpus,
        "tokens": about.tokens,
        "positions": about.positions,
        "left_out": about.left_out,
        "separate_documents": about.separate_documents,
        "features": about.features,
        "never_active": dead,
        "seed": about.seed,
        "unembed": about.unembed.to_string(),
        "attribution": about.attribution,
        "loss_effects": about.loss_effects,
        "rows": about.spans.iter().map(|span| [span.from, span.to]).collect::<Vec<_>>(),
    });
    let line = format!(
        "{} features of {} over {} tokens of {} ({}), {dead} never active: {}",
        about.features,
        about.sae,
        about.tokens,
        about.corpus,
        about.positions.said(about.left_out),
        index.path().display()
    );
    Ok((object, line))
}
