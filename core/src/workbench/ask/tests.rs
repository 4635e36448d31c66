//! Questions to an endpoint in a thread of this process.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::server::{Reply, Request, Server, says};
use super::*;
use crate::error::Error;
use crate::features::{Index, Source, build};
use crate::formats;
use crate::models::Model;
use crate::workbench::pair::Pair;
use crate::workbench::text::{Most, TextRequest};

fn on(_: Progress) -> Flow {
    Flow::Continue(())
}

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo")
}

fn endpoint(server: &Server) -> Endpoint {
    Endpoint {
        url: server.url.clone(),
        model: "tiny".to_owned(),
        key: Some("secret".to_owned()),
    }
}

/// Asks with made-up material: the feature is active on texts with a king.
fn asked(endpoint: &Endpoint) -> Result<Answer> {
    let example = |tokens: [&str; 3], act: f32| crate::features::Example {
        document: "oz".to_owned(),
        place: None,
        ids: [1, 2, 3].map(crate::ids::TokenId).into(),
        tokens: tokens.map(str::to_owned).into(),
        acts: vec![0.0, act, 0.0],
        at: 1,
    };
    let material = Material {
        feature: FeatureId(7),
        shown: vec![example(["a", " king", "."], 2.0)],
        active: vec![example(["the", " king", "!"], 1.0); 4],
        silent: vec![example(["the", " cat", "!"], 0.0); 4],
        promoted: vec![],
    };
    let mut kept = 0;
    let mut keep = |_: &Answer| {
        kept += 1;
        Ok(())
    };
    let ended = ask(
        endpoint,
        &[material],
        Settings::default(),
        &mut keep,
        &mut on,
    )?;
    assert_eq!(kept, 1);
    Ok(ended.done().unwrap().remove(0))
}

/// Answers with a label, then with the texts that hold `word`.
fn naming(word: &'static str) -> Reply {
    Box::new(move |request: &Request| {
        let asked = request.asked();
        if !asked.starts_with("Description: ") {
            return (200, says("\"talk of kings.\""));
        }
        let fits = (1..).zip(asked.lines().skip(1));
        let fits = fits.filter(|(_, line)| line.contains(word));
        let fits: Vec<usize> = fits.map(|(number, _)| number).collect();
        (200, says(&format!("{fits:?}")))
    })
}

#[test]
fn a_label_is_asked_for_and_tested_on_held_out_texts() {
    let server = Server::start(naming("king"));
    let answer = asked(&endpoint(&server)).unwrap();
    assert_eq!(answer.label.text, "talk of kings");
    assert_eq!(answer.label.origin.maker, Maker::Model);
    assert_eq!(answer.label.origin.by, "tiny");
    let detection = answer.label.origin.detection.unwrap();
    assert_eq!(detection.to_string(), "4/4 0/4");
    assert!((detection.score() - 1.0).abs() < 1e-12);
    // Exactly what the answer records was sent, with the key, and held-out texts were in the second question alone.
    let log = server.log();
    assert_eq!(log.len(), 2);
    for (request, messages) in log.iter().zip([&answer.explain, &answer.detect]) {
        assert_eq!(request.line, "POST /v1/chat/completions HTTP/1.1");
        assert_eq!(request.key.as_deref(), Some("Bearer secret"));
        assert_eq!(request.body["model"], "tiny");
        assert_eq!(request.body["messages"], json!(messages));
    }
    assert!(!log[0].asked().contains('!') && !log[1].asked().contains("« king»"));
    // A label that fits the wrong texts scores 0, one that fits all of them 0.5.
    let score = |word| {
        let answer = asked(&endpoint(&Server::start(naming(word)))).unwrap();
        answer.label.origin.detection.unwrap().score()
    };
    assert!(score("cat").abs() < 1e-12);
    assert!((score("the") - 0.5).abs() < 1e-12);
}

#[test]
fn a_busy_endpoint_is_asked_again_and_a_model_with_its_own_temperature_is_taken() {
    let mut calls = 0;
    let mut name = naming("king");
    let server = Server::start(Box::new(move |request| {
        calls += 1;
        match calls {
            1 => (503, json!({})),
            _ if request.body.get("temperature").is_some() => (
                400,
                json!({"error": {"message": "Unsupported value: 'temperature'"}}),
            ),
            _ => name(request),
        }
    }));
    let answer = asked(&endpoint(&server)).unwrap();
    assert_eq!(answer.label.text, "talk of kings");
    assert_eq!(server.log().len(), 5);
}

