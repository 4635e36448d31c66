//! Holds activation patching against hooks of torch, against steering, and against identities.

use std::sync::Arc;

use super::*;
use crate::causes::golden_tests::{Golden, TOLERANCE, families, targets, tiny};
use crate::dark_matter::Probe;
use crate::error::Error;
use crate::models::{Model, token_tensor};
use crate::progress::{Ended, Flow, Progress};
use crate::sae::Sae;
use crate::steer::{Edits, Materials};

fn on(_: Progress) -> Flow {
    Flow::Continue(())
}

fn patched(model: &Model, request: &Request<'_>) -> Patching {
    run(model, request, &mut on).unwrap().done().unwrap()
}

fn ids(numbers: &[u32]) -> Vec<TokenId> {
    numbers.iter().copied().map(TokenId).collect()
}

/// Compares all sites and targets of one pair of texts; returns the largest change of a target.
fn compared(family: &str, model: &Model, golden: &Golden) -> f64 {
    let sites = [
        &golden.resid_pre,
        &golden.attn_out,
        &golden.mlp_out,
        &golden.z,
    ];
    let mut moved = 0.0_f64;
    for ((site, name), wanted) in PatchSite::ALL.into_iter().zip(sites) {
        for (at, target) in targets().into_iter().enumerate() {
            let request = Request {
                clean: &golden.clean,
                corrupt: &golden.corrupt,
                target,
                site,
            };
            let found = patched(model, &request);
            let mut values = vec![found.pair.clean_value, found.pair.corrupt_value];
            values.extend(found.values.iter().flatten());
            let ends = golden.targets.iter();
            let wanted: Vec<f64> = ends
                .chain(wanted.iter().flatten())
                .map(|of| of[at])
                .collect();
            assert_eq!(values.len(), wanted.len(), "{family} {name}");
            for (i, (value, wanted)) in values.iter().zip(&wanted).enumerate() {
                let off = (value - wanted).abs();
                assert!(
                    off < TOLERANCE,
                    "{family} {name} {target:?} {i}: {value} {wanted}"
                );
                moved = moved.max((wanted - golden.targets[1][at]).abs());
            }
        }
    }
    moved
}

#[test]
fn every_site_is_what_hooks_of_torch_give() {
    let mut moved = 0.0_f64;
    for (family, model, pairs) in families() {
        for golden in pairs {
            moved = moved.max(compared(&family, &model, &golden));
        }
    }
    assert!(
        moved > 1e4 * TOLERANCE,
        "patches move the targets, by {moved} at most"
    );
}

#[test]
fn shares_are_0_before_the_texts_differ_and_1_where_one_place_is_everything() {
    let model = tiny("llama");
    let (clean, corrupt) = (ids(&[5, 9, 100, 41]), ids(&[5, 9, 100, 300]));
    let request = Request {
        clean: &clean,
        corrupt: &corrupt,
        target: Target::Logit(TokenId(17)),
        site: PatchSite::ResidPre,
    };
    // The texts differ in their last token alone, so that its stream is all of the difference in every layer.
    let found = patched(&model, &request);
    assert_eq!(found.pair.differs(), [false, false, false, true]);
    for row in found.recovered() {
        assert_eq!(row[..3], [Some(0.0); 3]);
        assert!((row[3].unwrap() - 1.0).abs() < 1e-4, "{row:?}");
    }
    let said = found.conclusion();
    assert!(
        said.contains("(position 3) in layers 0 to 2") && said.contains("brings back 100 %"),
        "{said}"
    );
    assert_eq!(found.places()[0].at, 3);
}

#[test]
fn texts_that_do_not_match_are_refused_and_equal_ones_decide_nothing() {
    let model = tiny("gpt2");
    let request = |clean, corrupt, target| {
        let site = PatchSite::MlpOut;
        let request = Request {
            clean,
            corrupt,
            target,
            site,
        };
        run(&model, &request, &mut on)
    };
    let (long, short) = (ids(&[5, 9, 100, 41]), ids(&[5, 9, 100]));
    let target = Target::Logit(TokenId(17));
    let refused = request(&long, &short, target).unwrap_err();
    assert!(matches!(refused, Error::Setting { .. }), "{refused:?}");
    let refused = refused.to_string();
    assert!(
        refused.contains("4 tokens") && refused.contains("second 3"),
        "{refused}"
    );
    assert!(request(&short[..2], &short[..2], Target::Loss).is_err());
    let context = model.config().context;
    let beyond = vec![TokenId(1); context + 1];
    assert!(request(&beyond, &beyond, target).is_err());
    let same = request(&long, &long, target).unwrap().done().unwrap();
    assert!(
        same.values
            .iter()
            .flatten()
            .all(|value| *value == same.pair.corrupt_value)
    );
    assert!(same.recovered().iter().flatten().all(Option::is_none));
    assert!(
        same.conclusion().contains("on both texts"),
        "{}",
        same.conclusion()
    );
}

