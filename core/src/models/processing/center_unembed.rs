//! Logits of mean 0: W_U and its bias lose their mean over the vocabulary.
//!
//! `softmax(y + c) = softmax(y)`: at each position all logits fall by one number, and probabilities and losses stay. `cap · tanh(y / cap)` does not
//! commute with that, so a soft cap on the logits forbids it.

use super::{Step, matrices};
use crate::error::Result;
use crate::models::Config;
use crate::models::decoder::Decoder;

pub(super) const STEP: Step = Step {
    key: "center_unembed",
    flag: "center-unembed",
    label: "Centre the unembedding",
    help: "The unembedding loses its mean over the vocabulary: logits shift by one number per position, probabilities stay",
    usual: true,
    refused: |_, decoder| {
        decoder.logit_cap.map(
            |_| "its logits have a soft cap, which a shift of all of them would not leave alone",
        )
    },
    matrices: true,
    unties: true,
    apply,
};

fn apply(_: &Config, decoder: &mut Decoder) -> Result<()> {
    decoder.unembed = matrices::writing_centred(&decoder.unembed)?;
    Ok(())
}
