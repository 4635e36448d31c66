//! `umbra train`: a dictionary trained on one hook of a model, saved as a SAELens folder. Ctrl-C saves it as it stands.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{Console, CorpusArgs, Exit, ModelArgs, Progress};
use crate::Flow;
use crate::corpus::{Part, Rows};
use crate::error::Result;
use crate::formats::{self, Precision};
use crate::ids::HookPoint;
use crate::models::Model;
use crate::train::{self, Event, Keeping, Outcome, Range, SETTINGS, Setting, Spec};

/// Flags of `umbra train`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    corpus: CorpusArgs,
    /// Train on all of the text; otherwise 5 % of the documents are held out by --split-seed
    #[arg(long)]
    no_split: bool,
    /// Hook to train on (blocks.2.hook_resid_post, blocks.0.attn.hook_z)
    #[arg(long, value_name = "NAME")]
    hook: String,
    #[command(flatten)]
    settings: SettingArgs,
    /// Steps to take, in place of --tokens: so many batches
    #[arg(long, value_name = "N", conflicts_with = "tokens")]
    steps: Option<u64>,
    /// Write a checkpoint into the folder of --out every so many steps, besides the one on Ctrl-C; a finished run needs none and removes it
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_every: Option<u64>,
    /// Go on from the checkpoint in the folder of --out, as if the run had never stopped
    #[arg(long)]
    resume: bool,
    /// Folder to write: cfg.json and sae_weights.safetensors, as SAELens reads them
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// How weights are stored
    #[arg(long, value_enum, default_value_t)]
    precision: PrecisionArg,
}

/// `--precision`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum PrecisionArg {
    /// 4 bytes a weight
    #[default]
    F32,
    /// 2 bytes a weight
    F16,
}

