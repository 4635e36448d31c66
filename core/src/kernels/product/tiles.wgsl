// A tile of ROWS × COLUMNS sums of products, by one workgroup of THREADS threads. Steps of STEP columns of both operands are staged in workgroup memory,
// (ROWS + COLUMNS) · STEP · 4 bytes ≤ 16 KiB; the next step is read while one is multiplied. One thread = HIGH × WIDE blocks of 4 × 4 sums in registers.
//
// Order of summation, equal for all tiles: products in ascending d by `fma`, in blocks of 128 whose sums are added in ascending order.
//
// Constants: ROWS, COLUMNS, STEP (a divisor of 128), HIGH and WIDE (1 or 2), THREADS = ROWS · COLUMNS / (16 · HIGH · WIDE) ≥ (ROWS + COLUMNS) · STEP / 16.
const DOWN: u32 = ROWS / 4u;
const ALONG: u32 = COLUMNS / 4u;
const ACROSS: u32 = ALONG / WIDE;
const PARTS: u32 = HIGH * WIDE;
alias Sums = array<mat4x4<f32>, PARTS>;

var<workgroup> left_tile: array<vec4<f32>, STEP * DOWN>;
var<workgroup> right_tile: array<vec4<f32>, STEP * ALONG>;

// Reads 4 rows × 4 columns of one operand: this thread's share of a step.
fn fetch(which: u32, first: vec2<u32>, thread: u32, step: u32) -> mat4x4<f32> {
    let quad = thread % (DOWN + ALONG);
    let column = 4u * (thread / (DOWN + ALONG));
    let k = step * STEP + column;
    if column >= STEP {
        return mat4x4<f32>();
    }
    if quad < DOWN {
        let row = first.x + 4u * quad;
        return mat4x4<f32>(
            left4(which, row, k), left4(which, row + 1u, k), left4(which, row + 2u, k), left4(which, row + 3u, k),
        );
    }
    let row = first.y + 4u * (quad - DOWN);
    return mat4x4<f32>(
        right4(which, row, k), right4(which, row + 1u, k), right4(which, row + 2u, k), right4(which, row + 3u, k),
    );
}

// Writes what `fetch` read to workgroup memory, four rows' values of one column together.
fn stage(thread: u32, values: mat4x4<f32>) {
    let quad = thread % (DOWN + ALONG);
    let column = 4u * (thread / (DOWN + ALONG));
    if column >= STEP {
        return;
    }
    let turned = transpose(values);
    if quad < DOWN {
        let at = column * DOWN + quad;
        left_tile[at] = turned[0];
        left_tile[at + DOWN] = turned[1];
        left_tile[at + 2u * DOWN] = turned[2];
        left_tile[at + 3u * DOWN] = turned[3];
    } else {
        let at = column * ALONG + quad - DOWN;
        right_tile[at] = turned[0];
        right_tile[at + ALONG] = turned[1];
        right_tile[at + 2u * ALONG] = turned[2];
        right_tile[at + 3u * ALONG] = turned[3];
    }
}

// Row and column of block `part` of this thread within its tile.
fn part_at(thread: u32, part: u32) -> vec2<u32> {
    let block = vec2<u32>(part / WIDE, part % WIDE);
    return 4u * vec2<u32>(thread / ACROSS, thread % ACROSS) + block * vec2<u32>(ROWS / 2u, COLUMNS / 2u);
}

// This thread's sums of the tile whose first row and column are `first`; pair `which` of operands.
fn tile_sums(which: u32, first: vec2<u32>, thread: u32) -> Sums {
    let x = thread % ACROSS;
    let y = thread / ACROSS;
    var t00 = mat4x4<f32>();
    var t01 = mat4x4<f32>();
    var t10 = mat4x4<f32>();
    var t11 = mat4x4<f32>();
    var s00 = mat4x4<f32>();
    var s01 = mat4x4<f32>();
    var s10 = mat4x4<f32>();
    var s11 = mat4x4<f32>();
    let steps = (params.d + STEP - 1u) / STEP;
    var next = fetch(which, first, thread, 0u);
    for (var step = 0u; step < steps; step++) {
        stage(thread, next);
        workgroupBarrier();
        if step + 1u < steps {
            next = fetch(which, first, thread, step + 1u);
        }
        for (var k = 0u; k < STEP; k++) {
            let a0 = left_tile[k * DOWN + y];
            let b0 = right_tile[k * ALONG + x];
            var b1 = vec4<f32>();
            s00 = outer(a0, b0, s00);
            if WIDE == 2u {
                b1 = right_tile[k * ALONG + x + ALONG / 2u];
                s01 = outer(a0, b1, s01);
            }
            if HIGH == 2u {
                let a1 = left_tile[k * DOWN + y + DOWN / 2u];
                s10 = outer(a1, b0, s10);
                if WIDE == 2u {
                    s11 = outer(a1, b1, s11);
                }
            }
        }
        workgroupBarrier();
        if (step + 1u) * STEP % 128u == 0u || step + 1u == steps {
            t00 += s00;
            t01 += s01;
            t10 += s10;
            t11 += s11;
            s00 = mat4x4<f32>();
            s01 = mat4x4<f32>();
            s10 = mat4x4<f32>();
            s11 = mat4x4<f32>();
        }
    }
    var sums: Sums;
    sums[0] = t00;
    if WIDE == 2u {
        sums[WIDE - 1u] = t01;
    }
    if HIGH == 2u {
        sums[WIDE * (HIGH - 1u)] = t10;
    }
    if PARTS == 4u {
        sums[PARTS - 1u] = t11;
    }
    return sums;
}

