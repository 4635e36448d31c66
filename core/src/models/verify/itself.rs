//! Relations between a model's own hooks: sums of the residual stream, rows of the pattern, norms, and equality of a cached and a whole pass.

use std::collections::BTreeMap;

use candle_core::{D, Tensor};

use super::{Row, Verification, compare};
use crate::error::Result;
use crate::ids::{HookPoint, Layer, Site, TokenId};
use crate::models::{Capture, Model, NoHooks, NormKind, Quantity, Sampling, Start, token_tensor};
use crate::progress::{Ended, Flow};

/// Most positions of the rows that are tried.
const POSITIONS: usize = 64;

/// Compares `model` with itself on two rows of tokens spread over its vocabulary; `observe` gets each row at once.
pub fn itself(
    model: &Model,
    observe: &mut dyn FnMut(&Row) -> Flow,
) -> Result<Ended<Verification, Verification>> {
    let t = model.config().context.min(POSITIONS);
    let vocab = model.config().vocab as u64;
    let rows: Vec<Vec<TokenId>> = (0..2_u64)
        .map(|row| {
            let id = |i: u64| (i * 7919 + row * 104_729 + 1) % vocab;
            (0..t as u64).map(|i| TokenId(id(i) as u32)).collect()
        })
        .collect();
    let rows: Vec<&[TokenId]> = rows.iter().map(Vec::as_slice).collect();
    let tokens = token_tensor(&rows)?;
    let mut verification = Verification::default();
    let layers = model.config().layers;
    let mut add = |row: Row| {
        let flow = observe(&row);
        verification.rows.push(row);
        flow
    };
    let start = HookPoint::block(0, Site::ResidPre);
    let mut stream = model.capture(&tokens, &[start])?[&start].clone();
    for layer in 0..layers {
        let values = values_of_block(model, &stream, layer)?;
        for row in of_block(model, &values, layer)? {
            if add(row).is_break() {
                return Ok(Ended::Stopped(verification));
            }
        }
        stream = values[&HookPoint::block(layer, Site::ResidPost)].clone();
    }
    let ends = [of_residual(model, &tokens)?, of_cache(model, rows[0])?];
    for row in ends {
        if add(row).is_break() {
            return Ok(Ended::Stopped(verification));
        }
    }
    Ok(Ended::Done(verification))
}

/// Lists all hooks of block `layer`, from what enters it.
fn values_of_block(
    model: &Model,
    stream: &Tensor,
    layer: usize,
) -> Result<BTreeMap<HookPoint, Tensor>> {
    let block = Layer::from(layer);
    let hooks: Vec<HookPoint> = model
        .hooks()
        .filter(|hook| hook.layer() == Some(block) && hook.site() != Some(Site::Result))
        .collect();
    let mut capture = Capture {
        last: hooks.last().copied(),
        ..Capture::to_the_end(&hooks[..])
    };
    model.run(Start::Residual(block, stream, None), &mut capture)?;
    Ok(capture.values)
}

/// Checks the relations within one block.
fn of_block(model: &Model, values: &BTreeMap<HookPoint, Tensor>, layer: usize) -> Result<Vec<Row>> {
    let value = |site| values.get(&HookPoint::block(layer, site));
    let mut rows = Vec::new();
    let mut row = |site, against: &str, want: Tensor| -> Result<()> {
        if let Some(got) = value(site) {
            let name = HookPoint::block(layer, site).to_string();
            rows.push(compare(name, against, got, &want)?);
        }
        Ok(())
    };
    let (Some(pre), Some(attn), Some(mlp)) = (
        value(Site::ResidPre),
        value(Site::AttnOut),
        value(Site::MlpOut),
    ) else {
        return Ok(rows);
    };
    let mid = (pre + attn)?;
    for (read, scale, normalized) in [
        (pre, Site::Ln1Scale, Site::Ln1Normalized),
        (
            value(Site::ResidMid).unwrap_or(pre),
            Site::Ln2Scale,
            Site::Ln2Normalized,
        ),
    ] {
        if let (Some(scale), Some(_)) = (value(scale), value(normalized)) {
            let centred = match model.config().norm {
                NormKind::LayerNorm => read.broadcast_sub(&read.mean_keepdim(D::Minus1)?)?,
                NormKind::RmsNorm => read.clone(),
            };
            row(
                normalized,
                "what it reads over its scale",
                centred.broadcast_div(scale)?,
            )?;
        }
    }
    if let Some(scores) = value(Site::AttnScores) {
        let softmax = candle_nn::ops::softmax(scores, D::Minus1)?;
        row(Site::Pattern, "softmax of the scores", softmax)?;
    }
    if let (Some(pattern), Some(v)) = (value(Site::Pattern), value(Site::V)) {
        let heads = pattern.dim(1)? / v.dim(2)?;
        let v = v.transpose(1, 2)?.contiguous()?; // [b, h_kv, t, e]
        let (b, kv, t, e) = v.dims4()?;
        let v = v.unsqueeze(2)?.expand((b, kv, heads, t, e))?;
        let v = v.contiguous()?.reshape((b, kv * heads, t, e))?;
        let z = pattern.matmul(&v)?.transpose(1, 2)?.contiguous()?;
        row(Site::Z, "values weighted by the pattern", z)?;
    }
    row(Site::ResidMid, "stream plus attention", mid.clone())?;
    row(
        Site::ResidPost,
        "stream plus attention plus MLP",
        (mid + mlp)?,
    )?;
    Ok(rows)
}

/// Checks that a pass from the middle of the residual stream equals the rest of the whole pass.
fn of_residual(model: &Model, tokens: &Tensor) -> Result<Row> {
    let layer = model.config().layers / 2;
    let hook = HookPoint::block(layer, Site::ResidPre);
    let values: BTreeMap<_, _> =
        model.quantities(tokens, &[Quantity::Hook(hook), Quantity::Logits])?;
    let start = Start::Residual(Layer::from(layer), &values[&Quantity::Hook(hook)], None);
    let rest = model.run(start, &mut NoHooks)?;
    let rest = rest.ok_or_else(|| crate::models::unreachable_end("logits"))?;
    let name = Quantity::Logits.to_string();
    let against = format!("the pass from {hook}");
    compare(name, &against, &values[&Quantity::Logits], &rest)
}

/// Checks that the last logits of growing texts are equal with a cache and without.
fn of_cache(model: &Model, row: &[TokenId]) -> Result<Row> {
    let sampling = Sampling {
        temperature: 0.0,
        tokens: 1,
        ..Sampling::default()
    };
    let first = row.len().saturating_sub(4).max(1);
    let mut generator = model.generator(&row[..first], &sampling)?;
    let (mut cached, mut whole) = (Vec::new(), Vec::new());
    for end in first..=row.len() {
        if end > first {
            generator.read(row[end - 1]);
        }
        cached.push(generator.logits(&mut NoHooks)?); // [v]
        let logits = model.logits(&token_tensor(&[&row[..end]])?)?;
        whole.push(logits.narrow(1, end - 1, 1)?.flatten_all()?); // [v]
    }
    let (cached, whole) = (Tensor::stack(&cached, 0)?, Tensor::stack(&whole, 0)?);
    compare(
        Quantity::Logits.to_string(),
        "the cached pass",
        &whole,
        &cached,
    )
}
