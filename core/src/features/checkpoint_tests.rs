//! Builds that were stopped or killed give the files of builds that were not.

use std::path::{Path, PathBuf};

use super::build::{Job, build_keeping};
use super::checkpoint;
use super::tests::{model, rows, sae, signed, source};
use super::*;
use crate::Flow;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::models::Model;
use crate::progress::{Ended, Progress};
use crate::sae::{Provenance, Sae, TopK};

const Z: &str = "blocks.1.attn.hook_z";
const RESID: &str = "blocks.2.hook_resid_post";

/// Dictionaries, the text and the files of one build.
struct Case<'a> {
    model: &'a Model,
    saes: Vec<Sae>,
    rows: Rows,
    source: Source,
    outs: Vec<PathBuf>,
}

impl Case<'_> {
    /// Builds with a checkpoint after every step.
    fn build(&self, observe: &mut dyn FnMut(Progress) -> Flow) -> Ended<Spent> {
        let jobs = self.saes.iter().zip(&self.outs);
        let jobs: Vec<Job<'_>> = jobs
            .map(|(sae, out)| Job {
                sae: sae.by_token().unwrap(),
                out,
            })
            .collect();
        let text = (&self.rows, &self.source);
        let built = build_keeping(self.model, &jobs, text, checkpoint::Keeper::always, observe);
        built.unwrap()
    }

    fn checkpoint(&self) -> PathBuf {
        checkpoint::path(&self.outs[0])
    }

    /// Returns the bytes of all files and removes them.
    fn taken(&self) -> Vec<Vec<u8>> {
        let taken = self.outs.iter().map(|out| {
            let bytes = std::fs::read(out).unwrap();
            std::fs::remove_file(out).unwrap();
            bytes
        });
        taken.collect()
    }

    /// Kills the build after every step, as if the program had ended there, and resumes it; returns the most rows that were not read again.
    fn check(&self) -> usize {
        let mut checkpoints: Vec<Vec<u8>> = Vec::new();
        let mut steps = 0;
        let mut watch = |_| {
            if let Ok(bytes) = std::fs::read(self.checkpoint()) {
                checkpoints.push(bytes);
            }
            steps += 1;
            Flow::Continue(())
        };
        assert!(!self.build(&mut watch).is_stopped());
        assert!(!self.checkpoint().exists());
        let want = self.taken();
        checkpoints.dedup();
        assert!(checkpoints.len() > 4, "{} of {steps}", checkpoints.len());
        let mut most = 0;
        for kept in checkpoints.iter().step_by(3) {
            std::fs::write(self.checkpoint(), kept).unwrap();
            let spent = self.build(&mut |_| Flow::Continue(())).done().unwrap();
            most = most.max(spent.resumed_rows);
            assert!(self.taken() == want);
        }
        // Stopped again and again, it comes to the same end.
        let mut stops = 0;
        loop {
            let mut seen = 0;
            let mut observe = |_| {
                seen += 1;
                if seen > 2 + stops / 4 {
                    Flow::Break(())
                } else {
                    Flow::Continue(())
                }
            };
            if !self.build(&mut observe).is_stopped() {
                break;
            }
            stops += 1;
            assert!(self.checkpoint().exists() && stops < 100);
        }
        assert!(stops > 3 && self.taken() == want);
        most
    }
}

fn case(folder: &Path) -> Case<'static> {
    Case {
        model: model(),
        saes: vec![sae(Z), signed(RESID)],
        rows: rows(),
        source: Source {
            loss_effects: true,
            ..source(3)
        },
        outs: ["a", "b"].map(|name| folder.join(name)).into(),
    }
}

#[test]
fn a_build_that_was_killed_or_stopped_resumes_to_the_same_files() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(case(folder.path()).check(), 60);
}

#[test]
fn a_build_that_counts_candidates_in_a_second_pass_resumes_too() {
    let folder = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/tiny-gpt2");
    let (model, _) = Model::open(&golden).unwrap();
    let features = tallies::EXACT + 1;
    let hook = "blocks.1.hook_resid_post".parse().unwrap();
    let d = model.width(hook).unwrap();
    let table = |by: usize| {
        let values = (0..features * d).map(|i| ((i * by % 1009) as f32 / 1009.0) - 0.5);
        Matrix::new(features, d, values.collect()).unwrap()
    };
    let sae = Sae::new(
        "large",
        (table(7919), vec![0.0; features]),
        (table(104_729), vec![0.0; d]),
        TopK { k: 4 },
    );
    let tokens = (0..40 * 16).map(|i| TokenId((i * 31 % 90) as u32));
    let documents = vec![0; 40 * 16];
    let rows = Rows::new(16, tokens.collect(), documents, vec!["numbers".to_owned()]);
    let case = Case {
        model: &model,
        saes: vec![sae.with_provenance(Provenance {
            hook: Some(hook),
            ..Provenance::default()
        })],
        rows,
        source: source(1),
        outs: vec![folder.path().join("large")],
    };
    let run = |stop: usize| {
        let mut seen = 0;
        let mut observe = |_| {
            seen += 1;
            if seen == stop {
                Flow::Break(())
            } else {
                Flow::Continue(())
            }
        };
        case.build(&mut observe)
    };
    assert!(!run(0).is_stopped());
    let want = case.taken();
    // 40 rows are read 16 at a time: the fifth step is within the second pass.
    assert!(run(2).is_stopped() && run(4).is_stopped() && case.checkpoint().exists());
    let spent = run(0).done().unwrap();
    assert!(spent.resumed_rows == 40, "{spent:?}");
    assert!(case.taken() == want);
}

#[test]
fn another_build_s_checkpoint_and_a_damaged_one_are_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let mut case = case(folder.path());
    let stop = |case: &Case<'_>| {
        let mut seen = 0;
        let ended = case.build(&mut |_| {
            seen += 1;
            if seen > 3 {
                Flow::Break(())
            } else {
                Flow::Continue(())
            }
        });
        assert!(ended.is_stopped());
    };
    let run = |case: &Case<'_>| case.build(&mut |_| Flow::Continue(())).done().unwrap();
    assert_eq!(run(&case).resumed_rows, 0);
    let want = case.taken();
    stop(&case);
    let bytes = std::fs::read(case.checkpoint()).unwrap();
    for cut in [0, 7, 60, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(case.checkpoint(), &bytes[..cut]).unwrap();
        assert_eq!(run(&case).resumed_rows, 0, "{cut}");
        assert!(case.taken() == want);
    }
    std::fs::write(case.checkpoint(), &bytes).unwrap();
    case.source.seed += 1;
    assert_eq!(run(&case).resumed_rows, 0);
    assert!(case.taken() != want);
    case.source.seed -= 1;
    std::fs::write(case.checkpoint(), &bytes).unwrap();
    assert!(run(&case).resumed_rows > 0);
}
