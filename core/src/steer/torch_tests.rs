//! Compares hidden states and logits with edits in force to those of hand-written PyTorch hooks (`tests/golden/steering_edits.py`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::Tensor;

use super::*;
use crate::dims::Matrix;
use crate::ids::{FeatureId, HookPoint, Site};
use crate::models::{Capture, read_tensors, token_tensor};
use crate::sae::{Sae, TopK};

fn golden(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(path)
}

/// A model with two dictionaries, and what PyTorch computed.
struct Reference {
    model: Model,
    saes: [Arc<Sae>; 2],
    tokens: Vec<TokenId>,
    /// Feature, lower bound, middle and upper bound.
    numbers: Vec<f32>,
    tensors: BTreeMap<String, Tensor>,
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

impl Reference {
    fn open(name: &str) -> Self {
        let model = Model::open(&golden(name)).unwrap().0;
        let tensors = read_tensors(&golden(&format!("steering-edits/{name}.safetensors"))).unwrap();
        let d = model.config().d_model;
        let sae = |i: usize| {
            let of = |key: &str| values(&tensors[&format!("sae_{i}.{key}")]);
            let table = |key: &str| Matrix::new(24, d, of(key)).unwrap();
            let sae = Sae::new(
                format!("sae-{i}"),
                (table("w_enc"), of("b_enc")),
                (table("w_dec"), of("b_dec")),
                TopK { k: 4 },
            );
            Arc::new(sae.reading(HookPoint::block(i, Site::ResidPost)))
        };
        let saes = [sae(0), sae(1)];
        let tokens: Vec<i64> = tensors["tokens"].to_vec1().unwrap();
        Self {
            model,
            saes,
            tokens: tokens.into_iter().map(|id| TokenId(id as u32)).collect(),
            numbers: values(&tensors["numbers"]),
            tensors,
        }
    }

    fn latents(&self, i: usize, change: LatentChange) -> Edit {
        let sae = Arc::clone(&self.saes[i]);
        let edit = DictionaryEdit::new(sae, vec![change], ErrorTerm::Kept).unwrap();
        Edit::new(self.saes[i].hook().unwrap(), Action::Dictionary(edit))
    }

    fn along(&self, action: impl Fn(Vec<f32>) -> Action) -> Edit {
        let feature = FeatureId(self.numbers[0] as u32);
        let row = self.saes[0].direction(feature).unwrap().to_vec();
        Edit {
            positions: Positions::from(1),
            ..Edit::new(self.saes[0].hook().unwrap(), action(row))
        }
    }

    /// The edits of a case.
    fn edits(&self, case: &str) -> Vec<Edit> {
        let [feature, low, middle, high] = self.numbers[..] else {
            panic!("{:?}", self.numbers);
        };
        let feature = FeatureId(feature as u32);
        let clamp = |least, most| {
            move |direction| Action::Clamp {
                direction,
                least,
                most,
            }
        };
        let set = self.latents(0, LatentChange::Set(feature, 2.5));
        match case {
            "none" => vec![],
            "set" => vec![set],
            "scale" => vec![self.latents(0, LatentChange::Scale(feature, -1.5))],
            "clamp" => vec![self.along(clamp(low, high))],
            "cap" => vec![self.along(clamp(f32::NEG_INFINITY, middle))],
            "orthogonal" => vec![self.along(|direction| Action::Orthogonal {
                direction,
                factor: 3.0,
            })],
            _ => vec![set, self.latents(1, LatentChange::Set(FeatureId(5), 3.0))],
        }
    }

    /// Largest difference from PyTorch, relative to the largest number, of each value with `edits` from those of `case`.
    fn off(&self, edits: Vec<Edit>, case: &str) -> [f64; 3] {
        let edits = Edits::new(&self.model, edits).unwrap();
        let last = self.model.config().layers - 1;
        let hooks = [0, last].map(|layer| HookPoint::block(layer, Site::ResidPost));
        let mut keep = Capture::to_the_end(hooks);
        let input = token_tensor(&[&self.tokens]).unwrap();
        let logits = edits.run(&self.model, &input, &mut keep).unwrap().unwrap();
        let kept = self.tokens.len() - 4; // PyTorch's logits are kept at the last four positions
        let logits = logits.narrow(1, kept, 4).unwrap();
        let got = [&keep.values[&hooks[0]], &keep.values[&hooks[1]], &logits];
        let mut names = ["resid_0", "resid_last", "logits"].into_iter();
        got.map(|got| {
            let name = names.next().unwrap();
            let want = values(&self.tensors[&format!("{case}.{name}")]);
            let got = values(got);
            assert_eq!(got.len(), want.len(), "{case} {name}");
            let most = want
                .iter()
                .fold(1.0, |most: f64, x| most.max(f64::from(x.abs())));
            let pairs = got.iter().zip(&want);
            let off = pairs.map(|(a, b)| f64::from((a - b).abs()));
            off.fold(0.0, f64::max) / most
        })
    }
}

#[test]
fn hidden_states_and_logits_with_edits_are_those_of_torch() {
    for name in ["tiny-llama", "tiny-gpt2"] {
        let reference = Reference::open(name);
        for case in ["none", "set", "scale", "clamp", "cap", "orthogonal", "two"] {
            let off = reference.off(reference.edits(case), case);
            // f32 holds seven digits, and sums of 32 terms lose one.
            assert!(off.iter().all(|off| *off < 1e-5), "{name} {case}: {off:?}");
            // Other edits are far off.
            let other = if case == "none" { "set" } else { "none" };
            let off = reference.off(reference.edits(other), case);
            assert!(off[0] > 1e-3 || off[1] > 1e-3, "{name} {case}: {off:?}");
        }
    }
}
