//! Made-up surveys of heads, of any number of layers and heads.

use std::path::PathBuf;
use std::sync::Arc;

use umbra_core::heads::survey::{HeadExample, HeadExamples, HeadRow, KeptSurvey, Survey, role};
use umbra_core::ids::{Head, Layer, TokenId};

use crate::state::heads;
use crate::state::heads::survey::Event as Panel;
use crate::state::{AppState, Event, Load};

/// The induction head of every made-up survey.
pub(crate) const INDUCTION: (Layer, Head) = (Layer(1), Head(2));

/// The previous-token head of every made-up survey.
pub(crate) const PREVIOUS: (Layer, Head) = (Layer(0), Head(1));

/// A head of each kind of behaviour, and others without a clear role.
fn row(layer: usize, head: usize) -> HeadRow {
    let i = layer * 37 + head * 11;
    let noise = |by: usize| ((i * by) % 101) as f64 / 101.0;
    let (layer, head) = (Layer::from(layer), Head::from(head));
    let mut row = HeadRow {
        layer,
        head,
        entropy: 3.0 * noise(3),
        first: 0.4 * noise(5),
        same: 0.3 * noise(7),
        previous: 0.4 * noise(11),
        duplicate: Some(0.2 * noise(13)),
        induction: Some(0.3 * noise(17)),
        distance: 40.0 * noise(19),
        distance_variance: 1_500.0 * noise(23),
        duplicate_excess: Some(0.2 * noise(13) - 0.05),
        induction_excess: Some(0.3 * noise(17) - 0.1),
        induction_random: Some(0.3 * noise(29)),
        copying: Some(2.0 * noise(31) - 1.0),
        output_norm: 4.0 * noise(37),
        ..HeadRow::default()
    };
    if (layer, head) == INDUCTION {
        row.induction_random = Some(0.875);
        row.induction_excess = Some(0.5);
    } else if (layer, head) == PREVIOUS {
        row.previous = 0.75;
    } else if i.is_multiple_of(13) {
        row.first = 0.5 + 0.5 * noise(5);
    }
    row
}

/// A survey of so many layers and heads, each with two contexts.
pub(crate) fn survey(layers: usize, heads: usize) -> Survey {
    let rows: Vec<HeadRow> = (0..layers)
        .flat_map(|layer| (0..heads).map(move |head| row(layer, head)))
        .collect();
    let context = |row: &HeadRow, from: u32| HeadExample {
        row: row.head.0,
        from,
        tokens: [40, 50, 60, 40, 70].map(TokenId).to_vec(),
        query: 3,
        attention: vec![0.05, 0.75, 0.1, 0.1],
        strength: 0.5,
    };
    let examples = rows.iter().map(|row| HeadExamples {
        behaviour: role(row),
        contexts: vec![context(row, 0), context(row, 20)],
    });
    Survey {
        tokens: 200_000,
        rows: 1_563,
        context: 128,
        examples: examples.collect(),
        heads: rows,
        ..Survey::default()
    }
}

/// A survey of the loaded model arrives.
pub(crate) fn with_survey(mut state: AppState) -> AppState {
    let model = Arc::clone(&state.model().unwrap().model);
    let config = model.config();
    let survey = survey(config.layers, config.heads);
    let kept = KeptSurvey::new(&model, ("six held-out books", "fingerprint"), survey);
    let folder = state
        .project
        .folder()
        .map(PathBuf::from)
        .unwrap_or_default();
    let of = (folder, model.fingerprint().to_owned());
    for load in [Load::Loading, Load::Ready(Arc::new(kept))] {
        let event = Panel::Kept(of.clone(), load);
        state.apply(Event::Heads(heads::Event::Survey(event)));
    }
    state
}
