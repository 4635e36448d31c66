//! Every job that reads a text shows what was decided on reading it: records that are no text, and the part that is held out.

use std::path::{Path, PathBuf};

use umbra_core::formats::{self, Precision};
use umbra_core::ids::{HookPoint, Site};
use umbra_core::models::{Opening, Sampling};
use umbra_core::steer::What;
use umbra_core::workbench::passes::{Amount, Pass};

use crate::state::AppState;
use crate::state::requests::{Command, compare, dark_matter, library, passes, steering, training};
use crate::state::steering::Request;
use crate::state::training::plan;
use crate::testing::{self, Desk};

/// Records of text, and one that has none.
fn records(folder: &Path) -> PathBuf {
    let line = |i: usize| {
        let tale = format!("Fox number {i} ran over hill {} to the wood. ", i * 7 % 97);
        format!("{{\"text\": \"{}\"}}\n", tale.repeat(8))
    };
    let mut all: String = (0..300).map(line).collect();
    all.push_str("{\"body\": \"nothing\"}\n");
    let path = folder.join("foxes.jsonl");
    std::fs::write(&path, all).unwrap();
    path
}

/// Saves a dictionary of the demo model's residual stream.
fn save(folder: &Path, prepend_bos: Option<bool>) -> PathBuf {
    let mut sae = testing::sae_of(16, 256);
    sae.provenance.hook = Some(HookPoint::block(1, Site::ResidPost));
    sae.provenance.prepend_bos = prepend_bos;
    formats::save(&sae, folder, Precision::F32).unwrap();
    folder.to_path_buf()
}

#[test]
fn every_job_that_reads_a_text_shows_what_was_decided() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::new(AppState::default());
    desk.run(library::Command::NewProject(folder.path().join("mine")));
    desk.run(library::Command::AddText {
        path: records(folder.path()),
        held_out: false,
    });
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo/model");
    desk.run(library::Command::OpenModel(demo, Opening::default()));
    let [one, two] = [("one", None), ("two", Some(false))].map(|(name, bos)| {
        let saved = save(&folder.path().join(name), bos);
        desk.run(library::Command::OpenSae(saved.clone()));
        desk.state.catalogue.by_folder(&saved).unwrap().id
    });
    desk.run(compare::Command::Choose((one, two)));
    let mean = Request {
        dictionaries: vec![],
        edits: vec!["mean hook=blocks.1.hook_resid_post".parse().unwrap()],
        prompt: "Once upon a time".into(),
        sampling: Sampling {
            tokens: 1,
            ..Sampling::default()
        },
        samples: 1,
        dial: None,
    };
    assert_eq!(mean.edits[0].what, What::Mean(None));
    let key = plan::text_key(&desk.state).unwrap();
    let check = |desk: &mut Desk, command: Command, words: &[&str]| {
        let before = desk.state.log.lines.len();
        desk.run(command.clone());
        let lines = &desk.state.log.lines[before..];
        let said = |word: &str| lines.iter().any(|line| line.text.contains(word));
        for word in words {
            assert!(said(word), "{command:?} lacks `{word}`: {lines:?}");
        }
    };
    let skipped = "1 of 301";
    let split = "Held out from training by seed 0: 15 of 300 documents";
    let packed = "Attention runs across the documents";
    let all = [skipped, split, packed];
    check(
        &mut desk,
        passes::Command::Run(one, Pass::Evaluation, Amount::All).into(),
        &all,
    );
    check(
        &mut desk,
        passes::Command::Run(one, Pass::Index, Amount::All).into(),
        &all,
    );
    check(
        &mut desk,
        dark_matter::fit::Command::Compute(one).into(),
        &all,
    );
    check(
        &mut desk,
        dark_matter::places::Command::ReadHeldOut.into(),
        &all,
    );
    check(&mut desk, training::Command::CountText(key).into(), &all);
    check(&mut desk, steering::Command::Run(mean).into(), &all);
    let together = compare::Command::Together((one, two)).into();
    let with_both = [skipped, split, packed, "two was trained without BOS"];
    check(&mut desk, together, &with_both);
}
