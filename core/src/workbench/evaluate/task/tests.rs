//! Conclusions from made-up results, and a request from templates to a kept result.

use std::collections::BTreeMap;
use std::path::Path;

use super::*;
use crate::tasks::test::{EditPoint, How, Tested};

fn model() -> Model {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model");
    Model::open(path).unwrap().0
}

fn on(_: Progress) -> Flow {
    Flow::Continue(())
}

fn tested(name: &str, (accuracy, untouched, magnitude): (f64, f64, f64)) -> Tested {
    let supervised = name.starts_with("supervised");
    let how = if supervised {
        How::Supervised
    } else {
        How::Agnostic
    };
    let of = |value| BTreeMap::from([("io".to_owned(), value)]);
    Tested {
        name: name.to_owned(),
        supervised,
        sites: Vec::new(),
        sufficiency: 1.0,
        necessity: 1.0,
        edit_accuracy: of(accuracy),
        untouched: of(untouched),
        edits: vec![EditPoint {
            attribute: "io".to_owned(),
            how,
            exchanges: if supervised { 1 } else { FEW },
            accuracy,
            magnitude,
            prompts: 100,
        }],
        features: Vec::new(),
        carried: Vec::new(),
        inspected: Vec::new(),
    }
}

fn found(dictionaries: Vec<Tested>) -> Evaluation {
    Evaluation {
        model: "demo".to_owned(),
        task: "ioi".to_owned(),
        prompts: [100, 100],
        sites: vec!["blocks.2.attn.hook_z@end".to_owned()],
        attributes: vec!["io".to_owned()],
        accuracy: 0.9,
        logit_difference: 5.0,
        mean_ablated: 0.0,
        unseen: BTreeMap::new(),
        dictionaries,
    }
}

#[test]
fn a_conclusion_counts_the_gain_over_no_edit_and_says_where_there_is_none() {
    let supervised = || tested("supervised-mean", (0.9, 0.1, 0.3));
    // The one with the larger accuracy gains nothing over its own untouched share.
    let idle = tested("idle", (0.96, 0.96, 0.1));
    let better = tested("better", (0.6, 0.1, 0.4));
    let said = conclusions(&found(vec![supervised(), idle.clone(), better]));
    assert!(said[0].starts_with("better controls"), "{said:?}");
    assert!(said[0].contains("60 %") && said[0].contains("0.40") && said[0].contains("90 %"));
    let said = conclusions(&found(vec![supervised(), idle]));
    assert!(said[0].starts_with("No dictionary controls"), "{said:?}");
    let said = conclusions(&found(vec![tested("supervised-mean", (0.99, 0.98, 0.3))]));
    assert!(said[0].contains("hardly decides"), "{said:?}");
    let mut unable = found(vec![supervised()]);
    unable.accuracy = 0.5;
    assert!(ability(&unable).contains("does not do the task"));
}

#[test]
fn a_request_runs_from_templates_and_its_result_is_kept_and_reported() {
    let model = model();
    let request = Request {
        count: 24,
        exchanges: vec![1, 2],
        ..Request::default()
    };
    let sae = concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/saes/attn-2");
    let sae = Sae::open(Path::new(sae)).unwrap().0;
    let (task, found) = request
        .run(&model, &[&sae], &mut on)
        .unwrap()
        .done()
        .unwrap();
    assert_eq!(found.prompts, [12, 12]);
    assert_eq!(found.sites, ["blocks.2.attn.hook_z@end"]);
    let value = json(&found).unwrap();
    assert_eq!(value["dictionaries"][0]["name"], "supervised-mean");
    assert!(value["definitions"]["necessity"].is_string());
    let folder = tempfile::tempdir().unwrap();
    let made = made(&model, &[&sae], (&task, &found)).unwrap();
    let demo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
    let (project, _) = Project::open(demo).unwrap();
    let project = project.overlay(folder.path()).unwrap().project;
    keep(&project, &made, &found).unwrap();
    let kept = project
        .kept_study::<Evaluation>(STUDY, "ioi")
        .unwrap()
        .unwrap();
    assert_eq!(kept.result.dictionaries.len(), 2);
    let section = section(&found);
    assert!(section.figures.len() == 1 + found.attributes.len());
}
