// Sums in f32 of fixed blocks, for the host to join in f64.
//
// rows: of each block of ROWS rows of x [n, d] the sum of each column, columns [blocks, d], and of each strip of 32 columns the sum of squares about the
//   block's own column means, squares [blocks, strips]. One workgroup = a strip of one block; one thread = one column in one of 8 lanes of rows.
//   Order: rows lane, lane + 8, …; then lanes by halves; then, of squares, columns by halves. It depends on the shape alone.
// total: partial [blocks] of a list of values. One workgroup = BLOCK values; one thread = every 256th of them; then threads by halves.
//
// Limits: x, and its blocks, fit a binding; d at most 2^26.

struct Params {
    // Of this buffer.
    rows: u32,
    d: u32,
    strips: u32,
    // First block of this buffer in the results.
    block: u32,
}

@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> columns: array<f32>;
@group(0) @binding(4) var<storage, read_write> squares: array<f32>;

const STRIP: u32 = 32u;
const LANES: u32 = 8u;

var<workgroup> part: array<f32, 256>;

// The sum of part[..256] by halves down to `to` values.
fn halve(thread: u32, to: u32) {
    for (var half = 128u; half >= to; half /= 2u) {
        workgroupBarrier();
        if thread < half {
            part[thread] += part[thread + half];
        }
    }
    workgroupBarrier();
}

@compute @workgroup_size(256)
fn rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let at = group + origin.xyz;
    let lane = thread / STRIP;
    let column = at.x * STRIP + thread % STRIP;
    let first = at.y * ROWS;
    let end = min(first + ROWS, params.rows);
    let is_column = column < params.d;
    var sum = 0.0;
    if is_column {
        for (var row = first + lane; row < end; row += LANES) {
            sum += x[row * params.d + column];
        }
    }
    part[thread] = sum;
    halve(thread, STRIP);
    let total = part[thread % STRIP];
    workgroupBarrier();
    let mean = total / f32(max(end, first + 1u) - first);
    var square = 0.0;
    if is_column {
        for (var row = first + lane; row < end; row += LANES) {
            let off = x[row * params.d + column] - mean;
            square = fma(off, off, square);
        }
        if lane == 0u {
            columns[(params.block + at.y) * params.d + column] = total;
        }
    }
    part[thread] = square;
    halve(thread, 1u);
    if thread == 0u && at.x < params.strips {
        squares[(params.block + at.y) * params.strips + at.x] = part[0];
    }
}

// params: number of values; binding 3 is partial [blocks].
@compute @workgroup_size(256)
fn total(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let block = group.x + origin.x;
    let end = min((block + 1u) * BLOCK, params.rows);
    var sum = 0.0;
    for (var i = block * BLOCK + thread; i < end; i += 256u) {
        sum += x[i];
    }
    part[thread] = sum;
    halve(thread, 1u);
    if thread == 0u && block * BLOCK < params.rows {
        columns[block] = part[0];
    }
}
