//! Holds path patching against two passes of torch, and checks its ends.

use super::*;
use crate::causes::golden_tests::{Golden, TOLERANCE, families, targets, tiny};
use crate::models::Model;
use crate::progress::{Flow, Progress};

fn on(_: Progress) -> Flow {
    Flow::Continue(())
}

fn paths(model: &Model, request: &Request<'_>) -> Paths {
    run(model, request, &mut on).unwrap().done().unwrap()
}

fn receiver(written: &serde_json::Value) -> Receiver {
    match written.as_array() {
        None => Receiver::Logits,
        Some(parts) => {
            let text = format!("L{}.H{}.{}", parts[0], parts[1], parts[2].as_str().unwrap());
            text.parse().unwrap()
        }
    }
}

/// Compares the paths of one pair of texts by one treatment of the MLPs; returns the largest change of a target.
fn compared((family, model): (&str, &Model), golden: &Golden, mlps: Mlps) -> f64 {
    let frozen = mlps == Mlps::Frozen;
    let wanted: Vec<_> = golden
        .paths
        .iter()
        .filter(|one| one.frozen == frozen)
        .collect();
    assert_eq!(wanted.len(), 4);
    let mut moved = 0.0_f64;
    for (at, target) in targets().into_iter().enumerate() {
        let request = Request {
            clean: &golden.clean,
            corrupt: &golden.corrupt,
            target,
            senders: Vec::new(),
            receivers: wanted.iter().map(|one| receiver(&one.to)).collect(),
            mlps,
        };
        let found = paths(model, &request);
        assert_eq!(
            found.senders.len(),
            model.config().layers * model.config().heads
        );
        for (column, wanted) in wanted.iter().enumerate() {
            for (sender, row) in found.values.iter().enumerate() {
                // A sender that does not lie before the receiver has no path to it.
                let (value, wanted) = (row[column], wanted.values.get(sender).map(|of| of[at]));
                assert_eq!(value.is_some(), wanted.is_some());
                let [value, wanted] =
                    [value, wanted].map(|value| value.unwrap_or(golden.targets[1][at]));
                let from = found.senders[sender];
                let off = (value - wanted).abs();
                assert!(
                    off < TOLERANCE,
                    "{family} {mlps:?} {target:?} {from}: {value} {wanted}"
                );
                moved = moved.max((wanted - golden.targets[1][at]).abs());
            }
        }
    }
    moved
}

#[test]
fn every_path_is_what_two_passes_of_torch_give() {
    let mut moved = 0.0_f64;
    for (family, model, pairs) in families() {
        for golden in pairs {
            for (mlps, _) in Mlps::ALL {
                moved = moved.max(compared((&family, &model), &golden, mlps));
            }
        }
    }
    assert!(
        moved > 1e3 * TOLERANCE,
        "paths move the targets, by {moved} at most"
    );
}

#[test]
fn a_path_from_the_last_layer_to_the_logits_is_patching_its_z() {
    use crate::causes::patch;
    // Nothing lies between a head of the last layer and the logits but its own MLP, which is recomputed.
    let model = tiny("gpt2");
    let ids = |numbers: [u32; 5]| numbers.map(TokenId).to_vec();
    let (clean, corrupt) = (ids([5, 9, 100, 41, 7]), ids([5, 80, 100, 41, 7]));
    let target = Target::Logit(TokenId(17));
    let last = model.config().layers - 1;
    let senders: Vec<HeadAt> = (0..model.config().heads)
        .map(|head| HeadAt::new(last, head))
        .collect();
    let request = Request {
        clean: &clean,
        corrupt: &corrupt,
        target,
        senders: senders.clone(),
        receivers: vec![Receiver::Logits],
        mlps: Mlps::Recomputed,
    };
    let found = paths(&model, &request);
    assert_eq!(found.senders, senders);
    let site = patch::PatchSite::Z;
    let request = patch::Request {
        clean: &clean,
        corrupt: &corrupt,
        target,
        site,
    };
    let whole = patch::run(&model, &request, &mut on)
        .unwrap()
        .done()
        .unwrap();
    for (path, z) in found.values.iter().zip(&whole.values[last]) {
        assert!((path[0].unwrap() - z).abs() < 1e-6);
    }
    assert!(
        found.conclusion().contains("to the logits"),
        "{}",
        found.conclusion()
    );
}

#[test]
fn heads_that_are_missing_and_ends_out_of_reach_are_refused() {
    let model = tiny("llama");
    let ids = |numbers: [u32; 4]| numbers.map(TokenId).to_vec();
    let (clean, corrupt) = (ids([5, 9, 100, 41]), ids([5, 80, 100, 41]));
    let refused = |senders: &[&str], receivers: &[&str]| {
        let request = Request {
            clean: &clean,
            corrupt: &corrupt,
            target: Target::Loss,
            senders: senders.iter().map(|text| text.parse().unwrap()).collect(),
            receivers: receivers.iter().map(|text| text.parse().unwrap()).collect(),
            mlps: Mlps::default(),
        };
        run(&model, &request, &mut on).unwrap_err().to_string()
    };
    assert!(refused(&["L3.H0"], &["logits"]).contains("no head L3.H0"));
    assert!(refused(&[], &["L1.H4.q"]).contains("no head L1.H4"));
    assert!(refused(&[], &["L0.H1.k"]).contains("before L0.H1.k"));
    assert!(refused(&["L1.H0"], &["L1.H1.v"]).contains("before L1.H1.v"));
    assert!(refused(&["L1.H0"], &[]).contains("no end of a path"));
    for text in ["L1.H2.z", "L1H2.q", "l1.H2.q", "L1.H2", "logit"] {
        assert!(text.parse::<Receiver>().is_err(), "{text}");
    }
    for text in ["logits", "L10.H2.k"] {
        assert_eq!(text.parse::<Receiver>().unwrap().to_string(), text);
    }
}
