//! Cost of an index: `cargo bench -p umbra-core --bench index [PART] [TOKENS]`, all parts unless one is named.
//!
//! - `pass`: the build of the demo's `resid-2` (2,048 features) over TOKENS tokens (1,000,000 unless given), all statistics included, over forward passes and
//!   encoder alone on the same rows; run in turn, medians. 1.2 at most.
//! - `dashboard`: the build of `resid-2` over Alice (41 k tokens), beside SAEDashboard 0.8, which took 129 s on two cores with its own settings; 20 times faster at
//!   least. Prints where the time goes.
//! - `dfa`: the build of `attn-1` over Alice with the attribution of the strongest examples, over the build without it.
//! - `effects`: the build of `resid-2` over Alice with effects on the loss, over the build without them, and the time for an ablation.
//! - `several`: the build of the four `attn` dictionaries in one pass, over four builds.
//! - `large`: a random dictionary of 65,536 features on the demo's model. Memory that the build holds beyond dictionary and text, over 20,000 and over 60,000
//!   tokens; 1 GB at most, and alike.
//! - `opening`: opening an index of 131,072 features and reading the scalars of all of them; 300 ms at most.

mod counting;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Instant;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use umbra_core::capture;
use umbra_core::dims::Matrix;
use umbra_core::error::{Error, Result};
use umbra_core::features::{self, Index, Job, Source, Spent};
use umbra_core::models::Model;
use umbra_core::sae::{Provenance, Sae, TopK};
use umbra_core::workbench::text::{Most, Text, TextRequest};
use umbra_core::{Flow, Pair};

use self::counting::{Counting, HELD, PEAK};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Seconds that SAEDashboard 0.8 took for `resid-2` over Alice on two cores.
const DASHBOARD: f64 = 129.0;
const ROUNDS: usize = 3;
/// Tokens of the pass, unless given.
const TOKENS: u64 = 1_000_000;
/// Rows read at once by the pass alone, as in the build.
const AT_ONCE: usize = features::ROWS_AT_ONCE;

type Part = (&'static str, fn(&mut Bench) -> Result<()>);

const PARTS: [Part; 7] = [
    ("dashboard", dashboard),
    ("dfa", dfa),
    ("effects", effects),
    ("several", several),
    ("pass", pass),
    ("large", large),
    ("opening", opening),
];

/// Settings and output of the bench.
struct Bench {
    folder: tempfile::TempDir,
    tokens: u64,
}

impl Bench {
    fn out(&self) -> PathBuf {
        self.folder.path().join("bench.sqlite")
    }
}

fn say(line: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{line}").map_err(|e| Error::io("printing", "", e))
}

fn demo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../assets/demo")
        .join(path)
}

fn pair(sae: &str) -> Result<Pair> {
    Ok(Pair::open(&demo("model"), &demo("saes").join(sae))?.0)
}

fn alice(pair: &Pair) -> Result<Text> {
    pair.read(&TextRequest::new([demo("text/held-out/alice.txt")]))
}

/// Builds the index of a dictionary; seconds by stage.
fn build(pair: &Pair, text: &Text, source: &Source, out: &Path) -> Result<Spent> {
    let sae = pair.sae.by_token()?;
    let mut go_on = |_| Flow::Continue(());
    let built = features::build(&pair.model, sae, &text.rows, source, out, &mut go_on)?;
    built.done().ok_or_else(|| Error::Numeric {
        what: "the build ended early".to_owned(),
    })
}

fn seconds<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let begun = Instant::now();
    let done = work()?;
    Ok((begun.elapsed().as_secs_f64(), done))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Forward passes up to the hook and the encoder alone, over all rows.
fn alone(pair: &Pair, text: &Text) -> Result<()> {
    let sae = &pair.sae;
    let hook = sae.reads()?;
    let rows: Vec<usize> = (0..text.rows.len()).collect();
    for chunk in rows.chunks(AT_ONCE) {
        let x = capture::activations(&pair.model, &text.rows, chunk, hook)?;
        sae.encode(&text.rows.kept(chunk, &x))?;
    }
    Ok(())
}

