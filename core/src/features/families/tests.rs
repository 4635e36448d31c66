//! Measurements compared with plain definitions, and planted features that come out as the family they are.

use std::collections::BTreeMap;
use std::path::Path;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::count::{by_chance, followers};
use super::reach::{Variants, activations};
use super::*;
use crate::Flow;
use crate::capture;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::features::predicate::{Lexicon, Line, folded};
use crate::features::tests::{Z, built, model, rows, sae};
use crate::features::{Index, Source, build};
use crate::models::{Model, token_tensor};
use crate::sae::{Provenance, Relu, Sae};

fn on(_: crate::Progress) -> Flow {
    Flow::Continue(())
}

#[test]
fn followers_and_chance_equal_loops_over_all_earlier_positions() {
    let rows = rows();
    let text = |id: TokenId| folded(&model().codec().display(id));
    let lexicon = Lexicon::new(model().codec(), rows.tokens());
    let mut of_class: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let comma = model().codec().token_of(",").unwrap();
    for row in 0..rows.len() {
        let line = Line::from_rows(&rows, row);
        let got = followers(&lexicon, &line);
        let ids = rows.row(row);
        for t in 0..ids.len() {
            let mut want: Vec<TokenId> = (0..t)
                .filter(|q| text(ids[*q]) == text(ids[t]))
                .map(|q| ids[q + 1])
                .collect();
            want.sort_unstable();
            want.dedup();
            assert_eq!(got[t], want, "row {row}, position {t}");
            if rows.counts(row)[t] {
                let counts = of_class.entry(text(ids[t])).or_default();
                counts.0 += 1;
                counts.1 += u64::from(want.contains(&comma));
            }
        }
    }
    let class = |id: TokenId| lexicon.class(lexicon.number(id));
    let pairs = rows.tokens().iter().map(|id| (class(*id), comma)).collect();
    let chance = by_chance(&rows, &lexicon, &pairs);
    let mut above = 0;
    for id in rows.tokens() {
        let Some((all, holding)) = of_class.get(&text(*id)) else {
            continue;
        };
        let want = *holding as f64 / *all as f64;
        assert_eq!(chance[&(class(*id), comma)], want);
        above += usize::from(want > 0.0);
    }
    assert!(above > 100, "{above}");
}

/// Each text of a place as a whole: with the last n tokens kept, then unchanged.
fn texts(rows: &Rows, place: (u32, u32), seed: u64) -> Vec<Vec<TokenId>> {
    let of = Variants::new(rows, place, seed);
    let kept = LAST.iter().map(|last| of.replaced(*last));
    let text = |n: usize| [&of.other[..n], &of.whole[n..]].concat();
    kept.map(text).chain([of.whole.clone()]).collect()
}

#[test]
fn activations_read_piece_by_piece_equal_those_of_whole_texts() {
    let rows = rows();
    for hook in ["blocks.0.attn.hook_z", "blocks.2.hook_resid_post"] {
        let hook = hook.parse().unwrap();
        // Fewer tokens than some n, and more than all.
        for place in [(1, 3), (2, 20), (3, 38)] {
            let got = activations(model(), hook, &Variants::new(&rows, place, 0)).unwrap();
            let mut want = Vec::new();
            for text in texts(&rows, place, 0) {
                let tokens = token_tensor(&[&text]).unwrap();
                let value = model().capture(&tokens, &[hook]).unwrap().remove(&hook);
                let last = value.unwrap().narrow(1, text.len() - 1, 1).unwrap();
                want.extend(last.flatten_all().unwrap().to_vec1::<f32>().unwrap());
            }
            assert_eq!(got.len(), want.len());
            // Sums over other numbers of rows round otherwise.
            for (got, want) in got.iter().zip(&want) {
                assert!(
                    (got - want).abs() <= 1e-4 * want.abs().max(1.0),
                    "{hook}, {place:?}: {got} {want}"
                );
            }
            let width = got.len() / (LAST.len() + 1);
            assert!(
                (0..width).any(|i| (got[i] - got[6 * width + i]).abs() > 1e-2),
                "{hook}, {place:?}: context counts"
            );
        }
    }
}

