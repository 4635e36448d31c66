//! Compares edits by transcoders with whole passes in which every value is put in place by hand, as the definitions in `dictionary.rs` say.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};

use super::*;
use crate::dims::Matrix;
use crate::error::Result;
use crate::ids::{FeatureId, HookPoint, Site};
use crate::latents::Latents;
use crate::models::{Capture, Hooks, Start, token_tensor};
use crate::sae::{InputNorm, Relu, Role, Sae, TopK, Transcoder};

const READS: HookPoint = HookPoint::Block(crate::ids::Layer(1), Site::Ln2Normalized);
const WRITES: HookPoint = HookPoint::Block(crate::ids::Layer(1), Site::MlpOut);
const F: usize = 24;

fn demo() -> Model {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo/model");
    Model::open(&demo).unwrap().0
}

/// Reproducible numbers around 0.
fn numbers(rows: usize, columns: usize, seed: usize) -> Matrix {
    let number = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 2002.0 - 0.5;
    Matrix::new(rows, columns, (0..rows * columns).map(number).collect()).unwrap()
}

/// A transcoder of the MLP in block 1, or a layer of a cross-layer one that writes `later` further layers.
fn sae(later: Option<usize>, skip: bool) -> Sae {
    let d = 256;
    let wide = d * (1 + later.unwrap_or(0));
    let transcoder = Transcoder {
        hook_out: Some(WRITES),
        w_skip: skip.then(|| numbers(d, d, 9)),
    };
    Sae::new(
        "of the MLP",
        (numbers(F, d, 1), numbers(1, F, 2).into_values()),
        (numbers(F, wide, 3), numbers(1, wide, 4).into_values()),
        Relu,
    )
    .reading(READS)
    .with_role(match later {
        Some(later) => Role::CrossLayer { transcoder, later },
        None => Role::Transcoder(transcoder),
    })
}

fn tokens(model: &Model) -> Vec<TokenId> {
    let text = "The old rabbit looked at the clock and said that it was late";
    model.codec().encode_with_bos(text).unwrap()
}

/// Hooks of a pass by hand: remembers what is read, and puts in place what `made` computes from it at output hooks.
struct ByHand<'a> {
    sae: &'a Sae,
    x: Option<Matrix>,
    made: &'a mut dyn FnMut(HookPoint, &Matrix, &Matrix) -> Matrix,
}

impl Hooks for ByHand<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        let outputs = self.sae.outputs().unwrap();
        hook == READS || outputs.iter().any(|output| output.hook == hook)
    }

    fn visit(&mut self, hook: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        let here = Matrix::from_tensor(value, 256)?;
        if hook == READS {
            self.x = Some(here);
            return Ok(None);
        }
        let x = self.x.as_ref().expect("it is read before");
        let mut made = (self.made)(hook, x, &here);
        // The first position is left alone.
        made.row_mut(0).copy_from_slice(here.row(0));
        Ok(Some(Tensor::from_slice(
            made.values(),
            value.dims(),
            &Device::Cpu,
        )?))
    }
}

/// Returns what `latents`, the code of `x`, writes at `hook`, in f64 from the weights.
fn output(sae: &Sae, hook: HookPoint, latents: &Latents, x: &Matrix) -> Vec<Vec<f64>> {
    let outputs = sae.outputs().unwrap();
    let at = outputs
        .iter()
        .position(|output| output.hook == hook)
        .unwrap();
    let columns = outputs[at].columns.clone();
    let rows = (0..x.rows()).map(|t| {
        let mut sum: Vec<f64> = sae.b_dec[columns.clone()]
            .iter()
            .map(|b| f64::from(*b))
            .collect();
        for (feature, act) in latents.row(t) {
            let row = &sae.w_dec.row(feature.index())[columns.clone()];
            for (sum, w) in sum.iter_mut().zip(row) {
                *sum += f64::from(act) * f64::from(*w);
            }
        }
        // The skip connection belongs to the dictionary's own layer.
        let skip = sae.role.transcoder().and_then(|to| to.w_skip.as_ref());
        if let Some(skip) = skip.filter(|_| at == 0) {
            for (sum, row) in sum.iter_mut().zip(skip.iter_rows()) {
                let products = row.iter().zip(x.row(t));
                *sum += products
                    .map(|(w, x)| f64::from(*w) * f64::from(*x))
                    .sum::<f64>();
            }
        }
        sum
    });
    rows.collect()
}

