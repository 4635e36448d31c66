// Terms of training rules on codes; the formulas are in mod.rs.
//
// add_to_each, closed, jump_relu, magnitudes, gated, gated_entries, ratios, multiply: one thread = one entry.
// sum_by_feature: one workgroup = 8 features, 8 lanes each; a lane takes every 8th of the feature's entries in the order of tokens; then lanes by halves.
//   The order depends on the codes alone.
// largest: one workgroup = one row; the cut-off is found bit by bit, so that the k-th largest value is exact; ties go to lower features.
//
// Bindings: see each entry point. Limits: below 2^32 entries; each buffer fits a binding.

struct Params {
    entries: u32,
    features: u32,
    // Constant to add.
    by: f32,
    // Width of the rectangle of JumpReLU.
    width: f32,
    // Gradient of the penalty by one token's L0: slope + l0_factor · (active / tokens − l0_target).
    slope: f32,
    l0_factor: f32,
    l0_target: f32,
    tokens: f32,
    // tanh penalty: weight and slope.
    tanh_weight: f32,
    tanh_slope: f32,
    unused: vec2<u32>,
}

@group(0) @binding(1) var<uniform> params: Params;

fn entry_of(group: u32, thread: u32) -> u32 {
    return (group + origin.x) * WIDTH + thread;
}

// d[j] += by.
@group(0) @binding(2) var<storage, read_write> d_of_all: array<f32>;

@compute @workgroup_size(WIDTH)
fn add_to_each(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let j = entry_of(group.x, thread);
    if j < params.entries {
        d_of_all[j] += params.by;
    }
}

// acts[j] = pre[j] if it is above the feature's threshold, else 0.
@group(0) @binding(2) var<storage, read> features: array<u32>;
@group(0) @binding(3) var<storage, read> pre: array<f32>;
@group(0) @binding(4) var<storage, read> thresholds: array<f32>;
@group(0) @binding(5) var<storage, read_write> acts_out: array<f32>;

@compute @workgroup_size(WIDTH)
fn closed(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let j = entry_of(group.x, thread);
    if j < params.entries {
        acts_out[j] = select(0.0, pre[j], pre[j] > thresholds[features[j]]);
    }
}

// tanh of a number that is not negative: e^(−2x) never overflows; small numbers by the series, whose next term is below 6e-8 of the value.
fn tanh_of(x: f32) -> f32 {
    if x < 0.1 {
        let square = x * x;
        return x * (1.0 + square * (-0.33333334 + square * 0.13333334));
    }
    let e = exp(-2.0 * min(x, 40.0));
    return (1.0 - e) / (1.0 + e);
}

// d_acts in place; pulls[j] is the entry's part of its threshold's gradient, charged[j] its part of the tanh penalty.
@group(0) @binding(5) var<storage, read> acts: array<f32>;
@group(0) @binding(6) var<storage, read> active_entries: array<u32>;
@group(0) @binding(7) var<storage, read_write> d_acts: array<f32>;
@group(0) @binding(8) var<storage, read_write> pulls: array<f32>;
@group(0) @binding(9) var<storage, read_write> charged: array<f32>;

@compute @workgroup_size(WIDTH)
fn jump_relu(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let j = entry_of(group.x, thread);
    if j >= params.entries {
        return;
    }
    let act = acts[j];
    let threshold = thresholds[features[j]];
    let value = tanh_of(params.tanh_slope * act);
    let d = d_acts[j] + params.tanh_weight * params.tanh_slope * (1.0 - value * value);
    let off = f32(active_entries[0]) / params.tokens - params.l0_target;
    let slope = (params.slope + params.l0_factor * off) / params.tokens;
    let is_near = abs(pre[j] - threshold) < 0.5 * params.width;
    pulls[j] = select(0.0, -(threshold * d + slope) / params.width, is_near);
    charged[j] = params.tanh_weight * value;
    d_acts[j] = select(0.0, d, act > 0.0);
}

// acts[j] = max(exp(r_mag[f]) · (gates[j] − b_enc[f]) + b_mag[f], 0).
@group(0) @binding(3) var<storage, read> gates: array<f32>;
@group(0) @binding(4) var<storage, read> b_enc: array<f32>;
@group(0) @binding(5) var<storage, read> r_mag: array<f32>;
@group(0) @binding(6) var<storage, read> b_mag: array<f32>;
@group(0) @binding(7) var<storage, read_write> magnitudes_out: array<f32>;

@compute @workgroup_size(WIDTH)
fn magnitudes(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let j = entry_of(group.x, thread);
    if j < params.entries {
        let f = features[j];
        magnitudes_out[j] = max(exp(r_mag[f]) * (gates[j] - b_enc[f]) + b_mag[f], 0.0);
    }
}

// pulls[j] = h, charged[j] = h · exp(r_mag[f]) · (gates[j] − b_enc[f]), where h is d_acts[j] of an active entry, else 0.
@group(0) @binding(6) var<storage, read> gated_acts: array<f32>;
@group(0) @binding(7) var<storage, read> d_magnitudes: array<f32>;

@compute @workgroup_size(WIDTH)
fn gated(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let j = entry_of(group.x, thread);
    if j < params.entries {
        let f = features[j];
        let h = select(0.0, d_magnitudes[j], gated_acts[j] > 0.0);
        pulls[j] = h;
        charged[j] = h * exp(r_mag[f]) * (gates[j] - b_enc[f]);
    }
}

