//! Sums of the figures by block of a text, for intervals, with further figures of `sae_lens.evals` and SAEBench.

use super::sums::Sums;
use super::{Figures, figures, measured};
use crate::corpus::{Blocks, Rows};
use crate::error::Result;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;

/// Sums over tokens that count; those that begin with `ce` over the predictions that are charged.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[expect(
    missing_docs,
    reason = "each is the sum that its name says, as in `Figures`"
)]
pub struct Scalars {
    pub tokens: f64,
    /// Number of active features.
    pub active: f64,
    /// Activations of features.
    pub acts: f64,
    /// ‖x − x̂‖².
    pub error: f64,
    /// ‖x − mean‖², with the mean of the whole text.
    pub variance: f64,
    pub cosine: f64,
    /// ‖x̂‖ / ‖x‖.
    pub ratio: f64,
    /// 1 − ‖x − x̂‖² / ‖x − mean‖².
    pub legacy: f64,
    /// ‖x‖.
    pub length: f64,
    /// ‖x̂‖.
    pub length_written: f64,
    /// ‖x̂‖².
    pub square_written: f64,
    /// ⟨x, x̂⟩.
    pub product: f64,
    pub kl_sae: f64,
    pub kl_zero: f64,
    pub charged: f64,
    pub ce_clean: f64,
    pub ce_sae: f64,
    pub ce_zero: f64,
}

impl Scalars {
    /// Adds `weight` times `part`.
    pub fn add(&mut self, part: &Self, weight: f64) {
        for (sum, part) in self.each_mut().into_iter().zip(part.each()) {
            *sum += weight * part;
        }
    }

    fn each_mut(&mut self) -> [&mut f64; 18] {
        [
            &mut self.tokens,
            &mut self.active,
            &mut self.acts,
            &mut self.error,
            &mut self.variance,
            &mut self.cosine,
            &mut self.ratio,
            &mut self.legacy,
            &mut self.length,
            &mut self.length_written,
            &mut self.square_written,
            &mut self.product,
            &mut self.kl_sae,
            &mut self.kl_zero,
            &mut self.charged,
            &mut self.ce_clean,
            &mut self.ce_sae,
            &mut self.ce_zero,
        ]
    }

    fn each(mut self) -> [f64; 18] {
        self.each_mut().map(|value| *value)
    }
}

/// Figures of a dictionary with the sums of every block of the text.
#[derive(Debug, Clone, PartialEq)]
pub struct ByBlock {
    /// Figures, as [`super::run`] gives them.
    pub figures: Figures,
    /// Sums of each block.
    pub blocks: Vec<Scalars>,
    /// Says what a block is.
    pub said: String,
    /// Number of tokens on which each feature is active, `[f]`.
    pub active: Vec<u64>,
    /// Number of rows on which each feature is active, `[f]`.
    pub active_rows: Vec<u64>,
}

