//! Reads activations with a closure of your own, then edits them: `cargo run --release -p umbra-core --example custom_hook`.
//!
//! A hook is a named place in the model, in TransformerLens's names (`blocks.2.hook_resid_post`). A closure gets each value as a candle tensor and may return
//! another in its place.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::path::Path;

use umbra_core::candle_core::{D, Tensor};
use umbra_core::models::{HookFn, Start, token_tensor};
use umbra_core::{HookPoint, Model, Result, Site, TokenId};

fn main() -> Result<()> {
    let demo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
    let (model, _) = Model::open(&demo.join("model"))?;
    let text = "The king said to the queen that the king";
    let tokens = token_tensor(&[&model.codec().encode_with_bos(text)?])?; // [1, t]

    // Reads: how long the residual stream is after each block.
    for layer in 0..model.config().layers {
        let hook = HookPoint::block(layer, Site::ResidPost);
        let mut read = HookFn::new(hook, |_, value| {
            let lengths = value.sqr()?.sum(D::Minus1)?.sqrt()?; // [1, t] of [1, t, d]
            println!(
                "{hook}: mean length {:.1}",
                lengths.mean_all()?.to_scalar::<f32>()?
            );
            Ok(None)
        });
        model.run(Start::Tokens(&tokens), &mut read)?;
    }

    // Edits: every head of a block gives its mean over the text, so that the block no longer tells one token from another.
    println!("\n{text}…");
    println!(
        "  untouched: {}",
        most_likely(&model, &model.logits(&tokens)?)?
    );
    for layer in 0..model.config().layers {
        let mut blur = HookFn::new(HookPoint::block(layer, Site::Z), |_, value| {
            let mean = value.mean_keepdim(1)?; // [1, 1, h, e]
            Ok(Some(mean.broadcast_as(value.shape())?.contiguous()?))
        });
        if let Some(logits) = model.run(Start::Tokens(&tokens), &mut blur)? {
            println!(
                "  attention of block {layer} blurred: {}",
                most_likely(&model, &logits)?
            );
        }
    }
    Ok(())
}

/// Returns the five most likely next tokens by `logits [1, t, v]`, with their probabilities.
fn most_likely(model: &Model, logits: &Tensor) -> Result<String> {
    let last = logits.get(0)?.get(logits.dim(1)? - 1)?; // [v]
    let weights = (last.broadcast_sub(&last.max(0)?)?)
        .exp()?
        .to_vec1::<f32>()?;
    let total: f32 = weights.iter().sum();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|i, j| weights[*j].total_cmp(&weights[*i]));
    let tokens = order.iter().take(5).map(|i| {
        let token = model.codec().display(TokenId::from(*i));
        format!("{} {:.2}", token.trim(), weights[*i] / total)
    });
    Ok(tokens.collect::<Vec<_>>().join(", "))
}

#[test]
fn the_example_runs() {
    main().unwrap();
}
