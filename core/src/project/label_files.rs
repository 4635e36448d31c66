//! Labels in files of other programs: CSV, and explanations as Neuronpedia exports them.
//!
//! # CSV
//! A first row of names, then a row per label. `feature` (or `index`, `feature_index`) and `label` (or `description`, `explanation`, `text`) are needed; `sae`,
//! `maker`, `by` and `detection` are read where present. Written files have the columns `sae,feature,label,maker,by,detection`.
//!
//! # Neuronpedia
//! Explanations `{modelId, layer, index, description, typeName, explanationModelName}`: a JSON array (the API's export), an object with `explanations`, or one
//! object a line (`explanations/batch-N.jsonl` of the public dumps). `layer` is the source, as in `20-gemmascope-res-16k`; `index` is a number or its text.
//!
//! Files that end in `.gz` are unpacked, up to 1 GiB.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde_json::{Value, json};

use super::labels::Label;
use super::origin::{Detection, Given, Maker, Origin};
use crate::error::{Error, Key, Notes, Result};
use crate::ids::FeatureId;
use crate::whole_file;

/// Largest size of a file of labels, unpacked, in bytes.
const MOST_BYTES: u64 = 1 << 30;

/// Names of the columns that are needed, in CSV.
const FEATURE: [&str; 3] = ["feature", "index", "feature_index"];
const LABEL: [&str; 4] = ["label", "description", "explanation", "text"];
const COLUMNS: [&str; 6] = ["sae", "feature", "label", "maker", "by", "detection"];

/// Kind of a file of labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LabelFile {
    /// Comma-separated values.
    Csv,
    /// A JSON array of Neuronpedia's explanations.
    Json,
    /// Neuronpedia's explanations, one a line.
    JsonLines,
}

impl LabelFile {
    /// Decides by the end of the file's name, `.gz` aside.
    pub fn from_path(path: &Path) -> Result<Self> {
        let name = path.to_string_lossy().to_lowercase();
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        let of = |ending: &str| name.ends_with(ending);
        if of(".csv") {
            Ok(Self::Csv)
        } else if of(".jsonl") {
            Ok(Self::JsonLines)
        } else if of(".json") {
            Ok(Self::Json)
        } else {
            let what =
                "is no file of labels by its name: give one that ends in .csv, .json or .jsonl";
            Err(Error::input(what, path))
        }
    }
}

/// Neuronpedia's names for the dictionary of exported labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NeuronpediaPlace {
    /// Id of the model (`gpt2-small`).
    pub model: String,
    /// Source (`6-res-jb`).
    pub source: String,
}

/// Labels of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Read {
    /// Labels, by feature; of several for one feature the first.
    pub labels: Vec<Label>,
    /// Decisions and omissions.
    pub notes: Notes,
}

/// Reads the labels of dictionary `sae` from a file. `features` is the number of features of the dictionary, where it is known; a label of a feature that does not
/// exist is an error, since the file then belongs to another dictionary. `source` chooses among the sources of a file that holds several.
pub fn read(
    path: &Path,
    (sae, features): (&str, Option<usize>),
    source: Option<&str>,
) -> Result<Read> {
    let kind = LabelFile::from_path(path)?;
    let text = text(path)?;
    let mut notes = Notes::default();
    let rows = match kind {
        LabelFile::Csv => from_csv(&text, path, sae, &mut notes)?,
        LabelFile::Json | LabelFile::JsonLines => {
            from_explanations(&text, kind, path, source, &mut notes)?
        }
    };
    let mut seen = BTreeSet::new();
    let (mut labels, mut repeated, mut empty) = (Vec::new(), 0usize, 0usize);
    for (feature, given) in rows {
        if features.is_some_and(|features| feature as usize >= features) {
            let what = format!(
                "has a label of feature {feature}, and the dictionary {sae} has {} features: choose the dictionary that the labels are of",
                features.unwrap_or_default()
            );
            return Err(Error::input(what, path));
        }
        if given.text.trim().is_empty() {
            empty += 1;
        } else if seen.insert(feature) {
            labels.push(Label::new(sae, FeatureId(feature), given));
        } else {
            repeated += 1;
        }
    }
    if empty > 0 {
        notes.add(format!("Skipped {empty} rows without a label"));
    }
    if repeated > 0 {
        notes.add(format!(
            "Skipped {repeated} further labels of features that have one: the first of each counts"
        ));
    }
    if labels.is_empty() {
        return Err(Error::input("holds no label of this dictionary", path));
    }
    labels.sort_by_key(|label| label.feature);
    Ok(Read { labels, notes })
}

