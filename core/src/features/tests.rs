//! Compares the index with brute force, and checks stopped builds and damaged files.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::Flow;
use crate::capture;
use crate::corpus::{Corpus, Rows};
use crate::dims::Matrix;
use crate::ids::HookPoint;
use crate::models::{Model, Unembed};
use crate::sae::{AbsTopK, Provenance, Sae, Selection, TopK};

pub(super) const FEATURES: usize = 48;
pub(super) const CONTEXT_OF_ROWS: usize = 40;

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo")
}

pub(super) fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(|| Model::open(&demo().join("model")).unwrap().0)
}

/// 60 rows of three documents.
pub(super) fn rows() -> Rows {
    let text = std::fs::read_to_string(demo().join("text/held-out/alice.txt")).unwrap();
    let documents = [0, 4000, 6000].map(|from| crate::corpus::Document {
        name: format!("alice {from}"),
        content: crate::corpus::Content::Text(text.chars().skip(from).take(3500).collect()),
    });
    let corpus = Corpus {
        documents: documents.into(),
        tokenizer: None,
    };
    let (rows, _) = corpus.rows(model().codec(), CONTEXT_OF_ROWS).unwrap();
    rows.take(60)
}

/// Random directions, the six largest of a token; the last feature is never active.
pub(super) fn sae(hook: &str) -> Sae {
    let mut sae = signed(hook);
    sae.selection = Selection::TopK(TopK { k: 6 });
    sae.b_enc[FEATURES - 1] = -1e9;
    sae
}

/// Random directions, the six largest in size of a token.
pub(super) fn signed(hook: &str) -> Sae {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let hook: HookPoint = hook.parse().unwrap();
    let d = model().width(hook).unwrap();
    let mut random =
        |n: usize| -> Vec<f32> { (0..n).map(|_| rng.random_range(-1.0..1.0)).collect() };
    let b_enc = random(FEATURES);
    Sae::new(
        "random",
        (
            Matrix::new(FEATURES, d, random(FEATURES * d)).unwrap(),
            b_enc,
        ),
        (
            Matrix::new(FEATURES, d, random(FEATURES * d)).unwrap(),
            random(d),
        ),
        AbsTopK { k: 6 },
    )
    .with_provenance(Provenance {
        hook: Some(hook),
        other: [("seed".to_owned(), 3.into())].into(),
        ..Provenance::default()
    })
}

pub(super) fn source(seed: u64) -> Source {
    Source {
        corpus: "three pieces".to_owned(),
        fingerprint: "ab".to_owned(),
        seed,
        attribution: true,
        ..Source::default()
    }
}

pub(super) fn built(folder: &Path, hook: &str, seed: u64) -> Index {
    built_of(&sae(hook), folder, seed)
}

pub(super) fn built_of(sae: &Sae, folder: &Path, seed: u64) -> Index {
    let path = folder.join(format!("{seed}.index"));
    let mut on = |_| Flow::Continue(());
    let sae = sae.by_token().unwrap();
    let done = build(model(), sae, &rows(), &source(seed), &path, &mut on);
    assert!(!done.unwrap().is_stopped());
    Index::open(&path).unwrap()
}

/// Returns whether a position counts by definition: no row start and no BOS.
pub(super) fn counts(rows: &Rows, row: usize, position: usize) -> bool {
    position > 0 && rows.row(row)[position] != TokenId(0)
}

/// Returns every active token by definition: `[f]` of (row, position, act).
pub(super) fn brute_force(sae: &Sae) -> Vec<Vec<(usize, usize, f32)>> {
    let rows = rows();
    let mut all = vec![Vec::new(); FEATURES];
    for row in 0..rows.len() {
        let x = capture::activations(model(), &rows, &[row], sae.hook().unwrap()).unwrap();
        let latents = sae.encode(&x).unwrap();
        for position in (0..CONTEXT_OF_ROWS).filter(|p| counts(&rows, row, *p)) {
            for (feature, act) in latents.row(position).filter(|(_, act)| *act != 0.0) {
                all[feature.index()].push((row, position, act));
            }
        }
    }
    all
}

