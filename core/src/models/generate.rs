//! Token-by-token continuation with a key/value cache.

use candle_transformers::generation::{LogitsProcessor, Sampling as Choice};

use super::decoder::{Logits, Memory};
use super::{Hooks, Model, Sampling, Start, token_tensor};
use crate::Flow;
use crate::error::{Error, Result};
use crate::ids::TokenId;

/// See [`Model::generate`].
pub(super) fn generate(
    model: &Model,
    prompt: &[TokenId],
    sampling: &Sampling,
    hooks: &mut dyn Hooks,
    observe: &mut dyn FnMut(TokenId) -> Flow,
) -> Result<Vec<TokenId>> {
    let mut chooser = LogitsProcessor::from_sampling(sampling.seed, choice(sampling)?);
    let mut memory = Memory::default();
    let mut new = Vec::new();
    let mut unread = prompt.to_vec();
    let room = (model.config.context + 1).saturating_sub(prompt.len());
    while new.len() < sampling.tokens.min(room).max(1) {
        let tokens = token_tensor(&[&unread])?;
        let logits = model
            .decoder
            .forward(
                &model.config,
                Start::Tokens(&tokens),
                Logits::Last,
                hooks,
                Some(&mut memory),
            )?
            .ok_or_else(|| {
                Error::setting("hooks", "generation cannot end at a hook, it needs logits")
            })?;
        if sampling.tokens == 0 {
            break;
        }
        let token = TokenId(chooser.sample(&logits.flatten_all()?)?);
        new.push(token);
        unread = vec![token];
        if observe(token).is_break() {
            break;
        }
    }
    Ok(new)
}

fn choice(sampling: &Sampling) -> Result<Choice> {
    let temperature = sampling.temperature;
    if !(temperature >= 0.0 && temperature.is_finite()) {
        return Err(Error::setting(
            "temperature",
            format!("{temperature} is not 0 or a positive number"),
        ));
    }
    if let Some(p) = sampling.top_p
        && !(p > 0.0 && p <= 1.0)
    {
        return Err(Error::setting(
            "top_p",
            format!("{p} is not above 0 and at most 1"),
        ));
    }
    if sampling.top_k == Some(0) {
        return Err(Error::setting("top_k", "0 tokens leave nothing to choose"));
    }
    Ok(match (sampling.top_k, sampling.top_p) {
        _ if temperature < 1e-7 => Choice::ArgMax,
        (None, None) => Choice::All { temperature },
        (Some(k), None) => Choice::TopK { k, temperature },
        (None, Some(p)) => Choice::TopP { p, temperature },
        (Some(k), Some(p)) => Choice::TopKThenTopP { k, p, temperature },
    })
}
