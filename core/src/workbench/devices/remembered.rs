//! Measurements of devices, kept in a file of the user's data folder so that each device is measured once.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::workbench::user_file::{Layout, UserData};

const LAYOUT: Layout = ("umbra-devices", 1);

/// Measurements of one device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Speed {
    /// Matrix product in f32, in 10⁹ products and sums per second.
    pub product_gflops: Option<f64>,
    /// Memory read and written by a copy, in 10⁹ bytes per second.
    pub copy_gbps: Option<f64>,
    /// Number of the tile of the fastest product.
    pub tile: Option<usize>,
    /// Milliseconds that encoding a batch takes, by size class.
    pub class_ms: BTreeMap<String, f64>,
}

impl Speed {
    /// Rounds figures to 10⁻⁶, which reads back from the file as it was written.
    fn rounded(mut self) -> Self {
        let round = |figure: f64| (figure * 1e6).round() / 1e6;
        self.product_gflops = self.product_gflops.map(round);
        self.copy_gbps = self.copy_gbps.map(round);
        for ms in self.class_ms.values_mut() {
            *ms = round(*ms);
        }
        self
    }
}

/// Content of the file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Measured {
    /// By the device's identity.
    devices: BTreeMap<String, Speed>,
}

type Figures = UserData<Measured>;

/// The measurements, in memory and in their file if there is one.
#[derive(Debug, Default)]
pub(super) struct Remembered {
    path: Option<PathBuf>,
    file: Mutex<Option<Figures>>,
}

impl Remembered {
    pub(super) fn new(path: Option<PathBuf>) -> Self {
        Self {
            path,
            file: Mutex::default(),
        }
    }

    fn file(&self) -> MutexGuard<'_, Option<Figures>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what is known of the device `identity`.
    pub(super) fn get(&self, identity: &str) -> Speed {
        let mut file = self.file();
        let read = || {
            let path = self.path.as_deref();
            path.map_or_else(|| Figures::new(LAYOUT), |path| Figures::read(path, LAYOUT))
        };
        let devices = &file.get_or_insert_with(read).content.devices;
        devices.get(identity).cloned().unwrap_or_default()
    }

    /// Remembers the speed of the device `identity`. An error says that the file could not be written; the figures are then known until the program ends.
    pub(super) fn put(&self, identity: &str, speed: Speed) -> Result<()> {
        let mut known = self.file();
        // Another program may have measured meanwhile.
        let mut file = match (&self.path, known.take()) {
            (Some(path), before) => {
                let mut file = Figures::read(path, LAYOUT);
                for (identity, speed) in before.into_iter().flat_map(|file| file.content.devices) {
                    file.content.devices.entry(identity).or_insert(speed);
                }
                file
            }
            (None, before) => before.unwrap_or_else(|| Figures::new(LAYOUT)),
        };
        let devices = &mut file.content.devices;
        devices.insert(identity.to_owned(), speed.rounded());
        let written = self.path.as_deref().map(|path| file.write(path));
        *known = Some(file);
        written.unwrap_or(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speed(gflops: f64) -> Speed {
        Speed {
            product_gflops: Some(gflops),
            tile: Some(2),
            class_ms: [("medium".to_owned(), 1.5)].into(),
            ..Speed::default()
        }
    }

    #[test]
    fn a_measurement_outlives_the_program_that_made_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/devices.json");
        let first = Remembered::new(Some(path.clone()));
        let second = Remembered::new(Some(path.clone()));
        assert_eq!(first.get("a"), Speed::default());
        assert_eq!(second.get("a"), Speed::default());
        first.put("a", speed(1.0)).unwrap();
        second.put("b", speed(2.0)).unwrap();
        let third = Remembered::new(Some(path));
        assert_eq!(third.get("a"), speed(1.0));
        assert_eq!(third.get("b"), speed(2.0));
        assert_eq!(second.get("a"), speed(1.0));
    }

    #[test]
    fn a_broken_file_or_one_of_another_version_counts_as_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("devices.json");
        Remembered::new(Some(path.clone()))
            .put("a", speed(1.0))
            .unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let older = text.replace(crate::VERSION, "0.0.1");
        assert_ne!(older, text);
        for broken in [older.as_str(), "{", "", "[1, 2]"] {
            std::fs::write(&path, broken).unwrap();
            let read = Remembered::new(Some(path.clone()));
            assert_eq!(read.get("a"), Speed::default(), "{broken}");
            read.put("b", speed(3.0)).unwrap();
            assert_eq!(Remembered::new(Some(path.clone())).get("b"), speed(3.0));
        }
    }

    #[test]
    fn without_a_folder_figures_are_known_until_the_program_ends() {
        let nowhere = Remembered::new(None);
        nowhere.put("a", speed(1.0)).unwrap();
        assert_eq!(nowhere.get("a"), speed(1.0));
        let folder = tempfile::tempdir().unwrap();
        let blocked = folder.path().join("file");
        std::fs::write(&blocked, "").unwrap();
        let unwritable = Remembered::new(Some(blocked.join("devices.json")));
        assert!(unwritable.put("a", speed(1.0)).is_err());
        assert_eq!(unwritable.get("a"), speed(1.0));
    }
}
