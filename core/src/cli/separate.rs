//! `umbra separate`: features that tell two sets of texts apart.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::slice::{from_mut, from_ref};

use serde_json::{Value, json};

use super::chat::AsUserArgs;
use super::{Console, DeviceArg, Exit, ModelArgs, SaeArgs, open_by_token};
use crate::error::Result;
use crate::ids::FeatureId;
use crate::progress::Ended;
use crate::project::Project;
use crate::prompt::Input;
use crate::separate::{Pool, Separation, Spec};
use crate::workbench::pair::Pair;
use crate::workbench::separate::{
    DEFINITIONS, LISTED, Request, json as answer, run as separated, texts,
};
use crate::workbench::text_search::{Subject, assign};

/// Number of features printed without `--json`.
const SHOWN: usize = 20;

/// Flags of `umbra separate`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help())]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    /// First set: a file of texts, one a line, or a .jsonl file of strings or of objects with a field `text` or `prompt`
    #[arg(long, value_name = "FILE")]
    a: PathBuf,
    /// Second set, like the first
    #[arg(long, value_name = "FILE")]
    b: PathBuf,
    #[command(flatten)]
    user: AsUserArgs,
    /// How the activations on the tokens of a text that count become one number: max, mean or last
    #[arg(long, value_name = "POOL", default_value_t = Pool::default())]
    pool: Pool,
    /// Numbers of features of the probes, separated by commas, each from 1 to 128
    #[arg(long, value_name = "K,L…", value_delimiter = ',', default_values_t = Spec::default().sizes)]
    sizes: Vec<usize>,
    /// Number of folds of the cross-validation; fewer where a set has fewer texts
    #[arg(long, value_name = "N", default_value_t = Spec::default().folds)]
    folds: usize,
    /// Seed of the folds
    #[arg(long, value_name = "N", default_value_t = Spec::default().seed)]
    seed: u64,
    /// Factor of half the squared weights of standardised features in the loss of a probe, which is summed over texts
    #[arg(long, value_name = "L", default_value_t = Spec::default().penalty)]
    penalty: f64,
    /// Index of the dictionary, for the names of features [default: that of the project]
    #[arg(long, value_name = "FILE")]
    index: Option<PathBuf>,
    /// Project whose labels and whose index of the dictionary name features [default: the project around the dictionary]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArg,
}

fn help() -> String {
    let figures = DEFINITIONS.iter();
    let figures: Vec<String> = figures
        .map(|(name, definition)| format!("  {name}: {definition}"))
        .collect();
    format!(
        "Figures:\n{}\n\
         With --json: {{features: [{{feature, difference, mean_a, mean_b, texts_a, texts_b, correlation, auc, label, name}}], probes: [{{features, accuracy, held_out_accuracy, \
         standard_error, folds, bias, weights}}], baseline, …}}, features by the size of the difference.",
        figures.join("\n")
    )
}

/// Runs `umbra separate`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let pair = open_by_token(&args.model, &args.sae, console)?;
    let set = |path: &Path| -> Result<Vec<Input>> {
        Ok(texts(path)?
            .iter()
            .map(|text| args.user.input(text))
            .collect())
    };
    let request = Request {
        sets: [set(&args.a)?, set(&args.b)?],
        pool: args.pool,
        spec: Spec {
            sizes: args.sizes.clone(),
            folds: args.folds,
            seed: args.seed,
            penalty: args.penalty,
        },
    };
    let subject = args.subject(&pair, console)?;
    let at_once = pair.model.config().context;
    args.device.place(&*pair.sae, (at_once, false), console)?;
    let mut bar = console.bar("Reading the texts");
    let found = separated(&pair, &request, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(found) = found else {
        return Ok(Exit::Stopped);
    };
    if found.folds < args.folds {
        console.note(&format!(
            "{} folds, as many as the smaller set has texts",
            found.folds
        ));
    }
    let listed = found.features.iter().map(|one| one.feature).take(LISTED);
    let listed: Vec<FeatureId> = listed.collect();
    let named = subject.names(&listed)?;
    let names: Names = listed.into_iter().zip(named).collect();
    let mut object = answer(&found, &request);
    add_names(&mut object, (&names, &subject));
    console.answer(&object, || table(&found, &names))?;
    Ok(Exit::Done)
}

/// Names of the features that are listed; empty where nothing is known of them.
type Names = BTreeMap<FeatureId, String>;

impl Args {
    /// Returns what is known of the dictionary: its labels and its index.
    fn subject(&self, pair: &Pair, console: &Console) -> Result<Subject> {
        let (model, of) = (&*pair.model, (&pair.sae, self.sae.sae.as_path()));
        let (mut subject, notes) = match &self.project {
            Some(folder) => {
                let (project, notes) = Project::open(folder)?;
                console.notes(&notes);
                Subject::from_project(&project, model, of)
            }
            None => Subject::new(model, of.0, of.1),
        };
        console.notes(&notes);
        if let Some(index) = &self.index {
            console.notes(&assign(model, from_mut(&mut subject), from_ref(index))?);
        }
        Ok(subject)
    }
}

/// Adds `label` and `name` to each feature of the answer.
fn add_names(object: &mut Value, (names, subject): (&Names, &Subject)) {
    let features = object["features"].as_array_mut();
    for one in features.into_iter().flatten() {
        let number = one["feature"].as_u64().and_then(|f| u32::try_from(f).ok());
        let Some(feature) = number.map(FeatureId) else {
            continue;
        };
        one["label"] = json!(subject.label(feature));
        one["name"] = json!(names.get(&feature));
    }
}

fn table(found: &Separation, names: &Names) -> String {
    let [one, other] = found.texts;
    let mut lines = vec![
        format!(
            "{one} texts in A, {other} in B, {} features active",
            found.features.len()
        ),
        String::new(),
        format!(
            "{:>8} {:>10} {:>9} {:>9} {:>11} {:>7} {:>9}  name",
            "feature", "difference", "mean A", "mean B", "correlation", "AUC", "texts"
        ),
    ];
    for one in found.features.iter().take(SHOWN) {
        let name = names.get(&one.feature).map_or("", String::as_str);
        let line = format!(
            "{:>8} {:>+10.3} {:>9.3} {:>9.3} {:>+11.3} {:>7.3} {:>9}  {name}",
            one.feature.to_string(),
            one.difference(),
            one.means[0],
            one.means[1],
            one.correlation,
            one.auc,
            format!("{}/{}", one.active[0], one.active[1]),
        );
        lines.push(line.trim_end().to_owned());
    }
    lines.push(String::new());
    lines.push(format!(
        "held-out accuracy over {} folds, against {:.3} for always answering the larger set",
        found.folds,
        found.baseline()
    ));
    for probe in &found.probes {
        let features = probe.weights.iter().map(|weight| {
            let sign = if weight.weight < 0.0 { "-" } else { "+" };
            format!("{sign}{}", weight.feature)
        });
        lines.push(format!(
            "{:>3} features: {:.3} ± {:.3}   {}",
            probe.size,
            probe.held_out.accuracy,
            probe.held_out.standard_error,
            features.collect::<Vec<_>>().join(" ")
        ));
    }
    lines.join("\n")
}
