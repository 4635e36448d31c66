//! Writes a report as Markdown (GitHub's): tables, examples with the activating token in bold, histograms as rows of blocks. All text is escaped.

use std::io::Write;

use super::feature::{family, quoted, scalars_of};
use super::form::{Observe, Put};
use super::pieces::{add as say, count, significant};
use super::{Contents, DEFINITIONS, Reported, page, plots};
use crate::features::{self, Detail, Example, Histogram, TokenEffect, TokenUse};
use crate::section::{Cell, Figure, Section, Table};

/// Blocks of a histogram, lowest first.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Writes the report.
pub(super) fn put(contents: &Contents<'_>, out: &mut dyn Write, observe: Observe<'_>) -> Put {
    let mut text = format!("# {}\n\n", escape(&contents.title()));
    if let Some(report) = &contents.features {
        let mut origin = Table::new("", &["", ""]);
        for (name, value) in page::origin(report) {
            origin.rows.push(vec![name.into(), value.into()]);
        }
        table(&mut text, &origin);
    }
    for result in &contents.results {
        section(&mut text, result);
    }
    out.write_all(text.as_bytes())?;
    let Some(report) = &contents.features else {
        return Ok(());
    };
    report.put_each(
        &mut |reported| {
            let mut text = String::new();
            feature(&mut text, reported);
            Ok(out.write_all(text.as_bytes())?)
        },
        observe,
    )?;
    writeln!(out, "## How the numbers are defined\n")?;
    for (name, meaning) in DEFINITIONS {
        writeln!(out, "- **{}**: {}", escape(name), escape(meaning))?;
    }
    Ok(())
}

/// Escapes text as Markdown on one line.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.replace("\r\n", "⏎").chars() {
        match c {
            '\n' | '\r' => safe.push('⏎'),
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '|' | '~' | '$' => {
                safe.push('\\');
                safe.push(c);
            }
            c if c.is_control() => say(&mut safe, format_args!("⟨{:02X}⟩", u32::from(c))),
            c => safe.push(c),
        }
    }
    safe
}

fn feature(text: &mut String, reported: &Reported) {
    let detail = &reported.detail;
    let summary = &detail.summary;
    say(
        text,
        format_args!("## \\#{} {}\n\n", summary.feature, escape(&reported.name())),
    );
    let scalars = scalars_of(summary, detail.uses.as_ref());
    let names: Vec<&str> = scalars.iter().map(|(name, _)| *name).collect();
    let values = scalars.iter().map(|(_, value)| Cell::from(value.as_str()));
    table(text, &Table::new("", &names).row(values));
    if detail.top.is_empty() {
        text.push_str("Never active on this text.\n\n");
        return;
    }
    if let Some(family) = family(reported) {
        say(text, format_args!("Family {}.\n\n", escape(&family)));
    }
    histogram(text, &detail.histogram);
    facts(text, reported);
    effects(text, detail);
    written(text, detail);
    related(text, detail);
    text.push_str("Strongest examples:\n\n");
    examples(text, (&detail.top, &detail.loss_effects));
    for interval in &detail.intervals {
        say(
            text,
            format_args!(
                "{} to {}, {} % of its active tokens:\n\n",
                significant(interval.from),
                significant(interval.to),
                significant(100.0 * interval.share)
            ),
        );
        examples(text, (&interval.examples, &[]));
    }
}

/// Writes a histogram as one row of blocks, by log(1 + count).
fn histogram(text: &mut String, histogram: &Histogram) {
    let (Some(first), Some(last)) = (histogram.edges.first(), histogram.edges.last()) else {
        return;
    };
    let most = histogram.counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let block = |count: &u64| match *count {
        0 => ' ',
        count => {
            let share = (count as f64).ln_1p() / most.ln_1p();
            BLOCKS[((share * 8.0).ceil() as usize).clamp(1, 8) - 1]
        }
    };
    let blocks: String = histogram.counts.iter().map(block).collect();
    say(
        text,
        format_args!(
            "Histogram, {} to {}, by the logarithm of 1 + the number of tokens: `{blocks}`\n\n",
            significant(*first),
            significant(*last)
        ),
    );
}

