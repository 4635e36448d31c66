//! `umbra index map`: features on a plane, by the directions of their decoder rows.

use std::fmt::Write as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::{Console, Exit, MismatchArgs, SaeArgs};
use crate::error::Result;
use crate::features::Index;
use crate::features::directions::{Asked, DirectionMap, MOST, map_directions};
use crate::fit::Fit;
use crate::ids::FeatureId;
use crate::progress::{Ended, Progress};
use crate::whole_file;

/// Flags of `umbra index map`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Index file: features that are never active on its text are left out
    #[arg(value_name = "FILE")]
    index: PathBuf,
    #[command(flatten)]
    sae: SaeArgs,
    /// Most features to map; of a dictionary with more live ones, a sample is mapped
    #[arg(long, value_name = "N", default_value_t = MOST)]
    most: usize,
    /// Seed of the sample and of the first positions
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// CSV file to write: feature, x, y
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Never use the network
    #[arg(long)]
    offline: bool,
    #[command(flatten)]
    mismatch: MismatchArgs,
}

/// Runs `umbra index map`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    if let Some(out) = &args.out {
        whole_file::check_regular(out)?;
    }
    let index = Index::open(&args.index)?;
    let sae = args.sae.read(args.offline, console)?;
    let fit = Fit::of_index(index.about(), None, Some(&sae));
    args.mismatch.check(&fit, console)?;
    index.check_features(&sae)?;
    let summaries = index.summaries()?;
    let live = |feature: FeatureId| {
        let summary = summaries.get(feature.index());
        summary.is_some_and(|summary| summary.density > 0.0)
    };
    let asked = Asked {
        most: args.most,
        seed: args.seed,
    };
    let mut bar = console.bar("Mapping directions");
    let mapped = map_directions(&sae, &live, asked, &mut |at: Progress| bar.at(at))?;
    drop(bar);
    let Ended::Done(map) = mapped else {
        return Ok(Exit::Stopped);
    };
    if let Some(out) = &args.out {
        whole_file::write_bytes(out, csv(&map).as_bytes())?;
    }
    let out = args.out.as_ref().map(|out| out.display().to_string());
    console.answer(&object(&map, out.as_deref()), || text(&map, out.as_deref()))?;
    Ok(Exit::Done)
}

fn csv(map: &DirectionMap) -> String {
    let mut csv = "feature,x,y\n".to_owned();
    for (feature, [x, y]) in map.features.iter().zip(&map.points) {
        writeln!(csv, "{feature},{x},{y}").expect("a string takes everything");
    }
    csv
}

fn object(map: &DirectionMap, out: Option<&str>) -> Value {
    let points = map.features.iter().zip(&map.points);
    let points: Vec<Value> = points
        .map(|(feature, [x, y])| json!({"feature": feature.0, "x": x, "y": y}))
        .collect();
    json!({
        "out": out,
        "sae": map.sae,
        "seed": map.asked.seed,
        "of": map.of,
        "sample": map.is_sample(),
        "points": points,
    })
}

fn text(map: &DirectionMap, out: Option<&str>) -> String {
    match out {
        Some(out) => format!("{} on the map: {out}", map.said()),
        None => format!("{}\n{}", map.said(), csv(map).trim_end()),
    }
}
