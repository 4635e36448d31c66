//! Form of a report's file, and the file itself: written piece by piece, whole or not at all.

use std::io::{self, Write};
use std::path::Path;

use super::{Contents, json, markdown, page, table};
use crate::error::{Error, Result};
use crate::progress::{Ended, Flow, Progress};
use crate::whole_file;

/// Form of a report's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One page with a search, for a browser.
    Html,
    /// Markdown, for notes and repositories.
    Markdown,
    /// One object, for scripts.
    Json,
    /// One row a feature, for tables.
    Csv,
}

impl Form {
    /// Returns the form that the ending of `out` names; an error for another ending.
    pub fn from_path(out: &Path) -> Result<Self> {
        let extension = out.extension().and_then(|extension| extension.to_str());
        let extension = extension.unwrap_or_default().to_ascii_lowercase();
        match extension.as_str() {
            "html" | "htm" => Ok(Self::Html),
            "md" | "markdown" => Ok(Self::Markdown),
            "json" => Ok(Self::Json),
            "csv" => Ok(Self::Csv),
            _ => Err(Error::input(
                "a report is an .html, .md, .json or .csv file; give the file one of these endings",
                out,
            )),
        }
    }
}

/// Reason for which a report was not written.
#[derive(Debug)]
pub(super) enum Broken {
    /// The file cannot be written.
    File(io::Error),
    /// The features cannot be read.
    Source(Error),
    /// The observer stopped it.
    Stopped,
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self::Source(error)
    }
}

/// Result of writing a piece.
pub(super) type Put<T = ()> = std::result::Result<T, Broken>;

/// Observer of the features that are done.
pub(super) type Observe<'o> = &'o mut dyn FnMut(Progress) -> Flow;

impl Contents<'_> {
    /// Writes the report to `out` in the form that its ending names. `observe` hears the features done. Nothing is left where it is stopped or fails.
    pub fn write(
        &self,
        out: &Path,
        observe: &mut dyn FnMut(Progress) -> Flow,
    ) -> Result<Ended<()>> {
        let form = Form::from_path(out)?;
        let mut broken = None;
        let written = whole_file::write(out, |file| match self.put(form, file, observe) {
            Ok(()) => Ok(()),
            Err(Broken::File(error)) => Err(error),
            Err(other) => {
                broken = Some(other);
                Err(io::Error::other("the report was not finished"))
            }
        });
        match broken {
            Some(Broken::Source(error)) => Err(error),
            Some(_) => Ok(Ended::STOPPED),
            None => written.map(Ended::Done),
        }
    }

    /// Returns the report as text.
    pub fn text(&self, form: Form) -> Result<String> {
        let mut text = Vec::new();
        let put = self.put(form, &mut text, &mut |_| Flow::Continue(()));
        if let Err(Broken::Source(error)) = put {
            return Err(error);
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    fn put(&self, form: Form, out: &mut dyn Write, observe: Observe<'_>) -> Put {
        match form {
            Form::Html => page::put(self, out, observe),
            Form::Markdown => markdown::put(self, out, observe),
            Form::Json => json::put(self, out, observe),
            Form::Csv => table::put(self, out, observe),
        }
    }
}
