//! Watches what each edit changes at its hook while a pass runs.

use std::collections::{BTreeMap, BTreeSet};

use super::reason::{Reason, reason};
use super::{EditChange, HookChange, Size};
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::HookPoint;
use crate::steer::apply::Token;
use crate::steer::edit::Edit;
use crate::steer::edits::Edits;

/// Values before all edits of a hook and after them, by row and position.
type Values = BTreeMap<(usize, usize), (Vec<f32>, Vec<f32>)>;

/// Changes seen so far.
#[derive(Debug)]
pub(in crate::steer) struct Trace {
    /// Number of prompt tokens.
    prompt: usize,
    /// By edit.
    edits: Vec<Told>,
    /// By hook.
    hooks: BTreeMap<HookPoint, Values>,
}

/// Changes of one edit.
#[derive(Debug, Default)]
struct Told {
    /// Row and position of each token that it reaches.
    reached: BTreeSet<(usize, usize)>,
    delta: f64,
    relative: f64,
    /// Why it changed nothing where it was applied last; none once it changed something.
    reason: Option<Reason>,
    changed: bool,
}

/// Returns the norms of `after − before` and of `before`. Equal numbers differ by 0, masked scores too.
pub(super) fn norms(before: &[f32], after: &[f32]) -> (f64, f64) {
    // A sum of nothing would be −0.
    let add = |sum: f64, x: f64| sum + x * x;
    let moved = before.iter().zip(after).filter(|(a, b)| a != b);
    let moved = moved.map(|(a, b)| f64::from(*b) - f64::from(*a));
    let delta = moved.fold(0.0, add);
    let finite = before.iter().filter(|x| x.is_finite());
    let of = finite.map(|x| f64::from(*x)).fold(0.0, add);
    (delta.sqrt(), of.sqrt())
}

/// Values of the tokens that an edit reaches at one hook.
#[derive(Debug)]
pub(in crate::steer) struct Seen<'a> {
    /// Before the edit, `[tokens, w]`.
    pub(in crate::steer) before: &'a Matrix,
    /// After the edit.
    pub(in crate::steer) after: &'a Matrix,
    /// Number of heads.
    pub(in crate::steer) heads: usize,
    /// Values that the edit's transcoder reads at another hook.
    pub(in crate::steer) read: Option<Matrix>,
}

impl Trace {
    /// Watches `edits` in a row whose first `prompt` tokens are the prompt.
    pub(in crate::steer) fn new(edits: &Edits, prompt: usize) -> Self {
        Self {
            prompt,
            edits: edits.iter().map(|_| Told::default()).collect(),
            hooks: BTreeMap::new(),
        }
    }

    /// Sees what the `i`-th edit made of `tokens` of a hook's value whose first position is `first`. Of several hooks that it changes, its own figures are those of the first.
    pub(in crate::steer) fn see(
        &mut self,
        (i, edit): (usize, &Edit),
        (at, first, tokens): (HookPoint, usize, &[Token]),
        values: &Seen<'_>,
    ) -> Result<()> {
        let (before, after) = (values.before, values.after);
        let hook = self.hooks.entry(at).or_default();
        let seen = &mut self.edits[i];
        let mut changed = false;
        for (n, token) in tokens.iter().enumerate() {
            let place = (token.row, first + token.at);
            let (delta, of) = norms(before.row(n), after.row(n));
            let size = Size::new(delta, of);
            if at == edit.hook {
                seen.delta += size.delta;
                seen.relative += size.relative;
                seen.reached.insert(place);
            }
            changed |= delta > 0.0;
            let kept = hook.entry(place);
            let kept = kept.or_insert_with(|| (before.row(n).to_vec(), Vec::new()));
            kept.1 = after.row(n).to_vec();
        }
        seen.changed |= changed;
        if seen.changed {
            seen.reason = None;
        } else if !tokens.is_empty() {
            let many = seen.reached.len();
            let read = values.read.as_ref().unwrap_or(before);
            seen.reason = Some(reason(edit, (read, values.heads), many)?);
        }
        Ok(())
    }

    /// Returns the changes by hook, in the order of the pass, and by edit.
    pub(super) fn finish(self, edits: &Edits) -> (Vec<HookChange>, Vec<EditChange>) {
        let prompt = self.prompt;
        let new =
            |reached: &mut dyn Iterator<Item = usize>| reached.filter(|at| *at >= prompt).count();
        let changes = edits.iter().zip(self.edits).map(|(edit, seen)| {
            let many = seen.reached.len();
            let never = || Reason::NeverReached(edit.positions.clone());
            EditChange {
                hook: edit.hook,
                size: mean((seen.delta, seen.relative), many),
                reached: many,
                reached_new: new(&mut seen.reached.iter().map(|(_, at)| *at)),
                reason: if many == 0 {
                    Some(never())
                } else {
                    seen.reason
                },
            }
        });
        let changes = changes.collect();
        let mut hooks: Vec<HookChange> = Vec::new();
        for (hook, places) in self.hooks {
            let (mut sums, mut norm) = ((0.0, 0.0), 0.0);
            for (before, after) in places.values() {
                let (delta, of) = norms(before, after);
                let size = Size::new(delta, of);
                norm += of;
                sums = (sums.0 + size.delta, sums.1 + size.relative);
            }
            hooks.push(HookChange {
                hook,
                size: mean(sums, places.len()),
                norm: norm / places.len().max(1) as f64,
                reached: places.len(),
                reached_new: new(&mut places.keys().map(|(_, at)| *at)),
            });
        }
        for own in edits.iter().flat_map(Edit::hooks) {
            if !hooks.iter().any(|seen| seen.hook == own) {
                hooks.push(HookChange {
                    hook: own,
                    size: Size::default(),
                    norm: 0.0,
                    reached: 0,
                    reached_new: 0,
                });
            }
        }
        hooks.sort_by_key(|seen| seen.hook);
        (hooks, changes)
    }
}

/// Returns the mean of sums over `many` positions.
fn mean((delta, relative): (f64, f64), many: usize) -> Size {
    let n = many.max(1) as f64;
    Size {
        delta: delta / n,
        relative: relative / n,
    }
}
