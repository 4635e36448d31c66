//! Compares what a pass counts with dense brute force, under any chunks, threads, interruptions and merges.

use std::collections::BTreeMap;
use std::path::Path;

use super::merged::Parts;
use super::pass;
use super::tallies::{Chunk, Count, PARTS, Setup, Tallies};
use super::tests::{CONTEXT_OF_ROWS, FEATURES, Z, built_of, model, rows, sae, signed, source};
use super::*;
use crate::Flow;
use crate::corpus::Rows;
use crate::latents::Latents;
use crate::progress::Progress;
use crate::sae::Sae;

const RESID: &str = "blocks.1.hook_resid_post";

/// Places and latents of one row.
type OfRow = (Vec<(u32, u32)>, Latents);

/// Reads a dictionary's latents, row by row of the text.
fn by_row(sae: &Sae) -> Vec<OfRow> {
    let mut of_rows: Vec<OfRow> = Vec::new();
    let mut visit = |places: &[(u32, u32)], latents: &Latents| {
        for (i, place) in places.iter().enumerate() {
            if of_rows.last().is_none_or(|(of, _)| of[0].0 != place.0) {
                of_rows.push((Vec::new(), Latents::empty(0)));
            }
            let last = of_rows.len() - 1;
            let range = latents.range(i);
            of_rows[last].0.push(*place);
            let (features, acts) = (&latents.features[range.clone()], &latents.acts[range]);
            of_rows[last].1.push_row(features, acts);
        }
    };
    let mut on = |_: Progress| Flow::Continue(());
    let subject = (model(), sae.by_token().unwrap());
    let ended = pass::each(subject, &rows(), &mut visit, &mut on).unwrap();
    assert!(!ended.is_stopped());
    of_rows
}

fn setup(sae: &Sae, exact: bool) -> Setup {
    Setup {
        features: FEATURES,
        signed: sae.selection.is_signed(),
        context: CONTEXT_OF_ROWS,
        seed: 0,
        exact,
    }
}

/// Adds rows in chunks of `at_once`.
fn add(tallies: &mut Tallies, (text, of): (&Rows, &[OfRow]), at_once: usize, again: bool) {
    for rows in of.chunks(at_once) {
        let places: Vec<(u32, u32)> = rows.iter().flat_map(|(places, _)| places.clone()).collect();
        let latents: Vec<Latents> = rows.iter().map(|(_, latents)| latents.clone()).collect();
        let chunk = Chunk {
            rows: text,
            places: &places,
            latents: &Latents::joined(&latents),
        };
        if again {
            tallies.add_again(&chunk);
        } else {
            tallies.add(&chunk);
        }
    }
}

fn counted(sae: &Sae, of: &[OfRow], at_once: usize) -> Tallies {
    let mut tallies = Tallies::new(setup(sae, true));
    add(&mut tallies, (&rows(), of), at_once, false);
    tallies
}

/// Activations of every feature at every counted token: `[f][n]`, with the places of the tokens.
struct Dense {
    places: Vec<(usize, usize)>,
    acts: Vec<Vec<f64>>,
}

impl Dense {
    fn new(of: &[OfRow]) -> Self {
        let places = of.iter().flat_map(|(places, _)| places);
        let places: Vec<(usize, usize)> = places
            .map(|(row, position)| (*row as usize, *position as usize))
            .collect();
        let mut acts = vec![vec![0.0; places.len()]; FEATURES];
        let mut token = 0;
        for (_, latents) in of {
            for i in 0..latents.rows() {
                for (feature, act) in latents.row(i) {
                    acts[feature.index()][token] = f64::from(act);
                }
                token += 1;
            }
        }
        Self { places, acts }
    }

    fn active(&self, f: usize) -> impl Iterator<Item = ((usize, usize), f64)> {
        let tokens = self
            .places
            .iter()
            .copied()
            .zip(self.acts[f].iter().copied());
        tokens.filter(|(_, act)| *act != 0.0)
    }
}

#[track_caller]
fn close(got: f64, want: f64) {
    let same = got.is_nan() && want.is_nan();
    assert!(
        same || (got - want).abs() <= 1e-9 * want.abs().max(1e-3),
        "{got} {want}"
    );
}

