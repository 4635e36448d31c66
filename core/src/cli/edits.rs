//! `--edit` and `--edits`: interventions for the commands that run a model.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Console, MismatchArgs, ModelArgs, PositionsArg, SaeArgs, open_both};
use crate::corpus::{Corpus, CorpusSpec};
use crate::dark_matter::Probe;
use crate::error::{Error, Result};
use crate::fit::Fit;
use crate::ids::HookPoint;
use crate::models::Model;
use crate::sae::Sae;
use crate::steer::{self, ACTIONS, EditSpec, Edits, Materials, What};

/// Flags of edits.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct EditArgs {
    /// Change what the model computes: an action and its keys, as in `zero hook=blocks.1.attn.hook_z heads=3 positions=1..`; may be repeated, edits at
    /// one hook apply in their order. The actions stand at the end of this help
    #[arg(long, value_name = "EDIT")]
    edit: Vec<String>,
    /// Edits from a TOML file: tables [[edit]] with `action` and the same keys; they come before those of `--edit`
    #[arg(long, value_name = "FILE")]
    edits: Option<PathBuf>,
    /// Dictionary whose features edits name: a folder, a file, or a name on the hub (owner/name:path)
    #[arg(long, value_name = "PATH")]
    pub(super) sae: Option<PathBuf>,
    /// Probe of the dictionary's error for `+linear` and `+nonlinear`, as `umbra dark-matter --keep` wrote it
    #[arg(long, value_name = "FILE")]
    probe: Option<PathBuf>,
    #[command(flatten)]
    mismatch: MismatchArgs,
    /// Text whose mean activation `mean` puts in place (the first 256 rows of 128 tokens)
    #[arg(long, value_name = "PATH", num_args = 1..)]
    mean_of: Vec<PathBuf>,
    /// Which positions of a text count.
    #[command(flatten)]
    pub(super) positions: PositionsArg,
}

/// The actions, for the end of a command's help.
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
    /// Whether no edit is given.
    pub(super) fn is_empty(&self) -> bool {
        self.edit.is_empty() && self.edits.is_none()
    }

    /// The edits as they are written, those of the file first.
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

    /// The model and the edits of it.
    pub(super) fn open(&self, model: &ModelArgs, console: &Console) -> Result<(Model, Edits)> {
        let (model, edits, _) = self.open_as(&self.specs()?, None, model, console)?;
        Ok((model, edits))
    }

    /// The model, processed as the dictionary says where one is named, the edits `specs` of it, and the units of each ([`EditSpec::units`]), which are noted
    /// too; `hook` stands in for the dictionary's own.
    pub(super) fn open_as(
        &self,
        specs: &[EditSpec],
        hook: Option<&str>,
        model: &ModelArgs,
        console: &Console,
    ) -> Result<(Model, Edits, Vec<Option<String>>)> {
        let (model, sae) = match &self.sae {
            Some(path) => {
                let sae = SaeArgs {
                    sae: path.clone(),
                    hook: hook.map(str::to_owned),
                };
                let pair = open_both(model, &sae, console)?;
                (Model::clone(&pair.model), Some(pair.sae))
            }
            None => (model.open(console)?, None),
        };
        let units = |spec: &EditSpec| sae.as_ref().and_then(|sae| spec.units(sae));
        let units: Vec<_> = specs.iter().map(units).collect();
        for (spec, units) in specs.iter().zip(&units) {
            if let Some(units) = units {
                console.note(&format!("{spec}: {units}"));
            }
        }
        let mut stock = Stock {
            args: self,
            model: &model,
            console,
            sae,
            probe: None,
            means: BTreeMap::new(),
        };
        for spec in specs {
            if let What::PatchText(text) = &spec.what {
                console.begun(model.codec(), text)?;
            }
        }
        let edits = specs.iter().map(|spec| spec.resolve(&model, &mut stock));
        let edits = edits.collect::<Result<_>>()?;
        let edits = Edits::new(&model, edits)?;
        Ok((model, edits, units))
    }
}

