//! Folders of runs: what is refused, what begins anew, what is left when the dictionary cannot be written.

use std::path::{Path, PathBuf};

use super::session::Session;
use super::*;
use crate::ids::{HookPoint, Site};
use crate::runs::{Record, Status};
use crate::sae::Sae;
use crate::train::{CHECKPOINT, Point};

fn spec() -> Spec {
    let mut spec = Spec::default_for(HookPoint::block(1, Site::Z));
    (spec.tokens, spec.batch) = (10_000, 1_000);
    spec
}

fn sae() -> Sae {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/sae-lens-topk");
    formats::open(Path::new(golden)).unwrap().0
}

fn outcome(stopped: bool) -> Ended<Outcome, Outcome> {
    let outcome = Outcome {
        sae: sae(),
        tokens_seen: 10_000,
        checkpoint: None,
        last: Point::default(),
    };
    Ended::new(outcome, stopped)
}

fn keeping(folder: &Path, resume: bool) -> Keeping {
    Keeping {
        folder: Some(folder.to_path_buf()),
        resume,
        ..Keeping::default()
    }
}

/// How a run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    New,
    Resumed,
    Over,
}

fn begin(folder: &Path, start: Start) -> Result<(Session, Notes)> {
    let mut runs = [(spec(), keeping(folder, start == Start::Resumed))];
    Session::begin(&mut runs, "gpt2", start == Start::Over)
}

#[track_caller]
fn refused(folder: &Path, start: Start, words: &[&str]) {
    let said = begin(folder, start).unwrap_err().to_string();
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
}

/// A file where a checkpoint would be.
fn checkpoint(folder: &Path) -> PathBuf {
    let path = folder.join(CHECKPOINT).join("state.safetensors");
    std::fs::create_dir_all(folder.join(CHECKPOINT)).unwrap();
    std::fs::write(&path, "a state").unwrap();
    path
}

fn status(folder: &Path) -> Status {
    Record::read(folder).unwrap().status
}

#[test]
fn the_checkpoint_goes_once_the_dictionary_is_saved_and_not_before() {
    let root = tempfile::tempdir().unwrap();
    let run = root.path().join("run");
    let (session, _) = begin(&run, Start::New).unwrap();
    let state = checkpoint(&run);
    // Something stands where the weights belong, so they cannot be written.
    let blocked = run.join("sae_weights.safetensors");
    std::fs::create_dir(&blocked).unwrap();
    let (ended, _) = session.end(vec![Ok(outcome(false))], Precision::F32);
    let [Trained::Unsaved(left, error)] = ended.as_slice() else {
        panic!("{ended:?}");
    };
    let left = left.value();
    assert!(state.exists() && left.sae == sae());
    let said = error.to_string();
    assert!(said.contains("run/sae_weights.safetensors"), "{said}");
    assert!(!said.contains(".umbra-"), "{said}");
    assert!(!run.join("cfg.json").exists(), "all files or none");
    assert_eq!(status(&run), Status::Failed);

    std::fs::remove_dir(&blocked).unwrap();
    assert!(!save_again(&left.sae, &run, false).unwrap());
    assert!(!state.exists() && formats::open(&run).is_ok());
    assert_eq!(status(&run), Status::Finished);

    // One that was stopped keeps its checkpoint beside the dictionary.
    let other = root.path().join("other");
    let (session, _) = begin(&other, Start::New).unwrap();
    let state = checkpoint(&other);
    let (ended, notes) = session.end(vec![Ok(outcome(true))], Precision::F32);
    assert!(matches!(ended[..], [Trained::Saved(_)]) && notes.is_empty());
    assert!(state.exists() && formats::open(&other).is_ok());
    assert_eq!(status(&other), Status::Stopped);
}

