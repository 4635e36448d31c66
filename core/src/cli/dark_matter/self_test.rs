//! `umbra dark-matter self-test`: whether the split finds errors that are planted.

use std::path::PathBuf;

use super::TwoTexts;
use super::several::with_definitions;
use crate::cli::{Console, DeviceArg, Exit, ModelArgs, SaeArgs, open_both};
use crate::dark_matter;
use crate::dark_matter::self_test::{DEFINITIONS, Grid, Planted, SelfTest, Settings};
use crate::error::Result;
use crate::progress::Ended;
use crate::project::Project;
use crate::workbench::error_parts::{self, Study};

/// Flags of `umbra dark-matter self-test`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    #[command(flatten)]
    texts: TwoTexts,
    /// Fit on at most about this many counted tokens, evenly spaced in the text [default: 50 per dimension]
    #[arg(long, value_name = "N")]
    tokens: Option<usize>,
    /// Measure on at most about this many counted tokens, evenly spaced in the text [default: 25 per dimension]
    #[arg(long, value_name = "N")]
    measured: Option<usize>,
    /// Ridge of the fit, as a share of each predictor's mean square
    #[arg(long, value_name = "X", default_value_t = 0.0)]
    ridge: f64,
    /// Seed of noises and planted maps
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Keep the result with this project, where the window shows it
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArg,
}

/// Runs `umbra dark-matter self-test`; a test that does not hold is a failure.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let project = args.project.as_deref().map(Project::open).transpose()?;
    let pair = open_both(&args.model, &args.sae, console)?;
    let read = (&*pair.model, &*pair.sae);
    let [fit, held_out] = args.texts.read(read, args.model.offline, console)?;
    let [most_fit, most_measured] = dark_matter::self_test::tokens(pair.sae.width());
    let texts = [
        fit.sampled(Some(args.tokens.unwrap_or(most_fit))),
        held_out.sampled(Some(args.measured.unwrap_or(most_measured))),
    ];
    let at_once = dark_matter::tokens_at_once(&texts[0].rows);
    args.device.place(&*pair.sae, (at_once, true), console)?;
    let settings = Settings {
        ridge: args.ridge,
        seed: args.seed,
    };
    let mut bar = console.bar("Planting");
    let found = error_parts::self_test(&pair, &texts, &settings, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(found) = found else {
        return Ok(Exit::Stopped);
    };
    if let Some((project, _)) = &project {
        let of = (read.0, std::slice::from_ref(&pair.sae));
        error_parts::keep(project, Study::SelfTest, of, (&texts, args.seed), &found)?;
    }
    let mut value = with_definitions(&found, DEFINITIONS)?;
    value["passes"] = found.passes().into();
    value["conclusion"] = found.conclusion().into();
    console.answer(&value, || table(&found))?;
    Ok(if found.passes() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn table(found: &SelfTest) -> String {
    let mut lines = vec![format!(
        "{:<18} {:>9} {:>10} {:>10} {:>12} {:>12}  verdict",
        "planted", "FVU", "linear", "found", "nonlinear", "found"
    )];
    lines.extend(found.planted.iter().map(planted));
    lines.push(format!(
        "\n{:<18} {:>12} {:>12} {:>12} {:>12}",
        "features ablated", "σa, linear", "σa, nonlin.", "σr, linear", "σr, nonlin."
    ));
    lines.extend(found.grids.iter().map(grid));
    lines.push(format!(
        "\nIn a world where the reconstructions of {} ({}) are the truth; fitted on {} activations, measured on {} held out, ridge {}",
        found.sae, found.hook, found.fit_tokens, found.held_out_tokens, found.settings.ridge
    ));
    lines.push(found.conclusion());
    lines.join("\n")
}

fn planted(one: &Planted) -> String {
    let verdict = if one.found { "found" } else { "not found" };
    format!(
        "{:<18} {:>9.4} {:>10.4} {:>10.4} {:>12.4} {:>12.4}  {verdict}",
        one.kind.name(),
        one.planted,
        one.expected.linear,
        one.estimated.linear,
        one.expected.nonlinear,
        one.estimated.nonlinear
    )
}

fn grid(grid: &Grid) -> String {
    let [[a, b], [c, d]] = grid.correlation;
    let verdict = if grid.passes() { "apart" } else { "not apart" };
    let share = format!("{:.0} %", 100.0 * grid.ablated);
    format!("{share:<18} {a:>12.3} {b:>12.3} {c:>12.3} {d:>12.3}  {verdict}")
}
