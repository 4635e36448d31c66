// The list of each row's candidates: `stride` entries of `words` words: key, feature and, where there are 3, the pre-activation. bars: key that a further
// entry must exceed, for each row. Keys are integers in the order of what ranks the entries; 0 ranks below all.
@group(0) @binding(5) var<storage, read> bars: array<u32>;
@group(0) @binding(7) var<storage, read_write> candidates: array<u32>;

fn offer(row: u32, column: u32, key: u32, value: f32) {
    let slot = atomicAdd(&state[2u + params.total + row], 1u);
    if slot < params.stride {
        let at = (row * params.stride + slot) * params.words;
        candidates[at] = key;
        candidates[at + 1u] = params.feature + column;
        if params.words == 3u {
            candidates[at + 2u] = bitcast<u32>(value);
        }
    }
}

