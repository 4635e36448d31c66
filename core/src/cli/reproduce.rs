//! `umbra reproduce`: checks the claims of papers one by one; lists about variants train dictionaries first.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Console, Exit, say_fit};
use crate::Flow;
use crate::corpus::Rows;
use crate::error::{Error, Result};
use crate::features::Index;
use crate::fit::Fit;
use crate::formats::{self, Reading};
use crate::models::Model;
use crate::progress::Ended;
use crate::project::Project;
use crate::reproduce::{
    self, Attention, AttentionOptions, ChoiceOptions, Claim, DarkMatter, DarkMatterOptions, Demo,
    DemoOptions, EvaluationOptions, Event, Report, Row, Spread, Verdict,
};
use crate::sae::Variant;
use crate::workbench::text::TextRequest;

/// Number of tokens per row.
const CONTEXT: usize = 128;

/// Flags of `umbra reproduce`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    list: List,
}

#[derive(Debug, Subcommand)]
enum List {
    /// Check what holds of attention-output dictionaries: identities, induction, sentences with two names (Kissane et al. 2024, arXiv 2406.17759)
    Attention(AttentionArgs),
    /// Compare Mutual and Feature Choice with TopK, in a world of known directions and on the demo model (Ayonrinde 2024, arXiv 2411.02124)
    Choice(ChoiceArgs),
    /// Take the error of dictionaries apart: linear and nonlinear part, widths, cross-entropy, dictionaries trained on it (Engels et al. 2024, arXiv 2410.14670)
    DarkMatter(DarkMatterArgs),
    /// Test supervised dictionaries, and dictionaries trained on a task, on sentences with two names; and two toys (Makelov et al. 2024, arXiv 2405.08366)
    Evaluation(EvaluationArgs),
    /// Compare gradient SAEs with TopK on the demo model: selection, cross-entropy, steering (Olmo et al. 2024, arXiv 2411.10397)
    Gradient(DemoArgs),
    /// Train every variant on the same activations at one mean L0, and print a Markdown table
    Variants(VariantArgs),
}

#[derive(Debug, clap::Args)]
struct AttentionArgs {
    /// Project with a model, held-out text and dictionaries on attn.hook_z [default: the bundled demo]
    #[arg(long, value_name = "DIR")]
    demo: Option<PathBuf>,
    /// Held-out tokens to measure on [default: 20000]
    #[arg(long, value_name = "N")]
    tokens: Option<usize>,
    /// Measure on little text, to try the command; too little for verdicts
    #[arg(long)]
    quick: bool,
}

#[derive(Debug, clap::Args)]
struct DarkMatterArgs {
    /// Project with a model, training and held-out text, and three or more dictionaries of one hook with different widths; without these, a ladder is trained
    /// [default: the bundled demo]
    #[arg(long, value_name = "DIR")]
    demo: Option<PathBuf>,
    /// Hook of the ladder that is trained where the project has none
    #[arg(long, value_name = "NAME", default_value = "blocks.2.hook_resid_post")]
    hook: String,
    /// Train the ladder even where the project has one
    #[arg(long)]
    train: bool,
    /// Use little text and a small ladder trained here, to try the command; too little for verdicts
    #[arg(long)]
    quick: bool,
}

#[derive(Debug, clap::Args)]
struct EvaluationArgs {
    /// Project whose model is measured [default: the bundled demo]
    #[arg(long, value_name = "DIR")]
    demo: Option<PathBuf>,
    /// Number of sentences [default: 1200]
    #[arg(long, value_name = "N")]
    prompts: Option<usize>,
    /// Measure on few sentences and small dictionaries, to try the command; too little for verdicts
    #[arg(long)]
    quick: bool,
}

#[derive(Debug, clap::Args)]
struct ChoiceArgs {
    /// Adam steps of each run in the world [default: 5000]
    #[arg(long, value_name = "N")]
    steps: Option<NonZeroU64>,
    /// Skip the demo model and use only the world of known directions
    #[arg(long, conflicts_with = "demo")]
    no_demo: bool,
    #[command(flatten)]
    demo: DemoArgs,
}

