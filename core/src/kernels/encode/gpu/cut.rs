//! The greatest entries of a list of candidates, exactly: of the whole list, or of each feature. Many small dispatches and no word to the host.

use bytemuck::{Pod, Zeroable};

use super::Candidates;
use crate::device::{Access, Buffer, Call, Gpu, Kernel, Recorder};
use crate::error::Result;
use crate::kernels::codes::Entries;
use crate::kernels::sort::bits_below;

/// Threads of a workgroup, which is also the number of digits of a pass.
const WIDTH: usize = 256;
/// Entries of one thread.
const EACH: usize = 8;
/// Bits of a digit.
const DIGIT: usize = 8;
/// Words of a cut.
const CUT: usize = 5;

const WHOLE: &[(&str, u32)] = &[
    ("WIDTH", WIDTH as u32),
    ("EACH", EACH as u32),
    ("BY_FEATURE", 0),
];
const COLUMNS: &[(&str, u32)] = &[
    ("WIDTH", WIDTH as u32),
    ("EACH", EACH as u32),
    ("BY_FEATURE", 1),
];

const COUNT: Kernel = Kernel {
    name: "encode: count digits",
    source: include_str!("../cut.wgsl"),
    entry: "count_digits",
    constants: WHOLE,
    buffers: &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
    ],
};
const PICK: Kernel = Kernel {
    name: "encode: pick a digit",
    entry: "pick",
    buffers: &[
        Access::Read,
        Access::Write,
        Access::Write,
        Access::Write,
        Access::Write,
        Access::Write,
    ],
    ..COUNT
};
const KEEP: Kernel = Kernel {
    name: "encode: keep the greatest",
    entry: "keep",
    buffers: &[
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Read,
        Access::Write,
        Access::Write,
        Access::Write,
    ],
    ..COUNT
};

/// Returns `kernel` for the whole list or for each feature.
const fn of(kernel: Kernel, by_feature: bool) -> Kernel {
    Kernel {
        constants: if by_feature { COLUMNS } else { WHOLE },
        ..kernel
    }
}

/// Kernels of this file.
#[cfg(test)]
pub(super) const KERNELS: [Kernel; 6] = [
    of(COUNT, false),
    of(COUNT, true),
    of(PICK, false),
    of(PICK, true),
    of(KEEP, false),
    of(KEEP, true),
];

/// Uniform of `cut.wgsl`.
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
struct Params {
    part: u32,
    shift: u32,
    first: u32,
    feature: u32,
    last_token: u32,
    last_feature: u32,
    room: u32,
    unused: u32,
}

/// Selection of the greatest entries, with those kept so far.
#[derive(Debug)]
pub(super) struct Cut {
    by_feature: bool,
    /// Shape of the table, `[n, f]`.
    shape: (usize, usize),
    /// Most entries that are kept.
    room: usize,
    /// `[1]` u32, or `[f]` by feature.
    wanted: Buffer,
    cuts: Buffer,
    digits: Buffer,
    zero: Buffer,
    /// Length, then tokens, features and values, `room` of each.
    kept: Buffer,
    /// `[1]` f32: no later entry below it can be kept. Not used by feature.
    pub(super) bar: Buffer,
    /// `[1]` f32, or `[f]` by feature: least value kept; infinity where none is.
    pub(super) least: Buffer,
    /// `[1]` u32, or `[f]` by feature: number of entries kept.
    pub(super) counts: Buffer,
}

impl Cut {
    /// Words of the counts of one feature.
    pub(super) const COUNTS: usize = WIDTH;

    /// Prepares the selection of the `wanted` greatest entries of a table `[n, f]`; entries below `bar` are not offered.
    pub(super) fn whole(gpu: &Gpu, shape: (usize, usize), wanted: usize, bar: f32) -> Result<Self> {
        Self::new(gpu, shape, &[wanted as u32], (1, false), bar)
    }

    /// Prepares the selection of the `wanted [f]` greatest entries of each column, in chunks of at most `chunk` features.
    pub(super) fn by_feature(
        gpu: &Gpu,
        shape: (usize, usize),
        wanted: &[u32],
        chunk: usize,
    ) -> Result<Self> {
        Self::new(gpu, shape, wanted, (chunk, true), 0.0)
    }

