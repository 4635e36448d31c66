//! Terms of rules on wgpu against their definitions.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::gpu::{
    Gates, JumpRelu, JumpReluInputs, add_to_each, closed, gated, jump_relu, largest, magnitudes,
    multiply, ratios, total_acts,
};
use super::reference;
use crate::device::{Buffer, Gpu, testing};
use crate::kernels::codes::{Codes, by_feature};
use crate::kernels::conformance::check_values;
use crate::kernels::count::gpu::Counts;
use crate::kernels::pending::read;
use crate::latents::Latents;

/// Codes of `n` tokens over `f` features; feature 2 is active on all tokens.
fn codes(n: usize, f: u32, share: f64) -> Latents {
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    let mut latents = Latents::empty(0);
    for row in 0..n {
        let is_kept = |feature: &u32| *feature == 2 || row % 7 != 3;
        let features: Vec<u32> = (0..f)
            .filter(is_kept)
            .filter(|feature| *feature == 2 || rng.random_bool(share))
            .collect();
        let acts: Vec<f32> = features
            .iter()
            .map(|_| rng.random_range(0.01..2.0))
            .collect();
        latents.push_row(&features, &acts);
    }
    latents
}

fn random(seed: u64, len: usize, range: std::ops::Range<f32>) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..len).map(|_| rng.random_range(range.clone())).collect()
}

fn floats(gpu: &Gpu, buffer: &Buffer) -> Vec<f32> {
    gpu.read(buffer, 0..buffer.len()).unwrap()
}

/// Compares with pairs of value and size, and requires that a nudged value fails.
#[track_caller]
fn check(got: &[f32], want: impl Iterator<Item = (f64, f64)>) {
    let (want, sizes): (Vec<f64>, Vec<f64>) = want.unzip();
    check_values(got, &want, &sizes).unwrap();
    let mut nudged = got.to_vec();
    if let Some(value) = nudged.last_mut() {
        *value += 1e-2 * (1.0 + sizes[sizes.len() - 1] as f32);
        assert!(check_values(&nudged, &want, &sizes).is_err());
    }
}

#[test]
fn terms_of_jump_relu_on_wgpu_are_their_definition() {
    let Some(gpu) = testing::gpu() else { return };
    for (n, f) in [(200, 37), (1, 5), (0, 4)] {
        let pre = codes(n, f, 0.3);
        let mut thresholds = random(1, f as usize, 0.2..1.5);
        // A feature without a threshold, and one that no token reaches.
        (thresholds[0], thresholds[3]) = (0.0, 9.0);
        let d = random(2, pre.acts.len(), -1.0..1.0);
        let active = (pre.features.iter().zip(&pre.acts))
            .filter(|(f, z)| **z > thresholds[**f as usize])
            .count();
        let off = active as f64 / n.max(1) as f64 - 3.0;
        for (slope, by_l0, tanh) in [
            (0.3, None, (0.0, 0.0)),
            (0.0, Some((0.4, 3.0)), (0.0, 0.0)),
            (0.0, None, (0.01, 4.0)),
        ] {
            let width = 0.4;
            let want = reference::jump_relu(
                &pre,
                &thresholds,
                &d,
                reference::JumpRelu {
                    width,
                    slope: (slope + by_l0.map_or(0.0, |(factor, _)| factor * off))
                        / n.max(1) as f64,
                    tanh,
                },
            );
            let with = JumpRelu {
                width,
                tokens: n,
                slope,
                by_l0,
                tanh: Some(tanh),
            };
            let run = || {
                let codes = Codes::upload(&gpu, &pre).unwrap();
                let thresholds = gpu.upload("thresholds", &thresholds).unwrap();
                let d_acts = gpu.upload("d_acts", &d).unwrap();
                let after = closed(&gpu, &codes, &thresholds).unwrap();
                let counts = Counts::zeros(&gpu, f as usize).unwrap();
                counts.add(&gpu, &after).unwrap();
                let sorted = by_feature(&gpu, &codes, f as usize).unwrap();
                let inputs = JumpReluInputs {
                    codes: &after,
                    pre: &codes.acts,
                    thresholds: &thresholds,
                    by_feature: &sorted,
                    active: &counts.active,
                };
                let terms = jump_relu(&gpu, inputs, with, &d_acts).unwrap();
                let (total, (_, counted)) = read(&gpu, &(&terms.tanh, &counts)).unwrap();
                assert_eq!(counted as usize, active);
                let acts = after.read(&gpu).unwrap().acts;
                let sums = floats(&gpu, &terms.d_thresholds);
                (floats(&gpu, &d_acts), sums, total, acts)
            };
            let (got, sums, total, acts) = run();
            check(&got, want.d_acts.iter().copied());
            check(&sums, want.by_feature.iter().map(|of| of[0]));
            assert!((total - want.loss.0).abs() <= 1e-5 * want.loss.1);
            let zeros = acts.iter().filter(|act| **act == 0.0).count();
            assert_eq!(acts.len() - zeros, active);
            assert_eq!(run(), (got, sums, total, acts), "a second run differs");
        }
    }
}

