//! Checks shares, figures and the sum identity of the attribution.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::figures::{cosine, jaccard, mean_of_pairs, spread};
use super::*;
use crate::ids::{HookPoint, Site, TokenId};
use crate::latents::Latents;
use crate::prompt::Input;
use crate::sae::{Sae, TopK};

fn random(rows: usize, columns: usize, rng: &mut ChaCha8Rng) -> Matrix {
    let values = (0..rows * columns)
        .map(|_| rng.random_range(-1.0..1.0))
        .collect();
    Matrix::new(rows, columns, values).unwrap()
}

fn random_sae(features: usize, width: usize, hook: HookPoint) -> Sae {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    Sae::new(
        "random",
        (
            random(features, width, &mut rng),
            random(1, features, &mut rng).into_values(),
        ),
        (
            random(features, width, &mut rng),
            random(1, width, &mut rng).into_values(),
        ),
        TopK { k: 4 },
    )
    .reading(hook)
}

#[test]
fn shares_are_the_norms_of_the_slices_and_sum_to_one() {
    let mut sae = random_sae(50, 24, HookPoint::block(0, Site::Z));
    sae.w_dec.row_mut(3).fill(0.0);
    sae.w_dec.row_mut(5).fill(0.0);
    sae.w_dec.row_mut(5)[6..8].copy_from_slice(&[3.0, 4.0]);
    sae.w_dec.row_mut(5)[23] = 15.0;
    let shares = head_shares(sae.autoencoder().unwrap(), 4).unwrap();
    for row in shares.iter_rows() {
        assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6, "{row:?}");
    }
    assert_eq!(shares.row(3), [0.25; 4]);
    assert_eq!(shares.row(5), [0.0, 0.25, 0.0, 0.75]);
    let refused = head_shares(sae.autoencoder().unwrap(), 5)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("24") && refused.contains("5 heads"),
        "{refused}"
    );
}

#[test]
fn the_largest_shares_come_first_and_ties_by_feature() {
    let shares = Matrix::new(4, 2, vec![0.5, 0.5, 0.9, 0.1, 0.2, 0.8, 0.5, 0.5]).unwrap();
    let ids = |head, most| -> Vec<u32> {
        top_features(&shares, Head(head), most, |_| true)
            .iter()
            .map(|(f, _)| f.0)
            .collect()
    };
    assert_eq!(ids(0, 3), [1, 0, 3]);
    assert_eq!(ids(1, 9), [2, 0, 3, 1]);
    let odd = top_features(&shares, Head(0), 3, |feature| feature.0 % 2 == 1);
    assert_eq!(odd, [(FeatureId(1), 0.9), (FeatureId(3), 0.5)]);
}

