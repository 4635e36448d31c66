//! Decisions of the loader about a model, in plain words.

use crate::models::{Card, Config, Footprint, Form, Model, NormKind, Processing};
use crate::text::TextCodec;

/// Families by the name of their architecture in papers and on the hub.
const FAMILIES: [(&str, &str); 10] = [
    ("gpt2", "GPT-2"),
    ("gpt_neo", "GPT-Neo"),
    ("gpt_neox", "GPT-NeoX"),
    ("llama", "Llama"),
    ("mistral", "Mistral"),
    ("qwen2", "Qwen2"),
    ("qwen3", "Qwen3"),
    ("gemma2", "Gemma 2"),
    ("gemma3", "Gemma 3"),
    ("phi3", "Phi-3"),
];

/// Returns the name of a family as papers write it.
pub fn family_name(family: &'static str) -> &'static str {
    let found = FAMILIES.iter().find(|(key, _)| *key == family);
    found.map_or(family, |(_, name)| name)
}

/// A model as its loader read it.
#[derive(Debug, Clone, Copy)]
pub struct ReadAs<'a> {
    config: &'a Config,
    footprint: &'a Footprint,
    facts: &'a [String],
    processing: Processing,
    codec: &'a TextCodec,
}

impl<'a> From<&'a Model> for ReadAs<'a> {
    fn from(model: &'a Model) -> Self {
        Self {
            config: model.config(),
            footprint: model.footprint(),
            facts: model.facts(),
            processing: model.processing(),
            codec: model.codec(),
        }
    }
}

impl<'a> From<&'a Card> for ReadAs<'a> {
    fn from(card: &'a Card) -> Self {
        Self {
            config: &card.config,
            footprint: &card.footprint,
            facts: &card.facts,
            processing: card.processing,
            codec: &card.codec,
        }
    }
}

impl ReadAs<'_> {
    /// Returns architecture and shape in one sentence without a full stop: `Read as GPT-2, 4 layers of width 256, 8 heads of width 32, LayerNorm`.
    pub fn shape(&self) -> String {
        let config = self.config;
        let norm = match config.norm {
            NormKind::LayerNorm => "LayerNorm",
            NormKind::RmsNorm => "RMSNorm",
        };
        let shared = if config.kv_heads == config.heads {
            String::new()
        } else {
            format!(" ({} for keys and values)", config.kv_heads)
        };
        format!(
            "Read as {}, {} layers of width {}, {} heads of width {}{shared}, {norm}",
            family_name(config.family),
            config.layers,
            config.d_model,
            config.heads,
            config.d_head
        )
    }

    /// Returns every decision, a sentence each without a full stop, the shape first.
    pub fn sentences(&self) -> Vec<String> {
        let mut sentences = vec![self.shape()];
        sentences.extend(self.facts.iter().cloned());
        sentences.push(self.weights());
        if !self.processing.is_none() {
            sentences.push(format!("The weights are processed by {}", self.processing));
        }
        sentences.push(self.bos());
        sentences
    }

    /// Returns how the weights are stored and held.
    fn weights(&self) -> String {
        let Footprint {
            stored,
            form,
            memory_bytes,
            ..
        } = self.footprint;
        let kinds: Vec<&str> = stored.iter().map(|(kind, _)| *kind).collect();
        let held = match form {
            Form::F32 => "as f32",
            Form::Stored => "as stored",
        };
        let megabytes = *memory_bytes as f64 / 1e6;
        format!(
            "Weights stored as {} are held {held} ({megabytes:.1} MB)",
            kinds.join(" and ")
        )
    }

    /// Returns what precedes a text.
    fn bos(&self) -> String {
        match self.codec.bos().id {
            Some(id) => format!("{} precedes every text", self.codec.display(id)),
            None => "No token precedes a text".to_owned(),
        }
    }
}
