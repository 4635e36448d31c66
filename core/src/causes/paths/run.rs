//! The two passes of path patching, with several senders of a layer side by side in the rows.

use candle_core::Tensor;
use rayon::prelude::*;

use super::{Entry, HeadAt, Mlps, Paths, Receiver, Request};
use crate::causes::pair::{TextPair, check_texts};
use crate::causes::rows::{Pass, Put, Text, at_once, repeated};
use crate::error::{Error, Result};
use crate::eval;
use crate::ids::{HookPoint, Site};
use crate::models::{Config, Model};
use crate::progress::{Ended, Flow, Progress};

/// Sends the output of each sender in the first text along each path in turn and reads the target on the second. `observe` gets the senders done and may stop.
/// Texts of unequal length, heads that the model lacks, and receivers that no sender reaches are errors.
pub fn run(
    model: &Model,
    request: &Request<'_>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Paths>> {
    let texts = (request.clean, request.corrupt);
    check_texts(model, texts, Some(request.target))?;
    let config = model.config();
    let senders = senders(config, request)?;
    let mut done = 0;
    let mut on = |more: usize| {
        done += more;
        observe(Progress::new(done, senders.len(), "senders")).is_continue()
    };
    if !on(0) {
        return Ok(Ended::STOPPED);
    }
    let pair = TextPair::new(model, texts, request.target)?;
    let t = request.clean.len();
    let text = |tokens| Text { model, tokens };
    let reading = Reading {
        request,
        config,
        text: text(request.corrupt),
        clean: Runs::new(&text(request.clean))?,
        corrupt: Runs::new(&text(request.corrupt))?,
    };
    let chunks: Vec<&[HeadAt]> = senders
        .chunk_by(|a, b| a.layer == b.layer)
        .flat_map(|layer| layer.chunks(at_once(config, t)))
        .collect();
    let mut values = Vec::with_capacity(senders.len());
    for wave in chunks.chunks(eval::wave()) {
        let parts: Vec<Vec<Vec<Option<f64>>>> = wave
            .par_iter()
            .map(|chunk| reading.values(chunk))
            .collect::<Result<_>>()?;
        values.extend(parts.into_iter().flatten());
        if !on(wave.iter().map(|chunk| chunk.len()).sum()) {
            return Ok(Ended::STOPPED);
        }
    }
    Ok(Ended::Done(Paths {
        pair,
        mlps: request.mlps,
        senders,
        receivers: request.receivers.clone(),
        values,
    }))
}

/// Returns the senders in the order of layers after checking them and the receivers against the model.
fn senders(config: &Config, request: &Request<'_>) -> Result<Vec<HeadAt>> {
    let heads = request.receivers.iter().filter_map(|to| match to {
        Receiver::Head(at, _) => Some(at),
        Receiver::Logits => None,
    });
    for at in heads.chain(&request.senders) {
        if at.layer.index() >= config.layers || at.head.index() >= config.heads {
            let what = format!(
                "there is no head {at}, the model has {} layers of {} heads",
                config.layers, config.heads
            );
            return Err(Error::setting("head", what));
        }
    }
    let reach = request.receivers.iter().map(|to| to.senders(config.layers));
    let Some(reach) = reach.max() else {
        return Err(Error::setting(
            "to",
            "there is no end of a path, name one such as logits or L5.H1.q",
        ));
    };
    let mut senders = if request.senders.is_empty() {
        (0..reach)
            .flat_map(|layer| (0..config.heads).map(move |head| HeadAt::new(layer, head)))
            .collect()
    } else {
        request.senders.clone()
    };
    senders.sort_unstable();
    senders.dedup();
    let reaches = |to: &Receiver| {
        senders
            .iter()
            .any(|from| from.layer.index() < to.senders(config.layers))
    };
    if let Some(to) = request.receivers.iter().find(|to| !reaches(to)) {
        let what = format!(
            "no sender lies in a layer before {to}: choose a later receiver or an earlier sender"
        );
        return Err(Error::setting("to", what));
    }
    Ok(senders)
}

/// Values of one text that the passes take from, by layer.
struct Runs {
    /// Streams that enter the blocks, `[1, t, d]`.
    streams: Vec<Tensor>,
    /// z, `[t, h·e]`.
    z: Vec<Vec<f32>>,
    /// Sum that the MLP adds, `[t, d]`.
    mlps: Vec<Vec<f32>>,
}

impl Runs {
    fn new(text: &Text<'_>) -> Result<Self> {
        let layers = text.model.config().layers;
        let mut runs = Self {
            streams: vec![text.entering()?],
            z: Vec::with_capacity(layers),
            mlps: Vec::with_capacity(layers),
        };
        for layer in 0..layers {
            let hooks =
                [Site::Z, Site::MlpOut, Site::ResidPost].map(|site| HookPoint::block(layer, site));
            let mut pass = Pass::keeping(&hooks);
            text.run(layer, &runs.streams[layer], &mut pass)?;
            runs.z.push(pass.numbers(hooks[0])?);
            runs.mlps.push(pass.numbers(hooks[1])?);
            runs.streams.push(pass.take(hooks[2])?);
        }
        Ok(runs)
    }
}

