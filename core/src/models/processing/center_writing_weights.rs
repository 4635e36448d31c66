//! A residual stream of mean 0: everything that writes to it loses its mean over the d outputs.
//!
//! LayerNorm reads `x − mean(x)`, so the component of the stream along (1, …, 1) reaches nothing; each of W_E, W_pos, W_O, b_O, W_out and b_out may
//! lose its part of it. RMSNorm does not remove the mean, so for it this would change what is computed.

use super::{Step, matrices};
use crate::error::Result;
use crate::models::blocks::Table;
use crate::models::decoder::Decoder;
use crate::models::{Config, NormKind};

pub(super) const STEP: Step = Step {
    key: "center_writing_weights",
    flag: "center-writing-weights",
    label: "Centre writing weights",
    help: "Embeddings and the output matrices of attention and MLP lose their mean, which LayerNorm removes anyway",
    usual: true,
    refused: |config, _| match config.norm {
        NormKind::LayerNorm => None,
        NormKind::RmsNorm => Some(
            "its norms (RMSNorm) do not remove the mean, so that centring would change the logits",
        ),
    },
    matrices: true,
    unties: true,
    apply,
};

fn apply(_: &Config, decoder: &mut Decoder) -> Result<()> {
    decoder.embed = Table::Dense(matrices::outputs_centred(&decoder.embed.dense()?)?);
    if let Some(positions) = &mut decoder.positions {
        *positions = matrices::outputs_centred(positions)?;
    }
    for block in &mut decoder.blocks {
        let writes = [&mut block.attention.output, &mut block.mlp.down];
        for linear in writes {
            *linear = matrices::writing_centred(linear)?;
        }
    }
    Ok(())
}