#[test]
fn figures_equal_their_definitions() {
    let shares = Matrix::new(2, 2, vec![1.0, 0.0, 0.5, 0.5]).unwrap();
    let both = [(FeatureId(0), 1.0), (FeatureId(1), 0.5)];
    assert_eq!(spread(&shares, &both), 1.5); // (1 + 2) / 2
    assert_eq!(cosine(&[1.0, 0.0], &[3.0, 4.0]), 0.6);
    assert_eq!(cosine(&[1.0, 0.0], &[0.0, 0.0]), 0.0);
    let set = |ids: &[u32]| ids.iter().map(|id| TokenId(*id)).collect::<BTreeSet<_>>();
    assert_eq!(jaccard(&set(&[1, 2, 3]), &set(&[2, 3, 4])), Some(0.5));
    assert_eq!(jaccard(&set(&[]), &set(&[2])), Some(0.0));
    assert_eq!(jaccard(&set(&[]), &set(&[])), None);
    assert_eq!(mean_of_pairs(3, |a, b| Some((a + b) as f64)), Some(2.0)); // (1 + 2 + 3) / 3
    assert_eq!(mean_of_pairs(1, |_, _| Some(1.0)), None);
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Checks for every layer, two features, and the first, middle and last token that the attributions sum to the pre-activation, and that a nudge breaks the sum.
fn check_sums(folder: &str, text: &str) {
    let (model, _) = Model::open(&repository(folder)).unwrap();
    for layer in 0..model.config().layers {
        let hook = HookPoint::block(layer, Site::Z);
        let sae = random_sae(40, model.width(hook).unwrap(), hook);
        let length = model.codec().encode_with_bos(text).unwrap().len();
        for (feature, at) in [(0, 0), (17, length / 2), (39, length - 1)] {
            let mut found = attribute(
                &model,
                sae.autoencoder().unwrap(),
                &Input::Text(text.to_owned()),
                FeatureId(feature),
                at,
            )
            .unwrap();
            assert!(
                found.sums_up(),
                "{folder}, layer {layer}, position {at}: {} {}",
                found.residue(),
                found.tolerance()
            );
            assert_eq!(found.by_source().len(), length);
            assert_eq!(found.by_head().len(), model.config().heads);
            assert!(
                found.by_source()[at + 1..]
                    .iter()
                    .all(|later| *later == 0.0)
            );
            let nudge = 4.0 * found.tolerance() as f32;
            found.by_head_and_source.values_mut()[0] += nudge;
            assert!(!found.sums_up(), "a nudge of {nudge} went unnoticed");
        }
    }
}

#[test]
fn attributions_sum_to_the_pre_activation() {
    check_sums(
        "assets/demo/model",
        "The rabbit looked at the old clock, and the rabbit ran home again.",
    );
}

#[test]
fn what_is_not_there_is_refused() {
    let (model, _) = Model::open(&repository("assets/demo/model")).unwrap();
    let hook = HookPoint::block(1, Site::Z);
    let sae = random_sae(40, model.width(hook).unwrap(), hook);
    let refused = |feature, at| {
        attribute(
            &model,
            sae.autoencoder().unwrap(),
            &Input::Text("The rabbit".to_owned()),
            FeatureId(feature),
            at,
        )
        .unwrap_err()
        .to_string()
    };
    assert!(refused(40, 0).contains("0 to 39"));
    assert!(refused(0, 99).contains("99"));
    let elsewhere = random_sae(40, 256, HookPoint::block(1, Site::ResidPost));
    let refused = figures(&model, elsewhere.autoencoder().unwrap(), None)
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("blocks.1.hook_resid_post") && refused.contains("hook_z"),
        "{refused}"
    );
}

#[test]
fn every_head_of_a_model_gets_its_figures() {
    let (model, _) = Model::open(&repository("assets/demo/model")).unwrap();
    let hook = HookPoint::block(1, Site::Z);
    let mut sae = random_sae(60, model.width(hook).unwrap(), hook);
    // Ten features written by head 2 alone, all the same direction.
    for feature in 0..10 {
        let row = sae.w_dec.row_mut(feature);
        row.fill(0.0);
        row[2 * 32..3 * 32].fill(0.5);
    }
    let figures = figures(&model, sae.autoencoder().unwrap(), None).unwrap();
    assert_eq!(figures.len(), 8);
    let planted = &figures[2];
    let ids: Vec<u32> = planted
        .features
        .iter()
        .map(|(feature, _)| feature.0)
        .collect();
    assert_eq!(ids, (0..10).collect::<Vec<_>>());
    assert!(
        (planted.spread - 1.0).abs() < 1e-6 && planted.cosine > 0.9999,
        "{planted:?}"
    );
    assert!(
        figures[3].spread > 4.0 && figures[3].cosine.abs() < 0.5,
        "{:?}",
        figures[3]
    );
    assert!(figures.iter().all(|figures| figures.jaccard.is_none()));
}