#[derive(Debug, clap::Args)]
struct VariantArgs {
    /// Variants to train, comma-separated; a row is the same as in the whole table [default: all but transcoder]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    #[command(flatten)]
    demo: DemoArgs,
}

#[derive(Debug, clap::Args)]
struct DemoArgs {
    /// Folder with model/, text/train/ and text/held-out/ [default: the bundled demo]
    #[arg(long, value_name = "DIR")]
    demo: Option<PathBuf>,
    /// Hook of the model's dictionaries [default: blocks.2.hook_resid_post]
    #[arg(long, value_name = "NAME")]
    hook: Option<String>,
    /// Number of seeds, starting at 0 [default: 3]
    #[arg(long, value_name = "N")]
    seeds: Option<NonZeroU64>,
    /// Activations of each run on the model [default: 300000]
    #[arg(long, value_name = "N")]
    tokens: Option<NonZeroU64>,
    /// Features of the model's dictionaries [default: 512]
    #[arg(long, value_name = "N")]
    features: Option<usize>,
    /// Active features per token of the model's dictionaries [default: 16]
    #[arg(long, value_name = "N")]
    k: Option<usize>,
    /// Use one seed and short runs, to try the command; these runs are too short for verdicts
    #[arg(long)]
    quick: bool,
}

/// Sizes of `--quick`.
const QUICK_STEPS: u64 = 600;
const QUICK_TOKENS: u64 = 60_000;
const QUICK_DISTINCT: usize = 12_000;
const QUICK_HELD_OUT: usize = 2_000;

impl DemoArgs {
    fn options(&self) -> Result<DemoOptions> {
        let mut options = DemoOptions::default();
        if self.quick {
            options.seeds = 1;
            options.tokens = QUICK_TOKENS;
            options.distinct = QUICK_DISTINCT;
            options.held_out = QUICK_HELD_OUT;
        }
        if let Some(hook) = &self.hook {
            options.hook = hook.parse()?;
        }
        options.seeds = self.seeds.map_or(options.seeds, NonZeroU64::get);
        options.tokens = self.tokens.map_or(options.tokens, NonZeroU64::get);
        options.features = self.features.unwrap_or(options.features);
        options.k = self.k.unwrap_or(options.k);
        options.check()?;
        Ok(options)
    }

    /// Opens the model and as much of its texts as `options` ask for.
    fn open(&self, options: &DemoOptions, console: &Console) -> Result<Demo> {
        let folder = self.demo.clone().unwrap_or_else(bundled);
        let part = |part: &str| folder.join(part);
        for needed in ["model", "text/train", "text/held-out"] {
            if !part(needed).is_dir() {
                let what =
                    format!("the demo has no folder {needed}, name another demo with --demo");
                return Err(Error::input(what, &folder));
            }
        }
        let (model, notes) = Model::open(&part("model"))?;
        console.notes(&notes);
        model.width(options.hook)?;
        let context = CONTEXT.min(model.config().context);
        let rows = |path: PathBuf| -> Result<Rows> {
            let request = TextRequest::new(vec![path]).read_as(Reading {
                context: Some(context),
                ..Reading::default()
            });
            let text = request.read(&model, None)?;
            console.notes(&text.notes);
            Ok(text.rows)
        };
        let (train, held_out) = (rows(part("text/train"))?, rows(part("text/held-out"))?);
        Demo::new(model, &train, &held_out, options)
    }
}

/// Finds the demo next to the program, or in the source tree that it was built from.
fn bundled() -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|program| {
        let folder = program.parent()?.to_path_buf();
        let places = ["assets/demo", "../assets/demo", "../share/umbra/demo"];
        let mut found = places.iter().map(|place| folder.join(place));
        found.find(|place| place.join("model").is_dir())
    });
    beside.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo"))
}

