//! The MLP of a block: plain (GPT-2) or gated (Llama).

use candle_core::Tensor;

use super::{Linear, Pass, Step};
use crate::error::Result;
use crate::ids::{HookPoint, Site};
use crate::kernels::sigmoid_gate::{GatedUnit, SigmoidGate};

/// Elementwise function between the matrices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::models) enum Activation {
    /// GELU by its tanh approximation.
    GeluTanh,
    /// GELU by the error function.
    GeluErf,
    /// x · sigmoid(x).
    Silu,
    /// x · sigmoid(1.702 x).
    QuickGelu,
    /// max(x, 0).
    Relu,
}

impl Activation {
    /// Parses the name used in `config.json`, if the function is known.
    pub(in crate::models) fn from_name(name: &str) -> Option<Self> {
        match name {
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_python_tanh" | "gelu_fast"
            | "gelu_accurate" => Some(Self::GeluTanh),
            "gelu" | "gelu_python" => Some(Self::GeluErf),
            "quick_gelu" => Some(Self::QuickGelu),
            "silu" | "swish" => Some(Self::Silu),
            "relu" => Some(Self::Relu),
            _ => None,
        }
    }

    /// Returns the function as a sigmoid gate, if it is one.
    fn sigmoid(self) -> Option<SigmoidGate> {
        match self {
            Self::GeluTanh => Some(SigmoidGate::GELU_TANH),
            Self::Silu => Some(SigmoidGate::SILU),
            Self::QuickGelu => Some(SigmoidGate::QUICK_GELU),
            Self::GeluErf | Self::Relu => None,
        }
    }

    fn apply(self, x: &Tensor) -> Result<Tensor> {
        Ok(match self.sigmoid() {
            Some(gate) => x.contiguous()?.apply_op1(gate)?,
            None if self == Self::Relu => x.relu()?,
            None => x.gelu_erf()?,
        })
    }

    /// Computes the function of `gate`, times `up`.
    fn gated(self, gate: &Tensor, up: &Tensor) -> Result<Tensor> {
        Ok(match self.sigmoid() {
            Some(sigmoid) => gate
                .contiguous()?
                .apply_op2(&up.contiguous()?, GatedUnit(sigmoid))?,
            None => (self.apply(gate)? * up)?,
        })
    }
}

/// MLP of a block, position by position, `[b, t, d]` to `[b, t, d]`.
#[derive(Debug)]
pub(in crate::models) struct Mlp {
    /// Gated MLPs multiply `act(gate(x))` with `up(x)`.
    pub(in crate::models) gate: Option<Linear>,
    /// `[d, m]`.
    pub(in crate::models) up: Linear,
    /// Function between the matrices.
    pub(in crate::models) activation: Activation,
    /// `[m, d]`.
    pub(in crate::models) down: Linear,
}

impl Mlp {
    /// Computes what the MLP adds from the normed residual stream.
    pub(in crate::models) fn forward(
        &self,
        layer: usize,
        x: &Tensor,
        pass: &mut Pass<'_>,
    ) -> Step<Tensor> {
        let hook = |site| HookPoint::block(layer, site);
        let x = &pass.at(hook(Site::MlpIn), x.clone())?;
        let hidden = if let Some(gate) = &self.gate {
            let gate = pass.at(hook(Site::MlpPre), gate.forward(x)?)?; // [b, t, m]
            let up = pass.at(hook(Site::MlpPreLinear), self.up.forward(x)?)?; // [b, t, m]
            self.activation.gated(&gate, &up)?
        } else {
            let up = pass.at(hook(Site::MlpPre), self.up.forward(x)?)?; // [b, t, m]
            self.activation.apply(&up)?
        };
        let hidden = pass.at(hook(Site::MlpPost), hidden)?;
        Ok(self.down.forward(&hidden)?)
    }
}
