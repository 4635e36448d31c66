//! Every rule on a device: the table that all rules see against the definition in f64, and each rule against its definition on that table, entry by entry and
//! bit by bit, with each tile, split of tables and size of chunks.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::cases::{Case, uneven};
use super::gpu::{
    Candidates, DeviceRanking, Encoder, Kind, ListBar, above, above_by, filter_list, scored,
    scored_by, topk, topk_by,
};
use super::reference::{self, Row};
use super::rules_tests::{inputs, rows};
use crate::device::testing::gpu;
use crate::device::{Buffer, Gpu, Table};
use crate::dims::Matrix;
use crate::kernels::codes::Codes;
use crate::kernels::conformance::check_encode;
use crate::kernels::pre_activations;
use crate::kernels::product::TILES;
use crate::latents::Latents;

/// One input on a device.
struct Loaded {
    gpu: Gpu,
    case: Case,
    centred: Table,
    w_enc: Table,
    b_enc: Buffer,
}

impl Loaded {
    fn new(gpu: &Gpu, case: Case) -> Self {
        Self {
            gpu: gpu.clone(),
            centred: Table::upload(gpu, "centred", &case.centred).unwrap(),
            w_enc: Table::upload(gpu, "w_enc", &case.w_enc).unwrap(),
            b_enc: gpu.upload("b_enc", &case.b_enc).unwrap(),
            case,
        }
    }

    fn encoder(&self) -> Encoder<'_> {
        Encoder {
            w_enc: &self.w_enc,
            b_enc: &self.b_enc,
        }
    }

    fn read(&self, codes: &Codes) -> Latents {
        let latents = codes.read(&self.gpu).unwrap();
        latents.check(self.case.w_enc.rows()).unwrap();
        let tokens: Vec<u32> = self.gpu.read(&codes.tokens, 0..codes.entries).unwrap();
        for row in 0..latents.rows() {
            assert!(
                tokens[latents.range(row)]
                    .iter()
                    .all(|t| *t as usize == row)
            );
        }
        latents
    }

    fn topk(&self, k: usize, kind: Kind) -> Latents {
        let codes = topk(&self.gpu, &self.centred, self.encoder(), k, kind);
        self.read(&codes.unwrap_or_else(|e| panic!("{}: {e}", self.case.name)))
    }

    fn above(&self, bars: &[f32]) -> Latents {
        let bars = self.gpu.upload("bars", bars).unwrap();
        let codes = above(&self.gpu, &self.centred, self.encoder(), &bars);
        self.read(&codes.unwrap_or_else(|e| panic!("{}: {e}", self.case.name)))
    }

    /// The table that all rules see.
    fn table(&self) -> Vec<Vec<f64>> {
        let f = self.case.w_enc.rows();
        let all = self.above(&vec![f32::NEG_INFINITY; f]);
        let values = |row| all.row(row).map(|(_, v)| f64::from(v)).collect::<Vec<_>>();
        let table: Vec<Vec<f64>> = (0..all.rows()).map(values).collect();
        assert!(table.iter().all(|row| row.len() == f), "{}", self.case.name);
        table
    }
}

fn loaded() -> Vec<Loaded> {
    let Some(gpu) = gpu() else { return Vec::new() };
    let all = inputs().into_iter().chain(adversarial());
    all.map(|case| Loaded::new(&gpu, case)).collect()
}

fn constant(name: &'static str, [n, d, f, k]: [usize; 4], bias: f32) -> Case {
    Case {
        name,
        centred: Matrix::zeros(n, d),
        w_enc: Matrix::zeros(f, d),
        b_enc: vec![bias; f],
        k,
    }
}

