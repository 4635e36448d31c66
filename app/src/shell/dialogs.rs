//! File dialogs behind a trait, so that tests inject a path. The system's dialog blocks, so it runs on a thread of its own.

use std::path::PathBuf;

/// What a dialog asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A folder that exists.
    Folder(&'static str),
    /// A file that exists, by extensions.
    File(&'static str, &'static [&'static str]),
    /// Where to save, with a suggested name.
    Save(&'static str, String),
}

/// Answers dialogs; may block, so it is called on a worker thread.
pub trait Dialogs: std::fmt::Debug + Send + Sync {
    /// The path a person chose, if any.
    fn ask(&self, ask: &Ask) -> Option<PathBuf>;
}

/// The system's dialogs.
#[derive(Debug)]
pub struct SystemDialogs;

impl Dialogs for SystemDialogs {
    fn ask(&self, ask: &Ask) -> Option<PathBuf> {
        let dialog = rfd::FileDialog::new();
        match ask {
            Ask::Folder(title) => dialog.set_title(*title).pick_folder(),
            Ask::File(title, extensions) => dialog
                .set_title(*title)
                .add_filter("", extensions)
                .pick_file(),
            Ask::Save(title, name) => dialog.set_title(*title).set_file_name(name).save_file(),
        }
    }
}
