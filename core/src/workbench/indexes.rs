//! Indexes of the dictionaries of one model: which files they get, and one pass that builds them all.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use super::text::Text;
use crate::error::{Error, Result};
use crate::features::{self, Job, Source, Spent, is_interrupted};
use crate::folders::claim_file;
use crate::models::Model;
use crate::progress::{Ended, Flow, Progress};
use crate::sae::{ByToken, Sae};

/// Ending of the file of an index.
pub const ENDING: &str = "sqlite";

/// Choices about indexes that are built together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Choices {
    /// Seed of the examples drawn from each interval of activation.
    pub seed: u64,
    /// Rows of the text to read, counted from 0; none for all.
    pub rows: Option<Range<usize>>,
    /// Whether dictionaries of `attn.hook_z` get the attribution of their strongest examples by source token and head.
    pub attribution: bool,
    /// Whether the effect of each feature on the loss is measured at its strongest examples.
    pub loss_effects: bool,
    /// Whether the files leave out the full counts, by which indexes merge.
    pub without_counts: bool,
}

/// Reads rows as people write them: `A..B`, the end not included; the error says how.
pub fn read_rows(text: &str) -> std::result::Result<Range<usize>, String> {
    let ends = text.trim().split_once("..");
    let ends = ends.and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    match ends {
        Some((from, to)) if from < to => Ok(from..to),
        _ => Err("give rows as A..B, two whole numbers with A below B, such as 0..80".to_owned()),
    }
}

/// Returns the file of each dictionary's index: those named in `out`, or `NAME.sqlite` in the one folder named there. A single dictionary takes a file, or a folder
/// that exists.
pub fn files(out: &[PathBuf], saes: &[Arc<Sae>]) -> Result<Vec<PathBuf>> {
    let folder = match out {
        [one] if saes.len() > 1 || one.is_dir() => one,
        _ if out.len() == saes.len() => return Ok(out.to_vec()),
        _ => {
            let what = format!(
                "{} files for {} dictionaries: name one folder, or a file for each",
                out.len(),
                saes.len()
            );
            return Err(Error::setting("out", what));
        }
    };
    let mut files: Vec<PathBuf> = Vec::with_capacity(saes.len());
    for sae in saes {
        let file = folder.join(file_name(&sae.name));
        if files.contains(&file) {
            let what = format!(
                "two dictionaries are called {}, so their indexes would be one file in {}: name a file for each",
                sae.name,
                folder.display()
            );
            return Err(Error::setting("out", what));
        }
        files.push(file);
    }
    Ok(files)
}

/// Checks that the indexes may be written to `files`: that there is no file yet, unless `overwrite` allows replacing it or an interrupted build is to be resumed, which
/// may have written some of them.
pub fn claim(files: &[PathBuf], overwrite: bool) -> Result<()> {
    let resumes = files.first().is_some_and(|file| is_interrupted(file));
    files
        .iter()
        .try_for_each(|file| claim_file(file, overwrite || resumes))
}

/// Returns the name of the file of a dictionary's index; characters that separate folders become `-`.
pub fn file_name(sae: &str) -> String {
    let name: String = sae
        .chars()
        .map(|c| match c {
            '/' | '\\' | ':' => '-',
            other => other,
        })
        .collect();
    format!("{name}.{ENDING}")
}

/// Builds the index of each of `saes` over `text` into its file, in one pass of the model, and returns the time taken. See [`features::build_all`].
pub fn build(
    (model, saes): (&Model, &[Arc<Sae>]),
    files: &[PathBuf],
    (text, choices): (&Text, &Choices),
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Spent>> {
    let source = Source {
        corpus: text.phrase.clone(),
        fingerprint: text.fingerprint.clone(),
        seed: choices.seed,
        rows: choices.rows.clone(),
        attribution: choices.attribution,
        loss_effects: choices.loss_effects,
        without_counts: choices.without_counts,
    };
    let readers = saes.iter().map(|sae| sae.by_token());
    let readers: Vec<ByToken<'_>> = readers.collect::<Result<_>>()?;
    let jobs = readers.iter().zip(files);
    let jobs: Vec<Job<'_>> = jobs.map(|(sae, out)| Job { sae: *sae, out }).collect();
    features::build_all(model, &jobs, &text.rows, &source, observe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dims::Matrix;
    use crate::sae::TopK;

    fn sae(name: &str) -> Arc<Sae> {
        let matrix = || Matrix::zeros(2, 3);
        Arc::new(Sae::new(
            name,
            (matrix(), vec![0.0; 2]),
            (matrix(), vec![0.0; 3]),
            TopK { k: 1 },
        ))
    }

    #[test]
    fn rows_are_two_numbers_in_order() {
        assert_eq!(read_rows("0..80"), Ok(0..80));
        for wrong in ["", "5", "5..", "..5", "5..5", "8..3", "a..b", "-1..4"] {
            assert!(read_rows(wrong).unwrap_err().contains("A..B"), "{wrong}");
        }
    }

    #[test]
    fn an_index_is_replaced_only_if_asked_or_left_by_an_interrupted_build() {
        let folder = tempfile::tempdir().unwrap();
        let files = ["a", "b"].map(|name| folder.path().join(format!("{name}.sqlite")));
        claim(&files, false).unwrap();
        std::fs::write(&files[1], "").unwrap();
        let refused = claim(&files, false).unwrap_err().to_string();
        assert!(refused.contains("b.sqlite"), "{refused}");
        claim(&files, true).unwrap();
        std::fs::write(folder.path().join("a.sqlite.checkpoint"), "").unwrap();
        claim(&files, false).unwrap();
    }

    #[test]
    fn a_folder_takes_a_file_for_each_and_files_are_taken_as_named() {
        let paths = |names: &[&str]| -> Vec<PathBuf> { names.iter().map(PathBuf::from).collect() };
        let two = [sae("a"), sae("b/c:d")];
        let in_folder = files(&paths(&["out"]), &two).unwrap();
        let named: Vec<PathBuf> = ["a.sqlite", "b-c-d.sqlite"]
            .map(|name| PathBuf::from("out").join(name))
            .into();
        assert_eq!(in_folder, named);
        let given = paths(&["x", "y"]);
        assert_eq!(files(&given, &two).unwrap(), given);
        assert_eq!(files(&given[..1], &two[..1]).unwrap(), given[..1]);
        let refused =
            |out: &[PathBuf], saes: &[Arc<Sae>]| files(out, saes).unwrap_err().to_string();
        assert!(refused(&paths(&["x", "y", "z"]), &two).contains("3 files for 2 dictionaries"));
        let twice = [sae("a"), sae("a")];
        assert!(refused(&paths(&["out"]), &twice).contains("two dictionaries are called a"));
    }
}