/// One flag for each setting of a run, built from the settings' own table.
#[derive(Debug, Clone, Default)]
struct SettingArgs(Vec<(&'static str, String)>);

impl SettingArgs {
    fn flag(setting: &'static Setting) -> clap::Arg {
        // Defaults that depend on the hook cannot be told before it is known.
        let default = setting.auto.unwrap_or(match setting.key {
            "features" => "1024 for hook_z, else 2048",
            "k" => "24 for hook_z, else 32",
            _ => "",
        });
        let default = if default.is_empty() {
            let residual = HookPoint::Embed;
            Spec::default_for(residual)
                .get(setting.key)
                .unwrap_or_default()
        } else {
            default.to_owned()
        };
        let unit = if setting.unit.is_empty() {
            String::new()
        } else {
            format!(" ({})", setting.unit)
        };
        let mut told = setting.help.to_owned();
        if let Range::Choice(words) = setting.range {
            told = format!("{told}: {}", words.join(", "));
        }
        if !setting.only.is_empty() {
            let names: Vec<_> = setting.only.iter().map(|v| v.name()).collect();
            told = format!("{told}; for {}", names.join(", "));
        }
        let value = match setting.range {
            Range::Whole { .. } => "N",
            Range::Real { .. } => "X",
            Range::Switch => "true|false",
            Range::Choice(_) => "NAME",
        };
        clap::Arg::new(setting.key)
            .long(setting.flag)
            .value_name(value)
            .help(format!("{told}{unit} [default: {default}]"))
    }
}

impl clap::Args for SettingArgs {
    fn augment_args(command: clap::Command) -> clap::Command {
        SETTINGS
            .iter()
            .fold(command, |command, setting| command.arg(Self::flag(setting)))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for SettingArgs {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<Self, clap::Error> {
        let given = |setting: &'static Setting| {
            let text = matches.get_one::<String>(setting.key)?;
            Some((setting.key, text.clone()))
        };
        Ok(Self(SETTINGS.iter().filter_map(given).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Runs `umbra train`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    // Read here and not by clap: a hook that does not exist is a failure (1), not wrong usage (2).
    let hook: HookPoint = args.hook.parse()?;
    let mut spec = Spec::default_for(hook);
    for (key, text) in &args.settings.0 {
        spec.set(key, text)?;
    }
    if let Some(steps) = args.steps {
        let tokens = steps.saturating_mul(spec.batch as u64);
        spec.set("tokens", &tokens.to_string())?;
    }
    spec.validate()?;
    for (key, _) in &args.settings.0 {
        if !spec.settings().any(|setting| setting.key == *key) {
            console.note(&format!("{key} decides nothing for {}", spec.variant));
        }
    }
    let model = args.model.open(console)?;
    model.check_hook(hook)?;
    let rows = read(args, &model, &mut spec, console)?;
    let outcome = watch(args, &spec, &model, &rows, console)?;
    let precision = match args.precision {
        PrecisionArg::F32 => Precision::F32,
        PrecisionArg::F16 => Precision::F16,
    };
    formats::save(&outcome.sae, &args.out, precision)?;
    if outcome.stopped {
        console.note(&format!(
            "Stopped after {} of {} activations: the dictionary as it stands is saved{}",
            outcome.tokens_seen,
            spec.tokens,
            if outcome.checkpoint.is_some() {
                ", the same command with --resume goes on"
            } else {
                ""
            }
        ));
    }
    console.answer(&object(args, &spec, &outcome), || table(args, &outcome))?;
    Ok(if outcome.stopped {
        Exit::Stopped
    } else {
        Exit::Done
    })
}

/// Rows to train on; what they are goes into the facts.
fn read(args: &Args, model: &Model, spec: &mut Spec, console: &Console) -> Result<Rows> {
    let corpus = args.corpus.open(console)?;
    let part = if args.no_split {
        Part::All
    } else {
        Part::Train
    };
    let corpus = args.corpus.part(&corpus, part, console);
    let rows = args.corpus.rows(&corpus, model, console)?;
    let split = if args.no_split {
        Value::from("all of the text")
    } else {
        json!({ "part": "train", "seed": args.corpus.split_seed })
    };
    spec.facts.extend([
        ("corpus".to_owned(), Value::from(args.corpus.describe())),
        ("corpus_sha256".to_owned(), corpus.fingerprint().into()),
        ("corpus_documents".to_owned(), corpus.documents.len().into()),
        ("corpus_unwrapped".to_owned(), args.corpus.unwrap.into()),
        ("split".to_owned(), split),
        ("model_sha256".to_owned(), model.fingerprint()?.into()),
    ]);
    Ok(rows)
}

fn watch(
    args: &Args,
    spec: &Spec,
    model: &Model,
    rows: &Rows,
    console: &Console,
) -> Result<Outcome> {
    let mut bar = console.progress("Training", spec.tokens, "activations");
    let keeping = Keeping {
        folder: Some(args.out.clone()),
        every: args.checkpoint_every,
        resume: args.resume,
    };
    train::run(spec, model, rows, &keeping, &mut |event| {
        show(event, &mut bar, console)
    })
}

fn show(event: Event, bar: &mut Progress<'_>, console: &Console) -> Flow {
    match event {
        Event::Note(note) => console.note(&note),
        Event::Progress(at) if at.step > 0 => {
            let figures = format!(
                "loss {:.4} FVU {:.4} L0 {:.1} dead {:.1} %",
                at.loss,
                at.fvu,
                at.l0,
                100.0 * at.dead_fraction
            );
            return bar.set(at.tokens_seen, &figures);
        }
        Event::Progress(_) => return bar.set(0, "gathering activations"),
        Event::Snapshot(_) => {}
    }
    console.flow()
}

fn object(args: &Args, spec: &Spec, outcome: &Outcome) -> Value {
    json!({
        "out": args.out,
        "variant": spec.variant.name(),
        "selection": outcome.sae.selection.describe(),
        "steps": outcome.last.step,
        "tokens_seen": outcome.tokens_seen,
        "l0": outcome.last.l0,
        "fvu": outcome.last.fvu,
        "loss": outcome.last.loss,
        "inference_l0": outcome.last.inference_l0,
        "inference_fvu": outcome.last.inference_fvu,
        "checkpoint": outcome.checkpoint,
        "dead_fraction": outcome.last.dead_fraction,
        "stopped": outcome.stopped,
    })
}

fn table(args: &Args, outcome: &Outcome) -> String {
    let last = outcome.last;
    let mut lines = vec![
        args.out.display().to_string(),
        format!("selection   {}", outcome.sae.selection.describe()),
        format!("tokens seen {:>10}", outcome.tokens_seen),
        format!("L0          {:>10.3}  over the last steps", last.l0),
        format!("FVU         {:>10.5}  over the last steps", last.fvu),
    ];
    if let (Some(l0), Some(fvu)) = (last.inference_l0, last.inference_fvu) {
        lines.push(format!("L0 in use   {l0:>10.3}  under the selection above"));
        lines.push(format!(
            "FVU in use  {fvu:>10.5}  under the selection above"
        ));
    }
    lines.push(format!(
        "dead        {:>10.5}  share silent at the end",
        last.dead_fraction
    ));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, FromArgMatches as _, Parser};

    use super::*;

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
            };
            let line = parse(&[&format!("--{}", setting.flag), &value]).unwrap();
            assert_eq!(line.args.settings.0, [(setting.key, value.clone())]);
            let mut spec = Spec::default_for(line.args.hook.parse().unwrap());
            spec.set(setting.key, &value).unwrap();
            assert_eq!(spec.get(setting.key).unwrap(), value);
        }
        let line = parse(&["--steps", "7", "--checkpoint-every", "3", "--resume"]).unwrap();
        let args = line.args;
        assert_eq!((args.steps, args.checkpoint_every), (Some(7), Some(3)));
        assert!(args.resume);
        assert!(parse(&["--steps", "7", "--tokens", "70"]).is_err());
        assert!(parse(&["--checkpoint-every", "0"]).is_err());
        assert!(parse(&["--sparsity", "3"]).is_err());
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
