//! Records written by runs and read back.

use std::path::Path;

use serde_json::Value;

use super::*;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Site};
use crate::progress::Ended;
use crate::sae::Sae;
use crate::train::{Event, Outcome, Point, Spec};

fn spec() -> Spec {
    let mut spec = Spec::default_for(HookPoint::block(1, Site::Z));
    (spec.tokens, spec.batch) = (10_000_000, 1_000);
    spec.facts.insert("corpus".to_owned(), "tales".into());
    spec
}

fn sae() -> Sae {
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/sae-lens-topk");
    crate::formats::open(Path::new(golden)).unwrap().0
}

/// Records a run of ten thousand steps, of which `steps` were done.
fn recorded(folder: &Path, spec: &Spec, steps: u64, error: Option<&Error>) -> Result<()> {
    let mut recorder = Recorder::begin(folder, spec, "gpt2")?;
    recorder.observe(&Event::Note("begun\nin two lines".to_owned()));
    let mut last = Point::default();
    for step in 0..=steps {
        last = Point {
            step,
            steps: 10_000,
            tokens_seen: step * 1_000,
            fvu: 0.25,
            loss: f64::NAN,
            ..Point::default()
        };
        recorder.observe(&Event::Progress(last));
        recorder.observe(&Event::Progress(last));
    }
    let outcome = Outcome {
        sae: sae(),
        tokens_seen: last.tokens_seen,
        checkpoint: None,
        last,
    };
    let outcome = Ended::new(outcome, steps < 10_000);
    recorder.end(error.map_or(Ok(&outcome), Err))
}

#[test]
fn a_run_is_recorded_line_by_line_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    recorded(&run, &spec(), 10_000, None).unwrap();
    let record = Record::read(&run).unwrap();
    assert_eq!(record.status, Status::Finished);
    assert_eq!(
        (record.model.as_str(), record.tokens_seen),
        ("gpt2", 10_000_000)
    );
    assert_eq!(record.settings["k"], 24);
    assert_eq!(record.settings["learning_rate"], "auto");
    assert_eq!(record.settings["geometric_median"], true);
    assert_eq!(record.data["corpus"], "tales");
    assert_eq!(
        (record.figure("fvu"), record.figure("loss")),
        (Some(0.25), None)
    );
    assert_eq!(record.figure("fvu_at_end"), Some(0.25));
    let definition = record.figures["fvu"]["definition"].as_str().unwrap();
    assert!(definition.contains("mean(x)"), "{definition}");
    let text = std::fs::read_to_string(run.join(EVENTS)).unwrap();
    assert!(text.ends_with('\n'));
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let steps: Vec<u64> = lines
        .iter()
        .filter_map(|line| line["step"].as_u64())
        .collect();
    // Ten thousand steps, two thousand points, none twice.
    assert_eq!(
        steps,
        (1..=2_000).map(|point| point * 5).collect::<Vec<_>>()
    );
    assert_eq!(lines[0]["note"], "begun\nin two lines");
    assert_eq!(lines.last().unwrap()["status"], "finished");
}

#[test]
fn stopped_failed_and_broken_off_runs_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    recorded(&at("a"), &spec(), 50, None).unwrap();
    let error = Error::setting("k", "too many");
    recorded(&at("b"), &spec(), 50, Some(&error)).unwrap();
    drop(Recorder::begin(&at("c"), &spec(), "gpt2").unwrap());
    std::fs::create_dir(at("d")).unwrap();
    std::fs::write(at("d").join(RECORD), "{}").unwrap();
    std::fs::create_dir(at("e")).unwrap();
    let (runs, notes) = find(&[folder.path().to_path_buf()]).unwrap();
    let status: Vec<Status> = runs.iter().map(|(_, run)| run.status).collect();
    let ended = [Status::Stopped, Status::Failed, Status::Interrupted];
    assert_eq!(status, ended);
    // The same record while its program is at it.
    let recorder = Recorder::begin(&at("c"), &spec(), "gpt2").unwrap();
    assert_eq!(Record::read(&at("c")).unwrap().status, Status::Running);
    let said = Recorder::begin(&at("c"), &spec(), "gpt2").unwrap_err();
    assert!(said.to_string().contains("another run"), "{said}");
    drop(recorder);
    assert_eq!(runs[1].1.problem.as_deref(), Some("k: too many"));
    let notes: Vec<&str> = notes.iter().collect();
    assert!(
        notes.len() == 1 && notes[0].contains("not a run record"),
        "{notes:?}"
    );
    assert!(
        find(&[at("e")])
            .unwrap_err()
            .to_string()
            .contains("no readable run")
    );
    assert_eq!(find(&[at("b")]).unwrap().0.len(), 1);
}