fn both() -> [Sae; 3] {
    [sae(Z), signed(Z), sae("blocks.1.mlp.hook_post")]
}

#[test]
fn every_statistic_equals_dense_brute_force() {
    for sae in both() {
        let folder = tempfile::tempdir().unwrap();
        let index = built_of(&sae, folder.path(), 0);
        let dense = Dense::new(&by_row(&sae));
        for f in 0..FEATURES {
            let detail = index.detail(FeatureId::from(f)).unwrap();
            assert_eq!(detail.summary, index.summaries().unwrap()[f]);
            check_moments(&detail, &dense, f);
            check_tokens(&detail, &dense, f);
            check_positions(&detail, &dense, f);
            check_relations(&detail, &dense, (&sae, f));
        }
        // The comparison tells a single token more.
        let feature = index
            .summaries()
            .unwrap()
            .iter()
            .position(|s| s.density > 0.0);
        let f = feature.unwrap();
        let mut detail = index.detail(FeatureId::from(f)).unwrap();
        if let Some(uses) = &mut detail.uses {
            uses.by_count[0].count += 1;
        }
        let nudged = std::panic::catch_unwind(|| check_tokens(&detail, &dense, f));
        assert!(nudged.is_err());
    }
}

fn check_moments(detail: &Detail, dense: &Dense, f: usize) {
    let acts: Vec<f64> = dense.active(f).map(|(_, act)| act).collect();
    let n = acts.len() as f64;
    close(detail.summary.density, n / dense.places.len() as f64);
    let Some(moments) = detail.summary.moments else {
        assert!(acts.is_empty());
        return;
    };
    let mean = acts.iter().sum::<f64>() / n;
    let central = |power: i32| acts.iter().map(|act| (act - mean).powi(power)).sum::<f64>() / n;
    let variance = central(2);
    close(detail.summary.mean, mean);
    close(moments.variance, variance);
    if acts.len() > 1 {
        close(moments.skewness, central(3) / variance.powf(1.5));
        close(moments.kurtosis, central(4) / variance.powi(2));
    }
    let sizes = &detail.log_histogram;
    assert!(sizes.counts.len() <= BINS);
    for (count, edges) in sizes.counts.iter().zip(sizes.edges.windows(2)) {
        let inside = |act: &&f64| (edges[0]..edges[1]).contains(&act.abs());
        assert_eq!(
            *count,
            acts.iter().filter(inside).count() as u64,
            "{f} {edges:?}"
        );
    }
    assert_eq!(sizes.counts.iter().sum::<u64>(), acts.len() as u64);
}

/// Count and sum of activations by token.
type Sums = BTreeMap<u32, (u64, f64)>;

fn check_tokens(detail: &Detail, dense: &Dense, f: usize) {
    let rows = rows();
    let (mut here, mut before) = (Sums::new(), Sums::new());
    for ((row, position), act) in dense.active(f) {
        let ids = rows.row(row);
        for (sums, id) in [(&mut here, ids[position]), (&mut before, ids[position - 1])] {
            let sum = sums.entry(id.0).or_default();
            *sum = (sum.0 + 1, sum.1 + act);
        }
    }
    let uses = detail.uses.as_ref().unwrap();
    let list = |sums: &Sums, least: u64, key: &dyn Fn((u64, f64)) -> f64| {
        let mut list: Vec<(u32, (u64, f64))> = sums.iter().map(|(id, sum)| (*id, *sum)).collect();
        list.retain(|(_, (count, _))| *count >= least);
        list.sort_by(|a, b| key(b.1).total_cmp(&key(a.1)).then(a.0.cmp(&b.0)));
        list.truncate(TOKENS);
        list
    };
    let mean = |(count, sum): (u64, f64)| sum / count as f64;
    let often = |(count, _): (u64, f64)| count as f64;
    for (got, want) in [
        (&uses.by_mean, list(&here, LEAST_COUNT, &mean)),
        (&uses.by_count, list(&here, 0, &often)),
        (&uses.preceding, list(&before, 0, &often)),
    ] {
        assert_eq!(got.len(), want.len(), "feature {f}");
        for (got, (id, sum)) in got.iter().zip(want) {
            assert_eq!((got.id.0, got.count), (id, sum.0), "feature {f}");
            assert_eq!(got.text, model().codec().display(got.id));
            close(got.mean, mean(sum));
        }
    }
    assert_eq!(uses.counting, Counting::Exact);
}

