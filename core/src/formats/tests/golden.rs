//! Files of the libraries themselves, with what they computed.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::{check, codes, difference, golden, recorded};
use crate::dims::Matrix;
use crate::formats::weights::tests::with_all_large;
use crate::formats::{self, Format, Precision, Target};
use crate::sae::{CrossLayer, InputNorm, Sae, Selection, TopK};
use crate::tensor_file;

const FOLDERS: [(&str, &str, Format); 6] = [
    ("dictionary-learning-relu", "", Format::DictionaryLearning),
    ("dictionary-learning-topk", "", Format::DictionaryLearning),
    ("gemma-scope", "", Format::GemmaScope),
    ("openai-topk", "1.pt", Format::OpenAi),
    ("sae-lens-topk-rescale-layernorm", "", Format::SaeLens),
    ("sparsify-topk", "", Format::Sparsify),
];

#[test]
fn codes_and_reconstructions_are_those_of_the_library() {
    for (name, file, format) in FOLDERS {
        let folder = golden().join(name);
        let paths = [folder.clone(), folder.join(file)];
        // A folder with one file of weights and recorded values beside it is opened by the file.
        for path in paths.iter().skip(usize::from(!file.is_empty())) {
            assert_eq!(Format::detect(path).unwrap(), format, "{name}");
            let (sae, notes) = formats::open(path).unwrap();
            let want = recorded(&folder);
            let errors = check(name, &sae, &want);
            assert!(!notes.iter().any(|note| note.contains('\n')), "{notes:?}");
            // The comparison can fail: one bias moved by a thousandth of the largest code.
            let mut nudged = sae.clone();
            for bias in &mut nudged.b_enc {
                *bias += 1e-3 * super::largest(&want.codes);
            }
            let moved = difference(&codes(&nudged, &want.x).0, &want.codes);
            assert!(moved > 1e-4, "{name}: {moved} after {errors:?}");
        }
    }
}

/// Of circuit-tracer: codes and reconstructions [l·n, f] and [l·n, d] in `io.safetensors`.
fn transcoders() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/golden/circuit-tracer"
    ))
}

#[test]
fn the_folder_of_a_cross_layer_transcoder_stands_for_its_layers() {
    let folder = transcoders().join("across-relu");
    let layers = formats::dictionaries_at(&folder).unwrap();
    assert_eq!(layers.len(), 3);
    for (at, layer) in layers.iter().enumerate() {
        let (sae, _) = formats::open(layer).unwrap();
        let outputs = sae.outputs().unwrap();
        assert_eq!(outputs.len(), 3 - at);
        assert_eq!(
            outputs[0].hook.to_string(),
            format!("blocks.{at}.hook_mlp_out")
        );
        assert_eq!(
            formats::dictionaries_at(layer).unwrap(),
            std::slice::from_ref(layer)
        );
    }
}

#[test]
fn transcoders_are_those_of_circuit_tracer() {
    let scope = "gemma-scope-2-tiny-pt/transcoder/layer_1_width_20_l0_small_affine";
    for (name, format) in [
        ("layer-relu-skip/layer_1.safetensors", Format::CircuitTracer),
        ("layer-jump-relu/layer_1.safetensors", Format::CircuitTracer),
        (scope, Format::GemmaScope2),
    ] {
        let path = transcoders().join(name);
        assert_eq!(Format::detect(&path).unwrap(), format);
        let (sae, _) = formats::open(&path).unwrap();
        let folder = if path.is_dir() {
            path
        } else {
            path.parent().unwrap().to_path_buf()
        };
        check(name, &sae, &recorded(&folder));
        assert_eq!(
            sae.provenance.hook.unwrap().to_string(),
            "blocks.1.mlp.hook_in"
        );
    }
}

