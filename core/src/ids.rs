//! Newtypes for indices, and hook points in TransformerLens names. An index never crosses a module boundary as a bare `usize`.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub u32);

        impl $name {
            /// As a position in a slice.
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
    /// A transformer block, counted from 0.
    Layer
);
id!(
    /// An attention head within its layer, counted from 0.
    Head
);
id!(
    /// A dictionary element: a row of the encoder and a row of the decoder.
    FeatureId
);
id!(
    /// An entry of a tokenizer's vocabulary.
    TokenId
);

/// A named place inside a block, after TransformerLens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Site {
    /// Residual stream entering the block, `[b, t, d]`.
    ResidPre,
    /// Queries before rotary, `[b, t, h, e]`.
    Q,
    /// Keys before rotary, `[b, t, h_kv, e]`.
    K,
    /// Values, `[b, t, h_kv, e]`.
    V,
    /// Attention pattern after softmax, `[b, h, t, t]`.
    Pattern,
    /// Attention-weighted values before the output projection, `[b, t, h, e]`.
    Z,
    /// Attention output, `[b, t, d]`.
    AttnOut,
    /// Residual stream between attention and MLP, `[b, t, d]`.
    ResidMid,
    /// MLP output, `[b, t, d]`.
    MlpOut,
    /// Residual stream leaving the block, `[b, t, d]`.
    ResidPost,
}

impl Site {
    /// All sites in the order in which a forward pass reaches them.
    pub const ALL: [Self; 10] = [
        Self::ResidPre,
        Self::Q,
        Self::K,
        Self::V,
        Self::Pattern,
        Self::Z,
        Self::AttnOut,
        Self::ResidMid,
        Self::MlpOut,
        Self::ResidPost,
    ];

    /// The TransformerLens name after `blocks.L.`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ResidPre => "hook_resid_pre",
            Self::Q => "attn.hook_q",
            Self::K => "attn.hook_k",
            Self::V => "attn.hook_v",
            Self::Pattern => "attn.hook_pattern",
            Self::Z => "attn.hook_z",
            Self::AttnOut => "hook_attn_out",
            Self::ResidMid => "hook_resid_mid",
            Self::MlpOut => "hook_mlp_out",
            Self::ResidPost => "hook_resid_post",
        }
    }
}

/// A named place in a model. Ordered as a forward pass reaches them; prints and parses as TransformerLens names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookPoint {
    /// Token embedding (without positions), `[b, t, d]`: `hook_embed`.
    Embed,
    /// A place in a block: `blocks.L.…`.
    Block(Layer, Site),
    /// Final norm's output before its weight and bias, `[b, t, d]`: `ln_final.hook_normalized`.
    FinalNormalized,
}

impl HookPoint {
    /// The place `site` of block `layer`.
    pub fn block(layer: usize, site: Site) -> Self {
        Self::Block(Layer::from(layer), site)
    }

    /// The block this hook is in, if any.
    pub fn layer(self) -> Option<Layer> {
        match self {
            Self::Block(layer, _) => Some(layer),
            Self::Embed | Self::FinalNormalized => None,
        }
    }

    /// Whether this is the attention-weighted values of a block.
    pub fn is_z(self) -> bool {
        matches!(self, Self::Block(_, Site::Z))
    }
}

impl fmt::Display for HookPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embed => f.write_str("hook_embed"),
            Self::Block(layer, site) => write!(f, "blocks.{layer}.{}", site.name()),
            Self::FinalNormalized => f.write_str("ln_final.hook_normalized"),
        }
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
                    "no such hook, choose among hook_embed, {}, ln_final.hook_normalized",
                    sites.join(", ")
                ),
            )
        };
        match name {
            "hook_embed" => return Ok(Self::Embed),
            "ln_final.hook_normalized" => return Ok(Self::FinalNormalized),
            _ => {}
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
        let mid = HookPoint::block(0, Site::ResidMid);
        assert!(
            HookPoint::Embed < mid
                && mid < HookPoint::block(1, Site::Z)
                && mid < HookPoint::FinalNormalized
        );
    }
}
