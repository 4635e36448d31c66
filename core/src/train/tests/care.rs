//! Options of a run beside its rule: an average of the weights, resampling of dead features, a dictionary to continue from.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use safetensors::SafeTensors;

use super::runs::{Planted, go_on, keep, short, train};
use crate::Flow;
use crate::dims::Matrix;
use crate::ids::{HookPoint, Site};
use crate::kernels::encode::cases::uneven;
use crate::latents::Latents;
use crate::sae::{AbsTopK, Gated, JumpRelu, Relu, Sae, Selection, TopK, Variant};
use crate::train::init::directions;
use crate::train::step::{Batch, Trainer};
use crate::train::{Decoder, Event, Keeping, Spec};

const D: usize = 12;
const F: usize = 40;

/// Activations about a far mean.
fn sample() -> Matrix {
    let mut sample = uneven(&mut ChaCha8Rng::seed_from_u64(4), 300, D);
    let values = sample.values_mut().iter_mut();
    values.for_each(|x| *x = *x * 30.0 + 7.0);
    sample
}

/// A dictionary for them; rows of the decoder `length` long and a little more each.
fn given(selection: Selection, length: f32, growing: f32) -> Sae {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut spec = Spec::default_for(HookPoint::block(0, Site::Z));
    spec.features = F;
    let mut w_dec = directions(&spec, D);
    for (f, row) in w_dec.values_mut().chunks_exact_mut(D).enumerate() {
        let length = length + growing * f as f32;
        for w in row.iter_mut() {
            *w *= length;
        }
    }
    let mut w_enc = uneven(&mut rng, F, D);
    w_enc.values_mut().iter_mut().for_each(|w| *w *= 0.3);
    let mut b_enc = uneven(&mut rng, 1, F).into_values();
    for b in &mut b_enc {
        *b *= 5.0;
    }
    Sae::new("given", (w_enc, b_enc), (w_dec, vec![6.0; D]), selection)
}

fn thresholds() -> Vec<f32> {
    (0..F).map(|f| f as f32 * 0.5).collect()
}

fn selections() -> [Selection; 5] {
    [
        Selection::Relu(Relu),
        Selection::TopK(TopK { k: 5 }),
        Selection::AbsTopK(AbsTopK { k: 5 }),
        Selection::JumpRelu(JumpRelu {
            thresholds: thresholds(),
        }),
        Selection::Gated(Gated {
            b_mag: thresholds().into_iter().map(|b| 3.0 - b).collect(),
            r_mag: (0..F).map(|f| 0.02 * f as f32 - 0.3).collect(),
        }),
    ]
}

/// `inside` is `outside` scaled, where activations clear of a threshold are compared.
#[track_caller]
fn same_codes(inside: &Latents, outside: &Latents, factor: impl Fn(usize) -> f32, said: &str) {
    assert_eq!(inside.rows(), outside.rows());
    let mut differing = 0;
    for i in 0..inside.rows() {
        let codes = |latents: &Latents| {
            let active = latents.row(i).filter(|(_, act)| *act != 0.0);
            active.collect::<std::collections::BTreeMap<_, _>>()
        };
        let (inside, outside) = (codes(inside), codes(outside));
        differing += usize::from(!inside.keys().eq(outside.keys()));
        for (feature, act) in &inside {
            let want = outside
                .get(feature)
                .map_or(*act, |act| act * factor(feature.index()));
            assert!(
                (act - want).abs() < 2e-5 * (want.abs() + 50.0),
                "{said} {act} {want}"
            );
        }
    }
    // A pre-activation may fall on either side of its threshold by rounding.
    assert!(
        differing <= 1,
        "{said}: {differing} of {} tokens differ",
        inside.rows()
    );
}

