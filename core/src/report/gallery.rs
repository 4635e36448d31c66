//! Writes a dictionary as a static site, for any web host or a folder on disk: a page with a searchable table of features, and their sections in small files that
//! the page loads when they are asked for. It works without a server: data comes as scripts, since a page on disk may load those.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::feature::{self, quoted};
use super::form::{Broken, Observe, Put};
use super::pieces::{count, escape, put as line, significant};
use super::{Report, Reported, figures, page};
use crate::error::{Error, Result};
use crate::features::Histogram;
use crate::features::facts::Fact;
use crate::folders::GALLERY;
use crate::ids::FeatureId;
use crate::progress::{Ended, Flow, Progress};
use crate::whole_file;

/// Style that only the gallery needs.
const STYLE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../assets/report/gallery.css"
));
/// Script of the gallery.
const SCRIPT: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../assets/report/gallery.js"
));

/// Rows of the table in one file.
const ROWS: usize = 1024;
/// Features' sections in one file.
const SECTIONS: usize = 32;
/// Bars of the small histogram of a row.
const BARS: usize = 24;
/// Tokens of each list that a search finds.
const TOKENS: usize = 8;

/// Summary of a gallery that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gallery {
    /// Number of files.
    pub files: usize,
    /// Number of features.
    pub features: usize,
}

/// Writes the gallery of the features of `report` into the folder `out`, whole or not at all; its page is `index.html`. `observe` hears the features done. A page
/// that belongs to something else is an error.
pub fn gallery(
    report: &Report<'_>,
    out: &Path,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Gallery>> {
    let index = out.join("index.html");
    if index.exists() && !out.join(GALLERY).exists() {
        return Err(Error::input(
            "belongs to another site: name another folder for the gallery",
            index,
        ));
    }
    let mut stopped = false;
    let mut gallery = Gallery {
        files: 0,
        features: report.features().len(),
    };
    let written = whole_file::write_folder(out, |folder| {
        let mut files = Files {
            folder,
            written: 0,
            rows: Vec::new(),
            sections: Vec::new(),
        };
        let filled = files.fill(report, observe);
        gallery.files = files.written;
        match filled {
            Ok(()) => Ok(()),
            Err(Broken::Source(error)) => Err(error),
            Err(Broken::File(error)) => Err(Error::io("cannot write the gallery", out, error)),
            Err(Broken::Stopped) => {
                stopped = true;
                Err(Error::input("was not written whole", out))
            }
        }
    });
    match written {
        Err(_) if stopped => Ok(Ended::STOPPED),
        written => written.map(|()| Ended::Done(gallery)),
    }
}

/// Files of a gallery that is being written.
struct Files<'f> {
    folder: &'f Path,
    written: usize,
    /// Rows of the next file of the table.
    rows: Vec<Value>,
    /// Sections of the next file of sections.
    sections: Vec<Value>,
}

impl Files<'_> {
    fn write(&mut self, name: &str, text: &str) -> Result<()> {
        self.written += 1;
        whole_file::write_bytes(&self.folder.join(name), text.as_bytes())
    }

    fn fill(&mut self, report: &Report<'_>, observe: Observe<'_>) -> Put {
        let features = report.features();
        let there: BTreeSet<FeatureId> = features.iter().copied().collect();
        let is_there = |feature| there.contains(&feature);
        let mut densities = Vec::with_capacity(features.len());
        report.put_each(
            &mut |reported| {
                densities.push(reported.detail.summary.density);
                let mut section = String::new();
                feature::section(&mut section, reported, &is_there);
                self.rows.push(row(reported));
                self.sections.push(json!(section));
                self.rows(densities.len())?;
                Ok(self.sections(densities.len())?)
            },
            observe,
        )?;
        self.flush(densities.len())?;
        self.write("gallery.css", &format!("{}{STYLE}", page::STYLE))?;
        self.write(GALLERY, &format!("{}{SCRIPT}", page::SEARCH))?;
        Ok(self.write("index.html", &index(report, &densities))?)
    }

    /// Writes the rows once a file of them is full.
    fn rows(&mut self, done: usize) -> Result<()> {
        if self.rows.len() < ROWS {
            return Ok(());
        }
        let rows = std::mem::take(&mut self.rows);
        self.data("rows", (done - 1) / ROWS, rows)
    }

    /// Writes the sections once a file of them is full.
    fn sections(&mut self, done: usize) -> Result<()> {
        if self.sections.len() < SECTIONS {
            return Ok(());
        }
        let sections = std::mem::take(&mut self.sections);
        self.data("sections", (done - 1) / SECTIONS, sections)
    }

    /// Writes what is left after the last feature.
    fn flush(&mut self, done: usize) -> Result<()> {
        if !self.rows.is_empty() {
            let rows = std::mem::take(&mut self.rows);
            self.data("rows", (done - 1) / ROWS, rows)?;
        }
        if !self.sections.is_empty() {
            let sections = std::mem::take(&mut self.sections);
            self.data("sections", (done - 1) / SECTIONS, sections)?;
        }
        Ok(())
    }

    /// Writes `rows-0.js` or `sections-0.js`: a call that hands the values to the page.
    fn data(&mut self, kind: &str, number: usize, values: Vec<Value>) -> Result<()> {
        let values = Value::from(values);
        let text = format!("receive(\"{kind}\",{number},{values});\n");
        self.write(&format!("{kind}-{number}.js"), &text)
    }
}

