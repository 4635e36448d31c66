//! `umbra heads roles`: measures the share of heads with several roles over all layers of a project that have a dictionary of attn.hook_z.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::roles_words;
use super::show::{StudyArgs, said};
use crate::cli::{Console, Exit};
use crate::error::{Error, Result};
use crate::features::Index;
use crate::fit::Fit;
use crate::formats;
use crate::heads::roles::{self, Agreement, JOINED, LayerRoles, RULE, share_of_heads};
use crate::ids::Layer;
use crate::models::Model;
use crate::progress::Ended;
use crate::project::{HeadVerdict, Project};
use crate::workbench::pair::Pair;
use crate::workbench::passes::{self, Amount};
use crate::workbench::roles as workbench;

/// Flags of `umbra heads roles`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder of the project, with its umbra.toml
    #[arg(value_name = "DIR", default_value = ".")]
    project: PathBuf,
    /// Tokens of the project's held-out text to read
    #[arg(long, value_name = "N", default_value_t = roles::TOKENS)]
    tokens: u64,
    #[command(flatten)]
    study: StudyArgs,
}

/// Runs `umbra heads roles`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let (project, notes) = Project::open(&args.project)?;
    console.notes(&notes);
    let path = project.model.as_deref().ok_or_else(|| {
        let what = "the project names no model: choose one in the window first";
        Error::input(what, &project.folder)
    })?;
    let (model, notes) = Model::open_as(path, project.opening)?;
    console.notes(&notes);
    let model = Arc::new(model);
    let request = passes::held_out(&project, Amount::Tokens(args.tokens))?;
    let mut layers: Vec<(String, LayerRoles)> = Vec::new();
    for entry in &project.entries {
        let (sae, _) = formats::open_among(&entry.sae, None, &project.dictionaries())?;
        let sae = Arc::new(sae);
        // Heads are told apart by activations alone.
        let of_head = sae.provenance.head.is_some() || sae.error_of.is_some();
        let Ok(hook) = sae.hook() else { continue };
        if !hook.is_z()
            || of_head
            || layers
                .iter()
                .any(|(_, layer)| Some(layer.layer) == hook.layer())
        {
            continue;
        }
        let pair = Pair::new(&model, &sae);
        console.notes(&pair.check()?);
        let text = pair.read(&request)?;
        let mut bar = console.bar(&format!("Studying {}", sae.name));
        let settings = args.study.settings();
        let index = entry.index.as_deref().map(Index::open).transpose()?;
        if let Some(index) = &index {
            let fit = Fit::of_index(index.about(), Some(&pair.model), Some(&sae));
            fit.check(false)?;
        }
        let of = (&text.rows, index.as_ref());
        let found = workbench::study(&pair, of, &settings, &mut |at| bar.at(at))?;
        drop(bar);
        let Ended::Done(found) = found else {
            return Ok(Exit::Stopped);
        };
        layers.push((sae.name.clone(), found.roles));
    }
    if layers.is_empty() {
        let what =
            "no dictionary of the project reads attn.hook_z, which tells heads apart: train one";
        return Err(Error::input(what, &project.folder));
    }
    let own = match project.labels_there()? {
        Some(labels) => labels.verdicts(model.fingerprint())?,
        None => Vec::new(),
    };
    answer(&layers, &own, (args, console))
}

fn answer(
    layers: &[(String, LayerRoles)],
    own: &[HeadVerdict],
    (args, console): (&Args, &Console),
) -> Result<Exit> {
    let all: Vec<&LayerRoles> = layers.iter().map(|(_, layer)| layer).collect();
    let shares = share_of_heads(&all, args.study.settings().seed);
    let agreement = agreement(&all, own);
    let layer = |(name, roles): &(String, LayerRoles)| {
        let heads = roles.heads.iter().map(|head| {
            json!({"layer": roles.layer.0, "head": head.head.0, "verdict": head.verdict.key(), "why": head.why(), "false_positive_rate": head.false_positives.rate()})
        });
        json!({"sae": name, "layer": roles.layer.0, "text": roles_words::layer(roles), "heads": heads.collect::<Vec<_>>()})
    };
    let object = json!({
        "rule": RULE, "joined": JOINED, "share": shares.iter().map(roles_words::share).collect::<Vec<_>>(),
        "agreement": agreement.as_ref().map(roles_words::agreement), "layers": layers.iter().map(layer).collect::<Vec<Value>>(),
        "definitions": said(roles::DEFINITIONS),
    });
    console.answer(&object, || {
        let mut lines: Vec<String> = Vec::new();
        for roles in &all {
            let heads = roles.heads.iter();
            lines.extend(
                heads.map(|head| format!("L{}H{}  {}", roles.layer, head.head, head.why())),
            );
        }
        lines.push(format!("\n{RULE}. {JOINED}\n"));
        lines.extend(shares.iter().map(roles_words::share_line));
        lines.extend(agreement.as_ref().map(roles_words::agreement_line));
        lines.join("\n")
    })?;
    Ok(Exit::Done)
}

/// Compares the measured verdicts with a person's.
fn agreement(layers: &[&LayerRoles], own: &[HeadVerdict]) -> Option<Agreement> {
    let of = |layer: Layer| layers.iter().find(move |roles| roles.layer == layer);
    let pairs = own.iter().filter_map(|own| {
        let head = of(own.layer)?.heads.get(own.head.index())?;
        Some((head.verdict, own.verdict?))
    });
    Agreement::new(&pairs.collect::<Vec<_>>())
}
