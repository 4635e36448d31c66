//! A pass of a model and a dictionary over token rows, in chunks that fit memory: latents with the place of each token.

use crate::capture;
use crate::corpus::Rows;
use crate::error::{Error, Key, Result};
use crate::formats;
use crate::ids::HookPoint;
use crate::latents::Latents;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::{Autoencoder, Sae};

/// Activation values held at once. Results do not depend on it.
const CHUNK_VALUES: usize = 1 << 23;
/// Rows read at once, at most: few, so that progress is seen early.
pub const ROWS_AT_ONCE: usize = 16;

/// Returns how many tokens of `rows` the dictionary gets at a time.
pub fn tokens_at_once(sae: &Sae, rows: &Rows) -> usize {
    rows.context() * rows_at_once(sae, rows).min(rows.len())
}

fn rows_at_once(sae: &Sae, rows: &Rows) -> usize {
    (CHUNK_VALUES / (rows.context() * sae.width()).max(1)).clamp(1, ROWS_AT_ONCE)
}

/// Checks that the model has the dictionary's hook at its width; returns the hook.
pub(super) fn hook_of(model: &Model, sae: Autoencoder<'_>) -> Result<HookPoint> {
    let hook = sae.hook()?;
    model.check_hook(hook)?;
    let width = formats::width_for(&sae, model, hook)?;
    if width != sae.width() {
        let what = format!(
            "the model's activation is {width} wide and the dictionary `{}` reads {}: choose the model it was trained on",
            sae.name,
            sae.width()
        );
        return Err(Error::hook(hook, what));
    }
    Ok(hook)
}

/// Checks that some position of `rows` counts.
pub(super) fn check_text(rows: &Rows) -> Result<()> {
    if rows.counted() > 0 {
        return Ok(());
    }
    let what = format!(
        "no position of {} rows of {} tokens counts ({} {}): give more text",
        rows.len(),
        rows.context(),
        Key::Positions,
        rows.mask().rule
    );
    Err(Error::setting("corpus", what))
}

/// Visitor of a chunk: row and position of each token, and the latents of the tokens.
pub(super) type Visit<'v> = &'v mut dyn FnMut(&[(u32, u32)], &Latents);

/// Calls `visit` with the latents of each chunk of rows and the row and position of each of their tokens, which are those that count, in order.
pub(super) fn each(
    (model, sae): (&Model, Autoencoder<'_>),
    rows: &Rows,
    visit: Visit<'_>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<()>> {
    let hook = hook_of(model, sae)?;
    check_text(rows)?;
    let all: Vec<usize> = (0..rows.len()).collect();
    for chunk in all.chunks(rows_at_once(&sae, rows)) {
        if observe(Progress::rows(chunk[0], rows.len())).is_break() {
            return Ok(Ended::STOPPED);
        }
        let x = capture::activations(model, rows, chunk, hook)?;
        let x = sae.own_part(&x)?;
        let latents = sae.encode(&rows.kept(chunk, &x))?;
        visit(&places(rows, chunk), &latents);
    }
    Ok(Ended::Done(()))
}

/// Returns row and position of each token that counts in the rows `chosen`.
fn places(rows: &Rows, chosen: &[usize]) -> Vec<(u32, u32)> {
    let of_row = |row: &usize| {
        let row = *row;
        let counted = (0..).zip(rows.counts(row)).filter(|(_, counts)| **counts);
        counted.map(move |(position, _)| (row as u32, position))
    };
    chosen.iter().flat_map(of_row).collect()
}