/// Runs `umbra reproduce`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    match &args.list {
        List::Attention(args) => attention(args, console),
        List::Evaluation(args) => evaluation(args, console),
        List::Choice(args) => choice(args, console),
        List::DarkMatter(args) => dark_matter(args, console),
        List::Gradient(args) => {
            let options = args.options()?;
            let demo = args.open(&options, console)?;
            let found = watched(console, |observe| {
                reproduce::gradient(&demo, &options, observe)
            })?;
            let Ended::Done(report) = found else {
                return Ok(Exit::Stopped);
            };
            judged(&[("demo model", report)], console)
        }
        List::Variants(args) => variants(args, console),
    }
}

/// Computation of a list, given its observer.
fn watched<T>(
    console: &Console,
    work: impl FnOnce(&mut dyn FnMut(Event) -> Flow) -> Result<T>,
) -> Result<T> {
    let mut bar = console.bar("Reproducing");
    work(&mut |event| bar.at_with(event.progress, &event.what))
}

fn attention(args: &AttentionArgs, console: &Console) -> Result<Exit> {
    let mut options = AttentionOptions::default();
    if args.quick {
        options = AttentionOptions {
            tokens: 2_000,
            sequences: 20,
            prompts: 10,
            sampled_rows: 2,
            draws: 10,
        };
    }
    options.tokens = args.tokens.unwrap_or(options.tokens);
    let folder = args.demo.clone().unwrap_or_else(bundled);
    let (project, notes) = Project::open(&folder)?;
    console.notes(&notes);
    let path = project.model.as_ref().ok_or_else(|| {
        Error::input(
            "the project has no model, add one with `umbra project`",
            &folder,
        )
    })?;
    let (model, notes) = Model::open_as(path, project.opening)?;
    console.notes(&notes);
    let text = TextRequest::held_out_of(&project)?.read(&model, None)?;
    console.notes(&text.notes);
    let mut dictionaries = Vec::new();
    for entry in &project.entries {
        let (sae, notes) = formats::open_among(&entry.sae, None, &project.dictionaries())?;
        console.notes(&notes);
        // Attribution follows activations, not a parent's error.
        if sae.error_of.is_some() {
            continue;
        }
        say_fit(&Fit::judge(&model, &sae), false, console)?;
        let index = entry.index.as_deref().map(Index::open).transpose()?;
        if let Some(index) = &index {
            say_fit(
                &Fit::of_index(index.about(), Some(&model), Some(&sae)),
                false,
                console,
            )?;
        }
        dictionaries.push((sae, index));
    }
    let of = Attention::new(model, &text.rows, dictionaries, &options)?;
    let found = watched(console, |observe| {
        reproduce::attention(&of, &options, observe)
    })?;
    let Ended::Done(report) = found else {
        return Ok(Exit::Stopped);
    };
    judged(&[("attention", report)], console)
}

fn evaluation(args: &EvaluationArgs, console: &Console) -> Result<Exit> {
    let mut options = if args.quick {
        EvaluationOptions::quick()
    } else {
        EvaluationOptions::default()
    };
    options.prompts = args.prompts.unwrap_or(options.prompts);
    let folder = args.demo.clone().unwrap_or_else(bundled);
    let (project, notes) = Project::open(&folder)?;
    console.notes(&notes);
    let path = project.model.as_ref().ok_or_else(|| {
        Error::input(
            "the project has no model, add one with `umbra project`",
            &folder,
        )
    })?;
    let (model, notes) = Model::open_as(path, project.opening)?;
    console.notes(&notes);
    let found = watched(console, |observe| {
        reproduce::evaluation(&model, &options, observe)
    })?;
    let Ended::Done(report) = found else {
        return Ok(Exit::Stopped);
    };
    judged(&[("evaluation", report)], console)
}

