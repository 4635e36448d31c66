//! Materials of edits on the demo: measured once, opened when needed, refused by the name of their setting.

use std::path::Path;

use super::*;
use crate::formats;
use crate::steer::mean_of_text;

fn demo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../assets/demo")
        .join(path)
}

fn model() -> Arc<Model> {
    Arc::new(Model::open(&demo("model")).unwrap().0)
}

fn sae(name: &str) -> Arc<Sae> {
    Arc::new(formats::open(&demo("saes").join(name)).unwrap().0)
}

fn specs(edits: &[&str]) -> Vec<EditSpec> {
    edits.iter().map(|edit| edit.parse().unwrap()).collect()
}

fn text(path: PathBuf) -> Sources {
    Sources {
        mean: Some(TextRequest::new(vec![path])),
        ..Sources::default()
    }
}

/// Makes edits and counts how often the observer heard of a mean.
fn made(stock: &mut Stock, edits: &[&str]) -> (Made, usize) {
    let mut heard = 0;
    let made = stock.edits(&specs(edits), &mut |_| {
        heard += 1;
        Flow::Continue(())
    });
    (made.unwrap().done().unwrap(), heard)
}

#[test]
fn a_mean_is_measured_once_for_each_hook_and_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fable.txt");
    let write = |line: &str| std::fs::write(&path, line.repeat(40)).unwrap();
    write("A fox and a crow, and a piece of cheese. ");
    let model = model();
    let mut stock = Stock::new(Arc::clone(&model), None, text(path.clone()));
    let twice = [
        "mean hook=blocks.1.hook_mlp_out",
        "mean hook=blocks.1.hook_mlp_out positions=new",
    ];
    let (first, heard) = made(&mut stock, &twice);
    assert!(heard > 0);
    assert_eq!(first.means.len(), 1, "{:?}", first.means);
    assert!(first.means[0].contains("fable.txt"), "{:?}", first.means);
    let (corpus, _) = TextRequest::new(vec![path.clone()]).open().unwrap();
    let hook = "blocks.1.hook_mlp_out".parse().unwrap();
    let mut on = |_: Progress| Flow::Continue(());
    let want = mean_of_text((&model, None), (&corpus, "x"), None, hook, &mut on);
    let want = want.unwrap().done().unwrap().values;
    for edit in first.edits.iter() {
        assert!(matches!(&edit.action, steer::Action::Replace(mean) if *mean == want));
    }
    let (again, heard) = made(&mut stock, &twice[..1]);
    assert_eq!((heard, &again.means), (0, &first.means));
    assert!(made(&mut stock, &["mean hook=blocks.2.hook_mlp_out"]).1 > 0);
    write("A stork and a fox at dinner, each in turn. ");
    assert!(made(&mut stock, &twice[..1]).1 > 0, "the text changed");
}

#[test]
fn an_observer_may_stop_a_mean() {
    let path = demo("text/held-out/alice.txt");
    let mut stock = Stock::new(model(), None, text(path));
    let mean = specs(&["mean hook=blocks.1.hook_mlp_out"]);
    let stopped = stock.edits(&mean, &mut |_| Flow::Break(()));
    assert!(stopped.unwrap().is_stopped());
}

#[test]
fn what_is_missing_is_named_by_its_setting() {
    let check = |sae: Option<&str>, edit: &str, key: Key| {
        let mut stock = Stock::new(
            model(),
            sae.map(|name| self::sae(name).into()),
            Sources::default(),
        );
        let error = stock
            .edits(&specs(&[edit]), &mut |_| Flow::Continue(()))
            .unwrap_err();
        assert_eq!(error.keys(), [key], "{error}");
    };
    check(None, "add feature=1", Key::Sae);
    check(None, "mean hook=blocks.1.hook_mlp_out", Key::MeanOf);
    check(Some("resid-2"), "splice part=+linear", Key::Probe);
    check(Some("resid-2"), "mean", Key::MeanOf);
}

