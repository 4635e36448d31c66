//! How long the page of a feature takes to open: the index is opened, and facts and details of one feature are read, as the window does in a job.
//! `cargo bench -p umbra-core --bench feature_page [-- INDEX]`; the demo's resid-2 unless an index is named.
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use umbra_core::features::Index;
use umbra_core::ids::FeatureId;

/// Pages that are opened.
const PAGES: usize = 200;

/// Time that a page may take.
const MOST: Duration = Duration::from_millis(50);

fn main() -> umbra_core::Result<()> {
    let demo = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../assets/demo/indexes/resid-2.sqlite"
    );
    let named = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let path = named.map_or_else(|| PathBuf::from(demo), PathBuf::from);
    let features = Index::open(&path)?.about().features;
    let mut times = Vec::with_capacity(PAGES);
    for page in 0..PAGES {
        let feature = FeatureId::from(page * features / PAGES);
        let before = Instant::now();
        let index = Index::open(&path)?;
        let facts = index.facts_of(feature)?;
        let detail = index.detail(feature)?;
        times.push(before.elapsed());
        std::hint::black_box((facts, detail));
    }
    times.sort_unstable();
    let (median, worst) = (times[PAGES / 2], times[PAGES - 1]);
    println!(
        "page of a feature, index of {features} features: median {median:.1?}, worst of {PAGES} {worst:.1?}"
    );
    assert!(
        worst <= MOST,
        "a page took {worst:.1?}, {MOST:.1?} are allowed"
    );
    Ok(())
}
