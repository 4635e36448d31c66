//! A cross-layer transcoder's figures against plain runs: each layer's output replaced after a run of its own that shows what the layer reads.

use candle_core::{Device, Tensor};

use super::tests::{mean_by_definition, model, rows, sae, uniform};
use super::{AcrossFigures, passes, run_across};
use crate::Flow;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::{HookPoint, Site};
use crate::models::{Hooks, Model, Start, token_tensor};
use crate::progress::Progress;
use crate::sae::CrossLayer;

/// One that reads every layer's residual stream and writes every MLP's output from there on, `scale` times random directions.
fn clt(model: &Model, scale: f32) -> CrossLayer {
    let layers = model.config().layers;
    let d = model.config().d_model;
    let layer = |s: usize| {
        let hook = |site: &str| format!("blocks.{s}.{site}").parse().unwrap();
        let blocks = layers - s;
        let seed = 10 * s as u64;
        let mut w_dec = uniform(3 * d, blocks * d, seed + 1);
        w_dec.values_mut().iter_mut().for_each(|w| *w *= scale);
        let mut one = sae(
            uniform(3 * d, d, seed + 2),
            w_dec,
            4,
            hook("hook_resid_mid"),
        );
        one.role = crate::sae::Role::CrossLayer {
            transcoder: crate::sae::Transcoder {
                hook_out: Some(hook("hook_mlp_out")),
                w_skip: None,
            },
            later: blocks - 1,
        };
        one
    };
    CrossLayer::new((0..layers).map(layer).collect()).unwrap()
}

/// Puts values in place of several hooks'.
struct PutAll<'a>(&'a [(HookPoint, Tensor)]);

impl Hooks for PutAll<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        self.0.iter().any(|(at, _)| *at == hook)
    }

    fn visit(&mut self, hook: HookPoint, _: usize, _: &Tensor) -> Result<Option<Tensor>> {
        let put = self.0.iter().find(|(at, _)| *at == hook);
        Ok(put.map(|(_, value)| value.clone()))
    }
}

/// Sees what is there while others are replaced.
struct Seen<'a> {
    put: PutAll<'a>,
    at: HookPoint,
    value: Option<Tensor>,
}

impl Hooks for Seen<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        hook == self.at || self.put.wants(hook)
    }

    fn visit(&mut self, hook: HookPoint, first: usize, value: &Tensor) -> Result<Option<Tensor>> {
        if hook == self.at {
            self.value = Some(value.clone());
        }
        self.put.visit(hook, first, value)
    }
}

/// Values put in place of hooks'.
type Values = Vec<(HookPoint, Tensor)>;

fn seen(model: &Model, tokens: &Tensor, put: &Values, at: HookPoint) -> Matrix {
    let mut seen = Seen {
        put: PutAll(put),
        at,
        value: None,
    };
    model.run(Start::Tokens(tokens), &mut seen).unwrap();
    Matrix::from_tensor(&seen.value.unwrap(), model.width(at).unwrap()).unwrap()
}

/// Puts `value [t, d]` at `hook`, but for the first position, which keeps what this run has there.
fn put_there(model: &Model, tokens: &Tensor, put: &mut Values, hook: HookPoint, value: &Matrix) {
    let mut kept = value.clone();
    let there = seen(model, tokens, put, hook);
    kept.row_mut(0).copy_from_slice(there.row(0));
    let shape = (1, kept.rows(), kept.columns());
    put.push((
        hook,
        Tensor::from_slice(kept.values(), shape, &Device::Cpu).unwrap(),
    ));
}

/// Adds blocks of `all [t, k · d]` to the matrices `[t, d]` of the layers from `s` on.
fn add_blocks(sums: &mut [Matrix], all: &Matrix) {
    let d = sums[0].columns();
    for (to, sum) in sums.iter_mut().enumerate() {
        for p in 0..sum.rows() {
            let block = &all.row(p)[to * d..(to + 1) * d];
            let pairs = sum.row_mut(p).iter_mut().zip(block);
            pairs.for_each(|(sum, part)| *sum += part);
        }
    }
}

#[derive(Default)]
struct Plain {
    ce: f64,
    zeros: f64,
    clean: f64,
    /// Error and variance of each layer.
    fit: Vec<(f64, f64)>,
    active: Vec<usize>,
}

fn writes(layer: usize) -> HookPoint {
    HookPoint::block(layer, Site::MlpOut)
}

