//! Kept results as sections of a report: found by file or name, and kept from the window.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::dark_matter::{DEPTH, PLACES};
use super::error_parts::Study;
use super::evaluate::occlusion::{self, Occlusion};
use super::evaluate::oversplit::{self, Oversplit};
use super::ladder::LADDER;
use super::patching::{self, Asked};
use super::sweep;
use crate::causes::Causes;
use crate::causes::patch::Patching;
use crate::causes::paths::Paths;
use crate::causes::smallest::Smallest;
use crate::dark_matter::depth::Depth;
use crate::dark_matter::ladder::Ladder;
use crate::dark_matter::places::Places;
use crate::dark_matter::predict::Predictions;
use crate::dark_matter::pursuit::{self, Comparison};
use crate::dark_matter::self_test::SelfTest;
use crate::dark_matter::splice::Costs;
use crate::error::{Error, Result};
use crate::project::{KeptStudy, MadeWith, Project, study_at, write_study};
use crate::report::Contents;
use crate::section::Section;
use crate::steer;

/// Kind of a section that was kept as it is.
pub const SECTION: &str = "section";

/// Reads the result of a study and makes its section.
type Reader = fn(Value) -> serde_json::Result<Section>;

/// Studies that can be a section, by the word in the name of their file.
const STUDIES: &[(&str, Reader)] = &[
    (SECTION, |result| serde_json::from_value(result)),
    (Study::Splice.key(), |result| read(result, Costs::section)),
    (Study::Predict.key(), |result| {
        read(result, Predictions::section)
    }),
    (Study::SelfTest.key(), |result| {
        read(result, SelfTest::section)
    }),
    (LADDER, |result| read(result, Ladder::section)),
    (PLACES, |result| read(result, Places::section)),
    (DEPTH, |result| read(result, Depth::section)),
    (patching::Study::Causes.key(), |result| {
        read(result, |asked: &Asked<Causes>| asked.result.section())
    }),
    (patching::Study::Places.key(), |result| {
        read(result, |asked: &Asked<Patching>| asked.result.section())
    }),
    (patching::Study::Paths.key(), |result| {
        read(result, |asked: &Asked<Paths>| asked.result.section())
    }),
    (patching::Study::Least.key(), |result| {
        read(result, |asked: &Asked<Smallest>| asked.result.section())
    }),
    (steer::sweep::STUDY, |result| {
        read(result, sweep::Study::section)
    }),
    (pursuit::STUDY, |result| read(result, Comparison::section)),
    (occlusion::STUDY, |result| read(result, Occlusion::section)),
    (oversplit::STUDY, |result| read(result, Oversplit::section)),
];

fn read<T: DeserializeOwned>(
    result: Value,
    section: fn(&T) -> Section,
) -> serde_json::Result<Section> {
    serde_json::from_value::<T>(result).map(|result| section(&result))
}

/// Returns the section of the study `name`: a file of a kept study, a file that a command wrote for reports, or the name of a study of `project`.
pub fn section(project: Option<&Project>, name: &str) -> Result<Section> {
    let path = Path::new(name);
    if path.is_file() {
        return of_kept(study_at(path)?, name);
    }
    let Some(project) = project else {
        let what = "does not exist: give the file of a kept study, or its name with the project that keeps it";
        return Err(Error::input(what, path));
    };
    of_kept(project.study_named(name)?, name)
}

/// Makes the section of a kept study, with what it was made with before its own settings.
fn of_kept(kept: KeptStudy<Value>, name: &str) -> Result<Section> {
    let known = STUDIES.iter().find(|(study, _)| *study == kept.study);
    let Some((_, reader)) = known else {
        let all: Vec<&str> = STUDIES.iter().map(|(study, _)| *study).collect();
        let what = format!(
            "holds a study of the kind {}, which has no section in a report: give one of {}",
            kept.study,
            all.join(", ")
        );
        return Err(Error::input(what, name));
    };
    let mut section = reader(kept.result).map_err(|why| {
        let what = format!("holds a result that cannot be read ({why}), run the study again");
        Error::input(what, name)
    })?;
    let mut made = facts(&kept.made, &kept.umbra);
    made.retain(|(name, _)| section.settings.iter().all(|(own, _)| own != name));
    section.settings.splice(0..0, made);
    Ok(section)
}

/// Returns what a study was made with, as settings.
fn facts(made: &MadeWith, umbra: &str) -> Vec<(String, String)> {
    let named = |of: &crate::project::Ingredient| {
        let print: String = of.fingerprint.chars().take(16).collect();
        match (of.name.as_str(), print.as_str()) {
            ("", _) => String::new(),
            (name, "") => name.to_owned(),
            (name, print) => format!("{name}, fingerprint {print}…"),
        }
    };
    let mut facts = vec![
        ("model".to_owned(), named(&made.model)),
        ("processing".to_owned(), made.processing.clone()),
    ];
    facts.extend(
        made.dictionaries
            .iter()
            .map(|of| ("dictionary".to_owned(), named(of))),
    );
    facts.extend(made.texts.iter().map(|of| ("text".to_owned(), named(of))));
    facts.push(("made by".to_owned(), format!("Umbra {umbra}")));
    facts.retain(|(_, value)| !value.is_empty());
    facts
}

