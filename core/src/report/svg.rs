//! Figures of a report as SVG files of their own, for papers and slides: colours of the light palette, as plain values that every program reads.

use std::path::Path;

use super::form::Broken;
use super::pieces::escape;
use super::{Contents, feature, page, sections};
use crate::error::{Error, Result};
use crate::progress::{Ended, Flow, Progress};
use crate::whole_file;

/// Fonts of figures: programs that draw SVG have at least the last one.
const FONTS: &str = "Inter, Helvetica, Arial, sans-serif";

/// Writes every figure of `contents` into the folder `out`, whole or not at all, as `feature-12-histogram.svg` or `result-1-figure-2.svg` (counted from 1), and
/// returns their number. `observe` hears the features done.
pub fn figures(
    contents: &Contents<'_>,
    out: &Path,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<usize>> {
    let mut written = 0;
    let mut stopped = false;
    let filled = whole_file::write_folder(out, |folder| {
        let mut write = |name: String, svg: &str| {
            written += 1;
            whole_file::write_bytes(&folder.join(name), alone(svg).as_bytes())
        };
        for (n, result) in (1..).zip(&contents.results) {
            for (figure, (_, svg)) in (1..).zip(sections::drawn(result)) {
                write(format!("result-{n}-figure-{figure}.svg"), &svg)?;
            }
        }
        let Some(report) = &contents.features else {
            return Ok(());
        };
        let each = report.put_each(
            &mut |reported| {
                for (title, svg, _) in feature::drawn(&reported.detail) {
                    let of = reported.detail.summary.feature;
                    write(file_name(of.0, title), &svg)?;
                }
                Ok(())
            },
            observe,
        );
        match each {
            Ok(()) => Ok(()),
            Err(Broken::Source(error)) => Err(error),
            Err(Broken::File(error)) => Err(Error::io("cannot write the file", out, error)),
            Err(Broken::Stopped) => {
                stopped = true;
                Err(Error::input("was not written whole", out))
            }
        }
    });
    match filled {
        Err(_) if stopped => Ok(Ended::STOPPED),
        filled => filled.map(|()| Ended::Done(written)),
    }
}

/// Returns the name of the file of a feature's figure.
pub(super) fn file_name(feature: u32, title: &str) -> String {
    let title = title.to_lowercase().replace(' ', "-");
    format!("feature-{feature}-{title}.svg")
}

/// Makes an inline figure a file of its own: with its namespace, its size and its style.
fn alone(svg: &str) -> String {
    let size = svg
        .split_once("viewBox=\"0 0 ")
        .and_then(|(_, rest)| rest.split_once('"'))
        .and_then(|(size, _)| size.split_once(' '));
    let (width, height) = size.unwrap_or(("480", "200"));
    let (open, rest) = svg.split_once('>').unwrap_or((svg, ""));
    format!(
        "{open} xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\"><style>{}</style>{rest}\n",
        escape(&style())
    )
}

/// Returns the rules of the page's style that figures need, each variable replaced by its value in the light palette. The first palette of the style is the
/// light one.
fn style() -> String {
    let rules = page::STYLE
        .lines()
        .flat_map(|line| line.split_inclusive('}'));
    let rules = rules.filter_map(|rule| rule.trim().strip_prefix("svg "));
    let mut style: String = rules.map(|rule| format!("{rule}\n")).collect();
    let palette = page::STYLE.split_once(":root {").map(|(_, rest)| rest);
    let palette = palette
        .and_then(|rest| rest.split_once('}'))
        .map(|(palette, _)| palette);
    for setting in palette.unwrap_or_default().split(';') {
        if let Some((name, value)) = setting.split_once(':') {
            style = style.replace(&format!("var({})", name.trim()), value.trim());
        }
    }
    let fonts = [
        "Inter, system-ui, sans-serif",
        "\"JetBrains Mono\", ui-monospace, monospace",
    ];
    for font in fonts {
        style = style.replace(font, FONTS);
    }
    style
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_style_of_a_figure_names_no_variable_and_has_every_class() {
        let style = style();
        assert!(!style.contains("var("), "{style}");
        for class in [
            ".bar", ".axis", ".grid", ".series0", ".raised", ".line", "text",
        ] {
            assert!(style.contains(class), "{class}: {style}");
        }
        assert!(style.contains("#945800"), "{style}");
    }

    #[test]
    fn a_figure_alone_has_its_size_and_its_namespace() {
        let svg = alone(
            "<svg viewBox=\"0 0 480 138\" role=\"img\" aria-label=\"a\"><text>b</text></svg>",
        );
        for piece in [
            "<svg viewBox=\"0 0 480 138\"",
            "xmlns=\"http://www.w3.org/2000/svg\"",
            "width=\"480\" height=\"138\"",
            "<text>b</text></svg>",
        ] {
            assert!(svg.contains(piece), "{svg}");
        }
        assert_eq!(file_name(12, "Head shares"), "feature-12-head-shares.svg");
    }
}
