//! Compares the search with its definition, applied to the details of every feature.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::split::words;
use super::*;
use crate::features::{Detail, Example, Index, TokenEffect};
use crate::progress::Flow;

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn read(index: &Index) -> Words {
    let read = Words::read(index, &mut |_| Flow::Continue(())).unwrap();
    read.done().unwrap()
}

/// A text made of tokens, and its words with the tokens that each touches.
fn words_of(tokens: &[String]) -> Vec<(String, Vec<usize>)> {
    let text = tokens.concat();
    let token_of = |byte: usize| {
        let mut before = 0;
        let holds = |token: &String| {
            before += token.len();
            byte < before
        };
        tokens.iter().position(holds).unwrap()
    };
    let all = words(&text).into_iter();
    all.map(|word| (word.text, word.at.map(token_of).collect()))
        .collect()
}

/// The words of an example's window with whether each belongs to the token of the peak.
type Held = Vec<(String, bool)>;

fn held(index: &Index, example: &Example) -> Held {
    let (row, position) = match index.passage(example) {
        Ok(passage) => (passage.texts, passage.position),
        Err(_) => (example.tokens.clone(), example.at),
    };
    let from = position - example.at;
    let window = from..from + example.tokens.len();
    let whole = words_of(&row).into_iter();
    let whole = whole.filter(|(_, tokens)| tokens.iter().all(|token| window.contains(token)));
    let whole = whole.map(|(word, tokens)| (word, tokens.contains(&position)));
    let of_token = words(&example.tokens[example.at]).into_iter();
    whole
        .chain(of_token.map(|word| (word.text, true)))
        .collect()
}

/// Whether an example holds every word of the query, and whether it peaks on one, by definition.
fn example_matches(held: &[(String, bool)], query: &[String]) -> (bool, bool) {
    let holds = |wanted: &String| held.iter().any(|(word, _)| word.starts_with(wanted));
    let peaks = |wanted: &String| {
        let mut at_peak = held.iter().filter(|(_, at_peak)| *at_peak);
        at_peak.any(|(word, _)| word.starts_with(wanted))
    };
    (query.iter().all(holds), query.iter().any(peaks))
}

fn effect_matches(effects: &[TokenEffect], query: &[String]) -> Option<(String, usize)> {
    let begins = |effect: &TokenEffect, word: &String| {
        words(&effect.text).iter().any(|w| w.text.starts_with(word))
    };
    let all = query
        .iter()
        .all(|word| effects.iter().any(|effect| begins(effect, word)));
    let first = effects
        .iter()
        .position(|effect| query.iter().any(|word| begins(effect, word)));
    first
        .filter(|_| all)
        .map(|at| (effects[at].text.clone(), at))
}

/// The words of the fact that names a feature: those of its kind and of its tokens.
fn fact_words(index: &Index, feature: FeatureId) -> Vec<String> {
    let Some(fact) = index.naming_fact(feature).unwrap() else {
        return Vec::new();
    };
    let tokens = fact.tokens.iter().map(|token| token.text.as_str());
    let texts = tokens.chain([fact.kind.name()]);
    texts.flat_map(words).map(|word| word.text).collect()
}

/// The hit of a feature by definition; none if it does not match.
fn defined(detail: &Detail, (top, fact): (&[Held], &[String]), query: &[String]) -> Option<Hit> {
    let mut hit = Hit {
        feature: detail.summary.feature,
        of: detail.top.len(),
        ..Hit::default()
    };
    let named = |wanted: &String| fact.iter().any(|word| word.starts_with(wanted));
    hit.fact = query.iter().all(named);
    for held in top {
        let (held, peaks) = example_matches(held, query);
        hit.examples += usize::from(held);
        hit.peaks += usize::from(held && peaks);
    }
    let shared = |(token, at): (String, usize)| (Arc::from(token), at);
    hit.promotes = effect_matches(&detail.promoted, query).map(shared);
    hit.suppresses = effect_matches(&detail.suppressed, query).map(shared);
    let share = |count: usize| count as f64 / (hit.of as f64 + 2.0);
    let moves = match (&hit.promotes, &hit.suppresses) {
        (Some((_, at)), _) => 2.0 + 1.0 / (*at as f64 + 1.0),
        (None, Some((_, at))) => 1.0 / (*at as f64 + 1.0),
        (None, None) => 0.0,
    };
    let peaks = if hit.peaks > 0 { 1.0 } else { 0.0 };
    let fact = if hit.fact { 7.0 } else { 0.0 };
    hit.score = fact + peaks + 4.0 * share(hit.peaks) + share(hit.examples) + 0.001 * moves;
    (hit.score > 0.0).then_some(hit)
}

