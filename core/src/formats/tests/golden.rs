//! Files of the libraries themselves, with what they computed.

use rayon::prelude::*;

use super::{check, codes, difference, golden, recorded};
use crate::formats::{self, Format};
use crate::formats::weights::tests::with_all_large;
use crate::sae::{InputNorm, Selection};
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
            assert_eq!(Format::of(path).unwrap(), format, "{name}");
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
        assert!(said.contains(&wanted) && said.contains("sae.safetensors"), "{said}");
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
    assert!(notes("dictionary-learning-relu").contains("unit vectors"));
    assert!(notes("gemma-scope").contains("does not subtract b_dec"));
    assert!(notes("gemma-scope").contains("which hook it reads"));
    assert!(notes("openai-topk/1.pt").contains("mean 0 and variance 1"));
    assert!(notes("sparsify-topk").contains("which model"));
    assert!(notes("sae-lens-topk-rescale-layernorm").contains("length of the decoder's row"));
}

#[test]
fn hooks_and_rules_are_those_of_the_files() {
    let open = |name: &str| formats::open(&golden().join(name)).unwrap().0;
    let topk = open("dictionary-learning-topk");
    assert_eq!(topk.selection, Selection::TopK { k: 8 });
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
