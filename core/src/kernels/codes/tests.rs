//! Orders of codes on wgpu against plain sorts.

use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::device::testing::gpu;

/// Rows with random features, some empty, one with all features.
fn latents(n: usize, f: u32, share: f64) -> Latents {
    let mut rng = ChaCha8Rng::seed_from_u64(n as u64 + u64::from(f));
    let mut latents = Latents::with_capacity(n, 0);
    for row in 0..n {
        let kept: Vec<u32> = (0..f)
            .filter(|_| row % 5 != 3 && (row == 1 || rng.random_bool(share)))
            .collect();
        let acts: Vec<f32> = kept.iter().map(|_| rng.random_range(-1.0..9.0)).collect();
        latents.push_row(&kept, &acts);
    }
    latents
}

fn inputs() -> Vec<(Latents, usize)> {
    let sizes = [
        (40, 300, 0.1),
        (1, 1, 1.0),
        (1_500, 3, 0.5),
        (7, 70_000, 0.0),
        (0, 5, 0.0),
    ];
    let mut inputs: Vec<(Latents, usize)> = sizes
        .into_iter()
        .map(|(n, f, share)| (latents(n, f, share), f as usize))
        .collect();
    inputs.push((Latents::empty(6), 9));
    inputs
}

#[test]
fn entries_are_ordered_by_feature_then_token_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    for (latents, f) in inputs() {
        let codes = Codes::upload(&gpu, &latents).unwrap();
        let by = by_feature(&gpu, &codes, f).unwrap();
        let entries: Vec<u32> = gpu.read(&by.entries, 0..codes.entries).unwrap();
        let offsets: Vec<u32> = gpu.read(&by.offsets, 0..f + 1).unwrap();
        let mut want: Vec<u32> = (0..codes.entries as u32).collect();
        // Stable, and entries ascend by token.
        want.sort_by_key(|entry| latents.features[*entry as usize]);
        assert_eq!(entries, want);
        let below = |feature: usize| {
            let all = latents.features.iter();
            all.filter(|other| (**other as usize) < feature).count()
        };
        for feature in [0, 1, f / 3, f / 2, f - 1, f] {
            assert_eq!(
                offsets[feature] as usize,
                below(feature),
                "feature {feature} of {f}"
            );
        }
    }
}

#[test]
fn a_list_in_any_order_becomes_rows_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    for (latents, f) in inputs() {
        let n = latents.rows();
        let mut list: Vec<(u32, u32, f32)> = (0..n)
            .flat_map(|row| {
                let row_of = move |(feature, act): (crate::ids::FeatureId, f32)| {
                    (row as u32, feature.0, act)
                };
                latents.row(row).map(row_of).collect::<Vec<_>>()
            })
            .collect();
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let codes_of = |list: &[(u32, u32, f32)]| {
            let part = |of: fn(&(u32, u32, f32)) -> u32| {
                gpu.upload("list", &list.iter().map(of).collect::<Vec<_>>())
                    .unwrap()
            };
            let entries = Entries {
                len: list.len(),
                tokens: part(|entry| entry.0),
                features: part(|entry| entry.1),
                values: part(|entry| entry.2.to_bits()),
            };
            entries.into_codes(&gpu, (n, f)).unwrap()
        };
        for _ in 0..2 {
            list.shuffle(&mut rng);
            let codes = codes_of(&list);
            assert_eq!(codes.read(&gpu).unwrap(), latents);
            let tokens: Vec<u32> = gpu.read(&codes.tokens, 0..codes.entries).unwrap();
            let rows = (0..n as u32).flat_map(|row| latents.range(row as usize).map(move |_| row));
            assert!(tokens.into_iter().eq(rows));
        }
        if let [first, ..] = list.as_mut_slice() {
            first.2 += 1.0;
            assert_ne!(
                codes_of(&list).read(&gpu).unwrap(),
                latents,
                "a nudged value passed"
            );
        }
    }
}
