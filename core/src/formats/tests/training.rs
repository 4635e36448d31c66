//! SAELens's training checkpoints: thresholds of a budget per batch, ranking by decoder norm, the scale of inputs.

use std::path::Path;

use serde_json::{Value, json};

use super::built::{
    D, F, Four, N, Part, defined, four, inputs, jump, norms, nothing, opened, relu, safetensors,
    topk, write,
};
use super::{Recorded, check};
use crate::dims::Matrix;
use crate::formats::{self, Format};

const HOOK: &str = "blocks.1.hook_resid_post";

fn cfg(folder: &Path, more: &Value) {
    let mut cfg = json!({"d_in": D, "d_sae": F, "dtype": "float32", "apply_b_dec_to_input": true, "normalize_activations": "none",
        "metadata": {"sae_lens_version": "6.54.12", "hook_name": HOOK, "model_name": "tiny"}});
    for (key, value) in more.as_object().unwrap() {
        cfg[key] = value.clone();
    }
    write(&folder.join("cfg.json"), cfg.to_string());
}

fn weights(folder: &Path, parts: &Four, more: &[(&str, &Part)]) {
    let enc = parts.w_enc.turned();
    let names = [
        ("W_enc", &enc),
        ("b_enc", &parts.b_enc),
        ("W_dec", &parts.w_dec),
        ("b_dec", &parts.b_dec),
    ];
    safetensors(
        &folder.join("sae_weights.safetensors"),
        &[&names[..], more].concat(),
    );
}

fn one(value: f32) -> Part {
    Part {
        shape: vec![],
        values: vec![value],
    }
}

/// Codes as much larger for each feature.
fn grown(mut want: Recorded, by: &[f64]) -> Recorded {
    for row in want.codes.values_mut().chunks_exact_mut(F) {
        row.iter_mut()
            .zip(by)
            .for_each(|(act, by)| *act *= *by as f32);
    }
    want
}

#[test]
fn checkpoints_by_the_budget_of_a_batch() {
    let (root, parts) = (tempfile::tempdir().unwrap(), four());
    let (folder, lengths) = (root.path(), norms(&parts.w_dec));
    weights(folder, &parts, &[("topk_threshold", &one(0.3))]);
    // The larger code is compared, and is the code.
    let compared = |bar: f64| {
        let lengths = lengths.clone();
        move |pre: &[f64], _: &[f64]| {
            (0..F)
                .map(|f| {
                    if pre[f] * lengths[f] > bar {
                        pre[f]
                    } else {
                        0.0
                    }
                })
                .collect::<Vec<_>>()
        }
    };
    for architecture in ["batchtopk", "matryoshka_batchtopk"] {
        cfg(folder, &json!({"architecture": architecture, "k": 4.5}));
        let want = grown(defined(&parts, true, 1.0, compared(0.3), nothing), &lengths);
        opened(folder, Format::SaeLens, HOOK, &want);
    }
    cfg(
        folder,
        &json!({"architecture": "batchtopk", "k": 4, "rescale_acts_by_decoder_norm": false}),
    );
    let want = defined(&parts, true, 1.0, jump(vec![0.3; F]), nothing);
    opened(folder, Format::SaeLens, HOOK, &want);
    // Inputs times 2.5: codes are those of a decoder of unit rows in the inputs' own scale.
    write(
        &folder.join("activation_scaler.json"),
        r#"{"scaling_factor": 2.5, "has_whitening": false}"#,
    );
    cfg(
        folder,
        &json!({"architecture": "batchtopk", "k": 4, "normalize_activations": "expected_average_only_in"}),
    );
    let own: Vec<f64> = lengths.iter().map(|length| length / 2.5).collect();
    let want = grown(defined(&parts, true, 2.5, compared(0.3), nothing), &own);
    opened(folder, Format::SaeLens, HOOK, &want);
}

#[test]
fn checkpoints_with_logarithms_and_a_scale_that_may_be_missing() {
    let (root, parts) = (tempfile::tempdir().unwrap(), four());
    let (folder, logs) = (root.path(), Part::drawn(8, &[F]));
    weights(folder, &parts, &[("log_threshold", &logs)]);
    cfg(
        folder,
        &json!({"architecture": "jumprelu", "normalize_activations": "expected_average_only_in"}),
    );
    let bars: Vec<f64> = (0..F).map(|f| logs.one(f).exp()).collect();
    let want = defined(&parts, true, 1.0, jump(bars.clone()), nothing);
    opened(folder, Format::SaeLens, HOOK, &want);
    let (_, notes) = formats::open(folder).unwrap();
    assert!(
        notes
            .iter()
            .any(|note| note.contains("no activation_scaler.json")),
        "{notes:?}"
    );
    write(
        &folder.join("activation_scaler.json"),
        r#"{"scaling_factor": 2.5}"#,
    );
    let want = defined(&parts, true, 2.5, jump(bars), nothing);
    opened(folder, Format::SaeLens, HOOK, &want);
    for scaler in [
        r#"{"scaling_factor": 0}"#,
        r#"{"scaling_factor": "x"}"#,
        "[]",
        "{",
    ] {
        write(&folder.join("activation_scaler.json"), scaler);
        let said = formats::open(folder).unwrap_err().to_string();
        assert!(said.contains("activation_scaler.json"), "{said}");
    }
}

