//! Encoder, its bias and decoder on a device, updated together: the optimiser of `train/optim.rs`, chunk of features by chunk.
//!
//! Gradients are computed into tables of a few ten megabytes that the chunks share; only the sums of micro-batches are kept for all features. Chunks, blocks of
//! tables and slices of work change no byte of the result.

use std::ops::Range;

use crate::device::{Buffer, Gpu, Recorder, Table};
use crate::error::Result;
use crate::kernels::adam::gpu as adam;
use crate::kernels::gather::gpu::gather;
use crate::kernels::scatter::gpu::{self as scatter, Target};
use crate::kernels::through::gpu::{self as through, Through};
use crate::train::optim::{Features, Move, Parameter};

pub(in crate::train) use scatter::{List, Term};

/// Bytes of the gradients of a chunk.
const SCRATCH: usize = 32 << 20;

/// A parameter with its moments on a device.
#[derive(Debug, Clone)]
struct State {
    value: Table,
    m: Table,
    v: Table,
}

impl State {
    fn upload(gpu: &Gpu, what: &str, parameter: &Parameter) -> Result<Self> {
        Ok(Self {
            value: Table::upload(gpu, what, &parameter.value)?,
            m: Table::upload(gpu, what, &parameter.m)?,
            v: Table::upload(gpu, what, &parameter.v)?,
        })
    }

    fn read(&self, gpu: &Gpu, parameter: &mut Parameter) -> Result<()> {
        self.value.read(gpu, &mut parameter.value)?;
        self.m.read(gpu, &mut parameter.m)?;
        self.v.read(gpu, &mut parameter.v)
    }

    /// Parameter and moments from row `first` on, within its block.
    fn rows(&self, first: usize) -> Option<adam::State<'_>> {
        let (value, row) = place(&self.value, first)?;
        Some(adam::State {
            value,
            m: place(&self.m, first)?.0,
            v: place(&self.v, first)?.0,
            row,
            columns: self.value.columns(),
        })
    }

    /// Starts row `i` anew at `values`, without moments.
    fn restart(&self, gpu: &Gpu, i: usize, values: &[f32]) {
        let zeros = vec![0.0; values.len()];
        for (table, values) in [(&self.value, values), (&self.m, &zeros), (&self.v, &zeros)] {
            if let Some((buffer, row)) = place(table, i) {
                gpu.write(buffer, row * table.columns(), values);
            }
        }
    }
}

/// Block of a row, and the row's place in it.
fn place(table: &Table, row: usize) -> Option<(&Buffer, usize)> {
    let block = table.blocks().find(|block| block.rows.contains(&row))?;
    Some((block.buffer, row - block.rows.start))
}

/// Encoder rows, biases and decoder rows on a device.
#[derive(Debug, Clone)]
pub(in crate::train) struct Dictionary {
    /// `[f, d]`.
    pub(in crate::train) w_enc: Table,
    /// `[f, 1]`.
    pub(in crate::train) b_enc: Table,
    /// `[f, d_out]`.
    pub(in crate::train) w_dec: Table,
}

/// Gradients of a chunk of features or of all of them, on a device.
#[derive(Debug, Clone)]
pub(in crate::train) struct Gradients {
    /// `[features, d]`.
    w_enc: Table,
    /// `[features, d_out]`.
    w_dec: Table,
    /// `[features]`.
    b_enc: Buffer,
    /// `[features]`: of a bias that every reading of the encoder sees.
    read: Buffer,
    /// `[features]` u32: whether Adam moves the feature.
    moved: Buffer,
}

