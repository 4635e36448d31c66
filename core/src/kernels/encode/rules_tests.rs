//! Every rule against its definition on the table that all rules see, entry by entry and bit by bit: random, tied, ragged and adversarial input, by every
//! form, with any number of threads and any guess.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::cases::{Case, all, uneven};
use super::cpu::{self, Form};
use super::reference::{self, Row};
use super::*;

/// One input with its table of pre-activations as a form computes it.
struct Table {
    case: Case,
    form: Form,
    product: Product,
    screen: Screen,
    values: Vec<Vec<f64>>,
}

impl Table {
    fn new(case: Case, form: Form, product: Product) -> Self {
        let mut table = Self {
            case,
            form,
            product,
            screen: Screen::default(),
            values: Vec::new(),
        };
        table.screen = Screen::new(table.features(), product);
        table
    }

    fn features(&self) -> Features<'_> {
        let case = &self.case;
        let features = checked("test", &case.centred, &case.w_enc, &case.b_enc);
        self.screen.on(features.unwrap())
    }

    fn above(&self, bar: Bar<'_>) -> Latents {
        let chunks = cpu::above(self.form, &self.case.centred, self.features(), bar);
        joined(chunks).unwrap()
    }

    fn budget(&self, budget: usize, guess: f32) -> (Latents, Option<f32>) {
        let selection = (budget, guess);
        cpu::budget(self.form, &self.case.centred, self.features(), selection).unwrap()
    }

    fn by_feature(&self, budgets: &[u32]) -> Latents {
        cpu::by_feature(self.form, &self.case.centred, self.features(), budgets).unwrap()
    }

    fn says(&self) -> String {
        format!("{} by {:?}, {:?}", self.case.name, self.form, self.product)
    }
}

/// More inputs than the operation's own: seeded random sizes, a few tied, few distinct rows, one token far above the rest.
pub(super) fn inputs() -> Vec<Case> {
    let mut cases = all();
    for seed in 0..12 {
        let mut rng = ChaCha8Rng::seed_from_u64(100 + seed);
        let [n, d, f] = [70, 9, 300].map(|most| rng.random_range(1..most));
        let tied = seed % 3 == 0;
        let mut matrix = |rows: usize, columns: usize| {
            let mut values = uneven(&mut rng, rows, columns);
            if tied {
                values.values_mut().iter_mut().for_each(|v| *v = v.round());
            }
            values
        };
        let mut centred = matrix(n, d);
        let (w_enc, b_enc) = (matrix(f, d), matrix(1, f).into_values());
        if seed % 4 == 1 {
            centred.row_mut(n - 1).iter_mut().for_each(|x| *x *= 1e3);
        }
        if seed % 4 == 2 {
            let first = centred.row(0).to_vec();
            for i in 1..n {
                centred.row_mut(i).copy_from_slice(&first);
            }
        }
        cases.push(Case {
            name: "random",
            centred,
            w_enc,
            b_enc,
            k: 1 + seed as usize,
        });
    }
    cases
}

fn tables() -> Vec<Table> {
    let mut tables = Vec::new();
    for case in inputs() {
        let mut forms: Vec<_> = (Form::present().into_iter())
            .map(|form| (form, Product::Exact))
            .collect();
        forms.push((Form::fastest(), Product::Screened));
        for (form, product) in forms {
            let mut table = Table::new(case.clone(), form, product);
            let everything = table.above(Bar::All(f32::NEG_INFINITY));
            for token in 0..everything.rows() {
                let row: Vec<f64> = everything.row(token).map(|(_, v)| f64::from(v)).collect();
                assert_eq!(row.len(), case.w_enc.rows(), "{}", table.says());
                table.values.push(row);
            }
            tables.push(table);
        }
    }
    tables
}

/// Those that a ranking by gradient sees: it is never screened.
fn exact_tables() -> impl Iterator<Item = Table> {
    (tables().into_iter()).filter(|table| table.product == Product::Exact)
}

pub(super) fn rows(latents: &Latents) -> Vec<Row> {
    (0..latents.rows())
        .map(|i| latents.row(i).map(|(f, v)| (f.0, f64::from(v))).collect())
        .collect()
}

fn total(rows: &[Row]) -> usize {
    rows.iter().map(Vec::len).sum()
}

/// Budgets between none and more than there are tokens.
fn budgets(features: usize, tokens: usize, seed: u64) -> Vec<u32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..features)
        .map(|_| match rng.random_range(0..4) {
            0 => rng.random_range(0..=1),
            1 => tokens as u32 + 3,
            _ => rng.random_range(0..=tokens as u32),
        })
        .collect()
}

