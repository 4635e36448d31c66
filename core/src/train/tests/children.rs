//! Runs on the error of a dictionary: from text and store, several in one pass, resumed, refused.

use std::path::Path;
use std::sync::Arc;

use super::stores::captured_at;
use crate::Flow;
use crate::corpus::Rows;
use crate::device::Compute;
use crate::formats;
use crate::ids::{HookPoint, Site, TokenId};
use crate::models::Model;
use crate::sae::{ErrorOf, ErrorPart, Sae, Variant};
use crate::store::Dtype;
use crate::train::{Event, Keeping, Spec, run, run_from_store, run_several};

const HOOK: HookPoint = HookPoint::Block(crate::ids::Layer(1), Site::Z);

/// A tiny model and random rows of it.
pub(crate) fn model_and_rows() -> (Model, Rows) {
    let golden = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden"));
    let model = Model::open(&golden.join("tiny-gpt2")).unwrap().0;
    let (count, t) = (24, 32);
    let tokens = (0..count * t).map(|i| TokenId((i * i * 7 + 13 * i) as u32 % 500 + 1));
    let documents = vec!["random".to_owned()];
    let rows = Rows::new(t, tokens.collect(), vec![0; count * t], documents);
    (model, rows)
}

pub(crate) fn spec(seed: u64) -> Spec {
    let mut spec = Spec::default_for(HOOK);
    (spec.features, spec.k, spec.tokens) = (64, 4, 2_000);
    (spec.batch, spec.buffer, spec.seed) = (128, 500, seed);
    spec
}

pub(crate) fn trained(spec: &Spec, (model, rows): &(Model, Rows)) -> Sae {
    let ended = run(spec, model, rows, &Keeping::default(), &mut |_| {
        Flow::Continue(())
    });
    ended.unwrap().into_value().sae
}

/// A map that predicts a tenth of each number.
fn map(d: usize) -> crate::dims::Matrix {
    let mut map = crate::dims::Matrix::zeros(d + 1, d);
    (0..d).for_each(|i| map.row_mut(i)[i] = 0.1);
    map
}

pub(crate) fn on(parent: &Sae, part: ErrorPart, seed: u64) -> Spec {
    let map = part.needs_map().then(|| map(parent.width()));
    let mut spec = spec(seed);
    let of = ErrorOf::new(parent.clone(), part, map, "parent").unwrap();
    spec.on = Some(Arc::new(of));
    spec
}

#[test]
fn a_child_is_the_same_from_text_from_a_store_and_beside_others() {
    let both = model_and_rows();
    let parent = trained(&spec(0), &both);
    let folder = tempfile::tempdir().unwrap();
    let store = captured_at(folder.path(), &both, &[HOOK], (Dtype::F32, true));
    let keeping = Keeping::default();
    for part in ErrorPart::ALL {
        let spec = on(&parent, part, 1);
        let alone = trained(&spec, &both);
        let stored = run_from_store(&spec, &store, &keeping, &mut |_| Flow::Continue(()));
        assert_eq!(stored.unwrap().into_value().sae, alone, "{part}");
        let mut other = spec.clone();
        (other.features, other.on) = (32, None);
        let runs = [(spec, keeping.clone()), (other.clone(), keeping.clone())];
        let outcomes = run_several(&runs, &both.0, &both.1, &Compute::Cpu, &mut |_, _| {
            Flow::Continue(())
        });
        let [first, second] = outcomes.unwrap().try_into().unwrap();
        assert_eq!(first.unwrap().into_value().sae, alone, "{part}");
        let second = second.unwrap().into_value().sae;
        assert_eq!(second, trained(&other, &both));
        assert!(second.error_of.is_none());
    }
    // Gradients follow the part; a transcoder has none to reconstruct.
    let mut spec = on(&parent, ErrorPart::Nonlinear, 1);
    spec.variant = Variant::Gradient;
    let streamed = trained(&spec, &both);
    let stored = run_from_store(&spec, &store, &keeping, &mut |_| Flow::Continue(()));
    assert_eq!(stored.unwrap().into_value().sae, streamed);
    spec.set("variant", "transcoder").unwrap();
    let said = spec.validate().unwrap_err().to_string();
    assert!(
        said.contains("cannot reconstruct the nonlinear error"),
        "{said}"
    );
}

#[test]
fn a_stopped_child_resumes_to_the_same_bytes_and_on_nothing_else() {
    let both = model_and_rows();
    let mut parent = trained(&spec(0), &both);
    parent.name = "parent".to_owned();
    let folder = tempfile::tempdir().unwrap();
    let spec = on(&parent, ErrorPart::Linear, 1);
    let whole = trained(&spec, &both);
    let mut keeping = Keeping {
        folder: Some(folder.path().to_path_buf()),
        ..Keeping::default()
    };
    let stopped = run(
        &spec,
        &both.0,
        &both.1,
        &keeping,
        &mut |event| match event {
            Event::Progress(at) if at.step == 9 => Flow::Break(()),
            _ => Flow::Continue(()),
        },
    );
    assert!(stopped.unwrap().is_stopped());
    keeping.resume = true;
    let resume = |spec: &Spec| {
        run(
            spec,
            &both.0,
            &both.1,
            &keeping,
            &mut |_| Flow::Continue(()),
        )
    };
    for wrong in [on(&parent, ErrorPart::Nonlinear, 1), self::spec(1)] {
        let said = resume(&wrong).unwrap_err().to_string();
        assert!(
            said.starts_with("on: ") && said.contains("the linear error of parent"),
            "{said}"
        );
    }
    // The dictionary beside the checkpoint names its parent too.
    let place: &Path = &folder.path().join("checkpoint");
    let named = formats::parent(place).unwrap().unwrap();
    assert_eq!(
        (named.part, named.name.as_str()),
        (ErrorPart::Linear, "parent")
    );
    assert_eq!(resume(&spec).unwrap().into_value().sae, whole);
}
