//! One text by several dictionaries, in the order of their hooks.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{MOST, SHOWN};
use crate::cli::{Console, DeviceArg};
use crate::error::{Error, Result};
use crate::ids::FeatureId;
use crate::models::Model;
use crate::progress::Ended;
use crate::prompt::{self, Input, Reading};
use crate::sae::{ByToken, Sae};

/// A dictionary with its reading.
pub(super) struct Read {
    sae: Arc<Sae>,
    reading: Reading,
}

/// Reads `input` once by all of `saes`; earlier hooks first, among equals in the order given.
pub(super) fn read(
    model: &Model,
    saes: &[Arc<Sae>],
    input: &Input,
    (device, console): (DeviceArg, &Console),
) -> Result<Ended<Vec<Read>>> {
    let at_once = input.whole(model.codec())?.tokens.len();
    let _placed = saes
        .iter()
        .map(|sae| device.place(&**sae, (at_once, false), console))
        .collect::<Result<Vec<_>>>()?;
    let mut saes: Vec<(ByToken<'_>, &Arc<Sae>)> = saes
        .iter()
        .map(|sae| Ok((sae.by_token()?, sae)))
        .collect::<Result<_>>()?;
    saes.sort_by_key(|(_, sae)| sae.provenance.hook);
    let plain: Vec<ByToken<'_>> = saes.iter().map(|(plain, _)| *plain).collect();
    let readings = prompt::read_by_all(model, &plain, input, 0, &mut || console.flow())?;
    Ok(readings.map(|readings| {
        let pairs = saes.into_iter().zip(readings);
        let read = |((_, sae), reading): ((_, &Arc<Sae>), Reading)| Read {
            sae: Arc::clone(sae),
            reading,
        };
        pairs.map(read).collect()
    }))
}

/// Refuses a flag that is for one dictionary.
pub(super) fn refuse(flag: &str, is_given: bool) -> Result<()> {
    if is_given {
        let what = "is for one dictionary: give one --sae with it";
        return Err(Error::setting(flag, what));
    }
    Ok(())
}

/// The answer to programs.
pub(super) fn object(read: &[Read]) -> Value {
    let first = read.first().map(|read| &read.reading);
    let tokens = first.map_or_else(Vec::new, |reading| {
        let token = |t: usize| json!({"id": reading.tokens[t].0, "text": reading.texts[t]});
        (0..reading.tokens.len()).map(token).collect()
    });
    let dictionary = |read: &Read| {
        let reading = &read.reading;
        let firing = |t: usize, (feature, activation): (FeatureId, f32)| json!({"feature": feature.0, "activation": activation, "share": reading.share(t, feature)});
        let token = |t: usize| {
            let strongest = reading.strongest(t, MOST).into_iter();
            let features: Vec<Value> = strongest.map(|pair| firing(t, pair)).collect();
            json!({"features": features})
        };
        let tokens: Vec<Value> = (0..reading.tokens.len()).map(token).collect();
        json!({
            "sae": read.sae.name,
            "hook": read.sae.provenance.hook,
            "tokens": tokens,
            "features": super::parts(reading, &[]),
        })
    };
    let dictionaries: Vec<Value> = read.iter().map(dictionary).collect();
    json!({"tokens": tokens, "dictionaries": dictionaries})
}

/// The answer to people: for each token one line a dictionary.
pub(super) fn table(read: &[Read]) -> String {
    let Some(first) = read.first().map(|read| &read.reading) else {
        return String::new();
    };
    let wide = read.iter().map(|read| read.sae.name.chars().count()).max();
    let wide = wide.unwrap_or(0);
    let mut lines = Vec::new();
    for read in read {
        let hook = read.sae.provenance.hook;
        let hook = hook.map_or_else(String::new, |hook| hook.to_string());
        lines.push(format!("{:<wide$}  {hook}", read.sae.name));
    }
    for (t, text) in first.texts.iter().enumerate() {
        lines.push(format!("{t:>4} {text:?}"));
        for read in read {
            let strongest = read.reading.strongest(t, SHOWN).into_iter();
            let words: Vec<String> = strongest
                .map(|(feature, activation)| format!("{feature}: {activation:.3}"))
                .collect();
            let line = format!("     {:<wide$}  {}", read.sae.name, words.join("  "));
            lines.push(line.trim_end().to_owned());
        }
    }
    lines.join("\n")
}
