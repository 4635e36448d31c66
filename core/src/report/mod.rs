//! Chosen features as plain data, then as one self-contained HTML page or JSON. It reads an index and writes one file; it computes nothing.

mod html;
mod json;
#[cfg(test)]
mod tests;

use std::path::Path;

use crate::error::{Error, Result};
use crate::features::{About, Detail, Index};
use crate::ids::FeatureId;
use crate::whole_file;

/// Which features.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// These.
    Listed(Vec<FeatureId>),
    /// The N with the largest maximum activation.
    Top(usize),
}

/// What each word of a report means, shown on its page and written into its JSON.
pub const DEFINITIONS: &[(&str, &str)] = &[
    (
        "density",
        "share of the text's tokens on which the feature is active; the first position of each row is left out",
    ),
    ("mean", "mean activation over the tokens where it is active"),
    ("max", "largest activation on the text"),
    (
        "examples",
        "the strongest places, one per row of text, then places drawn by seed from five equal intervals up to the maximum; 10 tokens either side",
    ),
    (
        "promoted, suppressed",
        "logit change per unit of activation along the decoder row (through W_O for hook_z), with the final norm's weight and without its run-time 1/σ",
    ),
    (
        "head shares",
        "norm of each head's slice of the decoder row over the sum of those norms (hook_z only)",
    ),
];

/// A report before it is drawn.
#[derive(Debug, Clone)]
struct Report {
    about: About,
    features: Vec<Entry>,
}

/// A feature of a report with what people call it.
#[derive(Debug, Clone)]
struct Entry {
    detail: Detail,
    label: Option<String>,
}

impl Report {
    fn read(index: &Index, choice: &Choice, labels: &[(FeatureId, String)]) -> Result<Self> {
        let features = chosen(index, choice)?.into_iter().map(|feature| {
            let label = labels.iter().find(|(f, _)| *f == feature);
            Ok(Entry {
                detail: index.detail(feature)?,
                label: label.map(|(_, text)| text.clone()),
            })
        });
        Ok(Self {
            about: index.about().clone(),
            features: features.collect::<Result<_>>()?,
        })
    }
}

fn chosen(index: &Index, choice: &Choice) -> Result<Vec<FeatureId>> {
    match choice {
        Choice::Listed(features) => Ok(features.clone()),
        Choice::Top(most) => {
            let mut summaries = index.summaries()?;
            summaries.sort_by(|a, b| b.max.total_cmp(&a.max).then(a.feature.cmp(&b.feature)));
            Ok(summaries.iter().take(*most).map(|s| s.feature).collect())
        }
    }
}

/// Writes the report of `choice` to `out` (`.html` or `.json`), with `labels` (feature, text) shown beside their features. The file appears whole
/// or not at all; a feature that the index lacks and any other file name ending are errors.
pub fn write(
    index: &Index,
    choice: &Choice,
    labels: &[(FeatureId, String)],
    out: &Path,
) -> Result<()> {
    let draw: fn(&Report) -> String = match out.extension().and_then(|e| e.to_str()) {
        Some("html") => html::page,
        Some("json") => json::text,
        _ => {
            return Err(Error::input(
                "the report's file name must end in .html or .json",
                out,
            ));
        }
    };
    let report = Report::read(index, choice, labels)?;
    whole_file::write_bytes(out, draw(&report).as_bytes())
}
