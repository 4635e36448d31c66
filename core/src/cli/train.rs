//! `umbra train`: trains a dictionary on one hook of a model or on an activation store, and saves it as a SAELens folder. Ctrl-C saves its current state.

mod request;
mod settings;
mod shown;

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};

use self::settings::SettingArgs;
use self::shown::{Seen, object, show, table};
use super::{
    Console, CorpusArgs, DeviceArg, DocumentsArg, Exit, ModelArgs, ParentArg, PositionsArg,
    open_for,
};
use crate::corpus::Part;
use crate::error::{Error, Result};
use crate::formats::Precision;
use crate::ids::HookPoint;
use crate::models::Model;
use crate::progress::Ended;
use crate::sae::{ErrorPart, Sae};
use crate::store::Store;
use crate::train::{self, Keeping, Outcome, Spec};
use crate::workbench::ladder;
use crate::workbench::text::Text;
use crate::workbench::training::{self, OnError, Report, Runs, Source, Trained, check_folders};

pub use request::{train_line, train_request};

/// Flags of `umbra train`.
#[derive(Debug, Clone, clap::Args)]
#[command(
    mut_arg("model", |arg| arg.required(false).required_unless_present("store")),
    mut_arg("corpus", |arg| arg.required(false).required_unless_present("store").conflicts_with("store")),
    mut_arg("text_column", |arg| arg.conflicts_with("store")),
    mut_arg("unwrap", |arg| arg.conflicts_with("store")),
    mut_arg("context", |arg| arg.conflicts_with("store"))
)]
pub(super) struct Args {
    #[command(flatten)]
    model: Option<ModelArgs>,
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Train on all of the text; without this flag, --split-seed holds out 5 % of the documents
    #[arg(long, conflicts_with = "store")]
    no_split: bool,
    /// Activation store to train on, instead of --model and --corpus; the capture decides model, text, split and row length. With --model, the store must have been
    /// captured from that model
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Hook to train on, such as blocks.2.hook_resid_post or blocks.0.attn.hook_z; for a transcoder the hook that it reads [default: the only hook of --store, or the
    /// hook of --from]
    #[arg(long, value_name = "NAME", required_unless_present_any = ["store", "from", "of"])]
    hook: Option<String>,
    /// Train on the error of --of instead of the activation: the whole error, or the part of it that is linear in the activation, or the rest [default: error,
    /// with --of]
    #[arg(long, value_enum, value_name = "PART", requires = "of")]
    on: Option<PartArg>,
    /// Dictionary whose error is trained on: a folder or file of any library, or a name on the hub. The new dictionary's files name it as the parent; its hook is the
    /// parent's
    #[arg(long, value_name = "DIR")]
    of: Option<PathBuf>,
    /// Probe of --of with the linear map that tells linear from nonlinear error, as `umbra dark-matter fit --keep` writes it [default: fitted on the training text]
    #[arg(long, value_name = "FILE", requires = "on")]
    probe: Option<PathBuf>,
    #[command(flatten)]
    parent: ParentArg,
    /// Dictionary to start from instead of random directions: a folder or file of any library, or a name on the hub. Its features, weights, biases and thresholds are
    /// the start; variant and k are its own unless given
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    #[command(flatten)]
    settings: SettingArgs,
    #[command(flatten)]
    device: DeviceArg,
    /// Number of steps (batches), instead of --tokens
    #[arg(long, value_name = "N", conflicts_with = "tokens")]
    steps: Option<u64>,
    /// Write a checkpoint into the folder of --out every this many steps; Ctrl-C also writes one, and a finished run removes it
    #[arg(long, value_name = "STEPS")]
    checkpoint_every: Option<NonZeroU64>,
    /// Also write a checkpoint when this many minutes have passed since the last one
    #[arg(long, value_name = "MINUTES")]
    checkpoint_minutes: Option<NonZeroU64>,
    /// Resume from the checkpoint in the folder of --out, as if the run had never stopped; without a checkpoint, start from the beginning
    #[arg(long)]
    resume: bool,
    /// Overwrite a dictionary, run, export or store in the folder of --out; without this flag such a folder is an error. Other files stay, and the old dictionary
    /// stays until the new one is saved
    #[arg(long)]
    overwrite: bool,
    /// Folder to write: cfg.json and sae_weights.safetensors in SAELens's format, and the run's records run.json and events.jsonl
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Train another dictionary from the same model pass: KEY=VALUE… with out=DIR and the settings that differ (hook and any of these flags except --tokens, --seed,
    /// --batch and --buffer); may be repeated
    #[arg(long, value_name = "KEY=VALUE…", conflicts_with = "from")]
    also: Vec<String>,
    /// TOML file of settings: each key is the name of one of these flags, with its value (or a list if it takes several); flags on the command line take precedence
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Number type of the weights
    #[arg(long, value_enum, default_value_t)]
    precision: PrecisionArg,
    /// Numbers of features of a ladder, each trained into a folder of its own; empty for one dictionary. Set by `umbra ladder train`.
    #[arg(skip)]
    pub(super) widths: Vec<usize>,
}

impl Args {
    /// Returns the folder of the first dictionary.
    fn first_folder(&self) -> PathBuf {
        match self.widths.first() {
            Some(width) => ladder::folder(&self.out, *width),
            None => self.out.clone(),
        }
    }

    /// Whether more than one dictionary is trained.
    fn trains_several(&self) -> bool {
        !self.also.is_empty() || !self.widths.is_empty()
    }

    /// Returns the folder that was asked for.
    pub(super) fn out(&self) -> &Path {
        &self.out
    }

    /// Whether --also names other dictionaries.
    pub(super) fn names_others(&self) -> bool {
        !self.also.is_empty()
    }

    /// Whether --from names a dictionary to start from.
    pub(super) fn starts_from_one(&self) -> bool {
        self.from.is_some()
    }

    /// Whether the setting `key` was given.
    pub(super) fn gives(&self, key: &str) -> bool {
        self.settings.0.iter().any(|(given, _)| *given == key)
    }
}

/// `--precision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum PrecisionArg {
    /// 4 bytes per weight
    #[default]
    F32,
    /// 2 bytes per weight
    F16,
}

/// `--on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PartArg {
    /// All that the reconstruction leaves of the activation
    Error,
    /// The part of the error that a linear map predicts from the activation
    Linear,
    /// The rest of the error
    Nonlinear,
}