fn facts(text: &mut String, reported: &Reported) {
    if reported.facts.is_empty() {
        return;
    }
    let heads = [
        "fact",
        "precision, %",
        "recall, %",
        "score",
        "active tokens",
    ];
    let mut rows = Table::new("Facts", &heads);
    for fact in &reported.facts {
        rows.rows.push(vec![
            fact.said().into(),
            (100.0 * fact.precision).into(),
            fact.recall.map(|recall| 100.0 * recall).into(),
            fact.score.into(),
            (fact.active as f64).into(),
        ]);
    }
    table(text, &rows);
}

fn effects(text: &mut String, detail: &Detail) {
    let (promoted, suppressed) = (&detail.promoted, &detail.suppressed);
    if promoted.is_empty() && suppressed.is_empty() {
        return;
    }
    let cells = |effect: Option<&TokenEffect>| -> [Cell; 2] {
        match effect {
            Some(effect) => [
                quoted(&effect.text).into(),
                format!("{:+.3}", effect.effect).into(),
            ],
            None => ["".into(), "".into()],
        }
    };
    let mut rows = Table::new("", &["promoted", "logit", "suppressed", "logit"]);
    for n in 0..promoted.len().max(suppressed.len()) {
        let row = [cells(promoted.get(n)), cells(suppressed.get(n))];
        rows.rows.push(row.into_iter().flatten().collect());
    }
    table(text, &rows);
}

/// Writes what a cross-layer feature writes at each hook.
fn written(text: &mut String, detail: &Detail) {
    if detail.written.is_empty() {
        return;
    }
    let heads = ["hook", "decoder norm", "promoted", "suppressed"];
    let mut rows = Table::new("Written in each layer", &heads);
    for at in &detail.written {
        let tokens = |effects: &[TokenEffect]| -> Cell {
            let quoted: Vec<String> = effects.iter().map(|of| quoted(&of.text)).collect();
            quoted.join(" ").into()
        };
        rows.rows.push(vec![
            at.hook.to_string().into(),
            at.norm.into(),
            tokens(&at.promoted),
            tokens(&at.suppressed),
        ]);
    }
    table(text, &rows);
}

fn related(text: &mut String, detail: &Detail) {
    let tokens = |uses: &[TokenUse]| {
        let uses = uses.iter();
        let said = uses.map(|of| {
            let mean = significant(of.mean);
            format!("{} ({}, mean {mean})", quoted(&of.text), count(of.count))
        });
        said.collect::<Vec<_>>().join(", ")
    };
    let mut lists: Vec<(&str, String)> = Vec::new();
    if let Some(uses) = &detail.uses {
        lists.push(("Tokens by mean", tokens(&uses.by_mean)));
        lists.push(("Tokens by count", tokens(&uses.by_count)));
        lists.push(("Tokens before", tokens(&uses.preceding)));
    }
    if let Some(relations) = &detail.relations {
        let neighbours = relations.neighbours.iter();
        let neighbours =
            neighbours.map(|of| format!("#{} ({})", of.feature, significant(of.cosine.into())));
        let coactive = relations.coactive.iter();
        let coactive = coactive.map(|of| format!("#{} ({})", of.feature, significant(of.jaccard)));
        let neurons = relations.neurons.iter();
        let neurons =
            neurons.map(|of| format!("{} ({})", of.neuron, significant(of.cosine.into())));
        let joined = |all: &mut dyn Iterator<Item = String>| all.collect::<Vec<_>>().join(", ");
        lists.push((
            "Nearest decoder rows, by cosine",
            joined(&mut { neighbours }),
        ));
        lists.push((
            "Active together, by Jaccard index",
            joined(&mut { coactive }),
        ));
        lists.push(("Aligned neurons, by cosine", joined(&mut { neurons })));
    }
    lists.retain(|(_, list)| !list.is_empty());
    for (name, list) in &lists {
        say(text, format_args!("- {name}: {}\n", escape(list)));
    }
    if !lists.is_empty() {
        text.push('\n');
    }
}

fn examples(text: &mut String, (examples, losses): (&[Example], &[f32])) {
    for fold in features::fold(examples) {
        let example = &examples[fold.shown];
        let tokens = example.tokens.iter().enumerate().map(|(at, token)| {
            let token = escape(token);
            if at == example.at {
                format!("<b>{token}</b>")
            } else {
                token
            }
        });
        let tokens: String = tokens.collect();
        let loss = losses.get(fold.shown);
        let loss = loss
            .map(|loss| format!(", loss {loss:+.3}"))
            .unwrap_or_default();
        let near = fold
            .said()
            .map(|near| format!(" ({near})"))
            .unwrap_or_default();
        say(
            text,
            format_args!(
                "- {}{loss}: {}{near}\n",
                significant(example.act().into()),
                tokens.trim_start()
            ),
        );
    }
    text.push('\n');
}