/// Gradients of the features of a chunk.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    rows: adam::Rows<'a>,
    read: (&'a Buffer, usize),
    moved: (&'a Buffer, usize),
}

impl Gradients {
    /// Allocates zeros for `features` that read and write rows of these lengths.
    pub(in crate::train) fn zeros(
        gpu: &Gpu,
        features: usize,
        (reads, writes): (usize, usize),
    ) -> Result<Self> {
        const WHAT: &str = "gradients";
        Ok(Self {
            w_enc: Table::zeros(gpu, WHAT, (features, reads))?,
            w_dec: Table::zeros(gpu, WHAT, (features, writes))?,
            b_enc: gpu.zeros(WHAT, features)?,
            read: gpu.zeros(WHAT, features)?,
            moved: gpu.zeros(WHAT, features)?,
        })
    }

    /// Records zeros.
    pub(in crate::train) fn clear(&self, recorder: &mut Recorder<'_>) {
        self.w_enc.clear(recorder);
        self.w_dec.clear(recorder);
        for buffer in [&self.b_enc, &self.read, &self.moved] {
            recorder.clear(buffer);
        }
    }

    /// Records the addition of a micro-batch's gradients, for all features, where the encoder read `centred`.
    pub(in crate::train) fn add_all(
        &self,
        recorder: &mut Recorder<'_>,
        terms: &[Term<'_>],
        centred: &Table,
    ) -> Result<()> {
        for features in chunks([&self.w_enc, &self.w_dec], usize::MAX) {
            let Some(part) = self.part(features.start, features.start) else {
                continue;
            };
            scatter::gradients(recorder, terms, centred, features, (part.target(), true))?;
        }
        Ok(())
    }

    /// Gradients from row `first` of the tables and place `at` of the rest on.
    fn part(&self, first: usize, at: usize) -> Option<Part<'_>> {
        Some(Part {
            rows: adam::Rows {
                w_enc: place(&self.w_enc, first)?,
                w_dec: place(&self.w_dec, first)?,
                b_enc: (&self.b_enc, at),
            },
            read: (&self.read, at),
            moved: (&self.moved, at),
        })
    }
}

impl<'a> Part<'a> {
    fn target(self) -> Target<'a> {
        Target {
            w_enc: self.rows.w_enc,
            w_dec: self.rows.w_dec,
            small: scatter::Small {
                b_enc: self.rows.b_enc.0,
                read: self.read.0,
                moved: self.moved.0,
                at: self.read.1,
            },
        }
    }
}

/// Ranges of at most `most` features within one block of each table.
fn chunks(tables: [&Table; 2], most: usize) -> Vec<Range<usize>> {
    let mut all = Vec::new();
    let mut start = 0;
    while start < tables[0].rows() {
        let ends = tables.map(|table| {
            let block = table.blocks().find(|block| block.rows.contains(&start));
            block.map_or(table.rows(), |block| block.rows.end)
        });
        let end = ends[0].min(ends[1]).min(start.saturating_add(most));
        all.push(start..end);
        start = end;
    }
    all
}

/// Where the gradients of a step come from.
#[derive(Debug, Clone, Copy)]
pub(in crate::train) enum Given<'a> {
    /// From one batch, computed a chunk of features at a time.
    Batch {
        terms: &'a [Term<'a>],
        /// `[n, d]`, as the encoder read it.
        centred: &'a Table,
    },
    /// From several micro-batches, summed for all features.
    Sums(&'a Gradients),
}

/// Encoder, its bias and decoder with their moments on a device.
#[derive(Debug)]
pub(in crate::train) struct DeviceFeatures {
    gpu: Gpu,
    w_enc: State,
    b_enc: State,
    w_dec: State,
    /// Whether Adam leaves alone what has no gradient.
    lazy: bool,
    /// Features of a chunk.
    chunk: usize,
    scratch: Gradients,
    /// `[chunk, 2]`.
    facts: Buffer,
    /// `[f]`: squared lengths of gradients.
    squares: Buffer,
    through: Through,
    /// Decoder rows of length 1, where they may have any length in training.
    folded: Option<Dictionary>,
}

impl DeviceFeatures {
    /// Copies parameters and moments to `gpu`.
    pub(in crate::train) fn upload(gpu: &Gpu, features: &Features) -> Result<Self> {
        let reads = features.w_enc.value.columns();
        let writes = features.w_dec.value.columns();
        // Tables of a chunk are one block each.
        let widest = reads.max(writes).max(1);
        let bindable = gpu.binding_limit() as usize / (4 * widest);
        let chunk = (SCRATCH / (4 * (reads + writes).max(1))).min(bindable);
        let chunk = (chunk / through::SPAN).max(1) * through::SPAN;
        Self::in_chunks(gpu, features, chunk)
    }

