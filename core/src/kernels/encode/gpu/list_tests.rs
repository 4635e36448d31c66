//! Selections over the whole batch and by feature on wgpu, entry by entry and bit by bit against their definitions on the table that all rules see there, with
//! nudged tables and lost entries that must fail; whatever the chunks, the blocks of a table and the guess.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::super::cases::{Case, all, uneven};
use super::super::reference::{Row, select_budget, select_by_feature};
use super::{Candidates, Encoder, ListBar, above, budget, columns, filter_list};
use crate::device::testing::gpu;
use crate::device::{Buffer, Gpu, Table};
use crate::dims::Matrix;
use crate::latents::Latents;

/// Operands of a case on a device.
struct Operands {
    centred: Table,
    w_enc: Table,
    b_enc: Buffer,
}

impl Operands {
    fn upload(gpu: &Gpu, case: &Case) -> Self {
        Self {
            centred: Table::upload(gpu, "centred", &case.centred).unwrap(),
            w_enc: Table::upload(gpu, "w_enc", &case.w_enc).unwrap(),
            b_enc: gpu.upload("b_enc", &case.b_enc).unwrap(),
        }
    }

    fn encoder(&self) -> Encoder<'_> {
        Encoder {
            w_enc: &self.w_enc,
            b_enc: &self.b_enc,
        }
    }

    /// All pre-activations, as the device computes them.
    fn table(&self, gpu: &Gpu) -> Vec<Vec<f64>> {
        let bars = vec![f32::MIN; self.w_enc.rows()];
        let bars = gpu.upload("bars", &bars).unwrap();
        let all = above(gpu, &self.centred, self.encoder(), &bars).unwrap();
        let all = rows(&all.read(gpu).unwrap());
        assert!(all.iter().all(|row| row.len() == self.w_enc.rows()));
        let values = |row: Row| row.into_iter().map(|(_, value)| value).collect();
        all.into_iter().map(values).collect()
    }
}

fn rows(latents: &Latents) -> Vec<Row> {
    (0..latents.rows())
        .map(|i| latents.row(i).map(|(f, v)| (f.0, f64::from(v))).collect())
        .collect()
}

fn case(name: &'static str, (centred, w_enc): (Matrix, Matrix), b_enc: Vec<f32>) -> Case {
    Case {
        name,
        centred,
        w_enc,
        b_enc,
        k: 3,
    }
}

/// The operation's cases, and: all equal, none but −0 and 0, denormals beside them, one token far above the rest, one feature, equal entries over many tiles.
fn inputs() -> Vec<Case> {
    let mut rng = ChaCha8Rng::seed_from_u64(77);
    let zero = |n: usize, f: usize| (Matrix::zeros(n, 5), Matrix::zeros(f, 5));
    let mut cases = all();
    cases.push(case("all equal", zero(33, 290), vec![0.75; 290]));
    let mut signs = vec![-0.0; 130];
    signs[4] = 0.0;
    cases.push(case("nothing but zeros", zero(20, 130), signs.clone()));
    signs[129] = 1e-30;
    signs[7] = 1e-30;
    cases.push(case(
        "two positive features among zeros",
        zero(20, 130),
        signs,
    ));
    let mut hot = case(
        "one hot row",
        (uneven(&mut rng, 70, 9), uneven(&mut rng, 400, 9)),
        uneven(&mut rng, 1, 400).into_values(),
    );
    hot.centred.row_mut(41).iter_mut().for_each(|x| *x *= 1e4);
    cases.push(hot);
    cases.push(case(
        "one feature",
        (uneven(&mut rng, 300, 7), uneven(&mut rng, 1, 7)),
        vec![0.5],
    ));
    // Values depend on token / 16 and feature / 100: equal entries lie in many tiles and chunks.
    let mut centred = Matrix::zeros(96, 2);
    let mut w_enc = Matrix::zeros(600, 2);
    for i in 0..96 {
        centred.row_mut(i)[0] = (i / 16) as f32;
    }
    for f in 0..600 {
        w_enc.row_mut(f)[0] = (f / 100) as f32;
    }
    cases.push(case("ties over tiles", (centred, w_enc), vec![0.0; 600]));
    cases
}

/// Chunks of features: smaller than any tile, ragged, all.
const CHUNKS: [usize; 3] = [37, 128, 1 << 20];

