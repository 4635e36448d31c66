//! Figures against plain loops, and dictionaries whose figures are known.

use std::path::Path;

use candle_core::Tensor;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::dims::Matrix;
use crate::ids::{Site, TokenId};
use crate::models::{Hooks, Start, token_tensor};
use crate::sae::{ErrorOf, ErrorPart, Role, TopK};
use crate::train::tests::children::{model_and_rows, on, spec, trained};

pub(super) fn model(name: &str) -> Model {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");
    Model::open(&Path::new(root).join(name)).unwrap().0
}

pub(super) fn rows(model: &Model, count: usize, t: usize) -> Rows {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let vocab = u32::try_from(model.config().vocab).unwrap();
    let tokens = (0..count * t).map(|_| TokenId(random.random_range(0..vocab)));
    Rows::new(
        t,
        tokens.collect(),
        vec![0; count * t],
        vec!["random".to_owned()],
    )
}

pub(super) fn uniform(rows: usize, columns: usize, seed: u64) -> Matrix {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let values = (0..rows * columns).map(|_| random.random_range(-0.5..0.5));
    Matrix::new(rows, columns, values.collect()).unwrap()
}

pub(super) fn sae(w_enc: Matrix, w_dec: Matrix, k: usize, hook: HookPoint) -> Sae {
    let (b_enc, b_dec) = (vec![0.0; w_enc.rows()], vec![0.0; w_dec.columns()]);
    Sae::new("test", (w_enc, b_enc), (w_dec, b_dec), TopK { k }).reading(hook)
}

/// `x = relu(x) − relu(−x)`: 2·d features, all of them allowed.
fn exact(d: usize, hook: HookPoint) -> Sae {
    let mut both = Matrix::zeros(2 * d, d);
    for i in 0..d {
        both.row_mut(i)[i] = 1.0;
        both.row_mut(d + i)[i] = -1.0;
    }
    sae(both.clone(), both, 2 * d, hook)
}

fn random(d: usize, hook: HookPoint) -> Sae {
    sae(uniform(3 * d, d, 1), uniform(3 * d, d, 2), 4, hook)
}

fn figures(model: &Model, sae: &Sae, rows: &Rows) -> Figures {
    let mut on = |_: Progress| Flow::Continue(());
    run(model, sae, rows, &mut on).unwrap().done().unwrap()
}

struct Put<'a>(HookPoint, &'a dyn Fn(&Tensor) -> Tensor);

impl Hooks for Put<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        hook == self.0
    }

    fn visit(&mut self, _: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(self.1(value)))
    }
}

pub(super) fn mean_by_definition(activations: &[Matrix], t: usize) -> Vec<f64> {
    let n = (activations.len() * (t - 1)) as f64;
    let mut mean = vec![0.0_f64; activations[0].columns()];
    for x in activations {
        for p in 1..t {
            for (mean, x) in mean.iter_mut().zip(x.row(p)) {
                *mean += f64::from(*x) / n;
            }
        }
    }
    mean
}

/// Whether position `p` of a row counts by the words of the rule.
fn counts(rows: &Rows, row: &[TokenId], p: usize) -> bool {
    let special = rows.mask().special.contains(&row[p]);
    match rows.mask().rule {
        Positions::Text => p != 0 && !special,
        Positions::First => p != 0,
        Positions::SaeLens => !special,
        Positions::All => true,
    }
}

/// The log probabilities of a row of logits, in f64.
fn log_probabilities(logits: &[f32]) -> Vec<f64> {
    let sum: f64 = logits.iter().map(|l| f64::from(*l).exp()).sum();
    logits.iter().map(|l| f64::from(*l) - sum.ln()).collect()
}

/// Sums of what is measured token by token beside FVU.
#[derive(Default)]
struct Plain {
    kl: f64,
    cosine: f64,
    ratio: f64,
    legacy: f64,
    x: Vec<f64>,
    square: f64,
}