#[test]
fn the_table_that_all_rules_see_is_the_product() {
    for table in tables() {
        let case = &table.case;
        for (i, got) in table.values.iter().enumerate() {
            let want = crate::kernels::pre_activations::reference::pre_activations(
                case.centred.row(i),
                &case.w_enc,
                &case.b_enc,
            );
            for (f, (got, want)) in got.iter().zip(want).enumerate() {
                let size: f64 = (case.centred.row(i).iter())
                    .zip(case.w_enc.row(f))
                    .map(|(x, w)| f64::from((x * w).abs()))
                    .sum::<f64>()
                    + f64::from(case.b_enc[f].abs());
                assert!((got - want).abs() <= 1e-5 * size, "{}", table.says());
            }
        }
    }
}

#[test]
fn per_token_rules_are_their_definitions() {
    for table in tables() {
        let case = &table.case;
        for k in [0, 1, case.k, 3 * case.k] {
            let got = cpu::topk(table.form, &case.centred, table.features(), (k, None));
            let want: Vec<Row> = (table.values.iter())
                .map(|row| reference::select(row, k))
                .collect();
            assert_eq!(rows(&joined(got).unwrap()), want, "{} k {k}", table.says());
            let got = cpu::abs_topk(table.form, &case.centred, table.features(), k);
            let want: Vec<Row> = (table.values.iter())
                .map(|row| reference::select_by_magnitude(row, k))
                .collect();
            let got = rows(&joined(got).unwrap());
            assert_eq!(got, want, "{} |k| {k}", table.says());
        }
    }
}

#[test]
fn thresholds_keep_what_exceeds_them() {
    for table in tables() {
        let f = table.case.w_enc.rows();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let bars: Vec<f32> = (0..f).map(|_| rng.random_range(-1.0..3.0)).collect();
        let wide: Vec<f64> = bars.iter().map(|bar| f64::from(*bar)).collect();
        let want = reference::select_above(&table.values, &wide);
        let got = table.above(Bar::ByFeature(&bars));
        assert_eq!(rows(&got), want, "{}", table.says());
        let want = reference::select_above(&table.values, &vec![0.0; f]);
        assert_eq!(rows(&table.above(Bar::All(0.0))), want, "{}", table.says());
        // Strictly: an entry that equals its bar is not kept.
        let firsts: Vec<f32> = (0..f)
            .map(|f| table.values.first().map_or(0.0, |row| row[f] as f32))
            .collect();
        let got = table.above(Bar::ByFeature(&firsts));
        assert!(
            got.rows() == 0 || got.range(0).is_empty(),
            "{}",
            table.says()
        );
    }
}

#[test]
fn the_whole_batch_budget_is_spent_on_the_largest_entries_exactly() {
    for table in tables() {
        let (n, f) = (table.case.centred.rows(), table.case.w_enc.rows());
        let positive = table.values.concat().iter().filter(|v| **v > 0.0).count();
        for budget in [
            0,
            1,
            n * table.case.k,
            positive,
            positive / 2,
            n * f,
            n * f + 5,
        ] {
            let want = reference::select_budget(&table.values, budget);
            let (got, cut) = table.budget(budget, 0.0);
            let context = format!("{} budget {budget}", table.says());
            assert_eq!(rows(&got), want, "{context}");
            assert_eq!(total(&want), budget.min(positive), "{context}");
            got.check(f).unwrap();
            let least = got.acts.iter().copied().reduce(f32::min);
            let filled = total(&want) == budget;
            assert_eq!(cut, least.filter(|_| filled), "{context}");
            for guess in [1e-3, 0.5, 1e9] {
                assert_eq!(table.budget(budget, guess), (got.clone(), cut), "{context}");
            }
        }
    }
}

#[test]
fn per_feature_budgets_are_spent_on_the_largest_entries_of_each_column_exactly() {
    for (seed, table) in tables().into_iter().enumerate() {
        let (n, f) = (table.case.centred.rows(), table.case.w_enc.rows());
        let several = [
            budgets(f, n, seed as u64),
            vec![0; f],
            vec![1; f],
            vec![n as u32; f],
        ];
        for budgets in several {
            let want = reference::select_by_feature(&table.values, &budgets);
            let got = table.by_feature(&budgets);
            assert_eq!(rows(&got), want, "{} {budgets:?}", table.says());
            let mut sums = vec![0_usize; f];
            got.features.iter().for_each(|f| sums[*f as usize] += 1);
            for (feature, sum) in sums.into_iter().enumerate() {
                let positive = table.values.iter().filter(|row| row[feature] > 0.0);
                let most = (budgets[feature] as usize).min(positive.count());
                assert_eq!(sum, most, "{} feature {feature}", table.says());
            }
        }
    }
}