#[track_caller]
pub(super) fn near_relative(got: f64, want: f64, by: f64) {
    assert!((got - want).abs() <= by * want.abs(), "{got} {want}");
}

#[track_caller]
fn near(got: f64, want: f64) {
    assert!(
        (got - want).abs() <= 1e-4 * want.abs().max(1.0),
        "{got} {want}"
    );
}

pub(super) const Z: &str = "blocks.1.attn.hook_z";

/// Both kinds of dictionaries at `hook_z`.
fn both() -> [Sae; 2] {
    [sae(Z), signed(Z)]
}

#[test]
fn scalars_and_histograms_equal_brute_force() {
    for sae in both() {
        let folder = tempfile::tempdir().unwrap();
        let index = built_of(&sae, folder.path(), 0);
        let all = brute_force(&sae);
        let rows = rows();
        let places = (0..rows.len()).flat_map(|row| (0..CONTEXT_OF_ROWS).map(move |p| (row, p)));
        let tokens = places.filter(|(row, p)| counts(&rows, *row, *p)).count();
        // Control: BOS between documents is left out too.
        assert!(tokens < rows.len() * (CONTEXT_OF_ROWS - 1));
        assert_eq!(index.about().tokens, tokens as u64);
        let left_out = (rows.len() * CONTEXT_OF_ROWS - tokens) as u64;
        assert_eq!(index.about().left_out, Some(left_out));
        assert_eq!(index.about().positions, Positions::Text);
        assert_eq!(index.about().facts, [("seed".to_owned(), "3".to_owned())]);
        for (summary, active) in index.summaries().unwrap().iter().zip(&all) {
            let detail = index.detail(summary.feature).unwrap();
            assert_eq!(detail.summary, *summary);
            near(summary.density, active.len() as f64 / tokens as f64);
            let sum: f64 = active.iter().map(|(.., act)| f64::from(*act)).sum();
            near(summary.mean, sum / active.len().max(1) as f64);
            let max = active.iter().map(|(.., act)| *act).fold(0.0, f32::max);
            let min = active.iter().map(|(.., act)| *act).fold(0.0, f32::min);
            near(summary.max, f64::from(max));
            near(summary.min, f64::from(min));
            let total: u64 = detail.histogram.counts.iter().sum();
            assert_eq!(total, active.len() as u64);
            let edges = detail.histogram.edges.iter().filter(|edge| **edge <= 0.0);
            let below: u64 = detail.histogram.counts[..edges.count().saturating_sub(1)]
                .iter()
                .sum();
            let negative = active.iter().filter(|(.., act)| *act < 0.0).count();
            assert_eq!(below, negative as u64);
            let shares: f64 = detail.intervals.iter().map(|i| i.share).sum();
            near(shares, if active.is_empty() { 0.0 } else { 1.0 });
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let index = built(folder.path(), Z, 0);
    let dead = index.detail(FeatureId::from(FEATURES - 1)).unwrap();
    assert!(dead.summary.max == 0.0 && dead.top.is_empty() && dead.intervals.is_empty());
    assert_eq!(dead.promoted.len(), EFFECTS);
    assert!(index.top_tokens().unwrap()[FEATURES - 1].is_empty());
}

#[test]
fn densities_sum_to_k_whatever_the_signs() {
    let folder = tempfile::tempdir().unwrap();
    let index = built_of(&signed(Z), folder.path(), 0);
    let summaries = index.summaries().unwrap();
    near(summaries.iter().map(|s| s.density).sum(), 6.0);
    // Half of the random directions' activations are negative, and in both roles.
    let negative = summaries.iter().filter(|s| s.strongest() < 0.0).count();
    assert!((8..40).contains(&negative), "{negative}");
    let strongest = |s: &Summary| index.detail(s.feature).unwrap().top[0].act();
    for summary in summaries.iter().filter(|s| s.density > 0.0) {
        near(strongest(summary).into(), summary.strongest());
    }
}

#[test]
fn top_examples_are_the_strongest_of_each_row_with_their_windows() {
    for sae in both() {
        let folder = tempfile::tempdir().unwrap();
        let index = built_of(&sae, folder.path(), 0);
        let (all, rows) = (brute_force(&sae), rows());
        for (f, active) in all.iter().enumerate() {
            let detail = index.detail(FeatureId::from(f)).unwrap();
            let mut best: Vec<(usize, usize, f32)> = Vec::new();
            for row in 0..rows.len() {
                let here = active.iter().filter(|(r, ..)| *r == row).copied();
                best.extend(here.reduce(|a, b| if b.2.abs() > a.2.abs() { b } else { a }));
            }
            best.sort_by(|a, b| b.2.abs().total_cmp(&a.2.abs()));
            best.truncate(TOP);
            assert_eq!(detail.top.len(), best.len(), "feature {f}");
            for (example, (row, position, act)) in detail.top.iter().zip(best) {
                near(example.act().into(), act.into());
                let from = position.saturating_sub(CONTEXT);
                let to = (position + CONTEXT + 1).min(CONTEXT_OF_ROWS);
                assert_eq!(example.ids, rows.row(row)[from..to]);
                assert_eq!(example.at, position - from);
                assert_eq!(example.document, rows.document(row, position));
                for (i, got) in example.acts.iter().enumerate() {
                    let place = (row, from + i);
                    let want = active.iter().find(|(r, p, _)| (*r, *p) == place);
                    near((*got).into(), want.map_or(0.0, |(.., act)| (*act).into()));
                }
            }
            let peaks = index.peak_tokens(FeatureId::from(f)).unwrap();
            assert!(detail.top.iter().all(|e| peaks.contains(&e.ids[e.at])));
        }
    }
}

#[test]
fn previews_of_many_features_are_parts_of_their_details() {
    for sae in both() {
        let folder = tempfile::tempdir().unwrap();
        let index = built_of(&sae, folder.path(), 0);
        // Backwards and one twice: the order is the caller's.
        let features: Vec<_> = (0..FEATURES)
            .rev()
            .chain([3])
            .map(FeatureId::from)
            .collect();
        let previews = index.previews(&features).unwrap();
        assert_eq!(previews.len(), features.len());
        for (feature, preview) in features.iter().zip(previews) {
            let detail = index.detail(*feature).unwrap();
            assert_eq!(preview.peak, detail.top.first().map(Peak::from_example));
            assert_eq!(preview.examples, detail.top.len());
            let want = Preview {
                fact: None,
                summary: detail.summary,
                top: detail.top.into_iter().next(),
                promoted: detail.promoted,
                suppressed: detail.suppressed,
                histogram: detail.histogram,
                ..preview.clone()
            };
            assert_eq!(preview, want);
        }
        let none = index.previews(&[FeatureId::from(FEATURES)]).unwrap_err();
        assert!(none.to_string().contains("does not exist"), "{none}");
    }
}

#[test]
fn intervals_are_equal_and_hold_five_where_there_are_five() {
    for sae in both() {
        let folder = tempfile::tempdir().unwrap();
        let index = built_of(&sae, folder.path(), 0);
        for (f, active) in brute_force(&sae).iter().enumerate() {
            let detail = index.detail(FeatureId::from(f)).unwrap();
            let Summary { min, max, .. } = detail.summary;
            for (i, interval) in detail.intervals.iter().enumerate() {
                let i = (INTERVALS - 1 - i) as f64;
                near(interval.from, min + (max - min) * i / 5.0);
                near(interval.to, min + (max - min) * (i + 1.0) / 5.0);
                check_interval(interval, active, max - min);
            }
        }
    }
}

fn check_interval(interval: &Interval, active: &[(usize, usize, f32)], range: f64) {
    // The recomputed activations differ in the last bits; leave what lies at an edge aside.
    let inside = |act: f32| {
        let act = f64::from(act);
        act > interval.from + range * 1e-5 && act < interval.to - range * 1e-5
    };
    let there = active.iter().filter(|(.., act)| inside(*act)).count();
    assert!(interval.examples.len() >= there.min(2) && interval.examples.len() <= PER_INTERVAL);
    let width = range / 256.0;
    let edge = |act: f32| {
        let act = f64::from(act);
        (act - interval.from).abs() < width || (act - interval.to).abs() < width
    };
    let doubtful = active.iter().filter(|(.., act)| edge(*act)).count() as f64 + 1.0;
    let counted = interval.share * active.len() as f64;
    assert!(
        (counted - there as f64).abs() <= doubtful,
        "{counted} {there}"
    );
    for example in &interval.examples {
        let act = f64::from(example.act());
        assert!(act >= interval.from - range * 1e-3 && act <= interval.to + range * 1e-3);
    }
}

/// Parts of a pre-activation by source token and by head, by their definition, from the captured pattern and values.
fn parts_by_definition(sae: &Sae, feature: FeatureId, ids: &[TokenId]) -> (Vec<f64>, Vec<f64>) {
    let [pattern, v] = ["hook_pattern", "hook_v"]
        .map(|site| -> HookPoint { format!("blocks.1.attn.{site}").parse().unwrap() });
    let tokens = crate::models::token_tensor(&[ids]).unwrap();
    let captured = model().capture(&tokens, &[pattern, v]).unwrap();
    let flat = |hook| -> Vec<f32> {
        let value = captured[&hook].flatten_all().unwrap();
        value.to_vec1().unwrap()
    };
    let (pattern, v) = (flat(pattern), flat(v));
    let (heads, e) = (model().config().heads, model().config().d_head);
    let (t, w) = (ids.len(), sae.w_enc.row(feature.index()));
    let (mut by_source, mut by_head) = (vec![0.0; t], vec![0.0; heads]);
    for head in 0..heads {
        for source in 0..t {
            let value = &v[(source * heads + head) * e..][..e];
            let read = value.iter().zip(&w[head * e..]);
            let read: f64 = read.map(|(v, w)| f64::from(*v) * f64::from(*w)).sum();
            let part = f64::from(pattern[(head * t + t - 1) * t + source]) * read;
            by_source[source] += part;
            by_head[head] += part;
        }
    }
    (by_source, by_head)
}

#[test]
fn the_strongest_examples_have_their_sources_and_the_heads_their_shares() {
    for sae in both() {
        let folder = tempfile::tempdir().unwrap();
        let index = built_of(&sae, folder.path(), 0);
        assert!(index.about().attribution);
        let mut earlier = 0;
        for f in [0, 3, 20] {
            let detail = index.detail(FeatureId::from(f)).unwrap();
            assert_eq!(detail.sources.len(), detail.top.len());
            let mut sizes = vec![0.0; model().config().heads];
            let passages = detail.top.iter().map(|example| index.passage(example));
            let passages: Vec<Passage> = passages.collect::<crate::Result<_>>().unwrap();
            for ((example, sources), passage) in
                detail.top.iter().zip(&detail.sources).zip(&passages)
            {
                let ids = &passage.ids[..=passage.position];
                let (want, by_head) = parts_by_definition(&sae, FeatureId::from(f), ids);
                sizes
                    .iter_mut()
                    .zip(&by_head)
                    .for_each(|(sum, part)| *sum += f64::abs(*part));
                // Half a step of the largest part.
                let most = want.iter().fold(0.0_f64, |most, part| most.max(part.abs()));
                let near = |got: f32, want: f64| {
                    assert!((f64::from(got) - want).abs() < 2e-4 * most, "{got} {want}");
                };
                let start = passage.position - example.at;
                assert_eq!(sources.window.len(), example.tokens.len());
                for (i, got) in sources.window.iter().enumerate() {
                    near(*got, want.get(start + i).copied().unwrap_or(0.0));
                }
                let mut before: Vec<f64> = want[..start].to_vec();
                before.sort_by(|a, b| b.abs().total_cmp(&a.abs()));
                for (source, size) in sources.before.iter().zip(before) {
                    near(source.value, want[source.position]);
                    near(source.value.abs(), size.abs());
                    assert_eq!(source.id, passage.ids[source.position]);
                    assert_eq!(source.text, passage.texts[source.position]);
                    earlier += 1;
                }
                // The parts sum to the activation plus w · b_dec − b_enc.
                let (through, b_enc) = sae.bias_terms(FeatureId::from(f));
                let sum = f64::from(example.act()) + through - b_enc;
                assert!(
                    (f64::from(sources.sum) - sum).abs() < 1e-3,
                    "{sources:?} {sum}"
                );
                let sign = f64::from(example.act().signum());
                let towards = want.iter().map(|part| sign * part).fold(0.0, f64::max);
                let named = sources
                    .strongest(example)
                    .map_or(0.0, |source| source.value);
                near(named.abs(), towards);
            }
            let sum: f64 = sizes.iter().sum();
            for (got, want) in detail.head_attribution.iter().zip(&sizes) {
                near((*got).into(), want / sum);
            }
            // Computed anew from whole rows they are the same.
            let of = sae.by_token().unwrap();
            let again = sources(model(), of, FeatureId::from(f), &passages).unwrap();
            for (kept, again) in detail.sources.iter().zip(&again) {
                assert_eq!(kept.window.len(), again.window.len());
                let before = again.before.iter().map(|source| source.value);
                let parts = again.window.iter().copied().chain(before);
                let most = parts.fold(0.0_f32, |most, part| most.max(part.abs()));
                for (a, b) in kept.window.iter().zip(&again.window) {
                    assert!((a - b).abs() <= most / 8_000.0, "{a} {b} {most}");
                }
                let places = |of: &Sources| -> Vec<usize> {
                    of.before.iter().map(|source| source.position).collect()
                };
                assert_eq!(places(kept), places(again));
            }
        }
        assert!(earlier > 0, "no example had sources before its window");
    }
}

#[test]
fn attribution_is_left_out_on_request_and_where_heads_are_not_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("without");
    let of_heads = sae(Z);
    let source = Source {
        attribution: false,
        ..source(0)
    };
    let mut on = |_| Flow::Continue(());
    let of = of_heads.by_token().unwrap();
    let done = build(model(), of, &rows(), &source, &path, &mut on);
    assert!(!done.unwrap().is_stopped());
    let without = Index::open(&path).unwrap();
    let with = built(folder.path(), Z, 0);
    let residual = built(folder.path(), "blocks.1.hook_resid_post", 1);
    for index in [&without, &residual] {
        assert!(!index.about().attribution);
        let detail = index.detail(FeatureId(0)).unwrap();
        assert!(detail.sources.is_empty() && detail.head_attribution.is_empty());
    }
    // Everything else is the same.
    let bare = |index: &Index| {
        let detail = index.detail(FeatureId(0)).unwrap();
        Detail {
            sources: Vec::new(),
            head_attribution: Vec::new(),
            ..detail
        }
    };
    assert_eq!(bare(&with), bare(&without));
    let residual = sae("blocks.1.hook_resid_post");
    let of = residual.by_token().unwrap();
    let refused = sources(model(), of, FeatureId(0), &[])
        .unwrap_err()
        .to_string();
    assert!(refused.contains("hook_z"), "{refused}");
}

#[test]
fn an_example_opens_as_its_row_with_the_same_activation() {
    for sae in both() {
        let folder = tempfile::tempdir().unwrap();
        let (index, rows) = (built_of(&sae, folder.path(), 0), rows());
        let mut opened = 0;
        for feature in (0..FEATURES).map(FeatureId::from) {
            let detail = index.detail(feature).unwrap();
            for (i, example) in detail.examples().enumerate().step_by(7) {
                let passage = index.example(feature, i + 1).unwrap();
                assert_eq!(passage, index.passage(example).unwrap());
                let row = passage.row as usize;
                assert_eq!(passage.ids, rows.row(row));
                assert_eq!(passage.document, rows.document(row, passage.position));
                assert_eq!(passage.texts[passage.position], example.tokens[example.at]);
                let reading = crate::prompt::read_input(
                    model(),
                    sae.by_token().unwrap(),
                    &passage.input(),
                    0,
                )
                .unwrap();
                assert_eq!((&reading.tokens, reading.cut), (&passage.ids, 0));
                let again = reading.latents.get(passage.position, feature);
                // Passes over one row and over two rows add in different orders.
                assert!(
                    (again - passage.act).abs() <= 1e-4 * passage.act.abs().max(1.0),
                    "{again} {}",
                    passage.act
                );
                opened += 1;
            }
        }
        assert!(opened > 100, "{opened}");
        let summaries = index.summaries().unwrap();
        let active = summaries.iter().find(|s| s.density > 0.0).unwrap();
        let none = index.example(active.feature, 0).unwrap_err().to_string();
        assert!(
            none.contains("no example 0") && none.contains("1 to "),
            "{none}"
        );
    }
}

/// Rows of three documents whose attention does not cross: an example is read so too, and read across it has another activation.
#[test]
fn an_example_of_documents_kept_apart_is_read_as_such() {
    let folder = tempfile::tempdir().unwrap();
    let (path, sae, rows) = (
        folder.path().join("apart"),
        signed(Z),
        rows().with_separate_documents(true),
    );
    let of = sae.by_token().unwrap();
    let mut on = |_| Flow::Continue(());
    let built = build(model(), of, &rows, &source(0), &path, &mut on);
    assert!(!built.unwrap().is_stopped());
    let index = Index::open(&path).unwrap();
    assert!(index.about().separate_documents);
    let bos = model().codec().bos().id;
    // Rows in which a document begins behind the first position.
    let parted = |row: u32| {
        rows.row(row as usize)[1..]
            .iter()
            .any(|id| Some(*id) == bos)
    };
    let mut differ = 0;
    for feature in (0..FEATURES).map(FeatureId::from) {
        let detail = index.detail(feature).unwrap();
        let of_parted = |e: &&Example| parted(e.place.unwrap().row);
        for example in detail.examples().filter(of_parted) {
            let passage = index.passage(example).unwrap();
            let act = |input: &Input| {
                let reading = crate::prompt::read_input(model(), of, input, 0).unwrap();
                reading.latents.get(passage.position, feature)
            };
            near(act(&passage.input()).into(), passage.act.into());
            let across = Input::Tokens {
                ids: passage.ids.as_slice().into(),
                apart: false,
            };
            differ += usize::from((act(&across) - passage.act).abs() > 1e-2);
        }
    }
    assert!(
        differ > 0,
        "no example stands behind a document's beginning"
    );
}

/// Values by the decoder in `tests/golden/index_version_1.py`.
#[test]
fn an_index_of_version_1_opens_and_says_what_it_lacks() {
    let path = demo().join("../../tests/golden/index/version-1.sqlite");
    let index = Index::open(&path).unwrap();
    let about = index.about();
    assert_eq!((about.form, about.unembed), (1, Unembed::Raw));
    assert_eq!(about.logit_effects(), "logit effects: raw, older index");
    let detail = index.detail(FeatureId(1)).unwrap();
    let summary = detail.summary;
    assert_eq!((summary.min, summary.max), (0.0, 0.059_515_520_930_290_22));
    assert_eq!(summary, index.summaries().unwrap()[1]);
    near(summary.density, 0.000_172_876_575_224_057_14);
    let effect = &detail.promoted[0];
    assert_eq!((effect.id, effect.text.as_str()), (TokenId(381), " they"));
    assert_eq!(effect.effect, 0.307_723_73);
    let histogram = &detail.histogram;
    assert_eq!(histogram.counts.len(), 49);
    assert_eq!(histogram.edges[1], 0.001_220_703_125);
    assert_eq!(histogram.edges[49], summary.max);
    assert_eq!(histogram.counts.iter().sum::<u64>(), 38);
    let example = &detail.top[0];
    assert_eq!((example.at, example.ids[10]), (10, TokenId(410)));
    assert_eq!(
        example.tokens.concat(),
        concat!(
            "ertainly not!’ said Alice indignantly.\n",
            "‘Ah! then yours wasn’t a really good"
        )
    );
    assert_eq!((example.act(), example.acts[9]), (0.059_515_52, 0.0));
    assert_eq!(index.peak_tokens(FeatureId(1)).unwrap()[0], TokenId(410));
    assert_eq!(example.place, None);
    let refused = index.passage(example).unwrap_err().to_string();
    assert!(refused.contains("older version"), "{refused}");
    let folder = tempfile::tempdir().unwrap();
    let new = built(folder.path(), Z, 0);
    assert_eq!(
        (new.about().form, new.about().unembed),
        (3, Unembed::Centred)
    );
}

#[test]
fn the_seed_decides_the_examples_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let details = |index: &Index| -> Vec<Detail> {
        let all = (0..FEATURES).map(|f| index.detail(FeatureId::from(f)).unwrap());
        all.collect()
    };
    let other = tempfile::tempdir().unwrap();
    let (one, same) = (built(folder.path(), Z, 1), built(other.path(), Z, 1));
    assert_eq!(details(&one), details(&same));
    assert_eq!(
        std::fs::read(one.path()).unwrap(),
        std::fs::read(same.path()).unwrap()
    );
    let two = built(folder.path(), Z, 2);
    let drawn = |index| {
        details(index)
            .into_iter()
            .map(|d| d.intervals)
            .collect::<Vec<_>>()
    };
    assert_ne!(drawn(&one), drawn(&two));
    for (a, b) in details(&one).into_iter().zip(details(&two)) {
        assert_eq!(
            (a.summary, a.histogram, a.top),
            (b.summary, b.histogram, b.top)
        );
    }
}

