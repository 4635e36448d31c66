//! A planted path: embedding of one token → residual feature → attention feature, and a chain of two attention features.

use super::*;
use crate::ids::{Head, Layer, TokenId};
use crate::models::token_tensor;

const HEAD: usize = 1;
const SOURCE: usize = 3;
const AT: usize = 6;

/// Encoder and decoder row of a feature.
type Pair = (Vec<f32>, Vec<f32>);

/// Makes a dictionary without biases of the given encoder and decoder rows, whose features are active above `threshold`.
fn planted(name: &str, hook: HookPoint, rows: &[Pair], threshold: f32) -> Sae {
    let d = rows[0].0.len();
    let matrix = |of: fn(&Pair) -> &Vec<f32>| {
        let values = rows.iter().flat_map(|row| of(row).clone()).collect();
        Matrix::new(rows.len(), d, values).unwrap()
    };
    let thresholds = vec![threshold; rows.len()];
    let (encoder, decoder) = (matrix(|row| &row.0), matrix(|row| &row.1));
    let no = |n| vec![0.0; n];
    Sae::new(
        name,
        (encoder, no(rows.len())),
        (decoder, no(d)),
        JumpRelu { thresholds },
    )
    .reading(hook)
}

fn unit(x: &[f32]) -> Vec<f32> {
    let length = x.iter().map(|x| x * x).sum::<f32>().sqrt();
    x.iter().map(|x| x / length).collect()
}

fn captured(model: &Model, ids: &[TokenId], hook: HookPoint) -> Matrix {
    let values = model
        .capture(&token_tensor(&[ids]).unwrap(), &[hook])
        .unwrap();
    Matrix::from_tensor(&values[&hook], model.width(hook).unwrap()).unwrap()
}

fn id_of(circuit: &Circuit, kind: Kind, at: usize) -> usize {
    let node = circuit
        .nodes
        .iter()
        .position(|node| (node.kind, node.at) == (kind, at));
    node.unwrap_or_else(|| panic!("{kind:?} at {at} is missing"))
}