#[test]
fn all_but_the_last_tokens_are_replaced_and_bos_stays() {
    let rows = rows();
    let place = (3, 38);
    let variants_of = |seed| texts(&rows, place, seed);
    let all = variants_of(0);
    let whole = &rows.row(3)[..=38];
    assert_eq!(all.len(), LAST.len() + 1);
    assert_eq!(all[LAST.len()], whole);
    for (last, tokens) in LAST.iter().zip(&all) {
        assert_eq!(tokens.len(), whole.len());
        assert_eq!(tokens[0], whole[0], "BOS stays");
        let kept = tokens.len() - last;
        assert_eq!(tokens[kept..], whole[kept..]);
        // The same tokens are put in place, whatever is kept.
        assert_eq!(tokens[1..kept], all[0][1..kept]);
        assert!(
            tokens[1..kept]
                .iter()
                .all(|token| !rows.mask().special.contains(token))
        );
    }
    let differ = (1..38).filter(|t| all[0][*t] != whole[*t]).count();
    assert!(differ > 25, "{differ}");
    assert_eq!(variants_of(0), variants_of(0));
    assert_ne!(variants_of(0), variants_of(1));
    // A document that is kept apart stands alone.
    let apart = rows.clone().with_separate_documents(true);
    let begins = |row: usize| {
        let tokens = apart.row(row).iter().enumerate().skip(1);
        tokens
            .filter(|(_, token)| token.0 == 0)
            .map(|(t, _)| t)
            .next()
    };
    let (row, bos) = (0..apart.len())
        .find_map(|row| Some((row, begins(row)?)))
        .unwrap();
    let all = texts(&apart, (row as u32, bos as u32 + 2), 0);
    assert_eq!(all[LAST.len()], apart.row(row)[bos..bos + 3]);
    assert_eq!(all[0][0], TokenId(0));
}

#[track_caller]
fn check_family(induction: Option<Induction>, kept: [f64; 6], examples: u32, want: Family) {
    let measured = Measured {
        feature: FeatureId(0),
        induction,
        reach: Some(Reach { kept, examples }),
    };
    assert_eq!(measured.family(), Some(want), "{measured:?}");
}

#[test]
fn the_rule_of_families_is_the_one_that_is_stated() {
    let induction = |top, top_holding, by_chance| {
        Some(Induction {
            target: TokenId(1),
            text: "x".to_owned(),
            top,
            top_holding,
            by_chance,
            mass: 0.0,
        })
    };
    let local = [0.1, 0.3, 0.79, 0.8, 0.9, 1.1];
    let far = [0.0, 0.1, 0.2, 0.3, 0.8, 1.0];
    let never = [0.0; 6];
    let unsteady = [0.1, 0.9, 0.7, 0.9, 1.0, 1.0];
    check_family(None, local, 5, Family::Local);
    check_family(None, far, 5, Family::LongRange);
    check_family(None, never, 5, Family::LongRange);
    check_family(None, unsteady, 5, Family::Unclear);
    check_family(None, local, 2, Family::Unclear);
    check_family(induction(10, 8, 0.6), local, 2, Family::Induction);
    check_family(induction(9, 9, 0.0), local, 5, Family::Local);
    check_family(induction(100, 79, 0.0), far, 5, Family::LongRange);
    check_family(induction(100, 90, 0.75), far, 5, Family::LongRange);
    assert_eq!(Measured::default().family(), None);
    let reach = |kept| Reach { kept, examples: 5 }.reach();
    assert_eq!(
        [reach(local), reach(far), reach(never)],
        [Some(8), Some(16), None]
    );
}

