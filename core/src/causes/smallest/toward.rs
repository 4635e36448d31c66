//! Greedy edits that bring the activations of one text nearest to those of another.

use super::reading::{Change, Reading, displayed, top};
use super::{Aim, End, Smallest};
use crate::causes::rows::Text;
use crate::causes::{Target, check_texts};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, TokenId};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::ByToken;

/// One search between two texts.
#[derive(Debug, Clone, Copy)]
pub struct TowardRequest<'a> {
    /// Tokens of the text whose activations are aimed at.
    pub clean: &'a [TokenId],
    /// Tokens of the text that is edited.
    pub corrupt: &'a [TokenId],
    /// Number that is watched.
    pub target: Option<Target>,
    /// Positions that may be edited; none: all from the first difference of the texts on. The first position is always left alone.
    pub positions: &'a [usize],
    /// Most edits.
    pub rounds: usize,
}

/// Searches the edits of `sae`'s features that bring the second text's activations nearest to the first's, at most one a round. `observe` gets the rounds
/// done and may stop. Texts of unequal length and positions that they lack are errors.
pub fn toward(
    model: &Model,
    sae: ByToken<'_>,
    request: &TowardRequest<'_>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Smallest>> {
    let at_least = request.target.unwrap_or(Target::Logit(TokenId(0)));
    check_texts(model, (request.clean, request.corrupt), Some(at_least))?;
    let positions = positions(request)?;
    let mut on = |done: usize| observe(Progress::new(done, request.rounds, "rounds")).is_continue();
    if !on(0) {
        return Ok(Ended::STOPPED);
    }
    let text = |tokens| Text { model, tokens };
    let source = Reading::new(text(request.corrupt), sae)?;
    let aim = Reading::new(text(request.clean), sae)?;
    let mut search = Search::new(&source, &aim, &positions)?;
    let start = search.distance();
    let mut distances = Vec::new();
    let mut end = End::Rounds;
    for round in 0..request.rounds {
        if !search.take() {
            end = End::NothingLeft;
            break;
        }
        distances.push(search.distance());
        if !on(round + 1) {
            return Ok(Ended::STOPPED);
        }
    }
    // Untouched, wholly patched, then one for each step.
    let mut values = vec![source.whole.clone(), patched(&source, &aim, &positions)?];
    for steps in 1..=search.taken.len() {
        values.push(source.changed(&search.taken[..steps])?);
    }
    let mut states = source.states(&values, request.target)?.into_iter();
    let (Some(untouched), Some(whole)) = (states.next(), states.next()) else {
        let what = "the passes gave no result".to_owned();
        return Err(Error::Numeric { what });
    };
    let wanted = top(model, &whole.logits);
    let mut steps = source.steps(&search.taken, states.collect())?;
    for (step, distance) in steps.iter_mut().zip(distances) {
        step.distance = Some(distance);
        let first = [&step.top, &wanted].map(|top| top.first().map(|next| next.id));
        step.agrees = Some(first[0] == first[1]);
    }
    let codec = model.codec();
    Ok(Ended::Done(Smallest {
        aim: Aim::Toward {
            tokens: request.clean.to_vec(),
            texts: displayed(&aim.text),
            distance: start,
            patched: whole.target,
            top: wanted,
        },
        dictionary: sae.name.clone(),
        hook: source.hook,
        tokens: request.corrupt.to_vec(),
        texts: displayed(&source.text),
        positions,
        written: request.target.map(|target| target.written(codec)),
        said: request.target.map(|target| target.said(codec)),
        target: untouched.target,
        top: top(model, &untouched.logits),
        steps,
        end,
    }))
}

/// Returns the positions that may be edited, after checking those asked for.
fn positions(request: &TowardRequest<'_>) -> Result<Vec<usize>> {
    let t = request.corrupt.len();
    if let Some(at) = request.positions.iter().find(|at| **at == 0 || **at >= t) {
        let what = format!(
            "position {at} cannot be edited, choose among 1 to {}",
            t - 1
        );
        return Err(Error::setting("at", what));
    }
    if request.positions.is_empty() {
        let mut pairs = request.clean.iter().zip(request.corrupt);
        let first = pairs.position(|(clean, corrupt)| clean != corrupt);
        return Ok((first.unwrap_or(t).max(1)..t).collect());
    }
    let mut positions = request.positions.to_vec();
    positions.sort_unstable();
    positions.dedup();
    Ok(positions)
}

/// Returns the value at the hook with the aim's part in place at `positions`.
fn patched(source: &Reading<'_>, aim: &Reading<'_>, positions: &[usize]) -> Result<Matrix> {
    let mut part = source.part.clone();
    for at in positions {
        part.row_mut(*at).copy_from_slice(aim.part.row(*at));
    }
    source.sae.put_back(&source.whole, part)
}

/// State of a search: the rest of `a_t − a_s`, position by position, and the candidates that are left, each with its movement.
struct Search {
    rest: Vec<(usize, Vec<f64>)>,
    candidates: Vec<(Change, Vec<f64>)>,
    taken: Vec<Change>,
}

impl Search {
    fn new(source: &Reading<'_>, aim: &Reading<'_>, positions: &[usize]) -> Result<Self> {
        let mut search = Self {
            rest: Vec::new(),
            candidates: Vec::new(),
            taken: Vec::new(),
        };
        for at in positions.iter().copied() {
            let pairs = aim.part.row(at).iter().zip(source.part.row(at));
            let rest = pairs.map(|(to, from)| f64::from(*to) - f64::from(*from));
            search.rest.push((at, rest.collect()));
            let rows = [source, aim].map(|reading| reading.latents.row(at));
            let mut features: Vec<FeatureId> = rows
                .into_iter()
                .flatten()
                .map(|(feature, _)| feature)
                .collect();
            features.sort_unstable();
            features.dedup();
            for feature in features {
                let change = Change {
                    feature,
                    position: at,
                    before: source.latents.get(at, feature),
                    after: aim.latents.get(at, feature),
                };
                if change.before.to_bits() != change.after.to_bits() {
                    search.candidates.push((change, source.movement(change)?));
                }
            }
        }
        Ok(search)
    }

    fn distance(&self) -> f64 {
        let squares = self
            .rest
            .iter()
            .flat_map(|(_, rest)| rest.iter().map(|x| x * x));
        squares.sum::<f64>().sqrt()
    }

    /// Takes the candidate after which the distance is least, among equals the first; false if none shortens it.
    fn take(&mut self) -> bool {
        let gain = |(change, by): &(Change, Vec<f64>)| -> f64 {
            let rest = self.rest.iter().find(|(at, _)| *at == change.position);
            let pairs = rest.into_iter().flat_map(|(_, rest)| rest.iter().zip(by));
            pairs.map(|(rest, by)| by * (2.0 * rest - by)).sum()
        };
        let mut best: Option<(usize, f64)> = None;
        for (i, gain) in self.candidates.iter().map(gain).enumerate() {
            if gain > best.map_or(0.0, |(_, most)| most) {
                best = Some((i, gain));
            }
        }
        let Some((best, _)) = best else {
            return false;
        };
        let (change, by) = self.candidates.remove(best);
        let own = self
            .rest
            .iter_mut()
            .filter(|(at, _)| *at == change.position);
        for (rest, by) in own.flat_map(|(_, rest)| rest.iter_mut().zip(&by)) {
            *rest -= by;
        }
        self.taken.push(change);
        true
    }
}