/// Reads the whole file as text.
fn text(path: &Path) -> Result<String> {
    let failed = |source| Error::io("cannot read the labels", path, source);
    let file = File::open(path).map_err(failed)?;
    let is_packed = path.extension().is_some_and(|ending| ending == "gz");
    let mut bytes = Vec::new();
    let read = if is_packed {
        let unpacked = flate2::read::MultiGzDecoder::new(file);
        unpacked.take(MOST_BYTES + 1).read_to_end(&mut bytes)
    } else {
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes)
    };
    read.map_err(failed)?;
    if bytes.len() as u64 > MOST_BYTES {
        let what = format!("is larger than {MOST_BYTES} bytes: give it in parts");
        return Err(Error::input(what, path));
    }
    let text = String::from_utf8(bytes).ok();
    text.ok_or_else(|| Error::input("is not UTF-8 text", path))
}

fn from_csv(text: &str, path: &Path, sae: &str, notes: &mut Notes) -> Result<Vec<(u32, Given)>> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let wrong = |why: &csv::Error| Error::input(format!("is not CSV ({why})"), path);
    let header = reader.headers().map_err(|why| wrong(&why))?.clone();
    let column = |names: &[&str]| {
        let named = |title: &str| names.contains(&title.to_lowercase().as_str());
        header.iter().position(named)
    };
    let needed = |names: &[&str]| {
        let what = || format!("its first row names none of {}", names.join(", "));
        column(names).ok_or_else(|| Error::input(what(), path))
    };
    let (feature, label) = (needed(&FEATURE)?, needed(&LABEL)?);
    let [of, maker, by, detection] =
        ["sae", "maker", "by", "detection"].map(|name| column(&[name]));
    let mut rows = Vec::new();
    let mut others = 0usize;
    for record in reader.records() {
        let record = record.map_err(|why| wrong(&why))?;
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |at: Option<usize>| at.and_then(|at| record.get(at)).unwrap_or_default();
        if !cell(of).is_empty() && cell(of) != sae {
            others += 1;
            continue;
        }
        let number = cell(Some(feature));
        let number = number.parse::<u32>().ok().ok_or_else(|| {
            let what = format!("line {line} has “{number}” where the number of a feature belongs");
            Error::input(what, path)
        })?;
        let mut origin = imported(path);
        if let Some(maker) = Maker::from_key(cell(maker)) {
            origin = Origin::new(maker, cell(by));
        }
        origin.detection = Detection::from_text(cell(detection));
        let text = cell(Some(label)).to_owned();
        rows.push((number, Given { text, origin }));
    }
    if others > 0 {
        notes.add(format!("Skipped {others} labels of other dictionaries"));
    }
    Ok(rows)
}

/// Origin of a label in this file.
fn imported(path: &Path) -> Origin {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Origin::new(Maker::Import, &name)
}

fn from_explanations(
    text: &str,
    kind: LabelFile,
    path: &Path,
    source: Option<&str>,
    notes: &mut Notes,
) -> Result<Vec<(u32, Given)>> {
    let wrong = |why: serde_json::Error, line: Option<usize>| {
        let place = line.map_or_else(String::new, |line| format!("line {line} "));
        Error::input(format!("{place}is not JSON ({why})"), path)
    };
    let values: Vec<Value> = if kind == LabelFile::Json {
        vec![serde_json::from_str(text).map_err(|why| wrong(why, None))?]
    } else {
        let lines = text.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.trim().is_empty());
        let read = lines
            .map(|(at, line)| serde_json::from_str(line).map_err(|why| wrong(why, Some(at + 1))));
        read.collect::<Result<_>>()?
    };
    let mut explanations = Vec::new();
    for value in &values {
        collect(value, None, &mut explanations);
    }
    let named: BTreeSet<&str> = explanations.iter().filter_map(|(_, of, _)| *of).collect();
    if let Some(source) = source
        && !named.contains(source)
    {
        let named: Vec<&str> = named.into_iter().take(8).collect();
        let what = format!(
            "has no labels of source {source}, choose among {}",
            named.join(", ")
        );
        return Err(Error::input(what, path));
    }
    if source.is_none() && named.len() > 1 {
        let count = named.len();
        let named: Vec<&str> = named.into_iter().take(8).collect();
        let what = format!(
            "has labels of {count} sources ({}): choose one with {}",
            named.join(", "),
            Key::Source
        );
        return Err(Error::input(what, path));
    }
    if let (Some(only), None) = (named.first(), source) {
        notes.add(format!("The labels are of Neuronpedia's source {only}"));
    }
    let mut rows = Vec::new();
    for (index, of, explanation) in explanations {
        if source.is_some() && of != source {
            continue;
        }
        let index = index.and_then(number).ok_or_else(|| {
            let what = "has an explanation without `index`, the number of its feature";
            Error::input(what, path)
        })?;
        let text = explanation["description"].as_str().unwrap_or_default();
        let model = explanation["explanationModelName"].as_str();
        let origin = match model.filter(|model| !model.is_empty()) {
            Some(model) => Origin::new(Maker::Model, model),
            None => imported(path),
        };
        let text = text.to_owned();
        rows.push((index, Given { text, origin }));
    }
    Ok(rows)
}

