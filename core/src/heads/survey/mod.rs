//! Survey of all heads of a model over text: what each attends to, how far it looks, how much it writes, and what its weights say.
//!
//! [`run`] reads the text once; memory does not depend on its length. Figures are means over the queries from position 1 on of every row; [`FIGURES`] defines
//! them, [`role`] names heads whose behaviour is clear.

mod examples;
mod matches;
mod pass;
mod role;
mod row;
mod sums;

use serde::{Deserialize, Serialize};

pub use self::examples::{Behaviour, HeadExample, HeadExamples, LONGEST, PER_HEAD};
use self::matches::Matched;
use self::pass::Pass;
pub use self::role::{RULE, Role, role};
pub use self::row::{DEFINITIONS, FIGURES, Figure, HeadRow, Unit, figure_of};
use self::sums::HeadSums;
use crate::corpus::Rows;
use crate::error::{Error, Result};
use crate::ids::{Head, HookPoint, Layer, Site};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};

/// Figures of all heads of a model on one text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Survey {
    /// Tokens read.
    pub tokens: u64,
    /// Rows read.
    pub rows: u64,
    /// Tokens of a row.
    pub context: u64,
    /// Heads, layer by layer.
    pub heads: Vec<HeadRow>,
    /// Contexts of each head, in the order of `heads`.
    pub examples: Vec<HeadExamples>,
}

impl Survey {
    /// Returns the number in `heads` and `examples` of a head, if it is there.
    pub fn position(&self, layer: Layer, head: Head) -> Option<usize> {
        let is_it = |row: &HeadRow| (row.layer, row.head) == (layer, head);
        self.heads.iter().position(is_it)
    }

    /// Returns the figures of a head.
    pub fn head(&self, layer: Layer, head: Head) -> Option<&HeadRow> {
        self.heads.get(self.position(layer, head)?)
    }

    /// Returns the contexts of a head.
    pub fn examples_of(&self, layer: Layer, head: Head) -> Option<&HeadExamples> {
        self.examples.get(self.position(layer, head)?)
    }

    /// Returns the heads with a role, layer by layer.
    pub fn with_role(&self, wanted: Role) -> impl Iterator<Item = &HeadRow> {
        let has = move |row: &&HeadRow| role(row) == Some(wanted);
        self.heads.iter().filter(has)
    }
}

/// Surveys all heads of `model` over `rows`; `observe` gets the rows done. Rows of fewer than two tokens are an error.
pub fn run(
    model: &Model,
    rows: &Rows,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Survey>> {
    if rows.is_empty() || rows.context() < 2 {
        let what = "a survey needs a row of 2 tokens or more, give more text or a longer context";
        return Err(Error::setting("corpus", what));
    }
    let layers = model.config().layers;
    model.check_hook(HookPoint::block(layers - 1, Site::Pattern))?;
    let Ended::Done(pass) = pass::run(model, rows, observe)? else {
        return Ok(Ended::STOPPED);
    };
    Ok(Ended::Done(from_pass(model, rows, pass)))
}

fn from_pass(model: &Model, rows: &Rows, pass: Pass) -> Survey {
    let per_layer = model.config().heads;
    let heads: Vec<HeadRow> = (pass.heads.iter().enumerate())
        .map(|(i, sums)| HeadRow {
            layer: Layer::from(i / per_layer),
            head: Head::from(i % per_layer),
            ..from_sums(sums, pass.queries, pass.matched)
        })
        .collect();
    let examples = pass.examples.into_iter().zip(&heads);
    let examples = examples.map(|(by_behaviour, row)| {
        let behaviour = leading(row);
        HeadExamples {
            behaviour: Some(behaviour),
            contexts: (by_behaviour.into_iter().zip(Behaviour::ALL))
                .filter(|(_, of)| *of == behaviour)
                .flat_map(|(strongest, _)| strongest.into_contexts())
                .collect(),
        }
    });
    Survey {
        tokens: (rows.len() * rows.context()) as u64,
        rows: rows.len() as u64,
        context: rows.context() as u64,
        examples: examples.collect(),
        heads,
    }
}

/// Divides sums by the queries that they are over.
fn from_sums(sums: &HeadSums, queries: u64, matched: [Matched; 2]) -> HeadRow {
    let mean = |sum: f64| sum / queries as f64;
    let [exact, fuzzy] = matched;
    let over =
        |matched: Matched, sum: f64| (matched.queries > 0).then(|| sum / matched.queries as f64);
    let beyond = |matched: Matched, sum: f64| over(matched, sum - matched.uniform);
    HeadRow {
        entropy: mean(sums.entropy),
        first: mean(sums.first),
        same: mean(sums.same),
        previous: mean(sums.previous),
        distance: mean(sums.distance),
        distance_variance: mean(sums.variance),
        duplicate: over(exact, sums.duplicate[0]),
        induction: over(exact, sums.induction[0]),
        duplicate_excess: beyond(exact, sums.duplicate[0]),
        induction_excess: beyond(exact, sums.induction[0]),
        duplicate_fuzzy: over(fuzzy, sums.duplicate[1]),
        induction_fuzzy: over(fuzzy, sums.induction[1]),
        duplicate_fuzzy_excess: beyond(fuzzy, sums.duplicate[1]),
        induction_fuzzy_excess: beyond(fuzzy, sums.induction[1]),
        output_norm: mean(sums.norm),
        ..HeadRow::default()
    }
}

/// Returns the role of a head, or else the behaviour whose mean weight on text is the largest beyond uniform attention.
fn leading(row: &HeadRow) -> Behaviour {
    if let Some(role) = role(row) {
        return role;
    }
    let weight = |behaviour: Behaviour| match behaviour {
        Role::Induction => row.induction_excess.unwrap_or(0.0),
        Role::DuplicateToken => row.duplicate_excess.unwrap_or(0.0),
        Role::PreviousToken => row.previous,
        Role::SameToken => row.same,
        Role::FirstToken => row.first,
    };
    let largest = |a: &Behaviour, b: &Behaviour| weight(*a).total_cmp(&weight(*b));
    let all = Behaviour::ALL.into_iter();
    all.max_by(largest).unwrap_or(Role::FirstToken)
}
