//! Continues one prompt with one set of edits after another. What does not depend on the edits is computed once: the prompt, the texts without edits, and their
//! figures.
//!
//! A run computes anew only what the edits reach: the prompt from the first edited hook and position on, and the steered texts. Every run gives bit by bit what
//! the first run of a new session would give.

mod steered;

use std::borrow::Cow;
use std::sync::Arc;

use candle_core::Tensor;

use self::steered::Steered;
use super::continuation::{Continuation, Written};
use super::dial::Dial;
use super::edits::{Clean, Edits};
use super::positions::Row;
use super::shift::Distribution;
use super::{Change, Event, Measure, Outcome, SAMPLES, Stream, Text, Token};
use crate::error::{Error, Result};
use crate::ids::{HookPoint, TokenId};
use crate::models::{Branch, Capture, Generator, Model, NoHooks, Paused, Sampling, token_tensor};
use crate::progress::{Ended, Flow};
use crate::prompt::Input;

/// Tokens of a steered text that the model without edits reads in one pass.
const AT_ONCE: usize = 8;

/// Least number of positions before the first edited one that are worth keeping; where fewer come before, the pass computes bit by bit what it would alone.
const SPARED: usize = 32;

/// Prompt of a model at one sampling, with everything that further runs reuse.
#[derive(Debug)]
pub struct Session {
    /// Model and prompt as they were asked for.
    of: Option<(Arc<Model>, Input)>,
    model: Arc<Model>,
    prompt: Vec<TokenId>,
    sampling: Sampling,
    /// The prompt as read without edits.
    read: Option<Paused>,
    /// Values over the prompt without edits, by hook.
    values: Clean,
    /// Texts without edits, by sample.
    baselines: Vec<Baseline>,
}

/// Edits of a run, and what is wanted of it.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Edits of the steered texts.
    pub edits: Edits,
    /// Feature whose activations are measured.
    pub dial: Option<Dial>,
    /// Number of samples, at most [`SAMPLES`]; sample i has seed `seed + i`.
    pub samples: usize,
}

/// Text without edits, as far as it is written.
#[derive(Debug)]
pub(super) struct Baseline {
    pub(super) at: Paused,
    found: Found,
}

/// Tokens of a text without edits and what is known about them.
#[derive(Debug, Default)]
pub(super) struct Found {
    tokens: Vec<Token>,
    measures: Vec<Measure>,
    /// Value at a hook, one row per token, once the text is complete.
    values: Option<(HookPoint, Tensor)>,
}

impl Session {
    /// Creates a session of `prompt` (BOS included by the caller). Computes nothing.
    pub fn new(model: &Arc<Model>, prompt: &[TokenId], sampling: &Sampling) -> Self {
        Self {
            of: None,
            model: Arc::clone(model),
            prompt: prompt.to_vec(),
            sampling: sampling.clone(),
            read: None,
            values: Clean::new(),
            baselines: Vec::new(),
        }
    }

    /// Creates a session of a text or chat as the model reads it. Computes nothing.
    pub fn from_input(model: &Arc<Model>, prompt: &Input, sampling: &Sampling) -> Result<Self> {
        let reader = match prompt.reader(model)? {
            Cow::Borrowed(_) => Arc::clone(model),
            Cow::Owned(reader) => Arc::new(reader),
        };
        let tokens = prompt.whole(model.codec())?.tokens;
        Ok(Self {
            of: Some((Arc::clone(model), prompt.clone())),
            ..Self::new(&reader, &tokens, sampling)
        })
    }

    /// Whether it is of exactly this model, prompt and sampling, so that what it keeps can be reused.
    pub fn is_of(&self, model: &Arc<Model>, prompt: &Input, sampling: &Sampling) -> bool {
        let same = |(of, input): &(Arc<Model>, Input)| Arc::ptr_eq(of, model) && input == prompt;
        self.of.as_ref().is_some_and(same) && self.sampling == *sampling
    }

    /// Returns the prompt's tokens.
    pub fn prompt(&self) -> &[TokenId] {
        &self.prompt
    }

