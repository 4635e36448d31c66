//! `umbra index search`: finds features by words and says why each was found.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::super::{Console, Exit, say_fit};
use super::labels::{LabelArgs, check_labels};
use crate::error::Result;
use crate::features::filter::Filter;
use crate::features::{Hit, Index, Name, Preview, Words};
use crate::fit::Fit;
use crate::ids::FeatureId;
use crate::progress::{Ended, Progress};

/// Width of the column of names.
const NAME: usize = 48;

/// Flags of `umbra index search`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Index file
    #[arg(value_name = "FILE")]
    index: PathBuf,
    /// Words to look for, each at the beginning of a word; or the number of a feature
    #[arg(value_name = "WORDS", required = true)]
    words: Vec<String>,
    /// Features to search among, as in 'density<1e-3 and head=2.3'; `umbra guide features` has the language
    #[arg(long = "where", value_name = "FILTER")]
    filter: Option<Filter>,
    #[command(flatten)]
    labels: LabelArgs,
    /// Most features to print
    #[arg(long, value_name = "N", default_value_t = 20)]
    most: usize,
}

/// Runs `umbra index search`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let index = Index::open(&args.index)?;
    say_fit(&Fit::of_index(index.about(), None, None), false, console)?;
    let labels = args.labels.read(&index, console)?;
    if let Some(filter) = &args.filter {
        check_labels(filter, args.labels.has_project())?;
    }
    let mut bar = console.bar("Reading the index");
    let read = Words::read(&index, &mut |at: Progress| bar.at(at))?;
    drop(bar);
    let Ended::Done(words) = read else {
        return Ok(Exit::Stopped);
    };
    let query = args.words.join(" ");
    let mut hits = words.search(&query, &labels.pairs());
    if let Some(filter) = &args.filter {
        let kept = filter.kept(&index, &words, &labels.pairs())?;
        hits.retain(|hit| kept.binary_search(&hit.feature).is_ok());
    }
    let shown = &hits[..hits.len().min(args.most)];
    let features: Vec<FeatureId> = shown.iter().map(|hit| hit.feature).collect();
    let previews = index.previews(&features)?;
    let rows: Vec<_> = shown
        .iter()
        .zip(&previews)
        .map(|(hit, preview)| (hit, labels.of(hit.feature), preview))
        .collect();
    let object = json!({
        "query": query,
        "found": hits.len(),
        "hits": (1..).zip(&rows).map(object).collect::<Vec<_>>(),
    });
    console.answer(&object, || text(&query, hits.len(), &rows))?;
    Ok(Exit::Done)
}

type Row<'a> = (&'a Hit, Option<&'a str>, &'a Preview);

fn object((rank, (hit, label, preview)): (usize, &Row<'_>)) -> Value {
    json!({
        "rank": rank,
        "feature": hit.feature.0,
        "label": label,
        "name": name(*label, preview),
        "score": hit.score,
        "why": hit.why(),
        "peaks": hit.peaks,
        "examples": hit.examples,
        "of": hit.of,
        "promotes": hit.promotes.as_ref().map(|(token, _)| &**token),
        "suppresses": hit.suppresses.as_ref().map(|(token, _)| &**token),
        "density": preview.summary.density,
    })
}

fn text(query: &str, found: usize, rows: &[Row<'_>]) -> String {
    if rows.is_empty() {
        return format!("no feature matches “{query}”");
    }
    let line = |(rank, (hit, label, preview)): (usize, &Row<'_>)| {
        let name = shortened(&name(*label, preview));
        format!(
            "{rank:>4}  {:>7}  {name:<NAME$}  {}",
            hit.feature.to_string(),
            hit.why()
        )
    };
    let mut lines = vec![format!("rank  feature  {:<NAME$}  why", "name")];
    lines.extend((1..).zip(rows).map(line));
    if found > rows.len() {
        lines.push(format!("the first {} of {found} features", rows.len()));
    }
    lines.join("\n")
}

fn name(label: Option<&str>, preview: &Preview) -> String {
    let name = Name::new(label, preview.peak.as_ref());
    name.with_fact(preview.fact.as_deref()).to_string()
}

/// A name that fits its column.
fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME {
        return name.to_owned();
    }
    let kept: String = name.chars().take(NAME - 1).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hit_is_one_line_with_rank_name_and_reason() {
        let hit = Hit {
            feature: FeatureId(12),
            peaks: 14,
            examples: 14,
            of: 20,
            ..Hit::default()
        };
        let preview = Preview::default();
        let rows = [(&hit, Some("royal titles"), &preview)];
        let shown = text("king", 3, &rows);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(
            lines[1]
                .split("  ")
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>(),
            [
                "1",
                "12",
                "royal titles",
                "peaks on it in 14 of 20 examples"
            ]
        );
        assert_eq!(lines[2], "the first 1 of 3 features");
        assert_eq!(text("qq", 0, &[]), "no feature matches “qq”");
    }
}