/// Ranked by gradient; the table of g as the form computes it, by encoding the gradients under `w_dec`.
fn check_scored(table: &Table, beta: f32) {
    let case = &table.case;
    let (n, d) = (case.centred.rows(), case.centred.columns());
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let gradients = uneven(&mut rng, n, d);
    let w_dec = uneven(&mut rng, case.w_enc.rows(), d);
    let ranking = Ranking {
        gradients: &gradients,
        w_dec: &w_dec,
        beta,
    };
    let zeros = vec![0.0; case.w_enc.rows()];
    let along = Case {
        centred: gradients.clone(),
        w_enc: w_dec.clone(),
        b_enc: zeros,
        ..case.clone()
    };
    let along = Table::new(along, table.form, Product::Exact);
    let along = along.above(Bar::All(f32::NEG_INFINITY));
    let (got, scores) = scored_by(
        table.form,
        &case.centred,
        table.features(),
        (case.k, ranking),
    )
    .unwrap();
    assert_eq!(scores.len(), got.acts.len());
    let mut at = 0;
    for (i, row) in rows(&got).into_iter().enumerate() {
        // Scores as f32 has them, so that the definition meets the same ties.
        let g: Vec<f32> = along.row(i).map(|(_, g)| g).collect();
        let score = |f: usize| table.values[i][f] as f32 * (1.0 + beta * g[f].abs());
        let scored: Vec<f64> = (0..g.len()).map(|f| f64::from(score(f))).collect();
        let kept: Vec<u32> = (reference::select(&scored, case.k).iter())
            .map(|(f, _)| *f)
            .collect();
        let features: Vec<u32> = row.iter().map(|(f, _)| *f).collect();
        assert_eq!(features, kept, "{} row {i}", table.says());
        for (f, value) in row {
            assert_eq!(value, table.values[i][f as usize]);
            assert_eq!(scores[at], score(f as usize));
            at += 1;
        }
        // And where rounding decides nothing, the definition in f64 says the same.
        let g: Vec<f64> = g.into_iter().map(f64::from).collect();
        let exact = reference::select_by_score(&table.values[i], &g, f64::from(beta), case.k);
        let exact: Vec<u32> = exact.into_iter().map(|(f, _)| f).collect();
        let near = |a: &u32, b: &u32| {
            let (a, b) = (scored[*a as usize], scored[*b as usize]);
            (a - b).abs() <= 1e-6 * a.abs().max(b.abs())
        };
        let differing: Vec<u32> = exact
            .iter()
            .filter(|f| !kept.contains(f))
            .copied()
            .collect();
        let instead: Vec<u32> = kept
            .iter()
            .filter(|f| !exact.contains(f))
            .copied()
            .collect();
        let ties = differing.iter().all(|a| instead.iter().any(|b| near(a, b)));
        assert!(ties, "{} row {i}: {differing:?}", table.says());
    }
}

#[test]
fn ranking_by_gradient_keeps_the_largest_scores_and_the_pre_activations_as_values() {
    for table in exact_tables() {
        for beta in [0.3, 5.0] {
            check_scored(&table, beta);
        }
    }
}

#[test]
fn without_beta_ranking_by_gradient_is_topk_bit_for_bit() {
    for table in exact_tables() {
        let case = &table.case;
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let gradients = uneven(&mut rng, case.centred.rows(), case.centred.columns());
        let ranking = Ranking {
            gradients: &gradients,
            w_dec: &case.w_enc,
            beta: 0.0,
        };
        let selection = (case.k, ranking);
        let (got, _) = scored_by(table.form, &case.centred, table.features(), selection).unwrap();
        let topk = cpu::topk(table.form, &case.centred, table.features(), (case.k, None));
        assert_eq!(got, joined(topk).unwrap(), "{}", table.says());
    }
}

