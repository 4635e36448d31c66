//! `umbra evaluate consistency`: how far the features of one seed are found again by another.

use crate::benchmarks::consistency::{Consistency, Share, Spec};
use crate::cli::{Console, Exit, SaesArgs};
use crate::error::Result;
use crate::progress::Ended;
use crate::sae::Sae;
use crate::workbench::evaluate::consistency::{DEFINITIONS, json, run as compared};

/// Flags of `umbra evaluate consistency`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help())]
pub(super) struct Args {
    #[command(flatten)]
    saes: SaesArgs,
    /// Never use the network: dictionaries given by name must be in the hub's cache
    #[arg(long)]
    offline: bool,
    /// Seed of the intervals and of the random directions
    #[arg(long, value_name = "N", default_value_t = Spec::default().seed)]
    seed: u64,
    /// Draws of the bootstrap behind the intervals
    #[arg(long, value_name = "N", default_value_t = Spec::default().draws)]
    draws: usize,
    /// Largest number of pairs of features for which the assignment is optimal; 4 bytes of memory a pair
    #[arg(long, value_name = "N", default_value_t = Spec::default().most_pairs)]
    most_pairs: usize,
}

fn help() -> String {
    let figures: Vec<String> = DEFINITIONS
        .iter()
        .map(|(name, definition)| format!("  {name}: {definition}"))
        .collect();
    format!(
        "Figures:\n{}\nWith --json: {{pw_mcc, shares, sd_of_pairs, pairs: [{{a, b, pw_mcc, bounds, optimal, shares, chance, opposed, weakest}}], notes, …}}.",
        figures.join("\n")
    )
}

/// Runs `umbra evaluate consistency`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let spec = Spec {
        draws: args.draws,
        seed: args.seed,
        most_pairs: args.most_pairs,
    };
    let each = args.saes.each();
    let saes: Vec<Sae> = each
        .iter()
        .map(|sae| sae.read(args.offline, console))
        .collect::<Result<_>>()?;
    let saes: Vec<&Sae> = saes.iter().collect();
    let mut bar = console.bar("Matching features");
    let found = compared(&saes, &spec, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(found) = found else {
        return Ok(Exit::Stopped);
    };
    for note in &found.notes {
        console.note(note);
    }
    console.answer(&json(&found, &spec), || table(&found))?;
    Ok(Exit::Done)
}

fn shares(shares: &[Share]) -> String {
    let each: Vec<String> = shares
        .iter()
        .map(|share| format!("{:<22}", share.share.words()))
        .collect();
    each.join(" ").trim_end().to_owned()
}

fn table(found: &Consistency) -> String {
    let widest = found
        .names
        .iter()
        .map(|name| name.chars().count())
        .max()
        .unwrap_or(0);
    let name = |pair: [usize; 2]| {
        let names = pair.map(|at| found.names[at].as_str());
        format!("{:<width$}", names.join(" · "), width = 2 * widest + 3)
    };
    let width = 2 * widest + 3;
    let mut lines = vec![
        format!("{} dictionaries of {}", found.names.len(), found.hook),
        format!(
            "{:<width$} {:<22} {:<22} {:<22} {:>7}",
            "", "PW-MCC", "share at 0.7", "share at 0.9", "chance"
        ),
    ];
    for pair in &found.pairs {
        let chance = pair
            .chance
            .map_or_else(|| "–".to_owned(), |chance| format!("{chance:.3}"));
        lines.push(format!(
            "{} {:<22} {:<45} {chance:>7}",
            name([pair.a, pair.b]),
            pair.pw_mcc.words(),
            shares(&pair.shares)
        ));
        if !pair.is_optimal {
            let [low, high] = pair.bounds;
            lines.push(format!(
                "  too many features for the optimal assignment: it lies between {low:.3} (greedy, shown) and {high:.3}"
            ));
        }
        if pair.opposed > 0 {
            lines.push(format!(
                "  {} of the matched features point in opposite directions",
                pair.opposed
            ));
        }
    }
    let deviation = found.sd_of_pairs.map_or_else(String::new, |sd| {
        format!("   standard deviation over pairs {sd:.3}")
    });
    lines.push(format!(
        "{:<width$} {:<22} {}{deviation}",
        "mean over pairs",
        found.pw_mcc.words(),
        shares(&found.shares)
    ));
    lines.join("\n")
}