/// Lists ten features of head 2, seven of which are never active: all without an index, three with one.
#[test]
fn dead_features_are_left_out_where_an_index_knows_them() {
    let (model, _) = Model::open(&repository("assets/demo/model")).unwrap();
    let hook = HookPoint::block(1, Site::Z);
    let mut sae = random_sae(60, model.width(hook).unwrap(), hook);
    for feature in 0..10 {
        let row = sae.w_dec.row_mut(feature);
        row.fill(0.0);
        row[2 * 32..3 * 32].fill(0.5);
        sae.b_enc[feature] = if feature < 3 { 1e3 } else { -1e9 };
    }
    let text = std::fs::read_to_string(repository("assets/demo/text/held-out/alice.txt")).unwrap();
    let document = crate::corpus::Document {
        name: "alice".to_owned(),
        content: crate::corpus::Content::Text(text.chars().take(3000).collect()),
    };
    let corpus = crate::corpus::Corpus {
        documents: vec![document],
        tokenizer: None,
    };
    let (rows, _) = corpus.rows(model.codec(), 32).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let source = crate::features::Source::default();
    let mut on = |_| crate::Flow::Continue(());
    let of = sae.autoencoder().unwrap();
    let built = crate::features::build(&model, of, &rows, &source, &path, &mut on);
    assert!(!built.unwrap().is_stopped());
    let index = Index::open(&path).unwrap();
    let summaries = index.summaries().unwrap();
    let dead = |f: &FeatureId| summaries[f.index()].density == 0.0;
    let active = summaries.iter().filter(|s| s.density > 0.0).count();
    assert!((3..=53).contains(&active), "{active}");
    let without = figures(&model, sae.autoencoder().unwrap(), None).unwrap();
    assert_eq!(without[2].among, Among::All(60));
    assert_eq!(
        without[2].features.iter().filter(|(f, _)| dead(f)).count(),
        7
    );
    let with = figures(&model, sae.autoencoder().unwrap(), Some(&index)).unwrap();
    for head in &with {
        assert_eq!(head.among, Among::Active(active, 60));
        assert_eq!(head.features.len(), PER_HEAD.min(active));
        assert!(!head.features.iter().any(|(f, _)| dead(f)), "{head:?}");
    }
    let first: Vec<u32> = with[2].features[..3].iter().map(|(f, _)| f.0).collect();
    assert_eq!(first, [0, 1, 2]);
    let other = random_sae(40, model.width(hook).unwrap(), hook);
    let refused = figures(&model, other.autoencoder().unwrap(), Some(&index))
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("60 features") && refused.contains("40"),
        "{refused}"
    );
}

#[test]
fn the_strongest_of_some_features_is_found_on_a_text_and_at_a_token() {
    let act = |feature: u32, act: f32| (FeatureId(feature), act);
    let rows = [
        vec![act(1, 9.5), act(4, 9.0)],
        vec![act(2, -3.0), act(1, 2.0)],
        vec![],
        vec![act(1, 3.0)],
    ];
    let latents = Latents::from_unsorted(&rows).unwrap();
    let reading = (&latents, &[false, true, true, true][..]);
    let few = [1, 2].map(FeatureId);
    // The first position does not count, unless it is asked for.
    assert_eq!(strongest(reading, &few, None), Some((FeatureId(2), 1)));
    assert_eq!(strongest(reading, &few, Some(0)), Some((FeatureId(1), 0)));
    assert_eq!(strongest(reading, &few, Some(3)), Some((FeatureId(1), 3)));
    assert_eq!(strongest(reading, &few, Some(2)), None);
    assert_eq!(strongest(reading, &few, Some(9)), None);
    assert_eq!(strongest(reading, &[FeatureId(7)], None), None);
}

#[test]
fn waves_begin_small_and_lose_nothing() {
    let all: Vec<usize> = (0..21).collect();
    let waves: Vec<&[usize]> = growing(&all, (2, 8)).collect();
    let sizes: Vec<usize> = waves.iter().map(|wave| wave.len()).collect();
    assert_eq!(sizes, [2, 4, 8, 7]);
    assert_eq!(waves.concat(), all);
}
