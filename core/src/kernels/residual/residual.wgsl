// Pulls rows back to the entries of a code: d_acts[j] = scale · (table[features[j] − base] · rows[tokens[j] − token]), for the entries whose features lie in
// first..end and whose tokens are rows of this block; others are left alone.
//
// One workgroup = four neighbouring entries, mostly of one token, whose row then stays in the cache; one thread = every WIDTH-th column, so that neighbours
// read neighbours. Order of a sum: columns thread, thread + WIDTH, …; then threads by halves. It depends on d alone.
//
// Bindings: tokens [nnz], features [nnz], table [rows of the block, d], rows [rows of the block, d], d_acts [nnz].
// Limits: each block of each table fits a binding.

struct Params {
    d: u32,
    entries: u32,
    // Tokens of this block of rows: token..token_end.
    token: u32,
    token_end: u32,
    // Features of this pass, and the first row of the block of the table.
    first: u32,
    end: u32,
    base: u32,
    scale: f32,
}

@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> tokens: array<u32>;
@group(0) @binding(3) var<storage, read> features: array<u32>;
@group(0) @binding(4) var<storage, read> table: array<f32>;
@group(0) @binding(5) var<storage, read> rows: array<f32>;
@group(0) @binding(6) var<storage, read_write> d_acts: array<f32>;

var<workgroup> part: array<vec4<f32>, WIDTH>;

fn product(entry: u32, thread: u32) -> f32 {
    let d = params.d;
    let w = (features[entry] - params.base) * d;
    let r = (tokens[entry] - params.token) * d;
    var sum = 0.0;
    for (var c = thread; c < d; c += WIDTH) {
        sum = fma(table[w + c], rows[r + c], sum);
    }
    return sum;
}

fn is_mine(entry: u32) -> bool {
    if entry >= params.entries {
        return false;
    }
    let feature = features[entry];
    let token = tokens[entry];
    return feature >= params.first && feature < params.end && token >= params.token && token < params.token_end;
}

@compute @workgroup_size(WIDTH)
fn pull_back(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let entry = (group.x + origin.x) * 4u;
    let d = params.d;
    let mine = vec4<bool>(is_mine(entry), is_mine(entry + 1u), is_mine(entry + 2u), is_mine(entry + 3u));
    var sum = vec4<f32>(0.0);
    if all(mine) {
        let at = vec4<u32>(entry, entry + 1u, entry + 2u, entry + 3u);
        let w = (vec4<u32>(features[at.x], features[at.y], features[at.z], features[at.w]) - params.base) * d;
        let r = (vec4<u32>(tokens[at.x], tokens[at.y], tokens[at.z], tokens[at.w]) - params.token) * d;
        for (var c = thread; c < d; c += WIDTH) {
            let a = vec4<f32>(table[w.x + c], table[w.y + c], table[w.z + c], table[w.w + c]);
            let b = vec4<f32>(rows[r.x + c], rows[r.y + c], rows[r.z + c], rows[r.w + c]);
            sum = fma(a, b, sum);
        }
    } else {
        if mine.x { sum.x = product(entry, thread); }
        if mine.y { sum.y = product(entry + 1u, thread); }
        if mine.z { sum.z = product(entry + 2u, thread); }
        if mine.w { sum.w = product(entry + 3u, thread); }
    }
    part[thread] = sum;
    for (var half = WIDTH / 2u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if thread < half {
            part[thread] += part[thread + half];
        }
    }
    workgroupBarrier();
    if thread < 4u && mine[thread] {
        d_acts[entry + thread] = params.scale * part[0][thread];
    }
}
