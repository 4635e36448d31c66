//! Attributions against definitions in f64 of transformers' own patterns and values, for every family and every rule.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use candle_core::Tensor;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::ids::{HookPoint, Site};
use crate::models::read_tensors;
use crate::sae::{
    AbsTopK, Gated, GroupMax, InputNorm, Jump, JumpRelu, Pursuit, RawTopK, Relu, Sae, Selection,
    TopK, WeightedTopK,
};

/// Families of the tiny models: grouped queries, rotary and learnt positions, biases, norms behind attention, local layers, parallel blocks.
const FAMILIES: [&str; 10] = [
    "gpt2", "gpt-neo", "gpt-neox", "llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "phi3",
];
const FEATURES: usize = 40;
/// Largest deviation from the definition in f64: pattern and values of two programs in f32 differ by up to 1e-5, and some tens of them are summed.
const NEAR: f64 = 1e-4;

fn golden(family: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.join(format!("tests/golden/tiny-{family}"))
}

/// A tiny model, what transformers computed in its block 1, and the text.
struct Tiny {
    model: Model,
    values: BTreeMap<String, Tensor>,
    input: Input,
}

impl Tiny {
    fn open(family: &str) -> Self {
        let (model, _) = Model::open(&golden(family)).unwrap();
        let values = read_tensors(&golden(family).join("reference.safetensors")).unwrap();
        let ids = values["tokens"].flatten_all().unwrap().to_vec1::<i64>();
        let ids: Vec<TokenId> = ids.unwrap().iter().map(|id| TokenId(*id as u32)).collect();
        let input = Input::Tokens {
            ids: ids.into(),
            apart: false,
        };
        Self {
            model,
            values,
            input,
        }
    }

    fn value(&self, site: &str) -> Vec<f64> {
        let value = self.values[&format!("blocks.1.attn.{site}")].flatten_all();
        let value: Vec<f32> = value.unwrap().to_vec1().unwrap();
        value.into_iter().map(f64::from).collect()
    }

    fn width(&self) -> usize {
        self.model.config().heads * self.model.config().d_head
    }

    fn z(&self, at: usize) -> Vec<f64> {
        self.value("hook_z")[at * self.width()..][..self.width()].to_vec()
    }

    /// A_h[at, s] · (v_h[s] · w_h), `[h, t]`.
    fn parts(&self, w: &[f64], at: usize) -> Vec<Vec<f64>> {
        let config = self.model.config();
        let (heads, kv_heads, e) = (config.heads, config.kv_heads, config.d_head);
        let (pattern, v) = (self.value("hook_pattern"), self.value("hook_v"));
        let t = v.len() / (kv_heads * e);
        let part = |head: usize, source: usize| {
            let weight = pattern[(head * t + at) * t + source];
            let of = head * kv_heads / heads;
            let read = (0..e).map(|i| v[(source * kv_heads + of) * e + i] * w[head * e + i]);
            weight * read.sum::<f64>()
        };
        let row = |head| (0..t).map(|source| part(head, source)).collect();
        (0..heads).map(row).collect()
    }

    fn attribute(&self, sae: &Sae, feature: usize, at: usize) -> Attribution {
        let of = sae.autoencoder().unwrap();
        attribute(&self.model, of, &self.input, FeatureId::from(feature), at).unwrap()
    }
}

