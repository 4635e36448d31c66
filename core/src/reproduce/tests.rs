//! A shorter list in world A: its hard claims hold, and each of them can fail.

use super::choice::{ChoiceOptions, hard_claims};
use super::*;

#[test]
fn the_hard_claims_of_feature_choice_hold_in_world_a() {
    let options = ChoiceOptions {
        seeds: 1,
        steps: 1_200,
    };
    let mut parts = 0;
    let report = hard_claims(&options, &mut |event| {
        parts = event.progress.done;
        Flow::Continue(())
    });
    let report = report.unwrap().done().unwrap();
    assert_eq!(
        parts, 2,
        "three runs, the last one told of while two are done"
    );
    let hard: Vec<&Claim> = report.claims.iter().filter(|claim| claim.hard).collect();
    assert_eq!(hard.len(), 10, "{report:#?}");
    assert!(report.holds(), "{report:#?}");
}

#[test]
fn the_hard_claims_of_the_error_hold_on_the_demo_and_every_part_is_measured() {
    let demo = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
    let (model, _) = crate::models::Model::open(&demo.join("model")).unwrap();
    let read = |folder: &str| {
        let spec = crate::corpus::CorpusSpec {
            paths: vec![demo.join(folder)],
            ..crate::corpus::CorpusSpec::default()
        };
        let corpus = crate::corpus::Corpus::open(&spec).unwrap().0;
        corpus.rows(model.codec(), 64).unwrap().0
    };
    let (train, held_out) = (read("text/held-out"), read("text/held-out"));
    let options = DarkMatterOptions {
        fit: 1_500,
        held_out: 600,
        pursued: 50,
        widths: vec![16, 32, 64],
        k: 4,
        rungs_on: 3_000,
        children_on: 2_000,
        features: 32,
        draws: 10,
    };
    let hook = "blocks.1.hook_resid_post".parse().unwrap();
    let of = DarkMatter::new(model, (&train, &held_out), Vec::new(), (hook, &options)).unwrap();
    let ended = dark_matter(of, &options, &mut |_| Flow::Continue(()));
    let report = ended.unwrap().done().unwrap();
    assert!(report.holds(), "{report:#?}");
    let hard: Vec<&Claim> = report.claims.iter().filter(|claim| claim.hard).collect();
    // The second is a strict inequality of least squares, the first one of rounding.
    assert_eq!(hard.len(), 2, "{report:#?}");
    assert!(hard[0].values[0] > 0.0 && hard[0].values[0] <= 2.0);
    let (totals, rests) = hard[1].values.split_at(3);
    assert!(totals.iter().zip(rests).all(|(total, rest)| rest < total));
    for phrase in [
        "falls with width",
        "at one width",
        "in proportion",
        "higher FVU",
        "pursuit at",
        "planted noise",
        "norms of the error",
        "together leave",
    ] {
        assert!(
            report
                .claims
                .iter()
                .any(|claim| claim.claim.contains(phrase)),
            "{phrase}"
        );
    }
}

#[test]
fn a_report_fails_by_its_hard_claims_alone() {
    let mut report = Report::default();
    report.soft("an ordering", Figure::default(), false);
    report.reported("a figure", Figure::default());
    assert!(report.holds());
    report.hard("a sum", Figure::default(), false);
    assert!(!report.holds());
}

#[test]
fn a_list_stops_when_told() {
    let options = ChoiceOptions {
        seeds: 1,
        steps: 50,
    };
    let stopped = choice_in_the_world(&options, &mut |_| Flow::Break(())).unwrap();
    assert_eq!(stopped, Ended::STOPPED);
}