impl Plain {
    fn token(&mut self, x: &[f32], recon: &[f32], mean: &[f64]) {
        let wide = |row: &[f32]| -> Vec<f64> { row.iter().map(|v| f64::from(*v)).collect() };
        let (x, recon) = (wide(x), wide(recon));
        let product = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let apart =
            |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum() };
        let (length, written) = (product(&x, &x).sqrt(), product(&recon, &recon).sqrt());
        self.cosine += product(&x, &recon) / (length * written);
        self.ratio += written / length;
        self.legacy += 1.0 - apart(&x, &recon) / apart(&x, mean);
        self.square += product(&x, &x);
        self.x.resize(x.len(), 0.0);
        self.x.iter_mut().zip(&x).for_each(|(sum, x)| *sum += x);
    }

    fn nearness(&self, n: f64, error: f64) -> Nearness {
        let mean: f64 = self.x.iter().map(|sum| (sum / n).powi(2)).sum();
        Nearness {
            kl_sae: self.kl / n,
            cosine: self.cosine / n,
            l2_ratio: self.ratio / n,
            explained_variance: 1.0 - error / n / (self.square / n - mean),
            explained_variance_legacy: self.legacy / n,
        }
    }
}

/// The definitions in plain loops: row by row, from the tokens, nothing shared or resumed.
#[expect(
    clippy::too_many_lines,
    reason = "a definition is read from top to bottom"
)]
fn by_definition(model: &Model, sae: &Sae, rows: &Rows) -> Figures {
    let (hook, reads) = (sae.writes().unwrap(), sae.reads().unwrap());
    let (t, d) = (rows.context(), sae.w_dec.columns());
    let tensors: Vec<Tensor> = (0..rows.len())
        .map(|i| token_tensor(&[rows.row(i)]).unwrap())
        .collect();
    let wide = model.width(hook).unwrap();
    // Of a dictionary of one head, where that lies.
    let start = sae.provenance.head.map_or(0, |head| head.index() * d);
    let wholes: Vec<Matrix> = tensors
        .iter()
        .map(|tokens| {
            Matrix::from_tensor(&model.capture(tokens, &[hook]).unwrap()[&hook], wide).unwrap()
        })
        .collect();
    let part = |whole: &Matrix| {
        let rows = whole.iter_rows();
        let values = rows.flat_map(|row| row[start..start + d].to_vec());
        Matrix::new(whole.rows(), d, values.collect()).unwrap()
    };
    let activations: Vec<Matrix> = wholes.iter().map(part).collect();
    let places = (0..rows.len()).flat_map(|i| (0..t).map(move |p| (i, p)));
    let counted: Vec<(usize, usize)> = places
        .filter(|(i, p)| counts(rows, rows.row(*i), *p))
        .collect();
    let n = counted.len() as f64;
    let mut mean = vec![0.0_f64; d];
    for (i, p) in &counted {
        let pairs = mean.iter_mut().zip(activations[*i].row(*p));
        pairs.for_each(|(mean, x)| *mean += f64::from(*x) / n);
    }
    let (mut plain, mut charged) = (Plain::default(), 0.0);
    let (mut error, mut variance, mut active) = (0.0, 0.0, vec![0_u64; sae.features()]);
    let mut ce = [0.0; 4];
    for (i, x) in activations.iter().enumerate() {
        let read = &model.capture(&tensors[i], &[reads]).unwrap()[&reads];
        let read = Matrix::from_tensor(read, model.width(reads).unwrap()).unwrap();
        let read = if reads == hook { part(&read) } else { read };
        let latents = sae.encode(&read).unwrap();
        let recon = sae.decode(&latents, &read).unwrap();
        let row = rows.row(i);
        let here: Vec<usize> = (0..t).filter(|p| counts(rows, row, *p)).collect();
        for p in here.iter().copied() {
            plain.token(x.row(p), recon.row(p), &mean);
            for (j, mean) in mean.iter().enumerate() {
                let value = f64::from(x.row(p)[j]);
                error += (value - f64::from(recon.row(p)[j])).powi(2);
                variance += (value - mean).powi(2);
            }
            latents
                .row(p)
                .for_each(|(feature, _)| active[feature.index()] += 1);
        }
        let all: Vec<usize> = (0..t).collect();
        let put = |at: &[usize], from: &dyn Fn(usize, usize) -> f32| {
            let mut value = x.clone();
            for p in at.iter().copied() {
                for j in 0..d {
                    value.row_mut(p)[j] = from(p, j);
                }
            }
            value
        };
        let zeroed = match rows.mask().rule {
            Positions::SaeLens => &all,
            _ => &here,
        };
        let values = [
            x.clone(),
            put(&here, &|p, j| recon.row(p)[j]),
            put(zeroed, &|_, _| 0.0),
            put(&here, &|_, j| mean[j] as f32),
        ];
        let mut clean: Vec<Vec<f64>> = Vec::new();
        for (which, value) in values.into_iter().enumerate() {
            let mut whole = wholes[i].clone();
            for p in 0..t {
                whole.row_mut(p)[start..start + d].copy_from_slice(value.row(p));
            }
            let value = whole.to_tensor().unwrap();
            let replace = |old: &Tensor| value.reshape(old.dims()).unwrap();
            let run = model.run(Start::Tokens(&tensors[i]), &mut Put(hook, &replace));
            let logits = run
                .unwrap()
                .unwrap()
                .squeeze(0)
                .unwrap()
                .to_vec2::<f32>()
                .unwrap();
            let logs: Vec<Vec<f64>> = logits.iter().map(|l| log_probabilities(l)).collect();
            for p in here.iter().copied() {
                if which == 1 {
                    let pairs = clean[p].iter().zip(&logs[p]);
                    plain.kl += pairs.map(|(p, q)| p.exp() * (p - q)).sum::<f64>();
                }
                let after = row.get(p + 1);
                let special = |token: &TokenId| rows.mask().special.contains(token);
                let out = rows.mask().rule == Positions::Text && after.is_some_and(special);
                if let Some(next) = after.filter(|_| !out) {
                    ce[which] -= logs[p][next.index()];
                    charged += f64::from(u8::from(which == 0));
                }
            }
            if which == 0 {
                clean = logs;
            }
        }
    }
    let [clean, spliced, zero, mean] = ce.map(|ce| ce / charged);
    let dead = active.iter().filter(|count| **count == 0).count() as f64;
    Figures {
        l0: active.iter().sum::<u64>() as f64 / n,
        fvu: error / variance,
        dead_fraction: dead / active.len() as f64,
        rare_fraction: dead / active.len() as f64,
        ce_clean: clean,
        ce_sae: spliced,
        ce_zero: zero,
        ce_mean: mean,
        ce_recovered_zero: (zero - spliced) / (zero - clean),
        ce_recovered_mean: (mean - spliced) / (mean - clean),
        tokens: n as u64,
        positions: rows.mask().rule,
        left_out: Some((rows.len() * t) as u64 - n as u64),
        nearness: Some(plain.nearness(n, error)),
        pair: None,
    }
}