#[test]
fn effects_go_through_w_o_for_z_and_shares_sum_to_one() {
    let folder = tempfile::tempdir().unwrap();
    for hook in [Z, "blocks.2.hook_resid_post", "blocks.2.attn.hook_v"] {
        let index = built(folder.path(), hook, 0);
        let (sae, hook): (Sae, HookPoint) = (sae(hook), hook.parse().unwrap());
        let detail = index.detail(FeatureId(5)).unwrap();
        let shares: f32 = detail.head_shares.iter().sum();
        assert_eq!(detail.head_shares.len(), if hook.is_z() { 8 } else { 0 });
        assert!(!hook.is_z() || (shares - 1.0).abs() < 1e-5);
        if hook.to_string().ends_with("hook_v") {
            assert!(detail.promoted.is_empty() && detail.suppressed.is_empty());
            continue;
        }
        let row = sae.w_dec.row(5);
        let direction: Vec<f32> = if hook.is_z() {
            let w_o = model().w_o(hook.layer().unwrap()).unwrap();
            let through = |j: usize| (0..row.len()).map(|i| row[i] * w_o.row(i)[j]).sum();
            (0..w_o.columns()).map(through).collect()
        } else {
            row.to_vec()
        };
        let direction = Matrix::new(1, direction.len(), direction).unwrap();
        let logits = model().logit_effect(&direction).unwrap();
        let mut order: Vec<usize> = (0..logits.columns()).collect();
        order.sort_by(|a, b| logits.values()[*b].total_cmp(&logits.values()[*a]));
        // Every token is in one bin of all, and those promoted most are in the last.
        let bins = &detail.logits;
        assert_eq!(bins.counts.iter().sum::<u64>(), logits.columns() as u64);
        assert_eq!((bins.counts.len(), bins.edges.len()), (50, 51));
        let sorted: Vec<f64> = order
            .iter()
            .map(|id| f64::from(logits.values()[*id]))
            .collect();
        let in_bin = |pair: &[f64], value: f64| value >= pair[0] && value < pair[1];
        for (pair, count) in bins.edges.windows(2).zip(&bins.counts).take(49) {
            let held = sorted.iter().filter(|value| in_bin(pair, **value)).count();
            // One logit computed in another order may lie on the other side of an edge.
            assert!(held.abs_diff(*count as usize) <= 1, "{held} {count}");
        }
        assert!((bins.edges[50] - sorted[0]).abs() < 1e-5);
        for (effect, id) in detail.promoted.iter().zip(&order) {
            near(effect.effect.into(), logits.values()[*id].into());
        }
        for (effect, id) in detail.suppressed.iter().zip(order.iter().rev()) {
            near(effect.effect.into(), logits.values()[*id].into());
            assert_eq!(effect.text, model().codec().display(effect.id));
        }
    }
}

