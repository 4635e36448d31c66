//! Produces each reason on purpose on the demo, and compares the sizes with sums over captured values.

use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::dark_matter::Probe;
use crate::dims::Matrix;
use crate::error::Error;
use crate::formats;
use crate::ids::{FeatureId, Head};
use crate::sae::Sae;
use crate::steer::{Action, Edit, EditSpec, Materials, Positions};

const TEXT: &str = "The old king looked at the fox and said";

fn demo(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../assets/demo")
        .join(path)
}

fn model() -> Model {
    Model::open(&demo("model")).unwrap().0
}

/// The dictionary `resid-2` of the demo.
struct Own(Arc<Sae>);

impl Own {
    fn new() -> Self {
        Self(Arc::new(formats::open(&demo("saes/resid-2")).unwrap().0))
    }
}

impl Materials for Own {
    fn dictionary(&mut self, _: Option<&str>) -> Result<Arc<Sae>> {
        Ok(Arc::clone(&self.0))
    }

    fn probe(&mut self, _: Option<&str>) -> Result<Arc<Probe>> {
        Err(Error::setting("probe", "there is none"))
    }

    fn mean(&mut self, _: HookPoint, _: Option<&str>) -> Result<Vec<f32>> {
        Err(Error::setting("mean", "there is none"))
    }
}

fn tokens(model: &Model) -> Vec<TokenId> {
    model.codec().encode_with_bos(TEXT).unwrap()
}

/// Proves edits on the text, the last `new` tokens of which count as generated.
fn proven(model: &Model, own: &mut Own, edits: &[&str], new: usize) -> Proof {
    let resolved = edits.iter().map(|edit| {
        let spec: EditSpec = edit.parse().unwrap();
        spec.resolve(model, own).unwrap()
    });
    prove_edits(model, resolved.collect(), new)
}

fn prove_edits(model: &Model, edits: Vec<Edit>, new: usize) -> Proof {
    let tokens = tokens(model);
    let edits = Edits::new(model, edits).unwrap();
    prove(model, &edits, &tokens, tokens.len() - new).unwrap()
}

/// Values `[t, d]` at a hook with `edits`.
fn values(model: &Model, edits: &Edits, hook: HookPoint) -> Matrix {
    let input = token_tensor(&[&tokens(model)]).unwrap();
    let mut keep = Capture::to_the_end([hook]);
    edits.run(model, &input, &mut keep).unwrap();
    Matrix::from_tensor(&keep.values[&hook], model.width(hook).unwrap()).unwrap()
}

#[test]
fn sizes_are_those_of_captured_values() {
    let (model, mut own) = (model(), Own::new());
    let hook = own.0.hook().unwrap();
    let row = own.0.direction(FeatureId(12)).unwrap();
    let length = row
        .iter()
        .map(|x| f64::from(*x).powi(2))
        .sum::<f64>()
        .sqrt();
    let proof = proven(&model, &mut own, &["add feature=12 strength=8"], 0);
    let none = Edits::new(&model, Vec::new()).unwrap();
    let spec: EditSpec = "add feature=12 strength=8".parse().unwrap();
    let edits = Edits::new(&model, vec![spec.resolve(&model, &mut own).unwrap()]).unwrap();
    let x = values(&model, &none, hook);
    let norm = |x: &[f32]| x.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    let n = x.rows() - 1;
    let relative = (1..=n).map(|p| 8.0 * length / norm(x.row(p))).sum::<f64>() / n as f64;
    let [at] = proof.hooks.as_slice() else {
        panic!("{:?}", proof.hooks);
    };
    assert_eq!((at.hook, at.reached, at.reached_new), (hook, n, 0));
    // Sums in f32 of numbers of some tens: 1e-5 each.
    assert!((at.size.delta - 8.0 * length).abs() < 1e-4, "{at:?}");
    assert!(
        (at.size.relative - relative).abs() < 1e-5,
        "{at:?} {relative}"
    );
    let end = HookPoint::block(model.config().layers - 1, Site::ResidPost);
    let [a, b] = [&none, &edits].map(|edits| values(&model, edits, end));
    let moved: Vec<f32> = (a.row(n).iter().zip(b.row(n)))
        .map(|(a, b)| b - a)
        .collect();
    let Size { delta, relative } = proof.end.residual;
    assert!((delta - norm(&moved)).abs() < 1e-4);
    assert!((relative - norm(&moved) / norm(a.row(n))).abs() < 1e-5);
    let input = token_tensor(&[&tokens(&model)]).unwrap();
    let last = |edits: &Edits| -> Vec<f32> {
        let logits = edits.logits(&model, &input).unwrap();
        logits.get(0).unwrap().get(n).unwrap().to_vec1().unwrap()
    };
    let (a, b) = (last(&none), last(&edits));
    let largest = a
        .iter()
        .zip(&b)
        .map(|(a, b)| f64::from((a - b).abs()))
        .fold(0.0, f64::max);
    assert!(largest > 0.1 && (proof.end.logits.largest - largest).abs() < 1e-6);
    let softmax = |x: &[f32]| -> Vec<f64> {
        let exp: Vec<f64> = x.iter().map(|x| f64::from(*x).exp()).collect();
        let sum: f64 = exp.iter().sum();
        exp.into_iter().map(|x| x / sum).collect()
    };
    let pairs = softmax(&a).into_iter().zip(softmax(&b));
    let kl: f64 = pairs.map(|(a, b)| b * (b / a).ln()).sum();
    assert!((proof.end.logits.kl - kl).abs() < 1e-9, "{kl}");
    assert!(proof.acted() && proof.nothing().is_none() && proof.generated.is_none());
    assert!(
        proof
            .conclusion()
            .contains("no generated position was reached")
    );
}

