//! Survey of heads: `cargo bench -p umbra-core --bench heads`.
//!
//! The demo model reads 200,000 tokens of the demo's held-out books. The survey is timed in turn with forward passes over the same rows, in the same chunks on the
//! same threads, that capture the patterns of all layers: to the logits, and to the last pattern. Medians are compared. Memory is what the allocator hands out during
//! a survey beyond what it held before; it must be the same for a quarter of the text.

mod counting;

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use candle_core::Tensor;
use rayon::prelude::*;
use umbra_core::corpus::Rows;
use umbra_core::error::{Error, Result};
use umbra_core::heads::survey;
use umbra_core::ids::{HookPoint, Site, TokenId};
use umbra_core::models::{Hooks, Model, Start, token_tensor};
use umbra_core::workbench::text::{Most, TextRequest};
use umbra_core::{Flow, Progress};

use self::counting::{Counting, HELD, PEAK};

const TOKENS: u64 = 200_000;
const ROUNDS: usize = 5;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Keeps the patterns of the layer that a pass has reached.
struct Patterns {
    held: Option<Tensor>,
    last: Option<HookPoint>,
}

impl Hooks for Patterns {
    fn wants(&self, hook: HookPoint) -> bool {
        hook.site() == Some(Site::Pattern)
    }

    fn visit(&mut self, _: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        self.held = Some(value.clone());
        Ok(None)
    }

    fn last(&self) -> Option<HookPoint> {
        self.last
    }
}

fn captured(model: &Model, rows: &Rows, last: Option<HookPoint>) -> Result<()> {
    let all: Vec<usize> = (0..rows.len()).collect();
    let chunks: Vec<&[usize]> = all.chunks(survey::rows_at_once(model, rows)).collect();
    chunks.into_par_iter().try_for_each(|chunk| {
        let tokens: Vec<&[TokenId]> = chunk.iter().map(|row| rows.row(*row)).collect();
        let mut patterns = Patterns { held: None, last };
        let input = token_tensor(&tokens)?;
        model.run(Start::Tokens(&input), &mut patterns)?;
        Ok(())
    })
}

fn survey_of(model: &Model, rows: &Rows) -> Result<()> {
    let go_on = &mut |_: Progress| Flow::Continue(());
    survey::run(model, rows, go_on).map(|_| ())
}

/// Megabytes that a survey needs beyond what was held before it.
fn megabytes(model: &Model, rows: &Rows) -> Result<f64> {
    let before = HELD.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    survey_of(model, rows)?;
    Ok((PEAK.load(Ordering::Relaxed) - before) as f64 / 1e6)
}

fn timed(times: &mut Vec<Duration>, work: impl FnOnce() -> Result<()>) -> Result<()> {
    let begun = Instant::now();
    work()?;
    times.push(begun.elapsed());
    Ok(())
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

fn main() -> Result<()> {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/demo");
    let (model, _) = Model::open(&demo.join("model"))?;
    let text = TextRequest::new([demo.join("text/held-out")]).at_most(Most::Tokens(TOKENS));
    let rows = text.read(&model, None)?.rows;
    let last = HookPoint::block(model.config().layers - 1, Site::Pattern);
    let (mut whole, mut short, mut surveyed) = (vec![], vec![], vec![]);
    captured(&model, &rows, None)?;
    for _ in 0..ROUNDS {
        timed(&mut whole, || captured(&model, &rows, None))?;
        timed(&mut surveyed, || survey_of(&model, &rows))?;
        timed(&mut short, || captured(&model, &rows, Some(last)))?;
    }
    let (whole, short, surveyed) = (
        median(&mut whole),
        median(&mut short),
        median(&mut surveyed),
    );
    let quarter = rows.clone().take(rows.len() / 4);
    let [few, all] = [megabytes(&model, &quarter)?, megabytes(&model, &rows)?];
    let lines = format!(
        "{} threads, {ROUNDS} rounds, {} tokens, medians in seconds\n\
         forward pass with patterns captured    {whole:7.2}\n\
         survey of all heads                    {surveyed:7.2}  {:.2} of it (1.5 at most)\n\
         pass to the last pattern               {short:7.2}\n\
         memory of the survey                   {all:7.1} MB, of a quarter of the text {few:.1} MB\n",
        rayon::current_num_threads(),
        rows.tokens().len(),
        surveyed / whole,
    );
    std::io::stdout()
        .write_all(lines.as_bytes())
        .map_err(|e| Error::io("printing", "", e))
}
