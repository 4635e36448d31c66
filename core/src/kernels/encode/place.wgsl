// Copies each row's part of some compressed rows to its place among all. One workgroup of 64 threads = a row.
struct Params {
    rows: u32,
    token: u32,     // number of the first row
    unused: vec2<u32>,
}
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> offsets: array<u32>;           // [rows + 1] in the part
@group(0) @binding(3) var<storage, read> places: array<u32>;            // [rows] among all
@group(0) @binding(4) var<storage, read> part_features: array<u32>;
@group(0) @binding(5) var<storage, read> part_acts: array<u32>;
@group(0) @binding(6) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(7) var<storage, read_write> features: array<u32>;
@group(0) @binding(8) var<storage, read_write> acts: array<u32>;

@compute @workgroup_size(64)
fn place(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.x + origin.x;
    let first = offsets[row];
    let len = offsets[row + 1u] - first;
    for (var i = thread; i < len; i += 64u) {
        let at = places[row] + i;
        tokens[at] = params.token + row;
        features[at] = part_features[first + i];
        acts[at] = part_acts[first + i];
    }
}
