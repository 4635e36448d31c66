//! File dialogs behind a trait, so that tests inject a path. The system's dialog blocks, so it runs on a thread of its own. Where the system has
//! none, the window asks for the path itself (`path_window.rs`).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A question that a file dialog asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A folder that exists.
    Folder(&'static str),
    /// A file that exists, by extensions.
    File(&'static str, &'static [&'static str]),
    /// Asks where to save, with a suggested name.
    Save(&'static str, String),
}

impl Ask {
    /// Title of the dialog.
    pub(crate) fn title(&self) -> &'static str {
        match self {
            Self::Folder(title) | Self::File(title, _) | Self::Save(title, _) => title,
        }
    }
}

/// Answer of a dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reply {
    /// A person chose this path.
    Chosen(PathBuf),
    /// A person chose none.
    Cancelled,
    /// This system has no dialog.
    Unavailable,
}

/// Answers dialogs; may block, so it is called on a worker thread.
pub(crate) trait Dialogs: std::fmt::Debug + Send + Sync {
    /// Asks and returns the chosen path, if the system has dialogs.
    fn ask(&self, ask: &Ask) -> Reply;
}

/// The system's dialogs.
#[derive(Debug)]
pub(crate) struct SystemDialogs;

/// A dialog that is gone sooner than this was never shown: nobody cancels so fast.
const GLANCE: Duration = Duration::from_millis(250);

impl Dialogs for SystemDialogs {
    fn ask(&self, ask: &Ask) -> Reply {
        if !available() {
            return Reply::Unavailable;
        }
        let begun = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| shown(ask))) {
            Ok(Some(path)) => Reply::Chosen(path),
            Ok(None) if begun.elapsed() > GLANCE => Reply::Cancelled,
            Ok(None) | Err(_) => Reply::Unavailable,
        }
    }
}

fn shown(ask: &Ask) -> Option<PathBuf> {
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

/// Whether the system has file dialogs: always, but on desktops that bring them as programs.
#[cfg(not(all(unix, not(target_os = "macos"))))]
fn available() -> bool {
    true
}

/// Whether the system has file dialogs: a desktop portal that chooses files, or zenity.
#[cfg(all(unix, not(target_os = "macos")))]
fn available() -> bool {
    has_zenity() || pollster::block_on(portal_version()).is_ok()
}

#[cfg(all(unix, not(target_os = "macos")))]
fn has_zenity() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("zenity").is_file())
}

/// The version of the portal's file chooser; an error where no desktop offers one.
#[cfg(all(unix, not(target_os = "macos")))]
async fn portal_version() -> zbus::Result<()> {
    /// Time that a portal may take to start.
    const STARTS: Duration = Duration::from_secs(5);
    let bus = zbus::connection::Builder::session()?
        .method_timeout(STARTS)
        .build()
        .await?;
    let asked = ("org.freedesktop.portal.FileChooser", "version");
    bus.call_method(
        Some("org.freedesktop.portal.Desktop"),
        "/org/freedesktop/portal/desktop",
        Some("org.freedesktop.DBus.Properties"),
        "Get",
        &asked,
    )
    .await?;
    Ok(())
}
