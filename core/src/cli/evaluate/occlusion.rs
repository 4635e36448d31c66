//! `umbra evaluate occlusion`: large attributes hide small ones.

use super::rows::{FitArgs, KeepArgs, RowsArgs};
use crate::cli::{Console, Exit};
use crate::error::{Error, Result};
use crate::progress::Ended;
use crate::project::MadeWith;
use crate::recovery::occlusion::{Spec, THRESHOLDS, Toy, study, toy};
use crate::sae::Sae;
use crate::workbench::evaluate::labelled;
use crate::workbench::evaluate::occlusion::{Found, Occlusion, OnModel, by_setting, found, said};

/// L1 of the toy's dictionaries.
const L1: [f64; 3] = [0.2, 0.3, 0.4];
/// Seeds of the toy and of a study of activations.
const TOY_SEEDS: u64 = 5;
const SEEDS: u64 = 3;

/// End of the help.
const HELP: &str = "\
Examples:
  umbra evaluate occlusion --toy
  umbra evaluate occlusion --toy --norms 1,0.25 --top-k 2,3 --seeds 8
  umbra evaluate occlusion --model M --site blocks.2.hook_resid_post@end --attributes io,s
  umbra evaluate occlusion --model M --sae S --attributes io,s

The toy is a = u_i + v_j. On activations the first attribute is removed step by step (--alphas), and a dictionary is trained for each step and seed. With --sae the values \
that loaded dictionaries find are counted, without training.";

/// Flags of `umbra evaluate occlusion`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Args {
    /// Study the toy instead of a model
    #[arg(long, conflicts_with = "model")]
    toy: bool,
    #[command(flatten)]
    rows: RowsArgs,
    /// Two attributes: the one that is removed, and the one beside it
    #[arg(long, value_name = "A,B", value_delimiter = ',', default_values_t = ["io".to_owned(), "s".to_owned()])]
    attributes: Vec<String>,
    /// Shares of the first attribute that are removed, from 0 to 1
    #[arg(long, value_name = "A,B…", value_delimiter = ',', default_values_t = [0.0, 0.25, 0.5, 0.75, 1.0], conflicts_with = "saes")]
    alphas: Vec<f64>,
    #[command(flatten)]
    fit: FitArgs,
    /// Number of seeds [default: 5 for the toy, 3 for activations]
    #[arg(long, value_name = "N", conflicts_with = "saes")]
    seeds: Option<u64>,
    /// Mean norms of the toy's large and small vectors
    #[arg(long, value_name = "A,B", value_delimiter = ',', default_values_t = Toy::default().norms, requires = "toy")]
    norms: Vec<f64>,
    /// Numbers of the toy's large and small values
    #[arg(long, value_name = "N,M", value_delimiter = ',', default_values_t = Toy::default().values, requires = "toy")]
    values: Vec<usize>,
    /// Width of the toy
    #[arg(long, value_name = "N", default_value_t = Toy::default().width, requires = "toy")]
    width: usize,
    /// Rows of the toy; the first half builds, the second half tests
    #[arg(long, value_name = "N", default_value_t = Toy::default().rows, requires = "toy")]
    rows_count: usize,
    #[command(flatten)]
    keep: KeepArgs,
}

/// Runs `umbra evaluate occlusion`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let project = args.keep.open(console)?;
    let ended = if args.toy {
        args.toy(console)?
    } else {
        args.on_model(console)?
    };
    let Ended::Done((result, made)) = ended else {
        return Ok(Exit::Stopped);
    };
    if let Some(project) = &project {
        result.keep(project, &made)?;
    }
    args.keep.write(&made, || result.section())?;
    console.answer(&result.json()?, || table(&result))?;
    Ok(Exit::Done)
}

/// Returns exactly two values of a flag.
fn two<T: Clone>(values: &[T], flag: &str) -> Result<[T; 2]> {
    let [one, other] = values else {
        let what = format!("has {} values, give two", values.len());
        return Err(Error::setting(flag, what));
    };
    Ok([one.clone(), other.clone()])
}

impl Args {
    fn toy(&self, console: &Console) -> Result<Ended<(Occlusion, MadeWith)>> {
        let settings = Toy {
            width: self.width,
            values: two(&self.values, "--values")?,
            norms: two(&self.norms, "--norms")?,
            rows: self.rows_count,
        };
        let fits = self.fit.all(&L1);
        let seeds = 0..self.seeds.unwrap_or(TOY_SEEDS);
        let mut bar = console.bar("Training on the toy");
        let ended = toy(&settings, &fits, seeds, &mut |at| bar.at(at))?;
        Ok(ended.map(|study| (Occlusion::Toy(study), MadeWith::default())))
    }