#[test]
fn cross_layer_transcoders_are_those_of_circuit_tracer() {
    for (name, reads) in [
        ("across-relu", "hook_resid_mid"),
        ("across-jump-relu", "hook_resid_mid"),
        ("gemma-scope-2-tiny-pt/clt", "mlp.hook_in"),
    ] {
        let path = transcoders().join(name);
        let want = recorded(&path);
        for large in [false, true] {
            let open = || formats::open_cross_layer(&path).unwrap().unwrap();
            let (clt, notes) = if large { with_all_large(open) } else { open() };
            let (codes, recon) = across(&clt, &want.x);
            let errors = (
                difference(&codes, &want.codes),
                difference(&recon, &want.recon),
            );
            assert!(errors.0 < 1e-5 && errors.1 < 1e-5, "{name}: {errors:?}");
            assert_eq!(clt.layers().len(), 3);
            let hook = clt.layers()[2].provenance.hook.unwrap().to_string();
            assert_eq!(hook, format!("blocks.2.{reads}"));
            let said = notes
                .iter()
                .filter(|note| note.contains("all later layers"))
                .count();
            assert_eq!(said, 1, "{notes:?}");
        }
        // The comparison can fail: two layers' encoders changed places.
        let (clt, _) = formats::open_cross_layer(&path).unwrap().unwrap();
        let mut layers = clt.into_layers();
        let (first, rest) = layers.split_at_mut(1);
        std::mem::swap(&mut first[0].w_enc, &mut rest[0].w_enc);
        let (codes, _) = across(&CrossLayer::new(layers).unwrap(), &want.x);
        assert!(difference(&codes, &want.codes) > 1e-2, "{name}");
        // One layer's file is a dictionary, and the folder says that it holds several.
        let look = formats::look(&path).unwrap();
        assert_eq!((look.layers.len(), look.shape), (3, Some([20, 8])));
        let (one, _) = formats::open(&look.layers[1]).unwrap();
        assert_eq!(
            (one.features(), one.width(), one.w_dec.columns()),
            (20, 8, 16)
        );
        let said = formats::open(&path).unwrap_err().to_string();
        assert!(
            said.contains("3 layers") && said.contains("name one layer"),
            "{said}"
        );
        assert!(one.writes().is_err() && one.hook().is_err());
    }
    assert!(
        formats::open_cross_layer(&golden().join("sparsify-topk"))
            .unwrap()
            .is_none()
    );
}

#[cfg(unix)]
#[test]
fn links_out_of_a_cross_layer_transcoder_are_refused_and_other_files_are_none_of_it() {
    use std::os::unix::fs::symlink;

    let root = tempfile::tempdir().unwrap();
    let from = transcoders().join("across-relu");
    for name in ["W_enc_0.safetensors", "W_dec_0.safetensors"] {
        symlink(from.join(name), root.path().join(name)).unwrap();
        let said = formats::open_cross_layer(root.path())
            .unwrap_err()
            .to_string();
        assert!(said.contains("a link to a file outside"), "{said}");
        std::fs::remove_file(root.path().join(name)).unwrap();
        std::fs::copy(from.join(name), root.path().join(name)).unwrap();
    }
    // What lies beside another library's dictionary does not make it one across layers.
    let other = tempfile::tempdir().unwrap();
    for name in ["cfg.json", "sae.safetensors"] {
        let from = golden().join("sparsify-topk").join(name);
        std::fs::copy(from, other.path().join(name)).unwrap();
    }
    std::fs::write(other.path().join("layer_3.safetensors"), "no tensors").unwrap();
    assert!(formats::open_cross_layer(other.path()).unwrap().is_none());
    assert!(formats::open(other.path()).is_ok());
}

