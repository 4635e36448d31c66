//! Examples opened in Prompt, out of an index that is built here.

use std::path::Path;
use std::sync::Arc;

use umbra_core::Flow;
use umbra_core::corpus::Corpus;
use umbra_core::dims::Matrix;
use umbra_core::features::{self, Detail, Index, Summary};
use umbra_core::ids::{HookPoint, Site};
use umbra_core::models::Model;
use umbra_core::sae::{AbsTopK, Sae};

use super::*;
use crate::state::catalogue::{self, DictionaryId, LoadedIndex, LoadedSae};
use crate::state::requests::{Command as Any, navigation};
use crate::testing::{self, Desk};

const ID: DictionaryId = DictionaryId(0);

/// 32 features of the demo's residual stream, of either sign.
fn sae(model: &Model) -> Sae {
    let hook = HookPoint::block(1, Site::ResidPost);
    let d = model.width(hook).unwrap();
    let weight = |i: usize| ((i * 7919 % 1013) as f32 - 506.0) / 1013.0;
    let weights: Vec<f32> = (0..32 * d).map(weight).collect();
    let matrix = Matrix::new(32, d, weights).unwrap();
    Sae::new(
        "either",
        (matrix.clone(), vec![0.0; 32]),
        (matrix, vec![0.0; d]),
        AbsTopK { k: 4 },
    )
    .reading(hook)
}

/// The demo's model with a dictionary and an index of its own, and the page of the densest feature with negative activations.
fn desk(folder: &Path) -> (Desk, Detail) {
    let mut state = testing::with_model();
    let model = Arc::clone(&state.model().unwrap().model);
    let sae = Arc::new(sae(&model));
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo/text/held-out/alice.txt");
    let text = std::fs::read_to_string(text).unwrap();
    let document = umbra_core::corpus::Document {
        name: "alice".to_owned(),
        content: umbra_core::corpus::Content::Text(text.chars().take(6000).collect()),
    };
    let corpus = Corpus {
        documents: vec![document],
        tokenizer: None,
    };
    let (rows, _) = corpus.rows(model.codec(), 48).unwrap();
    let path = folder.join("index");
    let of = sae.by_token().unwrap();
    let mut on = |_| Flow::Continue(());
    let source = features::Source::default();
    let built = features::build(&model, of, &rows, &source, &path, &mut on);
    assert!(!built.unwrap().is_stopped());
    let index = Index::open(&path).unwrap();
    let sae = Arc::unwrap_or_clone(sae);
    let loaded = LoadedSae::new(sae, umbra_core::error::Notes::default(), 0);
    let about = index.about().clone();
    let indexed = LoadedIndex {
        path,
        about,
        facts_elsewhere: None,
        size_bytes: 0,
    };
    for event in [
        catalogue::Event::Sae(ID, Load::Ready(loaded)),
        catalogue::Event::Index(ID, Load::Ready(indexed)),
    ] {
        state.apply(Event::Catalogue(event));
    }
    let summaries = index.summaries().unwrap();
    let negative = summaries.iter().filter(|s| s.min < 0.0);
    let by_density = |a: &&Summary, b: &&Summary| a.density.total_cmp(&b.density);
    let feature = negative.max_by(by_density).unwrap().feature;
    (Desk::new(state), index.detail(feature).unwrap())
}

fn open(detail: &Detail, number: usize, at: usize) -> Any {
    let example = Box::new(detail.examples().nth(number).unwrap().clone());
    Command::Example { example, at }.into()
}

#[test]
fn an_example_is_read_as_its_row_until_somebody_types() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, detail) = desk(folder.path());
    let feature = detail.summary.feature;
    for number in [0, 1, detail.examples().count() - 1] {
        let example = detail.examples().nth(number).unwrap();
        desk.run(open(&detail, number, example.at));
        let place = example.place.unwrap();
        let prompt = &desk.state.prompt;
        let tokens = prompt.tokens.as_ref().unwrap();
        assert_eq!(tokens.ids.len(), 48);
        assert!(
            tokens.of.contains(&format!("alice, row {}", place.row)),
            "{}",
            tokens.of
        );
        assert_eq!(desk.state.selection.token, Some(place.position));
        let reading = prompt.reading.ready().unwrap();
        assert_eq!(reading.tokens, tokens.ids.to_vec());
        assert!(prompt.text.contains(example.tokens[example.at].trim()));
        let (again, act) = (reading.latents.get(place.position, feature), example.act());
        assert!(
            (again - act).abs() < 1e-4 * act.abs().max(1.0),
            "{again} {act}"
        );
    }
    // A letter more, and the text counts.
    let text = format!("{} said", desk.state.prompt.text);
    desk.run(Command::Text(text));
    assert_eq!(desk.state.prompt.tokens, None);
    let reading = desk.state.prompt.reading.ready().unwrap();
    assert_eq!(reading.texts.last().map(String::as_str), Some(" said"));
}

#[test]
fn an_older_index_opens_its_excerpt_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, detail) = desk(folder.path());
    let mut example = detail.top[0].clone();
    example.place = None;
    let (ids, at) = (example.ids.clone(), example.at);
    let example = Box::new(example);
    desk.run(Command::Example { example, at });
    let tokens = desk.state.prompt.tokens.as_ref().unwrap();
    assert!(tokens.of.contains("excerpt"), "{}", tokens.of);
    assert!(tokens.ids.ends_with(&ids));
    let begun = tokens.ids.len() - ids.len();
    assert_eq!(desk.state.selection.token, Some(at + begun));
}

#[test]
fn back_brings_the_sentence_back_that_an_example_took_the_place_of() {
    let folder = tempfile::tempdir().unwrap();
    let (mut desk, detail) = desk(folder.path());
    desk.run(Command::Text("My own sentence".to_owned()));
    desk.run(open(&detail, 0, detail.top[0].at));
    let first = desk.state.prompt.written();
    assert!(first.tokens.is_some());
    assert!(
        desk.notices()
            .iter()
            .any(|said| said.contains("restores your sentence"))
    );
    desk.run(navigation::Command::Go(ViewId::Heads));
    desk.run(navigation::Command::Back);
    assert_eq!(desk.state.prompt.written(), first);
    // Another example over the first.
    desk.run(open(&detail, 1, 0));
    let second = desk.state.prompt.written();
    assert_ne!(second, first);
    desk.run(navigation::Command::Back);
    assert_eq!(desk.state.prompt.written(), first);
    desk.run(navigation::Command::Back);
    assert_eq!(desk.state.prompt.written(), "My own sentence".into());
    desk.run(navigation::Command::Forward);
    assert_eq!(desk.state.prompt.written(), first);
}
