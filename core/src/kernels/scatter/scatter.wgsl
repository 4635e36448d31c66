// Gradients by feature (mod.rs has the formulas).
//
// `rows`: into[out(i), c] = (add ? into[out(i), c] : 0) + scale · Σ_e weights[e] · table[tokens[e], c].
//   One workgroup: one feature and a strip of STRIP columns. One thread: PER columns and every SPLITS-th entry of the feature.
//   Order of a sum: for each s the entries e ≡ s (mod SPLITS) of the feature in the order of tokens, then s = 0, 1, …; no tile, block or slice changes it.
// `sums`: read[out(i)] += Σ_e d_acts[e], b_enc[out(i)] += Σ_e d_bias[e]; moved[out(i)] = 1 where the feature has an entry or is listed.
//   One workgroup: one feature. Order: for each thread t the entries e ≡ t (mod LANES), then halves of the threads onto each other.
//
// Bindings of `rows`: 2 offsets [features + 1], 3 entries [nnz], 4 tokens [nnz], 5 weights [nnz], 6 table [n, columns], 7 list, 8 into [_, columns].
// Bindings of `sums`: 2 offsets, 3 entries, 4 d_acts [nnz], 5 d_bias [nnz], 6 list, 7 b_enc [_], 8 read_sums [_], 9 moved [_].
// Limits: n · columns and rows · columns of `into` below 2^32.

struct Params {
    // First feature of the term, and how many.
    first: u32,
    count: u32,
    // Row of the result for feature `first`; with a list, for the dictionary's feature `base`.
    row: u32,
    base: u32,
    listed: u32,
    add: u32,
    columns: u32,
    scale: f32,
}

const STRIP: u32 = LANES * PER;
const THREADS: u32 = LANES * SPLITS;

@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> offsets: array<u32>;
@group(0) @binding(3) var<storage, read> entries: array<u32>;

@group(0) @binding(4) var<storage, read> tokens: array<u32>;
@group(0) @binding(5) var<storage, read> weights: array<f32>;
@group(0) @binding(6) var<storage, read> table: array<f32>;
@group(0) @binding(7) var<storage, read> row_list: array<u32>;
@group(0) @binding(8) var<storage, read_write> into: array<f32>;

@group(0) @binding(4) var<storage, read> d_acts: array<f32>;
@group(0) @binding(5) var<storage, read> d_bias: array<f32>;
@group(0) @binding(6) var<storage, read> sum_list: array<u32>;
@group(0) @binding(7) var<storage, read_write> b_enc: array<f32>;
@group(0) @binding(8) var<storage, read_write> read_sums: array<f32>;
@group(0) @binding(9) var<storage, read_write> moved: array<u32>;

// Entries that the workgroup works on.
var<workgroup> held_tokens: array<u32, THREADS>;
var<workgroup> held_weights: array<f32, THREADS>;
var<workgroup> parts: array<f32, STRIP * SPLITS>;

@compute @workgroup_size(THREADS)
fn rows(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let group = workgroup + origin.xyz;
    if group.y >= params.count {
        return;
    }
    let feature = params.first + group.y;
    let begin = offsets[feature];
    let end = offsets[feature + 1u];
    var row = params.row + group.y;
    if params.listed != 0u {
        row = params.row + row_list[feature] - params.base;
    }
    let strip = group.x * STRIP;
    if begin == end {
        // Many features of a large dictionary are active on no token of a batch.
        for (var at = thread; at < STRIP && params.add == 0u; at += THREADS) {
            if strip + at < params.columns {
                into[row * params.columns + strip + at] = 0.0;
            }
        }
        return;
    }
    let lane = thread % LANES;
    let split = thread / LANES;
    var sum: array<f32, PER>;
    for (var start = begin; start < end; start += THREADS) {
        if start + thread < end {
            let entry = entries[start + thread];
            held_tokens[thread] = tokens[entry];
            held_weights[thread] = weights[entry];
        }
        workgroupBarrier();
        let held = min(THREADS, end - start);
        for (var at = split; at < held; at += SPLITS) {
            let weight = held_weights[at];
            let base = held_tokens[at] * params.columns;
            for (var part = 0u; part < PER; part++) {
                let column = strip + part * LANES + lane;
                if column < params.columns {
                    sum[part] += weight * table[base + column];
                }
            }
        }
        workgroupBarrier();
    }
    for (var part = 0u; part < PER; part++) {
        parts[split * STRIP + part * LANES + lane] = sum[part];
    }
    workgroupBarrier();
    for (var at = thread; at < STRIP; at += THREADS) {
        var total = parts[at];
        for (var other = 1u; other < SPLITS; other++) {
            total += parts[other * STRIP + at];
        }
        if strip + at < params.columns {
            let place = row * params.columns + strip + at;
            var before = 0.0;
            if params.add != 0u {
                before = into[place];
            }
            into[place] = before + params.scale * total;
        }
    }
}

var<workgroup> act_parts: array<f32, LANES>;
var<workgroup> bias_parts: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn sums(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let group = workgroup + origin.xyz;
    if group.x >= params.count {
        return;
    }
    let feature = params.first + group.x;
    let begin = offsets[feature];
    let end = offsets[feature + 1u];
    var act = 0.0;
    var bias = 0.0;
    for (var at = begin + thread; at < end; at += LANES) {
        let entry = entries[at];
        act += d_acts[entry];
        bias += d_bias[entry];
    }
    act_parts[thread] = act;
    bias_parts[thread] = bias;
    workgroupBarrier();
    for (var width = LANES / 2u; width > 0u; width /= 2u) {
        if thread < width {
            act_parts[thread] += act_parts[thread + width];
            bias_parts[thread] += bias_parts[thread + width];
        }
        workgroupBarrier();
    }
    if thread > 0u {
        return;
    }
    var row = params.row + group.x;
    if params.listed != 0u {
        row = params.row + sum_list[feature] - params.base;
    }
    let has = select(0u, 1u, end > begin || params.listed != 0u);
    if params.add != 0u {
        read_sums[row] += act_parts[0];
        b_enc[row] += bias_parts[0];
        moved[row] |= has;
    } else {
        read_sums[row] = act_parts[0];
        b_enc[row] = bias_parts[0];
        moved[row] = has;
    }
}