fn check(path: &str, queries: &[&str], step: usize) {
    let index = Index::open(&file(path)).unwrap();
    let all = read(&index);
    let features = (0..index.about().features)
        .step_by(step)
        .map(FeatureId::from);
    let read = |feature| {
        let detail = index.detail(feature).unwrap();
        let top = detail.top.iter().map(|example| held(&index, example));
        let top: Vec<_> = top.collect();
        (detail, (top, fact_words(&index, feature)))
    };
    let details: Vec<(Detail, (Vec<_>, Vec<String>))> = features.map(read).collect();
    let is_checked = |hit: &Hit| hit.feature.index().is_multiple_of(step);
    for query in queries {
        let wanted: Vec<String> = words(query).into_iter().map(|word| word.text).collect();
        let matching = details.iter();
        let matching =
            matching.filter_map(|(detail, (top, fact))| defined(detail, (top, fact), &wanted));
        let mut want: Vec<Hit> = matching.collect();
        want.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.feature.cmp(&b.feature)));
        let mut got = all.search(query, &[]);
        got.retain(is_checked);
        assert!(!want.is_empty(), "{query} finds nothing in {path}");
        assert_eq!(got, want, "{query} in {path}");
    }
}

#[test]
fn the_search_equals_its_definition() {
    let queries = ["king", "the", "the king", "said ,", "⏎", "qu", "rabbit"];
    check("assets/demo/indexes/resid-2.sqlite", &queries, 11);
    check(
        "tests/golden/index/version-1.sqlite",
        &["the", "said", "alice"],
        1,
    );
}

#[test]
fn words_of_the_context_are_found_and_the_reason_is_said() {
    let index = Index::open(&file("assets/demo/indexes/resid-2.sqlite")).unwrap();
    let all = read(&index);
    let hits = all.search("king", &[]);
    let in_context = |hit: &&Hit| hit.peaks == 0 && hit.examples > 0;
    let hit = hits
        .iter()
        .find(in_context)
        .expect("a feature beside the word");
    let said = format!("in {} of {} examples", hit.examples, hit.of);
    assert!(hit.why().starts_with(&said), "{}", hit.why());
    assert!(
        hits[0].peaks > 10 && hits[0].why().starts_with("peaks on it in "),
        "{:?}",
        hits[0]
    );
    let strongest = |hit: &Hit| match hit.reasons().first() {
        Some(Reason::Peaks { .. }) => 0,
        Some(Reason::Examples { .. }) => 1,
        Some(Reason::Promotes(_)) => 2,
        _ => 3,
    };
    assert!(hits.is_sorted_by_key(strongest), "stronger reasons first");
    assert!((0..4).all(|reason| hits.iter().any(|hit| strongest(hit) == reason)));
    assert!(all.search("qqqqq", &[]).is_empty());
    for hostile in ["", " ", "\"", "*", "a OR (", "\u{301}", "#", "999999999999"] {
        all.search(hostile, &[]);
    }
}

#[test]
fn numbers_and_labels_come_first() {
    let index = Index::open(&file("assets/demo/indexes/resid-2.sqlite")).unwrap();
    let all = read(&index);
    let labels = [
        (FeatureId(7), "The café of the king"),
        (FeatureId(9), "12 kings"),
    ];
    let hits = all.search("king", &labels);
    assert_eq!(
        (hits[0].label, hits[1].label, hits[2].label),
        (true, true, false)
    );
    assert_eq!(all.search("CAFE ki", &labels)[0].feature, FeatureId(7));
    for number in ["12", "#12"] {
        let hits = all.search(number, &labels);
        assert_eq!(
            (hits[0].feature, hits[0].why().starts_with("number")),
            (FeatureId(12), true)
        );
    }
    let hits = all.search("12", &labels);
    assert_eq!(
        hits[1].feature,
        FeatureId(9),
        "a label goes before examples"
    );
    assert!(all.search("#2048", &labels).iter().all(|hit| !hit.number));
}

#[test]
fn a_text_matches_if_every_word_begins_one_of_its() {
    assert!(matches("talk ani", "animals that talk"));
    assert!(matches("ECOLE", "l’école"));
    assert!(!matches("tall", "animals that talk"));
    assert!(!matches("", "animals that talk"));
}

/// Prints how long it takes.
#[test]
fn a_search_of_the_demo_is_quick() {
    let index = Index::open(&file("assets/demo/indexes/resid-2.sqlite")).unwrap();
    let before = Instant::now();
    let all = read(&index);
    let (reading, before) = (before.elapsed(), Instant::now());
    let hits = all.search("the", &[]);
    println!(
        "2048 features: read in {reading:.1?}, “the” in {:.1?}, {} hits",
        before.elapsed(),
        hits.len()
    );
    assert!(before.elapsed().as_secs_f64() < 1.0);
}