/// The attention feature reads one head's values of one direction; the residual feature reads and writes that direction, which is the stream's own at one token.
#[test]
fn a_planted_path_of_two_steps_is_found() {
    for family in ["gpt2", "llama"] {
        let model = tiny(family);
        let input = tokens(&model, 8);
        let (ids, _) = input.tokens(&model).unwrap();
        let pre = HookPoint::block(1, Site::ResidPre);
        let stream = captured(&model, &ids, pre);
        let direction = unit(stream.row(SOURCE));
        let path = model.attention_path(Layer(1)).unwrap();
        let e = model.config().d_head;
        let group = model.config().heads / model.config().kv_heads;
        // W_V^h takes the direction, through the norm's weight, to the slice that the feature reads.
        let mut through: Vec<f64> = direction.iter().map(|x| f64::from(*x)).collect();
        path.norm.apply(&mut through, 1.0);
        let mut reads = vec![0.0; model.config().heads * e];
        for i in 0..e {
            let row = path.w_v.row(HEAD / group * e + i);
            let sum: f64 = row
                .iter()
                .zip(&through)
                .map(|(w, x)| f64::from(*w) * x)
                .sum();
            reads[HEAD * e + i] = sum as f32;
        }
        let attention = planted("attention", z(1), &[(reads.clone(), reads.clone())], 0.0);
        // Of all tokens, only the source has as much of the direction.
        let length = stream.row(SOURCE).iter().map(|x| x * x).sum::<f32>().sqrt();
        let residual = planted(
            "residual",
            pre,
            &[(direction.clone(), direction.clone())],
            0.99 * length,
        );
        let saes = [attention, residual];
        let circuit = traced(&model, &saes, &input, (0, AT), ALL);
        adds_up(&circuit, family);
        let root = circuit.root();
        let found = id_of(&circuit, Kind::Feature(1, FeatureId(0)), SOURCE);
        let features: Vec<&Child> = root
            .children
            .iter()
            .filter(|c| circuit.nodes[c.node].activation.is_some())
            .collect();
        assert_eq!(features.len(), 1, "{family}");
        assert_eq!(features[0].node, found);
        // A · f / σ · (γ ∘ centred direction) · W_V^h · w_h, from the pattern and the scale.
        let pattern = captured_pattern(&model, &ids, 1);
        let scale = captured(&model, &ids, HookPoint::block(1, Site::Ln1Scale)).row(SOURCE)[0];
        let norm: f64 = reads.iter().map(|w| f64::from(*w).powi(2)).sum();
        let want = f64::from(pattern[(HEAD * ids.len() + AT) * ids.len() + SOURCE])
            * f64::from(length / scale)
            * norm;
        let got = features[0].contribution;
        assert!(
            want > 0.0 && (got - want).abs() < 1e-4 * want,
            "{family}: {got} {want}"
        );
        // The residual feature is the stream's own direction: its parts are those of the stream.
        let node = &circuit.nodes[found];
        assert!((node.value - f64::from(length)).abs() < 1e-4 * f64::from(length));
        let embedding = id_of(&circuit, Kind::Embedding(ids[SOURCE]), SOURCE);
        let part = node
            .children
            .iter()
            .find(|child| child.node == embedding)
            .unwrap();
        let embed = captured(&model, &ids, HookPoint::Embed);
        let want: f64 = embed
            .row(SOURCE)
            .iter()
            .zip(&direction)
            .map(|(a, b)| f64::from(a * b))
            .sum();
        assert!((part.contribution - want).abs() < 1e-5, "{family}");
        let kinds: Vec<Kind> = node
            .children
            .iter()
            .map(|c| circuit.nodes[c.node].kind)
            .collect();
        for kind in [Kind::Mlp(Layer(0)), Kind::Head(Layer(0), Head(0))] {
            assert!(kinds.contains(&kind), "{family}: {kinds:?}");
        }
    }
}

fn captured_pattern(model: &Model, ids: &[TokenId], layer: usize) -> Vec<f32> {
    let hook = HookPoint::block(layer, Site::Pattern);
    let values = model
        .capture(&token_tensor(&[ids]).unwrap(), &[hook])
        .unwrap();
    values[&hook].flatten_all().unwrap().to_vec1().unwrap()
}

/// A dictionary of block 0 that reconstructs z at the source with one feature leaves no error there, and a feature of block 1 is traced through it.
#[test]
fn a_planted_chain_of_attention_features_leaves_no_error() {
    let model = tiny("gpt2");
    let input = tokens(&model, 8);
    let (ids, _) = input.tokens(&model).unwrap();
    let mixed = captured(&model, &ids, z(0));
    let direction = unit(mixed.row(SOURCE));
    let length = mixed.row(SOURCE).iter().map(|x| x * x).sum::<f32>().sqrt();
    let below = planted(
        "below",
        z(0),
        &[(direction.clone(), direction)],
        0.99 * length,
    );
    let above = dictionary(&model, z(1), 4);
    let circuit = traced(&model, &[above, below], &input, (2, AT), ALL);
    adds_up(&circuit, "chain");
    let feature = id_of(&circuit, Kind::Feature(1, FeatureId(0)), SOURCE);
    let root = circuit.root();
    let part = root
        .children
        .iter()
        .find(|child| child.node == feature)
        .unwrap();
    let error = root
        .children
        .iter()
        .find(|child| circuit.nodes[child.node].id == format!("0_-1_{SOURCE}"));
    let error = error.map_or(0.0, |child| child.contribution);
    assert!(
        error.abs() < 1e-4 * part.contribution.abs(),
        "{error} {}",
        part.contribution
    );
    let tokens: Vec<usize> = circuit.nodes[feature]
        .children
        .iter()
        .map(|c| circuit.nodes[c.node].at)
        .collect();
    assert!(tokens.iter().all(|at| *at <= SOURCE) && tokens.contains(&0));
}