fn check_positions(detail: &Detail, dense: &Dense, f: usize) {
    let uses = detail.uses.as_ref().unwrap();
    assert_eq!(uses.part, CONTEXT_OF_ROWS.div_ceil(PARTS));
    assert_eq!(uses.by_position.len(), CONTEXT_OF_ROWS.div_ceil(uses.part));
    for (part, share) in uses.by_position.iter().enumerate() {
        let inside = |position: usize| position / uses.part == part;
        let all = dense.places.iter().filter(|(_, p)| inside(*p)).count();
        let active = dense.active(f).filter(|((_, p), _)| inside(*p)).count();
        close(*share, active as f64 / all as f64);
    }
    let rows = rows();
    let is_first = |place: (usize, usize)| {
        let document = |(row, position)| rows.document_number(row, position);
        let earlier = dense
            .places
            .iter()
            .filter(|other| other.0 == place.0 && other.1 < place.1);
        !earlier
            .copied()
            .any(|other| document(other) == document(place))
    };
    let active = dense.active(f).count();
    let first = dense
        .active(f)
        .filter(|(place, _)| is_first(*place))
        .count();
    close(uses.first_token, first as f64 / active.max(1) as f64);
}

fn check_relations(detail: &Detail, dense: &Dense, (sae, f): (&Sae, usize)) {
    let relations = detail.relations.as_ref().unwrap();
    let mut jaccards: Vec<(usize, f64, u64)> = Vec::new();
    for other in (0..FEATURES).filter(|other| *other != f) {
        let pairs = dense.acts[f].iter().zip(&dense.acts[other]);
        let both = pairs
            .clone()
            .filter(|(a, b)| **a != 0.0 && **b != 0.0)
            .count();
        let either = pairs.filter(|(a, b)| **a != 0.0 || **b != 0.0).count();
        if both > 0 {
            jaccards.push((other, both as f64 / either as f64, both as u64));
        }
    }
    jaccards.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    jaccards.truncate(RELATED);
    let got = relations.coactive.iter();
    let got: Vec<(usize, f64, u64)> = got
        .map(|c| (c.feature.index(), c.jaccard, c.both))
        .collect();
    assert_eq!(got, jaccards, "feature {f}");
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let cosine = |a: &[f32], b: &[f32]| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    let row = |f: usize| sae.w_dec.row(f);
    let others = (0..FEATURES).filter(|other| *other != f);
    let mut cosines: Vec<f64> = others.map(|other| cosine(row(f), row(other))).collect();
    cosines.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(relations.neighbours.len(), RELATED);
    for (neighbour, want) in relations.neighbours.iter().zip(cosines) {
        // Products of rows are summed in f32.
        let own = cosine(row(f), row(neighbour.feature.index()));
        let got = f64::from(neighbour.cosine);
        assert!(
            (got - own).abs() < 1e-6 && (got - want).abs() < 1e-6,
            "{got} {own} {want}"
        );
    }
    let own = cosine(sae.w_enc.row(f), row(f));
    close(detail.summary.encoder_decoder_cosine.unwrap(), own);
    let of_neurons = sae.hook().unwrap().to_string().contains("mlp");
    assert_eq!(
        relations.neurons.len(),
        if of_neurons { RELATED } else { 0 }
    );
    let mut entries: Vec<f32> = row(f).to_vec();
    entries.sort_by(|a, b| b.abs().total_cmp(&a.abs()));
    for (neuron, entry) in relations.neurons.iter().zip(entries) {
        let want = f64::from(entry) / dot(row(f), row(f)).sqrt();
        assert!((f64::from(neuron.cosine) - want).abs() < 1e-6);
        assert_eq!(row(f)[neuron.neuron as usize], entry);
    }
}

