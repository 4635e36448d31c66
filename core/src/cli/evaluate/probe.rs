//! `umbra evaluate probe`: sparse probing, removal of a spurious correlation and targeted probe perturbation on labelled texts.

use std::path::PathBuf;

use super::result_files::{now, write};
use super::rows::KeepArgs;
use crate::benchmarks::estimate::Estimate;
use crate::benchmarks::labelled::FORMAT;
use crate::benchmarks::probing::{Direction, Probed, Scr, Spec, Tpp};
use crate::cli::{Console, Exit, ModelArgs, SaesArgs};
use crate::error::Result;
use crate::progress::Ended;
use crate::project::MadeWith;
use crate::sae::Sae;
use crate::workbench::evaluate::probe::{
    DEFINITIONS, Figures, Found, Request, Task, conclusion, json, results, run as measured, section,
};
use crate::workbench::results as kept;

/// Flags of `umbra evaluate probe`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help())]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    saes: SaesArgs,
    /// Labelled texts: one JSON object {"text", "label"} a line; for scr with a second attribute "spurious", both of two values; for tpp of three classes or more
    #[arg(long, value_name = "FILE")]
    labelled: PathBuf,
    /// Figure: probing (accuracy of probes on k features), scr (removal of a spurious correlation) or tpp (targeted probe perturbation)
    #[arg(long, value_name = "TASK", default_value_t)]
    task: Task,
    /// Numbers of features of a probe, or of ablated features; those above the dictionary's are left out [default: 1,2,5; for scr and tpp 2,5,10,20,50,100,500]
    #[arg(long, value_name = "K,L…", value_delimiter = ',')]
    k: Vec<usize>,
    /// Share of the texts of each class that test
    #[arg(long, value_name = "X", default_value_t = Spec::default().test_share)]
    test_share: f64,
    /// Tokens of a text that are read; longer ones are cut
    #[arg(long, value_name = "TOKENS", default_value_t = Spec::default().context)]
    context: usize,
    /// Seed of the split, the sets and the intervals
    #[arg(long, value_name = "N", default_value_t = Spec::default().seed)]
    seed: u64,
    /// Draws of the bootstrap behind the intervals
    #[arg(long, value_name = "N", default_value_t = Spec::default().draws)]
    draws: usize,
    /// Folder to write one file of each dictionary into, as SAEBench writes and plots them
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    keep: KeepArgs,
}

fn help() -> String {
    let figures: Vec<String> = DEFINITIONS
        .iter()
        .map(|(name, definition)| format!("  {name}: {definition}"))
        .collect();
    format!(
        "Labelled texts: {FORMAT}.\nFigures:\n{}\nWith --json: {{results: [{{eval_type_id, eval_config, eval_result_metrics, eval_result_details, sae_cfg_dict, \
         intervals, features, …}}], notes, definitions, …}}, each result in the schema of SAEBench.",
        figures.join("\n")
    )
}

/// Runs `umbra evaluate probe`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let project = args.keep.open(console)?;
    let sizes = if args.k.is_empty() {
        args.task.sizes()
    } else {
        args.k.clone()
    };
    let request = Request {
        labelled: args.labelled.clone(),
        task: args.task,
        spec: Spec {
            sizes,
            test_share: args.test_share,
            context: args.context,
            seed: args.seed,
            draws: args.draws,
        },
    };
    let (model, saes) = args.saes.open(&args.model, console)?;
    let saes: Vec<&Sae> = saes.iter().map(|sae| &**sae).collect();
    let mut bar = console.bar("Reading texts");
    let found = measured(&model, &saes, &request, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(found) = found else {
        return Ok(Exit::Stopped);
    };
    for note in &found.notes {
        console.note(note);
    }
    let results = results(&found, &saes, &request, now())?;
    if let Some(folder) = &args.out {
        write(folder, &results, console)?;
    }
    let set = request.set();
    let made = || MadeWith::new(&model, &saes, &[(set.as_str(), "")], &());
    if let Some(project) = &project {
        kept::keep(project, &section(&found, &request), &made()?)?;
    }
    args.keep.write(&made()?, || section(&found, &request))?;
    console.answer(&json(&found, &results, &request), || table(&found))?;
    Ok(Exit::Done)
}

