//! Folders of the bundled demo and of the program's own data. Set once when the window opens; tests set their own folders.

use std::path::{Path, PathBuf};

use umbra_core::error::{Error, Result};
use umbra_core::project::Project;

/// The places.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Places {
    /// The bundled demo; never written to.
    pub(crate) demo: PathBuf,
    /// The program's folder for data; none where no home folder is set.
    pub(crate) data: Option<PathBuf>,
    /// The person's own folder.
    pub(crate) home: Option<PathBuf>,
}

impl Places {
    /// The demo beside the program, or in the source tree it was built from, and the system's folder for data.
    pub(crate) fn of_system() -> Self {
        let beside = std::env::current_exe().ok().and_then(|program| {
            let folder = program.parent()?.to_path_buf();
            let places = ["assets/demo", "../assets/demo", "../share/umbra/demo"];
            let mut found = places.iter().map(|place| folder.join(place));
            found.find(|place| Project::is_in(place))
        });
        let source = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo");
        let demo = beside.unwrap_or_else(source);
        Self {
            demo: demo.canonicalize().unwrap_or(demo),
            data: directories::ProjectDirs::from("", "", "umbra")
                .map(|dirs| dirs.data_dir().to_path_buf()),
            home: directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_path_buf()),
        }
    }

    /// Returns the folder for the user's changes to the demo.
    pub(crate) fn users_demo(&self) -> Result<PathBuf> {
        self.in_data("demo")
    }

    /// Returns the folder of projects that are not saved yet.
    pub(crate) fn unsaved(&self) -> Result<PathBuf> {
        self.in_data("unsaved")
    }

    fn in_data(&self, name: &str) -> Result<PathBuf> {
        let data = self.data.as_ref().map(|data| data.join(name));
        data.ok_or_else(|| {
            let what = "changes cannot be saved without a home folder; set HOME";
            Error::setting("HOME", what)
        })
    }
}
