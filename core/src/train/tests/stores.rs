//! Runs on a store beside runs on the model it was captured from.

use std::path::Path;

use serde_json::Map;

use crate::Flow;
use crate::capture::{gradients_at, into_store};
use crate::corpus::{Content, Corpus, CorpusSpec, Document, Positions, Rows};
use crate::ids::{HookPoint, Site};
use crate::models::{Model, Opening, Processing};
use crate::progress::Ended;
use crate::sae::Variant;
use crate::store::{Description, Dtype, HookTensor, Store, Writer};
use crate::train::{Event, Keeping, Outcome, Spec, run, run_from_store};

pub(super) fn model_and_rows() -> (Model, Rows) {
    let demo = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo"));
    let model = Model::open(&demo.join("model")).unwrap().0;
    let corpus = Corpus::open(&CorpusSpec {
        paths: vec![demo.join("text/held-out/alice.txt")],
        ..CorpusSpec::default()
    });
    let rows = corpus.unwrap().0.rows(model.codec(), 32).unwrap().0;
    (model, rows.take(40))
}

fn captured(folder: &Path, both: &(Model, Rows), hook: HookPoint, dtype: Dtype) -> Store {
    captured_with(folder, both, hook, (dtype, true))
}

fn captured_with(
    folder: &Path,
    both: &(Model, Rows),
    hook: HookPoint,
    how: (Dtype, bool),
) -> Store {
    captured_at(folder, both, &[hook], how)
}

pub(super) fn captured_at(
    folder: &Path,
    (model, rows): &(Model, Rows),
    hooks: &[HookPoint],
    (dtype, gradients): (Dtype, bool),
) -> Store {
    let tensor = |hook: &HookPoint| HookTensor {
        hook: *hook,
        width: model.width(*hook).unwrap(),
    };
    let about = Description {
        model: model.name().to_owned(),
        model_fingerprint: Some(model.fingerprint().to_owned()),
        processing: model.processing(),
        hooks: hooks.iter().map(tensor).collect(),
        dtype,
        gradients,
        context: rows.context(),
        rows: rows.len(),
        shard_rows: 7,
        prepend_bos: true,
        mask: rows.mask().clone(),
        counted: rows.counted(),
        corpus: Map::new(),
    };
    let mut writer = Writer::open(folder, about).unwrap().0;
    let all = into_store(model, rows, &mut writer, &mut |_| Flow::Continue(()));
    assert!(!all.unwrap().is_stopped());
    Store::open(folder).unwrap().0
}

#[test]
fn an_f32_store_trains_the_dictionary_that_its_model_trains() {
    let both = model_and_rows();
    let hook = HookPoint::block(1, Site::Z);
    let mut spec = Spec::default_for(hook);
    (spec.features, spec.k, spec.tokens) = (64, 4, 3_000);
    (spec.batch, spec.buffer) = (128, 500);
    let keeping = Keeping::default();
    let mut observe = |_| Flow::Continue(());
    let streamed = run(&spec, &both.0, &both.1, &keeping, &mut observe)
        .unwrap()
        .into_value();
    let of = |dtype: Dtype| -> Outcome {
        let folder = tempfile::tempdir().unwrap();
        let store = captured(folder.path(), &both, hook, dtype);
        run_from_store(&spec, &store, &keeping, &mut |_| Flow::Continue(()))
            .unwrap()
            .into_value()
    };
    assert_eq!(of(Dtype::F32).sae, streamed.sae);
    // The control: rounded activations train another dictionary, if a similar one.
    let rounded = of(Dtype::Bf16);
    assert_ne!(rounded.sae, streamed.sae);
    assert!((rounded.last.fvu - streamed.last.fvu).abs() < 0.05);
}

