//! A state with a made-up result of the task with a known answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use umbra_core::tasks::scores::Interpretation;
use umbra_core::tasks::test::{
    Carried, EXCHANGES, EditPoint, Evaluation, How, Inspected, Interpreted, KeptStep, Tested, Top,
};

use crate::state::dark_matter::study::Change;
use crate::state::evaluation;
use crate::state::evaluation::tab::Tab;
use crate::state::evaluation::task::{Event as Task, key};
use crate::state::{AppState, Event, selection};

const ATTRIBUTES: [&str; 3] = ["io", "s", "pos"];

const SITE: &str = "blocks.0.attn.hook_z:0,1@end";

/// Edits of a dictionary whose accuracy grows to `most`.
fn edits(supervised: bool, most: f64) -> Vec<EditPoint> {
    let point = |attribute: &str, how, exchanges: usize, share: f64| EditPoint {
        attribute: attribute.to_owned(),
        how,
        exchanges,
        accuracy: most * share,
        magnitude: 0.25 + 0.5 * share,
        prompts: 100,
    };
    let mut all = Vec::new();
    for attribute in ATTRIBUTES {
        if supervised {
            all.push(point(attribute, How::Supervised, 1, 1.0));
            continue;
        }
        for how in [How::Agnostic, How::ByInterpretation] {
            for (at, k) in EXCHANGES.into_iter().enumerate() {
                let share = (at as f64 + 3.0) / 9.0;
                all.push(point(attribute, how, k, share));
            }
        }
    }
    all
}

fn features() -> Vec<Interpreted> {
    let feature = |feature, f1, scores: &[(&str, &str, f64)]| Interpreted {
        site: SITE.to_owned(),
        feature,
        active: 40,
        interpretation: Interpretation {
            family: "io".to_owned(),
            values: vec!["Mary".to_owned()],
            f1,
        },
        scores: scores
            .iter()
            .map(|(family, value, score)| ((*family).to_owned(), (*value).to_owned(), *score))
            .collect(),
    };
    vec![
        feature(7, 0.9, &[("pos", "ABB", 0.9)]),
        feature(3, 0.7, &[("io", "Mary", 0.7), ("pos", "ABB", 0.3)]),
        feature(12, 0.3, &[("s", "John", 0.3)]),
    ]
}

fn inspected(supervised: bool) -> Vec<Inspected> {
    let top = |first: &str| -> Top {
        let others = [" John", " Tom", " the", " him"];
        let all = [first].into_iter().chain(others);
        all.enumerate()
            .map(|(at, token)| (token.to_owned(), 12.0 - 1.5 * at as f32))
            .collect()
    };
    let step = |feature, distance| KeptStep {
        feature,
        removed: 3.0,
        added: 2.5,
        distance,
    };
    let places = vec![(SITE.to_owned(), 8.0, vec![step(3, 4.0), step(7, 2.0)])];
    vec![Inspected {
        text: "When Mary and John went to the garden, John gave a letter to".to_owned(),
        attribute: "io".to_owned(),
        values: [" Mary".to_owned(), " Alice".to_owned()],
        places: if supervised { vec![] } else { places },
        before: top(" Mary"),
        after: top(" Alice"),
        truth: top(" Alice"),
    }]
}

fn tested(name: &str, supervised: bool, (sufficiency, necessity, most): (f64, f64, f64)) -> Tested {
    let each = |value: f64| -> BTreeMap<String, f64> {
        ATTRIBUTES.map(|name| (name.to_owned(), value)).into()
    };
    let carried = |threshold| Carried {
        threshold,
        sufficiency: 0.8 - 0.5 * threshold,
        necessity: 0.9 - 0.5 * threshold,
    };
    Tested {
        name: name.to_owned(),
        supervised,
        sites: vec![SITE.to_owned()],
        sufficiency,
        necessity,
        edit_accuracy: each(most),
        untouched: each(0.25),
        edits: edits(supervised, most),
        features: if supervised { vec![] } else { features() },
        carried: if supervised {
            vec![]
        } else {
            [0.4, 0.5, 0.6, 0.8].map(carried).to_vec()
        },
        inspected: inspected(supervised),
    }
}

/// Returns a result of a supervised dictionary, of `z0`, and of one that no longer exists.
pub(crate) fn evaluation() -> Evaluation {
    Evaluation {
        model: "demo".to_owned(),
        task: "ioi".to_owned(),
        prompts: [300, 300],
        sites: vec![SITE.to_owned()],
        attributes: ATTRIBUTES.map(str::to_owned).to_vec(),
        accuracy: 0.95,
        logit_difference: 3.25,
        mean_ablated: 0.5,
        unseen: BTreeMap::new(),
        dictionaries: vec![
            tested("supervised-mean", true, (0.98, 0.97, 0.96)),
            tested("z0", false, (0.85, 0.8, 0.9)),
            tested("gone", false, (0.4, 0.3, 0.3)),
        ],
    }
}

/// The demo's model with a random dictionary, on the task, with a result.
pub(crate) fn with_result() -> AppState {
    let mut state = super::with_model();
    show(&mut state);
    state
}

/// Puts the made-up result into `state` and shows the task. In the demo, two of its dictionaries are those of the result.
pub(crate) fn show(state: &mut AppState) {
    let of = key(state).unwrap();
    let mut found = evaluation();
    if state.catalogue.named("attn-2").is_some() {
        let names = ["supervised-mean", "attn-2", "attn-3"];
        for (one, name) in found.dictionaries.iter_mut().zip(names) {
            name.clone_into(&mut one.name);
        }
    }
    for change in [
        Change::Began(of.clone()),
        Change::Ended(of, Some(Arc::new(found))),
    ] {
        let study = evaluation::Event::Task(Task::Study(change));
        state.apply(Event::Evaluation(study));
    }
    state.apply(Event::Selection(selection::Event::Evaluation(Tab::Task)));
}
