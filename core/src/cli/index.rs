//! `umbra index`: builds the feature index of a dictionary over a text, shows it, measures its features, and exports it for other viewers.

mod export;
mod families;
mod predicate;
mod search;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::device::speeds;
use super::{Console, DeviceArg, Exit, ModelArgs, SaeArgs, TextArgs, open_both, say_fit};
use crate::error::Result;
use crate::features::families::Measured;
use crate::features::{
    self, Detail, Example, Index, Name, Passage, Peak, Source, SourceToken, Sources, TokenEffect,
};
use crate::fit::Fit;
use crate::ids::FeatureId;
use crate::whole_file;
use crate::workbench::passes::Pass;

/// Flags of `umbra index`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Build the index of a dictionary in one pass over text
    Build(BuildArgs),
    /// Show one feature of an index
    Show(ShowArgs),
    /// Find features by words in their examples, their labels and the tokens they promote or suppress
    Search(search::Args),
    /// Measure which family each feature belongs to (induction, local context, long-range context) and store it in the index
    Families(families::Args),
    /// Test features against a predicate of tokens over text: specificity, sensitivity, and the tokens that they miss
    Test(predicate::Args),
    /// Export an index as files for Neuronpedia or circuit-tracer's viewer
    Export(export::Args),
}

#[derive(Debug, clap::Args)]
struct BuildArgs {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    sae: SaeArgs,
    #[command(flatten)]
    text: TextArgs,
    /// Index file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Seed of the examples drawn from each interval of activation
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    /// Leave out where the strongest examples of a dictionary of attn.hook_z come from, by source token and head, which takes a second pass over their rows
    #[arg(long)]
    no_attribution: bool,
    #[command(flatten)]
    device: DeviceArg,
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
        Verb::Build(args) => build(args, console),
        Verb::Show(args) => show(args, console),
        Verb::Search(args) => search::run(args, console),
        Verb::Families(args) => families::run(args, console),
        Verb::Test(args) => predicate::run(args, console),
        Verb::Export(args) => export::run(args, console),
    }
}

fn build(args: &BuildArgs, console: &Console) -> Result<Exit> {
    whole_file::check_regular(&args.out)?;
    let pair = open_both(&args.model, &args.sae, console)?;
    let text = args.text.read(&pair, args.model.offline, console)?;
    let source = Source {
        corpus: text.phrase,
        fingerprint: text.fingerprint,
        seed: args.seed,
        no_attribution: args.no_attribution,
    };
    let at_once = features::tokens_at_once(&pair.sae, &text.rows);
    let choice = args.device.place(&*pair.sae, (at_once, false), console)?;
    let (pass, rows) = (Pass::Index, &text.rows);
    args.device.expect(pass, (&pair, rows), console);
    let (model, sae) = (&pair.model, pair.sae.autoencoder()?);
    let mut bar = console.bar("Indexing");
    let built = speeds().timed(pass, (&pair, rows), &choice, || {
        features::build(model, sae, rows, &source, &args.out, &mut |at| bar.at(at))
    })?;
    drop(bar);
    if built.is_stopped() {
        return Ok(Exit::Stopped);
    }
    let index = Index::open(&args.out)?;
    let about = index.about();
    let summaries = index.summaries()?;
    let dead = summaries.iter().filter(|s| s.density == 0.0).count();
    let object = json!({
        "out": args.out.display().to_string(),
        "sae": about.sae,
        "model": about.model,
        "hook": about.hook,
        "corpus": about.corpus,
        "tokens": about.tokens,
        "positions": about.positions,
        "left_out": about.left_out,
        "separate_documents": about.separate_documents,
        "features": about.features,
        "never_active": dead,
        "seed": about.seed,
        "unembed": about.unembed.to_string(),
        "attribution": about.attribution,
    });
    console.answer(&object, || {
        format!(
            "{} features of {} over {} tokens of {} ({}), {dead} never active: {}",
            about.features,
            about.sae,
            about.tokens,
            about.corpus,
            about.positions.said(about.left_out),
            args.out.display()
        )
    })?;
    Ok(Exit::Done)
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
    console.answer(&object, || {
        text(&index, &detail, (family, args.near_duplicates))
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

fn text(index: &Index, detail: &Detail, (family, unfolded): (Option<&Measured>, bool)) -> String {
    let about = index.about();
    let summary = detail.summary;
    let peak = detail.top.first().map(Peak::from_example);
    let name = Name::new(None, peak.as_ref()).to_string();
    let mut lines = vec![
        format!("feature {}  {name}", summary.feature)
            .trim_end()
            .to_owned(),
        format!("{} ({}, {})", about.sae, about.model, about.hook),
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
    if let Some(measured) = family {
        lines.push(format!("family      {}", families::line(measured)));
    }
    let of_heads = [
        ("heads       ", &detail.head_shares),
        ("attribution ", &detail.head_attribution),
    ];
    for (name, shares) in of_heads.iter().filter(|(_, shares)| !shares.is_empty()) {
        let shares = shares.iter().enumerate();
        let shares: Vec<_> = shares
            .map(|(head, share)| format!("{head}: {:.1} %", 100.0 * share))
            .collect();
        lines.push(format!("{name}{}", shares.join("  ")));
    }
    lines.push(String::new());
    lines.push("strongest examples".to_owned());
    lines.extend(examples((&detail.top, &detail.sources), unfolded));
    for interval in &detail.intervals {
        lines.push(format!(
            "{:.4} to {:.4}: {:.1} % of its active tokens",
            interval.from,
            interval.to,
            100.0 * interval.share
        ));
        lines.extend(examples((&interval.examples, &[]), unfolded));
    }
    lines.join("\n")
}

fn effects(effects: &[TokenEffect]) -> String {
    let effects: Vec<_> = effects
        .iter()
        .map(|effect| format!("{:?} {:+.3}", effect.text, effect.effect))
        .collect();
    effects.join("  ")
}

/// Writes examples, one a line: near-duplicates folded into a number, or all of them.
fn examples((examples, sources): (&[Example], &[Sources]), unfolded: bool) -> Vec<String> {
    let line = |at: usize| {
        let line = example(&examples[at]);
        let source = sources
            .get(at)
            .and_then(|sources| sources.strongest(&examples[at]));
        match source {
            Some(source) => format!("{line} {}", from(&source)),
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
            examples((&twice, &[]), false),
            [format!("{line}, and 1 near-duplicate")]
        );
        assert_eq!(examples((&twice, &[]), true), [line, line]);
        let sources = Sources {
            window: vec![2.0, -0.5, 0.0],
            ..Sources::default()
        };
        let named = examples((&twice[..1], &[sources]), true);
        assert_eq!(named, [format!("{line} ← \"the\" at 0, +2.000")]);
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
