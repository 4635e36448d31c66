//! Compares the test of a feature against a predicate with brute force, on dictionaries with and without negative activations.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::predicate::Predicate;
use super::predicate::lab::{Asked, LEVELS, MISSES, OTHERS, Tested, test};
use super::tests::{CONTEXT_OF_ROWS, Z, brute_force, counts, model, rows, sae, signed};
use crate::Flow;
use crate::corpus::Rows;
use crate::ids::FeatureId;
use crate::sae::Sae;

/// Row and position.
type Place = (usize, usize);

/// Whether a predicate holds at a row and position, by brute force.
type Holds<'a> = &'a dyn Fn(usize, usize) -> bool;

fn tested(sae: &Sae, features: &[FeatureId], predicate: &str, seed: u64) -> Vec<Tested> {
    let predicate = Predicate::parse(predicate).unwrap();
    let asked = Asked {
        features,
        predicate: &predicate,
        seed,
    };
    let mut on = |_| Flow::Continue(());
    let subject = (model(), sae.by_token().unwrap());
    test(subject, &rows(), asked, &mut on)
        .unwrap()
        .done()
        .unwrap()
}

/// Whether an earlier token of the row folds to the text of this one and `next` accepts the token after it: loops over all earlier positions.
fn repeats(rows: &Rows, (row, t): Place, next: impl Fn(&str) -> bool) -> bool {
    let text = |t: usize| model().codec().display(rows.row(row)[t]);
    let fold = |t: usize| {
        let (text, token) = (text(t), rows.row(row)[t]);
        let folded = String::from_utf8(model().codec().folded(token));
        folded.unwrap_or(text)
    };
    (0..t).any(|q| fold(q) == fold(t) && next(&text(q + 1)))
}

#[test]
fn every_count_equals_brute_force() {
    let all = rows();
    let places: Vec<(usize, usize)> = (0..all.len())
        .flat_map(|row| (0..CONTEXT_OF_ROWS).map(move |t| (row, t)))
        .filter(|(row, t)| counts(&all, *row, *t))
        .collect();
    let cases: [(&str, Holds<'_>); 2] = [
        ("repeats(fuzzy)", &|row, t| {
            repeats(&all, (row, t), |_| true)
        }),
        ("repeats(fuzzy) and next_is(\",\")", &|row, t| {
            repeats(&all, (row, t), |next| next == ",")
        }),
    ];
    for sae in [sae(Z), signed(Z)] {
        let active = brute_force(&sae);
        let features: Vec<FeatureId> = [3, 11, 47].map(FeatureId).into();
        for (predicate, holds) in cases {
            let holding: Vec<(usize, usize)> = places
                .iter()
                .copied()
                .filter(|(row, t)| holds(*row, *t))
                .collect();
            for got in tested(&sae, &features, predicate, 1) {
                let acts: BTreeMap<(usize, usize), f32> = active[got.feature.index()]
                    .iter()
                    .map(|(row, t, act)| ((*row, *t), *act))
                    .collect();
                check(&got, (&places, &holding), &acts);
            }
        }
    }
}

fn check(got: &Tested, (places, holding): (&[Place], &[Place]), acts: &BTreeMap<Place, f32>) {
    let holds = |place: &(usize, usize)| holding.binary_search(place).is_ok();
    let count = |of: &dyn Fn(&(usize, usize), f64) -> bool| {
        let chosen = acts
            .iter()
            .filter(|(place, act)| of(place, f64::from(act.abs())));
        chosen.count() as u64
    };
    assert_eq!(got.tokens, places.len() as u64);
    assert_eq!(got.holding, holding.len() as u64);
    assert_eq!(got.active, acts.len() as u64);
    assert_eq!(got.both, count(&|place, _| holds(place)));
    let silent = holding
        .iter()
        .filter(|place| !acts.contains_key(place))
        .count();
    assert_eq!(got.misses(), silent as u64);
    assert_eq!(got.missed.len(), silent.min(MISSES));
    let max = acts.values().fold(0f32, |max, act| max.max(act.abs()));
    assert_eq!(got.max, f64::from(max));
    assert_eq!(got.top, count(&|_, size| size >= got.max / 2.0));
    assert_eq!(
        got.top_holding,
        count(&|place, size| holds(place) && size >= got.max / 2.0)
    );
    assert!(got.is_exact);
    if acts.is_empty() {
        assert_eq!((got.precision(), got.specificity_top_half()), (None, None));
        assert!(got.levels.is_empty());
        return;
    }
    assert_eq!(got.levels.len(), LEVELS);
    let mut expected = 0.0;
    for (i, level) in got.levels.iter().enumerate() {
        let (from, to) = (got.max * i as f64 / 20.0, got.max * (i + 1) as f64 / 20.0);
        let inside = |size: f64| size >= from && (size < to || i + 1 == LEVELS);
        assert_eq!(
            level.holding,
            count(&|place, size| inside(size) && holds(place))
        );
        assert_eq!(
            level.other,
            count(&|place, size| inside(size) && !holds(place))
        );
        let (a, b) = level.expected(got.active);
        expected += a + b;
    }
    // The levels' centres differ from the activations by half a level at most.
    let mean = acts.values().map(|act| f64::from(act.abs())).sum::<f64>() / acts.len() as f64;
    assert!(
        (expected - mean).abs() <= got.max / 40.0,
        "{expected} {mean}"
    );
    // What is listed is what it is said to be, at its place in the text.
    for example in &got.missed {
        let place = example.place.unwrap();
        let place = (place.row as usize, place.position);
        assert!(holds(&place) && !acts.contains_key(&place) && example.act() == 0.0);
    }
    let mut others: Vec<f32> = acts
        .iter()
        .filter(|(place, _)| !holds(place))
        .map(|(_, act)| act.abs())
        .collect();
    others.sort_by(|a, b| b.total_cmp(a));
    others.truncate(OTHERS);
    let listed: Vec<f32> = got
        .others
        .iter()
        .map(|example| example.act().abs())
        .collect();
    assert_eq!(listed, others);
}

#[test]
fn a_seed_draws_the_missed_tokens_and_a_pass_can_be_stopped() {
    let sae = sae(Z);
    let feature = [FeatureId(3)];
    let places = |seed| {
        let tested = tested(&sae, &feature, "position > 0", seed);
        tested[0]
            .missed
            .iter()
            .map(|e| e.place.map(|p| (p.row, p.position)))
            .collect::<Vec<_>>()
    };
    assert_eq!(places(1), places(1));
    assert_ne!(places(1), places(2));
    assert_eq!(places(1).len(), MISSES);
    let predicate = Predicate::parse("digit").unwrap();
    let asked = |features| Asked {
        features,
        predicate: &predicate,
        seed: 0,
    };
    let subject = (model(), sae.by_token().unwrap());
    let mut stop = |_| ControlFlow::Break(());
    assert!(
        test(subject, &rows(), asked(&feature), &mut stop)
            .unwrap()
            .is_stopped()
    );
    let beyond = [FeatureId(48)];
    let mut on = |_| Flow::Continue(());
    let error = test(subject, &rows(), asked(&beyond), &mut on).unwrap_err();
    assert!(
        error.to_string().contains("choose among 0 to 47"),
        "{error}"
    );
}