#[track_caller]
fn agree(a: &Figures, b: &Figures, within: f64) {
    let numbers = |f: &Figures| {
        serde_json::to_value(f)
            .unwrap()
            .as_object()
            .unwrap()
            .clone()
    };
    assert_eq!(a.positions, b.positions);
    assert!(a.nearness.is_some() && b.nearness.is_some());
    let both = numbers(a).into_iter().zip(numbers(b));
    for ((key, a), (_, b)) in both.filter(|((key, _), _)| key != "positions") {
        let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
        // A ratio of small differences of cross-entropies is as far off as its denominator is small.
        let within = if key.starts_with("ce_recovered") {
            50.0 * within
        } else {
            within
        };
        assert!((a - b).abs() <= within * b.abs().max(1.0), "{key}: {a} {b}");
    }
}

#[test]
fn a_transcoder_is_measured_where_it_writes() {
    for name in ["tiny-gpt2", "tiny-llama"] {
        let model = model(name);
        let rows = rows(&model, 9, 7);
        for [reads, writes] in [
            ["blocks.0.mlp.hook_in", "blocks.0.hook_mlp_out"],
            ["blocks.0.attn.hook_z", "blocks.1.hook_resid_post"],
        ] {
            let [reads, writes]: [HookPoint; 2] = [reads, writes].map(|hook| hook.parse().unwrap());
            let [d, o] = [reads, writes].map(|hook| model.width(hook).unwrap());
            let mut transcoder = sae(uniform(3 * d, d, 1), uniform(3 * d, o, 2), 4, reads);
            transcoder.role = Role::Transcoder(crate::sae::Transcoder {
                hook_out: Some(writes),
                w_skip: Some(uniform(o, d, 3)),
            });
            let got = figures(&model, &transcoder, &rows);
            agree(&got, &by_definition(&model, &transcoder, &rows), 1e-4);
            // The skip connection takes part.
            transcoder.role = Role::Transcoder(crate::sae::Transcoder {
                hook_out: Some(writes),
                w_skip: None,
            });
            assert!((figures(&model, &transcoder, &rows).fvu - got.fvu).abs() > 1e-3);
            let said = transcoder.autoencoder().unwrap_err();
            assert!(said.to_string().contains("the transcoder test"), "{said}");
        }
    }
}