fn dark_matter(args: &DarkMatterArgs, console: &Console) -> Result<Exit> {
    let options = if args.quick {
        DarkMatterOptions::quick()
    } else {
        DarkMatterOptions::default()
    };
    let folder = args.demo.clone().unwrap_or_else(bundled);
    let (project, notes) = Project::open(&folder)?;
    console.notes(&notes);
    let missing = |what: &str| Error::input(format!("the project has no {what}, add one"), &folder);
    let path = project.model.as_ref().ok_or_else(|| missing("model"))?;
    let (model, notes) = Model::open_as(path, project.opening)?;
    console.notes(&notes);
    let train = TextRequest::training_of(&project).ok_or_else(|| missing("training text"))?;
    let [train, held_out] = train.read_split(&project.held_out_text, &model, None)?;
    for text in [&train, &held_out] {
        console.notes(&text.notes);
    }
    let mut dictionaries = Vec::new();
    for entry in project
        .entries
        .iter()
        .filter(|_| !args.train && !args.quick)
    {
        let (sae, notes) = formats::open_among(&entry.sae, None, &project.dictionaries())?;
        console.notes(&notes);
        dictionaries.push(sae);
    }
    let texts = (&train.rows, &held_out.rows);
    let of = DarkMatter::new(model, texts, dictionaries, (args.hook.parse()?, &options))?;
    let found = watched(console, |observe| {
        reproduce::dark_matter(of, &options, observe)
    })?;
    let Ended::Done(report) = found else {
        return Ok(Exit::Stopped);
    };
    judged(&[("dark matter", report)], console)
}

fn choice(args: &ChoiceArgs, console: &Console) -> Result<Exit> {
    let on_demo = args.demo.options()?;
    let mut options = ChoiceOptions {
        seeds: on_demo.seeds,
        ..ChoiceOptions::default()
    };
    if args.demo.quick {
        options.steps = QUICK_STEPS;
    }
    options.steps = args.steps.map_or(options.steps, NonZeroU64::get);
    // Opened first, so that a wrong folder fails before the work.
    let demo = if args.no_demo {
        None
    } else {
        Some(args.demo.open(&on_demo, console)?)
    };
    let world = watched(console, |observe| {
        reproduce::choice_in_the_world(&options, observe)
    })?;
    let Ended::Done(world) = world else {
        return Ok(Exit::Stopped);
    };
    let mut reports = vec![("world A", world)];
    if let Some(demo) = demo {
        let found = watched(console, |observe| {
            reproduce::choice_on_a_model(&demo, &on_demo, observe)
        })?;
        let Ended::Done(found) = found else {
            return Ok(Exit::Stopped);
        };
        reports.push(("demo model", found));
    }
    judged(&reports, console)
}

/// Prints the lists. The exit code says whether their hard claims hold.
fn judged(reports: &[(&str, Report)], console: &Console) -> Result<Exit> {
    let holds = reports.iter().all(|(_, report)| report.holds());
    let lists: Vec<Value> = (reports.iter())
        .map(|(name, report)| {
            let claims: Vec<Value> = report.claims.iter().map(object).collect();
            json!({ "list": name, "settings": settings(report), "claims": claims })
        })
        .collect();
    console.answer(&json!({ "lists": lists, "holds": holds }), || {
        let tables = reports.iter().map(|(name, report)| table(name, report));
        let end = if holds {
            "All hard claims hold"
        } else {
            "A hard claim does not hold"
        };
        format!("{}\n\n{end}", tables.collect::<Vec<_>>().join("\n\n"))
    })?;
    Ok(if holds { Exit::Done } else { Exit::Failed })
}

fn settings(report: &Report) -> Value {
    let pairs = report.settings.iter();
    Value::Object(
        pairs
            .map(|(name, value)| (name.clone(), Value::from(value.as_str())))
            .collect(),
    )
}

fn object(claim: &Claim) -> Value {
    json!({
        "claim": claim.claim, "figure": claim.figure, "values": claim.values, "hard": claim.hard, "verdict": claim.verdict.to_string(),
    })
}

fn table(name: &str, report: &Report) -> String {
    let mut lines = vec![name.to_owned()];
    let told = report.settings.iter();
    lines.extend(told.map(|(name, value)| format!("  {name}: {value}")));
    lines.push(String::new());
    let head = ["claim", "figure", "verdict"].map(str::to_owned);
    let mut rows = vec![head];
    rows.extend(report.claims.iter().map(|claim| {
        let hard = if claim.hard { " (hard)" } else { "" };
        [
            claim.claim.clone(),
            claim.figure.clone(),
            format!("{}{hard}", claim.verdict),
        ]
    }));
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let (first, second) = (width(0), width(1));
    lines.extend(rows.iter().map(|[claim, figure, verdict]| {
        format!("{claim:<first$} | {figure:<second$} | {verdict}")
    }));
    let count = |verdict| {
        report
            .claims
            .iter()
            .filter(|one| one.verdict == verdict)
            .count()
    };
    lines.push(format!(
        "{} hold, {} do not, {} reported",
        count(Verdict::Holds),
        count(Verdict::DoesNotHold),
        count(Verdict::Reported)
    ));
    lines.join("\n")
}