fn pass(bench: &mut Bench) -> Result<()> {
    let pair = pair("resid-2")?;
    // The demo has 0.8 million tokens, so some of its text is read twice.
    let paths = ["text/train", "text/held-out", "text/train"].map(demo);
    let request = TextRequest::new(paths).at_most(Most::Tokens(bench.tokens));
    let text = pair.read(&request)?;
    let (mut whole, mut bare) = (Vec::new(), Vec::new());
    let mut spent = Spent::default();
    for _ in 0..ROUNDS {
        bare.push(seconds(|| alone(&pair, &text))?.0);
        let build = || build(&pair, &text, &Source::default(), &bench.out());
        let (took, stages) = seconds(build)?;
        whole.push(took);
        spent = stages;
    }
    let (whole, bare) = (median(whole), median(bare));
    say(&format!(
        "pass: {} tokens in {whole:.1} s, forward and encoder alone {bare:.1} s: {:.2} (1.2 at most)\n      {}",
        text.rows.counted(),
        whole / bare,
        spent.said()
    ))
}

fn dashboard(bench: &mut Bench) -> Result<()> {
    let pair = pair("resid-2")?;
    let text = alice(&pair)?;
    let mut times = Vec::new();
    let mut spent = Spent::default();
    for _ in 0..ROUNDS {
        let build = || build(&pair, &text, &Source::default(), &bench.out());
        let (took, stages) = seconds(build)?;
        times.push(took);
        spent = stages;
    }
    let took = median(times);
    say(&format!(
        "dashboard: {} tokens in {took:.2} s, SAEDashboard {DASHBOARD} s: {:.0} times faster (20 at least)\n      {}",
        text.rows.counted(),
        DASHBOARD / took,
        spent.said()
    ))
}

/// Builds with and without an option in turn.
fn beside(bench: &Bench, name: &str, (sae, with): (&str, &Source)) -> Result<Spent> {
    let pair = pair(sae)?;
    let text = alice(&pair)?;
    let (mut more, mut less) = (Vec::new(), Vec::new());
    let mut spent = Spent::default();
    for _ in 0..ROUNDS {
        let out = bench.out();
        less.push(seconds(|| build(&pair, &text, &Source::default(), &out))?.0);
        let (took, stages) = seconds(|| build(&pair, &text, with, &out))?;
        more.push(took);
        spent = stages;
    }
    let (more, less) = (median(more), median(less));
    say(&format!(
        "{name}: {sae} over {} tokens {more:.1} s, without {less:.1} s: {:.2}\n      {}",
        text.rows.counted(),
        more / less,
        spent.said()
    ))?;
    Ok(spent)
}

fn dfa(bench: &mut Bench) -> Result<()> {
    let with = Source {
        attribution: true,
        ..Source::default()
    };
    beside(bench, "dfa", ("attn-1", &with)).map(drop)
}

fn effects(bench: &mut Bench) -> Result<()> {
    let with = Source {
        loss_effects: true,
        ..Source::default()
    };
    let spent = beside(bench, "effects", ("resid-2", &with))?;
    let index = Index::open(&bench.out())?;
    let mut ablated = 0;
    for summary in index.summaries()? {
        ablated += index.detail(summary.feature)?.loss_effects.len();
    }
    say(&format!(
        "      {ablated} ablations, {:.2} ms each",
        1e3 * spent.losses / ablated.max(1) as f64
    ))
}

