//! How long the feature table's rows take to compute: sort and filter 100,000 features. `cargo bench -p umbra`.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::time::{Duration, Instant};

use umbra_app::feature_table::{Column, DictionaryId, Filter, Inputs, Sort, Table, rows};
use umbra_core::features::{Hit, Summary};
use umbra_core::ids::FeatureId;

const FEATURES: usize = 100_000;

fn table() -> Table {
    let mixed = |i: usize| (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    let summary = |i: usize| Summary {
        feature: FeatureId::from(i),
        density: (mixed(i) as f64 / 2e7).powi(3),
        mean: mixed(i + 7) as f64 / 1e6,
        min: 0.0,
        max: mixed(i + 13) as f64 / 1e5,
        decoder_norm: 1.0,
    };
    let token = |i: usize| format!(" word{}", mixed(i + 3) % 5000);
    Table::new(
        DictionaryId(0),
        (0..FEATURES).map(summary).collect(),
        (0..FEATURES).map(token).collect(),
    )
}

fn main() {
    let before = Instant::now();
    let table = table();
    let made = before.elapsed();
    println!("read and order {FEATURES} features (in a job): {made:.1?}");
    let labels: Vec<_> = (0..2000)
        .map(|i| (FeatureId::from(i * 50), "a label of some words"))
        .collect();
    let hit = |i: usize| Hit {
        feature: FeatureId::from(i * 20),
        ..Hit::default()
    };
    let found: Vec<Hit> = (0..5000).map(hit).collect();
    let inputs = Inputs {
        table: &table,
        labels: &labels,
        found: &found,
    };
    let mut worst = Duration::ZERO;
    for filter in ["", "#77777", "density<1e-3 max>5", "words", "words mean>2"] {
        let filter_read = Filter::parse(filter);
        for column in [Column::Number, Column::Name, Column::Max, Column::Relevance] {
            let sort = Sort {
                column,
                descending: true,
            };
            let mut times: Vec<Duration> = (0..11)
                .map(|_| {
                    let before = Instant::now();
                    std::hint::black_box(rows(&inputs, &filter_read, sort));
                    before.elapsed()
                })
                .collect();
            times.sort();
            worst = worst.max(times[5]);
            println!("filter {filter:22?} by {column:?}: {:.2?}", times[5]);
        }
    }
    println!("slowest median {worst:.2?}, a frame has 16 ms");
}