impl From<PartArg> for ErrorPart {
    fn from(part: PartArg) -> Self {
        match part {
            PartArg::Error => Self::Whole,
            PartArg::Linear => Self::Linear,
            PartArg::Nonlinear => Self::Nonlinear,
        }
    }
}

/// Runs `umbra train`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    if let Some(path) = &args.config {
        console.note(&format!("Settings are taken from {}", path.display()));
    }
    let trained = match &args.store {
        Some(folder) => from_store(args, folder, console),
        None => from_model(args, console),
    };
    let mut saved = trained.inspect_err(|_| say_how_to_go_on(args, console))?;
    for one in &saved {
        if let Ended::Stopped(outcome) = &one.ended {
            console.note(&format!(
                "Stopped after {} of {} activations: the dictionary is saved in its current state{}",
                outcome.tokens_seen,
                one.spec.tokens,
                if outcome.checkpoint.is_some() {
                    "; repeat the command with --resume to continue"
                } else {
                    ""
                }
            ));
        }
    }
    let stopped = saved.iter().any(|one| one.ended.is_stopped());
    let object = if args.trains_several() {
        let all: Vec<Value> = saved.iter().map(object).collect();
        let tables: Vec<String> = saved.iter().map(table).collect();
        Some((json!({ "dictionaries": all }), tables.join("\n\n")))
    } else {
        saved.pop().map(|one| (object(&one), table(&one)))
    };
    if let Some((object, table)) = object {
        console.answer(&object, || table)?;
    }
    Ok(if stopped { Exit::Stopped } else { Exit::Done })
}