#[test]
fn the_first_step_gives_the_codes_of_the_dictionary_that_a_run_goes_on_from() {
    let sample = sample();
    let rows: Vec<u32> = (0..300).collect();
    for selection in selections() {
        let counted = matches!(selection, Selection::TopK(_) | Selection::AbsTopK(_));
        for (length, growing) in [(1.0, 0.0), (2.0, 0.0), (0.5, 0.05)] {
            for decoder in [Decoder::Unit, Decoder::Free] {
                let sae = given(selection.clone(), length, growing);
                let mut spec = short(Variant::TopK);
                spec.go_on_from(sae.clone());
                spec.decoder = decoder;
                let said = format!("{} {length} {growing} {decoder}", selection.describe());
                if counted && growing > 0.0 {
                    let refused = Trainer::new(&spec, &sample).unwrap_err().to_string();
                    assert!(
                        refused.contains("given") && refused.contains("fold"),
                        "{refused}"
                    );
                    continue;
                }
                let mut trainer = Trainer::new(&spec, &sample).unwrap();
                let scale = trainer.scale;
                let saved = trainer.sae();
                let batch = Batch {
                    from: &sample,
                    rows: &rows,
                };
                let inside = trainer.forward(batch).unwrap().latents;
                let outside = sae.encode(&sample).unwrap();
                let longer = |f: usize| length + growing * f as f32;
                same_codes(&inside, &outside, |f| scale * longer(f), &said);
                // And so does what would be saved.
                same_codes(&saved.encode(&sample).unwrap(), &outside, longer, &said);
            }
        }
    }
}

#[test]
fn what_a_run_cannot_go_on_from_is_refused_by_name() {
    let sample = sample();
    let refused = |spec: &Spec, sample: &Matrix| {
        let refused = Trainer::new(spec, sample).unwrap_err();
        refused.to_string()
    };
    let mut spec = short(Variant::TopK);
    spec.go_on_from(given(Selection::Relu(Relu), 1.0, 0.0));
    assert_eq!((spec.variant, spec.features), (Variant::Relu, F));
    let what = refused(
        &spec,
        &Matrix::new(2, 3, vec![1.0, 2.0, 4.0, 3.0, 0.0, 1.0]).unwrap(),
    );
    assert!(what.contains("given reads 12"), "{what}");
    spec.features = 41;
    let what = refused(&spec, &sample);
    assert!(
        what.starts_with("features: ") && what.contains("given has 40"),
        "{what}"
    );
    spec.features = F;
    (spec.transcodes, spec.variant) = (true, Variant::Relu);
    let mut pairs = Matrix::zeros(300, 2 * D);
    for i in 0..300 {
        pairs.row_mut(i)[..D].copy_from_slice(sample.row(i));
        pairs.row_mut(i)[D..].copy_from_slice(sample.row(i));
    }
    let what = refused(&spec, &pairs);
    assert!(what.contains("given is no transcoder"), "{what}");
}

#[test]
fn what_is_saved_is_the_average_of_the_weights() {
    let mut spec = short(Variant::JumpRelu);
    spec.seed = 8;
    let mut trainer = Trainer::new(&spec, &sample()).unwrap();
    spec.ema = 0.6;
    let mut averaging = Trainer::new(&spec, &sample()).unwrap();
    let (sample, rows): (_, Vec<u32>) = (sample(), (0..128).collect());
    let batch = Batch {
        from: &sample,
        rows: &rows,
    };
    let mut steps = vec![];
    for _ in 0..4 {
        trainer.step(batch, 1e-2).unwrap();
        averaging.step(batch, 1e-2).unwrap();
        steps.push(trainer.sae());
    }
    let weights = [0.6_f32.powi(3), 0.36, 0.6, 1.0];
    let sum: f32 = weights.iter().sum();
    let mean = |of: &dyn Fn(&Sae) -> Vec<f32>| -> Vec<f32> {
        let mut mean = vec![0.0; of(&steps[0]).len()];
        for (sae, weight) in steps.iter().zip(weights) {
            for (mean, value) in mean.iter_mut().zip(of(sae)) {
                *mean += weight * value / sum;
            }
        }
        mean
    };
    let near = |got: &[f32], want: &[f32]| {
        let most = want.iter().fold(0.0_f32, |most, w| most.max(w.abs()));
        let mut pairs = got.iter().zip(want);
        got.len() == want.len() && pairs.all(|(g, w)| (g - w).abs() < 1e-5 * most)
    };
    let saved = averaging.sae();
    assert!(near(
        saved.w_enc.values(),
        &mean(&|sae| sae.w_enc.values().to_vec())
    ));
    assert!(near(&saved.b_enc, &mean(&|sae| sae.b_enc.clone())));
    assert!(near(&saved.b_dec, &mean(&|sae| sae.b_dec.clone())));
    let of = |sae: &Sae| match &sae.selection {
        Selection::JumpRelu(JumpRelu { thresholds }) => thresholds.clone(),
        _ => Vec::new(),
    };
    assert!(near(&of(&saved), &mean(&of)));
    let mut rows = mean(&|sae| sae.w_dec.values().to_vec());
    for row in rows.chunks_exact_mut(D) {
        let length = row.iter().map(|w| w * w).sum::<f32>().sqrt();
        for w in row.iter_mut() {
            *w /= length;
        }
    }
    assert!(near(saved.w_dec.values(), &rows));
    assert!(
        saved.w_enc != steps[3].w_enc,
        "the average is not the last step"
    );
}