/// A feature that fires somewhere in the text, and one that never does.
fn firing(model: &Model, own: &Own) -> [FeatureId; 2] {
    let none = Edits::new(model, Vec::new()).unwrap();
    let x = values(model, &none, own.0.hook().unwrap());
    let latents = own.0.by_token().unwrap().encode(&x).unwrap();
    let fires = |feature: &u32| {
        let mut rows = (1..latents.rows()).flat_map(|p| latents.row(p));
        rows.any(|(other, _)| other.0 == *feature)
    };
    let features = own.0.features() as u32;
    let one = (0..features).find(fires).unwrap();
    let other = (0..features).find(|feature| !fires(feature)).unwrap();
    [one, other].map(FeatureId)
}

#[test]
fn every_reason_is_found_where_it_is_the_reason() {
    let (model, mut own) = (model(), Own::new());
    let mut check = |edits: &[&str], said: &str| {
        let proof = proven(&model, &mut own, edits, 0);
        assert!(!proof.acted(), "{edits:?}: {proof:?}");
        let nothing = proof.conclusion();
        assert!(nothing.starts_with("Nothing changed"), "{nothing}");
        assert!(nothing.contains(said), "{edits:?}: {nothing}");
        assert!(proof.end.logits == LogitChange::default() && proof.end.residual.delta == 0.0);
    };
    check(&["add feature=12 strength=0"], "strength is 0");
    check(
        &["add feature=12 strength=8 positions=90.."],
        "among `90..`",
    );
    check(&["add feature=12 strength=8 positions=new"], "among `new`");
    check(&["orthogonal feature=12 by=1"], "factor is 1");
    check(&["scale by=1 hook=blocks.1.hook_mlp_out"], "factor is 1");
    check(&["add-feature feature=12 value=0"], "0 is added");
    check(&["splice part=+error"], "error term restores");
    check(&["cap feature=12 most=100000"], "satisfied already");
    check(
        &["clamp feature=12 least=-90000 most=90000"],
        "satisfied already",
    );
    check(
        &[
            "scale by=2 hook=blocks.1.hook_mlp_out",
            "scale by=0.5 hook=blocks.1.hook_mlp_out",
        ],
        "take each other back",
    );
    check(
        &["add feature=12 strength=0", "splice part=+error"],
        "edit 2: the error term",
    );
    let [fires, silent] = firing(&model, &own);
    let mut proof = |edit: String| proven(&model, &mut own, &[&edit], 0);
    for edit in ["scale-feature", "set-feature"] {
        let number = if edit == "scale-feature" {
            "by=0"
        } else {
            "value=0"
        };
        let idle = proof(format!("{edit} feature={silent} {number}"));
        let said = idle.nothing().unwrap();
        assert!(
            said.contains(&format!("#{silent} never fires at the")),
            "{said}"
        );
        assert!(proof(format!("{edit} feature={fires} {number}")).acted());
    }
}

#[test]
fn a_vector_of_other_heads_and_changes_that_nothing_reads_are_told_apart() {
    let model = model();
    let z = HookPoint::block(0, Site::Z);
    let mut vector = vec![0.0; model.width(z).unwrap()];
    vector[0] = 1.0;
    let of = |heads: &[u32]| Edit {
        heads: Some(heads.iter().map(|head| Head(*head)).collect()),
        ..Edit::new(z, Action::Add(vector.clone()))
    };
    let said = prove_edits(&model, vec![of(&[1, 3])], 0).nothing().unwrap();
    assert!(said.contains("0 in head 1, 3"), "{said}");
    assert!(prove_edits(&model, vec![of(&[0, 1])], 0).acted());
    // Nothing after the last layer mixes positions.
    let end = HookPoint::block(model.config().layers - 1, Site::ResidPost);
    let early = Edit {
        positions: "2".parse::<Positions>().unwrap(),
        ..Edit::new(end, Action::Zero)
    };
    let proof = prove_edits(&model, vec![early], 0);
    assert!(proof.hooks[0].size.delta > 1.0 && !proof.acted());
    assert!(
        proof
            .conclusion()
            .contains("no later part of the model reads")
    );
    // The second edit finds what the first put in place.
    let zero = Edit::new(z, Action::Zero);
    let proof = prove_edits(&model, vec![zero.clone(), zero], 0);
    assert!(proof.acted() && proof.nothing().is_none());
    let idle = proof.idle().unwrap();
    assert!(idle.contains("edit 2: the value is already"), "{idle}");
}

#[test]
fn edits_on_the_generated_text_alone_are_seen_there() {
    let (model, mut own) = (model(), Own::new());
    let proof = proven(
        &model,
        &mut own,
        &["add feature=12 strength=8 positions=new"],
        3,
    );
    assert_eq!(proof.end, EndChange::default());
    let along = proof.generated.unwrap();
    assert!(along.logits.largest > 0.1 && along.logits.kl > 0.0 && along.residual.delta > 0.0);
    assert!(proof.acted() && proof.reached_new());
    assert_eq!((proof.edits[0].reached, proof.edits[0].reached_new), (3, 3));
    assert!(proof.conclusion().contains("along the steered text"));
    let object = proof.object();
    for (name, _) in DEFINITIONS {
        let there = object.get(*name).or(object["hooks"][0].get(*name));
        assert!(there.is_some(), "{name}");
    }
}
