//! Files that widgets offer to save. A widget leaves one here; the shell takes it once a frame and asks where to save it, since widgets know no dialogs.

use std::sync::Arc;

use egui::{Context, Id};

fn copied_words() -> Id {
    Id::unique("words of what is copied")
}

/// Copies `text` and says what it is: `3 rows`.
pub(crate) fn copy(ctx: &Context, text: String, what: String) {
    ctx.copy_text(text);
    ctx.data_mut(|data| data.insert_temp(copied_words(), what));
}

/// Takes the words of what was copied last.
pub(crate) fn copied(ctx: &Context) -> Option<String> {
    ctx.data_mut(|data| data.remove_temp(copied_words()))
}

/// A file that a person asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ToSave {
    /// Suggested name, with its ending.
    pub(crate) name: String,
    /// Its content.
    pub(crate) bytes: Arc<[u8]>,
}

impl ToSave {
    /// A file of text.
    pub(crate) fn text(name: impl Into<String>, text: String) -> Self {
        Self::bytes(name, text.into_bytes())
    }

    /// A file of bytes.
    pub(crate) fn bytes(name: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
        }
    }
}

/// A title as the name of a file.
pub(crate) fn file_name(title: &str) -> String {
    let fits = |c: char| if c.is_alphanumeric() { c } else { '-' };
    let name: String = title.to_lowercase().chars().map(fits).collect();
    let parts: Vec<&str> = name.split('-').filter(|part| !part.is_empty()).collect();
    parts.join("-")
}

fn place() -> Id {
    Id::unique("to save")
}

/// Leaves a file to be saved.
pub(crate) fn put(ctx: &Context, file: ToSave) {
    ctx.data_mut(|data| data.insert_temp(place(), file));
    ctx.request_repaint();
}

/// Takes the file that was left, if any.
pub(crate) fn take(ctx: &Context) -> Option<ToSave> {
    ctx.data_mut(|data| data.remove_temp(place()))
}
