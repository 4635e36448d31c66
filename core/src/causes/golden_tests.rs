//! Values of tests/golden/patching.json: activation and path patching by hooks of torch on five families.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Target;
use crate::ids::TokenId;
use crate::models::Model;

/// Values computed in f64 by torch differ from ours in f32 by less: activations of these models are below 20 and their logits below 10, and three to six
/// blocks round about 1e-6 of each. A loss of 13 nats rounds alike.
pub(super) const TOLERANCE: f64 = 2e-5;

/// One pair of texts of one family. Targets are a logit, a difference of two and the loss.
#[derive(Debug, Deserialize)]
pub(super) struct Golden {
    pub(super) clean: Vec<TokenId>,
    pub(super) corrupt: Vec<TokenId>,
    pub(super) targets: [[f64; 3]; 2],
    pub(super) resid_pre: Vec<Vec<[f64; 3]>>,
    pub(super) attn_out: Vec<Vec<[f64; 3]>>,
    pub(super) mlp_out: Vec<Vec<[f64; 3]>>,
    pub(super) z: Vec<Vec<[f64; 3]>>,
    pub(super) paths: Vec<GoldenPaths>,
}

/// Paths to one receiver, `logits` or layer, head and input, from all heads before it.
#[derive(Debug, Deserialize)]
pub(super) struct GoldenPaths {
    pub(super) to: serde_json::Value,
    pub(super) frozen: bool,
    pub(super) values: Vec<[f64; 3]>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden")
}

/// Returns the models, each with its pairs of texts.
pub(super) fn families() -> Vec<(String, Model, Vec<Golden>)> {
    let json = std::fs::read(folder().join("patching.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    let families = json["families"].take();
    let families = families.as_object().unwrap().iter();
    families
        .map(|(family, pairs)| {
            let model = tiny(family);
            (
                family.clone(),
                model,
                serde_json::from_value(pairs.clone()).unwrap(),
            )
        })
        .collect()
}

/// Opens a model of tests/golden.
pub(super) fn tiny(family: &str) -> Model {
    Model::open(&folder().join(format!("tiny-{family}")))
        .unwrap()
        .0
}

/// Returns the targets of the values, in their order.
pub(super) fn targets() -> [Target; 3] {
    let (right, wrong) = (TokenId(17), TokenId(402));
    [
        Target::Logit(right),
        Target::Difference { right, wrong },
        Target::Loss,
    ]
}
