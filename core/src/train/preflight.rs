//! Checks of runs before anything is computed, allocated or written for them: whether they agree, their inputs, and whether there is memory for all.

use super::buffer::Source as _;
use super::checkpoint::Keeping;
use super::needs;
use super::spec::Spec;
use super::stream::{Origin, Stream};
use crate::corpus::Rows;
use crate::error::{Error, Result};
use crate::models::Model;
use crate::sae::Variant;
use crate::store::Store;

/// Settings that dictionaries trained together share.
pub const SHARED: &[&str] = &[
    "tokens",
    "seed",
    "batch",
    "buffer",
    "positions",
    "separate_documents",
];

/// Checks runs before anything is computed or written for them: that they agree, that the model has their hooks, that memory is free.
pub fn check_several(runs: &[(Spec, Keeping)], model: &Model, rows: &Rows) -> Result<()> {
    streams(runs, Origin::Model(model, rows)).map(drop)
}

/// Checks runs on a store before anything is computed or written for them.
pub fn check_several_from_store(runs: &[(Spec, Keeping)], store: &Store) -> Result<()> {
    check_positions(runs, store)?;
    streams(runs, Origin::Store(store)).map(drop)
}

/// Checks that runs read the positions that `store` holds.
pub(super) fn check_positions(runs: &[(Spec, Keeping)], store: &Store) -> Result<()> {
    let there = store.about().mask.rule;
    for (spec, _) in runs {
        if spec.positions != there {
            let what = format!(
                "{} differs from the store's rule, {there}: omit the setting, or capture the text again by the other rule",
                spec.positions
            );
            return Err(Error::setting("positions", what));
        }
        store.about().check_documents(spec.separate_documents)?;
    }
    Ok(())
}

/// Returns the inputs of each run after checking that the runs agree and fit into memory.
pub(super) fn streams<'a>(
    runs: &'a [(Spec, Keeping)],
    from: Origin<'a>,
) -> Result<Vec<Stream<'a>>> {
    agree(runs)?;
    let streams = runs.iter().map(|(spec, _)| {
        spec.validate()?;
        let stream = Stream::new(from, spec.hook, spec.seed)?.on(spec.on.as_deref())?;
        if spec.transcodes {
            stream.with_target(spec.writes())
        } else if spec.variant == Variant::Gradient {
            Ok(stream.with_gradients())
        } else {
            Ok(stream)
        }
    });
    let streams: Vec<Stream<'_>> = streams.collect::<Result<_>>()?;
    let mut all = Vec::new();
    for ((spec, _), stream) in runs.iter().zip(&streams) {
        let beside = match (stream.target(), spec.variant) {
            (Some(target), _) => target,
            (None, Variant::Gradient) if stream.paired() => stream.width() / 2,
            _ => 0,
        };
        let reads = stream.width() - beside;
        let writes = stream.target().unwrap_or(reads);
        all.push((spec, (reads, writes)));
    }
    let held = streams.first().map_or(0, Stream::activations);
    needs::check(runs, needs::together(&all, held))?;
    Ok(streams)
}

/// Checks that runs read the same activations in the same order.
fn agree(runs: &[(Spec, Keeping)]) -> Result<()> {
    let Some((first, _)) = runs.first() else {
        return Err(Error::setting("runs", "there is nothing to train"));
    };
    for key in SHARED {
        let value = first.get(key)?;
        for (spec, _) in runs {
            if spec.get(key)? != value {
                let what = format!(
                    "dictionaries trained together share this setting, but {value} and {} differ",
                    spec.get(key)?
                );
                return Err(Error::setting(*key, what));
            }
        }
    }
    Ok(())
}