#[test]
fn figures_equal_their_definitions_at_every_kind_of_hook() {
    for name in ["tiny-gpt2", "tiny-llama"] {
        let model = model(name);
        let rows = rows(&model, 19, 7);
        for hook in [
            "hook_embed",
            "blocks.0.hook_resid_pre",
            "blocks.1.attn.hook_z",
            "blocks.0.attn.hook_v",
            "blocks.1.hook_mlp_out",
            "blocks.0.hook_resid_post",
            "blocks.1.hook_resid_post",
            "ln_final.hook_normalized",
        ] {
            let hook: HookPoint = hook.parse().unwrap();
            let sae = random(model.width(hook).unwrap(), hook);
            let got = figures(&model, &sae, &rows);
            agree(&got, &by_definition(&model, &sae, &rows), 2e-5);
            assert!(
                got.tokens == 19 * 6 && got.l0 <= 4.0 && got.l0 > 0.0,
                "{hook} {got:?}"
            );
        }
    }
}

#[test]
fn each_rule_of_positions_is_its_definition_in_packed_rows() {
    for (name, hook) in [
        ("tiny-gpt2", "blocks.1.attn.hook_z"),
        ("tiny-llama", "blocks.0.hook_resid_post"),
    ] {
        let model = model(name);
        let hook: HookPoint = hook.parse().unwrap();
        let sae = random(model.width(hook).unwrap(), hook);
        let plain = rows(&model, 9, 8);
        // Special tokens at row starts, in a row, one after the other, and at a row's end.
        let mut tokens = plain.tokens().to_vec();
        let [bos, eos] = [TokenId(0), TokenId(1)];
        for (at, token) in [
            (0, bos),
            (8, bos),
            (11, bos),
            (12, eos),
            (30, bos),
            (39, bos),
        ] {
            tokens[at] = token;
        }
        let packed = Rows::new(8, tokens, vec![0; 72], vec!["packed".to_owned()]);
        let packed = packed.with_special([bos, eos]);
        let mut seen = Vec::new();
        for rule in Positions::ALL {
            let rows = packed.clone().by(rule);
            let got = figures(&model, &sae, &rows);
            agree(&got, &by_definition(&model, &sae, &rows), 2e-5);
            seen.push((got.tokens, got.fvu, got.ce_sae));
        }
        assert!((1..4).all(|i| seen[i] != seen[0] && seen[i] != seen[i - 1]));
    }
}

/// Figures of `sae_lens.evals` for the demo's model and dictionary; see `tests/golden/positions.py`.
#[test]
fn figures_are_those_of_sae_lens_on_packed_documents() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let demo = Path::new(root).join("assets/demo");
    let golden = Path::new(root).join("tests/golden/positions");
    let text = std::fs::read_to_string(golden.join("sae-lens.json")).unwrap();
    let wanted: serde_json::Value = serde_json::from_str(&text).unwrap();
    let model = Model::open(&demo.join("model")).unwrap().0;
    let sae = formats::open(&demo.join("saes/resid-2")).unwrap().0;
    let spec = crate::corpus::CorpusSpec {
        paths: vec![golden.join("documents.jsonl")],
        ..Default::default()
    };
    let corpus = crate::corpus::Corpus::open(&spec).unwrap().0;
    let rows = corpus.rows(model.codec(), 64).unwrap().0.take(16);
    let packed: Vec<Vec<u32>> = serde_json::from_value(wanted["tokens"].clone()).unwrap();
    let tokens: Vec<u32> = rows.tokens().iter().map(|token| token.0).collect();
    assert_eq!(tokens, packed.concat());
    for rule in [Positions::SaeLens, Positions::All] {
        let got = figures(&model, &sae, &rows.clone().by(rule));
        let near = got.nearness.unwrap();
        let score = got.ce_recovered_zero;
        for (key, got) in [
            ("l0", got.l0),
            ("ce_loss_without_sae", got.ce_clean),
            ("ce_loss_with_sae", got.ce_sae),
            ("ce_loss_with_ablation", got.ce_zero),
            ("ce_loss_score", score),
            ("explained_variance", 1.0 - got.fvu),
            ("explained_variance", near.explained_variance),
            ("explained_variance_legacy", near.explained_variance_legacy),
            ("kl_div_with_sae", near.kl_sae),
            ("cossim", near.cosine),
            ("l2_ratio", near.l2_ratio),
        ] {
            let want = wanted[rule.name()][key].as_f64().unwrap();
            assert!((got - want).abs() <= 1e-5, "{rule} {key}: {got} {want}");
        }
    }
}

