//! Runs of one text with another value at a hook from some position on. They share what a run without changes computed: earlier blocks, and the keys and values of
//! earlier positions.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::decoder::{Logits, Memory};
use super::{Capture, Hooks, Model, NoHooks, Start, token_tensor, unreachable_end};
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Layer, Site, TokenId};

/// Run of one text without changes, from which changed runs start.
#[derive(Debug)]
pub struct CleanRun<'m> {
    model: &'m Model,
    tokens: Vec<TokenId>,
    /// Token ids `[1, t]`.
    input: Tensor,
    /// Keys and values of every block and position; none where documents in the text are kept apart, whose positions are not those of the row.
    memory: Option<Memory>,
    values: BTreeMap<HookPoint, Tensor>,
    /// Logits `[1, t, v]`.
    logits: Tensor,
}

/// Place at which a changed run differs from the clean one.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Hook whose value is replaced.
    pub hook: HookPoint,
    /// First position of the replaced values, which reach to the end of the text or to a position that [`CleanRun::end`] returns. Must be one that
    /// [`CleanRun::start`] returns.
    pub from: usize,
}

impl Model {
    /// Runs `tokens` without changes and keeps what runs with other values at `hooks` need.
    pub fn clean_run(&self, tokens: &[TokenId], hooks: &[HookPoint]) -> Result<CleanRun<'_>> {
        let mut wanted = Vec::new();
        for hook in hooks {
            self.width(*hook)?;
            wanted.push(*hook);
            match Resume::new(*hook, self.config.layers) {
                Resume::Before(before, _) => wanted.push(before),
                Resume::Embedding => wanted.push(HookPoint::PosEmbed),
                Resume::At(_) => {}
            }
        }
        let input = token_tensor(&[tokens])?;
        let mut capture = Capture::to_the_end(wanted);
        let (memory, logits) = if self.separate.is_some() {
            (None, self.run(Start::Tokens(&input), &mut capture)?)
        } else {
            let mut memory = Memory::default();
            let logits = self.decoder.forward(
                &self.config,
                (Start::Tokens(&input), None),
                Logits::All,
                &mut capture,
                Some(&mut memory),
            )?;
            (Some(memory), logits)
        };
        Ok(CleanRun {
            model: self,
            tokens: tokens.to_vec(),
            input,
            memory,
            values: capture.values,
            logits: logits.ok_or_else(|| unreachable_end("logits"))?,
        })
    }
}

