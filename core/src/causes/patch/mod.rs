//! Activation patching between two texts (Vig et al. 2020, arXiv 2004.12265; Meng et al. 2022, arXiv 2202.05262): the value of a target on the second text when
//! the activation of one place is taken from the first.
//!
//! Both texts have the same number of tokens, so that positions match. A pass starts at the layer of the place, with several places of that layer side by side
//! in its rows. A position before the first token in which the texts differ has the same activation in both; taking it changes nothing and costs no pass.

mod run;
mod said;
mod section;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use run::run;
pub(in crate::causes) use section::begun;

use super::Target;
use super::pair::TextPair;
use crate::error::{Error, Result};
use crate::ids::{Head, HookPoint, Layer, Site, TokenId};
use crate::steer::{EditSpec, What};

/// Name and definition of each figure.
pub const DEFINITIONS: &[(&str, &str)] = &[
    ("clean", "target on the first text, untouched"),
    ("corrupt", "target on the second text, untouched"),
    (
        "values",
        "target on the second text with one place taken from the first: layer by position, position 0 included; for z layer by head, at all positions",
    ),
    (
        "recovered",
        "(value − corrupt) / (clean − corrupt): 0 changes nothing, 1 brings back the first text's target, below 0 or above 1 moves beyond; null where clean equals corrupt",
    ),
];

/// Kind of place that is taken from the first text.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default,
)]
#[serde(rename_all = "snake_case")]
pub enum PatchSite {
    /// Residual stream that enters a block.
    #[default]
    ResidPre,
    /// Sum that attention adds to the residual stream, after a post-norm.
    AttnOut,
    /// Sum that the MLP adds to the residual stream, after a post-norm.
    MlpOut,
    /// Mixed values of one head, before the output projection, at all positions.
    Z,
}

impl PatchSite {
    /// All of them with their written names.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::ResidPre, "resid_pre"),
        (Self::AttnOut, "attn_out"),
        (Self::MlpOut, "mlp_out"),
        (Self::Z, "z"),
    ];

    /// Written name.
    pub fn name(self) -> &'static str {
        let named = Self::ALL.into_iter().find(|(site, _)| *site == self);
        named.map_or("", |(_, name)| name)
    }

    /// Name in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::ResidPre => "residual stream",
            Self::AttnOut => "attention output",
            Self::MlpOut => "MLP output",
            Self::Z => "z by head",
        }
    }

    /// Hook of the site in `layer`.
    pub fn hook(self, layer: usize) -> HookPoint {
        let site = match self {
            Self::ResidPre => Site::ResidPre,
            Self::AttnOut => Site::AttnOut,
            Self::MlpOut => Site::MlpOut,
            Self::Z => Site::Z,
        };
        HookPoint::Block(Layer::from(layer), site)
    }

    /// Whether the places of a layer are its heads; positions otherwise.
    pub fn is_by_head(self) -> bool {
        self == Self::Z
    }
}

impl fmt::Display for PatchSite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PatchSite {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = Self::ALL.into_iter().find(|(_, name)| *name == text);
        named.map(|(site, _)| site).ok_or_else(|| {
            let names = Self::ALL.map(|(_, name)| name).join(", ");
            Error::setting("site", format!("`{text}` is none, choose among {names}"))
        })
    }
}

/// One patching: the texts' tokens, the target and the site.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Tokens of the text that activations are taken from.
    pub clean: &'a [TokenId],
    /// Tokens of the text that reads them.
    pub corrupt: &'a [TokenId],
    /// Number that is read.
    pub target: Target,
    /// Kind of place.
    pub site: PatchSite,
}

/// Result of [`run`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Patching {
    /// The two texts, the target and its two values.
    pub pair: TextPair,
    /// Kind of place.
    pub site: PatchSite,
    /// Target on the second text with one place taken from the first, `[l, t]`, for z `[l, h]`.
    pub values: Vec<Vec<f64>>,
}

/// Place of a patching and its value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// Layer.
    pub layer: usize,
    /// Position, for z the head.
    pub at: usize,
    /// Target with this place taken from the first text.
    pub value: f64,
    /// Share of the way from the second text's target to the first's; none where these are equal.
    pub recovered: Option<f64>,
}

impl Patching {
    /// Returns the share of the way from the second text's target to the first's, in the layout of the values.
    pub fn recovered(&self) -> Vec<Vec<Option<f64>>> {
        let row = |row: &Vec<f64>| {
            row.iter()
                .map(|value| self.pair.recovered(*value))
                .collect()
        };
        self.values.iter().map(row).collect()
    }

    /// Returns all places, the largest change of the target first.
    pub fn places(&self) -> Vec<Place> {
        let mut places: Vec<Place> = (self.values.iter().enumerate())
            .flat_map(|(layer, row)| {
                row.iter().enumerate().map(move |(at, value)| Place {
                    layer,
                    at,
                    value: *value,
                    recovered: self.pair.recovered(*value),
                })
            })
            .collect();
        let change = |place: &Place| (place.value - self.pair.corrupt_value).abs();
        places.sort_by(|a, b| change(b).total_cmp(&change(a)));
        places
    }

    /// Names a place in words: `layer 2 at “ queen” (position 4, differs)`, where the texts differ there, or `head L2.H3`.
    pub fn place_name(&self, layer: usize, at: usize) -> String {
        if self.site.is_by_head() {
            return format!("head L{layer}.H{at}");
        }
        let text = self.pair.corrupt_texts.get(at).map_or("", String::as_str);
        let text = text.replace('\n', "⏎");
        let differs = self.pair.differs().get(at) == Some(&true);
        let mark = if differs { ", differs" } else { "" };
        format!("layer {layer} at “{text}” (position {at}{mark})")
    }

    /// Returns the edit that takes a place from `clean`, the first text as a person wrote it.
    pub fn edit(&self, (layer, at): (usize, usize), clean: &str) -> Result<EditSpec> {
        let mut edit = EditSpec::new(What::PatchText(clean.to_owned()));
        edit.hook = Some(self.site.hook(layer));
        if self.site.is_by_head() {
            edit.heads = Some(vec![Head::from(at)]);
        } else {
            edit.positions = Some(at.to_string().parse()?);
        }
        Ok(edit)
    }
}