#[test]
fn the_whole_batch_budget_is_spent_exactly_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    for case in inputs() {
        let operands = Operands::upload(&gpu, &case);
        let table = operands.table(&gpu);
        let (n, f) = (case.centred.rows(), case.w_enc.rows());
        let positive = table.concat().iter().filter(|v| **v > 0.0).count();
        let budgets = [n * case.k, positive, 0, 1, positive / 2, n * f + 5];
        // A software device takes minutes for all of the largest tables.
        let large = n * f > 100_000;
        let budgets = budgets.into_iter().take(if large { 1 } else { 6 });
        for (i, budget) in budgets.enumerate() {
            let want = select_budget(&table, budget);
            let context = format!("{} budget {budget}", case.name);
            let mut first = None;
            let least_chunk = if large { 509 } else { 0 };
            let chunk = |i: usize| CHUNKS[i % 3].max(least_chunk);
            for (chunk, guess) in [(chunk(i), 0.0), (chunk(i + 1), 0.5), (chunk(1), 1e9)] {
                let (codes, least) = budget::by_chunks(
                    &gpu,
                    &operands.centred,
                    operands.encoder(),
                    (budget, guess),
                    chunk,
                )
                .unwrap();
                let got = codes.read(&gpu).unwrap();
                got.check(f).unwrap();
                assert_eq!(rows(&got), want, "{context} chunk {chunk} guess {guess}");
                let lowest = got.acts.iter().copied().reduce(f32::min);
                assert_eq!(least.least, lowest, "{context}");
                let filled = got.acts.len() == budget;
                assert_eq!(least.cut, lowest.filter(|_| filled), "{context}");
                let bits = |latents: &Latents| -> Vec<u32> {
                    latents.acts.iter().map(|act| act.to_bits()).collect()
                };
                let first = first.get_or_insert_with(|| got.clone());
                assert_eq!(bits(&got), bits(first), "{context}");
            }
            check_controls(&table, &want, |table| select_budget(table, budget));
        }
    }
}

/// A definition on a table with one kept entry nudged, or lost, must differ.
fn check_controls(table: &[Vec<f64>], want: &[Row], define: impl Fn(&[Vec<f64>]) -> Vec<Row>) {
    let Some(token) = want.iter().position(|row| !row.is_empty()) else {
        return;
    };
    let (feature, value) = want[token][0];
    let mut nudged = table.to_vec();
    nudged[token][feature as usize] = value * (1.0 + 1e-6);
    assert_ne!(define(&nudged), want, "a nudged value passed");
    nudged[token][feature as usize] = -1.0;
    assert_ne!(define(&nudged), want, "a lost entry passed");
}

#[test]
fn column_budgets_are_spent_exactly_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    for (seed, case) in inputs().into_iter().enumerate() {
        let operands = Operands::upload(&gpu, &case);
        let table = operands.table(&gpu);
        let (n, f) = (case.centred.rows(), case.w_enc.rows());
        let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
        let mixed: Vec<u32> = (0..f)
            .map(|_| match rng.random_range(0..4) {
                0 => rng.random_range(0..=1),
                1 => n as u32 + 3,
                _ => rng.random_range(0..=n as u32),
            })
            .collect();
        for (i, budgets) in [mixed, vec![0; f], vec![1; f], vec![n as u32; f]]
            .into_iter()
            .enumerate()
        {
            let want = select_by_feature(&table, &budgets);
            let context = format!("{} budgets {i}", case.name);
            for chunk in [CHUNKS[i % 3], CHUNKS[(i + 1) % 3]] {
                let operands = (&operands.centred, operands.encoder());
                let (codes, kept) =
                    columns::by_chunks(&gpu, operands.0, operands.1, &budgets, chunk.min(4_096))
                        .unwrap();
                let got = codes.read(&gpu).unwrap();
                got.check(f).unwrap();
                assert_eq!(rows(&got), want, "{context} chunk {chunk}");
                let mut counts = vec![0_u32; f];
                let mut least = vec![f32::INFINITY; f];
                for (feature, act) in got.features.iter().zip(&got.acts) {
                    counts[*feature as usize] += 1;
                    least[*feature as usize] = least[*feature as usize].min(*act);
                }
                assert_eq!(
                    gpu.read::<u32>(&kept.counts, 0..f).unwrap(),
                    counts,
                    "{context}"
                );
                assert_eq!(
                    gpu.read::<f32>(&kept.least, 0..f).unwrap(),
                    least,
                    "{context}"
                );
            }
            check_controls(&table, &want, |table| select_by_feature(table, &budgets));
        }
    }
}

#[test]
fn blocks_of_a_table_change_no_byte_of_a_list_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let case = case(
        "blocks",
        (uneven(&mut rng, 150, 24), uneven(&mut rng, 700, 24)),
        uneven(&mut rng, 1, 700).into_values(),
    );
    // Blocks of 128 rows.
    let small = gpu.with_binding_limit(128 * 24 * 4);
    let budgets: Vec<u32> = (0..700).map(|f| f % 3).collect();
    let selected = |gpu: &Gpu| {
        let operands = Operands::upload(gpu, &case);
        let (batch, least) =
            budget(gpu, &operands.centred, operands.encoder(), (900, 0.0)).unwrap();
        let (columns, _) =
            super::by_feature(gpu, &operands.centred, operands.encoder(), &budgets).unwrap();
        let read = |codes: &super::super::super::codes::Codes| codes.read(gpu).unwrap();
        (
            operands.w_enc.blocks().count(),
            read(&batch),
            least,
            read(&columns),
        )
    };
    let (one, whole) = (selected(&gpu), selected(&gpu));
    assert_eq!(one.0, 1);
    assert_eq!(one, whole, "two runs");
    let split = selected(&small);
    assert_eq!(split.0, 6);
    assert_eq!((split.1, split.2, split.3), (one.1, one.2, one.3), "blocks");
}

