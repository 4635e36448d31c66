//! Newtypes for indices, and hook points in TransformerLens names. An index never crosses a module boundary as a bare `usize`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        pub struct $name(pub u32);

        impl $name {
            /// Returns it as a position in a slice.
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl From<usize> for $name {
            /// Panics above `u32::MAX`, which no model or dictionary reaches.
            fn from(index: usize) -> Self {
                Self(u32::try_from(index).expect("an index fits 32 bits"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// Transformer block, counted from 0.
    Layer
);
id!(
    /// Attention head within its layer, counted from 0.
    Head
);
id!(
    /// Dictionary element: a row of the encoder and a row of the decoder.
    FeatureId
);
id!(
    /// Entry of a tokenizer's vocabulary.
    TokenId
);

/// Named place inside a block, after TransformerLens (version 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// Residual stream entering the block, `[b, t, d]`.
    ResidPre,
    /// √(mean square + ε) that the norm before attention divides by, `[b, t, 1]`.
    Ln1Scale,
    /// Output of the norm before attention, before its weight and bias, `[b, t, d]`.
    Ln1Normalized,
    /// Queries after the bias, before q norm and rotary, `[b, t, h, e]`.
    Q,
    /// Keys after the bias, before k norm and rotary, `[b, t, h_kv, e]`.
    K,
    /// Values, `[b, t, h_kv, e]`.
    V,
    /// Queries after q norm and rotary, `[b, t, h, e]`.
    RotQ,
    /// Keys after k norm and rotary, `[b, t, h_kv, e]`.
    RotK,
    /// Scores before softmax: scaled, capped, −∞ where masked, `[b, h, t, t]`.
    AttnScores,
    /// Attention pattern after softmax, `[b, h, t, t]`.
    Pattern,
    /// Attention-weighted values before the output projection, `[b, t, h, e]`.
    Z,
    /// Output of each head without the output bias, `[b, t, h, d]`; large, so computed on request only.
    Result,
    /// Attention output (after a post-norm, where the family has one), `[b, t, d]`.
    AttnOut,
    /// Residual stream between attention and MLP, `[b, t, d]`.
    ResidMid,
    /// √(mean square + ε) that the norm before the MLP divides by, `[b, t, 1]`.
    Ln2Scale,
    /// Output of the norm before the MLP, before its weight and bias, `[b, t, d]`.
    Ln2Normalized,
    /// The MLP's input, normed and weighted, `[b, t, d]`.
    MlpIn,
    /// Input of the activation function (in gated MLPs the gate), `[b, t, m]`.
    MlpPre,
    /// Factor that a gated MLP multiplies the activated gate by, `[b, t, m]`.
    MlpPreLinear,
    /// Input of the MLP's output projection, `[b, t, m]`.
    MlpPost,
    /// MLP output (after a post-norm, where the family has one), `[b, t, d]`.
    MlpOut,
    /// Residual stream leaving the block, `[b, t, d]`.
    ResidPost,
}

impl Site {
    /// All sites in the order of a forward pass.
    pub const ALL: [Self; 22] = [
        Self::ResidPre,
        Self::Ln1Scale,
        Self::Ln1Normalized,
        Self::Q,
        Self::K,
        Self::V,
        Self::RotQ,
        Self::RotK,
        Self::AttnScores,
        Self::Pattern,
        Self::Z,
        Self::Result,
        Self::AttnOut,
        Self::ResidMid,
        Self::Ln2Scale,
        Self::Ln2Normalized,
        Self::MlpIn,
        Self::MlpPre,
        Self::MlpPreLinear,
        Self::MlpPost,
        Self::MlpOut,
        Self::ResidPost,
    ];

    /// TransformerLens name after `blocks.L.`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ResidPre => "hook_resid_pre",
            Self::Ln1Scale => "ln1.hook_scale",
            Self::Ln1Normalized => "ln1.hook_normalized",
            Self::Q => "attn.hook_q",
            Self::K => "attn.hook_k",
            Self::V => "attn.hook_v",
            Self::RotQ => "attn.hook_rot_q",
            Self::RotK => "attn.hook_rot_k",
            Self::AttnScores => "attn.hook_attn_scores",
            Self::Pattern => "attn.hook_pattern",
            Self::Z => "attn.hook_z",
            Self::Result => "attn.hook_result",
            Self::AttnOut => "hook_attn_out",
            Self::ResidMid => "hook_resid_mid",
            Self::Ln2Scale => "ln2.hook_scale",
            Self::Ln2Normalized => "ln2.hook_normalized",
            Self::MlpIn => "mlp.hook_in",
            Self::MlpPre => "mlp.hook_pre",
            Self::MlpPreLinear => "mlp.hook_pre_linear",
            Self::MlpPost => "mlp.hook_post",
            Self::MlpOut => "hook_mlp_out",
            Self::ResidPost => "hook_resid_post",
        }
    }
}

/// Named place in a model, ordered as in a forward pass; prints, parses and is stored as its TransformerLens name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum HookPoint {
    /// Token embedding (without positions, scaled where the family scales it), `[b, t, d]`: `hook_embed`.
    Embed,
    /// Learned positions, `[1, t, d]`: `hook_pos_embed`.
    PosEmbed,
    /// Place in a block: `blocks.L.…`.
    Block(Layer, Site),
    /// √(mean square + ε) that the final norm divides by, `[b, t, 1]`: `ln_final.hook_scale`.
    FinalScale,
    /// Final norm's output before its weight and bias, `[b, t, d]`: `ln_final.hook_normalized`.
    FinalNormalized,
}

