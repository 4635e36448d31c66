// Facts about rows of features, which Adam needs beforehand, and dictionaries with decoder rows of length 1.
//
// `facts`: facts[i] = (|w_dec[i]|, g_enc[i] · w_enc[i] + g_b[i] b_enc[i]), for free rows.
// `squares`: out[i] = squared length of the gradients of feature i that Adam takes: of the decoder only the part across its row; of free rows unfolded.
// `touched`: moved[i] = 1 where any gradient of feature i is not 0, else 0.
// `fold`: decoder rows over their length, encoder rows and biases times it; a row of length 0 stays.
// One workgroup: one feature. One thread: the columns c ≡ thread (mod THREADS).
// Order of dot products: each thread's columns ascending, then halves of the threads onto each other.
//
// Bindings of `facts`: 2 w_dec, 3 w_enc, 4 b_enc, 5 g_enc, 6 g_b, 7 facts [rows, 2].
// Bindings of `squares`: 2 w_dec, 3 g_dec, 4 facts [rows, 2], 5 g_enc, 6 g_b, 7 out [_].
// Bindings of `touched`: 2 g_dec, 3 g_enc, 4 g_b, 5 moved [_].
// Bindings of `fold`: 2 w_dec, 3 w_enc, 4 b_enc, 5, 6, 7 the same, folded.
// Rows of w_enc and g_enc have `reads` columns, those of w_dec and g_dec `writes`; b_enc, g_b, moved and out have a number per feature.
// Limits: rows · columns of each table below 2^32.

struct Params {
    rows: u32,
    reads: u32,
    writes: u32,
    free: u32,
    // Places of the first feature.
    w_dec_row: u32,
    w_enc_row: u32,
    b_enc_row: u32,
    g_dec_row: u32,
    g_enc_row: u32,
    g_b_row: u32,
    out_row: u32,
    unused: u32,
}

@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> w_dec: array<f32>;
@group(0) @binding(3) var<storage, read> w_enc: array<f32>;
@group(0) @binding(4) var<storage, read> b_enc: array<f32>;
@group(0) @binding(5) var<storage, read> g_enc: array<f32>;
@group(0) @binding(6) var<storage, read> g_b: array<f32>;
@group(0) @binding(7) var<storage, read_write> new_facts: array<f32>;

@group(0) @binding(3) var<storage, read> g_dec: array<f32>;
@group(0) @binding(4) var<storage, read> known_facts: array<f32>;
@group(0) @binding(7) var<storage, read_write> out: array<f32>;

@group(0) @binding(2) var<storage, read> touched_dec: array<u32>;
@group(0) @binding(3) var<storage, read> touched_enc: array<u32>;
@group(0) @binding(4) var<storage, read> touched_b: array<u32>;
@group(0) @binding(5) var<storage, read_write> moved: array<u32>;

@group(0) @binding(5) var<storage, read_write> folded_w_dec: array<f32>;
@group(0) @binding(6) var<storage, read_write> folded_w_enc: array<f32>;
@group(0) @binding(7) var<storage, read_write> folded_b_enc: array<f32>;

var<workgroup> parts: array<vec2<f32>, THREADS>;

// Sums over the workgroup, the same for all its threads.
fn sum(thread: u32, part: vec2<f32>) -> vec2<f32> {
    parts[thread] = part;
    workgroupBarrier();
    for (var width = THREADS / 2u; width > 0u; width /= 2u) {
        if thread < width {
            parts[thread] += parts[thread + width];
        }
        workgroupBarrier();
    }
    let total = parts[0];
    workgroupBarrier();
    return total;
}

@compute @workgroup_size(THREADS)
fn facts(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = workgroup.x + origin.x;
    if i >= params.rows {
        return;
    }
    var part = vec2<f32>(0.0, 0.0);
    let dec = (params.w_dec_row + i) * params.writes;
    for (var c = thread; c < params.writes; c += THREADS) {
        part.x += w_dec[dec + c] * w_dec[dec + c];
    }
    let enc = (params.w_enc_row + i) * params.reads;
    let gradient = (params.g_enc_row + i) * params.reads;
    for (var c = thread; c < params.reads; c += THREADS) {
        part.y += g_enc[gradient + c] * w_enc[enc + c];
    }
    let total = sum(thread, part);
    if thread == 0u {
        new_facts[2u * i] = sqrt(total.x);
        new_facts[2u * i + 1u] = total.y + g_b[params.g_b_row + i] * b_enc[params.b_enc_row + i];
    }
}