#[test]
fn a_cross_layer_transcoder_is_written_as_it_was_read() {
    let root = tempfile::tempdir().unwrap();
    let place = |name: &str| root.path().join(name);
    for (name, precision) in [
        ("across-relu", Precision::F32),
        ("across-jump-relu", Precision::F32),
    ] {
        let (clt, _) = formats::open_cross_layer(&transcoders().join(name))
            .unwrap()
            .unwrap();
        let write = |saes: &[Sae], to: &str| {
            formats::write(saes, &place(to), Target::CircuitTracer, precision)
        };
        write(clt.layers(), name).unwrap();
        let (again, _) = formats::open_cross_layer(&place(name)).unwrap().unwrap();
        for (a, b) in clt.layers().iter().zip(again.layers()) {
            assert!(
                a.w_enc == b.w_enc
                    && a.w_dec == b.w_dec
                    && a.b_dec == b.b_dec
                    && a.selection == b.selection
            );
            assert_eq!(a.reads().unwrap(), b.reads().unwrap());
            assert_eq!(a.role, b.role);
        }
        let twice = format!("{name}-twice");
        write(again.layers(), &twice).unwrap();
        let mut files = 0;
        for entry in std::fs::read_dir(place(name)).unwrap() {
            let file = entry.unwrap().file_name();
            let bytes = |folder: &str| std::fs::read(place(folder).join(&file)).unwrap();
            // The configuration names the set after its folder.
            if file != "config.yaml" {
                assert!(bytes(name) == bytes(&twice), "{}", file.display());
                files += 1;
            }
        }
        assert_eq!(files, 6);
        // One layer is not written alone, nor for a library that knows no others.
        let one = &clt.layers()[..1];
        assert!(write(one, "one").is_err());
        let said = formats::write(one, &place("one"), Target::SaeLens, precision).unwrap_err();
        assert!(said.to_string().contains("cross-layer"), "{said}");
        assert!(!place("one").exists());
    }
}

/// Codes and reconstructions of `x [l·n, d]`, the layer slowest.
pub(super) fn across(clt: &CrossLayer, x: &Matrix) -> (Matrix, Matrix) {
    let (l, f) = (clt.layers().len(), clt.layers()[0].features());
    let n = x.rows() / l;
    let rows =
        |layer: usize| -> Vec<u32> { (layer * n..(layer + 1) * n).map(|row| row as u32).collect() };
    let x: Vec<Matrix> = (0..l).map(|layer| x.rows_of(&rows(layer))).collect();
    let latents = clt.encode(&x).unwrap();
    let recon = clt.decode(&latents, &x).unwrap();
    let mut codes = Matrix::zeros(l * n, f);
    for (at, latents) in latents.iter().enumerate() {
        for i in 0..n {
            for (feature, act) in latents.row(i) {
                codes.row_mut(at * n + i)[feature.index()] = act;
            }
        }
    }
    let flat: Vec<f32> = recon.iter().flat_map(|of| of.values().to_vec()).collect();
    (codes, Matrix::new(l * n, clt.width_out(), flat).unwrap())
}

#[test]
fn layers_that_are_missing_or_alone_are_named() {
    let root = tempfile::tempdir().unwrap();
    let from = transcoders().join("across-relu");
    let copy = |name: &str| std::fs::copy(from.join(name), root.path().join(name)).unwrap();
    for name in [
        "W_enc_0.safetensors",
        "W_enc_2.safetensors",
        "W_dec_0.safetensors",
    ] {
        copy(name);
    }
    let said = |path: &Path| formats::open(path).unwrap_err().to_string();
    assert!(said(root.path()).contains("layer 1 is missing"));
    assert!(said(&root.path().join("W_enc_2.safetensors")).contains("no W_dec_2.safetensors"));
    assert!(said(&root.path().join("W_dec_0.safetensors")).contains("name its encoder, W_enc_0"));
    copy("W_dec_2.safetensors");
    // A layer that is called another: its tensors say so.
    std::fs::rename(
        root.path().join("W_enc_2.safetensors"),
        root.path().join("W_enc_1.safetensors"),
    )
    .unwrap();
    copy("W_dec_1.safetensors");
    assert!(said(&root.path().join("W_enc_1.safetensors")).contains("W_enc_1 is missing from "));
}

