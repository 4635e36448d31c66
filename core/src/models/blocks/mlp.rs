//! The MLP of a block: plain (GPT-2) or gated (Llama).

use candle_core::Tensor;

use super::Linear;
use crate::error::{Error, Result};
use crate::kernels::sigmoid_gate::SigmoidGate;

/// The elementwise function between the matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::models) enum Activation {
    /// GELU by its tanh approximation.
    GeluTanh,
    /// GELU by the error function.
    GeluErf,
    /// x · sigmoid(x).
    Silu,
    /// max(x, 0).
    Relu,
}

impl Activation {
    /// By the name used in `config.json`.
    pub(in crate::models) fn from_name(name: &str) -> Result<Self> {
        match name {
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Self::GeluTanh),
            "gelu" => Ok(Self::GeluErf),
            "silu" | "swish" => Ok(Self::Silu),
            "relu" => Ok(Self::Relu),
            other => Err(Error::Unsupported {
                what: format!("the activation function `{other}`"),
                remedy: "choose a model with gelu, gelu_new, silu or relu".to_owned(),
            }),
        }
    }

    fn apply(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self {
            Self::GeluTanh => x.contiguous()?.apply_op1(SigmoidGate::GELU_TANH)?,
            Self::GeluErf => x.gelu_erf()?,
            Self::Silu => x.contiguous()?.apply_op1(SigmoidGate::SILU)?,
            Self::Relu => x.relu()?,
        })
    }
}

/// Works on each position alone, `[b, t, d]` to `[b, t, d]`.
#[derive(Debug)]
pub(in crate::models) struct Mlp {
    /// Gated MLPs multiply `act(gate(x))` with `up(x)`.
    pub(in crate::models) gate: Option<Linear>,
    /// `[d, m]`.
    pub(in crate::models) up: Linear,
    /// Between the two.
    pub(in crate::models) activation: Activation,
    /// `[m, d]`.
    pub(in crate::models) down: Linear,
}

impl Mlp {
    /// The normed residual stream to what the MLP adds.
    pub(in crate::models) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let up = self.up.forward(x)?; // [b, t, m]
        let hidden = match &self.gate {
            Some(gate) => (self.activation.apply(&gate.forward(x)?)? * up)?,
            None => self.activation.apply(&up)?,
        };
        self.down.forward(&hidden)
    }
}
