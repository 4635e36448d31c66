//! `run.json`: written whole when a run begins and again when it ends; read back with the file named in every error.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, Notes, Result};
use crate::train::{SETTINGS, Spec};
use crate::whole_file::{self, Lock};

/// Name of the record in a run's folder.
pub const RECORD: &str = "run.json";

const FORMAT: &str = "umbra-run";
const LAYOUT: u32 = 1;
/// Maximum size of a record in bytes; a record has a few thousand.
const LONGEST: u64 = 16 << 20;

/// Status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Running.
    Running,
    /// Not ended; the program was killed.
    Interrupted,
    /// Completed.
    Finished,
    /// Stopped by the user; the dictionary so far is saved.
    Stopped,
    /// Ended by the recorded error.
    Failed,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Finished => "finished",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        })
    }
}

/// Number with its definition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// Value; none if it is not finite.
    pub value: Option<f64>,
    /// Definition.
    pub definition: String,
}

/// Choice of the device of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceChoice {
    /// Id that the setting `device` takes.
    pub id: String,
    /// Reason, as a clause.
    pub why: String,
    /// Fault of the device, if it failed; the CPU then continued the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// Record of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub(super) format: String,
    pub(super) version: u32,
    /// Version of the program.
    pub umbra_version: String,
    /// Status.
    pub status: Status,
    /// Error, if it failed.
    pub problem: Option<String>,
    /// Start, in seconds since 1970 (UTC).
    pub begun_unix: u64,
    /// Duration so far, in seconds.
    pub seconds: f64,
    /// Device that computed it.
    pub device: String,
    /// How that device was chosen; records of older versions do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_choice: Option<DeviceChoice>,
    /// Name of the model.
    pub model: String,
    /// Hook it read.
    pub hook: String,
    /// All settings by key, including the seed.
    pub settings: Map<String, Value>,
    /// Data it read: text, split, checksums of text and model.
    pub data: Map<String, Value>,
    /// Number of activations seen.
    pub tokens_seen: u64,
    /// Figures at the end, by name.
    pub figures: Map<String, Value>,
}

impl Record {
    /// Creates the record of a run at its start.
    pub(super) fn new(model: &str, hook: String) -> Self {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Self {
            format: FORMAT.to_owned(),
            version: LAYOUT,
            umbra_version: crate::VERSION.to_owned(),
            status: Status::Running,
            problem: None,
            begun_unix: since.map_or(0, |since| since.as_secs()),
            seconds: 0.0,
            device: crate::device::Compute::Cpu.label(),
            device_choice: None,
            model: model.to_owned(),
            hook,
            settings: Map::new(),
            data: Map::new(),
            tokens_seen: 0,
            figures: Map::new(),
        }
    }