    /// Copies parameters and moments to `gpu`, to be moved `chunk` features at a time: a multiple of a span of the sums through the encoder.
    pub(super) fn in_chunks(gpu: &Gpu, features: &Features, chunk: usize) -> Result<Self> {
        let (f, reads) = (features.w_enc.value.rows(), features.w_enc.value.columns());
        let writes = features.w_dec.value.columns();
        adam::check_width(gpu, writes)?;
        let chunk = chunk.min(f.next_multiple_of(through::SPAN));
        let folded = if features.free {
            let table = |columns| Table::zeros(gpu, "the folded dictionary", (f, columns));
            Some(Dictionary {
                w_enc: table(reads)?,
                b_enc: table(1)?,
                w_dec: table(writes)?,
            })
        } else {
            None
        };
        Ok(Self {
            w_enc: State::upload(gpu, "the encoder", &features.w_enc)?,
            b_enc: State::upload(gpu, "the encoder's bias", &features.b_enc)?,
            w_dec: State::upload(gpu, "the decoder", &features.w_dec)?,
            lazy: features.lazy,
            chunk,
            scratch: Gradients::zeros(gpu, chunk, (reads, writes))?,
            facts: gpu.zeros("facts of rows", 2 * chunk)?,
            squares: gpu.zeros("lengths of gradients", f)?,
            through: Through::new(gpu, (f, reads))?,
            folded,
            gpu: gpu.clone(),
        })
    }

    /// Copies parameters and moments from the device.
    pub(in crate::train) fn read(&self, features: &mut Features) -> Result<()> {
        self.w_enc.read(&self.gpu, &mut features.w_enc)?;
        self.b_enc.read(&self.gpu, &mut features.b_enc)?;
        self.w_dec.read(&self.gpu, &mut features.w_dec)
    }

    /// Encoder, its biases and decoder as they are trained.
    pub(in crate::train) fn parameters(&self) -> [&Table; 3] {
        [&self.w_enc.value, &self.b_enc.value, &self.w_dec.value]
    }

    /// Number of features.
    pub(in crate::train) fn features(&self) -> usize {
        self.w_enc.value.rows()
    }

    /// Widths of encoder and decoder rows.
    pub(in crate::train) fn widths(&self) -> (usize, usize) {
        (self.w_enc.value.columns(), self.w_dec.value.columns())
    }

    /// Returns encoder `[f, d]`, biases `[f, 1]` and decoder `[f, d_out]` with decoder rows of length 1; free rows as of the last [`Self::fold`].
    pub(in crate::train) fn dictionary(&self) -> [&Table; 3] {
        match &self.folded {
            Some(folded) => [&folded.w_enc, &folded.b_enc, &folded.w_dec],
            None => [&self.w_enc.value, &self.b_enc.value, &self.w_dec.value],
        }
    }

    /// Records the dictionary with decoder rows of length 1, where they may have any; to be called after parameters moved and before they are used.
    pub(in crate::train) fn fold(&self, recorder: &mut Recorder<'_>) -> Result<()> {
        let Some(folded) = &self.folded else {
            return Ok(());
        };
        for features in self.chunks() {
            let first = features.start;
            let into = || {
                Some(adam::Rows {
                    w_enc: place(&folded.w_enc, first)?,
                    w_dec: place(&folded.w_dec, first)?,
                    b_enc: place(&folded.b_enc, first)?,
                })
            };
            if let (Some(from), Some(into)) = (self.rows(first), into()) {
                adam::fold(recorder, from, into, self.sizes(&features))?;
            }
        }
        Ok(())
    }

    /// Records the rows of the dictionary of the first `count` features of `list`.
    pub(in crate::train) fn rows_of(
        &self,
        recorder: &mut Recorder<'_>,
        list: &Buffer,
        count: usize,
    ) -> Result<Dictionary> {
        let [w_enc, b_enc, w_dec] = self.dictionary();
        Ok(Dictionary {
            w_enc: gather(recorder, w_enc, list, count)?,
            b_enc: gather(recorder, b_enc, list, count)?,
            w_dec: gather(recorder, w_dec, list, count)?,
        })
    }

    /// Starts a feature anew with these rows, a bias of 0 and no moments, before any work that is submitted later.
    pub(in crate::train) fn restart(&self, feature: usize, reads: &[f32], writes: &[f32]) {
        self.w_enc.restart(&self.gpu, feature, reads);
        self.b_enc.restart(&self.gpu, feature, &[0.0]);
        self.w_dec.restart(&self.gpu, feature, writes);
    }

