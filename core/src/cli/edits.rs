//! `--edit` and `--edits`: interventions, for commands that run a model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{
    Console, DeviceArg, MismatchArgs, ModelArgs, ParentArg, PositionsArg, SaeArgs, SplitArg,
    open_both,
};
use crate::corpus::CorpusSpec;
use crate::error::{Error, Result};
use crate::models::Model;
use crate::steer::{ACTIONS, EditSpec, Edits};
use crate::workbench::materials::{Made, Sources, Stock};
use crate::workbench::text::TextRequest;

/// Flags of edits.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct EditArgs {
    /// Edit the model's values: an action and its keys, as in `zero hook=blocks.1.attn.hook_z heads=3 positions=1..`. May be repeated; edits at one hook apply in
    /// their order. The actions are listed at the end of this help
    #[arg(long, value_name = "EDIT")]
    edit: Vec<String>,
    /// TOML file of edits: tables [[edit]] with `action` and the same keys; they apply before those of --edit
    #[arg(long, value_name = "FILE")]
    edits: Option<PathBuf>,
    /// Dictionary whose features the edits name: a folder, a file, or a name on the hub (owner/name:path)
    #[arg(long, value_name = "PATH")]
    pub(super) sae: Option<PathBuf>,
    /// Probe of the dictionary's error for `+linear` and `+nonlinear`, written by `umbra dark-matter fit --keep`
    #[arg(long, value_name = "FILE")]
    probe: Option<PathBuf>,
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
        "Every action also takes hook=NAME (default: the dictionary's), heads=I,J (at hooks with heads), rows=I,J, and positions=\
         all | prompt | new | last | 0,4,7..9 | 1..prompt (default: 1.. for what a dictionary does or gives, all for the rest).\n\
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
            Some(path) => from_file(path)?,
            None => Vec::new(),
        };
        for edit in &self.edit {
            specs.push(edit.parse()?);
        }
        Ok(specs)
    }

    /// Opens the model and makes the edits of it, for passes of at most `at_once` tokens.
    pub(super) fn open(
        &self,
        at_once: usize,
        model: &ModelArgs,
        console: &Console,
    ) -> Result<(Arc<Model>, Edits)> {
        let (model, made) = self.open_as(&self.specs()?, None, model, console)?;
        let at_once = at_once.min(model.config().context);
        self.place(&made.edits, at_once, console)?;
        Ok((model, made.edits))
    }

    /// Places the dictionary that `edits` run, if they do, on its device.
    pub(super) fn place(&self, edits: &Edits, at_once: usize, console: &Console) -> Result<()> {
        match edits.dictionary() {
            Some(sae) => self.device.place(sae, (at_once, true), console).map(drop),
            None => Ok(()),
        }
    }

    /// Opens the model, processed as the dictionary says where one is named, and makes the edits `specs` of it; `hook` replaces the dictionary's own. Prints what
    /// was decided.
    pub(super) fn open_as(
        &self,
        specs: &[EditSpec],
        hook: Option<&str>,
        model: &ModelArgs,
        console: &Console,
    ) -> Result<(Arc<Model>, Made)> {
        let (model, sae) = match &self.sae {
            Some(path) => {
                let sae = SaeArgs {
                    sae: path.clone(),
                    hook: hook.map(str::to_owned),
                    parent: self.parent.clone(),
                };
                let pair = open_both(model, &sae, console)?;
                (pair.model, Some(pair.sae))
            }
            None => (Arc::new(model.open(console)?), None),
        };
        let mut stock = Stock::new(Arc::clone(&model), sae, self.sources());
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
            probe: self.probe.clone(),
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

/// Reads `[[edit]]` tables of a TOML file.
fn from_file(path: &Path) -> Result<Vec<EditSpec>> {
    let text =
        std::fs::read_to_string(path).map_err(|e| Error::io("cannot read edits", path, e))?;
    let wrong = |what: String| Error::input(what, path);
    let mut table: toml::Table = text
        .parse()
        .map_err(|e| wrong(format!("is not TOML ({e})")))?;
    let Some(toml::Value::Array(edits)) = table.remove("edit") else {
        return Err(wrong("holds no tables [[edit]]".to_owned()));
    };
    if let Some(key) = table.keys().next() {
        return Err(wrong(format!(
            "has the key `{key}`, only tables [[edit]] are allowed"
        )));
    }
    let spec = |edit: toml::Value| {
        let toml::Value::Table(keys) = edit else {
            return Err(wrong(
                "holds an edit that is not a table, write [[edit]]".to_owned(),
            ));
        };
        let keys = keys.into_iter().map(|(key, value)| (key, plain(value)));
        EditSpec::from_keys(keys.collect()).map_err(|e| wrong(e.to_string()))
    };
    edits.into_iter().map(spec).collect()
}

/// Writes a TOML value as it would stand after `key=`.
fn plain(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        toml::Value::Array(values) => {
            let values: Vec<_> = values.into_iter().map(plain).collect();
            values.join(",")
        }
        other => other.to_string(),
    }
}
