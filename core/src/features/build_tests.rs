//! Several dictionaries in one pass, some rows of a text, and effects on the loss against whole passes.

use std::path::{Path, PathBuf};

use candle_core::Tensor;

use super::tests::{FEATURES, brute_force, model, rows, sae, signed, source};
use super::*;
use crate::Flow;
use crate::dims::Matrix;
use crate::ids::HookPoint;
use crate::models::{Hooks, Start, token_tensor};
use crate::prompt::log_sum_exp;
use crate::sae::Sae;

const Z: &str = "blocks.1.attn.hook_z";
const RESID: &str = "blocks.2.hook_resid_post";

fn go_on(_: crate::progress::Progress) -> Flow {
    Flow::Continue(())
}

fn alone(sae: &Sae, source: &Source, out: &Path) -> Index {
    let of = sae.autoencoder().unwrap();
    let built = build(model(), of, &rows(), source, out, &mut go_on);
    assert!(!built.unwrap().is_stopped());
    Index::open(out).unwrap()
}

#[test]
fn several_dictionaries_of_one_pass_have_the_indexes_of_their_own_passes() {
    let folder = tempfile::tempdir().unwrap();
    let mut second = sae(RESID);
    second.name = "second".to_owned();
    let saes = [sae(Z), second, signed(RESID)];
    let source = Source {
        loss_effects: true,
        ..source(3)
    };
    let path = |name: &str| folder.path().join(name);
    let outs: Vec<PathBuf> = ["a", "b", "c"].map(path).into();
    let jobs = saes.iter().zip(&outs);
    let jobs: Vec<Job<'_>> = jobs
        .map(|(sae, out)| Job {
            sae: sae.by_token().unwrap(),
            out,
        })
        .collect();
    let mut seen = (0, 0);
    let mut watch = |at: crate::progress::Progress| {
        assert!(at.done >= seen.0 && at.done <= at.total, "{at:?} {seen:?}");
        seen = (at.done, at.total);
        Flow::Continue(())
    };
    let built = build_all(model(), &jobs, &rows(), &source, &mut watch);
    let spent = built.unwrap().done().unwrap();
    assert!(spent.model > 0.0 && spent.losses > 0.0 && spent.attribution > 0.0);
    for (sae, out) in saes.iter().zip(&outs) {
        let own = path("own");
        alone(sae, &source, &own);
        assert!(std::fs::read(&own).unwrap() == std::fs::read(out).unwrap());
    }
    let twice = [jobs[0], jobs[0]];
    let refused = build_all(model(), &twice, &rows(), &source, &mut go_on);
    assert!(refused.unwrap_err().to_string().contains("a file for each"));
}

#[test]
fn some_rows_keep_their_numbers_and_other_rows_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let sae = sae(RESID);
    let some = Source {
        rows: Some(20..45),
        ..source(0)
    };
    let index = alone(&sae, &some, &folder.path().join("some"));
    let about = index.about();
    assert_eq!(about.corpus, "three pieces, rows 20..45");
    assert_eq!((about.spans[0].from, about.spans[0].to), (20, 45));
    let counted = (20..45).map(|row| rows().counts(row).iter().filter(|c| **c).count());
    assert_eq!(about.tokens, counted.sum::<usize>() as u64);
    let all = brute_force(&sae);
    for (feature, places) in (0..FEATURES).map(FeatureId::from).zip(all) {
        let detail = index.detail(feature).unwrap();
        let mut here: Vec<_> = places
            .into_iter()
            .filter(|(row, ..)| (20..45).contains(row))
            .collect();
        let active = here.len() as f64 / about.tokens as f64;
        assert!((detail.summary.density - active).abs() < 1e-12);
        here.sort_by(|a, b| b.2.total_cmp(&a.2));
        let strongest = here.first().map(|(row, position, _)| Place {
            row: *row as u32,
            position: *position,
        });
        assert_eq!(detail.top.first().and_then(|top| top.place), strongest);
        for example in detail.examples() {
            let passage = index.passage(example).unwrap();
            assert_eq!(passage.ids, rows().row(passage.row as usize));
        }
    }
    for wrong in [20..20, 50..61, 61..70] {
        let wrong = Source {
            rows: Some(wrong),
            ..source(0)
        };
        let of = sae.autoencoder().unwrap();
        let out = folder.path().join("none");
        let refused = build(model(), of, &rows(), &wrong, &out, &mut go_on);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("has 60 of 40 tokens"), "{refused}");
    }
}

/// Replaces the value of a hook in a whole pass.
struct Put(HookPoint, Matrix);

impl Hooks for Put {
    fn wants(&self, hook: HookPoint) -> bool {
        hook == self.0
    }

    fn visit(
        &mut self,
        _: HookPoint,
        _: usize,
        value: &Tensor,
    ) -> crate::error::Result<Option<Tensor>> {
        Ok(Some(self.1.to_tensor()?.reshape(value.dims())?))
    }
}

/// Loss of the next token after `position`, from a whole pass over the row with `value` at the hook.
fn loss(row: &[TokenId], position: usize, (hook, value): (HookPoint, Matrix)) -> f64 {
    let input = token_tensor(&[row]).unwrap();
    let mut put = Put(hook, value);
    let logits = model().run(Start::Tokens(&input), &mut put).unwrap();
    let logits = logits.unwrap().narrow(1, position, 1).unwrap();
    let logits: Vec<f32> = logits.flatten_all().unwrap().to_vec1().unwrap();
    log_sum_exp(&logits) - f64::from(logits[row[position + 1].index()])
}

