//! Builds an index: rows → activations → latents → one tally per feature, then the file.

use std::path::Path;

use rand::{RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::tally::{Column, Tally, mix};
use super::{About, Source, effects, file, pass, sources};
use crate::corpus::Rows;
use crate::error::Result;
use crate::ids::HookPoint;
use crate::latents::Latents;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Autoencoder;
use crate::whole_file;

/// Builds the index of `sae` over the positions of `rows` that count, into `out` (whole or not at all). If the observer stops it, there is no file.
pub fn build(
    model: &Model,
    sae: Autoencoder<'_>,
    rows: &Rows,
    source: &Source,
    out: &Path,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<()>> {
    let hook = pass::hook_of(model, sae)?;
    pass::check_text(rows)?;
    whole_file::check_regular(out)?;
    let about = about(model, sae, rows, source, hook);
    // A second pass reads at most all rows again.
    let passes = if about.attribution { 2 } else { 1 };
    let total = passes * rows.len();
    let mut at = |done: usize| observe(Progress::rows(done, total));
    let Ended::Done(tallies) = tallies(model, sae, rows, source.seed, &mut at)? else {
        return Ok(Ended::STOPPED);
    };
    let mut sources = Vec::new();
    if about.attribution {
        let mut again = |done: usize, of: usize| at(rows.len() + done * rows.len() / of.max(1));
        match sources::of_examples((model, sae), rows, &tallies, &mut again)? {
            Ended::Done(found) => sources = found,
            Ended::Stopped(()) => return Ok(Ended::STOPPED),
        }
    }
    let mut step = || at(total);
    let Ended::Done(effects) = effects::of(model, sae, &mut step)? else {
        return Ok(Ended::STOPPED);
    };
    let content = file::Content {
        about: &about,
        model,
        sae,
        rows,
        tallies: &tallies,
        effects: &effects,
        sources: &sources,
    };
    file::write(out, &content, &mut step)
}

fn about(
    model: &Model,
    sae: Autoencoder<'_>,
    rows: &Rows,
    source: &Source,
    hook: HookPoint,
) -> About {
    let facts = sae.provenance.other.iter();
    About {
        sae: sae.name.clone(),
        model: model.name().to_owned(),
        hook: hook.to_string(),
        corpus: source.corpus.clone(),
        corpus_fingerprint: source.fingerprint.clone(),
        tokens: rows.counted() as u64,
        seed: source.seed,
        version: crate::VERSION.to_owned(),
        form: file::VERSION,
        unembed: model.unembed(),
        features: sae.features(),
        context: rows.context(),
        positions: rows.mask().rule,
        separate_documents: rows.separates_documents(),
        left_out: Some(rows.left_out() as u64),
        attribution: !source.no_attribution && sources::layer_of(model, sae).is_some(),
        sae_fingerprint: sae.fingerprint(),
        model_fingerprint: model.fingerprint().to_owned(),
        facts: facts
            .filter(|(_, value)| !value.is_object() && !value.is_array() && !value.is_null())
            .map(|(key, value)| {
                let text = value.as_str().map(str::to_owned);
                (key.clone(), text.unwrap_or_else(|| value.to_string()))
            })
            .collect(),
    }
}

fn tallies(
    model: &Model,
    sae: Autoencoder<'_>,
    rows: &Rows,
    seed: u64,
    observe: &mut dyn FnMut(usize) -> Flow,
) -> Result<Ended<Vec<Tally>>> {
    let key = ChaCha8Rng::seed_from_u64(seed).next_u64();
    let mut tallies = vec![Tally::new(sae.selection.is_signed()); sae.features()];
    let mut visit = |places: &[(u32, u32)], latents: &Latents| {
        add(&mut tallies, latents, places, key);
    };
    let mut at = |at: Progress| observe(at.done as usize);
    let ended = pass::each((model, sae), rows, &mut visit, &mut at)?;
    Ok(ended.map(|()| tallies))
}

/// Adds the latents of the tokens at `of`, feature by feature in order of place.
fn add(tallies: &mut [Tally], latents: &Latents, of: &[(u32, u32)], key: u64) {
    let mut ends = vec![0usize; tallies.len() + 1];
    let active = |i: &usize| latents.acts[*i] != 0.0;
    for i in (0..latents.acts.len()).filter(active) {
        ends[latents.features[i] as usize + 1] += 1;
    }
    for f in 0..tallies.len() {
        ends[f + 1] += ends[f];
    }
    let starts = ends.clone();
    let mut places = vec![(0u32, 0u32); starts[tallies.len()]];
    let mut acts = vec![0f32; places.len()];
    let mut next = ends;
    for (token, place) in of.iter().enumerate().take(latents.rows()) {
        for i in latents.range(token).filter(active) {
            let slot = &mut next[latents.features[i] as usize];
            places[*slot] = *place;
            acts[*slot] = latents.acts[i];
            *slot += 1;
        }
    }
    tallies.par_iter_mut().enumerate().for_each(|(f, tally)| {
        let range = starts[f]..starts[f + 1];
        let column = Column {
            places: &places[range.clone()],
            acts: &acts[range],
        };
        tally.add(column, mix(key ^ mix(f as u64)));
    });
}
