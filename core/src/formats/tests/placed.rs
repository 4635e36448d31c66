//! Golden dictionaries on a device: what their libraries computed, the CPU's features, and the CPU where the device cannot.

use std::path::PathBuf;

use rayon::prelude::*;

use super::{check, codes, difference, golden, largest, recorded};
use crate::device::{Adapter, Compute, Gpu, Placement, testing, with_placed};
use crate::dims::Matrix;
use crate::error::Result;
use crate::formats;
use crate::latents::Latents;
use crate::sae::{AbsTopK, CrossLayer, GroupMax, JumpRelu, Pursuit, RawTopK, Relu, Role, Sae};
use crate::sae::{Selection, TopK, WeightedTopK};

/// Dictionaries of one file each, with the folder of their recorded values.
fn dictionaries() -> Vec<(String, PathBuf, PathBuf)> {
    let root = golden().join("..");
    let mut all = Vec::new();
    for folder in ["sae-files", "sae-lens-variants", "circuit-tracer"] {
        let mut names: Vec<PathBuf> = std::fs::read_dir(root.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        names.sort();
        all.extend(names);
    }
    all.push(root.join("sae-lens-topk"));
    let scope = "circuit-tracer/gemma-scope-2-tiny-pt/transcoder/layer_1_width_20_l0_small_affine";
    all.push(root.join(scope));
    let named = all.into_iter().filter_map(|folder| {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let files = ["1.pt", "layer_1.safetensors"].map(|file| folder.join(file));
        let file = files.into_iter().find(|file| file.exists());
        let path = file.unwrap_or_else(|| folder.clone());
        let whole = folder.join("io.safetensors").exists();
        let alone = whole && !name.starts_with("across");
        alone.then_some((name, path, folder))
    });
    named.collect()
}

/// The device, with room for `rows` rows of the encoder or decoder in a binding.
fn small(gpu: &Gpu, sae: &Sae, rows: usize) -> Gpu {
    let widest = sae.width().max(sae.w_dec.columns());
    let least = 16 * sae.features().max(512);
    gpu.with_binding_limit((4 * rows * widest).max(least) as u64)
}

fn place(sae: &Sae, gpu: &Gpu) -> Placement {
    sae.place(&Compute::Gpu(gpu.clone())).unwrap()
}

/// Checks that both hold the same entries, except where a value is within f32's rounding of its row's least kept one or of its bar.
#[track_caller]
fn same_features(name: &str, got: &Latents, want: &Latents, bound: f32) {
    assert_eq!(got.rows(), want.rows(), "{name}");
    let largest = want
        .acts
        .iter()
        .fold(0.0_f32, |most, act| most.max(act.abs()));
    for row in 0..want.rows() {
        let least = want.acts[want.range(row)].iter();
        let least = least.fold(f32::INFINITY, |least, act| least.min(act.abs()));
        for (a, b) in [(got, want), (want, got)] {
            for (feature, act) in a.row(row) {
                let close = act.abs() - least.min(act.abs()) <= bound * largest;
                let present = b.row(row).any(|(other, _)| other == feature);
                assert!(
                    present || close,
                    "{name}: row {row}, feature {feature}, {act}"
                );
            }
        }
    }
}

#[test]
fn golden_dictionaries_on_wgpu_compute_what_their_libraries_computed() {
    let Some(gpu) = testing::gpu() else { return };
    let all = dictionaries();
    assert!(all.len() >= 23, "{}", all.len());
    for (name, path, folder) in all {
        let (sae, _) = formats::open(&path).unwrap();
        let want = recorded(&folder);
        let on_cpu = sae.encode_text(&want.x).unwrap();
        let placement = place(&sae, &gpu);
        check(&name, &sae, &want);
        let latents = sae.encode_text(&want.x).unwrap();
        same_features(&name, &latents, &on_cpu, 1e-5);
        // The comparison can fail, and the device's copies are what computes: one value of each is moved there alone.
        let moved = |matrix: &Matrix| {
            let by = 0.05 * largest(matrix);
            let write = |gpu: &Gpu, values: &[f32]| {
                with_placed(matrix, |_, table| {
                    gpu.write(table.blocks().next().unwrap().buffer, 0, values);
                    Ok(())
                })
            };
            // Not all alike, which a token of mean 0 would not see.
            let sign = |i: usize| if i.is_multiple_of(3) { by } else { -by };
            let pairs = matrix.values().iter().enumerate();
            let raised: Vec<f32> = pairs.map(|(i, value)| value + sign(i)).collect();
            assert!(write(&gpu, &raised).unwrap().is_some(), "{name}");
            let (codes, recon) = codes(&sae, &want.x);
            write(&gpu, matrix.values()).unwrap();
            difference(&codes, &want.codes).max(difference(&recon, &want.recon))
        };
        for matrix in [&sae.w_enc, &sae.w_dec] {
            let off = moved(matrix);
            assert!(off > 1e-4, "{name}: {off} after a change on the device");
        }
        check(&name, &sae, &want);
        assert_eq!(placement.fault(), None, "{name}");
    }
}

#[test]
fn cross_layer_transcoders_on_wgpu_are_those_of_circuit_tracer() {
    let Some(gpu) = testing::gpu() else { return };
    let root = golden().join("../circuit-tracer");
    for name in [
        "across-relu",
        "across-jump-relu",
        "gemma-scope-2-tiny-pt/clt",
    ] {
        let (clt, _) = formats::open_cross_layer(&root.join(name))
            .unwrap()
            .unwrap();
        let want = recorded(&root.join(name));
        let placement = clt.place(&Compute::Gpu(gpu.clone())).unwrap();
        let (codes, recon) = golden::across(&clt, &want.x);
        let off = [
            difference(&codes, &want.codes),
            difference(&recon, &want.recon),
        ];
        assert!(off[0] < 1e-5 && off[1] < 1e-5, "{name}: {off:?}");
        assert_eq!(placement.fault(), None);
        let one = &clt.layers()[1];
        assert!(with_placed(&one.w_enc, |_, _| Ok(())).unwrap().is_some());
        clt.place(&Compute::Cpu).unwrap();
        assert!(with_placed(&one.w_enc, |_, _| Ok(())).unwrap().is_none());
    }
}

/// A dictionary of 320 features that read 24 values, and 140 tokens.
fn example(selection: impl Into<Selection>) -> (Sae, Matrix) {
    let values = |count: usize, by: f32| -> Vec<f32> {
        let wave = |i: usize| (i as f32 * by).sin() + 0.3 * ((i * i % 97) as f32 * 0.13).cos();
        (0..count).map(wave).collect()
    };
    let matrix =
        |rows, columns, by| Matrix::new(rows, columns, values(rows * columns, by)).unwrap();
    let sae = Sae::new(
        "example",
        (matrix(320, 24, 0.71), values(320, 1.3)),
        (matrix(320, 24, 2.13), values(24, 0.2)),
        selection,
    );
    (sae, matrix(140, 24, 0.37))
}

fn rules() -> Vec<Selection> {
    let thresholds = |first: f32| (0..320).map(|i| first + 0.01 * i as f32).collect();
    vec![
        TopK { k: 9 }.into(),
        AbsTopK { k: 9 }.into(),
        RawTopK { k: 200 }.into(),
        Relu.into(),
        JumpRelu {
            thresholds: thresholds(0.5),
        }
        .into(),
        crate::sae::Jump {
            thresholds: thresholds(-3.0),
        }
        .into(),
        crate::sae::Gated {
            b_mag: thresholds(-1.0),
            r_mag: vec![0.25; 320],
        }
        .into(),
    ]
}

#[test]
fn every_covered_rule_on_wgpu_is_the_cpu_s_whatever_the_split_of_rows_and_tables() {
    let Some(gpu) = testing::gpu() else { return };
    for rule in rules() {
        let (sae, x) = example(rule);
        let name = sae.selection.describe();
        let want = sae.encode(&x).unwrap();
        let out = sae.decode(&want, &x).unwrap();
        let placement = place(&sae, &gpu);
        let got = sae.encode(&x).unwrap();
        same_features(&name, &got, &want, 1e-5);
        let back = sae.decode(&want, &x).unwrap();
        assert!(difference(&back, &out) < 1e-5, "{name}");
        for (row, feature, act) in entries(&got) {
            let other = want.get(row, feature);
            let near = (act - other).abs() <= 1e-4 || other == 0.0;
            assert!(near, "{name}: row {row}, feature {feature}: {act} {other}");
        }
        let split = place(&sae, &small(&gpu, &sae, 192));
        let blocks = with_placed(&sae.w_enc, |_, table| Ok(table.blocks().count()));
        assert!(blocks.unwrap() > Some(1), "{name}: it is not split");
        assert!(sae.encode(&x).unwrap() == got, "{name}: codes by blocks");
        assert!(sae.decode(&want, &x).unwrap() == back, "{name}: by blocks");
        assert_eq!(split.fault(), None, "{name}");
        // A few rows alone come out as among the others.
        let some: Vec<u32> = (130..140).collect();
        place(&sae, &gpu);
        let alone = sae.encode(&x.rows_of(&some)).unwrap();
        let last = entries(&got).into_iter().filter(|(row, ..)| *row >= 130);
        let last = last.map(|(row, feature, act)| (row - 130, feature, act));
        assert!(entries(&alone) == last.collect::<Vec<_>>(), "{name}");
        assert_eq!(placement.fault(), None);
    }
}

fn entries(latents: &Latents) -> Vec<(usize, crate::ids::FeatureId, f32)> {
    let rows = 0..latents.rows();
    rows.flat_map(|row| {
        latents
            .row(row)
            .map(move |(feature, act)| (row, feature, act))
    })
    .collect()
}

#[test]
fn callers_in_parallel_on_wgpu_get_the_same_bytes() {
    let Some(gpu) = testing::gpu() else { return };
    let (sae, x) = example(TopK { k: 9 });
    let placement = place(&sae, &gpu);
    let want = sae.encode(&x).unwrap();
    let out = sae.decode(&want, &x).unwrap();
    let calls: Vec<bool> = (0..8)
        .into_par_iter()
        .map(|_| {
            let latents = sae.encode(&x).unwrap();
            let decoded = sae.decode(&latents, &x).unwrap();
            latents == want && decoded == out
        })
        .collect();
    assert!(calls.iter().all(|same| *same));
    assert_eq!(placement.fault(), None);
}

#[test]
fn rules_that_no_kernel_covers_are_refused_by_name_on_wgpu() {
    let Some(gpu) = testing::gpu() else { return };
    let compute = Compute::Gpu(gpu);
    let pursuit = Pursuit {
        residual_threshold: 0.1,
        max_iterations: 4,
        stop_on_duplicate_support: false,
    };
    let weighted = WeightedTopK {
        k: 4,
        weights: vec![1.0; 320],
    };
    let rules: [Selection; 3] = [GroupMax { k: 8 }.into(), weighted.into(), pursuit.into()];
    for rule in rules {
        let (sae, x) = example(rule);
        let refused = sae.place(&compute).unwrap_err().to_string();
        let rule = sae.selection.describe();
        assert!(
            refused.contains(&rule) && refused.contains("example"),
            "{refused}"
        );
        assert!(sae.place(&Compute::Cpu).is_ok());
        assert!(sae.encode(&x).is_ok(), "it runs on the CPU");
    }
    let rows = || Matrix::zeros(600, 24);
    let (encoder, decoder) = ((rows(), vec![0.0; 600]), (rows(), vec![0.0; 24]));
    let many = Sae::new("many", encoder, decoder, TopK { k: 513 });
    let refused = many.place(&compute).unwrap_err().to_string();
    assert!(
        refused.contains("many") && refused.contains("512"),
        "{refused}"
    );
    let (first, _) = example(Relu);
    let (second, _) = example(GroupMax { k: 8 });
    let across = |sae: Sae, later: usize| {
        let mut sae = sae.with_role(Role::CrossLayer {
            transcoder: crate::sae::Transcoder::default(),
            later,
        });
        sae.w_dec = Matrix::zeros(320, 24 * (1 + later));
        sae.b_dec = vec![0.0; 24 * (1 + later)];
        sae
    };
    let clt = CrossLayer::new(vec![across(first, 1), across(second, 0)]).unwrap();
    assert!(clt.place(&compute).is_err());
    let placed = with_placed(&clt.layers()[0].w_enc, |_, _| Ok(()));
    assert!(placed.unwrap().is_none(), "none of its layers stays");
}

#[test]
fn the_cpu_takes_over_from_a_device_that_fails_on_wgpu() {
    let Some(shared) = testing::gpu() else { return };
    let all = Adapter::all();
    let adapter = all.iter().find(|adapter| adapter.id == shared.id());
    let gpu = adapter.unwrap().open().unwrap();
    let (sae, x) = example(TopK { k: 9 });
    let want = sae.encode(&x).unwrap();
    let out = sae.decode(&want, &x).unwrap();
    let placement = place(&sae, &gpu);
    sae.encode(&x).unwrap();
    assert_eq!(placement.fault(), None);
    gpu.give_up("was unplugged");
    assert!(sae.encode(&x).unwrap() == want && sae.decode(&want, &x).unwrap() == out);
    let said = placement.fault().unwrap();
    assert!(
        said.starts_with("The CPU took over: ") && said.contains("unplugged"),
        "{said}"
    );
    // A device that is gone takes no dictionary.
    assert!(sae.place(&Compute::Gpu(gpu)).is_err());
    assert!(sae.encode(&x).unwrap() == want);
}

#[test]
fn errors_on_wgpu_are_the_cpu_s() {
    let Some(gpu) = testing::gpu() else { return };
    for rule in rules() {
        let (mut sae, mut x) = example(rule);
        let name = sae.selection.describe();
        x.row_mut(7)[3] = f32::NAN;
        let said = |sae: &Sae, x: &Matrix| sae.encode(x).map(drop).unwrap_err().to_string();
        let want = said(&sae, &x);
        assert!(want.contains("token 7, feature 0"), "{want}");
        let placement = place(&sae, &gpu);
        assert_eq!(said(&sae, &x), want, "{name}");
        assert!(placement.fault().is_some());
        let narrow = Matrix::zeros(4, 23);
        let refused = said(&sae, &narrow);
        sae.place(&Compute::Cpu).unwrap();
        assert_eq!(said(&sae, &narrow), refused, "{name}");
        // A weight that changes is not read from the device any more.
        x.row_mut(7)[3] = 0.5;
        place(&sae, &gpu);
        sae.encode(&x).unwrap();
        sae.w_enc.row_mut(90)[3] = f32::INFINITY;
        assert!(said(&sae, &x).contains("feature 90"), "{name}");
    }
}

#[test]
fn no_row_and_no_feature_run_on_wgpu() {
    let Some(gpu) = testing::gpu() else { return };
    let (sae, x) = example(TopK { k: 9 });
    let placement = place(&sae, &gpu);
    let none = sae.encode(&x.rows_of(&[])).unwrap();
    assert_eq!((none.rows(), none.acts.len()), (0, 0));
    let latents = Latents::empty(140);
    let decoded = sae.decode(&latents, &x).unwrap();
    assert!(decoded.iter_rows().all(|row| row == sae.b_dec));
    assert_eq!(placement.fault(), None);
    let empty = || -> Result<()> {
        let sae = Sae::new(
            "empty",
            (Matrix::zeros(0, 24), Vec::new()),
            (Matrix::zeros(0, 24), vec![1.0; 24]),
            Relu,
        );
        place(&sae, &gpu);
        let latents = sae.encode(&x)?;
        assert_eq!(latents.acts.len(), 0);
        assert_eq!(sae.decode(&latents, &x)?.row(5), [1.0; 24]);
        Ok(())
    };
    empty().unwrap();
}
