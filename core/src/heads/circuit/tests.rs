//! Checks that every node adds up, that contributions are what removing a part takes away, and that limits, merging and refusals work.

mod planted;
mod removed;
mod viewed;

use std::path::{Path, PathBuf};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::dims::Matrix;
use crate::ids::Site;
use crate::sae::{InputNorm, JumpRelu, Relu, Selection, TopK};

const FAMILIES: [&str; 10] = [
    "gemma2", "gemma3", "gpt-neo", "gpt-neox", "gpt2", "llama", "mistral", "phi3", "qwen2", "qwen3",
];

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn tiny(family: &str) -> Model {
    let folder = format!("tests/golden/tiny-{family}");
    Model::open(&repository(&folder)).unwrap().0
}

fn random(rows: usize, columns: usize, rng: &mut ChaCha8Rng) -> Matrix {
    let values = (0..rows * columns).map(|_| rng.random_range(-1.0..1.0));
    Matrix::new(rows, columns, values.collect()).unwrap()
}

/// Makes a dictionary of 24 random features for `hook`; the rule and the normalisation go by the seed.
fn dictionary(model: &Model, hook: HookPoint, seed: u64) -> Sae {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (f, d) = (24, model.width(hook).unwrap());
    let selections: [Selection; 3] = [
        TopK { k: 4 }.into(),
        Relu.into(),
        JumpRelu {
            thresholds: vec![0.2; f],
        }
        .into(),
    ];
    let norms = [InputNorm::None, InputNorm::Layer, InputNorm::Constant];
    let encoder = (random(f, d, &mut rng), random(1, f, &mut rng).into_values());
    let decoder = (random(f, d, &mut rng), random(1, d, &mut rng).into_values());
    let selection = selections[seed as usize % 3].clone();
    Sae::new(format!("random-{seed}"), encoder, decoder, selection)
        .reading(hook)
        .with_input_norm(norms[seed as usize / 3 % 3])
}

/// Makes dictionaries for `hooks`, seeds counted from `seed`.
fn dictionaries(model: &Model, hooks: &[HookPoint], seed: u64) -> Vec<Sae> {
    let seeds = seed..;
    hooks
        .iter()
        .zip(seeds)
        .map(|(hook, seed)| dictionary(model, *hook, seed))
        .collect()
}

fn tokens(model: &Model, count: usize) -> Input {
    let vocab = model.config().vocab;
    let ids: Vec<u32> = (0..count).map(|i| ((i * 97 + 5) % vocab) as u32).collect();
    Input::Tokens {
        ids: ids.into_iter().map(crate::ids::TokenId).collect(),
        apart: false,
    }
}

const ALL: Settings = Settings {
    threshold: 0.0,
    depth: 9,
    most: 10_000,
};

fn traced(
    model: &Model,
    saes: &[Sae],
    input: &Input,
    target: (u32, usize),
    settings: Settings,
) -> Circuit {
    let read: Vec<_> = saes.iter().map(|sae| sae.autoencoder().unwrap()).collect();
    let target = (FeatureId(target.0), target.1);
    let mut on = |_| Flow::Continue(());
    let traced = trace(model, &read, input, target, &settings, &mut on);
    traced.unwrap().done().unwrap()
}

fn z(layer: usize) -> HookPoint {
    HookPoint::block(layer, Site::Z)
}

/// Checks that all nodes add up to 1e-4 of the numbers summed, and that a nudge of one contribution is noticed.
#[track_caller]
fn adds_up(circuit: &Circuit, what: &str) {
    assert!(
        circuit.root().expanded && !circuit.root().children.is_empty(),
        "{what}"
    );
    for node in &circuit.nodes {
        let size = node.mass.max(1.0);
        assert!(
            node.residue().abs() < 1e-4 * size && node.sums_up(),
            "{what}, {}: {} off, {} allowed",
            node.id,
            node.residue(),
            node.tolerance()
        );
    }
    let mut nudged = circuit.root().clone();
    nudged.children[0].contribution += 4.0 * nudged.tolerance();
    assert!(!nudged.sums_up(), "{what}: a nudge went unnoticed");
}