/// Explanation with the number of its feature and its source.
type Explanation<'a> = (Option<&'a Value>, Option<&'a str>, &'a Value);

/// Collects the explanations of a value: of arrays, of `explanations` (whose feature may stand outside), or the value itself.
fn collect<'a>(
    value: &'a Value,
    outer: Option<(&'a Value, Option<&'a str>)>,
    all: &mut Vec<Explanation<'a>>,
) {
    if let Some(values) = value.as_array() {
        for value in values {
            collect(value, outer, all);
        }
        return;
    }
    let index = ["index", "feature_index", "feature"]
        .iter()
        .find_map(|key| value.get(*key));
    let source = ["layer", "saeId", "sourceId"]
        .iter()
        .find_map(|key| value.get(*key)?.as_str());
    let index = index.or(outer.map(|(index, _)| index));
    let source = source.or(outer.and_then(|(_, source)| source));
    if let Some(inside) = value.get("explanations") {
        collect(inside, Some((index.unwrap_or(&Value::Null), source)), all);
    } else if value.get("description").is_some() {
        all.push((index, source, value));
    }
}

fn number(value: &Value) -> Option<u32> {
    match value {
        Value::String(text) => text.parse().ok(),
        other => other.as_u64().and_then(|number| u32::try_from(number).ok()),
    }
}

/// Writes labels to a file, whole or not at all; its kind follows from its name. `place` names the dictionary on Neuronpedia.
pub fn write(path: &Path, labels: &[Label], place: &NeuronpediaPlace) -> Result<()> {
    let kind = LabelFile::from_path(path)?;
    if path.extension().is_some_and(|ending| ending == "gz") {
        let what = "labels are not written packed: leave out .gz";
        return Err(Error::input(what, path));
    }
    let explanation = |label: &Label| {
        let origin = &label.origin;
        let model = (origin.maker == Maker::Model).then_some(origin.by.as_str());
        json!({
            "modelId": place.model,
            "layer": place.source,
            "index": label.feature.to_string(),
            "description": label.text,
            "typeName": Value::Null,
            "explanationModelName": model,
        })
    };
    let bytes = match kind {
        LabelFile::Csv => to_csv(labels, path)?,
        LabelFile::Json => {
            let all: Value = labels.iter().map(explanation).collect();
            format!("{all:#}\n").into_bytes()
        }
        LabelFile::JsonLines => {
            let lines = labels
                .iter()
                .map(|label| format!("{}\n", explanation(label)));
            lines.collect::<String>().into_bytes()
        }
    };
    whole_file::write_bytes(path, &bytes)
}

fn to_csv(labels: &[Label], path: &Path) -> Result<Vec<u8>> {
    let failed = |why: csv::Error| Error::io("cannot write the labels", path, why.into());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS).map_err(failed)?;
    for label in labels {
        let origin = &label.origin;
        let detection = origin.detection.map(|detection| detection.to_string());
        let (feature, detection) = (label.feature.to_string(), detection.unwrap_or_default());
        let maker = origin.maker.key();
        writer
            .write_record([
                label.sae.as_str(),
                &feature,
                &label.text,
                maker,
                &origin.by,
                &detection,
            ])
            .map_err(failed)?;
    }
    writer
        .into_inner()
        .map_err(|why| Error::io("cannot write the labels", path, why.into_error()))
}