/// Adds one row of tokens.
fn add_row(plain: &mut Plain, model: &Model, clt: &CrossLayer, rows: &Rows, i: usize) {
    let (d, t) = (model.config().d_model, rows.context());
    let tokens = token_tensor(&[rows.row(i)]).unwrap();
    let (mut put, mut nothing) = (Values::new(), Values::new());
    let mut replaced = vec![Matrix::zeros(t, d); clt.layers().len()];
    let mut clean = replaced.clone();
    for (s, one) in clt.layers().iter().enumerate() {
        let reads = one.reads().unwrap();
        for (put, sums, counts) in [
            (&put, &mut replaced, None),
            (&Values::new(), &mut clean, Some(&mut plain.active[s])),
        ] {
            let x = seen(model, &tokens, put, reads);
            let latents = one.encode(&x).unwrap();
            add_blocks(&mut sums[s..], &one.decode(&latents, &x).unwrap());
            if let Some(active) = counts {
                *active += (1..t).map(|p| latents.row(p).count()).sum::<usize>();
            }
        }
        put_there(model, &tokens, &mut put, writes(s), &replaced[s]);
        put_there(
            model,
            &tokens,
            &mut nothing,
            writes(s),
            &Matrix::zeros(t, d),
        );
    }
    let charge = |put: &Values| -> f64 {
        let run = model.run(Start::Tokens(&tokens), &mut PutAll(put));
        passes::charge(&run.unwrap().unwrap(), &[rows.row(i)], &[rows.charges(i)]).unwrap()
    };
    plain.ce += charge(&put);
    plain.zeros += charge(&nothing);
    plain.clean += charge(&Values::new());
    for (s, recon) in clean.iter().enumerate() {
        let out = seen(model, &tokens, &Values::new(), writes(s));
        for p in 1..t {
            let pairs = out.row(p).iter().zip(recon.row(p));
            let error: f64 = pairs
                .map(|(x, y)| (f64::from(*x) - f64::from(*y)).powi(2))
                .sum();
            plain.fit[s].0 += error;
        }
    }
}

fn by_plain_runs(model: &Model, clt: &CrossLayer, rows: &Rows) -> Plain {
    let layers = clt.layers().len();
    let mut plain = Plain {
        fit: vec![(0.0, 0.0); layers],
        active: vec![0; layers],
        ..Plain::default()
    };
    for i in 0..rows.len() {
        add_row(&mut plain, model, clt, rows, i);
    }
    for s in 0..layers {
        let outputs = |i: usize| {
            let tokens = token_tensor(&[rows.row(i)]).unwrap();
            seen(model, &tokens, &Values::new(), writes(s))
        };
        let outputs: Vec<Matrix> = (0..rows.len()).map(outputs).collect();
        let mean = mean_by_definition(&outputs, rows.context());
        let squares = |row: &[f32]| -> f64 {
            let pairs = row.iter().zip(&mean);
            pairs.map(|(x, mean)| (f64::from(*x) - mean).powi(2)).sum()
        };
        let of_row = |out: &Matrix| {
            (1..rows.context())
                .map(|p| squares(out.row(p)))
                .sum::<f64>()
        };
        plain.fit[s].1 = outputs.iter().map(of_row).sum();
    }
    plain
}

fn measured(model: &Model, clt: &CrossLayer, rows: &Rows) -> Result<AcrossFigures> {
    let mut on = |_: Progress| Flow::Continue(());
    Ok(run_across(model, clt, rows, &mut on)?.done().unwrap())
}

#[test]
fn figures_are_those_of_plain_runs() {
    for name in ["tiny-gpt2", "tiny-llama"] {
        let model = model(name);
        let rows = rows(&model, 5, 7);
        let clt = clt(&model, 1.0);
        let got = measured(&model, &clt, &rows).unwrap();
        let want = by_plain_runs(&model, &clt, &rows);
        let near = |got: f64, want: f64| {
            assert!(
                (got - want).abs() < 2e-4 * want.abs(),
                "{name}: {got} {want}"
            );
        };
        let charged = (rows.len() * (rows.context() - 2)) as f64;
        near(got.ce_replaced, want.ce / charged);
        near(got.ce_zero, want.zeros / charged);
        near(got.ce_clean, want.clean / charged);
        for (layer, ((error, variance), active)) in
            got.layers.iter().zip(want.fit.iter().zip(&want.active))
        {
            near(layer.fvu, error / variance);
            near(layer.l0, *active as f64 / got.tokens as f64);
        }
        near(
            got.l0,
            want.active.iter().sum::<usize>() as f64 / got.tokens as f64,
        );
        assert!((got.ce_replaced - got.ce_zero).abs() > 1e-3, "{got:?}");
    }
}

#[test]
fn one_that_writes_nothing_is_zeros_in_place_of_every_output() {
    let model = model("tiny-gpt2");
    let rows = rows(&model, 5, 7);
    let silent = measured(&model, &clt(&model, 0.0), &rows).unwrap();
    assert!(
        (silent.ce_replaced - silent.ce_zero).abs() < 1e-9,
        "{silent:?}"
    );
    let mut layers = clt(&model, 1.0).into_layers();
    layers.remove(0);
    let short = CrossLayer::new(layers).unwrap();
    let said = measured(&model, &short, &rows).unwrap_err().to_string();
    assert!(
        said.contains("layers") && said.contains("choose the model"),
        "{said}"
    );
}
