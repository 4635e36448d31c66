//! Results of the induction lab for tests, made up for the demo's model of four layers with eight heads.

use std::sync::Arc;

use umbra_core::heads::induction::{
    Curve, OnText, Options, PREFIXES, Replaced, Synthetic, TextHead, TextOptions,
};
use umbra_core::heads::ioi::{Effect, Ioi, Noising};
use umbra_core::ids::{FeatureId, Head, HookPoint, Layer, Site};

use crate::state::catalogue::DictionaryId;
use crate::state::heads::Event as Heads;
use crate::state::heads::induction::{Event as Lab, Measured};
use crate::state::{AppState, Event, Load};

/// Applies loading, then `load`.
fn put<T>(state: &mut AppState, event: impl Fn(Load<T>) -> Lab, load: Load<T>) {
    state.apply(Event::Heads(Heads::Induction(event(Load::Loading))));
    state.apply(Event::Heads(Heads::Induction(event(load))));
}

/// Puts results of all three measurements in: L3H6 is the induction head, and L0H1 has no pair on text.
pub(crate) fn measured(state: &mut AppState) {
    let all = (0..4).flat_map(|layer| (0..8).map(move |head| (Layer(layer), Head(head))));
    let heads: Vec<(Layer, Head)> = all.collect();
    let share = |(layer, head): (Layer, Head), i: usize| match (layer.0, head.0) {
        (3, 6) => 0.3 + 0.05 * i as f64,
        (layer, head) => 0.01 + 0.002 * f64::from(layer + head),
    };
    let curves = heads.iter().map(|head| Curve {
        layer: head.0,
        head: head.1,
        by_prefix: std::array::from_fn(|i| share(*head, i)),
        error_by_prefix: [0.01; PREFIXES],
        dla_by_prefix: std::array::from_fn(|i| 5.0 * share(*head, i)),
    });
    let synthetic = Synthetic {
        curves: curves.collect(),
        options: Options::default(),
        length: 128,
        protocol: "Sequences of 128 distinct random tokens, BOS first; 1 to 9 tokens are repeated later in the sequence".to_owned(),
    };
    let of = |load| Lab::Synthetic("model".to_owned(), load);
    put(state, of, Load::Ready(Arc::new(synthetic)));
    let on_text = heads.iter().map(|(layer, head)| TextHead {
        layer: *layer,
        head: *head,
        prefix_counts: std::array::from_fn(|i| {
            if layer.0 == 3 {
                1_200 / (i as u64 + 1)
            } else {
                0
            }
        }),
        replaced: (layer.0 == 3).then_some(Replaced {
            pairs: 50,
            before: 0.55,
            after: 0.08,
        }),
    });
    let found = OnText {
        heads: on_text.collect(),
        options: TextOptions::default(),
        rows: 79,
        tokens: 20_224,
    };
    let phrase = "held-out, girls.txt and two more".to_owned();
    let of = |load| Lab::Text("model".to_owned(), load);
    put(state, of, Load::Ready(Arc::new(Measured { phrase, found })));
    put(
        state,
        |load| Lab::Ioi(DictionaryId(0), load),
        Load::Ready(Arc::new(names())),
    );
}

fn names() -> Ioi {
    let effect = |i: u32| Effect {
        feature: FeatureId(i * 7),
        change: -1.5 + 0.1 * f64::from(i),
        by_order: [
            Some(-1.6 + 0.1 * f64::from(i)),
            Some(-1.4 + 0.1 * f64::from(i)),
        ],
        alive: [12, 9],
    };
    Ioi {
        dictionary: "z0".to_owned(),
        hook: HookPoint::block(0, Site::Z),
        reaches_end: true,
        prompts: [50, 50],
        ld: 7.25,
        positive: 0.94,
        features: (0..30).map(effect).collect(),
        error_term: -0.3,
        noising: Some(Noising {
            layers: vec![Layer(0)],
            prompts: 100,
            clean: 7.25,
            zero_at_s2: 1.0,
            zero_everywhere: -2.0,
            names: 6.5,
            and: 4.0,
        }),
    }
}
