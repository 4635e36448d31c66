//! Writes sections of results into the page: sentences, settings, tables, and plots as inline SVG.

use super::pieces::{escape, put};
use super::plots;
use crate::section::{Cell, Figure, Section, Table};

/// Writes one section under the number `n`.
pub(super) fn section(page: &mut String, n: usize, section: &Section) {
    put(
        page,
        format_args!(
            "<section class=\"study\" id=\"s{n}\">\n<h2>{}</h2>",
            escape(&section.title)
        ),
    );
    for (i, sentence) in section.sentences.iter().enumerate() {
        let class = if i == 0 { "conclusion" } else { "secondary" };
        put(
            page,
            format_args!("<p class=\"{class}\">{}</p>", escape(sentence)),
        );
    }
    if !section.settings.is_empty() {
        page.push_str("<dl class=\"facts\">\n");
        for (name, value) in &section.settings {
            put(
                page,
                format_args!("<dt>{}</dt><dd>{}</dd>", escape(name), escape(value)),
            );
        }
        page.push_str("</dl>\n");
    }
    for figure in &section.figures {
        match figure {
            Figure::Table(of) => table(page, of),
            other => {
                if let Some((caption, svg)) = drawing(other) {
                    put(
                        page,
                        format_args!("<figure><h3>{}</h3>\n{svg}</figure>", escape(caption)),
                    );
                }
            }
        }
    }
    if !section.definitions.is_empty() {
        page.push_str("<details><summary>How the numbers are defined</summary>\n<dl>\n");
        for (name, meaning) in &section.definitions {
            put(
                page,
                format_args!("<dt>{}</dt><dd>{}</dd>", escape(name), escape(meaning)),
            );
        }
        page.push_str("</dl>\n</details>\n");
    }
    page.push_str("</section>\n");
}

/// Caption and drawing of a figure; none of a table.
fn drawing(figure: &Figure) -> Option<(&str, String)> {
    Some(match figure {
        Figure::Table(_) => return None,
        Figure::Bars(of) => (&of.caption, plots::bars(of)),
        Figure::Lines(of) => (&of.caption, plots::lines(of)),
        Figure::HeatMap(of) => (&of.caption, plots::heat_map(of)),
    })
}

/// Returns caption and drawing of every figure of a section that is drawn.
pub(super) fn drawn(section: &Section) -> impl Iterator<Item = (&str, String)> {
    section.figures.iter().filter_map(drawing)
}

fn table(page: &mut String, table: &Table) {
    put(
        page,
        format_args!(
            "<h3>{}</h3>\n<div class=\"wide\"><table class=\"study\"><thead><tr>",
            escape(&table.caption)
        ),
    );
    for (n, column) in table.columns.iter().enumerate() {
        let class = if is_text(table, n) {
            " class=\"text\""
        } else {
            ""
        };
        put(page, format_args!("<th{class}>{}</th>", escape(column)));
    }
    page.push_str("</tr></thead><tbody>\n");
    for row in &table.rows {
        page.push_str("<tr>");
        for cell in row {
            match cell {
                Cell::Number(value) => {
                    put(page, format_args!("<td>{}</td>", plots::number(*value)));
                }
                Cell::Text(text) => {
                    put(
                        page,
                        format_args!("<td class=\"text\">{}</td>", plots::line(text)),
                    );
                }
            }
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody></table></div>\n");
}

/// Whether column `n` holds texts.
fn is_text(table: &Table, n: usize) -> bool {
    let cells = table.rows.iter().filter_map(|row| row.get(n));
    cells.into_iter().any(|cell| matches!(cell, Cell::Text(_)))
}
