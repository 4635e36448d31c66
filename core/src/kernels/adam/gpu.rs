//! WGSL form: parameters of a chunk of features, fused with what keeps decoder rows at length 1.

use crate::device::{Access, Buffer, Call, Gpu, Kernel, Recorder};
use crate::error::{Error, Result};

use super::{BETA1, BETA2, EPSILON, Rates};

const THREADS: u32 = 256;

const fn adam(
    name: &'static str,
    entry: &'static str,
    constants: &'static [(&'static str, u32)],
) -> Kernel {
    use Access::{Read, Write};
    Kernel {
        name,
        source: include_str!("adam.wgsl"),
        entry,
        constants,
        buffers: &[Read, Write, Write, Write, Read, Read],
    }
}

const fn rows(name: &'static str, entry: &'static str, buffers: &'static [Access]) -> Kernel {
    Kernel {
        name,
        source: include_str!("rows.wgsl"),
        entry,
        constants: &[("THREADS", 64)],
        buffers,
    }
}

/// All kernels of this operation; those from [`DIRECTIONS`] on differ in the widths that they hold.
pub(crate) const KERNELS: &[Kernel] = {
    use Access::{Read, Write};
    &[
        adam(
            "adam: encoder",
            "plain",
            &[("THREADS", THREADS), ("PER", 1)],
        ),
        rows(
            "adam: facts",
            "facts",
            &[Read, Read, Read, Read, Read, Write],
        ),
        rows(
            "adam: squares",
            "squares",
            &[Read, Read, Read, Read, Read, Write],
        ),
        rows("adam: touched", "touched", &[Read, Read, Read, Write]),
        rows(
            "adam: fold",
            "fold",
            &[Read, Read, Read, Write, Write, Write],
        ),
        adam(
            "adam: decoder",
            "directions",
            &[("THREADS", 64), ("PER", 1)],
        ),
        adam(
            "adam: decoder",
            "directions",
            &[("THREADS", 64), ("PER", 4)],
        ),
        adam(
            "adam: decoder",
            "directions",
            &[("THREADS", THREADS), ("PER", 4)],
        ),
        adam(
            "adam: decoder",
            "directions",
            &[("THREADS", THREADS), ("PER", 8)],
        ),
        adam(
            "adam: decoder",
            "directions",
            &[("THREADS", THREADS), ("PER", 16)],
        ),
        adam(
            "adam: decoder",
            "directions",
            &[("THREADS", THREADS), ("PER", 32)],
        ),
        adam(
            "adam: decoder",
            "directions",
            &[("THREADS", THREADS), ("PER", 128)],
        ),
    ]
};

const PLAIN: usize = 0;
const FACTS: usize = 1;
const SQUARES: usize = 2;
const TOUCHED: usize = 3;
const FOLD: usize = 4;
const DIRECTIONS: usize = 5;

/// Columns of the widest decoder rows.
const WIDEST: usize = 128 * THREADS as usize;

/// Checks that decoder rows of `columns` fit a workgroup.
pub(crate) fn check_width(gpu: &Gpu, columns: usize) -> Result<()> {
    if columns <= WIDEST {
        return Ok(());
    }
    Err(Error::Device {
        device: gpu.info().name.clone(),
        what: format!(
            "cannot train decoder rows of {columns} columns, {WIDEST} at most; choose the CPU"
        ),
    })
}

/// Rows of a parameter with its moments, and the row of a chunk's first feature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct State<'a> {
    /// `[_, columns]`.
    pub(crate) value: &'a Buffer,
    pub(crate) m: &'a Buffer,
    pub(crate) v: &'a Buffer,
    pub(crate) row: usize,
    pub(crate) columns: usize,
}

/// Settings of a step for a chunk of features.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update<'a> {
    /// Features of the chunk.
    pub(crate) rows: usize,
    pub(crate) rates: Rates,
    /// Factor on every gradient.
    pub(crate) factor: f32,
    /// `[rows, 2]` of [`facts`], where decoder rows may have any length.
    pub(crate) free: Option<&'a Buffer>,
    /// Flags of the features that have a gradient and the place of the first, where Adam leaves the others alone.
    pub(crate) moved: Option<(&'a Buffer, usize)>,
}

impl Update<'_> {
    fn params(self, state: State<'_>, gradient_row: usize) -> [u32; 16] {
        let Rates { step, root } = self.rates;
        [
            state.columns as u32,
            self.rows as u32,
            gradient_row as u32,
            state.row as u32,
            self.moved.map_or(0, |(_, at)| at as u32),
            u32::from(self.moved.is_some()),
            u32::from(self.free.is_some()),
            self.factor.to_bits(),
            step.to_bits(),
            root.to_bits(),
            BETA1.to_bits(),
            BETA2.to_bits(),
            EPSILON.to_bits(),
            0,
            0,
            0,
        ]
    }

    fn run(
        self,
        recorder: &mut Recorder<'_>,
        (kernel, groups, work): (&Kernel, usize, f64),
        state: State<'_>,
        (gradient, row): (&Buffer, usize),
    ) -> Result<()> {
        if groups == 0 {
            return Ok(());
        }
        let call = Call {
            groups: [groups, 1, 1],
            work,
            params: self.params(state, row),
            buffers: &[
                gradient,
                state.value,
                state.m,
                state.v,
                self.free.unwrap_or(gradient),
                self.moved.map_or(gradient, |(moved, _)| moved),
            ],
        };
        recorder.run(kernel, call)
    }
}

