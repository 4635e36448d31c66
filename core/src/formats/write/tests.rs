//! Written dictionaries are read back with equal outputs, and written again they keep their bytes; a format rejects what it cannot hold.

use std::path::Path;

use super::*;
use crate::dims::Matrix;
use crate::formats::open;
use crate::ids::{HookPoint, Site};
use crate::sae::{
    AbsTopK, Gated, GroupMax, JumpRelu, Provenance, Relu, Role, Selection, TopK, Transcoder,
};

const D: usize = 6;
const F: usize = 10;

fn drawn(rows: usize, columns: usize, by: f32) -> Matrix {
    let values = (0..rows * columns).map(|i| ((i + 1) as f32 * by).sin());
    Matrix::new(rows, columns, values.collect()).unwrap()
}

fn sae(selection: Selection) -> Sae {
    Sae::new(
        "a",
        (drawn(F, D, 0.7), drawn(1, F, 1.3).into_values()),
        (drawn(F, D, 1.9), drawn(1, D, 2.3).into_values()),
        selection,
    )
    .with_provenance(Provenance {
        hook: Some(HookPoint::block(1, Site::ResidPost)),
        model: "tiny".to_owned(),
        context: Some(32),
        ..Provenance::default()
    })
}

fn transcoder(layer: usize, selection: Selection, skip: bool) -> Sae {
    let mut sae = sae(selection);
    sae.provenance.hook = Some(HookPoint::block(layer, Site::MlpIn));
    sae.role = Role::Transcoder(Transcoder {
        hook_out: Some(HookPoint::block(layer, Site::MlpOut)),
        w_skip: skip.then(|| drawn(D, D, 3.1)),
    });
    sae.apply_b_dec_to_input = false;
    sae
}

fn thresholds() -> Selection {
    Selection::JumpRelu(JumpRelu {
        thresholds: (0..F).map(|i| i as f32 / 20.0).collect(),
    })
}

fn gated() -> Selection {
    Selection::Gated(Gated {
        b_mag: drawn(1, F, 0.3).into_values(),
        r_mag: drawn(1, F, 0.9).into_values(),
    })
}

fn outputs(sae: &Sae) -> Matrix {
    let x = drawn(30, D, 0.37);
    let latents = sae.encode(&x).unwrap();
    assert!(latents.acts.len() > 20);
    sae.decode(&latents, &x).unwrap()
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    all.sort();
    all
}

#[test]
fn what_is_written_is_read_with_equal_outputs_and_keeps_its_bytes() {
    let mut new = sae(Selection::Relu(Relu));
    new.apply_b_dec_to_input = false;
    let cases = [
        (Target::SaeLens, sae(thresholds())),
        (Target::SaeLens, new.clone()),
        (
            Target::Sparsify,
            sae(Selection::GroupMax(GroupMax { k: 5 })),
        ),
        (Target::Sparsify, sae(Selection::TopK(TopK { k: 3 }))),
        (
            Target::Sparsify,
            transcoder(1, Selection::TopK(TopK { k: 3 }), true),
        ),
        (
            Target::DictionaryLearning,
            sae(Selection::TopK(TopK { k: 3 })),
        ),
        (Target::DictionaryLearning, sae(Selection::Relu(Relu))),
        (Target::DictionaryLearning, new),
        (Target::DictionaryLearning, sae(thresholds())),
        (Target::DictionaryLearning, sae(gated())),
    ];
    for (target, before) in cases {
        let root = tempfile::tempdir().unwrap();
        let said = format!("{} {}", target.name(), before.selection.describe());
        // sparsify's name of the module, which tells the hook.
        let module = if before.role.transcodes() {
            "layers.1.mlp"
        } else {
            "layers.1"
        };
        let [first, second] = ["1", "2"].map(|name| root.path().join(name).join(module));
        write(
            std::slice::from_ref(&before),
            &first,
            target,
            Precision::F32,
        )
        .unwrap();
        let (after, _) = open(&first).unwrap();
        let (want, got) = (outputs(&before), outputs(&after));
        let largest = want.values().iter().fold(0.0_f32, |m, v| m.max(v.abs()));
        for (a, b) in want.values().iter().zip(got.values()) {
            // A bias may have been rounded once, a decoder row brought to length 1.
            assert!((a - b).abs() <= 1e-6 * largest, "{said} {a} {b}");
        }
        assert_eq!(after.provenance.hook, before.provenance.hook, "{said}");
        write(&[after], &second, target, Precision::F32).unwrap();
        if before.selection == Selection::Relu(Relu) && target == Target::DictionaryLearning {
            // Its loader's unit decoder is what is written the second time; from then on nothing changes.
            let third = root.path().join("3/layers.1");
            let (again, _) = open(&second).unwrap();
            write(&[again], &third, target, Precision::F32).unwrap();
            assert_eq!(files(&second), files(&third), "{said}");
        } else {
            assert_eq!(files(&first), files(&second), "{said}");
        }
    }
}

