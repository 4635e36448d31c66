//! Runs of questions: as they are, and with the activation at the entity's token edited.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};

use super::{Exchange, Question};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint, TokenId};
use crate::latents::Latents;
use crate::models::{Hooks, Model, Start, token_tensor};
use crate::sae::Autoencoder;

/// Tokens in one pass.
const TOKENS: usize = 2_048;

/// Edit of the base's activation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Patch<'a> {
    /// Values of these features come from the source.
    Features(&'a [FeatureId]),
    /// The source's activation takes its place.
    Whole,
}

/// Questions at the tokens of their entities.
pub(super) struct Entities<'a> {
    model: &'a Model,
    pub(super) sae: Autoencoder<'a>,
    hook: HookPoint,
    questions: &'a [Question],
    /// Values of the hook, `[n, width]`.
    whole: Matrix,
    /// Codes of what the dictionary reads of them.
    pub(super) latents: Latents,
    /// Most likely next token of each question.
    pub(super) answers: Vec<TokenId>,
}

/// Reads or replaces a hook at one position of each row.
struct AtEntity<'v> {
    hook: HookPoint,
    positions: Vec<usize>,
    /// New values of each row; none to read.
    put: Option<&'v Matrix>,
    read: Vec<f32>,
}

impl Hooks for AtEntity<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        hook == self.hook
    }

    fn visit(&mut self, _: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let dims = value.dims().to_vec();
        let width: usize = dims[2..].iter().product();
        let mut numbers = value.flatten_all()?.to_vec1::<f32>()?;
        let rows = numbers
            .chunks_exact_mut((dims[1] * width).max(1))
            .zip(&self.positions);
        for (i, (row, at)) in rows.enumerate() {
            let here = &mut row[at * width..(at + 1) * width];
            match self.put {
                Some(values) => here.copy_from_slice(values.row(i)),
                None => self.read.extend_from_slice(here),
            }
        }
        Ok(match self.put {
            Some(_) => Some(Tensor::from_vec(numbers, dims, &Device::Cpu)?),
            None => None,
        })
    }
}

impl<'a> Entities<'a> {
    /// Reads every question once.
    pub(super) fn new(
        model: &'a Model,
        sae: Autoencoder<'a>,
        questions: &'a [Question],
    ) -> Result<Self> {
        let hook = sae.hook()?;
        let width = model.width(hook)?;
        let mut whole = Matrix::zeros(questions.len(), width);
        let mut answers = vec![TokenId::from(0); questions.len()];
        for batch in batches(questions, 0..questions.len()) {
            let mut at = AtEntity {
                hook,
                positions: batch.iter().map(|i| questions[*i].position).collect(),
                put: None,
                read: Vec::new(),
            };
            let found = answered(model, questions, (&batch, &mut at))?;
            let values = at.read.chunks_exact(width.max(1));
            for ((i, answer), values) in batch.iter().zip(found).zip(values) {
                answers[*i] = answer;
                whole.row_mut(*i).copy_from_slice(values);
            }
        }
        let latents = sae.encode(&*sae.own_part(&whole)?)?;
        Ok(Self {
            model,
            sae,
            hook,
            questions,
            whole,
            latents,
            answers,
        })
    }

    /// Returns the most likely next token of each pair's base after the edit.
    pub(super) fn patched(
        &self,
        pairs: &[Exchange],
        patch: &Patch<'_>,
        keeps_error: bool,
    ) -> Result<Vec<TokenId>> {
        let mut answers = vec![TokenId::from(0); pairs.len()];
        let values = self.edited(pairs, patch, keeps_error)?;
        let bases: Vec<usize> = pairs.iter().map(|(base, _)| *base).collect();
        for batch in batches_of(self.questions, &bases) {
            let rows: Vec<u32> = batch.iter().map(|pair| *pair as u32).collect();
            let put = values.rows_of(&rows);
            let of: Vec<usize> = batch.iter().map(|pair| bases[*pair]).collect();
            let mut at = AtEntity {
                hook: self.hook,
                positions: of.iter().map(|i| self.questions[*i].position).collect(),
                put: Some(&put),
                read: Vec::new(),
            };
            let found = answered(self.model, self.questions, (&of, &mut at))?;
            for (pair, answer) in batch.iter().zip(found) {
                answers[*pair] = answer;
            }
        }
        Ok(answers)
    }

