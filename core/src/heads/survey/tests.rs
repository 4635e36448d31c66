//! Figures against transformers, against their definitions in f64, and on the demo.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::*;
use crate::corpus::{Corpus, CorpusSpec, Positions};
use crate::ids::TokenId;
use crate::models::token_tensor;
use crate::project::Project;

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn model(path: &str) -> Model {
    Model::open(&repository().join(path)).unwrap().0
}

fn rows_of(tokens: &[Vec<u32>]) -> Rows {
    let context = tokens[0].len();
    let all: Vec<TokenId> = tokens.iter().flatten().copied().map(TokenId).collect();
    let documents = vec![0; all.len()];
    Rows::new(context, all, documents, vec!["made up".to_owned()])
}

fn surveyed(model: &Model, rows: &Rows) -> Survey {
    let ended = run(model, rows, &mut |_| Flow::Continue(())).unwrap();
    ended.done().unwrap()
}

/// Rows of held-out text of the demo.
fn read(model: &Model, text: &str, (context, rows): (Option<usize>, usize)) -> Rows {
    let spec = CorpusSpec {
        paths: vec![repository().join("assets/demo/text/held-out").join(text)],
        ..CorpusSpec::default()
    };
    let corpus = Corpus::open(&spec).unwrap().0;
    let usual = corpus.usual_context(model.config().context);
    let (all, _) = corpus
        .rows(model.codec(), context.unwrap_or(usual))
        .unwrap();
    all.take(rows)
}

fn held_out(model: &Model, rows: usize) -> Rows {
    read(model, "", (None, rows))
}

/// Rows of 48 tokens, for what runs a pass for each head.
fn short(model: &Model, rows: usize) -> Rows {
    read(model, "alice.txt", (Some(48), rows))
}

fn ablated(model: &Model, rows: &Rows, survey: &mut Survey) {
    let ended = ablate(model, rows, Causal::default(), survey, &mut |_| {
        Flow::Continue(())
    });
    assert!(!ended.unwrap().is_stopped());
}

/// Figures by transformers in f64 hold here to 2e-5 (f32 arithmetic on weights and logits of order 1), the copying share to 1e-4 (eigenvalues of products of
/// four matrices), and the distance's variance to 1e-3 (differences of squares of up to 400).
#[test]
fn figures_equal_those_of_transformers() {
    let path = repository().join("tests/golden/heads/survey.json");
    let golden: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut compared = 0;
    for (family, golden) in golden.as_object().unwrap() {
        let model = model(&format!("tests/golden/tiny-{family}"));
        let tokens: Vec<Vec<u32>> = serde_json::from_value(golden["rows"].clone()).unwrap();
        let rows = rows_of(&tokens);
        let mut survey = surveyed(&model, &rows);
        ablated(&model, &rows, &mut survey);
        let wanted = golden["heads"].as_array().unwrap();
        assert_eq!(survey.heads.len(), wanted.len());
        let off = |row: &HeadRow, wanted: &Value| {
            let figures = FIGURES.iter().filter(|figure| wanted[figure.key].is_f64());
            figures
                .map(|figure| {
                    let tolerance = match figure.key {
                        "copying" => 1e-4,
                        "distance_variance" => 1e-3,
                        _ => 2e-5,
                    };
                    let got = (figure.get)(row).unwrap();
                    let want = wanted[figure.key].as_f64().unwrap();
                    (figure.key, (got - want).abs() / tolerance, got, want)
                })
                .collect::<Vec<_>>()
        };
        for (row, wanted) in survey.heads.iter().zip(wanted) {
            assert_eq!(wanted["layer"], row.layer.0);
            for (key, off, got, want) in off(row, wanted) {
                assert!(off < 1.0, "{family} {key}: {got} {want} in {row:?}");
                compared += 1;
            }
        }
        // Another head's figures are found out.
        let worst = off(&survey.heads[0], &wanted[1]);
        assert!(worst.iter().all(|(_, off, ..)| *off > 1.0), "{worst:?}");
    }
    assert_eq!(compared, 4 * 12 * 13);
}

