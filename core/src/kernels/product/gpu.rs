//! Host side: tiles and their kernels, the split of a run over the blocks of its tables, and the choice of a tile by measurement.

use std::ops::Range;
use std::time::{Duration, Instant};

use bytemuck::{Pod, Zeroable};

use crate::device::{Access, AdapterKind, Buffer, Call, Gpu, Kernel, Recorder, Table};
use crate::error::Result;

/// Part of a product that one workgroup computes. No result depends on it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    /// Name in tables and records.
    pub(crate) name: &'static str,
    rows: usize,
    columns: usize,
    /// Whether operands are staged in workgroup memory.
    staged: bool,
    constants: &'static [(&'static str, u32)],
}

/// Every tile, the largest first; the last needs no workgroup memory.
pub(crate) static TILES: [Tile; TILE_COUNT] = TILE_LIST;

const TILE_COUNT: usize = 5;

const TILE_LIST: [Tile; TILE_COUNT] = [
    Tile {
        name: "128 × 128",
        rows: 128,
        columns: 128,
        staged: true,
        constants: &[
            ("ROWS", 128),
            ("COLUMNS", 128),
            ("STEP", 16),
            ("HIGH", 2),
            ("WIDE", 2),
            ("THREADS", 256),
        ],
    },
    Tile {
        name: "128 × 64",
        rows: 128,
        columns: 64,
        staged: true,
        constants: &[
            ("ROWS", 128),
            ("COLUMNS", 64),
            ("STEP", 16),
            ("HIGH", 2),
            ("WIDE", 1),
            ("THREADS", 256),
        ],
    },
    Tile {
        name: "64 × 64",
        rows: 64,
        columns: 64,
        staged: true,
        constants: &[
            ("ROWS", 64),
            ("COLUMNS", 64),
            ("STEP", 32),
            ("HIGH", 1),
            ("WIDE", 1),
            ("THREADS", 256),
        ],
    },
    Tile {
        name: "32 × 32",
        rows: 32,
        columns: 32,
        staged: true,
        constants: &[
            ("ROWS", 32),
            ("COLUMNS", 32),
            ("STEP", 16),
            ("HIGH", 1),
            ("WIDE", 1),
            ("THREADS", 64),
        ],
    },
    Tile {
        name: "32 × 32 without workgroup memory",
        rows: 32,
        columns: 32,
        staged: false,
        constants: &[("ROWS", 32), ("COLUMNS", 32), ("THREADS", 64)],
    },
];

impl Tile {
    /// Returns the tile that `gpu` was told to use, or the one that suits its kind; a small one for few rows.
    pub(crate) fn suiting(gpu: &Gpu, rows: usize) -> &'static Self {
        let usual = match gpu.kind() {
            AdapterKind::Software => TILE_COUNT - 1,
            AdapterKind::Integrated => 2,
            AdapterKind::Discrete | AdapterKind::Other => 0,
        };
        let tile = &TILES[gpu.tile().unwrap_or(usual).min(TILE_COUNT - 1)];
        if tile.staged && rows <= tile.rows / 2 {
            // Most of a large tile would be empty.
            return TILES
                .iter()
                .rfind(|small| small.staged && small.rows >= rows)
                .unwrap_or(tile);
        }
        tile
    }

    /// Workgroups that cover `rows` rows and `columns` columns.
    pub(crate) fn groups(&self, rows: usize, columns: usize) -> [usize; 3] {
        [columns.div_ceil(self.columns), rows.div_ceil(self.rows), 1]
    }

    /// Operations of one workgroup, for products of length `d`.
    pub(crate) fn work(&self, d: usize) -> f64 {
        2.0 * (self.rows * self.columns * d.max(1)) as f64
    }
}

/// Kernels that end a tile in the same way: one for each tile and way to read the operands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) entry: &'static str,
    /// Texts by [staged or not][wide or narrow].
    pub(crate) sources: [[&'static str; 2]; 2],
    pub(crate) buffers: &'static [Access],
}

impl Family {
    /// Number of kernels of a family.
    #[cfg(test)]
    pub(crate) const SIZE: usize = 2 * TILE_COUNT;

    /// Returns the kernel for rows of length `d`.
    pub(crate) fn kernel(&self, tile: &Tile, d: usize) -> Kernel {
        self.variant(tile, usize::from(!d.is_multiple_of(4)))
    }

    const fn variant(&self, tile: &Tile, narrow: usize) -> Kernel {
        let direct = if tile.staged { 0 } else { 1 };
        Kernel {
            name: self.name,
            source: self.sources[direct][narrow],
            entry: self.entry,
            constants: tile.constants,
            buffers: self.buffers,
        }
    }

    /// Lists the kernels of all tiles.
    #[cfg(test)]
    pub(crate) const fn all(&self) -> [Kernel; Self::SIZE] {
        let mut all = [self.variant(&TILE_LIST[0], 0); Self::SIZE];
        let mut i = 0;
        while i < Self::SIZE {
            all[i] = self.variant(&TILE_LIST[i / 2], i % 2);
            i += 1;
        }
        all
    }
}

/// Puts the texts of a family together: parameters, operands (with the suffix given), tiles, and what ends a tile.
macro_rules! family {
    (@text $operands:literal, $tiles:literal, $($end:literal),+) => {
        concat!(
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/kernels/product/params.wgsl")),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/kernels/product/", $operands)),
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/kernels/product/", $tiles)),
            $(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/kernels/", $end))),+
        )
    };
    ($name:literal, $entry:literal, [$wide:literal, $narrow:literal], [$($end:literal),+], $buffers:expr) => {
        $crate::kernels::product::Family {
            name: $name,
            entry: $entry,
            sources: [
                [
                    $crate::kernels::product::family!(@text $wide, "tiles.wgsl", $($end),+),
                    $crate::kernels::product::family!(@text $narrow, "tiles.wgsl", $($end),+),
                ],
                [
                    $crate::kernels::product::family!(@text $wide, "direct.wgsl", $($end),+),
                    $crate::kernels::product::family!(@text $narrow, "direct.wgsl", $($end),+),
                ],
            ],
            buffers: $buffers,
        }
    };
}
pub(crate) use family;

