// Scales and centres activations: y[r, c] = scale · x[r, at + c] − less[c].
//
// One thread = one value; neighbours read neighbours.
//
// Bindings: x [rows of its block, wide], less [d], y [rows of its block, d]. Limits: each block fits a binding.

struct Params {
    d: u32,
    wide: u32,
    at: u32,
    // Rows to compute, of this pair of blocks.
    rows: u32,
    // The first of them in x and in y.
    source: u32,
    to: u32,
    scale: f32,
    unused: u32,
}

@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> x: array<f32>;
@group(0) @binding(3) var<storage, read> less: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WIDTH)
fn centre(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let column = (group.x + origin.x) * WIDTH + thread;
    let row = group.y + origin.y;
    if column < params.d && row < params.rows {
        let value = x[(params.source + row) * params.wide + params.at + column];
        y[(params.to + row) * params.d + column] = params.scale * value - less[column];
    }
}
