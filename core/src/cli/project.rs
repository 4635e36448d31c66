//! `umbra project`: shows what a project holds, its dictionaries in the same table as the window's Library.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Console, Exit};
use crate::error::Result;
use crate::features::Index;
use crate::fit::Fit;
use crate::formats;
use crate::heads::survey::{KeptSurvey, Role};
use crate::models::Model;
use crate::project::{Entry, KeptAbout, Project};
use crate::sae::Sae;
use crate::workbench::overview::{Column, Indexed, Known, ReadAs, Row};
use crate::workbench::pair::Pair;
use crate::workbench::passes::{self, Amount};

/// Flags of `umbra project`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Show a project's model, texts, survey of heads, kept studies and dictionaries, with figures and a verdict on each dictionary. Reads the weights of all of them
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Folder of the project, with its umbra.toml
    #[arg(value_name = "DIR", default_value = ".")]
    folder: PathBuf,
}

/// Runs `umbra project`.
pub(super) fn run(args: &Args, console: &Console) -> Result<Exit> {
    let Verb::Show(args) = &args.verb;
    let (project, notes) = Project::open(&args.folder)?;
    console.notes(&notes);
    let model = project.model.as_deref().map(|path| {
        let (model, notes) = Model::open_as(path, project.opening)?;
        console.notes(&notes);
        Ok(Arc::new(model))
    });
    let (mut rows, mut saes) = (Vec::new(), Vec::new());
    for entry in &project.entries {
        if console.stopped() {
            return Ok(Exit::Stopped);
        }
        let model = model
            .as_ref()
            .and_then(|model: &Result<_>| model.as_ref().ok());
        let (row, sae) = row(&project, entry, model, console)?;
        rows.push((entry, row));
        saes.extend(sae);
    }
    let read_as = match &model {
        None => Ok(Vec::new()),
        Some(Ok(model)) => Ok(ReadAs::from(&**model).sentences()),
        Some(Err(why)) => Err(super::words::error(why)),
    };
    let held_out = passes::held_out(&project, Amount::All).map(|request| passes::source(&request));
    let survey = survey(
        &project,
        model.as_ref().and_then(|model| model.as_ref().ok()),
    );
    let opened = model.as_ref().and_then(|model| model.as_ref().ok());
    let studies: Vec<Studied> = project
        .studies()
        .into_iter()
        .map(|kept| Studied::judge(kept, opened.map(|model| &**model), &saes))
        .collect();
    let object = json!({
        "project": project.name, "folder": project.folder, "model": project.model,
        "read_as": read_as.as_ref().ok(), "model_failure": read_as.as_ref().err(),
        "train_text": project.train_text, "held_out_text": project.held_out_text, "measured_on": held_out.as_ref().ok(),
        "survey": survey.as_ref().map(Surveyed::object),
        "studies": studies.iter().map(Studied::object).collect::<Vec<_>>(),
        "dictionaries": rows.iter().map(|(entry, row)| object(entry, row)).collect::<Vec<_>>(),
        "definitions": Column::ALL.map(|column| (column.key().to_owned(), json!(column.definition()))).into_iter().collect::<Map<_, _>>(),
    });
    console.answer(&object, || {
        let mut lines = vec![project.name.clone()];
        match &read_as {
            Ok(sentences) if sentences.is_empty() => lines.push("model     none".to_owned()),
            Ok(sentences) => {
                let path = project.model.as_deref().unwrap_or(Path::new(""));
                lines.push(format!("model     {}", path.display()));
                lines.extend(sentences.iter().map(|said| format!("          {said}")));
            }
            Err(why) => lines.push(format!("model     did not load: {why}")),
        }
        lines.extend(texts(&project));
        if let Some(survey) = &survey {
            lines.push(format!("heads     {}", survey.said()));
        }
        lines.extend(
            studies
                .iter()
                .map(|study| format!("study     {}", study.said())),
        );
        lines.push(String::new());
        lines.push(if rows.is_empty() {
            "no dictionary yet".to_owned()
        } else {
            table(rows.iter().map(|(_, row)| row))
        });
        lines.join("\n")
    })?;
    Ok(Exit::Done)
}

/// Lines that name the project's texts.
fn texts(project: &Project) -> Vec<String> {
    let texts = [
        ("training", &project.train_text),
        ("held out", &project.held_out_text),
    ];
    let line = |(part, paths): (&str, &Vec<PathBuf>)| {
        let paths: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        let paths = if paths.is_empty() {
            "none".to_owned()
        } else {
            paths.join(", ")
        };
        format!("{part:<9} {paths}")
    };
    texts.map(line).into()
}