#[test]
fn neither_chunks_nor_threads_nor_an_interruption_change_a_byte() {
    for (sae, exact) in [(sae(Z), true), (signed(Z), true), (sae(Z), false)] {
        let (of, text) = (by_row(&sae), rows());
        let whole = |at_once: usize, cut: usize| {
            let mut tallies = Tallies::new(setup(&sae, exact));
            add(&mut tallies, (&text, &of[..cut]), at_once, false);
            let mut tallies = Tallies::from_bytes(&tallies.bytes().unwrap()).unwrap();
            add(&mut tallies, (&text, &of[cut..]), at_once, false);
            if tallies.needs_second_pass() {
                tallies.begin_second_pass();
                add(&mut tallies, (&text, &of[..cut]), at_once, true);
                let mut tallies = Tallies::from_bytes(&tallies.bytes().unwrap()).unwrap();
                add(&mut tallies, (&text, &of[cut..]), at_once, true);
                return tallies.bytes().unwrap();
            }
            tallies.bytes().unwrap()
        };
        let want = whole(60, 0);
        for (at_once, cut) in [(1, 0), (3, 20), (7, 1), (60, 59)] {
            assert_eq!(whole(at_once, cut), want, "{at_once} {cut}");
        }
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().unwrap();
            assert_eq!(pool.install(|| whole(5, 30)), want, "{threads}");
        }
        // A token less is another value.
        let mut less = Tallies::new(setup(&sae, exact));
        add(&mut less, (&text, &of[1..]), 60, false);
        assert_ne!(less.bytes().unwrap(), want);
        for cut in (0..want.len()).step_by(97) {
            assert!(Tallies::from_bytes(&want[..cut]).is_none(), "{cut}");
        }
    }
}

/// Compares two details: counts and lists exactly, means and moments to 1e-9.
fn check_same(got: &Detail, want: &Detail) {
    let bare = |detail: &Detail| {
        let mut detail = detail.clone();
        detail.summary = Summary::default();
        if let Some(uses) = &mut detail.uses {
            let lists = [&mut uses.by_mean, &mut uses.by_count, &mut uses.preceding];
            lists
                .into_iter()
                .flatten()
                .for_each(|token| token.mean = 0.0);
        }
        detail
    };
    assert_eq!(bare(got), bare(want));
    let numbers = |detail: &Detail| {
        let summary = detail.summary;
        let moments = summary.moments.unwrap_or_default();
        let mut numbers = vec![
            summary.density,
            summary.mean,
            summary.min,
            summary.max,
            moments.variance,
            moments.skewness,
            moments.kurtosis,
        ];
        let uses = detail.uses.as_ref().unwrap();
        for tokens in [&uses.by_mean, &uses.by_count, &uses.preceding] {
            numbers.extend(tokens.iter().map(|token| token.mean));
        }
        numbers
    };
    for (got, want) in numbers(got).into_iter().zip(numbers(want)) {
        close(got, want);
    }
}

/// Writes an index of some rows of the text.
fn part(sae: &Sae, of: &[OfRow], out: &Path) -> Index {
    let (text, tallies) = (rows(), counted(sae, of, 5));
    let mut on = || Flow::Continue(());
    let effects = effects::of(model(), sae.by_token().unwrap(), &mut on).unwrap();
    let weights = weights::of(sae, &mut on).unwrap().done().unwrap();
    let effects = effects.done().unwrap();
    let kept = text::Text::new(model().codec(), &text, (&tallies, &effects));
    let about = About {
        tokens: tallies.tokens,
        form: file::VERSION,
        features: FEATURES,
        context: CONTEXT_OF_ROWS,
        ..About::default()
    };
    let content = file::Content {
        about: &about,
        text: &kept,
        tallies: &tallies,
        effects: &effects,
        weights: &weights,
        sources: &[],
        losses: &[],
        without_counts: false,
    };
    assert!(!file::write(out, &content, &mut on).unwrap().is_stopped());
    Index::open(out).unwrap()
}

