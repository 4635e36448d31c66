//! `umbra report`: writes results of studies and chosen features of an index as a page, Markdown, JSON, CSV, figures, or a gallery.

use std::path::PathBuf;

use clap::ArgGroup;
use serde_json::{Value, json};

use super::index::check_labels;
use super::{Console, Exit, MismatchArgs, say_fit};
use crate::error::{Error, Result};
use crate::features::Index;
use crate::features::filter::{self, Column, Filter, Sort};
use crate::fit::Fit;
use crate::folders;
use crate::formats;
use crate::ids::FeatureId;
use crate::models::Model;
use crate::progress::Ended;
use crate::project::{MadeWith, Project};
use crate::report::{self, Choice, Contents, Form, Report};
use crate::section::Section;
use crate::whole_file;
use crate::workbench::results;

/// Flags of `umbra report`.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("target").args(["out", "gallery", "figures"]).required(true).multiple(true))]
pub(super) struct Args {
    /// Index file
    #[arg(value_name = "INDEX", required_unless_present = "study")]
    index: Option<PathBuf>,
    /// Features: numbers (1,2,3), top:N for the N with the largest maximum activation, or all [default for --gallery: all]
    #[arg(long, value_name = "1,2,3|top:N|all", requires = "index")]
    features: Option<String>,
    /// Features that a filter keeps, such as 'density<1e-3 and fires:"king"'; `umbra guide features` lists the language
    #[arg(
        long = "where",
        value_name = "FILTER",
        requires = "index",
        conflicts_with = "features"
    )]
    filter: Option<Filter>,
    /// Order of the features that --where keeps, such as max or density:asc,max
    #[arg(long, value_name = "KEYS", requires = "filter")]
    sort: Option<Sort>,
    /// Most features of those that --where keeps
    #[arg(long, value_name = "N", requires = "filter")]
    limit: Option<usize>,
    /// Result to show: the file of a kept study, a file written by --for-report, or the name of a study that --project keeps. May be repeated; results come
    /// before features
    #[arg(long, value_name = "FILE|NAME")]
    study: Vec<String>,
    /// Project whose labels to show with the features, and whose studies --study names; it is not changed
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    /// Report to write: .html (one page with a search), .md, .json, or .csv (one row a feature)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Folder to write as a static site of the features, with index.html: for any web host, or to open from disk
    #[arg(long, value_name = "DIR", requires = "index")]
    gallery: Option<PathBuf>,
    /// Folder to write the figures of features and results into, each as an SVG file
    #[arg(long, value_name = "DIR")]
    figures: Option<PathBuf>,
    /// Overwrite a gallery, export, dictionary, run or store in the folder of --gallery; without this flag such a folder is an error. Other files stay
    #[arg(long, requires = "gallery")]
    overwrite: bool,
    #[command(flatten)]
    mismatch: MismatchArgs,
}

/// `--for-report`, for commands whose result can be a section of a report.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct SectionArg {
    /// File to write the result into as a section of a report, for `umbra report --study FILE`
    #[arg(long, value_name = "FILE")]
    for_report: Option<PathBuf>,
}

impl SectionArg {
    /// Writes the section that `section` makes, made with `model`, if it is asked for.
    pub(super) fn write(&self, model: &Model, section: impl FnOnce() -> Section) -> Result<()> {
        let Some(path) = &self.for_report else {
            return Ok(());
        };
        let made = MadeWith::new(model, &[], &[], &json!({}))?;
        results::write(&section(), &made, path)
    }
}

/// Runs `umbra report`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    if let Some(filter) = &args.filter {
        check_labels(filter, args.project.is_some())?;
    }
    if let Some(out) = &args.out {
        Form::from_path(out)?;
        whole_file::check(out)?;
    }
    let project = match &args.project {
        Some(folder) => {
            let (project, notes) = Project::open(folder)?;
            console.notes(&notes);
            Some(project)
        }
        None => None,
    };
    let index = match &args.index {
        Some(path) => Some(Index::open(path)?),
        None => None,
    };
    let sections = args.study.iter();
    let sections = sections.map(|name| results::section(project.as_ref(), name));
    let contents = Contents {
        results: sections.collect::<Result<_>>()?,
        features: match &index {
            Some(index) => match features(args, (index, project.as_ref()), console)? {
                Ended::Done(report) => Some(report),
                Ended::Stopped(()) => return Ok(Exit::Stopped),
            },
            None => None,
        },
    };
    let Ended::Done(object) = write(args, &contents, console)? else {
        return Ok(Exit::Stopped);
    };
    let said = || said(args, &contents, &object).join("\n");
    match &args.out {
        Some(out) => console.answer_beside(out, &object, said)?,
        None => console.answer(&object, said)?,
    }
    Ok(Exit::Done)
}

