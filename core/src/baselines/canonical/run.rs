//! Canonical correlation from a text: both sides read in a few rows at a time.

use std::ops::Range;

use super::{Canonical, Streamed};
use crate::capture;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, TokenId};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::ByToken;

/// Largest number of values of a side: the products of two such sides take 512 MiB.
pub const MOST_VALUES: usize = 4_096;
/// Number of tokens read at a time.
const TOKENS_AT_ONCE: usize = 2_048;

/// Values of a token that a side holds.
#[derive(Debug, Clone, Copy)]
pub enum Reads<'a> {
    /// Activation at a hook.
    Hook(HookPoint),
    /// Activations of all features of a dictionary, 0 where one is not active.
    Latents(ByToken<'a>),
}

/// One side of a correlation.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// Model that reads the text.
    pub model: &'a Model,
    /// Values of a token.
    pub reads: Reads<'a>,
}

impl Side<'_> {
    fn hook(&self) -> Result<HookPoint> {
        match self.reads {
            Reads::Hook(hook) => Ok(hook),
            Reads::Latents(sae) => sae.sae().reads(),
        }
    }

    /// Number of values per token; an error if there are too many for the products.
    pub fn width(&self) -> Result<usize> {
        let hook = self.hook()?;
        let at_hook = self.model.width(hook)?;
        let (width, what) = match self.reads {
            Reads::Hook(_) => (at_hook, format!("the hook {hook}")),
            Reads::Latents(sae) => (sae.features(), format!("the dictionary {}", sae.name)),
        };
        if width > MOST_VALUES {
            let what = format!(
                "{what} has {width} values per token and their products do not fit: correlate at most {MOST_VALUES}, such as a narrower dictionary or its hook"
            );
            return Err(Error::setting("sides", what));
        }
        Ok(width)
    }

    /// Returns the values `[n, width]` of the rows `chunk` at the positions that count, from the activations at its hook.
    fn values(&self, rows: &Rows, chunk: &[usize], whole: &Matrix) -> Result<Matrix> {
        let Reads::Latents(sae) = self.reads else {
            return Ok(rows.kept(chunk, whole));
        };
        let read = rows.kept(chunk, &*sae.own_part(whole)?);
        let latents = sae.encode(&read)?;
        let mut dense = Matrix::zeros(read.rows(), sae.features());
        for i in 0..latents.rows() {
            let row = dense.row_mut(i);
            for (feature, act) in latents.row(i) {
                row[feature.index()] = act;
            }
        }
        Ok(dense)
    }
}

/// Canonical correlations of two sides, on the text fitted on and on held-out text.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Pairs with their correlations on the text fitted on.
    pub fitted: Canonical,
    /// Correlations of the same pairs on held-out text.
    pub held_out: Vec<f64>,
    /// Number of tokens of the held-out text.
    pub held_out_tokens: u64,
}

/// Measures the canonical correlations of two sides over the positions of the text to fit on that count, and the same pairs on the held-out text. `observe` hears of
/// rows.
pub fn measure(
    sides: [Side<'_>; 2],
    (fit, held_out): (&Rows, &Rows),
    ridge: f64,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Measured>> {
    check_tokenizers(sides[0].model, sides[1].model)?;
    let widths = [sides[0].width()?, sides[1].width()?];
    let values = widths[0] + widths[1];
    if fit.counted() <= values + 1 {
        let what = format!(
            "{} counted tokens do not determine the correlations of {} with {} values: give more text",
            fit.counted(),
            widths[0],
            widths[1]
        );
        return Err(Error::setting("tokens", what));
    }
    if held_out.counted() < 2 {
        let what = "fewer than two tokens count: give more text";
        return Err(Error::setting("held-out text", what));
    }
    let total = fit.len() + held_out.len();
    let mut both = Vec::with_capacity(2);
    for (rows, place) in [(fit, 0..total), (held_out, fit.len()..total)] {
        let mut sums = Streamed::new(widths[0], widths[1]);
        if add(sides, rows, &mut sums, (&place, observe))?.is_stopped() {
            return Ok(Ended::STOPPED);
        }
        both.push(sums);
    }
    let fitted = both[0].solve(ridge)?;
    Ok(Ended::Done(Measured {
        held_out: fitted.on(&both[1])?,
        held_out_tokens: both[1].tokens(),
        fitted,
    }))
}

/// Where the rows of a text lie among all rows that are read, and who hears of them.
type Heard<'h> = (&'h Range<usize>, &'h mut dyn FnMut(Progress) -> Flow);

fn add(
    sides: [Side<'_>; 2],
    rows: &Rows,
    sums: &mut Streamed,
    (place, observe): Heard<'_>,
) -> Result<Ended<()>> {
    let [x, y] = sides;
    let hooks = [x.hook()?, y.hook()?];
    let is_one_model = std::ptr::eq(x.model, y.model);
    let at_once = (TOKENS_AT_ONCE / rows.context().max(1)).max(1);
    for start in (0..rows.len()).step_by(at_once) {
        let chunk: Vec<usize> = (start..rows.len().min(start + at_once)).collect();
        let whole = if is_one_model && hooks[0] != hooks[1] {
            capture::activations_at(x.model, rows, &chunk, &hooks)?
        } else if is_one_model {
            capture::activations_at(x.model, rows, &chunk, &hooks[..1])?
        } else {
            let other = capture::activations(y.model, rows, &chunk, hooks[1])?;
            vec![
                capture::activations(x.model, rows, &chunk, hooks[0])?,
                other,
            ]
        };
        let of_y = whole.get(1).unwrap_or(&whole[0]);
        let values = [
            x.values(rows, &chunk, &whole[0])?,
            y.values(rows, &chunk, of_y)?,
        ];
        sums.add(&values[0], &values[1])?;
        let done = place.start + start + chunk.len();
        if observe(Progress::rows(done, place.end)).is_break() && done < place.end {
            return Ok(Ended::STOPPED);
        }
    }
    Ok(Ended::Done(()))
}

/// Checks that two models give every token id to the same bytes, and the same token to BOS; an error otherwise, since the same row would be two texts.
pub fn check_tokenizers(a: &Model, b: &Model) -> Result<()> {
    if std::ptr::eq(a, b) || a.fingerprint() == b.fingerprint() {
        return Ok(());
    }
    let (one, other) = (a.codec(), b.codec());
    let size = one.vocab_size();
    let alike = size == other.vocab_size()
        && one.bos().id == other.bos().id
        && (0..size).all(|id| {
            let token = TokenId(id as u32);
            one.bytes(token) == other.bytes(token)
        });
    if alike {
        return Ok(());
    }
    let what = format!(
        "{} and {} do not share a tokenizer, so that their activations are not of the same tokens: choose two models with one tokenizer",
        a.name(),
        b.name()
    );
    Err(Error::Mismatch { what })
}