#[test]
fn every_rule_of_positions_trains_the_same_from_text_and_store_and_is_recorded() {
    let mut both = model_and_rows();
    // Documents of seven tokens, so that BOS stands inside rows.
    let texts = (0..40).map(|i| Document {
        name: i.to_string(),
        content: Content::Text(both.0.codec().decode(&both.1.row(i)[1..8])),
    });
    let corpus = Corpus {
        documents: texts.collect(),
        tokenizer: None,
    };
    let packed = corpus.rows(both.0.codec(), 16).unwrap().0;
    let hook = HookPoint::block(1, Site::Z);
    let mut spec = Spec::default_for(hook);
    (spec.features, spec.k, spec.tokens) = (32, 4, 600);
    (spec.batch, spec.buffer) = (64, 200);
    let keeping = Keeping::default();
    let mut all = Vec::new();
    for rule in Positions::ALL {
        spec.positions = rule;
        let streamed = run(&spec, &both.0, &packed, &keeping, &mut |_| {
            Flow::Continue(())
        });
        let streamed = streamed.unwrap().into_value().sae;
        let other = &streamed.provenance.other;
        assert_eq!(other["positions"], rule.name());
        assert_eq!(other["settings"]["positions"], rule.name());
        let folder = tempfile::tempdir().unwrap();
        both.1 = packed.clone().by(rule);
        let store = captured(folder.path(), &both, hook, Dtype::F32);
        assert_eq!(store.counted(), both.1.counted());
        let stored = run_from_store(&spec, &store, &keeping, &mut |_| Flow::Continue(()));
        assert_eq!(stored.unwrap().into_value().sae, streamed, "{rule}");
        // A store decides: another rule is refused.
        spec.positions = match rule {
            Positions::All => Positions::Text,
            _ => Positions::All,
        };
        let refused = run_from_store(&spec, &store, &keeping, &mut |_| Flow::Continue(()));
        let said = refused.unwrap_err().to_string();
        assert!(said.starts_with("positions: "), "{said}");
        all.push(streamed.w_enc);
    }
    let [text, first, sae_lens, everything] = all.as_slice() else {
        panic!("{} rules", all.len());
    };
    assert!(text != first && text != everything && first != everything);
    // Every row begins with BOS, so that these two count the same positions.
    assert_eq!(text, sae_lens);
}

#[test]
fn stored_gradients_are_those_of_the_summed_loss() {
    let both = model_and_rows();
    let hook = HookPoint::block(2, Site::ResidPost);
    let folder = tempfile::tempdir().unwrap();
    let store = captured(folder.path(), &both, hook, Dtype::F32);
    let want = gradients_at(&both.0, &both.1, &[33, 2], &[hook]).unwrap();
    assert_eq!(store.gradients(hook, &[33, 2]).unwrap(), want[0]);
    assert!(want[0].values().iter().any(|value| value.abs() > 1e-4));
    // The last position predicts nothing.
    assert!(want[0].row(31).iter().all(|value| *value == 0.0));
}

#[test]
fn a_store_with_gradients_trains_what_ranks_by_them() {
    let both = model_and_rows();
    let hook = HookPoint::block(2, Site::ResidPost);
    let mut spec = Spec::default_for(hook);
    (spec.features, spec.k, spec.tokens) = (64, 4, 1_500);
    (spec.batch, spec.buffer, spec.variant) = (128, 500, Variant::Gradient);
    let keeping = Keeping::default();
    let mut observe = |_| Flow::Continue(());
    let streamed = run(&spec, &both.0, &both.1, &keeping, &mut observe)
        .unwrap()
        .into_value();
    let folder = tempfile::tempdir().unwrap();
    let store = captured(folder.path(), &both, hook, Dtype::F32);
    let stored = run_from_store(&spec, &store, &keeping, &mut observe)
        .unwrap()
        .into_value();
    assert_eq!(stored.sae, streamed.sae);
    let folder = tempfile::tempdir().unwrap();
    let without = captured_with(folder.path(), &both, hook, (Dtype::F32, false));
    let refused = run_from_store(&spec, &without, &keeping, &mut observe).unwrap_err();
    assert!(
        refused.to_string().contains("setting `gradients`"),
        "{refused}"
    );
    spec.variant = Variant::TopK;
    let other = run_from_store(&spec, &without, &keeping, &mut observe)
        .unwrap()
        .into_value();
    assert_ne!(other.sae, streamed.sae);
}