#[test]
fn terms_of_gates_on_wgpu_are_their_definition() {
    let Some(gpu) = testing::gpu() else { return };
    for (n, f) in [(150, 29), (1, 5), (0, 4)] {
        let gates = codes(n, f, 0.4);
        let features = f as usize;
        let b_enc = random(3, features, -0.5..0.5);
        let b_mag = random(4, features, -0.5..0.2);
        let r_mag = random(5, features, -1.0..1.0);
        let own = [b_enc.as_slice(), &b_mag, &r_mag];
        let d_gates = random(6, gates.acts.len(), -1.0..1.0);
        let d_acts = random(7, gates.acts.len(), -1.0..1.0);
        // The sign of a magnitude within rounding is left to the device; no case has one.
        let want_acts = reference::magnitudes(&gates, own);
        assert!(
            want_acts
                .iter()
                .all(|(act, size)| *act == 0.0 || *act > 1e-5 * size)
        );
        let want = reference::gated(&gates, own, (&d_gates, &d_acts));
        let upload = |values: &[f32]| gpu.upload("values", values).unwrap();
        let codes = Codes::upload(&gpu, &gates).unwrap();
        let own = own.map(upload);
        let with = Gates {
            b_enc: &own[0],
            b_mag: &own[1],
            r_mag: &own[2],
        };
        let after = magnitudes(&gpu, &codes, with).unwrap();
        let acts = floats(&gpu, &after.acts);
        check(&acts, want_acts.iter().copied());
        assert!(n < 100 || acts.iter().filter(|act| **act == 0.0).count() > 20);
        let (d_gates, d) = (upload(&d_gates), upload(&d_acts));
        let sorted = by_feature(&gpu, &codes, features).unwrap();
        let terms = gated(&gpu, (&codes, &after), with, &sorted, (&d_gates, &d)).unwrap();
        check(&floats(&gpu, &d), want.d_acts.iter().copied());
        let of_features = |at: usize| want.by_feature.iter().map(move |of| of[at]);
        check(&floats(&gpu, &terms.d_b_mag), of_features(0));
        check(&floats(&gpu, &terms.d_r_mag), of_features(1));
    }
}

#[test]
fn penalties_and_factors_on_wgpu_are_their_definition() {
    let Some(gpu) = testing::gpu() else { return };
    let latents = codes(40, 21, 0.5);
    let entries = latents.acts.len();
    let codes = Codes::upload(&gpu, &latents).unwrap();
    let total = total_acts(&gpu, &codes).unwrap();
    let want: f64 = latents.acts.iter().map(|act| f64::from(*act)).sum();
    let total = read(&gpu, &total).unwrap();
    assert!((total - want).abs() <= 2e-6 * want && (1.001 * total - want).abs() > 2e-6 * want);
    let before = random(8, entries + 3, -1.0..1.0);
    let d = gpu.upload("d", &before).unwrap();
    add_to_each(&gpu, &d, entries, 0.25).unwrap();
    let got = floats(&gpu, &d);
    // What follows the entries is left alone.
    assert_eq!(got[entries..], before[entries..]);
    let each = |d: &f32| (f64::from(*d) + 0.25, f64::from(d.abs()) + 0.25);
    check(&got[..entries], before[..entries].iter().map(each));
    let scores = random(9, entries, 0.5..2.0);
    let on_device = gpu.upload("scores", &scores).unwrap();
    let factors = ratios(&gpu, &on_device, &codes).unwrap();
    let ratio = |(score, act): (&f32, &f32)| f64::from(*score) / f64::from(*act);
    let want: Vec<f64> = scores.iter().zip(&latents.acts).map(ratio).collect();
    check(&floats(&gpu, &factors), want.iter().map(|w| (*w, *w)));
    multiply(&gpu, &d, &factors, entries).unwrap();
    let pairs = got[..entries].iter().zip(&want);
    let products = pairs.map(|(d, w)| (f64::from(*d) * w, (f64::from(*d) * w).abs()));
    check(&floats(&gpu, &d)[..entries], products);
}

#[test]
fn the_largest_entries_on_wgpu_are_those_of_the_cpu() {
    let Some(gpu) = testing::gpu() else { return };
    let mut ties = codes(30, 300, 0.6);
    for (i, act) in ties.acts.iter_mut().enumerate() {
        *act = (i % 3) as f32 - 1.0;
    }
    let mut signed = codes(20, 90, 0.5);
    for (i, act) in signed.acts.iter_mut().enumerate() {
        *act *= if i % 2 == 0 { -1.0 } else { 1.0 };
    }
    let mut equal = codes(9, 130, 0.9);
    equal.acts.fill(0.5);
    let mut few = codes(12, 6, 0.5);
    for (act, value) in few.acts.iter_mut().zip([0.0, -0.0, 1e-40, 0.0]) {
        *act = value;
    }
    for latents in [
        ties,
        signed,
        equal,
        few,
        codes(1, 700, 1.0),
        codes(0, 4, 0.5),
    ] {
        let codes = Codes::upload(&gpu, &latents).unwrap();
        for k in [0, 1, 5, 64, 100, 1_000] {
            let got = largest(&gpu, &codes, k).unwrap();
            let tokens: Vec<u32> = gpu.read(&got.tokens, 0..got.entries).unwrap();
            let got = got.read(&gpu).unwrap();
            let want = latents.largest(k);
            let bits = |l: &Latents| l.acts.iter().map(|a| a.to_bits()).collect::<Vec<_>>();
            assert_eq!(
                (&got.offsets, &got.features),
                (&want.offsets, &want.features)
            );
            assert_eq!(bits(&got), bits(&want));
            for (entry, token) in tokens.iter().enumerate() {
                assert!(got.range(*token as usize).contains(&entry));
            }
            if k == 5 && latents.acts.len() > 100 {
                assert_ne!(got, latents.largest(6), "one more would pass");
            }
        }
    }
}
