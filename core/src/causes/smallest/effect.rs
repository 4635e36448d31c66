//! Greedy removal of the features that move a target most.

use candle_core::Tensor;
use rayon::prelude::*;

use super::reading::{Change, Reading, State, displayed, top};
use super::{Aim, End, Smallest};
use crate::causes::Target;
use crate::causes::rows::{Text, at_once};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::eval;
use crate::ids::TokenId;
use crate::models::{Model, Scalar, token_tensor};
use crate::progress::{Ended, Flow, Progress};
use crate::sae::ByToken;

/// One search on a single text.
#[derive(Debug, Clone, Copy)]
pub struct EffectRequest<'a> {
    /// Tokens of the text.
    pub tokens: &'a [TokenId],
    /// Aim of the edits.
    pub goal: Goal,
    /// Most edits.
    pub rounds: usize,
    /// Active features that a round tries, those of the largest attribution.
    pub candidates: usize,
}

/// Goal of the edits on a single text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Goal {
    /// Value of a target.
    Value(Target, f64),
    /// Token that should become the likeliest.
    Wins(TokenId),
}

/// Searches the features of `sae` whose removal reaches the goal, at most one a round. `observe` gets the rounds done and may stop. Texts without the target
/// are errors.
pub fn effect(
    model: &Model,
    sae: ByToken<'_>,
    request: &EffectRequest<'_>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Smallest>> {
    check(model, request)?;
    let mut on = |done: usize| observe(Progress::new(done, request.rounds, "rounds")).is_continue();
    if !on(0) {
        return Ok(Ended::STOPPED);
    }
    let text = Text {
        model,
        tokens: request.tokens,
    };
    let reading = Reading::new(text, sae)?;
    let mut search = Search::new(&reading, request)?;
    let end = loop {
        let done = search.taken.len();
        if search.is_reached() {
            break End::Reached;
        }
        if done == request.rounds {
            break End::Rounds;
        }
        if !search.take()? {
            break End::NothingLeft;
        }
        if !on(done + 1) {
            return Ok(Ended::STOPPED);
        }
    };
    let codec = model.codec();
    let (aim, written, said) = match request.goal {
        Goal::Value(target, value) => {
            let written = Some(target.written(codec));
            (Aim::Reach { value }, written, target.said(codec))
        }
        Goal::Wins(token) => {
            let text = codec.display(token);
            let said = format!("the logit of “{text}” less the largest other one");
            (Aim::Wins { token, text }, None, said)
        }
    };
    Ok(Ended::Done(Smallest {
        aim,
        dictionary: sae.name.clone(),
        hook: reading.hook,
        tokens: request.tokens.to_vec(),
        texts: displayed(&text),
        positions: (1..request.tokens.len()).collect(),
        written,
        said: Some(said),
        target: Some(search.start),
        top: top(model, &search.untouched),
        steps: reading.steps(&search.taken, search.states)?,
        end,
    }))
}

fn check(model: &Model, request: &EffectRequest<'_>) -> Result<()> {
    let (t, config) = (request.tokens.len(), model.config());
    if t > config.context {
        let what = format!(
            "the text has {t} tokens, the model reads at most {}: give a shorter one",
            config.context
        );
        return Err(Error::setting("text", what));
    }
    match request.goal {
        Goal::Value(target, value) if value.is_finite() => target.check(t),
        Goal::Value(_, value) => {
            let what = format!("{value} cannot be reached, give a finite number");
            Err(Error::setting("reach", what))
        }
        Goal::Wins(token) if token.index() < config.vocab => Target::Logit(token).check(t),
        Goal::Wins(token) => {
            let what = format!(
                "token {token} is beyond the model's vocabulary of {}",
                config.vocab
            );
            Err(Error::setting("wins", what))
        }
    }
}

/// State of a search.
struct Search<'a> {
    reading: &'a Reading<'a>,
    goal: Goal,
    /// Target without edits.
    start: f64,
    /// Logits without edits.
    untouched: Vec<f32>,
    /// Target with the edits so far.
    now: f64,
    candidates: Vec<Change>,
    taken: Vec<Change>,
    states: Vec<State>,
}

impl<'a> Search<'a> {
    fn new(reading: &'a Reading<'a>, request: &EffectRequest<'_>) -> Result<Self> {
        let whole = std::slice::from_ref(&reading.whole);
        let state = reading.states(whole, watched(request.goal))?.pop();
        let missing = || Error::Numeric {
            what: "the untouched pass gave no result".to_owned(),
        };
        let state = state.ok_or_else(missing)?;
        let start = objective(request.goal, &state);
        Ok(Self {
            reading,
            goal: request.goal,
            start,
            candidates: ranked(reading, request, &state.logits)?,
            untouched: state.logits,
            now: start,
            taken: Vec::new(),
            states: Vec::new(),
        })
    }