/// Returns the row of a feature: number, name, fact, density, mean, min, max, small histogram, and the words that a search finds beside the name.
fn row(reported: &Reported) -> Value {
    let detail = &reported.detail;
    let summary = &detail.summary;
    let fact = reported.facts.first().map(Fact::said);
    let mut words: Vec<String> = reported.facts.iter().map(Fact::said).collect();
    words.extend(feature::family(reported));
    let effects = [&detail.promoted, &detail.suppressed].into_iter();
    let effects = effects.flat_map(|effects| effects.iter().take(TOKENS));
    words.extend(effects.map(|effect| quoted(&effect.text)));
    let uses = detail.uses.iter();
    let uses = uses.flat_map(|uses| [&uses.by_mean, &uses.by_count]);
    let uses = uses.flat_map(|uses| uses.iter().take(TOKENS));
    words.extend(uses.map(|of| quoted(&of.text)));
    words.extend(detail.top.first().map(|example| example.tokens.concat()));
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    json!([
        summary.feature.0,
        reported.name(),
        fact.unwrap_or_default(),
        finite(summary.density),
        finite(summary.mean),
        finite(summary.min),
        finite(summary.max),
        bars(&detail.histogram),
        words.join(" "),
    ])
}

/// Returns a histogram in few bars as one digit each, 0 to 9, by log(1 + count); empty where there is none.
fn bars(histogram: &Histogram) -> String {
    let counts = &histogram.counts;
    let several = counts.len().div_ceil(BARS).max(1);
    let sums: Vec<u64> = counts
        .chunks(several)
        .map(|some| some.iter().sum())
        .collect();
    let most = (sums.iter().copied().max().unwrap_or(0).max(1) as f64).ln_1p();
    let digit = |sum: &u64| ((*sum as f64).ln_1p() / most * 9.0).ceil() as u8;
    sums.iter()
        .map(|sum| char::from(b'0' + digit(sum).min(9)))
        .collect()
}