fn dictionary(width: usize, selection: impl Into<Selection>) -> Sae {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut drawn = |rows: usize, columns: usize| {
        let values = (0..rows * columns).map(|_| rng.random_range(-1.0..1.0));
        Matrix::new(rows, columns, values.collect()).unwrap()
    };
    let encoder = (drawn(FEATURES, width), drawn(1, FEATURES).into_values());
    let decoder = (drawn(FEATURES, width), drawn(1, width).into_values());
    Sae::new("drawn", encoder, decoder, selection).reading(HookPoint::block(1, Site::Z))
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Pre-activations of all features by their definition, for a dictionary that does not normalise.
fn pre_activations(sae: &Sae, z: &[f64]) -> Vec<f64> {
    let b_dec = wide(&sae.b_dec);
    let subtracted = if sae.apply_b_dec_to_input { 1.0 } else { 0.0 };
    let pre = |(row, b_enc): (&[f32], &f32)| {
        let w = wide(row);
        dot(&w, z) - subtracted * dot(&w, &b_dec) + f64::from(*b_enc)
    };
    sae.w_enc.iter_rows().zip(&sae.b_enc).map(pre).collect()
}

#[test]
fn the_parts_are_their_definition_and_sum_to_the_pre_activation_in_every_family() {
    for family in FAMILIES {
        let tiny = Tiny::open(family);
        let sae = dictionary(tiny.width(), TopK { k: 4 });
        for (feature, at) in [(0, 0), (17, 11), (39, 31)] {
            let found = tiny.attribute(&sae, feature, at);
            let w = wide(sae.w_enc.row(feature));
            let want = tiny.parts(&w, at);
            for (head, want) in want.iter().enumerate() {
                for (source, want) in want.iter().enumerate() {
                    let got = f64::from(found.part(Head::from(head), source));
                    assert!(
                        (got - want).abs() < NEAR,
                        "{family} {head} {source}: {got} {want}"
                    );
                }
            }
            let pre = pre_activations(&sae, &tiny.z(at))[feature];
            let bias = dot(&w, &wide(&sae.b_dec)) - f64::from(sae.b_enc[feature]);
            assert!((found.sum() - (pre + bias)).abs() < NEAR, "{family} {at}");
            assert!((found.pre_activation - pre).abs() < NEAR, "{family} {at}");
            assert!(found.sums_up(), "{family} {}", found.residue());
            assert!(found.by_source()[at + 1..].iter().all(|v| *v == 0.0));
            // The comparison tells heads apart.
            let pairs = want[0].iter().zip(&want[3]);
            let apart = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(apart > NEAR, "{family} {at}: {apart}");
        }
    }
}

/// Values of SAEDashboard's own calculator, with and without grouped queries.
#[test]
fn sources_are_those_of_saedashboard() {
    for family in ["gpt2", "llama"] {
        let tiny = Tiny::open(family);
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let file = root.join(format!("tests/golden/dfa/{family}.safetensors"));
        let known = read_tensors(&file).unwrap();
        let at: Vec<i64> = known["at"].to_vec1().unwrap();
        let w_enc = Matrix::from_tensor(&known["w_enc"], tiny.width()).unwrap();
        let dfa: Vec<Vec<f32>> = known["dfa"].to_vec2().unwrap();
        let mut sae = dictionary(tiny.width(), TopK { k: 4 });
        for feature in 0..w_enc.rows() {
            sae.w_enc
                .row_mut(feature)
                .copy_from_slice(w_enc.row(feature));
        }
        for (feature, (at, want)) in at.iter().zip(&dfa).enumerate() {
            let found = tiny.attribute(&sae, feature, *at as usize);
            assert!(want.iter().any(|part| part.abs() > 0.01));
            for (got, want) in found.by_source().iter().zip(want) {
                assert!(
                    (got - f64::from(*want)).abs() < NEAR,
                    "{family} {feature}: {got} {want}"
                );
            }
        }
    }
}

#[test]
fn the_sum_holds_for_every_rule_and_form_of_input() {
    let tiny = Tiny::open("qwen2");
    let (at, feature) = (20, 9);
    let thresholds = vec![0.3; FEATURES];
    let rules: [Selection; 10] = [
        TopK { k: 4 }.into(),
        AbsTopK { k: 4 }.into(),
        Relu.into(),
        JumpRelu {
            thresholds: thresholds.clone(),
        }
        .into(),
        Gated {
            b_mag: vec![0.1; FEATURES],
            r_mag: vec![0.5; FEATURES],
        }
        .into(),
        GroupMax { k: 8 }.into(),
        RawTopK { k: 4 }.into(),
        WeightedTopK {
            k: 4,
            weights: vec![2.0; FEATURES],
        }
        .into(),
        Jump { thresholds }.into(),
        Pursuit {
            residual_threshold: 0.1,
            max_iterations: 5,
            stop_on_duplicate_support: true,
        }
        .into(),
    ];
    let z = tiny.z(at);
    for rule in rules {
        for norm in [InputNorm::None, InputNorm::Layer, InputNorm::Constant] {
            for subtracts in [true, false] {
                let mut sae = dictionary(tiny.width(), rule.clone()).with_input_norm(norm);
                sae.apply_b_dec_to_input = subtracts;
                let found = tiny.attribute(&sae, feature, at);
                let said = format!("{} {norm:?} {subtracts}", sae.selection.describe());
                // The dictionary reads (z − mean) / σ, or z times √d / ‖z‖.
                let n = z.len() as f64;
                let mean = z.iter().sum::<f64>() / n;
                let about: f64 = z.iter().map(|z| (z - mean).powi(2)).sum();
                let read: Vec<f64> = match norm {
                    InputNorm::None => z.clone(),
                    InputNorm::Layer => {
                        let by = 1.0 / ((about / (n - 1.0)).sqrt() + 1e-5);
                        z.iter().map(|z| (z - mean) * by).collect()
                    }
                    InputNorm::Constant => {
                        let by = n.sqrt() / dot(&z, &z).sqrt();
                        z.iter().map(|z| z * by).collect()
                    }
                };
                let pre = pre_activations(&sae, &read);
                assert!((found.pre_activation - pre[feature]).abs() < NEAR, "{said}");
                let w = wide(sae.w_enc.row(feature));
                let bias = if subtracts {
                    dot(&w, &wide(&sae.b_dec))
                } else {
                    0.0
                };
                let want = pre[feature] + bias - f64::from(sae.b_enc[feature]);
                assert!(
                    (found.sum() - want).abs() < NEAR,
                    "{said}: {} {want}",
                    found.sum()
                );
                assert!(found.sums_up(), "{said}");
                // Activation and cut-off are those of the code of this token.
                let row: Vec<f32> = z.iter().map(|z| *z as f32).collect();
                let code = sae.encode(&Matrix::new(1, z.len(), row).unwrap()).unwrap();
                let act = f64::from(code.get(0, FeatureId::from(feature)));
                assert!((found.activation - act).abs() < NEAR, "{said}");
                assert_eq!(found.active, act != 0.0, "{said}");
                let normalises = found.explained.contains("normalised");
                assert_eq!(normalises, norm != InputNorm::None, "{}", found.explained);
                let less = found.explained.contains("less b_dec");
                assert_eq!(less, subtracts, "{}", found.explained);
            }
        }
    }
}

/// Order of the features at a token by pre-activation, largest first, with these.
fn order(sae: &Sae, z: &[f64]) -> Vec<(usize, f64)> {
    let mut order: Vec<_> = pre_activations(sae, z).into_iter().enumerate().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1));
    order
}