#[test]
fn figures_in_use_are_those_of_the_average() {
    for decoder in [Decoder::Unit, Decoder::Free] {
        let mut spec = short(Variant::BatchTopK);
        (spec.ema, spec.decoder, spec.tokens) = (0.95, decoder, 1_000 * 128);
        let mut source = Planted::new(60, 24);
        let outcome = train(&spec, &mut source, &mut go_on).unwrap();
        let x = crate::train::buffer::Source::next(&mut source, &mut |_| {}).unwrap();
        let latents = outcome.sae.encode(&x).unwrap();
        let out = outcome.sae.decode(&latents, &x).unwrap();
        let mean: Vec<f32> = (0..24)
            .map(|c| x.iter_rows().map(|row| row[c]).sum::<f32>() / x.rows() as f32)
            .collect();
        let (mut left, mut spread) = (0.0, 0.0);
        for (x, out) in x.iter_rows().zip(out.iter_rows()) {
            for ((x, out), mean) in x.iter().zip(out).zip(&mean) {
                left += f64::from(x - out).powi(2);
                spread += f64::from(x - mean).powi(2);
            }
        }
        let (fvu, said) = (left / spread, outcome.last.inference_fvu.unwrap());
        assert!((fvu / said - 1.0).abs() < 0.1, "{decoder}: {fvu} {said}");
    }
}

/// A run with more features than there is room for: the share dead at the end, its notes, its dictionary.
fn with_dead(every: u64) -> (f64, Vec<String>, Sae) {
    let mut spec = short(Variant::TopK);
    (spec.features, spec.k, spec.aux_coefficient) = (400, 1, 0.0);
    (spec.resample_every, spec.dead_after) = (Some(every), Some(1_000));
    let mut notes = vec![];
    let outcome = train(&spec, &mut Planted::new(60, 24), &mut |event| {
        if let Event::Note(note) = event {
            notes.push(note);
        }
        Flow::Continue(())
    });
    let outcome = outcome.unwrap();
    (outcome.last.dead_fraction, notes, outcome.sae)
}

#[test]
fn dead_features_start_anew_four_times_at_most_and_the_same_each_time() {
    let (without, notes, never) = with_dead(0);
    assert!(without > 0.3 && notes.is_empty(), "{without} {notes:?}");
    let (_, notes, sae) = with_dead(30);
    assert!(notes.len() > 1 && notes.len() <= 4, "{notes:?}");
    for note in &notes {
        assert!(note.contains("dead features started anew"), "{note}");
    }
    assert!(with_dead(30).2 == sae && sae != never);
}

