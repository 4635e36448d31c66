//! Whole runs: on planted dictionaries, under any number of threads, stopped, broken, and on the demo model.

use std::path::Path;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use crate::Flow;
use crate::corpus::Corpus;
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::{HookPoint, Site};
use crate::models::Model;
use crate::sae::Provenance;
use crate::train::buffer::Source;
use crate::train::init::directions;
use crate::train::run::Run;
use crate::train::{Event, Outcome, Spec, run};

/// Tokens with three active directions each, out of a planted dictionary.
struct Planted {
    directions: Matrix,
    rng: ChaCha8Rng,
    poison_after: usize,
}

impl Planted {
    fn new(features: usize, d: usize) -> Self {
        let mut spec = Spec::default_for(HookPoint::block(0, Site::Z));
        (spec.features, spec.seed) = (features, 99);
        Self {
            directions: directions(&spec, d),
            rng: ChaCha8Rng::seed_from_u64(7),
            poison_after: usize::MAX,
        }
    }
}

impl Source for Planted {
    fn width(&self) -> usize {
        self.directions.columns()
    }

    fn next(&mut self, _: &mut dyn FnMut(String)) -> Result<Matrix> {
        let mut piece = Matrix::zeros(1_000, self.width());
        for row in piece
            .values_mut()
            .chunks_exact_mut(self.directions.columns())
        {
            for _ in 0..3 {
                let feature = self.rng.random_range(0..self.directions.rows());
                let act = self.rng.random_range(1.0..2.0);
                for (x, w) in row.iter_mut().zip(self.directions.row(feature)) {
                    *x += act * w;
                }
            }
            row[0] += 0.5;
        }
        if self.poison_after == 0 {
            piece.row_mut(0)[1] = f32::NAN;
        }
        self.poison_after = self.poison_after.saturating_sub(1);
        Ok(piece)
    }
}

fn spec(features: usize, k: usize, tokens: u64) -> Spec {
    let mut spec = Spec::default_for(HookPoint::block(0, Site::Z));
    (spec.features, spec.k, spec.tokens) = (features, k, tokens);
    (spec.batch, spec.buffer) = (256, 4_000);
    spec
}

fn train(
    spec: &Spec,
    source: &mut Planted,
    observe: &mut dyn FnMut(Event) -> Flow,
) -> Result<Outcome> {
    Run::new(spec, usize::MAX, source.width(), Provenance::default()).finish(source, observe)
}

fn go_on(_: Event) -> Flow {
    Flow::Continue(())
}

#[test]
fn a_planted_dictionary_is_found() {
    let mut source = Planted::new(40, 32);
    let spec = spec(48, 3, 400_000);
    let outcome = train(&spec, &mut source, &mut go_on).unwrap();
    let learnt = &outcome.sae.w_dec;
    let found = source.directions.iter_rows().filter(|planted| {
        learnt.iter_rows().any(|row| {
            let cosine: f32 = row.iter().zip(*planted).map(|(a, b)| a * b).sum();
            cosine > 0.95
        })
    });
    let found = found.count();
    assert!(found >= 38, "{found} of 40 found, {:?}", outcome.last);
    assert!(outcome.last.fvu < 0.1, "{:?}", outcome.last);
    assert!(outcome.last.l0 > 2.5 && outcome.last.l0 <= 3.0);
    assert!(!outcome.stopped);
    assert_eq!(outcome.tokens_seen, 400_000);
    assert_eq!(outcome.last.steps, 1_563);
    assert_eq!(outcome.last.step, 1_563);
}

#[test]
fn the_same_seed_gives_the_same_bytes_with_any_number_of_threads() {
    let dictionary = |threads: usize, seed: u64| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| {
            let mut spec = spec(300, 5, 20 * 256);
            (spec.seed, spec.dead_after) = (seed, Some(600));
            train(&spec, &mut Planted::new(60, 33), &mut go_on).unwrap()
        })
    };
    let one = dictionary(1, 5);
    assert_eq!(one.last.step, 20);
    assert!(
        one.last.dead_fraction > 0.0,
        "AuxK takes part: {:?}",
        one.last
    );
    for other in [dictionary(1, 5), dictionary(2, 5), dictionary(3, 5)] {
        assert_eq!(one.sae, other.sae);
    }
    assert_ne!(one.sae, dictionary(1, 6).sae);
}

