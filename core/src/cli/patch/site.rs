//! The table of activation patching: layer by position, or layer by head.

use serde_json::{Map, Value, json};

use super::Args;
use crate::causes::patch::{self, DEFINITIONS, Patching, Request};
use crate::causes::{Target, TextPair};
use crate::cli::{Console, Exit};
use crate::error::Result;
use crate::models::Model;
use crate::progress::Ended;
use crate::workbench::patching::Texts;

/// Places listed for people beside the table.
const LISTED: usize = 10;
/// Columns that fit beside each other for people.
const COLUMNS: usize = 16;

/// Patches every place of a site.
pub(super) fn run(
    args: &Args,
    (model, texts, target): (&Model, &Texts, Target),
    console: &Console,
) -> Result<Exit> {
    let request = Request {
        clean: &texts.clean,
        corrupt: &texts.corrupt,
        target,
        site: args.site.into(),
    };
    let mut bar = console.bar("Patching");
    let found = patch::run(model, &request, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(found) = found else {
        return Ok(Exit::Stopped);
    };
    args.section.write(model, || found.section())?;
    console.answer(&object(&found), || table(&found))?;
    Ok(Exit::Done)
}

/// Writes the keys that every table between two texts has.
pub(super) fn pair_object(pair: &TextPair) -> Map<String, Value> {
    let tokens = |ids: &[crate::ids::TokenId], texts: &[String]| json!({ "ids": ids.iter().map(|id| id.0).collect::<Vec<_>>(), "texts": texts });
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_owned(), value);
    put("clean", json!(pair.clean_value));
    put("corrupt", json!(pair.corrupt_value));
    put("target", json!(pair.target));
    put("clean_tokens", tokens(&pair.clean, &pair.clean_texts));
    put("corrupt_tokens", tokens(&pair.corrupt, &pair.corrupt_texts));
    put("differs", json!(pair.differs()));
    put("undecided", json!(pair.undecided()));
    object
}

/// Writes name and definition of each figure.
pub(super) fn definitions(of: &[(&str, &str)]) -> Value {
    let pairs = of.iter();
    Value::Object(
        pairs
            .map(|(name, said)| ((*name).to_owned(), json!(said)))
            .collect(),
    )
}

fn object(found: &Patching) -> Value {
    let mut object = pair_object(&found.pair);
    for (key, value) in [
        ("site", json!(found.site)),
        ("values", json!(found.values)),
        ("recovered", json!(found.recovered())),
        ("conclusion", json!(found.conclusion())),
        ("definitions", definitions(DEFINITIONS)),
    ] {
        object.insert(key.to_owned(), value);
    }
    Value::Object(object)
}

/// Formats the tokens of both texts where they differ.
pub(super) fn differences(pair: &TextPair) -> Vec<String> {
    let differs = pair
        .differs()
        .into_iter()
        .enumerate()
        .filter(|(_, differs)| *differs);
    let mut lines = vec![pair.described()];
    lines.extend(differs.map(|(at, _)| {
        format!(
            "  {at:>4}  {:?} ▸ {:?}",
            pair.clean_texts[at], pair.corrupt_texts[at]
        )
    }));
    lines
}

/// Formats a share as a percentage.
pub(super) fn percent(share: Option<f64>) -> String {
    // Adding 0 leaves no sign of a negative 0.
    let whole = |share: f64| format!("{} %", (100.0 * share).round() + 0.0);
    share.map_or_else(|| "–".to_owned(), whole)
}

fn table(found: &Patching) -> String {
    let mut lines = differences(&found.pair);
    let recovered = found.recovered();
    let columns = recovered.first().map_or(0, Vec::len);
    lines.push(String::new());
    if columns <= COLUMNS {
        let what = if found.site.is_by_head() {
            "head"
        } else {
            "position (* where the texts differ)"
        };
        lines.push(format!(
            "share recovered with {} taken from the first text, layer by {what}:",
            found.site.words()
        ));
        let differs = found.pair.differs();
        let mark = |at: usize| {
            let marked = !found.site.is_by_head() && differs.get(at) == Some(&true);
            format!("{at}{}", if marked { "*" } else { "" })
        };
        let heads: Vec<String> = (0..columns).map(|at| format!("{:>7}", mark(at))).collect();
        lines.push(format!("{:>5}{}", "layer", heads.concat()));
        for (layer, row) in recovered.iter().enumerate() {
            let cells: Vec<String> = row
                .iter()
                .map(|share| format!("{:>7}", percent(*share)))
                .collect();
            lines.push(format!("{layer:>5}{}", cells.concat()));
        }
        lines.push(String::new());
    }
    lines.push(format!(
        "{:<44} {:>10} {:>10}",
        "largest changes", "target", "recovered"
    ));
    for place in found.places().iter().take(LISTED) {
        let name = found.place_name(place.layer, place.at);
        lines.push(format!(
            "{name:<44} {:>10.4} {:>10}",
            place.value,
            percent(place.recovered)
        ));
    }
    lines.push(String::new());
    lines.push(found.conclusion());
    lines.join("\n")
}
