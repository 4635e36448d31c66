//! WGSL form: the gradients of a range of features.

use std::ops::Range;

use crate::device::{Access, Buffer, Call, Kernel, Recorder, Table};
use crate::error::Result;
use crate::kernels::codes::{ByFeature, Codes};

/// Threads beside each other on the columns of a strip.
const LANES: u32 = 64;
/// Parts of a feature's entries that are summed beside each other.
const SPLITS: u32 = 4;
/// Columns of a thread, in rows of up to as many lanes each; no sum depends on it.
const WIDTHS: [u32; 3] = [1, 4, 8];

const fn rows(constants: &'static [(&'static str, u32)]) -> Kernel {
    use Access::{Read, Write};
    Kernel {
        name: "scatter: rows",
        source: include_str!("scatter.wgsl"),
        entry: "rows",
        constants,
        buffers: &[Read, Read, Read, Read, Read, Read, Write],
    }
}

const ROWS: [Kernel; 3] = [
    rows(&[("LANES", LANES), ("SPLITS", SPLITS), ("PER", WIDTHS[0])]),
    rows(&[("LANES", LANES), ("SPLITS", SPLITS), ("PER", WIDTHS[1])]),
    rows(&[("LANES", LANES), ("SPLITS", SPLITS), ("PER", WIDTHS[2])]),
];
const SUMS: Kernel = {
    use Access::{Read, Write};
    Kernel {
        name: "scatter: sums",
        entry: "sums",
        buffers: &[Read, Read, Read, Read, Read, Write, Write, Write],
        ..ROWS[0]
    }
};

/// All kernels of this operation.
#[cfg(test)]
pub(crate) const KERNELS: &[Kernel] = &[ROWS[0], ROWS[1], ROWS[2], SUMS];

/// A term of the loss: a code and the gradients of its entries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Term<'a> {
    pub(crate) codes: &'a Codes,
    pub(crate) by_feature: &'a ByFeature,
    /// `[nnz]`: gradients of the pre-activations, in the order of `codes`.
    pub(crate) d_acts: &'a Buffer,
    /// `[nnz]`: gradients of the encoder's bias, where they are not the same.
    pub(crate) d_bias: Option<&'a Buffer>,
    /// For the features below each end, `[n, d_out]`: target less reconstruction. Features from the last end on use the last table.
    pub(crate) tables: &'a [(usize, &'a Table)],
    /// −2 · weight / denominator.
    pub(crate) scale: f32,
    /// The features of the dictionary that the code's features stand for, where it covers some only.
    pub(crate) list: Option<List<'a>>,
}

/// Ascending features of the dictionary, on the device and here.
#[derive(Debug, Clone, Copy)]
pub(crate) struct List<'a> {
    pub(crate) buffer: &'a Buffer,
    pub(crate) features: &'a [u32],
}

/// Destination of the gradients of a range of features.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    /// `[_, d]`, and its row for the first feature of the range.
    pub(crate) w_enc: (&'a Buffer, usize),
    /// `[_, d_out]`, and its row for the first feature of the range.
    pub(crate) w_dec: (&'a Buffer, usize),
    pub(crate) small: Small<'a>,
}

/// Gradients of one number per feature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Small<'a> {
    pub(crate) b_enc: &'a Buffer,
    /// Gradient of a bias that every reading of the encoder sees.
    pub(crate) read: &'a Buffer,
    /// u32: 1 for features that a term covers.
    pub(crate) moved: &'a Buffer,
    /// Place of the first feature of the range in all three.
    pub(crate) at: usize,
}

/// Features of a term, and where their gradients go.
#[derive(Debug, Clone, Copy)]
struct Part<'a> {
    term: Term<'a>,
    /// First feature of the term, and how many.
    first: usize,
    count: usize,
    /// First feature of the dictionary's range.
    base: usize,
    add: bool,
}

