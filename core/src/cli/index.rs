//! `umbra index`: builds the feature index of a dictionary over a text, shows it, measures its features, and exports it for other viewers.

mod build;
mod correlate;
mod export;
mod facts;
mod families;
mod labels;
mod list;
mod map;
mod merge;
mod neighbours;
mod predicate;
mod score;
mod search;
mod statistics;

use std::path::PathBuf;

use serde_json::{Value, json};

pub(super) use self::labels::check_labels;
use super::{Console, Exit, say_fit};
use crate::error::Result;
use crate::features::facts::Fact;
use crate::features::families::Measured;
use crate::features::scores::Score;
use crate::features::{
    self, Detail, Example, Index, Name, Passage, Peak, SourceToken, Sources, TokenEffect,
};
use crate::fit::Fit;
use crate::ids::FeatureId;

/// Flags of `umbra index`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Build the index of a dictionary, or of several, in one pass over text
    Build(build::Args),
    /// Merge indexes of one dictionary over different rows or texts into one
    Merge(merge::Args),
    /// Show one feature of an index
    Show(ShowArgs),
    /// List the features of an index, filtered and sorted by any figure
    List(list::Args),
    /// Place features on a plane by the directions of their decoder rows
    Map(map::Args),
    /// Find features by words in their examples, their labels and the tokens they promote or suppress
    Search(search::Args),
    /// List the features nearest to one feature, by decoder direction and by the tokens on which both are active
    Neighbours(neighbours::Args),
    /// Measure which family each feature belongs to (induction, local context, long-range context) and store it in the index
    Families(families::Args),
    /// Measure facts about each feature over text (on which tokens, after which, where in words and sentences), with precision and recall, and store them in the index
    Facts(facts::Args),
    /// Measure what steering by each feature does to the next token of random contexts, and store the scores in the index
    Score(score::Args),
    /// Test features against a predicate of tokens over text: specificity, sensitivity, and the tokens that they miss
    Test(predicate::Args),
    /// Measure correlations of features with each other and with neurons, for exports to Neuronpedia, and store them in the index
    Correlate(correlate::Args),
    /// Export an index as files for Neuronpedia or circuit-tracer's viewer
    Export(export::Args),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Index file
    #[arg(value_name = "FILE")]
    index: PathBuf,
    /// Feature, counted from 0
    #[arg(long, value_name = "I")]
    feature: u32,
    /// Show the whole row of tokens of this example instead, counted from 1: the strongest first, then those of the intervals
    #[arg(long, value_name = "N")]
    example: Option<usize>,
    /// List near-duplicates among the examples too, instead of folding them: they peak on the same token after the same three tokens, or share 60 % of the tokens of
    /// the smaller window
    #[arg(long)]
    near_duplicates: bool,
}

/// Runs `umbra index`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    match &args.verb {
        Verb::Build(args) => build::run(args, console),
        Verb::Merge(args) => merge::run(args, console),
        Verb::Show(args) => show(args, console),
        Verb::List(args) => list::run(args, console),
        Verb::Map(args) => map::run(args, console),
        Verb::Neighbours(args) => neighbours::run(args, console),
        Verb::Search(args) => search::run(args, console),
        Verb::Families(args) => families::run(args, console),
        Verb::Facts(args) => facts::run(args, console),
        Verb::Score(args) => score::run(args, console),
        Verb::Test(args) => predicate::run(args, console),
        Verb::Correlate(args) => correlate::run(args, console),
        Verb::Export(args) => export::run(args, console),
    }
}

fn show(args: &ShowArgs, console: &Console) -> Result<Exit> {
    let index = Index::open(&args.index)?;
    say_fit(&Fit::of_index(index.about(), None, None), false, console)?;
    let feature = FeatureId(args.feature);
    if let Some(number) = args.example {
        let passage = index.example(feature, number)?;
        console.answer(&passage_json(&passage), || passage_text(&passage))?;
        return Ok(Exit::Done);
    }
    let detail = index.detail(feature)?;
    let family = index.families()?;
    let family = family
        .as_ref()
        .and_then(|all| all.features.get(feature.index()));
    let mut object = features::json(index.about(), &detail);
    object["family"] = family.map_or(Value::Null, Measured::json);
    let scores = index.scores()?;
    let score = scores.as_ref().and_then(|all| all.of(feature));
    object["steering"] = score.map_or(Value::Null, Score::json);
    let facts = index.facts_of(feature)?;
    object["facts"] = facts
        .as_ref()
        .map_or(Value::Null, |all| all.iter().map(Fact::json).collect());
    let elsewhere = index.facts_elsewhere()?;
    object["facts_elsewhere"] = json!(elsewhere);
    console.answer(&object, || {
        let measured = (family, score);
        let facts = (facts.unwrap_or_default(), elsewhere);
        text(&index, &detail, (measured, &facts, args.near_duplicates))
    })?;
    Ok(Exit::Done)
}

