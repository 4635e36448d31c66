//! The passes of activation patching, layer after layer.

use candle_core::Tensor;
use rayon::prelude::*;

use super::{PatchSite, Patching, Request};
use crate::causes::pair::{TextPair, check_texts};
use crate::causes::rows::{Pass, Put, Text, at_once, repeated};
use crate::error::Result;
use crate::eval;
use crate::ids::{HookPoint, Site};
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};

/// Takes each place of the request's site from the first text in turn and reads the target on the second. `observe` gets the places done and may stop.
/// Texts of unequal length, and texts without the target, are errors.
pub fn run(
    model: &Model,
    request: &Request<'_>,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Patching>> {
    let texts = (request.clean, request.corrupt);
    check_texts(model, texts, Some(request.target))?;
    let config = model.config();
    let [layers, t] = [config.layers, request.clean.len()];
    let many = request.site.places(model, t);
    let mut done = 0;
    let mut on = |more: usize| {
        done += more;
        observe(Progress::new(done, layers * many, "places")).is_continue()
    };
    if !on(0) {
        return Ok(Ended::STOPPED);
    }
    let pair = TextPair::new(model, texts, request.target)?;
    let first = pair.first_difference().unwrap_or(t);
    let reading = Reading {
        request,
        width: config.d_head,
        clean: Text {
            model,
            tokens: request.clean,
        },
        corrupt: Text {
            model,
            tokens: request.corrupt,
        },
    };
    let places: Vec<usize> = if request.site.is_by_head() {
        (0..many).collect()
    } else {
        (first..many).collect()
    };
    let mut streams = [reading.clean.entering()?, reading.corrupt.entering()?];
    let mut values = Vec::with_capacity(layers);
    for layer in 0..layers {
        let source = reading.source(layer, &mut streams[0])?;
        let mut row = vec![pair.corrupt_value; many - places.len()];
        let chunks: Vec<&[usize]> = places.chunks(at_once(config, t)).collect();
        for wave in chunks.chunks(eval::wave()) {
            let parts: Vec<Vec<f64>> = wave
                .par_iter()
                .map(|chunk| reading.values((layer, &streams[1]), &source, chunk))
                .collect::<Result<_>>()?;
            row.extend(parts.into_iter().flatten());
            if !on(wave.iter().map(|chunk| chunk.len()).sum()) {
                return Ok(Ended::STOPPED);
            }
        }
        values.push(row);
        if layer + 1 < layers {
            streams[1] = reading.corrupt.leaving(layer, &streams[1])?;
        }
        if !on(many - places.len()) {
            return Ok(Ended::STOPPED);
        }
    }
    Ok(Ended::Done(Patching {
        pair,
        site: request.site,
        values,
    }))
}

/// Inputs of all passes.
struct Reading<'a> {
    request: &'a Request<'a>,
    /// Width of one head.
    width: usize,
    clean: Text<'a>,
    corrupt: Text<'a>,
}

impl Reading<'_> {
    /// Returns the numbers of the site in the first text, `[t, w]`, and moves its stream behind `layer`.
    fn source(&self, layer: usize, stream: &mut Tensor) -> Result<Vec<f32>> {
        let behind = HookPoint::block(layer, Site::ResidPost);
        let hook = self.request.site.hook(layer);
        let mut pass = Pass::keeping(&[hook, behind]);
        self.clean.run(layer, stream, &mut pass)?;
        *stream = pass.take(behind)?;
        pass.numbers(hook)
    }

    /// Computes the target of each place of `layer`, one row each, from the second text's stream that enters it.
    fn values(
        &self,
        (layer, stream): (usize, &Tensor),
        source: &[f32],
        places: &[usize],
    ) -> Result<Vec<f64>> {
        let t = self.request.corrupt.len();
        let width = source.len() / t;
        let by_head = self.request.site.is_by_head();
        let mut pass = Pass::default();
        for (row, place) in places.iter().copied().enumerate() {
            let (positions, columns) = if by_head {
                (0..t, place * self.width..(place + 1) * self.width)
            } else {
                (place..place + 1, 0..width)
            };
            let put = Put {
                row,
                source,
                positions,
                columns,
            };
            pass.put(self.request.site.hook(layer), put);
        }
        let rows = repeated(stream, places.len())?;
        self.corrupt
            .targets((layer, &rows), pass, self.request.target)
    }
}

impl PatchSite {
    /// Number of places in a layer of `model` with a text of `t` tokens.
    pub fn places(self, model: &Model, t: usize) -> usize {
        if self.is_by_head() {
            model.config().heads
        } else {
            t
        }
    }
}
