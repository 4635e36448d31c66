//! One pass over text: every layer's patterns and mixed values are summed as the pass reaches them, and dropped.
//!
//! Chunks of a fixed number of rows are measured in parallel and added in order, so the number of threads does not change a byte of the result.

use candle_core::{CpuStorage, Storage, Tensor};
use rayon::prelude::*;

use super::examples::{Behaviour, HeadExample, Strongest};
use super::matches::{Kinds, Matched, RowMatches};
use super::sums::HeadSums;
use crate::corpus::Rows;
use crate::dims::Matrix;
use crate::error::{Error, Result};
use crate::ids::{HookPoint, Layer, Site, TokenId};
use crate::models::{Hooks, Model, Start, token_tensor};
use crate::progress::{Ended, Flow, Progress};

/// Largest number of weights of one layer's patterns that a chunk of rows holds: 32 MB.
const HELD: usize = 8 << 20;
/// Largest number of rows of a chunk.
const CHUNK_ROWS: usize = 8;

/// Sums over all rows.
#[derive(Debug)]
pub(super) struct Pass {
    /// Number of queries.
    pub(super) queries: u64,
    /// Queries with exact and with fuzzy copies.
    pub(super) matched: [Matched; 2],
    /// Sums of each head, layer by layer.
    pub(super) heads: Vec<HeadSums>,
    /// Strongest contexts of each head, by behaviour.
    pub(super) examples: Vec<[Strongest; Behaviour::ALL.len()]>,
}

/// Reads `rows` once; `observe` gets the rows done.
pub(super) fn run(
    model: &Model,
    rows: &Rows,
    observe: &mut dyn FnMut(Progress) -> Flow,
) -> Result<Ended<Pass>> {
    let config = model.config();
    let count = config.layers * config.heads;
    let reader = Reader {
        model,
        rows,
        kinds: Kinds::new(rows, model.codec()),
        grams: grams(model)?,
    };
    let mut all = Pass {
        queries: 0,
        matched: [Matched::default(); 2],
        heads: vec![HeadSums::default(); count],
        examples: vec![Default::default(); count],
    };
    let numbers: Vec<usize> = (0..rows.len()).collect();
    let chunks: Vec<&[usize]> = numbers.chunks(chunk_rows(model, rows.context())).collect();
    let mut done = 0;
    for wave in chunks.chunks(2 * rayon::current_num_threads()) {
        let floors = all.floors();
        let parts: Vec<Part> = wave
            .par_iter()
            .map(|chunk| reader.measure(chunk, &floors))
            .collect::<Result<_>>()?;
        for part in parts {
            all.add(part);
        }
        done += wave.iter().map(|chunk| chunk.len()).sum::<usize>();
        if observe(Progress::rows(done, rows.len())).is_break() && done < rows.len() {
            return Ok(Ended::STOPPED);
        }
    }
    Ok(Ended::Done(all))
}

/// Returns how many rows of `context` tokens are read at a time.
pub(super) fn chunk_rows(model: &Model, context: usize) -> usize {
    let weights = model.config().heads * context * context;
    (HELD / weights.max(1)).clamp(1, CHUNK_ROWS)
}

/// Strength that an example of each head and behaviour must exceed.
type Floors = Vec<[f32; Behaviour::ALL.len()]>;

impl Pass {
    /// Contexts at or below these cannot enter any more, whichever come between.
    fn floors(&self) -> Floors {
        let each = self.examples.iter();
        each.map(|head| std::array::from_fn(|i| head[i].floor()))
            .collect()
    }

    fn add(&mut self, part: Part) {
        self.queries += part.queries;
        for (sum, part) in self.matched.iter_mut().zip(part.matched) {
            sum.add(part);
        }
        for (sum, part) in self.heads.iter_mut().zip(&part.heads) {
            sum.add(part);
        }
        for (head, behaviour, example) in part.examples {
            self.examples[head][behaviour].offer(example);
        }
    }
}

/// Sums of one chunk of rows.
#[derive(Debug)]
struct Part {
    queries: u64,
    matched: [Matched; 2],
    heads: Vec<HeadSums>,
    /// By number of the head and of the behaviour.
    examples: Vec<(usize, usize, HeadExample)>,
}

/// Inputs of all chunks.
struct Reader<'a> {
    model: &'a Model,
    rows: &'a Rows,
    kinds: Kinds,
    /// W_O W_Oᵀ of each head, `[h, e, e]`, by layer.
    grams: Vec<Tensor>,
}