    /// Values that take the place of the bases' activations, `[pairs, width]`.
    pub(super) fn edited(
        &self,
        pairs: &[Exchange],
        patch: &Patch<'_>,
        keeps_error: bool,
    ) -> Result<Matrix> {
        let numbers = |of: &dyn Fn(&Exchange) -> usize| -> Vec<u32> {
            pairs.iter().map(|pair| of(pair) as u32).collect()
        };
        let base = self.whole.rows_of(&numbers(&|pair| pair.0));
        let features = match patch {
            Patch::Whole => return Ok(self.whole.rows_of(&numbers(&|pair| pair.1))),
            Patch::Features(features) => *features,
        };
        let x = self.sae.own_part(&base)?.into_owned();
        let mut mixed = Vec::with_capacity(pairs.len());
        let mut plain = Vec::with_capacity(pairs.len());
        for (base, source) in pairs {
            let of_base: BTreeMap<FeatureId, f32> = self.latents.row(*base).collect();
            plain.push(of_base.iter().map(|(f, act)| (*f, *act)).collect());
            let mut code = of_base;
            for feature in features {
                match self.latents.get(*source, *feature) {
                    0.0 => code.remove(feature),
                    act => code.insert(*feature, act),
                };
            }
            mixed.push(code.into_iter().collect::<Vec<(FeatureId, f32)>>());
        }
        let mut value = self.sae.decode(&Latents::from_unsorted(&mixed)?, &x)?;
        if keeps_error {
            let plain = self.sae.decode(&Latents::from_unsorted(&plain)?, &x)?;
            let errors = x.values().iter().zip(plain.values());
            for (value, (x, decoded)) in value.values_mut().iter_mut().zip(errors) {
                *value += x - decoded;
            }
        }
        self.sae.put_back(&base, value)
    }
}

/// Groups questions by length, so that one pass reads many.
fn batches(questions: &[Question], of: impl Iterator<Item = usize>) -> Vec<Vec<usize>> {
    batches_of(questions, &of.collect::<Vec<_>>())
}

/// Groups the places of `of`, which are questions, by length.
fn batches_of(questions: &[Question], of: &[usize]) -> Vec<Vec<usize>> {
    let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, question) in of.iter().enumerate() {
        let length = questions[*question].tokens.len();
        by_length.entry(length).or_default().push(place);
    }
    let groups = by_length.into_iter();
    groups
        .flat_map(|(length, places)| {
            let most = (TOKENS / length.max(1)).max(1);
            places
                .chunks(most)
                .map(<[usize]>::to_vec)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Returns the most likely next token of questions of one length, the lower number among equals.
fn answered(
    model: &Model,
    questions: &[Question],
    (of, at): (&[usize], &mut AtEntity<'_>),
) -> Result<Vec<TokenId>> {
    let tokens: Vec<&[TokenId]> = of.iter().map(|i| questions[*i].tokens.as_slice()).collect();
    let logits = model.run(Start::Tokens(&token_tensor(&tokens)?), at)?;
    let logits = logits.ok_or_else(|| Error::Numeric {
        what: "the forward pass ended before its logits".to_owned(),
    })?;
    let last = logits.narrow(1, logits.dim(1)? - 1, 1)?.squeeze(1)?; // [b, v]
    let best = |row: Vec<f32>| {
        let best = (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b]).then(b.cmp(a)));
        TokenId::from(best.unwrap_or_default())
    };
    Ok(last.to_vec2::<f32>()?.into_iter().map(best).collect())
}
