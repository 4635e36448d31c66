//! `umbra heads verdict`: keeps a person's verdict on a head, with a note, in a project.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::cli::{Console, Exit};
use crate::error::{Error, Result};
use crate::ids::{Head, Layer};
use crate::models::Card;
use crate::project::{HeadVerdict, Project, Verdict};

/// Flags of `umbra heads verdict`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Verdict to keep [default: print what is kept]
    #[arg(value_enum)]
    verdict: Option<VerdictArg>,
    /// Folder of the project, with its umbra.toml
    #[arg(long, value_name = "DIR", default_value = ".")]
    project: PathBuf,
    /// Layer, counted from 0
    #[arg(long, value_name = "L", requires = "head")]
    layer: Option<u32>,
    /// Head, counted from 0
    #[arg(long, value_name = "H", requires = "layer")]
    head: Option<u32>,
    /// Note to keep with it; without a verdict, the kept verdict stays
    #[arg(long, value_name = "TEXT", requires = "head")]
    note: Option<String>,
}

/// A person's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum VerdictArg {
    /// One role
    One,
    /// Several roles
    Several,
    /// Cannot tell
    Unsure,
    /// Remove the verdict; the note stays
    None,
}

impl VerdictArg {
    fn verdict(self) -> Option<Verdict> {
        match self {
            Self::One => Some(Verdict::One),
            Self::Several => Some(Verdict::Several),
            Self::Unsure => Some(Verdict::Unsure),
            Self::None => None,
        }
    }
}

/// Runs `umbra heads verdict`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let (project, notes) = Project::open(&args.project)?;
    console.notes(&notes);
    let Some(path) = &project.model else {
        let what = "the project names no model, whose heads the verdicts are on: choose one in the window first";
        return Err(Error::input(what, &project.folder));
    };
    let (card, _) = Card::from_path(path, project.opening)?;
    let model = card.fingerprint()?;
    let mut kept = match project.labels_there()? {
        Some(labels) => labels.verdicts(&model)?,
        None => Vec::new(),
    };
    let place = args.layer.zip(args.head);
    if let Some((layer, head)) = place {
        let (layers, heads) = (card.config.layers, card.config.heads);
        if layer as usize >= layers || head as usize >= heads {
            let what = format!(
                "layer {layer}, head {head} is not in the model, which has {layers} layers of {heads} heads"
            );
            return Err(Error::setting("head", what));
        }
        kept.retain(|kept| (kept.layer.0, kept.head.0) == (layer, head));
    }
    if args.verdict.is_some() && place.is_none() {
        let what = "a verdict is on one head: name its layer and its head";
        return Err(Error::setting("layer", what));
    }
    if let Some((layer, head)) = place
        && (args.verdict.is_some() || args.note.is_some())
    {
        let former = kept.first();
        let set = HeadVerdict {
            layer: Layer(layer),
            head: Head(head),
            verdict: match args.verdict {
                Some(verdict) => verdict.verdict(),
                None => former.and_then(|former| former.verdict),
            },
            note: args
                .note
                .clone()
                .or_else(|| former.map(|former| former.note.clone()))
                .unwrap_or_default(),
        };
        project.labels()?.set_verdict(&model, &set)?;
        kept = vec![set];
    }
    let object = json!({"verdicts": kept.iter().map(value).collect::<Vec<_>>()});
    console.answer(&object, || {
        if kept.is_empty() {
            return "no verdict is kept".to_owned();
        }
        kept.iter().map(line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Exit::Done)
}

fn value(kept: &HeadVerdict) -> Value {
    json!({"layer": kept.layer.0, "head": kept.head.0, "verdict": kept.verdict.map(Verdict::key), "note": kept.note})
}

fn line(kept: &HeadVerdict) -> String {
    let verdict = kept.verdict.map_or("no verdict", Verdict::name);
    let note = if kept.note.is_empty() {
        String::new()
    } else {
        format!("  {}", kept.note)
    };
    format!("L{}H{}  {verdict}{note}", kept.layer, kept.head)
}