#[test]
fn merged_parts_equal_one_index_over_all_rows() {
    for sae in [sae(Z), signed(Z)] {
        let (folder, of) = (tempfile::tempdir().unwrap(), by_row(&sae));
        let out = |name: &str| folder.path().join(name);
        let whole = part(&sae, &of, &out("whole"));
        for (name, cuts) in [("halves", vec![30]), ("uneven", vec![1, 7, 52])] {
            let ends = cuts.iter().copied().chain([of.len()]);
            let starts = [0].into_iter().chain(cuts.iter().copied());
            let parts = starts.zip(ends).enumerate();
            let parts =
                parts.map(|(i, (from, to))| part(&sae, &of[from..to], &out(&format!("{name}{i}"))));
            let parts: Vec<Index> = parts.collect();
            // The last part first.
            let mut merged = Parts::read(parts.last().unwrap()).unwrap();
            for index in &parts[..parts.len() - 1] {
                merged.merge(Parts::read(index).unwrap()).unwrap();
            }
            let about = About {
                tokens: merged.tallies.tokens,
                ..whole.about().clone()
            };
            let mut on = || Flow::Continue(());
            let written = file::write(&out(name), &merged.content(&about, (&[], &[])), &mut on);
            assert!(!written.unwrap().is_stopped());
            let merged = Index::open(&out(name)).unwrap();
            for f in (0..FEATURES).map(FeatureId::from) {
                let (got, want) = (merged.detail(f).unwrap(), whole.detail(f).unwrap());
                check_same(&got, &want);
                for (got, want) in got.examples().zip(want.examples()) {
                    let (got, want) = (merged.passage(got), whole.passage(want));
                    assert_eq!(got.unwrap(), want.unwrap());
                }
            }
            // What was merged merges on: it holds all counts.
            let again = Parts::read(&merged).unwrap();
            assert_eq!(again.tallies.tokens, about.tokens);
            let overlap = Parts::read(&parts[0]).unwrap();
            let refused = Parts::read(&merged).unwrap().merge(overlap).unwrap_err();
            assert!(
                refused.to_string().contains("both indexes cover rows 0.."),
                "{refused}"
            );
        }
    }
}

#[test]
fn an_index_without_its_counts_says_the_rest_and_does_not_merge() {
    let (folder, sae) = (tempfile::tempdir().unwrap(), sae(Z));
    let whole = built_of(&sae, folder.path(), 0);
    let (path, of) = (folder.path().join("lean"), sae.by_token().unwrap());
    let source = Source {
        without_counts: true,
        ..source(0)
    };
    let mut on = |_: Progress| Flow::Continue(());
    let built = build(model(), of, &rows(), &source, &path, &mut on);
    assert!(!built.unwrap().is_stopped());
    let lean = Index::open(&path).unwrap();
    for f in (0..FEATURES).map(FeatureId::from) {
        assert_eq!(lean.detail(f).unwrap(), whole.detail(f).unwrap());
    }
    let size = |path: &Path| std::fs::metadata(path).unwrap().len();
    assert!(size(&path) < size(whole.path()));
    let refused = Parts::read(&lean).unwrap_err().to_string();
    assert!(refused.contains("without its full counts"), "{refused}");
}

