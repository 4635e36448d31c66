//! `--edit` and `--edits`: interventions, for commands that run a model.

use std::path::PathBuf;
use std::sync::Arc;

use super::args::open_together;
use super::{
    Console, DeviceArg, MismatchArgs, ModelArgs, ParentArg, PositionsArg, SaeArgs, SplitArg,
};
use crate::corpus::CorpusSpec;
use crate::error::{Error, Result};
use crate::models::Model;
use crate::prompt::Input;
use crate::sae::Sae;
use crate::steer::{ACTIONS, EditSpec, Edits};
use crate::workbench::edits_file;
use crate::workbench::materials::{Made, Named, Sources, Stock};
use crate::workbench::steering::Dictionary;
use crate::workbench::text::TextRequest;

/// Flags of edits.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct EditArgs {
    /// Edit the model's values: an action and its keys, as in `zero hook=blocks.1.attn.hook_z heads=3 positions=1..`. May be repeated; edits at one hook apply in
    /// their order. The actions are listed at the end of this help
    #[arg(long, value_name = "EDIT")]
    edit: Vec<String>,
    /// TOML file of edits: tables [[edit]] with `action` and the same keys; they apply before those of --edit. `on = false` switches one off
    #[arg(long, value_name = "FILE")]
    edits: Option<PathBuf>,
    /// Dictionary whose features the edits name: a folder, a file, or a name on the hub (owner/name:path). May be repeated: edits then name theirs by sae=NAME,
    /// the name of its folder or file, or the one put before it as in NAME=PATH
    #[arg(long, value_name = "[NAME=]PATH")]
    pub(super) sae: Vec<PathBuf>,
    /// Probe of a dictionary's error for `+linear` and `+nonlinear`, written by `umbra dark-matter fit --keep`. May be repeated
    #[arg(long, value_name = "FILE")]
    probe: Vec<PathBuf>,
    #[command(flatten)]
    mismatch: MismatchArgs,
    #[command(flatten)]
    mean: MeanArgs,
    /// Positions of --mean-of that count.
    #[command(flatten)]
    pub(super) positions: PositionsArg,
    /// Device of the dictionary.
    #[command(flatten)]
    parent: ParentArg,
    #[command(flatten)]
    pub(super) device: DeviceArg,
}

/// Text of `mean` edits.
#[derive(Debug, Clone, clap::Args)]
#[expect(clippy::struct_field_names, reason = "each field names its flag")]
struct MeanArgs {
    /// Text whose mean activation `mean` edits put in place (the first 256 rows of 128 tokens)
    #[arg(long, value_name = "PATH", num_args = 1..)]
    mean_of: Vec<PathBuf>,
    /// Part of --mean-of to read
    #[arg(long, value_enum, default_value_t, requires = "mean_of")]
    mean_split: SplitArg,
    /// Seed of the split of --mean-of
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "mean_of")]
    mean_split_seed: u64,
    /// Read sub-folders of the folders in --mean-of
    #[arg(long, requires = "mean_of")]
    mean_recursive: bool,
    /// Column or field of --mean-of that holds the text, as --text-column elsewhere
    #[arg(long, value_name = "NAME", requires = "mean_of")]
    mean_text_column: Option<String>,
    /// Replace white space inside a paragraph of --mean-of by single spaces, as --unwrap elsewhere
    #[arg(long, requires = "mean_of")]
    mean_unwrap: bool,
}

/// Returns the actions, for the end of a command's help.
pub(super) fn help() -> String {
    let mut lines = vec!["Actions of --edit:".to_owned()];
    for action in ACTIONS {
        lines.push(format!(
            "  {} {}\n      {}",
            action.name, action.keys, action.help
        ));
    }
    lines.push(
        "Every action also takes sae=NAME (where --sae is repeated), hook=NAME (default: the dictionary's), heads=I,J (at hooks with heads), rows=I,J, and positions=\
         all | prompt | new | last | 0,4,7..9 | 1..prompt | after:TOKEN | role:user (default: 1.. for what a dictionary does or gives, all for the rest).\n\
         after: is every position after the first occurrence of one token, its leading space included; role: (user, assistant, system, or a message's number from 0) needs a chat.\n\
         error= is kept, dropped, frozen (as in the run without edits), linear or nonlinear."
            .to_owned(),
    );
    lines.join("\n")
}

impl EditArgs {
    /// Whether there is no edit.
    pub(super) fn is_empty(&self) -> bool {
        self.edit.is_empty() && self.edits.is_none()
    }

    /// Returns the edits in their written form, those of the file first.
    pub(super) fn specs(&self) -> Result<Vec<EditSpec>> {
        let mut specs = match &self.edits {
            Some(path) => edits_file::read(path)?
                .into_iter()
                .filter_map(|(edit, on)| on.then_some(edit))
                .collect(),
            None => Vec::new(),
        };
        for edit in &self.edit {
            specs.push(edit.parse()?);
        }
        Ok(specs)
    }