    /// Returns 1 where the target should rise and −1 where it should fall.
    fn sign(&self) -> f64 {
        match self.goal {
            Goal::Value(_, value) if value < self.start => -1.0,
            _ => 1.0,
        }
    }

    fn is_reached(&self) -> bool {
        match self.goal {
            Goal::Value(_, value) => self.sign() * (self.now - value) >= 0.0,
            Goal::Wins(_) => self.now > 0.0,
        }
    }

    /// Removes the candidate after which the target is furthest on its way, among equals the one of the larger attribution; false if none moves it on.
    fn take(&mut self) -> Result<bool> {
        let config = self.reading.text.model.config();
        let rows = at_once(config, self.reading.text.tokens.len());
        let chunks: Vec<&[Change]> = self.candidates.chunks(rows).collect();
        let mut best: Option<(usize, f64, State)> = None;
        let mut tried = 0;
        for wave in chunks.chunks(eval::wave()) {
            let parts: Vec<Vec<State>> = wave
                .par_iter()
                .map(|chunk| self.tried(chunk))
                .collect::<Result<_>>()?;
            for state in parts.into_iter().flatten() {
                let value = self.sign() * objective(self.goal, &state);
                let most = best.as_ref().map_or(self.sign() * self.now, |best| best.1);
                if value > most {
                    best = Some((tried, value, state));
                }
                tried += 1;
            }
        }
        let Some((at, value, state)) = best else {
            return Ok(false);
        };
        self.now = self.sign() * value;
        self.taken.push(self.candidates.remove(at));
        self.states.push(State {
            target: Some(self.now),
            ..state
        });
        Ok(true)
    }

    /// Runs each of `candidates` on top of the edits so far.
    fn tried(&self, candidates: &[Change]) -> Result<Vec<State>> {
        let with = |candidate: &Change| -> Result<Matrix> {
            let mut changes = self.taken.clone();
            changes.push(*candidate);
            self.reading.changed(&changes)
        };
        let values: Vec<Matrix> = candidates.iter().map(with).collect::<Result<_>>()?;
        self.reading.states(&values, watched(self.goal))
    }
}

/// Target that passes read beside the logits at the end.
fn watched(goal: Goal) -> Option<Target> {
    match goal {
        Goal::Value(target, _) => Some(target),
        Goal::Wins(_) => None,
    }
}

/// Returns the number that the edits move: the target, or the logit of the token less the largest other one.
fn objective(goal: Goal, state: &State) -> f64 {
    match goal {
        Goal::Value(..) => state.target.unwrap_or_default(),
        Goal::Wins(token) => {
            let rival = rival(token, &state.logits);
            let [own, other] = [token, rival].map(|id| f64::from(state.logits[id.index()]));
            own - other
        }
    }
}

/// Returns the token of the largest logit besides `token`, among equals the first.
fn rival(token: TokenId, logits: &[f32]) -> TokenId {
    let mut best: Option<usize> = None;
    for id in (0..logits.len()).filter(|id| *id != token.index()) {
        if best.is_none_or(|most| logits[id] > logits[most]) {
            best = Some(id);
        }
    }
    TokenId::from(best.unwrap_or_default())
}

/// Returns the removal of each feature that is active at a position from 1 on, the largest attribution |a·grad| first, as many as the request asks for.
fn ranked(
    reading: &Reading<'_>,
    request: &EffectRequest<'_>,
    logits: &[f32],
) -> Result<Vec<Change>> {
    let target = match request.goal {
        Goal::Value(target, _) => target,
        Goal::Wins(token) => Target::Difference {
            right: token,
            wrong: rival(token, logits),
        },
    };
    let scalar = |logits: &Tensor, _: &Tensor| target.differentiable(logits, request.tokens, 0);
    let input = token_tensor(&[request.tokens])?;
    let hook = reading.hook;
    let gradients = reading
        .text
        .model
        .gradients(&input, &Scalar::Of(&scalar), &[hook])?;
    let along = Matrix::from_tensor(&gradients.at[&hook], reading.whole.columns())?;
    // A dictionary of a head, or of the error of one, writes that head's columns.
    let root = reading.sae.root();
    let first = root
        .provenance
        .head
        .map_or(0, |head| head.index() * root.width());
    let mut ranked = Vec::new();
    for position in 1..request.tokens.len() {
        for (feature, act) in reading.latents.row(position) {
            let change = Change {
                feature,
                position,
                before: act,
                after: 0.0,
            };
            let by = reading.movement(change)?;
            let pairs = by.iter().zip(&along.row(position)[first..]);
            let attribution: f64 = pairs.map(|(by, grad)| by * f64::from(*grad)).sum();
            ranked.push((attribution.abs(), change));
        }
    }
    ranked.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    ranked.truncate(request.candidates);
    Ok(ranked.into_iter().map(|(_, change)| change).collect())
}