/// Records the gradients of `features` from all terms, where the encoder read `centred [n, d]`: added to what is in `into`, or instead of it.
pub(crate) fn gradients(
    recorder: &mut Recorder<'_>,
    terms: &[Term<'_>],
    centred: &Table,
    features: Range<usize>,
    (into, add): (Target<'_>, bool),
) -> Result<()> {
    let mut add = add;
    if !add && terms.first().is_none_or(|term| term.list.is_some()) {
        let small = into.small;
        for buffer in [
            into.w_enc.0,
            into.w_dec.0,
            small.b_enc,
            small.read,
            small.moved,
        ] {
            recorder.clear(buffer);
        }
        add = true;
    }
    for term in terms {
        let (first, end) = match term.list {
            Some(list) => {
                let place =
                    |feature: usize| list.features.partition_point(|f| (*f as usize) < feature);
                (place(features.start), place(features.end))
            }
            None => (features.start, features.end),
        };
        let part = Part {
            term: *term,
            first,
            count: end - first,
            base: features.start,
            add,
        };
        if part.count > 0 {
            part.record(recorder, centred, into)?;
        }
        add = true;
    }
    Ok(())
}

impl<'a> Part<'a> {
    fn record(self, recorder: &mut Recorder<'_>, centred: &Table, into: Target<'_>) -> Result<()> {
        let mut start = 0;
        let last = self.term.tables.len().saturating_sub(1);
        for (i, (end, table)) in self.term.tables.iter().enumerate() {
            let end = if i == last { usize::MAX } else { *end };
            let some = self.within(start..end);
            start = end;
            let weights = (&self.term.codes.acts, self.term.scale);
            some.rows(recorder, weights, table, into.w_dec)?;
        }
        self.rows(recorder, (self.term.d_acts, 1.0), centred, into.w_enc)?;
        self.sums(recorder, into.small)
    }

    /// Restricts the part to features of the term within `range`.
    fn within(self, range: Range<usize>) -> Self {
        let first = self.first.max(range.start);
        let end = (self.first + self.count).min(range.end);
        Self {
            first,
            count: end.saturating_sub(first),
            ..self
        }
    }

    /// Place of the part's first feature after that of the range; the list says it where there is one.
    fn row(self, at: usize) -> usize {
        match self.term.list {
            Some(_) => at,
            None => at + self.first - self.base,
        }
    }

    fn params(self, at: usize, columns: usize, scale: f32) -> [u32; 8] {
        [
            self.first as u32,
            self.count as u32,
            self.row(at) as u32,
            self.base as u32,
            u32::from(self.term.list.is_some()),
            u32::from(self.add),
            columns as u32,
            scale.to_bits(),
        ]
    }

    /// Mean entries of a feature.
    fn entries(self) -> f64 {
        let features = self.term.by_feature.offsets.len().saturating_sub(1);
        self.term.codes.entries as f64 / features.max(1) as f64
    }

    fn list(self) -> &'a Buffer {
        let none = &self.term.by_feature.offsets;
        self.term.list.map_or(none, |list| list.buffer)
    }

    fn rows(
        self,
        recorder: &mut Recorder<'_>,
        (weights, scale): (&Buffer, f32),
        table: &Table,
        (into, at): (&Buffer, usize),
    ) -> Result<()> {
        let columns = table.columns();
        let (term, by) = (self.term, self.term.by_feature);
        let strip = |width: u32| (width * LANES) as usize;
        let width = WIDTHS.iter().position(|width| columns <= strip(*width));
        let width = width.unwrap_or(WIDTHS.len() - 1);
        let strip = strip(WIDTHS[width]);
        let call = Call {
            groups: [columns.div_ceil(strip), self.count, 1],
            work: (2 * strip) as f64 * (4.0 + self.entries()),
            params: self.params(at, columns, scale),
            buffers: &[
                &by.offsets,
                &by.entries,
                &term.codes.tokens,
                weights,
                table.whole(),
                self.list(),
                into,
            ],
        };
        recorder.run(&ROWS[width], call)
    }

    fn sums(self, recorder: &mut Recorder<'_>, small: Small<'_>) -> Result<()> {
        let (term, by) = (self.term, self.term.by_feature);
        let call = Call {
            groups: [self.count, 1, 1],
            work: f64::from(16 * LANES) + 2.0 * self.entries(),
            params: self.params(small.at, 1, 1.0),
            buffers: &[
                &by.offsets,
                &by.entries,
                term.d_acts,
                term.d_bias.unwrap_or(term.d_acts),
                self.list(),
                small.b_enc,
                small.read,
                small.moved,
            ],
        };
        recorder.run(&SUMS, call)
    }
}