impl Reader<'_> {
    fn measure(&self, chunk: &[usize], floors: &Floors) -> Result<Part> {
        let tokens: Vec<&[TokenId]> = chunk.iter().map(|row| self.rows.row(*row)).collect();
        let matches: Vec<RowMatches> = tokens
            .iter()
            .map(|row| RowMatches::new(row, &self.kinds))
            .collect();
        let t = self.rows.context();
        let mut matched = [Matched::default(); 2];
        for row in &matches {
            matched[0].add(Matched::new(&row.exact, t));
            matched[1].add(Matched::new(&row.fuzzy, t));
        }
        let config = self.model.config();
        let mut visitor = Visitor {
            rows: (chunk, &tokens, &matches),
            grams: &self.grams,
            floors,
            last: HookPoint::block(config.layers - 1, Site::Z),
            part: Part {
                queries: (chunk.len() * (t - 1)) as u64,
                matched,
                heads: vec![HeadSums::default(); config.layers * config.heads],
                examples: Vec::new(),
            },
        };
        let input = token_tensor(&tokens)?;
        self.model.run(Start::Tokens(&input), &mut visitor)?;
        Ok(visitor.part)
    }
}

/// Sums what each layer computes while the pass goes on.
struct Visitor<'a> {
    rows: (&'a [usize], &'a [&'a [TokenId]], &'a [RowMatches]),
    grams: &'a [Tensor],
    floors: &'a Floors,
    last: HookPoint,
    part: Part,
}

impl Hooks for Visitor<'_> {
    fn wants(&self, hook: HookPoint) -> bool {
        matches!(hook.site(), Some(Site::Pattern | Site::Z))
    }

    fn visit(&mut self, hook: HookPoint, _: usize, value: &Tensor) -> Result<Option<Tensor>> {
        match hook {
            HookPoint::Block(layer, Site::Pattern) => self.patterns(layer, value)?,
            HookPoint::Block(layer, Site::Z) => self.norms(layer, value)?,
            _ => {}
        }
        Ok(None)
    }

    fn last(&self) -> Option<HookPoint> {
        Some(self.last)
    }
}

impl Visitor<'_> {
    /// Adds the patterns of a layer, `[b, h, t, t]`.
    fn patterns(&mut self, layer: Layer, value: &Tensor) -> Result<()> {
        let (_, heads, t, _) = value.dims4()?;
        let value = value.contiguous()?;
        let (storage, layout) = value.storage_and_layout();
        let Storage::Cpu(CpuStorage::F32(values)) = &*storage else {
            return Err(not_plain());
        };
        let values = &values[layout.start_offset()..];
        let (numbers, tokens, matches) = self.rows;
        for (i, pattern) in values.chunks_exact(t * t).enumerate() {
            let (row, head) = (i / heads, layer.index() * heads + i % heads);
            let Some(matches) = matches.get(row) else {
                break;
            };
            let peaks = self.part.heads[head].add_pattern(pattern, t, matches);
            for (behaviour, peak) in peaks.into_iter().enumerate() {
                if peak.strength as f32 > self.floors[head][behaviour] {
                    let example = HeadExample::new(numbers[row], tokens[row], pattern, peak);
                    self.part.examples.push((head, behaviour, example));
                }
            }
        }
        Ok(())
    }

    /// Adds the norms of what the heads of a layer write, from `z [b, t, h, e]`: ‖z W‖² = z (W Wᵀ) zᵀ.
    fn norms(&mut self, layer: Layer, value: &Tensor) -> Result<()> {
        let (b, t, heads, e) = value.dims4()?;
        let z = value
            .narrow(1, 1, t - 1)?
            .reshape((b * (t - 1), heads, e))?;
        let z = z.transpose(0, 1)?.contiguous()?; // [h, n, e]
        let squares = (z.matmul(&self.grams[layer.index()])? * &z)?.sum(2)?; // [h, n]
        for (head, squares) in squares.to_vec2::<f32>()?.into_iter().enumerate() {
            let norms = squares
                .into_iter()
                .map(|square| f64::from(square).max(0.0).sqrt());
            self.part.heads[layer.index() * heads + head].norm += norms.sum::<f64>();
        }
        Ok(())
    }
}

fn not_plain() -> Error {
    Error::Shape {
        op: "survey of heads",
        what: "the patterns are not f32 on the CPU".to_owned(),
    }
}

/// Computes W_O W_Oᵀ of each head, `[h, e, e]`, by layer, with sums in f64.
fn grams(model: &Model) -> Result<Vec<Tensor>> {
    let config = model.config();
    let (heads, e) = (config.heads, config.d_head);
    let layers = (0..config.layers).map(|layer| {
        let weight = model.output_weights(Layer::from(layer))?;
        let all = (0..heads).into_par_iter().flat_map_iter(|head| {
            let weight: &Matrix = &weight;
            let row = move |i: usize| weight.row(head * e + i);
            (0..e * e).map(move |at| product(row(at / e), row(at % e)) as f32)
        });
        Ok(Tensor::from_vec(
            all.collect::<Vec<f32>>(),
            (heads, e, e),
            &candle_core::Device::Cpu,
        )?)
    });
    layers.collect()
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
    products.sum()
}