#[test]
fn families_live_in_a_copy_of_the_index_and_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let index = built(folder.path(), Z, 3);
    assert_eq!(index.families().unwrap(), None);
    let sae = sae(Z);
    let subject = (model(), sae.by_token().unwrap());
    let asked = Asked {
        examples: 2,
        ..Asked::default()
    };
    let mut total = 0;
    let mut count = |at: crate::Progress| {
        total = at.total as usize;
        Flow::Continue(())
    };
    let found = measure(subject, &index, asked, &mut count)
        .unwrap()
        .done()
        .unwrap();
    // What is said before is no less than what is read, and no more than where every feature has all its examples.
    let amount = Amount::new(&index, asked.examples).unwrap();
    let live = index.summaries().unwrap();
    let live = live.iter().filter(|summary| summary.density > 0.0).count();
    assert_eq!(amount.rows, found.rows);
    assert!(amount.passages <= 7 * live * asked.examples);
    assert!(total > amount.rows && total <= amount.rows + amount.passages);
    assert_eq!(Amount::new(&index, 0).unwrap().passages, 0);
    assert_eq!(found.features.len(), 48);
    assert_eq!(found.features[47].family(), None, "never active");
    assert!(found.rows <= 60 && found.tokens <= 60 * 39);
    let summaries = index.summaries().unwrap();
    let out = folder.path().join("with.index");
    write(&index, &found, &out).unwrap();
    let with = Index::open(&out).unwrap();
    assert_eq!(with.families().unwrap().as_ref(), Some(&found));
    assert_eq!(with.summaries().unwrap(), summaries);
    assert_eq!(
        with.detail(FeatureId(5)).unwrap(),
        index.detail(FeatureId(5)).unwrap()
    );
    // Measuring again replaces them, in place and with the same bytes by the same seed.
    let again = measure(subject, &with, asked, &mut on)
        .unwrap()
        .done()
        .unwrap();
    assert_eq!(again, found);
    write(&with, &again, &out).unwrap();
    assert_eq!(Index::open(&out).unwrap().families().unwrap(), Some(again));
    // A foreign dictionary, and a bad number of examples, are refused.
    let other = crate::features::tests::signed(Z);
    let foreign = measure((model(), other.by_token().unwrap()), &index, asked, &mut on);
    assert_eq!(foreign.unwrap_err().kind(), "mismatch");
    let none = Asked {
        examples: 0,
        ..asked
    };
    let refused = measure(subject, &index, none, &mut on).unwrap_err();
    assert!(refused.to_string().contains("give 1 to 20"), "{refused}");
    let mut stop = |_| Flow::Break(());
    assert!(
        measure(subject, &index, asked, &mut stop)
            .unwrap()
            .is_stopped()
    );
}

/// Width of the planted model, and number of its tokens.
const WIDTH: usize = 24;
/// Positions of the planted model.
const POSITIONS: usize = 48;