#[test]
fn figures_kept_before_rules_were_recorded_are_read_as_first() {
    let old = r#"{"l0": 1.0, "fvu": 0.5, "dead_fraction": 0.0, "rare_fraction": 0.0, "ce_clean": 1.0, "ce_sae": 2.0, "ce_zero": 3.0, "ce_mean": 3.0,
        "ce_recovered_zero": 0.5, "ce_recovered_mean": 0.5, "tokens": 9}"#;
    let read: Figures = serde_json::from_str(old).unwrap();
    assert_eq!((read.positions, read.left_out), (Positions::First, None));
    assert_eq!(read.nearness, None);
    let model = model("tiny-gpt2");
    let hook: HookPoint = "blocks.0.hook_resid_pre".parse().unwrap();
    let sae = random(model.width(hook).unwrap(), hook);
    let new = figures(&model, &sae, &rows(&model, 3, 7));
    let text = serde_json::to_string(&new).unwrap();
    let read: Figures = serde_json::from_str(&text).unwrap();
    assert_eq!(read.left_out, Some(3));
    agree(&read, &new, 1e-12);
}

#[test]
fn a_dictionary_of_one_head_is_measured_on_its_slice_and_leaves_the_others_clean() {
    let model = model("tiny-gpt2");
    let rows = rows(&model, 19, 7);
    let hook: HookPoint = "blocks.1.attn.hook_z".parse().unwrap();
    let heads = model.config().heads;
    let e = model.width(hook).unwrap() / heads;
    let mut before = None;
    for head in [0, heads - 1] {
        let mut sae = random(e, hook);
        sae.provenance.head = Some(crate::ids::Head::from(head));
        let got = figures(&model, &sae, &rows);
        agree(&got, &by_definition(&model, &sae, &rows), 2e-5);
        assert!(
            before.replace(got.clone()) != Some(got),
            "another head is another"
        );
    }
    let mut sae = random(e, hook);
    let said = |sae: &Sae| formats::check_hooks(sae, &model).unwrap_err().to_string();
    assert!(said(&sae).contains("width "));
    sae.provenance.head = Some(crate::ids::Head::from(heads));
    assert!(said(&sae).contains("heads"), "{}", said(&sae));
    sae.provenance.hook = "blocks.1.hook_resid_post".parse().ok();
    assert!(
        said(&sae).contains("no dimension of heads"),
        "{}",
        said(&sae)
    );
}

#[test]
fn an_exact_dictionary_loses_nothing() {
    let model = model("tiny-gpt2");
    let rows = rows(&model, 9, 8);
    for hook in ["blocks.1.attn.hook_z", "blocks.0.hook_resid_post"] {
        let hook: HookPoint = hook.parse().unwrap();
        let figures = figures(&model, &exact(model.width(hook).unwrap(), hook), &rows);
        assert_eq!((figures.fvu, figures.ce_sae), (0.0, figures.ce_clean));
        assert_eq!(
            (figures.ce_recovered_zero, figures.ce_recovered_mean),
            (1.0, 1.0)
        );
    }
}

#[test]
fn a_dictionary_that_writes_nothing_is_the_ablation_its_bias_names() {
    let model = model("tiny-llama");
    let rows = rows(&model, 9, 8);
    let hook: HookPoint = "blocks.1.hook_resid_post".parse().unwrap();
    let d = model.width(hook).unwrap();
    let mut silent = random(d, hook);
    silent.w_dec = Matrix::zeros(3 * d, d);
    let zero = figures(&model, &silent, &rows);
    assert_eq!((zero.ce_sae, zero.ce_recovered_zero), (zero.ce_zero, 0.0));
    silent.b_dec = mean(&model, &rows, hook, &mut |_| Flow::Continue(()))
        .unwrap()
        .done()
        .unwrap();
    let at_mean = figures(&model, &silent, &rows);
    assert!((at_mean.ce_sae - zero.ce_mean).abs() < 1e-6, "{at_mean:?}");
    assert!((at_mean.fvu - 1.0).abs() < 1e-6, "{at_mean:?}");
}

