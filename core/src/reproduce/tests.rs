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
