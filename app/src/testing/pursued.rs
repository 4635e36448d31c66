//! A state with a made-up comparison of the encoder with pursuit, and codes of a sentence.

use std::sync::Arc;

use umbra_core::dark_matter::pursuit::{
    Comparison, FeatureRow, Method, Missed, MissedExamples, Settings, TokenCodes,
};
use umbra_core::ids::{FeatureId, TokenId};
use umbra_core::prompt::Input;

use crate::state::catalogue::DictionaryId;
use crate::state::dark_matter::Event as Lab;
use crate::state::dark_matter::pursuit::{Codes, Compared, Event as Panel, Key};
use crate::state::dark_matter::study::Change;
use crate::state::{AppState, Event, Load};

const ID: DictionaryId = DictionaryId(0);

/// Returns a comparison in which the encoder misses features 3 and 5 and invents feature 5.
fn comparison() -> Comparison {
    let row = |feature, missed, missed_weight, invented, invented_activation| FeatureRow {
        feature: FeatureId(feature),
        shared: 7,
        missed,
        invented,
        missed_weight,
        invented_activation,
        shared_activation: 7.0,
        shared_weight: 8.0,
    };
    let missed = Missed {
        row: 0,
        position: 2,
        weight: 3.25,
        pre_activation: 0.5,
        at: 2,
        tokens: [10, 11, 12, 13].map(TokenId).to_vec(),
    };
    Comparison {
        sae: "z0".to_owned(),
        settings: Settings::default(),
        signed: true,
        tokens: 400,
        l0: 8.0,
        l0_pursuit: 7.5,
        fvu_encoder: 0.2,
        fvu_pursuit: 0.15,
        jaccard: 0.6,
        worse: 0.25,
        clearly_worse: 0.0,
        features: vec![row(3, 4, 6.0, 0, 0.0), row(5, 1, 3.25, 9, 4.5)],
        examples: vec![MissedExamples {
            feature: FeatureId(5),
            tokens: vec![missed],
        }],
    }
}

fn lab(event: Panel) -> Event {
    Event::DarkMatter(Lab::Pursuit(event))
}

/// The state with the comparison, and with the codes of a sentence of two tokens.
pub(crate) fn with_pursuit() -> AppState {
    let mut state = super::with_model();
    state.prompt.text = "once upon".to_owned();
    let study = |load| lab(Panel::Study(Change::Kept(ID, load)));
    state.apply(study(Load::Loading));
    state.apply(study(Load::Ready(Arc::new(Compared::new(comparison())))));
    let key = Key {
        dictionary: ID,
        input: Input::Text("once upon".to_owned()),
        method: Method::Gradient,
    };
    let token = |pursuit: f32| TokenCodes {
        features: vec![
            (FeatureId(3), 2.0, 2.5),
            (FeatureId(5), 0.0, pursuit),
            (FeatureId(9), 1.0, 0.0),
        ],
        encoder_error: 4.0,
        pursuit_error: 3.0,
    };
    let codes = Codes {
        texts: ["once", " upon"].map(str::to_owned).to_vec(),
        tokens: vec![token(1.5), token(0.75)],
    };
    state.apply(lab(Panel::Codes(key.clone(), Load::Loading)));
    state.apply(lab(Panel::Codes(key, Load::Ready(Arc::new(codes)))));
    state
}
