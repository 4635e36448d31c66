//! Compares indexes of transcoders, layers of cross-layer transcoders and dictionaries of one head with brute force in f64.

use candle_core::{Device, Tensor};

use super::tests::{CONTEXT_OF_ROWS, FEATURES, counts, model, near_relative, rows, signed, source};
use super::*;
use crate::Flow;
use crate::capture;
use crate::dims::Matrix;
use crate::ids::{Head, HookPoint, Site};
use crate::models::{Hooks, Start};
use crate::sae::{Relu, Role, Sae, Transcoder};

/// Reads what the MLP of block 1 reads and writes to the MLP's output of this block and of `later` ones; a transcoder where `across` is false.
fn transcoder(across: bool, later: usize) -> Sae {
    let reads = HookPoint::block(1, Site::Ln2Normalized);
    let mut sae = signed(&reads.to_string());
    sae.selection = Relu.into();
    let d = sae.width();
    let rows: Vec<f32> = (0..FEATURES * d * (1 + later))
        .map(|i| ((i * 7919 + 31 * later) % 2003) as f32 / 1001.0 - 1.0)
        .collect();
    sae.w_dec = Matrix::new(FEATURES, d * (1 + later), rows).unwrap();
    sae.b_dec = vec![0.0; d * (1 + later)];
    let transcoder = Transcoder {
        hook_out: Some(HookPoint::block(1, Site::MlpOut)),
        w_skip: None,
    };
    sae.role = if across {
        Role::CrossLayer { transcoder, later }
    } else {
        Role::Transcoder(transcoder)
    };
    sae
}

fn built(sae: &Sae) -> (Index, tempfile::TempDir) {
    built_as(sae, &source(3))
}

fn built_as(sae: &Sae, source: &Source) -> (Index, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let mut on = |_| Flow::Continue(());
    let sae = sae.by_token().unwrap();
    let done = build(model(), sae, &rows(), source, &path, &mut on);
    assert!(!done.unwrap().is_stopped());
    (Index::open(&path).unwrap(), folder)
}

/// Checks density, mean and maximum of every feature against codes of the part that the dictionary reads.
fn same_scalars(index: &Index, sae: &Sae) {
    let rows = rows();
    let mut all: Vec<Vec<f32>> = vec![Vec::new(); FEATURES];
    let mut tokens = 0_u32;
    for row in 0..rows.len() {
        let whole = capture::activations(model(), &rows, &[row], sae.reads().unwrap()).unwrap();
        let latents = sae.encode(&sae.own_part(&whole).unwrap()).unwrap();
        for position in (0..CONTEXT_OF_ROWS).filter(|p| counts(&rows, row, *p)) {
            tokens += 1;
            for (feature, act) in latents.row(position).filter(|(_, act)| *act != 0.0) {
                all[feature.index()].push(act);
            }
        }
    }
    assert_eq!(index.about().tokens, u64::from(tokens));
    for (summary, acts) in index.summaries().unwrap().iter().zip(&all) {
        let n = acts.len() as f64;
        let sum: f64 = acts.iter().map(|act| f64::from(*act)).sum();
        // An activation at the edge of ReLU may round to 0 where rows are read in other batches.
        let active = summary.density * f64::from(tokens);
        assert!((active - n).abs() < 1.5, "{active} {n}");
        near_relative(summary.mean * active, sum, 1e-5);
        let max = acts.iter().copied().fold(0.0, f32::max);
        near_relative(summary.max, f64::from(max), 1e-6);
    }
}