    /// Continues the prompt without edits, where that was not done before, and with `wanted.edits`: token by token in turn, all samples together. Stopped, it
    /// gives the texts so far, and a later run goes on with the baseline where this one ended.
    pub fn run(
        &mut self,
        wanted: &Wanted,
        observe: &mut dyn FnMut(Event) -> Flow,
    ) -> Result<Ended<Outcome, Outcome>> {
        if wanted.samples == 0 || wanted.samples > SAMPLES {
            let what = format!("{} is not between 1 and {SAMPLES}", wanted.samples);
            return Err(Error::setting("samples", what));
        }
        let model = Arc::clone(&self.model);
        let steered = self.begin(&model, wanted)?;
        let mut baselines = std::mem::take(&mut self.baselines);
        let more = baselines.split_off(wanted.samples.min(baselines.len()));
        for i in baselines.len()..wanted.samples {
            baselines.push(self.baseline(&model, i)?);
        }
        let mut pairs = Vec::new();
        for (sample, (text, baseline)) in steered.into_iter().zip(baselines).enumerate() {
            let unedited = self.read()?;
            let unedited = unedited.fork(&model, Branch::End, &self.sampling, &mut NoHooks)?;
            let seed = self.seeded(sample).seed;
            pairs.push((
                Base::new(&model, sample, baseline),
                Steered::new((sample, seed), text, unedited),
            ));
        }
        let mut run = Run {
            pairs,
            model: &model,
            prompt: &self.prompt,
            dial: wanted.dial.as_ref(),
            observe,
            stopped: false,
        };
        let (shift, kl) = run.begin()?;
        run.finish()?;
        let (stopped, pairs) = (run.stopped, run.pairs);
        let mut samples = Vec::new();
        for (baseline, steered) in pairs {
            let (kept, text) = baseline.end();
            self.baselines.push(kept);
            samples.push(steered.end(text, &model));
        }
        self.baselines.extend(more);
        let outcome = Outcome { samples, shift, kl };
        Ok(Ended::new(outcome, stopped))
    }

    /// Returns the sampling of a sample.
    fn seeded(&self, sample: usize) -> Sampling {
        Sampling {
            seed: self.sampling.seed.wrapping_add(sample as u64),
            ..self.sampling.clone()
        }
    }

    fn read(&self) -> Result<&Paused> {
        self.read.as_ref().ok_or_else(|| Error::Numeric {
            what: "the prompt was not read".to_owned(),
        })
    }

    /// Begins the text of a sample without edits.
    pub(super) fn baseline(&self, model: &Model, sample: usize) -> Result<Baseline> {
        let sampling = self.seeded(sample);
        let at = self
            .read()?
            .fork(model, Branch::End, &sampling, &mut NoHooks)?;
        Ok(Baseline {
            at: at.pause(),
            found: Found::default(),
        })
    }

