//! A state with a layer of heads studied on a few rows of the demo's text.

use std::sync::Arc;

use umbra_core::heads::roles::Settings;
use umbra_core::ids::{Head, Layer};
use umbra_core::workbench::roles as core;
use umbra_core::{Corpus, Flow};

use crate::state::catalogue::DictionaryId;
use crate::state::heads::Event as Heads;
use crate::state::heads::roles::{Event as Roles, Studied};
use crate::state::heads::step::{Shown, Step, Tab};
use crate::state::selection::Event as Selected;
use crate::state::{AppState, Event, Load};

/// The demo's model with a random dictionary on layer 0, studied; head 1 is shown.
pub(crate) fn studied_head() -> AppState {
    let mut state = super::with_model();
    let id = DictionaryId(0);
    let pair = state.pair(id).unwrap().clone();
    let text = std::fs::read_to_string(super::bundled("text/held-out/alice.txt")).unwrap();
    let text: String = text.chars().take(2500).collect();
    let corpus = Corpus::from_text("alice.txt", &text);
    let (rows, _) = corpus.rows(pair.model.codec(), 32).unwrap();
    let settings = Settings {
        sampled_rows: 4,
        draws: 20,
        seed: 0,
    };
    let go = &mut |_| Flow::Continue(());
    let study = core::study(&pair, (&rows, None), &settings, go).unwrap();
    let study = study.done().unwrap();
    let studied = Studied {
        features: study.features.clone(),
        study: Arc::new(study),
        text: "alice.txt".to_owned(),
    };
    let arrived = Roles::Study(id, Load::Ready(studied));
    state.apply(Event::Heads(Heads::Roles(arrived)));
    state.apply(Event::Selection(Selected::Head(Layer(0), Head(1))));
    let shown = Shown {
        step: Step::Head,
        tab: Tab::default(),
    };
    state.apply(Event::Selection(Selected::Shown(shown)));
    state
}