/// Keeps `section` with the project; one of the same title is replaced.
pub fn keep(project: &Project, section: &Section, made: &MadeWith) -> Result<()> {
    project.keep_study(SECTION, &section.title, made, section)
}

/// Writes `section` as a kept study into the file `path`, for [`section`].
pub fn write(section: &Section, made: &MadeWith, path: &Path) -> Result<()> {
    write_study(path, (SECTION, &section.title), made, section)
}

/// Returns the contents of a report with all sections that the project keeps, by title.
pub fn kept(project: &Project) -> Result<Contents<'static>> {
    let mut results = Vec::new();
    for about in project.studies() {
        let about = about?;
        if about.study == SECTION
            && let Some(kept) = project.kept_study(SECTION, &about.of)?
        {
            results.push(of_kept(kept, &about.of)?);
        }
    }
    Ok(Contents {
        features: None,
        results,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Ingredient;
    use crate::report::Form;
    use crate::section::{Bars, HeatMap, Lines, Series, Table};

    fn made() -> MadeWith {
        MadeWith {
            model: Ingredient::new("demo", "0123456789abcdef0123"),
            ..MadeWith::default()
        }
    }

    fn section_of(title: &str) -> Section {
        Section::new(title, "It falls <by> half")
            .setting("seed", 7)
            .figure(Table::new("Costs", &["name", "nats"]).row(["a\n<b>".into(), (-0.25).into()]))
            .figure(Bars::new(
                "Shares",
                [("up".to_owned(), 2.0), ("down".to_owned(), -1.5)],
            ))
            .figure(Lines {
                x: "strength".to_owned(),
                y: "KL".to_owned(),
                series: vec![
                    Series::new("s", [(0.0, 0.0), (1.0, 3.0)]).with_band([[0.0, 0.5], [2.0, 4.0]]),
                ],
                ..Lines::default()
            })
            .figure(HeatMap {
                rows: vec!["r".to_owned()],
                columns: vec!["c".to_owned(), "d".to_owned()],
                values: vec![vec![Some(0.5), None]],
                ..HeatMap::default()
            })
            .define(&[("nats", "natural units")])
    }

    #[test]
    fn kept_sections_are_found_by_name_and_by_file_and_make_a_report() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::create(folder.path(), "p").unwrap();
        keep(&project, &section_of("What does #7 do?"), &made()).unwrap();
        keep(&project, &section_of("Another"), &made()).unwrap();
        let contents = kept(&project).unwrap();
        assert_eq!(contents.results.len(), 2);
        let by_title = section(Some(&project), "What does #7 do?").unwrap();
        assert!(contents.results.contains(&by_title));
        let first = (
            "model".to_owned(),
            "demo, fingerprint 0123456789abcdef…".to_owned(),
        );
        assert_eq!(by_title.settings[0], first);
        let files = std::fs::read_dir(folder.path().join("kept")).unwrap();
        let paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        assert_eq!(paths.len(), 2);
        for path in &paths {
            let found = section(None, path.to_str().unwrap()).unwrap();
            assert!(contents.results.contains(&found));
        }
        let said = section(Some(&project), "Third").unwrap_err().to_string();
        assert!(said.contains("Third") && said.contains("Another"), "{said}");
        assert!(
            section(None, "Third")
                .unwrap_err()
                .to_string()
                .contains("does not exist")
        );
        // Every kind of figure is drawn, text is escaped, and JSON holds the numbers.
        let html = contents.text(Form::Html).unwrap();
        for piece in [
            "It falls &lt;by&gt; half",
            "a⏎&lt;b&gt;",
            "<td>−0.250</td>",
            "class=\"lowered\"",
            "class=\"band series0\"",
            "class=\"undefined\"",
            "natural units",
            "What does #7 do?",
        ] {
            assert!(html.contains(piece), "{piece}");
        }
        assert!(!html.contains("<by>") && !html.contains("http:"));
        let json = contents.text(Form::Json).unwrap();
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["sections"][0]["figures"][0]["rows"][0][1], -0.25);
    }

    #[test]
    fn a_study_without_a_section_is_refused_by_its_kind() {
        let folder = tempfile::tempdir().unwrap();
        let project = Project::create(folder.path(), "p").unwrap();
        project.keep_study("mystery", "a", &made(), &[1]).unwrap();
        let said = section(Some(&project), "a.mystery")
            .unwrap_err()
            .to_string();
        assert!(
            said.contains("mystery") && said.contains("splice"),
            "{said}"
        );
        project.keep_study(LADDER, "a", &made(), &[1]).unwrap();
        let said = section(Some(&project), "a.ladder").unwrap_err().to_string();
        assert!(said.contains("run the study again"), "{said}");
    }
}
