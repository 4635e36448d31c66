// Pre-activations above their feature's bar, of either sign. One workgroup = a tile of tokens × features.
//
// bars: one for each feature. mask `[rows, stride / 32]`: a bit for each entry that passes; values `[rows, stride]`: the entries that pass.
@group(0) @binding(5) var<storage, read> bars: array<u32>;
@group(0) @binding(7) var<storage, read_write> mask: array<atomic<u32>>;
@group(0) @binding(8) var<storage, read_write> values: array<f32>;

@compute @workgroup_size(THREADS)
fn above(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first = (group + origin.xyz).yx * vec2<u32>(ROWS, COLUMNS);
    var sums = tile_sums(0u, first, thread);
    for (var part = 0u; part < PARTS; part++) {
        let at = first + part_at(thread, part);
        let added = biases(at.y);
        for (var i = 0u; i < 4u && at.x + i < params.rows; i++) {
            let row = at.x + i;
            let some = sums[part][i] + added;
            var passed = 0u;
            for (var j = 0u; j < 4u && at.y + j < params.columns; j++) {
                let bits = bitcast<u32>(some[j]);
                if not_finite(bits) && bits != MINUS_INFINITY {
                    note_not_finite(row, at.y + j);
                } else if ordered(bits) > ordered(bars[params.feature + at.y + j]) {
                    passed |= 1u << j;
                    values[row * params.stride + at.y + j] = some[j];
                }
            }
            if passed != 0u {
                atomicOr(&mask[(row * params.stride + at.y) / 32u], passed << (at.y % 32u));
            }
        }
    }
}