#[test]
fn weights_left_in_their_files_are_the_same_weights() {
    let mut left = 0;
    for (name, file, _) in FOLDERS {
        let path = golden().join(name).join(file);
        let (eager, _) = formats::open(&path).unwrap();
        let (sae, _) = with_all_large(|| formats::open(&path)).unwrap();
        left += usize::from(!sae.w_enc.is_in_memory()) + usize::from(!sae.w_dec.is_in_memory());
        // Asked for from all threads of the pool at once, which must neither wait for themselves nor read twice.
        let sums: Vec<f32> = (0..64)
            .into_par_iter()
            .map(|i| sae.w_enc.row(i % sae.features()).iter().sum())
            .collect();
        assert!(sums.iter().all(|sum| sum.is_finite()));
        sae.check_weights().unwrap();
        assert!(sae == eager, "{name}");
        let mut written = sae.clone();
        for matrix in [&mut written.w_enc, &mut written.w_dec] {
            matrix.values_mut()[0] += 1.0;
        }
        assert!(sae == eager && written != eager, "{name}");
        check(name, &sae, &recorded(&golden().join(name)));
    }
    // Those of an npz archive that is deflated, and what readers rewrite, are in memory from the start.
    assert!(left >= 6, "{left} of {}", 2 * FOLDERS.len());
}

#[test]
fn a_number_that_is_none_is_found_where_it_is_used() {
    let root = tempfile::tempdir().unwrap();
    let (from, to) = (golden().join("sparsify-topk"), root.path());
    std::fs::copy(from.join("cfg.json"), to.join("cfg.json")).unwrap();
    let bytes = std::fs::read(from.join("sae.safetensors")).unwrap();
    let header = tensor_file::header::read(&bytes).unwrap();
    let want = recorded(&from);
    for name in ["encoder.weight", "W_dec"] {
        let mut bytes = bytes.clone();
        let begin = header.places[name].begin;
        let end = header.places[name].end;
        // Every number but those of the last row stays: only features in use are asked for.
        for number in bytes[begin..end - 4 * want.x.columns()].chunks_exact_mut(4) {
            number.copy_from_slice(&f32::NAN.to_le_bytes());
        }
        std::fs::write(to.join("sae.safetensors"), bytes).unwrap();
        let (sae, _) = with_all_large(|| formats::open(to)).unwrap();
        let said = match sae.encode(&want.x) {
            Err(said) => said.to_string(),
            Ok(latents) => sae.decode(&latents, &want.x).unwrap_err().to_string(),
        };
        let wanted = format!("tensor `{name}` holds NaN at entry 0");
        assert!(
            said.contains(&wanted) && said.contains("sae.safetensors"),
            "{said}"
        );
        assert!(sae.check_weights().is_err());
        if name == "W_dec" {
            assert!(sae.direction(0_usize.into()).is_err());
            assert!(sae.direction((sae.features() - 1).into()).is_ok());
        }
    }
}

#[test]
fn the_notes_say_what_was_decided() {
    let notes = |name: &str| {
        let (_, notes) = formats::open(&golden().join(name)).unwrap();
        notes.iter().collect::<Vec<_>>().join("\n")
    };
    assert!(notes("dictionary-learning-relu").contains("decoder rows are normalised"));
    assert!(notes("gemma-scope").contains("does not subtract b_dec"));
    assert!(notes("gemma-scope").contains("names the hook that it reads"));
    assert!(notes("openai-topk/1.pt").contains("mean 0 and variance 1"));
    assert!(notes("sparsify-topk").contains("names the model"));
    assert!(notes("sae-lens-topk-rescale-layernorm").contains("length of the decoder's row"));
}

#[test]
fn hooks_and_rules_are_those_of_the_files() {
    let open = |name: &str| formats::open(&golden().join(name)).unwrap().0;
    let topk = open("dictionary-learning-topk");
    assert_eq!(topk.selection, Selection::TopK(TopK { k: 8 }));
    assert_eq!(
        topk.provenance.hook.unwrap().to_string(),
        "blocks.1.hook_resid_post"
    );
    assert_eq!(
        (topk.provenance.model.as_str(), topk.provenance.context),
        ("tiny", Some(32))
    );
    assert_eq!(
        topk.provenance.other["source"]["format"],
        "dictionary_learning"
    );
    assert_eq!(open("openai-topk/1.pt").input_norm, InputNorm::Layer);
    assert!(open("gemma-scope").provenance.hook.is_none());
}
