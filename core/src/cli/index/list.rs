//! `umbra index list`: features of an index, filtered and sorted.

use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::super::{Console, Exit, say_fit};
use super::labels::{LabelArgs, LabelsRead, check_labels};
use crate::error::{Error, Result};
use crate::features::Index;
use crate::features::facts::Fact;
use crate::features::filter::{Chosen, Column, Columns, Filter, Sort, select};
use crate::fit::Fit;
use crate::ids::FeatureId;
use crate::progress::{Ended, Progress};

/// Columns that are always listed.
const ALWAYS: [Column; 3] = [Column::Density, Column::Mean, Column::Max];

/// Widths of a column of numbers and of one of words.
const NUMBER: usize = 11;
const WORDS: usize = 32;

/// Flags of `umbra index list`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Index file
    #[arg(value_name = "FILE")]
    index: PathBuf,
    /// Features to keep, as in 'density<1e-3 and head=2.3 and fires:"king" and fact:induction'; `umbra guide features` has the language
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<Filter>,
    /// Columns to sort by, with commas between them: density, max:asc, … Figures are sorted with the largest first [default: feature]
    #[arg(long, value_name = "KEYS")]
    sort: Option<Sort>,
    /// Most features to list [default: all]
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Further columns to list, with commas between them: norm, kurtosis, head, fact, …
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    columns: Vec<String>,
    #[command(flatten)]
    labels: LabelArgs,
}

/// Runs `umbra index list`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let mut shown = shown(&args.columns)?;
    let index = Index::open(&args.index)?;
    say_fit(&Fit::of_index(index.about(), None, None), false, console)?;
    let labels = args.labels.read(&index, console)?;
    let filter = args.filter.clone().unwrap_or_default();
    check_labels(&filter, args.labels.has_project())?;
    let first = || Sort::new(Column::Number, false);
    let sort = args.sort.clone().unwrap_or_else(first);
    for column in sort.keys.iter().map(|key| key.column) {
        let listed = shown.contains(&column) || ALWAYS.contains(&column);
        if !listed && !matches!(column, Column::Number | Column::Name) {
            shown.push(column);
        }
    }
    let mut bar = console.bar("Reading the index");
    // Facts name features without a label.
    let read = [shown.as_slice(), &[Column::Fact]].concat();
    let chosen = select(
        &index,
        (&filter, &sort, &read),
        &labels.pairs(),
        &mut |at: Progress| bar.at(at),
    )?;
    drop(bar);
    let Ended::Done(chosen) = chosen else {
        return Ok(Exit::Stopped);
    };
    for (note, _) in filter.other_than_kinds(&chosen.columns) {
        console.note(&note);
    }
    let listed = args.limit.unwrap_or(usize::MAX).min(chosen.features.len());
    let list = List {
        chosen: &chosen,
        features: &chosen.features[..listed],
        filter: &filter,
        labels: &labels,
        shown: &shown,
    };
    console.answer(&list.object(&sort), || list.text())?;
    Ok(Exit::Done)
}

/// Reads the names of further columns.
fn shown(names: &[String]) -> Result<Vec<Column>> {
    let mut shown = Vec::new();
    for name in names.iter().map(|name| name.trim()) {
        let Some(column) = Column::from_id(name) else {
            let known: Vec<&str> = Column::ALL.into_iter().map(Column::id).collect();
            let what = format!("`{name}` is no column, choose among {}", known.join(", "));
            return Err(Error::setting("--columns", what));
        };
        let always = ALWAYS.contains(&column) || matches!(column, Column::Number | Column::Name);
        if !always && !shown.contains(&column) {
            shown.push(column);
        }
    }
    Ok(shown)
}

struct List<'a> {
    chosen: &'a Chosen,
    /// Features that are listed, in order.
    features: &'a [FeatureId],
    filter: &'a Filter,
    labels: &'a LabelsRead,
    shown: &'a [Column],
}