fn section(text: &mut String, section: &Section) {
    say(text, format_args!("## {}\n\n", escape(&section.title)));
    for (n, sentence) in section.sentences.iter().enumerate() {
        let sentence = escape(sentence);
        match n {
            0 => say(text, format_args!("**{sentence}**\n\n")),
            _ => say(text, format_args!("{sentence}\n\n")),
        }
    }
    for (name, value) in &section.settings {
        say(
            text,
            format_args!("- {}: {}\n", escape(name), escape(value)),
        );
    }
    text.push('\n');
    for figure in &section.figures {
        table(text, &as_table(figure));
    }
    for (name, meaning) in &section.definitions {
        say(
            text,
            format_args!("- **{}**: {}\n", escape(name), escape(meaning)),
        );
    }
    text.push('\n');
}

/// Turns a plot into a table of its numbers.
fn as_table(figure: &Figure) -> Table {
    match figure {
        Figure::Table(table) => table.clone(),
        Figure::Bars(bars) => {
            let mut table = Table::new(&bars.caption, &["", "value"]);
            for (name, value) in &bars.bars {
                table.rows.push(vec![name.as_str().into(), (*value).into()]);
            }
            table
        }
        Figure::Lines(lines) => {
            let mut table = Table::new(&lines.caption, &["", &lines.x, &lines.y]);
            for series in &lines.series {
                for (x, y) in &series.points {
                    let row = vec![series.name.as_str().into(), (*x).into(), (*y).into()];
                    table.rows.push(row);
                }
            }
            table
        }
        Figure::HeatMap(map) => {
            let corner = format!("{} × {}", map.y, map.x);
            let names = map.columns.iter().map(String::as_str);
            let heads: Vec<&str> = std::iter::once(corner.as_str()).chain(names).collect();
            let mut table = Table::new(&map.caption, &heads);
            for (name, values) in map.rows.iter().zip(&map.values) {
                let values = values.iter().map(|value| Cell::from(*value));
                table.rows.push(
                    std::iter::once(name.as_str().into())
                        .chain(values)
                        .collect(),
                );
            }
            table
        }
    }
}

fn table(text: &mut String, table: &Table) {
    if !table.caption.is_empty() {
        say(text, format_args!("{}\n\n", escape(&table.caption)));
    }
    let is_number = |n: usize| {
        let mut cells = table.rows.iter().filter_map(|row| row.get(n));
        cells.all(|cell| matches!(cell, Cell::Number(_)))
    };
    let row = |cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<String> = cells.collect();
        format!("| {} |\n", cells.join(" | "))
    };
    text.push_str(&row(&mut table.columns.iter().map(|name| escape(name))));
    let lines = (0..table.columns.len()).map(|n| if is_number(n) { "---:" } else { "---" });
    text.push_str(&row(&mut lines.map(str::to_owned)));
    for cells in &table.rows {
        let mut cells = cells.iter().map(|cell| match cell {
            Cell::Number(value) => plots::number(*value),
            Cell::Text(text) => escape(text),
        });
        text.push_str(&row(&mut cells));
    }
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_markdown_would_read_is_escaped() {
        assert_eq!(
            escape("a|b_*c*\n<b>[d](e) $x$ & `f`"),
            "a\\|b\\_\\*c\\*⏎&lt;b&gt;\\[d\\](e) \\$x\\$ &amp; \\`f\\`"
        );
        assert_eq!(escape("\u{1}"), "⟨01⟩");
    }

    #[test]
    fn a_table_has_as_many_cells_in_every_line() {
        let of = Table::new("Costs", &["name", "nats"])
            .row(["a|b".into(), 0.25.into()])
            .row(["c\nd".into(), f64::NAN.into()]);
        let mut text = String::new();
        table(&mut text, &of);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "Costs",
                "",
                "| name | nats |",
                "| --- | ---: |",
                "| a\\|b | 0.250 |",
                "| c⏎d | – |",
                ""
            ]
        );
    }
}