fn passage_json(passage: &Passage) -> Value {
    json!({
        "document": passage.document,
        "row": passage.row,
        "position": passage.position,
        "activation": passage.act,
        "ids": passage.ids.iter().map(|id| id.0).collect::<Vec<_>>(),
        "tokens": passage.texts,
    })
}

fn passage_text(passage: &Passage) -> String {
    let texts = passage.texts.iter().enumerate();
    let tokens: String = texts
        .map(|(at, token)| marked(token, at == passage.position))
        .collect();
    format!("{}\n{tokens}", passage.describe())
}

/// Writes a token on one line, in brackets if it is the example's.
fn marked(token: &str, is_examples: bool) -> String {
    let token = token.replace('\n', "⏎");
    if is_examples {
        format!("[{token}]")
    } else {
        token
    }
}

/// Facts about a feature, and what they were measured on where that is not what the index was built over.
type FactsShown = (Vec<Fact>, Option<String>);

fn text(
    index: &Index,
    detail: &Detail,
    ((family, score), facts, unfolded): ((Option<&Measured>, Option<&Score>), &FactsShown, bool),
) -> String {
    let about = index.about();
    let summary = detail.summary;
    let peak = detail.top.first().map(Peak::from_example);
    let (facts, elsewhere) = facts;
    let fact = facts.iter().find(|fact| fact.is_name()).map(Fact::said);
    let name = Name::new(None, peak.as_ref()).with_fact(fact.as_deref());
    let mut lines = vec![
        format!("feature {}  {name}", summary.feature)
            .trim_end()
            .to_owned(),
        format!("{} ({}, {})", about.sae, about.model, about.hooks()),
        format!(
            "density {:.4} %  mean {:.4}  {}max {:.4}  over {} tokens of {} ({})",
            100.0 * summary.density,
            summary.mean,
            match summary.min {
                min if min < 0.0 => format!("min {min:.4}  "),
                _ => String::new(),
            },
            summary.max,
            about.tokens,
            about.corpus,
            about.positions.said(about.left_out)
        ),
        String::new(),
    ];
    lines.push(format!("promoted    {}", effects(&detail.promoted)));
    lines.push(format!("suppressed  {}", effects(&detail.suppressed)));
    if !detail.promoted.is_empty() {
        lines.push(format!("            {}", about.logit_effects()));
    }
    lines.extend(written(detail));
    if let Some(measured) = family {
        lines.push(format!("family      {}", families::line(measured)));
    }
    if let Some(score) = score {
        lines.push(format!("steering    {}", score::line(score)));
    }
    lines.extend(statistics::lines(detail));
    for (number, fact) in facts.iter().enumerate() {
        let title = if number == 0 { "facts" } else { "" };
        lines.push(format!("{title:<12}{}", facts::line(fact).trim()));
    }
    lines.extend(elsewhere.iter().map(|words| format!("{:<12}{words}", "")));
    lines.extend(shares_of_heads(detail));
    lines.push(String::new());
    lines.extend(all_examples(detail, unfolded));
    lines.join("\n")
}

/// Writes the shares of heads, a line for each kind.
fn shares_of_heads(detail: &Detail) -> Vec<String> {
    let of_heads = [
        ("heads       ", &detail.head_shares),
        ("attribution ", &detail.head_attribution),
    ];
    let known = of_heads.iter().filter(|(_, shares)| !shares.is_empty());
    let line = |(name, shares): &(&str, &Vec<f32>)| {
        let shares = shares.iter().enumerate();
        let shares: Vec<_> = shares
            .map(|(head, share)| format!("{head}: {:.1} %", 100.0 * share))
            .collect();
        format!("{name}{}", shares.join("  "))
    };
    known.map(line).collect()
}

/// Writes the strongest examples and those of each interval.
fn all_examples(detail: &Detail, unfolded: bool) -> Vec<String> {
    let mut lines = vec!["strongest examples".to_owned()];
    let measured = Measures {
        sources: &detail.sources,
        losses: &detail.loss_effects,
    };
    lines.extend(examples((&detail.top, measured), unfolded));
    if !detail.loss_effects.is_empty() {
        lines
            .push("Δloss: change of the next token's loss without the feature, in nats".to_owned());
    }
    for interval in &detail.intervals {
        lines.push(format!(
            "{:.4} to {:.4}: {:.1} % of its active tokens",
            interval.from,
            interval.to,
            100.0 * interval.share
        ));
        lines.extend(examples(
            (&interval.examples, Measures::default()),
            unfolded,
        ));
    }
    lines
}

