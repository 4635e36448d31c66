//! Applies an edit to the numbers of a hook's value.

use candle_core::Tensor;

use super::edit::{Action, Attend, Edit};
use super::edits::Clean;
use super::positions::Row;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Site};

/// Value of a hook as numbers, with their layout.
#[derive(Debug)]
pub(super) struct Value {
    pub(super) numbers: Vec<f32>,
    rows: usize,
    positions: usize,
    pub(super) heads: usize,
    /// Width of one head, or of the whole value at hooks without heads.
    width: usize,
    /// Whether the layout is `[b, h, t, w]` instead of `[b, t, h, w]`.
    head_first: bool,
}

/// Place of a token in a value: row of the batch and position in this value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    /// Row of the batch.
    pub(super) row: usize,
    /// Position in the value.
    pub(super) at: usize,
}

impl Value {
    pub(super) fn new(hook: HookPoint, value: &Tensor) -> Result<Self> {
        let numbers = value.flatten_all()?.to_vec1()?;
        let head_first = matches!(hook.site(), Some(Site::Pattern | Site::AttnScores));
        let (rows, positions, heads, width) = match *value.dims() {
            [b, h, t, w] if head_first => (b, t, h, w),
            [b, t, h, w] => (b, t, h, w),
            [b, t, w] => (b, t, 1, w),
            _ => {
                let what = format!(
                    "its value has shape {:?}, which edits do not support",
                    value.dims()
                );
                return Err(Error::hook(hook, what));
            }
        };
        Ok(Self {
            numbers,
            rows,
            positions,
            heads,
            width,
            head_first,
        })
    }

    /// Returns the tokens that `edit` reaches, where the value's first position is `first` and its rows are of `rows`.
    pub(super) fn reached(&self, edit: &Edit, first: usize, rows: &[Row]) -> Vec<Token> {
        let row_is_in = |row: &usize| edit.rows.as_ref().is_none_or(|rows| rows.contains(row));
        let tokens = (0..self.rows).filter(row_is_in).flat_map(|row| {
            let of = rows.get(row);
            let reached =
                move |at: &usize| of.is_some_and(|of| edit.positions.contains(first + at, of));
            let at = (0..self.positions).filter(reached);
            at.map(move |at| Token { row, at })
        });
        tokens.collect()
    }

    fn start(&self, token: Token, head: usize) -> usize {
        let Token { row, at } = token;
        let (outer, inner, inner_many) = if self.head_first {
            (head, at, self.positions)
        } else {
            (at, head, self.heads)
        };
        let outer_many = if self.head_first {
            self.heads
        } else {
            self.positions
        };
        ((row * outer_many + outer) * inner_many + inner) * self.width
    }

    fn part(&self, token: Token, head: usize) -> &[f32] {
        let start = self.start(token, head);
        &self.numbers[start..start + self.width]
    }

    fn part_mut(&mut self, token: Token, head: usize) -> &mut [f32] {
        let start = self.start(token, head);
        &mut self.numbers[start..start + self.width]
    }

    /// Gathers the numbers of `tokens` in all heads, `[tokens.len(), h·w]`.
    pub(super) fn gathered(&self, tokens: &[Token]) -> Result<Matrix> {
        let mut all = Vec::with_capacity(tokens.len() * self.heads * self.width);
        for token in tokens {
            (0..self.heads).for_each(|head| all.extend_from_slice(self.part(*token, head)));
        }
        Matrix::new(tokens.len(), self.heads * self.width, all)
    }

    /// Writes back numbers that [`Value::gathered`] took.
    pub(super) fn scatter(&mut self, tokens: &[Token], values: &Matrix) {
        for (token, values) in tokens.iter().zip(values.iter_rows()) {
            for (head, values) in values.chunks_exact(self.width).enumerate() {
                self.part_mut(*token, head).copy_from_slice(values);
            }
        }
    }
}

