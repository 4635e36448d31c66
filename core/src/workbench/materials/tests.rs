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
        let mut stock = Stock::new(model(), sae.map(self::sae), Sources::default());
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
        probe: Some(demo("kept/resid-2.probe.safetensors")),
        ..Sources::default()
    };
    let sae = sae("resid-2");
    let mut own = Stock::new(model(), Some(Arc::clone(&sae)), sources.clone());
    let made = own.edits(&linear, &mut on).unwrap().done().unwrap();
    assert!(made.notes.is_empty(), "{:?}", made.notes);
    // It is as wide and was fitted on another dictionary.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("other.safetensors");
    let mut probe = Probe::open(sources.probe.as_ref().unwrap()).unwrap();
    probe.sae_fingerprint = "0".repeat(64);
    probe.save(&path).unwrap();
    sources.probe = Some(path);
    let mut foreign = Stock::new(model(), Some(Arc::clone(&sae)), sources.clone());
    let refused = foreign.edits(&linear, &mut on).unwrap_err();
    assert_eq!(refused.keys(), [Key::AllowMismatch], "{refused}");
    sources.allow_mismatch = true;
    let mut allowed = Stock::new(model(), Some(sae), sources);
    let made = allowed.edits(&linear, &mut on).unwrap().done().unwrap();
    assert_eq!(made.notes.iter().count(), 1, "{:?}", made.notes);
}

#[test]
fn a_stock_is_of_what_it_was_made_from() {
    let (model, sae) = (model(), sae("attn-0"));
    let sources = text(PathBuf::from("a.txt"));
    let stock = Stock::new(Arc::clone(&model), Some(Arc::clone(&sae)), sources.clone());
    assert!(stock.is_of(&model, Some(&sae), &sources));
    assert!(!stock.is_of(&model, None, &sources));
    assert!(!stock.is_of(&model, Some(&self::sae("attn-0")), &sources));
    assert!(!stock.is_of(&self::model(), Some(&sae), &sources));
    assert!(!stock.is_of(&model, Some(&sae), &Sources::default()));
}

#[test]
fn sources_that_no_edit_needs_are_left_out() {
    let sources = Sources {
        probe: Some(demo("kept/resid-2.probe.safetensors")),
        ..text(demo("text/held-out"))
    };
    let check = |edits: &[&str], probe: bool, mean: bool| {
        let needed = sources.clone().needed_by(&specs(edits));
        let got = (needed.probe.is_some(), needed.mean.is_some());
        assert_eq!(got, (probe, mean), "{edits:?}");
    };
    check(&["zero", "mean file=m key=k"], false, false);
    check(&["zero", "splice part=+linear"], true, false);
    check(
        &["set-feature feature=1 value=2 error=nonlinear"],
        true,
        false,
    );
    check(&["splice part=mean"], false, true);
    check(&["mean", "splice part=+linear"], true, true);
}