/// Sums in f64 over `hook_pattern` as the definitions say: by key, the sum and the number of queries.
fn defined(pattern: &[f64], tokens: &[String], sums: &mut BTreeMap<&str, (f64, f64)>) {
    let t = tokens.len();
    for q in 1..t {
        let a = |k: usize| pattern[q * t + k];
        let total = |f: &dyn Fn(usize) -> f64| (0..=q).map(f).sum::<f64>();
        let far = |k: usize| (q - k) as f64;
        let mean = total(&|k| a(k) * far(k));
        let copies: Vec<usize> = (1..q).filter(|k| tokens[*k] == tokens[q]).collect();
        let mut add = |key, value| {
            let (sum, count) = sums.entry(key).or_default();
            *sum += value;
            *count += 1.0;
        };
        let log = |a: f64| if a > 0.0 { a * a.ln() } else { 0.0 };
        add("entropy", -total(&|k| log(a(k))));
        add("first", a(0));
        add("same", a(q));
        add("previous", a(q - 1));
        add("distance", mean);
        add(
            "distance_variance",
            total(&|k| a(k) * far(k) * far(k)) - mean * mean,
        );
        if !copies.is_empty() {
            let uniform = copies.len() as f64 / (q + 1) as f64;
            let on: f64 = copies.iter().map(|k| a(*k)).sum();
            let after: f64 = copies.iter().map(|k| a(k + 1)).sum();
            add("duplicate", on);
            add("induction", after);
            add("duplicate_excess", on - uniform);
            add("induction_excess", after - uniform);
        }
    }
}

/// Compares the figures of some layers with their definitions. Entropies are f32 sums of up to 256 terms: 1e-5. Distances are up to 256 and their squares up to
/// 65,536: 1e-3 and 0.01. Norms are of f32 products: 1e-4 of their size.
fn check_definitions(model: &Model, rows: &Rows, layers: &[usize]) -> Survey {
    let survey = surveyed(model, rows);
    let codec = model.codec();
    let folded = |token: &TokenId| codec.display(*token).trim_start_matches(' ').to_lowercase();
    for layer in layers {
        let hooks = [Site::Pattern, Site::Result].map(|site| HookPoint::block(*layer, site));
        let heads = model.config().heads;
        let mut sums = vec![[(); 2].map(|()| BTreeMap::new()); heads];
        for row in 0..rows.len() {
            let input = token_tensor(&[rows.row(row)]).unwrap();
            let captured = model.capture(&input, &hooks).unwrap();
            let written = captured[&hooks[1]].get(0).unwrap(); // [t, h, d]
            let norms = written.sqr().unwrap().sum(2).unwrap().sqrt().unwrap();
            let norms: Vec<Vec<f32>> = norms.to_vec2().unwrap();
            let exact: Vec<String> = rows.row(row).iter().map(ToString::to_string).collect();
            let fuzzy: Vec<String> = rows.row(row).iter().map(folded).collect();
            for (head, sums) in sums.iter_mut().enumerate() {
                let own = captured[&hooks[0]].get(0).unwrap().get(head).unwrap();
                let own: Vec<f32> = own.flatten_all().unwrap().to_vec1().unwrap();
                let own: Vec<f64> = own.into_iter().map(f64::from).collect();
                defined(&own, &exact, &mut sums[0]);
                defined(&own, &fuzzy, &mut sums[1]);
                let (sum, count) = sums[0].entry("output_norm").or_default();
                for norms in &norms[1..] {
                    *sum += f64::from(norms[head]);
                    *count += 1.0;
                }
            }
        }
        for (head, [exact, fuzzy]) in sums.iter().enumerate() {
            let row = survey.head(Layer::from(*layer), Head::from(head)).unwrap();
            let check = |key: &str, (sum, count): (f64, f64)| {
                let got = (figure_of(key).unwrap().get)(row).unwrap();
                let want = sum / count;
                let tolerance = match key {
                    "distance" => 1e-3,
                    "distance_variance" => 0.01,
                    "output_norm" => 1e-4 * want,
                    _ => 1e-5,
                };
                assert!(
                    (got - want).abs() < tolerance,
                    "{} {key}: {got} {want} in {row:?}",
                    model.name()
                );
            };
            for (key, value) in exact {
                check(key, *value);
            }
            for key in ["duplicate", "induction"] {
                check(&format!("{key}_fuzzy"), fuzzy[key]);
                check(
                    &format!("{key}_fuzzy_excess"),
                    fuzzy[&*format!("{key}_excess")],
                );
            }
        }
    }
    survey
}

#[test]
fn figures_equal_their_definitions_in_f64() {
    let demo = model("assets/demo/model");
    let survey = check_definitions(&demo, &held_out(&demo, 3), &[0, 3]);
    // The excess of fuzzy matches is over fuzzy matches.
    let row = &survey.heads[0];
    assert_ne!(row.duplicate_fuzzy, row.duplicate);
    let tokens = [vec![3, 9, 4, 9, 4, 3, 9, 5, 5, 9, 4, 6, 3, 9]];
    for family in [
        "gpt2", "gpt-neo", "gpt-neox", "llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3",
        "phi3",
    ] {
        let model = model(&format!("tests/golden/tiny-{family}"));
        let layers: Vec<usize> = (0..model.config().layers).collect();
        let survey = check_definitions(&model, &rows_of(&tokens), &layers);
        assert!(survey.heads.iter().all(|row| row.copying.is_some()));
    }
}