    /// Opens the model and makes the edits of it, for passes of at most `at_once` tokens. Positions by role are those of `prompt`.
    pub(super) fn open(
        &self,
        (at_once, prompt): (usize, Option<&Input>),
        model: &ModelArgs,
        console: &Console,
    ) -> Result<(Arc<Model>, Edits)> {
        let (model, made) = self.open_as((&self.specs()?, None), prompt, model, console)?;
        let at_once = at_once.min(model.config().context);
        self.place(&made.edits, at_once, console)?;
        Ok((model, made.edits))
    }

    /// Places the dictionaries that `edits` run, if they do, on their device.
    pub(super) fn place(&self, edits: &Edits, at_once: usize, console: &Console) -> Result<()> {
        let saes = edits.dictionaries();
        if saes.is_empty() {
            return Ok(());
        }
        let placed = self.device.place(&*saes, (at_once, true), console);
        placed.map(drop)
    }

    /// Returns the dictionaries as they are asked for.
    pub(super) fn dictionaries(&self) -> Vec<Dictionary> {
        let all = self.sae.iter();
        all.map(|written| Dictionary::from_written(written))
            .collect()
    }

    /// Reads the dictionaries, each under another name; `hook` replaces that of the only one.
    fn read(&self, hook: Option<&str>, offline: bool, console: &Console) -> Result<Vec<Named>> {
        let asked = self.dictionaries();
        if asked.len() > 1 && hook.is_some() {
            let what =
                "is for one dictionary, and several are named; give the edits hook=… instead";
            return Err(Error::setting("--hook", what));
        }
        let mut saes: Vec<Named> = Vec::new();
        for Dictionary { name, path } in asked {
            let args = SaeArgs {
                sae: path,
                hook: hook.map(str::to_owned),
                parent: self.parent.clone(),
            };
            let sae = args.read(offline, console)?;
            sae.by_token()?;
            let mut named = Named::from(Arc::new(sae));
            named.name = name.unwrap_or(named.name);
            if saes.iter().any(|other| other.name == named.name) {
                let what = format!(
                    "two dictionaries are called `{}`, name one as in NAME=PATH",
                    named.name
                );
                return Err(Error::setting("--sae", what));
            }
            saes.push(named);
        }
        Ok(saes)
    }

    /// Opens the model, processed as the dictionaries say where some are named, and makes the edits `specs` of it; `hook` replaces the hook of the only dictionary.
    /// Prints what was decided. Positions by role are those of `prompt`.
    pub(super) fn open_as(
        &self,
        (specs, hook): (&[EditSpec], Option<&str>),
        prompt: Option<&Input>,
        model: &ModelArgs,
        console: &Console,
    ) -> Result<(Arc<Model>, Made)> {
        let saes = self.read(hook, model.offline, console)?;
        let model = if saes.is_empty() {
            Arc::new(model.open(console)?)
        } else {
            let saes: Vec<&Arc<Sae>> = saes.iter().map(|named| &named.sae).collect();
            open_together(model, &saes, console)?
        };
        let mut stock = Stock::new(Arc::clone(&model), saes, self.sources());
        if let Some(prompt @ Input::Chat(_)) = prompt {
            let roles = prompt.whole(model.codec())?.roles;
            stock.prompted_by(roles.map(Arc::new));
        }
        let mut bar = console.bar("Mean activation");
        let made = stock.edits(specs, &mut |at| bar.at(at))?;
        drop(bar);
        let stopped = || Error::setting("--mean-of", "was stopped before its end");
        let made = made.done().ok_or_else(stopped)?;
        for (spec, units) in specs.iter().zip(&made.units) {
            if let Some(units) = units {
                console.note(&format!("{spec}: {units}"));
            }
        }
        console.notes(&made.notes);
        made.means.iter().for_each(|over| console.note(over));
        Ok((model, made))
    }

    /// Returns where the materials of the edits are.
    pub(super) fn sources(&self) -> Sources {
        Sources {
            probes: self.probe.clone(),
            allow_mismatch: self.mismatch.is_allowed(),
            mean: self.mean.request(self.positions),
        }
    }
}

impl MeanArgs {
    /// Returns the text, if one is named.
    fn request(&self, positions: PositionsArg) -> Option<TextRequest> {
        let corpus = CorpusSpec {
            paths: self.mean_of.clone(),
            recursive: self.mean_recursive,
            unwrap: self.mean_unwrap,
            column: self.mean_text_column.clone(),
        };
        let mut request = TextRequest::from(corpus).of(self.mean_split.into());
        request.seed = self.mean_split_seed;
        request.reading.positions = positions.rule();
        (!self.mean_of.is_empty()).then_some(request)
    }
}
