//! Collects chosen features as plain data and writes them as one self-contained HTML page or JSON. Shows only what the index holds.

mod figures;
mod html;
mod json;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::Path;
use std::str::FromStr;

use crate::error::{Error, Key, Result};
use crate::features::{About, Detail, Index, Name, Peak, Summary};
use crate::ids::FeatureId;
use crate::whole_file;

/// Choice of features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The features listed.
    Listed(Vec<FeatureId>),
    /// The N whose strongest activation is largest in size.
    Top(usize),
}

impl FromStr for Choice {
    type Err = Error;

    /// Reads `1,2,3` or `top:N`.
    fn from_str(text: &str) -> Result<Self> {
        let wrong = |_| {
            let what = format!("`{text}` is not a list of features, write 1,2,3 or top:10");
            Error::setting(Key::Features, what)
        };
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

/// Report as plain data.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Model, dictionary, corpus, seeds, versions.
    pub about: About,
    /// Version of the program that wrote the report.
    pub version: String,
    /// Features in the order asked for.
    pub features: Vec<Reported>,
}

/// Feature of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Reported {
    /// Label that a person gave it, or empty.
    pub label: String,
    /// Entry in the index.
    pub detail: Detail,
}

impl Reported {
    /// Returns its label, or else the token at which it peaks, in context.
    pub fn name(&self) -> String {
        let peak = self.detail.top.first().map(Peak::from_example);
        Name::new(Some(&self.label), peak.as_ref()).to_string()
    }
}

/// Definitions of the report's figures, in the order of the page.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "tokens",
        "The positions of all rows that count. Rule text: all but row starts and special tokens; first: all but the first of each row; sae-lens: all but special tokens; all: every position.",
    ),
    (
        "density",
        "Share of these tokens on which the feature is active (activation other than 0).",
    ),
    (
        "mean",
        "Mean activation over the tokens on which it is active.",
    ),
    (
        "min",
        "Least activation on the text, where one is negative.",
    ),
    ("max", "Largest activation on the text."),
    (
        "decoder norm",
        "Euclidean norm of the feature's decoder row.",
    ),
    (
        "histogram",
        "Active tokens by activation, in equal bins from 0, or the least, to the largest; zero is left out.",
    ),
    (
        "strongest examples",
        "The 20 activations of largest size, one per row of tokens at most, with 10 tokens on either side inside the row.",
    ),
    (
        "near-duplicates",
        "Of these, near-duplicates of an example that is shown are folded: they peak on the same token after the same three tokens, or share 60 % of the tokens of the smaller window.",
    ),
    (
        "intervals",
        "Five equal intervals of activation from 0, or the least, to the largest; up to 5 active tokens of each, drawn at random by the index's seed. The share is \
         that of the feature's active tokens.",
    ),
    (
        "promoted and suppressed",
        "Direct effect of one unit of activation on the logits: (γ ∘ centre(direction)) · W_U, where the direction is the decoder row, for hook_z \
         taken through W_O; not centred where the model's norm is RMSNorm. Less the mean over the vocabulary, unless the facts above say that the effects \
         are raw: in models with a soft cap on their logits, and in indexes of an older form. The final norm's run-time factor 1/σ is left out.",
    ),
    (
        "head shares",
        "For hook_z: norm of each head's slice of the decoder row over the sum of these norms.",
    ),
];

impl Report {
    /// Reads the features of `choice` from `index` and adds their `labels`.
    pub fn read(index: &Index, choice: &Choice, labels: &[(FeatureId, String)]) -> Result<Self> {
        let chosen = match choice {
            Choice::Listed(features) => {
                let mut seen = BTreeSet::new();
                let once = features.iter().filter(|feature| seen.insert(**feature));
                once.copied().collect()
            }
            Choice::Top(most) => strongest(index, *most)?,
        };
        if chosen.is_empty() {
            let what = "no feature was chosen, or none is ever active; write 1,2,3 or top:10";
            return Err(Error::setting(Key::Features, what));
        }
        let label = |feature: FeatureId| {
            let label = labels.iter().find(|(labelled, _)| *labelled == feature);
            label.map(|(_, text)| text.clone()).unwrap_or_default()
        };
        let features = chosen.into_iter().map(|feature| {
            Ok(Reported {
                label: label(feature),
                detail: index.detail(feature)?,
            })
        });
        Ok(Self {
            about: index.about().clone(),
            version: crate::VERSION.to_owned(),
            features: features.collect::<Result<_>>()?,
        })
    }

    /// Returns one self-contained page.
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// Returns one object.
    pub fn json(&self) -> serde_json::Value {
        json::object(self)
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

/// Writes the report of `choice` to `out` (`.html` or `.json`), with `labels` (feature, text) shown beside their features.
pub fn write(
    index: &Index,
    choice: &Choice,
    labels: &[(FeatureId, String)],
    out: &Path,
) -> Result<()> {
    let extension = out.extension().and_then(|extension| extension.to_str());
    let extension = extension.unwrap_or_default().to_ascii_lowercase();
    let form: fn(&Report) -> String = match extension.as_str() {
        "html" | "htm" => Report::html,
        "json" => |report| format!("{:#}\n", report.json()),
        _ => {
            return Err(Error::input(
                "a report is an .html or .json file; give the file one of these endings",
                out,
            ));
        }
    };
    let report = Report::read(index, choice, labels)?;
    whole_file::write_bytes(out, form(&report).as_bytes())
}