#[test]
fn dead_and_rare_shares_count_features_that_no_token_activates() {
    let model = model("tiny-gpt2");
    let rows = rows(&model, 9, 8);
    let hook: HookPoint = "blocks.0.hook_resid_pre".parse().unwrap();
    let d = model.width(hook).unwrap();
    let mut half = exact(d, hook);
    half.b_enc[d..].fill(-1e6);
    let figures = figures(&model, &half, &rows);
    assert!((figures.dead_fraction - 0.5).abs() < 1e-9, "{figures:?}");
    assert_eq!(figures.rare_fraction, figures.dead_fraction);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let model = model("tiny-gpt2");
    let rows = rows(&model, 40, 8);
    let hook: HookPoint = "blocks.1.attn.hook_z".parse().unwrap();
    let sae = random(model.width(hook).unwrap(), hook);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| figures(&model, &sae, &rows))
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn an_observer_stops_it_and_what_cannot_be_measured_is_said() {
    let model = model("tiny-gpt2");
    let few = rows(&model, 9, 8);
    let hook: HookPoint = "blocks.1.hook_resid_post".parse().unwrap();
    let d = model.width(hook).unwrap();
    let stopped = run(&model, &random(d, hook), &few, &mut |_| Flow::Break(())).unwrap();
    assert_eq!(stopped, Ended::STOPPED);
    let mut on = |_: Progress| Flow::Continue(());
    let narrow = run(&model, &random(d - 1, hook), &few, &mut on)
        .unwrap_err()
        .to_string();
    assert!(
        narrow.contains("blocks.1.hook_resid_post") && narrow.contains("choose the model"),
        "{narrow}"
    );
    let short = run(&model, &random(d, hook), &rows(&model, 2, 2), &mut on)
        .unwrap_err()
        .to_string();
    assert!(short.contains("a row of 3 tokens or more"), "{short}");
}

#[test]
fn documents_kept_apart_in_one_row_give_the_figures_of_documents_in_rows_of_their_own() {
    // Learned positions, rotary ones, and windows; hooks that a pass resumes at, resumes before, and is begun anew for.
    for name in ["tiny-gpt2", "tiny-llama", "tiny-mistral"] {
        let model = model(name);
        let bos = model.codec().bos().id.unwrap();
        let text = |i: u32| TokenId(5 + i * 37 % 500);
        let document = |n: u32| [bos].into_iter().chain((n * 11..n * 11 + 11).map(text));
        let rows = |t: usize| {
            let tokens: Vec<TokenId> = (0..8).flat_map(document).collect();
            let documents = (0..8).flat_map(|n| [n; 12]).collect();
            let names = (0..8).map(|n| n.to_string()).collect();
            Rows::new(t, tokens, documents, names).with_special([bos])
        };
        let (alone, packed) = (rows(12), rows(24));
        let apart = packed.clone().with_separate_documents(true);
        assert!(apart.note_on_documents().unwrap().contains("kept apart"));
        assert!(
            packed
                .note_on_documents()
                .unwrap()
                .contains("as in SAELens")
        );
        assert_eq!(alone.note_on_documents(), None);
        for hook in [
            HookPoint::block(1, Site::ResidPost),
            HookPoint::block(1, Site::MlpOut),
            HookPoint::block(0, Site::Z),
            HookPoint::Embed,
        ] {
            let sae = random(model.width(hook).unwrap(), hook);
            let numbers = |rows: &Rows| {
                let figures = serde_json::to_value(figures(&model, &sae, rows)).unwrap();
                let figures = figures.as_object().unwrap().clone().into_iter();
                let number =
                    |(key, value): (String, serde_json::Value)| Some((key, value.as_f64()?));
                figures.filter_map(number).collect::<Vec<_>>()
            };
            let (want, got, mixed) = (numbers(&alone), numbers(&apart), numbers(&packed));
            assert!(want.len() >= 8, "{want:?}");
            for ((key, want), (_, got)) in want.iter().zip(&got) {
                let off = (got - want).abs();
                assert!(
                    off < 1e-5 * (1.0 + want.abs()),
                    "{name} {hook} {key}: {got} {want}"
                );
            }
            assert_ne!(want, mixed, "{name} {hook}: it matters");
        }
    }
}

