//! Conclusions from made-up results.

use std::collections::BTreeMap;

use super::*;
use crate::project::MadeWith;
use crate::tasks::test::EditPoint;
use crate::workbench::evaluate::task;

fn tested(name: &str, supervised: bool, (accuracy, magnitude): (f64, f64)) -> Tested {
    let point = |how, exchanges, accuracy| EditPoint {
        attribute: "io".to_owned(),
        how,
        exchanges,
        accuracy,
        magnitude,
        prompts: 100,
    };
    let edits = if supervised {
        vec![point(How::Supervised, 1, accuracy)]
    } else {
        vec![
            point(How::Agnostic, 1, 0.0),
            point(How::ByInterpretation, FEW, 1.0),
            point(How::Agnostic, FEW, accuracy),
        ]
    };
    Tested {
        name: name.to_owned(),
        supervised,
        sites: vec!["blocks.2.attn.hook_z@end".to_owned()],
        sufficiency: 0.9,
        necessity: 0.8,
        edit_accuracy: BTreeMap::from([("io".to_owned(), accuracy)]),
        untouched: BTreeMap::from([("io".to_owned(), 0.25)]),
        edits,
        features: vec![],
        carried: vec![],
        inspected: vec![],
    }
}

fn evaluation(dictionaries: Vec<Tested>) -> Evaluation {
    Evaluation {
        model: "demo".to_owned(),
        task: "ioi".to_owned(),
        prompts: [300, 300],
        sites: vec!["blocks.2.attn.hook_z@end".to_owned()],
        attributes: vec!["io".to_owned()],
        accuracy: 0.95,
        logit_difference: 3.0,
        mean_ablated: 0.5,
        unseen: BTreeMap::new(),
        dictionaries,
    }
}

#[test]
fn the_best_dictionary_is_neither_supervised_nor_a_baseline_and_cheap_among_equals() {
    let found = evaluation(vec![
        tested("supervised-mean", true, (0.96, 0.64)),
        tested("dear", false, (0.75, 0.9)),
        tested("cheap", false, (0.75, 0.5)),
        tested("pca", false, (0.875, 0.25)),
    ]);
    let best = best(&found, "io", &["pca"]).unwrap();
    assert_eq!(best.tested.name, "cheap");
    let words = conclusion(&found, "io", &["pca"]);
    let want = "cheap controls the name that is the answer best: with 2 exchanged features, 75 % of the answers become those of the ground truth (25 % without any edit), at the cost of 0.50 of the reconstruction's weight; the supervised dictionary reaches 96 % for 0.64.";
    assert_eq!(words, want);
}

#[test]
fn a_dictionary_that_does_no_better_than_nothing_controls_nothing() {
    let found = evaluation(vec![tested("weak", false, (0.25, 0.5))]);
    let words = conclusion(&found, "io", &[]);
    assert!(
        words.starts_with("No dictionary controls the name"),
        "{words}"
    );
    assert!(!words.contains("features weak reaches"), "{words}");
    let mut strong = tested("weak", false, (0.25, 0.5));
    let mut many = strong.edits[2].clone();
    (many.exchanges, many.accuracy) = (32, 0.75);
    strong.edits.push(many);
    let words = conclusion(&evaluation(vec![strong]), "io", &[]);
    let want =
        "; with 32 features weak reaches 75 %, at the cost of 0.50 of the reconstruction's weight.";
    assert!(words.ends_with(want), "{words}");
    let alone = evaluation(vec![tested("supervised-mean", true, (0.96, 0.64))]);
    let words = conclusion(&alone, "io", &[]);
    assert!(
        words.starts_with("No dictionary of the project was tested"),
        "{words}"
    );
}

#[test]
fn places_without_effect_and_unseen_values_are_named() {
    let mut found = evaluation(vec![]);
    assert!(notes(&found).is_empty());
    found.mean_ablated = 2.9;
    found.unseen.insert("io".to_owned(), 2);
    assert_eq!(notes(&found).len(), 2);
}

#[test]
fn places_without_a_say_in_the_answer_control_nothing_however_often_they_agree() {
    let mut silent = tested("silent", false, (1.0, 0.125));
    silent.untouched.insert("io".to_owned(), 1.0);
    let found = evaluation(vec![silent, tested("loud", false, (0.75, 0.5))]);
    assert_eq!(best(&found, "io", &[]).unwrap().tested.name, "loud");
}

#[test]
fn a_result_is_kept_with_a_project_and_one_of_another_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::create(folder.path(), "Mine").unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
    let model = Model::open(path).unwrap().0;
    let find = || kept(&project, "ioi", (&model, &[]));
    assert_eq!(find().unwrap(), None);
    let found = evaluation(vec![tested("z0", false, (0.75, 0.5))]);
    let mut made = MadeWith::new(&model, &[], &[], &0).unwrap();
    task::keep(&project, &made, &found).unwrap();
    assert_eq!(find().unwrap(), Some(found.clone()));
    made.model.fingerprint = "another".to_owned();
    task::keep(&project, &made, &found).unwrap();
    assert!(
        find()
            .unwrap_err()
            .to_string()
            .contains("another fingerprint")
    );
}