#[test]
fn a_store_of_two_hooks_trains_the_transcoder_that_its_model_trains() {
    let both = model_and_rows();
    let hook = HookPoint::block(1, Site::MlpIn);
    let mut spec = Spec::default_for(hook);
    (spec.features, spec.k, spec.tokens) = (64, 4, 3_000);
    (spec.batch, spec.buffer) = (128, 500);
    spec.set("variant", "transcoder").unwrap();
    spec.set("transcoder_rule", "batch-topk").unwrap();
    let keeping = Keeping::default();
    let mut observe = |_| Flow::Continue(());
    let streamed = run(&spec, &both.0, &both.1, &keeping, &mut observe)
        .unwrap()
        .into_value();
    let out = HookPoint::block(1, Site::MlpOut);
    assert_eq!(streamed.sae.writes().unwrap(), out);
    let folder = tempfile::tempdir().unwrap();
    // In the other order: they are found by name.
    let store = captured_at(folder.path(), &both, &[out, hook], (Dtype::F32, false));
    let stored = run_from_store(&spec, &store, &keeping, &mut observe)
        .unwrap()
        .into_value();
    assert_eq!(stored.sae, streamed.sae);
    let folder = tempfile::tempdir().unwrap();
    let half = captured_with(folder.path(), &both, hook, (Dtype::F32, false));
    let refused = run_from_store(&spec, &half, &keeping, &mut observe).unwrap_err();
    assert!(
        refused.to_string().contains("blocks.1.hook_mlp_out"),
        "{refused}"
    );
    spec.hook_out = Some(hook);
    let refused = run(&spec, &both.0, &both.1, &keeping, &mut observe).unwrap_err();
    assert!(refused.to_string().starts_with("hook_out: "), "{refused}");
}

#[test]
fn a_run_on_a_store_goes_on_as_if_it_had_not_stopped() {
    let both = model_and_rows();
    let hook = HookPoint::block(1, Site::Z);
    let mut spec = Spec::default_for(hook);
    (spec.features, spec.k, spec.tokens) = (64, 4, 3_000);
    (spec.batch, spec.buffer) = (128, 500);
    let at = tempfile::tempdir().unwrap();
    let store = captured(&at.path().join("store"), &both, hook, Dtype::F32);
    let mut go = |_| Flow::Continue(());
    let whole = run_from_store(&spec, &store, &Keeping::default(), &mut go)
        .unwrap()
        .into_value();
    let mut keeping = Keeping {
        folder: Some(at.path().join("run")),
        ..Keeping::default()
    };
    let stopped = run_from_store(&spec, &store, &keeping, &mut |event| match event {
        Event::Progress(at) if at.step >= 15 => Flow::Break(()),
        _ => Flow::Continue(()),
    });
    let Ended::Stopped(stopped) = stopped.unwrap() else {
        panic!("not stopped");
    };
    assert!(stopped.checkpoint.is_some());
    keeping.resume = true;
    // Rows of another length, or a model processed otherwise, are another run.
    let (model, rows) = &both;
    let tokens: Vec<_> = (0..rows.len())
        .flat_map(|row| rows.row(row))
        .copied()
        .collect();
    let documents = vec![0; tokens.len()];
    let shorter = Rows::new(16, tokens, documents, vec!["alice".to_owned()]);
    let refused = run(&spec, model, &shorter, &keeping, &mut go).unwrap_err();
    assert!(refused.to_string().starts_with("context: "), "{refused}");
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model"));
    let opening = Opening::from("fold-ln".parse::<Processing>().unwrap());
    let folded = Model::open_as(folder, opening).unwrap().0;
    let refused = run(&spec, &folded, rows, &keeping, &mut go).unwrap_err();
    assert!(refused.to_string().contains("fold_ln"), "{refused}");
    let resumed = run_from_store(&spec, &store, &keeping, &mut go)
        .unwrap()
        .into_value();
    assert_eq!(resumed.sae, whole.sae);
    assert_ne!(stopped.sae, whole.sae);
}
