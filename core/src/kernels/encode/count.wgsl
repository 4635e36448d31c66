// Counts the bits of each row of `mask [rows, stride / 32]`. One thread = a row.
struct Params {
    rows: u32,
    stride: u32,    // features of a row in `values`; a multiple of 32, at most 4,096
    feature: u32,   // number of the first of them
    token: u32,     // number of the first row
}
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> mask: array<u32>;
@group(0) @binding(3) var<storage, read_write> counts: array<u32>;

@compute @workgroup_size(64)
fn count(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = (group.x + origin.x) * 64u + thread;
    if row >= params.rows {
        return;
    }
    var bits = 0u;
    for (var word = 0u; word < params.stride / 32u; word++) {
        bits += countOneBits(mask[row * params.stride / 32u + word]);
    }
    counts[row] = bits;
}