#[test]
fn every_node_of_every_family_adds_up() {
    for (number, family) in FAMILIES.into_iter().enumerate() {
        let model = tiny(family);
        let seed = 10 * number as u64;
        let mut hooks: Vec<HookPoint> = model
            .hooks()
            .filter(|hook| hook.layer().is_some_and(|layer| layer.0 < 2))
            .filter(|hook| {
                matches!(
                    hook.site(),
                    Some(
                        Site::Z | Site::MlpOut | Site::ResidPre | Site::ResidMid | Site::ResidPost
                    )
                )
            })
            .collect();
        // A dictionary of the stream that block 1 enters: leave its twin behind block 0 out.
        hooks.retain(|hook| *hook != HookPoint::block(0, Site::ResidPost));
        let last = model.config().layers - 1;
        for top in [
            z(last),
            HookPoint::block(1, Site::ResidPost),
            HookPoint::block(1, Site::AttnOut),
        ] {
            let all: Vec<HookPoint> = [top]
                .into_iter()
                .chain(hooks.iter().copied().filter(|hook| *hook != top))
                .collect();
            // Without the others, once: what attention wrote goes by head.
            let lists = if top.is_z() {
                vec![&all[..], &all[..1]]
            } else {
                vec![&all[..]]
            };
            for listed in lists {
                let saes = dictionaries(&model, listed, seed);
                let limits = Settings {
                    threshold: 0.002,
                    ..ALL
                };
                let circuit = traced(&model, &saes, &tokens(&model, 11), (3, 8), limits);
                let what = format!("{family}, {top}, {} dictionaries", listed.len());
                adds_up(&circuit, &what);
                if listed.len() > 1 {
                    let expanded = circuit.nodes.iter().filter(|node| node.expanded).count();
                    assert!(expanded > 5, "{what}: {expanded} expanded");
                }
            }
        }
    }
}

#[test]
fn the_demo_s_features_add_up_through_its_own_dictionaries() {
    let (model, _) = Model::open(&repository("assets/demo/model")).unwrap();
    let open = |name: &str| {
        let folder = repository("assets/demo/saes").join(name);
        crate::formats::open(&folder).unwrap().0
    };
    let saes: Vec<Sae> = ["attn-3", "attn-2", "attn-1", "attn-0", "resid-2"]
        .map(open)
        .into();
    let text = "The rabbit looked at the old clock, and the rabbit ran home again.";
    let input = Input::Text(text.to_owned());
    let reading = crate::prompt::read(&model, saes[0].autoencoder().unwrap(), text, 0).unwrap();
    let at = reading.tokens.len() - 2;
    let (feature, _) = reading.strongest(at, 1)[0];
    let circuit = traced(&model, &saes, &input, (feature.0, at), Settings::default());
    adds_up(&circuit, "demo");
    assert!(circuit.nodes.len() > 10 && circuit.nodes.len() <= 300);
    assert!((circuit.root().value - f64::from(reading.latents.get(at, feature))).abs() < 1e-5);
    // Everything is kept: nothing is discarded but below features at the limit.
    let whole = traced(&model, &saes[..2], &input, (feature.0, 6), ALL);
    assert!(
        whole
            .nodes
            .iter()
            .all(|node| node.discarded == 0.0 && node.discarded_terms == 0)
    );
    adds_up(&whole, "demo, whole");
}

#[test]
fn limits_leave_out_what_they_say_and_the_rest_is_discarded() {
    let model = tiny("gpt2");
    let saes = dictionaries(&model, &[z(2), z(1), z(0)], 3);
    let input = tokens(&model, 9);
    let run = |settings| traced(&model, &saes, &input, (5, 8), settings);
    let whole = run(ALL);
    let one = run(Settings { depth: 1, ..ALL });
    assert!(one.nodes.iter().all(|node| node.depth <= 1));
    let below: Vec<&Node> = one.nodes[1..]
        .iter()
        .filter(|node| node.activation.is_some())
        .collect();
    assert!(!below.is_empty());
    for node in below {
        assert!(!node.expanded && node.children.is_empty(), "{node:?}");
        assert_eq!((node.discarded, node.discarded_share()), (node.value, 1.0));
    }
    let few = run(Settings { most: 30, ..ALL });
    assert_eq!(few.nodes.len(), 30);
    adds_up(&few, "few");
    let limits = Settings {
        threshold: 0.004,
        ..ALL
    };
    let some = run(limits);
    adds_up(&some, "some");
    assert!(
        some.nodes.len() < whole.nodes.len() / 2,
        "{} {}",
        some.nodes.len(),
        whole.nodes.len()
    );
    for node in some.nodes.iter().filter(|node| node.expanded) {
        for child in &node.children {
            let passed = node.influence * child.contribution.abs() / node.mass;
            assert!(passed >= limits.threshold);
        }
        let kept: f64 = node
            .children
            .iter()
            .map(|child| child.contribution.abs())
            .sum();
        assert!((node.discarded_share() - (1.0 - kept / node.mass)).abs() < 1e-9);
        assert!(node.discarded_terms > 0 || node.discarded == 0.0);
    }
    // A finished graph at a higher threshold is the graph that is traced with it.
    assert_eq!(close(&whole.pruned(limits.threshold)), close(&some));
    assert_eq!(close(&some.pruned(0.0)), close(&some));
    assert_eq!(run(limits), some);
}

/// Node with its figures in millionths.
#[derive(Debug, PartialEq)]
struct Rounded {
    id: String,
    figures: [i64; 3],
    depth: usize,
    children: Vec<(String, i64)>,
}