#[test]
fn a_stopped_build_leaves_a_checkpoint_and_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.index");
    for stop_after in [0, 1, 2] {
        let mut seen = 0;
        let mut observe = |_| {
            seen += 1;
            if seen > stop_after {
                Flow::Break(())
            } else {
                Flow::Continue(())
            }
        };
        let done = build(
            model(),
            sae(Z).by_token().unwrap(),
            &rows(),
            &source(0),
            &path,
            &mut observe,
        )
        .unwrap();
        assert!(done.is_stopped());
        let names = std::fs::read_dir(folder.path()).unwrap();
        let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["x.index.checkpoint"]);
    }
}

#[test]
fn an_index_in_a_read_only_folder_opens_and_nothing_is_written_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("50% of ä?#");
    std::fs::create_dir(&place).unwrap();
    built(&place, Z, 0);
    let mut rights = std::fs::metadata(&place).unwrap().permissions();
    rights.set_readonly(true);
    std::fs::set_permissions(&place, rights.clone()).unwrap();
    let index = Index::open(&place.join("0.index")).unwrap();
    assert_eq!(index.summaries().unwrap().len(), FEATURES);
    index.search("a").unwrap();
    assert_eq!(std::fs::read_dir(&place).unwrap().count(), 1);
    #[expect(
        clippy::permissions_set_readonly_false,
        reason = "so that the folder can be removed"
    )]
    rights.set_readonly(false);
    std::fs::set_permissions(&place, rights).unwrap();
}