#[test]
fn a_probe_of_another_dictionary_needs_leave() {
    let linear = specs(&["splice part=+linear", "splice part=+nonlinear"]);
    let mut on = |_: Progress| Flow::Continue(());
    let mut sources = Sources {
        probes: vec![demo("kept/resid-2.probe.safetensors")],
        ..Sources::default()
    };
    let sae = sae("resid-2");
    let mut own = Stock::new(model(), Some(Arc::clone(&sae).into()), sources.clone());
    let made = own.edits(&linear, &mut on).unwrap().done().unwrap();
    assert!(made.notes.is_empty(), "{:?}", made.notes);
    // It is as wide and was fitted on another dictionary.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.safetensors");
    let mut probe = Probe::open(&sources.probes[0]).unwrap();
    probe.sae_fingerprint = "0".repeat(64);
    probe.save(&path).unwrap();
    sources.probes = vec![path];
    let mut foreign = Stock::new(model(), Some(Arc::clone(&sae).into()), sources.clone());
    let refused = foreign.edits(&linear, &mut on).unwrap_err();
    assert_eq!(refused.keys(), [Key::AllowMismatch], "{refused}");
    sources.allow_mismatch = true;
    let mut allowed = Stock::new(model(), Some(sae.into()), sources);
    let made = allowed.edits(&linear, &mut on).unwrap().done().unwrap();
    assert_eq!(made.notes.iter().count(), 1, "{:?}", made.notes);
}

#[test]
fn a_stock_is_of_what_it_was_made_from() {
    let (model, sae) = (model(), sae("attn-0"));
    let sources = text(PathBuf::from("a.txt"));
    let own = [Named::from(sae)];
    let stock = Stock::new(Arc::clone(&model), own.clone(), sources.clone());
    assert!(stock.is_of(&model, &own, &sources));
    assert!(!stock.is_of(&model, &[], &sources));
    let other = Named::from(self::sae("attn-0"));
    assert!(!stock.is_of(&model, &[other], &sources));
    assert!(!stock.is_of(&self::model(), &own, &sources));
    assert!(!stock.is_of(&model, &own, &Sources::default()));
    let mut renamed = own.clone();
    renamed[0].name = "another".to_owned();
    assert!(!stock.is_of(&model, &renamed, &sources));
}

#[test]
fn edits_name_their_dictionary_where_there_are_several() {
    let two = ["resid-2", "attn-1"].map(|name| Named::from(sae(name)));
    let sources = Sources {
        probes: vec![demo("kept/resid-2.probe.safetensors")],
        ..Sources::default()
    };
    let mut stock = Stock::new(model(), two, sources);
    let (made, _) = made(
        &mut stock,
        &[
            "add feature=7 strength=2 sae=resid-2",
            "scale-feature feature=3 by=0 sae=attn-1",
            "splice part=+linear sae=resid-2",
            "zero hook=blocks.0.attn.hook_z heads=1",
        ],
    );
    let hooks: Vec<String> = made
        .edits
        .iter()
        .map(|edit| edit.hook.to_string())
        .collect();
    let want = [
        "blocks.2.hook_resid_post",
        "blocks.1.attn.hook_z",
        "blocks.2.hook_resid_post",
        "blocks.0.attn.hook_z",
    ];
    assert_eq!(hooks, want);
    let run: Vec<&str> = (made.edits.dictionaries().iter())
        .map(|sae| sae.name.as_str())
        .collect();
    assert_eq!(run, ["attn-1", "resid-2"]);
    let mut refused = |edit: &str, phrase: &str| {
        let said = stock.edits(&specs(&[edit]), &mut |_| Flow::Continue(()));
        let said = said.unwrap_err().to_string();
        assert!(said.contains(phrase), "{said}");
    };
    refused("add feature=7", "sae=resid-2");
    refused("add feature=7 sae=attn-3", "there is resid-2, attn-1");
    // The probe is of the other dictionary.
    refused("splice part=+linear sae=attn-1", "probe");
}

/// Writes the vectors of `edits` into a file.
fn vectors(stock: &mut Stock, edits: &[&str], path: &Path) -> Result<()> {
    let (made, _) = made(stock, edits);
    let model = Arc::clone(&stock.model);
    made.save_vectors(&model, &specs(edits), path)
}