/// Records Adam on encoder rows or biases by `gradient`, whose first row is given.
pub(crate) fn plain(
    recorder: &mut Recorder<'_>,
    state: State<'_>,
    gradient: (&Buffer, usize),
    update: Update<'_>,
) -> Result<()> {
    let groups = (update.rows * state.columns).div_ceil(THREADS as usize);
    let work = 16.0 * f64::from(THREADS);
    update.run(recorder, (&KERNELS[PLAIN], groups, work), state, gradient)
}

/// Records Adam on decoder rows by `gradient`, whose first row is given.
pub(crate) fn directions(
    recorder: &mut Recorder<'_>,
    state: State<'_>,
    gradient: (&Buffer, usize),
    update: Update<'_>,
) -> Result<()> {
    check_width(recorder.gpu(), state.columns)?;
    let holds = |kernel: &&Kernel| {
        let columns: u32 = kernel.constants.iter().map(|(_, value)| value).product();
        columns as usize >= state.columns
    };
    let kernels = &KERNELS[DIRECTIONS..];
    let kernel = kernels.iter().find(holds).unwrap_or(&kernels[0]);
    let work = 24.0 * (state.columns + THREADS as usize) as f64;
    update.run(recorder, (kernel, update.rows, work), state, gradient)
}

/// Rows of a chunk of features: parameters or gradients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// `[_, d]`, and the row of the first feature.
    pub(crate) w_enc: (&'a Buffer, usize),
    /// `[_, d_out]`, likewise.
    pub(crate) w_dec: (&'a Buffer, usize),
    /// `[_]`, likewise.
    pub(crate) b_enc: (&'a Buffer, usize),
}

/// Sizes of a chunk.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Features.
    pub(crate) rows: usize,
    /// Width of encoder rows.
    pub(crate) reads: usize,
    /// Width of decoder rows.
    pub(crate) writes: usize,
}

impl Sizes {
    fn run(
        self,
        recorder: &mut Recorder<'_>,
        kernel: usize,
        rows: [u32; 7],
        (buffers, free): (&[&Buffer], bool),
    ) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        let [w_dec, w_enc, b_enc, g_dec, g_enc, g_b, out] = rows;
        let call = Call {
            groups: [self.rows, 1, 1],
            work: 6.0 * (self.reads + self.writes + 512) as f64,
            params: [
                self.rows as u32,
                self.reads as u32,
                self.writes as u32,
                u32::from(free),
                w_dec,
                w_enc,
                b_enc,
                g_dec,
                g_enc,
                g_b,
                out,
                0,
            ],
            buffers,
        };
        recorder.run(&KERNELS[kernel], call)
    }
}

/// First rows of parameters and gradients, in the order of the kernels.
fn firsts(parameters: Rows<'_>, gradients: Rows<'_>, out: usize) -> [u32; 7] {
    [
        parameters.w_dec.1,
        parameters.w_enc.1,
        parameters.b_enc.1,
        gradients.w_dec.1,
        gradients.w_enc.1,
        gradients.b_enc.1,
        out,
    ]
    .map(|row| row as u32)
}

/// Records into `facts [rows, 2]` the lengths of decoder rows, and what the encoder's gradients add to those of the lengths.
pub(crate) fn facts(
    recorder: &mut Recorder<'_>,
    parameters: Rows<'_>,
    gradients: Rows<'_>,
    (facts, sizes): (&Buffer, Sizes),
) -> Result<()> {
    let buffers = [
        parameters.w_dec.0,
        parameters.w_enc.0,
        parameters.b_enc.0,
        gradients.w_enc.0,
        gradients.b_enc.0,
        facts,
    ];
    let rows = firsts(parameters, gradients, 0);
    sizes.run(recorder, FACTS, rows, (&buffers, true))
}

/// Records the squared length of each feature's gradients into `out`, from its place on; `facts` as in [`Update::free`].
pub(crate) fn squares(
    recorder: &mut Recorder<'_>,
    parameters: Rows<'_>,
    gradients: Rows<'_>,
    (out, at): (&Buffer, usize),
    (facts, sizes): (Option<&Buffer>, Sizes),
) -> Result<()> {
    let buffers = [
        parameters.w_dec.0,
        gradients.w_dec.0,
        facts.unwrap_or(gradients.w_dec.0),
        gradients.w_enc.0,
        gradients.b_enc.0,
        out,
    ];
    let rows = firsts(parameters, gradients, at);
    sizes.run(recorder, SQUARES, rows, (&buffers, facts.is_some()))
}

/// Records whether any gradient of a feature is not 0 into the flags `moved`, from its place on.
pub(crate) fn touched(
    recorder: &mut Recorder<'_>,
    gradients: Rows<'_>,
    (moved, at): (&Buffer, usize),
    sizes: Sizes,
) -> Result<()> {
    let buffers = [
        gradients.w_dec.0,
        gradients.w_enc.0,
        gradients.b_enc.0,
        moved,
    ];
    let rows = firsts(gradients, gradients, at);
    sizes.run(recorder, TOUCHED, rows, (&buffers, false))
}

/// Records the dictionary with decoder rows of length 1 into rows of the same places.
pub(crate) fn fold(
    recorder: &mut Recorder<'_>,
    parameters: Rows<'_>,
    folded: Rows<'_>,
    sizes: Sizes,
) -> Result<()> {
    let buffers = [
        parameters.w_dec.0,
        parameters.w_enc.0,
        parameters.b_enc.0,
        folded.w_dec.0,
        folded.w_enc.0,
        folded.b_enc.0,
    ];
    let rows = firsts(parameters, parameters, 0);
    sizes.run(recorder, FOLD, rows, (&buffers, false))
}
