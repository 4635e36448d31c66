//! Particulars of a model, in sentences for its card.

use super::blocks::{Block, Order};
use super::decoder::Decoder;

impl Decoder {
    /// Returns the sentences, in the order of a forward pass (sentence case, no full stop).
    pub(super) fn facts(&self) -> Vec<String> {
        let mut facts = Vec::new();
        if let Some(scale) = self.embed_scale {
            facts.push(format!("Embeddings are multiplied by {scale:.4}"));
        }
        if self.positions.is_some() {
            facts.push("Positions are learned and added to the embedding".to_owned());
        }
        facts.extend(self.rotations());
        facts.extend(self.windows());
        let first = self.blocks.first();
        facts.extend(first.into_iter().flat_map(of_block));
        if let Some(cap) = self.logit_cap {
            facts.push(format!("Logits are capped at ±{cap}"));
        }
        facts
    }

    fn rotations(&self) -> impl Iterator<Item = String> {
        let width = self
            .blocks
            .first()
            .map_or(0, |block| block.attention.heads.width);
        self.rotaries.iter().enumerate().map(move |(i, rotary)| {
            let turning = 2 * rotary.frequencies.len();
            let layers = self.blocks.iter().filter(|block| block.attention.rotary == Some(i));
            let slowest = rotary.frequencies.last().copied().unwrap_or_default();
            let beyond = rotary.beyond.as_ref().map_or_else(String::new, |(context, _)| {
                format!("; other angles in texts of more than {context} tokens")
            });
            format!(
                "Rotary embedding on {turning} of {width} dimensions, the slowest by {slowest:.3e} radians per token, in {} of {} layers{beyond}",
                layers.count(),
                self.blocks.len()
            )
        })
    }

    fn windows(&self) -> Option<String> {
        let windows = self
            .blocks
            .iter()
            .filter_map(|block| block.attention.rule.window);
        let (count, window) = (windows.clone().count(), windows.max()?);
        let layers = self.blocks.len();
        Some(format!(
            "Attention sees the last {window} tokens only, in {count} of {layers} layers"
        ))
    }
}

/// Returns the sentences about what all blocks share.
fn of_block(block: &Block) -> Vec<String> {
    let attention = &block.attention;
    let scores = attention
        .rule
        .cap
        .map(|cap| format!("Attention scores are capped at ±{cap}"));
    let heads = attention.head_norms.as_ref();
    let sentences = [
        (heads.is_some(), "Queries and keys are normed head by head"),
        (
            block.order == Order::Parallel,
            "Attention and MLP read the same stream, side by side",
        ),
        (
            block.post_attention.is_some(),
            "Norms follow attention and MLP too",
        ),
        (block.mlp.gate.is_some(), "The MLP is gated"),
    ];
    let held = sentences.into_iter().filter(|(holds, _)| *holds);
    let held = held.map(|(_, sentence)| sentence.to_owned());
    scores.into_iter().chain(held).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::models::Model;

    fn facts(tiny: &str) -> String {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");
        let model = Model::open(&Path::new(golden).join(tiny)).unwrap().0;
        model.facts().join("\n")
    }

    #[test]
    fn a_card_tells_what_is_particular() {
        let gemma = facts("tiny-gemma3");
        for part in [
            "5.6569",
            "16 of 16",
            "last 8 tokens only, in 5 of 6",
            "head by head",
            "Norms follow",
        ] {
            assert!(gemma.contains(part), "{part}: {gemma}");
        }
        assert!(facts("tiny-gemma2").contains("capped at ±5"));
        assert!(facts("tiny-gpt-neox").contains("side by side"));
        assert!(facts("tiny-gpt-neox").contains("2 of 8 dimensions"));
        assert!(facts("variants/phi3-long").contains("more than 8 tokens"));
        assert_eq!(
            facts("tiny-gpt2"),
            "Positions are learned and added to the embedding"
        );
    }
}