#[test]
fn a_feature_that_starts_anew_points_at_an_input_and_reads_it_faintly() {
    for decoder in [Decoder::Unit, Decoder::Free] {
        let mut spec = short(Variant::TopK);
        (spec.features, spec.dead_after, spec.decoder) = (F, Some(1), decoder);
        let sample = sample();
        let mut trainer = Trainer::new(&spec, &sample).unwrap();
        let one: Vec<u32> = (0..3).collect();
        let batch = |rows| Batch {
            from: &sample,
            rows,
        };
        trainer.step(batch(one.as_slice()), 1e-3).unwrap();
        let dead = trainer.dead.features();
        assert!(dead.len() > F / 2);
        let before = trainer.sae();
        let all: Vec<u32> = (0..300).collect();
        let resampled = trainer.resample(batch(all.as_slice()), 64, (1, 2)).unwrap();
        assert_eq!((resampled.dead, resampled.anew), (dead.len(), dead.len()));
        assert!(trainer.dead.features().is_empty());
        let after = trainer.sae();
        let length = |row: &[f32]| row.iter().map(|w| w * w).sum::<f32>().sqrt();
        let living: Vec<f32> = (0..F as u32)
            .filter(|f| !dead.contains(f))
            .map(|f| length(before.w_enc.row(f as usize)))
            .collect();
        let mean = living.iter().sum::<f32>() / living.len() as f32;
        let mut inputs = vec![];
        for f in 0..F {
            if !dead.contains(&(f as u32)) {
                assert_eq!(after.w_dec.row(f), before.w_dec.row(f));
                assert_eq!(after.w_enc.row(f), before.w_enc.row(f));
                continue;
            }
            let (enc, dec) = (after.w_enc.row(f), after.w_dec.row(f));
            assert!((length(dec) - 1.0).abs() < 1e-5 && after.b_enc[f] == 0.0);
            assert!(
                (length(enc) / mean - 0.2).abs() < 1e-4,
                "{} {mean}",
                length(enc)
            );
            let input = sample.iter_rows().position(|x| {
                let x: Vec<f32> = x.iter().zip(&after.b_dec).map(|(x, b)| x - b).collect();
                let along: f32 = x.iter().zip(dec).map(|(x, w)| x * w).sum();
                along > 0.9999 * length(&x)
            });
            inputs.push(input.expect("it points at an input"));
        }
        inputs.sort_unstable();
        assert!(
            inputs.windows(2).all(|pair| pair[0] < pair[1]),
            "none is drawn twice"
        );
    }
}

/// One activation has no variance of its own, nor has its error: dividing by what rounding leaves gave an FVU of 8e14 and let AuxK drown everything else.
#[test]
fn a_batch_of_one_activation_is_measured_and_helped_as_larger_ones_are() {
    let last = |batch: usize, rate: f64, tokens: u64| {
        let mut spec = short(Variant::TopK);
        (spec.batch, spec.tokens, spec.learning_rate) = (batch, tokens, Some(rate));
        spec.dead_after = Some(200);
        let mut source = Planted::new(40, 32);
        train(&spec, &mut source, &mut go_on).unwrap().last
    };
    // Hardly moved, the dictionary of the start leaves what it leaves in batches of any size, but for which activations were drawn.
    let (one, many) = (last(1, 1e-8, 2_000), last(100, 1e-8, 2_000));
    assert!((one.fvu / many.fvu - 1.0).abs() < 0.2, "{one:?} {many:?}");
    assert!(one.loss < 2.0 * many.loss, "{one:?} {many:?}");
    // And it learns.
    let learnt = last(1, 1e-3, 4_000);
    assert!(learnt.fvu < 0.7 * one.fvu, "{learnt:?} {one:?}");
    assert!(learnt.loss < 1.0, "{learnt:?}");
}

#[test]
fn a_checkpoint_that_cannot_be_written_ends_no_run_and_the_one_before_stays() {
    let spec = short(Variant::TopK);
    let whole = train(&spec, &mut Planted::new(60, 24), &mut go_on).unwrap();
    let root = tempfile::tempdir().unwrap();
    let keeping = Keeping {
        folder: Some(root.path().to_path_buf()),
        every: Some(10),
        ..Keeping::default()
    };
    let state = root.path().join("checkpoint/state.safetensors");
    let (mut notes, mut kept) = (vec![], None);
    let outcome = keep(&spec, &mut Planted::new(60, 24), &keeping, &mut |event| {
        match event {
            Event::Note(note) => notes.push(note),
            // After the first checkpoint a folder stands in the place of its file.
            Event::Progress(at) if at.step == 15 && state.is_file() => {
                kept = std::fs::read(&state).ok();
                std::fs::remove_file(&state).unwrap();
                std::fs::create_dir(&state).unwrap();
            }
            Event::Progress(at) if at.step == 45 && state.is_dir() => {
                std::fs::remove_dir(&state).unwrap();
                std::fs::write(&state, kept.take().unwrap()).unwrap();
            }
            _ => {}
        }
        Flow::Continue(())
    });
    let outcome = outcome.unwrap();
    assert!(outcome.sae == whole.sae && outcome.checkpoint.is_some());
    let unkept: Vec<&String> = notes.iter().filter(|n| n.contains("not written")).collect();
    assert_eq!(unkept.len(), 1, "once, not with every step: {notes:?}");
    assert!(
        unkept[0].contains("step 20") && unkept[0].contains("state.safetensors"),
        "{unkept:?}"
    );
    assert!(SafeTensors::deserialize(&std::fs::read(&state).unwrap()).is_ok());
}