#[test]
fn a_folder_that_holds_something_is_refused_unless_it_may_be_overwritten() {
    let root = tempfile::tempdir().unwrap();
    let run = root.path().join("run");
    let (session, _) = begin(&run, Start::New).unwrap();
    drop(session.end(vec![Ok(outcome(false))], Precision::F32));
    for start in [Start::New, Start::Resumed] {
        refused(
            &run,
            start,
            &["a finished run", "setting `overwrite`", "run"],
        );
    }
    let before = std::fs::read(run.join("run.json")).unwrap();
    std::fs::write(run.join("notes.txt"), "mine").unwrap();
    let (session, _) = begin(&run, Start::Over).unwrap();
    assert_eq!(status(&run), Status::Running);
    assert!(
        formats::open(&run).is_ok(),
        "the old dictionary is still there"
    );
    session.fail(&Error::setting("k", "too many"));
    assert_ne!(std::fs::read(run.join("run.json")).unwrap(), before);
    assert!(run.join("notes.txt").exists());

    // A dictionary of another library: its weights must not be left beside the new settings.
    let foreign = root.path().join("foreign");
    let target = formats::Target::Sparsify;
    let own = sae();
    let one = std::slice::from_ref(&own);
    formats::write(one, &foreign, target, Precision::F32).unwrap();
    refused(&foreign, Start::New, &["a sparsify dictionary"]);
    assert!(!foreign.join("run.json").exists());
    let (session, _) = begin(&foreign, Start::Over).unwrap();
    drop(session.end(vec![Ok(outcome(false))], Precision::F32));
    assert!(!foreign.join("sae.safetensors").exists());
    let format = formats::Format::detect(&foreign).unwrap();
    assert_eq!(format, formats::Format::SaeLens);

    // A run that failed before it left anything is in nobody's way.
    let failed = root.path().join("failed");
    let (session, _) = begin(&failed, Start::New).unwrap();
    session.fail(&Error::setting("k", "too many"));
    assert_eq!(status(&failed), Status::Failed);
    assert!(begin(&failed, Start::New).is_ok());
    // With a checkpoint it is not.
    let state = checkpoint(&failed);
    refused(&failed, Start::New, &["the checkpoint of a run"]);
    drop(begin(&failed, Start::Over).unwrap());
    assert!(
        !state.exists(),
        "a run from the beginning never goes on from an older one"
    );
}

#[test]
fn two_runs_are_not_in_one_folder_at_once_and_a_killed_one_is_interrupted() {
    let root = tempfile::tempdir().unwrap();
    let run = root.path().join("run");
    let (session, _) = begin(&run, Start::New).unwrap();
    assert_eq!(status(&run), Status::Running);
    let state = checkpoint(&run);
    for start in [Start::New, Start::Over] {
        let said = begin(&run, start).unwrap_err().to_string();
        assert!(said.contains("under way"), "{said}");
    }
    let said = begin(&run, Start::Resumed).unwrap_err().to_string();
    assert!(
        said.contains("another run is training in this folder"),
        "{said}"
    );
    let said = save_again(&sae(), &run, false).unwrap_err().to_string();
    assert!(said.contains("another run"), "{said}");
    // What is left of a program that was killed: no lock, and a record that nobody ended.
    drop(session);
    assert_eq!(status(&run), Status::Interrupted);
    let mut runs = [(spec(), keeping(&run, true))];
    let (session, notes) = Session::begin(&mut runs, "gpt2", false).unwrap();
    assert!(runs[0].1.resume && notes.is_empty() && state.exists());
    assert_eq!(status(&run), Status::Running);
    drop(session);

    // Two dictionaries of one run in one folder, by two spellings: nothing is made for either.
    let twice = [root.path().join("new"), root.path().join("./new/")];
    let mut runs = twice.map(|folder| (spec(), keeping(&folder, false)));
    assert!(Session::begin(&mut runs, "gpt2", false).is_err());
    assert!(!root.path().join("new").exists());
}

#[test]
fn a_run_that_is_to_go_on_without_a_checkpoint_begins_and_says_so() {
    let root = tempfile::tempdir().unwrap();
    let run = root.path().join("a/run");
    for _ in 0..2 {
        // The second time it was killed while it wrote its first checkpoint.
        let mut runs = [(spec(), keeping(&run, true))];
        let (session, notes) = Session::begin(&mut runs, "gpt2", false).unwrap();
        let notes: Vec<&str> = notes.iter().collect();
        assert!(!runs[0].1.resume && notes.len() == 1, "{notes:?}");
        assert!(notes[0].contains("no checkpoint") && notes[0].contains("a/run"));
        drop(session);
        std::fs::create_dir_all(run.join(CHECKPOINT)).unwrap();
        std::fs::write(run.join(CHECKPOINT).join(".umbra-x1"), "half").unwrap();
    }
}
