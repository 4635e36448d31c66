//! Requests for one dictionary: evaluate, index, export, report.

use std::path::PathBuf;

use umbra_core::features::Viewer;
use umbra_core::formats::{Precision, Target};
use umbra_core::ids::FeatureId;
use umbra_core::report::Choice;

use crate::state::catalogue::DictionaryId;

/// A folder to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Out {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// Whether a person agreed to replace what it holds.
    pub(crate) overwrite: bool,
}

/// Files about features that fill a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Site {
    /// A static site of all features.
    Gallery,
    /// Figures of these features as SVG.
    Figures(Vec<FeatureId>),
}

/// Requests of this area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Ask how much held-out text to evaluate it on.
    Evaluate(DictionaryId),
    /// Ask how much held-out text to build its index on.
    BuildIndex(DictionaryId),
    /// Take it off the project; its files stay.
    Remove(DictionaryId),
    /// Ask where to, then export.
    PickExport(DictionaryId, Target, Precision),
    /// Write it as a folder of another library's.
    Export(DictionaryId, Target, Precision, Out),
    /// Ask where to, then write its index for another viewer.
    PickView(DictionaryId, Viewer),
    /// Write its index for another viewer.
    View(DictionaryId, Viewer, Out),
    /// Write a report of these features into the project's folder of reports.
    ReportHere(DictionaryId, Vec<FeatureId>),
    /// Open a report with the system's program for its kind.
    OpenReport(PathBuf),
    /// Ask where to, then report.
    PickReport(DictionaryId, Choice),
    /// Write chosen features as a page, Markdown, JSON or CSV, by the ending of the file.
    Report(DictionaryId, Choice, PathBuf),
    /// Ask where to, then write a gallery of all features, or the figures of chosen ones.
    PickSite(DictionaryId, Site),
    /// Write it into a folder.
    Site(DictionaryId, Site, Out),
}