/// Where an edit meets a value, and other values that decide what it does there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Met<'a> {
    /// Hook of the value.
    pub(super) hook: HookPoint,
    /// Position of the value's first row.
    pub(super) first: usize,
    /// Values of the run without edits, where edits need them.
    pub(super) clean: &'a Clean,
    /// Value of this pass at the hook that the edit's transcoder reads, at the same positions.
    pub(super) read: Option<&'a Tensor>,
}

impl Met<'_> {
    /// Returns the value at `hook` of the run without edits, for `tokens`.
    pub(super) fn clean_at(&self, hook: HookPoint, tokens: &[Token]) -> Result<Matrix> {
        let missing = || {
            let what = "a frozen error needs the run without edits, which is missing";
            Error::hook(hook, what)
        };
        let clean = self.clean.get(&hook).ok_or_else(missing)?;
        Value::new(hook, clean)?.gathered(tokens)
    }

    /// Returns what the transcoder of `edit` reads at `tokens`; none for an edit that changes the value it reads.
    pub(super) fn read_at(&self, edit: &Edit, tokens: &[Token]) -> Result<Option<Matrix>> {
        let Some(hook) = edit.reads() else {
            return Ok(None);
        };
        let missing = || Error::hook(hook, "was not reached before the hooks that are written");
        let read = Value::new(hook, self.read.ok_or_else(missing)?)?;
        read.gathered(tokens).map(Some)
    }
}

/// Applies `edit` to `tokens` of the value that it met.
pub(super) fn apply(edit: &Edit, value: &mut Value, tokens: &[Token], met: &Met<'_>) -> Result<()> {
    let across;
    let edit = match &edit.action {
        Action::Dictionary(change) => {
            let read = met.read_at(edit, tokens)?;
            return super::dictionary::apply(change, value, tokens, (met, read));
        }
        Action::Patch(other) => return patch(edit, value, tokens, (met.first, other)),
        Action::AddAcross(parts) => {
            let Some((hook, part)) = parts.iter().find(|(hook, _)| *hook == met.hook) else {
                return Ok(());
            };
            across = Edit::new(*hook, Action::Add(part.clone()));
            &across
        }
        _ => edit,
    };
    let heads: Vec<usize> = match &edit.heads {
        Some(heads) => heads.iter().map(|head| head.index()).collect(),
        None => (0..value.heads).collect(),
    };
    let mut x = Vec::new();
    for token in tokens {
        x.clear();
        for head in &heads {
            x.extend_from_slice(value.part(*token, *head));
        }
        changed(edit, &mut x, met.first + token.at, (&heads, value.width));
        for (head, x) in heads.iter().zip(x.chunks_exact(value.width)) {
            value.part_mut(*token, *head).copy_from_slice(x);
        }
    }
    Ok(())
}

/// Returns a token's numbers in the chosen heads.
fn changed(edit: &Edit, x: &mut [f32], position: usize, (heads, width): (&[usize], usize)) {
    match &edit.action {
        Action::Add(vector) => {
            for (x, v) in x.iter_mut().zip(chosen(vector, heads, width)) {
                *x += v;
            }
        }
        Action::Replace(vector) => {
            for (x, v) in x.iter_mut().zip(chosen(vector, heads, width)) {
                *x = v;
            }
        }
        Action::Scale(by) => unmasked(x).for_each(|x| *x *= by),
        Action::Zero => unmasked(x).for_each(|x| *x = 0.0),
        Action::ProjectOut(direction) => {
            let direction: Vec<f32> = chosen(direction, heads, width).collect();
            move_along(x, &direction, |_| 0.0);
        }
        Action::Orthogonal { direction, factor } => {
            let direction: Vec<f32> = chosen(direction, heads, width).collect();
            let factor = f64::from(*factor);
            move_along(x, &direction, |coordinate| coordinate * factor);
        }
        Action::Clamp {
            direction,
            least,
            most,
        } => {
            let direction: Vec<f32> = chosen(direction, heads, width).collect();
            let (least, most) = (f64::from(*least), f64::from(*most));
            move_along(x, &direction, |coordinate| coordinate.clamp(least, most));
        }
        Action::Attend(attend) => {
            for pattern in x.chunks_exact_mut(width) {
                look(*attend, pattern, position);
            }
        }
        Action::Dictionary(_) | Action::Patch(_) | Action::AddAcross(_) => {}
    }
}

