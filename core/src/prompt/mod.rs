//! Reads one text through a model, with or without dictionaries: tokens, their features with their shares of the reconstruction, probable next tokens. Two
//! readings are aligned, and the features of one are clustered.

mod align;
mod cluster;
mod input;
mod next;
mod share;
#[cfg(test)]
mod tests;

use std::ops::{ControlFlow, Range};

use candle_core::Tensor;

use self::next::next_tokens;
use crate::corpus::{Mask, Positions};
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{FeatureId, HookPoint, Site, TokenId};
use crate::latents::Latents;
use crate::models::{Capture, Hooks, Model, Start, token_tensor};
use crate::progress::{Ended, Flow};
use crate::sae::ByToken;
use crate::text::chat::Roles;

pub use self::align::{Aligned, Difference, Step, align};
pub(crate) use self::cluster::average_linkage;
pub use self::cluster::{CUT, Clusters, MOST as MOST_CLUSTERED};
pub use self::input::{Input, Spelled, tokens_of};
pub use self::next::NextToken;
pub(crate) use self::next::{log_sum_exp, most_likely};
pub use self::share::{Part, Shares};

/// Text as a model and a dictionary see it.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Tokens, BOS included.
    pub tokens: Vec<TokenId>,
    /// Their display forms.
    pub texts: Vec<String>,
    /// The whole text, beyond the context too.
    pub text: String,
    /// The bytes of `text` that each token stands for; none for a BOS that was put before it.
    pub spans: Vec<Range<usize>>,
    /// Whether each token counts by the default rule for training and measuring, see [`Positions::Text`].
    pub counts: Vec<bool>,
    /// Latents of every token; empty rows where there is no dictionary.
    pub latents: Latents,
    /// Share of every entry of the latents in the reconstruction of its token; empty where there is no dictionary.
    pub shares: Shares,
    /// Probable next tokens per token, most likely first.
    pub next: Vec<Vec<NextToken>>,
    /// Number of tokens cut because they exceed the model's context.
    pub cut: usize,
    /// Role of each token of a chat.
    pub roles: Option<Roles>,
    /// Notes: a BOS that was there already, what was assumed of a chat.
    pub notes: Vec<String>,
}

impl Reading {
    fn with(self, code: Code) -> Self {
        Self {
            latents: code.latents,
            shares: code.shares,
            ..self
        }
    }

    /// Returns up to `most` features at position `t`, largest activation in size first; signs are kept.
    pub fn strongest(&self, t: usize, most: usize) -> Vec<(FeatureId, f32)> {
        let mut pairs: Vec<_> = self.latents.row(t).collect();
        pairs.sort_by(|(f, a), (g, b)| b.abs().total_cmp(&a.abs()).then(f.cmp(g)));
        pairs.truncate(most);
        pairs
    }
}

/// Reads `text` (cut to the model's context) through model and dictionary, with `most_next` next tokens per position.
pub fn read<'a>(
    model: &Model,
    sae: impl Into<ByToken<'a>>,
    text: &str,
    most_next: usize,
) -> Result<Reading> {
    read_input(model, sae, &Input::Text(text.to_owned()), most_next)
}

/// Reads a text or tokens (cut to the model's context) through model and dictionary.
pub fn read_input<'a>(
    model: &Model,
    sae: impl Into<ByToken<'a>>,
    input: &Input,
    most_next: usize,
) -> Result<Reading> {
    let mut on = || ControlFlow::Continue(());
    match read_while(model, Some(sae.into()), input, most_next, &mut on)? {
        Ended::Done(reading) => Ok(reading),
        Ended::Stopped(()) => Err(Error::Numeric {
            what: "the reading ended before its time".to_owned(),
        }),
    }
}

/// Reads a text or tokens (cut to the model's context) through the model without a dictionary.
pub fn read_without(model: &Model, input: &Input, most_next: usize) -> Result<Reading> {
    run(model, input, most_next, &mut Capture::to_the_end([]))
}

/// Reads as [`read_input`] does, or without a dictionary. `observe` is asked before every block of the model whether to go on.
pub fn read_while(
    model: &Model,
    sae: Option<ByToken<'_>>,
    input: &Input,
    most_next: usize,
    observe: &mut dyn FnMut() -> Flow,
) -> Result<Ended<Reading>> {
    let saes: Vec<ByToken<'_>> = sae.into_iter().collect();
    let (reading, mut codes) = match pass(model, &saes, input, most_next, observe)? {
        Ended::Done(done) => done,
        Ended::Stopped(()) => return Ok(Ended::STOPPED),
    };
    Ok(Ended::Done(match codes.pop() {
        Some(code) => reading.with(code),
        None => reading,
    }))
}