/// Weights and figures of `tests/golden/children.py`, which computes in f64.
#[test]
fn a_dictionary_of_an_error_is_measured_as_torch_measures_it_with_its_parent() {
    let golden = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/golden/children"
    ));
    let bytes = std::fs::read(golden.join("tensors.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |name: &str| {
        let view = tensors.tensor(name).unwrap();
        let floats = view.data().as_chunks::<4>().0.iter();
        let values = floats.map(|four| f32::from_le_bytes(*four)).collect();
        (view.shape().to_vec(), values)
    };
    let matrix = |name: &str| {
        let (shape, values): (Vec<usize>, Vec<f32>) = tensor(name);
        Matrix::new(shape[0], shape[1], values).unwrap()
    };
    let want = std::fs::read_to_string(golden.join("figures.json")).unwrap();
    let want: serde_json::Value = serde_json::from_str(&want).unwrap();
    let hook: HookPoint = want["hook"].as_str().unwrap().parse().unwrap();
    let dictionary = |name: &str| {
        let k = want[format!("k_{name}")].as_u64().unwrap() as usize;
        let part = |part: &str| matrix(&format!("{name}.{part}"));
        let bias = |part: &str| tensor(&format!("{name}.{part}")).1;
        Sae::new(
            name,
            (part("w_enc"), bias("b_enc")),
            (part("w_dec"), bias("b_dec")),
            TopK { k },
        )
        .reading(hook)
    };
    let lists = want["tokens"].as_array().unwrap();
    let t = lists[0].as_array().unwrap().len();
    let tokens = lists.iter().flat_map(|row| row.as_array().unwrap());
    let tokens: Vec<TokenId> = tokens
        .map(|id| TokenId(id.as_u64().unwrap() as u32))
        .collect();
    let count = tokens.len();
    let rows = Rows::new(t, tokens, vec![0; count], vec!["random".to_owned()]);
    let model = model("tiny-gpt2");
    let rows = rows.by(Positions::First);
    for part in ErrorPart::ALL {
        let map = part.needs_map().then(|| matrix("map"));
        let mut child = dictionary("child");
        child.read_error(ErrorOf::new(dictionary("parent"), part, map, "parent").unwrap());
        let got = serde_json::to_value(figures(&model, &child, &rows)).unwrap();
        for (key, want) in want["figures"][part.name()].as_object().unwrap() {
            let (got, want) = (got[key].as_f64().unwrap(), want.as_f64().unwrap());
            // f32 beside f64: activations and logits are off by a few millionths of their size.
            assert!(
                (got - want).abs() < 2e-5 * want.abs(),
                "{part} {key}: {got} {want}"
            );
        }
    }
    // Without its parent the dictionary reads something else.
    let alone = figures(&model, &dictionary("child"), &rows);
    let whole = want["figures"]["error"]["ce_sae"].as_f64().unwrap();
    assert!((alone.ce_sae - whole).abs() > 1e-2 && alone.pair.is_none());
}

#[test]
fn a_child_on_the_error_explains_more_together_with_its_parent() {
    let both = model_and_rows();
    let parent = trained(&spec(0), &both);
    let child = trained(&on(&parent, ErrorPart::Whole, 1), &both);
    let of = child.error_of.as_ref().unwrap();
    assert_eq!(of.parent_fingerprint(), parent.fingerprint());
    assert_eq!(child.provenance.hook, Some(spec(0).hook));
    let measured = |sae: &Sae| {
        let ended = run(&both.0, sae, &both.1, &mut |_| Flow::Continue(()));
        ended.unwrap().done().unwrap()
    };
    let (alone, with) = (measured(&parent), measured(&child));
    let pair = with.pair.unwrap();
    // The parent is measured as by itself.
    assert!((pair.fvu_parent - alone.fvu).abs() < 1e-9, "{pair:?}");
    assert!((pair.ce_parent - alone.ce_sae).abs() < 1e-6, "{pair:?}");
    // The error of the pair is what the child leaves of the parent's.
    assert!(pair.fvu_pair < 0.9 * pair.fvu_parent, "{pair:?}");
    assert!((pair.ce_pair - with.ce_sae).abs() < 1e-5, "{pair:?}");
    assert!(
        pair.conclusion(with.ce_clean)
            .contains("the pair explains more")
    );
}
