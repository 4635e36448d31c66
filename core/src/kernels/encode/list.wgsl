// Entries of a table of pre-activations that pass a bar, into one list in any order. One workgroup = a tile of tokens × features.
//
// bars: one value, or one for each feature (bit 0 of `kind`); entries must exceed it, or reach it and be positive (bit 1 of `kind`).
// tokens, features, values: `stride` entries each; entries beyond are counted and not written.
@group(0) @binding(5) var<storage, read> bars: array<u32>;
@group(0) @binding(7) var<storage, read_write> tokens: array<u32>;
@group(0) @binding(8) var<storage, read_write> features: array<u32>;
@group(0) @binding(9) var<storage, read_write> values: array<f32>;

var<workgroup> found: atomic<u32>;
var<workgroup> base: u32;

fn passes(row: u32, column: u32, value: f32) -> bool {
    if row >= params.rows || column >= params.columns {
        return false;
    }
    let bits = bitcast<u32>(value);
    if not_finite(bits) {
        if bits != MINUS_INFINITY {
            note_not_finite(row, column);
        }
        return false;
    }
    let bar = ordered(bars[select(0u, params.feature + column, (params.kind & 1u) == 1u)]);
    let key = ordered(bits);
    if (params.kind & 2u) == 2u {
        return key >= bar && key > 0x80000000u;
    }
    return key > bar;
}

@compute @workgroup_size(THREADS)
fn list(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let first = (group + origin.xyz).yx * vec2<u32>(ROWS, COLUMNS);
    var sums = tile_sums(0u, first, thread);
    if thread == 0u {
        atomicStore(&found, 0u);
    }
    workgroupBarrier();
    var mine = 0u;
    for (var part = 0u; part < PARTS; part++) {
        let at = first + part_at(thread, part);
        let added = biases(at.y);
        for (var i = 0u; i < 4u; i++) {
            let some = sums[part][i] + added;
            sums[part][i] = some;
            for (var j = 0u; j < 4u; j++) {
                mine += select(0u, 1u, passes(at.x + i, at.y + j, some[j]));
            }
        }
    }
    var slot = atomicAdd(&found, mine);
    workgroupBarrier();
    if thread == 0u {
        base = atomicAdd(&state[0], atomicLoad(&found));
    }
    slot += workgroupUniformLoad(&base);
    for (var part = 0u; part < PARTS && mine > 0u; part++) {
        let at = first + part_at(thread, part);
        for (var j = 0u; j < 4u; j++) {
            for (var i = 0u; i < 4u; i++) {
                let value = sums[part][i][j];
                if passes(at.x + i, at.y + j, value) {
                    if slot < params.stride {
                        tokens[slot] = params.token + at.x + i;
                        features[slot] = params.feature + at.y + j;
                        values[slot] = value;
                    }
                    slot++;
                }
            }
        }
    }
}
