//! The smallest set of edits: step by step.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::Args;
use super::site::definitions;
use crate::causes::smallest::{
    self, Aim, CANDIDATES, DEFINITIONS, EffectRequest, Goal, ROUNDS, Smallest, Step, TowardRequest,
};
use crate::cli::{Console, Exit, ParentArg, SaeArgs, open_by_token};
use crate::error::{Error, Result};
use crate::prompt::NextToken;
use crate::workbench::pair::Pair;
use crate::workbench::patching;

/// Flags of the smallest set of edits.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct LeastArgs {
    #[arg(long, value_name = "ROUNDS", num_args = 0..=1, default_missing_value = ROUNDS_WORD, requires = "sae", help = format!("Search the smallest set of edits of a dictionary's features, at most so many [default: {ROUNDS}]: with --clean those that bring the second text's activations nearest to the first's, else those that reach --reach or --wins on the text"))]
    least: Option<usize>,
    /// Dictionary whose features are edited: a folder, a file, or a name on the hub (owner/name:path)
    #[arg(long, value_name = "PATH|NAME", requires = "least")]
    sae: Option<PathBuf>,
    /// Hook of the dictionary, such as blocks.2.hook_resid_post [default: the hook that its file names]
    #[arg(long, value_name = "NAME", requires = "sae")]
    hook: Option<String>,
    #[command(flatten)]
    parent: ParentArg,
    /// Position that may be edited, counted from 0 (BOS); may be repeated [default: all from the first difference of the texts on]
    #[arg(long, value_name = "P", requires = "clean")]
    at: Vec<usize>,
    /// Value of --target at which the edits of a single text end
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true, requires_all = ["least", "target"], conflicts_with = "clean")]
    reach: Option<f64>,
    /// Token that should become the likeliest on a single text, with its leading space
    #[arg(long, value_name = "TOKEN", requires = "least", conflicts_with_all = ["clean", "reach", "target"])]
    wins: Option<String>,
    /// Features that each round tries on a single text, those of the largest attribution
    #[arg(long, value_name = "N", default_value_t = CANDIDATES, requires = "least")]
    candidates: usize,
}

/// [`ROUNDS`] as clap takes it.
const ROUNDS_WORD: &str = "8";

impl LeastArgs {
    /// Whether the smallest set is asked for.
    pub(super) fn is_asked(&self) -> bool {
        self.least.is_some()
    }

    fn sae(&self) -> Result<SaeArgs> {
        let missing = || {
            Error::setting(
                "--sae",
                "is missing: name the dictionary whose features are edited",
            )
        };
        Ok(SaeArgs {
            sae: self.sae.clone().ok_or_else(missing)?,
            hook: self.hook.clone(),
            parent: self.parent.clone(),
        })
    }
}

/// Searches the edits.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let asked = &args.least;
    if args.clean.is_none() && asked.reach.is_none() && asked.wins.is_none() {
        let what =
            "needs an aim: give --clean with a second text, --reach with a target, or --wins";
        return console.usage(Err(Error::setting("--least", what)));
    }
    let Pair { model, sae, .. } = open_by_token(&args.model, &asked.sae()?, console)?;
    let rounds = asked.least.unwrap_or(ROUNDS);
    let target = args.target(&model, console)?;
    let dictionary = sae.by_token()?;
    let found = if let Some(clean) = &args.clean {
        let texts = args.texts(&model, (clean, target), console)?;
        let request = TowardRequest {
            clean: &texts.clean,
            corrupt: &texts.corrupt,
            target,
            positions: &asked.at,
            rounds,
        };
        let mut bar = console.bar("Searching");
        smallest::toward(&model, dictionary, &request, &mut |at| bar.at(at))?
    } else {
        let goal = match (target, asked.reach, &asked.wins) {
            (Some(target), Some(value), _) => Goal::Value(target, value),
            (_, _, Some(token)) => {
                let token = model.codec().one_token(token, "--wins");
                Goal::Wins(console.usage(token)?)
            }
            _ => return Err(Error::setting("--target", "is missing, give it")),
        };
        let (tokens, notes) = patching::tokens(&model, &args.user.input(&args.corrupt))?;
        console.notes(&notes);
        let request = EffectRequest {
            tokens: &tokens,
            goal,
            rounds,
            candidates: asked.candidates,
        };
        let mut bar = console.bar("Searching");
        smallest::effect(&model, dictionary, &request, &mut |at| bar.at(at))?
    };
    let Some(found) = found.done() else {
        return Ok(Exit::Stopped);
    };
    args.section.write(&model, || found.section())?;
    console.answer(&object(&found)?, || table(&found))?;
    Ok(Exit::Done)
}

fn object(found: &Smallest) -> Result<Value> {
    let edits = found.edits(found.steps.len())?;
    let likely = |top: &[NextToken]| json!(top);
    let step = |step: &Step| {
        json!({
            "feature": step.feature,
            "position": step.position,
            "token": found.texts[step.position],
            "before": step.before,
            "after": step.after,
            "strength": step.strength,
            "weight": step.weight,
            "magnitude": step.magnitude,
            "distance": step.distance,
            "target": step.target,
            "agrees": step.agrees,
            "top": likely(&step.top),
        })
    };
    Ok(json!({
        "aim": found.aim,
        "sae": found.dictionary,
        "hook": found.hook,
        "target": found.written,
        "target_before": found.target,
        "tokens": found.texts,
        "positions": found.positions,
        "top_before": likely(&found.top),
        "steps": found.steps.iter().map(step).collect::<Vec<_>>(),
        "end": found.end,
        "edits": edits.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "conclusion": found.conclusion(),
        "definitions": definitions(DEFINITIONS),
    }))
}

fn table(found: &Smallest) -> String {
    let number =
        |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| format!("{value:.4}"));
    let top = |top: &[NextToken]| {
        let each = top
            .iter()
            .map(|next| format!("{:?} {:.3}", next.text, next.probability));
        each.collect::<Vec<_>>().join("  ")
    };
    let mut lines = Vec::new();
    if let Some(said) = &found.said {
        lines.push(format!("{said} is {} without edits", number(found.target)));
    }
    lines.push(format!("next tokens without edits: {}", top(&found.top)));
    if let Aim::Toward {
        distance,
        patched,
        top: whole,
        ..
    } = &found.aim
    {
        lines.push(format!("next tokens under the whole patch: {}", top(whole)));
        if let Some(patched) = patched {
            lines.push(format!("target under the whole patch: {patched:.4}"));
        }
        lines.push(format!("distance without edits: {distance:.4}"));
    }
    lines.push(format!(
        "\n{:>4} {:>8} {:<18} {:>9} {:>9} {:>9} {:>9} {:>9}  next tokens",
        "edit", "feature", "at", "before", "after", "distance", "target", "magnitude"
    ));
    for (i, step) in found.steps.iter().enumerate() {
        let at = format!("{} {:?}", step.position, found.texts[step.position]);
        lines.push(format!(
            "{:>4} {:>8} {at:<18} {:>9.4} {:>9.4} {:>9} {:>9} {:>9.3}  {}",
            i + 1,
            step.feature,
            step.before,
            step.after,
            number(step.distance),
            number(step.target),
            step.magnitude,
            top(&step.top)
        ));
    }
    lines.push(String::new());
    if let Ok(edits) = found.edits(found.steps.len()) {
        lines.push("edits, as umbra steer --edit takes them:".to_owned());
        lines.extend(edits.iter().map(|edit| format!("  {edit}")));
    }
    lines.push(found.conclusion());
    lines.join("\n")
}