#[test]
fn the_demo_names_its_heads_and_they_carry_the_repetition() {
    let model = model("assets/demo/model");
    let survey = surveyed(&model, &held_out(&model, 12));
    let named = |role: Role| -> Vec<(u32, u32)> {
        let heads = survey.with_role(role);
        heads.map(|row| (row.layer.0, row.head.0)).collect()
    };
    assert_eq!(named(Role::Induction), [(3, 3), (3, 6)]);
    assert_eq!(named(Role::PreviousToken), [(1, 4), (2, 4)]);
    let heads = [(1, 4), (2, 4), (3, 3), (3, 6)].map(|(l, h)| (Layer(l), Head(h)));
    let losses = random_ablation(&model, &heads).unwrap().unwrap();
    let [first, second] = losses.rise();
    // Unmodified, the second copy is foretold by the first.
    assert!(losses.clean[1] < losses.clean[0] - 3.0, "{losses:?}");
    assert!(second > 3.0 && second > 10.0 * first.abs(), "{losses:?}");
    // Other heads of these layers do not carry it.
    let others = [(1, 0), (2, 0), (3, 0), (3, 1)].map(|(l, h)| (Layer(l), Head(h)));
    let [_, other] = random_ablation(&model, &others).unwrap().unwrap().rise();
    assert!(other < second / 3.0, "{other} {second}");
}

#[test]
fn cross_entropy_is_that_of_an_evaluation() {
    let model = model("assets/demo/model");
    let rows = short(&model, 3);
    let (sae, _) = crate::formats::open(&repository().join("assets/demo/saes/attn-0")).unwrap();
    let figures = crate::eval::run(&model, &sae, &rows, &mut |_| Flow::Continue(())).unwrap();
    let mut survey = surveyed(&model, &rows);
    ablated(&model, &rows, &mut survey);
    let about = survey.causal.unwrap();
    let clean = figures.done().unwrap().ce_clean;
    assert!((about.ce_clean - clean).abs() < 1e-9, "{about:?} {clean}");
    assert_eq!((about.rows, about.of_rows), (3, 3));
    // A part of the rows, at even distances, and an interval that holds the figure.
    let settings = Causal { rows: 2, seed: 0 };
    let ended = ablate(&model, &rows, settings, &mut survey, &mut |_| {
        Flow::Continue(())
    });
    assert!(!ended.unwrap().is_stopped());
    assert_eq!(survey.causal.unwrap().rows, 2);
    for row in &survey.heads {
        let ends = row.ce_increase_low.zip(row.ce_increase_high);
        let (low, high) = ends.unwrap();
        let rise = row.ce_increase.unwrap();
        assert!(low <= rise && rise <= high, "{row:?}");
    }
}

#[test]
fn contexts_show_what_the_head_does() {
    let model = model("assets/demo/model");
    let survey = surveyed(&model, &held_out(&model, 12));
    for (layer, head) in [(3, 3), (3, 6)] {
        let examples = survey.examples_of(Layer(layer), Head(head)).unwrap();
        assert_eq!(examples.behaviour, Some(Role::Induction));
        assert!(examples.contexts.len() >= 4, "{examples:?}");
        for context in &examples.contexts {
            assert!(context.tokens.len() <= LONGEST);
            let query = context.query as usize;
            let strongest =
                (1..=query).max_by(|a, b| context.attention[*a].total_cmp(&context.attention[*b]));
            let source = strongest.unwrap();
            assert_eq!(context.tokens[source - 1], context.tokens[query]);
        }
        let strengths: Vec<f32> = examples.contexts.iter().map(|c| c.strength).collect();
        assert!(strengths.is_sorted_by(|a, b| a >= b) && strengths[0] > 0.5);
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let model = model("assets/demo/model");
    let rows = short(&model, 9);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let mut survey = surveyed(&model, &rows.clone().take(5));
            ablated(&model, &rows.clone().take(2), &mut survey);
            survey
        })
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn a_stop_leaves_nothing_half_done() {
    let model = model("tests/golden/tiny-gpt2");
    let rows = rows_of(&vec![vec![3, 4, 5, 4, 5, 3]; 40]);
    let mut survey = surveyed(&model, &rows);
    let before = survey.clone();
    assert!(
        run(&model, &rows, &mut |_| Flow::Break(()))
            .unwrap()
            .is_stopped()
    );
    let mut calls = 0;
    let ended = ablate(&model, &rows, Causal::default(), &mut survey, &mut |at| {
        calls += 1;
        assert!(at.done <= at.total);
        if calls > 3 {
            Flow::Break(())
        } else {
            Flow::Continue(())
        }
    });
    assert!(ended.unwrap().is_stopped());
    assert_eq!(survey, before);
}

