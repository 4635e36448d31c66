// Writes each row's entries ascending by feature. One workgroup of 64 threads = a row of at most 512 entries; a place is the number of lower features.
//
// candidates: as `select.wgsl` says. offsets `[rows + 1]`; tokens, features, acts `[nnz]`; scores `[nnz]` where entries are ranked by score.
struct Params {
    rows: u32,
    k: u32,
    capacity: u32,
    words: u32,
    dropped: u32,
    kind: u32,      // as `topk.wgsl` says; 3 where entries are ranked by score
    token: u32,     // number of the first row
    unused: u32,
}
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> candidates: array<u32>;
@group(0) @binding(3) var<storage, read> offsets: array<u32>;
@group(0) @binding(4) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(5) var<storage, read_write> features: array<u32>;
@group(0) @binding(6) var<storage, read_write> acts: array<u32>;
@group(0) @binding(7) var<storage, read_write> scores: array<u32>;

var<workgroup> row_features: array<u32, 512>;

// The bits of the value whose key in the order of all values is `key`.
fn value_of(key: u32) -> u32 {
    return select(~key, key & 0x7fffffffu, (key >> 31u) == 1u);
}

@compute @workgroup_size(64)
fn finish(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let row = group.x + origin.x;
    let into = offsets[row];
    let len = min(offsets[row + 1u] - into, 512u);
    let first = row * params.capacity * params.words;
    for (var i = thread; i < len; i += 64u) {
        row_features[i] = candidates[first + i * params.words + 1u];
    }
    workgroupBarrier();
    for (var i = thread; i < len; i += 64u) {
        let feature = row_features[i];
        var place = into;
        for (var other = 0u; other < len; other++) {
            place += select(0u, 1u, row_features[other] < feature);
        }
        let at = first + i * params.words;
        let key = candidates[at];
        tokens[place] = params.token + row;
        features[place] = feature;
        if params.words == 3u {
            acts[place] = candidates[at + 2u];
        } else {
            acts[place] = select(key, value_of(key), params.kind == 2u);
        }
        if params.kind == 3u {
            scores[place] = key;
        }
    }
}