#[test]
fn a_run_is_stopped_by_its_observer_and_hands_back_what_it_has() {
    let mut steps = 0;
    let mut snapshots = 0;
    let mut observe = |event: Event| {
        match event {
            Event::Progress(progress) => steps = progress.step,
            Event::Snapshot(sae) => {
                snapshots += 1;
                assert_eq!(sae.provenance.other["tokens_seen"], 256 * steps);
            }
            Event::Note(_) => {}
        }
        if steps == 25 {
            Flow::Break(())
        } else {
            Flow::Continue(())
        }
    };
    let outcome = train(
        &spec(48, 3, 25_600),
        &mut Planted::new(40, 24),
        &mut observe,
    )
    .unwrap();
    assert!(outcome.stopped);
    assert_eq!((outcome.tokens_seen, outcome.last.step), (6_400, 25));
    assert_eq!(outcome.sae.provenance.other["tokens_seen"], 6_400);
    assert_eq!(outcome.sae.provenance.other["settings"]["k"], "3");
    assert_eq!(snapshots, 5);

    // Stopped while the first activations are gathered: the start of a dictionary.
    let mut stop = |_| Flow::Break(());
    let outcome = train(&spec(48, 3, 25_600), &mut Planted::new(40, 24), &mut stop).unwrap();
    assert!(outcome.stopped && outcome.tokens_seen == 0);
    assert_eq!(outcome.sae.features(), 48);
}

#[test]
fn what_is_not_a_number_ends_the_run_naming_the_step() {
    let mut source = Planted::new(40, 24);
    source.poison_after = 5;
    let refused = train(&spec(48, 3, 50_000), &mut source, &mut go_on).unwrap_err();
    let what = refused.to_string();
    assert!(
        what.contains("step ") && what.contains("not a finite number"),
        "{what}"
    );

    let mut spec = spec(48, 3, 50_000);
    spec.learning_rate = Some(1.0);
    spec.warmup = 0.0;
    // A rate this high is bad, not broken: the loss stays finite, since rows keep length one.
    assert!(train(&spec, &mut Planted::new(40, 24), &mut go_on).is_ok());
}

#[test]
fn training_on_the_demo_model_lowers_the_error_and_says_that_the_text_is_read_again() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../assets/demo/model"));
    let (model, _) = Model::open(folder).unwrap();
    let text = "The king went out to the forest, and there he met a fox. ".repeat(60);
    let (rows, _) = Corpus::from_text("tale", &text)
        .rows(model.codec(), 64)
        .unwrap();
    let mut spec = spec(64, 8, 6_000);
    spec.facts.insert("corpus".to_owned(), "tale".into());
    let (mut notes, mut first) = (vec![], 0.0);
    let outcome = run(&spec, &model, &rows, &mut |event| {
        match event {
            Event::Note(note) => notes.push(note),
            Event::Progress(progress) if progress.step == 1 => first = progress.fvu,
            _ => {}
        }
        Flow::Continue(())
    });
    let outcome = outcome.unwrap();
    assert!(
        outcome.last.fvu < first,
        "{} after {first}",
        outcome.last.fvu
    );
    assert!(
        notes
            .iter()
            .any(|note| note.ends_with("and read for the 2nd time")),
        "{notes:?}"
    );
    let sae = outcome.sae;
    assert_eq!(sae.width(), 256);
    assert_eq!(sae.provenance.hook, Some(spec.hook));
    assert_eq!(sae.provenance.context, Some(64));
    assert_eq!(sae.provenance.prepend_bos, Some(true));
    assert_eq!(sae.provenance.other["corpus"], "tale");
    assert_eq!(
        sae.provenance.other["model_from_pretrained_kwargs"],
        json!({})
    );

    let mut wrong = spec.clone();
    wrong.hook = HookPoint::block(9, Site::Z);
    let refused = run(&wrong, &model, &rows, &mut go_on)
        .unwrap_err()
        .to_string();
    assert!(refused.contains("blocks.9.attn.hook_z"), "{refused}");
}
