// y[i] = a[i] + b[i].
//
// One thread = one value. Bindings: a [len], b [len], y [len]. Limits: none but a binding's.

// x: len.
@group(0) @binding(1) var<uniform> params: vec4<u32>;
@group(0) @binding(2) var<storage, read> a: array<f32>;
@group(0) @binding(3) var<storage, read> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;

@compute @workgroup_size(WIDTH)
fn add(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
    let i = (group.x + origin.x) * WIDTH + thread;
    if i < params.x {
        y[i] = a[i] + b[i];
    }
}
