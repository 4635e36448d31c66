//! Choice of the features of a report.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::error::{Error, Key, Result};
use crate::features::{Index, Summary};
use crate::ids::FeatureId;

/// Choice of features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The features listed, in this order.
    Listed(Vec<FeatureId>),
    /// The N whose strongest activation is largest in size.
    Top(usize),
    /// Every feature, by number.
    All,
}

impl FromStr for Choice {
    type Err = Error;

    /// Reads `1,2,3`, `top:N` or `all`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |_| {
            let what = format!("`{text}` is not a list of features, write 1,2,3 or top:10 or all");
            Error::setting(Key::Features, what)
        };
        if text.trim() == "all" {
            return Ok(Self::All);
        }
        if let Some(most) = text.strip_prefix("top:") {
            return most.trim().parse().map(Self::Top).map_err(wrong);
        }
        let features = text
            .split(',')
            .map(|feature| feature.trim().parse().map(FeatureId));
        let features = features.collect::<Result<_, _>>().map_err(wrong)?;
        Ok(Self::Listed(features))
    }
}

impl Choice {
    /// Returns the features of `index` that it chooses, each once; an error where there is none.
    pub(super) fn features(&self, index: &Index) -> Result<Vec<FeatureId>> {
        let chosen: Vec<FeatureId> = match self {
            Self::Listed(features) => {
                let mut seen = BTreeSet::new();
                let once = features.iter().filter(|feature| seen.insert(**feature));
                once.copied().collect()
            }
            Self::Top(most) => strongest(index, *most)?,
            Self::All => (0..index.about().features).map(FeatureId::from).collect(),
        };
        if chosen.is_empty() {
            let what = "no feature was chosen, or none is ever active; write 1,2,3 or top:10";
            return Err(Error::setting(Key::Features, what));
        }
        let features = index.about().features;
        if let Some(strange) = chosen.iter().find(|feature| feature.index() >= features) {
            let what = format!(
                "feature {strange} does not exist, choose among 0 to {}",
                features.saturating_sub(1)
            );
            return Err(Error::input(what, index.path()));
        }
        Ok(chosen)
    }
}

/// Returns the active features whose strongest activation is largest in size, ties by number.
fn strongest(index: &Index, most: usize) -> Result<Vec<FeatureId>> {
    let mut summaries = index.summaries()?;
    summaries.retain(|summary| summary.density > 0.0);
    let size = |summary: &Summary| summary.strongest().abs();
    summaries.sort_by(|a, b| size(b).total_cmp(&size(a)).then(a.feature.cmp(&b.feature)));
    summaries.truncate(most);
    Ok(summaries.iter().map(|summary| summary.feature).collect())
}