fn wide(matrix: &Matrix) -> Vec<Vec<f64>> {
    let wide = |row: &[f32]| row.iter().map(|x| f64::from(*x)).collect();
    matrix.iter_rows().map(wide).collect()
}

fn sums(parts: [(f64, &[Vec<f64>]); 3]) -> Matrix {
    let (n, d) = (parts[0].1.len(), parts[0].1[0].len());
    let mut all = Matrix::zeros(n, d);
    for t in 0..n {
        for (i, out) in all.row_mut(t).iter_mut().enumerate() {
            *out = parts.iter().map(|(by, part)| by * part[t][i]).sum::<f64>() as f32;
        }
    }
    all
}

/// Sets feature 3 to 2 and doubles feature 5, at every token.
fn changed(latents: &Latents) -> Latents {
    let rows: Vec<Vec<(FeatureId, f32)>> = (0..latents.rows())
        .map(|t| {
            let mut row: Vec<_> = latents.row(t).filter(|(f, _)| f.0 != 3).collect();
            row.push((FeatureId(3), 2.0));
            row.iter_mut()
                .filter(|(f, _)| f.0 == 5)
                .for_each(|(_, act)| *act *= 2.0);
            row
        })
        .collect();
    Latents::from_unsorted(&rows).unwrap()
}

fn edit(sae: &Arc<Sae>, error: ErrorTerm) -> Result<Edit> {
    let changes = vec![
        LatentChange::Set(FeatureId(3), 2.0),
        LatentChange::Scale(FeatureId(5), 2.0),
    ];
    let edit = DictionaryEdit::new(Arc::clone(sae), changes, error)?;
    Ok(Edit::new(WRITES, Action::Dictionary(edit)))
}