/// Returns how to resume after a failure, by the names of flags.
fn say_how_to_go_on(args: &Args, console: &Console) {
    let kept = Keeping {
        resume: true,
        ..keeping(args, &args.first_folder())
    };
    if args.resume && kept.check().is_ok() {
        console.note("Use --overwrite instead of --resume to start again");
    } else if kept.check().is_ok() {
        console.note("Repeat the command with --resume to continue from the checkpoint");
    }
}

/// Trained dictionary.
#[derive(Debug)]
struct Saved {
    spec: Spec,
    out: PathBuf,
    ended: Ended<Outcome, Outcome>,
}

/// Returns the hook asked for, else that of the dictionary whose error is trained on or to start from. Parsed here rather than by clap: an unknown hook is a
/// failure (exit code 1), not wrong usage (2).
fn hook(args: &Args, based: &Based) -> Result<Option<HookPoint>> {
    let asked = args.hook.as_ref().map(|hook| hook.parse()).transpose()?;
    let of = based.on.as_ref().and_then(|on| on.parent.provenance.hook);
    let start = || based.start.as_ref()?.provenance.hook;
    Ok(asked.or(of).or_else(start))
}

/// Dictionaries that a run is based on.
#[derive(Debug, Clone, Default)]
struct Based {
    /// Dictionary to start from.
    start: Option<Sae>,
    /// Dictionary whose error is trained on.
    on: Option<OnError>,
}

/// Reads the dictionaries that the run is based on.
fn based(args: &Args, console: &Console) -> Result<Based> {
    let offline = args.model.as_ref().is_some_and(|model| model.offline);
    let mut on = None;
    if let Some(of) = &args.of {
        let located = super::hub::dictionary_at(of, offline, console)?;
        let (sae, notes) = located.open_among(&args.parent.places(&located.path))?;
        console.notes(&notes);
        on = Some(on_error(args, sae, located.path));
    }
    let start = start(args, console)?;
    Ok(Based { start, on })
}

/// Returns what --on asks for, of the dictionary `sae` at `path`.
fn on_error(args: &Args, sae: Sae, path: PathBuf) -> OnError {
    OnError {
        part: args.on.map_or(ErrorPart::Whole, ErrorPart::from),
        parent: Arc::new(sae),
        path,
        probe: args.probe.clone(),
    }
}

/// Reads the dictionary to start from.
fn start(args: &Args, console: &Console) -> Result<Option<Sae>> {
    let Some(folder) = &args.from else {
        return Ok(None);
    };
    let offline = args.model.as_ref().is_some_and(|model| model.offline);
    let (sae, notes) = super::hub::dictionary_at(folder, offline, console)?.open()?;
    console.notes(&notes);
    Ok(Some(sae))
}

/// Returns the settings of a run on `hook`, with those given by flags, and prints what they say of the dictionary to start from.
fn spec(args: &Args, hook: HookPoint, based: &Based, console: &Console) -> Result<Spec> {
    if let Some(start) = &based.start {
        console.note(&format!("Training starts from {}", start.name));
    }
    let spec = settings(args, hook, based)?;
    for (key, _) in &args.settings.0 {
        if !spec.settings().any(|setting| setting.key == *key) {
            console.note(&format!("{key} has no effect for {}", spec.kind()));
        }
    }
    Ok(spec)
}