/// `[[edit]]` tables of a TOML file.
fn from_file(path: &Path) -> Result<Vec<EditSpec>> {
    let text =
        std::fs::read_to_string(path).map_err(|e| Error::io("cannot read edits", path, e))?;
    let wrong = |what: String| Error::input(what, path);
    let mut table: toml::Table = text
        .parse()
        .map_err(|e| wrong(format!("is no TOML ({e})")))?;
    let Some(toml::Value::Array(edits)) = table.remove("edit") else {
        return Err(wrong("holds no tables [[edit]]".to_owned()));
    };
    if let Some(key) = table.keys().next() {
        return Err(wrong(format!(
            "has a key `{key}`, only tables [[edit]] are read"
        )));
    }
    let spec = |edit: toml::Value| {
        let toml::Value::Table(keys) = edit else {
            return Err(wrong(
                "holds an edit that is no table, write [[edit]]".to_owned(),
            ));
        };
        let keys = keys.into_iter().map(|(key, value)| (key, plain(value)));
        EditSpec::from_keys(keys.collect()).map_err(|e| wrong(e.to_string()))
    };
    edits.into_iter().map(spec).collect()
}

/// A value of TOML as it would be written behind `key=`.
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

/// What edits are made from, opened when the first of them needs it.
struct Stock<'a> {
    args: &'a EditArgs,
    model: &'a Model,
    console: &'a Console,
    sae: Option<Arc<Sae>>,
    probe: Option<Arc<Probe>>,
    means: BTreeMap<HookPoint, Vec<f32>>,
}

impl Materials for Stock<'_> {
    fn dictionary(&mut self) -> Result<Arc<Sae>> {
        let missing = || {
            let what = "an edit names a feature or no hook: name its dictionary by --sae, or its hook by hook=";
            Error::setting("--sae", what)
        };
        self.sae.clone().ok_or_else(missing)
    }

    fn probe(&mut self) -> Result<Arc<Probe>> {
        if let Some(probe) = &self.probe {
            return Ok(Arc::clone(probe));
        }
        let Some(path) = &self.args.probe else {
            let what = "a linear or nonlinear part of the error needs a probe: fit one by `umbra dark-matter --keep FILE` and name it here";
            return Err(Error::setting("--probe", what));
        };
        let mut probe = Probe::open(path)?;
        let fit = Fit::of_probe(&probe, Some(self.model), self.sae.as_deref());
        self.args.mismatch.check(&fit, self.console)?;
        if let Some(sae) = self.sae.as_ref().filter(|_| fit.is_refused()) {
            probe = probe.taken_for(self.model, sae);
        }
        Ok(Arc::clone(self.probe.insert(Arc::new(probe))))
    }

    fn mean(&mut self, hook: HookPoint) -> Result<Vec<f32>> {
        if let Some(mean) = self.means.get(&hook) {
            return Ok(mean.clone());
        }
        if self.args.mean_of.is_empty() {
            let what =
                "a mean activation is over a text: name one, or give the vector by file= and key=";
            return Err(Error::setting("--mean-of", what));
        }
        let (corpus, notes) = Corpus::open(&CorpusSpec {
            paths: self.args.mean_of.clone(),
            ..CorpusSpec::default()
        })?;
        self.console.notes(&notes);
        let names = self.args.mean_of.iter().map(|path| path.display());
        let names: Vec<String> = names.map(|name| name.to_string()).collect();
        let mut bar = self.console.bar("Mean activation");
        let mean = steer::mean_of_text(
            (self.model, self.sae.as_deref()),
            (&corpus, &names.join(", ")),
            self.args.positions.rule(),
            hook,
            &mut |at| bar.at(at),
        )?;
        drop(bar);
        let stopped = || Error::setting("--mean-of", "was stopped before its end");
        let mean = mean.done().ok_or_else(stopped)?;
        self.console.notes(&mean.notes);
        self.console.note(&mean.over);
        self.means.insert(hook, mean.values.clone());
        Ok(mean.values)
    }
}
