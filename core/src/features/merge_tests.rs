//! Merged indexes against one index over the same rows, and merges that are refused.

use std::ops::Range;
use std::path::Path;

use serde_json::Value;

use super::tests::{FEATURES, model, rows, sae, signed, source};
use super::*;
use crate::Flow;
use crate::corpus::Rows;
use crate::sae::Sae;

const Z: &str = "blocks.1.attn.hook_z";
const RESID: &str = "blocks.2.hook_resid_post";

fn go_on(_: crate::progress::Progress) -> Flow {
    Flow::Continue(())
}

fn everything(seed: u64) -> Source {
    Source {
        attribution: true,
        loss_effects: true,
        ..source(seed)
    }
}

fn index(sae: &Sae, (rows, source): (&Rows, &Source), out: &Path) -> Index {
    let of = sae.autoencoder().unwrap();
    let built = build(model(), of, rows, source, out, &mut go_on);
    assert!(!built.unwrap().is_stopped());
    Index::open(out).unwrap()
}

/// The index over some rows.
fn part(sae: &Sae, range: Range<usize>, out: &Path) -> Index {
    let source = Source {
        rows: Some(range),
        ..everything(5)
    };
    index(sae, (&rows(), &source), out)
}

fn merged(indexes: &[Index], out: &Path) -> Index {
    let done = merge(indexes, out, &mut go_on).unwrap();
    assert_eq!(done.done().map(|notes| notes.is_empty()), Some(true));
    Index::open(out).unwrap()
}

/// Returns the first place where two values differ: counts and texts at all, other numbers by more than 1e-9 of their size. Sums of f64 run in another order; that
/// of 3,000 terms is off by less than 1e-12 of its size. Measurements at examples come from passes over the examples of an index, which another index has in another
/// company: f32 sums differ in their last bits, and sources are kept to 1/4,095 of the largest.
fn difference(a: &Value, b: &Value, at: &str) -> Option<String> {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) if a.len() == b.len() => a
            .iter()
            .find_map(|(key, value)| difference(value, b.get(key)?, &format!("{at}.{key}"))),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let mut pairs = a.iter().zip(b).enumerate();
            pairs.find_map(|(i, (a, b))| difference(a, b, &format!("{at}[{i}]")))
        }
        (Value::Number(a), Value::Number(b)) if a.is_f64() && b.is_f64() => {
            let (a, b) = (a.as_f64()?, b.as_f64()?);
            let measured = ["sources", "loss_effect", "head_attribution"];
            let bound = if measured.iter().any(|key| at.contains(key)) {
                2e-3 * a.abs().max(b.abs()).max(1.0)
            } else {
                1e-9 * a.abs().max(b.abs()).max(1e-3)
            };
            let far = (a - b).abs() > bound;
            far.then(|| format!("{at}: {a} {b}"))
        }
        _ => (a != b).then(|| format!("{at}: {a} {b}")),
    }
}

/// Checks that two indexes say the same about every feature.
fn check(a: &Index, b: &Index) {
    let (one, other) = (a.about(), b.about());
    assert_eq!((one.tokens, one.left_out), (other.tokens, other.left_out));
    assert_eq!((&one.corpus, &one.spans), (&other.corpus, &other.spans));
    assert_eq!(one.corpus_fingerprint, other.corpus_fingerprint);
    for feature in (0..FEATURES).map(FeatureId::from) {
        let [a, b] = [a, b].map(|index| json(index.about(), &index.detail(feature).unwrap()));
        assert_eq!(difference(&a, &b, &feature.to_string()), None);
    }
    assert_eq!(a.top_tokens().unwrap(), b.top_tokens().unwrap());
    let words = |index: &Index| index.search("alice").unwrap();
    assert_eq!(words(a), words(b));
}