    /// Reads the prompt with the edits, computing only what they reach. Returns the steered text of each sample, before its first token.
    pub(super) fn begin<'m>(
        &mut self,
        model: &'m Model,
        wanted: &Wanted,
    ) -> Result<Vec<Continuation<'m>>> {
        let (edits, t) = (&wanted.edits, self.prompt.len());
        let row = Row::new(&self.prompt, t);
        let first = (0..t).find(|at| edits.reach(*at, &row));
        let before = first.and_then(|_| Branch::before(edits.first_hook()?, model));
        let mut hooks = edits.frozen();
        let is_frozen = !hooks.is_empty();
        hooks.extend(before.map(|(_, hook)| hook));
        self.see(model, &hooks)?;
        let position = first.filter(|at| !is_frozen && *at >= SPARED).unwrap_or(0);
        let entering = match before {
            Some((layer, hook)) => {
                let value = self.values[&hook].narrow(1, position, t - position)?;
                Some((layer, value))
            }
            None => None,
        };
        let branch = match (first, &entering) {
            (None, _) => Branch::End,
            (Some(_), Some((layer, value))) => Branch::Block(*layer, position, value),
            (Some(_), None) => Branch::Beginning,
        };
        let watched = wanted.dial.as_ref().map(Dial::hook);
        let steered = Continuation::beside(
            (model, self.read()?),
            (branch, &self.values),
            (edits.clone(), watched),
            (row, &self.sampling),
        )?;
        let sampling: Vec<_> = (0..wanted.samples).map(|i| self.seeded(i)).collect();
        steered.again(model, &sampling)
    }

    /// Reads the prompt without edits, unless that was done and the values at `hooks` are known.
    fn see(&mut self, model: &Model, hooks: &[HookPoint]) -> Result<()> {
        let missing = hooks.iter().filter(|hook| !self.values.contains_key(hook));
        let missing: Vec<HookPoint> = missing.copied().collect();
        if self.read.is_none() {
            let mut keep = Capture::to_the_end(missing);
            let mut reader = model.generator(&self.prompt, &self.sampling)?;
            reader.logits(&mut keep)?;
            self.read = Some(reader.pause());
            self.values.extend(keep.values);
        } else if !missing.is_empty() {
            let tokens = token_tensor(&[&self.prompt])?;
            self.values.extend(model.capture(&tokens, &missing)?);
        }
        Ok(())
    }
}

/// One run of a session.
struct Run<'r, 'm> {
    pairs: Vec<(Base<'m>, Steered<'m>)>,
    model: &'m Model,
    prompt: &'r [TokenId],
    dial: Option<&'r Dial>,
    observe: &'r mut dyn FnMut(Event) -> Flow,
    stopped: bool,
}

impl Run<'_, '_> {
    fn tell(&mut self, event: Event) {
        self.stopped |= (self.observe)(event).is_break();
    }

    fn tell_all(&mut self, events: Vec<Event>) {
        for event in events {
            self.tell(event);
        }
    }

    /// Tells the change at the prompt's end and the baselines that are there.
    fn begin(&mut self) -> Result<(Vec<Change>, f64)> {
        let (_, steered) = &mut self.pairs[0];
        let before = Distribution::new(&steered.unedited.logits(&mut NoHooks)?)?;
        let after = Distribution::new(&steered.text.logits()?)?;
        let shift = after.changes(&before, self.model.codec());
        let kl = after.divergence(&before);
        self.tell(Event::Shift(shift.clone(), kl));
        for i in 0..self.pairs.len() {
            let (baseline, _) = &mut self.pairs[i];
            let mut kept = baseline.kept();
            kept.extend(baseline.dialled((self.model, self.prompt), self.dial)?);
            self.tell_all(kept);
        }
        Ok((shift, kl))
    }

    /// Writes all texts in turn, each until it ends.
    fn finish(&mut self) -> Result<()> {
        let mut turns = Vec::new();
        for i in 0..self.pairs.len() {
            turns.extend(Stream::ALL.map(|stream| (i, stream)));
        }
        while !turns.is_empty() {
            let mut going = Vec::with_capacity(turns.len());
            for (i, stream) in turns {
                if self.stopped {
                    return Ok(());
                }
                if self.step(i, stream)? {
                    going.push((i, stream));
                }
            }
            turns = going;
        }
        Ok(())
    }

    /// Writes a token of one text. Whether the text goes on.
    fn step(&mut self, i: usize, stream: Stream) -> Result<bool> {
        let (baseline, steered) = &mut self.pairs[i];
        let mut events = Vec::new();
        let goes_on = match stream {
            Stream::Baseline if baseline.is_told => false,
            Stream::Baseline => {
                let goes_on = baseline.step(&mut events)?;
                if !goes_on {
                    events.extend(baseline.dialled((self.model, self.prompt), self.dial)?);
                }
                goes_on
            }
            Stream::Steered if steered.is_told => false,
            Stream::Steered => steered.step(self.dial, self.model, &mut events)?,
        };
        self.tell_all(events);
        Ok(goes_on)
    }
}