impl List<'_> {
    fn columns(&self) -> &Columns {
        &self.chosen.columns
    }

    fn object(&self, sort: &Sort) -> Value {
        let features: Vec<Value> = self.features.iter().map(|f| self.feature(*f)).collect();
        json!({
            "kept": self.chosen.features.len(),
            "of": self.columns().features(),
            "sort": sort.to_string(),
            "features": features,
        })
    }

    fn feature(&self, feature: FeatureId) -> Value {
        let summary = self.columns().summaries[feature.index()];
        let mut object = Map::new();
        object.insert("feature".to_owned(), json!(feature.0));
        object.insert("density".to_owned(), json!(summary.density));
        object.insert("mean".to_owned(), json!(summary.mean));
        object.insert("max".to_owned(), json!(summary.max));
        if let Some(label) = self.labels.of(feature) {
            object.insert("label".to_owned(), json!(label));
        }
        for column in self.shown {
            let value = if *column == Column::Relevance {
                json!(self.chosen.hit(feature).map(crate::features::Hit::why))
            } else if column.is_number() {
                let value = self.columns().value(*column, feature);
                // JSON has no infinity: a reach beyond the largest is told in words.
                match value {
                    Some(value) if value.is_infinite() => json!("more"),
                    value => json!(value),
                }
            } else {
                json!(self.columns().text(*column, feature))
            };
            object.insert(column.id().replace('-', "_"), value);
        }
        if self.filter.asks_for_facts() {
            let fact = self.fact(feature).map(Fact::json);
            object.insert("matching_fact".to_owned(), json!(fact));
        }
        Value::Object(object)
    }

    /// Returns the fact for which the filter keeps a feature; it may not be the best.
    fn fact(&self, feature: FeatureId) -> Option<&Fact> {
        self.filter.fact_of(self.columns(), feature)
    }

    fn text(&self) -> String {
        let all = self.columns().features();
        if self.chosen.features.is_empty() {
            return format!("no feature of {all} matches");
        }
        let shown = ALWAYS.iter().chain(self.shown);
        let mut head: String = shown.map(|column| padded(*column, column.id())).collect();
        if self.filter.asks_for_facts() {
            head.push_str(&padded(Column::Fact, "matching fact"));
        }
        let mut lines = vec![format!("{:>7}{head}  name", "feature")];
        lines.extend(self.features.iter().map(|feature| self.line(*feature)));
        let kept = self.chosen.features.len();
        if kept < all || self.features.len() < kept {
            let listed = match self.features.len() {
                listed if listed < kept => format!("the first {listed} of {kept} features"),
                _ => format!("{kept} features"),
            };
            lines.push(format!("{listed}, out of {all}"));
        }
        lines.join("\n")
    }

    fn line(&self, feature: FeatureId) -> String {
        let columns = self.columns();
        let cell = |column: &Column| {
            let value = columns.value(*column, feature);
            let text = match (column, value) {
                (Column::Density, Some(value)) => format!("{:.4} %", 100.0 * value),
                (Column::Reach | Column::Number, Some(value)) if value.is_finite() => {
                    value.to_string()
                }
                (Column::Reach, Some(_)) => "more".to_owned(),
                (_, Some(value)) => format!("{value:.4}"),
                (Column::Relevance, None) => {
                    let hit = self.chosen.hit(feature);
                    hit.map(crate::features::Hit::why).unwrap_or_default()
                }
                (_, None) => columns.text(*column, feature).unwrap_or_default(),
            };
            padded(*column, if text.is_empty() { "–" } else { &text })
        };
        let mut cells: String = ALWAYS.iter().chain(self.shown).map(cell).collect();
        if self.filter.asks_for_facts() {
            let fact = self
                .fact(feature)
                .map_or_else(|| "–".to_owned(), Fact::said);
            cells.push_str(&padded(Column::Fact, &fact));
        }
        let known = (columns.top_tokens.as_slice(), columns.facts.as_ref());
        let name = self.labels.name(feature, known);
        let line = format!("{:>7}{cells}  {name}", feature.0);
        line.trim_end().to_owned()
    }
}

/// A cell of the table with a gap before it: numbers to the right, words to the left.
fn padded(column: Column, text: &str) -> String {
    let short = matches!(column, Column::Head | Column::Family);
    if column.is_number() || short {
        return format!("  {text:>NUMBER$}");
    }
    let text = text.replace('\n', "⏎");
    let cut = if text.chars().count() > WORDS {
        let kept: String = text.chars().take(WORDS - 1).collect();
        format!("{kept}…")
    } else {
        text
    };
    format!("  {cut:<WORDS$}")
}
