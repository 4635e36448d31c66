//! Measures the next token and a continuation of every prompt at every strength, with and without edits in one batch.

use candle_core::{D, Tensor};

use super::text::measured;
use super::{Adding, Curve, Point, Row, Settings, Spread, Sweep, Target, Text};
use crate::error::{Error, Result};
use crate::features;
use crate::ids::{FeatureId, TokenId};
use crate::models::{Branches, Model, Trunk};
use crate::progress::{Ended, Flow, Progress};
use crate::sae::ByToken;
use crate::steer::shift::{divergence, log_probabilities};

/// Activations and logits of one batch at most, in numbers.
const HELD: usize = 1 << 22;
/// Rows of one batch at most.
const ROWS: usize = 64;

/// One prompt at one strength.
#[derive(Debug, Clone)]
struct Measured {
    kl: f64,
    probability: Option<f64>,
    text: Option<Text>,
}

/// Sweeps `features` over the strengths of `settings` on `prompts` (token ids, BOS included by the caller). Stopped, it gives what the prompts that were read to the
/// end say.
pub fn sweep(
    (model, sae): (&Model, ByToken<'_>),
    features: &[FeatureId],
    prompts: &[Vec<TokenId>],
    settings: &Settings,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Sweep, Sweep>> {
    check(features, prompts, settings)?;
    let rows: Vec<Row> = features
        .iter()
        .map(|feature| Row::new(model, sae, *feature))
        .collect::<Result<_>>()?;
    let targets = targets((model, sae), features, &settings.target)?;
    let total = prompts.len() * features.len();
    // [features][1 + strengths][prompts], the untouched run first.
    let mut all: Vec<Vec<Vec<Measured>>> =
        vec![vec![vec![]; 1 + settings.strengths.len()]; features.len()];
    let mut stopped = false;
    'prompts: for (at, prompt) in prompts.iter().enumerate() {
        let reading = Reading::new(model, rows[0].hook(), prompt)?;
        let mut of_prompt = Vec::with_capacity(features.len());
        for (i, row) in rows.iter().enumerate() {
            stopped = observe(Progress::new(at * features.len() + i, total, "runs")).is_break();
            if stopped {
                break 'prompts;
            }
            let writing = Writing::new(&settings.strengths, settings.continuation);
            of_prompt.push(strengths(&reading, row, &writing, &targets[i])?);
        }
        for (measured, of_prompt) in all.iter_mut().zip(of_prompt) {
            for (measured, one) in measured.iter_mut().zip(of_prompt) {
                measured.push(one);
            }
        }
    }
    let read = all[0][0].len();
    let codec = model.codec();
    let curves = features
        .iter()
        .zip(all)
        .zip(&targets)
        .map(|((feature, all), target)| {
            let named: Vec<String> = target.iter().map(|token| codec.display(*token)).collect();
            let mut points = all.into_iter();
            let untouched = point(0.0, &points.next().unwrap_or_default());
            Curve {
                feature: *feature,
                target: (!named.is_empty()).then(|| named.join(", ")),
                points: (settings.strengths.iter().zip(points))
                    .map(|(strength, measured)| point(*strength, &measured))
                    .collect(),
                untouched,
            }
        });
    let sweep = Sweep {
        hook: rows[0].hook(),
        sae: sae.name.clone(),
        curves: curves.collect(),
        prompts: read,
        unreached: prompts[..read]
            .iter()
            .filter(|prompt| prompt.len() < 2)
            .count(),
        settings: settings.clone(),
    };
    Ok(Ended::new(sweep, stopped))
}

/// Refuses what cannot be measured.
fn check(features: &[FeatureId], prompts: &[Vec<TokenId>], settings: &Settings) -> Result<()> {
    let refused = if features.is_empty() {
        ("features", "none is named, name one")
    } else if prompts.iter().all(Vec::is_empty) {
        ("prompts", "there is none, give at least one line of text")
    } else if settings.strengths.is_empty() {
        ("strengths", "none is given, give at least one")
    } else if settings
        .strengths
        .iter()
        .any(|by| !(*by as f32).is_finite())
    {
        ("strengths", "one is not a finite number, give finite ones")
    } else {
        return Ok(());
    };
    Err(Error::setting(refused.0, refused.1))
}

/// Returns the target's tokens of each feature.
fn targets(
    subject: (&Model, ByToken<'_>),
    features: &[FeatureId],
    target: &Target,
) -> Result<Vec<Vec<TokenId>>> {
    match target {
        Target::None => Ok(vec![Vec::new(); features.len()]),
        Target::Token(token) => Ok(vec![vec![*token]; features.len()]),
        Target::Promoted => features::promoted(subject, features),
    }
}

/// Summarises the prompts at one strength.
fn point(strength: f64, measured: &[Measured]) -> Point {
    let of = |figure: &dyn Fn(&Measured) -> Option<f64>| {
        Spread::new(measured.iter().filter_map(figure).collect())
    };
    Point {
        strength,
        kl: of(&|one| Some(one.kl)).unwrap_or_default(),
        probability: of(&|one| one.probability),
        repetition: of(&|one| one.text.as_ref()?.repetition),
        perplexity: of(&|one| one.text.as_ref()?.perplexity),
    }
}

/// Measures one prompt: without edits, then at each strength.
fn strengths(
    reading: &Reading<'_>,
    row: &Row,
    writing: &Writing<'_>,
    target: &[TokenId],
) -> Result<Vec<Measured>> {
    let before = log_probabilities(reading.trunk.logits())?;
    let probability = |logs: &[f64]| {
        let sum: f64 = target.iter().map(|token| logs[token.index()].exp()).sum();
        (!target.is_empty()).then_some(sum)
    };
    let (logits, texts) = reading.at(row, writing)?;
    let mut texts = texts.into_iter();
    let mut measured = vec![Measured {
        kl: 0.0,
        probability: probability(&before),
        text: texts.next(),
    }];
    for (strength, logits) in writing.strengths.iter().zip(logits) {
        let after = match &logits {
            Some(logits) => log_probabilities(logits)?,
            None => before.clone(),
        };
        let kl = divergence(&before, &after);
        if !kl.is_finite() {
            let what =
                format!("the logits at strength {strength} are no numbers: give smaller strengths");
            return Err(Error::Numeric { what });
        }
        measured.push(Measured {
            kl: kl.max(0.0),
            probability: probability(&after),
            text: texts.next(),
        });
    }
    Ok(measured)
}

/// Strengths at which a prompt is continued, and how far.
#[derive(Debug)]
pub(in crate::steer) struct Writing<'a> {
    strengths: &'a [f64],
    tokens: usize,
}

impl<'a> Writing<'a> {
    /// Continues by at most `tokens` tokens at each of `strengths`.
    pub(in crate::steer) fn new(strengths: &'a [f64], tokens: usize) -> Self {
        Self { strengths, tokens }
    }
}

/// A prompt that was read.
#[derive(Debug)]
pub(in crate::steer) struct Reading<'m> {
    model: &'m Model,
    trunk: Trunk<'m>,
}