/// Inputs of all passes.
struct Reading<'a> {
    request: &'a Request<'a>,
    config: &'a Config,
    text: Text<'a>,
    clean: Runs,
    corrupt: Runs,
}

impl Reading<'_> {
    /// Computes the target for some senders of one layer, a row each, by receiver.
    fn values(&self, senders: &[HeadAt]) -> Result<Vec<Vec<Option<f64>>>> {
        let layers = self.config.layers;
        let layer = senders[0].layer.index();
        let reached = |to: &&Receiver| layer < to.senders(layers);
        let last = self.text.last();
        let hook = |to: &Receiver| to.hook().unwrap_or(last);
        let mut wanted: Vec<HookPoint> = self
            .request
            .receivers
            .iter()
            .filter(reached)
            .map(hook)
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let rows = repeated(&self.corrupt.streams[layer], senders.len())?;
        let mut sent = self.sent(senders, &wanted);
        self.text.run(layer, &rows, &mut sent)?;
        let kept: Vec<(HookPoint, Tensor)> = wanted
            .into_iter()
            .map(|hook| Ok((hook, sent.take(hook)?)))
            .collect::<Result<_>>()?;
        let mut values = vec![vec![None; self.request.receivers.len()]; senders.len()];
        for (column, to) in self.request.receivers.iter().enumerate() {
            let Some((_, recorded)) = kept.iter().find(|(at, _)| reached(&to) && *at == hook(to))
            else {
                continue;
            };
            let of_receiver = match to {
                Receiver::Logits => self.text.read(recorded, self.request.target)?,
                Receiver::Head(at, entry) => self.received((*at, *entry), recorded)?,
            };
            for (row, value) in values.iter_mut().zip(of_receiver) {
                row[column] = Some(value);
            }
        }
        Ok(values)
    }

    /// Prepares the first pass: each row's sender from the first text, all other heads as in the second, up to the last of `wanted`.
    fn sent(&self, senders: &[HeadAt], wanted: &[HookPoint]) -> Pass<'_> {
        let (first, e) = (senders[0].layer.index(), self.config.d_head);
        let t = self.text.tokens.len();
        let mut pass = Pass::keeping(wanted);
        for (row, from) in senders.iter().enumerate() {
            let own = from.head.index() * e;
            let put = Put {
                row,
                source: &self.clean.z[first],
                positions: 0..t,
                columns: own..own + e,
            };
            pass.put(HookPoint::block(first, Site::Z), put);
            for layer in first..self.config.layers {
                let frozen_mlp = (self.request.mlps == Mlps::Frozen)
                    .then_some((Site::MlpOut, &self.corrupt.mlps[layer]));
                let frozen_z = (layer > first).then_some((Site::Z, &self.corrupt.z[layer]));
                for (site, source) in frozen_z.into_iter().chain(frozen_mlp) {
                    let put = Put {
                        row,
                        source,
                        positions: 0..t,
                        columns: 0..source.len() / t,
                    };
                    pass.put(HookPoint::block(layer, site), put);
                }
            }
        }
        pass
    }

    /// Runs the second pass: the recorded inputs `[b, t, h, e]` into the receiver, and from there to the target.
    fn received(&self, (to, entry): (HeadAt, Entry), recorded: &Tensor) -> Result<Vec<f64>> {
        let (layer, e, t) = (to.layer.index(), self.config.d_head, self.text.tokens.len());
        let (rows, _, heads, _) = recorded.dims4()?;
        let numbers = recorded.flatten_all()?.to_vec1::<f32>()?;
        // Query heads share keys and values in groups.
        let entered = to.head.index() * heads / self.config.heads * e;
        let (own, all) = (to.head.index() * e, self.config.heads * e);
        let mut pass = Pass::default();
        for (row, source) in numbers.chunks_exact(t * heads * e).enumerate() {
            let put = |source, columns| Put {
                row,
                source,
                positions: 0..t,
                columns,
            };
            pass.put(
                HookPoint::Block(to.layer, entry.site()),
                put(source, entered..entered + e),
            );
            for columns in [0..own, own + e..all] {
                let put = put(self.corrupt.z[layer].as_slice(), columns);
                pass.put(HookPoint::block(layer, Site::Z), put);
            }
        }
        let streams = repeated(&self.corrupt.streams[layer], rows)?;
        let target = self.request.target;
        self.text.targets((layer, &streams), pass, target)
    }
}