/// Computes the effect of a direction of the residual stream on every logit in f64: the final norm's weight, the unembedding, minus the mean over the vocabulary.
fn on_logits(direction: &[f64]) -> Vec<f64> {
    let tokens: Vec<TokenId> = (0..model().config().vocab as u32).map(TokenId).collect();
    let path = model().logit_path(&tokens).unwrap();
    let mut read = direction.to_vec();
    path.norm.apply(&mut read, 1.0);
    let effects = path.columns.iter_rows().map(|column| {
        let products = column.iter().zip(&read);
        products.map(|(w, x)| f64::from(*w) * x).sum()
    });
    let mut effects: Vec<f64> = effects.collect();
    let mean = effects.iter().sum::<f64>() / effects.len() as f64;
    for effect in &mut effects {
        *effect -= mean;
    }
    effects.truncate(model().codec().vocab_size());
    effects
}

/// Returns whether `listed` are the largest effects of a direction times `sign`, within rounding.
fn are_strongest(listed: &[TokenEffect], direction: &[f64], sign: f64) -> bool {
    let effects = on_logits(direction);
    let mut sorted: Vec<f64> = effects.iter().map(|effect| sign * effect).collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    // The program sums 256 products in f32.
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-4 * (1.0 + b.abs());
    listed.iter().zip(&sorted).all(|(listed, want)| {
        let effect = f64::from(listed.effect);
        close(effect, effects[listed.id.index()]) && close(sign * effect, *want)
    })
}

fn wide(row: &[f32]) -> Vec<f64> {
    row.iter().map(|x| f64::from(*x)).collect()
}

#[test]
fn a_transcoder_is_counted_where_it_reads_and_its_tokens_are_those_of_what_it_writes() {
    let sae = transcoder(false, 0);
    let (index, _folder) = built(&sae);
    let about = index.about();
    assert_eq!(about.hook, "blocks.1.ln2.hook_normalized");
    assert_eq!(about.writes, ["blocks.1.hook_mlp_out"]);
    same_scalars(&index, &sae);
    for feature in [0, 5, 17].map(FeatureId) {
        let detail = index.detail(feature).unwrap();
        let written = wide(sae.w_dec.row(feature.index()));
        assert_eq!((detail.promoted.len(), detail.written.len()), (EFFECTS, 0));
        assert!(are_strongest(&detail.promoted, &written, 1.0));
        assert!(are_strongest(&detail.suppressed, &written, -1.0));
        // The row that it reads with is another direction, which the comparison tells from it.
        let read = wide(sae.w_enc.row(feature.index()));
        assert!(!are_strongest(&detail.promoted, &read, 1.0));
        // A strongest example opens as its row.
        let passage = index.passage(&detail.top[0]).unwrap();
        assert_eq!(passage.ids.len(), CONTEXT_OF_ROWS);
    }
}

#[test]
fn a_cross_layer_feature_says_what_it_writes_in_each_layer() {
    let sae = transcoder(true, 2);
    let (index, _folder) = built(&sae);
    let layers = ["blocks.1", "blocks.2", "blocks.3"].map(|block| format!("{block}.hook_mlp_out"));
    assert_eq!(index.about().writes, layers);
    same_scalars(&index, &sae);
    let outputs = sae.outputs().unwrap();
    let cosine = |a: &[f64], b: &[f64]| {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
    };
    for feature in [1, 40].map(FeatureId) {
        let detail = index.detail(feature).unwrap();
        let row = sae.w_dec.row(feature.index());
        let parts: Vec<Vec<f64>> = outputs
            .iter()
            .map(|output| wide(output.part(row)))
            .collect();
        let together = |i: usize| parts.iter().map(|part| part[i]).sum::<f64>();
        let together: Vec<f64> = (0..parts[0].len()).map(together).collect();
        assert!(are_strongest(&detail.promoted, &together, 1.0));
        assert!(!are_strongest(&detail.promoted, &parts[0], 1.0));
        assert_eq!(detail.written.len(), 3);
        for (at, (written, part)) in detail.written.iter().zip(&parts).enumerate() {
            assert_eq!(written.hook, outputs[at].hook);
            let norm = part.iter().map(|x| x * x).sum::<f64>().sqrt();
            near_relative(written.norm, norm, 1e-9);
            assert_eq!(written.promoted.len(), WRITTEN);
            assert!(are_strongest(&written.promoted, part, 1.0));
            assert!(are_strongest(&written.suppressed, part, -1.0));
            let other = |f: usize| wide(outputs[at].part(sae.w_dec.row(f)));
            let others = (0..FEATURES).filter(|f| *f != feature.index());
            let mut cosines: Vec<f64> = others.map(|f| cosine(part, &other(f))).collect();
            cosines.sort_by(|a, b| b.total_cmp(a));
            assert_eq!(written.neighbours.len(), WRITTEN);
            for (near, want) in written.neighbours.iter().zip(cosines) {
                // Unit rows are multiplied in f32.
                assert!((f64::from(near.cosine) - want).abs() < 1e-5);
            }
        }
        let value = json(index.about(), &detail);
        assert_eq!(value["written"][2]["hook"], layers[2].as_str());
        assert_eq!(
            value["written"][0]["promoted"].as_array().unwrap().len(),
            WRITTEN
        );
    }
}