/// Writes the page: what the dictionary is, the search, the empty table, and the place of a feature's section.
fn index(report: &Report<'_>, densities: &[f64]) -> String {
    let about = &report.about;
    let features = densities.len();
    let title = escape(&format!("Features of {}", about.sae));
    let mut page = page::head(&title);
    line(
        &mut page,
        format_args!(
            "<link rel=\"stylesheet\" href=\"gallery.css\">\n</head>\n<body>\n<header>\n<h1><a href=\"#\">{title}</a></h1>\n\
             <p class=\"purpose\">{} features of a dictionary at {} of {}: what they respond to, and what they do</p>\n\
             <details id=\"about\"><summary>About this dictionary</summary>",
            count(features as u64),
            escape(&about.hooks()),
            escape(&about.model)
        ),
    );
    page::facts(&mut page, report);
    by_density(&mut page, densities);
    page::definitions(&mut page);
    page.push_str("</details>\n</header>\n<noscript><p class=\"notice\">The gallery needs JavaScript: it loads features when they are asked for.</p></noscript>\n");
    page::search(&mut page, &page::ORDERS[1..]);
    line(
        &mut page,
        format_args!(
            "<main data-features=\"{features}\" data-rows=\"{ROWS}\" data-sections=\"{SECTIONS}\">\n\
             <p class=\"notice\" id=\"notice\" role=\"status\" hidden></p>\n\
             <div id=\"list\" hidden>\n<div class=\"wide\"><table class=\"list\"><thead><tr><th>feature</th><th class=\"text\">name</th>\
             <th class=\"text fact\">fact</th><th>density, %</th><th class=\"mean\">mean</th><th>max</th><th class=\"text bars\">activations</th></tr></thead>\
             <tbody id=\"rows\"></tbody></table></div>\n\
             <nav class=\"pages\" aria-label=\"Pages\"><button type=\"button\" id=\"previous\">Previous</button><span id=\"page\"></span>\
             <button type=\"button\" id=\"next\">Next</button></nav>\n</div>\n\
             <div id=\"one\" hidden><nav class=\"pages\" aria-label=\"Features\"><button type=\"button\" id=\"back\">All features</button>\
             <button type=\"button\" id=\"before\">Previous feature</button><button type=\"button\" id=\"after\">Next feature</button></nav>\n\
             <div id=\"section\"></div></div>\n</main>\n<footer><p class=\"secondary\">Made by Umbra {} from an index of {} tokens of {}</p></footer>\n\
             <script src=\"{GALLERY}\"></script>\n</body>\n</html>",
            escape(&report.version),
            count(about.tokens),
            escape(&about.corpus)
        ),
    );
    page
}

/// Writes how many features have which density, in bins of a quarter of a power of ten, and how many are never active.
fn by_density(page: &mut String, densities: &[f64]) {
    let active = densities.iter().filter(|density| **density > 0.0);
    let bins: Vec<i32> = active
        .map(|density| (density.log10() * 4.0).floor() as i32)
        .collect();
    let never = densities.len() - bins.len();
    let (Some(low), Some(high)) = (bins.iter().min(), bins.iter().max()) else {
        return;
    };
    let mut counts = vec![0.0; (high - low + 1) as usize];
    for bin in &bins {
        counts[(bin - low) as usize] += 1.0;
    }
    let edge = |bin: i32| {
        let density = 10_f64.powf(f64::from(bin) / 4.0);
        format!("{} %", significant(100.0 * density))
    };
    let title = |n: usize| {
        let bin = low + n as i32;
        format!("{} to {}: {} features", edge(bin), edge(bin + 1), counts[n])
    };
    let most = counts.iter().copied().fold(0.0, f64::max);
    let ends = ([edge(*low), edge(high + 1)], count(most as u64));
    let svg = figures::columns("Features by density", &counts, &title, ends);
    line(
        page,
        format_args!(
            "<figure><h3>Features by density</h3>\n{svg}<figcaption>Density, in bins of equal ratio; number of features. {} never active.</figcaption></figure>",
            count(never as u64)
        ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_active_feature_is_in_a_bin_of_its_density() {
        let mut page = String::new();
        by_density(&mut page, &[0.1, 0.11, 0.001, 0.0, 0.0]);
        let said = |piece: &str| page.contains(piece);
        assert!(
            said(": 2 features</title>") && said(": 1 features</title>"),
            "{page}"
        );
        assert!(said("2 never active"), "{page}");
        assert_eq!(page.matches("<rect").count(), 9);
        page.clear();
        by_density(&mut page, &[0.0]);
        assert!(page.is_empty());
    }

    #[test]
    fn a_small_histogram_has_one_digit_a_bar_and_shows_every_count() {
        let histogram = |counts: &[u64]| Histogram {
            edges: (0..=counts.len()).map(|edge| edge as f64).collect(),
            counts: counts.to_vec(),
        };
        assert_eq!(bars(&histogram(&[])), "");
        assert_eq!(bars(&histogram(&[0, 1, 1000])), "019");
        let long = bars(&histogram(&[1; 50]));
        assert!(long.len() <= BARS && long.len() > BARS / 2, "{long}");
        assert!(long.chars().all(|bar| bar == '9' || bar == '8'), "{long}");
    }
}