// d_acts[j] = d_gates[j] + h[j] · exp(r_mag[f]).
@group(0) @binding(3) var<storage, read> d_gates: array<f32>;
@group(0) @binding(4) var<storage, read> h_of_entries: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_entries: array<f32>;

@compute @workgroup_size(WIDTH)
fn gated_entries(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let j = entry_of(group.x, thread);
    if j < params.entries {
        d_entries[j] = d_gates[j] + h_of_entries[j] * exp(r_mag[features[j]]);
    }
}

// factors[j] = scores[j] / values[j].
@group(0) @binding(2) var<storage, read> scores: array<f32>;
@group(0) @binding(3) var<storage, read> values: array<f32>;
@group(0) @binding(4) var<storage, read_write> factors: array<f32>;

@compute @workgroup_size(WIDTH)
fn ratios(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let j = entry_of(group.x, thread);
    if j < params.entries {
        factors[j] = scores[j] / values[j];
    }
}

// product[j] *= scores[j].
@group(0) @binding(3) var<storage, read_write> product: array<f32>;

@compute @workgroup_size(WIDTH)
fn multiply(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let j = entry_of(group.x, thread);
    if j < params.entries {
        product[j] *= scores[j];
    }
}

// sums[f] = Σ values[entries[i]] over i in offsets[f]..offsets[f + 1].
@group(0) @binding(2) var<storage, read> offsets: array<u32>;
@group(0) @binding(4) var<storage, read> entries: array<u32>;
@group(0) @binding(5) var<storage, read_write> sums: array<f32>;

const LANES: u32 = 8u;
var<workgroup> lanes: array<f32, 64>;

@compute @workgroup_size(64)
fn sum_by_feature(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let lane = thread % LANES;
    let feature = (group.x + origin.x) * LANES + thread / LANES;
    var sum = 0.0;
    if feature < params.features {
        let end = offsets[feature + 1u];
        for (var i = offsets[feature] + lane; i < end; i += LANES) {
            sum += values[entries[i]];
        }
    }
    lanes[thread] = sum;
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            lanes[thread] += lanes[thread + half];
        }
    }
    workgroupBarrier();
    if lane == 0u && feature < params.features {
        sums[feature] = lanes[thread];
    }
}

// Row r of the result, kept[r]..kept[r + 1], holds the largest entries of row r of the codes, in order of features.
@group(0) @binding(3) var<storage, read> kept: array<u32>;
@group(0) @binding(4) var<storage, read> all_features: array<u32>;
@group(0) @binding(5) var<storage, read> bits_of_acts: array<u32>;
@group(0) @binding(6) var<storage, read_write> out_tokens: array<u32>;
@group(0) @binding(7) var<storage, read_write> out_features: array<u32>;
@group(0) @binding(8) var<storage, read_write> out_acts: array<u32>;

var<workgroup> at_least: array<atomic<u32>, 32>;
var<workgroup> above_in: array<u32, 64>;
var<workgroup> equal_in: array<u32, 64>;

// Whole numbers in the order of the values: −NaN < −1 < −0 < 0 < 1 < NaN. Values stay whole numbers throughout, since a device may take denormals for 0.
fn key(bits: u32) -> u32 {
    return bits ^ select(0x80000000u, 0xffffffffu, bits >> 31u == 1u);
}

@compute @workgroup_size(64)
fn largest(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.x + origin.x;
    let is_row = row < params.entries;
    let begin = select(0u, offsets[row], is_row);
    let end = select(0u, offsets[row + 1u], is_row);
    let to = select(0u, kept[row], is_row);
    let wanted = select(0u, kept[row + 1u], is_row) - to;
    if thread < 32u {
        atomicStore(&at_least[thread], 0u);
    }
    workgroupBarrier();
    var cut = 0u;
    for (var bit = 0u; bit < 32u; bit += 1u) {
        let candidate = cut | (1u << (31u - bit));
        var count = 0u;
        for (var j = begin + thread; j < end; j += 64u) {
            count += u32(key(bits_of_acts[j]) >= candidate);
        }
        atomicAdd(&at_least[bit], count);
        workgroupBarrier();
        if atomicLoad(&at_least[bit]) >= wanted {
            cut = candidate;
        }
    }
    // Each thread takes a piece of the row, so that the order stays.
    let piece = (end - begin + 63u) / 64u;
    let first = min(begin + thread * piece, end);
    let last = min(first + piece, end);
    var above = 0u;
    var equal = 0u;
    for (var j = first; j < last; j += 1u) {
        above += u32(key(bits_of_acts[j]) > cut);
        equal += u32(key(bits_of_acts[j]) == cut);
    }
    above_in[thread] = above;
    equal_in[thread] = equal;
    workgroupBarrier();
    var above_before = 0u;
    var equal_before = 0u;
    var above_in_all = 0u;
    for (var other = 0u; other < 64u; other += 1u) {
        above_in_all += above_in[other];
        if other < thread {
            above_before += above_in[other];
            equal_before += equal_in[other];
        }
    }
    let ties = wanted - min(wanted, above_in_all);
    for (var j = first; j < last; j += 1u) {
        let own = key(bits_of_acts[j]);
        if own > cut || (own == cut && equal_before < ties) {
            let place = to + above_before + min(equal_before, ties);
            out_tokens[place] = row;
            out_features[place] = all_features[j];
            out_acts[place] = bits_of_acts[j];
        }
        above_before += u32(own > cut);
        equal_before += u32(own == cut);
    }
}
