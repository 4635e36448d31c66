// Weighted sum of rows in two stages; the host adds the rest in f64 (mod.rs has the formula).
//
// `spans`: sums[span, c] = Σ over the SPAN features i of a span of factor · read[i] · length[i] · w_enc[i, c].
//   One workgroup: one span and LANES columns. One thread: one column and every SPLITS-th feature.
//   Order: for each s the features i ≡ s (mod SPLITS) of the span, then s = 0, 1, ….
// `joins`: out[join, c] = Σ over JOIN spans in their order. One thread: one column.
// Spans and joins are counted from feature 0, so that no block or chunk changes the order.
//
// Bindings of `spans`: 2 readings [_], 3 facts [_, 2] (length of the decoder row, anything), 4 w_enc [_, columns], 5 sums [_, columns].
// Bindings of `joins`: 2 sums [_, columns], 3 out [_, columns].
// Limits: rows · columns below 2^32.

struct Params {
    columns: u32,
    // Features of this run, or spans of a block.
    count: u32,
    // Rows of the first feature.
    read_row: u32,
    w_enc_row: u32,
    // Row of the first result.
    out: u32,
    // Whether lengths of rows count.
    free: u32,
    factor: f32,
    facts_row: u32,
}

const THREADS: u32 = LANES * SPLITS;

@group(0) @binding(1) var<uniform> params: Params;

@group(0) @binding(2) var<storage, read> readings: array<f32>;
@group(0) @binding(3) var<storage, read> facts: array<f32>;
@group(0) @binding(4) var<storage, read> w_enc: array<f32>;
@group(0) @binding(5) var<storage, read_write> span_sums: array<f32>;

@group(0) @binding(2) var<storage, read> sums: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

var<workgroup> parts: array<f32, THREADS>;

@compute @workgroup_size(THREADS)
fn spans(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let group = workgroup + origin.xyz;
    let column = group.x * LANES + thread % LANES;
    let first = group.y * SPAN;
    let end = min(first + SPAN, params.count);
    var sum = 0.0;
    if column < params.columns {
        for (var i = first + thread / LANES; i < end; i += SPLITS) {
            var weight = params.factor * readings[params.read_row + i];
            if params.free != 0u {
                let length = facts[2u * (params.facts_row + i)];
                if length > 0.0 {
                    weight *= length;
                }
            }
            // Rows of features without a gradient are not read.
            if (bitcast<u32>(weight) & 0x7fffffffu) != 0u {
                sum += weight * w_enc[(params.w_enc_row + i) * params.columns + column];
            }
        }
    }
    parts[thread] = sum;
    workgroupBarrier();
    if thread < LANES && column < params.columns && first < params.count {
        var total = parts[thread];
        for (var other = 1u; other < SPLITS; other++) {
            total += parts[other * LANES + thread];
        }
        span_sums[(params.out + group.y) * params.columns + column] = total;
    }
}

@compute @workgroup_size(LANES)
fn joins(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let group = workgroup + origin.xyz;
    let column = group.x * LANES + thread;
    let first = group.y * JOIN;
    let end = min(first + JOIN, params.count);
    if column >= params.columns || first >= end {
        return;
    }
    var total = 0.0;
    for (var i = first; i < end; i++) {
        total += sums[i * params.columns + column];
    }
    out[(params.out + group.y) * params.columns + column] = total;
}
