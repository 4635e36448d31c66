//! Files of the libraries themselves, with what they computed.

use super::{check, codes, difference, golden, recorded};
use crate::formats::{self, Format};
use crate::sae::{InputNorm, Selection};

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
