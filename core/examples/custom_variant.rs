//! Trains a dictionary by a selection rule of your own, without changing the library:
//! `cargo run --release -p umbra-core --example custom_variant`.
//!
//! The rule is TopK with dropout: in training, each feature is left out of one token in ten, so that others learn to stand in. In use it is plain TopK, which
//! every program that reads SAELens folders knows.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;

use umbra_core::sae::{RuleInput, Selection, SelectionRule, TopK};
use umbra_core::workbench::text::{Most, TextRequest};
use umbra_core::{HookPoint, Latents, Model, Result, Site, Spec, evaluate, train_dictionary};

/// Keeps the `k` largest pre-activations of each token among the features that are not dropped.
#[derive(Debug)]
struct DropoutTopK {
    k: usize,
    /// Share of features that a token does without.
    dropped: f64,
}

impl SelectionRule for DropoutTopK {
    fn name(&self) -> &'static str {
        "dropout-topk"
    }

    fn select(&self, batch: &RuleInput<'_>) -> Result<Latents> {
        let pre = batch.pre_activations()?; // [n, f]
        let mut scores = pre.clone();
        let bar = (self.dropped * u64::MAX as f64) as u64;
        for token in 0..scores.rows() {
            for (feature, score) in scores.row_mut(token).iter_mut().enumerate() {
                if noise(batch.done, token, feature) < bar {
                    *score = 0.0;
                }
            }
        }
        batch.largest(&scores, &pre, self.k)
    }

    fn inference(&self) -> Selection {
        Selection::TopK(TopK { k: self.k })
    }
}

/// Returns 64 bits that depend only on step, token and feature, so that a resumed run makes the same choices.
fn noise(done: f64, token: usize, feature: usize) -> u64 {
    let seed = done.to_bits() ^ ((token as u64) << 32 | feature as u64);
    let mixed = (seed ^ (seed >> 31)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

fn main() -> Result<()> {
    let demo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
    let (model, _) = Model::open(&demo.join("model"))?;
    let text = TextRequest::new([demo.join("text/train")]).read(&model, None)?;
    let held_out = TextRequest::new([demo.join("text/held-out")]).at_most(Most::Tokens(2_000));
    let held_out = held_out.read(&model, None)?;

    let mut plain = Spec::default_for(HookPoint::block(1, Site::Z));
    (plain.features, plain.k, plain.batch, plain.tokens) = (256, 16, 256, 12_000);
    let (k, dropped) = (plain.k, 0.1);
    let mut dropout = plain.clone();
    dropout.select_by(DropoutTopK { k, dropped });
    for (name, spec) in [("TopK", &plain), ("dropout", &dropout)] {
        let sae = train_dictionary(spec, &model, &text)?;
        let figures = evaluate(&model, &sae, &held_out)?;
        let rule = sae.selection.describe();
        let (fvu, dead) = (figures.fvu, 100.0 * figures.dead_fraction);
        println!("{name:>8}: FVU {fvu:.3}, {dead:.1} % dead, used as {rule}");
    }
    Ok(())
}

#[test]
fn the_example_runs() {
    main().unwrap();
}
