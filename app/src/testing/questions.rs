//! A made-up question to a language model about a feature.

use std::sync::Arc;

use umbra_core::features::Example;
use umbra_core::ids::{FeatureId, TokenId};
use umbra_core::workbench::ask::{Answer, Material};

use crate::state::Load;
use crate::state::catalogue::DictionaryId;
use crate::state::labels::{Question, Typed};

/// The question about feature 12 of the first dictionary, with its texts.
pub(crate) fn question(answer: Load<Arc<Answer>>) -> Question {
    let example = |tokens: [&str; 6], act: f32| Example {
        document: "oz.txt".to_owned(),
        place: None,
        ids: (0..6).map(TokenId).collect(),
        tokens: tokens.map(str::to_owned).into(),
        acts: vec![0.0, 0.0, act, 0.0, 0.2 * act, 0.0],
        at: 2,
    };
    let shown = [" “I", " am", " the", " King", " of", " Ev"];
    let shown = (1..=10).rev().map(|i| example(shown, i as f32));
    let silent = example([" she", " ran", " to", " the", " door", "."], 0.0);
    let material = Material {
        feature: FeatureId(12),
        shown: shown.clone().collect(),
        active: shown.take(8).collect(),
        silent: vec![silent; 8],
        promoted: [" of", " and", "’s"].map(str::to_owned).into(),
    };
    Question {
        dictionary: DictionaryId(0),
        feature: FeatureId(12),
        typed: Typed::default(),
        material: Load::Ready(Arc::new(material)),
        answer,
    }
}