/// Turns an index into one of form 2, whose tables are these: scalars in rows, no statistics, no frequency of tokens, nothing to merge.
fn as_form_2(index: &Index) {
    let summaries = index.summaries().unwrap();
    let active = index.about().tokens as f64;
    let database = rusqlite::Connection::open(index.path()).unwrap();
    let top: Vec<u8> = database
        .query_row(
            "SELECT packed FROM scalar WHERE name = 'top_rank'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    database
        .execute_batch(
            "DROP TABLE feature;
             CREATE TABLE feature (feature INTEGER PRIMARY KEY, active INTEGER NOT NULL, density REAL NOT NULL, mean REAL NOT NULL, min REAL NOT NULL, max REAL NOT NULL, decoder_norm REAL NOT NULL, top_rank INTEGER);
             DROP TABLE scalar; DROP TABLE statistic; DROP TABLE tally; DROP TABLE spare;
             ALTER TABLE token DROP COLUMN frequency;
             DELETE FROM about WHERE key IN ('counting', 'part', 'spans', 'loss_effects');
             PRAGMA user_version = 2;",
        )
        .unwrap();
    for (s, rank) in summaries.iter().zip(top.as_chunks().0) {
        let rank = Some(u32::from_le_bytes(*rank)).filter(|rank| *rank != u32::MAX);
        let insert = "INSERT INTO feature VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let active = (s.density * active).round() as i64;
        let (mean, min, max, norm) = (s.mean, s.min, s.max, s.decoder_norm);
        let row = rusqlite::params![s.feature.0, active, s.density, mean, min, max, norm, rank];
        database.execute(insert, row).unwrap();
    }
}

#[test]
fn an_index_of_form_2_opens_without_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let new = built_of(&sae(RESID), folder.path(), 0);
    let path = folder.path().join("old");
    std::fs::copy(new.path(), &path).unwrap();
    as_form_2(&Index::open(&path).unwrap());
    let old = Index::open(&path).unwrap();
    assert_eq!((old.about().form, old.about().is_older()), (2, false));
    assert_eq!(old.top_tokens().unwrap(), new.top_tokens().unwrap());
    assert_eq!(old.neighbours().unwrap(), None);
    for f in (0..FEATURES).map(FeatureId::from) {
        let now = new.detail(f).unwrap();
        let bare = Detail {
            summary: Summary {
                moments: None,
                encoder_decoder_cosine: None,
                ..now.summary
            },
            log_histogram: Histogram::default(),
            uses: None,
            relations: None,
            ..now
        };
        assert_eq!(old.detail(f).unwrap(), bare);
        let value = json(old.about(), &bare);
        assert!(value["variance"].is_null() && value["top_tokens"].is_null());
    }
    let refused = Parts::read(&old).unwrap_err().to_string();
    assert!(refused.contains("older form"), "{refused}");
}

#[test]
fn rows_get_new_numbers_and_the_examples_stay() {
    let (folder, sae) = (tempfile::tempdir().unwrap(), sae(Z));
    let of = by_row(&sae);
    let first = part(&sae, &of[..20], &folder.path().join("a"));
    let mut parts = Parts::read(&first).unwrap();
    parts.renumber(&|row| row + 100);
    let numbered = &parts.tallies.rows;
    assert!(numbered.len() == 1 && numbered[0] == (100..120));
    let out = folder.path().join("b");
    let mut on = || Flow::Continue(());
    let content = parts.content(first.about(), (&[], &[]));
    assert!(!file::write(&out, &content, &mut on).unwrap().is_stopped());
    let moved = Index::open(&out).unwrap();
    for f in (0..FEATURES).map(FeatureId::from) {
        let (got, want) = (moved.detail(f).unwrap(), first.detail(f).unwrap());
        for (got, want) in got.examples().zip(want.examples()) {
            let place = want.place.map(|place| place.row + 100);
            assert_eq!(got.place.map(|place| place.row), place);
            assert_eq!((&got.ids, got.act()), (&want.ids, want.act()));
        }
    }
}

