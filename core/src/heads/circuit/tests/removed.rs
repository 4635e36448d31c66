//! Contributions compared with passes of the model itself: with patterns, scales and other parts held fixed, removing one part lowers the pre-activation by what it
//! contributes.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::*;
use crate::ids::{Head, TokenId};
use crate::models::{Hooks, Start, token_tensor};

/// Replaces values by given ones and reads one hook.
struct Fixed<'a> {
    values: &'a BTreeMap<HookPoint, Tensor>,
    read: HookPoint,
    got: Option<Tensor>,
}

impl Hooks for Fixed<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        hook == self.read || self.values.contains_key(&hook)
    }

    fn visit(&mut self, hook: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        if hook == self.read {
            self.got = Some(value.clone());
        }
        Ok(self.values.get(&hook).cloned())
    }

    fn last(&self) -> Option<HookPoint> {
        Some(self.read)
    }
}

struct Bench<'a> {
    model: &'a Model,
    saes: &'a [Sae],
    tokens: Tensor,
    /// Values of one undisturbed pass.
    values: BTreeMap<HookPoint, Tensor>,
}

impl Bench<'_> {
    fn captured(&self, hooks: &[HookPoint]) -> BTreeMap<HookPoint, Tensor> {
        let value = |hook: &HookPoint| (*hook, self.values[hook].clone());
        hooks.iter().map(value).collect()
    }

    /// Returns the values that are held fixed for a feature that reads `hook`: all parts below, pattern and scale, and the stream where a dictionary splits it.
    fn fixed(&self, hook: HookPoint) -> BTreeMap<HookPoint, Tensor> {
        let layer = hook.layer().unwrap();
        let mut hooks = vec![HookPoint::Embed];
        hooks.extend(
            self.model
                .hooks()
                .filter(|hook| *hook == HookPoint::PosEmbed),
        );
        for below in 0..=layer.index() {
            let parts = [Site::Z, Site::MlpOut].map(|site| HookPoint::block(below, site));
            hooks.extend(parts.into_iter().filter(|part| *part < hook));
        }
        if hook.is_z() {
            let read = [Site::Pattern, Site::Ln1Scale];
            hooks.extend(read.map(|site| HookPoint::Block(layer, site)));
            let stream = HookPoint::Block(layer, Site::ResidPre);
            hooks.extend(
                self.saes
                    .iter()
                    .filter_map(|sae| sae.provenance.hook)
                    .filter(|h| *h == stream),
            );
        }
        self.captured(&hooks)
    }

    fn pre_activation(&self, values: &BTreeMap<HookPoint, Tensor>, node: &Node) -> f64 {
        let Kind::Feature(i, feature) = node.kind else {
            panic!("{node:?}");
        };
        let sae = &self.saes[i];
        let read = sae.hook().unwrap();
        let mut pass = Fixed {
            values,
            read,
            got: None,
        };
        self.model
            .run(Start::Tokens(&self.tokens), &mut pass)
            .unwrap();
        let x = Matrix::from_tensor(&pass.got.unwrap(), sae.width()).unwrap();
        // The dictionary's own normalisation is held fixed too.
        let whole = self.captured(&[read]);
        let whole = Matrix::from_tensor(&whole[&read], sae.width()).unwrap();
        let along = sae
            .input_norm
            .direction(whole.row(node.at), sae.w_enc.row(feature.index()));
        let products = along.iter().zip(x.row(node.at));
        let (decoder, encoder) = sae.bias_terms(feature);
        products
            .map(|(w, x)| f64::from(*w) * f64::from(*x))
            .sum::<f64>()
            + encoder
            - decoder
    }

    /// Returns the hook at which a node's part can be removed and the row of what stays there.
    fn without(&self, child: &Node) -> (HookPoint, Vec<f32>) {
        let row = |hook: HookPoint| -> Vec<f32> {
            let values = self.captured(&[hook]);
            let at = values[&hook].narrow(1, child.at, 1).unwrap();
            at.flatten_all().unwrap().to_vec1().unwrap()
        };
        let zeros = |hook| vec![0.0; row(hook).len()];
        match child.kind {
            Kind::Embedding(_) => (HookPoint::Embed, zeros(HookPoint::Embed)),
            Kind::Position => (HookPoint::PosEmbed, zeros(HookPoint::PosEmbed)),
            Kind::Mlp(layer) => {
                let hook = HookPoint::Block(layer, Site::MlpOut);
                (hook, zeros(hook))
            }
            Kind::Head(layer, Head(head)) => {
                let hook = HookPoint::Block(layer, Site::Z);
                let e = self.model.config().d_head;
                let mut rest = row(hook);
                rest[head as usize * e..][..e].fill(0.0);
                (hook, rest)
            }
            Kind::Feature(i, _) | Kind::Error(i) => {
                let sae = &self.saes[i];
                let hook = sae.hook().unwrap();
                let x = Matrix::new(1, sae.width(), row(hook)).unwrap();
                let latents = sae.encode(&x).unwrap();
                let whole = sae.decode(&latents, &x).unwrap();
                let Kind::Feature(_, feature) = child.kind else {
                    return (hook, whole.into_values());
                };
                let mut others = latents.clone();
                let pairs = others.features.iter().zip(others.acts.iter_mut());
                pairs
                    .filter(|(f, _)| **f == feature.0)
                    .for_each(|(_, act)| *act = 0.0);
                let less = sae.decode(&others, &x).unwrap();
                let kept = x.values().iter().zip(whole.values()).zip(less.values());
                let kept = kept.map(|((x, whole), less)| x - (whole - less));
                (hook, kept.collect())
            }
        }
    }

    /// Computes by how much the pre-activation of `parent` falls without `child`, all else held fixed.
    fn taken(&self, (parent, whole): (&Node, f64), child: &Node) -> f64 {
        let Kind::Feature(i, _) = parent.kind else {
            panic!("{parent:?}");
        };
        let mut values = self.fixed(self.saes[i].hook().unwrap());
        let (hook, rest) = self.without(child);
        let value = &values[&hook];
        let behind = value.dim(1).unwrap() - child.at - 1;
        let before = value.narrow(1, 0, child.at).unwrap();
        let after = value.narrow(1, child.at + 1, behind).unwrap();
        let mut shape = value.dims().to_vec();
        shape[1] = 1;
        let row = Tensor::from_vec(rest, shape, value.device()).unwrap();
        let value = Tensor::cat(&[before, row, after], 1).unwrap();
        values.insert(hook, value);
        whole - self.pre_activation(&values, parent)
    }

    /// Compares the largest contributions to the explained feature and to three others, of all depths, and returns how many were compared and how many would have
    /// shown a tenth too much.
    fn check(&self, circuit: &Circuit, what: &str) -> (usize, usize) {
        let (mut compared, mut noticed) = (0, 0);
        let expanded: Vec<&Node> = circuit.nodes.iter().filter(|node| node.expanded).collect();
        for node in expanded.iter().step_by(expanded.len().div_ceil(4)) {
            let Kind::Feature(i, _) = node.kind else {
                panic!("{node:?}");
            };
            let whole = self.pre_activation(&self.fixed(circuit.dictionaries[i].hook), node);
            assert!(
                (whole - node.value).abs() < 1e-4 * node.mass.max(1.0),
                "{what}: {whole} {node:?}"
            );
            for child in node.children.iter().take(3) {
                let taken = self.taken((node, whole), &circuit.nodes[child.node]);
                // Both sides are sums of f32 products: 1e-4 of the sum of sizes.
                let allowed = 1e-4 * node.mass + 1e-6;
                let off = (taken - child.contribution).abs();
                assert!(
                    off < allowed,
                    "{what}, {} of {}: {taken} {} of {}",
                    circuit.nodes[child.node].id,
                    node.id,
                    child.contribution,
                    node.mass
                );
                compared += 1;
                noticed += usize::from((taken - 1.1 * child.contribution).abs() > allowed);
            }
        }
        (compared, noticed)
    }
}

