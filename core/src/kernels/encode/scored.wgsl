// Offers every pre-activation to its row's list of candidates, ranked by the score `pre · (1 + beta · |g|)` where it is positive, g the product of the second
// pair of operands. One workgroup = a tile of tokens × features of both products.
@compute @workgroup_size(THREADS)
fn scored(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first = (group + origin.xyz).yx * vec2<u32>(ROWS, COLUMNS);
    var along = tile_sums(1u, first, thread);
    var sums = tile_sums(0u, first, thread);
    for (var part = 0u; part < PARTS; part++) {
        let at = first + part_at(thread, part);
        let added = biases(at.y);
        for (var i = 0u; i < 4u && at.x + i < params.rows; i++) {
            let bar = bars[at.x + i];
            let values = sums[part][i] + added;
            let scores = values * fma(vec4<f32>(params.beta), abs(along[part][i]), vec4<f32>(1.0));
            for (var j = 0u; j < 4u && at.y + j < params.columns; j++) {
                let bits = bitcast<u32>(scores[j]);
                let key = select(bits, 0u, (bits >> 31u) == 1u);
                if not_finite(bits) {
                    if bits != MINUS_INFINITY {
                        note_not_finite(at.x + i, at.y + j);
                    }
                } else if key > bar {
                    offer(at.x + i, at.y + j, key, values[j]);
                }
            }
        }
    }
}