const PRODUCT: Family = family!(
    "product",
    "product",
    ["wide.wgsl", "narrow.wgsl"],
    ["product/product.wgsl"],
    &[Access::Read, Access::Read, Access::Write]
);

/// The kernels of this folder.
#[cfg(test)]
pub(crate) const KERNELS: &[Kernel] = &PRODUCT.all();

/// Parameters of a run, as `params.wgsl` says.
#[derive(Debug, Clone, Copy, Default, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Params {
    pub(crate) rows: u32,
    pub(crate) columns: u32,
    pub(crate) d: u32,
    pub(crate) left_first: u32,
    pub(crate) right_first: u32,
    pub(crate) feature: u32,
    pub(crate) token: u32,
    pub(crate) total: u32,
    pub(crate) stride: u32,
    pub(crate) words: u32,
    pub(crate) kind: u32,
    pub(crate) beta: f32,
}

/// Part of a range of rows that lies in one buffer of a table.
#[derive(Debug, Clone)]
pub(crate) struct Piece<'a> {
    pub(crate) buffer: &'a Buffer,
    /// First row of the piece in its buffer.
    pub(crate) first: usize,
    /// Rows of the table.
    pub(crate) rows: Range<usize>,
}

/// Splits rows of a table by the buffers that hold them.
pub(crate) fn pieces(table: &Table, rows: Range<usize>) -> Vec<Piece<'_>> {
    let parts = table.blocks().filter_map(|block| {
        let (from, to) = (
            rows.start.max(block.rows.start),
            rows.end.min(block.rows.end),
        );
        (from < to).then(|| Piece {
            buffer: block.buffer,
            first: from - block.rows.start,
            rows: from..to,
        })
    });
    parts.collect()
}

/// Computes `left · rightᵀ`; both have rows of one length.
pub(crate) fn product(
    gpu: &Gpu,
    left: &Table,
    right: &Table,
    tile: &'static Tile,
) -> Result<Table> {
    let into = Table::zeros(gpu, "a product", (left.rows(), right.rows()))?;
    let mut recorder = gpu.record();
    record(&mut recorder, (left, right), &into, tile)?;
    recorder.submit()?;
    Ok(into)
}

fn record(
    recorder: &mut Recorder<'_>,
    (left, right): (&Table, &Table),
    into: &Table,
    tile: &Tile,
) -> Result<()> {
    let d = left.columns();
    debug_assert_eq!(right.columns(), d);
    let kernel = PRODUCT.kernel(tile, d);
    for out in into.blocks() {
        for a in pieces(left, out.rows.clone()) {
            for b in pieces(right, 0..right.rows()) {
                let params = Params {
                    rows: a.rows.len() as u32,
                    columns: b.rows.len() as u32,
                    d: d as u32,
                    left_first: a.first as u32,
                    right_first: b.first as u32,
                    feature: b.rows.start as u32,
                    token: (a.rows.start - out.rows.start) as u32,
                    total: out.rows.len() as u32,
                    stride: right.rows() as u32,
                    ..Params::default()
                };
                let call = Call {
                    groups: tile.groups(a.rows.len(), b.rows.len()),
                    work: tile.work(d),
                    params,
                    buffers: &[a.buffer, b.buffer, out.buffer],
                };
                recorder.run(&kernel, call)?;
            }
        }
    }
    Ok(())
}

/// Measures each tile for a fraction of a second and returns the number of the fastest in [`TILES`], with its products and sums per second.
pub(crate) fn tune(gpu: &Gpu) -> Result<(usize, f64)> {
    let mut side = 256;
    loop {
        let [left, right] = [side, 4 * side].map(|rows| Table::zeros(gpu, "a trial", (rows, side)));
        let (left, right) = (left?, right?);
        let into = Table::zeros(gpu, "a trial", (left.rows(), right.rows()))?;
        let mut best = (0, 0.0);
        let mut least = Duration::MAX;
        for (i, tile) in TILES.iter().enumerate() {
            let time = time(gpu, (&left, &right), &into, tile)?;
            let speed = 8.0 * (side as f64).powi(3) / time.as_secs_f64().max(1e-9);
            if speed > best.1 {
                best = (i, speed);
            }
            least = least.min(time);
        }
        // A run must be long beside the time it takes to start one.
        if least >= Duration::from_millis(4) || side >= 2048 {
            return Ok(best);
        }
        side *= 2;
    }
}

/// Time of one run, the shorter of two after one that compiles.
fn time(gpu: &Gpu, operands: (&Table, &Table), into: &Table, tile: &Tile) -> Result<Duration> {
    let run = || {
        let begun = Instant::now();
        let mut recorder = gpu.record();
        record(&mut recorder, operands, into, tile)?;
        recorder.submit()?;
        gpu.read::<f32>(into.whole(), 0..1)?;
        Ok::<_, crate::error::Error>(begun.elapsed())
    };
    run()?;
    Ok(run()?.min(run()?))
}