#[test]
fn search_finds_tokens_by_their_beginnings_best_first() {
    let folder = tempfile::tempdir().unwrap();
    let index = built(folder.path(), Z, 0);
    let texts = |f: FeatureId| {
        let detail = index.detail(f).unwrap();
        let peaks = detail.top.iter().map(|e| e.tokens[e.at].clone());
        let effects = detail.promoted.iter().chain(&detail.suppressed);
        let all: Vec<String> = peaks.chain(effects.map(|e| e.text.clone())).collect();
        all
    };
    for f in (0..FEATURES).map(FeatureId::from) {
        for text in texts(f) {
            let word = text.trim().to_lowercase();
            let begun: String = word.chars().take(3).collect();
            if !begun.is_empty() && begun.chars().all(|c| !c.is_control() && c != '\u{fffd}') {
                let hits = index.search(&begun).unwrap();
                assert!(hits.iter().any(|hit| hit.feature == f), "{text:?} {f}");
            }
        }
    }
    assert!(index.search("qqqqq").unwrap().is_empty());
    for hostile in ["", "\"", "*", "peak:", "a OR (", "^a", "NEAR("] {
        index.search(hostile).unwrap();
    }
    // One word fewer finds no fewer.
    let both = index.search("a t").unwrap();
    let one = index.search("a").unwrap();
    let contains = |hit: &Hit| one.iter().any(|other| other.feature == hit.feature);
    assert!(both.iter().all(contains));
}

#[test]
fn what_is_no_index_is_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.index");
    let refused = || Index::open(&path).unwrap_err().to_string();
    assert!(refused().contains("build one") && refused().contains("x.index"));
    std::fs::write(&path, "not an index ".repeat(100)).unwrap();
    assert!(refused().contains("not an Umbra index"), "{}", refused());
    let good = built(folder.path(), Z, 0);
    let refused = good.detail(FeatureId::from(FEATURES)).unwrap_err();
    assert!(refused.to_string().contains("0 to 47"), "{refused}");
    let bytes = std::fs::read(good.path()).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    if let Ok(cut) = Index::open(&path) {
        let all = (0..FEATURES).map(|f| cut.detail(FeatureId::from(f)));
        assert!(all.into_iter().any(|detail| detail.is_err()));
    }
    let database = rusqlite::Connection::open(good.path()).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    let refused = Index::open(good.path()).unwrap_err().to_string();
    assert!(refused.contains("version 99"), "{refused}");
}