#[test]
fn a_stack_of_additions_is_saved_as_vectors_and_added_again() {
    let two = ["resid-2", "attn-1"].map(|name| Named::from(sae(name)));
    let mut stock = Stock::new(model(), two, Sources::default());
    let edits = [
        "add feature=7 strength=2.5 sae=resid-2",
        "add feature=30 strength=-1 sae=resid-2",
        "add feature=3 strength=4 sae=attn-1 heads=0,2",
    ];
    let folder = tempfile::tempdir().unwrap();
    let [path, twice] = ["v.safetensors", "again.safetensors"].map(|name| folder.path().join(name));
    vectors(&mut stock, &edits, &path).unwrap();
    vectors(&mut stock, &edits, &twice).unwrap();
    let read = |path: &Path| std::fs::read(path).unwrap();
    assert_eq!(read(&path), read(&twice));
    let kept = crate::models::read_tensors(&path).unwrap();
    let names: Vec<&str> = kept.keys().map(String::as_str).collect();
    assert_eq!(names, ["blocks.1.attn.hook_z", "blocks.2.hook_resid_post"]);
    let sum: Vec<f32> = kept[names[1]].to_vec1().unwrap();
    let rows = [7, 30].map(|i| {
        stock.saes[0]
            .sae
            .direction(crate::ids::FeatureId(i))
            .unwrap()
            .to_vec()
    });
    for (i, x) in sum.iter().enumerate() {
        let want = 2.5 * f64::from(rows[0][i]) - f64::from(rows[1][i]);
        assert!((f64::from(*x) - want).abs() < 1e-6, "{x} {want}");
    }
    let about = crate::models::read_metadata(&path).unwrap();
    let about: serde_json::Value = serde_json::from_str(&about["umbra"]).unwrap();
    assert_eq!(about["model_fingerprint"], stock.model.fingerprint());
    assert_eq!(about["edits"][1]["feature"], 30);
    assert_eq!(about["edits"][2]["dictionary"], "attn-1");
    assert_eq!(
        about["edits"][0]["dictionary_fingerprint"],
        stock.saes[0].sae.fingerprint()
    );
    // Added again, they give the logits of the stack.
    let file = shlex::try_quote(path.to_str().unwrap())
        .unwrap()
        .into_owned();
    let again: Vec<String> = (kept.keys())
        .map(|name| format!("add file={file} key={name} positions=1.."))
        .collect();
    let again: Vec<&str> = again.iter().map(String::as_str).collect();
    let tokens = stock.model.codec().encode_with_bos("The old king").unwrap();
    let tokens = crate::models::token_tensor(&[&tokens]).unwrap();
    let mut logits = |edits: &[&str]| -> Vec<f32> {
        let (made, _) = made(&mut stock, edits);
        let logits = made.edits.logits(&stock.model, &tokens).unwrap();
        logits.flatten_all().unwrap().to_vec1().unwrap()
    };
    let [stack, vectors, none] = [&edits[..], &again, &[]].map(&mut logits);
    let off = |a: &[f32], b: &[f32]| {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    // The sum is rounded once, in another order.
    assert!(off(&stack, &vectors) < 1e-4 && off(&stack, &none) > 0.1);
}

#[test]
fn vectors_are_of_additions_and_of_one_model() {
    let mut stock = Stock::new(model(), [Named::from(sae("resid-2"))], Sources::default());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("v.safetensors");
    let mut refused = |edits: &[&str], phrase: &str| {
        let said = vectors(&mut stock, edits, &path).unwrap_err().to_string();
        assert!(said.contains(phrase), "{said}");
        assert!(!path.exists());
    };
    let add = "add feature=7 strength=2";
    refused(
        &[add, "zero hook=blocks.0.hook_mlp_out"],
        "edit 2 adds no vector",
    );
    refused(
        &[add, "add feature=8 strength=1 positions=new"],
        "other positions",
    );
    refused(&["add feature=7 strength=2 rows=0"], "for some rows");
    refused(&[], "no edit");
    vectors(&mut stock, &[add], &path).unwrap();
    let tiny = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/tiny-llama");
    let tiny = Arc::new(Model::open(&tiny).unwrap().0);
    let mut other = Stock::new(tiny, None, Sources::default());
    let file = shlex::try_quote(path.to_str().unwrap())
        .unwrap()
        .into_owned();
    let edit = format!("add file={file} key=blocks.2.hook_resid_post");
    let said = other.edits(&specs(&[&edit]), &mut |_| Flow::Continue(()));
    let said = said.unwrap_err().to_string();
    assert!(
        said.contains("fingerprint is another") && said.contains("v.safetensors"),
        "{said}"
    );
}
