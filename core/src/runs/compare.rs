//! Comparison of runs: differing settings and the figures of each.

use std::path::PathBuf;

use serde_json::Value;

use super::record::Record;

/// Setting, fact or figure of several runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Key.
    pub name: String,
    /// Value of each run; null if a run has none.
    pub values: Vec<Value>,
}

/// Comparison of runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// Settings and facts of the data in which the runs differ.
    pub differing: Vec<Line>,
    /// All figures, whether they differ or not.
    pub figures: Vec<Line>,
}

/// Compares `runs`, in their order.
pub fn compare(runs: &[(PathBuf, Record)]) -> Comparison {
    let fixed = |record: &Record| {
        let own = [
            ("status", Value::from(record.status.to_string())),
            ("model", record.model.clone().into()),
            ("hook", record.hook.clone().into()),
            ("umbra_version", record.umbra_version.clone().into()),
            ("device", record.device.clone().into()),
            ("tokens_seen", record.tokens_seen.into()),
        ];
        let own = own.into_iter().map(|(key, value)| (key.to_owned(), value));
        let more = record.settings.clone().into_iter();
        own.chain(more).chain(record.data.clone()).collect()
    };
    let figures = |record: &Record| {
        let figures = record.figures.iter();
        let figures = figures.map(|(name, figure)| (name.clone(), figure["value"].clone()));
        let took = ("seconds".to_owned(), Value::from(record.seconds));
        figures.chain([took]).collect()
    };
    let mut differing = lines(runs, fixed);
    differing.retain(|line| line.values.windows(2).any(|pair| pair[0] != pair[1]));
    Comparison {
        differing,
        figures: lines(runs, figures),
    }
}

/// Makes a line for each key of any run, in order of first occurrence.
fn lines(runs: &[(PathBuf, Record)], of: impl Fn(&Record) -> Vec<(String, Value)>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (i, (_, record)) in runs.iter().enumerate() {
        for (name, value) in of(record) {
            let place = lines.iter().position(|line| line.name == name);
            let place = place.unwrap_or_else(|| {
                lines.push(Line {
                    name,
                    values: vec![Value::Null; runs.len()],
                });
                lines.len() - 1
            });
            lines[place].values[i] = value;
        }
    }
    lines
}