/// Says what was written, and where, a line for each place.
fn said(args: &Args, contents: &Contents<'_>, object: &Value) -> Vec<String> {
    let counted = |count: usize, one: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    };
    let results = contents.results.len();
    let features = contents.features.as_ref().map(|r| r.features().len());
    let features = features.map(|count| counted(count, "feature"));
    let results = (results > 0).then(|| counted(results, "result"));
    let all: Vec<String> = results.into_iter().chain(features.clone()).collect();
    let files = |key: &str| object[key].as_u64().unwrap_or_default() as usize;
    let gallery = || {
        let files = counted(files("gallery_files"), "file");
        format!("{} in {files}", features.clone().unwrap_or_default())
    };
    let figures = || counted(files("figures_files"), "figure");
    let out = args.out.iter().map(|out| (all.join(" and "), out));
    let gallery = args.gallery.iter().map(|out| (gallery(), out));
    let figures = args.figures.iter().map(|out| (figures(), out));
    out.chain(gallery)
        .chain(figures)
        .map(|(what, place)| format!("Wrote {what} to {}", place.display()))
        .collect()
}

/// Writes whatever is asked for; returns what was written.
fn write(args: &Args, contents: &Contents<'_>, console: &Console) -> Result<Ended<Value>> {
    let mut object = json!({});
    if let Some(report) = &contents.features {
        object["features"] = json!(report.features().len());
    }
    if let Some(out) = &args.out {
        let mut bar = console.bar("Writing the report");
        if contents.write(out, &mut |at| bar.at(at))?.is_stopped() {
            return Ok(Ended::STOPPED);
        }
        object["out"] = json!(out.display().to_string());
    }
    if let (Some(out), Some(report)) = (&args.gallery, &contents.features) {
        let claim = folders::claim(out, args.overwrite)?;
        let mut bar = console.bar("Writing the gallery");
        let Ended::Done(gallery) = report::gallery(report, out, &mut |at| bar.at(at))? else {
            return Ok(Ended::STOPPED);
        };
        claim.release()?;
        object["gallery"] = json!(out.display().to_string());
        object["gallery_files"] = json!(gallery.files);
    }
    if let Some(out) = &args.figures {
        let mut bar = console.bar("Writing the figures");
        let Ended::Done(figures) = report::figures(contents, out, &mut |at| bar.at(at))? else {
            return Ok(Ended::STOPPED);
        };
        object["figures"] = json!(out.display().to_string());
        object["figures_files"] = json!(figures);
    }
    Ok(Ended::Done(object))
}

/// Returns the features asked for with the labels of the project; stopped where the person stopped the reading.
fn features<'i>(
    args: &Args,
    (index, project): (&'i Index, Option<&Project>),
    console: &Console,
) -> Result<Ended<Report<'i>>> {
    say_fit(&Fit::of_index(index.about(), None, None), false, console)?;
    let mut labels = Vec::new();
    if let Some(project) = project {
        check_labelled(args, project, index, console)?;
        if let Some(there) = project.labels_there()? {
            let all = there.all(&index.about().sae)?;
            labels.extend(all.into_iter().map(|label| (label.feature, label.text)));
        }
    }
    let choice = match (&args.features, &args.filter) {
        (Some(features), _) => features.parse()?,
        (None, Some(filter)) => match kept(args, (index, filter), &labels, console)? {
            Ended::Done(kept) => Choice::Listed(kept),
            Ended::Stopped(()) => return Ok(Ended::STOPPED),
        },
        (None, None) if args.gallery.is_some() => Choice::All,
        (None, None) => {
            let what = "say which features of the index: 1,2,3 or top:10 or all";
            return console.usage(Err(Error::setting("--features", what)));
        }
    };
    Report::new(index, &choice, &labels).map(Ended::Done)
}

/// Returns the features that `filter` keeps, in the order asked for; an error where there is none.
fn kept(
    args: &Args,
    (index, filter): (&Index, &Filter),
    labels: &[(FeatureId, String)],
    console: &Console,
) -> Result<Ended<Vec<FeatureId>>> {
    let sort = args.sort.clone();
    let sort = sort.unwrap_or_else(|| Sort::new(Column::Number, false));
    let mut labels: Vec<(FeatureId, &str)> = labels
        .iter()
        .map(|(feature, label)| (*feature, label.as_str()))
        .collect();
    labels.sort_unstable();
    let mut bar = console.bar("Reading the index's words");
    let chosen = filter::select(index, (filter, &sort, &[]), &labels, &mut |at| bar.at(at))?;
    drop(bar);
    let Ended::Done(chosen) = chosen else {
        return Ok(Ended::STOPPED);
    };
    let mut features = chosen.features;
    features.truncate(args.limit.unwrap_or(usize::MAX));
    if features.is_empty() {
        let what = format!(
            "keeps none of the index's {} features",
            index.about().features
        );
        return Err(Error::setting("--where", what));
    }
    Ok(Ended::Done(features))
}

/// Checks that the index was built with the project's dictionary of the same name, whose labels are shown. An unreadable dictionary is not checked.
fn check_labelled(args: &Args, project: &Project, index: &Index, console: &Console) -> Result<()> {
    let named = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| *name == *index.about().sae)
    };
    let own = project.entries.iter().find(|entry| named(&entry.sae));
    let Some((sae, _)) =
        own.and_then(|entry| formats::open_among(&entry.sae, None, &project.dictionaries()).ok())
    else {
        return Ok(());
    };
    let fit = Fit::of_index(index.about(), None, Some(&sae));
    if fit.is_refused() {
        args.mismatch.check(&fit, console)?;
    }
    Ok(())
}