/// Lists what is compared of two graphs whose sums were made in another order.
fn close(circuit: &Circuit) -> Vec<Rounded> {
    let round = |value: f64| (value * 1e6).round() as i64;
    let node = |node: &Node| {
        let children = node.children.iter();
        let children = children.map(|c| (circuit.nodes[c.node].id.clone(), round(c.contribution)));
        Rounded {
            id: node.id.clone(),
            figures: [node.value, node.discarded, node.influence].map(round),
            depth: node.depth,
            children: children.collect(),
        }
    };
    circuit.nodes.iter().map(node).collect()
}

#[test]
fn a_node_that_is_reached_in_two_ways_is_one_node() {
    let model = tiny("llama");
    let saes = dictionaries(&model, &[z(2), z(1), z(0)], 6);
    let circuit = traced(&model, &saes, &tokens(&model, 9), (5, 8), ALL);
    let mut ids: Vec<&str> = circuit.nodes.iter().map(|node| node.id.as_str()).collect();
    let mut reached = vec![0; ids.len()];
    for (parent, child) in circuit.links() {
        assert!(
            parent < child.node,
            "{parent} is listed after {}",
            child.node
        );
        reached[child.node] += 1;
    }
    assert!(reached.iter().any(|times| *times > 3) && reached[0] == 0);
    assert!(reached[1..].iter().all(|times| *times > 0));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), circuit.nodes.len());
    // What leaves the explained feature arrives where nothing is discarded: at nodes without a sum.
    let ends = circuit.nodes.iter().filter(|node| !node.expanded);
    let arrived: f64 = ends.map(|node| node.influence).sum();
    assert!((arrived - 1.0).abs() < 1e-9, "{arrived}");
}

#[test]
fn an_observer_stops_the_trace() {
    let model = tiny("gpt2");
    let saes = dictionaries(&model, &[z(2), z(1)], 0);
    let read: Vec<_> = saes.iter().map(|sae| sae.autoencoder().unwrap()).collect();
    let mut heard = 0;
    let mut on = |progress: Progress| {
        heard += 1;
        assert!(progress.unit == "nodes" && progress.done < progress.total);
        if heard == 3 {
            return Flow::Break(());
        }
        Flow::Continue(())
    };
    let target = (FeatureId(0), 5);
    let stopped = trace(&model, &read, &tokens(&model, 8), target, &ALL, &mut on).unwrap();
    assert!(stopped.is_stopped() && heard == 3);
}

#[test]
fn what_does_not_fit_is_refused_with_its_reason() {
    let model = tiny("gpt2");
    let sae = |hook| dictionary(&model, hook, 0);
    let refused = |saes: &[Sae], target: (u32, usize), settings: Settings, words: &[&str]| {
        let read: Vec<_> = saes.iter().map(|sae| sae.autoencoder().unwrap()).collect();
        let target = (FeatureId(target.0), target.1);
        let input = tokens(&model, 8);
        let mut on = |_| Flow::Continue(());
        let why = trace(&model, &read, &input, target, &settings, &mut on);
        let why = why.unwrap_err().to_string();
        assert!(words.iter().all(|word| why.contains(word)), "{why}");
    };
    let usual = Settings::default();
    refused(&[sae(z(1))], (24, 2), usual, &["24", "0 to 23"]);
    refused(&[sae(z(1))], (0, 8), usual, &["8 is outside", "8 tokens"]);
    refused(&[], (0, 0), usual, &["sae", "give"]);
    refused(
        &[sae(z(1)), sae(z(1))],
        (0, 0),
        usual,
        &["both read", "choose one"],
    );
    let keys = HookPoint::block(1, Site::K);
    refused(
        &[sae(keys)],
        (0, 0),
        usual,
        &["attn.hook_k", "hook_resid_post"],
    );
    let mut elsewhere = sae(z(1));
    elsewhere.provenance.hook = Some(z(7));
    refused(&[sae(z(1)), elsewhere], (0, 0), usual, &["no block 7"]);
    let mut narrow = sae(z(1));
    narrow.provenance.hook = Some(HookPoint::block(1, Site::MlpPost));
    refused(&[narrow], (0, 0), usual, &["random-0"]);
    let mut one = sae(z(0));
    one.provenance.head = Some(crate::ids::Head(1));
    one.w_enc = Matrix::zeros(24, 8);
    one.w_dec = Matrix::zeros(24, 8);
    one.b_dec = vec![0.0; 8];
    refused(&[one], (0, 0), usual, &["only head 1"]);
    let share = Settings {
        threshold: 1.5,
        ..usual
    };
    refused(&[sae(z(1))], (0, 0), share, &["threshold", "1.5"]);
    let depth = Settings { depth: 0, ..usual };
    refused(&[sae(z(1))], (0, 0), depth, &["depth"]);
}