fn table(found: &Found) -> String {
    let counts = found.labelled.counts();
    let classes = found.labelled.classes.iter().zip(counts);
    let classes: Vec<String> = classes
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    let mut lines = vec![
        format!(
            "{} texts ({}), {} train, {} test",
            found.labelled.texts.len(),
            classes.join(", "),
            found.split.train.len(),
            found.split.test.len()
        ),
        String::new(),
    ];
    match &found.figures {
        Figures::Probing {
            model,
            dictionaries,
        } => {
            for (place, probed) in found.places.iter().zip(model) {
                let name = format!("activations at {place}");
                lines.extend(probes(found, (&name, "columns"), probed));
            }
            for ((name, _), probed) in found.dictionaries.iter().zip(dictionaries) {
                lines.extend(probes(found, (name, "features"), probed));
            }
        }
        Figures::Scr(all) => {
            for ((name, _), one) in found.dictionaries.iter().zip(all) {
                lines.extend(scr(found, name, one));
            }
        }
        Figures::Tpp(all) => {
            for ((name, _), one) in found.dictionaries.iter().zip(all) {
                lines.extend(tpp(found, name, one));
            }
        }
    }
    lines.push(conclusion(found));
    lines.push("95 % intervals in brackets".to_owned());
    lines.join("\n")
}

fn probes(found: &Found, (name, columns): (&str, &str), probed: &Probed) -> Vec<String> {
    let mut lines = vec![name.to_owned()];
    let line = |of: &str, accuracy: Estimate| format!("  {of:<12} {}", accuracy.words());
    lines.extend(probed.all.map(|all| line(&format!("all {columns}"), all)));
    for (top, classes) in probed.top.iter().zip(probed.classes.iter().skip(1)) {
        lines.push(line(&format!("top {}", top.size), top.estimate));
        for one in classes {
            let chosen: Vec<String> = one.columns.iter().map(ToString::to_string).collect();
            lines.push(format!(
                "    {:<16} {}  {columns} {}",
                found.labelled.classes[one.class],
                one.accuracy.words(),
                chosen.join(", ")
            ));
        }
    }
    lines.push(String::new());
    lines
}

fn scr(found: &Found, name: &str, one: &Scr) -> Vec<String> {
    let mut lines = vec![format!(
        "{name}: {} texts train each probe, {} test it",
        one.texts[0], one.texts[1]
    )];
    let [target, spurious] =
        [&found.labelled.classes, &found.labelled.spurious].map(|values| values.join(" / "));
    let names = [(&spurious, &target), (&target, &spurious)];
    for (number, (direction, (ablated, tested))) in one.directions.iter().zip(names).enumerate() {
        let Direction {
            biased,
            unbiased,
            sizes,
            ..
        } = direction;
        let metric = if one.chosen == Some(number) {
            " (SAEBench's metric)"
        } else {
            ""
        };
        lines.push(format!(
            "  features of {ablated} ablated, tested on {tested}{metric}: biased probe {}, unbiased {}",
            biased.words(),
            unbiased.words()
        ));
        for removed in sizes {
            lines.push(format!(
                "    n {:<5} score {}  accuracy {}  features {}",
                removed.size,
                removed.score.words(),
                removed.accuracy.words(),
                removed.ablated
            ));
        }
    }
    lines.push(String::new());
    lines
}

fn tpp(found: &Found, name: &str, one: &Tpp) -> Vec<String> {
    let clean = one.clean.iter().zip(&found.labelled.classes);
    let clean: Vec<String> = clean
        .map(|(clean, class)| format!("{class} {}", clean.words()))
        .collect();
    let mut lines = vec![format!("{name}: probes as they are: {}", clean.join(", "))];
    for perturbed in &one.sizes {
        let features: Vec<String> = perturbed
            .classes
            .iter()
            .map(|class| class.ablated.to_string())
            .collect();
        lines.push(format!(
            "  n {:<5} score {}  intended {}  unintended {}  features {}",
            perturbed.size,
            perturbed.total.words(),
            perturbed.intended.words(),
            perturbed.unintended.words(),
            features.join("/")
        ));
    }
    lines.push(String::new());
    lines
}
