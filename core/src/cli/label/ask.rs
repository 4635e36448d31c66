//! `umbra label ask`: asks a language model what features are about, and keeps its labels with their detection scores.

use std::env::var;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::{Console, Exit, MismatchArgs, ModelArgs, SaeArgs, open_by_token};
use super::{object, open};
use crate::error::{Error, Result};
use crate::features::Index;
use crate::fit::Fit;
use crate::ids::FeatureId;
use crate::progress::Ended;
use crate::project::Label;
use crate::workbench::ask::{
    self, Answer, Endpoint, KeptEndpoint, Material, Message, Settings, explain_prompt,
};
use crate::workbench::labels;

/// Variables with the address, the model and the key of the endpoint.
const URL: &str = "UMBRA_ASK_URL";
const MODEL: &str = "UMBRA_ASK_MODEL";
const KEY: &str = "UMBRA_ASK_KEY";

/// Flags of `umbra label ask`.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = "The endpoint is what the flags say, else the environment, else what the window's dialog keeps. What is sent is what --show-prompt shows, then the held-out texts with the \
    label, then nothing else.\nThe detection score is the balanced accuracy with which the model tells held-out texts in which the feature is active from silent ones by the label alone: 0.5 by \
    chance."
)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    /// Feature index of the dictionary, whose examples are shown
    #[arg(long, value_name = "FILE")]
    index: PathBuf,
    /// Features to ask about, counted from 0
    #[arg(long, value_name = "I", num_args = 1.., required = true)]
    feature: Vec<u32>,
    /// Address of an OpenAI-compatible endpoint, up to its version, such as https://api.openai.com/v1 or http://localhost:11434/v1 [default: $UMBRA_ASK_URL]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Model at the endpoint [default: $UMBRA_ASK_MODEL]
    #[arg(long, value_name = "NAME")]
    chat_model: Option<String>,
    /// File whose first line is the key [default: $UMBRA_ASK_KEY, else no key]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// Print the messages that ask for a label, and send nothing
    #[arg(long)]
    show_prompt: bool,
    /// Project that keeps the labels of features that have none yet [default: they are only printed]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Replace labels that features have already
    #[arg(long, requires = "project")]
    overwrite: bool,
    /// Examples that are shown, at most
    #[arg(long, value_name = "N", default_value_t = Settings::default().shown)]
    shown: usize,
    /// Held-out texts of either kind, active and silent, at most; 0 leaves out the detection test
    #[arg(long, value_name = "N", default_value_t = Settings::default().held_out)]
    held_out: usize,
    /// Seed that draws the silent texts
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    mismatch: MismatchArgs,
}

/// Runs `umbra label ask`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    // Everything that can be wrong without the model is found before it is loaded.
    let endpoint = if args.show_prompt {
        None
    } else {
        let endpoint = endpoint(args)?;
        endpoint.check()?;
        Some(endpoint)
    };
    let project = match &args.project {
        Some(folder) => Some(open(folder, console)?),
        None => None,
    };
    let index = Index::open(&args.index)?;
    let pair = open_by_token(&args.model, &args.sae, console)?;
    let fit = Fit::of_index(index.about(), Some(&pair.model), Some(&pair.sae));
    args.mismatch.check(&fit, console)?;
    let features: Vec<FeatureId> = args.feature.iter().copied().map(FeatureId).collect();
    let settings = Settings {
        shown: args.shown.max(1),
        held_out: args.held_out,
        seed: args.seed,
        allow_mismatch: args.mismatch.is_allowed(),
    };
    let mut bar = console.bar("Reading silent texts");
    let found = ask::materials(&pair, &index, &features, settings, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(found) = found else {
        return Ok(Exit::Stopped);
    };
    let Some(endpoint) = endpoint else {
        return show_prompt(&found, console);
    };
    // Labels are kept under the name of the dictionary's folder, as in the window.
    let folder = args.sae.sae.file_name().filter(|_| project.is_some());
    let sae = folder.map_or_else(
        || pair.sae.name.clone(),
        |name| name.to_string_lossy().into_owned(),
    );
    let of = |answer: &Answer| Label::new(&sae, answer.feature, answer.label.clone());
    let mut kept = 0;
    let mut keep = |answer: &Answer| {
        if let Some(project) = &project {
            let changed = labels::set(&project.labels()?, vec![of(answer)], args.overwrite)?;
            console.notes(&changed.notes);
            kept += changed.changes.len();
        }
        Ok(())
    };
    let mut bar = console.bar("Asking");
    let ended = ask::ask(&endpoint, &found, settings, &mut keep, &mut |at| bar.at(at))?;
    drop(bar);
    let given: Vec<Label> = ended.value().iter().map(of).collect();
    let object = json!({
        "endpoint": endpoint.url, "chat_model": endpoint.model, "kept": kept, "stopped": ended.is_stopped(),
        "labels": given.iter().map(object).collect::<Value>(),
    });
    console.answer(&object, || {
        given.iter().map(super::line).collect::<Vec<_>>().join("\n")
    })?;
    Ok(Exit::from(&ended))
}

/// Takes each part of the endpoint from its flag, else its variable, else what is kept.
fn endpoint(args: &Args) -> Result<Endpoint> {
    let folders = directories::ProjectDirs::from("", "", "umbra");
    let kept = match &folders {
        Some(folders) => KeptEndpoint::read(folders.data_dir())?,
        None => None,
    };
    let kept = kept.map(|kept| kept.endpoint).unwrap_or_default();
    let variable = |name: &str| var(name).ok().filter(|value| !value.is_empty());
    let url = args.url.clone().or_else(|| variable(URL));
    let model = args.chat_model.clone().or_else(|| variable(MODEL));
    let key = match &args.key_file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .map_err(|source| Error::io("cannot read the key", path, source))?;
            let key = text.lines().next().unwrap_or_default().trim().to_owned();
            if key.is_empty() {
                return Err(Error::input("holds no key in its first line", path));
            }
            Some(key)
        }
        None => variable(KEY),
    };
    // A kept key belongs to the kept address.
    let is_kept = url.as_ref().is_none_or(|url| *url == kept.url);
    let url = url.unwrap_or(kept.url);
    if url.is_empty() {
        let what = format!("give the address of an OpenAI-compatible endpoint, or set {URL}");
        return Err(Error::setting("--url", what));
    }
    Ok(Endpoint {
        url,
        model: model.unwrap_or(kept.model),
        key: key.or(kept.key.filter(|_| is_kept)),
    })
}

fn show_prompt(found: &[Material], console: &Console) -> Result<Exit> {
    let prompts: Vec<(FeatureId, Vec<Message>)> = found
        .iter()
        .map(|material| (material.feature, explain_prompt(material)))
        .collect();
    let value = |(feature, messages): &(FeatureId, Vec<Message>)| json!({"feature": feature.0, "messages": messages});
    let object = json!({"prompts": prompts.iter().map(value).collect::<Value>()});
    console.answer(&object, || {
        let mut lines = Vec::new();
        for (feature, messages) in &prompts {
            lines.push(format!("feature {feature}"));
            lines.extend(
                messages
                    .iter()
                    .map(|message| format!("[{}]\n{}\n", message.role, message.content)),
            );
        }
        lines.join("\n").trim_end().to_owned()
    })?;
    Ok(Exit::Done)
}