#[test]
fn a_feature_that_lost_the_top_k_is_below_the_cut_off() {
    let tiny = Tiny::open("llama");
    let at = 20;
    let mut sae = dictionary(tiny.width(), TopK { k: 4 });
    let ranked = order(&sae, &tiny.z(at));
    let (kept, lost) = (ranked[3], ranked[4]);
    assert!(lost.1 > 0.0, "it would fire by ReLU: {ranked:?}");
    let found = tiny.attribute(&sae, lost.0, at);
    assert!(!found.active && found.activation == 0.0 && found.is_below_cut_off());
    let near = |found: &Attribution, want: f64| (found.cut_off.unwrap() - want).abs() < NEAR;
    assert!(near(&found, kept.1), "{found:?}");
    for words in ["below the cut-off", "the 4th largest", "silent"] {
        assert!(found.explained.contains(words), "{}", found.explained);
    }
    let found = tiny.attribute(&sae, kept.0, at);
    assert!(found.active && near(&found, kept.1) && !found.is_below_cut_off());
    assert!(
        found.explained.contains("reaches the cut-off"),
        "{}",
        found.explained
    );
    // With room for all positive ones the cut-off is 0.
    sae.selection = TopK { k: FEATURES }.into();
    assert!(near(&tiny.attribute(&sae, lost.0, at), 0.0));
    // Signs are kept: the cut-off is a size.
    sae.selection = AbsTopK { k: 4 }.into();
    let mut sizes: Vec<f64> = ranked.iter().map(|(_, pre)| pre.abs()).collect();
    sizes.sort_by(|a, b| b.total_cmp(a));
    assert!(near(&tiny.attribute(&sae, 0, at), sizes[3]));
    // A weight of its own moves the cut-off of the feature.
    let mut weights = vec![1.0; FEATURES];
    weights[lost.0] = 0.5;
    sae.selection = WeightedTopK { k: 4, weights }.into();
    assert!(near(&tiny.attribute(&sae, lost.0, at), 2.0 * kept.1));
}