#[test]
fn a_stopped_patching_ends_between_two_passes_and_threads_change_nothing() {
    let model = tiny("gemma3");
    let (clean, corrupt) = (ids(&[5, 9, 100, 41]), ids(&[6, 9, 100, 300]));
    let request = Request {
        clean: &clean,
        corrupt: &corrupt,
        target: Target::Loss,
        site: PatchSite::ResidPre,
    };
    let mut seen = Vec::new();
    let ended = run(&model, &request, &mut |at| {
        seen.push(at.done);
        if at.done > 8 {
            Flow::Break(())
        } else {
            Flow::Continue(())
        }
    });
    assert!(matches!(ended.unwrap(), Ended::Stopped(())));
    assert!(
        seen.is_sorted() && seen.last().is_some_and(|done| *done < 24),
        "{seen:?}"
    );
    let all = patched(&model, &request);
    let alone = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .unwrap();
    assert_eq!(alone.install(|| patched(&model, &request)), all);
    let json = serde_json::to_string(&all).unwrap();
    let again: Patching = serde_json::from_str(&json).unwrap();
    let pairs = again.values.concat().into_iter().zip(all.values.concat());
    // JSON numbers are read to the last bit but one.
    assert!(
        pairs
            .into_iter()
            .all(|(again, value)| (again - value).abs() < 1e-12)
    );
    assert_eq!((again.site, again.pair.clean), (all.site, all.pair.clean));
}

#[test]
fn sites_are_read_by_their_names() {
    for (site, name) in PatchSite::ALL {
        assert_eq!(name.parse::<PatchSite>().unwrap(), site);
        assert_eq!(serde_json::to_value(site).unwrap(), name);
    }
    assert!(
        "resid_post"
            .parse::<PatchSite>()
            .unwrap_err()
            .to_string()
            .contains("mlp_out")
    );
}

/// Materials of edits that need none.
struct Nothing;

impl Materials for Nothing {
    fn dictionary(&mut self, _: Option<&str>) -> Result<Arc<Sae>> {
        Err(Error::setting("sae", "there is none"))
    }

    fn probe(&mut self, _: Option<&str>) -> Result<Arc<Probe>> {
        Err(Error::setting("probe", "there is none"))
    }

    fn mean(&mut self, _: HookPoint, _: Option<&str>) -> Result<Vec<f32>> {
        Err(Error::setting("mean", "there is none"))
    }
}

#[test]
fn the_edit_of_a_place_is_the_patch_in_steering() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
    let model = Model::open(folder).unwrap().0;
    let (first, second) = ("The king took off", "The queen took off");
    let [clean, corrupt] = [first, second].map(|text| model.codec().encode_with_bos(text).unwrap());
    let target = Target::parse("logit:  his -  her", model.codec()).unwrap();
    for (site, places) in [
        (PatchSite::ResidPre, [(0, 2), (2, 4)]),
        (PatchSite::MlpOut, [(0, 2), (3, 4)]),
        (PatchSite::Z, [(1, 0), (2, 3)]),
    ] {
        let request = Request {
            clean: &clean,
            corrupt: &corrupt,
            target,
            site,
        };
        let found = patched(&model, &request);
        for (layer, at) in places {
            let edit = found.edit((layer, at), first).unwrap();
            let edit = edit.resolve(&model, &mut Nothing).unwrap();
            let edits = Edits::new(&model, vec![edit]).unwrap();
            let logits = edits
                .logits(&model, &token_tensor(&[&corrupt]).unwrap())
                .unwrap();
            let value = target.of_logits(&logits, &corrupt, 0).unwrap()[0];
            let off = (value - found.values[layer][at]).abs();
            // One row or several give sums of another order.
            assert!(off < 1e-4, "{site} {layer} {at}: {value}");
            assert!(
                (value - found.pair.corrupt_value).abs() > 1e-3,
                "{site} {layer} {at}"
            );
        }
    }
}