/// Inputs that a filter by tiles could get wrong.
fn adversarial() -> Vec<Case> {
    let mut rng = ChaCha8Rng::seed_from_u64(17);
    let mut hot = constant("one hot row", [70, 8, 300, 20], -1.0);
    hot.centred.row_mut(41).fill(3.0);
    hot.w_enc = uneven(&mut rng, 300, 8);
    let mut few = constant("k > positives", [5, 4, 260, 30], -1.0);
    for feature in [0, 63, 64, 127, 128, 259] {
        few.b_enc[feature] = 2.0;
    }
    let mut steps = constant("ties across tiles", [3, 4, 700, 5], 1.0);
    for feature in [31, 32, 64, 128, 256, 512, 699] {
        steps.b_enc[feature] = 2.0;
    }
    let mut tiny = constant("values below the normal numbers", [4, 8, 50, 6], 0.0);
    tiny.centred = uneven(&mut rng, 4, 8);
    tiny.w_enc = uneven(&mut rng, 50, 8);
    tiny.centred
        .values_mut()
        .iter_mut()
        .for_each(|v| *v *= 1e-39);
    vec![
        constant("all equal", [40, 4, 777, 9], 1.0),
        constant("all zero", [9, 4, 100, 9], 0.0),
        constant("all minus zero", [9, 4, 100, 9], -0.0),
        constant("no feature", [3, 4, 0, 2], 0.0),
        constant("k of 512", [2, 4, 1_300, 512], 0.5),
        hot,
        few,
        steps,
        tiny,
    ]
}

/// Where the device's latents differ from those of a definition on its table.
fn difference(got: &Latents, want: &[Row]) -> Option<String> {
    let got = rows(got);
    if got.len() != want.len() {
        return Some(format!("{} rows instead of {}", got.len(), want.len()));
    }
    let differs = got.iter().zip(want).position(|(got, want)| got != want);
    differs.map(|row| format!("row {row}: {:?}, should be {:?}", got[row], want[row]))
}

/// Checks latents, and that the check refuses a nudged value and a lost entry.
fn check(case: &str, got: &Latents, want: &[Row]) {
    assert_eq!(difference(got, want), None, "{case}");
    if got.acts.is_empty() {
        return;
    }
    let mut nudged = got.clone();
    nudged.acts[0] *= 1.0 + f32::EPSILON;
    nudged.acts[0] += f32::MIN_POSITIVE;
    assert!(
        difference(&nudged, want).is_some(),
        "{case}: a nudge passed"
    );
    let fewer: Vec<Row> = want
        .iter()
        .map(|row| row[row.len().min(1)..].to_vec())
        .collect();
    assert!(difference(got, &fewer).is_some(), "{case}: an extra passed");
}

#[test]
fn the_table_on_wgpu_is_its_definition() {
    for loaded in loaded() {
        let case = &loaded.case;
        let size = |m: &Matrix| {
            let values = m.values().iter().map(|v| v.abs()).collect();
            Matrix::new(m.rows(), m.columns(), values).unwrap()
        };
        let (centred, w_enc) = (size(&case.centred), size(&case.w_enc));
        let b_enc: Vec<f32> = case.b_enc.iter().map(|v| v.abs()).collect();
        for (i, got) in loaded.table().iter().enumerate() {
            let exact = pre_activations::reference::pre_activations;
            let want = exact(case.centred.row(i), &case.w_enc, &case.b_enc);
            let sizes = exact(centred.row(i), &w_enc, &b_enc);
            for f in 0..want.len() {
                // Values below the normal numbers may count as 0.
                let lost = 64.0 * f64::from(f32::MIN_POSITIVE);
                let bound = 1e-5 * sizes[f] + lost;
                let off = |value: f64| (value - want[f]).abs() > bound;
                assert!(!off(got[f]), "{} row {i} feature {f}", case.name);
                let nudged = got[f] + 1e-2 * (1.0 + got[f].abs());
                assert!(
                    off(nudged) || sizes[f] > 900.0,
                    "{}: a nudge passed",
                    case.name
                );
            }
        }
    }
}