#[test]
fn a_dictionary_of_one_head_is_counted_on_its_slice_and_writes_through_its_part_of_w_o() {
    let hook = HookPoint::block(1, Site::Z);
    let mut sae = signed(&hook.to_string());
    let heads = model().config().heads;
    let (e, head) = (sae.width() / heads, 1);
    let slice = |matrix: &Matrix| {
        let values = matrix.iter_rows().flat_map(|row| &row[..e]);
        Matrix::new(FEATURES, e, values.copied().collect()).unwrap()
    };
    (sae.w_enc, sae.w_dec) = (slice(&sae.w_enc), slice(&sae.w_dec));
    sae.b_dec.truncate(e);
    sae.selection = Relu.into();
    sae.provenance.head = Some(Head::from(head));
    let source = Source {
        attribution: true,
        ..source(3)
    };
    let (index, _folder) = built_as(&sae, &source);
    assert!(index.about().writes.is_empty() && index.about().attribution);
    same_scalars(&index, &sae);
    let w_o = model().w_o(hook.layer().unwrap()).unwrap(); // [h·e, d]
    for feature in [2, 30].map(FeatureId) {
        let detail = index.detail(feature).unwrap();
        let row = sae.w_dec.row(feature.index());
        let mut written = vec![0.0_f64; w_o.columns()];
        for (i, x) in row.iter().enumerate() {
            for (sum, w) in written.iter_mut().zip(w_o.row(head * e + i)) {
                *sum += f64::from(*x) * f64::from(*w);
            }
        }
        assert!(are_strongest(&detail.promoted, &written, 1.0));
        assert!(are_strongest(&detail.suppressed, &written, -1.0));
        assert!(detail.head_shares.is_empty());
        // Sources of an activation add up to the encoder's row times the head's z.
        assert_eq!(detail.sources.len(), detail.top.len());
        for (example, sources) in detail.top.iter().zip(&detail.sources).step_by(5) {
            let place = example.place.unwrap();
            let row = [place.row as usize];
            let z = capture::activations(model(), &rows(), &row, hook).unwrap();
            let z = &z.row(place.position)[head * e..(head + 1) * e];
            let products = sae.w_enc.row(feature.index()).iter().zip(z);
            let want: f64 = products.map(|(w, z)| f64::from(*w) * f64::from(*z)).sum();
            // Parts are computed in f32 and kept to 1/8,190 of the largest.
            let off = (f64::from(sources.sum) - want).abs();
            assert!(off < 2e-3 * (1.0 + want.abs()), "{} {want}", sources.sum);
        }
        let of_head = f64::from(detail.head_attribution[head]);
        assert!(
            (of_head - 1.0).abs() < 1e-6,
            "{:?}",
            detail.head_attribution
        );
    }
}