/// Hooks outside blocks, by name.
const OUTSIDE: [(HookPoint, &str); 4] = [
    (HookPoint::Embed, "hook_embed"),
    (HookPoint::PosEmbed, "hook_pos_embed"),
    (HookPoint::FinalScale, "ln_final.hook_scale"),
    (HookPoint::FinalNormalized, "ln_final.hook_normalized"),
];

impl HookPoint {
    /// Hook at `site` of block `layer`.
    pub fn block(layer: usize, site: Site) -> Self {
        Self::Block(Layer::from(layer), site)
    }

    /// Lists all hooks of a model with `layers` blocks, in the order of a forward pass, whether or not its family has them.
    pub fn all(layers: usize) -> impl Iterator<Item = Self> {
        let blocks = (0..layers).flat_map(|layer| Site::ALL.map(|site| Self::block(layer, site)));
        [Self::Embed, Self::PosEmbed]
            .into_iter()
            .chain(blocks)
            .chain([Self::FinalScale, Self::FinalNormalized])
    }

    /// Block that contains this hook, if any.
    pub fn layer(self) -> Option<Layer> {
        match self {
            Self::Block(layer, _) => Some(layer),
            Self::Embed | Self::PosEmbed | Self::FinalScale | Self::FinalNormalized => None,
        }
    }

    /// Place inside its block, if it is in one.
    pub fn site(self) -> Option<Site> {
        match self {
            Self::Block(_, site) => Some(site),
            Self::Embed | Self::PosEmbed | Self::FinalScale | Self::FinalNormalized => None,
        }
    }

    /// Whether it holds the attention-weighted values of a block.
    pub fn is_z(self) -> bool {
        matches!(self, Self::Block(_, Site::Z))
    }
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(layer, site) => write!(f, "blocks.{layer}.{}", site.name()),
            Self::Embed | Self::PosEmbed | Self::FinalScale | Self::FinalNormalized => {
                let name = OUTSIDE.iter().find(|(hook, _)| hook == self);
                f.write_str(name.map_or("", |(_, name)| name))
            }
        }
    }
}

impl From<HookPoint> for String {
    fn from(hook: HookPoint) -> Self {
        hook.to_string()
    }
}

impl TryFrom<String> for HookPoint {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

impl FromStr for HookPoint {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let unknown = || {
            let sites: Vec<_> = Site::ALL
                .iter()
                .map(|s| format!("blocks.L.{}", s.name()))
                .collect();
            Error::hook(
                name,
                format!(
                    "no such hook, choose among hook_embed, hook_pos_embed, {}, ln_final.hook_scale, ln_final.hook_normalized",
                    sites.join(", ")
                ),
            )
        };
        if let Some((hook, _)) = OUTSIDE.iter().find(|(_, outside)| *outside == name) {
            return Ok(*hook);
        }
        let (layer, site) = name
            .strip_prefix("blocks.")
            .and_then(|rest| rest.split_once('.'))
            .ok_or_else(unknown)?;
        let layer = layer.parse().map(Layer).ok().ok_or_else(unknown)?;
        let site = Site::ALL
            .into_iter()
            .find(|s| s.name() == site)
            .ok_or_else(unknown)?;
        Ok(Self::Block(layer, site))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hook_names_print_and_parse_as_transformer_lens_has_them() {
        for site in Site::ALL {
            let hook = HookPoint::block(3, site);
            assert_eq!(hook.to_string().parse::<HookPoint>().unwrap(), hook);
        }
        for (hook, name) in OUTSIDE {
            assert_eq!(hook.to_string(), name);
            assert_eq!(name.parse::<HookPoint>().unwrap(), hook);
        }
        assert_eq!(
            "blocks.11.attn.hook_z".parse::<HookPoint>().unwrap(),
            HookPoint::block(11, Site::Z)
        );
        let refused = "blocks.1.hook_nothing"
            .parse::<HookPoint>()
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("blocks.1.hook_nothing") && refused.contains("hook_resid_post"),
            "{refused}"
        );
    }

    #[test]
    fn hooks_are_ordered_as_a_forward_pass_reaches_them() {
        let all: Vec<_> = HookPoint::all(2).collect();
        assert_eq!(all.len(), 4 + 2 * Site::ALL.len());
        assert!(all.is_sorted());
        let mid = HookPoint::block(0, Site::ResidMid);
        assert!(
            HookPoint::Embed < mid
                && mid < HookPoint::block(1, Site::Z)
                && mid < HookPoint::FinalNormalized
        );
    }
}