/// Returns the settings of a run on `hook`: those of the dictionaries that it is based on, then those given by flags.
fn settings(args: &Args, hook: HookPoint, based: &Based) -> Result<Spec> {
    let mut spec = Spec::default_for(hook);
    if let Some(start) = &based.start {
        spec.go_on_from(start.clone());
    }
    if let Some(on) = &based.on {
        spec.read_as(&on.parent);
        // The part is found once the model is open.
        spec.on = None;
    }
    for (key, text) in &args.settings.0 {
        spec.set(key, text)?;
    }
    if let Some(steps) = args.steps {
        let tokens = steps.saturating_mul(spec.batch as u64);
        spec.set("tokens", &tokens.to_string())?;
    }
    spec.validate()?;
    Ok(spec)
}

/// Returns the dictionary of the flags and those of --also, or the rungs of a ladder, after checking that their folders can be written.
fn runs(args: &Args, first: Spec) -> Result<Vec<(Spec, Keeping)>> {
    if !args.widths.is_empty() {
        let rungs = ladder::rungs(&first, &args.widths, &args.out)?;
        let runs = rungs.into_iter().map(|(spec, out)| {
            let keeping = keeping(args, &out);
            (spec, keeping)
        });
        let runs: Vec<_> = runs.collect();
        check_folders(&runs, args.overwrite)?;
        return Ok(runs);
    }
    let mut runs = vec![(first, keeping(args, &args.out))];
    for also in &args.also {
        let (spec, out) = other(&runs[0].0, also)?;
        runs.push((spec, keeping(args, &out)));
    }
    check_folders(&runs, args.overwrite)?;
    Ok(runs)
}

/// Returns the first dictionary with the changes in `text`.
fn other(first: &Spec, text: &str) -> Result<(Spec, PathBuf)> {
    let wrong = |what: String| Error::setting("--also", what);
    let pieces = shlex::split(text)
        .ok_or_else(|| wrong(format!("`{text}` has an unclosed quotation mark")))?;
    let (mut spec, mut out) = (first.clone(), None);
    for piece in pieces {
        let Some((key, value)) = piece.split_once('=') else {
            return Err(wrong(format!("`{piece}` is not KEY=VALUE")));
        };
        match key.replace('-', "_").as_str() {
            "out" => out = Some(PathBuf::from(value)),
            "hook" => spec.hook = value.parse()?,
            key if train::SHARED.contains(&key) => {
                let what = "dictionaries trained together share this setting, omit it";
                return Err(wrong(format!("{key}: {what}")));
            }
            key => spec.set(key, value)?,
        }
    }
    let out = out.ok_or_else(|| wrong(format!("`{text}` names no folder, give out=DIR")))?;
    spec.validate()?;
    Ok((spec, out))
}

fn from_model(args: &Args, console: &Console) -> Result<Vec<Saved>> {
    let based = based(args, console)?;
    let (Some(hook), Some(model)) = (hook(args, &based)?, &args.model) else {
        let what = "name the hook to train on and the model, or a --store";
        return Err(Error::setting("--hook", what));
    };
    let runs = runs(args, spec(args, hook, &based, console)?)?;
    let parent = based.on.as_ref().map(|on| Arc::clone(&on.parent));
    let model = match &parent {
        // It reads as its parent does.
        Some(parent) => open_for(model, parent, console)?.model,
        None => Arc::new(model.open(console)?),
    };
    for (spec, _) in &runs {
        model.width(spec.hook)?;
        model.width(spec.writes())?;
    }
    let text = read(args, (&model, parent.as_deref()), &runs[0].0, console)?;
    let source = Source::Text(&model, &text);
    on_part(args, &based, (source, runs), console)
}

