// A tile of ROWS × COLUMNS sums of products, by one workgroup of THREADS threads. Steps of STEP columns of both operands are staged in workgroup memory,
// (ROWS + COLUMNS) · STEP · 4 bytes ≤ 16 KiB; the next step is read while one is multiplied. One thread = HIGH × WIDE blocks of 4 × 4 sums in registers.
//
// Order of summation, equal for all tiles: products in ascending d by `fma`, in blocks of 128 whose sums are added in ascending order.
//
// Constants: ROWS and COLUMNS (multiples of 32), STEP (16 or 32), HIGH and WIDE (1 or 2), THREADS = ROWS · COLUMNS / (16 · HIGH · WIDE) ≥ (ROWS + COLUMNS) · STEP / 16.
const DOWN: u32 = ROWS / 4u;
const ALONG: u32 = COLUMNS / 4u;
const ACROSS: u32 = ALONG / WIDE;
const PARTS: u32 = HIGH * WIDE;
alias Sums = array<mat4x4<f32>, PARTS>;

var<workgroup> left_tile: array<vec4<f32>, STEP * DOWN>;
var<workgroup> right_tile: array<vec4<f32>, STEP * ALONG>;

// Threads that read the columns of a step, neighbours in a row: reads of global memory are whole.
const BESIDE: u32 = STEP / 4u;

// Place of quad `quad` of a column of a step, among its quads: turned by the column's quad, so that neighbours' writes go to different banks.
fn turned(quad: u32, column: u32) -> u32 {
    return quad ^ ((column / 4u) * (8u / BESIDE));
}

// Reads 4 rows × 4 columns of one operand: this thread's share of a step.
fn fetch(which: u32, first: vec2<u32>, thread: u32, step: u32) -> mat4x4<f32> {
    let quad = thread / BESIDE;
    let k = step * STEP + 4u * (thread % BESIDE);
    if quad < DOWN {
        let row = first.x + 4u * quad;
        return mat4x4<f32>(
            left4(which, row, k), left4(which, row + 1u, k), left4(which, row + 2u, k), left4(which, row + 3u, k),
        );
    }
    if quad < DOWN + ALONG {
        let row = first.y + 4u * (quad - DOWN);
        return mat4x4<f32>(
            right4(which, row, k), right4(which, row + 1u, k), right4(which, row + 2u, k), right4(which, row + 3u, k),
        );
    }
    return mat4x4<f32>();
}

// Writes what `fetch` read to workgroup memory, four rows' values of one column together.
fn stage(thread: u32, values: mat4x4<f32>) {
    let quad = thread / BESIDE;
    let column = 4u * (thread % BESIDE);
    let by_column = transpose(values);
    if quad < DOWN {
        let at = column * DOWN + turned(quad, column);
        left_tile[at] = by_column[0];
        left_tile[at + DOWN] = by_column[1];
        left_tile[at + 2u * DOWN] = by_column[2];
        left_tile[at + 3u * DOWN] = by_column[3];
    } else if quad < DOWN + ALONG {
        let at = column * ALONG + turned(quad - DOWN, column);
        right_tile[at] = by_column[0];
        right_tile[at + ALONG] = by_column[1];
        right_tile[at + 2u * ALONG] = by_column[2];
        right_tile[at + 3u * ALONG] = by_column[3];
    }
}

// Row and column of block `part` of this thread within its tile.
fn part_at(thread: u32, part: u32) -> vec2<u32> {
    let block = vec2<u32>(part / WIDE, part % WIDE);
    return 4u * vec2<u32>(thread / ACROSS, thread % ACROSS) + block * vec2<u32>(ROWS / 2u, COLUMNS / 2u);
}

// Sums of a thread's blocks: of its first and second rows (first digit) and columns (second digit).
struct Blocks {
    s00: mat4x4<f32>,
    s01: mat4x4<f32>,
    s10: mat4x4<f32>,
    s11: mat4x4<f32>,
}

// Adds the products of column `k` of the step.
fn advance(k: u32, at: vec2<u32>, before: Blocks) -> Blocks {
    var blocks = before;
    let a0 = left_tile[k * DOWN + turned(at.x, k)];
    let b0 = right_tile[k * ALONG + turned(at.y, k)];
    var b1 = vec4<f32>();
    blocks.s00 = outer(a0, b0, before.s00);
    if WIDE == 2u {
        b1 = right_tile[k * ALONG + turned(at.y + ALONG / 2u, k)];
        blocks.s01 = outer(a0, b1, before.s01);
    }
    if HIGH == 2u {
        let a1 = left_tile[k * DOWN + turned(at.x + DOWN / 2u, k)];
        blocks.s10 = outer(a1, b0, before.s10);
        if WIDE == 2u {
            blocks.s11 = outer(a1, b1, before.s11);
        }
    }
    return blocks;
}

// This thread's sums of the tile whose first row and column are `first`; pair `which` of operands.
fn tile_sums(which: u32, first: vec2<u32>, thread: u32) -> Sums {
    let at = vec2<u32>(thread / ACROSS, thread % ACROSS);
    var total = Blocks();
    var some = Blocks();
    let steps = (params.d + STEP - 1u) / STEP;
    var next = fetch(which, first, thread, 0u);
    for (var step = 0u; step < steps; step++) {
        stage(thread, next);
        workgroupBarrier();
        if step + 1u < steps {
            next = fetch(which, first, thread, step + 1u);
        }
        for (var k = 0u; k < STEP; k += 4u) {
            some = advance(k, at, some);
            some = advance(k + 1u, at, some);
            some = advance(k + 2u, at, some);
            some = advance(k + 3u, at, some);
        }
        workgroupBarrier();
        if (step + 1u) * STEP % 128u == 0u || step + 1u == steps {
            total.s00 += some.s00;
            total.s01 += some.s01;
            total.s10 += some.s10;
            total.s11 += some.s11;
            some = Blocks();
        }
    }
    var sums: Sums;
    sums[0] = total.s00;
    if WIDE == 2u {
        sums[WIDE - 1u] = total.s01;
    }
    if HIGH == 2u {
        sums[WIDE * (HIGH - 1u)] = total.s10;
    }
    if PARTS == 4u {
        sums[PARTS - 1u] = total.s11;
    }
    return sums;
}