#[test]
fn thresholds_and_groups_are_cut_offs() {
    let tiny = Tiny::open("gpt2");
    let at = 12;
    let mut sae = dictionary(tiny.width(), Relu);
    let ranked = order(&sae, &tiny.z(at));
    let (feature, pre) = ranked[2];
    assert!(pre > 0.0);
    for (by, active) in [(0.9, true), (1.1, false)] {
        let mut thresholds = vec![0.0; FEATURES];
        thresholds[feature] = (by * pre) as f32;
        sae.selection = JumpRelu { thresholds }.into();
        let found = tiny.attribute(&sae, feature, at);
        assert_eq!(found.active, active);
        assert!((found.cut_off.unwrap() - by * pre).abs() < NEAR);
        assert_eq!(found.explained.contains("below the cut-off"), !active);
        assert!(found.explained.contains("threshold"), "{}", found.explained);
    }
    sae.selection = GroupMax { k: 8 }.into();
    let group = feature / 5 * 5..feature / 5 * 5 + 5;
    let most = ranked.iter().find(|(f, _)| group.contains(f)).unwrap();
    for feature in group {
        let found = tiny.attribute(&sae, feature, at);
        assert_eq!(found.active, feature == most.0 && most.1 > 0.0);
        assert!((found.cut_off.unwrap() - most.1.max(0.0)).abs() < NEAR);
    }
    sae.selection = Pursuit {
        residual_threshold: 0.1,
        max_iterations: 5,
        stop_on_duplicate_support: true,
    }
    .into();
    assert_eq!(tiny.attribute(&sae, feature, at).cut_off, None);
}

#[test]
fn a_gated_dictionary_explains_the_gate_and_says_what_the_magnitude_gives() {
    let tiny = Tiny::open("gpt2");
    let at = 12;
    let mut sae = dictionary(tiny.width(), Relu);
    let ranked = order(&sae, &tiny.z(at));
    let ((open, gate), (closed, _)) = (ranked[0], ranked[FEATURES - 1]);
    let (mut b_mag, mut r_mag) = (vec![0.25; FEATURES], vec![0.0; FEATURES]);
    r_mag[open] = 0.5;
    sae.selection = Gated {
        b_mag: b_mag.clone(),
        r_mag: r_mag.clone(),
    }
    .into();
    let found = tiny.attribute(&sae, open, at);
    assert!((found.pre_activation - gate).abs() < NEAR);
    let want = 0.5_f64.exp() * (gate - f64::from(sae.b_enc[open])) + 0.25;
    assert!(
        found.active && (found.activation - want).abs() < NEAR,
        "{found:?}"
    );
    assert_eq!(found.cut_off, Some(0.0));
    assert!(found.sums_up(), "the parts sum to the gate");
    for words in ["Explains the gate", "The gate is open", "magnitude path"] {
        assert!(found.explained.contains(words), "{}", found.explained);
    }
    let found = tiny.attribute(&sae, closed, at);
    assert!(
        !found.active
            && found
                .explained
                .contains("The gate is closed, below the cut-off")
    );
    b_mag[open] = -100.0;
    sae.selection = Gated { b_mag, r_mag }.into();
    let found = tiny.attribute(&sae, open, at);
    assert!(!found.active && found.activation == 0.0);
    assert!(
        found.explained.contains("not above 0"),
        "{}",
        found.explained
    );
}

#[test]
fn what_fires_is_listed_strongest_first_and_never_a_silent_one() {
    let act = |feature: u32, act: f32| (FeatureId(feature), act);
    let rows = [
        vec![act(1, 9.5), act(4, 9.0)],
        vec![act(2, -3.0), act(1, 2.0)],
        vec![act(5, 3.0)],
        vec![act(1, 3.0)],
    ];
    let latents = Latents::from_unsorted(&rows).unwrap();
    let reading = (&latents, &[false, true, true, true][..]);
    let list = |features: Option<&[FeatureId]>, at| -> Vec<(u32, usize, f32)> {
        let all = firing(reading, features, at);
        all.iter().map(|f| (f.feature.0, f.at, f.act)).collect()
    };
    assert_eq!(list(None, None), [(2, 1, -3.0), (5, 2, 3.0), (1, 3, 3.0)]);
    assert_eq!(list(None, Some(0)), [(1, 0, 9.5), (4, 0, 9.0)]);
    assert_eq!(
        list(Some(&[FeatureId(1), FeatureId(7)]), None),
        [(1, 3, 3.0)]
    );
    assert_eq!(list(None, Some(9)), []);
}