#[test]
fn topk_on_wgpu_keeps_what_the_definition_keeps() {
    for loaded in loaded() {
        let case = &loaded.case;
        let table = loaded.table();
        let by = |select: &dyn Fn(&[f64]) -> Row| table.iter().map(|row| select(row)).collect();
        let want: Vec<Row> = by(&|row| reference::select(row, case.k));
        let got = loaded.topk(case.k, Kind::Positive);
        check(case.name, &got, &want);
        // Values below the normal numbers may count as 0, which the definition does not.
        if !case.name.starts_with("values below") {
            check_encode(case, &got).unwrap_or_else(|e| panic!("{}: {e}", case.name));
        }
        let want: Vec<Row> = by(&|row| reference::select_by_magnitude(row, case.k));
        check(case.name, &loaded.topk(case.k, Kind::Signed), &want);
        let everything = loaded.above(&vec![f32::NEG_INFINITY; case.w_enc.rows()]);
        let want = rows(&everything.largest(case.k).without_zeros());
        check(case.name, &loaded.topk(case.k, Kind::Raw), &want);
        assert_eq!(loaded.topk(0, Kind::Raw).features.len(), 0);
    }
}

#[test]
fn thresholds_on_wgpu_keep_what_the_definition_keeps() {
    for loaded in loaded() {
        let table = loaded.table();
        let mut rng = ChaCha8Rng::seed_from_u64(8);
        let f = loaded.case.w_enc.rows();
        let random: Vec<f32> = (0..f).map(|_| rng.random_range(-2.0..4.0)).collect();
        // Bars that are values of the table, so that equality decides.
        let middle = table.len() / 2;
        let tied = |f: usize| table.get(middle).map_or(0.0, |row| row[f] as f32);
        for bars in [random, vec![0.0; f], (0..f).map(tied).collect()] {
            let exact: Vec<f64> = bars.iter().map(|b| f64::from(*b)).collect();
            let want = reference::select_above(&table, &exact);
            check(loaded.case.name, &loaded.above(&bars), &want);
        }
    }
}

/// Entries of a list, sorted.
fn listed(loaded: &Loaded, bars: &[f32], reaches: bool, capacity: usize) -> (usize, Vec<Entry>) {
    let (gpu, f) = (&loaded.gpu, loaded.case.w_enc.rows());
    let list = Candidates::list(gpu, loaded.case.centred.rows(), capacity).unwrap();
    let values = gpu.upload("bars", bars).unwrap();
    let bar = ListBar {
        values: &values,
        by_feature: bars.len() == f,
        reaches,
    };
    let mut recorder = gpu.record();
    for features in [0..f / 3, f / 3..f] {
        filter_list(
            &mut recorder,
            &loaded.centred,
            loaded.encoder(),
            features,
            bar,
            &list,
        )
        .unwrap();
    }
    recorder.submit().unwrap();
    let found = list.found(gpu).unwrap();
    let some = 0..found.min(capacity);
    let tokens: Vec<u32> = gpu.read(&list.tokens, some.clone()).unwrap();
    let features: Vec<u32> = gpu.read(&list.features, some.clone()).unwrap();
    let values: Vec<f32> = gpu.read(&list.values, some).unwrap();
    let pairs = tokens.into_iter().zip(features).zip(values);
    let mut all: Vec<Entry> = pairs.map(|((t, f), v)| (t, f, v.to_bits())).collect();
    all.sort_unstable();
    (found, all)
}

/// Entries of the table that pass, sorted.
fn passing(table: &[Vec<f64>], bars: &[f32], reaches: bool) -> Vec<Entry> {
    let passes = |feature: usize, value: f64| {
        let bar = f64::from(bars[feature.min(bars.len() - 1)]);
        if reaches {
            value > 0.0 && value >= bar
        } else {
            value > bar
        }
    };
    let mut all = Vec::new();
    for (token, row) in table.iter().enumerate() {
        let entries = row.iter().enumerate().filter(|(f, v)| passes(*f, **v));
        all.extend(entries.map(|(f, v)| (token as u32, f as u32, (*v as f32).to_bits())));
    }
    all
}