#[test]
fn an_entry_that_is_not_finite_is_named_by_lists_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    let mut case = all().swap_remove(1);
    for bad in [f32::NAN, f32::INFINITY] {
        case.w_enc.row_mut(90)[3] = bad;
        case.centred.row_mut(0)[3] = 1.0;
        let operands = Operands::upload(&gpu, &case);
        let budgets = vec![2; case.w_enc.rows()];
        let batch = budget(&gpu, &operands.centred, operands.encoder(), (50, 0.0)).unwrap_err();
        let (centred, encoder) = (&operands.centred, operands.encoder());
        let columns = super::by_feature(&gpu, centred, encoder, &budgets).unwrap_err();
        for refused in [batch, columns] {
            let refused = refused.to_string();
            assert!(refused.contains("token 0, feature 90"), "{refused}");
        }
    }
}

#[test]
fn a_million_features_are_selected_from_exactly_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    let (n, f) = (64, 1 << 20);
    // Whole numbers: sums are exact, and ties abound.
    let mut rng = ChaCha8Rng::seed_from_u64(20);
    let mut whole = |rows: usize, columns: usize| {
        let values = (0..rows * columns).map(|_| f32::from(rng.random_range(-9_i8..10)));
        Matrix::new(rows, columns, values.collect()).unwrap()
    };
    let mut case = case("a million", (whole(n, 4), whole(f, 4)), vec![0.0; f]);
    // A few features beyond the first chunk win by far, so that bars of earlier chunks meet them.
    for feature in [70_000, 500_000, f - 1] {
        case.w_enc
            .row_mut(feature)
            .iter_mut()
            .for_each(|w| *w *= 8.0);
    }
    let operands = Operands::upload(&gpu, &case);
    let wanted = 3_000;
    let (codes, least) =
        budget(&gpu, &operands.centred, operands.encoder(), (wanted, 0.0)).unwrap();
    let got = codes.read(&gpu).unwrap();
    got.check(f).unwrap();
    let value = |row: usize, feature: usize| -> f32 {
        let pairs = case.centred.row(row).iter().zip(case.w_enc.row(feature));
        pairs.map(|(x, w)| x * w).sum()
    };
    let mut entries: Vec<(i32, usize, usize)> = Vec::new();
    for row in 0..n {
        let own = (0..f).map(|feature| (-(value(row, feature) as i32), row, feature));
        entries.extend(own.filter(|entry| entry.0 < -200));
    }
    assert!(entries.len() >= wanted, "the definition sees enough");
    entries.sort_unstable();
    entries.truncate(wanted);
    assert_eq!(least.cut, Some(-entries[wanted - 1].0 as f32));
    entries.sort_unstable_by_key(|(_, row, feature)| (*row, *feature));
    let kept = (0..n).flat_map(|row| {
        got.row(row)
            .map(move |(f, act)| (-(act as i32), row, f.0 as usize))
    });
    let kept: Vec<_> = kept.collect();
    assert!(
        kept == entries,
        "the greatest entries, the lower token first"
    );
    entries[wanted - 1].2 -= 1;
    assert!(kept != entries, "a nudged entry passed");
}

#[test]
fn a_list_takes_what_its_bar_lets_pass_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    let case = &all()[6];
    let operands = Operands::upload(&gpu, case);
    let table = operands.table(&gpu);
    let (n, f) = (case.centred.rows(), case.w_enc.rows());
    let at = table[n / 2][f / 2].abs() as f32;
    let one = gpu.upload("bar", &[at]).unwrap();
    for reaches in [false, true] {
        let list = Candidates::list(&gpu, n, n * f).unwrap();
        let bar = ListBar {
            values: &one,
            by_feature: false,
            reaches,
        };
        let mut recorder = gpu.record();
        filter_list(
            &mut recorder,
            &operands.centred,
            operands.encoder(),
            5..f,
            bar,
            &list,
        )
        .unwrap();
        recorder.submit().unwrap();
        let entries = super::super::super::codes::Entries {
            len: list.found(&gpu).unwrap(),
            tokens: list.tokens,
            features: list.features,
            values: list.values,
        };
        let codes = entries.into_codes(&gpu, (n, f)).unwrap();
        let bar = f64::from(at);
        let passes = |value: f64| if reaches { value >= bar } else { value > bar };
        let want: Vec<Row> = table
            .iter()
            .map(|row| {
                let entries = (0..f).filter(|f| *f >= 5 && passes(row[*f]));
                entries.map(|f| (f as u32, row[f])).collect()
            })
            .collect();
        assert_eq!(rows(&codes.read(&gpu).unwrap()), want);
    }
}