impl CleanRun<'_> {
    /// Returns the tokens.
    pub fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// Returns the model.
    pub fn model(&self) -> &Model {
        self.model
    }

    /// Returns the clean value of a hook that was asked for, `[1, t, ..]`.
    pub fn value(&self, hook: HookPoint) -> Result<&Tensor> {
        let missing = || Error::hook(hook, format!("{} did not keep it", self.model.name()));
        self.values.get(&hook).ok_or_else(missing)
    }

    /// Returns the clean logits, `[1, t, v]`.
    pub fn logits(&self) -> &Tensor {
        &self.logits
    }

    /// Returns the first position that a run with changes at `position` and later computes: that one, or 0 where nothing can be shared.
    pub fn start(&self, position: usize) -> usize {
        if self.memory.is_some() { position } else { 0 }
    }

    /// Returns the end of the positions that a run for the logits at `position` computes: the next one, or the end of the text where an earlier end would turn
    /// queries and keys by other angles.
    pub fn end(&self, position: usize) -> usize {
        let all = self.tokens.len();
        if self.model.decoder.turns_anew(position + 1..all) {
            all
        } else {
            position + 1
        }
    }

    /// Computes logits with `value [b, n, ..]` at a place, for each of `b` rows, whose `n` positions are all from `from` on or end where [`CleanRun::end`] says; of
    /// the last one alone (`[b, 1, v]`) or of all (`[b, n, v]`). Differentiable in `value`.
    pub fn replaced(&self, place: Place, value: &Tensor, last_alone: bool) -> Result<Tensor> {
        self.replaced_with(place, value, last_alone, &mut NoHooks)
    }

    /// Computes logits as [`CleanRun::replaced`] does; `also` sees the values of later hooks, `[b, n, ..]`, and may replace them.
    pub fn replaced_with(
        &self,
        place: Place,
        value: &Tensor,
        last_alone: bool,
        also: &mut dyn Hooks,
    ) -> Result<Tensor> {
        let Place { hook, from } = place;
        let (b, n) = (value.dim(0)?, value.dim(1)?);
        let end = from + n;
        let ends = n > 0 && end <= self.tokens.len() && self.end(end - 1) == end;
        if !ends || self.start(from) != from {
            let what = format!("{n} positions from {from} are not those of a changed run");
            return Err(Error::hook(hook, what));
        }
        let later = |hook| -> Result<Tensor> {
            let kept = self.value(hook)?;
            let later = kept.narrow(1, from, n)?;
            let dims: Vec<usize> = [b]
                .into_iter()
                .chain(later.dims()[1..].iter().copied())
                .collect();
            Ok(later.broadcast_as(dims)?.contiguous()?)
        };
        let mut replace = Replace { hook, value, also };
        let (layer, x, hooks): (_, _, &mut dyn Hooks) =
            match Resume::new(hook, self.model.config.layers) {
                Resume::At(layer) => (layer, value.clone(), &mut *replace.also),
                Resume::Before(before, layer) => (layer, later(before)?, &mut replace),
                Resume::Embedding => {
                    let x = match self.values.get(&HookPoint::PosEmbed) {
                        Some(_) => (value + later(HookPoint::PosEmbed)?)?,
                        None => value.clone(),
                    };
                    (Layer(0), x, &mut *replace.also)
                }
            };
        let logits = if let Some(memory) = &self.memory {
            let mut memory = memory.until(from, layer)?;
            let start = (Start::Residual(layer, &x, None), None);
            let which = if last_alone {
                Logits::Last
            } else {
                Logits::All
            };
            let (decoder, config) = (&self.model.decoder, &self.model.config);
            decoder.forward(config, start, which, hooks, Some(&mut memory))?
        } else {
            let tokens = self.input.narrow(1, 0, n)?;
            let tokens = tokens.broadcast_as((b, n))?.contiguous()?;
            let start = Start::Residual(layer, &x, Some(&tokens));
            match self.model.run(start, hooks)? {
                Some(logits) if last_alone => Some(logits.narrow(1, n - 1, 1)?),
                logits => logits,
            }
        };
        logits.ok_or_else(|| unreachable_end("logits"))
    }
}

/// Way into a pass with another value at a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resume {
    /// Starts at this block, since the value is the residual stream that it reads.
    At(Layer),
    /// Starts at this block from the clean residual stream at the hook, and replaces the value on the way.
    Before(HookPoint, Layer),
    /// Starts with the embedding, of which the value is a part.
    Embedding,
}

impl Resume {
    /// Returns the latest way in for a value at `hook` of a model of this many blocks.
    pub(crate) fn new(hook: HookPoint, layers: usize) -> Self {
        match hook {
            HookPoint::Embed | HookPoint::PosEmbed => Self::Embedding,
            HookPoint::Block(layer, Site::ResidPre) => Self::At(layer),
            HookPoint::Block(Layer(layer), Site::ResidPost) => Self::At(Layer(layer + 1)),
            HookPoint::Block(layer, _) => {
                Self::Before(HookPoint::Block(layer, Site::ResidPre), layer)
            }
            HookPoint::FinalScale | HookPoint::FinalNormalized => {
                let last = HookPoint::block(layers - 1, Site::ResidPost);
                Self::Before(last, Layer::from(layers))
            }
        }
    }
}

/// Replaces the value of a hook, and leaves others to `also`.
struct Replace<'a> {
    hook: HookPoint,
    value: &'a Tensor,
    also: &'a mut dyn Hooks,
}