    /// Squared length of the gradients that [`Self::step`] takes, and Σ over features of `read · w_enc`; waits for the device.
    pub(in crate::train) fn length2(&self, given: Given<'_>) -> Result<(f64, Vec<f64>)> {
        let mut recorder = self.gpu.record();
        for features in self.chunks() {
            let Some((part, parameters)) = self.prepared(&mut recorder, &features, given)? else {
                continue;
            };
            self.add_through(&mut recorder, &features, part, 1.0)?;
            let out = (&self.squares, features.start);
            let known = (self.known(), self.sizes(&features));
            adam::squares(&mut recorder, parameters, part.rows, out, known)?;
        }
        self.through.join(&mut recorder)?;
        recorder.submit()?;
        let squares: Vec<f32> = self.gpu.read(&self.squares, 0..self.features())?;
        let total = squares.into_iter().map(f64::from).sum();
        Ok((total, self.through.read(&self.gpu)?))
    }

    /// One step: gradients, the decoder's made orthogonal to its rows, Adam, rows back to length 1. Returns Σ over features of `read · w_enc` before the step,
    /// `[d]`: less this is b_dec's gradient through the encoder; waits for the device.
    pub(in crate::train) fn step(&self, given: Given<'_>, by: Move) -> Result<Vec<f64>> {
        let mut recorder = self.gpu.record();
        for features in self.chunks() {
            let first = features.start;
            let Some((part, _)) = self.prepared(&mut recorder, &features, given)? else {
                continue;
            };
            self.add_through(&mut recorder, &features, part, by.factor)?;
            let update = adam::Update {
                rows: features.len(),
                rates: by.rates,
                factor: by.factor.min(1.0),
                free: self.known(),
                moved: self.lazy.then_some(part.moved),
            };
            let rows = part.rows;
            for (state, gradient) in [(&self.w_enc, rows.w_enc), (&self.b_enc, rows.b_enc)] {
                if let Some(state) = state.rows(first) {
                    adam::plain(&mut recorder, state, gradient, update)?;
                }
            }
            if let Some(state) = self.w_dec.rows(first) {
                adam::directions(&mut recorder, state, rows.w_dec, update)?;
            }
        }
        self.through.join(&mut recorder)?;
        recorder.submit()?;
        self.through.read(&self.gpu)
    }

    fn chunks(&self) -> Vec<Range<usize>> {
        chunks([&self.w_enc.value, &self.w_dec.value], self.chunk)
    }

    fn sizes(&self, features: &Range<usize>) -> adam::Sizes {
        let (reads, writes) = self.widths();
        adam::Sizes {
            rows: features.len(),
            reads,
            writes,
        }
    }

    /// Parameters from feature `first` on.
    fn rows(&self, first: usize) -> Option<adam::Rows<'_>> {
        Some(adam::Rows {
            w_enc: place(&self.w_enc.value, first)?,
            w_dec: place(&self.w_dec.value, first)?,
            b_enc: place(&self.b_enc.value, first)?,
        })
    }

    /// Facts of free rows.
    fn known(&self) -> Option<&Buffer> {
        self.folded.as_ref().map(|_| &self.facts)
    }

    /// Records the gradients of a chunk and the facts of its rows.
    fn prepared<'a>(
        &'a self,
        recorder: &mut Recorder<'_>,
        features: &Range<usize>,
        given: Given<'a>,
    ) -> Result<Option<(Part<'a>, adam::Rows<'a>)>> {
        let part = match given {
            Given::Batch { .. } => self.scratch.part(0, 0),
            Given::Sums(sums) => sums.part(features.start, features.start),
        };
        let (Some(part), Some(parameters)) = (part, self.rows(features.start)) else {
            return Ok(None);
        };
        let sizes = self.sizes(features);
        match given {
            Given::Batch { terms, centred } => {
                let into = (part.target(), false);
                scatter::gradients(recorder, terms, centred, features.clone(), into)?;
            }
            Given::Sums(_) if self.lazy => {
                adam::touched(recorder, part.rows, part.moved, sizes)?;
            }
            Given::Sums(_) => {}
        }
        if let Some(facts) = self.known() {
            adam::facts(recorder, parameters, part.rows, (facts, sizes))?;
        }
        Ok(Some((part, parameters)))
    }

    fn add_through(
        &self,
        recorder: &mut Recorder<'_>,
        features: &Range<usize>,
        part: Part<'_>,
        factor: f32,
    ) -> Result<()> {
        let Some(w_enc) = place(&self.w_enc.value, features.start) else {
            return Ok(());
        };
        let chunk = through::Chunk {
            features: features.clone(),
            read: part.read,
            w_enc,
            facts: self.known(),
            factor: factor.min(1.0),
        };
        self.through.add(recorder, &chunk)
    }
}
