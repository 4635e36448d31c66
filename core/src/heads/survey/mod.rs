//! Survey of all heads of a model over text: what each attends to, how far it looks, how much it writes, and what its weights say.
//!
//! [`run`] reads the text once; memory does not depend on its length. Figures are means over the queries from position 1 on of every row; [`FIGURES`] defines
//! them, [`role`] names heads whose behaviour is clear.

mod ablate;
mod causal;
mod examples;
mod kept;
mod matches;
mod ordinals;
mod pass;
mod random;
mod role;
mod row;
mod sums;
#[cfg(test)]
mod tests;
mod weights;

use serde::{Deserialize, Serialize};

pub use self::causal::{CAUSAL_ROWS, Causal, CausalAbout};
pub use self::examples::{Behaviour, HeadExample, HeadExamples, LONGEST, PER_HEAD};
pub use self::kept::KeptSurvey;
use self::matches::Matched;
use self::pass::Pass;
use self::random::Repeated;
pub use self::random::{RandomAblation, random_ablation};
pub use self::role::{RULE, Role, role};
pub use self::row::{DEFINITIONS, FIGURES, Figure, HeadRow, Unit, figure_of};
use self::sums::HeadSums;
use crate::capture;
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
    /// Circumstances of the causal test, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causal: Option<CausalAbout>,
    /// Repeated random tokens with the induction and previous-token heads ablated together, if there was a causal test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_ablation: Option<NamedAblation>,
}

/// Ablation of named heads on repeated random tokens.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct NamedAblation {
    /// Heads that were ablated together.
    pub heads: Vec<(Layer, Head)>,
    /// Cross-entropy of either copy.
    #[serde(flatten)]
    pub losses: RandomAblation,
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

/// Returns how many rows a pass reads at a time.
pub fn rows_at_once(model: &Model, rows: &Rows) -> usize {
    pass::chunk_rows(model, rows.context())
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
    let Ended::Done(pass) = pass::run(&*capture::reader(model, rows)?, rows, observe)? else {
        return Ok(Ended::STOPPED);
    };
    let mut heads = measured(model, &pass);
    let mut go_on = || observe(Progress::rows(rows.len(), rows.len())).is_continue();
    if !weights::fill(model, rows, &mut heads, &mut go_on)? {
        return Ok(Ended::STOPPED);
    }
    if let Some(repeated) = Repeated::new(model) {
        for (row, induction) in heads.iter_mut().zip(repeated.induction(model)?) {
            row.induction_random = Some(induction);
        }
    }
    Ok(Ended::Done(Survey {
        tokens: (rows.len() * rows.context()) as u64,
        rows: rows.len() as u64,
        context: rows.context() as u64,
        examples: contexts(pass, &heads),
        heads,
        causal: None,
        random_ablation: None,
    }))
}

/// Ablates each head in turn and adds what that costs to `survey`, which must be of the same model; and ablates its induction and previous-token heads together on
/// repeated random tokens. `observe` gets rows read, of one pass for each head and one without change; a test that it stops leaves the survey as it was.
pub fn ablate(
    model: &Model,
    rows: &Rows,
    settings: Causal,
    survey: &mut Survey,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<()>> {
    let mut heads = survey.heads.clone();
    let Ended::Done(about) = causal::run(model, rows, settings, &mut heads, observe)? else {
        return Ok(Ended::STOPPED);
    };
    let named = [Role::Induction, Role::PreviousToken].into_iter();
    let named: Vec<(Layer, Head)> = named
        .flat_map(|role| survey.with_role(role))
        .map(|row| (row.layer, row.head))
        .collect();
    survey.random_ablation = None;
    if !named.is_empty()
        && let Some(losses) = random_ablation(model, &named)?
    {
        survey.random_ablation = Some(NamedAblation {
            heads: named,
            losses,
        });
    }
    survey.heads = heads;
    survey.causal = Some(about);
    Ok(Ended::Done(()))
}

/// Turns the sums of a pass into the figures of each head.
fn measured(model: &Model, pass: &Pass) -> Vec<HeadRow> {
    let per_layer = model.config().heads;
    let each = pass.heads.iter().enumerate();
    each.map(|(i, sums)| HeadRow {
        layer: Layer::from(i / per_layer),
        head: Head::from(i % per_layer),
        ..from_sums(sums, pass.queries, pass.matched)
    })
    .collect()
}

/// Chooses the contexts that show each head's leading behaviour.
fn contexts(pass: Pass, heads: &[HeadRow]) -> Vec<HeadExamples> {
    let each = pass.examples.into_iter().zip(heads);
    each.map(|(by_behaviour, row)| {
        let behaviour = leading(row);
        let own = by_behaviour.into_iter().zip(Behaviour::ALL);
        HeadExamples {
            behaviour: Some(behaviour),
            contexts: own
                .filter(|(_, of)| *of == behaviour)
                .flat_map(|(strongest, _)| strongest.into_contexts())
                .collect(),
        }
    })
    .collect()
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

/// Smallest weight at which a behaviour other than rest on the first token leads.
const LEADS: f64 = 0.1;

/// Returns the role of a head, or else the behaviour with the largest mean weight on text, copies beyond uniform attention; the first token only if no other
/// weight is clear.
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
    let clear = Behaviour::ALL
        .into_iter()
        .filter(|behaviour| *behaviour != Role::FirstToken && weight(*behaviour) >= LEADS);
    clear.max_by(largest).unwrap_or(Role::FirstToken)
}