#[test]
fn a_run_that_goes_on_keeps_its_curves_and_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("a");
    recorded(&at, &spec(), 50, None).unwrap();
    let read = || std::fs::read_to_string(at.join(EVENTS)).unwrap();
    let before = read();
    let mut record = Record::read(&at).unwrap();
    record.begun_unix -= 100;
    record.write(&at).unwrap();
    let mut recorder = Recorder::resume(&at, &spec(), "gpt2").unwrap();
    recorder.observe(&Event::Note("Going on".to_owned()));
    drop(recorder);
    let now = Record::read(&at).unwrap();
    assert_eq!(
        (now.status, now.begun_unix),
        (Status::Interrupted, record.begun_unix)
    );
    let after = read();
    let line: Value = serde_json::from_str(after.strip_prefix(&before).unwrap()).unwrap();
    assert!(line["seconds"].as_f64() >= Some(record.seconds), "{line}");
    // The control: a run from its beginning replaces them.
    drop(Recorder::begin(&at, &spec(), "gpt2").unwrap());
    assert_eq!(read(), "");
    assert!(Record::read(&at).unwrap().begun_unix > record.begun_unix);
}

#[test]
fn curves_and_settings_are_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().join("a");
    let mut spec = spec();
    spec.set("variant", "mutual-choice").unwrap();
    spec.set("zipf_tau", "0.25").unwrap();
    spec.set("learning_rate", "0.0003").unwrap();
    recorded(&at, &spec, 50, None).unwrap();
    let points = curves(&at).unwrap();
    let steps = |points: &[Point]| points.iter().map(|at| at.step).collect::<Vec<_>>();
    assert_eq!(steps(&points), (1..=10).map(|i| i * 5).collect::<Vec<_>>());
    assert!(points[0].loss.is_nan() && points[0].fvu == 0.25);
    assert_eq!(Record::read(&at).unwrap().spec().unwrap(), spec);
    // Gone on from step 30, and killed in the middle of a line.
    let mut recorder = Recorder::resume(&at, &spec, "gpt2").unwrap();
    recorder.observe(&Event::Progress(Point {
        step: 35,
        steps: 10_000,
        ..Point::default()
    }));
    drop(recorder);
    let path = at.join(EVENTS);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}{{\"event\":\"prog")).unwrap();
    assert_eq!(steps(&curves(&at).unwrap()), [5, 10, 15, 20, 25, 30, 35]);
    std::fs::write(&path, format!("no event\n{text}")).unwrap();
    let said = curves(&at).unwrap_err().to_string();
    assert!(said.contains("line 1") && said.contains(EVENTS), "{said}");
}

#[test]
fn runs_are_compared_by_what_differs() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    recorded(&at("a"), &spec(), 10_000, None).unwrap();
    let mut other = spec();
    other.seed = 7;
    other.facts.insert("split".to_owned(), "all".into());
    recorded(&at("b"), &other, 10_000, None).unwrap();
    let (runs, _) = find(&[at("a"), at("b")]).unwrap();
    let both = compare(&runs);
    let differing: Vec<_> = both
        .differing
        .iter()
        .map(|line| line.name.as_str())
        .collect();
    assert_eq!(differing, ["seed", "split"]);
    assert_eq!(both.differing[1].values, [Value::Null, "all".into()]);
    let figures: Vec<_> = both.figures.iter().map(|line| line.name.as_str()).collect();
    let over_the_last = ["loss", "fvu", "l0", "dead_fraction"];
    let at_end = ["loss_at_end", "fvu_at_end", "l0_at_end"];
    assert_eq!(figures[..4], over_the_last);
    assert_eq!(figures[4..7], at_end);
    assert_eq!(figures[7..], ["seconds"]);
}