/// Token, feature, bits of the value.
type Entry = (u32, u32, u32);

#[test]
fn lists_on_wgpu_hold_every_entry_that_passes() {
    for loaded in loaded() {
        let table = loaded.table();
        let f = loaded.case.w_enc.rows();
        let middle = table.len() / 2;
        let tied: Vec<f32> = table
            .get(middle)
            .map_or(vec![0.0; f], |row| row.iter().map(|v| *v as f32).collect());
        let one = tied.iter().copied().fold(0.0_f32, f32::max) / 2.0;
        for (bars, reaches) in [
            (vec![one], false),
            (vec![one], true),
            (tied.clone(), false),
            (tied, true),
        ] {
            let want = passing(&table, &bars, reaches);
            let (found, got) = listed(&loaded, &bars, reaches, want.len() + 3);
            assert_eq!(found, want.len(), "{}", loaded.case.name);
            assert_eq!(got, want, "{}", loaded.case.name);
            // What does not fit is counted, and what is listed was found.
            let (found, got) = listed(&loaded, &bars, reaches, want.len() / 2);
            assert_eq!(found, want.len(), "{}", loaded.case.name);
            assert_eq!(got.len(), want.len() / 2);
            assert!(got.iter().all(|entry| want.contains(entry)));
        }
    }
}

#[test]
fn ranking_by_gradient_on_wgpu_keeps_the_largest_scores() {
    for loaded in loaded() {
        let (gpu, case) = (&loaded.gpu, &loaded.case);
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let shape = |m: &Matrix| (m.rows(), m.columns());
        let ((n, d), (f, _)) = (shape(&case.centred), shape(&case.w_enc));
        let gradients = uneven(&mut rng, n, d);
        let along = Loaded::new(
            gpu,
            Case {
                name: "gradients",
                centred: gradients,
                w_enc: uneven(&mut rng, f, d),
                b_enc: vec![0.0; f],
                k: 1,
            },
        );
        let table = loaded.table();
        let g = along.table();
        for beta in [0.0, 0.5] {
            let ranking = DeviceRanking {
                gradients: &along.centred,
                w_dec: &along.w_enc,
                beta,
            };
            let (codes, scores) =
                scored(gpu, &loaded.centred, loaded.encoder(), case.k, ranking).unwrap();
            let got = loaded.read(&codes);
            if beta == 0.0 {
                assert_eq!(got, loaded.topk(case.k, Kind::Positive), "{}", case.name);
            }
            let scores: Vec<f32> = gpu.read(&scores, 0..codes.entries).unwrap();
            check_scored(case, &got, &scores, (&table, &g), f64::from(beta)).unwrap();
            if let Some(last) = scores.len().checked_sub(1) {
                let mut nudged = scores.clone();
                nudged[last] += 1e-4 * (1.0 + nudged[last]);
                let refused = check_scored(case, &got, &nudged, (&table, &g), f64::from(beta));
                assert!(refused.is_err(), "{}: a nudge passed", case.name);
            }
        }
    }
}

