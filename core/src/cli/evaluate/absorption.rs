//! `umbra evaluate absorption`: words on which a feature of their first letter is silent.

use std::path::PathBuf;

use crate::benchmarks::absorption::{Class, LEAST_F1, LETTERS, Quality, Spec};
use crate::benchmarks::estimate::Estimate;
use crate::cli::{Console, Exit, ModelArgs, SaesArgs};
use crate::error::{Error, Result};
use crate::progress::Ended;
use crate::sae::Sae;
use crate::workbench::evaluate::absorption::{DEFINITIONS, Found, Request, json, run as measured};

/// Absorbed words shown of a class.
const SHOWN: usize = 4;

/// Flags of `umbra evaluate absorption`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = help())]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    saes: SaesArgs,
    /// First letters to judge, such as a-z or a-f,s
    #[arg(
        long,
        value_name = "RANGES",
        default_value = "a-z",
        conflicts_with = "words"
    )]
    letters: String,
    /// Judge labels of these words instead of first letters: a file, one JSON object {"word", "label"} a line
    #[arg(long, value_name = "FILE")]
    words: Option<PathBuf>,
    /// Number of lines that spell other words before each word; 0 for none [default: 10 if the model spells half of the words with them, else 0]
    #[arg(long, value_name = "N")]
    examples: Option<usize>,
    /// Share of words that test
    #[arg(long, value_name = "X", default_value_t = Spec::default().test_share)]
    test_share: f64,
    /// Seed of the split of the words, of the lines and of the intervals
    #[arg(long, value_name = "N", default_value_t = Spec::default().seed)]
    seed: u64,
    /// Draws of the bootstrap behind the intervals
    #[arg(long, value_name = "N", default_value_t = Spec::default().draws)]
    draws: usize,
}

fn help() -> String {
    let figures: Vec<String> = DEFINITIONS
        .iter()
        .map(|(name, definition)| format!("  {name}: {definition}"))
        .collect();
    format!(
        "Figures:\n{}\nWith --json: {{places: [{{hook, probes}}], dictionaries: [{{name, eval_result_metrics, eval_result_details, intervals}}], notes, …}} in the keys of SAEBench.",
        figures.join("\n")
    )
}

/// Returns the letters of ranges such as `a-f,s`.
fn letters(text: &str) -> Result<Vec<String>> {
    let refused = || {
        let what = format!("`{text}` is no list of letters, write a-z or a-f,s");
        Error::setting("--letters", what)
    };
    let mut chosen = Vec::new();
    for part in text.split(',') {
        let part = part.trim().to_lowercase();
        let (from, to) = part.split_once('-').unwrap_or((&part, &part));
        let at = |letter: &str| (letter.len() == 1).then(|| LETTERS.find(letter)).flatten();
        let (from, to) = (at(from).ok_or_else(refused)?, at(to).ok_or_else(refused)?);
        if from > to {
            return Err(refused());
        }
        chosen.extend(LETTERS[from..=to].chars().map(String::from));
    }
    Ok(chosen)
}

/// Runs `umbra evaluate absorption`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let classes = match &args.words {
        Some(_) => Vec::new(),
        None => letters(&args.letters)?,
    };
    let request = Request {
        words: args.words.clone(),
        spec: Spec {
            classes,
            examples: args.examples,
            test_share: args.test_share,
            seed: args.seed,
            draws: args.draws,
        },
    };
    let (model, saes) = args.saes.open(&args.model, console)?;
    let saes: Vec<&Sae> = saes.iter().map(|sae| &**sae).collect();
    let mut bar = console.bar("Reading words");
    let found = measured(&model, &saes, &request, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(found) = found else {
        return Ok(Exit::Stopped);
    };
    for note in &found.notes {
        console.note(note);
    }
    console.answer(&json(&found, &request), || table(&found))?;
    Ok(Exit::Done)
}

fn table(found: &Found) -> String {
    let mut lines = Vec::new();
    for place in &found.places {
        let spelled = match place.read.spelled {
            Some(share) => format!("; the model spells {:.0} % of words", 100.0 * share),
            None => String::new(),
        };
        lines.push(format!(
            "{}: {} words, {} lines before each{spelled}",
            place.name(),
            found.words.words.len(),
            place.read.examples
        ));
        lines.push(format!(
            "{:>10} {:>6} {:>6} {:>9} {:>10} {:>7} {:>6}  known (F1 > {LEAST_F1})",
            "class", "train", "test", "accuracy", "precision", "recall", "F1"
        ));
        lines.extend(place.probes.qualities.iter().map(quality));
        lines.push(String::new());
    }
    let estimate = |estimate: Option<Estimate>| match estimate {
        Some(estimate) => estimate.words(),
        None => "–".to_owned(),
    };
    for (at, one) in &found.dictionaries {
        lines.push(format!("{} ({})", one.dictionary, found.places[*at].name()));
        lines.push(format!("  full absorption      {}", estimate(one.full)));
        lines.push(format!("  absorption fraction  {}", estimate(one.fraction)));
        if let Some(main) = one.main_features {
            lines.push(format!("  main features        {main:.1} of a class"));
        }
        lines.extend(one.classes.iter().map(class));
        lines.push(String::new());
    }
    lines.join("\n").trim_end().to_owned()
}

fn quality(one: &Quality) -> String {
    format!(
        "{:>10} {:>6} {:>6} {:>9.3} {:>10.3} {:>7.3} {:>6.3}  {}",
        one.class,
        one.words[0],
        one.words[1],
        one.accuracy,
        one.precision,
        one.recall,
        one.f1,
        if one.is_known() { "yes" } else { "no" }
    )
}

fn class(one: &Class) -> String {
    let main: Vec<String> = one.main.iter().map(ToString::to_string).collect();
    let absorbed = one.absorbed.iter().take(SHOWN);
    let absorbed: Vec<String> = absorbed
        .map(|(word, feature)| format!("{word} → {feature}"))
        .collect();
    format!(
        "  {:>10}  full {}  fraction {}  of {} words  main {} (F1 {:.2})  {}",
        one.name,
        one.full.words(),
        one.fraction.words(),
        one.true_positives,
        main.join(", "),
        one.main_f1,
        absorbed.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_letters_are_read() {
        assert_eq!(letters("a-c,S").unwrap().concat(), "abcs");
        assert_eq!(letters("a-z").unwrap().len(), 26);
        for wrong in ["", "c-a", "ab", "a-", "1-3"] {
            assert!(letters(wrong).is_err(), "{wrong}");
        }
    }
}