#[test]
fn a_text_is_read_by_a_transcoder_at_the_hook_that_it_reads() {
    for sae in [transcoder(false, 0), transcoder(true, 2)] {
        let text = "The old rabbit looked at the clock";
        let reading = crate::prompt::read(model(), sae.by_token().unwrap(), text, 1).unwrap();
        let input = crate::models::token_tensor(&[&reading.tokens]).unwrap();
        let hook = sae.reads().unwrap();
        let x = &model().capture(&input, &[hook]).unwrap()[&hook];
        let x = Matrix::from_tensor(x, sae.width()).unwrap();
        assert_eq!(reading.latents.acts, sae.encode(&x).unwrap().acts);
        assert!(reading.latents.acts.len() > reading.tokens.len());
        assert!(!reading.next[1].is_empty());
    }
}

/// Subtracts a feature's rows, times its activation, at one position of every hook that the dictionary writes.
struct Ablated<'a> {
    sae: &'a Sae,
    feature: FeatureId,
    act: f32,
    position: usize,
}

impl Hooks for Ablated<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        let outputs = self.sae.outputs().unwrap();
        self.act != 0.0 && outputs.iter().any(|output| output.hook == hook)
    }

    fn visit(
        &mut self,
        hook: HookPoint,
        _: usize,
        value: &Tensor,
    ) -> crate::error::Result<Option<Tensor>> {
        let outputs = self.sae.outputs().unwrap();
        let output = outputs.iter().find(|output| output.hook == hook).unwrap();
        let mut x = Matrix::from_tensor(value, output.width())?;
        let row = output.part(self.sae.w_dec.row(self.feature.index()));
        for (x, w) in x.row_mut(self.position).iter_mut().zip(row) {
            *x -= self.act * w;
        }
        Ok(Some(Tensor::from_slice(
            x.values(),
            value.dims(),
            &Device::Cpu,
        )?))
    }
}

#[test]
fn effects_on_the_loss_are_those_of_whole_passes_without_what_a_feature_writes() {
    let text = rows();
    let source = Source {
        loss_effects: true,
        ..source(3)
    };
    for sae in [transcoder(false, 0), transcoder(true, 2)] {
        let (index, _folder) = built_as(&sae, &source);
        let (mut checked, mut most) = (0, 0.0_f64);
        for feature in (0..FEATURES).step_by(9).map(FeatureId::from) {
            let detail = index.detail(feature).unwrap();
            let examples = detail.top.iter().zip(&detail.loss_effects).step_by(4);
            for (example, effect) in examples.filter(|(_, effect)| !effect.is_nan()) {
                let place = example.place.unwrap();
                let tokens = text.row(place.row as usize);
                let whole = capture::activations(
                    model(),
                    &text,
                    &[place.row as usize],
                    sae.reads().unwrap(),
                );
                let x = whole.unwrap();
                let act = sae.activations(&x, feature).unwrap()[place.position];
                let input = crate::models::token_tensor(&[tokens]).unwrap();
                let loss = |act: f32| {
                    let mut hooks = Ablated {
                        sae: &sae,
                        feature,
                        act,
                        position: place.position,
                    };
                    let logits = model().run(Start::Tokens(&input), &mut hooks).unwrap();
                    let logits = logits.unwrap().get(0).unwrap();
                    let logits: Vec<f32> = logits.get(place.position).unwrap().to_vec1().unwrap();
                    let next = tokens[place.position + 1].index();
                    crate::prompt::log_sum_exp(&logits) - f64::from(logits[next])
                };
                let want = loss(act) - loss(0.0);
                // Two losses of f32 logits of size 10, whose sums run in another order; random rows move the loss by several nats.
                let off = (f64::from(*effect) - want).abs();
                assert!(
                    off < 1e-3 * (1.0 + want.abs()),
                    "{feature} {place:?}: {effect} {want}"
                );
                most = most.max(want.abs());
                checked += 1;
            }
        }
        assert!(checked > 15 && most > 0.05, "{checked} {most}");
    }
}