fn several(bench: &mut Bench) -> Result<()> {
    let pairs = ["attn-0", "attn-1", "attn-2", "attn-3"].map(pair);
    let pairs: Vec<Pair> = pairs.into_iter().collect::<Result<_>>()?;
    let text = alice(&pairs[0])?;
    let name = |i: usize| bench.folder.path().join(format!("{i}.sqlite"));
    let outs: Vec<PathBuf> = (0..pairs.len()).map(name).collect();
    let each = || -> Result<()> {
        for (pair, out) in pairs.iter().zip(&outs) {
            build(pair, &text, &Source::default(), out)?;
        }
        Ok(())
    };
    let together = || -> Result<()> {
        let jobs = pairs.iter().zip(&outs).map(|(pair, out)| {
            let sae = pair.sae.by_token()?;
            Ok(Job { sae, out })
        });
        let jobs: Vec<Job<'_>> = jobs.collect::<Result<_>>()?;
        let (model, source) = (&pairs[0].model, Source::default());
        let mut go_on = |_| Flow::Continue(());
        features::build_all(model, &jobs, &text.rows, &source, &mut go_on).map(drop)
    };
    let (mut one, mut four) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        four.push(seconds(each)?.0);
        one.push(seconds(together)?.0);
    }
    let (one, four) = (median(one), median(four));
    say(&format!(
        "several: four dictionaries in one pass {one:.1} s, in four {four:.1} s: {:.2}",
        one / four
    ))
}

/// A random dictionary at the hook of `resid-2`.
fn random(model: &Model, features: usize) -> Result<Sae> {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let hook = "blocks.2.hook_resid_post".parse()?;
    let d = model.width(hook)?;
    let mut matrix = || {
        let values = (0..features * d).map(|_| rng.random_range(-0.1..0.1));
        Matrix::new(features, d, values.collect())
    };
    let (encoder, decoder) = (matrix()?, matrix()?);
    let sae = Sae::new(
        "random",
        (encoder, vec![0.0; features]),
        (decoder, vec![0.0; d]),
        TopK { k: 32 },
    );
    Ok(sae.with_provenance(Provenance {
        hook: Some(hook),
        ..Provenance::default()
    }))
}

fn large(bench: &mut Bench) -> Result<()> {
    let pair = pair("resid-2")?;
    let sae = random(&pair.model, 65_536)?;
    let pair = Pair::new(&pair.model, &sae.into());
    for tokens in [20_000, 60_000] {
        let request = TextRequest::new([demo("text/held-out")]).at_most(Most::Tokens(tokens));
        let text = pair.read(&request)?;
        let before = HELD.load(Ordering::Relaxed);
        PEAK.store(before, Ordering::Relaxed);
        let (took, _) = seconds(|| build(&pair, &text, &Source::default(), &bench.out()))?;
        let bytes = PEAK.load(Ordering::Relaxed) - before;
        say(&format!(
            "large: 65,536 features over {tokens} tokens in {took:.0} s, {:.0} MB (1,000 at most)",
            bytes as f64 / 1e6
        ))?;
    }
    Ok(())
}

fn opening(bench: &mut Bench) -> Result<()> {
    let pair = pair("resid-2")?;
    let sae = random(&pair.model, 131_072)?;
    let pair = Pair::new(&pair.model, &sae.into());
    let request = TextRequest::new([demo("text/held-out")]).at_most(Most::Tokens(4_000));
    let text = pair.read(&request)?;
    build(&pair, &text, &Source::default(), &bench.out())?;
    let mut times = Vec::new();
    for _ in 0..7 {
        let opened = || Index::open(&bench.out())?.summaries();
        times.push(1e3 * seconds(opened)?.0);
    }
    let bytes = std::fs::metadata(bench.out()).map_or(0, |file| file.len());
    say(&format!(
        "opening: 131,072 features ({:.0} MB) in {:.0} ms (300 at most)",
        bytes as f64 / 1e6,
        median(times)
    ))
}

fn main() -> Result<()> {
    let folder = tempfile::tempdir().map_err(|e| Error::io("making a folder", "", e))?;
    let mut bench = Bench {
        folder,
        tokens: TOKENS,
    };
    let mut wanted = Vec::new();
    for argument in std::env::args().skip(1) {
        match argument.parse() {
            Ok(tokens) => bench.tokens = tokens,
            Err(_) => wanted.push(argument),
        }
    }
    wanted.retain(|name| PARTS.iter().any(|(part, _)| part == name));
    for (name, part) in PARTS {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            part(&mut bench)?;
        }
    }
    Ok(())
}
