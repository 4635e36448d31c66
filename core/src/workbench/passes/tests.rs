//! Amounts of text, and times that come from passes that were run.

use std::sync::Arc;

use super::*;
use crate::formats;
use crate::models::Model;

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo")
}

fn pair(name: &str) -> Pair {
    let (model, _) = Model::open(&demo().join("model")).unwrap();
    let (sae, _) = formats::open(&demo().join("saes").join(name)).unwrap();
    Pair::new(&Arc::new(model), &Arc::new(sae))
}

/// A pass of `pair` that took `seconds` for 1,000 tokens.
fn ran(pass: Pass, pair: &Pair, seconds: f64) -> Ran {
    Ran {
        pass,
        model: pair.model.fingerprint().to_owned(),
        sae: pair.sae.name.clone(),
        hook: String::new(),
        features: pair.sae.features(),
        device: "cpu".to_owned(),
        device_name: "CPU".to_owned(),
        machine: machine(),
        tokens: 1_000,
        seconds,
    }
}

#[test]
fn the_amount_decides_how_much_of_a_text_is_read() {
    let (project, _) = Project::open(&demo()).unwrap();
    let request = held_out(&project, Amount::Tokens(4_000)).unwrap();
    let rows = pair("attn-0").read(&request).unwrap().rows;
    assert!(
        (3_500..=4_000).contains(&rows.counted()),
        "{}",
        rows.counted()
    );
    let all = held_out(&project, Amount::All).unwrap();
    assert_eq!(all.most, None);
    assert_eq!(source(&all), "the project's held-out text (held-out)");
    assert_eq!(Amount::All.within(70), 70);
    assert_eq!(Amount::Tokens(100).within(70), 70);
    assert_eq!(Amount::Tokens(50).within(70), 50);
}

#[test]
fn without_held_out_text_the_part_of_the_training_text_that_is_held_out_is_read() {
    let (mut project, _) = Project::open(&demo()).unwrap();
    project.held_out_text.clear();
    let request = held_out(&project, Amount::default_for(Pass::Evaluation)).unwrap();
    assert!(
        source(&request).contains("held-out 5 %"),
        "{}",
        source(&request)
    );
    project.train_text.clear();
    let refused = held_out(&project, Amount::All).unwrap_err().to_string();
    assert!(refused.contains("names no text"), "{refused}");
}

#[test]
fn a_time_is_unknown_until_a_pass_was_run_and_then_comes_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let speeds = Speeds::new(Some(folder.path()));
    let pair = pair("attn-0");
    let expected = |speeds: &Speeds, pass, wish| speeds.expected(pass, &pair, wish);
    assert_eq!(expected(&speeds, Pass::Index, DeviceWish::Auto), None);
    assert_eq!(speeds.of_model(&pair.model), None);
    let text = TextRequest::new([demo().join("text/held-out/rabbit.txt")]);
    let rows = pair.read(&text).unwrap().rows;
    let choice = Choice::default();
    let timed = |ended: Ended<()>| {
        speeds
            .timed(Pass::Index, (&pair, &rows), &choice, || Ok(ended))
            .unwrap()
    };
    assert!(timed(Ended::STOPPED).is_stopped());
    assert_eq!(expected(&speeds, Pass::Index, DeviceWish::Auto), None);
    assert!(!timed(Ended::Done(())).is_stopped());
    // Another program knows it too; another kind and another device stay unknown.
    let again = Speeds::new(Some(folder.path()));
    let known = expected(&again, Pass::Index, DeviceWish::Cpu).unwrap();
    assert_eq!(again.of_model(&pair.model).as_ref(), Some(&known));
    assert_eq!(known.tokens, rows.counted() as u64);
    assert_eq!(expected(&again, Pass::Evaluation, DeviceWish::Auto), None);
    assert_eq!(expected(&again, Pass::Index, DeviceWish::Gpu(None)), None);
}

#[test]
fn the_pass_of_the_same_dictionary_counts_before_others_that_are_alike() {
    let speeds = Speeds::default();
    let [small, large, other] = ["attn-0", "resid-2", "attn-1"].map(pair);
    let expected = |of: &Pair| speeds.expected(Pass::Evaluation, of, DeviceWish::Auto);
    speeds.add(ran(Pass::Evaluation, &large, 2.0));
    // 256 features are too few to be like 2,048; 1,024 are not.
    assert_eq!(expected(&small), None);
    assert_eq!(expected(&other).unwrap().sae, "resid-2");
    speeds.add(ran(Pass::Evaluation, &other, 4.0));
    speeds.add(ran(Pass::Evaluation, &large, 0.5));
    assert_eq!(expected(&other).unwrap().seconds, 4.0);
    let known = expected(&large).unwrap();
    assert_eq!(known.seconds_for(10_000), 5.0);
    assert_eq!(
        known.said(10_000),
        "about 5 s, at 2000 tokens/s as in the last evaluation of resid-2 (CPU)"
    );
}

#[test]
fn passes_that_are_kept_stay_few() {
    let mut passes = Passes::default();
    let pair = pair("attn-0");
    for i in 0..200 {
        let mut one = ran(Pass::Index, &pair, 1.0);
        one.sae = format!("z{i}");
        passes.add(one);
    }
    assert_eq!(passes.passes.len(), KEPT);
    assert_eq!(passes.passes[0].sae, "z199");
}