fn logits_of(model: &Model, tokens: &[TokenId], hooks: &mut dyn Hooks) -> Vec<f32> {
    let input = token_tensor(&[tokens]).unwrap();
    let logits = model.run(Start::Tokens(&input), hooks).unwrap().unwrap();
    logits.flatten_all().unwrap().to_vec1().unwrap()
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn edits_of_a_transcoder_act_where_it_writes_as_by_hand() {
    let model = demo();
    let tokens = tokens(&model);
    let clean_logits = logits_of(&model, &tokens, &mut Capture::to_the_end([]));
    let input = token_tensor(&[&tokens]).unwrap();
    let mut layered = sae(None, true);
    layered.input_norm = InputNorm::Layer;
    let mut few = sae(None, false);
    few.selection = TopK { k: 4 }.into();
    let saes = [
        sae(None, false),
        sae(None, true),
        layered,
        few,
        sae(Some(0), true),
        sae(Some(2), false),
        sae(Some(2), true),
    ];
    for sae in saes.map(Arc::new) {
        let outputs = sae.outputs().unwrap();
        let mut hooks: Vec<HookPoint> = outputs.iter().map(|output| output.hook).collect();
        hooks.push(READS);
        let clean = model.capture(&input, &hooks).unwrap();
        let clean = |hook: HookPoint| Matrix::from_tensor(&clean[&hook], 256).unwrap();
        let errors = [ErrorTerm::Kept, ErrorTerm::Dropped, ErrorTerm::Frozen];
        for error in errors {
            let made = edit(&sae, error.clone());
            if sae.is_cross_layer() && matches!(error, ErrorTerm::Dropped) {
                let said = made.unwrap_err().to_string();
                assert!(said.contains("one layer of a cross-layer"), "{said}");
                continue;
            }
            let edits = Edits::new(&model, vec![made.unwrap()]).unwrap();
            let mut by_hand = |hook: HookPoint, x: &Matrix, here: &Matrix| {
                let latents = sae.encode(x).unwrap();
                let after = output(&sae, hook, &changed(&latents), x);
                let before = output(&sae, hook, &latents, x);
                match &error {
                    ErrorTerm::Kept => sums([(1.0, &wide(here)), (1.0, &after), (-1.0, &before)]),
                    ErrorTerm::Dropped => sums([(1.0, &after), (0.0, &after), (0.0, &after)]),
                    _ => {
                        let unread = clean(READS);
                        let known = sae.encode(&unread).unwrap();
                        let known = output(&sae, hook, &known, &unread);
                        sums([(1.0, &wide(&clean(hook))), (1.0, &after), (-1.0, &known)])
                    }
                }
            };
            let want = logits_of(
                &model,
                &tokens,
                &mut ByHand {
                    sae: &sae,
                    x: None,
                    made: &mut by_hand,
                },
            );
            let got = edits.logits(&model, &input).unwrap();
            let got: Vec<f32> = got.flatten_all().unwrap().to_vec1().unwrap();
            // Sums in f32 here and in f64 there, through three blocks; logits are around 10.
            assert!(
                largest_difference(&got, &want) < 2e-3,
                "{error:?} {}",
                sae.name
            );
            assert!(largest_difference(&got, &clean_logits) > 0.05, "{error:?}");
        }
        // An edit that changes no activation keeps every bit.
        let same = vec![LatentChange::Scale(FeatureId(5), 1.0)];
        let same = DictionaryEdit::new(Arc::clone(&sae), same, ErrorTerm::Kept).unwrap();
        let same = Edit::new(WRITES, Action::Dictionary(same));
        let same = Edits::new(&model, vec![same]).unwrap();
        let same = same.logits(&model, &input).unwrap();
        let same: Vec<f32> = same.flatten_all().unwrap().to_vec1().unwrap();
        assert!(same == clean_logits);
    }
}

/// Materials of one dictionary.
struct One(Arc<Sae>);

impl Materials for One {
    fn dictionary(&mut self, _: Option<&str>) -> Result<Arc<Sae>> {
        Ok(Arc::clone(&self.0))
    }

    fn probe(&mut self, _: Option<&str>) -> Result<Arc<crate::dark_matter::Probe>> {
        Err(crate::Error::setting("probe", "there is none"))
    }

    fn mean(&mut self, _: HookPoint, _: Option<&str>) -> Result<Vec<f32>> {
        Err(crate::Error::setting("mean", "there is none"))
    }
}

#[test]
fn a_written_edit_adds_a_cross_layer_row_in_all_its_layers() {
    let model = demo();
    let tokens = tokens(&model);
    let input = token_tensor(&[&tokens]).unwrap();
    let across = Arc::new(sae(Some(2), false));
    let resolve = |text: &str, sae: &Arc<Sae>| {
        let spec: EditSpec = text.parse().unwrap();
        spec.resolve(&model, &mut One(Arc::clone(sae)))
    };
    let edit = resolve("add feature=7 strength=1.5", &across).unwrap();
    let hooks = [1, 2, 3].map(|layer| HookPoint::block(layer, Site::MlpOut));
    assert_eq!(edit.hooks(), hooks);
    let whole = Edits::new(&model, vec![edit]).unwrap();
    let parts = across.outputs().unwrap().into_iter().map(|output| {
        let part = across.written(FeatureId(7), &output).unwrap();
        let mut edit = Edit::new(
            output.hook,
            Action::Add(part.iter().map(|x| 1.5 * x).collect()),
        );
        edit.positions = Positions::from(1);
        edit
    });
    let parts = Edits::new(&model, parts.collect()).unwrap();
    let logits = |edits: &Edits| -> Vec<f32> {
        let logits = edits.logits(&model, &input).unwrap();
        logits.flatten_all().unwrap().to_vec1().unwrap()
    };
    assert!(logits(&whole) == logits(&parts));
    // The part at one hook alone, which the edit names, is less.
    let one = resolve(
        "add feature=7 strength=1.5 hook=blocks.2.hook_mlp_out",
        &across,
    )
    .unwrap();
    let one = Edits::new(&model, vec![one]).unwrap();
    assert!(largest_difference(&logits(&one), &logits(&whole)) > 0.01);
    // An activation that is raised where the feature is raised anyway moves the model as its row does.
    let raised = resolve("add-feature feature=7 value=1.5", &across).unwrap();
    assert_eq!(raised.hooks(), hooks);
    let raised = Edits::new(&model, vec![raised]).unwrap();
    assert!(largest_difference(&logits(&raised), &logits(&whole)) < 2e-3);
    for (text, words) in [
        ("project-out feature=7", "a direction of its own at each of"),
        (
            "set-feature feature=7 value=1 hook=blocks.2.hook_mlp_out",
            "leave `hook` out",
        ),
        ("splice part=reconstruction", "keep or freeze"),
        ("splice part=+linear", "probe"),
    ] {
        let said = resolve(text, &across).unwrap_err().to_string();
        assert!(said.contains(words), "{text}: {said}");
    }
}

#[test]
fn texts_steered_by_a_transcoder_do_not_depend_on_how_they_are_computed() {
    let model = Arc::new(demo());
    let tokens = tokens(&model);
    let sampling = Sampling {
        tokens: 12,
        seed: 7,
        ignore_eos: true,
        ..Sampling::default()
    };
    for sae in [sae(None, true), sae(Some(2), false)].map(Arc::new) {
        for error in [ErrorTerm::Kept, ErrorTerm::Frozen] {
            let edits = || Edits::new(&model, vec![edit(&sae, error.clone()).unwrap()]).unwrap();
            let wanted = |edits| Wanted {
                edits,
                dial: Some(Dial::new(Arc::clone(&sae), FeatureId(3)).unwrap()),
                samples: 1,
            };
            let run = |session: &mut Session, edits: Edits| {
                let mut on = |_| ControlFlow::Continue(());
                session.run(&wanted(edits), &mut on).unwrap().into_value()
            };
            let mut fresh = Session::new(&model, &tokens, &sampling);
            let first = run(&mut fresh, edits());
            let mut used = Session::new(&model, &tokens, &sampling);
            run(&mut used, Edits::default());
            assert_eq!(run(&mut used, edits()), first);
            let mut on = |_, _: &str| ControlFlow::Continue(());
            let alone = generate(&model, &tokens, edits(), &sampling, &mut on).unwrap();
            let written = &first.samples[0].steered.written.tokens;
            assert_eq!(&alone.into_value().tokens, written);
            // The proof says what moved at each hook that is written.
            let mut row = tokens.clone();
            row.extend(&written[..11]);
            let proof = prove(&model, &edits(), &row, tokens.len()).unwrap();
            assert!(proof.acted(), "{}", proof.conclusion());
            let hooks: Vec<HookPoint> = proof.hooks.iter().map(|change| change.hook).collect();
            let outputs = sae.outputs().unwrap();
            assert_eq!(
                hooks,
                outputs.iter().map(|output| output.hook).collect::<Vec<_>>()
            );
            assert!(proof.hooks.iter().all(|change| change.size.delta > 0.0));
            assert_eq!(proof.edits[0].reached, row.len() - 1);
        }
    }
}

#[test]
fn a_sweep_and_a_limit_move_a_transcoder_s_feature_where_it_writes() {
    use super::limit::{Rule, largest_strength};
    use super::shift::{divergence, log_probabilities};
    use super::sweep::{Settings, sweep};
    let model = demo();
    let prompts = [tokens(&model)];
    let sae = sae(Some(1), false);
    let subject = (&model, sae.by_token().unwrap());
    let settings = Settings {
        strengths: vec![1.0, 2.0],
        continuation: 4,
        ..Settings::default()
    };
    let mut on = |_| ControlFlow::Continue(());
    let found = sweep(subject, &[FeatureId(7)], &prompts, &settings, &mut on);
    let found = found.unwrap().into_value();
    assert_eq!(found.hook, WRITES);
    let input = token_tensor(&[&prompts[0]]).unwrap();
    let clean = model.logits(&input).unwrap();
    for point in &found.curves[0].points {
        let parts = sae.outputs().unwrap().into_iter().map(|output| {
            let part = sae.written(FeatureId(7), &output).unwrap().iter();
            let by = part.map(|x| x * point.strength as f32).collect();
            let mut edit = Edit::new(output.hook, Action::Add(by));
            edit.positions = Positions::from(1);
            edit
        });
        let edits = Edits::new(&model, parts.collect()).unwrap();
        let after = edits.logits(&model, &input).unwrap();
        let last = |logits: &Tensor| {
            let t = logits.dim(1).unwrap();
            logits.get(0).unwrap().get(t - 1).unwrap()
        };
        let [before, after] =
            [&clean, &after].map(|logits| log_probabilities(&last(logits)).unwrap());
        let kl = divergence(&before, &after);
        assert!(
            (point.kl.median - kl).abs() < 1e-4 * (1.0 + kl),
            "{point:?} {kl}"
        );
        assert!(kl > 1e-3);
    }
    let rule = Rule {
        continuation: 6,
        ..Rule::default()
    };
    let limit = largest_strength(subject, FeatureId(7), &prompts, &rule, &mut on).unwrap();
    assert_eq!(limit.done().unwrap().hook, WRITES);
}