/// Finds the part of the error to train on, if one is asked for, and trains.
fn on_part(
    args: &Args,
    based: &Based,
    (source, mut runs): (Source<'_>, Vec<(Spec, Keeping)>),
    console: &Console,
) -> Result<Vec<Saved>> {
    if let Some(on) = &based.on {
        let mut bar = console.bar("Fitting the linear map");
        let applied = on.apply(&source, &mut runs, &mut |at| bar.at(at))?;
        drop(bar);
        let Ended::Done(notes) = applied else {
            let what = "was stopped while its linear map was fitted: nothing was trained";
            return Err(Error::setting("--on", what));
        };
        console.notes(&notes);
    }
    trained(args, source, runs, console)
}

/// Checkpoint settings of a run.
fn keeping(args: &Args, out: &Path) -> Keeping {
    Keeping {
        folder: Some(out.to_path_buf()),
        every: args.checkpoint_every.map(NonZeroU64::get),
        interval: args
            .checkpoint_minutes
            .map(|minutes| Duration::from_secs(minutes.get().saturating_mul(60))),
        resume: args.resume,
    }
}

/// Trains and shows the progress. A failure of one dictionary does not keep others from being saved.
fn trained(
    args: &Args,
    source: Source<'_>,
    runs: Vec<(Spec, Keeping)>,
    console: &Console,
) -> Result<Vec<Saved>> {
    let precision = match args.precision {
        PrecisionArg::F32 => Precision::F32,
        PrecisionArg::F16 => Precision::F16,
    };
    let out = |(spec, keeping): (Spec, Keeping)| (spec, keeping.folder.unwrap_or_default());
    let given = args.settings.0.iter().map(|(key, _)| (*key).to_owned());
    let training = Runs {
        given: given.collect(),
        precision,
        overwrite: args.overwrite,
        device: args.device.choose(&source.job(&runs)?, console)?,
        ..Runs::new(source, runs.clone())
    };
    let runs: Vec<(Spec, PathBuf)> = runs.into_iter().map(out).collect();
    let mut seen = Seen {
        by_run: vec![0; runs.len()],
        in_all: runs.iter().map(|(spec, _)| spec.tokens).sum(),
    };
    let mut bar = console.bar("Training");
    let finished = training.train(&mut |report| match report {
        Report::Note(note) => {
            console.note(&note);
            console.flow()
        }
        Report::Run(which, event) => {
            let name = (runs.len() > 1).then(|| runs[which].1.display().to_string());
            show(event, (which, name), &mut seen, &mut bar, console)
        }
    })?;
    drop(bar);
    console.notes(&finished.notes);
    let mut saved = Vec::new();
    let mut first_error = None;
    for ((spec, out), trained) in runs.into_iter().zip(finished.runs) {
        match trained {
            Trained::Saved(ended) => saved.push(Saved {
                spec,
                out,
                ended: *ended,
            }),
            Trained::Unsaved(ended, error) => {
                if let Ok(kept) = training::rescue(&ended.value().sae, &out, precision) {
                    console.note(&format!(
                        "The dictionary is saved in {} instead: move it to a disk with free space",
                        kept.display()
                    ));
                }
                first_error.get_or_insert(error);
            }
            Trained::Failed(error) => {
                first_error.get_or_insert(error);
            }
        }
    }
    first_error.map_or(Ok(saved), Err)
}

fn from_store(args: &Args, folder: &Path, console: &Console) -> Result<Vec<Saved>> {
    let based = based(args, console)?;
    let asked = hook(args, &based)?;
    let (store, notes) = Store::open(folder)?;
    console.notes(&notes);
    let hook = match (asked, store.about().hooks.as_slice()) {
        (Some(hook), _) => hook,
        (None, [only]) => only.hook,
        (None, several) => {
            let names: Vec<String> = several.iter().map(|at| at.hook.to_string()).collect();
            let what = format!("the store holds {}: name one", names.join(", "));
            return Err(Error::setting("--hook", what));
        }
    };
    let runs = runs(args, spec(args, hook, &based, console)?)?;
    for (spec, _) in &runs {
        store.width(spec.hook)?;
    }
    if let Some(model) = &args.model {
        let there = store.about().processing;
        if model.process.is_some_and(|asked| asked != there) {
            let what = format!(
                "the store was captured from weights processed by {there}, leave out this flag"
            );
            return Err(Error::setting("--process", what));
        }
        let card = model.card(console)?;
        if let Some(note) = store.check_model(&card.name, &card.fingerprint()?)? {
            console.note(&note);
        }
    }
    on_part(args, &based, (Source::Store(&store), runs), console)
}

/// Reads the text to train on, in rows as long as those of the parent; `spec` says which positions count and whether documents are kept apart.
fn read(
    args: &Args,
    (model, parent): (&Model, Option<&Sae>),
    spec: &Spec,
    console: &Console,
) -> Result<Text> {
    let offline = args.model.as_ref().is_some_and(|model| model.offline);
    let documents = DocumentsArg {
        separate_documents: Some(spec.separate_documents),
    };
    let asked = (PositionsArg::default(), documents);
    let request = args.corpus.request(asked, offline, console)?;
    let part = if args.no_split {
        Part::All
    } else {
        Part::Train
    };
    let text = request.of(part).read(model, parent)?.by(spec.positions);
    console.notes(&text.said());
    Ok(text)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _, Parser};

    use super::*;
    use crate::train::{Range, SETTINGS};

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn parse(more: &[&str]) -> Result<Line, clap::Error> {
        let mut words = vec!["train", "--model", "m", "--corpus", "a", "b", "--out", "o"];
        words.extend(["--hook", "blocks.2.hook_resid_post"]);
        words.extend(more);
        Line::from_arg_matches(&Line::command().try_get_matches_from(words)?)
    }

    #[test]
    fn every_setting_has_a_flag_that_sets_it() {
        for setting in SETTINGS {
            let value = match setting.range {
                Range::Switch => "false".to_owned(),
                Range::Whole { least, .. } => (least + 3).to_string(),
                Range::Real { .. } => "0.25".to_owned(),
                Range::Choice(words) => words[words.len() - 1].to_owned(),
                Range::Hook => "blocks.1.hook_mlp_out".to_owned(),
            };
            let line = parse(&[&format!("--{}", setting.flag), &value]).unwrap();
            assert_eq!(line.args.settings.0, [(setting.key, value.clone())]);
            let hook = hook(&line.args, &Based::default()).unwrap().unwrap();
            let mut spec = Spec::default_for(hook);
            spec.set(setting.key, &value).unwrap();
            assert_eq!(spec.get(setting.key).unwrap(), value);
        }
        let line = parse(&["--steps", "7", "--checkpoint-every", "3", "--resume"]).unwrap();
        let args = line.args;
        assert_eq!(
            (args.steps, args.checkpoint_every),
            (Some(7), NonZeroU64::new(3))
        );
        assert!(args.resume);
        assert!(parse(&["--steps", "7", "--tokens", "70"]).is_err());
        assert!(parse(&["--checkpoint-every", "0"]).is_err());
        assert!(parse(&["--sparsity", "3"]).is_err());
    }

    #[test]
    fn a_store_stands_in_for_model_and_corpus_and_no_text_beside_it() {
        let parse = |more: &str| {
            let words = ["train", "--out", "o"].into_iter();
            let words = words.chain(more.split_whitespace());
            Line::command()
                .try_get_matches_from(words)
                .and_then(|m| Line::from_arg_matches(&m))
        };
        let alone = parse("--store s").unwrap().args;
        assert!(alone.model.is_none() && alone.hook.is_none());
        let beside = parse("--store s --model m --hook h").unwrap().args;
        assert!(beside.model.is_some());
        for wrong in [
            "",
            "--model m --hook h",
            "--corpus c --hook h",
            "--store s --corpus c",
            "--store s --context 8",
            "--store s --no-split",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn help_names_defaults_and_units() {
        let help = Line::command().render_long_help().to_string();
        let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
        for phrase in [
            "--aux-coefficient",
            "half the activation's width",
            "[default: 2048]",
            "activations",
            "relu, topk, batch-topk",
            "for gradient",
        ] {
            assert!(help.contains(phrase), "{phrase} is missing in {help}");
        }
    }
}
