//! `umbra evaluate oversplit`: one attribute split over many features.

use super::rows::{FitArgs, KeepArgs, RowsArgs};
use crate::cli::{Console, Exit};
use crate::error::Result;
use crate::progress::Ended;
use crate::project::MadeWith;
use crate::recovery::splitting::toy::{Toy, study};
use crate::recovery::splitting::{CoverSpec, ToyStudy, cover};
use crate::workbench::evaluate::labelled;
use crate::workbench::evaluate::occlusion::said;
use crate::workbench::evaluate::oversplit::{OnModel, Oversplit, trained};

/// Seeds, where no number is given.
const SEEDS: u64 = 5;

/// End of the help.
const HELP: &str = "\
Examples:
  umbra evaluate oversplit --toy
  umbra evaluate oversplit --model M --sae S --attribute pos
  umbra evaluate oversplit --model M --site blocks.2.hook_resid_post@end --attribute pos --seeds 5

The toy compares two ideal features with many random ones on a mixture of two Gaussians. On a model the features are counted that it takes to cover the prompts of each value \
of an attribute: by loaded dictionaries, or by dictionaries trained at --site, one for each seed.";

/// Flags of `umbra evaluate oversplit`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(super) struct Args {
    /// Study the toy instead of a model
    #[arg(long, conflicts_with = "model")]
    toy: bool,
    #[command(flatten)]
    rows: RowsArgs,
    /// Attribute whose values are covered
    #[arg(long, value_name = "NAME", default_value = "pos")]
    attribute: String,
    /// Least precision of a feature that may cover a value, above 0, 1 at most
    #[arg(long, value_name = "P", default_value_t = CoverSpec::new("").precision)]
    precision: f64,
    /// Least number of prompts on which such a feature is active
    #[arg(long, value_name = "N", default_value_t = CoverSpec::new("").support)]
    support: usize,
    /// Share of the prompts of a value that is to be covered
    #[arg(long, value_name = "S", default_value_t = CoverSpec::new("").share)]
    share: f64,
    #[command(flatten)]
    fit: FitArgs,
    /// Number of seeds
    #[arg(long, value_name = "N", default_value_t = SEEDS, conflicts_with = "saes")]
    seeds: u64,
    /// Values of λ in the toy's loss
    #[arg(long, value_name = "L,M…", value_delimiter = ',', default_values_t = Toy::default().lambdas, requires = "toy")]
    lambdas: Vec<f64>,
    /// Features of the toy's random dictionary
    #[arg(long, value_name = "N", default_value_t = Toy::default().features, requires = "toy")]
    random_features: usize,
    /// Bias of its encoder
    #[arg(long, value_name = "B", default_value_t = Toy::default().bias, allow_negative_numbers = true, requires = "toy")]
    bias: f64,
    /// Largest factor on the rows that become its encoder
    #[arg(long, value_name = "B", default_value_t = Toy::default().beta, requires = "toy")]
    beta: f64,
    #[command(flatten)]
    keep: KeepArgs,
}

/// Runs `umbra evaluate oversplit`.
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

impl Args {
    fn toy(&self, console: &Console) -> Result<Ended<(Oversplit, MadeWith)>> {
        let settings = Toy {
            features: self.random_features,
            bias: self.bias,
            beta: self.beta,
            lambdas: self.lambdas.clone(),
            ..Toy::default()
        };
        let mut bar = console.bar("Measuring the toy");
        let ended = study(&settings, 0..self.seeds, &mut |at| bar.at(at))?;
        Ok(ended.map(|study| (Oversplit::Toy(study), MadeWith::default())))
    }

    fn on_model(&self, console: &Console) -> Result<Ended<(Oversplit, MadeWith)>> {
        let opened = self.rows.open(console)?;
        let spec = CoverSpec {
            precision: self.precision,
            support: self.support,
            share: self.share,
            ..CoverSpec::new(&self.attribute)
        };
        let made = opened.made()?;
        let all = opened.task.prompts.len();
        let mut on = OnModel {
            model: opened.model.name().to_owned(),
            sites: Vec::new(),
            spec: spec.clone(),
            fit: None,
            rows: [all / 2, all - all / 2],
            covers: Vec::new(),
        };
        if opened.saes.is_empty() {
            let sites = self.rows.sites()?;
            let fit = self.fit.one()?;
            let Ended::Done(rows) = opened.read(&sites, console)? else {
                return Ok(Ended::STOPPED);
            };
            let mut bar = console.bar("Training dictionaries");
            let ended = trained(&rows, (&fit, self.seeds), &spec, &mut |at| bar.at(at))?;
            let Ended::Done(covers) = ended else {
                return Ok(Ended::STOPPED);
            };
            (on.sites, on.fit, on.covers) = (vec![labelled::said(&sites)], Some(fit), covers);
        } else {
            let places = self.rows.places(&opened.saes)?;
            let Ended::Done(rows) = opened.read_each(&places, console)? else {
                return Ok(Ended::STOPPED);
            };
            on.sites = places.iter().map(ToString::to_string).collect();
            let each = opened.saes.iter().zip(&rows);
            on.covers = each
                .map(|(sae, rows)| cover(sae, rows, &spec))
                .collect::<Result<_>>()?;
        }
        Ok(Ended::Done((Oversplit::Covers(on), made)))
    }
}

fn table(result: &Oversplit) -> String {
    let mut lines = vec![result.conclusion(), String::new()];
    match result {
        Oversplit::Toy(study) => lines.extend(toy(study)),
        Oversplit::Covers(on) => lines.extend(covers(on)),
    }
    lines.join("\n")
}

fn toy(study: &ToyStudy) -> Vec<String> {
    let mut lines = vec![format!(
        "{:>5} {:>10} {:>10} {:>10}  {:<28} {:>6}",
        "λ", "2, bias", "2, plain", "random", "2 with bias less random", "L0"
    )];
    lines.extend(study.at.iter().map(|at| {
        format!(
            "{:>5} {:>10.3} {:>10.3} {:>10.3}  {:<28} {:>6.1}",
            at.lambda,
            at.ideal.mean,
            at.plain.mean,
            at.random.mean,
            said(&at.advantage),
            at.l0.mean
        )
    }));
    lines
}

fn covers(on: &OnModel) -> Vec<String> {
    let number = |share: Option<f64>| share.map_or_else(String::new, |share| format!("{share:.3}"));
    let mut lines = vec![format!(
        "{:<24} {:<10} {:>8} {:>8} {:>9} {:>8} {:>11} {:>10}",
        "dictionary",
        "value",
        "features",
        "covered",
        "held out",
        "overlap",
        "candidates",
        "by chance"
    )];
    for covers in &on.covers {
        lines.extend(covers.values.iter().map(|cover| {
            format!(
                "{:<24} {:<10} {:>8} {:>8.3} {:>9} {:>8.3} {:>11} {:>10}",
                covers.dictionary,
                cover.value,
                format!(
                    "{}{}",
                    cover.features.len(),
                    if cover.is_reached { "" } else { "…" }
                ),
                cover.covered,
                number(cover.held_out),
                cover.overlap,
                cover.candidates,
                cover.chance
            )
        }));
    }
    lines
}