/// Writes what a feature of several layers writes in each, none for other features.
fn written(detail: &Detail) -> Vec<String> {
    let mut lines = Vec::new();
    for written in &detail.written {
        lines.push(format!(
            "writes      {} (norm {:.4}): {}; suppresses {}",
            written.hook,
            written.norm,
            effects(&written.promoted),
            effects(&written.suppressed)
        ));
        let near = written.neighbours.iter();
        let near: Vec<String> = near
            .map(|near| format!("#{} {:.3}", near.feature, near.cosine))
            .collect();
        if !near.is_empty() {
            lines.push(format!("            like {}", near.join("  ")));
        }
    }
    lines
}

fn effects(effects: &[TokenEffect]) -> String {
    let effects: Vec<_> = effects
        .iter()
        .map(|effect| format!("{:?} {:+.3}", effect.text, effect.effect))
        .collect();
    effects.join("  ")
}

/// Measurements at examples, in their order; empty where there are none.
#[derive(Debug, Clone, Copy, Default)]
struct Measures<'a> {
    sources: &'a [Sources],
    losses: &'a [f32],
}

/// Writes examples, one a line: near-duplicates folded into a number, or all of them.
fn examples((examples, measured): (&[Example], Measures<'_>), unfolded: bool) -> Vec<String> {
    let line = |at: usize| {
        let mut line = example(&examples[at]);
        let sources = measured.sources.get(at);
        if let Some(source) = sources.and_then(|sources| sources.strongest(&examples[at])) {
            line = format!("{line} {}", from(&source));
        }
        match measured.losses.get(at).filter(|loss| loss.is_finite()) {
            Some(loss) => format!("{line} Δloss {loss:+.3}"),
            None => line,
        }
    };
    if unfolded {
        return (0..examples.len()).map(line).collect();
    }
    let line = |fold: features::Fold| {
        let line = line(fold.shown);
        match fold.said() {
            Some(folded) => format!("{line}, and {folded}"),
            None => line,
        }
    };
    features::fold(examples).into_iter().map(line).collect()
}

/// Names the source token with the largest part.
fn from(source: &SourceToken) -> String {
    let text = source.text.replace('\n', "⏎");
    format!("← {text:?} at {}, {:+.3}", source.position, source.value)
}

/// Writes an example on one line, its token in brackets.
fn example(example: &Example) -> String {
    let tokens = example.tokens.iter().enumerate();
    let text: String = tokens
        .map(|(i, token)| marked(token, i == example.at))
        .collect();
    format!("{:>9.4}  {text}  ({})", example.act(), example.title())
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::features::About;
    use crate::ids::TokenId;

    #[test]
    fn an_example_is_one_line_with_its_token_marked_and_near_duplicates_folded() {
        let king = Example {
            document: "glinda-of-oz.txt".to_owned(),
            place: None,
            ids: [1, 2, 3].map(TokenId).into(),
            tokens: ["the", " king", "\n"].map(str::to_owned).into(),
            acts: vec![0.0, 1.5, 0.0],
            at: 1,
        };
        let line = "   1.5000  the[ king]⏎  (Glinda of Oz)";
        assert_eq!(example(&king), line);
        let twice = [king.clone(), king];
        assert_eq!(
            examples((&twice, Measures::default()), false),
            [format!("{line}, and 1 near-duplicate")]
        );
        assert_eq!(examples((&twice, Measures::default()), true), [line, line]);
        let sources = Sources {
            window: vec![2.0, -0.5, 0.0],
            ..Sources::default()
        };
        let measured = Measures {
            sources: &[sources],
            losses: &[0.25],
        };
        let named = examples((&twice[..1], measured), true);
        assert_eq!(
            named,
            [format!("{line} ← \"the\" at 0, +2.000 Δloss +0.250")]
        );
        let keys = features::json(&About::default(), &Detail::default());
        let object = keys.as_object().unwrap();
        for key in [
            "feature",
            "density",
            "mean",
            "max",
            "histogram",
            "examples",
            "promoted",
            "suppressed",
            "head_shares",
        ] {
            assert!(object.contains_key(key), "{key}");
        }
    }
}