#[test]
fn effects_on_the_loss_are_those_of_whole_passes_without_the_feature() {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows();
    for name in [Z, RESID] {
        let sae = sae(name);
        let hook: HookPoint = name.parse().unwrap();
        let source = Source {
            loss_effects: true,
            ..source(0)
        };
        let index = alone(&sae, &source, &folder.path().join("losses"));
        assert!(index.about().loss_effects);
        let (mut checked, mut ends, mut most) = (0, 0, 0.0_f64);
        for feature in (0..FEATURES).step_by(5).map(FeatureId::from) {
            let detail = index.detail(feature).unwrap();
            assert_eq!(detail.loss_effects.len(), detail.top.len());
            let examples = detail.top.iter().zip(&detail.loss_effects).step_by(3);
            for (example, effect) in examples {
                let place = example.place.unwrap();
                let (row, position) = (place.row as usize, place.position);
                // No next token, or BOS of the next document.
                let next = rows.row(row).get(position + 1);
                if next.is_none_or(|next| *next == TokenId(0)) {
                    assert!(effect.is_nan());
                    ends += 1;
                    continue;
                }
                let x = crate::capture::activations(model(), &rows, &[row], hook).unwrap();
                let clean = loss(rows.row(row), position, (hook, x.clone()));
                let act = sae.activations(&x, feature).unwrap()[position];
                let mut ablated = x;
                let width = ablated.columns();
                let at = &mut ablated.values_mut()[position * width..(position + 1) * width];
                for (x, w) in at.iter_mut().zip(sae.w_dec.row(feature.index())) {
                    *x -= act * w;
                }
                let want = loss(rows.row(row), position, (hook, ablated)) - clean;
                // Two losses of f32 logits of size 10, whose sums run in another order.
                let off = (f64::from(*effect) - want).abs();
                assert!(off < 2e-4, "{name} {feature} {place:?}: {effect} {want}");
                most = most.max(want.abs());
                checked += 1;
            }
        }
        // Effects that the tolerance would hide prove nothing.
        assert!(checked > 40 && most > 0.05, "{checked} {ends} {most}");
    }
}

#[test]
fn a_row_s_last_token_has_no_effect_on_the_loss() {
    let folder = tempfile::tempdir().unwrap();
    let source = Source {
        loss_effects: true,
        ..source(0)
    };
    let index = alone(&sae(RESID), &source, &folder.path().join("ends"));
    let mut ends = 0;
    for feature in (0..FEATURES).map(FeatureId::from) {
        let detail = index.detail(feature).unwrap();
        for (example, effect) in detail.top.iter().zip(&detail.loss_effects) {
            let place = example.place.unwrap();
            let is_last = place.position + 1 == tests::CONTEXT_OF_ROWS;
            assert!(!is_last || effect.is_nan(), "{place:?} {effect}");
            ends += usize::from(is_last);
        }
        let written = json(index.about(), &detail);
        let first = &written["examples"][0]["loss_effect"];
        let is_number = detail.loss_effects.first().is_some_and(|x| x.is_finite());
        assert_eq!(first.is_number(), is_number, "{feature}");
    }
    assert!(ends > 0);
    let without = alone(&sae(RESID), &tests::source(0), &folder.path().join("bare"));
    assert!(!without.about().loss_effects);
    assert!(
        without
            .detail(FeatureId(0))
            .unwrap()
            .loss_effects
            .is_empty()
    );
}

#[test]
fn effects_on_the_loss_are_those_of_pytorch() {
    #[derive(serde::Deserialize)]
    struct Golden {
        feature: u32,
        row: u32,
        position: usize,
        activation: f32,
        effect: Option<f64>,
    }

    let folder = tempfile::tempdir().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let golden = std::fs::read(root.join("tests/golden/index-losses.json")).unwrap();
    let golden: Vec<Golden> = serde_json::from_slice(&golden).unwrap();
    let (sae, _) = crate::formats::open(&root.join("assets/demo/saes/resid-2")).unwrap();
    let text = std::fs::read_to_string(root.join("assets/demo/text/held-out/alice.txt")).unwrap();
    let corpus = crate::corpus::Corpus::from_text("alice", &text);
    let rows = corpus.rows(model().codec(), 256).unwrap().0.take(8);
    let source = Source {
        loss_effects: true,
        ..Source::default()
    };
    let out = folder.path().join("index");
    let of = sae.autoencoder().unwrap();
    let built = build(model(), of, &rows, &source, &out, &mut go_on);
    assert!(!built.unwrap().is_stopped());
    let index = Index::open(&out).unwrap();
    for want in &golden {
        let detail = index.detail(FeatureId(want.feature)).unwrap();
        let place = Place {
            row: want.row,
            position: want.position,
        };
        let at = detail.top.iter().position(|e| e.place == Some(place));
        let at = at.unwrap_or_else(|| panic!("no example of {} at {place:?}", want.feature));
        let act = detail.top[at].act();
        assert!((act - want.activation).abs() < 1e-3 * want.activation);
        let effect = f64::from(detail.loss_effects[at]);
        match want.effect {
            None => assert!(effect.is_nan()),
            // f32 logits of size 10, summed in another order, and activations that differ by 1e-5.
            Some(want) => assert!((effect - want).abs() < 5e-4, "{place:?} {effect} {want}"),
        }
    }
    let large = golden
        .iter()
        .filter(|one| one.effect.is_some_and(|e| e.abs() > 0.05));
    assert!(large.count() > 8, "the tolerance would hide all effects");
}
