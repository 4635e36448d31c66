//! `umbra model attention`: shows figures of all heads, or one head's weights.

use serde_json::{Map, Value, json};

use super::super::{Console, Exit, ModelArgs};
use super::PromptArgs;
use super::tokens::{aligned, check_position, note_cut, tokens_object};
use crate::attention::{self, DEFINITIONS, Overview, Patterns, strongest};
use crate::error::{Error, Result};
use crate::ids::{Head, HookPoint, Layer, Site};
use crate::progress::Ended;

/// Flags of `umbra model attention`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    text: PromptArgs,
    /// Layer of the head to show [default: figures of all heads]
    #[arg(long, value_name = "L", requires = "head")]
    layer: Option<u32>,
    /// Head within its layer
    #[arg(long, value_name = "H", requires = "layer")]
    head: Option<u32>,
    /// Position of a token whose sources and destinations to list, counted from 0 (BOS) [default: the strongest sources of every token]
    #[arg(long, value_name = "P", requires = "head")]
    at: Option<usize>,
    /// Number of sources and of destinations to list
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
}

/// Runs `umbra model attention`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let model = args.model.open(console)?;
    let tokens = args.text.tokens(&model, console)?;
    let (Some(layer), Some(head)) = (args.layer, args.head) else {
        let found = attention::overview(&model, &tokens, &mut |_| console.flow())?;
        let Ended::Done(found) = found else {
            return Ok(Exit::Stopped);
        };
        note_cut(found.cut, found.tokens.len(), console);
        console.answer(&all_object(&found), || all_table(&found))?;
        return Ok(Exit::Done);
    };
    let (layer, head) = (Layer(layer), Head(head));
    let heads = model.config().heads;
    if head.index() >= heads {
        let what = format!("there is no head {head}, a layer has {heads}, counted from 0");
        return Err(Error::setting("--head", what));
    }
    let found = attention::patterns(&model, &tokens, layer)?;
    note_cut(found.cut, found.tokens.len(), console);
    let shown = Shown {
        found: &found,
        head,
        top: args.top.max(1),
    };
    if let Some(at) = args.at {
        check_position(at, found.tokens.len())?;
        console.answer(&shown.at_object(at), || shown.at_text(at))?;
    } else {
        console.answer(&shown.object(), || shown.table())?;
    }
    Ok(Exit::Done)
}

fn all_object(found: &Overview) -> Value {
    let head = |head: &attention::HeadGlance| {
        json!({
            "layer": head.layer.0, "head": head.head.0,
            "previous": head.previous, "first": head.first, "entropy": head.entropy,
        })
    };
    let definitions: Map<String, Value> = DEFINITIONS
        .iter()
        .map(|(name, definition)| ((*name).to_owned(), json!(definition)))
        .collect();
    json!({
        "tokens": tokens_object(&found.tokens, &found.texts), "left_out": found.cut,
        "heads": found.heads.iter().map(head).collect::<Vec<_>>(), "definitions": definitions,
    })
}

fn all_table(found: &Overview) -> String {
    let mut lines = vec!["head   previous  first  entropy".to_owned()];
    lines.extend(found.heads.iter().map(|head| {
        format!(
            "{:<6} {:>8.3}  {:>5.3}  {:>7.3}",
            format!("{}.{}", head.layer, head.head),
            head.previous,
            head.first,
            head.entropy
        )
    }));
    lines.extend(DEFINITIONS.map(|(name, definition)| format!("{name}: {definition}")));
    lines.join("\n")
}

/// One head, and the number of lines to list.
struct Shown<'a> {
    found: &'a Patterns,
    head: Head,
    top: usize,
}

impl Shown<'_> {
    fn head_object(&self) -> Map<String, Value> {
        let found = self.found;
        let hook = HookPoint::Block(found.layer, Site::Pattern).to_string();
        let facts = [
            ("hook", json!(hook)),
            ("layer", json!(found.layer.0)),
            ("head", json!(self.head.0)),
            ("tokens", tokens_object(&found.tokens, &found.texts)),
            ("left_out", json!(found.cut)),
        ];
        facts
            .map(|(key, value)| (key.to_owned(), value))
            .into_iter()
            .collect()
    }

    /// Returns the whole pattern: destinations, each with its weights on the sources up to it.
    fn object(&self) -> Value {
        let t = self.found.tokens.len();
        let rows = (0..t).map(|at| json!(self.found.sources(self.head, at)[..=at]));
        let mut object = self.head_object();
        object.insert("pattern".to_owned(), rows.collect());
        Value::Object(object)
    }

    fn at_object(&self, at: usize) -> Value {
        let listed = |weights: &[f32]| -> Value {
            let pairs = strongest(weights, self.top).into_iter();
            pairs
                .map(|(position, weight)| {
                    json!({"position": position, "text": self.found.texts[position], "weight": weight})
                })
                .collect()
        };
        let mut object = self.head_object();
        object.insert("at".to_owned(), json!(at));
        let sources = listed(self.found.sources(self.head, at));
        object.insert("sources".to_owned(), sources);
        let destinations = listed(&self.found.destinations(self.head, at));
        object.insert("destinations".to_owned(), destinations);
        Value::Object(object)
    }

    fn table(&self) -> String {
        let found = self.found;
        let title = format!(
            "head {}.{}: strongest sources of each token",
            found.layer, self.head
        );
        let line = |(at, text): (usize, &String)| {
            let sources = strongest(found.sources(self.head, at), self.top.min(4)).into_iter();
            let sources = sources
                .map(|(source, weight)| format!("{source} {:?} {weight:.3}", found.texts[source]));
            let place = [at.to_string(), format!("{text:?}")].into_iter();
            place.chain(sources).collect()
        };
        let lines: Vec<_> = found.texts.iter().enumerate().map(line).collect();
        format!("{title}\n{}", aligned(&lines))
    }

    fn at_text(&self, at: usize) -> String {
        let listed = |title: String, weights: &[f32]| {
            let pairs = strongest(weights, self.top).into_iter();
            let cells = pairs.map(|(position, weight)| {
                let text = format!("{:?}", self.found.texts[position]);
                vec![position.to_string(), text, format!("{weight:.4}")]
            });
            format!("{title}\n{}", aligned(&cells.collect::<Vec<_>>()))
        };
        let named = format!(
            "{:?} (position {at}), head {}.{}",
            self.found.texts[at], self.found.layer, self.head
        );
        let sources = listed(
            format!("sources of {named}"),
            self.found.sources(self.head, at),
        );
        let destinations = listed(
            "destinations that attend to it".to_owned(),
            &self.found.destinations(self.head, at),
        );
        format!("{sources}\n\n{destinations}")
    }
}