/// Checks a ranking by gradient: values bit for bit, scores within two roundings, and no score left out that is larger than one kept.
fn check_scored(
    case: &Case,
    got: &Latents,
    scores: &[f32],
    (table, g): (&[Vec<f64>], &[Vec<f64>]),
    beta: f64,
) -> Result<(), String> {
    const NEAR: f64 = 3e-7;
    for (row, values) in table.iter().enumerate() {
        let all: Vec<f64> = (values.iter().zip(&g[row]))
            .map(|(value, g)| value * (1.0 + beta * g.abs()))
            .collect();
        let says = format!("{} row {row}", case.name);
        let mut left: Vec<bool> = vec![true; all.len()];
        let mut least = f64::INFINITY;
        for entry in got.range(row) {
            let feature = got.features[entry] as usize;
            left[feature] = false;
            least = least.min(all[feature]);
            let off = (f64::from(scores[entry]) - all[feature]).abs();
            if f64::from(got.acts[entry]) != values[feature] || off > NEAR * all[feature] {
                return Err(format!("{says} feature {feature}: {}", scores[entry]));
            }
        }
        let kept = got.range(row).len();
        let positive = all.iter().filter(|score| **score > 0.0).count();
        if kept != case.k.min(positive) {
            return Err(format!("{says}: {kept} kept of {positive}"));
        }
        let best = (0..all.len())
            .filter(|f| left[*f])
            .map(|f| all[f])
            .fold(0.0, f64::max);
        if kept > 0 && best > least * (1.0 + NEAR) {
            return Err(format!("{says}: {best} left out, {least} kept"));
        }
    }
    Ok(())
}

/// Results of all rules, in bytes.
fn all_rules(loaded: &Loaded, bar: f32, chunk: usize) -> Vec<(Vec<u32>, Vec<u32>)> {
    let gpu = &loaded.gpu;
    let bits = |latents: Latents| {
        let acts = latents.acts.iter().map(|v| v.to_bits()).collect();
        (latents.features, acts)
    };
    let operands = (&loaded.centred, loaded.encoder());
    let mut all = Vec::new();
    for kind in [Kind::Positive, Kind::Signed, Kind::Raw] {
        let codes = topk_by(gpu, operands, (loaded.case.k, kind), chunk..2 * chunk).unwrap();
        all.push(bits(loaded.read(&codes)));
    }
    let ranking = DeviceRanking {
        gradients: &loaded.centred,
        w_dec: &loaded.w_enc,
        beta: 0.25,
    };
    let (codes, scores) = scored_by(gpu, operands, (7, ranking), chunk..2 * chunk).unwrap();
    let scores = gpu.read(&scores, 0..codes.entries).unwrap();
    all.push((scores, bits(loaded.read(&codes)).1));
    let bars = vec![bar; loaded.case.w_enc.rows()];
    let bars = gpu.upload("bars", &bars).unwrap();
    let codes = above_by(gpu, operands, &bars, chunk).unwrap();
    all.push(bits(loaded.read(&codes)));
    all
}

#[test]
fn no_tile_split_or_chunk_changes_a_result_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    for (i, limit) in [(1, 9_800), (6, 40_000), (8, 7_200)] {
        let case = super::cases::all().swap_remove(i);
        let whole = Loaded::new(&gpu, case.clone());
        let greatest = whole.topk(1, Kind::Positive).acts;
        let bar = 0.7 * greatest.into_iter().fold(0.0, f32::max);
        let want = all_rules(&whole, bar, 2048);
        assert!(want.iter().all(|(features, _)| !features.is_empty()));
        for (number, tile) in TILES.iter().enumerate() {
            let by_tile = Loaded::new(&gpu.with_tile(number), case.clone());
            let got = all_rules(&by_tile, bar, 96);
            assert!(got == want, "{} by {}", case.name, tile.name);
        }
        // The dictionary, the rows and the lists over several buffers each.
        let split = Loaded::new(&gpu.with_binding_limit(limit), case.clone());
        assert!(split.w_enc.blocks().count() > 1);
        assert!(all_rules(&split, bar, 64) == want, "{} split", case.name);
    }
}