    fn on_model(&self, console: &Console) -> Result<Ended<(Occlusion, MadeWith)>> {
        let attributes = two(&self.attributes, "--attributes")?;
        let opened = self.rows.open(console)?;
        let made = opened.made()?;
        if !opened.saes.is_empty() {
            let places = self.rows.places(&opened.saes)?;
            let Ended::Done(rows) = opened.read_each(&places, console)? else {
                return Ok(Ended::STOPPED);
            };
            let saes: Vec<&Sae> = opened.saes.iter().map(|sae| &**sae).collect();
            let found = found(&opened.model, &saes, (&rows, &places), &attributes)?;
            return Ok(Ended::Done((Occlusion::Loaded(found), made)));
        }
        let sites = self.rows.sites()?;
        let spec = Spec {
            attributes,
            alphas: self.alphas.clone(),
            fit: self.fit.one()?,
            seeds: self.seeds.unwrap_or(SEEDS),
        };
        let Ended::Done(rows) = opened.read(&sites, console)? else {
            return Ok(Ended::STOPPED);
        };
        let mut bar = console.bar("Training dictionaries");
        let ended = study(&rows, &spec, &mut |at| bar.at(at))?;
        Ok(ended.map(|study| {
            let on = OnModel {
                model: opened.model.name().to_owned(),
                site: labelled::said(&sites),
                study,
            };
            (Occlusion::Trained(on), made)
        }))
    }
}

fn table(result: &Occlusion) -> String {
    let mut lines = vec![result.conclusion(), String::new()];
    match result {
        Occlusion::Toy(study) => {
            lines.push(format!(
                "{:>8} {:<10} {:>8}  {:>7} {:>7}  {:>7} {:>7}",
                "features", "sparsity", "rate", "large", "small", "large", "small"
            ));
            lines.push(format!(
                "{:>8} {:<10} {:>8}  {:>15}  {:>15}",
                "",
                "",
                "",
                format!("at F1 {}", THRESHOLDS[0]),
                format!("at F1 {}", THRESHOLDS[1])
            ));
            for (run, [large, small]) in by_setting(study) {
                let fit = &run.fit;
                lines.push(format!(
                    "{:>8} {:<10} {:>8}  {:>7.1} {:>7.1}  {:>7.1} {:>7.1}",
                    fit.features,
                    fit.sparsity.to_string(),
                    fit.learning_rate,
                    large[0].mean,
                    small[0].mean,
                    large[1].mean,
                    small[1].mean
                ));
            }
            lines.push(String::new());
            lines.push(format!(
                "of {} large and {} small values; mean over {} seeds",
                study.toy.values[0], study.toy.values[1], study.fading.seeds
            ));
            for (threshold, gap) in study.thresholds.iter().zip(&study.gaps) {
                lines.push(format!("gap at F1 {threshold}: {}", said(gap)));
            }
            lines.push(format!(
                "smaller at the lower score by {}",
                said(&study.fading)
            ));
        }
        Occlusion::Trained(on) => lines.extend(trained(on)),
        Occlusion::Loaded(found) => lines.extend(loaded(found)),
    }
    lines.join("\n")
}

fn trained(on: &OnModel) -> Vec<String> {
    let study = &on.study;
    let [removed, other] = &study.spec.attributes;
    let mut lines = vec![
        format!(
            "mean norm of the difference vectors: {removed} {:.3}, {other} {:.3}",
            study.norms[0], study.norms[1]
        ),
        format!("values found, mean over {} seeds", study.spec.seeds),
        format!(
            "{:>6}  {:>20}  {:>20}",
            "α",
            format!("{removed} at F1 0.9, 0.5"),
            format!("{other} at F1 0.9, 0.5")
        ),
    ];
    for (at, alpha) in study.spec.alphas.iter().enumerate() {
        let both = |of: usize| {
            let [high, low] = [0, 1].map(|threshold| study.found(at, of, threshold).mean);
            format!("{high:.1}, {low:.1}")
        };
        lines.push(format!("{alpha:>6}  {:>20}  {:>20}", both(0), both(1)));
    }
    lines
}

fn loaded(found: &Found) -> Vec<String> {
    let mut lines = vec![format!(
        "{:<24} {:<12} {:>5} {:>7} {:>10} {:>7}",
        "dictionary", "attribute", "F1", "found", "by chance", "values"
    )];
    for (name, both) in &found.dictionaries {
        for (attribute, counts) in found.attributes.iter().zip(both) {
            lines.extend(counts.iter().map(|count| {
                format!(
                    "{name:<24} {attribute:<12} {:>5} {:>7} {:>10} {:>7}",
                    count.threshold, count.found, count.chance, count.values
                )
            }));
        }
    }
    lines
}