    /// Reads the record of the run in `folder`.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(RECORD);
        let length = std::fs::metadata(&path)
            .map_err(|e| Error::io("cannot open a run's record", &path, e))?
            .len();
        if length > LONGEST {
            let what = format!("has {length} bytes, too many for the record of a run");
            return Err(Error::input(what, &path));
        }
        let text = std::fs::read_to_string(&path)
            .map_err(|e| Error::io("cannot read a run's record", &path, e))?;
        let broken = |e| Error::input(format!("is no record of a run ({e})"), &path);
        let value: Value = serde_json::from_str(&text).map_err(broken)?;
        if value["format"] != FORMAT || value["version"] != LAYOUT {
            let what = format!(
                "is not a run record of layout {LAYOUT}: use the version of Umbra that wrote it"
            );
            return Err(Error::input(what, &path));
        }
        let mut record: Self = serde_json::from_value(value).map_err(broken)?;
        // The program that writes it holds the folder's lock.
        if record.status == Status::Running && !Lock::is_held(folder) {
            record.status = Status::Interrupted;
        }
        Ok(record)
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let path = folder.join(RECORD);
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::input(format!("cannot be put into words ({e})"), &path))?;
        whole_file::write_bytes(&path, format!("{text}\n").as_bytes())
    }

    /// Returns a setting as it was given; empty where there is none.
    pub fn setting(&self, key: &str) -> String {
        let value = self.settings.get(key);
        value.map_or_else(String::new, |value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
    }

    /// Returns the figure `name`, if there is one.
    pub fn figure(&self, name: &str) -> Option<f64> {
        self.figures.get(name)?.get("value")?.as_f64()
    }

    /// Reads back the specification of the run: hook, settings and facts of the data.
    pub fn spec(&self) -> Result<Spec> {
        let mut spec = Spec::default_for(self.hook.parse()?);
        // The variant first: which others count depends on it.
        let given = |key: &str| self.settings.get(key).map(words);
        if let Some(variant) = given("variant") {
            spec.set("variant", &variant)?;
        }
        for setting in SETTINGS {
            if let Some(value) = given(setting.key) {
                spec.set(setting.key, &value)?;
            }
        }
        spec.facts.extend(self.data.clone());
        Ok(spec)
    }

    /// Formats its start as `2026-01-31 18:05` (UTC).
    pub fn begun(&self) -> String {
        let (days, seconds) = (self.begun_unix / 86_400, self.begun_unix % 86_400);
        let (year, month, day) = date(days);
        let (hour, minute) = (seconds / 3_600, seconds / 60 % 60);
        format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}")
    }
}

/// Marks in the record in `folder`, if there is one, that its dictionary was saved after all.
pub(crate) fn saved_later(folder: &Path, stopped: bool) -> Result<()> {
    let Ok(mut record) = Record::read(folder) else {
        return Ok(());
    };
    record.status = if stopped {
        Status::Stopped
    } else {
        Status::Finished
    };
    record.problem = None;
    record.write(folder)
}

/// Returns the text of a setting.
fn words(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns year, month and day of a day counted from 1970-01-01.
fn date(days: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let (mut left, mut year) = (days, 1970);
    while left >= 365 + u64::from(leap(year)) {
        left -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while left >= months[month] {
        left -= months[month];
        month += 1;
    }
    (year, month as u64 + 1, left + 1)
}

/// Lists the runs in `folders` as [`list`] does; an error if there is none.
pub fn find(folders: &[PathBuf]) -> Result<(Vec<(PathBuf, Record)>, Notes)> {
    let (found, notes) = list(folders)?;
    if found.is_empty() {
        let what =
            "holds no readable run: give the folder of a training run, or a folder of such folders";
        let first = folders.first().cloned().unwrap_or_default();
        return Err(Error::input(what, first));
    }
    Ok((found, notes))
}

/// Lists the runs in `folders` (each a run or a folder of runs), oldest first. Unreadable records are skipped, with a note.
pub fn list(folders: &[PathBuf]) -> Result<(Vec<(PathBuf, Record)>, Notes)> {
    let mut found = Vec::new();
    let mut notes = Notes::default();
    for folder in folders {
        for place in places(folder)? {
            match Record::read(&place) {
                Ok(record) => found.push((place, record)),
                Err(error) => notes.add(format!("Left out: {error}")),
            }
        }
    }
    found.sort_by(|(a, one), (b, other)| (one.begun_unix, a).cmp(&(other.begun_unix, b)));
    Ok((found, notes))
}

/// Returns `folder` if it holds a run, otherwise the folders in it that do, by name.
fn places(folder: &Path) -> Result<Vec<PathBuf>> {
    if folder.join(RECORD).exists() {
        return Ok(vec![folder.to_path_buf()]);
    }
    let entries =
        std::fs::read_dir(folder).map_err(|e| Error::io("cannot list the folder", folder, e))?;
    let mut places: Vec<PathBuf> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join(RECORD).exists())
        .collect();
    places.sort();
    Ok(places)
}

#[cfg(test)]
mod date_tests {
    use super::*;

    #[test]
    fn days_since_1970_are_dates() {
        for (days, want) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (19_782, (2024, 2, 29)),
            (20_453, (2025, 12, 31)),
        ] {
            assert_eq!(date(days), want);
        }
    }
}
