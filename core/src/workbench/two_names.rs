//! Sentences with two names, made from templates or read from a person's file.

use std::path::Path;

use crate::error::{Error, Result};
use crate::heads::ioi::{self, Prompt};
use crate::models::Model;

/// Largest file of sentences, in bytes.
const MOST: u64 = 16 << 20;

/// Tokens of a sentence from the templates, about.
const LENGTH: f64 = 17.0;

/// Passes over a sentence besides one for each feature that is active at the repeated name: to read it, unchanged, without the error, and those of the noising.
pub const PASSES: usize = 10;

/// Returns about how many tokens are read for `count` sentences from templates with a dictionary of which `active` features are active at a token.
pub fn tokens(count: usize, active: f64) -> u64 {
    (count as f64 * LENGTH * (active + PASSES as f64)) as u64
}

/// Returns the sentences of a file ([`ioi::FORMAT`]); without a file, `count` sentences from templates, whose names `seed` decides.
pub fn prompts(
    model: &Model,
    file: Option<&Path>,
    (count, seed): (usize, u64),
) -> Result<Vec<Prompt>> {
    let Some(path) = file else {
        return ioi::from_templates(model, count, seed);
    };
    let failed = |cause| Error::io("cannot read the sentences", path, cause);
    let about = std::fs::metadata(path).map_err(failed)?;
    if !about.is_file() {
        return Err(Error::input("is no file of sentences, name a file", path));
    }
    let size = about.len();
    if size > MOST {
        let what = format!("has {size} bytes, a file of sentences has {MOST} at most: give fewer");
        return Err(Error::input(what, path));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    ioi::from_lines(model, &text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_come_from_a_file_or_from_templates() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
        let model = Model::open(path).unwrap().0;
        assert_eq!(prompts(&model, None, (6, 0)).unwrap().len(), 6);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.jsonl");
        let line = "{\"prompt\": \"When Tom and Mary sang, Tom smiled at\", \"io\": \"Mary\", \"s\": \"Tom\"}\n";
        std::fs::write(&file, line).unwrap();
        let read = prompts(&model, Some(&file), (6, 0)).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read[0].text, "When Tom and Mary sang, Tom smiled at");
        let missing = folder.path().join("none.jsonl");
        let refused = prompts(&model, Some(&missing), (6, 0)).unwrap_err();
        assert!(refused.to_string().contains("none.jsonl"), "{refused}");
    }
}