/// Reads a text or tokens through the model once, by every dictionary of `saes`: one reading each, in their order. `observe` is asked before every block of the
/// model and before every dictionary whether to go on.
pub fn read_by_all(
    model: &Model,
    saes: &[ByToken<'_>],
    input: &Input,
    most_next: usize,
    observe: &mut dyn FnMut() -> Flow,
) -> Result<Ended<Vec<Reading>>> {
    let ended = pass(model, saes, input, most_next, observe)?;
    Ok(ended.map(|(reading, codes)| {
        let each = codes.into_iter();
        each.map(|code| reading.clone().with(code)).collect()
    }))
}

/// Reads the input with empty latents, and computes what every dictionary makes of it.
fn pass(
    model: &Model,
    saes: &[ByToken<'_>],
    input: &Input,
    most_next: usize,
    observe: &mut dyn FnMut() -> Flow,
) -> Result<Ended<(Reading, Vec<Code>)>> {
    let mut hooks = Vec::with_capacity(saes.len());
    for sae in saes {
        crate::formats::check_ends(sae, model)?;
        hooks.push(sae.reads()?);
    }
    let last = hooks.iter().max().filter(|_| most_next == 0);
    let mut pass = Pass {
        capture: Capture {
            last: last.copied(),
            ..Capture::to_the_end(hooks.clone())
        },
        observe,
        stopped: false,
    };
    let read = run(model, input, most_next, &mut pass);
    if pass.stopped {
        return Ok(Ended::STOPPED);
    }
    let reading = read?;
    let mut codes = Vec::with_capacity(saes.len());
    for (sae, hook) in saes.iter().zip(hooks) {
        let Some(value) = pass.capture.values.get(&hook) else {
            return Err(Error::hook(
                hook,
                format!("{} did not reach it", model.name()),
            ));
        };
        if (pass.observe)().is_break() {
            return Ok(Ended::STOPPED);
        }
        let whole = Matrix::from_tensor(value, model.width(hook)?)?;
        let part = sae.own_part(&whole)?;
        let latents = sae.encode(&part)?;
        let shares = Shares::new(sae, &latents, &part)?;
        codes.push(Code { latents, shares });
    }
    Ok(Ended::Done((reading, codes)))
}

/// Result of one dictionary on a text.
struct Code {
    latents: Latents,
    shares: Shares,
}

/// A capture that may be stopped before every block.
struct Pass<'a> {
    capture: Capture,
    observe: &'a mut dyn FnMut() -> Flow,
    stopped: bool,
}

impl Pass<'_> {
    fn is_block(hook: HookPoint) -> bool {
        matches!(hook, HookPoint::Block(_, Site::ResidPre))
    }
}

impl Hooks for Pass<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        Self::is_block(hook) || self.capture.wants(hook)
    }

    fn visit(&mut self, hook: HookPoint, first: usize, value: &Tensor) -> Result<Option<Tensor>> {
        if Self::is_block(hook) && (self.observe)().is_break() {
            self.stopped = true;
            return Err(Error::hook(hook, "the pass was stopped here"));
        }
        if self.capture.wants(hook) {
            return self.capture.visit(hook, first, value);
        }
        Ok(None)
    }

    fn last(&self) -> Option<HookPoint> {
        self.capture.last()
    }
}

/// Runs the model on a text or tokens, with empty latents.
fn run(model: &Model, input: &Input, most_next: usize, hooks: &mut dyn Hooks) -> Result<Reading> {
    let model = &*input.reader(model)?;
    let Spelled {
        tokens,
        spans,
        text,
        cut,
        roles,
        notes,
    } = input.spelled(model)?;
    let input = token_tensor(&[&tokens])?;
    let logits = model.run(Start::Tokens(&input), hooks)?;
    let next = match logits {
        Some(logits) => next_tokens(model, &logits, most_next)?,
        None => vec![Vec::new(); tokens.len()],
    };
    let texts = tokens.iter().map(|id| model.codec().display(*id)).collect();
    Ok(Reading {
        counts: Mask::new(model.codec(), Positions::Text).counts(&tokens),
        latents: Latents::empty(tokens.len()),
        shares: Shares::default(),
        tokens,
        texts,
        text,
        spans,
        next,
        cut,
        roles,
        notes,
    })
}
