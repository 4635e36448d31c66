// Adds weighted rows of a table: into[r, c] = begin[r, c] + Σ_j sign · acts[j] · table[features[j] − base, c], over the entries j of token `token + r` whose
// features lie in first..end, in the order of features. Passes over blocks of the table, in order, continue the sum where the pass before left it, so that
// the order of summation, and every bit of the result, is independent of how the table is split.
//
// One workgroup = one token and a strip of 4·WIDTH columns; one thread = columns WIDTH apart, so that neighbours read neighbours; four entries at a time, so
// that sixteen reads of a thread are under way. No barriers.
//
// Bindings: offsets [n + 1], features [nnz], acts [nnz], table [rows of the block, d], begin [rows, d] or [d] (stride 0), into [rows, d].
// Limits: d at most 2^30; each block of each table fits a binding.

struct Params {
    d: u32,
    // Rows of this block of tokens, and its first token.
    rows: u32,
    token: u32,
    // Distance of the rows of `begin`.
    stride: u32,
    // Features of this pass, and the first row of the block of the table.
    first: u32,
    end: u32,
    base: u32,
    // 1 where all entries lie in first..end.
    all: u32,
    // 1 where `into` already holds the sum of the passes before.
    goes_on: u32,
    sign: f32,
    unused: vec2<u32>,
}

@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> offsets: array<u32>;
@group(0) @binding(3) var<storage, read> features: array<u32>;
@group(0) @binding(4) var<storage, read> acts: array<f32>;
@group(0) @binding(5) var<storage, read> table: array<f32>;
@group(0) @binding(6) var<storage, read> begin: array<f32>;
@group(0) @binding(7) var<storage, read_write> into: array<f32>;

// The first of entries low..high whose feature is at least `feature`.
fn bound(first: u32, last: u32, feature: u32) -> u32 {
    var low = first;
    var high = last;
    while low < high {
        let middle = low + (high - low) / 2u;
        if features[middle] < feature {
            low = middle + 1u;
        } else {
            high = middle;
        }
    }
    return low;
}

fn start(row: u32, column: u32) -> f32 {
    if params.goes_on == 1u {
        return into[row * params.d + column];
    }
    return begin[row * params.stride + column];
}

fn place(entry: u32) -> u32 {
    return (features[entry] - params.base) * params.d;
}

@compute @workgroup_size(WIDTH)
fn add_rows(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.y + origin.y;
    let column = (group.x + origin.x) * 4u * WIDTH + thread;
    let d = params.d;
    if row >= params.rows || column >= d {
        return;
    }
    var j = offsets[params.token + row];
    var end = offsets[params.token + row + 1u];
    if params.all == 0u {
        j = bound(j, end, params.first);
        end = bound(j, end, params.end);
    }
    if column + 3u * WIDTH < d {
        let four = vec4<u32>(column, column + WIDTH, column + 2u * WIDTH, column + 3u * WIDTH);
        var sum = vec4<f32>(start(row, four.x), start(row, four.y), start(row, four.z), start(row, four.w));
        for (; j + 4u <= end; j += 4u) {
            let a = place(j) + four;
            let b = place(j + 1u) + four;
            let c = place(j + 2u) + four;
            let e = place(j + 3u) + four;
            let va = vec4<f32>(table[a.x], table[a.y], table[a.z], table[a.w]);
            let vb = vec4<f32>(table[b.x], table[b.y], table[b.z], table[b.w]);
            let vc = vec4<f32>(table[c.x], table[c.y], table[c.z], table[c.w]);
            let ve = vec4<f32>(table[e.x], table[e.y], table[e.z], table[e.w]);
            sum = fma(vec4<f32>(params.sign * acts[j]), va, sum);
            sum = fma(vec4<f32>(params.sign * acts[j + 1u]), vb, sum);
            sum = fma(vec4<f32>(params.sign * acts[j + 2u]), vc, sum);
            sum = fma(vec4<f32>(params.sign * acts[j + 3u]), ve, sum);
        }
        for (; j < end; j += 1u) {
            let a = place(j) + four;
            let va = vec4<f32>(table[a.x], table[a.y], table[a.z], table[a.w]);
            sum = fma(vec4<f32>(params.sign * acts[j]), va, sum);
        }
        let to = row * d;
        into[to + four.x] = sum.x;
        into[to + four.y] = sum.y;
        into[to + four.z] = sum.z;
        into[to + four.w] = sum.w;
        return;
    }
    for (var c = column; c < d; c += WIDTH) {
        var sum = start(row, c);
        for (var i = j; i < end; i += 1u) {
            sum = fma(params.sign * acts[i], table[place(i) + c], sum);
        }
        into[row * d + c] = sum;
    }
}