/// A model of one layer whose tokens are one-hot: head 0 attends to all earlier tokens alike and carries tokens 0 to 11, head 1 attends to earlier copies of
/// tokens 12 to 23 and carries them.
fn planted_model(folder: &Path) -> Model {
    let config = serde_json::json!({
        "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": WIDTH, "n_embd": WIDTH, "n_positions": POSITIONS,
        "n_layer": 1, "n_head": 2, "bos_token_id": 0, "eos_token_id": 0,
    });
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
    let (d, half) = (WIDTH, WIDTH / 2);
    let mut qkv = vec![0f32; d * 3 * d];
    for i in 0..d {
        if i >= half {
            qkv[i * 3 * d + i] = 2.0; // query of head 1
            qkv[i * 3 * d + d + i] = 2.0; // key of head 1
        }
        qkv[i * 3 * d + 2 * d + i] = 1.0; // values
    }
    let eye: Vec<f32> = (0..d * d)
        .map(|i| f32::from(u8::from(i % (d + 1) == 0)))
        .collect();
    let zeros = |n: usize| vec![0f32; n];
    let ones = |n: usize| vec![1f32; n];
    let tensors: Vec<(&str, Vec<usize>, Vec<f32>)> = vec![
        ("wte.weight", vec![d, d], eye),
        ("wpe.weight", vec![POSITIONS, d], zeros(POSITIONS * d)),
        ("h.0.ln_1.weight", vec![d], ones(d)),
        ("h.0.ln_1.bias", vec![d], zeros(d)),
        ("h.0.attn.c_attn.weight", vec![d, 3 * d], qkv),
        ("h.0.attn.c_attn.bias", vec![3 * d], zeros(3 * d)),
        ("h.0.attn.c_proj.weight", vec![d, d], zeros(d * d)),
        ("h.0.attn.c_proj.bias", vec![d], zeros(d)),
        ("h.0.ln_2.weight", vec![d], ones(d)),
        ("h.0.ln_2.bias", vec![d], zeros(d)),
        ("h.0.mlp.c_fc.weight", vec![d, 4 * d], zeros(4 * d * d)),
        ("h.0.mlp.c_fc.bias", vec![4 * d], zeros(4 * d)),
        ("h.0.mlp.c_proj.weight", vec![4 * d, d], zeros(4 * d * d)),
        ("h.0.mlp.c_proj.bias", vec![d], zeros(d)),
        ("ln_f.weight", vec![d], ones(d)),
        ("ln_f.bias", vec![d], zeros(d)),
    ];
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(.., values)| {
            values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect()
        })
        .collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (
            *name,
            TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap(),
        )
    });
    safetensors::serialize_to_file(views, None, &folder.join("model.safetensors")).unwrap();
    Model::open(folder).unwrap().0
}

/// A dictionary whose features read these rows, with these biases.
fn planted_sae(hook: &str, w_enc: &[Vec<f32>], b_enc: Vec<f32>) -> Sae {
    let (f, d) = (w_enc.len(), w_enc[0].len());
    let weights = || Matrix::new(f, d, w_enc.concat()).unwrap();
    let provenance = Provenance {
        hook: Some(hook.parse().unwrap()),
        ..Provenance::default()
    };
    Sae::new(
        "planted",
        (weights(), b_enc),
        (weights(), vec![0.0; d]),
        Relu,
    )
    .with_provenance(provenance)
}

fn families_of(model: &Model, sae: &Sae, rows: &Rows) -> Families {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("planted.index");
    let subject = sae.by_token().unwrap();
    let built = build(model, subject, rows, &Source::default(), &path, &mut on);
    assert!(!built.unwrap().is_stopped());
    let index = Index::open(&path).unwrap();
    let measured = measure((model, subject), &index, Asked::default(), &mut on);
    measured.unwrap().done().unwrap()
}

#[test]
fn planted_local_and_long_range_features_come_out_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let model = planted_model(folder.path());
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let count = 24;
    let mut tokens = Vec::new();
    for row in 0..count {
        // The first document begins its rows with twelve tokens 3; token 15 is anywhere.
        for t in 0..POSITIONS {
            let block = row < count / 2 && t <= 12;
            tokens.push(TokenId(match t {
                0 => 0,
                _ if block => 3,
                _ => rng.random_range(4..WIDTH as u32),
            }));
        }
    }
    let document = |row: usize| u32::from(row >= count / 2);
    let documents = (0..count).flat_map(|row| std::iter::repeat_n(document(row), POSITIONS));
    let names = vec!["a".to_owned(), "b".to_owned()];
    let rows = Rows::new(POSITIONS, tokens, documents.collect(), names).with_special([TokenId(0)]);
    let one = |at: usize| {
        (0..WIDTH)
            .map(|i| f32::from(u8::from(i == at)))
            .collect::<Vec<f32>>()
    };
    // The share of token 3 so far, above a half; whether the token is 15; never.
    let sae = planted_sae(
        "blocks.0.attn.hook_z",
        &[one(3), one(15), one(20)],
        vec![-2.0, -2.0, -99.0],
    );
    let found = families_of(&model, &sae, &rows);
    let [far, local, silent] = found.features.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(far.family(), Some(Family::LongRange), "{far:?}");
    assert_eq!(
        far.reach.unwrap().reach(),
        Some(16),
        "twelve tokens are needed: {far:?}"
    );
    assert_eq!(local.family(), Some(Family::Local), "{local:?}");
    assert_eq!(local.reach.unwrap().reach(), Some(1), "{local:?}");
    assert_eq!(silent.family(), None);
    assert_eq!(found.counts().map(|(_, count)| count), [0, 1, 1, 0]);
}