/// Returns the part of `vector` for the chosen heads; `vector` covers all heads or only the chosen ones.
pub(super) fn chosen<'v>(
    vector: &'v [f32],
    heads: &'v [usize],
    width: usize,
) -> impl Iterator<Item = f32> + 'v {
    let alone = vector.len() == heads.len() * width;
    heads.iter().enumerate().flat_map(move |(i, head)| {
        let from = if alone { i } else { *head } * width;
        vector[from..from + width].iter().copied()
    })
}

/// Returns all numbers except those that the causal mask set to −∞.
fn unmasked(x: &mut [f32]) -> impl Iterator<Item = &mut f32> {
    x.iter_mut().filter(|x| **x != f32::NEG_INFINITY)
}

/// Moves x along u, the unit vector of `direction`, from coordinate x·u to `wanted(x·u)`, in f64. A value that is already there stays bit-identical.
fn move_along(x: &mut [f32], direction: &[f32], wanted: impl Fn(f64) -> f64) {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    let squared = dot(direction, direction);
    // A direction that lies only in other heads has no part here.
    if squared == 0.0 {
        return;
    }
    let length = squared.sqrt();
    let coordinate = dot(x, direction) / length;
    let step = (wanted(coordinate) - coordinate) / length;
    if step != 0.0 {
        for (x, v) in x.iter_mut().zip(direction) {
            *x = (f64::from(*x) + step * f64::from(*v)) as f32;
        }
    }
}

/// Returns the pattern over all keys for the query at `position`.
fn look(attend: Attend, pattern: &mut [f32], position: usize) {
    pattern.fill(0.0);
    let seen = (position + 1).min(pattern.len());
    match attend {
        Attend::Uniform => pattern[..seen].fill(1.0 / seen as f32),
        Attend::Previous => pattern[position.saturating_sub(1)] = 1.0,
        Attend::First => pattern[0] = 1.0,
        Attend::Itself => pattern[position] = 1.0,
    }
}

/// Returns the numbers of another run at the same rows and positions.
fn patch(
    edit: &Edit,
    value: &mut Value,
    tokens: &[Token],
    (first, other): (usize, &Tensor),
) -> Result<()> {
    let other = Value::new(edit.hook, other)?;
    if other.rows != 1 && other.rows != value.rows {
        return Err(Error::hook(
            edit.hook,
            format!(
                "the patch has {} rows and the run {}: give one row, or as many as the run",
                other.rows, value.rows
            ),
        ));
    }
    for token in tokens {
        let from = Token {
            row: if other.rows == 1 { 0 } else { token.row },
            at: first + token.at,
        };
        if from.at >= other.positions {
            continue;
        }
        let all = 0..value.heads;
        let is_in = |head: &usize| {
            let heads = edit.heads.as_ref();
            heads.is_none_or(|heads| heads.iter().any(|chosen| chosen.index() == *head))
        };
        for head in all.filter(is_in) {
            let part = other.part(from, head);
            let into = value.part_mut(*token, head);
            // The two patterns may have different numbers of keys; keys beyond the query are masked in both.
            let n = part.len().min(into.len());
            let beyond = if edit.hook.site() == Some(Site::AttnScores) {
                f32::NEG_INFINITY
            } else {
                0.0
            };
            into[n..].fill(beyond);
            into[..n].copy_from_slice(&part[..n]);
        }
    }
    Ok(())
}
