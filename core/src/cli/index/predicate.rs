//! `umbra index test`: tests features against a predicate over text.

use serde_json::{Map, Value, json};

use super::super::{Console, DeviceArg, Exit, ModelArgs, SaeArgs, TextArgs, open_by_token};
use crate::error::{Error, Result};
use crate::features;
use crate::features::predicate::{DEFINITIONS as LANGUAGE, Predicate, lab};
use crate::ids::FeatureId;
use crate::progress::Ended;

/// Width of the widest bar of a level.
const BAR: usize = 40;

/// Missed tokens and others that are listed for people.
const LISTED: usize = 10;

/// Flags of `umbra index test`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    /// Features to test, counted from 0; several are tested in one pass
    #[arg(long, value_name = "I", num_args = 1.., required = true)]
    feature: Vec<u32>,
    /// Predicate of a token, such as 'repeats(fuzzy) and next_is("board")'; `umbra guide index` lists the language
    #[arg(long, value_name = "PREDICATE")]
    predicate: String,
    #[command(flatten)]
    text: TextArgs,
    /// Seed of the missed tokens that are listed
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    device: DeviceArg,
}

/// Runs `umbra index test`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let predicate = Predicate::parse(&args.predicate)
        .map_err(|refused| Error::setting("--predicate", refused.why))?;
    let pair = open_by_token(&args.model, &args.sae, console)?;
    let text = args.text.read(&pair, args.model.offline, console)?;
    let at_once = features::tokens_at_once(&pair.sae, &text.rows);
    args.device.place(&*pair.sae, (at_once, false), console)?;
    let features: Vec<FeatureId> = args.feature.iter().copied().map(FeatureId).collect();
    let asked = lab::Asked {
        features: &features,
        predicate: &predicate,
        seed: args.seed,
    };
    let mut bar = console.bar("Testing the predicate");
    let subject = (&*pair.model, pair.sae.by_token()?);
    let tested = lab::test(subject, &text.rows, asked, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(tested) = tested else {
        return Ok(Exit::Stopped);
    };
    let object = json!({
        "predicate": predicate.text(),
        "sae": pair.sae.name,
        "corpus": text.phrase,
        "features": tested.iter().map(lab::Tested::json).collect::<Value>(),
        "definitions": definitions(),
    });
    console.answer(&object, || {
        let each: Vec<String> = tested.iter().map(|t| one(t, &predicate)).collect();
        each.join("\n\n")
    })?;
    Ok(Exit::Done)
}

fn definitions() -> Map<String, Value> {
    let figures = lab::DEFINITIONS.iter().copied();
    let language = LANGUAGE.iter().map(|form| (form.form, form.meaning));
    figures
        .chain(language)
        .map(|(name, definition)| (name.to_owned(), json!(definition)))
        .collect()
}

fn percent(share: Option<f64>) -> String {
    share.map_or("–".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}

fn one(tested: &lab::Tested, predicate: &Predicate) -> String {
    let mut lines = vec![
        format!("feature {}  {}", tested.feature, predicate.text()),
        format!(
            "{} tokens  active {}  predicate holds {}  both {}",
            tested.tokens, tested.active, tested.holding, tested.both
        ),
        format!(
            "precision {}  recall {}  specificity in the top half {} of {} tokens",
            percent(tested.precision()),
            percent(tested.recall()),
            percent(tested.specificity_top_half()),
            tested.top
        ),
        String::new(),
        "activation            holds    others  share of the mean activation: holds, others"
            .to_owned(),
    ];
    let parts: Vec<(f64, f64)> = (tested.levels.iter())
        .map(|level| level.expected(tested.active))
        .collect();
    let most = parts.iter().fold(0.0f64, |most, (a, b)| most.max(a + b));
    for (level, (holding, other)) in tested.levels.iter().zip(parts).rev() {
        let signs = |part: f64| (BAR as f64 * part / most.max(f64::MIN_POSITIVE)).round() as usize;
        let bar = format!("{}{}", "█".repeat(signs(holding)), "░".repeat(signs(other)));
        let line = format!(
            "{:>7.3} to {:>7.3} {:>8} {:>9}  {bar}",
            level.from, level.to, level.holding, level.other
        );
        lines.push(line.trim_end().to_owned());
    }
    let lists = [
        (
            tested.misses(),
            "tokens at which the predicate holds and the feature is silent, some of them:",
            &tested.missed,
        ),
        (
            tested.active - tested.both,
            "active tokens at which the predicate does not hold, the strongest:",
            &tested.others,
        ),
    ];
    for (count, what, examples) in lists {
        lines.push(String::new());
        lines.push(format!("{count} {what}"));
        lines.extend(examples.iter().take(LISTED).map(super::example));
    }
    lines.join("\n")
}
