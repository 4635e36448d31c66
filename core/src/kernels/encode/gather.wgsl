// Turns masks of features into compressed rows: the features whose bit is set, with their values, from `offsets[row]` on. One workgroup = a row.
struct Params {
    rows: u32,
    stride: u32,    // features of a row in `values`; a multiple of 32, at most 4,096
    feature: u32,   // number of the first of them
    token: u32,     // number of the first row
}
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> mask: array<u32>;
@group(0) @binding(3) var<storage, read> values: array<u32>;
@group(0) @binding(4) var<storage, read> offsets: array<u32>;
@group(0) @binding(5) var<storage, read_write> features: array<u32>;
@group(0) @binding(6) var<storage, read_write> acts: array<u32>;

var<workgroup> words: array<u32, 128>;

@compute @workgroup_size(64)
fn gather(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.x + origin.x;
    let len = params.stride / 32u;
    for (var word = thread; word < len; word += 64u) {
        words[word] = mask[row * len + word];
    }
    workgroupBarrier();
    for (var word = thread; word < len; word += 64u) {
        var place = offsets[row];
        for (var before = 0u; before < word; before++) {
            place += countOneBits(words[before]);
        }
        for (var bits = words[word]; bits != 0u; bits &= bits - 1u) {
            let column = 32u * word + firstTrailingBit(bits);
            features[place] = params.feature + column;
            acts[place] = values[row * params.stride + column];
            place++;
        }
    }
}