fn check(family: &str, hooks: &[HookPoint], seed: u64) {
    let model = tiny(family);
    let saes = dictionaries(&model, hooks, seed);
    let input = tokens(&model, 9);
    let Input::Tokens { ids, .. } = &input else {
        panic!("no tokens");
    };
    let ids: &[TokenId] = ids;
    let tokens = token_tensor(&[ids]).unwrap();
    let all: Vec<HookPoint> = model.hooks().collect();
    let bench = Bench {
        model: &model,
        saes: &saes,
        values: model.capture(&tokens, &all).unwrap(),
        tokens,
    };
    // Everything is kept, so that features far below the explained one have children too.
    let circuit = traced(&model, &saes, &input, (5, 7), ALL);
    let what = format!("{family} {hooks:?}");
    let (compared, noticed) = bench.check(&circuit, &what);
    assert!(compared >= 9, "{what}: {compared}");
    assert!(
        2 * noticed > compared,
        "{what}: {noticed} of {compared} can fail"
    );
}

#[test]
fn removing_a_part_takes_its_contribution_away() {
    let pre = HookPoint::block(2, Site::ResidPre);
    let post = HookPoint::block(2, Site::ResidPost);
    // A GPT-2 and a Llama layout, then parallel blocks, biases with grouped queries, and a norm of queries and keys.
    for (number, family) in ["gpt2", "llama", "gpt-neox", "qwen2", "qwen3"]
        .into_iter()
        .enumerate()
    {
        let seed = 5 * number as u64;
        check(family, &[z(2), z(1), z(0)], seed);
        check(family, &[z(2), z(1)], seed + 1);
        check(family, &[z(2), pre, z(0)], seed + 2);
        check(family, &[post, z(2), z(1), z(0)], seed + 3);
    }
}