#[test]
fn the_number_of_threads_changes_no_rule() {
    let case = all().swap_remove(6);
    let (x, w, b) = (&case.centred, &case.w_enc, case.b_enc.as_slice());
    let columns = budgets(w.rows(), x.rows(), 1);
    let all_rules = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| {
            let ranking = Ranking {
                gradients: x,
                w_dec: w,
                beta: 0.5,
            };
            (
                encode_topk(x, w, b, 9).unwrap(),
                encode_abs_topk(x, w, b, 9).unwrap(),
                encode_scored(x, w, b, 9, ranking).unwrap(),
                encode_above(x, w, b, Bar::All(0.5)).unwrap(),
                [Product::Exact, Product::Screened].map(|product| {
                    (
                        encode_topk_guessing(x, w, b, (9, &vec![0.0; x.rows()]), product).unwrap(),
                        encode_budget(x, w, b, (2_000, 0.0), product).unwrap(),
                        encode_by_feature(x, w, b, &columns, product).unwrap(),
                    )
                }),
            )
        })
    };
    let one = all_rules(1);
    assert_eq!(one, all_rules(2));
    assert_eq!(one, all_rules(3));
}

#[test]
fn screened_and_exact_sets_differ_by_nearest_pairs_alone() {
    let screened = tables();
    let screened = screened.iter().filter(|t| t.product == Product::Screened);
    for table in screened {
        let exact = Table::new(table.case.clone(), table.form, Product::Exact);
        let k = table.case.k;
        let latents = |table: &Table| {
            let chunks = cpu::topk(table.form, &table.case.centred, table.features(), (k, None));
            rows(&joined(chunks).unwrap())
        };
        for (i, (ours, theirs)) in latents(table).iter().zip(latents(&exact)).enumerate() {
            // f32's bound for one entry: d roundings of terms that sum to at most ‖x‖·‖w‖.
            let x = table.case.centred.row(i);
            let norm = |v: &[f32]| v.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>().sqrt();
            let bound = |f: u32| {
                let w = norm(table.case.w_enc.row(f as usize));
                let bias = f64::from(table.case.b_enc[f as usize].abs());
                (x.len() + 2) as f64 * f64::from(f32::EPSILON) * (norm(x) * w + bias)
            };
            let least = theirs.iter().map(|(_, v)| *v).fold(f64::INFINITY, f64::min);
            for (f, value) in ours {
                let same = theirs.iter().find(|(g, _)| f == g);
                let against = same.map_or(least, |(_, v)| *v);
                let close = (value - against).abs() <= 2.0 * bound(*f)
                    || (same.is_none() && theirs.is_empty() && *value <= bound(*f));
                assert!(
                    close,
                    "{} row {i} feature {f}: {value} {against}",
                    table.says()
                );
            }
        }
    }
}

#[test]
fn every_rule_names_the_entry_that_is_not_finite() {
    let mut case = all().swap_remove(1);
    case.w_enc.row_mut(90)[3] = f32::NAN;
    for form in Form::present() {
        let (x, features) = (
            &case.centred,
            checked("test", &case.centred, &case.w_enc, &case.b_enc).unwrap(),
        );
        let ranking = Ranking {
            gradients: x,
            w_dec: &case.w_enc,
            beta: 1.0,
        };
        let wrong = [
            joined(cpu::abs_topk(form, x, features, 5)).unwrap_err(),
            scored_by(form, x, features, (5, ranking)).unwrap_err(),
            joined(cpu::above(form, x, features, Bar::All(0.0))).unwrap_err(),
            not_finite(cpu::budget(form, x, features, (50, 0.0)).unwrap_err()),
            not_finite(cpu::by_feature(form, x, features, &[2; 131]).unwrap_err()),
        ];
        for wrong in wrong {
            let what = wrong.to_string();
            assert!(what.contains("token 0, feature 90"), "{form:?}: {what}");
        }
        let screen = Screen::new(features, Product::Screened);
        let features = screen.on(features);
        let wrong = [
            joined(cpu::topk(form, x, features, (5, None))).unwrap_err(),
            not_finite(cpu::budget(form, x, features, (50, 0.0)).unwrap_err()),
            not_finite(cpu::by_feature(form, x, features, &[2; 131]).unwrap_err()),
        ];
        for wrong in wrong {
            let what = wrong.to_string();
            assert!(what.contains("token 0, feature 90"), "screened: {what}");
        }
    }
    let beta = Ranking {
        gradients: &case.centred,
        w_dec: &case.w_enc,
        beta: f32::NAN,
    };
    let refused = encode_scored(&case.centred, &case.w_enc, &case.b_enc, 3, beta);
    assert!(refused.unwrap_err().to_string().contains("β is NaN"));
    let refused = encode_by_feature(
        &case.centred,
        &case.w_enc,
        &case.b_enc,
        &[1; 7],
        Product::Exact,
    );
    let what = refused.unwrap_err().to_string();
    assert!(what.contains("`budgets` should be [f]"), "{what}");
}