#[track_caller]
fn refuses(status: u16, reply: Value, says: &str) -> Error {
    let server = Server::start(Box::new(move |_| (status, reply.clone())));
    let why = asked(&endpoint(&server)).unwrap_err();
    let said = why.to_string();
    assert!(said.contains(says) && said.contains(&server.url), "{said}");
    assert!(!said.contains("secret"), "{said}");
    why
}

#[test]
fn failures_name_the_endpoint_and_the_remedy_and_never_the_key() {
    refuses(
        401,
        json!({"error": {"message": "bad key"}}),
        "(“bad key”): check the key",
    );
    refuses(404, json!({}), "name of the model");
    refuses(307, json!({}), "points to");
    refuses(200, json!({"ok": true}), "OpenAI-compatible");
    refuses(200, says(""), "without a label");
    refuses(200, says("kings"), "list of numbers");
    let nowhere = Endpoint {
        url: "http://127.0.0.1:9/v1".to_owned(),
        model: "m".to_owned(),
        key: None,
    };
    let why = asked(&nowhere).unwrap_err().to_string();
    assert!(why.contains("cannot be reached"), "{why}");
    let plain = Endpoint {
        url: "http://example.org/v1".to_owned(),
        key: Some("secret".to_owned()),
        ..nowhere
    };
    assert!(
        asked(&plain)
            .unwrap_err()
            .to_string()
            .contains("unencrypted")
    );
}

#[test]
fn material_of_the_demo_parts_distinct_examples_and_silent_texts_are_silent() {
    let (model, _) = Model::open(&demo().join("model")).unwrap();
    let (sae, _) = formats::open(&demo().join("saes/resid-2")).unwrap();
    let pair = Pair::new(&Arc::new(model), &Arc::new(sae));
    let request = TextRequest::new([demo().join("text/held-out")]).at_most(Most::Tokens(6_000));
    let text = pair.read(&request).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sqlite");
    let subject = pair.sae.autoencoder().unwrap();
    let source = Source::default();
    let built = build(&pair.model, subject, &text.rows, &source, &path, &mut on);
    assert!(!built.unwrap().is_stopped());
    let index = Index::open(&path).unwrap();
    let mut summaries = index.summaries().unwrap();
    summaries.sort_by(|a, b| b.density.total_cmp(&a.density));
    // Rare enough for silent windows, frequent enough for examples.
    let features: Vec<FeatureId> = summaries
        .iter()
        .filter(|summary| summary.density < 0.01)
        .take(4)
        .map(|summary| summary.feature)
        .collect();
    let settings = Settings::default();
    let found = materials(&pair, &index, &features, settings, &mut on).unwrap();
    let found = found.done().unwrap();
    assert_eq!(found.len(), features.len());
    for (material, feature) in found.iter().zip(&features) {
        assert_eq!(material.feature, *feature);
        assert!(!material.shown.is_empty() && material.shown.len() <= settings.shown);
        assert!(
            material.silent.len() == settings.held_out,
            "{}",
            material.silent.len()
        );
        for held in &material.active {
            assert!(material.shown.iter().all(|shown| shown.place != held.place));
        }
        // Read again, each silent text alone in its row: no activation at its positions.
        for silent in &material.silent {
            let held = silent.place.unwrap();
            let ids = &silent.ids;
            let window = held.position - silent.at..held.position - silent.at + ids.len();
            let mut rows = (0..text.rows.len())
                .filter(|row| text.rows.row(*row).get(window.clone()) == Some(ids.as_slice()));
            let row = rows.next_back().expect("the window is of the text");
            let hook = pair.sae.hook().unwrap();
            let x = crate::capture::activations(&pair.model, &text.rows, &[row], hook).unwrap();
            let latents = pair.sae.encode(&x).unwrap();
            for t in window.filter(|t| text.rows.counts(row)[*t]) {
                assert_eq!(latents.get(t, *feature), 0.0);
            }
        }
    }
    let again = materials(&pair, &index, &features, settings, &mut on).unwrap();
    assert_eq!(again.done().unwrap(), found);
}

#[test]
fn an_endpoint_is_kept_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("data");
    assert_eq!(KeptEndpoint::read(&folder).unwrap(), None);
    let kept = KeptEndpoint {
        endpoint: Endpoint {
            url: "https://x/v1".to_owned(),
            model: "m".to_owned(),
            key: Some("secret".to_owned()),
        },
    };
    kept.write(&folder).unwrap();
    assert_eq!(KeptEndpoint::read(&folder).unwrap(), Some(kept));
    let path = folder.join("endpoint.json");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    std::fs::write(&path, "{").unwrap();
    let why = KeptEndpoint::read(&folder).unwrap_err().to_string();
    assert!(why.contains("endpoint.json"), "{why}");
}
