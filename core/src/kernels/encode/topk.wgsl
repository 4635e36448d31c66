// Offers every pre-activation to its row's list of candidates. One workgroup = a tile of tokens × features.
//
// kind: 0 ranks positive values (the others are dropped), 1 ranks by magnitude (zeros are dropped), 2 ranks all values.
fn key_of(bits: u32) -> u32 {
    if params.kind == 1u {
        return bits & 0x7fffffffu;
    }
    if params.kind == 2u {
        return ordered(bits);
    }
    return select(bits, 0u, (bits >> 31u) == 1u);
}

@compute @workgroup_size(THREADS)
fn topk(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first = (group + origin.xyz).yx * vec2<u32>(ROWS, COLUMNS);
    var sums = tile_sums(0u, first, thread);
    for (var part = 0u; part < PARTS; part++) {
        let at = first + part_at(thread, part);
        let added = biases(at.y);
        for (var i = 0u; i < 4u && at.x + i < params.rows; i++) {
            let bar = bars[at.x + i];
            let values = sums[part][i] + added;
            for (var j = 0u; j < 4u && at.y + j < params.columns; j++) {
                let bits = bitcast<u32>(values[j]);
                let key = key_of(bits);
                if not_finite(bits) {
                    if params.kind == 1u || bits != MINUS_INFINITY {
                        note_not_finite(at.x + i, at.y + j);
                    }
                } else if key > bar {
                    offer(at.x + i, at.y + j, key, values[j]);
                }
            }
        }
    }
}