/// With few features all candidates of a sketch can be compared with full counts.
#[test]
fn candidates_of_a_sketch_are_counted_exactly_and_hold_the_strongest() {
    let sae = sae(Z);
    let (of, text) = (by_row(&sae), rows());
    let full = counted(&sae, &of, 60);
    let mut sketched = Tallies::new(setup(&sae, false));
    add(&mut sketched, (&text, &of), 60, false);
    sketched.begin_second_pass();
    add(&mut sketched, (&text, &of), 7, true);
    assert_eq!(sketched.counting(), Counting::Sketched);
    let (mut found, mut all) = (0, 0);
    for (got, want) in sketched.coactive().iter().zip(full.coactive()) {
        for pair in got {
            // A listed pair has its exact counts; the list of the full counts may end before it.
            let exact = want.iter().find(|other| other.feature == pair.feature);
            assert!(
                exact.is_none_or(|exact| exact == pair),
                "{pair:?} {exact:?}"
            );
        }
        let near = want.iter().take(5);
        all += near.len();
        found += near.filter(|pair| got.contains(pair)).count();
    }
    // Random directions are the hardest case: their Jaccard indexes are nearly equal, and a sketch of 64 places estimates them to about 0.03.
    assert!(found * 4 >= all * 3, "{found} of {all} strongest pairs");
    for f in 0..FEATURES {
        let (got, want) = (sketched.lists(f), full.lists(f));
        for (got, want) in [(&got.tokens, &want.tokens), (&got.before, &want.before)] {
            assert!(got.iter().all(|token| want.contains(token)), "feature {f}");
        }
        let active = full.features[f].active();
        let often = |(_, count): &&(u32, Count)| u64::from(count.count) * 8 >= active;
        let frequent = want.tokens.iter().filter(often);
        for token in frequent {
            assert!(got.tokens.contains(token), "feature {f}: {token:?}");
        }
    }
    // Parts with different candidates say so when they are merged.
    let half = |of: &[OfRow]| {
        let mut tallies = Tallies::new(setup(&sae, false));
        add(&mut tallies, (&text, of), 60, false);
        tallies.begin_second_pass();
        add(&mut tallies, (&text, of), 60, true);
        tallies
    };
    let mut merged = half(&of[..30]);
    merged.merge(half(&of[30..])).unwrap();
    assert_eq!(merged.counting(), Counting::Approximate);
    assert_eq!(merged.tokens, full.tokens);
}

/// Figures by `tests/golden/index_statistics.py`: torch and scipy over dense activations of the demo's resid-2, on 40 rows of Alice.
#[test]
fn figures_and_lists_equal_those_of_torch() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let golden = root.join("tests/golden/index-statistics/resid-2.json");
    let golden: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(golden).unwrap()).unwrap();
    let (sae, _) = crate::formats::open(&root.join("assets/demo/saes/resid-2")).unwrap();
    let text = std::fs::read_to_string(root.join("assets/demo/text/held-out/alice.txt")).unwrap();
    let corpus = crate::corpus::Corpus::from_text("alice", &text);
    let (rows, _) = corpus.rows(model().codec(), 256).unwrap();
    let (folder, mut on) = (tempfile::tempdir().unwrap(), |_| Flow::Continue(()));
    let (path, of) = (folder.path().join("index"), sae.by_token().unwrap());
    let built = build(
        model(),
        of,
        &rows.take(40),
        &Source::default(),
        &path,
        &mut on,
    );
    assert!(!built.unwrap().is_stopped());
    let index = Index::open(&path).unwrap();
    for want in golden.as_array().unwrap() {
        let feature = FeatureId(want["feature"].as_u64().unwrap() as u32);
        let got = json(index.about(), &index.detail(feature).unwrap());
        let far = far_from(&got, want);
        // Activations are sums of 256 products in f32, about 1e-6 of their size; fourth powers have four times that.
        assert!(far < 1e-4, "{feature}: {far}");
        // The comparison tells another feature.
        let other = json(index.about(), &index.detail(FeatureId(0)).unwrap());
        assert!(far_from(&other, want) > 1e-2);
    }
}

/// Returns the largest relative difference of numbers, with infinity where lists or whole numbers differ.
fn far_from(got: &serde_json::Value, want: &serde_json::Value) -> f64 {
    use serde_json::Value;
    match (got, want) {
        (Value::Object(got), Value::Object(want)) => {
            let fields = want
                .iter()
                .filter(|(key, _)| *key != "feature" || !got.contains_key("density"));
            let far = fields.map(|(key, want)| far_from(&got[key], want));
            far.fold(0.0, f64::max)
        }
        (Value::Array(got), Value::Array(want)) if got.len() == want.len() => {
            let far = got.iter().zip(want).map(|(got, want)| far_from(got, want));
            far.fold(0.0, f64::max)
        }
        (Value::Number(got), Value::Number(want)) if want.is_u64() && got == want => 0.0,
        (Value::Number(_), Value::Number(want)) if want.is_u64() => f64::INFINITY,
        (Value::Number(got), Value::Number(want)) => {
            let (got, want) = (got.as_f64().unwrap(), want.as_f64().unwrap());
            (got - want).abs() / want.abs().max(1e-2)
        }
        _ => f64::INFINITY,
    }
}