@compute @workgroup_size(THREADS)
fn squares(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = workgroup.x + origin.x;
    if i >= params.rows {
        return;
    }
    let dec = (params.w_dec_row + i) * params.writes;
    let gradient = (params.g_dec_row + i) * params.writes;
    var part = vec2<f32>(0.0, 0.0);
    for (var c = thread; c < params.writes; c += THREADS) {
        part.x += g_dec[gradient + c] * w_dec[dec + c];
    }
    let along = sum(thread, part).x;
    var length = 1.0;
    var through = 0.0;
    if params.free != 0u {
        length = known_facts[2u * i];
        through = known_facts[2u * i + 1u];
    }
    part = vec2<f32>(0.0, 0.0);
    for (var c = thread; c < params.writes; c += THREADS) {
        var across = g_dec[gradient + c];
        let w = w_dec[dec + c];
        if params.free == 0u {
            across -= along * w;
        } else if length > 0.0 {
            let u = w / length;
            across = (across - along / length * u) / length + through * u;
        }
        part.x += across * across;
    }
    let enc = (params.g_enc_row + i) * params.reads;
    for (var c = thread; c < params.reads; c += THREADS) {
        part.y += g_enc[enc + c] * g_enc[enc + c];
    }
    let total = sum(thread, part);
    if thread == 0u {
        let bias = g_b[params.g_b_row + i];
        var scale = 1.0;
        if params.free != 0u && length > 0.0 {
            scale = length * length;
        }
        out[params.out_row + i] = total.x + scale * (total.y + bias * bias);
    }
}

var<workgroup> found: array<u32, THREADS>;

@compute @workgroup_size(THREADS)
fn touched(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = workgroup.x + origin.x;
    if i >= params.rows {
        return;
    }
    // Signs do not count: −0 is no gradient.
    var any = touched_b[params.g_b_row + i] & 0x7fffffffu;
    let dec = (params.g_dec_row + i) * params.writes;
    for (var c = thread; c < params.writes; c += THREADS) {
        any |= touched_dec[dec + c] & 0x7fffffffu;
    }
    let enc = (params.g_enc_row + i) * params.reads;
    for (var c = thread; c < params.reads; c += THREADS) {
        any |= touched_enc[enc + c] & 0x7fffffffu;
    }
    found[thread] = any;
    workgroupBarrier();
    for (var width = THREADS / 2u; width > 0u; width /= 2u) {
        if thread < width {
            found[thread] |= found[thread + width];
        }
        workgroupBarrier();
    }
    if thread == 0u {
        moved[params.out_row + i] = select(0u, 1u, found[0] != 0u);
    }
}

@compute @workgroup_size(THREADS)
fn fold(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = workgroup.x + origin.x;
    if i >= params.rows {
        return;
    }
    let dec = (params.w_dec_row + i) * params.writes;
    var part = vec2<f32>(0.0, 0.0);
    for (var c = thread; c < params.writes; c += THREADS) {
        part.x += w_dec[dec + c] * w_dec[dec + c];
    }
    var length = sqrt(sum(thread, part).x);
    if !(length > 0.0) {
        length = 1.0;
    }
    for (var c = thread; c < params.writes; c += THREADS) {
        folded_w_dec[dec + c] = w_dec[dec + c] / length;
    }
    let enc = (params.w_enc_row + i) * params.reads;
    for (var c = thread; c < params.reads; c += THREADS) {
        folded_w_enc[enc + c] = w_enc[enc + c] * length;
    }
    if thread == 0u {
        folded_b_enc[params.b_enc_row + i] = b_enc[params.b_enc_row + i] * length;
    }
}