    fn new(
        gpu: &Gpu,
        shape: (usize, usize),
        wanted: &[u32],
        (segments, by_feature): (usize, bool),
        bar: f32,
    ) -> Result<Self> {
        let room: usize = wanted.iter().map(|wanted| *wanted as usize).sum();
        Ok(Self {
            by_feature,
            shape,
            room,
            wanted: gpu.upload("budgets", wanted)?,
            cuts: gpu.zeros("cuts", segments * CUT)?,
            digits: gpu.zeros("counts of digits", segments * WIDTH)?,
            zero: gpu.zeros("zero", 1)?,
            kept: gpu.zeros("kept entries", 1 + 3 * room)?,
            bar: gpu.upload("bar", &[bar])?,
            least: gpu.zeros("least entries kept", wanted.len())?,
            counts: gpu.zeros("counts of kept entries", wanted.len())?,
        })
    }

    /// Records the selection among `list` and its return into `list`, whose later entries are added to those kept.
    pub(super) fn shrink(&self, recorder: &mut Recorder<'_>, list: &Candidates) -> Result<()> {
        recorder.copy((&self.zero, 0), (&self.kept, 0), 1);
        self.select(recorder, list, 0..1)?;
        recorder.copy((&self.kept, 0), (&list.state, 0), 1);
        let into = [&list.tokens, &list.features, &list.values];
        for (part, into) in into.into_iter().enumerate() {
            recorder.copy((&self.kept, 1 + part * self.room), (into, 0), self.room);
        }
        Ok(())
    }

    /// Records the selection of the columns `features` from `list`, which holds all entries of them and is empty afterwards.
    pub(super) fn add(
        &self,
        recorder: &mut Recorder<'_>,
        list: &Candidates,
        features: std::ops::Range<usize>,
    ) -> Result<()> {
        self.select(recorder, list, features)?;
        recorder.copy((&self.zero, 0), (&list.state, 0), 1);
        Ok(())
    }

    fn select(
        &self,
        recorder: &mut Recorder<'_>,
        list: &Candidates,
        segments: std::ops::Range<usize>,
    ) -> Result<()> {
        let groups = [list.capacity().div_ceil(WIDTH * EACH), 1, 1];
        let entries = [&list.state, &list.tokens, &list.features, &list.values];
        let [state, tokens, features, values] = entries;
        let mut params = Params {
            first: 1,
            feature: segments.start as u32,
            last_token: self.shape.0.saturating_sub(1) as u32,
            last_feature: self.shape.1.saturating_sub(1) as u32,
            room: self.room as u32,
            ..Params::default()
        };
        for (part, shift) in self.digits_of_keys() {
            (params.part, params.shift) = (part, shift);
            let call = Call {
                groups,
                work: (WIDTH * EACH * 8) as f64,
                params,
                buffers: &[state, tokens, features, values, &self.cuts, &self.digits],
            };
            recorder.run(&of(COUNT, self.by_feature), call)?;
            let call = Call {
                groups: [segments.len(), 1, 1],
                work: (WIDTH * 32) as f64,
                params,
                buffers: &[
                    &self.wanted,
                    &self.cuts,
                    &self.digits,
                    &self.bar,
                    &self.least,
                    &self.counts,
                ],
            };
            recorder.run(&of(PICK, self.by_feature), call)?;
            params.first = 0;
        }
        let call = Call {
            groups,
            work: (WIDTH * EACH * 8) as f64,
            params,
            buffers: &[
                state,
                tokens,
                features,
                values,
                &self.cuts,
                &self.kept,
                &self.least,
                &self.counts,
            ],
        };
        recorder.run(&of(KEEP, self.by_feature), call)
    }

    /// Digits of the key, highest first: word and lowest bit. Features order the entries of the whole table alone.
    fn digits_of_keys(&self) -> Vec<(u32, u32)> {
        let bits = [31, bits_below(self.shape.0), bits_below(self.shape.1)];
        let words = if self.by_feature { 2 } else { 3 };
        let digits = |word: usize| {
            let shifts = (0..bits[word]).step_by(DIGIT).rev();
            shifts.map(move |shift| (word as u32, shift))
        };
        (0..words).flat_map(digits).collect()
    }

    /// Returns the entries kept, after all submitted work.
    pub(super) fn entries(&self, gpu: &Gpu) -> Result<Entries> {
        let len = gpu.read::<u32>(&self.kept, 0..1)?[0] as usize;
        let mut recorder = gpu.record();
        let mut part = |part: usize| -> Result<Buffer> {
            let into = gpu.zeros("kept entries", len)?;
            recorder.copy((&self.kept, 1 + part * self.room), (&into, 0), len);
            Ok(into)
        };
        let entries = Entries {
            len,
            tokens: part(0)?,
            features: part(1)?,
            values: part(2)?,
        };
        recorder.submit()?;
        Ok(entries)
    }
}