impl Hooks for Replace<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        hook == self.hook || self.also.wants(hook)
    }

    fn visit(&mut self, hook: HookPoint, first: usize, value: &Tensor) -> Result<Option<Tensor>> {
        if hook == self.hook {
            return Ok(Some(self.value.reshape(value.dims())?));
        }
        self.also.visit(hook, first, value)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use candle_core::Device;

    use super::*;

    fn numbers(x: &Tensor) -> Vec<f32> {
        x.flatten_all().unwrap().to_vec1().unwrap()
    }

    fn tokens() -> Vec<TokenId> {
        [5, 1, 90, 300, 7, 0, 44, 45].map(TokenId).to_vec()
    }

    fn off(got: &[f32], want: &[f32]) -> f32 {
        assert_eq!(got.len(), want.len());
        let pairs = got.iter().zip(want);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    /// Holds a changed value at position 3, with an unchanged row beside it, against a whole pass. Sums of f32 run in another order, hence 2e-5.
    fn check(clean: &CleanRun<'_>, hook: HookPoint, name: &str) {
        let (model, t) = (clean.model(), clean.tokens().len());
        let input = token_tensor(&[clean.tokens()]).unwrap();
        let whole = clean.value(hook).unwrap().clone();
        let mut moved = numbers(&whole);
        let wide = moved.len() / t;
        // Not the same for all numbers: LayerNorm would take that away.
        let changed = moved[3 * wide..4 * wide].iter_mut();
        changed.step_by(2).for_each(|x| *x += 0.75);
        let moved = Tensor::from_vec(moved, whole.dims(), &Device::Cpu).unwrap();
        let mut nothing = NoHooks;
        let mut replace = Replace {
            hook,
            value: &moved,
            also: &mut nothing,
        };
        let want = model.run(Start::Tokens(&input), &mut replace).unwrap();
        let want = numbers(&want.unwrap().narrow(1, 3, t - 3).unwrap());
        let rows = Tensor::cat(&[&moved, &whole], 0).unwrap();
        let rows = rows.narrow(1, 3, t - 3).unwrap().contiguous().unwrap();
        let place = Place {
            hook,
            from: clean.start(3),
        };
        let got = numbers(&clean.replaced(place, &rows, false).unwrap());
        let (changed, same) = got.split_at(got.len() / 2);
        assert!(off(changed, &want) < 2e-5, "{name} {hook}");
        let untouched = numbers(&clean.logits().narrow(1, 3, t - 3).unwrap());
        assert!(off(same, &untouched) < 2e-5, "{name} {hook}");
        assert!(off(changed, &untouched) > 1e-3, "{name} {hook}: it is seen");
        let last = numbers(&clean.replaced(place, &rows, true).unwrap());
        let v = model.config().vocab;
        assert!(off(&last[..v], &changed[changed.len() - v..]) < 2e-5);
        // Later positions need not be computed.
        assert_eq!(clean.end(4), 5);
        let n = 5 - place.from;
        let some = rows.narrow(1, 0, n).unwrap().contiguous().unwrap();
        let some = numbers(&clean.replaced(place, &some, false).unwrap());
        assert!(
            off(&some[..n * v], &changed[..n * v]) < 2e-5,
            "{name} {hook}"
        );
    }

    #[test]
    fn changed_runs_are_whole_passes_with_another_value() {
        let golden = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden"));
        let families = [
            "gpt2", "gpt-neo", "gpt-neox", "gemma2", "gemma3", "qwen3", "phi3", "mistral",
        ];
        for name in families {
            let folder = golden.join(format!("tiny-{name}"));
            let model = Model::open(&folder).unwrap().0;
            let mut hooks = vec![HookPoint::Embed, HookPoint::FinalNormalized];
            for layer in [0, model.config().layers - 1] {
                let sites = [
                    Site::ResidPre,
                    Site::Z,
                    Site::AttnOut,
                    Site::MlpOut,
                    Site::ResidPost,
                ];
                hooks.extend(sites.map(|site| HookPoint::block(layer, site)));
            }
            let clean = model.clean_run(&tokens(), &hooks).unwrap();
            let logits = model.logits(&token_tensor(&[&tokens()]).unwrap());
            assert_eq!(numbers(clean.logits()), numbers(&logits.unwrap()));
            for hook in hooks {
                check(&clean, hook, name);
            }
            let wrong = Place {
                hook: HookPoint::Embed,
                from: 4,
            };
            let value = clean.value(HookPoint::Embed).unwrap();
            let value = value.narrow(1, 3, 5).unwrap();
            assert!(clean.replaced(wrong, &value, true).is_err());
        }
    }

    #[test]
    fn documents_kept_apart_are_read_from_their_row_s_start() {
        let golden = Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/golden/tiny-gpt2"
        ));
        let model = Model::open(golden).unwrap().0.apart_at(TokenId(0));
        let tokens = tokens();
        let hook = HookPoint::block(1, Site::AttnOut);
        let clean = model.clean_run(&tokens, &[hook]).unwrap();
        assert_eq!(clean.start(6), 0);
        let place = Place { hook, from: 0 };
        let logits = clean
            .replaced(place, clean.value(hook).unwrap(), false)
            .unwrap();
        let off = numbers(&logits).into_iter().zip(numbers(clean.logits()));
        assert!(off.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) < 2e-5);
    }
}