#[test]
fn parts_in_any_order_are_the_index_over_all_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for sae in [sae(Z), signed(RESID)] {
        let whole = index(&sae, (&rows(), &everything(5)), &path("whole"));
        let parts = || {
            [
                part(&sae, 0..7, &path("a")),
                part(&sae, 7..31, &path("b")),
                part(&sae, 31..60, &path("c")),
            ]
        };
        let [a, b, c] = parts();
        check(&merged(&[a, b, c], &path("in order")), &whole);
        let [a, b, c] = parts();
        check(&merged(&[c, a, b], &path("any order")), &whole);
        // Merged indexes can be merged.
        let [a, b, c] = parts();
        let ends = merged(&[c, a], &path("ends"));
        assert_eq!(
            ends.about().corpus,
            "three pieces, rows 0..7; three pieces, rows 31..60"
        );
        check(&merged(&[ends, b], &path("again")), &whole);
        // The comparison tells two indexes apart.
        let [_, b, c] = parts();
        let less = merged(&[b, c], &path("less"));
        let summaries = whole.summaries().unwrap();
        let by_density = |a: &&Summary, b: &&Summary| a.density.total_cmp(&b.density);
        let densest = summaries.iter().max_by(by_density).unwrap().feature;
        let [less, whole] = [&less, &whole].map(|index| {
            let detail = index.detail(densest).unwrap();
            json(index.about(), &detail)
        });
        assert!(difference(&less, &whole, "").is_some());
    }
}

#[test]
fn another_text_is_numbered_after_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let sae = sae(RESID);
    let first = index(&sae, (&rows(), &everything(5)), &path("first"));
    let text = rows().take(22);
    let other = Source {
        corpus: "another".to_owned(),
        fingerprint: "cd".to_owned(),
        ..everything(5)
    };
    let second = index(&sae, (&text, &other), &path("second"));
    let tokens = first.about().tokens + second.about().tokens;
    let both = merged(&[first, second], &path("both"));
    assert_eq!(both.about().corpus, "three pieces; another");
    assert_eq!(both.about().tokens, tokens);
    let mut of_second = 0;
    for feature in (0..FEATURES).map(FeatureId::from) {
        for example in both.detail(feature).unwrap().examples() {
            let passage = both.passage(example).unwrap();
            let row = passage.row as usize;
            let ids = match row.checked_sub(60) {
                Some(row) => text.row(row).to_vec(),
                None => rows().row(row).to_vec(),
            };
            assert_eq!(passage.ids, ids);
            of_second += usize::from(row >= 60);
        }
    }
    assert!(of_second > 100, "{of_second}");
}

#[test]
fn what_does_not_belong_together_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let first = || part(&sae(RESID), 0..10, &path("first"));
    let refused = |others: Vec<Index>| {
        let all: Vec<Index> = [first()].into_iter().chain(others).collect();
        let why = merge(&all, &path("out"), &mut go_on);
        assert!(!path("out").exists());
        why.unwrap_err().to_string()
    };
    let of = |sae: &Sae, rows: &Rows, source: Source| index(sae, (rows, &source), &path("other"));
    let rest = |seed| Source {
        rows: Some(10..20),
        ..everything(seed)
    };
    let overlap = refused(vec![part(&sae(RESID), 9..20, &path("other"))]);
    assert!(overlap.contains("rows 9..10 of three pieces"), "{overlap}");
    let twice = refused(vec![
        part(&sae(RESID), 10..20, &path("other")),
        part(&sae(RESID), 12..15, &path("third")),
    ]);
    assert!(twice.contains("rows 12..15"), "{twice}");
    let mut dictionary = sae(RESID);
    dictionary.b_dec[0] += 1.0;
    for (why, other) in [
        ("another dictionary", of(&dictionary, &rows(), rest(5))),
        ("another seed", of(&sae(RESID), &rows(), rest(6))),
        (
            "another rule of positions",
            of(&sae(RESID), &rows().by(Positions::All), rest(5)),
        ),
    ] {
        let said = refused(vec![other]);
        assert!(
            said.contains(why) && said.contains("other"),
            "{why}: {said}"
        );
    }
    assert!(refused(Vec::new()).contains("nothing to merge"));
}

#[test]
fn what_only_some_hold_is_left_out_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let sae = sae(Z);
    let first = part(&sae, 0..30, &path("first"));
    let bare = Source {
        rows: Some(30..60),
        attribution: false,
        ..source(5)
    };
    let second = index(&sae, (&rows(), &bare), &path("second"));
    let done = merge(&[first, second], &path("out"), &mut go_on).unwrap();
    let notes: Vec<String> = done.done().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].contains("sources of examples") && notes[1].contains("effects on the loss"));
    let merged = Index::open(&path("out")).unwrap();
    assert!(!merged.about().attribution && !merged.about().loss_effects);
    let detail = merged.detail(FeatureId(0)).unwrap();
    assert!(detail.sources.is_empty() && detail.loss_effects.is_empty());
}