/// Rows of random tokens in which a token repeats at position 40; in every second row its first occurrence, at 10, precedes `target`.
fn repeated(target: TokenId) -> (Rows, Vec<bool>) {
    let (count, context) = (64, 48);
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let mut tokens = Vec::new();
    for row in 0..count {
        let mut ids: Vec<TokenId> = (0..context)
            .map(|_| TokenId(rng.random_range(300..4000)))
            .collect();
        ids[0] = TokenId(0);
        ids[40] = ids[10];
        if row % 2 == 0 {
            ids[11] = target;
        }
        tokens.extend(ids);
    }
    let documents = (0..count as u32).flat_map(|row| std::iter::repeat_n(row, context));
    let names = (0..count).map(|row| row.to_string()).collect();
    let rows = Rows::new(context, tokens, documents.collect(), names).with_special([TokenId(0)]);
    (rows, (0..count).map(|row| row % 2 == 0).collect())
}

#[test]
fn a_feature_that_reads_the_induction_heads_has_its_target_far_above_chance() {
    // The demo's heads 3 and 6 of layer 3 attend from a repeated token to the one after its copy. The difference of their means over repeated tokens with and
    // without the target ahead is a feature "the target is next by induction".
    let target = TokenId(700);
    let (rows, ahead) = repeated(target);
    let hook = "blocks.3.attn.hook_z";
    let all: Vec<usize> = (0..rows.len()).collect();
    let z = capture::activations(model(), &rows, &all, hook.parse().unwrap()).unwrap();
    let d = z.columns();
    let mean = |with: bool| {
        let chosen: Vec<usize> = all
            .iter()
            .copied()
            .filter(|row| ahead[*row] == with)
            .collect();
        let mut sum = vec![0f32; d];
        for row in &chosen {
            let value = z.row(row * rows.context() + 40);
            sum.iter_mut()
                .zip(value)
                .for_each(|(sum, value)| *sum += value / chosen.len() as f32);
        }
        sum
    };
    let (with, without) = (mean(true), mean(false));
    let direction: Vec<f32> = with.iter().zip(&without).map(|(a, b)| a - b).collect();
    let along = |x: &[f32]| x.iter().zip(&direction).map(|(a, b)| a * b).sum::<f32>();
    let threshold = f32::midpoint(along(&with), along(&without));
    let sae = planted_sae(hook, std::slice::from_ref(&direction), vec![-threshold]);
    let found = families_of(model(), &sae, &rows);
    let measured = &found.features[0];
    let induction = measured.induction.as_ref().unwrap();
    assert_eq!(induction.target, target, "{measured:?}");
    // A difference of means alone fires at some other tokens too, so the feature stands far above chance and below the bound of a clear one.
    let above = induction.specificity() - induction.by_chance;
    assert!(
        above >= EXCESS && induction.top >= LEAST_TOP,
        "{measured:?}"
    );
    assert!(!induction.is_clear(), "{measured:?}");
    assert_eq!(measured.family(), Some(Family::LongRange), "{measured:?}");
    // Its context is needed back to the copy, 29 tokens before.
    assert_eq!(measured.reach.unwrap().reach(), Some(32), "{measured:?}");
    let subject = (model(), sae.by_token().unwrap());
    let clear = induction_features(subject, &rows, &mut on).unwrap();
    assert_eq!(clear.done(), Some(vec![]));
}