/// Evaluates `sae` on `rows` as [`super::run`] does, and keeps the sums of every block of the text ([`Blocks`]; a row is of the block of its first token).
pub fn run_by_block(
    model: &Model,
    sae: &Sae,
    rows: &Rows,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<ByBlock>> {
    let of = Blocks::new(rows);
    let mut blocks = vec![Scalars::default(); of.len()];
    let mut active_rows = vec![0; sae.features()];
    let mut sums = Sums::new(sae.features());
    let mut add = |row: usize, part: Sums| {
        blocks[of.of_token(row * rows.context())].add(&part.scalars(), 1.0);
        for (rows, count) in active_rows.iter_mut().zip(part.counts()) {
            *rows += u64::from(*count > 0);
        }
        sums.add(&part);
    };
    let code: super::Code<'_> = &|_, x| sae.encode(x);
    let ended = measured(
        model,
        (sae, code),
        rows,
        &|passes| passes.with_ablated_kl(),
        &mut add,
        observe,
    )?;
    if ended.is_stopped() {
        return Ok(Ended::STOPPED);
    }
    Ok(Ended::Done(ByBlock {
        figures: figures(&sums, sae, rows)?,
        active: sums.counts().to_vec(),
        said: of.said(),
        blocks,
        active_rows,
    }))
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::path::Path;

    use super::*;
    use crate::corpus::Positions;

    fn demo() -> (Model, Sae, Rows) {
        let demo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
        let (model, _) = Model::open(&demo.join("model")).unwrap();
        let sae = Sae::open(&demo.join("saes/attn-2")).unwrap().0;
        let spec = crate::corpus::CorpusSpec {
            paths: vec![demo.join("text/held-out/girls.txt")],
            ..Default::default()
        };
        let corpus = crate::corpus::Corpus::open(&spec).unwrap().0;
        let rows = corpus.rows(model.codec(), 128).unwrap().0.take(10);
        (model, sae, rows.by(Positions::SaeLens))
    }

    fn near(got: f64, want: f64) {
        assert!(
            (got - want).abs() <= 1e-9 * want.abs().max(1.0),
            "{got} {want}"
        );
    }

    #[test]
    fn sums_of_the_blocks_make_the_figures_of_the_whole_text() {
        let (model, sae, rows) = demo();
        let mut on = |_: Progress| ControlFlow::Continue(());
        let found = run_by_block(&model, &sae, &rows, &mut on)
            .unwrap()
            .done()
            .unwrap();
        let whole = super::super::run(&model, &sae, &rows, &mut on).unwrap();
        assert_eq!(found.figures, whole.done().unwrap());
        assert_eq!(found.blocks.len(), rows.len());
        let mut all = Scalars::default();
        found.blocks.iter().for_each(|block| all.add(block, 1.0));
        let (figures, near_ones) = (&found.figures, found.figures.nearness.unwrap());
        near(all.tokens, figures.tokens as f64);
        near(all.active / all.tokens, figures.l0);
        near(all.error / all.variance, figures.fvu);
        near(all.ce_clean / all.charged, figures.ce_clean);
        near(all.ce_sae / all.charged, figures.ce_sae);
        near(all.ce_zero / all.charged, figures.ce_zero);
        near(all.kl_sae / all.tokens, near_ones.kl_sae);
        near(all.cosine / all.tokens, near_ones.cosine);
        near(all.ratio / all.tokens, near_ones.l2_ratio);
        near(all.legacy / all.tokens, near_ones.explained_variance_legacy);
        assert_eq!(found.active.iter().sum::<u64>() as f64, all.active);
        let dead = found.active_rows.iter().filter(|rows| **rows == 0).count();
        near(dead as f64 / sae.features() as f64, figures.dead_fraction);
    }

    #[test]
    fn lengths_products_and_the_divergence_of_zeros_are_their_definitions() {
        let (model, sae, rows) = demo();
        let mut on = |_: Progress| ControlFlow::Continue(());
        let found = run_by_block(&model, &sae, &rows, &mut on)
            .unwrap()
            .done()
            .unwrap();
        let hook = sae.hook().unwrap();
        let x = crate::capture::activations(&model, &rows, &[0], hook).unwrap();
        let code = sae.encode(&x).unwrap();
        let recon = sae.decode(&code, &x).unwrap();
        let counts = rows.counts_of(&[0]);
        let mut want = Scalars::default();
        for i in (0..x.rows()).filter(|i| counts[*i]) {
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter()
                    .zip(b)
                    .map(|(a, b)| f64::from(*a) * f64::from(*b))
                    .sum()
            };
            want.length += dot(x.row(i), x.row(i)).sqrt();
            want.length_written += dot(recon.row(i), recon.row(i)).sqrt();
            want.square_written += dot(recon.row(i), recon.row(i));
            want.product += dot(x.row(i), recon.row(i));
            want.acts += code.row(i).map(|(_, act)| f64::from(act)).sum::<f64>();
        }
        let got = &found.blocks[0];
        // The passes of several rows add in another order.
        for (got, want) in [
            (got.length, want.length),
            (got.length_written, want.length_written),
            (got.square_written, want.square_written),
            (got.product, want.product),
            (got.acts, want.acts),
        ] {
            assert!((got - want).abs() < 1e-4 * want, "{got} {want}");
        }
        let kl = divergence_of_zeros(&model, &rows, hook);
        assert!((got.kl_zero - kl).abs() < 1e-4 * kl, "{} {kl}", got.kl_zero);
        assert!(got.kl_zero > got.kl_sae && got.kl_sae > 0.0);
    }

    /// Σ KL of the first row with zeros at the hook, by softmax of both.
    fn divergence_of_zeros(model: &Model, rows: &Rows, hook: crate::HookPoint) -> f64 {
        let clean = model.clean_run(rows.row(0), &[hook]).unwrap();
        let value = clean.value(hook).unwrap().zeros_like().unwrap();
        let softmax = |logits: &candle_core::Tensor| -> Vec<Vec<f64>> {
            let logits = logits.squeeze(0).unwrap().to_vec2::<f32>().unwrap();
            let of = |row: &Vec<f32>| {
                let exps: Vec<f64> = row.iter().map(|l| f64::from(*l).exp()).collect();
                let sum: f64 = exps.iter().sum();
                exps.into_iter().map(|e| e / sum).collect()
            };
            logits.iter().map(of).collect()
        };
        let zeroed = clean
            .replaced(crate::models::Place { hook, from: 0 }, &value, false)
            .unwrap();
        let (p, q) = (softmax(clean.logits()), softmax(&zeroed));
        let counts = rows.counts_of(&[0]);
        let each = (0..p.len()).filter(|i| counts[*i]);
        let of = |i: usize| {
            p[i].iter()
                .zip(&q[i])
                .map(|(p, q)| p * (p / q).ln())
                .sum::<f64>()
        };
        each.map(of).sum()
    }
}