/// Text without edits in a run.
struct Base<'m> {
    sample: usize,
    text: Generator<'m>,
    found: Found,
    activations: Vec<f32>,
    /// Whether the text is complete and told.
    is_told: bool,
}

impl<'m> Base<'m> {
    fn new(model: &'m Model, sample: usize, kept: Baseline) -> Self {
        Self {
            sample,
            text: kept.at.resume(model),
            found: kept.found,
            activations: Vec::new(),
            is_told: false,
        }
    }

    /// Returns what an earlier run wrote.
    fn kept(&self) -> Vec<Event> {
        if self.found.tokens.is_empty() {
            return Vec::new();
        }
        let (sample, stream, first) = (self.sample, Stream::Baseline, 0);
        vec![
            Event::Tokens {
                sample,
                stream,
                first,
                tokens: self.found.tokens.clone(),
            },
            Event::Measures {
                sample,
                stream,
                first,
                measures: self.found.measures.clone(),
            },
        ]
    }

    /// Writes the next token. Whether there was one.
    fn step(&mut self, events: &mut Vec<Event>) -> Result<bool> {
        let logits = if self.text.is_over() {
            None
        } else {
            Some(self.text.logits(&mut NoHooks)?)
        };
        let Some(id) = self.text.step(&mut NoHooks)? else {
            return Ok(false);
        };
        let logits = logits.ok_or_else(no_logits)?;
        let log = Distribution::new(&logits)?.logs[id.index()];
        let token = Token {
            id,
            piece: self.text.piece().to_owned(),
        };
        let measure = Measure {
            written: log,
            unedited: log,
            kl: 0.0,
            shift: Vec::new(),
        };
        let (sample, stream, first) = (self.sample, Stream::Baseline, self.found.tokens.len());
        self.found.tokens.push(token.clone());
        self.found.measures.push(measure.clone());
        events.push(Event::Tokens {
            sample,
            stream,
            first,
            tokens: vec![token],
        });
        events.push(Event::Measures {
            sample,
            stream,
            first,
            measures: vec![measure],
        });
        Ok(true)
    }

    /// Measures the dialled feature along the text, if it is complete.
    fn dialled(
        &mut self,
        (model, prompt): (&Model, &[TokenId]),
        dial: Option<&Dial>,
    ) -> Result<Option<Event>> {
        if !self.text.is_over() {
            return Ok(None);
        }
        self.is_told = true;
        let Some(dial) = dial.filter(|_| !self.found.tokens.is_empty()) else {
            return Ok(None);
        };
        let known = self.found.values.take();
        let known = if let Some(known) = known.filter(|(hook, _)| *hook == dial.hook()) {
            known
        } else {
            let new = self.found.tokens.iter().map(|token| token.id);
            let mut ids: Vec<TokenId> = prompt.iter().copied().chain(new).collect();
            ids.truncate(model.config().context);
            let values = model.capture(&token_tensor(&[&ids])?, &[dial.hook()])?;
            let value = &values[&dial.hook()];
            let new = value.narrow(1, prompt.len(), ids.len() - prompt.len())?;
            (dial.hook(), new)
        };
        let (_, value) = self.found.values.insert(known);
        if value.dim(1)? > 0 {
            self.activations = dial.activations(value)?;
        }
        Ok(Some(Event::Activations {
            sample: self.sample,
            stream: Stream::Baseline,
            first: 0,
            values: self.activations.clone(),
        }))
    }

    /// Returns what is kept for further runs, and the text.
    fn end(self) -> (Baseline, Text) {
        let text = Text {
            written: Written {
                tokens: self.found.tokens.iter().map(|token| token.id).collect(),
                text: self.text.text_so_far(),
                finish: self.text.finish().cloned(),
            },
            measures: self.found.measures.clone(),
            activations: self.activations,
        };
        let kept = Baseline {
            at: self.text.pause(),
            found: self.found,
        };
        (kept, text)
    }
}

fn no_logits() -> Error {
    Error::Numeric {
        what: "a token was chosen without logits".to_owned(),
    }
}