/// Survey of heads that a project keeps, or why it cannot be used.
struct Surveyed {
    kept: Option<KeptSurvey>,
    problem: Option<String>,
}

/// Reads the survey that is kept with the project and judges whether it is of its model; none if there is no survey.
fn survey(project: &Project, model: Option<&Arc<Model>>) -> Option<Surveyed> {
    let kept = match KeptSurvey::from_project(project) {
        Ok(kept) => kept?,
        Err(why) => {
            return Some(Surveyed {
                kept: None,
                problem: Some(super::words::error(&why)),
            });
        }
    };
    let fit = model.map(|model| Fit::of_survey(&kept, model));
    let problem = fit.filter(Fit::is_refused).map(|fit| fit.why);
    Some(Surveyed {
        kept: Some(kept),
        problem,
    })
}

impl Surveyed {
    fn object(&self) -> Value {
        let Some(kept) = &self.kept else {
            return json!({ "problem": self.problem });
        };
        json!({
            "text": kept.text, "tokens": kept.survey.tokens, "heads": kept.survey.heads.len(), "causal": kept.survey.causal.is_some(),
            "model": kept.model, "umbra": kept.umbra, "problem": self.problem,
        })
    }

    fn said(&self) -> String {
        let Some(kept) = self.kept.as_ref().filter(|_| self.problem.is_none()) else {
            return self.problem.clone().unwrap_or_default();
        };
        let survey = &kept.survey;
        let named = |role| survey.with_role(role).count();
        format!(
            "{} surveyed on {} tokens of {}: {} induction, {} previous-token",
            survey.heads.len(),
            survey.tokens,
            kept.text,
            named(Role::Induction),
            named(Role::PreviousToken)
        )
    }
}

/// Study that a project keeps, and why it cannot be used, if so.
struct Studied {
    kept: Option<KeptAbout>,
    problem: Option<String>,
}

impl Studied {
    /// Judges whether the study is of the project's model and dictionaries, as far as they are open.
    fn judge(kept: Result<KeptAbout>, model: Option<&Model>, saes: &[Arc<Sae>]) -> Self {
        let kept = match kept {
            Ok(kept) => kept,
            Err(why) => {
                return Self {
                    kept: None,
                    problem: Some(super::words::error(&why)),
                };
            }
        };
        let of = &kept.made.dictionaries;
        let own: Vec<&Sae> = saes
            .iter()
            .filter(|sae| of.iter().any(|of| of.name == sae.name))
            .map(|sae| &**sae)
            .collect();
        let fit = Fit::of_study(&kept, model, &own);
        Self {
            problem: fit.is_refused().then_some(fit.why),
            kept: Some(kept),
        }
    }

    fn object(&self) -> Value {
        let Some(kept) = &self.kept else {
            return json!({ "problem": self.problem });
        };
        json!({
            "study": kept.study, "of": kept.of, "made_with": kept.made, "umbra": kept.umbra, "problem": self.problem,
        })
    }

    fn said(&self) -> String {
        let Some(kept) = self.kept.as_ref().filter(|_| self.problem.is_none()) else {
            return self.problem.clone().unwrap_or_default();
        };
        let texts = kept.made.texts.iter().map(|text| text.name.as_str());
        let texts: Vec<&str> = texts.collect();
        format!("{} of {}, on {}", kept.study, kept.of, texts.join(" and "))
    }
}

/// Opens a dictionary and what is kept of it. A failure becomes the row's verdict.
fn row(
    project: &Project,
    entry: &Entry,
    model: Option<&Arc<Model>>,
    console: &Console,
) -> Result<(Row, Option<Arc<Sae>>)> {
    let name = entry.sae.file_name().unwrap_or(entry.sae.as_os_str());
    let name = name.to_string_lossy();
    let mut known = Known {
        name: &name,
        folder: Some(&entry.sae),
        ..Known::default()
    };
    let (sae, notes) = match formats::open_among(&entry.sae, None, &project.dictionaries()) {
        Ok(opened) => opened,
        Err(why) => {
            let why = super::words::error(&why);
            known.failure = Some(&why);
            return Ok((Row::new(&known), None));
        }
    };
    console.notes(&notes);
    let sae = Arc::new(sae);
    let pair = model.map(|model| Pair::new(model, &sae));
    let kept = project.figures(&name)?;
    let stale = kept.as_ref().map(|kept| {
        let model = model.map(|model| &**model);
        Fit::of_figures(kept, model, Some(&sae))
    });
    let stale = stale.filter(Fit::is_refused);
    known.sae = Some(&sae);
    known.pair = pair.as_ref();
    known.figures = kept
        .as_ref()
        .filter(|_| stale.is_none())
        .map(|kept| &kept.figures);
    known.unmeasured = stale.as_ref().map(|fit| fit.why.as_str());
    known.index = index(entry, model, &sae);
    Ok((Row::new(&known), Some(Arc::clone(&sae))))
}