#[test]
fn a_set_of_transcoders_is_written_layer_by_layer() {
    let root = tempfile::tempdir().unwrap();
    let [first, second] = ["1/set", "2/set"].map(|name| root.path().join(name));
    // Named in any order.
    let set = [
        transcoder(1, thresholds(), false),
        transcoder(0, Selection::Relu(Relu), true),
    ];
    write(&set, &first, Target::CircuitTracer, Precision::F32).unwrap();
    let names: Vec<String> = files(&first).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["config.yaml", "layer_0.safetensors", "layer_1.safetensors"]
    );
    let mut again = vec![];
    for (layer, before) in [(0, &set[1]), (1, &set[0])] {
        let (after, _) = open(&first.join(format!("layer_{layer}.safetensors"))).unwrap();
        assert_eq!(outputs(before), outputs(&after));
        assert_eq!(after.writes().unwrap(), before.writes().unwrap());
        assert_eq!(after.provenance.model, "tiny");
        again.push(after);
    }
    write(&again, &second, Target::CircuitTracer, Precision::F32).unwrap();
    assert_eq!(files(&first), files(&second));
    let refusal = |saes: &[Sae]| {
        let refused = write(
            saes,
            &root.path().join("no"),
            Target::CircuitTracer,
            Precision::F32,
        );
        refused.unwrap_err().to_string()
    };
    assert!(refusal(&set[..1]).contains("layer 0 is missing"));
    assert!(refusal(&[sae(Selection::Relu(Relu))]).contains("no transcoder"));
    assert!(
        refusal(&[transcoder(0, Selection::TopK(TopK { k: 2 }), false)]).contains("by TopK, k = 2")
    );
}

#[test]
fn what_a_format_cannot_hold_is_refused_and_nothing_is_left() {
    let root = tempfile::tempdir().unwrap();
    let mut normed = sae(Selection::TopK(TopK { k: 3 }));
    normed.input_norm = InputNorm::Layer;
    for (target, sae, word) in [
        (
            Target::Sparsify,
            sae(Selection::Relu(Relu)),
            "writing a, by ReLU, for sparsify",
        ),
        (Target::Sparsify, normed.clone(), "standard deviation"),
        (Target::DictionaryLearning, normed, "standard deviation"),
        (
            Target::DictionaryLearning,
            sae(Selection::AbsTopK(AbsTopK { k: 3 })),
            "by signed TopK",
        ),
        (
            Target::DictionaryLearning,
            transcoder(0, Selection::Relu(Relu), false),
            "a transcoder",
        ),
    ] {
        let out = root.path().join("out");
        let said = write(&[sae], &out, target, Precision::F32)
            .unwrap_err()
            .to_string();
        assert!(said.contains(word), "{said}");
        assert!(!out.exists());
    }
    let two = [sae(Selection::Relu(Relu)), sae(Selection::Relu(Relu))];
    let said = write(&two, root.path(), Target::SaeLens, Precision::F32)
        .unwrap_err()
        .to_string();
    assert!(
        said.contains("holds one dictionary, and 2 were named"),
        "{said}"
    );
}

#[test]
fn lossless_conversions_keep_the_fingerprint_and_f16_does_not() {
    let root = tempfile::tempdir().unwrap();
    let before = sae(Selection::TopK(TopK { k: 3 }));
    let print = before.fingerprint();
    let mut now = before;
    for (i, target) in [
        Target::SaeLens,
        Target::Sparsify,
        Target::DictionaryLearning,
        Target::SaeLens,
    ]
    .into_iter()
    .enumerate()
    {
        let folder = root.path().join(i.to_string()).join("layers.1");
        write(&[now], &folder, target, Precision::F32).unwrap();
        now = open(&folder).unwrap().0;
        assert_eq!(now.fingerprint(), print, "{}", target.name());
    }
    let folder = root.path().join("half");
    write(&[now], &folder, Target::SaeLens, Precision::F16).unwrap();
    assert_ne!(open(&folder).unwrap().0.fingerprint(), print);
}
