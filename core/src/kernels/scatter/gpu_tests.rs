//! The WGSL form against the definition.

use std::ops::Range;

use super::cases::{Case, Uploaded, all};
use super::gpu::{Small, Target, gradients};
use super::reference;
use crate::device::testing::gpu;
use crate::device::{Gpu, Table};

/// Tolerance stated in `mod.rs`.
const RELATIVE: f64 = 1e-5;

/// Gradients of `features`, in tables that hold `before` and are added to, or are overwritten; and which features moved.
fn computed(
    gpu: &Gpu,
    case: &Case,
    features: Range<usize>,
    before: Option<f32>,
) -> ([Vec<f32>; 4], Vec<u32>) {
    let uploaded: Vec<Uploaded> = (case.terms.iter())
        .map(|term| Uploaded::new(gpu, term, case.features).unwrap())
        .collect();
    let tables: Vec<_> = uploaded.iter().map(Uploaded::tables).collect();
    let terms: Vec<_> = (uploaded.iter().zip(&tables))
        .map(|(term, tables)| term.term(tables))
        .collect();
    let centred = Table::upload(gpu, "centred", &case.centred).unwrap();
    // Results begin with a row of their own, which no feature may touch.
    let (reads, count) = (case.centred.columns(), features.len());
    let lens = [reads, case.writes, 1, 1].map(|columns| (count + 1) * columns);
    let buffers = lens.map(|len| {
        let values = vec![before.unwrap_or(9.0); len];
        gpu.upload("result", &values).unwrap()
    });
    let moved = gpu.zeros("moved", count + 1).unwrap();
    let [w_enc, w_dec, b_enc, read] = &buffers;
    let into = Target {
        w_enc: (w_enc, 1),
        w_dec: (w_dec, 1),
        small: Small {
            b_enc,
            read,
            moved: &moved,
            at: 1,
        },
    };
    let mut recorder = gpu.record();
    gradients(
        &mut recorder,
        &terms,
        &centred,
        features,
        (into, before.is_some()),
    )
    .unwrap();
    recorder.submit().unwrap();
    let columns = [reads, case.writes, 1, 1];
    let mut at = 0;
    let got = buffers.map(|buffer| {
        let columns = columns[at];
        at += 1;
        gpu.read(&buffer, columns..(count + 1) * columns).unwrap()
    });
    (got, gpu.read(&moved, 1..count + 1).unwrap())
}

fn check(got: &[Vec<f32>; 4], want: &[Vec<f64>; 4], sizes: &[Vec<f64>; 4]) -> Result<(), String> {
    for (part, ((got, want), sizes)) in got.iter().zip(want).zip(sizes).enumerate() {
        assert_eq!(got.len(), want.len());
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            // Products below the smallest normal number may be lost.
            let off = (f64::from(*got) - want).abs();
            if off.is_nan() || off > RELATIVE * sizes[i] + 1e-36 {
                return Err(format!("part {part}, value {i} is {got}, should be {want}"));
            }
        }
    }
    Ok(())
}

#[test]
fn gradients_by_feature_are_their_definition_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    println!("on {}", gpu.label());
    for case in all() {
        let sizes = (case.features, case.writes);
        let of = |magnitudes| reference::gradients(&case.terms, &case.centred, sizes, magnitudes);
        let (want, sizes) = (of(false), of(true));
        let (got, moved) = computed(&gpu, &case, 0..case.features, None);
        check(&got, &want, &sizes).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        for part in 0..4 {
            let Some(at) = sizes[part].iter().position(|size| *size > 0.0) else {
                continue;
            };
            let mut nudged = got.clone();
            nudged[part][at] += 1e-2 * (1.0 + sizes[part][at] as f32);
            let refused = check(&nudged, &want, &sizes);
            assert!(refused.is_err(), "{}: a nudged value passed", case.name);
        }
        for (i, moved) in moved.iter().enumerate() {
            let covers = |term: &reference::Term| match &term.list {
                Some(list) => list.contains(&(i as u32)),
                None => term.latents.features.contains(&(i as u32)),
            };
            let should = case.terms.iter().any(covers);
            assert_eq!(*moved == 1, should, "{}: feature {i}", case.name);
        }
    }
}

#[test]
fn ranges_of_features_have_the_bytes_of_the_whole_and_runs_repeat_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    for case in all() {
        let (whole, moved) = computed(&gpu, &case, 0..case.features, None);
        assert_eq!(computed(&gpu, &case, 0..case.features, None).0, whole);
        let columns = [case.centred.columns(), case.writes, 1, 1];
        for range in [0..1, case.features / 3..case.features - 1] {
            let (part, moved_part) = computed(&gpu, &case, range.clone(), None);
            for ((part, whole), columns) in part.iter().zip(&whole).zip(columns) {
                let same = &whole[range.start * columns..range.end * columns];
                assert_eq!(part, same, "{} {range:?}", case.name);
            }
            assert_eq!(moved_part, moved[range], "{}", case.name);
        }
    }
}

#[test]
fn gradients_add_to_sums_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    for case in all() {
        let sizes = (case.features, case.writes);
        let of = |magnitudes| reference::gradients(&case.terms, &case.centred, sizes, magnitudes);
        let (mut want, mut sizes) = (of(false), of(true));
        want.iter_mut().flatten().for_each(|value| *value += 0.5);
        sizes.iter_mut().flatten().for_each(|value| *value += 0.5);
        let (got, _) = computed(&gpu, &case, 0..case.features, Some(0.5));
        check(&got, &want, &sizes).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        let (instead, _) = computed(&gpu, &case, 0..case.features, None);
        assert!(check(&instead, &want, &sizes).is_err(), "{}", case.name);
    }
}
