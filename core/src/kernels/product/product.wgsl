// `into[token + i, feature + j] = Σ_d left[i, d] · right[j, d]`, `into [total, stride]`. One workgroup = a tile.
@group(0) @binding(4) var<storage, read_write> into: array<f32>;

@compute @workgroup_size(THREADS)
fn product(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first = (group + origin.xyz).yx * vec2<u32>(ROWS, COLUMNS);
    var sums = tile_sums(0u, first, thread);
    for (var part = 0u; part < PARTS; part++) {
        let at = first + part_at(thread, part);
        for (var i = 0u; i < 4u && at.x + i < params.rows; i++) {
            let row = (params.token + at.x + i) * params.stride + params.feature;
            for (var j = 0u; j < 4u && at.y + j < params.columns; j++) {
                into[row + at.y + j] = sums[part][i][j];
            }
        }
    }
}