#[test]
fn inputs_that_training_whitened() {
    let (root, parts) = (tempfile::tempdir().unwrap(), four());
    let folder = root.path();
    weights(folder, &parts, &[]);
    cfg(
        folder,
        &json!({"architecture": "standard", "normalize_activations": "covariance_whitening"}),
    );
    let said = formats::open(folder).unwrap_err().to_string();
    assert!(said.contains("activation_whitening.safetensors"), "{said}");
    // A diagonal matrix, whose inverse is exact, and a mean.
    let (mut matrix, mut inverse, mean) = (
        Part::drawn(9, &[D, D]),
        Part::drawn(9, &[D, D]),
        Part::drawn(10, &[D]),
    );
    for i in 0..D * D {
        let diagonal = i % (D + 1) == 0;
        matrix.values[i] = if diagonal { 2.0 } else { 0.0 };
        inverse.values[i] = if diagonal { 0.5 } else { 0.0 };
    }
    safetensors(
        &folder.join("activation_whitening.safetensors"),
        &[
            ("mean", &mean),
            ("matrix", &matrix),
            ("inverse_matrix", &inverse),
        ],
    );
    // y = 2 (x − mean): scale 2 with a bias that moves by −2 · mean.
    let moved = Four {
        b_dec: Part {
            shape: vec![D],
            values: (0..D)
                .map(|j| parts.b_dec.values[j] + 2.0 * mean.values[j])
                .collect(),
        },
        ..four()
    };
    let want = defined(&moved, true, 2.0, relu, nothing);
    opened(folder, Format::SaeLens, HOOK, &want);
}

#[test]
fn ranking_by_decoder_norm_keeps_saelens_codes() {
    let (root, parts) = (tempfile::tempdir().unwrap(), four());
    let (folder, lengths) = (root.path(), norms(&parts.w_dec));
    weights(folder, &parts, &[]);
    cfg(
        folder,
        &json!({"architecture": "topk", "k": 5, "rescale_acts_by_decoder_norm": true}),
    );
    let ranked = |pre: &[f64], read: &[f64]| {
        let larger: Vec<f64> = (0..F).map(|f| pre[f] * lengths[f]).collect();
        let kept = topk(5, true)(&larger, read);
        (0..F).map(|f| kept[f] / lengths[f]).collect::<Vec<_>>()
    };
    let want = grown(defined(&parts, true, 1.0, ranked, nothing), &lengths);
    opened(folder, Format::SaeLens, HOOK, &want);
}

#[test]
fn matching_pursuit_stops_as_saelens_does() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path();
    let mut w_dec = Part::drawn(3, &[F, D]);
    for row in w_dec.values.chunks_exact_mut(D) {
        let length = row.iter().map(|w| w * w).sum::<f32>().sqrt();
        for w in row {
            *w /= length;
        }
    }
    let b_dec = Part::drawn(4, &[D]);
    safetensors(
        &folder.join("sae_weights.safetensors"),
        &[("W_dec", &w_dec), ("b_dec", &b_dec)],
    );
    for (scale, subtracts) in [(1.0_f64, true), (2.5, true), (1.0, false)] {
        let more = json!({"architecture": "matching_pursuit", "residual_threshold": 0.2, "max_iterations": 4, "stop_on_duplicate_support": true,
            "apply_b_dec_to_input": subtracts,
            "normalize_activations": if scale == 1.0 { "none" } else { "expected_average_only_in" }});
        cfg(folder, &more);
        write(
            &folder.join("activation_scaler.json"),
            json!({"scaling_factor": scale}).to_string(),
        );
        let (sae, notes) = formats::open(folder).unwrap();
        let x = inputs();
        let (mut codes, mut recon) = (Matrix::zeros(N, F), Matrix::zeros(N, D));
        for i in 0..N {
            let bias = |j: usize| if subtracts { b_dec.one(j) } else { 0.0 };
            let mut rest: Vec<f64> = (0..D).map(|j| x.at(i, j) * scale - bias(j)).collect();
            let mut acts = [0.0_f64; F];
            for _ in 0..4 {
                let support: Vec<bool> = acts.iter().map(|act| *act != 0.0).collect();
                let product = |f: usize| (0..D).map(|j| rest[j] * w_dec.at(f, j)).sum::<f64>();
                let best = (0..F)
                    .max_by(|a, b| product(*a).total_cmp(&product(*b)))
                    .unwrap();
                let value = product(best).max(0.0);
                acts[best] += value;
                for (j, rest) in rest.iter_mut().enumerate() {
                    *rest -= value * w_dec.at(best, j);
                }
                let same = acts
                    .iter()
                    .zip(&support)
                    .all(|(act, before)| (*act != 0.0) == *before);
                if same || rest.iter().map(|r| r * r).sum::<f64>().sqrt() < 0.2 {
                    break;
                }
            }
            for (code, act) in codes.row_mut(i).iter_mut().zip(acts) {
                *code = (act / scale) as f32;
            }
            for j in 0..D {
                let sum: f64 = (0..F).map(|f| acts[f] * w_dec.at(f, j)).sum();
                recon.row_mut(i)[j] = ((sum + bias(j)) / scale) as f32;
            }
        }
        let x = Matrix::new(N, D, x.values).unwrap();
        check("matching_pursuit", &sae, &Recorded { x, codes, recon });
        assert!(notes.iter().all(|note| note.lines().count() == 1));
        let out = root.path().join(format!("out-{scale}-{subtracts}"));
        formats::save(&sae, &out, formats::Precision::F32).unwrap();
        let (again, notes) = formats::open(&out).unwrap();
        assert!(notes.is_empty(), "{notes:?}");
        assert_eq!(again.selection, sae.selection);
        assert_eq!((&again.w_dec, &again.b_dec), (&sae.w_dec, &sae.b_dec));
        assert_eq!(again.fingerprint(), sae.fingerprint());
        // Files of matching pursuit have no place for an encoder of its own.
        let mut other = sae.clone();
        other.w_enc.values_mut()[0] += 1.0;
        let said = formats::save(&other, &out, formats::Precision::F32).unwrap_err();
        assert!(said.to_string().contains("matching pursuit, 4 rounds"));
    }
}