#[test]
fn an_entry_that_is_not_finite_is_named_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut case = super::cases::all().swap_remove(1);
        case.centred.row_mut(0)[3] = 1.0;
        case.w_enc.row_mut(90)[3] = bad;
        case.w_enc.row_mut(99)[3] = bad;
        let loaded = Loaded::new(&gpu, case);
        let (centred, enc) = (&loaded.centred, loaded.encoder());
        let ranking = DeviceRanking {
            gradients: centred,
            w_dec: &loaded.w_enc,
            beta: 1.0,
        };
        let bars = gpu.upload("bars", &[0.0_f32; 131]).unwrap();
        let list = Candidates::list(&gpu, 37, 9).unwrap();
        let bar = ListBar {
            values: &bars,
            by_feature: true,
            reaches: false,
        };
        let mut recorder = gpu.record();
        filter_list(&mut recorder, centred, enc, 0..131, bar, &list).unwrap();
        recorder.submit().unwrap();
        let wrong = [
            topk(&gpu, centred, enc, 5, Kind::Signed).err(),
            topk(&gpu, centred, enc, 5, Kind::Positive).err(),
            topk(&gpu, centred, enc, 5, Kind::Raw).err(),
            scored(&gpu, centred, enc, 5, ranking).err(),
            above(&gpu, centred, enc, &bars).err(),
            list.found(&gpu).err(),
        ];
        for (rule, wrong) in wrong.into_iter().enumerate() {
            let Some(wrong) = wrong else {
                panic!("rule {rule} accepted {bad}")
            };
            let what = wrong.to_string();
            // Another token's entry may be +∞ where this one's is −∞, which passes no bar.
            let here = what.contains("token 0, feature 90 is not a finite number");
            let there = bad == f32::NEG_INFINITY && rule > 0 && what.contains("feature 90");
            assert!(here || there, "rule {rule}: {what}");
        }
    }
}

#[test]
fn selections_that_a_device_cannot_make_are_refused_on_wgpu() {
    let Some(gpu) = gpu() else { return };
    let loaded = Loaded::new(&gpu, constant("wide", [2, 4, 600, 513], 1.0));
    let (centred, enc) = (&loaded.centred, loaded.encoder());
    let refused = topk(&gpu, centred, enc, 513, Kind::Positive).unwrap_err();
    assert!(
        refused.to_string().contains("its limit is 512"),
        "{refused}"
    );
    let bars = gpu.upload("bars", &[0.0_f32; 3]).unwrap();
    let refused = above(&gpu, centred, enc, &bars).unwrap_err();
    assert!(refused.to_string().contains("3 bars for 600 features"));
    let other = Table::zeros(&gpu, "other", (2, 5)).unwrap();
    let refused = topk(&gpu, &other, enc, 3, Kind::Positive).unwrap_err();
    assert!(refused.to_string().contains("[600, 4]"), "{refused}");
    let ranking = DeviceRanking {
        gradients: centred,
        w_dec: &loaded.w_enc,
        beta: f32::NAN,
    };
    let refused = scored(&gpu, centred, enc, 3, ranking).unwrap_err();
    assert!(refused.to_string().contains("β is NaN"));
    let taller = Table::zeros(&gpu, "gradients", (3, 4)).unwrap();
    let ranking = DeviceRanking {
        gradients: &taller,
        beta: 1.0,
        ..ranking
    };
    let refused = scored(&gpu, centred, enc, 3, ranking).unwrap_err();
    assert!(refused.to_string().contains("another shape"), "{refused}");
}

#[test]
fn a_million_features_on_wgpu_are_searched_as_on_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let (n, d, f) = (64, 4, 1 << 20);
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    // Small whole numbers: sums are exact, and ties abound.
    let mut whole = |rows: usize, columns: usize| {
        let values = (0..rows * columns).map(|_| f32::from(rng.random_range(-9_i8..10)));
        Matrix::new(rows, columns, values.collect()).unwrap()
    };
    let case = Case {
        name: "a million features",
        centred: whole(n, d),
        w_enc: whole(f, d),
        b_enc: whole(1, f).into_values(),
        k: 50,
    };
    let want = super::encode_topk(&case.centred, &case.w_enc, &case.b_enc, case.k).unwrap();
    let loaded = Loaded::new(&gpu.with_binding_limit(5 << 20), case);
    assert!(loaded.w_enc.blocks().count() > 3);
    assert_eq!(loaded.topk(loaded.case.k, Kind::Positive), want);
}