#[test]
fn text_without_repetition_has_no_score_for_it() {
    let model = model("tests/golden/tiny-gpt2");
    let survey = surveyed(&model, &rows_of(&[vec![3, 4, 5, 6, 7, 8]]));
    let row = &survey.heads[0];
    assert_eq!((row.duplicate, row.induction_excess), (None, None));
    assert!(
        row.positional
            .is_some_and(|share| (0.0..=1.0).contains(&share))
    );
    let rotary = self::model("tests/golden/tiny-llama");
    let survey = surveyed(&rotary, &rows_of(&[vec![3, 4, 5, 6, 7, 8]]));
    assert!(survey.heads.iter().all(|row| row.positional.is_none()));
    let short = rows_of(&[vec![3]]);
    let refused = run(&model, &short, &mut |_| Flow::Continue(())).unwrap_err();
    assert!(refused.to_string().contains("2 tokens"), "{refused}");
}

#[test]
fn a_figure_has_one_key_everywhere() {
    let mut row = HeadRow::default();
    (row.ce_increase, row.ce_increase_low, row.ce_increase_high) =
        (Some(1.0), Some(0.5), Some(2.0));
    let json = serde_json::to_value(&row).unwrap();
    let mut keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    keys.retain(|key| key != "layer" && key != "head");
    let mut figures: Vec<_> = FIGURES.iter().map(|figure| figure.key.to_owned()).collect();
    keys.sort();
    figures.sort();
    assert_eq!(keys, figures);
    let back: HeadRow = serde_json::from_value(json).unwrap();
    assert_eq!(back, row);
    assert_eq!(DEFINITIONS[0], (FIGURES[0].key, FIGURES[0].definition));
}

#[test]
fn a_kept_survey_is_read_back_and_refused_for_another_model() {
    let folder = tempfile::tempdir().unwrap();
    let project = Project::create(folder.path(), "heads").unwrap();
    let own = model("tests/golden/tiny-gpt2");
    assert_eq!(KeptSurvey::from_project(&project).unwrap(), None);
    let rows = rows_of(&[vec![3, 4, 5, 4, 5, 3]]);
    let mut survey = surveyed(&own, &rows);
    ablated(&own, &rows, &mut survey);
    let kept = KeptSurvey::new(&own, ("words", "print"), survey);
    kept.keep(&project).unwrap();
    let back = KeptSurvey::of_model(&project, &own).unwrap().unwrap();
    assert_eq!(
        (&back.text, &back.text_fingerprint),
        (&"words".to_owned(), &"print".to_owned())
    );
    assert_eq!(back.survey.examples, kept.survey.examples);
    // The reader of JSON may be off by the last bit of an f64.
    for (back, kept) in back.survey.heads.iter().zip(&kept.survey.heads) {
        for figure in &FIGURES {
            let [back, kept] = [back, kept].map(figure.get);
            assert_eq!(back.is_some(), kept.is_some(), "{}", figure.key);
            let off = back.unwrap_or(0.0) - kept.unwrap_or(0.0);
            assert!(off.abs() < 1e-12, "{}: {back:?} {kept:?}", figure.key);
        }
    }
    let other = model("tests/golden/tiny-llama");
    let refused = KeptSurvey::of_model(&project, &other).unwrap_err();
    assert!(
        refused.to_string().contains("another fingerprint"),
        "{refused}"
    );
}

#[test]
fn the_demo_ships_its_survey() {
    let (project, _) = Project::open(&repository().join("assets/demo")).unwrap();
    let model = model("assets/demo/model");
    let kept = KeptSurvey::of_model(&project, &model).unwrap().unwrap();
    let survey = kept.survey;
    assert_eq!(survey.examples.len(), survey.heads.len());
    assert!(survey.tokens > 200_000 && survey.causal.is_some());
    let ablation = survey.random_ablation.as_ref().unwrap();
    let heads = [(3, 3), (3, 6), (1, 4), (2, 4)].map(|(l, h)| (Layer(l), Head(h)));
    assert_eq!(ablation.heads, heads);
    // The figures are those of a survey now, on a part of the text up to what the rest says.
    let now = surveyed(&model, &held_out(&model, 40));
    for (kept, now) in survey.heads.iter().zip(&now.heads) {
        assert_eq!(role(kept), role(now));
        assert!((kept.entropy - now.entropy).abs() < 0.3, "{kept:?} {now:?}");
        let random = [kept, now].map(|row| row.induction_random.unwrap());
        assert!((random[0] - random[1]).abs() < 1e-6, "{random:?}");
    }
}

#[test]
fn counted_positions_do_not_change_what_attention_is() {
    let model = model("tests/golden/tiny-gpt2");
    let rows = rows_of(&[vec![3, 4, 5, 4, 5, 3]]);
    let all = surveyed(&model, &rows.clone().by(Positions::All));
    assert_eq!(surveyed(&model, &rows), all);
}