impl<'m> Reading<'m> {
    /// Reads `prompt` for edits at `hook`.
    pub(in crate::steer) fn new(
        model: &'m Model,
        hook: crate::ids::HookPoint,
        prompt: &[TokenId],
    ) -> Result<Self> {
        let trunk = model.trunk(prompt, hook, prompt.len())?;
        Ok(Self { model, trunk })
    }

    /// Returns the logits `[v]` at the prompt's end at each strength (none at strength 0, where nothing is added and the untouched ones hold), and the
    /// continuations: of the untouched model, then at each strength; none of either where none is asked for or the context is full.
    pub(in crate::steer) fn at(
        &self,
        row: &Row,
        writing: &Writing<'_>,
    ) -> Result<(Vec<Option<Tensor>>, Vec<Text>)> {
        let context = self.model.config().context;
        let tokens = writing
            .tokens
            .min((context + 1).saturating_sub(self.trunk.len()));
        // Without edits, a row of its own.
        let strengths: Vec<f64> = [0.0].iter().chain(writing.strengths).copied().collect();
        let d = self.model.config().d_model;
        let vocab = self.model.config().vocab;
        let at_once = (HELD / (vocab + self.trunk.len() * d)).clamp(1, ROWS);
        let (mut logits, mut written) = (Vec::new(), Vec::new());
        for some in strengths.chunks(at_once) {
            let added = some.iter().map(|by| (row, f64::from(*by as f32)));
            let added: Vec<(&Row, f64)> = added.collect();
            let mut adding = Adding::new(&added)?;
            let mut branches = self.trunk.rows(some.len(), &mut adding)?;
            for (at, by) in some.iter().enumerate() {
                logits.push(if *by == 0.0 {
                    None
                } else {
                    Some(branches.logits().get(at)?)
                });
            }
            if tokens > 0 {
                written.extend(self.continued(&mut branches, &mut adding, (some, tokens))?);
            }
        }
        logits.remove(0); // without edits
        Ok((logits, measured(&self.trunk, &written)?))
    }

    /// Continues each row by its most likely token (of equals the one with the smallest id), to a token that ends a text or `tokens` tokens.
    fn continued(
        &self,
        branches: &mut Branches<'_>,
        adding: &mut Adding,
        (strengths, tokens): (&[f64], usize),
    ) -> Result<Vec<Vec<TokenId>>> {
        let ends = &self.model.ends().ids;
        let mut written: Vec<Vec<TokenId>> = vec![Vec::new(); strengths.len()];
        loop {
            let next = likeliest(branches.logits(), strengths)?;
            for (written, token) in written.iter_mut().zip(&next) {
                if written.last().is_none_or(|last| !ends.contains(last)) {
                    written.push(*token);
                }
            }
            let goes_on = |row: &Vec<TokenId>| {
                row.len() < tokens && row.last().is_none_or(|last| !ends.contains(last))
            };
            if !written.iter().any(goes_on) {
                return Ok(written);
            }
            branches.read(&next, adding)?;
        }
    }
}

/// Returns the most likely token of each row of `logits [rows, v]`.
fn likeliest(logits: &Tensor, strengths: &[f64]) -> Result<Vec<TokenId>> {
    let sums = logits.sum(D::Minus1)?.to_vec1::<f32>()?;
    if let Some(at) = sums.iter().position(|sum| sum.is_nan()) {
        let what = format!(
            "the logits at strength {} are no numbers: give smaller strengths",
            strengths[at]
        );
        return Err(Error::Numeric { what });
    }
    let rows = logits.to_vec2::<f32>()?;
    let first = |row: &Vec<f32>| {
        let best = row.iter().enumerate().fold(
            0,
            |best, (id, logit)| {
                if *logit > row[best] { id } else { best }
            },
        );
        TokenId::from(best)
    };
    Ok(rows.iter().map(first).collect())
}