fn variants(args: &VariantArgs, console: &Console) -> Result<Exit> {
    let options = args.demo.options()?;
    // A transcoder writes another hook than the table's.
    if args.only.iter().any(|name| name == "transcoder") {
        let what = "the table has no row for transcoder, which reconstructs another hook than it reads; leave it out";
        return Err(Error::setting("--only", what));
    }
    let named = args.only.iter().map(|name| name.parse());
    let mut wanted = named.collect::<Result<Vec<Variant>>>()?;
    if wanted.is_empty() {
        wanted.extend(Variant::ALL);
    }
    let demo = args.demo.open(&options, console)?;
    let found = watched(console, |observe| {
        reproduce::variants(&demo, &options, &wanted, observe)
    })?;
    let Ended::Done((report, rows)) = found else {
        return Ok(Exit::Stopped);
    };
    let all: Vec<Value> = rows.iter().map(figures).collect();
    let value = json!({ "settings": settings(&report), "variants": all });
    console.answer(&value, || markdown(&report, &rows))?;
    Ok(Exit::Done)
}

fn figures(row: &Row) -> Value {
    let spread = |spread: &Spread| json!({ "mean": spread.mean(), "sd": spread.sd(), "by_seed": spread.values });
    json!({
        "variant": row.variant.name(),
        "sparsity_coefficient": row.weight,
        "l0": spread(&row.l0),
        "fvu": spread(&row.fvu),
        "ce_increase": spread(&row.ce_increase),
        "ce_recovered_zero": spread(&row.ce_recovered_zero),
        "ce_recovered_mean": spread(&row.ce_recovered_mean),
        "dead_fraction": spread(&row.dead),
    })
}

fn markdown(report: &Report, rows: &[Row]) -> String {
    let mut lines: Vec<String> = (report.settings.iter())
        .map(|(name, value)| format!("{name}: {value}  "))
        .collect();
    lines.push(String::new());
    lines.push(
        "| variant | L0 | FVU | CE increase | CE recovered (zero) | CE recovered (mean) | dead |"
            .to_owned(),
    );
    lines.push("|---|---|---|---|---|---|---|".to_owned());
    lines.extend(rows.iter().map(|row| {
        let weight = row
            .weight
            .map_or_else(String::new, |w| format!(" (weight {w:.3})"));
        format!(
            "| `{}`{weight} | {} | {} | {} | {} | {} | {} |",
            row.variant,
            row.l0.show(1),
            row.fvu.show(3),
            row.ce_increase.show(3),
            row.ce_recovered_zero.show(3),
            row.ce_recovered_mean.show(3),
            row.dead.show_percent()
        )
    }));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shows_claim_figure_and_verdict() {
        let claim = |claim: &str, hard, verdict| Claim {
            claim: claim.to_owned(),
            figure: "0.5 ± 0.1".to_owned(),
            values: vec![0.5],
            hard,
            verdict,
        };
        let report = Report {
            settings: vec![("world".to_owned(), "small".to_owned())],
            claims: vec![
                claim("a sum is exact", true, Verdict::Holds),
                claim("FVU", false, Verdict::Reported),
            ],
        };
        assert_eq!(
            table("world A", &report),
            "world A\n  world: small\n\nclaim          | figure    | verdict\na sum is exact | 0.5 ± 0.1 | holds (hard)\n\
             FVU            | 0.5 ± 0.1 | reported\n1 hold, 0 do not, 1 reported"
        );
        assert_eq!(object(&report.claims[1])["verdict"], "reported");
    }
}
