//! `umbra report`: chosen features of an index as one HTML page or JSON.

use std::path::PathBuf;
use std::str::FromStr;

use serde_json::json;

use super::{Console, Exit};
use crate::error::Result;
use crate::features::Index;
use crate::ids::FeatureId;
use crate::project::Labels;
use crate::report::{self, Choice};

/// Flags of `umbra report`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Index file
    #[arg(value_name = "INDEX")]
    index: PathBuf,
    /// Features by number (1,2,3), or top:N for the N with the largest maximum activation
    #[arg(long, value_name = "LIST", default_value = "top:20")]
    features: Features,
    /// Labels to show beside the features: a project's labels.sqlite
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// Page or data to write: a name ending in .html or .json
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// `--features`.
#[derive(Debug, Clone)]
struct Features(Choice);

impl FromStr for Features {
    type Err = String;

    fn from_str(list: &str) -> std::result::Result<Self, String> {
        let wrong = |part: &str| format!("`{part}` is no number: give 1,2,3 or top:N");
        if let Some(most) = list.strip_prefix("top:") {
            return most
                .parse()
                .map(|most| Self(Choice::Top(most)))
                .map_err(|_not| wrong(most));
        }
        let number = |part: &str| {
            part.trim()
                .parse()
                .map(FeatureId)
                .map_err(|_not| wrong(part))
        };
        list.split(',')
            .map(number)
            .collect::<std::result::Result<_, _>>()
            .map(|features| Self(Choice::Listed(features)))
    }
}

/// Runs `umbra report`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let index = Index::open(&args.index)?;
    let labels = match &args.labels {
        Some(path) => Labels::open(path)?.all(&index.about().sae)?,
        None => Vec::new(),
    };
    let labels: Vec<_> = labels
        .into_iter()
        .map(|label| (label.feature, label.text))
        .collect();
    report::write(&index, &args.features.0, &labels, &args.out)?;
    let out = args.out.display().to_string();
    console.answer(&json!({"out": out, "sae": index.about().sae}), || {
        out.clone()
    })?;
    Ok(Exit::Done)
}