/// Judges the index of a dictionary.
fn index(entry: &Entry, model: Option<&Arc<Model>>, sae: &Sae) -> Indexed {
    let Some(path) = &entry.index else {
        return Indexed::Absent;
    };
    Index::open(path).map_or(Indexed::Failed, |index| {
        let model = model.map(|model| &**model);
        let fit = Fit::of_index(index.about(), model, Some(sae));
        Indexed::new(index.about(), Some(&fit))
    })
}

fn object(entry: &Entry, row: &Row) -> Value {
    let [features, width] = row.shape.map_or([None; 2], |shape| shape.map(Some));
    let verdict = &row.verdict;
    let number = |column| row.number(column);
    let hook = |hook: crate::ids::HookPoint| hook.to_string();
    json!({
        "name": row.name, "folder": entry.sae, "hook": row.hook.map(hook), "writes": row.writes.first().copied().map(hook), "error_of": row.error_of,
        "features": features, "width": width, "rule": row.rule, "k": row.k,
        "l0": number(Column::L0), "fvu": number(Column::Fvu), "ce_recovered_zero": number(Column::CeRecovered),
        "dead_fraction": number(Column::Dead), "tokens": row.figures.as_ref().map(|figures| figures.tokens),
        "index_tokens": number(Column::Index).map(|tokens| tokens as u64), "index_problem": (!row.index.words().is_empty()).then(|| row.index.words()),
        "sign": verdict.sign.key(), "verdict": verdict.words, "why": verdict.why,
    })
}

/// Formats the rows as a table; numbers are right-aligned.
fn table<'a>(rows: impl Iterator<Item = &'a Row>) -> String {
    let mut lines = vec![Column::ALL.map(|column| column.title().to_owned())];
    lines.extend(rows.map(|row| Column::ALL.map(|column| cell(row, column))));
    let width = |at: usize| {
        let cells = lines.iter().map(|line| line[at].chars().count());
        cells.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..Column::ALL.len()).map(width).collect();
    let line = |line: &[String; 10]| {
        let cells = Column::ALL.iter().zip(line).zip(&widths);
        let cells: Vec<String> = cells
            .map(|((column, cell), width)| {
                let is_text = matches!(
                    column,
                    Column::Name | Column::Hook | Column::K | Column::Verdict
                );
                if is_text {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            })
            .collect();
        cells.join("  ").trim_end().to_owned()
    };
    lines.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn cell(row: &Row, column: Column) -> String {
    let number = row.number(column);
    match column {
        Column::Name => row.name.clone(),
        Column::Hook => row.hooks().unwrap_or_default(),
        Column::K => row.rule.clone(),
        Column::Verdict => format!("{} {}", row.verdict.sign.mark(), row.verdict.words),
        Column::Index if number.is_none() => row.index.words().to_owned(),
        Column::Width | Column::Index => number.map_or_else(String::new, |n| n.to_string()),
        Column::L0 => number.map_or_else(String::new, |x| format!("{x:.1}")),
        Column::Dead => number.map_or_else(String::new, |x| format!("{:.2} %", 100.0 * x)),
        Column::Fvu | Column::CeRecovered => number.map_or_else(String::new, |x| format!("{x:.4}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_unknown_cells_are_empty() {
        let row = Row::new(&Known {
            name: "a-long-name",
            failure: Some("it ends early"),
            ..Known::default()
        });
        let shown = table([&row].into_iter());
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("Name         Hook"), "{shown}");
        assert!(lines[1].ends_with("none  ✗ did not load"), "{shown}");
        assert_eq!(
            lines[0].find("Verdict").unwrap(),
            lines[1].find('✗').unwrap()
        );
    }
}
